"""What a command says of options that it cannot take."""

from importlib import import_module

from utils.cli import OptionParser, integer_in
from utils.weights.options import positive

import pytest

SCRIPTS = ["create_data", "grad_cam", "check_data", "report", "fps", "cross_validate", "probe"]


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("words", [["--nope"], ["here", "--pictures", "-1", "--val", "1.5", "--folds", "x"]])
def test_a_mistake_in_an_option_is_one_line(capsys, script, words):
    with pytest.raises(SystemExit, match="2"):
        import_module(f"tools.{script}").main(words)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert said.err.endswith(" (--help explains the options)\n")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("kind", [positive, integer_in(1, 9)])
@pytest.mark.parametrize("text", ["0", "x", "1.5"])
def test_numbers_of_options_say_what_is_expected(capsys, kind, text):
    parser = OptionParser()
    parser.add_argument("--threads", type=kind)
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args(["--threads", text])
    assert "error: argument --threads: expected an integer " in capsys.readouterr().err
