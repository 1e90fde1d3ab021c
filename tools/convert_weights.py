"""Rewrite a file of weights in the names of another library, or in ours: convert_weights.py IN OUT --to timm

Before OUT is written, our network must give the same logits with what it would hold as with IN, and so must the
library's own network where that library is installed.
"""

import argparse
import sys
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project, wherever this is called from

from utils.cli import OptionParser, as_path, run_command
from utils.config.schema import literal
from utils.errors import WeightsError
from utils.files import atomic_file, unwritable
from utils.report.file_names import CLASS_INDICES
from utils.text import one_line
from utils.torch_private import with_version
from utils.weights.checkpoint import write_pickle
from utils.weights.load import fill_from
from utils.weights.networks import find_network
from utils.weights.options import network_options, positive
from utils.weights.preprocess_schema import read_preprocess
from utils.weights.spec import NetworkOptions, NetworkSpec
from utils.weights.weights_file import WeightsFile

import torch
from torch import Tensor, nn

from models import family_of, native_img_size
from models.dialects import NATIVE_EPS, OURS, dialects_of, translate, translate_back, with_batchnorm_eps
from models.libraries import LIBRARIES

FORMATS = (".pth", ".pt", ".safetensors")
TOLERANCE = 1e-4  # of the largest logit, or of 1


@dataclass(frozen=True)
class Request:
    """What the command line asks for."""

    network: NetworkOptions  # its weights are the file to read
    target: Path
    layout: str
    overwrite: bool = False

    @property
    def source(self) -> Path:
        return self.network.weights


def convert(request: Request) -> list[str]:
    """Write request.target and return what was done, a sentence a line. Raises WeightsError."""
    check_paths(request)
    file = WeightsFile(request.source)
    network = find_network(request.network, file)
    model = network.build()
    report = fill_from(model, file, force=request.network.force)
    check_missing(request, network, report.missing)
    converted = convert_state(network, model.state_dict(), request.layout)
    lines = [f"{network.prefix} {network.suffix}, {network.num_classes} classes: {report}"]
    lines += verify(network, model, converted, request.layout)
    write(request.target, converted)
    whose = "our" if request.layout == OURS else f"{request.layout}'s"
    return [*lines, f"wrote {len(converted)} tensors in {whose} names to {request.target}", *left_behind(file, network)]


def left_behind(file: WeightsFile, network: NetworkSpec) -> list[str]:
    """What a checkpoint knows and weights alone do not say: all keys that predict.py needs for them."""
    if file.checkpoint is None:
        return []
    steps = vars(read_preprocess(file.checkpoint["preprocess"]).resized(network.img_size))
    del steps["dct_scaling"]  # which is no key
    values = {"model_prefix": network.prefix, "model_suffix": network.suffix, **steps}
    keys = ", ".join(f"{name} = {literal(value)}" for name, value in values.items())
    names = file.path.with_name(CLASS_INDICES)
    is_of_them = len(file.checkpoint["classes"]) == network.num_classes  # else its head is new
    classes = f"class_indices_path = {literal(str(names))}" if is_of_them and names.is_file() else "class_indices_path"
    lines = []
    if is_of_them and (temperature := f"{file.checkpoint['temperature']:.4g}") != "1":
        lines.append(f"it lacks the temperature, {temperature}, so that its probabilities are not calibrated")
    return [*lines, f"it holds no classes and no preprocessing; to predict with it, set {keys}, {classes}"]


def check_paths(request: Request) -> None:
    source, target = request.source, request.target
    if target.suffix not in FORMATS:
        raise WeightsError(f"{target}: the file to write must end in one of {', '.join(FORMATS)}")
    if target.suffix == ".safetensors" and find_spec("safetensors") is None:
        raise WeightsError(f"{target}: writing .safetensors needs: python -m pip install safetensors")
    if not source.is_file():
        raise WeightsError(f"{source}: no such file")
    if target.exists() and target.samefile(source):
        raise WeightsError(f"{target}: the file to read and the file to write are the same")
    if target.is_dir() or (target.exists() and not request.overwrite):
        raise WeightsError(f"{target}: exists already" + ("" if target.is_dir() else "; --overwrite replaces it"))
    if not target.parent.is_dir():
        raise WeightsError(f"{target}: there is no folder {target.parent}")
    if problem := unwritable(target.parent):
        raise WeightsError(f"{target}: cannot be written {problem}; name another folder")


def check_missing(request: Request, network: NetworkSpec, missing: list[str]) -> None:
    """Raises WeightsError if IN lacks something beyond a head that the user wants anew."""
    head_is_new = bool(request.network.num_classes)
    family = family_of(network.prefix)
    if gaps := [name for name in missing if not (head_is_new and family.in_head(name))]:
        what = f"{len(gaps)} tensors of {network.prefix} {network.suffix} are not in it, {gaps[0]} for one"
        if not request.network.force:
            raise WeightsError(f"{request.source}: {what}; --force writes initial values for them")


def convert_state(network: NetworkSpec, state: dict[str, Tensor], layout: str) -> dict[str, Tensor]:
    """Our tensors as the network of `layout` wants them, weights of BatchNorm rescaled to its eps."""
    try:
        translation = translate_back(network.prefix, network.suffix, state, layout)
    except ValueError as error:
        raise WeightsError(str(error)) from None
    eps = eps_of(network, layout)
    converted = OrderedDict(translation.state)
    if eps is not None:
        converted = OrderedDict(with_batchnorm_eps(converted, NATIVE_EPS, eps))
    if (version := family_of(network.prefix).network._version) > 1:  # torchvision refuses files that do not say it
        with_version(converted, version)
    return converted


