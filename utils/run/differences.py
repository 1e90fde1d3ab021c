"""What is not as it was when a checkpoint was written, and whether its run can go on all the same."""

from dataclasses import dataclass
from typing import Any

from models import family_of

from .. import distributed
from ..config.keys import TrainConfig
from ..data.samplers import steps_in_epoch
from ..data.source import Splits
from ..errors import WeightsError

NETWORK = ("model_prefix", "model_suffix", "classes", "size of its tables")
GROUPS = ("optimizer_type", "freeze", "layer_decay", "head_lr_mult")
FROZEN = "freeze_epochs"
FIXED = (*NETWORK, "use_ema", *GROUPS, FROZEN)  # the state would not fit
NAMES = "names of train images"
ORDER = ("seed", "train images", NAMES)  # which image comes when
PACE = ("batch_size", "accumulate_steps", "processes")  # how many images make a step


@dataclass(frozen=True)
class Differences:
    """What is not as it was when the checkpoint was written: name -> (then, now)."""

    values: dict[str, tuple[Any, Any]]

    def among(self, names: tuple[str, ...]) -> bool:
        return any(name in names for name in self.values)

    def __str__(self) -> str:
        return "; ".join(_in_words(name, then, now) for name, (then, now) in self.values.items())


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
    found = {name: (then[name], now[name]) for name in now if now[name] != then[name]}
    if FROZEN in found and not _freezes_again(checkpoint, config):
        del found[FROZEN]
    if "train images" not in found and "classes" not in found:  # which differ with them
        found |= _other_names(checkpoint, splits)
    return Differences(found)


def _freezes_again(checkpoint: dict[str, Any], config: TrainConfig) -> bool:
    """Whether an epoch to come would train the head alone, though steps before it have trained the body."""
    then = checkpoint["config"]
    images, processes = checkpoint["train_images"], checkpoint["world_size"]
    steps = steps_in_epoch(images, then["batch_size"], processes, then["accumulate_steps"])
    return config.freeze_epochs > checkpoint["epoch"] and checkpoint["step"] > then[FROZEN] * steps


def _other_names(checkpoint: dict[str, Any], splits: Splits) -> dict[str, tuple[Any, Any]]:
    """Whether as many images as before are others, or come in another order: their indices decide what is drawn."""
    then = checkpoint["fingerprints"]
    if then is None or splits.train is None:  # of an older version, which has the number alone
        return {}
    now = list(splits.train.fingerprint())
    return {NAMES: (then["train"], now)} if now != then["train"] else {}


def change_of_val(checkpoint: dict[str, Any], splits: Splits) -> str:
    """A sentence where val has other images than the epochs before were judged by; '' where it has not, or of an older
    checkpoint."""
    then = checkpoint["fingerprints"]
    if then is None or list(splits.val.fingerprint()) == then["val"]:
        return ""
    return (
        f"{splits.val.root}: not the images that the epochs so far were judged by: some were added, removed, renamed "
        "or put into another class; figures of val before and after this are of different images, and so are those by "
        "which the best epoch so far is compared with others"
    )


def check_resume(found: Differences, source: str, *, force: bool) -> None:
    """Raises WeightsError naming what differs so much that the run could not go on as if it had not stopped."""
    if not found.values or (force and not found.among(FIXED)):
        return
    way = "start a new run with load_from instead"
    if not found.among(FIXED):
        way = f"--force resumes all the same, or {way}"
    raise WeightsError(f"{source}: cannot resume: {found}; {way}")


def _in_words(name: str, then: Any, now: Any) -> str:
    if name == NAMES:
        return "train images: as many as before, but some have other names or are in other classes"
    again = ", which would freeze again what is trained by now" if name == FROZEN else ""
    return f"{name} was {_short(then)}, is {_short(now)}{again}"


def _short(value: Any) -> str:
    if isinstance(value, list) and len(value) > 5:
        return f"{len(value)} classes ({', '.join(value[:5])} ...)"
    return repr(value)
