"""Any .onnx file that classifies images, run by onnxruntime."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import WeightsError
from .graph import last_operator

SIGMOIDS = ("Sigmoid", "HardSigmoid")
LINEAR = ("Conv", "Gemm", "MatMul")  # what they give are scores, even where these look like shares
ROUNDING = 1e-4  # by which probabilities may miss a sum of 1
ROUNDING_OF_SOFTMAX = 0.05  # the same where the graph says that they are some: in half precision, or of 8 bits


class OnnxNetwork:
    """(N, 3, H, W) float32 images -> (N, K) float32 logits on the CPU, as the network that was exported.

    From a file that gives probabilities, which `check` finds out, come their logarithms: logits of the same.
    device: CUDA is used where this onnxruntime can, see `runs_on`. onnxruntime builds no Python objects from a file and
    runs no code in it but the graph's operators. Raises WeightsError if onnxruntime is not installed, if the file
    cannot be read, or if it takes anything but one batch of images.
    """

    def __init__(self, path: str | Path, device: torch.device) -> None:
        self.path = path
        self._session = _open(path, device)
        self.strings: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        self.runs_on = self._session.get_providers()[0].removesuffix("ExecutionProvider")
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 4:
            found = ", ".join(f"{each.name}: {each.type} of {each.shape}" for each in inputs) or "none"
            raise WeightsError(f"{path}: expected one input, float32 images (N, 3, H, W), has {found}")
        self._input = inputs[0].name
        batch, *shape = (side if isinstance(side, int) else None for side in inputs[0].shape)  # None: any
        if batch not in (None, 1):
            raise WeightsError(f"{path}: takes batches of {batch} images alone; expected of any number, or of 1")
        self.one_by_one = batch == 1
        self.image_shape = tuple(shape)  # of (3, H, W), None where any number goes
        self.gives_probabilities = False

    def __call__(self, images: Tensor) -> Tensor:
        parts = images.split(1) if self.one_by_one else [images]
        found = torch.cat([self._run(part) for part in parts])
        return found.log() if self.gives_probabilities else found

    def _run(self, images: Tensor) -> Tensor:
        try:
            found = self._session.run(None, {self._input: images.cpu().contiguous().numpy()})[0]
        except Exception as error:  # onnxruntime's own, of no common class
            raise WeightsError(f"{self.path}: onnxruntime cannot run it: {_first_line(error)}") from None
        logits = torch.from_numpy(found) if getattr(found, "ndim", 0) == 2 else torch.empty(0, 0)
        if len(logits) != len(images) or not logits.is_floating_point():
            raise WeightsError(f"{self.path}: expected logits (N, classes) as its first output")
        return logits.float()

    def check(self, img_size: tuple[int, int], num_classes: int) -> None:
        """Look at what it gives for a few images of (height, width), once.

        Raises WeightsError unless these are logits, or probabilities, of `num_classes` classes.
        """
        wanted = (3, *img_size)
        if any(side not in (None, want) for side, want in zip(self.image_shape, wanted)):
            message = f"takes images of (channels, height, width) {self.image_shape}, not of {wanted}: see img_size"
            raise WeightsError(f"{self.path}: {message}")
        noise = torch.randn(3, *wanted, generator=torch.Generator().manual_seed(0))
        found = self(torch.cat([torch.zeros(1, *wanted), noise]))
        operator = last_operator(self.path)
        if operator in SIGMOIDS:
            message = f"ends in {operator}, which judges each class by itself, so that no class is the likeliest of all"
            raise WeightsError(f"{self.path}: {message}; expected logits, as before it, or probabilities that sum to 1")
        if found.shape[1] != num_classes:
            message = f"gives {found.shape[1]} logits an image, but {num_classes} classes are named"
            raise WeightsError(f"{self.path}: {message}")
        of_softmax = operator == "Softmax"
        are_shares = _sum_to_one(found, ROUNDING_OF_SOFTMAX if of_softmax else ROUNDING)
        if of_softmax and found.isfinite().all() and not are_shares:
            message = "ends in Softmax, but what it gives for an image does not sum to 1"
            raise WeightsError(f"{self.path}: {message}; expected a Softmax over the classes, or logits")
        self.gives_probabilities = are_shares and operator not in LINEAR


def _sum_to_one(rows: Tensor, rounding: float) -> bool:
    """Whether every row, (N, K), is of numbers in 0..1 that sum to 1."""
    inside = (rows >= 0).all() and (rows <= 1).all()
    return bool(inside and ((rows.sum(1) - 1).abs() <= rounding).all())


def _open(path: str | Path, device: torch.device) -> Any:
    if find_spec("onnxruntime") is None:
        raise WeightsError(f"{path}: reading .onnx needs: python -m pip install onnxruntime")
    if not Path(path).is_file():
        raise WeightsError(f"{path}: no such file")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what fails is raised and reported here
    options.intra_op_num_threads = torch.get_num_threads()
    providers: list[Any] = ["CPUExecutionProvider"]
    if device.type == "cuda" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": device.index or 0}))
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:
        raise WeightsError(f"{path}: cannot be read as ONNX: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
