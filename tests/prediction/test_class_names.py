"""The file of class names: each fault has a sentence of its own, and what is no fault is read."""

import json

from utils.config import ConfigError, PredictConfig
from utils.prediction.class_names import numbered, read_class_names
from utils.prediction.classifier import _classes

import pytest

NAMES = {"0": "\u732b", "1": "\u72d7", "2": "\u516c\u5171\u6c7d\u8f66"}


@pytest.fixture
def written(tmp_path):
    """written(value, encoding) -> a file with the value in JSON, or with the text as it is."""

    def write(value, encoding="utf-8"):
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        (tmp_path / "names.json").write_bytes(text.encode(encoding))
        return tmp_path / "names.json"

    return write


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_byte_order_mark_is_read_past(written, encoding):
    assert read_class_names(written(NAMES, encoding)) == list(NAMES.values())


def test_names_that_occur_twice_are_numbered(written):
    names = ["crane", "cat", "crane", "maillot", "maillot", "maillot"]
    expected = ["crane (1)", "cat", "crane (2)", "maillot (1)", "maillot (2)", "maillot (3)"]
    path = written({str(i): name for i, name in enumerate(names)})
    classes, note = _classes(PredictConfig(class_indices_path=str(path)))
    assert classes == expected
    assert note == "; names of several classes are numbered: 'crane', 'maillot'"
    assert numbered(["a", "a (1)", "a"]) == ["a (2)", "a (1)", "a (3)"]


def test_many_equal_names_are_numbered_in_one_pass():
    assert numbered(["x", "x (2)", "x", "y", "x"]) == ["x (1)", "x (2)", "x (3)", "y", "x (4)"]
    assert numbered(["x"] * 50_000)[-1] == "x (50000)"  # minutes, if each were to try all numbers


@pytest.mark.parametrize(
    ("value", "encoding", "message"),
    [
        (NAMES, "gbk", "line 1 is not UTF-8, but probably gbk"),
        (NAMES, "utf-16", "line 1 is not UTF-8, but probably utf-16"),
        ('{"0": "cat",\n"1" "dog"}', "utf-8", "line 2 is no JSON"),
        (["cat", "dog"], "utf-8", "got \\['cat', 'dog'\\]"),
        ({}, "utf-8", "expected .* got {}"),
        ({"1": "cat", "2": "dog"}, "utf-8", 'no "0" among its 2 entries'),
        ({"0": "cat", "1": "a/b"}, "utf-8", "\"1\": 'a/b' cannot be the name of a class"),
        ({"0": "cat", "1": 7}, "utf-8", '"1": 7 cannot be the name of a class'),
    ],
)
def test_each_fault_is_named(written, value, encoding, message):
    path = written(value, encoding)
    with pytest.raises(ConfigError, match=f"class_indices_path: .*names.json: .*{message}"):
        _classes(PredictConfig(class_indices_path=str(path)))
