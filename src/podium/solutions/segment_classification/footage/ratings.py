"""People's own ratings: which five seconds of which video show which class.

```
video,start,class,score
match_1.mp4,35,goal,1
match_1.mp4,40,goal,0
```

`score` may be left out: every row then says that the class is shown. Axes: C classes, R ratings.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from podium.errors import UsageError, nearest
from podium.formats import tables
from podium.formats.faults import Faults, shown
from podium.solutions.segment_classification.classes import INDEX, NAME, Classes

SEGMENT_SECONDS = 5
_MAX_BYTES = 256 << 20
_MAX_ROWS = 10_000_000
_SHOWN_PROBLEMS = 10
_EXAMPLES = 5


@dataclass(frozen=True, kw_only=True)
class Rating:
    """What a person says of a segment and a class.

    Attributes:
        start_seconds: A multiple of five.
        class_index: As in the vocabulary.
        score: 0 (does not show it) to 1 (shows it).
    """

    start_seconds: int
    class_index: int
    score: float


@dataclass(frozen=True, kw_only=True)
class Ratings:
    """All ratings of a footage.

    Attributes:
        classes: In the order of the vocabulary.
        by_video: By the name of the video, ordered by start and class.
    """

    classes: Classes
    by_video: Mapping[str, tuple[Rating, ...]]

    def write_vocabulary(self, path: Path) -> None:
        """Writes ``segment_vocabulary.csv`` with how often each class was rated."""
        every = [each for ratings in self.by_video.values() for each in ratings]
        rated = Counter(each.class_index for each in every)
        positive = Counter(each.class_index for each in every if each.score > 0)
        indices = self.classes.indices_C.tolist()
        columns = {
            INDEX: self.classes.indices_C,
            "KnowledgeGraphId": [""] * len(indices),
            NAME: list(self.classes.names),
            "PositiveSegmentCount": [positive[each] for each in indices],
            "TotalSegmentCount": [rated[each] for each in indices],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        tables.write(path, columns)


def read_ratings(path: Path, videos: Sequence[str], *, classes: Classes | None = None) -> Ratings:
    """The ratings in a csv, every fault of it found at once.

    Args:
        path: Columns `video`, `start` and `class`, and `score` where it is wanted. A video is named by its file, with
            or without the folders above and the ending, as long as that means one file. A class is any text; where
            all are whole numbers they are the indices themselves.
        videos: Names of the files there are.
        classes: A vocabulary to keep to, by name or index; None makes one of the classes that come, by name.

    Raises:
        UsageError: The csv is missing or broken; the message names the first faults with their lines.
    """
    frame, lines = _read(path)
    faults = Faults(path.name)
    meant = _meanings(videos)
    texts = frame["class"].to_list()
    known = classes or _classes_of(texts)
    index_of = _index_of(known)
    seen: set[tuple[str, int, int]] = set()
    by_video: dict[str, list[Rating]] = {}
    rows = zip(lines, frame["video"].to_list(), frame["start"].to_list(), texts, frame["score"].to_list(), strict=True)
    for line, video, start, text, score in rows:
        name, index = meant.get(video), index_of.get(text)
        fault = _fault(video, name, start, text, index, meant, index_of)
        if name is not None and index is not None and (name, start, index) in seen:
            fault = f"the class {shown(text)} of `{name}` at `{start}` s is rated a second time"
        if fault is not None or name is None or index is None:
            faults.add(f"line {line}", fault or "")
            continue
        seen.add((name, start, index))
        by_video.setdefault(name, []).append(Rating(start_seconds=start, class_index=index, score=score))
    if faults.refused:
        raise _refusal(path, [str(each) for each in faults.problems])
    ordered = {
        name: tuple(sorted(ratings, key=lambda each: (each.start_seconds, each.class_index)))
        for name, ratings in sorted(by_video.items())
    }
    return Ratings(classes=known, by_video=ordered)


def _read(path: Path) -> tuple[pl.DataFrame, list[int]]:
    if not path.is_file():
        raise UsageError(f"there is no file `{path}`")
    columns = (
        tables.Column(name="video", max_characters=1_000),
        tables.Column(name="start", kind="int", minimum=0, maximum=10_000_000),
        tables.Column(name="class"),
    )
    score = tables.Column(name="score", kind="float", minimum=0, maximum=1)
    scored = "score" in _header(path)
    reading = tables.read(
        path, (*columns, score) if scored else columns, max_bytes=_MAX_BYTES, max_rows=_MAX_ROWS, extra="ignore"
    )
    if reading.frame is None:
        raise _refusal(path, [str(each) for each in reading.problems])
    frame = reading.frame if scored else reading.frame.with_columns(pl.lit(1.0).alias("score"))
    return frame, reading.lines.tolist()


def _header(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        return [each.strip().strip('"') for each in stream.readline(4_096).split(",")]


def _refusal(path: Path, problems: Sequence[str]) -> UsageError:
    more = f"; and `{len(problems) - _SHOWN_PROBLEMS}` more" if len(problems) > _SHOWN_PROBLEMS else ""
    return UsageError(f"the ratings `{path}` are broken: {'; '.join(problems[:_SHOWN_PROBLEMS])}{more}")


def _meanings(videos: Sequence[str]) -> dict[str, str]:
    """The one video that each way of naming one means."""
    meant: dict[str, set[str]] = {}
    for name in videos:
        path = Path(name)
        for way in (name, path.name, path.with_suffix("").as_posix(), path.stem):
            meant.setdefault(way, set()).add(name)
    sole = {way: next(iter(names)) for way, names in meant.items() if len(names) == 1}
    return sole | {name: name for name in videos}


def _classes_of(texts: Sequence[str]) -> Classes:
    names = sorted(set(texts))
    if all(each.isascii() and each.isdigit() and len(each) < 10 for each in names):
        indices = sorted({int(each) for each in names})
        return Classes(indices_C=np.array(indices, dtype=np.int64), names=tuple(map(str, indices)))
    return Classes(indices_C=np.arange(len(names), dtype=np.int64), names=tuple(names))


def _index_of(classes: Classes) -> dict[str, int]:
    """The index of each name, and of each index as text; a name that two classes share means neither."""
    indices = classes.indices_C.tolist()
    shared = {name for name, count in Counter(classes.names).items() if count > 1 or not name}
    named = {name: index for name, index in zip(classes.names, indices, strict=True) if name not in shared}
    return {str(index): index for index in indices} | named


def _fault(
    video: str,
    name: str | None,
    start: int,
    text: str,
    index: int | None,
    meant: Mapping[str, str],
    index_of: Mapping[str, int],
) -> str | None:
    if name is None:
        return f"no video, or more than one, is called {shown(video)}; {_nearest(video, meant)}"
    if start % SEGMENT_SECONDS:
        return f"a segment starts at `{start}` s; multiples of `{SEGMENT_SECONDS}` are allowed"
    if index is None:
        return f"no class is called {shown(text)}; {_nearest(text, index_of)}"
    return None


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return nearest(name, close or sorted(known)[:_EXAMPLES])
