"""torchrun --max-restarts: a group of processes that was started again goes on with the run of the group before.

Which run that is, a hidden file says beside the run folders while the launch lives: .launch-<who>.
"""

import hashlib
import os
import platform
from dataclasses import replace
from pathlib import Path

from .. import distributed
from ..config.keys import TrainConfig
from ..files import write_text
from ..log import log
from ..weights.run_folder import LAST, PREVIOUS

RESTARTS = "TORCHELASTIC_RESTART_COUNT"


def resumed(config: TrainConfig) -> TrainConfig:
    """`config` itself in a first start; in a restart, one that resumes the run that this launch has begun."""
    file = _file(config)
    if file is None or config.only_val:
        return config
    found = None
    if distributed.is_main():
        if distributed.number_of(RESTARTS, 0) == 0:
            file.unlink(missing_ok=True)  # of an earlier launch with the same name
        found = _checkpoint(file)
    if not (found := distributed.from_main(found)):
        return config
    log.info(f"started again by the launcher: resuming {found}")
    return replace(config, resume=True, load_from=found)


def _checkpoint(file: Path) -> str | None:
    if not file.is_file():
        return None
    folder = file.parent / file.read_text(encoding="utf-8", errors="surrogateescape")
    return next((str(folder / name) for name in (LAST, PREVIOUS) if (folder / name).is_file()), None)


def remember(config: TrainConfig, folder: Path) -> None:
    """This launch writes to `folder`."""
    file = _file(config)
    if file is not None and distributed.is_main():
        write_text(file, os.path.relpath(folder, file.parent))


def forget(config: TrainConfig) -> None:
    """The run has come to its end."""
    file = _file(config)
    if file is not None and distributed.is_main():
        file.unlink(missing_ok=True)


def restarted() -> bool:
    return distributed.number_of(RESTARTS, 0) > 0


def _file(config: TrainConfig) -> Path | None:
    """None where the launcher restarts nothing."""
    if distributed.number_of("TORCHELASTIC_MAX_RESTARTS", 0) == 0:
        return None
    name = os.environ.get("TORCHELASTIC_RUN_ID", "none")
    if name == "none":  # the default: what tells this launch from others is its launcher
        name = f"{platform.node()} {os.getppid()}"
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    return Path(config.log_root) / f"{config.model_prefix}_{config.model_suffix}" / f".launch-{digest}"
