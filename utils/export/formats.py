"""The formats of exported networks: how each is written, and read again to be checked."""

import io
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from ..errors import WeightsError
from ..weights.networks import LoadedNetwork
from .runtime import OnnxNetwork

EXTERNAL_FROM = 1_500_000_000  # bytes of weights: protocol buffers, and so .onnx files, end at 2 GiB
DATA = ".data"  # ending of the second file, beside the .onnx, that heavier weights go to
INPUT, OUTPUT, BATCH = "images", "logits", "batch"


@dataclass(frozen=True)
class Format:
    """write(network, strings of metadata, path) makes the file; read(path) gives what computes the file's logits."""

    write: Callable[[LoadedNetwork, Mapping[str, str], Path], None]
    read: Callable[[Path], Callable[[Tensor], Tensor]]
    needs: tuple[str, ...] = ()  # packages beyond requirements.txt


def format_of(path: Path) -> Format:
    """By the ending of `path`, which must be one of FORMATS. Raises WeightsError if a package that it needs is absent.

    The packages are looked for, not imported.
    """
    chosen = FORMATS[path.suffix.lower()]
    if missing := [name for name in chosen.needs if find_spec(name) is None]:
        raise WeightsError(f"{path}: writing {path.suffix} needs: python -m pip install {' '.join(missing)}")
    return chosen


def example(network: LoadedNetwork) -> Tensor:
    """Two images, as a batch of one would be taken for a constant."""
    return torch.zeros(2, 3, *network.preprocess.img_size, device=next(network.model.parameters()).device)


def write_onnx(network: LoadedNetwork, strings: Mapping[str, str], path: Path) -> None:
    """float32 `images` (batch, 3, H, W) -> `logits` (batch, classes), in the opset that torch recommends.

    Weights of EXTERNAL_FROM bytes and more go to `data_path(path)`.
    """
    program = torch.onnx.export(
        network.model,
        (example(network),),
        input_names=[INPUT],
        output_names=[OUTPUT],
        dynamic_shapes=({0: BATCH},),
        dynamo=True,
        verbose=False,
    )
    assert program is not None  # None is of dynamo=False
    for node in program.model.graph.all_nodes():
        node.metadata_props.pop("pkg.torch.onnx.stack_trace", None)  # paths of the machine that it was exported on
    program.model.metadata_props.update(strings)
    program.save(path, external_data=weight_bytes(network) >= EXTERNAL_FROM)


def data_path(path: Path) -> Path:
    """Where the weights of a large .onnx file are."""
    return path.with_name(path.name + DATA)


def weight_bytes(network: LoadedNetwork) -> int:
    tensors = itertools.chain(network.model.parameters(), network.model.buffers())
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def read_onnx(path: Path) -> Callable[[Tensor], Tensor]:
    return OnnxNetwork(path, torch.device("cpu"))


def write_pt2(network: LoadedNetwork, strings: Mapping[str, str], path: Path) -> None:
    """A graph of torch.export, for the device of the network; the metadata are extra files in the archive."""
    batch = torch.export.Dim(BATCH)
    if next(network.model.parameters()).device.type != "cpu":  # whose kernels bound the batch
        batch = getattr(torch.export.Dim, "DYNAMIC", batch)
    program = torch.export.export(network.model, (example(network),), dynamic_shapes=({0: batch},))
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # paths of the machine that it was exported on
    archive = io.BytesIO()  # as on a full disk torch's own writer ends the process
    torch.export.save(program, archive, extra_files=dict(strings))
    path.write_bytes(archive.getbuffer())


def read_pt2(path: Path) -> Callable[[Tensor], Tensor]:
    """Only for files written here just now: torch.export.load runs what code a file of others brings."""
    return torch.export.load(path).module()


FORMATS = {
    ".onnx": Format(write_onnx, read_onnx, ("onnx", "onnxscript", "onnxruntime")),
    ".pt2": Format(write_pt2, read_pt2),
}
