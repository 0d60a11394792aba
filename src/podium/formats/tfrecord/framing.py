"""TFRecord framing: records back to back, each with its length, two checksums and nothing else.

```
8 bytes   length L of the payload, little endian
4 bytes   masked CRC-32C of those 8
L bytes   payload
4 bytes   masked CRC-32C of the payload
```

Source: `tensorflow/core/lib/io/record_writer.h`. A payload that is damaged costs one record; a length that is damaged
costs the rest of the file, because nothing else says where the next record begins.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from podium.errors import UsageError
from podium.formats.faults import sized
from podium.formats.files import replacing
from podium.formats.tfrecord.checksum import masked_crc32c

LENGTH_BYTES = 8
HEADER_BYTES = 12
FOOTER_BYTES = 4
OVERHEAD_BYTES = HEADER_BYTES + FOOTER_BYTES
MAX_RECORD_BYTES = 64 << 20
_HEADER = struct.Struct("<QI")
_FOOTER = struct.Struct("<I")


class Record(NamedTuple):
    """One record of a shard.

    Attributes:
        offset_bytes: Where the record's length stands in the file.
        payload: What it holds, without framing; a view of the file.
    """

    offset_bytes: int
    payload: memoryview


@dataclass(frozen=True, kw_only=True)
class Damage:
    """A fault of the framing.

    Attributes:
        offset_bytes: Where the record begins.
        message: What was found and what is allowed.
        next_bytes: Where the next record begins, or None: the rest of the file is lost.
    """

    offset_bytes: int
    message: str
    next_bytes: int | None = None


def walk(
    data: memoryview,
    damaged: Callable[[Damage], None],
    *,
    check: bool = True,
    check_payloads: bool = True,
    max_record_bytes: int = MAX_RECORD_BYTES,
) -> Iterator[Record]:
    """Every sound record of a shard, in order.

    Args:
        data: The whole file.
        damaged: Called for each fault; when it returns, the walk goes on behind the record where that is possible.
        check: Compare checksums.
        check_payloads: Those of the payloads too; hopping from length to length needs only those of the lengths.
        max_record_bytes: The longest payload.
    """
    at = 0
    while at < len(data):
        found = read_record(
            data, at, check=check, check_payload=check and check_payloads, max_record_bytes=max_record_bytes
        )
        if isinstance(found, Record):
            yield found
            at += OVERHEAD_BYTES + len(found.payload)
            continue
        damaged(found)
        if found.next_bytes is None:
            return
        at = found.next_bytes


def read_record(
    data: memoryview,
    at: int,
    *,
    check: bool = True,
    check_payload: bool = True,
    max_record_bytes: int = MAX_RECORD_BYTES,
) -> Record | Damage:
    """The record that begins at a byte, or what is wrong with it.

    Args:
        data: The whole file.
        at: Where the record begins, 0 or more.
        check: Compare the checksum of the length.
        check_payload: Compare that of the payload.
        max_record_bytes: The longest payload.
    """
    left = max(0, len(data) - at)
    if left < HEADER_BYTES:
        return Damage(
            offset_bytes=at, message=f"the file ends after `{left}` of a record's `{HEADER_BYTES}` first bytes"
        )
    length, crc = _HEADER.unpack_from(data, at)
    if check and masked_crc32c(data[at : at + LENGTH_BYTES]) != crc:
        return Damage(offset_bytes=at, message=f"the length is damaged: it reads `{length}` and its checksum differs")
    after = at + OVERHEAD_BYTES + length
    if length > max_record_bytes:
        message = f"the record claims {sized(length)}; at most {sized(max_record_bytes)} are allowed"
        return Damage(offset_bytes=at, message=message, next_bytes=after if check and after <= len(data) else None)
    if after > len(data):
        return Damage(offset_bytes=at, message=_cut_off(left - HEADER_BYTES, length))
    first = at + HEADER_BYTES
    payload = data[first : first + length]
    if check_payload and masked_crc32c(payload) != _FOOTER.unpack_from(data, first + length)[0]:
        message = f"the payload of `{length}` bytes is damaged: its checksum differs"
        return Damage(offset_bytes=at, message=message, next_bytes=after)
    return Record(at, payload)


def frame(payload: bytes | memoryview) -> tuple[bytes, bytes]:
    """What stands before and behind a payload in the file.

    >>> [len(each) for each in frame(b"abc")]
    [12, 4]
    """
    length = struct.pack("<Q", len(payload))
    return length + _FOOTER.pack(masked_crc32c(length)), _FOOTER.pack(masked_crc32c(payload))


def write_shard(path: Path, payloads: Iterable[bytes | memoryview], *, force: bool = True) -> int:
    """Writes a shard and tells how many records it has; equal payloads give equal bytes.

    Args:
        path: The file to make; it appears when it is whole.
        payloads: What the records hold, in order; taken one by one.
        force: Replace a file that is there.

    Raises:
        UsageError: The folder does not exist, the file does and `force` is off, or a payload is too long to be read.
    """
    records = 0
    with replacing(path, force=force) as stream:
        for payload in payloads:
            if len(payload) > MAX_RECORD_BYTES:
                found = f"record `{records}` of `{path}` has {sized(len(payload))}"
                raise UsageError(f"{found}; at most {sized(MAX_RECORD_BYTES)} are allowed")
            header, footer = frame(payload)
            stream.write(header)
            stream.write(payload)
            stream.write(footer)
            records += 1
    return records


def _cut_off(there: int, length: int) -> str:
    if there < length:
        return f"the file ends after `{there}` of the record's `{length}` bytes"
    return f"the file ends within the checksum of a record of `{length}` bytes"
