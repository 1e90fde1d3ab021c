"""reject: what a network does not know is said to be unknown, by what its run has stored."""

import csv
import json
from dataclasses import replace

from utils.config import PredictConfig
from utils.config.predict_rules import predict_problems
from utils.errors import ConfigError, WeightsError
from utils.prediction.classifier import load_classifier
from utils.training.known import MOST_BYTES, Known, are_known, kept, most_rows
from utils.weights.checkpoint import load_checkpoint, save_checkpoint

import pytest
import torch
from PIL import Image, ImageDraw, ImageFont
from sklearn.metrics import roc_auc_score

import predict
import train
from tests.helpers.checkpoints import CPU, folder_with_best, whole_checkpoint
from tests.helpers.image_files import noisy_image
from tests.helpers.runs import plain_config


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """data/ of three colours under noise, and run/best.pth of a short training on them; letters/."""
    root = tmp_path_factory.mktemp("rejection")
    for split, count in (("train", 12), ("val", 20)):
        for label in ("ant", "bee", "cow"):
            (root / "data" / split / label).mkdir(parents=True)
            for number in range(count):
                path = root / "data" / split / label / f"{number}.png"
                noisy_image(label, f"{split}/{number}", (40, 32)).save(path)
    (root / "letters").mkdir()
    for letter in "ABCDEFGHIJKLMNOPQRSTUVWX":
        image = Image.new("RGB", (40, 32), "white")
        ImageDraw.Draw(image).text((8, 0), letter, fill="black", font=ImageFont.load_default(28))
        image.save(root / "letters" / f"{letter}.png")
    names = dict(model_prefix="squeezenet", model_suffix="1.1", img_path=str(root / "data"), log_root=str(root))
    sizes = dict(img_size=[32, 32], val_resize=[36, 36], batch_size=12, num_workers=0, device="cpu")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("utils.report.pictures.draw_run", lambda *arguments: [])
        run = train.run(plain_config(**names, **sizes, epochs=2, init_lr=0.02, warmup_epochs=0, augment="simple"))
    return root, run / "best.pth"


def config(place, **changes):
    return PredictConfig(load_from=str(place[1]), predict_img_path=str(place[0] / "letters"), device="cpu", **changes)


def distances(place, folder):
    classifier = load_classifier(config(place, reject="knn"), CPU)
    paths = sorted(map(str, (place[0] / folder).rglob("*.png")))
    batches = classifier.in_batches(paths, 32, 1)
    return torch.cat([classifier.known.distances(torch.from_numpy(each.features)) for each in batches])


def test_a_run_stores_what_it_knows_and_95_percent_of_val_are_near(place):
    known = Known(**load_checkpoint(place[1])["known"])
    assert known.features.shape == (36, 512)
    torch.testing.assert_close(known.features.float().norm(dim=1), torch.ones(36), atol=1e-2, rtol=0)
    of_val = distances(place, "data/val")
    assert (of_val <= known.distance + 1e-3).sum() >= 57
    assert (of_val < known.distance - 1e-3).sum() < 57


def test_letters_are_farther_than_the_pictures_of_val(place):
    near, far = (distances(place, folder) for folder in ("data/val", "letters"))
    assert roc_auc_score([0] * len(near) + [1] * len(far), torch.cat([near, far])) >= 0.95


@pytest.mark.parametrize(("images", "neighbour"), [(3, 1), (999, 1), (2000, 2), (4999, 4)])
def test_the_neighbour_that_counts_is_one_in_a_thousand(images, neighbour):
    """That of few pictures is the nearest: the fifth of a class of twenty may lie as far as any other picture."""
    features = torch.randn(images, 4, generator=torch.Generator().manual_seed(0))
    found = Known.of(features, features[:3], torch.ones(3))
    assert found.neighbour == neighbour
    cosines = torch.nn.functional.normalize(features) @ torch.nn.functional.normalize(features[:3]).T
    expected = (2 - 2 * cosines.sort(dim=0, descending=True).values[neighbour - 1]).clamp_min(0).sqrt()
    torch.testing.assert_close(found.distances(features[:3]), expected, atol=0.05, rtol=0)  # float16


