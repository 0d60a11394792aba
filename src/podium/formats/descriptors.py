"""Descriptor files: an npz of `video_ids`, `features` and `timestamps`, row i of each belonging together.

Axes: N rows, D dimensions, V videos, W characters. Rows are counted from 0, as numpy counts them.
Format: facebookresearch/vsc2022, `vsc/storage.py`; the official validator's holes are closed here.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from podium.errors import SubmissionError, UsageError
from podium.formats.faults import Faults, shown
from podium.formats.files import open_regular
from podium.formats.npy import Header
from podium.formats.npz import BLOCK_BYTES, Member, open_members, write_members
from podium.types import Problem, Progress, Severity, silent

ARRAYS = ("video_ids", "features", "timestamps")
MAX_ID_CHARACTERS = 64
MAX_SQUARED_LENGTH = 1e38
_DIGITS = 6
_HOW_TO_WRITE = "write it with `numpy.savez(path, video_ids=…, features=…, timestamps=…)`"
_HOW_TO_SORT = "sort the rows of all three arrays by id: `order = numpy.argsort(video_ids, kind='stable')`"


@dataclass(frozen=True, kw_only=True, eq=False)
class Descriptors:
    """Descriptors of videos, the rows of one video next to each other and in the order of the ids.

    Attributes:
        video_ids: (N,) text, non-decreasing.
        features_ND: float32. Mapped from the file where it lies there unpacked; then it is read-only and may start at
            an odd byte (``features_ND.flags.aligned``), which numpy copes with. Deleting the file does no harm,
            cutting it short does.
        timestamps_N2: float64 seconds, start and end of what a row describes; both are equal for a point in time.
    """

    video_ids: NDArray[np.str_]
    features_ND: NDArray[np.float32]
    timestamps_N2: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.video_ids)

    @cached_property
    def first_rows(self) -> NDArray[np.int64]:
        """(V + 1,) where each video's rows begin; the last number is N."""
        if not len(self):
            return np.zeros(1, dtype=np.int64)
        changes = np.flatnonzero(self.video_ids[1:] != self.video_ids[:-1]) + 1
        return np.concatenate([[0], changes, [len(self)]]).astype(np.int64)

    @cached_property
    def videos(self) -> NDArray[np.str_]:
        """(V,) each id once, in order."""
        return self.video_ids[self.first_rows[:-1]]

    @cached_property
    def rows_per_video(self) -> NDArray[np.int64]:
        """(V,) how many rows each video has, at least 1."""
        return np.diff(self.first_rows)

    @cached_property
    def row_video(self) -> NDArray[np.int32]:
        """(N,) the position in `videos` of each row's video."""
        return np.repeat(np.arange(len(self.videos), dtype=np.int32), self.rows_per_video)


@dataclass(frozen=True, kw_only=True)
class DescriptorReading:
    """Descriptors as read, or every reason why they were not; warnings come with descriptors."""

    descriptors: Descriptors | None
    problems: tuple[Problem, ...] = ()

    @property
    def valid(self) -> bool:
        """True when there are descriptors."""
        return self.descriptors is not None


def read_descriptors(
    path: Path,
    *,
    letter: str | None,
    max_rows: int,
    max_dimensions: int = 512,
    max_bytes: int = 8 << 30,
    progress: Progress = silent,
) -> DescriptorReading:
    """The descriptors in an npz file, with every fault that can be seen without the data set.

    Nothing is unpickled, no link is followed, and no array is allocated before its shape, dtype and size agree.
    Features that lie in the file unpacked are mapped, and looked at once, block by block. Times only warn when they
    are negative: they take no part in the descriptor track's score.

    Args:
        path: The file.
        letter: What ids begin with, six digits following; with None any text is an id. Integer ids need a letter.
        max_rows: The most rows.
        max_dimensions: The most feature dimensions.
        max_bytes: The most bytes, for the file and for its unpacked content alike.
        progress: Shows the walk over the features.
    """
    faults = Faults(path.name)
    descriptors = None
    try:
        with open_regular(path, max_bytes=max_bytes) as stream:
            descriptors = _read(stream, _Rules(letter, max_rows, max_dimensions, max_bytes), faults, progress)
    except SubmissionError as error:
        faults.extend(error)
    return DescriptorReading(descriptors=None if faults.refused else descriptors, problems=faults.problems)


