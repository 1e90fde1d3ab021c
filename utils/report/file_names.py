"""What the files of a run and of a cross-validation are called."""

from pathlib import Path

CONFIG, ENVIRONMENT, RECIPE = "train_config.py", "environment.json", "recipe.csv"
CLASS_INDICES = "class_indices.json"
FOLDS, FOLDS_TEXT = "cross_validation.json", "cross_validation.txt"
DIVISION = "division.csv"  # which image is in which fold, where they were divided for it
OUT_OF_FOLD = "out_of_fold"  # the name of the split of all images, each judged by networks that never saw it
FIGURES = ("accuracy", "precision", "recall", "f1", "log_loss")


def is_of_folds(folder: Path) -> bool:
    """Whether it is the folder of a cross-validation."""
    return (folder / FOLDS).is_file()