def test_rejected_pictures_are_rows_with_no_class_and_the_reason(place, tmp_path, capsys):
    for ending in ("csv", "json"):
        output = tmp_path / f"out.{ending}"
        found = predict.run(config(place, reject="knn", output=str(output), sort_into=str(tmp_path / "sorted")))
    rejected = [each.path for each in found if each.rejected]
    assert len(found) == 24
    assert len(rejected) > 18
    with open(tmp_path / "out.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["rejected"]]
    assert [row["path"] for row in rows] == rejected
    assert all(row["class_1"] == row["error"] == "" and "unlike the pictures" in row["rejected"] for row in rows)
    entries = [each for each in json.loads((tmp_path / "out.json").read_text()) if each["rejected"]]
    assert all(each["classes"] == [] for each in entries)
    assert f"{24 - len(rejected)} classified, {len(rejected)} rejected, 0 unreadable" in capsys.readouterr().out
    assert len(list((tmp_path / "sorted/unknown").iterdir())) == len(rejected)


def test_views_change_no_distance(place):
    """The bound is of pictures as validation shows them; a mean over views is nearer to them, or farther."""
    seen = [predict.run(config(place, reject="knn", tta=tta)) for tta in ("none", "flip")]
    assert [each.rejected for each in seen[0]] == [each.rejected for each in seen[1]]
    assert any(each.rejected for each in seen[0])


def test_a_single_picture_that_is_rejected_has_its_reason_printed(place, capsys):
    image = place[0] / "letters" / "A.png"
    predict.run(replace(config(place, reject="confidence", min_confidence=1.0), predict_img_path=str(image)))
    assert f"{image}: confidence 0." in capsys.readouterr().out


def test_the_bound_of_confidence_is_the_users_or_keeps_95_percent_of_val(place):
    known = load_checkpoint(place[1])["known"]
    assert load_classifier(config(place, reject="confidence"), CPU).rejection.least == known["confidence"]
    chosen = load_classifier(config(place, reject="confidence", min_confidence=0.7), CPU)
    assert chosen.rejection.least == 0.7
    paths = sorted(map(str, (place[0] / "data/val").rglob("*.png")))
    bound = replace(chosen, rejection=replace(chosen.rejection, least=known["confidence"] - 1e-5))
    assert sum(bool(each.rejected) for each in bound.predict(paths, 1)) == 3  # of 60


def test_without_rejection_there_is_neither_a_column_nor_a_reason(place, tmp_path):
    found = predict.run(config(place, output=str(tmp_path / "out.csv")))
    assert not any(each.rejected for each in found)
    assert "rejected" not in (tmp_path / "out.csv").read_text()


def test_older_weights_say_what_they_lack(tmp_path):
    older = PredictConfig(load_from=str(folder_with_best(tmp_path)), reject="knn", device="cpu")
    with pytest.raises(ConfigError, match=r"reject: 'knn' needs what a run stores .*keep_features = True.*best\.pth"):
        load_classifier(older, CPU)
    load_classifier(replace(older, reject="confidence", min_confidence=0.5), CPU)


def test_a_confidence_that_nothing_asks_for_is_named():
    message = ["min_confidence: 0.5 is of reject = 'confidence' alone, and reject is 'none'"]
    assert predict_problems({"min_confidence": 0.5, "reject": "none"}) == message
    assert predict_problems({"min_confidence": "auto", "reject": "none"}) == []


def plain(**changes):
    return {"features": torch.ones(3, 2).half(), "neighbour": 2, "distance": 0.5, "confidence": 0.5, **changes}


def test_an_entry_of_others_is_checked():
    assert are_known(None)
    assert are_known(plain())
    wrong = [{"features": torch.ones(3, 2)}, {"features": torch.ones(3).half()}, {"features": [1.0]}, {"neighbour": 4}]
    wrong += [{"features": torch.full((3, 2), float("nan")).half()}, {"features": torch.ones(0, 2).half()}]
    wrong += [{"features": torch.ones(MOST_BYTES // 4 + 1, 2).half()}, {"neighbour": 0}, {"neighbour": True}]
    wrong += [{"distance": "far"}, {"distance": float("nan")}, {"confidence": None}, {"more": 1}]
    assert [are_known(plain(**changes)) for changes in wrong] == [False] * len(wrong)
    assert not any(map(are_known, ([], {}, 1, plain().keys())))


def test_features_of_another_network_are_named(tmp_path):
    save_checkpoint(tmp_path / "best.pth", {**whole_checkpoint(), "known": plain()})
    with pytest.raises(WeightsError, match="known: its features have 2 numbers, those of the network 1024"):
        load_classifier(PredictConfig(load_from=str(tmp_path / "best.pth"), reject="knn", device="cpu"), CPU)


def test_distances_are_to_the_kth_nearest_whatever_the_lengths():
    known = Known(torch.eye(3).half(), 2, 0.0, 0.0)
    found = known.distances(torch.tensor([[5.0, 0.0, 0.0], [1.0, 1.0, 0.0]]))
    torch.testing.assert_close(found, torch.tensor([2.0, 2 - 2**0.5]).sqrt(), atol=1e-5, rtol=0)
    assert kept(torch.arange(1.0, 101.0)) == 95
    assert 2 * 512 * most_rows(512) <= MOST_BYTES
