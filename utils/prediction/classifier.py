"""A network with everything that a prediction needs, from a checkpoint alone or from foreign weights and a config."""

import contextlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..config import ConfigError, PredictConfig
from ..cpu.folding import prepare_for_inference
from ..data.images import MAX_PIXELS
from ..data.pixels import normalise
from ..data.preprocess import Preprocess
from ..data.views import Views, mean_probabilities
from ..errors import WeightsError
from ..export.metadata import Metadata
from ..export.runtime import OnnxNetwork
from ..training.amp import amp_dtype
from ..training.features import FeatureTap
from ..training.known import Known
from ..weights.best import Best
from ..weights.checkpoint import newest_checkpoint
from ..weights.networks import of_checkpoint, of_weights
from ..weights.run_folder import weights_path
from ..weights.spec import NetworkOptions
from ..weights.weights_file import WeightsFile
from .class_names import note_of_equal, numbered, read_class_names
from .predictions import NO_NUMBER, Answered, Prediction
from .reading import Read, Reader, processes_for, read_by_processes, read_by_threads
from .rejection import Rejection, rejection_of

TOGETHER = 32  # images that are computed at a time, where nobody says how many


@dataclass
class Classifier:
    """Images in, ranked classes out, by the preprocessing, precision and memory format of validation."""

    path: Path  # of the weights
    model: Callable[[Tensor], Tensor]  # (N, 3, H, W) normalised images -> (N, K) logits
    classes: list[str]
    preprocess: Preprocess
    device: torch.device
    amp_dtype: torch.dtype | None
    channels_last: bool
    description: str
    decided: dict[str, Any] = field(default_factory=dict)  # keys of a config that the file decides -> what holds
    run: str = ""  # that a checkpoint of ours is of, in words
    max_pixels: int = MAX_PIXELS  # of an image; a larger one is refused
    temperature: float = 1.0  # that logits are divided by, so that probabilities mean what they say
    known: Known | None = None  # what a run has stored of its images

    views: Views | None = None  # that are shown of each image; None: the image alone
    tap: FeatureTap | None = None  # where features are asked for
    rejection: Rejection = field(default_factory=Rejection)

    @property
    def width(self) -> int:
        """Numbers in a row of features; 0 where none are asked for."""
        return self.tap.width if self.tap else 0

    @torch.inference_mode()
    def logits(self, images: Tensor) -> Tensor:
        """(N, H, W, 3) uint8 from `preprocess` -> (N, K) float32 on the CPU."""
        images, steps = images.to(self.device), self.preprocess
        with torch.autocast(self.device.type, dtype=self.amp_dtype, enabled=self.amp_dtype is not None):
            normalised = normalise(images, steps.mean, steps.std, channels_last=self.channels_last)
            return self.model(normalised).float().cpu()

    def probabilities(self, images: Tensor) -> Tensor:
        """(N, H, W, 3) uint8 from `reader` -> (N, K), calibrated where the file brings a temperature."""
        shown = self.views.of(images, height=1) if self.views else [images]
        return mean_probabilities([self.logits(view) for view in shown], self.temperature)

    def predict(self, paths: Sequence[str], topk: int) -> list[Prediction]:
        """One prediction a path, in order, with an error where a file cannot be read or the answer is no number."""
        return [each for batch in self.in_batches(paths, TOGETHER, topk) for each in batch.predictions]

    def in_batches(self, paths: Iterable[str], together: int, topk: int, count: int = 0) -> Iterator[Answered]:
        """The same for any number of paths, `together` at a time.

        count: of the paths, where processes of their own may read them; 0: threads of this one do.
        """
        with contextlib.closing(self._read(paths, together, count)) as batches:
            for batch in batches:
                yield self._answered(batch, topk)

    def _read(self, paths: Iterable[str], together: int, count: int) -> Generator[Read, None, None]:
        reader = self.reader
        if processes := processes_for(self.device, count, together, reader.steps.img_size):
            return read_by_processes(reader, paths, together, processes, pin=self.device.type == "cuda")
        return read_by_threads(reader, paths, together)

    @property
    def reader(self) -> Reader:
        return Reader(self.views.reads if self.views else self.preprocess, self.max_pixels)

    def _answered(self, batch: Read, topk: int) -> Answered:
        rows: Iterator[Tensor] = iter(() if batch.images is None else self.probabilities(batch.images))
        predictions = [
            Prediction(path, [], batch.errors[i]) if i in batch.errors else self._ranked(path, next(rows), topk)
            for i, path in enumerate(batch.paths)
        ]
        seen = self._features()
        plain = seen[self.views.plain if self.views else 0] if seen is not None else None
        reasons = iter(self.rejection.reasons([each for each in predictions if not each.unread], plain))
        judged = [each if each.unread else replace(each, rejected=next(reasons)) for each in predictions]
        return Answered(judged, None if seen is None else seen.mean(0))

    def _features(self) -> np.ndarray | None:
        """(views, n, D) of the images shown since the last call."""
        if self.tap is None:
            return None
        seen = self.tap.take()
        return torch.stack(seen).cpu().numpy() if seen else np.zeros((1, 0, self.tap.width), np.float32)

    def _ranked(self, path: str, probabilities: Tensor, topk: int) -> Prediction:
        if not probabilities.isfinite().all():
            return Prediction(path, [], NO_NUMBER)
        values, places = probabilities.topk(min(topk, len(self.classes)))
        return Prediction(path, [(self.classes[i], p) for i, p in zip(places.tolist(), values.tolist())])


