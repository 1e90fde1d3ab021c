"""What networks hold and compute, layer by layer, counted on the meta device: no memory, no arithmetic, no weights.

For one image, by the definitions of the published tables (fvcore's, which pycls and timm follow):
multiply-adds: of convolutions, linear layers and both products of attention; not of activations, pooling and norms, of
    which fvcore counts some: 0.022 G of the 4.11 G that timm gives for ResNet-50.
additions: of adder layers, as AdderNet's authors count: a difference and a sum for each weight and position.
activations: elements of what those give: outputs of convolutions, linear and adder layers, scores and sums of
    attention. Where timm's tables differ for transformers, they left out the attention.

torch.utils.flop_counter finds the same multiply-adds (a test compares them), but neither activations nor the additions
of adder layers, and is two to six times slower over most networks, as it counts below autograd, operator by operator.
"""

from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from .addernet import Adder2d
from .registry import create_model


@dataclass(frozen=True)
class Arithmetic:
    """Of one image; see above."""

    multiply_adds: int = 0
    additions: int = 0
    activations: int = 0

    def __add__(self, other: "Arithmetic") -> "Arithmetic":
        return Arithmetic(
            self.multiply_adds + other.multiply_adds,
            self.additions + other.additions,
            self.activations + other.activations,
        )


@dataclass(frozen=True)
class Layer:
    """A module without what belongs to the modules in it."""

    name: str  # dotted; '' is the network itself
    kind: str  # its class
    output_shape: tuple[int, ...] | None  # for one image; None if it is never called, or gives no tensor
    parameters: int
    trainable: int  # of the parameters
    arithmetic: Arithmetic


@dataclass(frozen=True)
class Cost:
    """Of a network: the layers that have parameters or compute, in the order of their names in the network."""

    layers: tuple[Layer, ...]
    weight_bytes: int  # of the state dict: parameters and buffers as float32, counters as int64

    @property
    def parameters(self) -> int:
        return sum(layer.parameters for layer in self.layers)

    @property
    def trainable(self) -> int:
        return sum(layer.trainable for layer in self.layers)

    @property
    def arithmetic(self) -> Arithmetic:
        return sum((layer.arithmetic for layer in self.layers), Arithmetic())


@cache
def count(prefix: str, suffix: str, num_classes: int, img_size: tuple[int, int]) -> Cost:
    """Of a network of ours for images of (height, width). Raises ValueError for unknown names and images too small."""
    with torch.device("meta"), ShapesOnly():
        network: nn.Module = create_model(prefix, suffix, num_classes, img_size=img_size).eval()
    with torch.inference_mode(), CountArithmetic(network) as counted:
        network(torch.empty(1, 3, *img_size, device="meta"))
    layers = (_layer(name, module, counted) for name, module in network.named_modules())
    weight_bytes = sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())
    return Cost(tuple(layer for layer in layers if layer.parameters or layer.arithmetic != Arithmetic()), weight_bytes)


def _layer(name: str, module: nn.Module, counted: "CountArithmetic") -> Layer:
    own = list(module.parameters(recurse=False))
    trainable = sum(parameter.numel() for parameter in own if parameter.requires_grad)
    parameters = sum(parameter.numel() for parameter in own)
    return Layer(name, type(module).__name__, counted.shapes.get(name), parameters, trainable, counted.amounts[name])


class ShapesOnly(TorchFunctionMode):
    """Within it, what gives a tensor of the shape of its argument gives the argument: on meta, values do not matter."""

    SAME_SHAPE = {  # each would take longer than all that is counted
        *(Tensor.normal_, Tensor.uniform_, Tensor.erfinv_, Tensor.mul_, Tensor.add_, Tensor.clamp_, Tensor.fill_),
        *(Tensor.zero_, functional.batch_norm, functional.layer_norm, functional.dropout, torch.sigmoid),
        *(functional.relu, functional.hardtanh, functional.silu, functional.gelu, functional.hardswish),
    }
    INITIALISERS = {nn.init.normal_, nn.init.uniform_, nn.init.constant_, nn.init.kaiming_uniform_}

    def __torch_function__(self, func, types, args=(), kwargs=None) -> Any:
        if func in self.INITIALISERS:
            return kwargs["tensor"]
        return args[0] if func in self.SAME_SHAPE else func(*args, **(kwargs or {}))


class CountArithmetic(ShapesOnly):
    """Within it, what the modules of `network` would compute is counted while meta tensors pass through them."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.running = [""]  # names of the modules that are being called, the innermost last
        self.amounts: dict[str, Arithmetic] = defaultdict(Arithmetic)
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.hooks = ExitStack()

    def __enter__(self) -> "CountArithmetic":
        for name, module in self.network.named_modules():
            self.hooks.enter_context(module.register_forward_pre_hook(partial(self._begin, name)))
            self.hooks.enter_context(module.register_forward_hook(partial(self._end, name)))
        return super().__enter__()

    def __exit__(self, *exception: Any) -> None:
        self.hooks.close()
        super().__exit__(*exception)

    def __torch_function__(self, func, types, args=(), kwargs=None) -> Any:
        out = super().__torch_function__(func, types, args, kwargs)
        if func in (torch.conv2d, functional.linear):
            self._add(multiply_adds=out.numel() * args[1][0].numel(), activations=out.numel())
        elif func is functional.scaled_dot_product_attention:
            query, key = args[:2]  # (..., length, channels)
            scores = query[..., 0].numel() * key.shape[-2]
            products = scores * query.shape[-1] + out.numel() * key.shape[-2]
            self._add(multiply_adds=products, activations=scores + out.numel())
        elif func in (torch.matmul, torch.bmm, torch.einsum, torch.baddbmm, torch.addmm, Tensor.matmul):
            raise NotImplementedError(f"counting {func.__name__}")
        return out

    def _add(self, **amounts: int) -> None:
        self.amounts[self.running[-1]] += Arithmetic(**amounts)

    def _begin(self, name: str, module: nn.Module, args: Any) -> None:
        self.running.append(name)

    def _end(self, name: str, module: nn.Module, args: Any, out: Any) -> None:
        if isinstance(out, Tensor):
            self.shapes[name] = tuple(out.shape)
        if isinstance(module, Adder2d):  # however it finds the sums
            self._add(additions=2 * out.numel() * module.adder[0].numel(), activations=out.numel())
        self.running.pop()
