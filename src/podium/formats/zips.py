"""A zip archive's directory, read strictly and with bounds before a byte of it is believed.

Python's own `zipfile` loads as many entries as a file claims and raises a dozen kinds of error on a broken one, so the
directory is walked here. Layout: PKWARE APPNOTE 6.3.10, sections 4.3.7 (local header), 4.3.12 (directory) and 4.3.14 to
4.3.16 (end records).
"""

from __future__ import annotations

import os
import stat
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO

from podium.errors import SubmissionError
from podium.formats.faults import shown

STORED = 0
DEFLATED = 8
_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_ENCRYPTED_OR_PATCHED = 0x0001 | 0x0020 | 0x0040 | 0x2000
_MADE_ON_UNIX = (3, 19)
_MAX_NAME_BYTES = 4096
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry of the directory.

    Attributes:
        name: As written; bytes that are no UTF-8 are spelt in hex, and `name_is_text` is off.
        mode: The Unix mode, or 0 where the archive does not say.
        data_offset: Where its packed bytes begin in the file.
        packed_bytes: How many there are.
        size_bytes: How many there should be once unpacked.
    """

    name: str
    name_is_text: bool
    flags: int
    method: int
    crc: int
    mode: int
    header_offset: int
    data_offset: int
    packed_bytes: int
    size_bytes: int

    @property
    def is_folder(self) -> bool:
        """True for an entry that only makes a folder."""
        return self.name.endswith("/")

    @property
    def fault(self) -> str | None:
        """Why this entry is not read, or None."""
        kind = stat.S_IFMT(self.mode)
        if kind == stat.S_IFLNK:
            return "this is a link; only plain files and folders are allowed"
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            return "this is a pipe, socket or device; only plain files and folders are allowed"
        if kind == stat.S_IFDIR and not self.is_folder:
            return "this is marked as a folder but its name does not end in `/`"
        if self.flags & _ENCRYPTED_OR_PATCHED:
            return "this is encrypted; archives are read without a password"
        if self.method not in (STORED, DEFLATED):
            return f"this is packed with method `{self.method}`; only stored (`0`) and deflated (`8`) are read"
        if self.method == STORED and self.packed_bytes != self.size_bytes:
            return f"this is stored, yet its two sizes differ: `{self.packed_bytes}` and `{self.size_bytes}` bytes"
        if self.is_folder and self.size_bytes:
            return f"this is a folder, yet it claims `{self.size_bytes}` bytes of content"
        return None


def read_directory(stream: BinaryIO, *, max_entries: int) -> tuple[Entry, ...]:
    """Every entry in the order of the directory, with its place in the file checked.

    Args:
        stream: An opened file; it needs a descriptor.
        max_entries: The most entries that are read.

    Raises:
        SubmissionError: It is no zip archive, cut off, in several volumes, has too many entries, or some overlap.
    """
    descriptor = stream.fileno()
    size = os.fstat(descriptor).st_size
    count, start, end = _find_directory(descriptor, size)
    if count > max_entries:
        raise SubmissionError(f"the archive has `{count}` entries; at most `{max_entries}` are allowed")
    longest = count * (_CENTRAL.size + _MAX_NAME_BYTES)
    if end - start > longest:
        raise SubmissionError(
            f"the archive's directory of `{count}` entries takes `{end - start}` bytes; it is damaged"
        )
    table = _read(descriptor, start, end - start)
    entries: list[Entry] = []
    at = 0
    while at < len(table):
        if len(entries) == count:
            raise SubmissionError(f"the archive claims `{count}` entries and has more")
        entry, at = _parse_entry(descriptor, table, at, start)
        entries.append(entry)
    if len(entries) != count:
        raise SubmissionError(f"the archive claims `{count}` entries and has `{len(entries)}`")
    by_offset = sorted(entries, key=lambda entry: entry.header_offset)
    for one, two in pairwise(by_offset):
        if one.data_offset + one.packed_bytes > two.header_offset:
            raise SubmissionError(f"the entries {shown(one.name)} and {shown(two.name)} share bytes of the archive")
    return tuple(entries)


def entry_chunks(stream: BinaryIO, entry: Entry) -> Iterator[bytes]:
    """The unpacked content, piece by piece, never more than the directory promised.

    Raises:
        SubmissionError: The content is longer or shorter than promised, damaged, or its checksum differs.
    """
    written = 0
    crc = 0
    for piece in _stored(stream, entry) if entry.method == STORED else _inflated(stream, entry):
        written += len(piece)
        if written > entry.size_bytes:
            raise SubmissionError(
                f"the content is longer than the `{entry.size_bytes}` bytes that the archive declares"
            )
        crc = zlib.crc32(piece, crc)
        yield piece
    if written != entry.size_bytes:
        raise SubmissionError(f"the content has `{written}` bytes; the archive declares `{entry.size_bytes}`")
    if crc != entry.crc:
        raise SubmissionError("the content is damaged: its checksum differs from the archive's")


def _stored(stream: BinaryIO, entry: Entry) -> Iterator[bytes]:
    done = 0
    while done < entry.packed_bytes:
        piece = os.pread(stream.fileno(), min(_CHUNK_BYTES, entry.packed_bytes - done), entry.data_offset + done)
        if not piece:
            return
        done += len(piece)
        yield piece


def _inflated(stream: BinaryIO, entry: Entry) -> Iterator[bytes]:
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for packed in _stored(stream, entry):
            rest = packed
            while rest and not inflate.eof:
                piece = inflate.decompress(rest, _CHUNK_BYTES)
                rest = inflate.unconsumed_tail
                if piece:
                    yield piece
            if inflate.unused_data:
                raise SubmissionError("the content is damaged: bytes follow its end")
        while not inflate.eof:
            piece = inflate.decompress(b"", _CHUNK_BYTES)
            if not piece:
                raise SubmissionError("the content is damaged: it is cut off")
            yield piece
    except zlib.error as error:
        raise SubmissionError("the content is damaged: it does not unpack") from error


def _read(descriptor: int, offset: int, length: int) -> bytes:
    data = os.pread(descriptor, length, offset)
    if len(data) != length:
        raise SubmissionError("the archive is cut off")
    return data


def _find_directory(descriptor: int, size: int) -> tuple[int, int, int]:
    """Number of entries, first byte and end of the directory."""
    tail_start = max(0, size - _END.size - 0xFFFF)
    tail = _read(descriptor, tail_start, size - tail_start)
    at = tail.rfind(b"PK\x05\x06")
    while at >= 0 and not (at + _END.size <= len(tail) and _comment_fits(tail, at)):
        at = tail.rfind(b"PK\x05\x06", 0, at)
    if at < 0:
        starts_well = _read(descriptor, 0, min(4, size)) == b"PK\x03\x04"
        what = "the zip archive is cut off: its end record is missing" if starts_well else "this is no zip archive"
        raise SubmissionError(what)
    end_at = tail_start + at
    _, disk, first_disk, here, count, length, offset, _ = _END.unpack_from(tail, at)
    if disk or first_disk or here != count:
        raise SubmissionError("the archive is one of several volumes; a single file is needed")
    end = end_at
    if end_at >= _LOCATOR.size:
        magic, _, at64, _ = _LOCATOR.unpack(_read(descriptor, end_at - _LOCATOR.size, _LOCATOR.size))
        if magic == b"PK\x06\x07":
            short, end = (count, length, offset), at64
            count, length, offset = _read_end64(descriptor, end, end_at - _LOCATOR.size)
            if any(
                each not in (0xFFFF, 0xFFFFFFFF, wide)
                for each, wide in zip(short, (count, length, offset), strict=True)
            ):
                raise SubmissionError("the archive's two end records disagree; it is damaged or forged")
    if offset + length != end:
        raise SubmissionError(
            "the archive's directory is not where its end record says; it is damaged or has bytes in front"
        )
    return count, offset, end


def _comment_fits(tail: bytes, at: int) -> bool:
    return at + _END.size + _END.unpack_from(tail, at)[-1] == len(tail)


def _read_end64(descriptor: int, at: int, locator_at: int) -> tuple[int, int, int]:
    if at + _END64.size > locator_at:
        raise SubmissionError("the archive's 64-bit end record is not where it should be; it is damaged")
    magic, _, _, _, disk, first_disk, here, count, length, offset = _END64.unpack(_read(descriptor, at, _END64.size))
    if magic != b"PK\x06\x06" or disk or first_disk or here != count:
        raise SubmissionError("the archive's 64-bit end record is damaged")
    return count, length, offset


def _parse_entry(descriptor: int, table: bytes, at: int, limit: int) -> tuple[Entry, int]:
    """The entry at `at` and where the next begins; `limit` is where the directory starts in the file."""
    if at + _CENTRAL.size > len(table) or table[at : at + 4] != b"PK\x01\x02":
        raise SubmissionError("the archive's directory is damaged")
    fields = _CENTRAL.unpack_from(table, at)
    made_by, flags, method, crc, packed, size = fields[1], fields[3], fields[4], fields[7], fields[8], fields[9]
    name_length, extra_length, comment_length, disk = fields[10:14]
    attributes, offset = fields[15], fields[16]
    at += _CENTRAL.size
    raw = table[at : at + name_length]
    extra = table[at + name_length : at + name_length + extra_length]
    after = at + name_length + extra_length + comment_length
    if after > len(table) or name_length > _MAX_NAME_BYTES or disk not in (0, 0xFFFF):
        raise SubmissionError("the archive's directory is damaged")
    size, packed, offset = _widen(size, packed, offset, extra)
    data_offset = _check_local(descriptor, raw, method, offset, limit)
    if data_offset + packed > limit:
        raise SubmissionError(f"the content of {shown(raw.decode('utf-8', 'backslashreplace'))} runs past its place")
    name, is_text = _decode(raw)
    entry = Entry(
        name=name,
        name_is_text=is_text,
        flags=flags,
        method=method,
        crc=crc,
        mode=attributes >> 16 if made_by >> 8 in _MADE_ON_UNIX else 0,
        header_offset=offset,
        data_offset=data_offset,
        packed_bytes=packed,
        size_bytes=size,
    )
    return entry, after


def _decode(raw: bytes) -> tuple[str, bool]:
    try:
        return raw.decode("utf-8"), True
    except UnicodeDecodeError:
        return raw.decode("utf-8", "backslashreplace"), False


def _widen(size: int, packed: int, offset: int, extra: bytes) -> tuple[int, int, int]:
    """The three numbers, taken from the 64-bit extra field where the short ones are full."""
    if 0xFFFFFFFF not in (size, packed, offset):
        return size, packed, offset
    at = 0
    while at + 4 <= len(extra):
        tag, length = struct.unpack_from("<HH", extra, at)
        if tag == 1:
            body = extra[at + 4 : at + 4 + length]
            wide = iter(struct.unpack(f"<{len(body) // 8}Q", body[: len(body) // 8 * 8]))
            try:
                return tuple(next(wide) if each == 0xFFFFFFFF else each for each in (size, packed, offset))  # pyright: ignore[reportReturnType] - three in, three out
            except (StopIteration, RuntimeError):
                break
        at += 4 + length
    raise SubmissionError("the archive's directory is damaged: a 64-bit size is missing")


def _check_local(descriptor: int, raw: bytes, method: int, offset: int, limit: int) -> int:
    """Where the content begins, when the header before it names the same entry as the directory."""
    if offset + _LOCAL.size > limit:
        raise SubmissionError("the archive's directory points outside the archive")
    fields = _LOCAL.unpack(_read(descriptor, offset, _LOCAL.size))
    name_length, extra_length = fields[9], fields[10]
    data_offset = offset + _LOCAL.size + name_length + extra_length
    if fields[0] != b"PK\x03\x04" or data_offset > limit:
        raise SubmissionError("the archive's directory points to bytes that are no entry")
    if _read(descriptor, offset + _LOCAL.size, name_length) != raw or fields[3] != method:
        name = raw.decode("utf-8", "backslashreplace")
        raise SubmissionError(
            f"the directory and the entry disagree about {shown(name)}; the archive is damaged or forged"
        )
    return data_offset
