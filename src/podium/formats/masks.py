"""8-bit masks as PNG: grey levels that mean confidence, or palette files whose indices are object ids.

What a stranger's file holds is known from its header before anything is decoded, so that every wrong kind of file has
a name of its own and no picture is larger than it may be. Only the parts that make the picture reach the decoder.

Axes: H height, W width.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from podium.errors import SubmissionError, UsageError
from podium.formats.faults import shown
from podium.formats.files import open_regular, replacing

Levels = NDArray[np.uint8]

MAX_PIXELS = 64_000_000
MAX_BYTES = 64 << 20

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KEPT = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_MAX_PARTS = 20_000
_PNG_GREY, _PNG_RGB, _PNG_PALETTE, _PNG_GREY_ALPHA, _PNG_RGB_ALPHA = 0, 2, 3, 4, 6


class MaskKind(StrEnum):
    """What the values of a mask file are."""

    GREY = "8-bit grey (mode `L`)"
    PALETTE = "palette (mode `P`)"
    ONE_BIT = "1-bit (mode `1`)"
    DEEP = "16-bit grey"
    COLOUR = "colour (mode `RGB`)"
    ALPHA = "with transparency (mode `LA` or `RGBA`)"


class MaskFlaw(StrEnum):
    """Why a file is refused."""

    FILE = "file"
    FORMAT = "format"
    KIND = "kind"
    SIZE = "size"
    PIXELS = "pixels"
    ANIMATED = "animated"
    DAMAGED = "damaged"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One flaw of a file, in words.

    Attributes:
        flaw: Its name.
        message: What was found and what is allowed.
        hint: What to do about it, or empty.
    """

    flaw: MaskFlaw
    message: str
    hint: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskReading:
    """A mask, or every reason why there is none.

    Attributes:
        levels_HW: Grey levels, palette indices, or 0 and 1 of a 1-bit file; None with a fault.
        kind: None where the file does not say.
        faults: In the order in which they were found.
    """

    levels_HW: Levels | None = None
    kind: MaskKind | None = None
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Header:
    height: int
    width: int
    kind: MaskKind


