"""The classes that segments are rated for.

A class has two numbers: its `Index` among the 3,862 classes of YouTube-8M, which submissions and ratings use, and its
row in the vocabulary, which models use. Rows are not sorted by index.

Legend: C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from podium.errors import ChallengeError
from podium.formats import tables

COLUMNS = ("Index", "KnowledgeGraphId", "Name", "PositiveSegmentCount", "TotalSegmentCount")

_MAX_BYTES = 64 << 20
_MAX_CLASSES = 1_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Vocabulary:
    """The classes, in file order: the row of a class is its place here.

    Attributes:
        indices: (C,) int64, distinct.
        knowledge_graph_ids: One a class, may be empty.
        names: One a class, may be empty.
        positive_segments: (C,) int64, positive ratings in the official training part.
        rated_segments: (C,) int64, all ratings there.
    """

    indices: NDArray[np.int64]
    knowledge_graph_ids: tuple[str, ...]
    names: tuple[str, ...]
    positive_segments: NDArray[np.int64]
    rated_segments: NDArray[np.int64]

    @cached_property
    def rows(self) -> dict[int, int]:
        """The row of each index."""
        return {index: row for row, index in enumerate(self.indices.tolist())}

    def rows_of(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """(N,) int64: the row of each index, -1 where it is unknown."""
        order = np.argsort(self.indices)
        at = np.minimum(np.searchsorted(self.indices, indices, sorter=order), len(order) - 1)
        return np.where(self.indices[order[at]] == indices, order[at], -1)

    def label(self, row: int) -> str:
        """The index of a class, and its name where it has one."""
        name = self.names[row]
        return f"{self.indices[row]} {name}" if name else str(self.indices[row])


def read_vocabulary(path: Path) -> Vocabulary:
    """The vocabulary of a data set.

    Args:
        path: A csv with the columns of `COLUMNS`; others are ignored.

    Raises:
        ChallengeError: The file is missing or broken, empty, or holds an index twice.
    """
    columns = (
        tables.Column(name="Index", kind="int", minimum=0),
        *(tables.Column(name=name, may_be_empty=True, max_characters=None) for name in COLUMNS[1:3]),
        *(tables.Column(name=name, kind="int", minimum=0) for name in COLUMNS[3:]),
    )
    reading = tables.read(path, columns, max_bytes=_MAX_BYTES, max_rows=_MAX_CLASSES, extra="ignore")
    if reading.frame is None:
        first = "; ".join(str(each) for each in reading.problems[:3])
        raise ChallengeError(f"the data set's `{path}` is broken: {first}")
    if reading.frame["Index"].n_unique() != len(reading.frame):
        raise ChallengeError(f"`{path}` names a class twice")
    numbers = {name: reading.frame[name].to_numpy().astype(np.int64) for name in (COLUMNS[0], *COLUMNS[3:])}
    return Vocabulary(
        indices=numbers["Index"],
        knowledge_graph_ids=tuple(reading.frame["KnowledgeGraphId"].to_list()),
        names=tuple(reading.frame["Name"].to_list()),
        positive_segments=numbers["PositiveSegmentCount"],
        rated_segments=numbers["TotalSegmentCount"],
    )


def write_vocabulary(path: Path, vocabulary: Vocabulary) -> None:
    """Writes the vocabulary in the form in which it is read."""
    values = (
        vocabulary.indices,
        vocabulary.knowledge_graph_ids,
        vocabulary.names,
        vocabulary.positive_segments,
        vocabulary.rated_segments,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    tables.write(path, dict(zip(COLUMNS, values, strict=True)))
