"""Jobs of many images: shared, each once; killed, they go on; their memory does not grow with the images."""

import csv
import json
import os
import signal
import subprocess
import sys
import tracemalloc
from collections import Counter
from dataclasses import dataclass, replace
from itertools import islice

from utils import distributed
from utils.config import PredictConfig
from utils.config.predict_rules import predict_problems
from utils.data.source import PackedPaths, pack_paths
from utils.errors import ConfigError, DataError
from utils.files import write_json
from utils.prediction import job
from utils.prediction.classifier import Classifier
from utils.prediction.job import classify_share
from utils.prediction.parts import LATER, PLAN, Parts, begin, parts_folder
from utils.prediction.predictions import Answered, Prediction, write_predictions
from utils.prediction.reading import Reader

import pytest
import torch

import predict
from tests.helpers import ROOT
from tests.helpers.checkpoints import folder_with_best, whole_checkpoint


@pytest.fixture
def config(data, tmp_path):
    """Of a prediction of val, 9 images, two at a time."""
    values = dict(load_from=str(folder_with_best(tmp_path)), predict_img_path=str(data / "val"), device="cpu")
    return PredictConfig(**values, batch_size=2, output=str(tmp_path / "out.csv"), embed=str(tmp_path / "out.npz"))


def killed_after(batches, config, monkeypatch):
    """A job that ends, as killed, when so many batches are answered."""
    in_batches = Classifier.in_batches

    def some(*given):
        yield from islice(in_batches(*given), batches)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Classifier, "in_batches", some)
        with pytest.raises(KeyboardInterrupt):
            predict.run(config)


def counted(monkeypatch):
    """The paths that are read from now on."""
    read, paths = Reader.__call__, []
    monkeypatch.setattr(Reader, "__call__", lambda self, path: paths.append(path) or read(self, path))
    return paths


def test_a_killed_job_goes_on_where_it_was_and_ends_as_if_nothing_had_been(config, tmp_path, monkeypatch, capsys):
    whole = predict.run(config)
    expected = (tmp_path / "out.csv").read_bytes(), (tmp_path / "out.npz").read_bytes()
    (tmp_path / "out.csv").unlink()
    killed_after(3, config, monkeypatch)
    assert not (tmp_path / "out.csv").exists()
    assert "--resume goes on" in capsys.readouterr().err
    with open(parts_folder(tmp_path / "out.csv") / "0.jsonl", "ab") as file:
        file.write(b'[6, [[["ant", 0.')  # the line that was being written
    paths = counted(monkeypatch)
    assert predict.run(replace(config, resume=True)) == whole
    assert sorted(paths) == [each.path for each in whole[6:]]
    assert ((tmp_path / "out.csv").read_bytes(), (tmp_path / "out.npz").read_bytes()) == expected
    assert not parts_folder(tmp_path / "out.csv").exists()


def test_a_job_that_is_terminated_says_how_it_goes_on(config, monkeypatch, capsys):
    """By SIGTERM, after the first batch."""
    in_batches = Classifier.in_batches

    def terminated(*given):
        yield next(in_batches(*given))
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Classifier, "in_batches", terminated)
    words = [config.load_from, config.predict_img_path, "--output", config.output, "--set", "batch_size=2"]
    monkeypatch.setattr(sys, "argv", ["predict.py", *words])
    assert predict.main() == 128 + signal.SIGTERM
    assert "--resume goes on" in capsys.readouterr().err


def test_another_job_is_not_gone_on_with(config, data, tmp_path, monkeypatch):
    killed_after(1, config, monkeypatch)
    with pytest.raises(ConfigError, match="resume: .* is of another job: batch_size was 2, is 3; that job goes on"):
        predict.run(replace(config, resume=True, batch_size=3))
    (data / "val/bee/new.png").write_bytes(b"")
    with pytest.raises(ConfigError, match="images was 9, is 10"):
        predict.run(replace(config, resume=True))
    (parts_folder(tmp_path / "out.csv") / PLAN).write_text("{")
    with pytest.raises(ConfigError, match=r"plan\.json is damaged; resume = False begins anew"):
        predict.run(replace(config, resume=True))
    assert len(predict.run(config)) == 10  # which begins anew


