"""Ranks and collectives. In a single process the collectives are the identity, so callers need no cases."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

T = TypeVar("T")


def number_of(variable: str, otherwise: int) -> int:
    """What a launcher has set in the environment; `otherwise` where it is unset, or empty, as scripts of clusters leave
    it. Raises ConfigError for no integer."""
    text = os.environ.get(variable, "").strip()
    try:
        return int(text) if text else otherwise
    except ValueError:
        from .errors import ConfigError  # here, as all import this module and chains of imports are to be short

        problem = f"{variable}: expected an integer, as launchers set it, got {text!r}"
        raise ConfigError("environment", [problem]) from None


def launched() -> bool:
    """Whether a launcher (torchrun, torch.distributed.launch --use_env) started this process."""
    return os.environ.get("RANK", "").strip().isdecimal() and bool(os.environ.get("WORLD_SIZE"))


def rank() -> int:
    return int(os.environ["RANK"]) if launched() else 0


def world_size() -> int:
    return dist.get_world_size() if _active() else 1


def local_rank() -> int:
    return number_of("LOCAL_RANK", 0)


def local_world_size() -> int:
    """Processes on this machine."""
    return number_of("LOCAL_WORLD_SIZE", world_size()) if _active() else 1


def is_main() -> bool:
    """Whether this is rank 0, which alone writes and prints."""
    return rank() == 0


def pick_device(name: str, gpu_ids: tuple[int, ...] | Literal["auto"] = "auto") -> torch.device:
    """The device of this process for the config's `device` and `gpu_ids`; 'auto' prefers cuda, then mps, then cpu."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if name != "cuda":
        return torch.device(name)
    return torch.device("cuda", local_rank() if gpu_ids == "auto" else gpu_ids[local_rank() % len(gpu_ids)])


def use(device: torch.device) -> None:
    """Make a GPU the one that torch takes where none is named: for events, page-locked memory and contexts."""
    if device.type == "cuda":
        torch.cuda.set_device(device)


@contextmanager
def process_group(device: torch.device, *, backend: str = "auto", url: str = "env://") -> Iterator[None]:
    """Join the other processes for the duration; auto: nccl on CUDA, gloo elsewhere."""
    use(device)
    backend = ("nccl" if device.type == "cuda" else "gloo") if backend == "auto" else backend
    env = os.environ
    dist.init_process_group(backend, init_method=url, rank=int(env["RANK"]), world_size=int(env["WORLD_SIZE"]))
    try:
        yield
    finally:
        dist.destroy_process_group()


def all_reduce_sum(tensor: Tensor) -> Tensor:
    """The sum over all ranks, in place."""
    if _active():
        dist.all_reduce(tensor)
    return tensor


def any_rank(flag: bool, device: torch.device) -> bool:
    """Whether `flag` holds on some rank; every rank must call it."""
    return bool(all_reduce_sum(torch.tensor(int(flag), device=device)).item()) if _active() else flag


def gather(value: T) -> list[T]:
    """The values of all ranks, in their order; any picklable value."""
    if not _active():
        return [value]
    values: list[Any] = [None] * world_size()
    dist.all_gather_object(values, value)
    return values


def rows_to_main(rows: Tensor) -> list[Tensor]:
    """The tensors of all ranks, which may differ in their number of rows, in order; none on ranks other than 0."""
    if not _active():
        return [rows]
    counts = gather(len(rows))
    padded = rows.new_zeros(max(counts), *rows.shape[1:])
    padded[: len(rows)] = rows
    found = [torch.empty_like(padded) for _ in counts] if rank() == 0 else None
    dist.gather(padded, found, dst=0)
    return [part[:count] for part, count in zip(found or (), counts)]


def from_main(value: T) -> T:
    """Rank 0's value, on every rank."""
    if not _active():
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def barrier() -> None:
    if _active():
        dist.barrier()


def parallel(model: nn.Module, device: torch.device) -> nn.Module:
    """The model itself, or its DDP wrapper among several processes."""
    if world_size() == 1:
        return model
    return DistributedDataParallel(model, device_ids=[device.index] if device.type == "cuda" else None)


def share_buffers(model: nn.Module) -> None:
    """Give every rank the buffers of rank 0 (BatchNorm statistics), which are the ones that a checkpoint keeps."""
    if _active():
        for buffer in model.buffers():
            dist.broadcast(buffer, src=0)


def share_state(model: nn.Module) -> None:
    """Give every rank the parameters and buffers of rank 0."""
    if _active():
        for tensor in (*model.parameters(), *model.buffers()):
            dist.broadcast(tensor.detach(), src=0)


def _active() -> bool:
    return dist.is_available() and dist.is_initialized()
