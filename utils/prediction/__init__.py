"""Images to ranked classes, in files and pictures. Imports nothing that trains."""

from .in_python import Classifier

__all__ = ["Classifier"]