def test_what_a_job_leaves_is_removed_before_another_may_begin_there(config, tmp_path, monkeypatch):
    empty, left = job._empty, []
    monkeypatch.setattr(job, "_empty", lambda folder: (empty(folder), left.extend(os.listdir(folder))))
    predict.run(config)
    assert left == [".lock"]
    assert not parts_folder(tmp_path / "out.csv").exists()


@pytest.fixture
def foreign(config, tmp_path):
    """The same prediction by weights without class names, which lie in a file beside them."""
    torch.save(whole_checkpoint()["net"], tmp_path / "bare.pth")
    names = write_names(tmp_path, "ant", "bee", "cow")
    values = dict(load_from=str(tmp_path / "bare.pth"), class_indices_path=str(names), embed="", img_size=(32, 32))
    return replace(config, **values, val_resize=(36, 36), model_prefix="shufflenetv2", model_suffix="0.5")


def write_names(folder, *names):
    write_json(folder / "names.json", dict(enumerate(names)))
    return folder / "names.json"


def test_answers_in_other_class_names_are_not_gone_on_with(foreign, tmp_path, monkeypatch):
    killed_after(1, foreign, monkeypatch)
    write_names(tmp_path, "ANT", "BEE", "COW")
    with pytest.raises(ConfigError, match="is of another job: the class names differ; that job goes on where"):
        predict.run(replace(foreign, resume=True))
    write_names(tmp_path, "ant", "bee", "cow")
    assert len(predict.run(replace(foreign, resume=True))) == 9


def test_the_plan_has_the_words_of_the_network_where_they_count(config, foreign):
    def words(asked):
        classifier = predict.load_classifier(asked, distributed.pick_device("cpu"))
        plan = job.plan_of(asked, classifier, PackedPaths(pack_paths(["a.png"])))
        return plan["model_prefix"], plan["model_suffix"]

    assert words(foreign) == ("shufflenetv2", "0.5")
    assert words(replace(config, model_prefix="resnet", model_suffix="18")) == ("shufflenetv2", "0.5")  # of the file


def test_a_job_whose_plan_is_of_before_it_had_class_names_goes_on(config, tmp_path, monkeypatch):
    killed_after(3, config, monkeypatch)
    plan = parts_folder(tmp_path / "out.csv") / PLAN
    older = {name: value for name, value in json.loads(plan.read_text()).items() if name not in LATER}
    assert len(older) == len(json.loads(plan.read_text())) - 3
    write_json(plan, older)
    paths = counted(monkeypatch)
    assert len(predict.run(replace(config, resume=True))) == 9
    assert len(paths) == 3


@pytest.mark.parametrize("alone", [True, False])
def test_files_that_are_all_bad_have_a_table_before_the_error_and_nothing_to_go_on_with(
    config, tmp_path, capsys, alone
):
    folder = tmp_path / "bad"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(b"no picture")
    asked = replace(config, predict_img_path=str(folder / "a.png" if alone else folder), sort_into=str(tmp_path / "in"))
    message = r"^\S*a\.png: " if alone else r"^none of 2 image\(s\) could be classified; \S*a\.png: "
    with pytest.raises(DataError, match=message):
        predict.run(asked)
    with open(tmp_path / "out.csv", newline="") as file:
        assert [bool(row["error"]) for row in csv.DictReader(file)] == [True] * (1 if alone else 2)
    assert (tmp_path / "out.npz").is_file()
    assert not parts_folder(tmp_path / "out.csv").exists()
    printed = capsys.readouterr()
    assert f"{1 if alone else 2} unreadable: {tmp_path / 'out.csv'}" in printed.out
    assert "resume" not in printed.err


def test_to_resume_needs_the_name_of_the_table():
    assert predict_problems({"resume": True, "output": ""}) == [
        "resume: needs output, the table of the job to go on with"
    ]


def test_a_link_needs_a_folder_to_sort_into():
    assert predict_problems({"sort_as": "link", "sort_into": ""}) == [
        "sort_as: 'link' is of sort_into alone, which is ''"
    ]
    assert predict_problems({"sort_as": "link", "sort_into": "sorted"}) == []


