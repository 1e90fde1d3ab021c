"""Randomness as a function: every draw depends on a seed made of names and numbers, never on what was drawn before.

The parts of a seed (what it is for, the run's seed, an epoch, an index ...) are hashed together, so that neighbouring
numbers give unrelated streams.
"""

import hashlib

import torch


def derive_seed(purpose: str, *parts: int) -> int:
    """A seed in 0 .. 2**63 - 1 for `purpose` ("order", "augment", ...) and integers such as (seed, epoch, index)."""
    text = ":".join([purpose, *(str(int(part)) for part in parts)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def generator(purpose: str, *parts: int) -> torch.Generator:
    """A CPU generator of its own for draws that take one."""
    return torch.Generator().manual_seed(derive_seed(purpose, *parts))


def seed_cpu(purpose: str, *parts: int) -> None:
    """Seed the default CPU generator, for code that draws from it (torchvision's transforms).

    The generator object is seeded directly: torch.manual_seed would also queue a call for CUDA each time.
    """
    torch.default_generator.manual_seed(derive_seed(purpose, *parts))


def seed_network(device: torch.device, purpose: str, *parts: int) -> None:
    """Seed the generators that a network on `device` draws from (dropout, drop-path, initial weights)."""
    seed = derive_seed(purpose, *parts)
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)
