"""A file of weights, which is opened and read once whatever is asked of it: it may be large, or far away."""

from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from models.public_weights import WEIGHTS

from ..errors import WeightsError
from .best import scored_weights
from .checkpoint import is_checkpoint, read_pickle
from .files import check_regular
from .run_folder import weights_path
from .state_dicts import find_state_dict


class WeightsFile:
    """A .pth, .pt or .safetensors file, of ours or of others, or the folder of a run, which means its best.pth.

    All of it raises WeightsError where it cannot be read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = weights_path(path)

    @cached_property
    def payload(self) -> Any:
        """What the file holds, read with weights_only=True, on the CPU."""
        suffix = self.path.suffix.lower()
        if suffix in (".onnx", ".pt2"):
            expected = "an exported graph, not weights: expected the checkpoint that it was made from"
            if suffix == ".pt2":
                expected += " or its .onnx file (.pt2 files are not read here, as torch.export.load runs code in them)"
            raise WeightsError(f"{self.path}: {expected}")
        return _read_safetensors(self.path) if suffix == ".safetensors" else read_pickle(self.path)

    @cached_property
    def checkpoint(self) -> dict[str, Any] | None:
        """The checkpoint of ours, every entry checked; None for what others wrote."""
        from .checkpoint_schema import validated  # the schema of configs, which foreign weights do not need

        return validated(self.payload, self.path) if is_checkpoint(self.payload) else None

    @cached_property
    def config(self) -> dict[str, Any] | None:
        """Of a checkpoint of ours, else None."""
        return self.checkpoint and self.checkpoint["config"]

    @property
    def note(self) -> str | None:
        """Which weights `state` gives, in words, where the file holds several, or in a place of its own."""
        return scored_weights(self.checkpoint)[1] if self.checkpoint else self._found[1]

    @cached_property
    def img_size(self) -> tuple[int, int] | None:
        """(height, width) of the images that the weights were made for, where a checkpoint or a public name says so."""
        if self.checkpoint:
            from .preprocess_schema import read_preprocess

            return read_preprocess(self.checkpoint["preprocess"]).img_size
        public = (entry for variants in WEIGHTS.values() for entry in variants.values())
        return next(((entry.size, entry.size) for entry in public if entry.file_name == self.path.name), None)

    @cached_property
    def state(self) -> dict[str, Tensor]:
        """The tensors, wrappers' prefixes removed from their names: of a checkpoint of ours those that scored.

        Of others' files, what state_dicts.py finds.
        """
        if self.checkpoint:
            return self.checkpoint[scored_weights(self.checkpoint)[0]]
        return self._found[0]

    @cached_property
    def _found(self) -> tuple[dict[str, Tensor], str | None]:
        try:
            return find_state_dict(self.payload)
        except ValueError as error:
            raise WeightsError(f"{self.path}: {error}") from None


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        from safetensors.torch import load_file
    except ImportError:
        raise WeightsError(f"{path}: reading .safetensors needs: python -m pip install safetensors") from None
    check_regular(path)
    try:
        return load_file(path)
    except Exception as error:
        raise WeightsError(f"{path}: cannot be read as safetensors: {error}") from None