def write_descriptors(path: Path, video_ids: Any, features: Any, timestamps: Any) -> None:
    """Writes an npz that the official validator takes; equal arrays give equal bytes.

    Rows are sorted by id, those of one id keeping their order. Arrays start at multiples of 64 bytes.

    Args:
        path: Replaced when it exists.
        video_ids: (N,) text.
        features: (N, D) numbers, written as float32.
        timestamps: (N,) or (N, 2) seconds, written as float32 when they are and as float64 otherwise.

    Raises:
        UsageError: The arrays do not fit together.
    """
    ids = np.asarray(video_ids)
    features_ND = np.asarray(features)
    times = np.asarray(timestamps)
    fits = ids.ndim == 1 and features_ND.ndim == 2 and times.shape in ((len(ids),), (len(ids), 2))
    if not fits or len(features_ND) != len(ids) or ids.dtype.kind != "U":
        raise UsageError(
            f"descriptors need text ids (N,), features (N, D) and timestamps (N,) or (N, 2); found `{ids.dtype}` "
            f"`{ids.shape}`, `{features_ND.shape}` and `{times.shape}`"
        )
    width = max(1, int(np.char.str_len(ids).max(initial=1)))
    times_dtype = np.dtype("<f4" if times.dtype == np.float32 else "<f8")
    arrays = {
        "video_ids": (ids, np.dtype(f"<U{width}")),
        "features": (features_ND, np.dtype("<f4")),
        "timestamps": (times, times_dtype),
    }
    write_members(path, arrays, rows=np.argsort(ids, kind="stable"))


@dataclass(frozen=True)
class _Rules:
    letter: str | None
    max_rows: int
    max_dimensions: int
    max_bytes: int


def _read(stream: BinaryIO, rules: _Rules, faults: Faults, progress: Progress) -> Descriptors | None:
    members = open_members(stream, ARRAYS, faults, max_bytes=rules.max_bytes, hint=_HOW_TO_WRITE)
    checks = {"video_ids": _check_ids_header, "features": _check_features_header, "timestamps": _check_times_header}
    for name in ARRAYS:
        if name in members and not checks[name](members[name].header, rules, faults):
            del members[name]
    if not _check_rows(members, rules, faults):
        return None
    ids = _load_ids(members["video_ids"], rules.letter, faults) if "video_ids" in members else None
    times_N2 = _load_times(members["timestamps"], faults) if "timestamps" in members else None
    features_ND = _load_features(members["features"], faults, progress) if "features" in members else None
    if ids is None or times_N2 is None or features_ND is None or faults.refused:
        return None
    return Descriptors(video_ids=ids, features_ND=features_ND, timestamps_N2=times_N2)


def _check_rows(members: dict[str, Member], rules: _Rules, faults: Faults) -> bool:
    """True when every array has rows, and not too many of them, to be loaded."""
    rows = {name: member.header.shape[0] for name, member in members.items()}
    most = max(rows.values(), default=0)
    if len(set(rows.values())) > 1:
        counts = ", ".join(f"`{name}` has `{count}`" for name, count in rows.items())
        faults.add("", f"the arrays differ in their number of rows: {counts}")
    elif rows and most == 0:
        faults.add("", "the file has no rows")
    if most > rules.max_rows:
        faults.add("", f"the file has `{most}` rows; at most `{rules.max_rows}` are allowed")
    return min(rows.values(), default=0) > 0 and most <= rules.max_rows


