"""train.py as a command: its statuses, its help, and a signal that it gets."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

from utils import cli
from utils.config import TrainConfig
from utils.signals import Stopped
from utils.weights.checkpoint import load_checkpoint

import pytest

import train
from tests.helpers import ROOT
from tests.helpers.runs import assert_same_run, wait_for


@pytest.fixture
def command(monkeypatch):
    """command(*words) gives the exit status of `python train.py *words`, which runs in this process."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["train.py", *words])
        return train.main()

    return call


def test_mistakes_end_with_status_2_and_no_folder(command, make_config, tmp_path, capsys):
    make_config()
    assert command("--config", str(tmp_path / "config.py"), "--set", "epoch=3", "--set", "model_suffix=0.6") == 2
    printed = capsys.readouterr().err
    assert "'epochs'" in printed
    assert "'0.5'" in printed
    assert printed.count("error:") == 1
    assert "Traceback" not in printed
    assert not (tmp_path / "logs").exists()


def test_a_launchers_variable_may_be_empty_but_no_word(command, make_config, tmp_path, monkeypatch, capsys):
    """Job scripts of clusters leave it empty where what they copy is not set."""
    make_config()
    words = ["--config", str(tmp_path / "config.py"), "--set", "epochs=-1"]
    monkeypatch.setenv("WORLD_SIZE", "")
    assert command(*words) == 2
    assert "epochs: expected" in capsys.readouterr().err
    monkeypatch.setenv("WORLD_SIZE", "two")
    monkeypatch.setenv("RANK", "first")
    assert command(*words) == 2
    assert capsys.readouterr().err == (
        "error: environment: WORLD_SIZE: expected an integer, as launchers set it, got 'two'\n"
    )


@pytest.mark.parametrize(
    ("signum", "status"),
    [
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.long),
        pytest.param(signal.SIGHUP, 129, marks=pytest.mark.long),
        (signal.SIGINT, 130),
    ],
)
def test_a_signal_saves_and_the_run_resumes_to_the_same_end(
    whole_network, command, make_config, tmp_path, signum, status
):
    config = make_config(epochs=6, num_workers=2)
    line = [sys.executable, str(ROOT / "train.py"), "--config", str(tmp_path / "config.py")]
    process = subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    folder = tmp_path / "logs" / "shufflenetv2_0.5" / "exp0"
    wait_for(lambda: (folder / "last.pth").exists() or process.poll() is not None)
    os.killpg(process.pid, signum)  # as a terminal and a launcher do: the workers get it too
    output, _ = process.communicate(timeout=60)
    assert process.returncode == status, output
    assert "Traceback" not in output
    assert load_checkpoint(folder / "last.pth")["epoch"] < 6
    assert command("--resume", str(folder)) == 0
    assert_same_run(train.run(config), folder)


def test_an_interrupt_while_torch_is_imported_is_quiet():
    code = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # which a shell's background job has not
        "sys.modules['__main__'].__file__ = os.path.abspath('train.py')\n"
        "import utils\n"  # the first import of each script
        "assert 'torch' not in sys.modules\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
        "raise SystemExit('went on')\n"
    )
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (130, "", "")


@pytest.mark.parametrize("stop", [KeyboardInterrupt, Stopped(signal.SIGTERM)])
def test_a_run_that_is_stopped_before_it_has_saved_leaves_no_folder(make_config, tmp_path, monkeypatch, stop):
    def stopped(*arguments):
        raise stop

    monkeypatch.setattr(train, "report_start", stopped)
    with pytest.raises((KeyboardInterrupt, Stopped)):
        train.run(make_config())
    assert list((tmp_path / "logs" / "shufflenetv2_0.5").iterdir()) == []


def test_from_another_folder_with_every_command_recorded(command, make_config, tmp_path, monkeypatch):
    make_config(epochs=1, warmup_epochs=0)
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    for folder in (project, elsewhere):
        folder.mkdir()
    shipped = (tmp_path / "config.py").rename(project / "train_config.py")
    monkeypatch.setattr(cli, "__file__", str(project / "utils" / "cli.py"))
    monkeypatch.chdir(elsewhere)
    run = str(tmp_path / "logs" / "shufflenetv2_0.5" / "exp0")
    commands = [["train.py", "--set", "seed=3"], *(["train.py", "--resume", run, "--set", f"epochs={n}"] for n in "23")]
    for _, *words in commands:
        assert command(*words) == 0
    log = Path(run, "train.log").read_text()
    assert f"config: {shipped}" in log
    assert all(f"command: {' '.join(words)}\n" in log for words in commands)
    environment = json.loads(Path(run, "environment.json").read_text())
    assert [environment["command"], *environment["resumed_by"]] == commands
    (elsewhere / "train_config.py").write_text("seed = -1\n")
    assert command() == 2  # the one here comes first


def test_help_names_every_key(command, capsys):
    with pytest.raises(SystemExit) as ended:
        command("--help")
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert all(field.name in printed for field in fields(TrainConfig))


def test_a_start_does_not_import_what_few_runs_need():
    """torchvision brings torch's compiler, which takes as long as torch; scikit-learn fits heads alone."""
    commands = [str(ROOT / "train.py"), str(ROOT / "predict.py"), *map(str, sorted((ROOT / "tools").glob("*.py")))]
    code = f"import runpy, sys; sys.path.insert(0, {str(ROOT)!r}); [runpy.run_path(each) for each in {commands}]\n"
    code += "print(sorted({'torchvision', 'torch._dynamo', 'sklearn'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_force_without_a_resume_is_said_to_be_without_effect(make_config, tmp_path, monkeypatch, capsys):
    make_config()
    monkeypatch.setattr(train, "run", lambda config, **options: None)
    words = ["train.py", "--config", str(tmp_path / "config.py"), "--force"]
    (tmp_path / "last.pth").write_bytes(b"")
    resume = ["--set", "resume=True", "--set", f"load_from={tmp_path / 'last.pth'}"]
    for more, said in (([], "--force: without effect"), (resume, "")):
        monkeypatch.setattr(sys, "argv", [*words, *more])
        assert train.main() == 0
        assert capsys.readouterr().err.startswith(said)