class _Refused(Exception):  # noqa: N818 - carries a fault from the walk over the parts
    def __init__(self, flaw: MaskFlaw, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.fault = Fault(flaw=flaw, message=message, hint=hint)


_REMEDIES = {
    MaskKind.PALETTE: "convert the labels to 0 and 255 and save as mode `L`",
    MaskKind.ONE_BIT: "save 0 and 255 as `uint8` in mode `L`; some optimisers turn such a file into 1 bit",
    MaskKind.DEEP: "scale to 0..255 and save as `uint8`",
    MaskKind.COLOUR: "save one channel as mode `L`",
    MaskKind.ALPHA: "drop the transparency and save as mode `L`",
    MaskKind.GREY: "save the labels as a palette file",
}


def read(
    path: Path,
    *,
    kinds: Collection[MaskKind] = (MaskKind.GREY,),
    size: tuple[int, int] | None = None,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
) -> MaskReading:
    """The mask in a PNG file, or all that is wrong with it. Raises nothing for what the file holds.

    Args:
        path: A plain file; a link in its last part is not followed.
        kinds: What is allowed.
        size: Height and width that it must have; None allows any.
        max_pixels: Larger pictures are refused before they are decoded.
        max_bytes: Of the file.
    """
    try:
        with open_regular(path, max_bytes=max_bytes) as stream:
            data = stream.read(max_bytes + 1)
    except (SubmissionError, OSError) as error:
        problems = error.problems if isinstance(error, SubmissionError) else ()
        message = problems[0].message if problems else f"the file cannot be read: {error}"
        return MaskReading(faults=(Fault(flaw=MaskFlaw.FILE, message=message),))
    return decode(data, kinds=kinds, size=size, max_pixels=max_pixels)


def decode(
    data: bytes,
    *,
    kinds: Collection[MaskKind] = (MaskKind.GREY,),
    size: tuple[int, int] | None = None,
    max_pixels: int = MAX_PIXELS,
) -> MaskReading:
    """The mask in the bytes of a PNG file; as `read`.

    >>> decode(b"GIF89a").faults[0].message
    'this is a GIF file; PNG is needed'
    """
    kind: MaskKind | None = None
    try:
        header = _header(data)
        kind = header.kind
        faults = _check(header, kinds, size, max_pixels)
        lean = _lean(data, kind)
        if faults:
            return MaskReading(kind=kind, faults=faults)
        return MaskReading(levels_HW=_pixels(lean, header), kind=kind)
    except _Refused as refused:
        return MaskReading(kind=kind, faults=(refused.fault,))


def encode(levels_HW: Levels, *, palette: bool = False) -> bytes:
    """A PNG file of grey levels, or of object ids with the colours of `colour_map`. The same input, the same bytes.

    Args:
        levels_HW: (H, W) uint8.
        palette: Write a palette file, as DAVIS does for several objects.

    Raises:
        UsageError: The array is not two-dimensional uint8 with at least one pixel.

    >>> decode(encode(np.array([[0, 7]], np.uint8))).levels_HW.tolist()
    [[0, 7]]
    """
    if levels_HW.dtype != np.uint8 or levels_HW.ndim != 2 or not levels_HW.size:
        raise UsageError(f"a mask is `{levels_HW.dtype}` of shape `{levels_HW.shape}`; uint8 of (H, W) is needed")
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(levels_HW))
    if palette:
        image.putpalette(colour_map().tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def write(path: Path, levels_HW: Levels, *, palette: bool = False) -> None:
    """Writes a mask file whole or not at all; as `encode`.

    Raises:
        UsageError: The array is no mask, or the folder does not exist.
    """
    data = encode(levels_HW, palette=palette)
    with replacing(path) as stream:
        stream.write(data)


def confidence_levels(confidence_HW: NDArray[np.floating[Any]]) -> Levels:
    """Grey levels of a confidence in [0, 1], cut off as the contest's writer does: 128/255 and above is foreground.

    >>> confidence_levels(np.array([0.0, 0.5, 128 / 255, 1.0])).tolist()
    [0, 127, 128, 255]

    Raises:
        UsageError: A value is not in [0, 1].
    """
    if confidence_HW.size and not (np.min(confidence_HW) >= 0 and np.max(confidence_HW) <= 1):
        raise UsageError("a confidence is outside 0 to 1")
    return (confidence_HW * 255).astype(np.uint8)


@cache
def colour_map() -> NDArray[np.uint8]:
    """(256, 3) red, green and blue of each object id: the colours of PASCAL VOC and DAVIS.

    Bit 3k of an id goes to red, 3k + 1 to green and 3k + 2 to blue, the lowest triple to the highest bits.

    >>> colour_map()[[0, 1, 2, 3, 255]].tolist()
    [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [224, 224, 192]]
    """
    ids = np.arange(256)
    colours = np.zeros((256, 3), np.uint8)
    for triple in range(3):
        for channel in range(3):
            bit = ids >> (3 * triple + channel) & 1
            colours[:, channel] |= (bit << (7 - triple)).astype(np.uint8)
    colours.flags.writeable = False
    return colours


def _header(data: bytes) -> _Header:
    if not data.startswith(_SIGNATURE):
        raise _Refused(MaskFlaw.FORMAT, f"this is {_format(data)}; PNG is needed", "save it as PNG")
    if len(data) < 33:
        raise _Refused(MaskFlaw.DAMAGED, "the file ends within its header", "write it again")
    length, name, width, height, depth, colour = struct.unpack(">I4sIIBB", data[8:26])
    if name != b"IHDR" or length != 13 or not width or not height:
        raise _Refused(MaskFlaw.DAMAGED, "the header is broken", "write it again")
    return _Header(height=height, width=width, kind=_kind(depth, colour))


def _kind(depth: int, colour: int) -> MaskKind:
    if depth not in (1, 2, 4, 8, 16):
        raise _Refused(MaskFlaw.DAMAGED, f"the header says `{depth}` bits a value", "write it again")
    match colour:
        case 0:
            return {1: MaskKind.ONE_BIT, 16: MaskKind.DEEP}.get(depth, MaskKind.GREY)
        case 2:
            return MaskKind.COLOUR
        case 3:
            return MaskKind.PALETTE
        case 4 | 6:
            return MaskKind.ALPHA
        case _:
            raise _Refused(MaskFlaw.DAMAGED, f"the header says colour type `{colour}`", "write it again")


def _check(
    header: _Header, kinds: Collection[MaskKind], size: tuple[int, int] | None, max_pixels: int
) -> tuple[Fault, ...]:
    faults: list[Fault] = []
    if header.kind not in kinds:
        wanted = " or ".join(kinds)
        message = f"the file is {header.kind}; {wanted} is needed"
        faults.append(Fault(flaw=MaskFlaw.KIND, message=message, hint=_REMEDIES[header.kind]))
    found = (header.height, header.width)
    if size is not None and found != size:
        swapped = found == size[::-1]
        hint = (
            "height and width are swapped" if swapped else "scale the mask to the size of the frame; nothing is resized"
        )
        message = f"the mask is `{_times(found)}` (width x height); the frame is `{_times(size)}`"
        faults.append(Fault(flaw=MaskFlaw.SIZE, message=message, hint=hint))
    elif header.height * header.width > max_pixels:
        message = f"the mask is `{_times(found)}`; at most `{max_pixels:,}` pixels are allowed"
        faults.append(Fault(flaw=MaskFlaw.PIXELS, message=message))
    return tuple(faults)


def _times(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"


def _lean(data: bytes, kind: MaskKind) -> bytes:
    """The file with nothing but header, palette and picture, when it is whole and no animation."""
    parts: list[bytes] = [_SIGNATURE]
    at, names = len(_SIGNATURE), set[bytes]()
    for _ in range(_MAX_PARTS):
        if at + 12 > len(data):
            raise _Refused(MaskFlaw.DAMAGED, "the file is cut off", "write it again")
        length, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise _Refused(MaskFlaw.DAMAGED, "the file is cut off", "write it again")
        if name == b"acTL":
            raise _Refused(MaskFlaw.ANIMATED, "the file is an animation; one picture is needed", "save one picture")
        if name == b"IHDR" and at != len(_SIGNATURE):
            raise _Refused(MaskFlaw.DAMAGED, "the file has two headers", "write it again")
        names.add(name)
        if name in _KEPT:
            parts.append(data[at:end])
        at = end
        if name == b"IEND":
            break
    else:
        raise _Refused(MaskFlaw.DAMAGED, f"the file has more than `{_MAX_PARTS}` parts", "write it again")
    if b"IDAT" not in names or (kind is MaskKind.PALETTE and b"PLTE" not in names):
        raise _Refused(MaskFlaw.DAMAGED, "the file has no picture or no palette", "write it again")
    return b"".join(parts)


def _pixels(lean: bytes, header: _Header) -> Levels:
    from PIL import Image

    try:
        # The size was checked against the caller's bound, which is what the decoder's own warning is for.
        with Image.open(io.BytesIO(lean), formats=["PNG"]) as image:
            levels_HW = np.asarray(image)
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise _Refused(MaskFlaw.DAMAGED, f"the picture cannot be decoded: {shown(error)}", "write it again") from error
    if levels_HW.shape != (header.height, header.width):
        raise _Refused(MaskFlaw.DAMAGED, "the picture is not what the header says", "write it again")
    return levels_HW.astype(np.uint8, copy=False)


def _format(data: bytes) -> str:
    known = ((b"\xff\xd8\xff", "JPEG"), (b"GIF8", "GIF"), (b"BM", "BMP"), (b"II*\0", "TIFF"), (b"MM\0*", "TIFF"))
    name = next((name for start, name in known if data.startswith(start)), None)
    if name is None and data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        name = "WebP"
    if name is None and data[:6] == b"\x93NUMPY":
        name = "NumPy"
    if name:
        return f"a {name} file"
    return "no picture" if data else "an empty file"
