"""Whether a trained network judges JPEGs decoded at a smaller scale as it does whole ones.

The digits are enlarged to JPEGs of 768x768, quality 92, in noise. A ResNet-18 trains on them at 64x64, as train.py
reads them; then val is classified twice: as validation and prediction read it, and from whole decoded pictures.

python benchmarks/scaled_decoding.py --epochs 3
"""

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.config import PredictConfig, train_config_from
from utils.prediction.classifier import Classifier, load_classifier
from utils.training.metrics import add_counts, metrics_from, no_counts

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits

import train
from benchmarks.common import print_row

SIDE, SEEN = 768, 64


def write_digits(root: Path) -> None:
    data = load_digits()
    random = np.random.default_rng(0)
    for index, (image, label) in enumerate(zip(data.images, data.target)):
        path = root / ("val" if index % 5 == 0 else "train") / str(label) / f"{index:04d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        large = Image.fromarray(np.uint8(image * (255 / 16))).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        noisy = np.asarray(large, dtype=np.float32)[..., None] + random.normal(0, 24, (SIDE, SIDE, 3))
        Image.fromarray(np.uint8(noisy.clip(0, 255))).save(path, quality=92)


def judged(classifier: Classifier, paths: list[str], dct_scaling: bool) -> torch.Tensor:
    """(images,) indices of the predicted classes."""
    classifier.preprocess = replace(classifier.preprocess, dct_scaling=dct_scaling)
    found = []
    for start in range(0, len(paths), 64):
        found += classifier.predict(paths[start : start + 64], topk=1)
    return torch.tensor([classifier.classes.index(one.ranked[0][0]) for one in found])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        write_digits(root / "digits")
        sizes = {"img_size": [SEEN, SEEN], "val_resize": [SEEN, SEEN], "augment": "simple", "horizontal_flip": 0.0}
        changes = {"img_path": str(root / "digits"), "log_root": str(root / "logs"), "model_prefix": "resnet"}
        changes |= {"model_suffix": "18", "epochs": given.epochs, "optimizer_type": "adamw", "init_lr": 0.001}
        folder = train.run(train_config_from({**sizes, **changes, "warmup_epochs": 0, "device": "cpu"}, "benchmark"))
        config = PredictConfig(load_from=str(folder / "best.pth"))
        classifier = load_classifier(config, torch.device("cpu"))
        paths = sorted(map(str, root.glob("digits/val/*/*.jpg")))
        targets = torch.tensor([classifier.classes.index(Path(path).parent.name) for path in paths])
        scaled, whole = (judged(classifier, paths, scaling) for scaling in (True, False))
    print_row(["val is decoded", "accuracy", "F1"])
    print_row(["---"] * 3)
    for name, predictions in (("at the smallest scale that covers val_resize", scaled), ("whole", whole)):
        metrics = metrics_from(add_counts(no_counts(len(classifier.classes)), predictions, targets).numpy())
        print_row([name, f"{metrics.accuracy:.4f}", f"{metrics.f1:.4f}"])
    print(f"\n{(scaled == whole).sum()} of {len(paths)} images get the same class both ways")


if __name__ == "__main__":
    main()
