"""The options by which a tool is given its network, and what they mean together."""

import argparse
import contextlib
import os
from collections.abc import Sequence

import torch

from models import list_models

from .. import distributed
from ..cli import as_path
from ..config.rules import device_problem
from ..errors import ConfigError
from .run_folder import means_weights, weights_path
from .spec import NetworkOptions, native_size


def add_network_options(parser: argparse.ArgumentParser, *, several: bool = False, device: str = "auto") -> None:
    """The options by which every tool is given its network: `network_options` reads them.

    several: the tool takes a family or all networks, too: `several_networks` reads the options.
    device: what to take where the command line names none.
    """
    add = parser.add_argument_group("networks" if several else "network").add_argument
    alone = "alone: all its variants" if several else "needs --model-suffix"
    add("--model-prefix", metavar="P", help=f"family of the network, such as resnet; {alone}")
    add("--model-suffix", metavar="S", help="its variant, such as 18")
    if several:
        add("--all", action="store_true", help=f"all {len(list_models())} networks")
    add("--num-classes", type=positive, metavar="N", help="default: as in the weights, or 1000 without")
    weights = "a run's folder (its best.pth) or a checkpoint of train.py says all by itself; or other weights"
    add("--weights", "--load-from", type=as_path, metavar="FILE_OR_RUN", help=weights)
    add("--img-size", type=positive, nargs=2, metavar=("H", "W"), help="default: as trained, or the native size")
    add("--device", default=device, help=f"auto, cpu, cuda, cuda:N or mps (default: {device})")


def read_network_options(parser: argparse.ArgumentParser, arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """`parser.parse_args`, which says where weights go that come as a word without an option."""
    given, rest = parser.parse_known_args(arguments)
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}{_as_option(given, rest)}")
    return given


def _as_option(given: argparse.Namespace, rest: Sequence[str] = ()) -> str:
    """How to name weights that are among the words of the command line; '' where none are."""
    words = [value for name, value in vars(given).items() if name != "output" and isinstance(value, str)]
    found = [word for word in (*words, *rest) if os.path.exists(word) and means_weights(word)]
    return f"; weights are named by an option here: --weights {found[0]}" if found and not given.weights else ""


def network_options(arguments: argparse.Namespace) -> NetworkOptions:
    """Raises ConfigError if the words do not go together, or say nothing, WeightsError for a run without best.pth."""
    given = arguments
    if (given.model_prefix is None) != (given.model_suffix is None):
        raise ConfigError("command line", ["--model-prefix and --model-suffix go together"])
    if given.model_prefix is None and given.weights is None:
        raise ConfigError(
            "command line", [f"expected --weights, or --model-prefix and --model-suffix{_as_option(given)}"]
        )
    size = None if given.img_size is None else tuple(given.img_size)
    weights = None if given.weights is None else weights_path(given.weights)
    return NetworkOptions(given.model_prefix, given.model_suffix, given.num_classes, weights, size)


def several_networks(arguments: argparse.Namespace) -> list[NetworkOptions]:
    """One network, as `network_options`; a family, where --model-prefix is given alone; or, with --all, all.

    Raises ConfigError if the words do not go together, or say nothing, WeightsError if there is no such family.
    """
    given = arguments
    if not given.all and (given.model_prefix is None or given.model_suffix is not None):
        return [network_options(given)]
    if given.all and (given.model_prefix or given.model_suffix):
        raise ConfigError("command line", ["--all goes without --model-prefix and --model-suffix"])
    if given.weights is not None:
        raise ConfigError("command line", ["--weights belong to one network: say --model-prefix and --model-suffix"])
    names = [name for name in list_models() if given.all or name[0] == given.model_prefix]
    if not names:
        native_size(given.model_prefix, "")  # names the nearest
    size = None if given.img_size is None else tuple(given.img_size)
    return [NetworkOptions(*name, num_classes=given.num_classes, img_size=size) for name in names]


def positive(text: str) -> int:
    """For argparse: an integer >= 1."""
    with contextlib.suppress(ValueError):
        if (number := int(text)) >= 1:
            return number
    raise argparse.ArgumentTypeError(f"expected an integer >= 1, got {text}")


def pick_device(name: str) -> torch.device:
    """The device of --device. Raises ConfigError where there is none such."""
    if problem := device_problem(name):
        raise ConfigError("command line", [f"--{problem}"])
    device = distributed.pick_device(name)
    distributed.use(device)
    return device
