"""Optical flow files: KITTI's 16-bit PNG and Middlebury's ``.flo``.

A flow says for each pixel of a frame where what it shows has moved to in another one. KITTI's file holds 1/64 pixel in
+-512; its third channel says where the flow is valid (Menze and Geiger, CVPR 2015, development kit). Middlebury's holds
32-bit floats; what is above 1e9 is unknown (Baker et al., IJCV 2011, `flowIO`).

Axes: H height, W width, 2 = (dx to the right, dy down) in pixels, B bytes of a row.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError
from podium.formats.files import open_regular, replacing

MAX_PIXELS = 16_000_000
"""Larger files are refused before they are decoded."""
LIMIT_PIXELS = 512.0
"""What KITTI's file can hold in either direction; the largest value lies 1/64 below."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MAX_BYTES = 8 * MAX_PIXELS + (1 << 20)
_MAX_PARTS = 100_000
_PIXEL_BYTES = 6
_STEPS, _OFFSET = 64.0, 32_768.0
_FLO_TAG = b"PIEH"
_FLO_UNKNOWN, _FLO_THRESHOLD = 1e10, 1e9
_NONE, _SUB, _UP, _AVERAGE, _PAETH = range(5)

# Rows minus the row above are mostly zeros and short runs, so that the fastest search finds nearly all there is.
_COMPRESSION = 1

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class Flow:
    """The flow from one frame to another.

    Attributes:
        flow_HW2: float32; 0 where nothing is known. Where a surface is known but not seen in the other frame, its
            motion may stand although it is not valid.
        valid_HW: bool.
    """

    flow_HW2: NDArray[np.float32]
    valid_HW: NDArray[np.bool_]


def read_flow(path: Path, *, max_pixels: int = MAX_PIXELS) -> Flow:
    """The flow in a file of either kind, told apart by how it begins.

    Raises:
        SubmissionError: The file is missing, a link or too large.
        UsageError: It is no flow, is damaged or has too many pixels.
    """
    with open_regular(path, max_bytes=_MAX_BYTES) as stream:
        data = stream.read(_MAX_BYTES + 1)
    try:
        return decode(data, max_pixels=max_pixels)
    except UsageError as error:
        raise UsageError(f"`{path}`: {error}") from error


def write_flow(path: Path, flow_HW2: NDArray[np.floating[Any]], valid_HW: NDArray[np.bool_] | None = None) -> None:
    """Writes a flow, whole or not at all: ``.png`` as KITTI does, ``.flo`` as Middlebury does.

    Args:
        path: The file; its suffix chooses the kind.
        flow_HW2: (H, W, 2) in pixels. KITTI's file rounds to 1/64 and cannot hold `LIMIT_PIXELS` or more: such values
            and those that are not finite become unknown, in both kinds.
        valid_HW: (H, W); None is everywhere.

    Raises:
        UsageError: The suffix is another, the arrays do not fit together, or the folder does not exist.

    >>> import tempfile; path = Path(tempfile.mkdtemp()) / "00000.png"
    >>> write_flow(path, np.array([[[1.5, -2.0], [0.0, 700.0]]]))
    >>> read = read_flow(path); read.flow_HW2.tolist(), read.valid_HW.tolist()
    ([[[1.5, -2.0], [0.0, 0.0]]], [[True, False]])
    """
    encoders = {".png": encode_kitti, ".flo": encode_flo}
    encoder = encoders.get(path.suffix.lower())
    if encoder is None:
        raise UsageError(f"`{path}` ends in `{path.suffix}`; `.png` (KITTI) or `.flo` (Middlebury) is needed")
    data = encoder(flow_HW2, valid_HW)
    with replacing(path) as stream:
        stream.write(data)


