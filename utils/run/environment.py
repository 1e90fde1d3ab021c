"""What a run ran on, for environment.json."""

import os
import platform
import sys
from typing import Any, Literal

import numpy as np
import PIL
import torch

from .. import distributed
from ..threads import threads_in_use


def environment(device: torch.device, num_threads: int | Literal["auto"]) -> dict[str, Any]:
    """What the run ran on, for environment.json."""
    import torchvision  # see utils/imports.py

    return {
        "command": sys.argv,
        "working_directory": os.getcwd(),  # that relative paths of the run start at
        "python": platform.python_version(),
        "platform": platform.platform(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "numpy": np.__version__,
        "pillow": PIL.__version__,
        "device": str(device),
        "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor(),
        "cuda": torch.version.cuda if device.type == "cuda" else None,
        **threads_in_use(num_threads),
        "processes": distributed.world_size(),
    }
