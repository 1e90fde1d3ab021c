"""What a command says at its end: to a reader that has gone away, as after `| head`, and where memory is short."""

import argparse
import os
import re
import signal
import sys
from contextlib import contextmanager

from utils.cli import add_config_options, read_options, run_command
from utils.config import TrainConfig
from utils.errors import UserError
from utils.log import RunLog, log
from utils.run.command_line import add_words
from utils.signals import StopRequest, terminations_raise

import pytest
import torch

import tools.check_data
import tools.convert_weights
import tools.create_data
import tools.export
import tools.grad_cam
import tools.probe
from tests.helpers import ROOT


@contextmanager
def unread_output():
    """Within it, standard output is a pipe that nobody reads; at its end it is flushed, as Python does at its exit."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        yield
        stream.flush()


def test_a_command_ends_without_a_traceback(capfd):
    with unread_output():
        assert run_command(lambda: print("x" * 100_000)) == 1
    assert capfd.readouterr().err == ""


def test_a_name_that_no_folder_takes_is_an_error_of_the_input(capfd, tmp_path):
    assert run_command(lambda: (tmp_path / ("x" * 300)).read_bytes()) == 2
    assert re.fullmatch("error: .*x: File name too long\n", capfd.readouterr().err)


def test_a_run_goes_on_and_its_log_has_every_line(tmp_path, capfd):
    def three_lines():
        for i in range(3):
            log.info(f"line {i}")

    with unread_output(), RunLog() as run_log:
        run_log.write_to(tmp_path)
        assert run_command(three_lines) == 0
    assert [line.split()[-1] for line in (tmp_path / "train.log").read_text().splitlines()] == ["0", "1", "2"]
    assert capfd.readouterr().err == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux")
def test_a_run_goes_on_where_its_output_is_on_a_full_disk(tmp_path, monkeypatch):
    with open("/dev/full", "w") as stream, RunLog() as run_log:
        monkeypatch.setattr(sys, "stdout", stream)
        run_log.write_to(tmp_path)
        assert run_command(lambda: log.info("x" * 10_000)) == 0
        assert (
            "xxx" in (tmp_path / "train.log").read_text()
        )  # and Python's last flush, at the end of the with, succeeds


@pytest.mark.parametrize("closed", [["stdout"], ["stderr"], ["stdout", "stderr"]])
def test_a_run_goes_on_without_a_console(tmp_path, monkeypatch, closed):
    for name in closed:
        monkeypatch.setattr(sys, name, None)

    def fail():
        log.info("line")
        raise UserError("a mistake")

    with RunLog() as run_log:
        run_log.write_to(tmp_path)
        assert run_command(fail) == 2
    assert "line" in (tmp_path / "train.log").read_text()


@pytest.mark.parametrize("heeded", [True, False])
def test_a_terminal_that_is_closed_asks_to_stop_unless_it_is_ignored(heeded):
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL if heeded else signal.SIG_IGN)
    try:
        with StopRequest() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
        assert stop.signum == (signal.SIGHUP if heeded else 0)

        def closed():
            with terminations_raise():
                os.kill(os.getpid(), signal.SIGHUP)

        assert run_command(closed) == (129 if heeded else 0)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_another_broken_pipe_is_reported(capfd):
    def fail():
        raise BrokenPipeError(32, "Broken pipe")

    assert run_command(fail) == 1
    assert "Broken pipe" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("words", "pair"),
    [
        (["--set", "img_size=[160,", "160]"], "img_size=[160, ..."),
        (["--set", "seed=1", "--set", "epochs", "=", "3"], "epochs ..."),
        (["--set", "epochs=", "3"], "epochs= ..."),
        (["--set", "epochs=3", "--sett", "seed=1"], None),
    ],
)
def test_a_pair_that_a_shell_has_cut_off_at_a_blank_is_explained(capsys, words, pair):
    parser = argparse.ArgumentParser()
    add_config_options(parser, TrainConfig, "train_config.py")
    with pytest.raises(SystemExit, match="2"):
        read_options(parser, words)
    said = capsys.readouterr().err
    assert "unrecognized arguments: " in said
    assert ("into quotes" in said) == (pair is not None)
    assert pair is None or f"'{pair}'" in said


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["here", "--epochs", "5"], "--set epochs=5"),
        (["--batch-size=16", "here"], "--set batch_size=16"),
        (["--exp_name", "my run"], "--set 'exp_name=my run'"),
        (["--use_ema", "--set", "seed=1"], "--set use_ema=VALUE"),
        (["--patience"], "--set patience=VALUE"),
        (["--momentun", "0.9"], ""),
    ],
)
def test_a_key_that_is_written_as_an_option_is_explained(capsys, words, hint):
    """As timm's scripts and others have it."""
    parser = argparse.ArgumentParser()
    add_words(parser)
    add_config_options(parser, TrainConfig, "train_config.py")
    with pytest.raises(SystemExit, match="2"):
        read_options(parser, words)
    said = capsys.readouterr().err.strip()
    assert "unrecognized arguments: " in said
    assert said.endswith(f"; keys of the config are set by --set: {hint}") if hint else "keys of" not in said


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--set", "img_size=[160,", "160]"], True),
        (["--set", "epochs=", "3"], True),
        (["--set", "load_from=", "here"], False),
        (["here", "--set", "seed=1"], False),
    ],
)
def test_what_a_shell_has_cut_off_is_no_path(capsys, tmp_path, monkeypatch, words, hint):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    parser = argparse.ArgumentParser()
    add_words(parser)
    add_config_options(parser, TrainConfig, "train_config.py")
    if not hint:
        assert read_options(parser, words).first == "here"
        return
    with pytest.raises(SystemExit, match="2"):
        read_options(parser, words)
    assert f"unrecognized arguments: {words[-1]}; put the pair of --set" in capsys.readouterr().err


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    return tmp_path


