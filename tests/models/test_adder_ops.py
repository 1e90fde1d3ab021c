"""The sums of an adder layer: compiled once and right for every shape; and done without a compiler too."""

import warnings

import pytest
import torch

from models import adder_ops
from models.adder_ops import Fused, clipped_gradient, distance_sums, distances, gradient_sums
from models.addernet import ETA, Adder2d, adder2d

from .test_addernet import written_out

LAYERS = [  # images, in and out channels, kernel, stride, padding, height, width
    (2, 32, 48, 1, 1, 0, 6, 5),
    (3, 20, 18, 3, 1, 1, 5, 7),  # nothing is a multiple of anything
    (2, 17, 33, 3, 2, 1, 9, 6),
    (2, 24, 40, 1, 2, 0, 7, 8),
    (1, 7, 65, 5, 1, 0, 9, 9),
]


@pytest.fixture
def always_compiled(monkeypatch):
    """However little the work is; and a warning that it could not be is an error."""
    monkeypatch.setattr(adder_ops, "WORTHWHILE", 0)
    monkeypatch.setattr(Fused, "usable", True)  # also for the test after this one
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="AdderNet")
        yield


def graphs_so_far():
    return torch._dynamo.utils.counters["stats"]["unique_graphs"]


def check_layer(layer, *, memory_format=torch.contiguous_format, transposed_grad=False):
    """Answer and gradients in float32 against the formulas in float64."""
    images, channels, filters, kernel, stride, padding, height, width = layer
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(images, channels, height, width, generator=generator).to(memory_format=memory_format)
    weight = torch.randn(filters, channels, kernel, kernel, generator=generator)
    x = x.requires_grad_()
    weight = weight.requires_grad_()
    out = adder2d(x, weight, stride, padding)
    grad = torch.randn(out.shape, generator=generator)
    if transposed_grad:
        grad = grad.transpose(2, 3).contiguous().transpose(2, 3)
    out.backward(grad)
    doubles = (tensor.detach().double().contiguous() for tensor in (x, weight, grad))
    expected, grad_x, grad_weight = written_out(*doubles, stride, padding)
    grad_weight *= ETA * weight.numel() ** 0.5 / grad_weight.norm()
    for actual, wanted in ((out, expected), (x.grad, grad_x), (weight.grad, grad_weight)):
        torch.testing.assert_close(actual.double(), wanted, rtol=1e-5, atol=1e-5 * wanted.abs().max().item())


@pytest.mark.usefixtures("always_compiled")
def test_two_compilations_serve_all_layers_and_are_right():
    torch.compiler.reset()
    before = graphs_so_far()
    for layer in LAYERS:
        check_layer(layer)
        check_layer(layer, memory_format=torch.channels_last, transposed_grad=True)
    assert graphs_so_far() - before == 2  # forwards and backwards


@pytest.mark.usefixtures("always_compiled")
def test_compiled_sums_repeat_bit_for_bit():
    rows = torch.randn(50, 40)
    filters = torch.randn(36, 40)
    grads = torch.randn(50, 36)
    assert torch.equal(distances(rows, filters), distances(rows, filters))
    assert torch.equal(clipped_gradient(rows, filters, grads), clipped_gradient(rows, filters, grads))


@pytest.mark.usefixtures("always_compiled")
def test_a_compiled_sum_keeps_what_is_not_a_number():
    rows = torch.zeros(8, 40)
    filters = torch.randn(36, 40)
    rows[3, 5] = torch.nan
    assert distances(rows, filters).isnan().all(1).nonzero().tolist() == [[3]]
    assert clipped_gradient(rows, filters, torch.ones(8, 36)).isnan().nonzero().tolist() == [[3, 5]]


def operands(formula):
    """Rows, panels and, for the gradient, grads; nine tiles."""
    if formula is distance_sums:
        return torch.randn(9, 4, 40), torch.randn(3, 40, 16)
    return torch.randn(9, 4, 3, 16), torch.randn(3, 40, 16), torch.randn(9, 4, 40)


@pytest.mark.usefixtures("always_compiled")
@pytest.mark.parametrize("formula", [distance_sums, gradient_sums])
def test_without_a_compiler_says_so_once_and_goes_on_in_parts(formula, monkeypatch):
    def broken(*_, **__):
        raise OSError("No working C++ compiler found\nand more")

    monkeypatch.setitem(adder_ops.DIFFERENCES, "cpu", 2 * 3 * 40 * 16)  # two tiles a part
    fused = Fused(formula)
    tensors = operands(formula)
    monkeypatch.setattr(fused, "compiled", broken, raising=False)
    with pytest.warns(
        UserWarning, match=r"AdderNet runs .* slower: .*OSError: No working C\+\+ compiler found\)"
    ) as warnings_given:
        sums = fused(*tensors)
    assert len(warnings_given) == 1
    torch.testing.assert_close(sums, formula(*tensors))
    torch.testing.assert_close(fused(*tensors), sums)  # a second warning would be an error
    distances(torch.randn(50, 40), torch.randn(36, 40))  # of any formula


@pytest.mark.usefixtures("always_compiled")
def test_a_compiler_that_is_switched_off_does_not_mean_all_differences_at_once():
    fused, sizes = Fused(distance_sums), []

    def watched(rows, panels):
        sizes.append(len(rows))
        return distance_sums(rows, panels)

    fused.formula = watched
    with torch.compiler.set_stance("force_eager"), pytest.warns(UserWarning, match="switched off"):
        fused(torch.randn(2000, 4, 40), torch.randn(3, 40, 16))
    assert max(sizes) < 2000


def test_exported_layers_hold_standard_operators_alone_and_take_any_batch():
    layers = torch.nn.Sequential(Adder2d(3, 8, 3, stride=2), Adder2d(8, 4, 1), Adder2d(4, 2, 3)).eval()
    batch = {0: torch.export.Dim("batch", max=64)}
    program = torch.export.export(layers, (torch.randn(3, 3, 14, 9),), dynamic_shapes=(batch,))
    called = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert all(name.startswith("aten.") or "built-in" in name for name in called), called
    images = torch.randn(5, 3, 14, 9)
    torch.testing.assert_close(program.module()(images), layers(images))


@pytest.mark.parametrize("trains", [True, False])
def test_small_layers_are_compiled_in_training_alone(monkeypatch, trains):
    """Two million differences: a single prediction is sooner done without a compiler, a step comes again."""
    compiled = []

    def at_once(self, *tensors):
        compiled.append(self.formula)
        return self.formula(*tensors)

    monkeypatch.setattr(Fused, "usable", True)
    monkeypatch.setattr(Fused, "_at_once", at_once)
    x = torch.randn(2, 64, 16, 16, requires_grad=trains)
    weight = torch.randn(64, 64, 1, 1, requires_grad=trains)
    out = adder2d(x, weight)
    if trains:
        out.sum().backward()
    assert [formula.__name__ for formula in compiled] == (["distance_sums", "gradient_sums"] if trains else [])
