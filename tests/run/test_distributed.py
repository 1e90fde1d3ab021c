"""Several processes over gloo: the same figures as one, errors that name the way, nothing left running."""

import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace

from utils.errors import WeightsError
from utils.report import run_tables
from utils.weights.checkpoint import load_checkpoint

import numpy as np
import pytest

import train
from tests.helpers import ROOT
from tests.helpers.processes import ENVIRONMENT, LAUNCH, alive, descendants, outcome_of, ranks
from tests.helpers.runs import assert_same_run, results, wait_for

ONE_EPOCH = dict(epochs=1, warmup_epochs=0, use_ema=False)


@pytest.fixture
def checkpoint(make_config):
    config = make_config(**ONE_EPOCH)
    return config, train.run(config) / "best.pth"


@pytest.mark.parametrize("images", [5, *(pytest.param(number, marks=pytest.mark.slow) for number in (1, 21))])
def test_validation_in_two_processes_equals_one(checkpoint, make_runs, image_folder, images):
    """Also with fewer images than processes, where one rank has none."""
    config, path = checkpoint
    counts = {"ant": -(-images // 3), "bee": (images + 1) // 3, "cow": images // 3}
    root = image_folder({"train": {"ant": 2, "bee": 2, "cow": 2}, "val": counts}, name=f"val{images}")
    one = train.run(replace(config, only_val=True, load_from=str(path), img_path=str(root)))
    options = (f"img_path={root}", "only_val=True", f"load_from={path}")
    job = make_runs(ranks=2, **ONE_EPOCH).begin(one.parents[1], options=options)
    assert job.end() == [0, 0], job.said()
    two = one.parent / f"exp{int(one.name[3:]) + 1}"
    assert np.array_equal(run_tables.read_confusion(one)[1], run_tables.read_confusion(two)[1])
    assert run_tables.read_confusion(two)[1].sum() == images
    for name in ("accuracy", "precision", "recall", "f1"):
        assert results(one)[0][name] == results(two)[0][name]
    assert float(results(one)[0]["val_loss"]) == pytest.approx(float(results(two)[0]["val_loss"]), abs=1e-6)


def test_two_processes_train_write_once_and_agree_with_their_checkpoint(make_config, tmp_path):
    config = make_config(epochs=9, monitor="macro_auc", patience=1, min_delta=0.9)  # both end after the second
    line = [sys.executable, "-m", "torch.distributed.launch", "--nproc_per_node=2", "--use_env"]
    line += [f"--master_port={free_port()}", str(ROOT / "train_multi_gpu.py"), "--config", str(tmp_path / "config.py")]
    outcome = outcome_of(line)
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.count("epoch 1/9") == 1  # rank 0 alone speaks
    assert outcome.stdout.count("so that the run ends after epoch 2 of 9, at a learning rate of") == 1
    folders = list((tmp_path / "logs" / "shufflenetv2_0.5").iterdir())
    assert [folder.name for folder in folders] == ["exp0"]
    saved = load_checkpoint(folders[0] / "last.pth")
    assert (saved["world_size"], saved["epoch"]) == (2, 2)
    assert not any(name.startswith("module.") for name in saved["net"])
    validated = train.run(replace(config, only_val=True, load_from=str(folders[0] / "last.pth")))
    for name in ("accuracy", "f1", "ema_accuracy"):
        assert results(folders[0])[-1][name] == results(validated)[0][name]


def test_two_processes_stop_together_and_resume_to_the_same_end(whole_network, make_runs, make_config, tmp_path):
    changes = dict(epochs=5, num_workers=1)
    runs = make_runs(ranks=2, save_steps=0, **changes)
    config = make_config(**changes)
    part = tmp_path / "logs" / "shufflenetv2_0.5" / "exp0"
    line = [*LAUNCH, str(ROOT / "train_multi_gpu.py"), "--config", str(tmp_path / "config.py")]
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT)
    wait_for(lambda: (part / "last.pth").exists() or process.poll() is not None)
    process.send_signal(signal.SIGTERM)  # which the launcher hands on
    process.wait(timeout=60)
    assert "stopped at step" in (part / "train.log").read_text()
    assert load_checkpoint(part / "last.pth")["epoch"] < 5
    with pytest.raises(WeightsError, match="processes was 2, is 1"):
        train.run(replace(config, resume=True, load_from=str(part / "last.pth")))
    assert runs.finish(tmp_path / "logs") == part
    assert_same_run(runs.whole()[0], part)


@pytest.mark.parametrize("words", [[], ["--local-rank=0"]], ids=["", "as launch has it without --use_env"])
def test_without_a_launcher_the_error_gives_the_command(monkeypatch, capsys, words):
    script = str(ROOT / "train_multi_gpu.py")
    monkeypatch.setattr(sys, "argv", [script, *words])
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(script, run_name="__main__")
    assert ended.value.code == 2
    assert "torch.distributed.launch --nproc_per_node=2 --use_env train_multi_gpu.py" in capsys.readouterr().err


@pytest.mark.long
def test_one_dying_process_ends_all(make_config, tmp_path):
    make_config(epochs=400, warmup_epochs=1, num_workers=1)
    line = [*LAUNCH, str(ROOT / "train_multi_gpu.py"), "--config", str(tmp_path / "config.py")]
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    folder = tmp_path / "logs" / "shufflenetv2_0.5" / "exp0"
    wait_for(lambda: (folder / "last.pth").exists())
    everyone = descendants(process.pid)
    os.kill(ranks(everyone)[1], signal.SIGKILL)
    start = time.monotonic()
    assert process.wait(timeout=60) != 0
    wait_for(lambda: not any(alive(pid) for pid in everyone), 60 - (time.monotonic() - start))
    assert load_checkpoint(folder / "last.pth")["epoch"] >= 1


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