def _check_ids_header(header: Header, rules: _Rules, faults: Faults) -> bool:
    dtype = header.dtype
    message, hint = "", ""
    if len(header.shape) != 1:
        message = f"the shape is `{header.shape}`; `(N,)` is needed"
    elif dtype.kind not in "Uiu":
        hint = "convert with `video_ids.astype(str)`" if dtype.kind == "S" else ""
        message = f"the dtype is `{dtype}`; text (`<U7`) or integers are needed"
    elif dtype.kind == "U" and not 4 <= dtype.itemsize <= 4 * MAX_ID_CHARACTERS:
        message = f"the dtype is `{dtype}`; ids of 1 to `{MAX_ID_CHARACTERS}` characters are read"
    elif dtype.kind in "iu" and rules.letter is None:
        message = f"the dtype is `{dtype}`; text (`<U7`) is needed here"
    if message:
        faults.add("video_ids", message, hint=hint)
    return not message


def _check_features_header(header: Header, rules: _Rules, faults: Faults) -> bool:
    fits = True
    if len(header.shape) != 2:
        faults.add("features", f"the shape is `{header.shape}`; `(N, D)` is needed")
        fits = False
    elif not 1 <= header.shape[1] <= rules.max_dimensions:
        found = f"a row has `{header.shape[1]}` dimensions"
        faults.add("features", f"{found}; `1` to `{rules.max_dimensions}` are allowed")
        fits = False
    if header.dtype != np.dtype("<f4"):
        name = header.dtype.name + (" (big-endian)" if header.dtype.str.startswith(">") else "")
        hint = "convert with `features.astype('float32')`"
        faults.add("features", f"the dtype is `{name}`; `float32` is needed", hint=hint)
        fits = False
    return fits and bool(header.shape)


def _check_times_header(header: Header, rules: _Rules, faults: Faults) -> bool:  # noqa: ARG001 - one form for all three
    fits = True
    if len(header.shape) not in (1, 2) or header.shape[1:] not in ((), (2,)):
        faults.add("timestamps", f"the shape is `{header.shape}`; `(N,)`, or `(N, 2)` with start and end, is needed")
        fits = False
    if header.dtype.kind not in "fiu" or header.dtype.itemsize > 8:
        faults.add("timestamps", f"the dtype is `{header.dtype}`; seconds as `float32` or `float64` are needed")
        fits = False
    return fits


def _load_ids(member: Member, letter: str | None, faults: Faults) -> NDArray[np.str_] | None:
    """Ids as text, or None when some are no ids; that they are sorted is checked too."""
    raw = member.load()
    if raw.dtype.kind == "U":
        ids = raw.astype(raw.dtype.newbyteorder("="), copy=False)
        bad = _bad_ids(ids, letter)
    else:
        outside = (raw < 0) | (raw >= 10**_DIGITS)
        bad = np.flatnonzero(outside)
        distinct, codes = np.unique(np.where(outside, 0, raw), return_inverse=True)
        ids = np.array([f"{letter}{number:0{_DIGITS}d}" for number in distinct.tolist()] or [""])[codes]
    if len(bad):
        wanted = f"`{letter}` and six digits are needed" if letter else "printable text is needed"
        codes_NW = ids.view(np.uint32).reshape(len(ids), -1) if raw.dtype.kind == "U" else None
        faults.add_rows(
            bad[: faults.examples].tolist(),
            lambda row: f"the id is {shown(raw[row]) if codes_NW is None else _spell(codes_NW[row])}; {wanted}",
            count=len(bad),
        )
        return None
    back = np.flatnonzero(ids[1:] < ids[:-1]) + 1
    if len(back):
        faults.add_rows(
            back[: faults.examples].tolist(),
            lambda row: f"{shown(ids[row])} comes after {shown(ids[row - 1])}; ids must be in ascending order",
            count=len(back),
            hint=_HOW_TO_SORT,
        )
    return ids