def encode_kitti(flow_HW2: NDArray[np.floating[Any]], valid_HW: NDArray[np.bool_] | None = None) -> bytes:
    """A KITTI file: a PNG of 16-bit red, green and blue. The same input, the same bytes; as `write_flow`."""
    flow, valid, known = _checked(flow_HW2, valid_HW)
    height, width = valid.shape
    levels = np.zeros((height, width, 3), np.uint16)
    levels[..., :2] = np.rint(flow * _STEPS + _OFFSET) * known[..., None]
    levels[..., 2] = valid
    rows_HB = levels.astype(">u2").view(np.uint8).reshape(height, width * _PIXEL_BYTES)
    filtered_HB = np.empty((height, rows_HB.shape[1] + 1), np.uint8)
    filtered_HB[:, 0] = _UP
    filtered_HB[0, 1:] = rows_HB[0]
    np.subtract(rows_HB[1:], rows_HB[:-1], out=filtered_HB[1:, 1:])
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(filtered_HB.tobytes(), _COMPRESSION)), (b"IEND", b"")
    return _SIGNATURE + b"".join(_part(name, content) for name, content in parts)


def _part(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def encode_flo(flow_HW2: NDArray[np.floating[Any]], valid_HW: NDArray[np.bool_] | None = None) -> bytes:
    """A Middlebury file; as `write_flow`. What is not valid is unknown there."""
    flow, valid, _ = _checked(flow_HW2, valid_HW)
    values = np.where(valid[..., None], flow, _FLO_UNKNOWN).astype("<f4")
    return _FLO_TAG + struct.pack("<ii", valid.shape[1], valid.shape[0]) + values.tobytes()


def decode(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Flow:
    """The flow in the bytes of a file; as `read_flow`.

    >>> decode(b"GIF89a")
    Traceback (most recent call last):
    ...
    podium.errors.UsageError: this is no flow; a 16-bit PNG (KITTI) or `.flo` (Middlebury) is needed
    """
    if data.startswith(_SIGNATURE):
        return _from_kitti(data, max_pixels)
    if data.startswith(_FLO_TAG):
        return _from_flo(data, max_pixels)
    raise UsageError("this is no flow; a 16-bit PNG (KITTI) or `.flo` (Middlebury) is needed")


def _checked(
    flow_HW2: NDArray[np.floating[Any]], valid_HW: NDArray[np.bool_] | None
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """The flow with 0 where it cannot be stored, where it is valid and where it can be stored."""
    if flow_HW2.ndim != 3 or flow_HW2.shape[2] != 2 or not flow_HW2.size:
        raise UsageError(f"a flow has the shape `{flow_HW2.shape}`; (H, W, 2) is needed")
    shape = flow_HW2.shape[:2]
    if valid_HW is not None and (valid_HW.shape != shape or valid_HW.dtype != np.bool_):
        raise UsageError(f"`valid_HW` is `{valid_HW.dtype}` of shape `{valid_HW.shape}`; bool of `{shape}` is needed")
    most = LIMIT_PIXELS - 1 / _STEPS
    known_HW = np.all(np.isfinite(flow_HW2) & (np.abs(flow_HW2) <= most), axis=2)
    valid = known_HW if valid_HW is None else known_HW & valid_HW
    return np.where(known_HW[..., None], flow_HW2, 0.0).astype(np.float64), valid, known_HW


def _from_flo(data: bytes, max_pixels: int) -> Flow:
    if len(data) < 12:
        raise UsageError("the file is cut off")
    width, height = struct.unpack_from("<ii", data, 4)
    _check_size(height, width, max_pixels)
    if len(data) != 12 + 8 * width * height:
        raise UsageError(f"the file has {len(data)} bytes; {width} x {height} pixels take {12 + 8 * width * height}")
    values = np.frombuffer(data, "<f4", offset=12).reshape(height, width, 2)
    valid_HW = np.all(np.isfinite(values) & (np.abs(values) <= _FLO_THRESHOLD), axis=2)
    return Flow(flow_HW2=np.where(valid_HW[..., None], values, 0).astype(np.float32), valid_HW=valid_HW)


def _from_kitti(data: bytes, max_pixels: int) -> Flow:
    height, width, packed = _parts(data, max_pixels)
    expected = height * (width * _PIXEL_BYTES + 1)
    reader = zlib.decompressobj()
    try:
        raw = reader.decompress(packed, expected + 1)
    except zlib.error as error:
        raise UsageError(f"the picture cannot be decoded: {error}") from error
    if len(raw) != expected:
        raise UsageError("the picture is not what the header says")
    filtered_HB = np.frombuffer(raw, np.uint8).reshape(height, -1)
    rows_HB = _unfiltered(filtered_HB[:, 0], filtered_HB[:, 1:])
    levels = rows_HB.view(">u2").reshape(height, width, 3)
    known = levels[..., :2].any(axis=-1) | (levels[..., 2] != 0)
    flow = (levels[..., :2].astype(np.float32) - np.float32(_OFFSET)) / np.float32(_STEPS)
    flow[~known] = 0
    return Flow(flow_HW2=flow, valid_HW=levels[..., 2] != 0)


def _parts(data: bytes, max_pixels: int) -> tuple[int, int, bytes]:
    """Height, width and the packed picture."""
    size: tuple[int, int] | None = None
    packed: list[bytes] = []
    at = len(_SIGNATURE)
    for _ in range(_MAX_PARTS):
        if at + 12 > len(data):
            raise UsageError("the file is cut off")
        length, name = struct.unpack_from(">I4s", data, at)
        content, end = data[at + 8 : at + 8 + length], at + 12 + length
        if end > len(data):
            raise UsageError("the file is cut off")
        if struct.unpack_from(">I", data, end - 4)[0] != zlib.crc32(name + content):
            raise UsageError("the file is damaged: a checksum is wrong")
        if size is None:
            size = _size(name, content, max_pixels)
        elif name == b"IDAT":
            packed.append(content)
        elif name == b"IEND":
            return *size, b"".join(packed)
        at = end
    raise UsageError(f"the file has more than {_MAX_PARTS} parts")


def _size(name: bytes, content: bytes, max_pixels: int) -> tuple[int, int]:
    if name != b"IHDR" or len(content) != 13:
        raise UsageError("the file has no header")
    width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", content)
    if (depth, colour, interlace) != (16, 2, 0):
        raise UsageError("this PNG is no flow; three plain channels of 16 bits are needed")
    _check_size(height, width, max_pixels)
    return height, width


def _check_size(height: int, width: int, max_pixels: int) -> None:
    if height < 1 or width < 1 or height * width > max_pixels:
        raise UsageError(f"the flow is {width} x {height}; 1 to {max_pixels:,} pixels are allowed")


def _unfiltered(kinds: Bytes, filtered_HB: Bytes) -> Bytes:
    """The rows of a PNG as they were before filtering (PNG specification, section 9)."""
    if kinds.max() > _PAETH:
        raise UsageError(f"the picture has a filter `{kinds.max()}`; 0 to {_PAETH} are allowed")
    if (kinds == _UP).all():
        return np.cumsum(filtered_HB, axis=0, dtype=np.uint8)
    rows_HB = np.empty_like(filtered_HB)
    above = np.zeros(filtered_HB.shape[1], np.uint8)
    for row, kind in enumerate(kinds.tolist()):
        if kind == _NONE:
            rows_HB[row] = filtered_HB[row]
        elif kind == _SUB:
            pixels = filtered_HB[row].reshape(-1, _PIXEL_BYTES)
            rows_HB[row] = np.cumsum(pixels, axis=0, dtype=np.uint8).reshape(-1)
        elif kind == _UP:
            rows_HB[row] = filtered_HB[row] + above
        else:
            predict = _mean if kind == _AVERAGE else _paeth
            rows_HB[row] = _predicted(filtered_HB[row].tolist(), above.tolist(), predict)
        above = rows_HB[row]
    return rows_HB


def _predicted(filtered: list[int], above: list[int], predict: Any) -> Bytes:
    # Each byte needs the one before it, so that nothing can be done at once; `write_flow` writes no such rows.
    row = [0] * _PIXEL_BYTES
    corner = [0] * _PIXEL_BYTES + above
    for at, (delta, up) in enumerate(zip(filtered, above, strict=True)):
        row.append(delta + predict(row[at], up, corner[at]) & 255)
    return np.array(row[_PIXEL_BYTES:], np.uint8)


def _mean(left: int, up: int, _corner: int) -> int:
    return (left + up) // 2


def _paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    to_left, to_up, to_corner = abs(guess - left), abs(guess - up), abs(guess - corner)
    if to_left <= to_up and to_left <= to_corner:
        return left
    return up if to_up <= to_corner else corner
