"""What is not as it was when a checkpoint was written, and whether its run can go on all the same."""

from dataclasses import dataclass
from typing import Any

from models import family_of

from .. import distributed
from ..config.keys import TrainConfig
from ..data.source import Splits
from ..errors import WeightsError

NETWORK = ("model_prefix", "model_suffix", "classes", "size of its tables")
GROUPS = ("optimizer_type", "freeze", "layer_decay", "head_lr_mult")
FIXED = (*NETWORK, "use_ema", *GROUPS)  # the state would not fit
ORDER = ("seed", "train images")  # which image comes when
PACE = ("batch_size", "accumulate_steps", "processes")  # how many images make a step


@dataclass(frozen=True)
class Differences:
    """What is not as it was when the checkpoint was written: name -> (then, now)."""

    values: dict[str, tuple[Any, Any]]

    def among(self, names: tuple[str, ...]) -> bool:
        return any(name in names for name in self.values)

    def __str__(self) -> str:
        return "; ".join(f"{name} was {_short(then)}, is {_short(now)}" for name, (then, now) in self.values.items())


def differences(checkpoint: dict[str, Any], config: TrainConfig, splits: Splits) -> Differences:
    """Between the checkpoint and the run that is to go on from it, in what decides over its course."""
    names = [name for name in (*FIXED, *ORDER, *PACE) if hasattr(config, name)]
    now = {name: getattr(config, name) for name in names}
    then = {name: checkpoint["config"].get(name) for name in names}
    now |= {"processes": distributed.world_size(), "train images": len(splits.train or ())}
    then |= {"processes": checkpoint["world_size"], "train images": checkpoint["train_images"]}
    now["classes"], then["classes"] = list(splits.classes), checkpoint["classes"]
    if family_of(config.model_prefix).tables:  # of other images they can have the same shape, with another meaning
        now["size of its tables"] = list(config.img_size)
        then["size of its tables"] = list(checkpoint["config"]["img_size"])
    return Differences({name: (then[name], now[name]) for name in now if now[name] != then[name]})


def check_resume(found: Differences, source: str, *, force: bool) -> None:
    """Raises WeightsError naming what differs so much that the run could not go on as if it had not stopped."""
    if not found.values or (force and not found.among(FIXED)):
        return
    way = "start a new run with load_from instead"
    if not found.among(FIXED):
        way = f"--force resumes all the same, or {way}"
    raise WeightsError(f"{source}: cannot resume: {found}; {way}")


def _short(value: Any) -> str:
    if isinstance(value, list) and len(value) > 5:
        return f"{len(value)} classes ({', '.join(value[:5])} ...)"
    return repr(value)