def weights_of(config: PredictConfig) -> Path:
    """The file of config.load_from; '' is the newest run's best.pth. Raises WeightsError if there is none."""
    return weights_path(config.load_from) if config.load_from else newest_checkpoint()


def load_classifier(config: PredictConfig, device: torch.device) -> Classifier:
    """The classifier of `weights_of(config)`. Raises ConfigError or WeightsError."""
    found = _loaded(weights_of(config), config, device)
    given = config.reject, config.min_confidence, found.known, found.path
    return replace(
        found,
        max_pixels=config.max_image_pixels,
        views=Views(config.tta, found.preprocess),
        tap=_tap(found) if config.embed or config.reject == "knn" else None,
        rejection=rejection_of(*given),
    )


def _tap(found: Classifier) -> FeatureTap:
    """Raises ConfigError for a network that is run by others, WeightsError where stored features are no such."""
    if not isinstance(found.model, nn.Module):
        problem = f"embed and reject = 'knn' need the layers of a network, and {found.path} is run by onnxruntime"
        raise ConfigError("predict_config.py", [f"{problem}; take the best.pth that it was exported from"])
    tap = FeatureTap(found.model)
    if found.known is not None and found.known.features.shape[1] != tap.width:
        size = f"{found.known.features.shape[1]} numbers, those of the network {tap.width}"
        raise WeightsError(f"{found.path}: known: its features have {size}")
    return tap


def _loaded(path: Path, config: PredictConfig, device: torch.device) -> Classifier:
    if path.suffix.lower() == ".onnx":
        return _from_onnx(path, config, device)
    file = WeightsFile(path)
    if file.checkpoint:
        return _from_checkpoint(file.path, file.checkpoint, device)
    return _from_weights(file, config, device)


def _made_fast(found: Classifier, network: nn.Module) -> Classifier:
    if found.amp_dtype is None:  # else folding would round the filters otherwise than validation did
        prepare_for_inference(network)
    if found.channels_last:
        network.to(memory_format=torch.channels_last)
    return found


