"""A network of every family as .onnx and .pt2, at a small size, with the check that each export makes."""

from utils.export.formats import FORMATS
from utils.export.metadata import Metadata
from utils.export.write import export
from utils.weights.networks import load_network
from utils.weights.spec import NetworkOptions

import pytest
import torch

from tests.helpers.initialisation import SkipRandomFill, damp, randomise
from tests.models.test_families import smallest

QUICK = {"squeezenet"}
SIZE = (64, 96)  # not square, so that height and width cannot be exchanged unnoticed


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize(("prefix", "suffix"), smallest(quick=QUICK))
def test_every_family_is_exported(prefix, suffix, ending, tmp_path):
    with SkipRandomFill():
        network = load_network(NetworkOptions(prefix, suffix, 7, None, SIZE), torch.device("cpu"))
    randomise(network.model, seed=0)  # of the logits of fresh weights some are all the same
    damp(network.model)
    target = tmp_path / f"network{ending}"
    metadata = Metadata(str(network.spec), "", network.classes, network.preprocess)
    assert "same class for 64 of 64 images" in export(network, FORMATS[ending], metadata, target, None)
    assert target.stat().st_size > 4 * sum(parameter.numel() for parameter in network.model.parameters())
