"""Where a run goes on from, when files are damaged or the circumstances are not what they were."""

import signal
from dataclasses import replace
from functools import partial

from utils.errors import WeightsError
from utils.lock import held
from utils.run.trainer import Trainer
from utils.training import engine
from utils.training.schedulers import learning_rate
from utils.weights.checkpoint import load_checkpoint

import pytest
import torch

import train
from tests.helpers.runs import assert_same, assert_same_run, results, wait_for
from tests.helpers.stopping import stopped_after
from tests.run.faults.injected import waits_in_step
from tests.run.faults.processes import folder_of


def resumed(config, folder, name="last.pth", *, force=False, **changes):
    return train.run(replace(config, resume=True, load_from=str(folder / name), **changes), force=force)


def damage(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1  # a bit of a weight: torch.load takes no notice
    path.write_bytes(content)


def log_of(folder):
    return (folder / "train.log").read_text()


def test_a_damaged_checkpoint_gives_way_to_the_one_before(make_config):
    config = make_config(epochs=3, save_steps=1)
    part = train.run(replace(config, epochs=2))
    damage(part / "last.pth")
    with pytest.raises(WeightsError, match="damaged: the checksum of .* does not agree"):
        load_checkpoint(part / "last.pth")
    resumed(config, part)
    assert f"going on from {part / 'previous.pth'}" in log_of(part)
    assert (part / "last.damaged").exists()
    assert [row["epoch"] for row in results(part)] == ["1", "2", "3"]
    load_checkpoint(part / "previous.pth")


def test_best_pth_alone_is_no_state_to_resume_from(make_config):
    config = make_config(epochs=1, warmup_epochs=0)
    folder = train.run(config)
    for name in ("last.pth", "previous.pth"):
        (folder / name).unlink(missing_ok=True)
    with pytest.raises(WeightsError, match="best.pth: holds weights alone.*load_from"):
        resumed(config, folder, "best.pth", epochs=2)


def test_best_pth_is_not_taken_for_damaged_where_a_run_is_asked_to_go_on_from_it(make_config):
    config = make_config(epochs=1, warmup_epochs=0)
    folder = train.run(config)
    resumed(config, folder, "best.pth", epochs=2)
    assert f"going on from {folder / 'last.pth'}" in log_of(folder)
    assert (folder / "best.pth").exists()
    assert not (folder / "best.damaged").exists()


def test_a_best_pth_of_an_epoch_that_comes_again_is_replaced(make_config):
    config = make_config(epochs=1, warmup_epochs=0)
    folder = train.run(config)
    first = (folder / "last.pth").read_bytes()
    resumed(config, folder, epochs=2)
    best = load_checkpoint(folder / "best.pth")
    torch.save({**best, "epoch": 2, "best": {**best["best"], "epoch": 2, "accuracy": 1.5}}, folder / "best.pth")
    (folder / "last.pth").write_bytes(first)
    resumed(config, folder, epochs=2)
    assert load_checkpoint(folder / "best.pth")["best"] == load_checkpoint(folder / "last.pth")["best"]
    assert "which comes again" in log_of(folder)


def test_the_best_pth_of_an_older_version_holds_all_and_is_resumed_from(make_config):
    config = make_config(epochs=1, warmup_epochs=0)
    folder = train.run(config)
    (folder / "best.pth").write_bytes((folder / "last.pth").read_bytes())
    damage(folder / "last.pth")
    (folder / "previous.pth").unlink(missing_ok=True)
    resumed(config, folder, epochs=2)
    assert f"going on from {folder / 'best.pth'}" in log_of(folder)
    assert [row["epoch"] for row in results(folder)] == ["1", "2"]


def test_without_any_good_checkpoint_all_are_named(make_config):
    config = make_config(epochs=1, warmup_epochs=0)
    folder = train.run(config)
    for name in ("last.pth", "previous.pth", "best.pth"):
        (folder / name).write_bytes(b"nothing")
    with pytest.raises(WeightsError) as caught:
        resumed(config, folder, epochs=2)
    assert all(name in str(caught.value) for name in ("last.pth", "previous.pth", "best.pth"))


def rows_of_text(folder):
    """Epochs in results.txt, without the heading and what best.pth is judged by at the end."""
    lines = (folder / "results.txt").read_text().splitlines()[1:]
    return sum(not line.startswith("best.pth on ") for line in lines)


def test_resuming_from_an_earlier_checkpoint_drops_the_rows_of_later_epochs(make_config, monkeypatch):
    config = make_config(epochs=1, warmup_epochs=0)
    folder = train.run(config)
    early = (folder / "last.pth").read_bytes()
    resumed(config, folder, epochs=3)
    assert len(results(folder)) == rows_of_text(folder) == 3
    (folder / "best.pth").write_bytes(early)
    monkeypatch.setattr(Trainer, "loop", lambda self: None)
    resumed(config, folder, "best.pth", epochs=3)
    assert len(results(folder)) == rows_of_text(folder) == 1


@pytest.mark.parametrize("lost", ["missing", "damaged", "older"])
def test_a_best_that_is_lost_is_reported_and_replaced(make_config, lost):
    config = make_config(epochs=2)
    folder = train.run(config)
    if lost == "damaged":
        damage(folder / "best.pth")
    else:
        (folder / "best.pth").unlink()
    if lost == "older":
        (folder / "best.pth").write_bytes(
            (train.run(replace(config, epochs=1, warmup_epochs=0)) / "best.pth").read_bytes()
        )
        last = load_checkpoint(folder / "last.pth")
        last["best"] |= {"epoch": 2, "accuracy": 1.1}  # as if best.pth of epoch 2 had found no room
        train.torch.save(last, folder / "last.pth")
    resumed(config, folder, epochs=3)
    assert "best.pth" in log_of(folder)
    last, best = (load_checkpoint(folder / name) for name in ("last.pth", "best.pth"))
    assert last["best"] == best["best"]


def test_two_runs_do_not_write_one_folder(make_config):
    config = make_config(epochs=1, warmup_epochs=0)
    folder = train.run(config)
    assert not (folder / ".lock").exists()
    with held(folder):
        assert "process " in (folder / ".lock").read_text()


def test_a_run_under_way_cannot_be_resumed_by_another_process(make_runs, tmp_path):
    runs = make_runs()
    first = runs.begin(tmp_path / "logs", fault=partial(waits_in_step, 2, 6))
    wait_for(lambda: any((tmp_path / "logs").glob("*/*/last.pth")) or first.ended())
    second = runs.go_on(tmp_path / "logs")
    assert second.end() == [2]
    assert f"another run is writing here (process {first.processes[0].pid} on " in second.said()
    assert str(folder_of(tmp_path / "logs")) in second.said()
    assert first.end() == [0], first.said()
    assert_same_run(runs.whole()[0], folder_of(tmp_path / "logs"))


def test_a_lock_ends_with_its_process_and_its_file_is_taken_over(make_runs, tmp_path):
    runs = make_runs()
    first = runs.begin(tmp_path / "logs")
    wait_for(lambda: any((tmp_path / "logs").glob("*/*/last.pth")) or first.ended())
    first.signal(signal.SIGKILL)
    first.end()
    folder = folder_of(tmp_path / "logs")
    assert (folder / ".lock").exists()
    with held(folder):
        pass
    assert not (folder / ".lock").exists()


def test_another_pace_is_refused_with_the_reason_and_forced_by_images_seen(make_config, monkeypatch):
    config = make_config(epochs=2, batch_size=2, accumulate_steps=1)  # 11 steps an epoch of 21 images
    folder = stopped_after(config, 7, monkeypatch)
    with pytest.raises(WeightsError, match=r"batch_size was 2, is 4; --force resumes all the same"):
        resumed(config, folder, batch_size=4)
    seen = []
    step = engine.train_step

    def spy(state, network, batches, *args):
        seen.append([i for batch in batches for i in batch.indices.tolist()])
        return step(state, network, batches, *args)

    monkeypatch.setattr(engine, "train_step", spy)
    resumed(config, folder, batch_size=4, force=True)  # after 14 images: 3 of 5 steps of 4
    assert [len(images) for images in seen[:2]] == [4, 5]
    order = train.torch.randperm(21, generator=train_order(config)).tolist()
    assert [i for images in seen[:2] for i in images] == order[12:]
    last = load_checkpoint(folder / "last.pth")
    assert (last["step"], last["epoch"]) == (10, 2)
    assert last["scheduler"]["last_epoch"] == 10
    assert "forced: batch_size was 2, is 4; epoch 1 goes on at step 4 of 5" in log_of(folder)


def train_order(config, epoch=0):
    from utils.rng import generator

    return generator("order", config.seed, epoch)


def test_another_order_is_forced_from_the_beginning_of_the_epoch(make_config, monkeypatch):
    config = make_config(epochs=2)
    folder = stopped_after(config, 2, monkeypatch)
    with pytest.raises(WeightsError, match="seed was 0, is 5"):
        resumed(config, folder, seed=5)
    resumed(config, folder, seed=5, force=True)
    assert "epoch 1 goes on at step 1 of 3" in log_of(folder)
    last = load_checkpoint(folder / "last.pth")
    assert last["step"] == last["scheduler"]["last_epoch"] == 6  # else the schedule would be ahead to the end
    resumed(config, folder, seed=6, force=True)
    assert "forced: seed was 5, is 6; no epoch is left" in log_of(folder)


def test_what_does_not_fit_is_not_to_be_forced(make_config):
    config = make_config(epochs=1, warmup_epochs=0)
    folder = train.run(config)
    for change in ({"model_suffix": "1.0"}, {"optimizer_type": "adam"}, {"use_ema": False}):
        with pytest.raises(WeightsError, match=next(iter(change))) as caught:
            resumed(config, folder, epochs=2, force=True, **change)
        assert "--force" not in str(caught.value)


@pytest.mark.parametrize("epochs", [3, 6])
def test_other_epochs_move_the_rate_at_once_and_it_is_reported(make_config, monkeypatch, epochs):
    config = make_config(epochs=4)
    folder = stopped_after(config, 5, monkeypatch)
    used = []
    step = engine.train_step

    def spy(state, *args):
        used.append(state.optimizer.param_groups[0]["lr"])
        return step(state, *args)

    monkeypatch.setattr(engine, "train_step", spy)
    now = replace(config, epochs=epochs)
    resumed(now, folder)
    assert used == pytest.approx([learning_rate(now, n, 3) for n in range(5, 3 * epochs)], rel=1e-12)
    word = "extended" if epochs > 4 else "shortened"
    old, new = (f"{learning_rate(c, 5, 3):.3g}" for c in (config, now))
    change = f"epochs: {word} from 4 to {epochs}; the cosine is drawn anew: "
    assert f"{change}the learning rate goes on at {new} instead of {old}" in log_of(folder)


def test_a_longer_run_may_warm_up_for_as_long_as_the_one_before_was(make_config):
    folder = train.run(make_config(epochs=2, warmup_epochs=0))
    resumed(make_config(epochs=4, warmup_epochs=2), folder)
    assert "epochs: extended from 2 to 4; the cosine is drawn anew" in log_of(folder)


def test_options_of_the_optimizer_that_are_changed_on_resume_hold(make_config):
    config = make_config(epochs=1, warmup_epochs=0)
    folder = train.run(config)
    resumed(config, folder, epochs=2, weight_decay=0.25, momentum=0.5, init_lr=0.02)
    groups = load_checkpoint(folder / "last.pth")["optimizer"]["param_groups"]
    assert [(g["weight_decay"], g["momentum"]) for g in groups] == [(0.25, 0.5), (0.0, 0.5)]
    now = replace(config, epochs=2, init_lr=0.02)
    assert float(results(folder)[1]["lr"]) == pytest.approx(learning_rate(now, 5, 3))


def test_drafts_of_a_killed_run_are_cleared_away(make_config, monkeypatch):
    config = make_config(epochs=2)
    folder = stopped_after(config, 2, monkeypatch)
    for name in (".last.pth-ab12_xyz", ".results.csv-00000000", ".last.pth-previous"):
        (folder / name).write_bytes(b"half")
    (folder / ".notes").write_text("the user's own")
    resumed(config, folder)
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == [".notes"]


def test_a_folder_without_any_checkpoint_is_an_error(make_config, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr("sys.argv", ["train.py", "--resume", str(tmp_path / "empty")])
    assert train.main() == 2


def test_the_missing_last_gives_way_too(make_config, monkeypatch):
    config = make_config(epochs=2, save_steps=1)
    folder = train.run(config)
    whole = load_checkpoint(folder / "last.pth")
    (folder / "last.pth").unlink()
    monkeypatch.setattr("sys.argv", ["train.py", "--resume", str(folder)])
    assert train.main() == 0
    assert_same(whole, load_checkpoint(folder / "last.pth"))
