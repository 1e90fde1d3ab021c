"""The embedded data set: scikit-learn's handwritten digits as PNG files, so that a fresh clone can train."""

from pathlib import Path

from PIL import Image

from ..files import DraftFolder


def make_digits(root: str | Path) -> None:
    """Write 1,797 grey 8x8 images to root/{train,val}/<digit>/NNNN.png, 80/20, stratified, the same every time.

    Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI, as bundled with scikit-learn.
    The folder appears whole or not at all.
    """
    import numpy as np
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)  # 0..16 -> 0..255
    train, val = train_test_split(np.arange(len(images)), test_size=0.2, random_state=0, stratify=digits.target)
    with DraftFolder(root) as draft:
        for split, indices in (("train", train), ("val", val)):
            for digit in range(10):
                (draft / split / str(digit)).mkdir(parents=True)
            for index in indices:
                Image.fromarray(images[index]).save(draft / split / str(digits.target[index]) / f"{index:04d}.png")
