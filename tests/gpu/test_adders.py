"""AdderNet's sums on the device, compiled and not: the formulas in float64, in no more memory than is meant."""

import warnings

import pytest
import torch

from models import adder_cuda, adder_ops
from models.adder_ops import Fused, clipped_gradient, distances
from models.addernet import ETA, UNFOLDED, adder2d
from tests.gpu.runs import needs_cuda
from tests.models.test_adder_ops import LAYERS
from tests.models.test_addernet import written_out

MATRICES = [(1, 1, 1), (4, 16, 16), (50, 40, 36), (129, 147, 65), (515, 576, 64)]  # windows, K, filters
LARGE = [(2, 64, 64, 3, 1, 1, 28, 28), (4, 128, 96, 3, 2, 1, 27, 29), (8, 256, 64, 1, 1, 0, 14, 14)]
TOLERANCE = 1e-5  # of the largest value: float32 sums of up to 1152 terms, each rounded at 6e-8


def by_kernels(*tensors):
    """As `usable`, and an error where the kernels cannot be made."""
    assert adder_cuda.kernels(tensors[0].device.index)
    return tensors[0].dtype == torch.float32


@pytest.fixture(params=["kernels", "compiled", "in parts"])
def way(request, monkeypatch, device):
    """By our kernels, which must be there then; compiled however little the work is, or not compiled."""
    monkeypatch.setattr(adder_cuda, "usable", by_kernels if request.param == "kernels" else lambda *tensors: False)
    if request.param == "compiled":
        needs_cuda(device, "tests/models/test_adder_ops.py compiles for it")
    if request.param == "kernels":
        needs_cuda(device, "they are NVIDIA's")
    for name in ("WORTHWHILE", "OFTEN"):
        monkeypatch.setattr(adder_ops, name, 0 if request.param == "compiled" else 2**62)
    monkeypatch.setattr(Fused, "usable", True)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="AdderNet")
        yield request.param


def random(device, *shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(device)


def assert_near(actual, expected):
    actual = actual.detach().double().cpu()
    expected = expected.cpu()
    torch.testing.assert_close(actual, expected, rtol=TOLERANCE, atol=TOLERANCE * expected.abs().max().item())


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(("windows", "length", "filters"), MATRICES)
def test_the_two_sums_are_their_formulas(device, windows, length, filters):
    rows = random(device, windows, length, seed=0)
    weight = random(device, filters, length, seed=1)
    grads = random(device, windows, filters, seed=2)
    differences = weight.double()[None] - rows.double()[:, None]  # (windows, filters, length)
    assert_near(distances(rows, weight), -differences.abs().sum(2))
    assert_near(clipped_gradient(rows, weight, grads), (grads.double()[:, :, None] * differences.clamp(-1, 1)).sum(1))


def check_layer(device, layer, memory_format):
    images, channels, filters, kernel, stride, padding, height, width = layer
    x = random(device, images, channels, height, width, seed=0).to(memory_format=memory_format).requires_grad_()
    weight = random(device, filters, channels, kernel, kernel, seed=1).requires_grad_()
    out = adder2d(x, weight, stride, padding)
    grad = random(device, *out.shape, seed=2)
    out.backward(grad)
    doubles = (tensor.detach().double().contiguous() for tensor in (x, weight, grad))
    expected, grad_x, grad_weight = written_out(*doubles, stride, padding)
    grad_weight *= ETA * weight.numel() ** 0.5 / grad_weight.norm()
    for actual, wanted in ((out, expected), (x.grad, grad_x), (weight.grad, grad_weight)):
        assert_near(actual, wanted)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=["nchw", "nhwc"])
def test_a_layer_and_its_gradients_are_the_formulas(device, way, memory_format):
    for layer in [*LAYERS, *(LARGE if device.type == "cuda" else [])]:
        check_layer(device, layer, memory_format)


def test_two_compilations_serve_all_shapes(device, way):
    if way != "compiled":
        pytest.skip("nothing is compiled")
    torch.compiler.reset()
    before = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    for layer in [*LAYERS, *LARGE]:
        check_layer(device, layer, torch.channels_last)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] - before == 2  # forwards and backwards


def test_memory_is_far_below_that_of_all_differences(device, way):
    """All differences of this layer are 7.4 GB; what is unfolded and subtracted at once is bounded."""
    needs_cuda(device, "tests/models/test_addernet.py bounds it")
    images, channels, filters, side = 64, 64, 64, 28
    x = random(device, images, channels, side, side, seed=0).requires_grad_()
    weight = random(device, filters, channels, 3, 3, seed=1).requires_grad_()
    all_differences = 4 * images * side**2 * filters * channels * 9
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    held = torch.cuda.memory_allocated()
    adder2d(x, weight, 1, 1).sum().backward()
    peak = torch.cuda.max_memory_allocated() - held
    part = adder_ops.DIFFERENCES["cuda"] if way == "in parts" else 0
    # eight copies of what a layer keeps (input, output, gradients, joined parts), eight of what is unfolded, and eight
    # of the differences of a part: those of the four windows of a tile, and what they are made of on the way
    bound = 4 * (8 * x.numel() + 8 * UNFOLDED["cuda"] + 8 * part)
    assert peak <= bound < all_differences / 5, f"{peak / 2**20:.0f} MB, bound {bound / 2**20:.0f} MB"
