"""The classes that a model tells: their numbers in YouTube-8M, and their rows in what a network gives.

Legend: C classes, N labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from podium.errors import ChallengeError, UsageError
from podium.formats import tables

INDEX, NAME = "Index", "Name"
_MAX_BYTES = 64 << 20
_MAX_CLASSES = 1_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Classes:
    """The classes, in the order of the rows; equal when indices and names are.

    Attributes:
        indices_C: int64, distinct, 0 or more; as labels, ratings and submissions have them.
        names: One a class; may be empty.

    Raises:
        UsageError: Not one name a class, no class, or an index that comes twice or is negative.
    """

    indices_C: NDArray[np.int64]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        indices_C = np.array(self.indices_C, dtype=np.int64)
        if indices_C.ndim != 1 or not len(indices_C) or len(indices_C) != len(self.names):
            raise UsageError(
                f"`{indices_C.size}` classes have `{len(self.names)}` names; one each is needed, and a class"
            )
        if len(np.unique(indices_C)) < len(indices_C) or indices_C.min() < 0:
            raise UsageError("the indices of the classes must be 0 or more, and each another")
        indices_C.setflags(write=False)
        object.__setattr__(self, "indices_C", indices_C)

    def __len__(self) -> int:
        return len(self.names)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Classes):
            return NotImplemented
        return self.names == other.names and np.array_equal(self.indices_C, other.indices_C)

    def __hash__(self) -> int:
        return hash((self.names, self.indices_C.tobytes()))

    @cached_property
    def rows(self) -> dict[int, int]:
        """The row of each index."""
        return {index: row for row, index in enumerate(self.indices_C.tolist())}

    def rows_of(self, indices_N: NDArray[np.int64]) -> NDArray[np.int64]:
        """(N,) int64: the row of each index, -1 where it is none of these classes.

        >>> Classes(indices_C=np.array([7, 3]), names=("dog", "cat")).rows_of(np.array([3, 4, 7])).tolist()
        [1, -1, 0]
        """
        ascending_C, rows_C = self._sorted
        at_N = np.minimum(np.searchsorted(ascending_C, indices_N), len(ascending_C) - 1)
        return np.where(ascending_C[at_N] == indices_N, rows_C[at_N], -1)

    @staticmethod
    def read(path: Path) -> Classes:
        """The classes in a csv with the columns `Index` and `Name`, such as the challenge's `segment_vocabulary.csv`.

        Raises:
            UsageError: There is no such file.
            ChallengeError: It is broken or empty, or holds an index twice.
        """
        if not path.is_file():
            raise UsageError(f"there is no vocabulary `{path}`")
        columns = (
            tables.Column(name=INDEX, kind="int", minimum=0),
            tables.Column(name=NAME, may_be_empty=True, max_characters=None),
        )
        reading = tables.read(path, columns, max_bytes=_MAX_BYTES, max_rows=_MAX_CLASSES, extra="ignore")
        if reading.frame is None:
            first = "; ".join(str(each) for each in reading.problems[:3])
            raise ChallengeError(f"the vocabulary `{path}` is broken: {first}")
        indices = reading.frame[INDEX]
        if indices.n_unique() != len(indices):
            raise ChallengeError(f"`{path}` names a class twice")
        return Classes(indices_C=indices.to_numpy().astype(np.int64), names=tuple(reading.frame[NAME].to_list()))

    def write(self, path: Path) -> None:
        """Writes the columns `Index` and `Name` as csv; the folder is made."""
        path.parent.mkdir(parents=True, exist_ok=True)
        tables.write(path, {INDEX: self.indices_C, NAME: np.array(self.names, dtype=np.str_)})

    @cached_property
    def _sorted(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        rows_C = np.argsort(self.indices_C)
        return self.indices_C[rows_C], rows_C.astype(np.int64)
