"""Where the files of a video-copy data set lie, and how they are read.

```
public/train/  public/test/     query_metadata.csv  reference_metadata.csv  query/Q….mp4  reference/R….mp4
public/<independent split>/     ground_truth.csv as well
inputs/                         query_metadata.csv  reference_metadata.csv  query_subset.csv  query/Q….mp4 of the subset
answers/                        ground_truth.csv  edits.json (made data only)
```

The judged split is the one whose query metadata `inputs/` repeats; the other is independent, so that whitening and
score normalisation may be fitted on it. Source: the runtime of the Meta Video Similarity Challenge, 2022.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from podium.errors import ChallengeError
from podium.formats import tables
from podium.types import DataSet

QUERY_METADATA = "query_metadata.csv"
REFERENCE_METADATA = "reference_metadata.csv"
QUERY_SUBSET = "query_subset.csv"
GROUND_TRUTH = "ground_truth.csv"
EDITS = "edits.json"
SPLITS = ("train", "test", "phase2")
MATCH_COLUMNS = ("query_id", "ref_id", "query_start", "query_end", "ref_start", "ref_end")

_MAX_BYTES = 256 << 20
_MAX_ROWS = 5_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Videos:
    """The videos of one metadata file, sorted by id.

    Attributes:
        ids: (N,) unicode, a letter and six digits.
        duration_seconds: (N,) float64.
    """

    ids: np.ndarray
    duration_seconds: np.ndarray

    @cached_property
    def budget(self) -> np.ndarray:
        """(N,) int64: the descriptors that each video may have, one per second begun."""
        return np.ceil(self.duration_seconds).astype(np.int64)

    def positions(self, ids: np.ndarray) -> np.ndarray:
        """(M,) int64: the row of each id, -1 where it is unknown."""
        if not len(self.ids):
            return np.full(len(ids), -1, dtype=np.int64)
        at = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.where(self.ids[at] == ids, at, -1)

    def only(self, ids: np.ndarray) -> Videos:
        """Those of `ids` that are known."""
        keep = np.isin(self.ids, ids)
        return Videos(ids=self.ids[keep], duration_seconds=self.duration_seconds[keep])


@dataclass(frozen=True, kw_only=True, eq=False)
class Truth:
    """The copied segments.

    Attributes:
        segments: Columns of `MATCH_COLUMNS`, one row a segment; the times are null where only pairs are known.
    """

    segments: pl.DataFrame

    @cached_property
    def pairs(self) -> frozenset[tuple[str, str]]:
        """The distinct (query, reference) pairs."""
        return frozenset(self.segments.select("query_id", "ref_id").unique().iter_rows())


def read_videos(path: Path, *, letter: str) -> Videos:
    """The videos of a metadata file.

    Args:
        path: A csv with the columns `video_id` and `duration_sec`; others are ignored.
        letter: `Q` or `R`; every id must begin with it.

    Raises:
        ChallengeError: The file is missing, broken, or holds an id twice.
    """
    columns = (tables.Column(name="video_id"), tables.Column(name="duration_sec", kind="float", minimum=0.0))
    frame = _trusted(path, columns).sort("video_id")
    ids = frame["video_id"].to_numpy().astype(np.str_)
    if frame["video_id"].n_unique() != len(ids):
        raise ChallengeError(f"`{path}` names a video twice")
    wrong = [str(each) for each in ids if not is_video_id(str(each), letter=letter)]
    if wrong:
        raise ChallengeError(f"`{path}` holds `{wrong[0]}`; ids are `{letter}` and six digits")
    return Videos(ids=ids, duration_seconds=frame["duration_sec"].to_numpy().astype(np.float64))


def read_subset(path: Path) -> np.ndarray:
    """(N,) unicode, sorted: the queries that the code must describe.

    Raises:
        ChallengeError: The file is missing or broken.
    """
    frame = _trusted(path, (tables.Column(name="video_id"),))
    return np.unique(frame["video_id"].to_numpy().astype(np.str_))


def read_truth(path: Path) -> Truth:
    """The ground truth, in the matching form (six columns) or the descriptor form (two).

    Raises:
        ChallengeError: The file is missing or broken.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            names = lines.readline().strip().split(",")
    except OSError as error:
        raise ChallengeError(f"the ground truth `{path}` cannot be read: {error.strerror}") from error
    text = tuple(tables.Column(name=name) for name in MATCH_COLUMNS[:2])
    times = tuple(tables.Column(name=name, kind="float") for name in MATCH_COLUMNS[2:])
    timed = set(MATCH_COLUMNS[2:]) <= set(names)
    frame = _trusted(path, text + times if timed else text)
    if not timed:
        frame = frame.with_columns(pl.lit(None, dtype=pl.Float64).alias(name) for name in MATCH_COLUMNS[2:])
    return Truth(segments=frame.select(MATCH_COLUMNS))


def is_video_id(text: str, *, letter: str) -> bool:
    """True for the letter and six digits.

    >>> is_video_id("Q100001", letter="Q"), is_video_id("R1", letter="R")
    (True, False)
    """
    return len(text) == 7 and text[0] == letter and text[1:].isascii() and text[1:].isdigit()


def judged_split(data: DataSet) -> Path:
    """The folder below `public/` that is judged.

    Raises:
        ChallengeError: None has the query metadata that `inputs/` has.
    """
    wanted = data.inputs / QUERY_METADATA
    if not wanted.is_file():
        raise ChallengeError(f"`{data.root}` is no data set: `inputs/{QUERY_METADATA}` is missing")
    for split in SPLITS:
        candidate = data.public / split / QUERY_METADATA
        if candidate.is_file() and candidate.read_bytes() == wanted.read_bytes():
            return candidate.parent
    raise ChallengeError(f"no split of `{data.public}` has the query metadata of `inputs/`")


def independent_split(data: DataSet) -> Path | None:
    """The split that is not judged, on which statistics may be fitted; None when the data set has only one."""
    judged = judged_split(data)
    others = [data.public / split for split in SPLITS if data.public / split != judged]
    return next((each for each in others if (each / REFERENCE_METADATA).is_file()), None)


def _trusted(path: Path, columns: tuple[tables.Column, ...]) -> pl.DataFrame:
    reading = tables.read(path, columns, max_bytes=_MAX_BYTES, max_rows=_MAX_ROWS, extra="ignore")
    if reading.frame is None:
        first = "; ".join(str(each) for each in reading.problems[:3])
        raise ChallengeError(f"the data set's `{path}` is broken: {first}")
    return reading.frame
