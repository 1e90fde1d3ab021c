"""The state dict within what a file holds, wherever the program that wrote it has put it."""

import re
from collections.abc import Iterator
from typing import Any

from torch import Tensor

from ..text import listed

CONTAINERS = (  # where files keep weights, those that were trained before those that were averaged
    *("net", "state_dict", "model", "model_state", "model_state_dict", "weights"),
    *("state_dict_ema", "model_ema"),
)
CONTAINING = (dict, list, tuple)
DEEPEST = 6  # containers in containers
Place = tuple[str, ...]  # the names, or numbers, of a container in a container
WRAPPERS = re.compile(r"^(module\.|_orig_mod\.)+")  # left in key names by DDP and torch.compile


def find_state_dict(payload: Any) -> tuple[dict[str, Tensor], str | None]:
    """The tensors by name, wrappers' prefixes removed, and in words where they were, if that is no usual place.

    They are in the first of CONTAINERS, bare, or in the one place that holds names such as 'conv1.weight'. Raises
    ValueError where there are none, or several such places.
    """
    content = payload if isinstance(payload, dict) else {}
    held = (_tensors(content[name]) for name in CONTAINERS if isinstance(content.get(name), dict))
    place: Place = ()
    state = next(filter(None, held), {})
    if not state:
        found = list(_places(payload))
        if len(found) > 1:
            names = listed(["/".join(place) for place, _ in found[:5]])
            raise ValueError(f"holds {len(found)} state dicts, in {names}: save one of them in a file of its own")
        place, state = found[0] if found else ((), _tensors(content))
    if not state:
        raise ValueError(f"no tensors found, neither bare nor in {', '.join(CONTAINERS)} nor as another state dict")
    note = f"found in {'/'.join(place)!r}" if place else None
    return {WRAPPERS.sub("", name): tensor for name, tensor in state.items()}, note


def _places(payload: Any) -> Iterator[tuple[Place, dict[str, Tensor]]]:
    """Every state dict of nested containers, which may hold themselves; the payload itself, which is one, alone.

    Names of a network's tensors have dots between modules; those of an optimizer's memory have none.
    """
    waiting: list[tuple[Place, Any]] = [((), payload)]
    seen: set[int] = set()
    while waiting:
        place, item = waiting.pop()
        if not isinstance(item, CONTAINING) or id(item) in seen:
            continue
        seen.add(id(item))
        tensors = _tensors(item) if isinstance(item, dict) else {}
        if any("." in name for name in tensors):
            yield place, tensors
        elif len(place) < DEEPEST:
            entries = dict.items(item) if isinstance(item, dict) else enumerate(item)
            waiting += [((*place, str(name)), value) for name, value in entries if isinstance(value, CONTAINING)]


def _tensors(content: dict[Any, Any]) -> dict[str, Tensor]:
    return {k: v for k, v in dict.items(content) if isinstance(k, str) and isinstance(v, Tensor)}
