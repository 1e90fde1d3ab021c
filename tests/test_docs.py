"""The commands of the documentation, each of which is run, or has a reason why not."""

import os
import re
import shlex
import shutil
from pathlib import Path

from utils.data.demo import make_digits

import numpy as np
import pytest
from PIL import Image

from tests.helpers import ROOT
from tests.helpers.pages import GUIDES, INSTALL, PAGES, READMES, TESTS, TEXTS, blocks


def in_languages(language: str) -> dict[str, None]:
    """The different blocks of this language on all pages, in their order."""
    found = [block.text for name in (*READMES, *GUIDES, *PAGES) for block in blocks(name) if block.language == language]
    return dict.fromkeys(found)


COMMANDS = [
    command
    for command in dict.fromkeys(part for text in in_languages("bash") for part in re.split(r" && |\n", text.strip()))
    if command
]
ELSEWHERE = {  # command -> why it is not run here
    INSTALL: "installs; .ci/run does so in a new environment",
    "python -m pip install -r requirements-dev.txt": "installs; .ci/run does so in a new environment",
    "python -m pip install onnx onnxruntime onnxscript": "installs; part of requirements-dev.txt",
    "python -m pip install pre-commit": "installs",
    "python -m pip install tensorboard": "installs; part of requirements-dev.txt",
    "tensorboard --logdir logs": "serves until it is stopped",
    "python train.py --set loggers=tensorboard": (
        "tests/run/test_tracking.py::test_the_event_file_equals_results_csv_through_stops_and_a_resume_from_before"
    ),
    "pre-commit install": "changes the repository",
    "python -m ruff check .": ".ci/run",
    "python -m ruff format --check .": ".ci/run",
    'python -m pytest -n 2 -m "not slow and not long" --device cpu': ".ci/run",
    'python -m pytest -n 2 -m "slow and not huge" --daily-part 3 '
    "tests/models/test_models.py tests/test_docs.py": ".ci/run",
    "python -m mypy": ".ci/run",
    "python -m pytest -n 2 -m slow": "runs tests; an hour and more",
    "python -m pytest -n 2 -m huge": "runs tests; a part of those before",
    "python -m pytest -n 0 -s -m long tests/run tests/benchmarks tests/test_docs.py": "runs tests; 20 minutes",
    "python -m pytest tests/models/test_models.py tests/models/test_registry.py -k squeezenet": "runs tests; .ci/run",
    "python -m torch.distributed.launch --nproc_per_node=2 --use_env train_multi_gpu.py": (
        "tests/run/test_distributed.py::test_two_processes_train_write_once_and_agree_with_their_checkpoint"
    ),
    "torchrun --nproc_per_node=2 train_multi_gpu.py": (
        "tests/run/test_distributed.py::test_two_processes_stop_together_and_resume_to_the_same_end"
    ),
    "torchrun --nproc_per_node=2 predict.py logs/resnet_18/exp1 data/digits/val --output all.csv": (
        "tests/prediction/test_jobs.py::test_processes_share_the_images_each_once"
    ),
    "python train.py data/photos --set pretrained=True": (
        "tests/weights/test_pretrained.py::test_a_run_starts_from_public_weights"
    ),
    "python tools/cross_validate.py photos --folds 5": (
        "tests/crossval/test_cross_validate.py::test_a_fold_that_was_stopped_goes_on_from_its_last_epoch"
    ),
    "python tools/probe.py data/photos --folds 5 --model-prefix shufflenetv2 --model-suffix 0.5": (
        "tests/probing/test_probe.py::test_folds_have_the_tables_of_a_cross_validation"
    ),
    "python tools/find_label_errors.py logs/shufflenetv2_0.5/probe0/folds/predictions.csv": (
        "tests/probing/test_probe.py::test_folds_have_the_tables_of_a_cross_validation"
    ),
    "python tools/find_label_errors.py logs/shufflenetv2_0.5/probe0/folds/label_errors/suspects.csv --apply": (
        "tests/label_errors/test_find_label_errors.py::test_only_the_rows_that_are_left_of_the_suspects_are_moved"
    ),
    "python tools/find_label_errors.py --undo logs/shufflenetv2_0.5/probe0/folds/label_errors/undo.csv": (
        "tests/label_errors/test_find_label_errors.py::test_files_are_moved_to_the_suggested_class_and_put_back"
    ),
    "python -m utils.docs": "test_the_command_writes_what_is_out_of_date",
    "python -m utils.docs --check": "test_generated_files_are_what_the_code_says",
}
WITHOUT_PROJECT = "import onnxruntime"  # tests/export/test_without_the_project.py runs that code in an empty folder
SLOW = (  # what takes many seconds
    "python predict.py digits.onnx",
    "python tools/export.py",
    "python tools/probe.py data/digits --folds",
)
LONG = (  # of several that differ little all but one; what other tests run in their process, over all networks
    "python -m models",
    "python tools/params.py --all",
    "python tools/create_data.py --demo",
    "python train.py --config",
    "python train.py data/digits",
    "python train.py --resume logs/resnet_18/exp1 --set",
    "python train.py --set epochs",
    "python train.py --weights resnet18-f37072fd.pth --set mean",
)
SMALL = "--set img_size=32 --set val_resize=32 --set batch_size=64 --set num_workers=0 --set device=cpu"
TRAINING = ("python train.py --set", "python train.py --config", "python train.py --weights", "python train.py data/")
SHORT = {  # beginning of a command -> what shortens it
    "python train.py --resume": f"--set epochs=2 {SMALL}",
    **dict.fromkeys(TRAINING, f"--set epochs=1 --set warmup_epochs=0 {SMALL}"),
    "python tools/fps.py": "--rounds 2 --warmup 1 --img-size 64 64",
    "python tools/throughput.py": "--rounds 2 --warmup 1 --img-size 64 64",
    "python tools/probe.py": "--img-size 32 32",
}
PROJECT = ("models", "utils", "tools", "logs/resnet_18/exp0")
SCRIPTS = ("train.py", "train_multi_gpu.py", "predict.py", "train_config.py", "predict_config.py")
RUN = "logs/resnet_18/exp1"


