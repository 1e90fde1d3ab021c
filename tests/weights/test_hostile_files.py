"""Files of weights and checkpoints made to run code, hang, fill the memory or crash: one error each, nothing else."""

import argparse
import io
import os
import pickle
import struct
import tarfile
import time
import zipfile

from utils.config import PredictConfig, TrainConfig
from utils.errors import UserError, WeightsError
from utils.prediction.classifier import load_classifier
from utils.run.evaluate_only import check_network, load_models
from utils.weights.checkpoint import FORMAT, read_pickle
from utils.weights.weights_file import WeightsFile

import pytest
import torch
from torch import nn

import train
from tests.helpers.checkpoints import CPU
from tools import convert_weights

VICTIM = "hostile-code-ran-here"


class Hostile:
    def __reduce__(self):
        return os.mkdir, (VICTIM,)


def saved(payload, **options):
    file = io.BytesIO()
    torch.save(payload, file, **options)
    return file.getvalue()


def repacked(change, compression=zipfile.ZIP_DEFLATED, extra=()):
    """A file of torch.save with other records. change: (name, content) -> content."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(GOOD)) as old, zipfile.ZipFile(file, "w", compression) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
        for name in extra:
            new.writestr(name, bytes(2**26))
    return file.getvalue()


def claiming(size):
    """The good archive, whose directory claims `size` bytes for its largest record."""
    data = bytearray(GOOD)
    place = max((i for i in range(len(data) - 4) if data[i : i + 4] == b"PK\1\2"),
                key=lambda i: struct.unpack_from("<I", data, i + 24)[0])  # fmt: skip
    struct.pack_into("<II", data, place + 20, size, size)
    return bytes(data)


def tar():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        link = tarfile.TarInfo("storages")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return file.getvalue()


def cyclic():
    items = [torch.zeros(1)]
    items.append(items)
    return {"net": items, "format": FORMAT}


def nested(depth=10_000):
    """The bytes of a pickle of lists in lists, for which Python's own pickle is not up."""
    return b"\x80\x02" + b"]" * depth + b"a" * (depth - 1) + b"."


def safetensors(header, length=None):
    return struct.pack("<Q", len(header) if length is None else length) + header


def lying(offsets, shape="[1]"):
    return safetensors(f'{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":{offsets}}}}}'.encode()) + bytes(4)


