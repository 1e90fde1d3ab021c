"""Public weights of a network by its name: what there is to say of them, and the file on the disk."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from models.public_weights import Weights, public_weights

from ..errors import ConfigError
from .download import DownloadError, Remote, fetch, remote_of, weights_folder


def facts(prefix: str, suffix: str, weights: Weights, remote: Remote | None) -> list[str]:
    """What is said of weights before they come."""
    lines = [f"{prefix} {suffix}: {weights.name}, {weights.top1:.1f} % top-1 on ImageNet-1k, {weights.licence}"]
    if not weights.is_commercial:
        lines.append(f"  NOT FOR COMMERCIAL USE: the licence of these weights, {weights.licence}, forbids it")
    lines.append(f"  from {remote.address}" if remote else "  no address is known: their authors' page has them")
    return lines


def remote_or_error(weights: Weights, folder: Path, mirror: str, *, option: str) -> Remote | None:
    """`remote_of`; raises ConfigError naming the option of a mirror that is none."""
    try:
        return remote_of(weights, folder, mirror=mirror)
    except ValueError as error:
        raise ConfigError("config", [f"{option} or HF_ENDPOINT: {error}"]) from None


def obtain(weights: Weights, remote: Remote | None, folder: Path, *, say: Callable[[str], None]) -> Path:
    """The file on the disk, downloaded where it is missing. Raises DownloadError."""
    if remote is not None:
        return fetch(remote, say=say)
    path = folder / weights.file_name
    if not path.is_file():
        raise DownloadError(f"{weights.name}: no address is known; save it as {weights.file_name} in {folder}")
    return path


def pretrained_of(config: Any) -> Weights | None:
    """What the key pretrained of a TrainConfig names; None where it is False. Raises ValueError."""
    if config.pretrained is False:
        return None
    name = config.pretrained if isinstance(config.pretrained, str) else ""
    return public_weights(config.model_prefix, config.model_suffix, name)


def obtain_pretrained(config: Any, say: Callable[[str], None], warn: Callable[[str], None]) -> Path | None:
    """The file that the key pretrained of a TrainConfig names; None where it is False.

    Raises ConfigError for a mirror that is none, DownloadError where the file cannot be had.
    """
    if (weights := pretrained_of(config)) is None:
        return None
    folder = weights_folder(config.weights_dir)
    remote = remote_or_error(weights, folder, config.weights_mirror, option="weights_mirror")
    for line in facts(config.model_prefix, config.model_suffix, weights, remote):
        (say if weights.is_commercial else warn)(line.strip())
    return obtain(weights, remote, folder, say=say)
