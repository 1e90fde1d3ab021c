"""Which key a run that waits for its data should turn, said once."""

from utils.run import hints
from utils.run.hints import waiting_hint

import pytest

import train
from tests.helpers.runs import plain_config


@pytest.fixture
def twelve_cores(monkeypatch):
    monkeypatch.setattr(hints, "available_cores", lambda: 12)


@pytest.mark.usefixtures("twelve_cores")
@pytest.mark.parametrize(
    ("options", "advice"),
    [
        (dict(workers=0), "num_workers = 4 would"),
        (dict(workers=4), "num_workers = 8 would"),
        (dict(workers=4, local_world_size=2), "num_workers = 6 would"),
        (dict(workers=6, local_world_size=2), "cache = 'ram'"),
        (dict(workers=12, cache="ram"), "--max-side 448"),
    ],
)
def test_the_key_that_helps_most(options, advice):
    given = {"local_world_size": 1, "cache": "none", "img_size": (160, 224), **options}
    reported = waiting_hint(0.31, **given)
    assert "31%" in reported
    assert advice in reported
    assert waiting_hint(0.2, **given) == ""


def test_a_run_tells_it_once(image_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(hints, "LARGEST_WAIT", -1.0)
    monkeypatch.setattr(hints, "available_cores", lambda: 4)
    root = image_folder({"train": {"cat": 3, "dog": 3}, "val": {"cat": 1, "dog": 1}})
    changes = dict(img_path=str(root), log_root=str(tmp_path / "logs"), num_workers=0, device="cpu", epochs=3)
    changes |= dict(model_prefix="shufflenetv2", model_suffix="0.5", warmup_epochs=0)
    train.run(plain_config(**changes))
    _, _, after_second = capsys.readouterr().out.partition("epoch 2/3")
    assert after_second.splitlines()[1].endswith("num_workers = 4 would use cores that are there (now 0)")
    assert after_second.count("num_workers") == 1
