"""Networks made for tests."""

from utils.data.preprocess import Preprocess
from utils.weights.networks import LoadedNetwork
from utils.weights.spec import NetworkSpec

import torch
from torch import nn

from benchmarks.peers.networks import PARAMETERS
from models import list_models

PREFIXES = list(dict.fromkeys(prefix for prefix, _ in list_models()))
# prefix -> the two words of its smallest variant
SMALLEST = {prefix: min((m for m in list_models() if m[0] == prefix), key=PARAMETERS.get) for prefix in PREFIXES}
CPU = torch.device("cpu")
STEPS = Preprocess((8, 6), (10, 8), (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))


def small_network(classes=4):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 6, classes)).requires_grad_(False).eval()
    spec = NetworkSpec("linear", str(classes), classes, STEPS.img_size)
    return LoadedNetwork(spec, model, [str(i) for i in range(classes)], STEPS, "a linear map")


class Recorder(nn.Module):
    """A network of two classes that keeps what it was shown."""

    def forward(self, images):
        self.seen = images
        return torch.zeros(len(images), 2)
