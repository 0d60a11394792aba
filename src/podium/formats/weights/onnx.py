"""ONNX models: the tensors of a protobuf, read field by field without the `onnx` package.

Counted are initializers, dense and sparse, of the graph, of subgraphs, of training graphs and of functions, and the
values of `Constant` nodes. Data in other files is told of, not read. Source: ``onnx.proto``, field numbers as there.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from podium.errors import ChallengeError
from podium.formats.faults import shown, sized
from podium.formats.tfrecord.wire import LENGTH, VARINT, Message, fields, varint
from podium.formats.weights.tensors import (
    MAX_TENSORS,
    External,
    Role,
    Tensor,
    bits,
    cut,
    elements_of,
    fault,
    plain_role,
)

MAX_BYTES = 1 << 31
_MAX_FIELDS = 20_000_000
_MAX_DEPTH = 32
_MAX_TEXT = 4_096

# onnx.TensorProto.DataType
_TYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "float64",
    12: "uint32",
    13: "uint64",
    14: "complex64",
    15: "complex128",
    16: "bfloat16",
    17: "float8",
    18: "float8",
    19: "float8",
    20: "float8",
    21: "uint4",
    22: "int4",
    23: "float4",
    24: "float8",
    25: "uint2",
    26: "int2",
}
_STRING_TYPE = 8
_PACKED_BYTES = {4: 4, 10: 8}  # float_data, double_data


def read_tensors(stream: BinaryIO, name: str) -> tuple[tuple[Tensor, ...], tuple[External, ...]]:
    """The tensors of an opened model, and what lies in other files.

    Raises:
        SubmissionError: It is no ONNX model, or a tensor has more or fewer numbers than its shape.
    """
    size = stream.seek(0, 2)
    if not 0 < size < MAX_BYTES:
        raise fault(name, f"the file has {sized(size)}; a protobuf has fewer than {sized(MAX_BYTES)}")
    reader = _Reader(name)
    with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        whole = memoryview(mapped)
        try:
            reader.model(Message(whole, 0, size))
        except ChallengeError as error:
            raise fault(name, f"this is no ONNX model: {error}") from error
        finally:
            whole.release()
    if not reader.graphs:
        raise fault(name, "this is no ONNX model: it has no graph")
    return tuple(reader.marked()), tuple(reader.externals)


@dataclass
class _Held:
    """Numbers of one tensor, as its fields hold them."""

    name: str = ""
    data_type: int = 0
    dims: list[int] = field(default_factory=list[int])
    raw_bytes: int | None = None
    counts: int = 0
    stored_bytes: int = 0
    external: dict[str, str] = field(default_factory=dict[str, str])
    elsewhere: bool = False


class _Reader:
    """Walks a model; what it finds stays in its attributes."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._left = _MAX_FIELDS
        self._statistics: set[str] = set()
        self._scales: set[str] = set()
        self._tensors: list[Tensor] = []
        self.externals: list[External] = []
        self.graphs = 0

    def marked(self) -> Iterator[Tensor]:
        """The tensors; what only the third and fourth inputs of normalisations are, are statistics."""
        lengths = [each.shape for each in self._tensors if each.name in self._scales and len(each.shape) == 1]
        for each in self._tensors:
            named = each.name in self._statistics and each.name not in self._scales
            if named and each.role is Role.PARAMETER and each.shape in lengths:
                yield replace(each, role=Role.STATISTIC)
            else:
                yield each

    def model(self, message: Message) -> None:
        for number, kind, part, _ in self._fields(message):
            if number == 7 and kind == LENGTH:
                self._graph(part, 0)
            elif number == 20 and kind == LENGTH:  # training_info: initialization, algorithm
                for inner, inner_kind, graph, _ in self._fields(part):
                    if inner in (1, 2) and inner_kind == LENGTH:
                        self._graph(graph, 0)
            elif number == 25 and kind == LENGTH:  # functions
                for inner, inner_kind, node, _ in self._fields(part):
                    if inner == 7 and inner_kind == LENGTH:
                        self._node(node, 0)

    def _fields(self, message: Message) -> Iterator[tuple[int, int, Message, int]]:
        """Number, wire type, content and, of a varint, its value."""
        for tag, first, after in fields(message):
            self._left -= 1
            if self._left < 0:
                raise fault(self._name, f"the model has more than `{_MAX_FIELDS}` fields")
            value = varint(message.data, first, after)[0] if tag & 7 == VARINT else 0
            yield tag >> 3, tag & 7, Message(message.data, first, after), value

    def _graph(self, message: Message, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise fault(self._name, f"graphs lie more than `{_MAX_DEPTH}` deep")
        self.graphs += 1
        for number, kind, part, _ in self._fields(message):
            if number == 1 and kind == LENGTH:
                self._node(part, depth)
            elif number == 5 and kind == LENGTH:
                self._tensor(part)
            elif number == 15 and kind == LENGTH:
                self._sparse(part)

    def _node(self, message: Message, depth: int) -> None:
        inputs: list[str] = []
        output, operation = "", ""
        attributes: list[Message] = []
        for number, kind, part, _ in self._fields(message):
            if kind != LENGTH:
                continue
            if number == 1:
                inputs.append(self._text(part))
            elif number == 2:
                output = output or self._text(part)
            elif number == 4:
                operation = self._text(part)
            elif number == 5:
                attributes.append(part)
        if operation == "BatchNormalization" and len(inputs) >= 5:
            self._scales |= {inputs[1], inputs[2]}
            self._statistics |= {inputs[3], inputs[4]}
        elif operation != "BatchNormalization":
            # What another node reads as well is no statistic.
            self._scales |= set(inputs)
        for each in attributes:
            self._attribute(each, output, depth)

    def _attribute(self, message: Message, output: str, depth: int) -> None:
        floats = integers = stored = 0
        for number, kind, part, _ in self._fields(message):
            span = part.end - part.start
            if number in (5, 10) and kind == LENGTH:
                self._tensor(part, name=output, constant=True)
            elif number in (22, 23) and kind == LENGTH:
                self._sparse(part, name=output)
            elif number in (6, 11) and kind == LENGTH:
                self._graph(part, depth + 1)
            elif number == 7:
                floats, stored = floats + span // 4, stored + span
            elif number == 8:
                integers, stored = integers + (_varints(part) if kind == LENGTH else 1), stored + span
        if floats > 16 or integers > 16:
            self._add(f"{output} (list)", (floats or integers,), "float32" if floats else "int64", stored)

    def _sparse(self, message: Message, *, name: str = "") -> None:
        for number, kind, part, _ in self._fields(message):
            if number in (1, 2) and kind == LENGTH:
                self._tensor(part, name=name)

    def _tensor(self, message: Message, *, name: str = "", constant: bool = False) -> None:
        held = _Held(name=name)
        for number, kind, part, value in self._fields(message):
            self._take(held, number, kind, part, value)
        if held.data_type == _STRING_TYPE:
            return
        where = f"{self._name} {shown(held.name)}"
        dtype = _TYPES.get(held.data_type)
        if dtype is None:
            raise fault(where, f"the type `{held.data_type}` is not known")
        elements = elements_of(held.dims, where)
        size_bytes = -(-elements * bits(dtype) // 8)
        if held.elsewhere or held.external:
            self._outside(held, size_bytes, where)
        elif held.raw_bytes is not None or held.counts == 0:
            if (held.raw_bytes or 0) != size_bytes or held.counts:
                raise fault(where, f"it holds `{held.raw_bytes or 0}` bytes; its shape and type need `{size_bytes}`")
        elif held.counts != _wanted_counts(dtype, elements):
            raise fault(where, f"it holds `{held.counts}` numbers; its shape has `{elements}`")
        self._add(held.name, tuple(held.dims), dtype, held.stored_bytes, scalar=constant)

    def _take(self, held: _Held, number: int, kind: int, part: Message, value: int) -> None:
        span = part.end - part.start
        if number == 1:
            held.dims += [value] if kind == VARINT else _numbers(part)
            if len(held.dims) > 64:
                raise fault(self._name, "a tensor has more than `64` axes")
        elif number == 2 and kind == VARINT:
            held.data_type = value
        elif number == 8 and kind == LENGTH:
            held.name = self._text(part)
        elif number == 9 and kind == LENGTH:
            held.raw_bytes = (held.raw_bytes or 0) + span
            held.stored_bytes += span
        elif number in (4, 10):
            held.counts += span // _PACKED_BYTES[number]
            held.stored_bytes += span
        elif number in (5, 7, 11):
            held.counts += 1 if kind == VARINT else _varints(part)
            held.stored_bytes += span
        elif number == 13 and kind == LENGTH:
            pair = {at: self._text(text) for at, inner, text, _ in self._fields(part) if inner == LENGTH}
            held.external[pair.get(1, "")] = pair.get(2, "")
        elif number == 14 and kind == VARINT:
            held.elsewhere = value == 1

    def _outside(self, held: _Held, size_bytes: int, where: str) -> None:
        location = held.external.get("location", "")
        offset, length = held.external.get("offset", "0"), held.external.get("length", str(size_bytes))
        if not location or not (offset.isascii() and offset.isdigit() and length.isascii() and length.isdigit()):
            raise fault(where, "its data lies in another file, which it does not name, or not the place in it")
        if held.stored_bytes or int(length[:20]) != size_bytes:
            raise fault(where, f"its data elsewhere has {shown(length)} bytes; its shape and type need `{size_bytes}`")
        self.externals.append(External(location=location, offset=int(offset[:20]), length=size_bytes))

    def _add(self, name: str, shape: tuple[int, ...], dtype: str, stored: int, *, scalar: bool = False) -> None:
        if len(self._tensors) >= MAX_TENSORS:
            raise fault(self._name, f"there are more than `{MAX_TENSORS}` tensors")
        elements = elements_of(shape, self._name)
        role = Role.CONSTANT if scalar and elements <= 1 else plain_role(dtype)
        self._tensors.append(
            Tensor(name=cut(name), shape=shape, dtype=dtype, elements=elements, stored_bytes=stored, role=role)
        )

    def _text(self, part: Message) -> str:
        if part.end - part.start > _MAX_TEXT:
            raise fault(self._name, f"a name has more than `{_MAX_TEXT}` bytes")
        return bytes(part.data[part.start : part.end]).decode("utf-8", "replace")


def _wanted_counts(dtype: str, elements: int) -> int:
    """How many numbers the typed fields hold: complex ones are pairs, four bits share a number."""
    if dtype.startswith("complex"):
        return 2 * elements
    return -(-elements * bits(dtype) // 8) if bits(dtype) < 8 else elements


def _numbers(part: Message) -> list[int]:
    found: list[int] = []
    at = part.start
    while at < part.end and len(found) <= 64:
        value, at = varint(part.data, at, part.end)
        found.append(value)
    return found


def _varints(part: Message) -> int:
    """How many numbers seven bits to a byte there are: as many as bytes that end one."""
    import numpy as np

    return int(np.count_nonzero(np.frombuffer(part.data[part.start : part.end], np.uint8) < 0x80))
