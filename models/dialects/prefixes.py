"""What some tool has put in front of the names of a whole network: `model.`, `net.`, `backbone.` and the like."""

from collections import Counter
from collections.abc import Callable

from torch import Tensor

from .layout import State

ENOUGH = 0.5  # share of the tensors of file or network, whichever has fewer, that must fit
DEEPEST = 4  # names in front of a network's own
RAREST = 1 / 4  # of a file's tensors have to lie below a prefix: a network, its average, a teacher and another


def parts_below_prefixes(state: State) -> dict[str, dict[str, Tensor]]:
    """prefix -> the tensors below it, without it; '' -> all of them, first."""
    counts: Counter[str] = Counter()
    for name in state:
        names = name.split(".", DEEPEST)[:-1]
        counts.update(".".join(names[: depth + 1]) + "." for depth in range(len(names)))
    common = ["", *(prefix for prefix, count in counts.items() if count >= RAREST * len(state))]
    return {
        prefix: {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
        for prefix in common
    }


def without_prefix(state: State, fit: Callable[[State], float]) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors, without the prefix that keeps them from fitting, if there is one, and a sentence that says so.

    fit: 0..1, how much some tensors are those of the network.  Tensors elsewhere in the file keep their names.
    Raises ValueError where two networks in the file fit alike.
    """
    if fit(state) >= ENOUGH:
        return dict(state), []
    parts = parts_below_prefixes(state)
    fits = {prefix: fit(part) for prefix, part in parts.items()}
    best = max(fits.values())
    first, *others = [prefix for prefix in parts if fits[prefix] == best]
    if best < ENOUGH or not first:
        return dict(state), []
    if others:
        names = ", ".join(repr(prefix) for prefix in (first, *others))
        raise ValueError(
            f"holds {1 + len(others)} networks that fit, below {names}: save the tensors of one of them in a file of "
            "their own"
        )
    elsewhere = {name: tensor for name, tensor in state.items() if not name.startswith(first)}
    return {**elsewhere, **parts[first]}, [f"{first!r} removed in front of {len(parts[first])} names"]
