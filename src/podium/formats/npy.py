"""The header of an NPY array, read with bounds and without evaluating it.

Format: numpy/lib/format.py, versions 1.0 to 3.0. The header is matched, not evaluated: no pickle, no objects.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from podium.errors import SubmissionError
from podium.formats.faults import shown

MAGIC = b"\x93NUMPY"
MAX_HEADER_BYTES = 4096
_HEADER = re.compile(
    rb"\{'descr': (?P<descr>'[^'\\]{1,40}'|\[[^\x00]{1,2000}\]), 'fortran_order': (?P<fortran>True|False), "
    rb"'shape': \((?P<shape>[0-9, L]{0,200})\), ?\} *\n?"
)
_PLAIN = re.compile(r"[<>|=]?([biufcUSV])([0-9]{1,9})")


@dataclass(frozen=True, kw_only=True)
class Header:
    """What an NPY file says it holds.

    Attributes:
        dtype: Of plain numbers or text; never of objects.
        shape: All lengths 0 or more.
        fortran_order: The first axis changes fastest.
        header_bytes: Where the numbers begin.
    """

    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    fortran_order: bool
    header_bytes: int

    @property
    def content_bytes(self) -> int:
        """Bytes of all numbers together, computed without overflow."""
        return math.prod(self.shape) * self.dtype.itemsize


def parse_header(beginning: bytes) -> Header:
    """The header at the start of an NPY file.

    Args:
        beginning: The first bytes, at least ``MAX_HEADER_BYTES + 12`` where the file has them.

    Raises:
        SubmissionError: It is no NPY file, too long, or of objects, records or dates.

    >>> import io; import numpy; file = io.BytesIO(); numpy.save(file, numpy.zeros((3, 4), "float32"))
    >>> parse_header(file.getvalue()).shape
    (3, 4)
    """
    if beginning[:6] != MAGIC or len(beginning) < 12:
        raise SubmissionError("this is no NPY array")
    if beginning[6] not in (1, 2, 3):
        raise SubmissionError(f"the NPY format version is `{beginning[6]}`; `1`, `2` and `3` are read")
    size = 2 if beginning[6] == 1 else 4
    length = int.from_bytes(beginning[8 : 8 + size], "little")
    start = 8 + size
    if length > MAX_HEADER_BYTES:
        raise SubmissionError(f"the NPY header has `{length}` bytes; at most `{MAX_HEADER_BYTES}` are allowed")
    if start + length > len(beginning):
        raise SubmissionError("the NPY array is cut off within its header")
    match = _HEADER.fullmatch(beginning[start : start + length])
    if match is None:
        raise SubmissionError("the NPY header is damaged or was not written by numpy")
    lengths = [part.strip(b" L") for part in match["shape"].split(b",")]
    if any(len(part) > 19 or not part.isdigit() for part in lengths if part):
        raise SubmissionError("the NPY header gives a shape that is no list of lengths")
    shape = tuple(int(part) for part in lengths if part)
    return Header(
        dtype=_parse_dtype(match["descr"].decode("latin-1")),
        shape=shape,
        fortran_order=match["fortran"] == b"True",
        header_bytes=start + length,
    )


def _parse_dtype(descr: str) -> np.dtype[np.generic]:
    text = descr.strip("'")
    if descr.startswith("["):
        raise SubmissionError("the array holds records; plain numbers or text are allowed")
    if "O" in text:
        raise SubmissionError("the array holds Python objects (`dtype=object`), which are never loaded")
    if _PLAIN.fullmatch(text) is None:
        raise SubmissionError(f"the dtype {shown(text)} is not read; plain numbers or text are allowed")
    try:
        return np.dtype(text)
    except (TypeError, ValueError) as error:
        raise SubmissionError(f"the dtype {shown(text)} is unknown") from error
