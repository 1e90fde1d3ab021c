"""python train.py [IMG_PATH] [--weights FILE_OR_RUN] [--resume RUN]: which keys these are."""

import sys

from utils.weights.checkpoint import save_checkpoint

import pytest

import tools.visualize_augment
import train
from tests.helpers.checkpoints import whole_checkpoint


@pytest.fixture
def given(make_config, tmp_path, monkeypatch):
    """given(*words) is the config that train.py goes by."""

    def config(*words):
        found = []
        monkeypatch.setattr(sys, "argv", ["train.py", "--config", str(tmp_path / "config.py"), *map(str, words)])
        monkeypatch.setattr(train, "run", lambda config, **options: found.append(config))
        assert train.main() == 0
        return found[0]

    make_config()
    return config


@pytest.fixture
def refused(make_config, tmp_path, monkeypatch, capsys):
    def message(*words):
        monkeypatch.setattr(sys, "argv", ["train.py", "--config", str(tmp_path / "config.py"), *map(str, words)])
        monkeypatch.setattr(train, "run", lambda *given, **options: pytest.fail("it has begun"))
        assert train.main() == 2
        return capsys.readouterr().err

    make_config()
    return message


def test_a_word_is_the_folder_of_images(given, data, tmp_path):
    other = data.rename(tmp_path / "photos")
    data.mkdir()  # of the config
    assert given().img_path == str(data)
    assert given(other).img_path == str(other)
    assert given("--set", "seed=1", other, "--set", "epochs=2").img_path == str(other)
    assert given(other, "--set", f"img_path={other}").img_path == str(other)
    assert given("--weights", tmp_path, other).load_from == str(tmp_path)


def test_what_cannot_be_that_folder_is_named(refused, data, tmp_path):
    said = refused("foto")
    assert "'foto' was taken for IMG_PATH, the folder with train/<class>/* and val/<class>/*: no such folder" in said
    (tmp_path / "some.pth").write_bytes(b"")
    said = refused(tmp_path / "some.pth")
    assert "it is a file" in said
    assert f"--weights {tmp_path / 'some.pth'} would start from it" in said
    said = refused(data, "--set", "img_path=other")
    assert f"img_path: --set says 'other', IMG_PATH says '{data}'; expected one value" in said


def test_weights_beside_resume_are_refused(refused, tmp_path):
    assert "load_from: --resume brings it along" in refused("--resume", tmp_path, "--weights", "a.pth")


def test_a_run_goes_on_by_its_folder_or_a_file_of_it(make_config, given, monkeypatch):
    folder = train.run(make_config(epochs=1, warmup_epochs=0))
    for word in (folder, folder / "last.pth"):
        assert given("--resume", word).load_from == str(folder / "last.pth")
    config = given("--resume", folder / "best.pth", "--set", "epochs=2")
    monkeypatch.undo()
    assert train.run(config) == folder  # by its last.pth, as the other holds weights alone
    assert len((folder / "results.csv").read_text().splitlines()) == 3


def test_a_run_starts_from_the_best_weights_of_another(make_config, tmp_path):
    save_checkpoint(tmp_path / "best.pth", whole_checkpoint())
    folder = train.run(make_config(epochs=1, warmup_epochs=0, load_from=str(tmp_path)))
    assert f"from {tmp_path / 'best.pth'}" in (folder / "train.log").read_text()
    assert f"load_from = '{tmp_path / 'best.pth'}'" in (folder / "train_config.py").read_text()


def test_the_sheet_of_augmented_images_takes_a_folder_too(make_config, data, tmp_path, monkeypatch):
    make_config()
    found = []
    monkeypatch.setattr(tools.visualize_augment, "draw", lambda config, *given, **options: found.append(config))
    other = data.rename(tmp_path / "photos")
    data.mkdir()
    words = [str(other), "--config", str(tmp_path / "config.py"), "--output", str(tmp_path / "a.png")]
    assert tools.visualize_augment.main(words) == 0
    assert found[0].img_path == str(other)


def test_what_a_word_or_an_option_says_is_blamed_on_the_command_line(refused, data, tmp_path):
    assert refused("--weights", tmp_path / "no.pth").startswith("error: command line: load_from: ")
    assert refused(data, "--set", "num_classes=9").startswith("error: command line: num_classes: 9, but ")


def test_the_last_state_of_a_run_that_deleted_it_is_said_to_be_gone(refused, tmp_path):
    (tmp_path / "best.pth").write_bytes(b"")
    said = refused("--weights", tmp_path / "last.pth")
    assert (
        f"no such file; with keep = 'best' a run that has ended well deletes it, and {tmp_path / 'best.pth'} has"
        in said
    )
    assert "keep" not in refused("--weights", tmp_path / "first.pth")


def test_a_finished_run_is_not_said_to_go_on(make_config, data, caplog):
    folder = train.run(make_config(epochs=1, warmup_epochs=0, mix_off_epochs=0))
    train.run(make_config(epochs=1, warmup_epochs=0, mix_off_epochs=0, resume=True, load_from=str(folder / "best.pth")))
    said = (folder / "train.log").read_text(encoding="utf-8")
    assert "best.pth: holds weights alone, without the state of a run" in said
    assert f"the state of the run is that of {folder / 'last.pth'}, step 3" in said
    assert "going on" not in said
