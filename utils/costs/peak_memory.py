"""How much memory a call needs on top of what the process holds already, by the count of the operating system."""

import ctypes
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")


def peak_growth(function: Callable[[], Any]) -> int | None:
    """Bytes that the process's resident memory grows by at most while `function` runs; None where that is not counted.

    The memory that earlier calls left in the allocator is given back first. Libraries' own buffers count too, and so
    does what other threads of the process allocate meanwhile.
    """
    gc.collect()
    if not start_peak_again():
        return None
    before = resident("VmRSS")
    function()
    return max(0, resident("VmHWM") - before)


def start_peak_again() -> bool:
    """Return free memory to the system and reset its peak, VmHWM; False where the system has no such switch."""
    if not CLEAR.exists():
        return False
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):  # a C library without it keeps what it has
        trim(0)
    try:
        CLEAR.write_text("5", encoding="ascii")
    except OSError:  # some containers forbid it
        return False
    return True


def resident(field: str) -> int:
    """Bytes of a line of /proc/self/status: VmRSS, what is resident now, or VmHWM, the most there was."""
    line = next(line for line in STATUS.read_text(encoding="ascii").splitlines() if line.startswith(f"{field}:"))
    return 1024 * int(line.split()[1])
