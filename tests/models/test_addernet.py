"""AdderNet: the layer and its gradients against the formulas of the paper, written out; keys; training."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from models import adder_ops, addernet, create_model
from models.addernet import ETA, Adder2d, adder2d

LAYERS = [  # kernel, stride, padding, height, width
    (1, 1, 0, 5, 6),
    (1, 2, 0, 5, 4),
    (3, 1, 1, 5, 6),
    (3, 2, 1, 7, 5),
    (3, 2, 1, 1, 1),
    (3, 1, 0, 4, 3),
]


def written_out(x, weight, grad, stride, padding):
    """The answer, the gradient for x and the unscaled gradient for the weight: every w - x at once."""
    kernel = weight.shape[-1]
    columns = functional.unfold(x, kernel, padding=padding, stride=stride)  # (N, K, L)
    differences = weight.flatten(1)[None, :, :, None] - columns[:, None]  # (N, O, K, L)
    out = -differences.abs().sum(2).view_as(grad)
    grad = grad.flatten(2)[:, :, None]  # (N, O, 1, L)
    grad_columns = (differences.clamp(-1, 1) * grad).sum(1)
    grad_x = functional.fold(grad_columns, x.shape[-2:], kernel, padding=padding, stride=stride)
    return out, grad_x, (-differences * grad).sum((0, 3)).view_as(weight)


def layer_and_gradients(kernel, stride, padding, height, width, *, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, 4, height, width, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()
    weight = torch.randn(5, 4, kernel, kernel, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()
    out = adder2d(x, weight, stride, padding)
    grad = torch.randn(out.shape, generator=generator, dtype=torch.float64).to(dtype)
    out.backward(grad)
    return x, weight, grad, out


@pytest.mark.parametrize("layer", LAYERS)
def test_answer_and_gradients_are_those_of_the_paper(layer):
    x, weight, grad, out = layer_and_gradients(*layer)
    expected, grad_x, grad_weight = written_out(x.detach(), weight.detach(), grad, layer[1], layer[2])
    convolved = functional.conv2d(x, weight, stride=layer[1], padding=layer[2])
    assert out.shape == convolved.shape
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(x.grad, grad_x)
    scale = ETA * weight.numel() ** 0.5 / grad_weight.norm()
    torch.testing.assert_close(weight.grad, grad_weight * scale)


def test_the_norm_of_the_weight_gradient_does_not_depend_on_the_loss():
    for factor in (1e-6, 1.0, 1e6):
        weight = torch.randn(8, 4, 3, 3, requires_grad=True)
        (factor * adder2d(torch.randn(2, 4, 6, 6), weight, 1, 1).sum()).backward()
        assert weight.grad.norm().item() == pytest.approx(0.2 * (8 * 4 * 3 * 3) ** 0.5, rel=1e-5)


def test_a_zero_gradient_stays_zero():
    weight = torch.randn(8, 4, 3, 3, requires_grad=True)
    (0.0 * adder2d(torch.randn(2, 4, 6, 6), weight, 1, 1)).sum().backward()
    assert not weight.grad.any()


@pytest.mark.parametrize("layer", LAYERS)
def test_working_in_small_parts_changes_nothing(layer, monkeypatch):
    x, weight, _, out = layer_and_gradients(*layer)
    for limit in (1, 50, 200):
        monkeypatch.setitem(addernet.UNFOLDED, "cpu", limit)
        monkeypatch.setitem(adder_ops.DIFFERENCES, "cpu", limit)
        x_parts, weight_parts, _, out_parts = layer_and_gradients(*layer)
        torch.testing.assert_close(out_parts, out)
        torch.testing.assert_close(x_parts.grad, x.grad)
        torch.testing.assert_close(weight_parts.grad, weight.grad)


def largest_allocation(x, weight):
    """Bytes of the largest tensor that the layer makes on its way forth and back."""
    with torch.profiler.profile(profile_memory=True) as profile:
        adder2d(x, weight, 1, 1).sum().backward()
    return max(event.self_cpu_memory_usage for event in profile.events())


def test_the_largest_temporary_is_bounded(monkeypatch):
    x = torch.randn(16, 16, 8, 8, requires_grad=True)
    weight = torch.randn(32, 16, 3, 3, requires_grad=True)
    answer, row_unfolded = 4 * 16 * 32 * 8 * 8, 4 * 16 * 8 * 8 * 16 * 3
    row_differences = row_unfolded * 32 // adder_ops.TILE
    monkeypatch.setattr(adder_ops, "OFTEN", 2**62)  # not compiled
    monkeypatch.setitem(adder_ops.DIFFERENCES, "cpu", 2**30)
    assert largest_allocation(x, weight) >= row_differences  # 1.5 MB: so a layer without parts would be found out
    monkeypatch.setitem(addernet.UNFOLDED, "cpu", 2**13)
    monkeypatch.setitem(adder_ops.DIFFERENCES, "cpu", 2**14)
    assert largest_allocation(x, weight) <= answer < row_unfolded


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_computes_in_float32(dtype):
    x = torch.randn(2, 64, 6, 6, requires_grad=True)
    weight = torch.randn(8, 64, 3, 3, requires_grad=True)
    plain = adder2d(x, weight, 1, 1)
    plain.sum().backward()
    grads, x.grad, weight.grad = (x.grad, weight.grad), None, None
    with torch.autocast("cpu", dtype=dtype):
        out = adder2d(x, weight, 1, 1)
        out.sum().backward()  # within autocast too: its products must not be rounded either
    assert out.dtype == x.grad.dtype == weight.grad.dtype == torch.float32
    assert torch.equal(out, plain)
    assert torch.equal(x.grad, grads[0])
    assert torch.equal(weight.grad, grads[1])


def test_autocast_takes_half_precision_from_the_layer_before():
    x = torch.randn(2, 4, 6, 6).bfloat16().requires_grad_()
    weight = torch.randn(8, 4, 3, 3, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = adder2d(x, weight, 1, 1)
    out.sum().backward()
    assert torch.equal(out, adder2d(x.float(), weight, 1, 1))
    assert out.dtype == weight.grad.dtype == torch.float32
    assert x.grad.dtype == torch.bfloat16


def test_a_network_of_half_precision_keeps_its_precision_outside_the_layer():
    x = torch.randn(2, 4, 6, 6).bfloat16()
    weight = torch.randn(8, 4, 3, 3).bfloat16().requires_grad_()
    out = adder2d(x, weight, 1, 1)
    out.sum().backward()
    assert out.dtype == weight.grad.dtype == torch.bfloat16
    torch.testing.assert_close(out, adder2d(x.float(), weight.float(), 1, 1).bfloat16())


def test_keys_shapes_and_parameters_are_the_authors():
    with torch.device("meta"):
        network = create_model("addernet", "50")
        resnet = create_model("resnet", "50")
    assert sum(parameter.numel() for parameter in network.parameters()) == 25_559_032
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    expected = {}
    for key, value in resnet.state_dict().items():  # the same network, but for adders, a convolution as fc and a norm
        adds = key.startswith("layer") and value.ndim == 4
        expected[key.replace(".weight", ".adder") if adds else key] = tuple(value.shape)
    expected["fc.weight"] = (1000, 2048, 1, 1)
    for name in ("weight", "bias", "running_mean", "running_var"):
        expected[f"bn2.{name}"] = (1000,)
    expected["bn2.num_batches_tracked"] = ()
    assert shapes == expected
    assert list(shapes) == list(expected)


def test_adders_start_from_the_normal_distribution():
    network = create_model("addernet", "50", num_classes=10, depths=(1, 1, 1, 1))
    for name, weight in network.named_parameters():
        if name.endswith("adder"):
            assert weight.mean().item() == pytest.approx(0.0, abs=0.1)
            assert weight.std().item() == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("size", [(32, 32), (47, 33)])
def test_network_takes_any_size_and_every_parameter_learns(size):
    torch.manual_seed(0)
    network = create_model("addernet", "50", num_classes=4, depths=(1, 1, 1, 1))
    loss = functional.cross_entropy(network(torch.randn(4, 3, *size)), torch.arange(4))
    loss.backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert not name.endswith("adder") or parameter.grad.any(), name


def test_adders_learn():
    """Which of two patterns lies under the noise: two layers of adders alone find out."""
    torch.manual_seed(0)
    targets = torch.arange(64) % 2
    images = torch.randn(2, 3, 8, 8)[targets] + 0.5 * torch.randn(64, 3, 8, 8)
    layers = [Adder2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), Adder2d(8, 2, 3), nn.AdaptiveAvgPool2d(1)]
    network = nn.Sequential(*layers, nn.Flatten(), nn.BatchNorm1d(2, affine=False))
    optimizer = torch.optim.SGD([layers[0].adder, layers[3].adder], lr=0.1, momentum=0.9)
    losses = []
    for _ in range(30):
        loss = functional.cross_entropy(network(images), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_export_gives_the_same_logits():
    network = create_model("addernet", "50", num_classes=4, depths=(1, 1, 1, 1)).eval()
    images = torch.randn(2, 3, 32, 32)
    exported = torch.export.export(network, (images,)).module()
    torch.testing.assert_close(exported(images), network(images))
