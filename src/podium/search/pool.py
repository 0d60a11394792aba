"""The best pairs so far, and how good a pair must be to matter.

A pair's key is query row x number of reference rows + reference row, so keys sort as (query row, reference row).
"""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

Similarities = NDArray[np.float32]
Keys = NDArray[np.int64]
_SPARE = 1 << 16
_LAST_KEY = np.iinfo(np.int64).max


class Pool:
    """Keeps the k best pairs: similarity descending, then key ascending. Safe to fill from several threads.

    Args:
        k: Pairs to keep, at least 1.
        floor: Pairs below it are not wanted. It rises once k pairs are known, and then no pair below it can be among
            the k best.
    """

    def __init__(self, k: int, floor: float = -np.inf) -> None:
        self._k = k
        self._cut: tuple[np.float32, int] = (np.float32(floor), _LAST_KEY)
        self._parts: list[tuple[Similarities, Keys]] = []
        self._count = 0
        self._lock = threading.Lock()

    @property
    def floor(self) -> float:
        """Pairs of lower similarity cannot matter."""
        return float(self._cut[0])

    def __len__(self) -> int:
        return min(self._count, self._k)

    def wants(self, similarities: Similarities, keys: Keys) -> NDArray[np.bool_]:
        """True for pairs that can still be among the k best; the arrays may have any one shape."""
        floor, last_key = self._cut
        return (similarities > floor) | ((similarities == floor) & (keys < last_key))

    def add(self, similarities: Similarities, keys: Keys) -> None:
        """Takes in pairs, each once."""
        wanted = self.wants(similarities, keys)
        similarities, keys = similarities[wanted], keys[wanted]
        with self._lock:
            self._parts.append((similarities, keys))
            self._count += len(keys)
            if self._count > self._k + max(_SPARE, self._k // 16):
                self._prune()

    def best(self) -> tuple[Similarities, Keys]:
        """The kept pairs in order."""
        with self._lock:
            if self._count > self._k:
                self._prune()
            return ordered(*self._gather())

    def _gather(self) -> tuple[Similarities, Keys]:
        if not self._parts:
            return np.empty(0, np.float32), np.empty(0, np.int64)
        similarities, keys = (np.concatenate(each) for each in zip(*self._parts, strict=True))
        self._parts = [(similarities, keys)]
        return similarities, keys

    def _prune(self) -> None:
        similarities, keys = self._gather()
        floor = np.partition(similarities, len(keys) - self._k)[len(keys) - self._k]
        above, level = similarities > floor, np.flatnonzero(similarities == floor)
        places = self._k - int(above.sum())
        last_key = int(np.partition(keys[level], places - 1)[places - 1])
        above[level] = keys[level] <= last_key
        self._parts = [(similarities[above], keys[above])]
        self._count, self._cut = self._k, (floor, last_key)


def ordered(similarities: Similarities, keys: Keys) -> tuple[Similarities, Keys]:
    """Sorts pairs by similarity descending, then key.

    Sorting keys first and then one whole number made of similarity and place is faster than a sort by two columns.
    """
    by_key = np.argsort(keys)
    similarities, keys = similarities[by_key], keys[by_key]
    bits = similarities.view(np.uint32)
    rising = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
    packed = ((~rising).astype(np.uint64) << np.uint64(32)) | np.arange(len(keys), dtype=np.uint64)
    packed.sort()
    order = (packed & np.uint64(0xFFFFFFFF)).astype(np.intp)
    return similarities[order], keys[order]