def shortened(command: str) -> str:
    extra = next((extra for beginning, extra in SHORT.items() if command.startswith(beginning)), "")
    if command == "python train.py":
        extra = SHORT["python train.py --set"]
    return f"{command} {extra}"


@pytest.fixture(scope="module")
def succeed(python):
    """succeed(folder, command) runs a command of the documentation in a copy of the project."""
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")

    def call(folder: Path, command: str) -> None:
        words = shlex.split(command)
        assert words[0] == "python", command
        done = python(folder, words[1:])
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"

    return call


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, succeed):
    """A copy of the project with some of the digits, photographs by class, ResNet-18's weights and three short runs."""
    folder = tmp_path_factory.mktemp("docs") / "project"
    for name in PROJECT:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in SCRIPTS:
        shutil.copy2(ROOT / name, folder / name)
    make_digits(folder / "data/digits")
    for path in [*folder.glob("data/digits/train/*/*"), *folder.glob("data/digits/val/*/*")]:
        if int(path.stem) % 12 and path.name != "0045.png":  # a twelfth is enough, and that one is named
            path.unlink()
    photographs(folder / "photos")
    succeed(folder, "python tools/create_data.py photos data/photos --val 0.2")
    save_weights(folder / "resnet18-f37072fd.pth")
    succeed(folder, shortened("python train.py"))
    for number in (2, 3):
        copy = folder / f"logs/resnet_18/exp{number}"
        shutil.copytree(folder / RUN, copy, ignore=shutil.ignore_patterns("*.pth"))
    return folder


def photographs(root: Path) -> None:
    """Pictures of two classes, no two of which look alike: patches of colour, smoothly enlarged."""
    rng = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (root / label).mkdir(parents=True)
        for number in range(10):
            patches = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
            Image.fromarray(patches).resize((96, 72), Image.Resampling.BICUBIC).save(root / label / f"{number}.jpg")


def save_weights(path: Path) -> None:
    """A file of torchvision's layout with random weights."""
    import torch
    from torchvision.models import resnet18

    torch.save(resnet18(weights=None).state_dict(), path)


@pytest.fixture
def workspace(prepared, tmp_path):
    """A copy of `prepared`; checkpoints, which are replaced as a whole, are shared with it."""

    def share(source: str, target: str) -> None:
        (os.link if source.endswith(".pth") else shutil.copy2)(source, target)

    yield shutil.copytree(prepared, tmp_path / "project", copy_function=share)
    shutil.rmtree(tmp_path)  # checkpoints take hundreds of megabytes


def marks_of(command: str) -> list[pytest.MarkDecorator]:
    kinds = ((pytest.mark.slow, SLOW), (pytest.mark.long, LONG))
    return [mark for mark, beginnings in kinds if command.startswith(beginnings)]


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(command, marks=marks_of(command), id=command[7:60])
        for command in COMMANDS
        if command not in ELSEWHERE
    ],
)
def test_command(workspace, succeed, command):
    if "create_data.py" in command:
        shutil.rmtree(workspace / "data/photos")  # made by it; nothing is overwritten
    if "digits.onnx" in command and "export.py" not in command:
        succeed(workspace, next(other for other in COMMANDS if "export.py" in other))
    succeed(workspace, shortened(command))


@pytest.mark.parametrize(
    "code",
    [code for code in in_languages("python") if WITHOUT_PROJECT not in code],
    ids=lambda code: code.split("\n")[0],
)
def test_python(workspace, succeed, code):
    succeed(workspace, f"python -c {shlex.quote(code)}")


def test_commands_that_are_not_run_are_in_the_documentation_and_tested_elsewhere():
    assert [command for command in ELSEWHERE if command not in COMMANDS] == []
    for reason in ELSEWHERE.values():
        for path, test in re.findall(r"(tests/[\w/.]+)::(\w+)", reason):
            assert f"def {test}(" in TESTS[path]


def test_ci_takes_its_command_from_the_readme():
    text = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert "/<!-- test command -->/,/<!-- \\/test command -->/p' README.md" in text
    whole = re.search(r"<!-- test command -->(.*?)<!-- /test command -->", TEXTS["README.md"], re.DOTALL)[1]
    lines = [line for line in whole.split("\n") if line.startswith("python")]
    assert len(lines) == 1
    assert lines[0].split(" && ")[0] == "python -m pip install -r requirements-dev.txt"
