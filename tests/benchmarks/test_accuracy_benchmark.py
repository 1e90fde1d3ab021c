"""benchmarks/accuracy.py: its peers on a tiny set, their schedules, and which runs it makes."""

import json
import time
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch

from benchmarks import accuracy
from benchmarks.peers import accuracy_common, autogluon_recipe, fastai_recipe
from benchmarks.peers.accuracy_common import Job, Training, affordable_epochs, batch_for, fit, seconds_of_an_epoch
from models import create_model, stages_of

NETWORK = "shufflenetv2", "0.5"
OUR_RUN = {"best": 0.9, "last": 0.8, "epochs": 7, "seconds": 10.0, "img_size": [64, 64]}
OUR_RUN |= {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "interpolation": "bicubic"}
THEIR_RUN = {"best": 0.7, "last": 0.6, "epochs": 3, "seconds": 14.0}


def job_for(data="", **changes):
    picture = dict(img_size=(32, 32), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    return Job(**{**dict(data=str(data), network=NETWORK, workers=0), **picture, **changes})


def recipe_of(side):
    if side == "timm":
        pytest.importorskip("timm")
    return accuracy.PEERS[side]


def begun(side, epochs, steps, images=1000, **changes):
    """A recipe that is about to train a network, and the network."""
    network = create_model(*NETWORK, num_classes=3)
    recipe = recipe_of(side)(job_for(**changes), images)
    recipe.begin(network, epochs, steps)
    return recipe, network


def rates_of(recipe, network):
    """{learning rate of its parameters} of each stage."""
    rates = {id(p): group["lr"] for group in recipe.optimizer.param_groups for p in group["params"]}
    parameters = dict(network.named_parameters())
    return [{rates[id(parameters[name])] for name in names} for _, names in stages_of(network)]


@pytest.mark.parametrize(("side", "batch_size"), [("timm", 4), ("fastai", 64), ("autogluon", 32)])
def test_a_peer_learns(side, batch_size, image_folder, monkeypatch):
    recipe = recipe_of(side)
    data = image_folder({"train": dict(ant=13, bee=13, cow=13), "val": dict(ant=2, bee=2, cow=2)})
    monkeypatch.setattr(accuracy_common, "affordable_epochs", lambda *seconds: 2)
    found = fit(recipe, job_for(data))
    assert found["epochs"] == len(found["losses"]) == 2
    assert found["batch_size"] == batch_size
    assert found["losses"][-1] < found["losses"][0]
    assert 0 <= found["last"] <= found["best"] <= 1
    assert found["seconds"] > 0


def test_a_peer_starts_from_the_weights_but_for_the_head(image_folder, tmp_path):
    data = image_folder({"train": dict(ant=1, bee=1), "val": dict(ant=1, bee=1)})
    before = create_model(*NETWORK, num_classes=5).state_dict()
    torch.save(before, tmp_path / "weights.pth")
    training = Training(fastai_recipe.FastaiRecipe, job_for(data, weights=str(tmp_path / "weights.pth")))
    training.begin(2)
    after = training.network.state_dict()
    assert [name for name in before if not torch.equal(before[name], after[name])] == ["fc.weight", "fc.bias"]


def test_epochs_are_chosen_by_time():
    assert [affordable_epochs(10.0, seconds) for seconds in (2.0, 3.0, 11.0)] == [5, 3, 1]
    assert affordable_epochs(10.0, 9.0, least=2) == 2


@pytest.mark.parametrize(("budget", "epochs"), [(0.1, 1), (10.0, 2)])
def test_the_trial_is_repeated_where_there_is_time(budget, epochs):
    pauses = [0.2, 0.01]
    done = []

    def train_epoch(epoch):
        time.sleep(pauses[len(done)])
        done.append(epoch)

    parts = dict(recipe=SimpleNamespace(least_epochs=2), job=SimpleNamespace(seconds=budget), accuracy=lambda: 1.0)
    seconds = seconds_of_an_epoch(SimpleNamespace(begin=lambda epochs: None, train_epoch=train_epoch, **parts))
    assert done == [1] * epochs  # the last of the least, in which all is trained
    assert (seconds >= pauses[0]) == (epochs == 1)


def test_small_sets_have_small_batches():
    assert [batch_for(images, 128) for images in (5000, 1437, 228, 20)] == [128, 128, 16, 4]


def test_timm_warms_up_and_follows_a_cosine_from_its_scaled_rate():
    recipe, network = begun("timm", epochs=10, steps=8)
    rates = []
    for epoch in range(10):
        recipe.before_epoch(epoch)
        [[rate]] = {tuple(rates) for rates in rates_of(recipe, network)}
        rates.append(rate)
    assert recipe.batch_size == 64
    assert rates[0] == pytest.approx(1e-5)
    assert rates[1] == pytest.approx((1e-5 + 0.025) / 2)
    assert rates[2] == pytest.approx(0.025, rel=0.15)  # 0.1 for 256 images; the cosine counts from epoch 0
    assert all(later < earlier for earlier, later in pairwise(rates[2:]))
    assert {group["weight_decay"] for group in recipe.optimizer.param_groups} == {0.0, 2e-5}
    assert all(group["nesterov"] for group in recipe.optimizer.param_groups)


def test_timm_fine_tunes_with_adamw():
    recipe, _ = begun("timm", epochs=3, steps=8, weights="some.pth")
    recipe.before_epoch(0)
    assert isinstance(recipe.optimizer, torch.optim.AdamW)
    assert {group["lr"] for group in recipe.optimizer.param_groups} == {1e-4}


def test_one_cycle_of_fastai():
    shape = [fastai_recipe.one_cycle(position, 0.3, 0.2, 1.0, 1e-5) for position in (0, 0.15, 0.3, 0.65, 1)]
    assert shape == pytest.approx([0.2, 0.6, 1.0, 0.500005, 1e-5])


def test_fastai_fine_tunes_the_head_first_and_then_all_at_rates_by_depth():
    recipe, network = begun("fastai", epochs=11, steps=10, weights="some.pth")
    head = {name for name, _ in network.named_parameters() if name.startswith("fc.")}
    norms = {name for name, p in network.named_parameters() if p.ndim == 1} - head

    recipe.before_epoch(0)
    assert {name for name, p in network.named_parameters() if p.requires_grad} == head | norms
    recipe.before_step(0)
    first = [rates.pop() for rates in rates_of(recipe, network)]
    assert first == pytest.approx([2e-4 / 25] * (len(first) - 1) + [2e-3 / 25])

    recipe.before_epoch(1)
    assert all(p.requires_grad for p in network.parameters())
    recipe.before_step(10 + 30)  # the highest rates, at 30 of 100 steps
    highest = [rates.pop() for rates in rates_of(recipe, network)]
    half = len(highest) // 2
    assert highest == pytest.approx([1e-5] * half + [1e-4] * (len(highest) - half - 1) + [1e-3])
    assert {group["betas"] for group in recipe.optimizer.param_groups} == {(0.85, 0.99)}
    assert {group["weight_decay"] for group in recipe.optimizer.param_groups} == {0.0, 0.01}


def test_fastai_trains_all_at_one_rate_from_scratch():
    recipe, network = begun("fastai", epochs=2, steps=10)
    recipe.before_epoch(0)
    recipe.before_step(5)
    assert all(p.requires_grad for p in network.parameters())
    assert [rates.pop() for rates in rates_of(recipe, network)] == pytest.approx([3e-3] * len(stages_of(network)))


def test_fastai_without_chance_mirrors_alone(monkeypatch):
    monkeypatch.setattr(fastai_recipe, "CHANCE", 0.0)
    images = torch.rand(8, 3, 6, 8)
    changed = fastai_recipe.aug_transforms(images)
    for before, after in zip(images, changed):
        assert min((after - before).abs().max(), (after.flip(-1) - before).abs().max()) < 1e-4


def test_perspective_takes_the_corners_to_their_targets():
    targets = fastai_recipe.CORNERS + 0.2 * torch.rand(5, 4, 2)
    corners = torch.cat([fastai_recipe.CORNERS, torch.ones(4, 1)], dim=1)
    found = corners @ fastai_recipe.perspective(targets).transpose(1, 2)
    torch.testing.assert_close(found[..., :2] / found[..., 2:], targets)


def test_autogluon_decays_rates_by_stage_and_over_the_steps():
    recipe, network = begun("autogluon", epochs=10, steps=10)
    recipe.before_step(10)  # the end of a tenth of warm-up
    count = len(stages_of(network))
    assert [rates.pop() for rates in rates_of(recipe, network)] == pytest.approx(
        [1e-4 * 0.9 ** (count - 1 - i) for i in range(count)]
    )
    shares = [autogluon_recipe.share_of_rate(step, 100) for step in (0, 5, 10, 55, 100)]
    assert shares == pytest.approx([0, 0.5, 1, 0.5, 0])


@pytest.fixture
def runs(monkeypatch):
    """The (function, arguments) that would have been processes."""
    made = []

    def apart(function, *arguments):
        made.append((function, arguments))
        return OUR_RUN if function is accuracy.ours else THEIR_RUN

    monkeypatch.setattr(accuracy, "apart", apart)
    return made


def test_runs_that_are_in_the_file_are_not_made_again(runs, tmp_path, capsys):
    output = tmp_path / "found.jsonl"
    command = ["--data", str(tmp_path), "--rows", "stamps", "--output", str(output), "--sides", "ours", "timm"]
    accuracy.main([*command, "--seeds", "1"])
    assert [function.__name__ for function, _ in runs] == ["ours", "theirs"]
    accuracy.main([*command, "fastai", "--seeds", "2"])
    assert [function.__name__ for function, _ in runs[2:]] == ["theirs", "ours", "theirs", "theirs"]
    records = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [(record["side"], record["seed"]) for record in records] == [
        *(("ours", 0), ("timm", 0), ("fastai", 0)),
        *(("ours", 1), ("timm", 1), ("fastai", 1)),
    ]
    assert str(tmp_path) not in output.read_text(encoding="utf-8")
    row = "| stamps, resnet 18, from scratch | fastai | 70.0 % | 70.0 .. 70.0 % | 60.0 % | 3 | 14 |"
    assert row in capsys.readouterr().out


def test_peers_get_half_as_long_again_and_the_pictures_of_our_run(runs, tmp_path):
    weights = tmp_path / "w.pth"
    command = ["--data", str(tmp_path), "--weights", str(weights), "--rows", "stamps-weights", "--seeds", "1"]
    accuracy.main([*command, "--sides", "fastai", "--minutes", "2"])
    (_, [settings]), (_, [side, job]) = runs
    assert settings.pop("log_root")
    expected = dict(img_path=str(tmp_path / "stamps"), model_prefix="mobilenetv2", model_suffix="1.0", seed=0)
    assert settings == {**expected, "load_from": str(weights), "max_minutes": 2}
    assert (side, job.seconds, job.side, job.weights) == ("fastai", 15.0, 64, str(weights))
    assert (job.mean, job.std, job.interpolation) == (OUR_RUN["mean"], OUR_RUN["std"], "bicubic")


def test_rows_without_their_data_are_left_out_or_refused(capsys):
    assert accuracy.read_arguments([]).rows == ["digits"]
    assert accuracy.read_arguments(["--data", "."]).rows == ["digits", "digits5k", "stamps"]
    with pytest.raises(SystemExit):
        accuracy.read_arguments(["--rows", "stamps-weights", "--data", "."])
    assert "stamps-weights needs --weights" in capsys.readouterr().err


def test_scores_are_those_of_the_better_weights():
    columns = {"accuracy": [0.5, 0.9, 0.7], "ema_accuracy": [0.4, 0.6, 0.8]}
    assert accuracy.scores(columns) == {"best": 0.9, "last": 0.8, "epochs": 3}
    assert accuracy.scores({"accuracy": [0.5, 0.4]}) == {"best": 0.5, "last": 0.4, "epochs": 2}
