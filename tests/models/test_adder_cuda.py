"""The CUDA kernels of adder layers, compiled as C++; tests/gpu runs them where they belong."""

import ctypes
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from models import adder_cuda
from models.adder_ops import clipped_gradient, distances

SIZES = [(1, 1, 1), (50, 40, 36), (129, 147, 65), (260, 33, 130)]  # windows, length, filters


@pytest.fixture(scope="module")
def kernels(tmp_path_factory):
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++ here")
    library = tmp_path_factory.mktemp("kernels") / "kernels.so"
    source = Path(__file__).with_name("adder_kernels_on_cpu.cpp")
    include = f"-I{adder_cuda.SOURCE.parent}"
    words = [compiler, "-std=c++20", "-O1", "-w", "-shared", "-fPIC", "-pthread", include, source, "-o", library]
    subprocess.run(words, check=True)
    return ctypes.CDLL(str(library))


def call(function, *tensors, sizes):
    function(*(ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors), *map(ctypes.c_int, sizes))
    return tensors[-1]


@pytest.mark.parametrize(("windows", "length", "filters"), SIZES)
def test_the_kernels_are_the_formulas(kernels, windows, length, filters):
    source = torch.Generator().manual_seed(0)
    shapes = (windows, length), (filters, length), (windows, filters)
    x, w, g = (torch.randn(*shape, generator=source) for shape in shapes)
    sizes = windows, filters, length
    sums = call(kernels.distances, x, w, torch.full((windows, filters), torch.nan), sizes=sizes)
    doubles = (w.double()[None] - x.double()[:, None]).float()
    torch.testing.assert_close(sums, -doubles.abs().sum(2), rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(sums, distances(x, w), rtol=1e-5, atol=1e-4)
    gradient = call(kernels.gradient, x, w, g, g.sum(1), torch.full((windows, length), torch.nan), sizes=sizes)
    torch.testing.assert_close(gradient, (g[:, :, None] * doubles.clamp(-1, 1)).sum(1), rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(gradient, clipped_gradient(x, w, g), rtol=1e-5, atol=1e-4)


def test_the_tiles_are_those_of_the_source():
    text = adder_cuda.SOURCE.read_text(encoding="utf-8")
    for name in ("ROWS", "COLUMNS", "THREADS"):
        assert re.search(rf"\b{name} = (\d+)", text)[1] == str(getattr(adder_cuda, name))


def test_without_a_gpu_or_in_float64_the_formulas_remain():
    assert not adder_cuda.usable(torch.zeros(1))
    assert not adder_cuda.usable(torch.zeros(1, dtype=torch.float64))


def test_a_torch_that_cannot_compile_them_leaves_the_formulas(monkeypatch):
    adder_cuda.kernels.cache_clear()
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "device", lambda index: pytest.MonkeyPatch.context())
    for make in (None, failing):
        monkeypatch.setattr(torch.cuda, "_compile_kernel", make, raising=False)
        assert adder_cuda.kernels(0) is None
        adder_cuda.kernels.cache_clear()


def failing(source, name):
    assert f"{name}(" in source
    raise RuntimeError("no NVRTC here")
