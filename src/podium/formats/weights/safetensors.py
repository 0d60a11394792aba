"""Safetensors files: a JSON header of names, types, shapes and places, then the bytes.

Source: the format's own description. The header is bounded, the places must fill the rest of the file exactly, and no
two may overlap, so nothing can hide between tensors.
"""

from __future__ import annotations

import json
import os
import struct
from itertools import pairwise
from typing import Any, BinaryIO, cast

from podium.formats.faults import shown, sized
from podium.formats.weights.tensors import (
    MAX_TENSORS,
    Tensor,
    bits,
    cut,
    elements_of,
    fault,
    plain_role,
    with_statistics,
)

MAX_HEADER_BYTES = 32 << 20

_TYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8",
    "F8_E5M2": "float8",
    "F8_E8M0": "float8",
    "F4": "float4",
    "C64": "complex64",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
}


def is_safetensors(head: bytes, size_bytes: int) -> bool:
    """True when a file of that size that begins so may be one.

    Args:
        head: Its first 9 bytes or more.
    """
    if len(head) < 9 or head[8:9] != b"{":
        return False
    return 2 <= struct.unpack_from("<Q", head)[0] <= size_bytes - 8


def read_tensors(stream: BinaryIO, name: str) -> tuple[Tensor, ...]:
    """The tensors of an opened file, in the order of their places.

    Raises:
        SubmissionError: The header is broken or too long, or the places do not fill the file.
    """
    size = os.fstat(stream.fileno()).st_size
    stream.seek(0)
    head = stream.read(8)
    length = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
    if not 2 <= length <= size - 8:
        raise fault(name, f"the header claims {sized(length)} of a file of {sized(size)}")
    if length > MAX_HEADER_BYTES:
        raise fault(name, f"the header has {sized(length)}; at most {sized(MAX_HEADER_BYTES)} are read")
    header = _header(stream.read(length), name)
    header.pop("__metadata__", None)
    if len(header) > MAX_TENSORS:
        raise fault(name, f"there are `{len(header)}` tensors; at most `{MAX_TENSORS}` are read")
    placed = sorted((_entry(key, value, name) for key, value in header.items()), key=lambda each: each[:2])
    _check_places([each[:2] for each in placed], size - 8 - length, name)
    return with_statistics(tensor for _, _, tensor in placed)


def _header(raw: bytes, name: str) -> dict[str, Any]:
    try:
        found: Any = json.loads(raw.decode("utf-8"), object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise fault(name, f"the header is no JSON: {shown(error, characters=120)}") from error
    if not isinstance(found, dict):
        raise fault(name, "the header is no JSON object")
    return cast(dict[str, Any], found)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _entry(key: str, value: object, name: str) -> tuple[int, int, Tensor]:
    """Begin and end of a tensor, and the tensor."""
    where = f"{name} {shown(key)}"
    table = cast(dict[str, Any], value) if isinstance(value, dict) else {}
    shape, places = _numbers(table.get("shape")), _numbers(table.get("data_offsets"))
    if shape is None or places is None or len(places) != 2:
        raise fault(where, "`dtype`, `shape` and two `data_offsets` are needed, and whole numbers in both")
    dtype = _TYPES.get(str(table.get("dtype")))
    if dtype is None:
        raise fault(where, f"the type {shown(table.get('dtype'))} is not known")
    elements = elements_of(shape, where)
    wanted = -(-elements * bits(dtype) // 8)
    if places[1] - places[0] != wanted:
        raise fault(where, f"`{places[1] - places[0]}` bytes are set aside; its shape and type need `{wanted}`")
    tensor = Tensor(
        name=cut(key), shape=shape, dtype=dtype, elements=elements, stored_bytes=wanted, role=plain_role(dtype)
    )
    return places[0], places[1], tensor


def _numbers(value: object) -> tuple[int, ...] | None:
    if not isinstance(value, list):
        return None
    listed = cast(list[object], value)
    if not all(isinstance(each, int) and not isinstance(each, bool) and each >= 0 for each in listed):
        return None
    return tuple(cast(list[int], listed))


def _check_places(places: list[tuple[int, int]], length: int, name: str) -> None:
    if not places and not length:
        return
    gaps = any(one[1] != two[0] for one, two in pairwise(places))
    if not places or places[0][0] != 0 or gaps or places[-1][1] != length:
        raise fault(name, f"the tensors do not fill the `{length}` bytes behind the header one after the other")
