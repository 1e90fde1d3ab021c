"""Configs that nobody would write: whatever becomes of one, it is no traceback and no half-made run folder."""

import contextlib
import dataclasses
import os
import string

from utils.config import (
    ConfigError,
    PredictConfig,
    TrainConfig,
    load_predict_config,
    load_train_config,
    parse_overrides,
    read_literals,
    to_plain,
)
from utils.config.schema import check
from utils.data.listing import find_all_images
from utils.errors import UserError
from utils.prediction.output import check_output
from utils.run.folder import open_run_folder
from utils.run.splits import read_data
from utils.text import one_line

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.helpers.image_files import noisy_image

EXAMPLES = 250  # of each test in CI; HYPOTHESIS_FACTOR=50 tries that many times more
FUZZ = settings(
    max_examples=EXAMPLES * int(os.environ.get("HYPOTHESIS_FACTOR", 1)),
    deadline=None,
    database=None,
    derandomize="HYPOTHESIS_FACTOR" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
NAMES = {schema: [field.name for field in dataclasses.fields(schema)] for schema in (TrainConfig, PredictConfig)}
PARTS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 2**31, 2**53, 2**63, 2**64, 10**30, -(10**30), 10**4000]),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["", "auto", "x" * 5000, "\0", "\ud800", "\udcff", "..", "/", "/dev/zero", "/no/where", "cuda:²",
                     "cuda:99", "\n", "tawid", "reznet", "**", "[", "a/**/b", "~", "con", "-1", "__import__('os')"]),
    st.binary(max_size=4),
    st.complex_numbers(),
    st.just(...),
)  # fmt: skip
VALUES = st.recursive(
    PARTS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.text(max_size=3), inner, max_size=3),
        st.frozensets(st.integers(), max_size=3),
    ),
    max_leaves=8,
)


def misspelt(name):
    return st.sampled_from([name[:-1], name.upper(), f"{name}s", name.replace("_", ""), f" {name}", f"{name}\udcff"])


