"""Prediction for programs of your own."""

from collections.abc import Sequence
from pathlib import Path

from .. import distributed
from ..config.keys import PredictConfig
from ..data.images import MAX_PIXELS
from .classifier import load_classifier
from .predictions import Prediction


class Classifier:
    """Files of pictures to classes, by the preprocessing that the weights were trained with.

    weights: a run's folder or its best.pth, or an .onnx file that tools/export.py has written.
    device, max_image_pixels: as in predict_config.py.
    Raises WeightsError or ConfigError.
    """

    def __init__(self, weights: str | Path, *, device: str = "auto", max_image_pixels: int = MAX_PIXELS) -> None:
        config = PredictConfig(load_from=str(weights), device=device, max_image_pixels=max_image_pixels)
        self._loaded = load_classifier(config, distributed.pick_device(config.device))

    @property
    def classes(self) -> list[str]:
        return list(self._loaded.classes)

    def predict(self, path: str | Path, topk: int = 5) -> list[tuple[str, float]]:
        """(class, probability in 0..1) of one file, the likeliest first.

        Raises ImageError where it cannot be read, or the network's answer is no number.
        """
        [prediction] = self.predict_all([path], topk)
        prediction.check()
        return prediction.ranked

    def predict_all(self, paths: Sequence[str | Path], topk: int = 5) -> list[Prediction]:
        """In the order of `paths`; what is wrong with a file is the `error` of its prediction."""
        return self._loaded.predict([str(path) for path in paths], topk)
