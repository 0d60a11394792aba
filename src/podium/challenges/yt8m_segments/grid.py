"""All five-second slots of a test set, numbered through, and the search for a slot by the text of its name.

Legend: V videos, S slots of all videos, N names that are looked up, W eight-byte words of an id, T places of the table.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from podium.challenges.yt8m_segments.layout import SEGMENT_SECONDS, Videos

WORD_BYTES = 8
_MIX = np.uint64(0x9E3779B97F4A7C15)
_NO_WORD = np.uint64((1 << 64) - 1)
_MASKS = np.array([(1 << (8 * length)) - 1 for length in range(WORD_BYTES)] + [(1 << 64) - 1], dtype=np.uint64)


class SegmentGrid:
    """Numbers the slots of all videos from 0 to S - 1, by video, then by start.

    Ids are found through a table with open addressing, whole words compared, so no search per name is needed.

    Args:
        videos: Of the test set.
        minimum_slots: Every video has at least so many slots, whatever its length.

    Attributes:
        first_slot: (V + 1,) int64, where the slots of each video begin.
        padding: Zero bytes that must follow a text in which ids are looked up.
    """

    def __init__(self, videos: Videos, *, minimum_slots: int = 0) -> None:
        self.videos = videos
        slots_V = np.maximum(videos.slots, minimum_slots)
        self.first_slot = np.concatenate([[0], np.cumsum(slots_V)]).astype(np.int64)
        ids = np.char.encode(videos.ids, "ascii")
        self._width = max(1, -(-ids.dtype.itemsize // WORD_BYTES)) * WORD_BYTES
        words = np.ascontiguousarray(ids.astype(f"S{self._width}")).view(np.dtype("<u8"))
        words_VW = words.reshape(len(ids), -1).astype(np.uint64)
        self._words_WV = [np.append(words_V, _NO_WORD) for words_V in words_VW.T]
        self._bits = max(4, (4 * len(ids)).bit_length())
        self._table_T = self._build()
        self.padding = self._width + WORD_BYTES

    @property
    def slots(self) -> int:
        """S."""
        return int(self.first_slot[-1])

    def locate(
        self, text: NDArray[np.uint8], begin_N: NDArray[np.int64], end_N: NDArray[np.int64]
    ) -> NDArray[np.int32]:
        """(N,) int32: the video whose id stands between two places of `text`, -1 where none has it.

        Args:
            text: Bytes, none of them zero, with `padding` zero bytes at the end.
            begin_N: Of each id.
            end_N: Of each id, behind its last byte.
        """
        length_N = end_N - begin_N
        words_WN = [
            words_at(text, begin_N + shift) & _MASKS[np.clip(length_N - shift, 0, WORD_BYTES)]
            for shift in range(0, self._width, WORD_BYTES)
        ]
        at_N = self._places(words_WN)
        found_N = np.take(self._table_T, at_N)
        others = np.flatnonzero(self._differ(found_N, words_WN))
        while len(others):
            others = others[found_N[others] >= 0]
            at_N[others] = (at_N[others] + 1) & (len(self._table_T) - 1)
            found_N[others] = self._table_T[at_N[others]]
            others = others[self._differ(found_N[others], [words_N[others] for words_N in words_WN])]
        found_N[length_N > self._width] = -1
        return found_N

    def find(self, ids: NDArray[np.str_]) -> NDArray[np.int64]:
        """(N,) int64: the video of each id, -1 where none has it."""
        order = np.argsort(self.videos.ids)
        if not len(order):
            return np.full(len(ids), -1, dtype=np.int64)
        at = np.minimum(np.searchsorted(self.videos.ids, ids, sorter=order), len(order) - 1)
        return np.where(self.videos.ids[order[at]] == ids, order[at], -1).astype(np.int64)

    def slot(self, video_N: NDArray[np.integer[Any]], start_seconds_N: NDArray[np.int64]) -> NDArray[np.int64]:
        """(N,) int64: the slot that starts there, -1 where the video is -1 or has none."""
        inside_N = start_seconds_N // SEGMENT_SECONDS
        slot_N = np.take(self.first_slot, video_N) + inside_N
        there_N = (video_N >= 0) & (inside_N * SEGMENT_SECONDS == start_seconds_N) & (start_seconds_N >= 0)
        there_N &= slot_N < np.take(self.first_slot, video_N + 1)
        slot_N[~there_N] = -1
        return slot_N

    def _differ(self, video_N: NDArray[np.int32], words_WN: list[NDArray[np.uint64]]) -> NDArray[np.bool_]:
        """(N,) bool: the id of the video has other words; a video of -1 has words that no id has."""
        differ_N = np.take(self._words_WV[0], video_N) != words_WN[0]
        for known_V, words_N in zip(self._words_WV[1:], words_WN[1:], strict=True):
            differ_N |= np.take(known_V, video_N) != words_N
        return differ_N

    def _places(self, words_WN: list[NDArray[np.uint64]]) -> NDArray[np.int64]:
        mixed_N = np.zeros_like(words_WN[0])
        for words_N in words_WN:
            mixed_N = (mixed_N ^ words_N) * _MIX
        return (mixed_N >> np.uint64(64 - self._bits)).astype(np.int64)

    def _build(self) -> NDArray[np.int32]:
        table_T = np.full(1 << self._bits, -1, dtype=np.int32)
        pending = np.arange(len(self.videos.ids), dtype=np.int32)
        at = self._places([words_V[:-1] for words_V in self._words_WV])
        while len(pending):
            free = table_T[at] < 0
            table_T[at[free]] = pending[free]
            lost = table_T[at] != pending
            pending, at = pending[lost], (at[lost] + 1) & (len(table_T) - 1)
        return table_T


def words_at(text: NDArray[np.uint8], at_N: NDArray[np.int64]) -> NDArray[np.uint64]:
    """(N,) uint64: the eight bytes from each place on, the first one lowest.

    Args:
        text: Contiguous bytes, with at least eight more behind the last place.
        at_N: Places.
    """
    every = np.ndarray((max(0, len(text) - WORD_BYTES + 1),), dtype="<u8", buffer=text.data, strides=(1,))
    return every[at_N]
