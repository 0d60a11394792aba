"""The features of `tf.Example` and `tf.SequenceExample`, read without protobuf.

```
Example          1: Features
SequenceExample  1: Features (context)   2: FeatureLists
Features         1: entry {1: key, 2: Feature}, repeated         FeatureLists  the same with FeatureList
FeatureList      1: Feature, repeated
Feature          one of 1: bytes, 2: float32, 3: int64; each a list with 1: value, repeated (numbers usually packed)
```

Source: `tensorflow/core/example/{example,feature}.proto`. As in protobuf, entries come in any order, of equal keys the
last wins, unknown fields are skipped, and the pieces of a message that is given twice are one message.

T frames, S bytes that one frame takes in the file, D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from podium.formats.faults import shown
from podium.formats.tfrecord.wire import (
    FIXED32,
    LENGTH,
    VARINT,
    MalformedError,
    Message,
    encoded_varint,
    field,
    fields,
    joined,
    only,
    signed_varints,
)

FIRST, SECOND = 1 << 3 | LENGTH, 2 << 3 | LENGTH
_NUMBER_VARINT, _NUMBER_FIXED32 = 1 << 3 | VARINT, 1 << 3 | FIXED32
_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1 << 3 | LENGTH, 2 << 3 | LENGTH, 3 << 3 | LENGTH
_STORED_FLOAT = np.dtype("<f4")
Value = TypeVar("Value", bound=Message)


class Kind(IntEnum):
    """What the values of a feature are; numbered as on the wire."""

    NOTHING = 0
    BYTES = 1
    FLOAT = 2
    INT64 = 3


class Feature(Message):
    """A list of values of one kind, read when it is asked for."""

    __slots__ = ()

    @property
    def kind(self) -> Kind:
        """What the values are."""
        return _list_of(self)[0]

    def int64s(self) -> NDArray[np.int64]:
        """(N,) the integers; empty when there are none.

        Raises:
            MalformedError: The feature holds another kind of values, or is damaged.
        """
        first = _sole_value(self, _INT64_LIST)
        if first is not None:
            return np.array(signed_varints(self.data, first, self.end), dtype=np.int64)
        values = _wanted(self, Kind.INT64)
        numbers: list[int] = []
        for tag, first, last in fields(values):
            if tag in (FIRST, _NUMBER_VARINT):
                numbers += signed_varints(values.data, first, last)
        return np.array(numbers, dtype=np.int64)

    def floats(self) -> NDArray[np.float32]:
        """(N,) the numbers; empty when there are none.

        Raises:
            MalformedError: The feature holds another kind of values, or is damaged.
        """
        first = _sole_value(self, _FLOAT_LIST)
        if first is not None:
            return _floats(self.data, first, self.end)
        values = _wanted(self, Kind.FLOAT)
        pieces = [
            _floats(values.data, first, last) for tag, first, last in fields(values) if tag in (FIRST, _NUMBER_FIXED32)
        ]
        return np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.float32)

    def byte_strings(self) -> list[bytes]:
        """The byte strings; empty when there are none.

        Raises:
            MalformedError: The feature holds another kind of values, or is damaged.
        """
        first = _sole_value(self, _BYTES_LIST)
        if first is not None:
            return [bytes(self.data[first : self.end])]
        values = _wanted(self, Kind.BYTES)
        return [bytes(values.data[first:last]) for tag, first, last in fields(values) if tag == FIRST]


class FeatureList(Message):
    """One feature a frame."""

    __slots__ = ()

    def features(self) -> Iterator[Feature]:
        """Each frame's feature, in order."""
        for tag, first, last in fields(self):
            if tag == FIRST:
                yield Feature(self.data, first, last)

    def rows(self, dimensions: int) -> NDArray[np.uint8]:
        """(T, D) the frames, each one byte string.

        Where every frame takes equally many bytes and begins with the same headers, as writers do, this is a view of
        the payload. Otherwise the frames are read one by one.

        Args:
            dimensions: D, the bytes of a frame; 1 or more.

        Raises:
            MalformedError: A frame is no byte string, or has another number of bytes; or the list is damaged.
        """
        rows_TD = self._strided(dimensions)
        return self._gathered(dimensions) if rows_TD is None else rows_TD

    def count(self, dimensions: int) -> int:
        """How many frames there are; where they look equally long only the first is looked at, `rows` looks at all.

        Args:
            dimensions: As for `rows`.

        Raises:
            MalformedError: The list is damaged.
        """
        data, start, end = self
        header = frame_header(dimensions)
        frames, rest = divmod(end - start, len(header) + dimensions)
        if not rest and data[start : start + len(header)] == header:
            return frames
        return sum(1 for _ in self.features())

    def _strided(self, dimensions: int) -> NDArray[np.uint8] | None:
        data, start, end = self
        header = frame_header(dimensions)
        frames, rest = divmod(end - start, len(header) + dimensions)
        if rest or not frames:
            return None
        frames_TS = np.frombuffer(data, dtype=np.uint8, count=end - start, offset=start).reshape(frames, -1)
        if frames_TS[:, : len(header)].tobytes() != header * frames:
            return None
        return frames_TS[:, len(header) :]

    def _gathered(self, dimensions: int) -> NDArray[np.uint8]:
        frames: list[bytes] = []
        for feature in self.features():
            values = feature.byte_strings()
            if len(values) != 1 or len(values[0]) != dimensions:
                found = f"`{len(values[0])}` bytes" if len(values) == 1 else f"`{len(values)}` byte strings"
                message = f"frame `{len(frames)}` has {found}; one of `{dimensions}` bytes is needed"
                raise MalformedError(message, at_bytes=feature.start)
            frames.append(values[0])
        return np.frombuffer(b"".join(frames), dtype=np.uint8).reshape(len(frames), dimensions)


