"""The files of a data set of the third YouTube-8M challenge, in one place.

```
public/   segment_vocabulary.csv   segment/train/*.tfrecord (rated)   video/train/*.tfrecord   video/valid/*.tfrecord
inputs/   segment_vocabulary.csv   segment/test/*.tfrecord (without ratings)   videos.csv (id, frames: the test set)
answers/  ratings.csv (video, start, class, score: one row a rated pair of a test segment and a class)
```

`public/` and `inputs/` together are the `data/` folder of the 7th place's code. Everything read here belongs to the
data set, so a fault is a `ChallengeError`.

Legend: V videos, R ratings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from podium.errors import ChallengeError
from podium.formats import tables
from podium.types import DataSet

VOCABULARY = "segment_vocabulary.csv"
VIDEOS = "videos.csv"
RATINGS = "ratings.csv"
SEGMENT_TRAIN = "segment/train"
SEGMENT_TEST = "segment/test"
VIDEO_TRAIN = "video/train"
VIDEO_VALID = "video/valid"
PART = "part"

SEGMENT_SECONDS = 5
MAX_ID_CHARACTERS = 64

_MAX_BYTES = 256 << 20
_MAX_ROWS = 20_000_000
_FORBIDDEN = frozenset(" ,:\"'`")


@dataclass(frozen=True, kw_only=True, eq=False)
class Videos:
    """The videos of the test set, in the order of its shards.

    Attributes:
        ids: (V,) unicode, distinct.
        frames: (V,) int64, one frame a second, from second 0; at least 1.
    """

    ids: NDArray[np.str_]
    frames: NDArray[np.int64]

    @cached_property
    def slots(self) -> NDArray[np.int64]:
        """(V,) int64: the five-second slots of each video; the last may be begun only."""
        return -(-self.frames // SEGMENT_SECONDS)


@dataclass(frozen=True, kw_only=True, eq=False)
class Ratings:
    """What people said of (segment, class) pairs; no pair is there twice.

    Attributes:
        videos: (R,) unicode.
        start_seconds: (R,) int64, multiples of five.
        class_indices: (R,) int64, as in the vocabulary's `Index`.
        positive: (R,) bool, the segment shows the class.
    """

    videos: NDArray[np.str_]
    start_seconds: NDArray[np.int64]
    class_indices: NDArray[np.int64]
    positive: NDArray[np.bool_]


def read_videos(path: Path) -> Videos:
    """The videos of a test set.

    Args:
        path: A csv with the columns `id` and `frames`. Of one with a column `part`, which `podium features` writes,
            only the rows of `segment/test` count.

    Raises:
        ChallengeError: The file is missing or broken, an id is there twice or could not stand in a submission.
    """
    columns = [
        tables.Column(name="id", max_characters=MAX_ID_CHARACTERS),
        tables.Column(name="frames", kind="int", minimum=1, maximum=10_000_000),
    ]
    if path.is_file() and PART in header(path):
        frame = _trusted(path, (*columns, tables.Column(name=PART))).filter(pl.col(PART) == SEGMENT_TEST)
    else:
        frame = _trusted(path, columns)
    if not len(frame):
        raise ChallengeError(f"`{path}` names no video")
    if frame["id"].n_unique() != len(frame):
        raise ChallengeError(f"`{path}` names a video twice")
    ids = frame["id"].to_list()
    wrong = next((each for each in ids if not is_video_id(each)), None)
    if wrong is not None:
        raise ChallengeError(f"`{path}` holds the id `{wrong}`; printable ASCII without space, comma, colon or quote")
    return Videos(ids=np.array(ids, dtype=np.str_), frames=frame["frames"].to_numpy().astype(np.int64))


def write_videos(path: Path, videos: Videos) -> None:
    """Writes ``videos.csv``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tables.write(path, {"id": videos.ids, "frames": videos.frames})


def read_ratings(path: Path) -> Ratings:
    """The ratings; of several rows for one (segment, class) pair the last holds, as in the official reader.

    Raises:
        ChallengeError: The file is missing or broken, or a segment does not start at a multiple of five seconds.
    """
    columns = (
        tables.Column(name="video"),
        tables.Column(name="start", kind="int", minimum=0),
        tables.Column(name="class", kind="int", minimum=0),
        tables.Column(name="score", kind="float"),
    )
    frame = _trusted(path, columns).unique(["video", "start", "class"], keep="last", maintain_order=True)
    start_seconds = frame["start"].to_numpy().astype(np.int64)
    off = np.flatnonzero(start_seconds % SEGMENT_SECONDS)
    if len(off):
        found = f"a segment that starts at `{start_seconds[off[0]]}` s"
        raise ChallengeError(f"`{path}` rates {found}; multiples of `{SEGMENT_SECONDS}` are allowed")
    return Ratings(
        videos=np.array(frame["video"].to_list(), dtype=np.str_),
        start_seconds=start_seconds,
        class_indices=frame["class"].to_numpy().astype(np.int64),
        positive=frame["score"].to_numpy() > 0,
    )


def write_ratings(path: Path, ratings: Ratings) -> None:
    """Writes ``ratings.csv``; a positive rating has score 1, any other 0."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {
        "video": ratings.videos,
        "start": ratings.start_seconds,
        "class": ratings.class_indices,
        "score": ratings.positive.astype(np.int64),
    }
    tables.write(path, columns)


def header(path: Path) -> frozenset[str]:
    """The names in the first line of a table."""
    with path.open("rb") as stream:
        line = stream.readline(1 << 16).decode("utf-8-sig", "replace").strip()
    return frozenset(name.strip('"') for name in line.split(","))


def judged_videos(data: DataSet) -> Videos:
    """The videos of the test set of a data set.

    Raises:
        ChallengeError: `inputs/videos.csv` is missing or broken.
    """
    return read_videos(data.inputs / VIDEOS)


def is_video_id(text: str) -> bool:
    """True for what can stand before the colon of an entry: 1 to 64 printable ASCII characters, no separator or quote.

    >>> is_video_id("a-Z0"), is_video_id("a:b"), is_video_id("b'abcd'")
    (True, False, False)
    """
    fits = 0 < len(text) <= MAX_ID_CHARACTERS and text.isascii() and text.isprintable()
    return fits and not _FORBIDDEN.intersection(text)


def _trusted(path: Path, columns: Sequence[tables.Column]) -> pl.DataFrame:
    reading = tables.read(path, columns, max_bytes=_MAX_BYTES, max_rows=_MAX_ROWS, extra="ignore", may_be_empty=True)
    if reading.frame is None:
        first = "; ".join(str(each) for each in reading.problems[:3])
        raise ChallengeError(f"the data set's `{path}` is broken: {first}")
    return reading.frame