def _bad_ids(ids: NDArray[np.str_], letter: str | None) -> NDArray[np.intp]:
    """Rows whose id has not the form that is needed."""
    codes_NW = np.ascontiguousarray(ids).view(np.uint32).reshape(len(ids), -1)
    if letter is None:
        used_NW = np.cumsum(codes_NW[:, ::-1] != 0, axis=1)[:, ::-1] > 0
        control_NW = (codes_NW < 33) | ((codes_NW > 126) & (codes_NW < 161)) | (codes_NW > 0x10FFFF)
        surrogate_NW = (codes_NW >= 0xD800) & (codes_NW <= 0xDFFF)
        return np.flatnonzero((used_NW & (control_NW | surrogate_NW)).any(axis=1) | ~used_NW.any(axis=1))
    if codes_NW.shape[1] <= _DIGITS:
        return np.arange(len(ids))
    digits_NW = codes_NW[:, 1 : _DIGITS + 1]
    good = (codes_NW[:, 0] == ord(letter)) & ((digits_NW >= ord("0")) & (digits_NW <= ord("9"))).all(axis=1)
    return np.flatnonzero(~(good & (codes_NW[:, _DIGITS + 1 :] == 0).all(axis=1)))


def _spell(codes: NDArray[np.uint32]) -> str:
    """Text whose characters may lie outside Unicode, which numpy itself cannot show."""
    return shown("".join(chr(code) if code <= 0x10FFFF else "\ufffd" for code in codes.tolist()).rstrip("\0"))


def _load_times(member: Member, faults: Faults) -> NDArray[np.float64]:
    raw = member.load().astype(np.float64)
    times_N2 = np.stack([raw, raw], axis=1) if raw.ndim == 1 else raw
    starts, ends = times_N2[:, 0], times_N2[:, 1]
    not_finite = ~np.isfinite(times_N2).all(axis=1)
    early = ~not_finite & (starts < 0)
    turned = ~not_finite & (starts > ends)
    for rows, rule, severity in (
        (not_finite, "finite seconds are needed", Severity.ERROR),
        (early, "times begin at `0`", Severity.WARNING),
        (turned, "the start must not come after the end", Severity.ERROR),
    ):
        bad = np.flatnonzero(rows)
        if len(bad):
            faults.add_rows(
                bad[: faults.examples].tolist(),
                lambda row, rule=rule: f"the timestamp is `{starts[row]:g}` to `{ends[row]:g}`; {rule}",
                count=len(bad),
                severity=severity,
            )
    return times_N2


def _load_features(member: Member, faults: Faults, progress: Progress) -> NDArray[np.float32]:
    """Features whose numbers and lengths are finite; one walk does the checksum of mapped ones as well."""
    features_ND: NDArray[np.float32] = member.map() if member.mappable else member.load()
    crc = member.header_crc() if member.mappable else None
    step = max(1, BLOCK_BYTES // (4 * features_ND.shape[1]))
    bad: list[int] = []
    starts = range(0, len(features_ND), step)
    with np.errstate(over="ignore", invalid="ignore"):
        for start in progress(starts, what="checking descriptors", total=len(starts)):
            block_BD = np.require(features_ND[start : start + step], requirements=["C", "A"])
            if crc is not None:
                crc = zlib.crc32(block_BD.data.cast("B"), crc)
            squared = np.einsum("bd,bd->b", block_BD, block_BD)
            bad += (np.flatnonzero(~(squared <= MAX_SQUARED_LENGTH)) + start).tolist()
    if crc is not None and crc != member.entry.crc:
        faults.add("features", "the content is damaged: its checksum differs from the file's")
    for rows, describe in (
        ([row for row in bad if not np.isfinite(features_ND[row]).all()], _describe_not_finite),
        ([row for row in bad if np.isfinite(features_ND[row]).all()], _describe_too_long),
    ):
        if rows:
            faults.add_rows(rows, lambda row, describe=describe: describe(features_ND[row]))
    return features_ND


def _describe_not_finite(features_D: NDArray[np.float32]) -> str:
    at = int(np.flatnonzero(~np.isfinite(features_D))[0])
    return f"the feature in dimension `{at}` is `{features_D[at]}`; finite numbers are needed"


def _describe_too_long(features_D: NDArray[np.float32]) -> str:
    length = float(np.linalg.norm(features_D.astype(np.float64)))
    return f"the descriptor is `{length:.3g}` long; at most `1e+19` is allowed, else inner products overflow"
