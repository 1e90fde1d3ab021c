"""Weights as a word without an option, where a tool takes them by one."""

from utils.errors import ConfigError

import pytest

import tools.export
import tools.fps
import tools.grad_cam
from tests.helpers.checkpoints import folder_with_best


@pytest.mark.parametrize(
    ("main", "words"),
    [(tools.export.main, ["--output", "x.pt2"]), (tools.fps.main, []), (tools.grad_cam.main, ["picture.png"])],
)
def test_the_option_is_named(tmp_path, capsys, main, words):
    run = folder_with_best(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main([str(run), *words])
    assert ended.value.code == 2
    assert f"; weights are named by an option here: --weights {run}" in capsys.readouterr().err


def test_weights_that_were_taken_for_images_are_too(tmp_path):
    run = folder_with_best(tmp_path)
    with pytest.raises(
        ConfigError, match=f"expected --weights, .*; weights are named by an option here: --weights {run}"
    ):
        tools.grad_cam.parse_arguments([str(run)])
