"""Freed memory serves the next tensors, in a process of its own, as it stays so."""

import subprocess
import sys

import pytest

from tests.helpers import ROOT

SCRIPT = """
import resource, torch
from utils.cpu.allocator import keep_freed_memory
assert keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(8):
    torch.ones(2**24).add_(1)
before = faults()
for _ in range(16):
    torch.ones(2**24).add_(1)
print(faults() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc")
def test_memory_is_not_mapped_anew():
    root = ROOT
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=root, capture_output=True, text=True, check=True)
    # 64 MB sixteen times: 262,144 pages of 4 kB if each were mapped anew. A small block that comes to lie behind the
    # freed one may make the heap grow again, now and then.
    assert int(done.stdout) < 4 * 16384
