"""Files are written whole, and only once they classify as the network does."""

import shutil

from utils.errors import DataError, WeightsError
from utils.export import formats, runtime
from utils.export.formats import Format, format_of
from utils.export.metadata import Metadata
from utils.export.parity import check_images, measure
from utils.export.write import export

import numpy as np
import pytest
import torch

from tests.helpers.image_files import noisy_image
from tests.helpers.networks import CPU, STEPS, small_network


def test_heavy_weights_go_to_a_second_file_that_moves_along(tmp_path, monkeypatch):
    network = small_network(classes=1000)
    monkeypatch.setattr(formats, "EXTERNAL_FROM", 500_000)
    (tmp_path / "made").mkdir()
    heavy = tmp_path / "made" / "heavy.onnx"
    export(network, format_of(heavy), Metadata("linear 1000", "", network.classes, STEPS), heavy, None)
    assert sorted(path.name for path in heavy.parent.iterdir()) == ["heavy.onnx", "heavy.onnx.data"]
    assert heavy.stat().st_size < 50_000 < 500_000 < heavy.with_name("heavy.onnx.data").stat().st_size
    shutil.move(heavy.parent, tmp_path / "moved")
    images = torch.rand(3, 3, 8, 6)
    found = runtime.OnnxNetwork(tmp_path / "moved" / "heavy.onnx", CPU)(images)
    torch.testing.assert_close(found, network.model(images))


def saved_with(change):
    """A format that saves the weights `change`d on the way."""

    def write(network, strings, path):
        torch.save({name: change(value) for name, value in network.model.state_dict().items()}, path)

    def read(path):
        network = small_network()
        network.model.load_state_dict(torch.load(path, weights_only=True))
        return network.model

    return Format(write, read)


def export_small(target, change, images=None, network=None):
    network = network or small_network()
    return export(network, saved_with(change), Metadata("linear 4", "", network.classes, STEPS), target, images)


def test_a_file_that_classifies_otherwise_never_gets_its_name(tmp_path):
    target = tmp_path / "model.bin"
    verified = export_small(target, lambda value: value)
    assert verified.startswith("verified: largest difference 0 of logits up to")
    assert verified.endswith("same class for 64 of 64 images")
    assert target.exists()
    target.write_bytes(b"before")
    for change in (lambda value: value * 1.01, lambda value: value.flip(0), lambda value: value * float("nan")):
        with pytest.raises(WeightsError, match="not written: model.bin would not classify as the network: largest"):
            export_small(target, change)
        assert target.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [target]


def test_logits_that_are_no_numbers_are_not_exported(tmp_path):
    network = small_network()
    network.model[1].weight.data.fill_(float("inf"))
    with pytest.raises(WeightsError, match="gives logits that are no numbers"):
        export_small(tmp_path / "model.bin", lambda value: value, network=network)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_reported_and_leaves_nothing(tmp_path):
    def write(network, strings, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    network = small_network()
    metadata = Metadata("linear 4", "", network.classes, STEPS)
    with pytest.raises(DataError, match="model.bin: cannot be written: No space left on device"):
        export(network, Format(write, lambda path: None), metadata, tmp_path / "model.bin", None)
    assert list(tmp_path.iterdir()) == []


def test_agreement_forgives_ties_alone():
    ours = torch.tensor([[1.0, 2.0], [1.0, 1.0 + 1e-6]])
    assert measure(ours, ours + 5e-5).holds
    assert not measure(ours, ours + 2e-4).holds
    assert measure(ours, torch.tensor([[1.0, 2.0], [1.0 + 1e-6, 1.0]])).agreeing == 2
    near = torch.tensor([[1.0, 1.0 + 4e-5]])
    parity = measure(near, near.flip(1))
    assert (parity.agreeing, parity.holds) == (0, False)
    assert not measure(ours, ours * float("nan")).holds
    assert measure(1e6 * ours, 1e6 * ours + 50).holds  # float32 has seven digits


def test_images_to_check_with(tmp_path):
    images = check_images(STEPS, None)
    assert images.shape == (64, 8, 6, 3)
    assert torch.equal(images, check_images(STEPS, None))
    assert len(np.unique(images.reshape(64, -1).numpy(), axis=0)) == 64
    for number in range(130):
        noisy_image("x", str(number), (9, 9)).save(tmp_path / f"{number:03d}.png")
    chosen = check_images(STEPS, str(tmp_path))
    assert len(chosen) == 64
    assert torch.equal(chosen[0], STEPS(noisy_image("x", "0", (9, 9))))
    assert torch.equal(chosen[-1], STEPS(noisy_image("x", "127", (9, 9))))  # to the end of the folder
    (tmp_path / "000.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="000.png: not an image"):
        check_images(STEPS, str(tmp_path))
    with pytest.raises(DataError, match="--images: no image at"):
        check_images(STEPS, str(tmp_path / "none"))


def test_a_network_that_cannot_be_exported_is_reported(tmp_path):
    def write(network, strings, path):
        raise RuntimeError("no such operator\nand much more")

    metadata = Metadata("linear 4", "", list("abcd"), STEPS)
    with pytest.raises(WeightsError, match=r"^not written: linear 4 cannot be exported to .bin: .*no such operator$"):
        export(small_network(), Format(write, lambda path: None), metadata, tmp_path / "m.bin", None)
