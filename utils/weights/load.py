"""Weights from anywhere into a network."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor, nn

from models import family_of
from models.dialects import NATIVE_EPS, translate, with_batchnorm_eps
from models.dialects.prefixes import without_prefix
from models.registry import is_registered, name_of

from ..errors import WeightsError
from .files import check_fit
from .weights_file import WeightsFile


@dataclass
class LoadReport:
    """What load_weights did: key names, and sentences about which weights they are and what changed on the way."""

    path: str
    loaded: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)  # in the file, not used
    missing: list[str] = field(default_factory=list)  # in the network, left at their initial values
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        total = len(self.loaded) + len(self.missing)
        parts = [f"loaded {len(self.loaded)} of {total} tensors from {self.path}", *self.notes]
        resized = set(self.missing) & set(self.skipped)  # which the notes name with their sizes
        if absent := [name for name in self.missing if name not in resized]:
            parts.append(f"left as initialised: {_some(absent)}")
        if unused := [name for name in self.skipped if name not in resized]:
            parts.append(f"not used: {_some(unused)}")
        return "; ".join(parts)


def load_weights(model: nn.Module, path: str | Path, *, force: bool = False) -> LoadReport:
    """Copy into `model` what it and the file have in common: tensors of the same name and shape.

    Names of other public layouts of the network are translated, and tables that follow the size of the images are
    resized, if `model` comes from create_model; models/dialects says which.
    path: .pth or .pt (a state dict, bare or within, read with weights_only=True)
        or .safetensors, or the folder of a run, whose best.pth is taken.
    force: accept a file in which less than half of the network's tensors are found, or that seems another network's.
    Raises WeightsError if the file cannot be read, is another network's, or fits too little.
    """
    return fill_from(model, WeightsFile(path), force=force)


def fill_from(model: nn.Module, file: WeightsFile, *, force: bool = False) -> LoadReport:
    """`load_weights` with a file that was opened already."""
    return fill(model, file.state, str(file.path), force=force, note=file.note, img_size=file.img_size)


def fill(
    model: nn.Module,
    state: dict[str, Tensor],
    path: str,
    *,
    force: bool = False,
    note: str | None = None,
    img_size: tuple[int, int] | None = None,
) -> LoadReport:
    """`load_weights` with the tensors read already; `path` is named in report and errors, `note` in the report.

    img_size: (height, width) of the images that they were made for, where that is known.
    """
    target = model.state_dict()
    report = LoadReport(path, notes=[note] if note else [])
    if is_registered(model):
        state = _translated(model, state, report, img_size, force=force)
    else:
        state = _without_prefix(target, state, report)
    fitting = {}
    for name, value in target.items():
        if name in state and state[name].shape == value.shape:
            fitting[name] = state[name]
            report.loaded.append(name)
        elif not name.endswith("num_batches_tracked"):  # older files lack these counters
            report.missing.append(name)
    report.skipped = [name for name in state if name not in fitting]
    _name_new_head(model, state, report)
    if len(report.loaded) < len(target) / 2 and not force:
        raise WeightsError(
            f"{path}: only {len(report.loaded)} of the network's {len(target)} tensors are in it under the same name "
            f"and shape; it begins with {_some(list(state), 3)}, the network with {_some(list(target), 3)}"
        )
    model.load_state_dict(fitting, strict=False)
    return report


def _name_new_head(model: nn.Module, state: dict[str, Tensor], report: LoadReport) -> None:
    """Note what is of another size in the file: the head in one phrase, where it is nothing but that."""
    target = model.state_dict()
    resized = [name for name in report.missing if name in state]
    only_classes = all(state[name].shape[1:] == target[name].shape[1:] and state[name].ndim for name in resized)
    in_head = is_registered(model) and all(map(family_of(model).in_head, resized))
    if resized and resized == report.missing and only_classes and in_head:
        classes, before = (len(tensors[resized[0]]) for tensors in (target, state))
        report.notes.append(f"all but the head, which is new: {classes} classes instead of {before}")
        return
    sizes = ((name, list(state[name].shape), list(target[name].shape)) for name in resized)
    report.notes += [f"re-initialised {name} {before} -> {now}" for name, before, now in sizes]


def fill_whole(model: nn.Module, state: dict[str, Tensor], source: str) -> None:
    """Copy the state of a checkpoint of ours into the network that it was taken from. Raises WeightsError."""
    try:
        check_fit(model.state_dict(), state)
    except ValueError as error:
        raise WeightsError(f"{source}: {error}") from None
    model.load_state_dict(state, strict=False)


def _translated(
    model: nn.Module, state: dict[str, Tensor], report: LoadReport, img_size: tuple[int, int] | None, *, force: bool
) -> dict[str, Tensor]:
    """`state` under the names, and where there is a sound way in the sizes, of a network of create_model."""
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    try:
        translation = translate(*name_of(model), state, shapes, source=report.path, force=force)
        fitted, notes = family_of(model).fit_to_size(model, translation.state, img_size)
        if translation.batchnorm_eps is not None:
            fitted = with_batchnorm_eps(fitted, translation.batchnorm_eps, NATIVE_EPS)
    except ValueError as error:
        raise WeightsError(f"{report.path}: {error}") from None
    except Exception as error:  # tensors of any number of axes under names that are known
        cause = f"{type(error).__name__}: {error}"
        raise WeightsError(f"{report.path}: its tensors are none of {' '.join(name_of(model))}: {cause}") from None
    report.notes += [*translation.notes, *notes]
    return fitted


def _without_prefix(target: dict[str, Tensor], state: dict[str, Tensor], report: LoadReport) -> dict[str, Tensor]:
    """`state` for a network that is none of create_model's."""

    def fit(part: Mapping[str, Tensor]) -> float:
        fitting = sum(name in target and target[name].shape == tensor.shape for name, tensor in part.items())
        return fitting / max(1, len(target) + len(part) - fitting)

    try:
        state, notes = without_prefix(state, fit)
    except ValueError as error:
        raise WeightsError(f"{report.path}: {error}") from None
    report.notes += notes
    return state


def _some(names: list[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
