"""How much memory a call needs on top of what the process holds already, by the count of the operating system."""

import ctypes
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak_growth(function: Callable[[], Any]) -> int | None:
    """Bytes that the process's resident memory grows by at most while `function` runs; None but on Linux.

    The memory that earlier calls left in the allocator is given back first. Libraries' own buffers count too. One
    thing at a time: what other threads of the process allocate meanwhile counts as well.
    """
    if not CLEAR.exists():
        return None
    gc.collect()
    give_back()
    CLEAR.write_text("5", encoding="ascii")  # the peak starts again from here
    before = resident("VmRSS")
    function()
    return max(0, resident("VmHWM") - before)


def resident(field: str) -> int:
    """Bytes of a line of /proc/self/status: VmRSS, what is resident now, or VmHWM, the most there was."""
    line = next(line for line in STATUS.read_text(encoding="ascii").splitlines() if line.startswith(f"{field}:"))
    return 1024 * int(line.split()[1])


def give_back() -> None:
    """Have the C library return free memory to the system; one without malloc_trim keeps it."""
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
