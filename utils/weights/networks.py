"""The network that a command line means: by its two words, by a checkpoint of ours, or by what a file looks like."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models import create_model
from models.dialects import ENOUGH, FAMILIES, identify, translate

from ..config import PredictConfig
from ..data.preprocess import Preprocess
from ..errors import WeightsError
from .checkpoint import is_checkpoint, read_pickle
from .checkpoint_schema import validated
from .load import fill, fill_whole, load_weights, read_state_dict
from .spec import NetworkOptions, NetworkSpec, native_size


@dataclass
class LoadedNetwork:
    """A network with its weights, in eval mode, and all that a picture needs on its way into and out of it."""

    spec: NetworkSpec
    model: nn.Module
    classes: list[str]  # names; '0', '1', ... where the weights bring none
    preprocess: Preprocess
    told: str  # where the weights come from, in words


def load_network(options: NetworkOptions, device: torch.device) -> LoadedNetwork:
    """The network with its weights; freshly initialised where there are none. Raises WeightsError or ConfigError.

    Of a checkpoint's raw and averaged weights the better are taken. Without a checkpoint of ours the preprocessing is
    that of ImageNet, as in PredictConfig, for images of the network's size.
    """
    payload = None if options.weights is None else read_payload(options.weights)
    return of_checkpoint(payload, options, device) if is_checkpoint(payload) else of_weights(options, device)


def of_checkpoint(payload: dict[str, Any], options: NetworkOptions, device: torch.device) -> LoadedNetwork:
    """`load_network` with the checkpoint options.weights read already."""
    saved, classes, path = payload["config"], payload["classes"], options.weights
    names = saved["model_prefix"], saved["model_suffix"]
    _check_agreement(options, names, len(classes))
    preprocess = Preprocess.from_plain(payload["preprocess"])
    if options.img_size is not None:
        preprocess = preprocess.resized(options.img_size)
    spec = NetworkSpec(*names, len(classes), preprocess.img_size)
    model, weights = spec.build(), better_weights(payload)
    if options.img_size is None:
        fill_whole(model, payload[weights], f"{path}: {weights}")
    else:  # tables of positions change with the size
        fill(model, payload[weights], str(path))
    kind = "averaged weights" if weights == "net_ema" else "weights"
    told = f"{spec}, {len(classes)} classes, {kind} of epoch {payload['epoch']} from {path}"
    return LoadedNetwork(spec, model.to(device), list(classes), preprocess, told)


def better_weights(payload: dict[str, Any]) -> str:
    """'net' or 'net_ema': best.pth keeps raw and averaged weights; the better of them are what its figures speak of."""
    best = payload["best"]
    return best.get("weights", "net") if best.get("epoch") == payload["epoch"] else "net"


def _check_agreement(options: NetworkOptions, names: tuple[str, str], num_classes: int) -> None:
    wanted = options.prefix, options.suffix
    if options.prefix is not None and wanted != names:
        raise WeightsError(f"{options.weights}: a checkpoint of {' '.join(names)}, not of {' '.join(wanted)}")
    if options.num_classes not in (None, num_classes):
        raise WeightsError(f"{options.weights}: has {num_classes} classes, not {options.num_classes}")


def of_weights(options: NetworkOptions, device: torch.device) -> LoadedNetwork:
    """`load_network` for weights that are no checkpoint of ours, or for none."""
    spec = find_network(options)
    model, told = spec.build(), f"{spec}, {spec.num_classes} classes, freshly initialised"
    if options.weights is not None:
        report = load_weights(model, options.weights, force=options.force)
        if report.missing and not options.force:
            raise WeightsError(f"{options.weights}: holds a part of the network only: {report}")
        told = f"{spec}, {spec.num_classes} classes; {report}"
    preprocess = Preprocess.from_config(PredictConfig()).resized(spec.img_size)
    classes = [str(i) for i in range(spec.num_classes)]
    return LoadedNetwork(spec, model.to(device), classes, preprocess, told)


def find_network(options: NetworkOptions) -> NetworkSpec:
    """From the options, else from a checkpoint's own config, else from names and shapes of the tensors."""
    if options.weights is None:
        size = options.img_size or native_size(options.prefix, options.suffix)
        return NetworkSpec(options.prefix, options.suffix, options.num_classes or 1000, size)
    state, config = read_state_dict(options.weights), config_of(options.weights)
    names = (options.prefix, options.suffix) if options.prefix is not None else _names_of(options, state, config)
    ours = _translated(names, state, options)
    num_classes = options.num_classes or _head_size(names[0], ours)
    if num_classes is None:
        raise WeightsError(f"{options.weights}: holds no head; say --num-classes, for a newly initialised one")
    size = options.img_size or (tuple(config["img_size"]) if config else _side_of_tables(ours))
    return NetworkSpec(*names, num_classes, size or native_size(*names))


