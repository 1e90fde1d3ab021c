"""`load_weights` by its public name; all of it is in utils/weights/load.py."""

from .weights.load import LoadReport, load_weights

__all__ = ["LoadReport", "load_weights"]
