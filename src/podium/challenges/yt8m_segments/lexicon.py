"""The vocabulary of a download, in any of its official forms.

```
segment_vocabulary.csv   Index,KnowledgeGraphId,Name,PositiveSegmentCount,TotalSegmentCount   the 7th place's
vocabulary.csv           Index,TrainVideoCount,KnowledgeGraphId,Name,WikiUrl,Vertical1,...    official
segment_label_ids.csv    Index                                                                official: their order
```

Legend: C classes, R ratings.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from podium.challenges.yt8m_segments.layout import Ratings, header
from podium.challenges.yt8m_segments.vocabulary import Vocabulary, read_vocabulary
from podium.errors import ChallengeError
from podium.formats import tables

SEGMENTS = "segment_vocabulary.csv"
OFFICIAL = "vocabulary.csv"
LABEL_IDS = "segment_label_ids.csv"
NAMES = (SEGMENTS, OFFICIAL, LABEL_IDS)

_MAX_BYTES = 64 << 20
_MAX_CLASSES = 1_000_000
_MOST_SEGMENT_CLASSES = 1_000
_COUNTS = frozenset({"PositiveSegmentCount", "TotalSegmentCount"})


def read(folder: Path, ratings: Ratings) -> Vocabulary:
    """The vocabulary in a folder that holds at least one of the three files.

    `segment_vocabulary.csv` says everything. Else the classes and their order are those of `segment_label_ids.csv`,
    their names those of `vocabulary.csv`, and how often each was rated is counted.

    Args:
        folder: Where the files lie.
        ratings: What is there to learn from; counted where no file says it.

    Raises:
        ChallengeError: A file is broken, the two official ones disagree, or nothing says which classes of all 3,862
            are those of the segments.
    """
    whole = folder / SEGMENTS
    if whole.is_file() and header(whole) >= _COUNTS:
        return read_vocabulary(whole)
    path = whole if whole.is_file() else folder / OFFICIAL
    chosen = read_indices(folder / LABEL_IDS) if (folder / LABEL_IDS).is_file() else None
    if not path.is_file():
        found = _plain(np.zeros(0, np.int64) if chosen is None else chosen)
    elif chosen is None:
        found = _named(path)
        if len(found.indices) > _MOST_SEGMENT_CLASSES:
            raise ChallengeError(
                f"`{path}` has `{len(found.indices)}` classes, and at most `{_MOST_SEGMENT_CLASSES}` are those of "
                f"segments; put the official `{LABEL_IDS}` beside it"
            )
    else:
        found = _chosen(_named(path), chosen, path, folder / LABEL_IDS)
    return _counted(found, ratings)


def read_indices(path: Path) -> NDArray[np.int64]:
    """(C,) the classes that a csv with the column `Index` names, in its order.

    Raises:
        ChallengeError: The file is missing or broken, or holds an index twice.
    """
    frame = _table(path, (tables.Column(name="Index", kind="int", minimum=0),))
    return frame["Index"].to_numpy().astype(np.int64)


def _named(path: Path) -> Vocabulary:
    columns = (
        tables.Column(name="Index", kind="int", minimum=0),
        *(tables.Column(name=name, may_be_empty=True, max_characters=None) for name in ("KnowledgeGraphId", "Name")),
    )
    frame = _table(path, columns)
    found = _plain(frame["Index"].to_numpy().astype(np.int64))
    return replace(
        found,
        knowledge_graph_ids=tuple(frame["KnowledgeGraphId"].to_list()),
        names=tuple(frame["Name"].to_list()),
    )


def _table(path: Path, columns: tuple[tables.Column, ...]) -> pl.DataFrame:
    reading = tables.read(path, columns, max_bytes=_MAX_BYTES, max_rows=_MAX_CLASSES, extra="ignore")
    if reading.frame is None:
        raise ChallengeError(f"`{path}` is broken: " + "; ".join(str(each) for each in reading.problems[:3]))
    if reading.frame["Index"].n_unique() != len(reading.frame):
        raise ChallengeError(f"`{path}` names a class twice")
    return reading.frame


def _plain(indices_C: NDArray[np.int64]) -> Vocabulary:
    nothing = ("",) * len(indices_C)
    zeros_C = np.zeros(len(indices_C), dtype=np.int64)
    return Vocabulary(
        indices=indices_C,
        knowledge_graph_ids=nothing,
        names=nothing,
        positive_segments=zeros_C,
        rated_segments=zeros_C,
    )


def _chosen(named: Vocabulary, indices_C: NDArray[np.int64], path: Path, ids: Path) -> Vocabulary:
    row_C = named.rows_of(indices_C)
    if (row_C < 0).any():
        raise ChallengeError(f"`{ids}` names class `{indices_C[row_C < 0][0]}`, which `{path}` lacks")
    rows: list[int] = row_C.tolist()
    return replace(
        _plain(indices_C),
        knowledge_graph_ids=tuple(named.knowledge_graph_ids[row] for row in rows),
        names=tuple(named.names[row] for row in rows),
    )


def _counted(vocabulary: Vocabulary, ratings: Ratings) -> Vocabulary:
    row_R = vocabulary.rows_of(ratings.class_indices)
    classes = len(vocabulary.indices)
    return replace(
        vocabulary,
        positive_segments=np.bincount(row_R[ratings.positive & (row_R >= 0)], minlength=classes),
        rated_segments=np.bincount(row_R[row_R >= 0], minlength=classes),
    )
