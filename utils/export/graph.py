"""What an .onnx file computes last, read without the package onnx, which a prediction does not need."""

import mmap
from collections.abc import Iterator
from pathlib import Path

Bytes = memoryview  # a part of the file, not copied: weights are passed over unread

GRAPH, NODES, OUTPUTS, NAME = 7, 1, 12, 1  # numbers of fields, by onnx.proto: of a model, a graph, an output
INPUT_OF_NODE, OUTPUT_OF_NODE, OPERATOR = 1, 2, 4
FIXED = {1: 8, 5: 4}  # kinds of fields with a number in so many bytes
FORM_ALONE = (  # operators that change how numbers are stored or arranged
    "Cast", "DequantizeLinear", "Dropout", "Flatten", "Identity", "QuantizeLinear", "Reshape", "Squeeze", "Unsqueeze",
)  # fmt: skip


def last_operator(path: str | Path) -> str:
    """The operator that computes the first output, such as 'Gemm', whatever its form; '' if the file does not say."""
    with open(path, "rb") as file:
        model = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    try:
        [graph] = _contents(model, GRAPH)
        producers = {
            str(name, "utf-8"): node for node in _contents(graph, NODES) for name in _contents(node, OUTPUT_OF_NODE)
        }
        [value, *_] = _contents(_contents(graph, OUTPUTS)[0], NAME)
        while node := producers.pop(str(value, "utf-8"), None):
            operator = str(_contents(node, OPERATOR)[0], "utf-8")
            if operator not in FORM_ALONE:
                return operator
            value = _contents(node, INPUT_OF_NODE)[0]
    except (ValueError, IndexError, KeyError):  # no protocol buffer of this kind, though onnxruntime reads it
        pass
    return ""


def _contents(message: Bytes, wanted: int) -> list[Bytes]:
    """What the fields with the number `wanted` hold."""
    return [content for number, content in _fields(message) if number == wanted]


def _fields(message: Bytes) -> Iterator[tuple[int, Bytes]]:
    """(number, content) of the fields that hold bytes; those that hold a number are passed over."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        number, kind = tag >> 3, tag & 7
        if kind == 2:
            size, place = _varint(message, place)
            yield number, message[place : place + size]
            place += size
        elif kind == 0:
            _, place = _varint(message, place)
        else:
            place += FIXED[kind]


def _varint(message: Bytes, place: int) -> tuple[int, int]:
    """(the number that begins at `place`, seven bits a byte, the least first; where it ends)."""
    value, shift = 0, 0
    while True:
        byte = message[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
