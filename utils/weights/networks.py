"""The network that a command line means: by its two words, by a checkpoint of ours, or by what a file looks like."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from models import create_model, family_of
from models.dialects import ENOUGH, identify, translate

from ..config.keys import PredictConfig
from ..data.preprocess import Preprocess
from ..errors import WeightsError
from .best import scored_weights
from .load import LoadReport, fill, fill_from, fill_whole
from .preprocess_schema import read_preprocess
from .protocol import published, tested_with
from .spec import NetworkOptions, NetworkSpec, native_size
from .weights_file import WeightsFile

HEADLESS = (
    "holds no head: tools/probe.py fits a linear one, train.py trains one (load_from), and "
    "tools/convert_weights.py adds a newly initialised one (--num-classes)"
)


@dataclass
class LoadedNetwork:
    """A network with its weights, in eval mode, and all that a picture needs on its way into and out of it."""

    spec: NetworkSpec
    model: nn.Module
    classes: list[str]  # names; '0', '1', ... where the weights bring none
    preprocess: Preprocess
    description: str  # where the weights come from, in words
    temperature: float = 1.0  # that a run has fitted, for logits to be divided by
    preprocess_by: str = ""  # who says how pictures are prepared, in words

    @property
    def pictures(self) -> str:
        """How pictures are prepared, and who says so, in words."""
        steps = self.preprocess
        sides = (f"{height}x{width}" for height, width in (steps.img_size, steps.val_resize))
        sizes = " of ".join(dict.fromkeys(sides))
        how = f"{sizes}, {steps.resize_mode}, {steps.interpolation}, mean {list(steps.mean)}, std {list(steps.std)}"
        return f"pictures: {how}: {self.preprocess_by}"


def load_network(options: NetworkOptions, device: torch.device, file: WeightsFile | None = None) -> LoadedNetwork:
    """The network with its weights; freshly initialised where there are none. Raises WeightsError or ConfigError.

    file: that of options.weights, where it was opened already.

    Of a checkpoint's raw and averaged weights the better are taken. Without a checkpoint of ours the preprocessing is
    the published one of public weights, else that of ImageNet, as in PredictConfig, for images of the network's size.
    """
    if file is None and options.weights is not None:
        file = WeightsFile(options.weights)
    if file is not None and file.checkpoint:
        return of_checkpoint(file.checkpoint, options, device)
    return of_weights(file, options, device)


def of_checkpoint(payload: dict[str, Any], options: NetworkOptions, device: torch.device) -> LoadedNetwork:
    """`load_network` with the checkpoint options.weights read already."""
    saved, classes, path = payload["config"], payload["classes"], options.weights
    names = saved["model_prefix"], saved["model_suffix"]
    _check_agreement(options, names, len(classes))
    preprocess = read_preprocess(payload["preprocess"])
    if options.img_size is not None:
        preprocess = preprocess.resized(options.img_size)
    spec = NetworkSpec(*names, len(classes), preprocess.img_size)
    model = spec.build()
    weights, kind = scored_weights(payload)
    if options.img_size is None:
        fill_whole(model, payload[weights], f"{path}: {weights}")
    else:  # tables of positions change with the size
        made_for = read_preprocess(payload["preprocess"]).img_size
        fill(model, payload[weights], str(path), img_size=made_for)
    description = f"{spec}, {len(classes)} classes, {kind} from {path}"
    given = list(classes), preprocess, description, payload["temperature"], "as the checkpoint was trained"
    return LoadedNetwork(spec, model.to(device), *given)


def _check_agreement(options: NetworkOptions, names: tuple[str, str], num_classes: int) -> None:
    if options.names not in (None, names):
        wanted = f"{options.prefix} {options.suffix}"
        raise WeightsError(f"{options.weights}: a checkpoint of {' '.join(names)}, not of {wanted}")
    if options.num_classes not in (None, num_classes):
        raise WeightsError(f"{options.weights}: has {num_classes} classes, not {options.num_classes}")


def of_weights(file: WeightsFile | None, options: NetworkOptions, device: torch.device) -> LoadedNetwork:
    """`load_network` for weights that are no checkpoint of ours, or for none (None)."""
    spec = find_network(options, file)
    model = spec.build()
    description = f"{spec}, {spec.num_classes} classes, freshly initialised"
    if file is not None:
        report = fill_from(model, file, force=options.force)
        headless = bool(report.missing) and _lacks_nothing_but_the_head(spec, report)
        if report.missing and not options.force and not (headless and options.new_head):
            problem = HEADLESS if headless else f"holds a part of the network only: {report}"
            raise WeightsError(f"{options.weights}: {problem}")
        head = "a head still to be fitted" if headless else f"{spec.num_classes} classes"
        description = f"{spec}, {head}{_assumed_size(options, file, spec)}; {report}"
    preprocess, by = _expected(options, file, spec)
    classes = [str(i) for i in range(spec.num_classes)]
    return LoadedNetwork(spec, model.to(device), classes, preprocess, description, preprocess_by=by)


def _lacks_nothing_but_the_head(spec: NetworkSpec, report: LoadReport) -> bool:
    """Whether the file has no tensor of a head, and all others."""
    in_head = family_of(spec.prefix).in_head
    return all(map(in_head, report.missing)) and not any(map(in_head, [*report.loaded, *report.skipped]))


def _expected(options: NetworkOptions, file: WeightsFile | None, spec: NetworkSpec) -> tuple[Preprocess, str]:
    """How such weights want pictures, and who says so, in words."""
    weights = published(spec.prefix, spec.suffix, file.path) if file else None
    if weights is None:
        usual = Preprocess.from_config(PredictConfig()).resized(spec.img_size)
        return usual, "as usual for ImageNet, since no published ones are known"
    steps = tested_with(weights)  # at its own size, which may be larger than the native one
    if options.img_size or family_of(spec.prefix).tables:
        steps = steps.resized(spec.img_size)
    return steps, f"as {weights.name} is published"


def _assumed_size(options: NetworkOptions, file: WeightsFile, spec: NetworkSpec) -> str:
    """What to say of the size of images where nothing but the number of positions in a table says it."""
    if options.img_size or file.img_size or not family_of(spec.prefix).tables:
        return ""
    size = f"{spec.img_size[0]}x{spec.img_size[1]}"
    return f"; tables taken as those of square images, {size}, as the file does not say; --img-size names another"


def find_network(options: NetworkOptions, file: WeightsFile | None = None) -> NetworkSpec:
    """From the options, else from a checkpoint's own config, else from names and shapes of the tensors.

    file: that of options.weights, where it was opened already. Raises WeightsError.
    """
    if options.weights is None:
        assert options.names is not None  # as there are no weights
        return NetworkSpec(*options.names, options.num_classes or 1000, options.img_size or native_size(*options.names))
    file = file or WeightsFile(options.weights)
    state, config = file.state, file.config
    names = options.names or _names_of(options, state, config)
    with _none_of(names, options):
        ours = _translated(names, state, options)
        held = _head_size(names[0], ours)
        size = options.img_size or (tuple(config["img_size"]) if config else family_of(names[0]).size_of(ours))
    num_classes = options.num_classes or held or (1 if options.new_head else None)
    if num_classes is None:
        raise WeightsError(f"{options.weights}: {HEADLESS}")
    return NetworkSpec(*names, num_classes, size or native_size(*names))


def _names_of(options: NetworkOptions, state: dict[str, Tensor], config: dict[str, Any] | None) -> tuple[str, str]:
    if config:
        return config["model_prefix"], config["model_suffix"]
    guess = identify(state, str(options.weights))
    if guess is None or guess.overlap < ENOUGH:
        raise WeightsError(f"{options.weights}: cannot tell the network; say --model-prefix and --model-suffix")
    return guess.prefix, guess.suffix


def _translated(names: tuple[str, str], state: dict[str, Tensor], options: NetworkOptions) -> dict[str, Tensor]:
    """`state` under our names."""
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in create_model(*names).state_dict().items()}
    return translate(*names, state, shapes, source=str(options.weights), force=options.force).state


@contextlib.contextmanager
def _none_of(names: tuple[str, str], options: NetworkOptions) -> Iterator[None]:
    """Whatever the tensors of a file make fail becomes a WeightsError."""
    try:
        yield
    except ValueError as error:
        raise WeightsError(f"{options.weights}: {error}") from None
    except Exception as error:  # tensors of any number of axes under names that are known
        cause = f"{type(error).__name__}: {error}"
        raise WeightsError(f"{options.weights}: its tensors are none of {' '.join(names)}: {cause}") from None


def _head_size(prefix: str, ours: dict[str, Tensor]) -> int | None:
    """Number of classes, if `ours` holds a head."""
    family = family_of(prefix)
    return next((len(t) for name, t in ours.items() if family.in_head(name) and name.endswith("weight")), None)
