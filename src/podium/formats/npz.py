"""Named arrays in one npz file, from a stranger: nothing is unpickled or allocated before its size is proven."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from podium.errors import SubmissionError
from podium.formats.faults import Faults, shown, sized
from podium.formats.files import replacing
from podium.formats.npy import MAGIC, MAX_HEADER_BYTES, Header, parse_header
from podium.formats.zips import STORED, Entry, entry_chunks, read_directory

BLOCK_BYTES = 1 << 20
_ALIGNMENT_BYTES = 64
_PADDING_TAG = 0xD935


@dataclass(frozen=True, kw_only=True)
class Member:
    """An array that lies in the file, its header read and its size proven, its numbers not yet loaded."""

    stream: BinaryIO
    entry: Entry
    header: Header

    @property
    def mappable(self) -> bool:
        """True when the numbers lie in the file unpacked, row after row."""
        return self.entry.method == STORED and not self.header.fortran_order and self.header.content_bytes > 0

    def load(self) -> NDArray[Any]:
        """The array in memory, rows next to each other, its checksum verified.

        Raises:
            SubmissionError: The content is damaged or not as long as it says.
        """
        header = self.header
        content = np.empty(header.content_bytes, dtype=np.uint8)
        at = -header.header_bytes
        for chunk in entry_chunks(self.stream, self.entry):
            piece = np.frombuffer(chunk, dtype=np.uint8)[max(0, -at) :]
            begin = max(0, at)
            content[begin : begin + len(piece)] = piece
            at += len(chunk)
        array = content.view(header.dtype).reshape(header.shape, order="F" if header.fortran_order else "C")
        return np.ascontiguousarray(array)

    def map(self) -> NDArray[Any]:
        """The array where it lies in the file, read-only, at any byte offset; only when it is `mappable`."""
        offset = self.entry.data_offset + self.header.header_bytes
        header = self.header
        return np.asarray(np.memmap(self.stream, dtype=header.dtype, mode="r", offset=offset, shape=header.shape))

    def header_crc(self) -> int:
        """The checksum of what comes before the numbers, to be carried on over them."""
        return zlib.crc32(next(entry_chunks(self.stream, self.entry))[: self.header.header_bytes])


def open_members(
    stream: BinaryIO, names: Sequence[str], faults: Faults, *, max_bytes: int, hint: str
) -> dict[str, Member]:
    """The arrays of these names that can be loaded; why others cannot goes to `faults`.

    Args:
        stream: An opened file.
        names: Exactly these arrays are allowed, and all are needed.
        faults: Takes every fault of a single array.
        max_bytes: The most bytes that all arrays together unpack to.
        hint: How such a file is written.

    Raises:
        SubmissionError: The file as a whole is no npz.
    """
    beginning = stream.read(8)
    if not beginning:
        raise SubmissionError("the file is empty")
    if beginning.startswith(MAGIC):
        raise SubmissionError(f"this is a single NPY array, no npz; {hint}")
    if not beginning.startswith(b"PK"):
        raise SubmissionError(f"this is no npz file; {hint}")
    entries = _wanted(read_directory(stream, max_entries=len(names) + 16), names, faults, hint=hint)
    total = sum(entry.size_bytes for entry in entries.values())
    if total > max_bytes:
        raise SubmissionError(f"the arrays unpack to {sized(total)}; at most {sized(max_bytes)} are allowed")
    opened = ((name, _open_member(stream, name, entry, faults)) for name, entry in entries.items())
    return {name: member for name, member in opened if member is not None}


def write_members(
    path: Path, arrays: Mapping[str, tuple[NDArray[Any], np.dtype[Any]]], *, rows: NDArray[np.intp]
) -> None:
    """Writes an npz as `numpy.savez` lays it out; equal arrays give equal bytes, and each starts at a multiple of 64.

    Args:
        path: Replaced when it exists.
        arrays: By name, each with the dtype to write; their first axes are equally long.
        rows: The order in which rows are written.
    """
    with replacing(path) as stream, zipfile.ZipFile(stream, "w") as archive:
        for name, (array, dtype) in arrays.items():
            info = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            info.external_attr = 0o644 << 16
            info.create_system = 3
            zip64_extra_bytes = 20
            padding = -(stream.tell() + 30 + len(info.filename) + zip64_extra_bytes + 4) % _ALIGNMENT_BYTES
            info.extra = _PADDING_TAG.to_bytes(2, "little") + padding.to_bytes(2, "little") + bytes(padding)
            with archive.open(info, "w", force_zip64=True) as member:
                header = {"descr": dtype.str, "fortran_order": False, "shape": array.shape}
                np.lib.format.write_array_header_1_0(cast(Any, member), header)
                for block in _blocks(array, dtype, rows):
                    member.write(block.data.cast("B"))


def _blocks(array: NDArray[Any], dtype: np.dtype[Any], rows: NDArray[np.intp]) -> Iterator[NDArray[Any]]:
    row_bytes = max(1, array[:1].size * dtype.itemsize)
    step = max(1, BLOCK_BYTES // row_bytes)
    in_order = np.array_equal(rows, np.arange(len(rows)))
    for start in range(0, len(rows), step):
        part = slice(start, start + step) if in_order else rows[start : start + step]
        block = np.ascontiguousarray(array[part], dtype=dtype)
        yield block.view(np.uint8) if block.size else np.empty(0, dtype=np.uint8)


def _wanted(entries: tuple[Entry, ...], names: Sequence[str], faults: Faults, *, hint: str) -> dict[str, Entry]:
    """The first entry of each wanted name; the surplus and the missing are faults."""
    allowed = "`, `".join(names)
    found: dict[str, Entry] = {}
    for entry in entries:
        name = entry.name.removesuffix(".npy")
        if name in found:
            faults.add("", f"the array {shown(name)} is there twice")
        elif name not in names or name == entry.name:
            faults.add("", f"the file holds {shown(entry.name)}; the arrays `{allowed}` are allowed", hint=hint)
        else:
            found[name] = entry
    for name in names:
        if name not in found:
            faults.add("", f"the array `{name}` is missing", hint=hint)
    return found


def _open_member(stream: BinaryIO, name: str, entry: Entry, faults: Faults) -> Member | None:
    if entry.fault is not None:
        faults.add(name, entry.fault)
        return None
    try:
        beginning = b""
        for chunk in entry_chunks(stream, entry):
            beginning += chunk
            if len(beginning) >= MAX_HEADER_BYTES + 12:
                break
        header = parse_header(beginning)
    except SubmissionError as error:
        faults.add(name, str(error))
        return None
    expected = header.header_bytes + header.content_bytes
    if expected != entry.size_bytes:
        found = f"a shape of `{header.shape}` in `{header.dtype}` needs `{expected}` bytes"
        faults.add(name, f"{found}; the file has `{entry.size_bytes}`")
        return None
    return Member(stream=stream, entry=entry, header=header)
