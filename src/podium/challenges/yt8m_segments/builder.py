"""From predictions to ``sub.csv``: the best segments of every class, ties by video, then by start.

Predictions are class-major, (C, N), so each class is one run of bytes that is read once. Of the sum over models a
histogram gives the exact score of the last place; nothing but what is kept is ever sorted. Memory: a few rows of N
numbers.

Legend: C classes, N segments that were predicted, K segments that are kept, V videos.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from podium.challenges.yt8m_segments.layout import SEGMENT_SECONDS, Videos
from podium.challenges.yt8m_segments.predictions import CAP, HEADER
from podium.errors import UsageError
from podium.formats.files import replacing
from podium.types import Progress, silent

_LOW_BITS = 16
_LOW = (1 << _LOW_BITS) - 1
_KINDS = {"u": (2, 1), "i": (2, 1), "f": (2, 4)}


@dataclass(frozen=True, kw_only=True)
class Eligibility:
    """Which slots of a video may be listed.

    The first 30 and the last 10 seconds of a video were never rated in the official set, so the default leaves them
    out.

    Attributes:
        first: Slots that are dropped at the beginning.
        last: Slots that are dropped at the end, one that is begun only counted as one.
    """

    first: int = 6
    last: int = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Segments:
    """The segments that predictions are made for, by video, then by start.

    Attributes:
        ids: (V,) unicode, of the videos.
        video: (N,) int32, place of its video in `ids`.
        start_seconds: (N,) int32.
    """

    ids: NDArray[np.str_]
    video: NDArray[np.int32]
    start_seconds: NDArray[np.int32]


class ClassScores(Protocol):
    """Class-major scores of one model: an array, a memory map, or a `ScoreFile`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, N)."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """uint8, uint16, int8, int16, float16 or float32."""
        ...

    def __getitem__(self, row: int, /) -> NDArray[Any]:
        """(N,) the scores of one class."""
        ...


class ScoreFile:
    """Class-major scores in an ``.npy`` file, read class by class.

    A memory map would serve as well, but the pages that it touches count as memory of this process.

    Raises:
        UsageError: The file is missing, no ``.npy`` file, or not class-major.
    """

    def __init__(self, path: Path) -> None:
        try:
            mapped: Any = np.load(path, mmap_mode="r", allow_pickle=False)
        except OSError as error:
            raise UsageError(f"the predictions `{path}` cannot be read: {error}") from error
        except (ValueError, EOFError) as error:
            raise UsageError(f"the predictions `{path}` are no whole array of numbers") from error
        if type(mapped) is not np.memmap or mapped.ndim != 2 or not mapped.flags.c_contiguous:
            raise UsageError(f"`{path}` is no array of shape (classes, segments), one class after the other")
        self.path = path
        self.shape: tuple[int, ...] = mapped.shape
        self.dtype: np.dtype[Any] = mapped.dtype
        self._offset = int(mapped.offset)

    def __getitem__(self, row: int, /) -> NDArray[Any]:
        """(N,) the scores of one class."""
        start = self._offset + row * self.shape[1] * self.dtype.itemsize
        return np.fromfile(self.path, dtype=self.dtype, count=self.shape[1], offset=start)


def eligible_segments(videos: Videos, rule: Eligibility | None = None) -> Segments:
    """The segments of a test set that may be listed, in the order in which predictions hold them.

    Args:
        videos: Of the test set.
        rule: None is the default rule.

    >>> few = eligible_segments(Videos(ids=np.array(["abcd"]), frames=np.array([52])))
    >>> few.start_seconds.tolist()
    [30, 35, 40]
    """
    rule = rule or Eligibility()
    kept_V = np.maximum(videos.slots - rule.first - rule.last, 0)
    video = np.repeat(np.arange(len(kept_V), dtype=np.int32), kept_V)
    behind_V = np.cumsum(kept_V)
    slot = np.arange(len(video)) - np.repeat(behind_V - kept_V, kept_V) + rule.first
    return Segments(ids=videos.ids, video=video, start_seconds=(slot * SEGMENT_SECONDS).astype(np.int32))


def write_submission(
    path: Path,
    models: Sequence[ClassScores],
    segments: Segments,
    class_indices: NDArray[np.int64],
    *,
    cap: int = CAP,
    progress: Progress = silent,
) -> None:
    """Writes ``sub.csv``: of each class the `cap` segments with the highest mean score over the models.

    The same predictions give the same bytes: of equal means the earlier video goes first, then the earlier start.

    Args:
        path: Replaced when it exists.
        models: (C, N) scores of each model, all of one kind of number; higher is better.
        segments: N of them, by video, then by start.
        class_indices: (C,) the `Index` of each class, in the order of the predictions.
        cap: Entries a class; at least 1.
        progress: Shows the classes.

    Raises:
        UsageError: Shapes or kinds do not fit, a segment is there twice or out of order, or a score is not finite.
    """
    _check(models, segments, class_indices, cap)
    names_NW = _names(segments)
    with replacing(path) as stream:
        stream.write(f"{HEADER}\n".encode())
        for row, index in enumerate(progress(class_indices.tolist(), what="ranking classes")):
            best_K = best_segments([model[row] for model in models], cap)
            _write_line(stream, int(index), names_NW, best_K)


def best_segments(scores: Sequence[NDArray[Any]], cap: int) -> NDArray[np.int64]:
    """(K,) int64: the places of the `cap` highest sums over models, best first; of equal sums the lower place first.

    Args:
        scores: (N,) of each model; whole numbers of at most 16 bits, or floats of at most 32.
        cap: At least 1.

    Raises:
        UsageError: A score is not finite.

    >>> best_segments([np.array([1, 5, 5, 0], np.uint16), np.array([1, 0, 0, 9], np.uint16)], 3).tolist()
    [3, 1, 2]
    """
    key_N = _sum_as_keys(scores)
    least = _threshold(key_N, cap) if cap < len(key_N) else None
    above = np.arange(len(key_N)) if least is None else np.flatnonzero(key_N > least)
    # Place below inverted key: one sort of distinct numbers puts ties in the order of their places.
    packed = (~key_N[above]).astype(np.uint64) << np.uint64(32) | above.astype(np.uint64)
    packed.sort()
    best_K = (packed & np.uint64(0xFFFFFFFF)).astype(np.int64)
    if least is None:
        return best_K
    return np.concatenate([best_K, np.flatnonzero(key_N == least)[: cap - len(best_K)]])


def _sum_as_keys(scores: Sequence[NDArray[Any]]) -> NDArray[np.uint32]:
    """(N,) the sums over models as unsigned numbers of the same order."""
    if scores[0].dtype.kind != "f":
        total_N = np.zeros(len(scores[0]), dtype=np.int32)
        for each in scores:
            total_N += each
        return total_N.view(np.uint32) ^ np.uint32(1 << 31)
    total_F = np.zeros(len(scores[0]), dtype=np.float32)
    for each in scores:
        total_F += each
    if not np.isfinite(total_F).all():
        place = int(np.flatnonzero(~np.isfinite(total_F))[0])
        raise UsageError(f"the score of segment `{place}` is `{total_F[place]}`; all must be finite")
    # Adding 0 turns -0 into 0. Bits of positive floats are ordered like whole numbers, those of negative ones
    # backwards.
    bits_N = (total_F + np.float32(0)).view(np.int32)
    return (bits_N ^ ((bits_N >> 31) | np.int32(-(1 << 31)))).view(np.uint32)


def _threshold(key_N: NDArray[np.uint32], cap: int) -> int:
    """The key of the last place: by a histogram of the high bits, then one of the low bits of that bin.

    A partition would do the same, but many equal scores, which sparse predictions have, make it thirty times slower.
    """
    base = int(key_N.min())
    spread = int(key_N.max()) - base
    shift = max(0, spread.bit_length() - _LOW_BITS)
    offset_N = key_N - np.uint32(base)
    high_N = offset_N >> np.uint32(shift) if shift else offset_N
    bin_high, above = _bin_of(np.bincount(high_N), cap)
    if not shift:
        return base + bin_high
    low_N = offset_N[high_N == bin_high] & np.uint32((1 << shift) - 1)
    return base + (bin_high << shift) + _bin_of(np.bincount(low_N), cap - above)[0]


def _bin_of(counts: NDArray[np.intp], cap: int) -> tuple[int, int]:
    """The highest bin at which, counted from the top, `cap` are reached, and how many lie above it."""
    from_top = np.cumsum(counts[::-1])
    place = int(np.searchsorted(from_top, cap))
    return len(counts) - 1 - place, int(from_top[place] - counts[len(counts) - 1 - place])


def _names(segments: Segments) -> NDArray[np.uint8]:
    """(N, W) the text of each entry, `abcd:30` and a space; zero bytes inside stand for nothing."""
    ids = np.char.encode(segments.ids, "ascii")
    last = int(segments.start_seconds.max(initial=0)) // SEGMENT_SECONDS
    starts = np.array([f":{slot * SEGMENT_SECONDS} " for slot in range(last + 1)], dtype=np.bytes_)
    ids_VW, starts_SW = (each.view(np.uint8).reshape(len(each), -1) for each in (ids, starts))
    return np.hstack(
        [
            np.take(ids_VW, segments.video, axis=0),
            np.take(starts_SW, segments.start_seconds // SEGMENT_SECONDS, axis=0),
        ]
    )


def _write_line(stream: BinaryIO, index: int, names_NW: NDArray[np.uint8], best_K: NDArray[np.int64]) -> None:
    text = np.take(names_NW, best_K, axis=0).tobytes().translate(None, b"\0")
    stream.write(f"{index},".encode())
    stream.write(memoryview(text)[:-1])
    stream.write(b"\n")


def _check(models: Sequence[ClassScores], segments: Segments, class_indices: NDArray[np.int64], cap: int) -> None:
    if cap < 1:
        raise UsageError(f"the cap is `{cap}`; at least 1 entry a class is needed")
    if not models:
        raise UsageError("there are no predictions; those of at least one model are needed")
    shape = (len(class_indices), len(segments.video))
    wrong = next((each.shape for each in models if tuple(each.shape) != shape), None)
    if wrong is not None:
        raise UsageError(f"predictions have shape `{wrong}`; `{shape}`, classes by segments, is needed")
    kinds = {str(each.dtype) for each in models}
    kind, bytes_a_number = models[0].dtype.kind, models[0].dtype.itemsize
    if kind not in _KINDS or bytes_a_number > max(_KINDS[kind]) or len({each.dtype.kind for each in models}) > 1:
        found = ", ".join(f"`{each}`" for each in sorted(kinds))
        raise UsageError(
            f"predictions are {found}; whole numbers of 16 bits or floats of 16 or 32, all alike, are needed"
        )
    if len(segments.ids) != len(np.unique(segments.ids)):
        raise UsageError("a video is there twice")
    code_N = segments.video.astype(np.int64) << 32 | segments.start_seconds
    if (np.diff(code_N) <= 0).any() or (segments.start_seconds % SEGMENT_SECONDS).any():
        raise UsageError("segments must be distinct, by video, then by start, and start at multiples of 5 s")