def _names_of(options: NetworkOptions, state: dict[str, Tensor], config: dict[str, Any] | None) -> tuple[str, str]:
    if config:
        return config["model_prefix"], config["model_suffix"]
    guess = identify(state, str(options.weights))
    if guess is None or guess.overlap < ENOUGH:
        raise WeightsError(f"{options.weights}: cannot tell the network; say --model-prefix and --model-suffix")
    return guess.prefix, guess.suffix


def read_payload(path: Path) -> Any:
    """What a file written by torch.save holds, a checkpoint of ours validated; None for .safetensors.

    Raises WeightsError.
    """
    if path.suffix.lower() in (".onnx", ".pt2"):
        told = "an exported graph, not weights: expected the checkpoint that it was made from"
        if path.suffix.lower() == ".pt2":
            told += " or its .onnx file (.pt2 files are not read here, as torch.export.load runs code in them)"
        raise WeightsError(f"{path}: {told}")
    payload = None if path.suffix == ".safetensors" else read_pickle(path)
    return validated(payload, path) if is_checkpoint(payload) else payload


def config_of(path: Path) -> dict[str, Any] | None:
    """Of a checkpoint of ours, else None."""
    payload = read_payload(path)
    return payload["config"] if is_checkpoint(payload) else None


def _translated(names: Sequence[str], state: dict[str, Tensor], options: NetworkOptions) -> dict[str, Tensor]:
    """`state` under our names."""
    try:
        with torch.device("meta"):
            shapes = {name: tensor.shape for name, tensor in create_model(*names).state_dict().items()}
        return translate(*names, state, shapes, source=str(options.weights), force=options.force).state
    except ValueError as error:
        raise WeightsError(f"{options.weights}: {error}") from None
    except Exception as error:  # tensors of any number of axes under names that are known
        told = f"{type(error).__name__}: {error}"
        raise WeightsError(f"{options.weights}: its tensors are none of {' '.join(names)}: {told}") from None


def _head_size(prefix: str, ours: dict[str, Tensor]) -> int | None:
    """Number of classes, if `ours` holds a head."""
    weights = (t for name, t in ours.items() if name.startswith(FAMILIES[prefix].head) and name.endswith("weight"))
    return next((len(weight) for weight in weights), None)


def _side_of_tables(ours: dict[str, Tensor]) -> tuple[int, int] | None:
    """(height, width) that position embeddings or token mixing were made for, if they are and the grid is square."""
    if "pos_embed" in ours and "patch_embed.proj.weight" in ours:
        tokens, patch = ours["pos_embed"].shape[1] - 1, ours["patch_embed.proj.weight"].shape[-1]
    elif "blocks.0.linear_tokens.weight" in ours and "stem.proj.weight" in ours:
        tokens, patch = len(ours["blocks.0.linear_tokens.weight"]), ours["stem.proj.weight"].shape[-1]
    else:
        return None
    side = math.isqrt(tokens)
    return (side * patch, side * patch) if side * side == tokens else None