GOOD = saved({"net": {"weight": torch.zeros(1000)}})
FILES = {
    "code.pth": saved({"net": Hostile()}),
    "code of old.pth": saved({"net": Hostile()}, _use_new_zipfile_serialization=False),
    "bare code.pth": pickle.dumps(Hostile(), protocol=2),
    "code of protocol 0.pth": pickle.dumps(Hostile(), protocol=0),
    "eval.pth": b"\x80\x02c__builtin__\neval\nX\x13\0\0\0__import__('os').a()\x85R.",
    "whole module.pth": saved(nn.Linear(2, 2)),
    "script.pth": (lambda f: (torch.jit.save(torch.jit.script(nn.ReLU()), f), f.getvalue())[1])(io.BytesIO()),
    "tar.pth": tar(),
    "bomb.pth": repacked(lambda name, content: content, extra=["archive/data/99"]),
    "pickle bomb.pth": repacked(lambda name, content: bytes(2**26) if name.endswith("pkl") else content),
    "terabytes.pth": claiming(0xFFFFFFF0),
    "gigabyte.pth": claiming(2**30),
    "repeating.pth": saved({"net": {"weight": torch.zeros(1).expand(10**6, 10**6)}}),
    "sparse.pth": saved({"net": {"weight": torch.sparse_coo_tensor([[0]], [1.0], (10**9,))}}),
    "no values.pth": saved({"net": {"weight": torch.zeros(10**9, device="meta")}}),
    "complex.pth": saved({"net": {"weight": torch.zeros(2, dtype=torch.complex64)}}),
    "quantized.pth": saved({"net": {"weight": torch.quantize_per_tensor(torch.zeros(2), 1.0, 0, torch.qint8)}}),
    "half.pth": GOOD[: len(GOOD) // 2],
    "end.pth": GOOD[:-30],
    "beginning.pth": GOOD[:4],
    "damaged.pth": GOOD[:64] + b"\xff" * 64 + GOOD[128:],
    "empty.pth": b"",
    "text.pth": b"these are no weights\n",
    "page.pth": b"<!doctype html><title>Sign in</title>",
    "zeros.pth": bytes(4096),
    "pointer.pth": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
    "another zip.pth": repacked(lambda name, content: b"", zipfile.ZIP_STORED),
    "cycle.pth": saved(cyclic()),
    "nested.pth": nested(),
    "list.pth": saved([1, 2]),
    "number.pth": saved(7),
    "no tensors.pth": saved({"net": {}, "epoch": 3}),
    "odd keys.pth": saved({1: torch.zeros(1), None: 2, (1, 2): 3}),
    "another format.pth": saved({"format": "another/1", "net": {"weight": torch.zeros(1)}}),
    "format alone.pth": saved({"format": FORMAT}),
    "scalars.pth": saved({name: torch.tensor(0.0) for name in ("conv1.0.weight", "fc.weight", "fc.bias", "pos_embed")}),
    "names.pth": saved({f"layers.{'9' * 5000}.weight": torch.zeros(1), "\x1b[2J\n": torch.zeros(1)}),
    "long header.safetensors": safetensors(b"{}", 2**63),
    "header beyond.safetensors": safetensors(b"{}", 2**20),
    "short.safetensors": b"\x08",
    "no json.safetensors": safetensors(b"not json"),
    "deep json.safetensors": safetensors(b"[" * 100_000),
    "list.safetensors": safetensors(b"[]"),
    "offsets beyond.safetensors": lying("[0,4000000000]", "[1000000000]"),
    "negative.safetensors": lying("[-4,0]"),
    "backwards.safetensors": lying("[4,0]"),
    "other shape.safetensors": lying("[0,4]", "[1000000]"),
    "overflow.safetensors": lying("[0,4]", "[4611686018427387904,4]"),
    "empty.safetensors": b"",
    "text.safetensors": b"these are no weights\n",
}
SPECIAL = {"folder.pth": os.mkdir, "folder.safetensors": os.mkdir}
if hasattr(os, "mkfifo"):
    SPECIAL |= {"pipe.pth": os.mkfifo, "pipe.safetensors": os.mkfifo}
    SPECIAL |= {f"{n}.pth": lambda p, n=n: os.symlink(f"/dev/{n}", p) for n in ("zero", "tty")}
    SPECIAL |= {"loop.pth": lambda path: os.symlink(path, path)}


@pytest.fixture(params=[*FILES, *SPECIAL])
def hostile(request, tmp_path, monkeypatch):
    """The path of a hostile file, in the folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / request.param
    if request.param in FILES:
        path.write_bytes(FILES[request.param])
    else:
        SPECIAL[request.param](path)
    yield path
    assert not (tmp_path / VICTIM).exists()


def predicting(path):
    (path.parent / "classes.json").write_text('{"0": "a", "1": "b"}')
    names = dict(model_prefix="shufflenetv2", model_suffix="0.5", class_indices_path=str(path.parent / "classes.json"))
    load_classifier(PredictConfig(load_from=str(path), img_size=(32, 32), **names), CPU)


def validating(path):
    names = {"model_prefix": "shufflenetv2", "model_suffix": "0.5", "img_size": (32, 32)}
    config = TrainConfig.plain(load_from=str(path), only_val=True, **names)
    file = WeightsFile(config.load_from)
    check_network(config, file.checkpoint)
    load_models(config, file, CPU, 2)


def resuming(path):
    path.rename(path.with_name("last.pth"))
    train.read_arguments(argparse.Namespace(weights=None, resume=str(path.parent), config=""), {})


def converting(path):
    arguments = convert_weights.parse_arguments([str(path), str(path.with_name("out.pth")), "--to", "ours"])
    convert_weights.convert(arguments)


@pytest.mark.parametrize("command", [predicting, validating, resuming, converting])
@pytest.mark.filterwarnings("ignore")
def test_a_hostile_file_is_one_error(hostile, command):
    start = time.monotonic()
    with pytest.raises(UserError) as caught:
        command(hostile)
    message = str(caught.value)
    assert hostile.name in message or "last.pth" in message
    assert message.isprintable()
    assert len(message) < 3000
    assert time.monotonic() - start < 20


SIZES = dict.fromkeys(("bomb", "pickle bomb", "terabytes", "gigabyte"), "claim to hold")
SIZES |= dict.fromkeys(("sparse", "no values", "complex"), "of a kind") | {"repeating": "repeating a few"}


@pytest.mark.parametrize("name", SIZES)
def test_a_file_that_lies_about_sizes_is_reported_for_that(tmp_path, name):
    path = tmp_path / f"{name}.pth"
    path.write_bytes(FILES[path.name])
    with pytest.raises(WeightsError, match=SIZES[name]):
        read_pickle(path)
