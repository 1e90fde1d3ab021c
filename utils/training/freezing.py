"""Parts of a network that are not trained: never, or not in the first epochs.

What is frozen keeps its parameters and its buffers bit for bit: no gradient, no weight decay, BatchNorm by its averages
and no dropout. Where the first stages are frozen, nothing of their forward pass is kept for a backward one.
"""

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from models.stages import stages_of

BODY = "body"  # all but the head
STAGES = "stages:"  # and a number: so many from the image on


def names_to_freeze(network: nn.Module, freeze: str) -> frozenset[str]:
    """The parameters that `freeze` names in a network of create_model.

    freeze: '' for none, 'body', 'stages:N', or a regular expression, which has to match the whole name of a parameter
        or of a module that holds it. Raises ValueError where that is no sense, or would leave nothing to train.
    """
    if not freeze:
        return frozenset()
    stages = [names for _, names in stages_of(network)]
    if freeze == BODY:
        return frozenset().union(*stages[:-1])
    if freeze.startswith(STAGES):
        return frozenset().union(*stages[: _count(freeze, len(stages) - 1)])
    pattern = _compiled(freeze)
    every = [name for names in stages for name in names]
    found = frozenset(name for name in every if any(pattern.fullmatch(part) for part in _holders(name)))
    if not found:
        raise ValueError(f"{freeze!r} matches none of the parts, which are such as {every[0]!r}")
    if len(found) == len(every):
        raise ValueError(f"{freeze!r} matches every part, so that nothing would be trained")
    return found


def _count(freeze: str, most: int) -> int:
    number = freeze.removeprefix(STAGES)
    if not (number.isascii() and number.isdigit() and len(number) < 10 and 1 <= int(number) <= most):
        raise ValueError(f"expected {STAGES}1 to {STAGES}{most}, got {freeze!r}; {BODY!r} is all but the head")
    return int(number)


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a later Python may read otherwise
            return re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from None


def _holders(name: str) -> Iterator[str]:
    """'layer1', 'layer1.0', ... up to the name itself."""
    parts = name.split(".")
    return (".".join(parts[:count]) for count in range(1, len(parts) + 1))


@dataclass(frozen=True)
class Freezing:
    """What of a network is frozen, and when."""

    always: frozenset[str] = frozenset()  # names of parameters
    at_first: frozenset[str] = frozenset()  # in the first `epochs` epochs as well
    epochs: int = 0

    @classmethod
    def of(cls, network: nn.Module, freeze: str, epochs: int) -> "Freezing":
        """freeze: as `names_to_freeze` has it.  epochs: the first ones, which train the head alone.

        Raises ValueError where nothing would be trained.
        """
        always = names_to_freeze(network, freeze)
        body = names_to_freeze(network, BODY) if epochs else frozenset()
        if epochs and always.union(body).issuperset(name for name, _ in network.named_parameters()):
            raise ValueError(f"{freeze!r} freezes the head, which freeze_epochs = {epochs} would train alone")
        return cls(always, body, epochs)

    def names(self, epoch: int) -> frozenset[str]:
        """Of the parameters that are frozen in `epoch` (0, 1, ...)."""
        return self.always | self.at_first if epoch < self.epochs else self.always


def freeze(network: nn.Module, names: frozenset[str]) -> None:
    """Let these parameters alone take no gradient."""
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name not in names)
        if name in names:
            parameter.grad = None


def train_mode(network: nn.Module, *, freeze_bn: bool = False) -> None:
    """`network.train()`, but for the parts of which nothing is trained.

    freeze_bn: BatchNorm goes by its averages, as in evaluation, and they stay as they are. Its scale and shift are
    trained all the same.
    """
    network.train()
    for part in _still(network):
        part.eval()
    for part in network.modules() if freeze_bn else ():
        if isinstance(part, _BatchNorm):
            part.eval()


def _still(module: nn.Module) -> Iterator[nn.Module]:
    """The largest modules in which nothing is trained. What has no parameters belongs to what comes after it."""
    follows_frozen = False
    for child in reversed(list(module.children())):
        trained = {parameter.requires_grad for parameter in child.parameters()}
        if trained == {True, False}:
            yield from _still(child)
        elif trained == {False} or (not trained and follows_frozen):
            yield child
        if trained:
            follows_frozen = trained == {False}
