"""Export: to a draft, which takes its name once it classifies as the network does."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from ..data.images import MAX_PIXELS
from ..errors import UserError, WeightsError
from ..files import writing
from ..weights.networks import LoadedNetwork
from .formats import Format
from .metadata import Metadata
from .parity import check_images, compare


def export(
    network: LoadedNetwork,
    file_format: Format,
    metadata: Metadata,
    target: Path,
    images: str | None,
    max_pixels: int = MAX_PIXELS,
) -> str:
    """Write `target`, as a whole or not at all, and return a sentence about the check.

    images: folder to check with; None takes random images.  max_pixels: of one of them, as `open_image` has it.
    Raises WeightsError if the network cannot be exported or the file gives other logits, DataError if it cannot be
    written or if `images` has none.
    """
    batch = check_images(network.preprocess, images, max_pixels)
    with writing(target), _draft_folder(target) as folder:
        draft = Path(folder) / target.name
        with torch.no_grad():
            _write(network, file_format, metadata, draft)
        parity = compare(network, file_format.read(draft), batch)
        if not parity.holds:
            raise WeightsError(f"not written: {target.name} would not classify as the network: {parity}")
        publish(sorted(Path(folder).iterdir(), key=lambda path: path == draft), target.parent)
    return f"verified: {parity}"


def _draft_folder(target: Path) -> tempfile.TemporaryDirectory:
    """Beside `target`. (After an error something may still hold a file, which Windows then does not remove.)"""
    return tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-", ignore_cleanup_errors=True)


def _write(network: LoadedNetwork, file_format: Format, metadata: Metadata, draft: Path) -> None:
    try:
        file_format.write(network, metadata.to_strings(), draft)
    except (OSError, UserError):
        raise
    except Exception as error:  # the exporters raise whatever they come upon
        cause = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
        raise WeightsError(f"not written: {metadata.network} cannot be exported to {draft.suffix}: {cause}") from error


def publish(drafts: Sequence[Path], folder: Path) -> None:
    """Flush the files to disk, then move them in this order: the last is the one that needs the others."""
    for draft in drafts:
        with draft.open("rb+") as file:
            os.fsync(file.fileno())
    for draft in drafts:
        os.replace(draft, folder / draft.name)
