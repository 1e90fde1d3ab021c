"""What cannot be written is found before the work, by every tool: the message names the option and the place."""

from utils.errors import ConfigError
from utils.run import evaluate_only
from utils.weights.checkpoint import save_checkpoint

import pytest

import tools.check_data
import tools.convert_weights
import tools.export
import tools.grad_cam
import tools.params
import tools.plot_run
import tools.probe
import tools.visualize_augment
import train
from tests.helpers.checkpoints import whole_checkpoint
from tests.helpers.read_only import make_read_only

WORK = {  # tool -> (where its work begins, its words, {ro} for the folder that is read-only)
    tools.check_data: ("examine", "{data}"),
    tools.convert_weights: ("WeightsFile", "{file} {ro}/out.pth --to timm"),
    tools.export: ("load_network", "--weights {file} --output {ro}/out.pt2"),
    tools.grad_cam: ("load_network", "--weights {file} {image} --output {ro}/out.jpg"),
    tools.params: ("network_row", "--model-prefix resnet --output {ro}/out.csv"),
    tools.plot_run: ("compare", "{run} {run}"),
    tools.probe: ("read_data", "{data} --weights {file} --log-root {ro}/logs"),
    tools.visualize_augment: ("read_data", "--set img_path={data} --output {ro}/out.jpg"),
}


@pytest.mark.parametrize("tool", WORK, ids=lambda tool: tool.__name__)
def test_a_place_that_takes_no_file_is_found_before_the_work(tool, data, tmp_path, monkeypatch, capsys):
    begins, words = WORK[tool]
    run = tmp_path / "ro" / "exp0"
    run.mkdir(parents=True)
    for path in (tmp_path / "some.pth", run / "train_config.py", run / "environment.json"):
        path.write_bytes(b"")
    data = data.rename(run / "data")
    image = tmp_path / "image.png"
    (data / "val" / "bee" / "00.png").rename(image)
    make_read_only(monkeypatch, tmp_path / "ro")
    monkeypatch.setattr(tool, begins, lambda *given, **options: pytest.fail("the work has begun"))
    places = dict(ro=tmp_path / "ro", data=data, file=tmp_path / "some.pth", image=image, run=run)
    assert tool.main(words.format(**places).split()) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert ": Read-only file system; name another" in message
    assert "--output" in message or "--log-root" in message or "out.pth" in message


@pytest.mark.parametrize("module", [evaluate_only, train], ids=lambda module: module.__name__)
def test_a_run_that_gets_no_folder_is_refused_before_its_images_are_read(make_config, tmp_path, monkeypatch, module):
    monkeypatch.setattr(module, "read_data", lambda *given, **options: pytest.fail("the work has begun"))
    (tmp_path / "ro").mkdir()
    save_checkpoint(tmp_path / "best.pth", whole_checkpoint())
    weights = dict(only_val=True, load_from=str(tmp_path / "best.pth")) if module is evaluate_only else {}
    config = make_config(log_root=str(tmp_path / "ro" / "logs"), **weights)
    make_read_only(monkeypatch, tmp_path / "ro")
    with pytest.raises(ConfigError, match="log_root: cannot make a folder for the run in .*: Read-only file system"):
        train.run(config)
