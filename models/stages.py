"""Networks divided into stages, from the image to the head: to freeze the first of them, or for rates by depth.

A family lists its stages in `register(..., stages=...)`, each a text of names: "conv1 bn1", "layer1", ... A name that
ends in .* makes a stage of each child that has parameters, and the names behind it belong to the last of them:
"blocks.* norm" are blocks.0, blocks.1, ... and at last blocks.11 together with norm.
"""

from collections import Counter

from torch import nn

from .family import belongs
from .registry import family_of


def stages_of(network: nn.Module) -> list[tuple[str, list[str]]]:
    """(name, names of the parameters) of each stage of a network of create_model, in the order of the forward pass.

    The last stage is the head: what follows the number of classes. Every parameter is in exactly one stage. Raises
    ValueError if the network is none of ours, or if the list of its family is not of that kind.
    """
    family = family_of(network)
    parameters = [name for name, _ in network.named_parameters()]
    parts = [part for names in family.names_of_stages(network) for part in _expanded(network, names)]
    stages = [
        (_title(part), [each for name in part for each in parameters if belongs(each, name)])
        for part in [*parts, family.head.split()]
    ]
    _check(family.prefix, stages, parameters)
    return stages


def _expanded(network: nn.Module, names: str) -> list[list[str]]:
    """The names of a stage, or of several if the first ends in .*"""
    first, *others = names.split()
    parts = [[first]]
    if first.endswith(".*"):
        parent = first.removesuffix(".*")
        children = network.get_submodule(parent).named_children()
        parts = [[f"{parent}.{name}"] for name, child in children if any(True for _ in child.parameters())]
    return [*parts[:-1], parts[-1] + others]


def _title(names: list[str]) -> str:
    """'layer1', or 'conv1 .. bn1' for a stage of several names."""
    return names[0] if len(names) == 1 else f"{names[0]} .. {names[-1]}"


def _check(prefix: str, stages: list[tuple[str, list[str]]], parameters: list[str]) -> None:
    """Raises ValueError unless each stage has parameters, and each parameter one stage."""
    found = Counter(name for _, names in stages for name in names)
    problems = [f"{title} has no parameters" for title, names in stages if not names]
    problems += [f"{name} is in {found[name]} of them" for name in parameters if found[name] != 1]
    if problems:
        more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise ValueError(f"stages and head of {prefix!r}: {'; '.join(problems[:3])}{more}")
