"""Protobuf's wire format: numbers seven bits to a byte, and messages as runs of tagged fields.

Source: protobuf's page on its encoding. Only what these messages use is read; groups, which nobody writes any more, are
refused. Nothing recurses, and every step moves on by a byte or more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from podium.errors import ChallengeError

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
_MASK64 = (1 << 64) - 1
_LARGEST_TAG = (1 << 32) - 1
_MAX_VARINT_BYTES = 10
_ONE_BYTE_TAGS = frozenset(range(1 << 3 | LENGTH, 0x80, 8))


class MalformedError(ChallengeError):
    """A payload that is not what it should be.

    Args:
        message: What was found and what is allowed.
        at_bytes: Where in the payload.
    """

    def __init__(self, message: str, *, at_bytes: int = 0) -> None:
        super().__init__(message)
        self.at_bytes = at_bytes


class Message(NamedTuple):
    """The bytes of one message: ``data[start:end]``."""

    data: bytes | memoryview
    start: int
    end: int


def fields(message: Message) -> Iterator[tuple[int, int, int]]:
    """Each field of a message: its tag, and where its content begins and ends.

    Raises:
        MalformedError: A field runs past the message, or is of no known wire type.
    """
    data, at, end = message
    while at < end:
        tag, first, at = field(data, at, end)
        yield tag, first, at


def field(data: bytes | memoryview, at: int, end: int) -> tuple[int, int, int]:
    """The field that begins at a byte: its tag, and where its content begins and ends.

    Raises:
        MalformedError: It runs past the end, or is of no known wire type.
    """
    # Nearly every field has a tag of one byte and a length; for them this is twice as quick as what follows.
    if end - at > 1 and data[at] in _ONE_BYTE_TAGS:
        length, first = data[at + 1], at + 2
        if length > 0x7F:
            length, first = varint(data, at + 1, end)
        if first + length <= end:
            return data[at], first, first + length
    tag, first = varint(data, at, end)
    wire_type = tag & 7
    if wire_type == LENGTH:
        length, first = varint(data, first, end)
        after = first + length
    elif wire_type == VARINT:
        _, after = varint(data, first, end)
    else:
        after = first + _fixed_bytes(wire_type, at)
    if after > end:
        raise MalformedError(f"a field ends `{after - end}` bytes behind its message", at_bytes=at)
    if not 8 <= tag <= _LARGEST_TAG:
        raise MalformedError(f"the field number `{tag >> 3}` is none", at_bytes=at)
    return tag, first, after


def only(data: bytes | memoryview, start: int, end: int, tag: int) -> int | None:
    """Where the content begins when a message is one field of a tag and nothing else; else None.

    Args:
        data: Holds the message.
        start: Its first byte.
        end: Its end.
        tag: Of a length-delimited field, below 128.
    """
    if end - start < 2 or data[start] != tag:
        return None
    length, first = data[start + 1], start + 2
    if length > 0x7F:
        length, first = varint(data, start + 1, end)
    return first if first + length == end else None


def signed_varints(data: bytes | memoryview, start: int, end: int) -> list[int]:
    """The int64 numbers that fill a span.

    >>> signed_varints(encoded_varint(300) + encoded_varint(-1), 0, 12)
    [300, -1]
    """
    numbers: list[int] = []
    value = shift = 0
    for byte in data[start:end]:
        value |= (byte & 0x7F) << shift
        if byte > 0x7F:
            shift += 7
            if shift == 7 * _MAX_VARINT_BYTES:
                raise MalformedError("a number has more than `10` bytes", at_bytes=start)
            continue
        value &= _MASK64
        numbers.append(value - (1 << 64) if value >> 63 else value)
        value = shift = 0
    if shift:
        raise MalformedError("a number is cut off", at_bytes=start)
    return numbers


def varint(data: bytes | memoryview, at: int, end: int) -> tuple[int, int]:
    """An unsigned integer of up to 64 bits, seven to a byte, and where the next byte stands.

    >>> varint(bytes([0xAC, 0x02]), 0, 2)
    (300, 2)
    """
    begin = at
    limit = min(end, at + _MAX_VARINT_BYTES)
    value = shift = 0
    while at < limit:
        byte = data[at]
        at += 1
        if byte < 0x80:
            return (value | byte << shift) & _MASK64, at
        value |= (byte & 0x7F) << shift
        shift += 7
    found = "has more than `10` bytes" if end - begin >= _MAX_VARINT_BYTES else "is cut off"
    raise MalformedError(f"a number {found}", at_bytes=begin)


def encoded_varint(value: int) -> bytes:
    """An integer of -2**63 to 2**64 - 1 as a varint.

    >>> encoded_varint(300).hex(), len(encoded_varint(-1))
    ('ac02', 10)
    """
    value &= _MASK64
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def joined(data: bytes | memoryview, spans: list[tuple[int, int]]) -> Message:
    """The pieces of a message as one, which then has bytes and places of its own; none is the empty message."""
    if len(spans) == 1:
        return Message(data, *spans[0])
    whole = b"".join([bytes(data[first:last]) for first, last in spans])
    return Message(whole, 0, len(whole))


def _fixed_bytes(wire_type: int, at: int) -> int:
    if wire_type == FIXED64:
        return 8
    if wire_type == FIXED32:
        return 4
    raise MalformedError(f"a field is of wire type `{wire_type}`; `0`, `1`, `2` and `5` are read", at_bytes=at)
