"""How the C library gets memory from the system, which decides how long large tensors on a CPU take to come about."""

import ctypes
import sys

TRIM_THRESHOLD, MMAP_MAX = -1, -4  # of malloc.h
NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let the memory of freed tensors serve the next ones for the rest of the process; returns whether that works here.

    By default glibc takes every large block from the system and returns it at once, so that each layer of each step
    waits for its pages to be cleared and mapped anew: up to a third of a training step on a CPU. What is given up: the
    process stays as large as it once was. Other C libraries and Windows are left alone.
    Reference: https://man7.org/linux/man-pages/man3/mallopt.3.html
    """
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "gnu_get_libc_version"):
        return False
    return all(libc.mallopt(option, value) == 1 for option, value in ((TRIM_THRESHOLD, NEVER), (MMAP_MAX, 0)))
