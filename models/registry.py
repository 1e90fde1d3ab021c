"""The networks behind two words: a prefix names the family, a suffix its variant."""

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard, TypeVar, cast

from torch import nn

from .family import Family
from .layers import check_img_size

Network = TypeVar("Network", bound=type[nn.Module])


class Registered(nn.Module):
    """What create_model returns, as far as types go: no network is of this class."""

    model_name: tuple[str, str]


_FAMILIES: dict[str, Family] = {}


def register(prefix: str, variants: Mapping[str, Mapping[str, Any]], **facts: Any) -> Callable[[Network], Network]:
    """Class decorator: offer `network(**variants[suffix], num_classes=...)` under `prefix` and each suffix.

    facts: the other fields of `Family`, of which stages, head and cam are needed. Raises ValueError if one of them is
    missing or contradicts the class, or if the prefix is taken.
    """

    def enter(network: Network) -> Network:
        if prefix in _FAMILIES:
            raise ValueError(f"the prefix {prefix!r} is registered twice")
        _FAMILIES[prefix] = Family(prefix=prefix, network=network, variants=variants, **facts)
        return network

    return enter


def family_of(network: nn.Module | str) -> Family:
    """The family of a prefix, or of a network that create_model made. Raises ValueError for any other."""
    if isinstance(network, nn.Module):
        network = name_of(network)[0]
    if network not in _FAMILIES:
        raise ValueError(_unknown("model_prefix", network, list(_FAMILIES)))
    return _FAMILIES[network]


def is_registered(network: nn.Module) -> TypeGuard[Registered]:
    """Whether create_model made it, so that it has a family and a `model_name`."""
    return hasattr(network, "model_name")


def name_of(network: nn.Module) -> tuple[str, str]:
    """(prefix, suffix) of a network that create_model made. Raises ValueError for any other."""
    if not is_registered(network):
        raise ValueError(f"a {type(network).__name__} that is not of create_model belongs to no family")
    return network.model_name


def list_models() -> list[tuple[str, str]]:
    """Every (prefix, suffix), families in the order of models/__init__.py."""
    return [(prefix, suffix) for prefix, family in _FAMILIES.items() for suffix in family.variants]


def native_img_size(model_prefix: str, model_suffix: str) -> int:
    """Side in pixels of the images that the variant is meant for. Raises ValueError for unknown names."""
    return _find(model_prefix, model_suffix).img_size_of(model_suffix)


def create_model(
    model_prefix: str,
    model_suffix: str,
    num_classes: int = 1000,
    *,
    img_size: int | tuple[int, int] | None = None,
    **overrides: Any,
) -> nn.Module:
    """A freshly initialised network: (N, 3, H, W) float images -> (N, num_classes) logits.

    Its attribute `model_name` is (model_prefix, model_suffix), by which load_weights knows what it fills.

    img_size: side, or (height, width), of the images it will see. Only networks whose parameters depend on it
        take note (position tables, token mixing); None means the size that the variant is meant for.
    overrides: arguments of the network's class to set otherwise than the variant does, such as dropout rates.
    Raises ValueError for an unknown prefix or suffix, naming the choices and the nearest, for an unknown override, and
    for an img_size below the least that the network takes.
    """
    family = _find(model_prefix, model_suffix)
    accepted = inspect.signature(family.network).parameters
    if img_size is not None:
        size = (img_size, img_size) if isinstance(img_size, int) else tuple(img_size)
        check_img_size(size, family.min_img_size_of(model_suffix))
        if family.tables:
            overrides["img_size"] = size
    for name in overrides:
        if name not in accepted:
            raise ValueError(_unknown(f"option of {model_prefix}", name, [n for n in accepted if n != "num_classes"]))
    arguments = {**family.variants[model_suffix], **overrides}
    network = cast(Registered, family.network(**arguments, num_classes=num_classes))
    network.model_name = (model_prefix, model_suffix)
    return network


def _find(prefix: str, suffix: str) -> Family:
    family = family_of(prefix)
    if suffix not in family.variants:
        raise ValueError(_unknown(f"model_suffix for {prefix}", suffix, list(family.variants)))
    return family


def _unknown(what: str, name: str, choices: list[str]) -> str:
    near = [choice for choice in choices if _number(choice) == _number(name) is not None]  # 1 means 1.0, not 1.5
    near = near or difflib.get_close_matches(str(name), choices, n=1, cutoff=0.4)
    hint = f"; nearest: {near[0]!r}" if near else ""
    return f"unknown {what} {name!r}{hint}; choices: {', '.join(choices)}"


def _number(name: str) -> float | None:
    """What a name says as a number, if it is one."""
    try:
        return float(name)
    except ValueError:
        return None
