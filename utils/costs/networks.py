"""Tables of parameters, arithmetic and activations: a row a network, or a row a layer."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial

import torch

from models.arithmetic import Layer
from models.text_table import aligned

from ..weights.networks import find_network, load_network
from ..weights.spec import NetworkOptions, NetworkSpec
from .table import COUNTS, MEGABYTE, Row, as_text, attempt, counts_of, described, name_of, size_of

COLUMNS = {  # of the text: header -> column, unit, format
    "parameters": ("parameters", 1, ",.0f"),
    "trainable": ("trainable", 1, ",.0f"),
    "multiply-adds G": ("multiply_adds", 1e9, ",.3f"),
    "additions G": ("additions", 1e9, ",.3f"),
    "activations M": ("activations", 1e6, ",.2f"),
    "weights MB": ("weights_mb", 1, ",.1f"),
}


def spec_of(options: NetworkOptions) -> NetworkSpec:
    """The network of the options. Weights are loaded too, so that those of another network raise WeightsError."""
    return find_network(options) if options.weights is None else load_network(options, torch.device("cpu")).spec


def network_row(spec: NetworkSpec) -> Row:
    """The counts of one network, or why there are none."""
    blank = {**described(spec), **dict.fromkeys((*COUNTS, "trainable", "weights_mb", "error"))}
    return blank | attempt(partial(_figures, spec))


def _figures(spec: NetworkSpec) -> Row:
    cost = spec.cost()
    return {**counts_of(cost), "trainable": cost.trainable, "weights_mb": cost.weight_bytes / MEGABYTE}


def layer_rows(spec: NetworkSpec) -> list[Row]:
    """A row a layer, which add up to the network. Raises WeightsError."""
    return [{**described(spec), **_layer_row(layer)} for layer in spec.cost().layers]


def _layer_row(layer: Layer) -> Row:
    shape = None if layer.output_shape is None else "x".join(map(str, layer.output_shape))
    counts = {"parameters": layer.parameters, "trainable": layer.trainable, **asdict(layer.arithmetic)}
    return {"layer": layer.name or "(network)", "type": layer.kind, "output_shape": shape, **counts}


def networks_as_text(rows: Sequence[Row]) -> str:
    """Aligned columns; additions where there are any."""
    return as_text([{**row, "additions": row["additions"] or None} for row in rows], COLUMNS)


def layers_as_text(rows: Sequence[Row]) -> str:
    """Aligned columns of the layers of one network, with their sums; exact numbers, for one image."""
    numbers = [name for name in ("parameters", *COUNTS[1:]) if any(row[name] for row in rows)]
    headers = [name.replace("_", "-") for name in numbers]
    table = [["layer", "type", "output", *headers]]
    for row in rows:
        words = row["layer"], row["type"], row["output_shape"] or "-"
        table.append([*words, *(f"{row[name]:,}" for name in numbers)])
    table.append(["sum", "", "", *(f"{sum(row[name] for row in rows):,}" for name in numbers)])
    return f"{name_of(rows[0])}, images of {size_of(rows[0])}\n{aligned(table, headers)}"
