"""Weights in other public layouts: recognise the layout, rename the keys to ours, or ours to a library's.

`translate` serves load_weights, `translate_back` and `layouts` serve tools/convert_weights.py, `identify` messages.
The tables of names are in the modules beside this one, a group of families each. A file is recognised by the names and
shapes of its tensors; where networks differ in neither, its path decides, or a note says that they cannot be.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from ..registry import create_model, family_of, list_models
from . import convolutional, mobile, transformers
from .layout import Dialects, Layout, State, any_match, same_values, to_ours, to_theirs
from .prefixes import ENOUGH, parts_below_prefixes, without_prefix

DIALECTS: dict[str, Dialects] = {**convolutional.DIALECTS, **mobile.DIALECTS, **transformers.DIALECTS}
OURS = "ours"
NATIVE_EPS = 1e-3  # of BatchNorm in each network of ours for which some layout says batchnorm_eps


@dataclass(frozen=True)
class Translation:
    state: dict[str, Tensor]
    layout: str  # name of the layout that the tensors were in, or were brought into
    notes: list[str] = field(default_factory=list)  # sentences for the user
    batchnorm_eps: float | None = None  # of the BatchNorms that `state` was trained with, if it is not the network's


class Match(NamedTuple):
    """How much of a network a file holds, counted in tensors outside the head that are no counters."""

    fitting: int  # of the same name and shape, or tables of the same name that follow the size of the images
    network: int
    file: int
    resized: int  # those tables that fit by name only

    @property
    def share(self) -> float:
        return self.fitting / max(1, min(self.network, self.file))

    @property
    def overlap(self) -> float:
        """1 if the two are alike; unlike `share`, it counts what either has and the other lacks."""
        return self.fitting / max(1, self.network + self.file - self.fitting)


@dataclass(frozen=True)
class Guess:
    """What a file seems to be."""

    prefix: str
    suffix: str
    layout: str
    overlap: float
    what: str = ""  # a network that is none of ours, but looks like this one

    def __str__(self) -> str:
        whose = "" if self.layout == OURS else f" ({self.layout}'s names)"
        return self.what or f"{self.prefix} {self.suffix}{whose}"


def dialects_of(prefix: str) -> Dialects:
    """The layouts of a family; one without a table of names has its own alone."""
    return DIALECTS.get(prefix, Dialects())


def translate(
    prefix: str,
    suffix: str,
    state: State,
    expected: Mapping[str, torch.Size],
    *,
    source: str = "",
    force: bool = False,
) -> Translation:
    """The tensors of a file under the names of a network of ours, and in its shapes where no value has to move.

    state: from a file; what a tool has put in front of all names is removed.
    expected: names and shapes of the state dict of the network.
    source: path of the file; some networks can be distinguished by it alone.
    force: note what would be an error.
    Tensors that fit nowhere keep their names and shapes. `state` is left unchanged; tensors are shared with it.
    Raises ValueError if the file is known to be of another network with much the same tensors, or if less than half of
    it fits, and says what the file seems to be; or if it holds two such networks.
    """
    dialects = dialects_of(prefix)

    def fit(part: State) -> float:
        return _match(prefix, _shapes_of(_renamed(part, dialects, dialects.layout_of(part))), expected).overlap

    state, removed = without_prefix(state, fit)
    layout = dialects.layout_of(state)
    ours = {name: _in_shape(tensor, expected.get(name)) for name, tensor in _renamed(state, dialects, layout).items()}
    match = _match(prefix, _shapes_of(ours), expected)
    notes = removed + _notes(dialects, layout, suffix, dropped=len(state) - len(ours))
    if what := _look_alike(dialects, state, ours, source):
        _object(f"not weights of {prefix} {suffix}, but of {what}", notes, force)
    elif match.overlap < 1:
        guess = identify(state, source)
        better = guess is not None and guess.overlap > match.overlap
        seems = f"the file looks like {guess}" if better else "no better network is known for the file"
        if match.share < ENOUGH:
            _object(
                f"not weights of {prefix} {suffix}: but for the head, {match.fitting} of {match.network} tensors of "
                f"the network are among the {match.file} of the file, by name and shape; {seems}",
                notes,
                force,
            )
        elif better:
            notes.append(f"{seems}, not {prefix} {suffix}")
    eps = layout.batchnorm_eps.get(suffix) if layout else None
    return Translation(ours, layout.name if layout else OURS, notes, eps)


def translate_back(prefix: str, suffix: str, state: State, layout: str) -> Translation:
    """The tensors of a network of ours under the names, and in the shapes, of one of `layouts(prefix, suffix)`.

    Raises ValueError for another layout, naming the choices.
    """
    if layout not in layouts(prefix, suffix):
        choices = ", ".join(layouts(prefix, suffix))
        raise ValueError(f"weights of {prefix} {suffix} cannot be written in the layout {layout!r}; choices: {choices}")
    for other in dialects_of(prefix).layouts:
        if other.name == layout and suffix in other.suffixes:
            theirs = dict(to_theirs(name, tensor, other.rows) for name, tensor in state.items())
            theirs.update(other.buffers(theirs) if other.buffers else {})
            if suffix not in other.batchnorm_eps:
                return Translation(theirs, layout)
            own_eps = other.batchnorm_eps[suffix]
            note = f"in {layout}'s network set the eps of BatchNorm to {NATIVE_EPS:g}: {own_eps:g} gives other logits"
            return Translation(theirs, layout, [note], NATIVE_EPS)
    return Translation(dict(state), layout)


def with_batchnorm_eps(state: State, found: float, wanted: float) -> dict[str, Tensor]:
    """Weights made for BatchNorms of eps `found`, rescaled so that those of eps `wanted` give the same logits in eval.

    The rescaling goes into the weights, so nothing but the state dict has to remember it.
    """
    rescaled = dict(state)
    for name in [key.removesuffix("running_var") for key in state if key.endswith(".running_var")]:
        variance, weight = state[f"{name}running_var"].double(), state[f"{name}weight"]
        factor = ((variance + wanted) / (variance + found)).sqrt()
        rescaled[f"{name}weight"] = (weight.double() * factor).to(weight.dtype)
    return rescaled


def layouts(prefix: str, suffix: str) -> tuple[str, ...]:
    """The layouts that the weights of a network can be written in: ours, and those of libraries that have it."""
    dialects = dialects_of(prefix)
    return (OURS, *dialects.own, *(layout.name for layout in dialects.layouts if suffix in layout.suffixes))


def identify(state: State, source: str = "") -> Guess | None:
    """The network that the tensors of a file fit best, in whatever layout, or None if no layout has such names.

    What a tool has put in front of all names is passed over.
    """
    best = None
    for part in parts_below_prefixes(state).values():
        guess = _identify_bare(part, source)
        if guess is not None and (best is None or guess.overlap > best.overlap):
            best = guess
        if best is not None and best.overlap >= ENOUGH:
            break
    return best


def _identify_bare(state: State, source: str) -> Guess | None:
    best, best_rank = None, (0.0, 0)  # the overlap, and where that is equal the fewer resized tables
    for prefix in dict.fromkeys((*DIALECTS, *(prefix for prefix, _ in list_models()))):
        dialects = dialects_of(prefix)
        layout = dialects.layout_of(state)
        if layout is None and not any_match(dialects.marker, state):
            continue
        ours = _renamed(state, dialects, layout)
        shapes = _shapes_of(ours)
        what = _look_alike(dialects, state, ours, source)
        for suffix in family_of(prefix).variants:
            match = _match(prefix, shapes, _network_shapes(prefix, suffix))
            rank = match.overlap, -match.resized
            if match.overlap > 0 and rank > best_rank:
                best, best_rank = Guess(prefix, suffix, layout.name if layout else OURS, match.overlap, what), rank
            if rank == (1.0, 0):
                return best
    return best


def _renamed(state: State, dialects: Dialects, layout: Layout | None) -> dict[str, Tensor]:
    rows = layout.rows if layout else ()
    return {to_ours(name, rows): tensor for name, tensor in state.items() if not re.search(dialects.drop, name)}


def _in_shape(tensor: Tensor, shape: torch.Size | None) -> Tensor:
    if shape is None or tensor.shape == shape or not same_values(tensor.shape, shape):
        return tensor
    return tensor.reshape(shape)


def _match(prefix: str, shapes: Mapping[str, torch.Size], expected: Mapping[str, torch.Size]) -> Match:
    family = family_of(prefix)

    def trunk(names: Mapping[str, torch.Size]) -> list[str]:
        return [n for n in names if not family.in_head(n) and not n.endswith("num_batches_tracked")]

    network = trunk(expected)
    fitting = sum(n in shapes and same_values(shapes[n], expected[n]) for n in network)
    resized = sum(n in shapes and not same_values(shapes[n], expected[n]) for n in network if family.is_table(n))
    return Match(fitting + resized, len(network), len(trunk(shapes)), resized)


def _look_alike(dialects: Dialects, state: State, ours: State, source: str) -> str:
    """Which known network of other arithmetic the file is of, or ''."""
    tensors = {**ours, **state}
    return next((look_alike.what for look_alike in dialects.look_alikes if look_alike.seen_in(tensors, source)), "")


def _notes(dialects: Dialects, layout: Layout | None, suffix: str, *, dropped: int) -> list[str]:
    notes = []
    if layout is not None:
        notes.append(f"names translated from {layout.name}'s")
        if eps := layout.batchnorm_eps.get(suffix):
            notes.append(f"BatchNorm weights are for eps {eps:g} of {layout.name}'s network; ours has {NATIVE_EPS:g}")
    if dropped:
        notes.append(f"left out {dropped} stored buffers that the network computes")
    if note := (layout or dialects).notes.get(suffix):
        notes.append(note)
    return notes


def _object(problem: str, notes: list[str], force: bool) -> None:
    if not force:
        raise ValueError(problem)
    notes.append(problem)


def _shapes_of(state: State) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in state.items()}


@cache
def _network_shapes(prefix: str, suffix: str) -> dict[str, torch.Size]:
    with torch.device("meta"):
        return _shapes_of(create_model(prefix, suffix).state_dict())