@dataclass(frozen=True, kw_only=True)
class SequenceExample:
    """What one payload holds.

    Attributes:
        context: Features of the whole, by key.
        lists: Features of each frame, by key.
    """

    context: dict[str, Feature]
    lists: dict[str, FeatureList]


def parse_example(payload: bytes | memoryview) -> dict[str, Feature]:
    """The features of a `tf.Example`, by key.

    Raises:
        MalformedError: The payload is damaged.

    >>> parse_example(bytes.fromhex("0a0c0a0a0a016112051a030a0105"))["a"].int64s().tolist()
    [5]
    """
    spans = [(first, last) for tag, first, last in fields(Message(payload, 0, len(payload))) if tag == FIRST]
    return _entries(joined(payload, spans), Feature)


def parse_sequence_example(payload: bytes | memoryview) -> SequenceExample:
    """The context and the feature lists of a `tf.SequenceExample`.

    Raises:
        MalformedError: The payload is damaged.
    """
    context: list[tuple[int, int]] = []
    lists: list[tuple[int, int]] = []
    at, end = 0, len(payload)
    while at < end:
        tag, first, at = field(payload, at, end)
        if tag == FIRST:
            context.append((first, at))
        elif tag == SECOND:
            lists.append((first, at))
    return SequenceExample(
        context=_entries(joined(payload, context), Feature), lists=_entries(joined(payload, lists), FeatureList)
    )


@cache
def frame_header(dimensions: int) -> bytes:
    """What stands before a frame's bytes in a feature list: three tags and lengths.

    >>> frame_header(1024).hex(), frame_header(128).hex()
    ('0a86080a83080a8008', '0a86010a83010a8001')
    """
    header = b""
    for _ in range(3):
        header = encoded_varint(FIRST) + encoded_varint(len(header) + dimensions) + header
    return header


def _entries(mapping: Message, kind: type[Value]) -> dict[str, Value]:
    """The values of a map by key."""
    data, at, end = mapping
    found: dict[str, Value] = {}
    while at < end:
        tag, start, at = field(data, at, end)
        if tag != FIRST:
            continue
        # Writers give a short key first and then the value, so that is tried before the fields are walked.
        value = None
        if at - start > 1 and data[start] == FIRST and data[start + 1] < 0x80:
            after_key = start + 2 + data[start + 1]
            value = only(data, after_key, at, SECOND)
            if value is not None:
                found[_text(data, start + 2, after_key)] = kind(data, value, at)
        if value is None:
            key, message = _entry(Message(data, start, at))
            found[key] = kind(*message)
    return found


def _entry(entry: Message) -> tuple[str, Message]:
    key = ""
    values: list[tuple[int, int]] = []
    for tag, first, last in fields(entry):
        if tag == FIRST:
            key = _text(entry.data, first, last)
        elif tag == SECOND:
            values.append((first, last))
    return key, joined(entry.data, values)


def _text(data: bytes | memoryview, first: int, last: int) -> str:
    try:
        return str(data[first:last], "utf-8")
    except UnicodeDecodeError as error:
        raise MalformedError(f"the key {shown(bytes(data[first:last]))} is no UTF-8", at_bytes=first) from error


def _list_of(feature: Message) -> tuple[Kind, Message]:
    """The one list that a feature holds; of several kinds the last counts."""
    kind = Kind.NOTHING
    spans: list[tuple[int, int]] = []
    for tag, first, last in fields(feature):
        number = tag >> 3
        if tag & 7 == LENGTH and number <= Kind.INT64:
            if number != kind:
                kind = Kind(number)
                spans = []
            spans.append((first, last))
    return kind, joined(feature.data, spans)


def _wanted(feature: Message, kind: Kind) -> Message:
    found, values = _list_of(feature)
    if found not in (kind, Kind.NOTHING):
        message = f"the values are of the kind `{found.name.lower()}`; `{kind.name.lower()}` is needed"
        raise MalformedError(message, at_bytes=feature.start)
    return values


def _floats(data: bytes | memoryview, first: int, last: int) -> NDArray[np.float32]:
    numbers, rest = divmod(last - first, _STORED_FLOAT.itemsize)
    if rest:
        raise MalformedError(f"`{last - first}` bytes of numbers are no multiple of `4`", at_bytes=first)
    return np.frombuffer(data, dtype=_STORED_FLOAT, count=numbers, offset=first).astype(np.float32)


def _sole_value(feature: Message, tag: int) -> int | None:
    """Where the content of a feature's one length-delimited value begins; None when it is not as simple as that.

    Args:
        feature: The feature.
        tag: Of the list that it should hold.
    """
    data, start, end = feature
    values = only(data, start, end, tag)
    return None if values is None else only(data, values, end, FIRST)
