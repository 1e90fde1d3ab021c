"""Settings that other programs keep beside the tensors in a pickle: read past, without their classes.

torch.load(weights_only=True) refuses every class that it does not know. To allow the real ones would run their
constructors on what a stranger wrote, and numpy's believe it. So each name means a class of ours here, which takes
everything and does nothing: the tensors are read, and of single settings nothing is kept.
"""

from collections import OrderedDict
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

import torch


class Settings:
    """In place of an object: takes whatever its class would, and keeps nothing."""

    def __init__(self, *arguments: Any) -> None: ...

    def __setstate__(self, state: Any) -> None: ...


class Entries(Settings):
    """In place of a kind of dict: a plain one with its entries. (torch fills no other subclass.)"""

    def __new__(cls, *arguments: Any) -> Any:
        return OrderedDict()


class Items(Settings):
    """In place of a kind of list."""

    def __new__(cls, *arguments: Any) -> Any:
        return []


OBJECTS = {  # module -> names in it
    "argparse": "Namespace",
    "types": "SimpleNamespace",
    "pathlib": "Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath",
    "pathlib._local": "Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath",  # of Python 3.13
    "numpy": "dtype ndarray",
    "numpy.core.multiarray": "scalar _reconstruct",
    "numpy._core.multiarray": "scalar _reconstruct",
    "datetime": "date datetime time timedelta timezone",
    "decimal": "Decimal",
    "uuid": "UUID",
    "builtins": "bool dict float frozenset int list range slice str tuple",
    "typing": "Any Dict List Optional Tuple Union",
    "omegaconf.base": "ContainerMetadata Metadata",
    "omegaconf.dictconfig": "DictConfig",
    "omegaconf.listconfig": "ListConfig",
    "omegaconf.nodes": "AnyNode BooleanNode BytesNode EnumNode FloatNode IntegerNode InterpolationResultNode PathNode "
    "StringNode",
}
DICTS = {
    "collections": "defaultdict",
    "addict.addict": "Dict",
    "easydict": "EasyDict",
    "yacs.config": "CfgNode",
    "mmcv.utils.config": "ConfigDict",
    "mmengine.config.config": "ConfigDict",
    "pytorch_lightning.utilities.parsing": "AttributeDict",
    "lightning.pytorch.utilities.parsing": "AttributeDict",
    "lightning_fabric.utilities.data": "AttributeDict",
    "lightning.fabric.utilities.data": "AttributeDict",
}
LISTS = {"collections": "deque"}


@cache
def stand_ins() -> list[Any]:
    """A class of ours under each of those names."""
    return [
        type(name, (kind,), {"__module__": module, "__qualname__": name})
        for kind, names in ((Settings, OBJECTS), (Entries, DICTS), (Items, LISTS))
        for module, text in names.items()
        for name in text.split()
    ]


def harmless_settings() -> AbstractContextManager:
    """While torch.load reads past them. Before torch 2.5, where this is without an end, they are refused."""
    if not hasattr(torch.serialization, "safe_globals"):
        return nullcontext()
    return torch.serialization.safe_globals(stand_ins())