def eps_of(network: NetworkSpec, layout: str) -> float | None:
    """eps of BatchNorm in the network of `layout`, if it is not that of ours."""
    found = (each for each in dialects_of(network.prefix).layouts if each.name == layout)
    return next((each.batchnorm_eps[network.suffix] for each in found if network.suffix in each.batchnorm_eps), None)


@torch.inference_mode()
def verify(network: NetworkSpec, model: nn.Module, converted: dict[str, Tensor], layout: str) -> list[str]:
    """What was compared with the logits of `model`, which has the weights of IN. Raises WeightsError if they differ."""
    images = sample_image(network)
    logits = model(images)
    if not logits.isfinite().all():
        raise WeightsError("not written: with these weights the network gives logits that are no numbers")
    lines = [f"verified: finite logits for an image of {network.img_size[0]}x{network.img_size[1]}"]
    difference = compare(logits, read_back(network, converted)(images), "our network, filled from the new file,")
    lines.append(f"verified: the tensors to be written, read back, give the same logits (difference {difference:.1g})")
    if layout == OURS:
        return lines
    name = family_of(network.prefix).libraries[layout][network.suffix]
    if find_spec(layout) is None:
        return [*lines, f"not compared with {layout}'s own {name}: {layout} is not installed"]
    other = library_network(network, layout)
    try:
        other.load_state_dict(converted)
    except (RuntimeError, ValueError) as error:
        raise WeightsError(f"not written: {layout}'s {name} does not take these tensors: {error}") from None
    difference = compare(logits, other(images), f"{layout}'s {name}")
    return [*lines, f"verified: {layout}'s {name} gives the same logits (difference {difference:.1g})"]


def sample_image(network: NetworkSpec) -> Tensor:
    return torch.randn(1, 3, *network.img_size, generator=torch.Generator().manual_seed(0))


def compare(logits: Tensor, others: Tensor, whose: str) -> float:
    """The largest difference. Raises WeightsError if it is more than rounding."""
    difference = (logits - others).abs().max().item()
    if not difference <= TOLERANCE * max(1.0, logits.abs().max().item()):
        raise WeightsError(f"not written: {whose} gives other logits, which differ by {difference:.3g}")
    return difference


def read_back(network: NetworkSpec, converted: dict[str, Tensor]) -> nn.Module:
    """A new network of ours with the converted tensors, translated as those of any file."""
    model = network.build()
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    translation = translate(network.prefix, network.suffix, converted, shapes, force=True)  # IN was judged already
    state = translation.state
    if translation.batchnorm_eps is not None:
        state = with_batchnorm_eps(state, translation.batchnorm_eps, NATIVE_EPS)
    model.load_state_dict(state)
    return model


def library_network(network: NetworkSpec, library: str) -> nn.Module:
    """The network of timm or torchvision, which must be installed, that ours equals; in eval mode."""
    name, options = family_of(network.prefix).libraries[library][network.suffix]
    options = {**options, "num_classes": network.num_classes}
    resized = network.img_size != (native_img_size(network.prefix, network.suffix),) * 2
    if library == "timm":
        import timm

        if resized and family_of(network.prefix).tables:
            options["img_size"] = network.img_size
        return timm.create_model(name, **options).eval()
    import torchvision

    if resized and network.prefix == "vit":
        options["image_size"] = network.img_size[0]
        if network.img_size[0] != network.img_size[1]:
            raise WeightsError("not written: torchvision's ViT takes square images only")
    return torchvision.models.get_model(name, weights=None, **options).eval()


def write(target: Path, state: dict[str, Tensor]) -> None:
    for name, tensor in state.items():
        state[name] = tensor.detach().contiguous().clone()
    try:
        with atomic_file(target) as file:
            if target.suffix == ".safetensors":
                from safetensors.torch import save

                file.write(save(dict(state), metadata={"format": "pt"}))
            else:
                write_pickle(file, state)
    except OSError as error:
        raise WeightsError(f"{target}: cannot be written: {error.strerror or error}") from None


def parse_arguments(arguments: list[str] | None = None) -> Request:
    parser = OptionParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add: Callable[..., Any] = parser.add_argument
    add("weights", type=as_path, metavar="IN", help="weights in any layout that load_weights reads, or a run's folder")
    add("target", type=as_path, metavar="OUT", help=f"file to write, one of {' '.join(FORMATS)}")
    add("--to", required=True, choices=(OURS, *LIBRARIES), help="whose names the tensors get")
    add("--model-prefix", metavar="P", help="the network in IN; default: what a checkpoint says or IN looks like")
    add("--model-suffix", metavar="S", help="with --model-prefix")
    add("--num-classes", type=positive, metavar="N", help="default: as in IN; for another N the head is initialised")
    add("--img-size", type=positive, nargs=2, metavar=("H", "W"), help="size that position tables are made for")
    add("--force", action="store_true", help="accept what looks like another network, or is incomplete")
    add("--overwrite", action="store_true", help="replace OUT if it exists")
    given = parser.parse_args(arguments)
    return Request(replace(network_options(given), force=given.force), given.target, given.to, given.overwrite)


def main(arguments: list[str] | None = None) -> int:
    return run_command(lambda: print(*map(one_line, convert(parse_arguments(arguments))), sep="\n"))


if __name__ == "__main__":
    sys.exit(main())