@pytest.mark.parametrize("resume", [False, True])
def test_two_jobs_do_not_write_one_table(config, tmp_path, monkeypatch, resume):
    """Whichever came second would take away what the first has answered."""
    killed_after(2, config, monkeypatch)
    lines = parts_folder(tmp_path / "out.csv") / "0.jsonl"
    before = lines.read_bytes()
    code = "import sys, pathlib; from utils.lock import held\n"
    code += "with held(pathlib.Path(sys.argv[1]), 'prediction'):\n    print('held', flush=True)\n    sys.stdin.read()"
    words = [sys.executable, "-c", code, str(lines.parent)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as first:
        assert first.stdout.readline() == b"held\n"
        with pytest.raises(ConfigError, match=rf"another prediction is writing here \(process {first.pid} on"):
            predict.run(replace(config, resume=resume))
        first.stdin.close()
    assert lines.read_bytes() == before
    assert len(predict.run(replace(config, resume=resume))) == 9
    assert not lines.parent.exists()


def test_answers_that_are_taken_away_end_the_job(config, tmp_path, monkeypatch):
    look = Parts.look

    def look_without(self):
        if lost := list(self.folder.glob("*.jsonl")):
            lost[0].unlink()
        look(self)

    monkeypatch.setattr(Parts, "look", look_without)
    with pytest.raises(DataError, match=r"the answers of 5 of 5 batches are gone"):
        predict.run(config)
    assert not (tmp_path / "out.csv").exists()


def test_a_reader_that_leaves_ends_nothing(config, tmp_path):
    """As `| head`: the table is whole, and nothing is left beside it."""
    words = [sys.executable, "predict.py", config.load_from, config.predict_img_path, "--output", config.output]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(words, stdout=writing, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    os.close(writing)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    with open(config.output, newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 9
    assert not parts_folder(tmp_path / "out.csv").exists()


def test_lines_that_are_damaged_are_named(config, tmp_path, monkeypatch):
    killed_after(2, config, monkeypatch)
    lines = parts_folder(tmp_path / "out.csv") / "0.jsonl"
    for damaged in (b"nonsense\n", b"[0, 7, 0]\n", b"[0, [[[]]], 0]\n", b"[4611686018427387904, [[[], 1, 1]], 0]\n"):
        lines.write_bytes(damaged)
        with pytest.raises(DataError, match=r"0\.jsonl: damaged; remove its folder"):
            predict.run(replace(config, resume=True))


def test_processes_share_the_images_each_once(config, tmp_path, monkeypatch):
    expected = predict.run(config)
    monkeypatch.setattr(distributed, "launched", lambda: True)
    monkeypatch.setattr(distributed, "world_size", lambda: 3)
    paths = PackedPaths(pack_paths(each.path for each in expected))
    classifier = predict.load_classifier(config, predict.distributed.pick_device("cpu"))
    begin(made(tmp_path / "parts"), {}, resume=False)
    seen = counted(monkeypatch)
    shares = []
    for rank in range(3):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        parts = Parts(tmp_path / "parts", rank)
        classify_share(config, classifier, paths, parts)
        shares.append(len(seen))
    assert Counter(seen) == Counter(each.path for each in expected)
    assert shares == [4, 7, 9]
    parts.look()
    assert [each for batch in parts.read(paths, 1024) for each in batch.predictions] == expected


def made(folder):
    folder.mkdir(exist_ok=True)
    return folder


@dataclass
class FakeClassifier:
    def in_batches(self, paths, together, topk, count):
        paths = iter(paths)
        while batch := list(islice(paths, together)):
            yield Answered([Prediction(path, [(f"class {i}", 0.2) for i in range(topk)]) for path in batch], None)


def test_memory_does_not_grow_with_the_images(tmp_path, monkeypatch):
    monkeypatch.setattr(job, "tqdm", lambda starts, **_: starts)

    def peak(count):
        paths = PackedPaths(pack_paths(f"{i:09d}.jpg" for i in range(count)))
        begin(made(tmp_path / "parts"), {}, resume=False)
        parts = Parts(tmp_path / "parts", 0)
        tracemalloc.start()
        classify_share(PredictConfig(batch_size=50), FakeClassifier(), paths, parts)
        parts.look()
        rows = (each for batch in parts.read(paths, 0) for each in batch.predictions)
        write_predictions(tmp_path / "out.csv", rows, 5)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    small, large = (peak(count) for count in (200, 3000))
    assert large - small < 50 * 2800  # bytes: a list of the predictions takes 700 an image
    with open(tmp_path / "out.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 3000