def test_every_tool_finds_paths_in_the_home_folder(home):
    """(A shell leaves ~ as it is behind a =, and there is none where a program starts another.)"""
    run = home / "exp0"
    run.mkdir()
    (run / "best.pth").write_bytes(b"")
    exported = tools.export.parse_arguments(["--weights=~/exp0", "--output=~/a.onnx", "--images=~/photos"])
    assert exported.network.weights == run / "best.pth"
    assert (exported.output, exported.images) == (home / "a.onnx", str(home / "photos"))
    drawn = tools.grad_cam.parse_arguments(["~/a.png", "--load-from=~/exp0", "--output=~/drawings"])
    assert (drawn.images, drawn.output) == (str(home / "a.png"), home / "drawings")
    converted = tools.convert_weights.parse_arguments(["~/exp0", "~/a.pth", "--to=ours"])
    assert (converted.source, converted.target) == (run / "best.pth", home / "a.pth")
    checked = tools.check_data.parse_arguments(["~/photos", "--output=~/report"])
    assert (checked.root, checked.output) == (home / "photos", home / "report")
    divided = tools.create_data.parse_arguments(["~/photos", "~/data"])
    assert (divided.source, divided.target) == (home / "photos", home / "data")
    probed = tools.probe.parser().parse_args(["~/photos", "--log-root=~/logs", "--networks", "~/exp0"])
    assert (probed.images, probed.log_root, probed.networks) == (
        *(f"{home}/{n}" for n in ("photos", "logs")),
        [str(run)],
    )


def test_no_option_takes_a_path_as_it_is():
    texts = {
        path: path.read_text(encoding="utf-8")
        for folder in ("tools", "utils")
        for path in (ROOT / folder).rglob("*.py")
    }
    assert [path.name for path, text in texts.items() if "type=Path" in text] == []


@pytest.mark.parametrize("error", [torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), None])
def test_too_little_memory_is_one_line_with_the_keys_to_change(capfd, error):
    def fail():
        if error is not None:
            raise error
        torch.empty(2**60, dtype=torch.uint8)

    assert run_command(fail) == 1
    said = capfd.readouterr().err
    assert said.startswith("error: out of memory (")
    assert len(said.splitlines()) == 1
    assert all(key in said for key in ("batch_size", "accumulate_steps", "use_apex", "img_size"))


def test_a_gpu_that_fails_is_one_line_and_the_process_ends_at_once(capfd, monkeypatch):
    class Ended(BaseException):
        pass

    def end(status):
        raise Ended(status)

    def fail():
        raise RuntimeError("CUDA error: device-side assert triggered\nSearch for `cudaErrorAssert' in ...")

    monkeypatch.setattr(os, "_exit", end)
    with pytest.raises(Ended, match="1"):
        run_command(fail)
    assert capfd.readouterr().err == (
        "error: the GPU failed (CUDA error: device-side assert triggered); with CUDA_LAUNCH_BLOCKING=1 it shows where; "
        "what was saved is as it was\n"
    )


@pytest.mark.parametrize(
    "words", [["--set", "a=1", "b=2"], ["--set", "a=1", "b=2", "c=3"], ["here", "--set", "a=1", "b=2"]]
)
def test_a_pair_without_a_set_of_its_own_is_named(words, capsys):
    parser = argparse.ArgumentParser()
    parser.add_argument("first", nargs="?")
    parser.add_argument("--set", action="append", default=[])
    with pytest.raises(SystemExit) as ended:
        read_options(parser, words)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "b=2" in said
    assert "each KEY=VALUE needs a --set of its own: --set b=2" in said