def _from_checkpoint(path: Path, checkpoint: dict[str, Any], device: torch.device) -> Classifier:
    saved = checkpoint["config"]
    network = of_checkpoint(checkpoint, NetworkOptions(weights=path), device)
    precision = amp_dtype(device, network.model, use_apex=saved["use_apex"], name=saved["amp_dtype"])
    given = network.classes, network.preprocess, device, precision, saved["channels_last"], network.description
    names = {name: saved[name] for name in ("model_prefix", "model_suffix")}
    decided = names | _decided(network.classes, network.preprocess)
    found = Classifier(path, network.model, *given, decided, _run_of(checkpoint), temperature=network.temperature)
    found.known = Known(**checkpoint["known"]) if checkpoint["known"] else None
    return _made_fast(found, network.model)


def _decided(classes: list[str], preprocess: Preprocess) -> dict[str, Any]:
    """The keys of a config whose values come with the class names and the preprocessing of a file."""
    steps = {name: value for name, value in vars(preprocess).items() if name != "dct_scaling"}  # which is no key
    return {"class_indices_path": "", "num_classes": len(classes), **steps}


def _run_of(checkpoint: dict[str, Any]) -> str:
    best = Best.from_plain(checkpoint["best"])
    reached = f"best {best.metric} {best.value:.4f} in epoch {best.epoch}" if best else "no epoch done"
    saved = checkpoint["config"]
    return f"{saved['model_prefix']} {saved['model_suffix']} trained on {saved['img_path']}, {reached}"


def _from_onnx(path: Path, config: PredictConfig, device: torch.device) -> Classifier:
    network = OnnxNetwork(path, device)
    ours = Metadata.from_strings(network.strings, path)
    metadata = ours or _metadata_of_config(path, config)
    network.check(metadata.preprocess.img_size, len(metadata.classes))
    gives = "probabilities" if network.gives_probabilities else "logits"
    text = f"{metadata.network}, {len(metadata.classes)} classes, {path}, which gives {gives}, run by onnxruntime"
    text += f" ({network.runs_on})"
    decided = {"model_prefix": "", "model_suffix": ""} | (_decided(ours.classes, ours.preprocess) if ours else {})
    given = metadata.classes, metadata.preprocess, torch.device("cpu"), None, False, text
    return Classifier(path, network, *given, decided, temperature=metadata.temperature)


def _metadata_of_config(path: Path, config: PredictConfig) -> Metadata:
    """The metadata of an .onnx file that tools/export.py did not write. Raises ConfigError if `config` lacks them."""
    if not config.class_indices_path:
        message = f"{path} was not written by tools/export.py, so class_indices_path is needed (and mean, std, "
        message += "img_size and val_resize, if they are not those of ImageNet)"
        raise ConfigError("predict_config.py", [message])
    classes, note = _classes(config)
    return Metadata(f"a network of others{note}", path.name, classes, Preprocess.from_config(config))


def _from_weights(file: WeightsFile, config: PredictConfig, device: torch.device) -> Classifier:
    needed = [name for name in ("model_prefix", "model_suffix", "class_indices_path") if not getattr(config, name)]
    if needed:
        message = f"{file.path} is no checkpoint of train.py, so these are needed: {', '.join(needed)}"
        raise ConfigError("predict_config.py", [message])
    classes, note = _classes(config)
    names = config.model_prefix, config.model_suffix
    network = of_weights(file, NetworkOptions(*names, len(classes), file.path, config.img_size), device)
    steps = Preprocess.from_config(config)
    found = Classifier(file.path, network.model, classes, steps, device, None, True, network.description + note)
    return _made_fast(found, network.model)


def _classes(config: PredictConfig) -> tuple[list[str], str]:
    """The names in config.class_indices_path, equal ones numbered, and a note for the description that says so.

    Raises ConfigError if config.num_classes is another number.
    """
    try:
        classes = read_class_names(Path(config.class_indices_path))
    except (WeightsError, ValueError) as error:
        raise ConfigError("predict_config.py", [f"class_indices_path: {error}"]) from None
    if config.num_classes not in ("auto", len(classes)):
        message = f"num_classes: {config.num_classes}, but {config.class_indices_path} names {len(classes)} classes"
        raise ConfigError("predict_config.py", [message])
    return numbered(classes), note_of_equal(classes)