def mutations(schema):
    """{key: value} that replace or add to a config; keys known, nearly known, or of any sort."""
    known = st.sampled_from(NAMES[schema])
    keys = st.one_of(known, known, known, known.flatmap(misspelt), st.text(max_size=6), st.integers())
    return st.dictionaries(keys, VALUES, min_size=1, max_size=3)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with images of two classes, a valid config over them, and nothing in its logs."""
    root = tmp_path_factory.mktemp("fuzz")
    for split in ("train", "val"):
        for label in ("ant", "bee"):
            (root / "images" / split / label).mkdir(parents=True)
            noisy_image(label, split, (8, 8)).save(root / "images" / split / label / "x.png")
    before = os.getcwd()
    os.chdir(root)
    yield root
    os.chdir(before)


def valid(root):
    config = TrainConfig.plain(
        model_prefix="shufflenetv2", model_suffix="0.5", img_path=str(root / "images"), device="cpu"
    )
    return {**to_plain(config), "log_root": str(root / "logs"), "img_size": [32, 32], "val_resize": [36, 36]}


def outcome(command):
    """'passed' or 'refused'; whatever else it raises is raised."""
    try:
        command()
    except UserError as caught:
        error = caught
    else:
        return "passed"
    lines = str(error).split("\n  ")  # a ConfigError of several problems has a line for each
    assert all(line and one_line(line, most=5000) == line for line in lines)
    assert len(lines) == 1 or isinstance(error, ConfigError)
    return "refused"


def run_folders(root):
    return sum(name.startswith("exp") for _, folders, _ in os.walk(root / "logs") for name in folders)


def begin(path, overrides=None):
    """Everything of a training run before its first step."""
    config = load_train_config(path, overrides)
    read_data(config)
    return open_run_folder(dataclasses.replace(config, exp_name="exp"))


def check_begin(root, path, overrides=None):
    before = run_folders(root)
    if outcome(lambda: begin(path, overrides)) == "refused":
        assert run_folders(root) == before


@FUZZ
@given(changes=mutations(TrainConfig))
def test_any_value_of_any_key_is_an_error_or_a_run(place, changes):
    path = place / "config.py"
    path.write_text("", encoding="utf-8")
    if "log_root" in changes:  # anywhere else on this machine
        changes = {**changes, "exp_name": "/"}
    check_begin(place, path, {**valid(place), **changes})


@FUZZ
@given(dropped=st.sets(st.sampled_from(NAMES[TrainConfig])), changes=mutations(TrainConfig), older=st.booleans())
def test_any_file_of_literals_is_an_error_or_a_run(place, dropped, changes, older):
    changes = {**changes, "exp_name": "/"} if "log_root" in changes or "log_root" in dropped else changes
    values = {name: value for name, value in {**valid(place), **changes}.items() if name not in dropped}
    path = place / "config.py"
    path.write_bytes(written(values, older).encode("utf-8", "surrogatepass"))
    check_begin(place, path)
    outcome(lambda: check(TrainConfig, read_literals(path)))


def written(values, older):
    if older:
        return f"inf = nan = 1e999\nconfigurations = {{'cfg': {literal(values)}}}\n"
    lines = [f"{name} = {literal(value)}" for name, value in values.items()]
    return "\n".join(["inf = 1e999", "nan = inf - inf", *lines, "del inf, nan"])


def literal(value):
    with contextlib.suppress(ValueError):
        return repr(value)
    return f"[{hex(10**5000)}]"  # more digits than Python writes out


SHAPES = ["", "configurations = {}", "configurations = {'cfg': 3}", "configurations = {'cfg': {1: 2, None: 3}}",
          "raise SystemExit", "exit(0)", "1/0", "raise BaseExceptionGroup('a', [ValueError()])", "import none_such",
          "epochs = " + "[" * 90 + "]" * 90, "epochs = " + "-" * 3000 + "1", "x = []\nx.append(x)\nepochs = x",
          "class A:\n def __eq__(s, o): raise OSError\n def __repr__(s): raise OSError\nepochs = steps = device = A()",
          "from os import *", "epochs = 10 ** 5000", "epochs = 5 if", "\tepochs = 1", "lambda: 0", "epochs: int",
          "raise ValueError('two\\nlines')", "seed = {}\nfor _ in range(60): seed = {0: seed, 1: seed}",
          "def f(): f()\nf()", "epochs = float", "steps = range(3)", "mean = {0.5}", "steps = iter([1])",
          "img_size = (i for i in (32, 32))", "# coding: none-such\nepochs = 1", "# coding: utf-16\nepochs = 1",
          "config_path = 10 ** 5000",
          "import warnings\nwarnings.warn('odd')\nepochs = 0"]  # fmt: skip


@pytest.mark.parametrize("text", SHAPES)
def test_a_file_that_does_odd_things_is_an_error(place, text):
    path = place / "config.py"
    path.write_text(text + "\nexp_name = '/'\n", encoding="utf-8")
    for load in (begin, load_predict_config):
        assert outcome(lambda load=load: load(path)) == "refused"
    outcome(lambda: read_literals(path))


@FUZZ
@given(content=st.one_of(st.binary(max_size=60), st.text(string.printable, max_size=60).map(str.encode)),
       mark=st.sampled_from([b"", b"\xef\xbb\xbf", b"\xff\xfe", b"PK\x03\x04", b"\xa7\x0d\x0d\x0a", b"\0"]),
       where=st.integers(0, 2000))  # fmt: skip
def test_any_bytes_are_an_error_or_a_run(place, content, mark, where):
    """Put into, or in place of, a good file."""
    good = written(valid(place), older=False).encode()
    path = place / "config.py"
    path.write_bytes(mark + good[:where] + content + good[where:] if where < 1500 else mark + content)
    for load in (load_train_config, read_literals):
        with contextlib.suppress(ConfigError):
            load(path)


@pytest.mark.parametrize(
    "make", [os.mkdir, getattr(os, "mkfifo", os.mkdir), lambda p: os.symlink(p, p), lambda p: None]
)
def test_a_config_that_is_no_file_is_an_error(place, make, tmp_path):
    make(tmp_path / "config.py")
    for load in (load_train_config, load_predict_config, read_literals):
        with pytest.raises(ConfigError, match="no such config file"):
            load(tmp_path / "config.py")
        with pytest.raises(ConfigError, match="no such config file"):
            load("x" * 5000)


@FUZZ
@given(pairs=st.lists(st.one_of(
    st.text(max_size=12),
    st.tuples(st.sampled_from([*NAMES[TrainConfig], "", "x"]), st.one_of(
        VALUES.map(literal), st.text(max_size=12), st.sampled_from(["(" * 500, "9" * 5000, "0x" + "f" * 5000, "{}[0]"]),
    )).map("=".join),
), max_size=3))  # fmt: skip
def test_any_set_on_the_command_line_is_an_error_or_a_run(place, pairs):
    path = place / "config.py"
    path.write_text("", encoding="utf-8")
    outcome(lambda: load_train_config(path, {**valid(place), **parse_overrides(pairs)}))


@FUZZ
@given(changes=mutations(PredictConfig))
def test_any_prediction_config_is_an_error_or_a_prediction(place, changes):
    path = place / "config.py"
    path.write_bytes(written({"load_from": "none.pth", **changes}, older=False).encode("utf-8", "surrogatepass"))

    def begin_prediction():
        config = load_predict_config(path)
        if config.output:
            check_output(config.output)
        if all(pattern.strip("/*.~") for pattern in config.patterns):  # not the whole machine
            find_all_images(config.patterns)

    outcome(begin_prediction)
