"""Class activation maps and guided gradients. A call leaves no hook and changes neither the network nor its gradients.

Shapes: N images, C channels of the layer, h x w its grid, H x W the image.
"""

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .layers import Layer, outputs_of

CAMS = ("grad_cam", "grad_cam++")
METHODS = (*CAMS, "guided_backprop", "guided_grad_cam")
RECTIFIERS = (nn.ReLU, nn.ReLU6, nn.Hardswish, nn.SiLU, nn.GELU)  # not the gates of squeeze-excitation


@dataclass(frozen=True)
class Explanation:
    """Of one image, for the class `target`."""

    target: int
    probabilities: Tensor  # (K,)
    pictures: dict[str, Tensor]  # by method: (H, W) >= 0 for the maps, (3, H, W) of either sign for the gradients

    @property
    def predicted(self) -> int:
        return int(self.probabilities.argmax())


def explain(
    model: nn.Module,
    image: Tensor,
    layer: Layer,
    target: int | None = None,
    methods: Collection[str] = METHODS,
    temperature: float = 1.0,
) -> Explanation:
    """What supports class `target` (None: the likeliest) in `image`, (3, H, W) normalised; `model` in eval mode.

    temperature: that logits are divided by before they become probabilities.
    """
    logits, activations, gradients = activations_and_gradients(model, image[None], layer, target)
    target = int(logits.argmax()) if target is None else target
    size = image.shape[-2], image.shape[-1]
    pictures = {
        "grad_cam": enlarge(grad_cam(activations, gradients), size)[0],
        "grad_cam++": enlarge(grad_cam_plus_plus(activations, gradients), size)[0],
    }
    if not set(methods) <= set(CAMS):
        pictures["guided_backprop"] = guided_gradients(model, image[None], target)[0]
        pictures["guided_grad_cam"] = pictures["guided_backprop"] * pictures["grad_cam"]
    pictures = {method: pictures[method].cpu() for method in METHODS if method in methods}
    return Explanation(target, (logits[0] / temperature).softmax(0).cpu(), pictures)


def grad_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """(N, C, h, w) of a layer and of a score's gradient there -> (N, h, w) >= 0: where the layer raises the score.

    Paper: "Grad-CAM", https://arxiv.org/abs/1610.02391, equations 1 and 2.
    """
    return _weighted(activations, gradients.mean((2, 3), keepdim=True))


def grad_cam_plus_plus(activations: Tensor, gradients: Tensor) -> Tensor:
    """As `grad_cam`, with weights that do not depend on how much of the image an object covers.

    Paper: "Grad-CAM++", https://arxiv.org/abs/1710.11063, equations 5, 7 and 19 (there for exp of the score, whose
    higher derivatives are powers of the first), where a square of the gradient cancels. The paper's activations come
    out of a ReLU; where others add up to less than 0, their sum counts as 0, as the fraction has a pole below it.
    """
    rising = gradients.relu()
    sums = activations.sum((2, 3), keepdim=True).relu()
    return _weighted(activations, (rising / (2 + sums * rising)).sum((2, 3), keepdim=True))


def _weighted(activations: Tensor, weights: Tensor) -> Tensor:
    return (weights * activations).sum(1).relu()


def enlarge(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, h, w) >= 0 -> (N, H, W) in 0..1, bilinear, the largest value 1; a map of zeros stays one."""
    maps = nn.functional.interpolate(maps[:, None], size, mode="bilinear", align_corners=False)[:, 0]
    largest = maps.amax((1, 2), keepdim=True)
    return maps / largest.where(largest > 0, 1.0)


def activations_and_gradients(
    model: nn.Module, images: Tensor, layer: Layer, target: int | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (N, K); what the layer gave last, and the gradient of the target's logit there, both (N, C, h, w).

    target: None means the likeliest class of each image.
    """
    with torch.enable_grad(), outputs_of(layer.module) as outputs:
        logits = model(images.detach().clone().requires_grad_())
        [gradients] = torch.autograd.grad(_scores(logits, target), outputs[-1])
    return logits.detach(), layer.to_map(outputs[-1].detach()), layer.to_map(gradients)


def guided_gradients(model: nn.Module, images: Tensor, target: int | None = None) -> Tensor:
    """(N, 3, H, W) -> the gradient of the target's logit there, by guided backpropagation.

    On its way down every rectifier lets positive gradients through only, and these by its own derivative: for a ReLU
    that is the paper's rule, "Striving for Simplicity", https://arxiv.org/abs/1412.6806, section 3.4. ReLU6,
    Hardswish, SiLU and GELU are treated alike; their derivative passes a little where the input is below zero.
    What bypasses the rectifiers (shortcuts, attention) stays as it is.
    """
    images = images.detach().clone().requires_grad_()
    with torch.enable_grad(), _guided(model):
        [gradients] = torch.autograd.grad(_scores(model(images), target), images)
    return gradients


@contextmanager
def _guided(model: nn.Module) -> Iterator[None]:
    """Clip the gradients that come back to the output of each rectifier that runs meanwhile."""

    def clip(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        output.register_hook(torch.relu)

    with ExitStack() as handles:
        for module in model.modules():
            if isinstance(module, RECTIFIERS):
                handles.callback(module.register_forward_hook(clip).remove)
        yield


def _scores(logits: Tensor, target: int | None) -> Tensor:
    """The sum over images of the logits to explain: an image's gradient comes of its own alone."""
    return (logits.amax(1) if target is None else logits[:, target]).sum()
