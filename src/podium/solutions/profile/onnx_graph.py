"""Multiply-adds of an ONNX model from the shapes in its graph; nothing is run.

Counted are convolutions, transposed ones and matrix products of the main graph, each from the shapes that the `onnx`
package infers. Graphs inside `If` and `Loop` nodes are left out, and said so.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from podium.errors import MachineError, UsageError
from podium.formats.faults import shown

_COUNTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_MOST_NUMBERS = 1 << 30


@dataclass(frozen=True, kw_only=True)
class Counted:
    """What was counted.

    Attributes:
        multiply_adds: Of the whole batch; None where a shape could not be told.
        inputs: The shape of each input.
        notes: What was left out.
    """

    multiply_adds: int | None
    inputs: tuple[tuple[int, ...], ...]
    notes: tuple[str, ...] = ()


def multiply_adds(path: Path, shapes: Sequence[tuple[int, ...]]) -> Counted:
    """The multiply-adds of a model file.

    Args:
        path: An ONNX file; data in other files is not read.
        shapes: Of each input, batch included; none takes the model's own.

    Raises:
        UsageError: The file is no model, or it needs other inputs than those.
        MachineError: The `onnx` package is not installed.
    """
    try:
        onnx: Any = importlib.import_module("onnx")
    except ImportError as error:
        raise MachineError("multiply-adds of an ONNX model need `onnx`: `pip install 'podium[onnx]'`") from error
    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # protobuf raises classes of its own
        raise UsageError(f"`{path.name}` is no ONNX model: {shown(error, characters=200)}") from error
    sizes = _set_inputs(model.graph, shapes, path.name)
    if sizes is None:
        note = "multiply-adds and time need the size of the inputs: add `--input 3,480,854`"
        return Counted(multiply_adds=None, inputs=(), notes=(note,))
    try:
        graph = onnx.shape_inference.infer_shapes(model, strict_mode=False, data_prop=True).graph
    except Exception as error:  # onnx raises classes of its own
        note = f"multiply-adds are not known: the graph is not sound: {shown(error, characters=200)}"
        return Counted(multiply_adds=None, inputs=sizes, notes=(note,))
    known = {each.name: tuple(each.dims) for each in graph.initializer}
    for each in (*graph.input, *graph.value_info, *graph.output):
        sides = each.type.tensor_type.shape.dim
        if all(side.HasField("dim_value") for side in sides):
            known[each.name] = tuple(side.dim_value for side in sides)
    total, missing = 0, 0
    for node in graph.node:
        if node.op_type in _COUNTED:
            done = _of_node(node, known)
            missing += done is None
            total += done or 0
    notes: list[str] = []
    if missing:
        notes.append(f"multiply-adds are not known: the shapes of `{missing}` layers cannot be told from the graph")
    if any(node.op_type in ("If", "Loop", "Scan") for node in graph.node):
        notes.append("multiply-adds inside `If`, `Loop` and `Scan` are left out")
    return Counted(multiply_adds=None if missing else total, inputs=sizes, notes=tuple(notes))


def _set_inputs(graph: Any, shapes: Sequence[tuple[int, ...]], name: str) -> tuple[tuple[int, ...], ...] | None:
    """The shape of each input, set in the graph; None where it is neither fixed nor given."""
    held = {each.name for each in graph.initializer}
    inputs = [each for each in graph.input if each.name not in held]
    if shapes and len(shapes) != len(inputs):
        raise UsageError(f"`{name}` has `{len(inputs)}` inputs; `--input` is there `{len(shapes)}` times")
    sizes: list[tuple[int, ...]] = []
    for at, each in enumerate(inputs):
        sides = each.type.tensor_type.shape.dim
        wanted = shapes[at] if shapes else tuple(side.dim_value for side in sides)
        fixed = [side.dim_value for side in sides if side.HasField("dim_value")]
        if not shapes and len(fixed) != len(sides):
            return None
        if len(wanted) != len(sides):
            told = [side.dim_value or side.dim_param or "?" for side in sides]
            raise UsageError(f"the input {shown(each.name)} of `{name}` is {shown(told)}; give its size with `--input`")
        for side, size in zip(sides, wanted, strict=True):
            if side.HasField("dim_value") and side.dim_value != size:
                found = f"the input {shown(each.name)} of `{name}` has a side of `{side.dim_value}`"
                raise UsageError(f"{found}, not `{size}`")
            side.dim_value = size
        if not all(0 < size <= _MOST_NUMBERS for size in wanted) or math.prod(wanted) > _MOST_NUMBERS:
            found = f"the input {shown(each.name)} of `{name}` is {shown(list(wanted))}"
            raise UsageError(f"{found}; sides from 1 on and at most `{_MOST_NUMBERS:,}` numbers are allowed")
        sizes.append(wanted)
    return tuple(sizes)


def _of_node(node: Any, known: dict[str, tuple[int, ...]]) -> int | None:
    named = (*node.input[:2], *node.output[:1])
    shapes = [known[each] for each in named if known.get(each)]
    if len(shapes) < 3:
        return None
    first, weight, output = shapes
    if node.op_type == "Conv":
        return math.prod(output) * math.prod(weight[1:])
    if node.op_type == "ConvTranspose":
        return math.prod(first) * math.prod(weight[1:])
    if node.op_type == "Gemm":
        turned = any(each.name == "transA" and each.i for each in node.attribute)
        return math.prod(output) * first[0 if turned else -1]
    return math.prod(output) * first[-1]
