"""One list of a submission, ``abcd:30 wxyz:125 …``: from its bytes to slots, all entries at once.

Legend: N entries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from podium.challenges.yt8m_segments.grid import WORD_BYTES, SegmentGrid, words_at
from podium.challenges.yt8m_segments.layout import SEGMENT_SECONDS

_SPACE, _COLON, _ZERO = 32, 58, 48
_WINDOW_BYTES = 1 << 17
_BYTES_PREFIXES = (0x2762, 0x2262)
_ZEROS = np.uint64(0x3030303030303030)
_OVER_NINE = np.uint64(0x7676767676767676)
_TOP_BITS = np.uint64(0x8080808080808080)
_PAIR, _FOUR, _EIGHT = np.uint64(2561), np.uint64(6553601), np.uint64(42949672960001)
_PAIRS, _FOURS = np.uint64(0x00FF00FF00FF00FF), np.uint64(0x0000FFFF0000FFFF)


class Flaw(IntEnum):
    """What is wrong with an entry."""

    NONE = 0
    SPACE = 1
    FORM = 2
    START = 3
    BYTES = 4
    VIDEO = 5
    GRID = 6
    BEYOND = 7
    TWICE = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class Entries:
    """The entries of one list.

    Attributes:
        begin: (N,) int64, where each begins.
        end: (N,) int64, behind its last byte.
        slot: (N,) int64, -1 where there is a flaw.
        flaw: (N,) uint8, a `Flaw`.
    """

    begin: NDArray[np.int64]
    end: NDArray[np.int64]
    slot: NDArray[np.int64]
    flaw: NDArray[np.uint8]


def windows(raw: bytes, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Cuts a list into parts that stay in a processor's cache: where each begins and ends, the space between left out.

    >>> list(windows(b"3,abcd:5 abcd:10", 2, 16))
    [(2, 16)]
    """
    while (space := raw.find(b" ", begin + _WINDOW_BYTES, end - 1)) >= 0:
        yield begin, space
        begin = space + 1
    yield begin, end


def read_entries(text: NDArray[np.uint8], begin: int, end: int, grid: SegmentGrid) -> Entries:
    """The entries between two places of `text`, each with its slot or its first flaw.

    Args:
        text: Bytes, none of them zero, with `grid.padding` zero bytes at the end.
        begin: Where the list begins.
        end: Behind its last byte; a list of no bytes has no entry.
        grid: The slots of the test set.
    """
    begin_N, end_N, colon_N, flaw_N = _split(text, begin, end)
    seconds_N = _read_starts(text, colon_N, end_N, flaw_N)
    video_N = grid.locate(text, begin_N, colon_N)
    unknown = np.flatnonzero((video_N < 0) & (flaw_N == Flaw.NONE))
    if len(unknown):
        pythonic = np.isin(words_at(text, begin_N[unknown]) & np.uint64(0xFFFF), _BYTES_PREFIXES)
        flaw_N[unknown] = np.where(pythonic, Flaw.BYTES, Flaw.VIDEO)
    slot_N = grid.slot(video_N, seconds_N)
    outside = np.flatnonzero((slot_N < 0) & (flaw_N == Flaw.NONE))
    flaw_N[outside] = np.where(seconds_N[outside] % SEGMENT_SECONDS != 0, Flaw.GRID, Flaw.BEYOND)
    slot_N[flaw_N != Flaw.NONE] = -1
    return Entries(begin=begin_N, end=end_N, slot=slot_N, flaw=flaw_N)


def mark_repeated(parts: Sequence[Entries]) -> Entries:
    """The parts of one list put together, with no flaw but `TWICE`: the segment stands earlier in the list."""
    begin, end, slot = (np.concatenate([getattr(part, name) for part in parts]) for name in ("begin", "end", "slot"))
    flaw = np.full(len(slot), Flaw.TWICE, dtype=np.uint8)
    flaw[np.unique(slot, return_index=True)[1]] = Flaw.NONE
    flaw[slot < 0] = Flaw.NONE
    return Entries(begin=begin, end=end, slot=slot, flaw=flaw)


def _split(
    text: NDArray[np.uint8], begin: int, end: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
    """Where each entry begins and ends, where its colon is, and what is wrong with its form."""
    if begin >= end:
        nothing = np.empty(0, dtype=np.int64)
        return nothing, nothing, nothing, np.empty(0, dtype=np.uint8)
    spaces = np.flatnonzero(text[begin:end] == _SPACE) + begin
    colons = np.flatnonzero(text[begin:end] == _COLON) + begin
    begin_N, end_N = np.append(begin, spaces + 1), np.append(spaces, end)
    flaw_N = np.zeros(len(begin_N), dtype=np.uint8)
    if len(colons) == len(begin_N) and bool(((begin_N < colons) & (colons + 1 < end_N)).all()):
        return begin_N, end_N, colons, flaw_N
    first_N = np.searchsorted(colons, begin_N)
    single_N = np.searchsorted(colons, end_N) - first_N == 1
    colon_N = np.where(single_N, np.append(colons, end)[first_N], begin_N)
    flaw_N[~single_N | (colon_N == begin_N) | (colon_N + 1 == end_N)] = Flaw.FORM
    flaw_N[begin_N == end_N] = Flaw.SPACE
    return begin_N, end_N, colon_N, flaw_N


def _read_starts(
    text: NDArray[np.uint8], colon_N: NDArray[np.int64], end_N: NDArray[np.int64], flaw_N: NDArray[np.uint8]
) -> NDArray[np.int64]:
    """The seconds behind each colon: one to eight digits without a leading zero, eight of them added up in one word."""
    length_N = end_N - colon_N - 1
    words_N = words_at(text, colon_N + 1) ^ _ZEROS
    shift_N = (WORD_BYTES - np.clip(length_N, 1, WORD_BYTES)).astype(np.uint64) * np.uint64(8)
    digits_N = words_N << shift_N
    wrong_N = (((digits_N + _OVER_NINE) | digits_N) & _TOP_BITS) != 0
    wrong_N |= (length_N > WORD_BYTES) | ((length_N > 1) & ((words_N & np.uint64(0xFF)) == 0))
    flaw_N[wrong_N & (flaw_N == Flaw.NONE)] = Flaw.START
    digits_N = (digits_N * _PAIR) >> np.uint64(8)
    digits_N = ((digits_N & _PAIRS) * _FOUR) >> np.uint64(16)
    return (((digits_N & _FOURS) * _EIGHT) >> np.uint64(32)).astype(np.int64)
