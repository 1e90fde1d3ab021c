"""How fast a network is: the time of forward passes, after a warm-up and with the device waited for."""

import platform
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from ..timing import interleaved, percentile, threads
from .peak_memory import peak_growth

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Setting:
    """How networks are run: weights and images are both of `dtype`, no autocast."""

    device: torch.device
    dtype: str  # of DTYPES
    channels_last: bool
    compile: bool
    threads: int  # of torch on the CPU
    warmup: int  # calls that do not count
    rounds: int  # calls that do

    def to_plain(self) -> dict[str, str]:
        """Columns of the tables: how the figures were measured."""
        return {
            "device": device_name(self.device),
            "dtype": self.dtype,
            "memory_format": "channels_last" if self.channels_last else "contiguous",
            "compile": "yes" if self.compile else "no",
            "threads": str(self.threads),
            "torch": torch.__version__,
        }


@dataclass(frozen=True)
class Speed:
    """Of one call with `batch_size` images."""

    batch_size: int
    median: float  # seconds
    p95: float  # seconds
    peak_memory: int | None  # bytes: weights, images and what computing needs; None: not measured

    @property
    def images_per_second(self) -> float:
        return self.batch_size / self.median


def device_name(device: torch.device) -> str:
    """With the model of a GPU, or the instructions that torch makes use of on a CPU."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    if device.type == "cpu":
        return f"cpu ({platform.machine()}, {torch.backends.cpu.get_cpu_capability()})"
    return str(device)


@torch.inference_mode()
def measure(model: nn.Module, img_size: tuple[int, int], batch_size: int, setting: Setting) -> Speed:
    """Time `model`, which is in eval mode and is changed to the setting's device, dtype and memory format.

    img_size: (height, width) of the images, which are random numbers and are on the device already.
    Raises RuntimeError if the memory does not suffice or the device lacks an operation of this dtype.
    """
    model = prepared(model, setting)
    images = random_images(batch_size, img_size, setting)
    if setting.compile:
        torch.compiler.reset()  # else the ninth network that shares a forward would silently run uncompiled
    call = partial(torch.compile(model, dynamic=False) if setting.compile else model, images)
    with threads(setting.threads):
        calls = {"": call}
        seconds = interleaved(calls, rounds=setting.rounds, warmup=setting.warmup, device=setting.device)[""]
        held = sum(tensor.nbytes for tensor in (images, *model.parameters(), *model.buffers()))
        peak = peak_memory(call, setting.device, held)
    return Speed(batch_size, percentile(seconds, 50), percentile(seconds, 95), peak)


def prepared(model: nn.Module, setting: Setting) -> nn.Module:
    return model.to(setting.device, DTYPES[setting.dtype]).to(memory_format=memory_format(setting))


def memory_format(setting: Setting) -> torch.memory_format:
    return torch.channels_last if setting.channels_last else torch.contiguous_format


def random_images(batch_size: int, img_size: tuple[int, int], setting: Setting) -> Tensor:
    """(N, 3, H, W) standard normal numbers."""
    images = torch.randn(batch_size, 3, *img_size, device=setting.device, dtype=DTYPES[setting.dtype])
    return images.contiguous(memory_format=memory_format(setting))


def peak_memory(call: partial, device: torch.device, held: int) -> int | None:
    """Bytes in use at most during one call. held: of weights and images, which are there already.

    On CUDA, all that torch has allocated; on a CPU, `held` and what the process grows by, or None if not counted.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        call()
        return torch.cuda.max_memory_allocated(device)
    growth = peak_growth(call) if device.type == "cpu" else None
    return None if growth is None else held + growth
