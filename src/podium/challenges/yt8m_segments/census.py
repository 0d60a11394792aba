"""Who is in some shards: every video with its length, its labels and its ratings, and every fault by file and byte.

Legend: V videos, R ratings.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import compress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from podium.challenges.yt8m_segments.layout import SEGMENT_SECONDS, Ratings, Videos, is_video_id
from podium.errors import PodiumError
from podium.formats.faults import Faults, shown
from podium.formats.tfrecord import FrameRecord, MalformedError, Shard, parse_frame_record, parse_video_record
from podium.types import Problem, Progress, Severity, silent

PATTERN = "*.tfrecord"
_VIDEO_LEVEL = "put shards of the frame-level set (`2/frame`) here, not of the video-level set (`2/video`)"


@dataclass(frozen=True, kw_only=True, eq=False)
class Census:
    """The videos of some shards, in the order of the shards.

    Attributes:
        shards: Where they lie.
        ids: One a video; may repeat where the shards do.
        shard_V: (V,) int64, the place of each video's shard in `shards`.
        frames_V: (V,) int64, one frame a second; may be 0.
        labels_V: (V,) int64, how many labels each video has.
        rated_V: (V,) bool, there are fields for ratings, be they empty.
        ratings: All of them in file order; a pair may be there several times.
        shard_R: (R,) int64, the place of each rating's shard in `shards`.
        problems: What is wrong with the shards.
    """

    shards: tuple[Path, ...]
    ids: tuple[str, ...]
    shard_V: NDArray[np.int64]
    frames_V: NDArray[np.int64]
    labels_V: NDArray[np.int64]
    rated_V: NDArray[np.bool_]
    ratings: Ratings
    shard_R: NDArray[np.int64]
    problems: tuple[Problem, ...]

    def only(self, chosen: Collection[Path]) -> Census:
        """What is in some of the shards, their problems left out."""
        chosen_S = np.array([path in chosen for path in self.shards], dtype=np.bool_)
        number_S = np.cumsum(chosen_S) - 1
        in_V, in_R = chosen_S[self.shard_V], chosen_S[self.shard_R]
        return Census(
            shards=tuple(path for path in self.shards if path in chosen),
            ids=tuple(compress(self.ids, in_V.tolist())),
            shard_V=number_S[self.shard_V[in_V]],
            frames_V=self.frames_V[in_V],
            labels_V=self.labels_V[in_V],
            rated_V=self.rated_V[in_V],
            ratings=some(self.ratings, in_R),
            shard_R=number_S[self.shard_R[in_R]],
            problems=(),
        )

    def holding(self, ids: Collection[str]) -> frozenset[Path]:
        """The shards with one of some videos in them."""
        numbers: list[int] = self.shard_V.tolist()
        return frozenset(self.shards[at] for each, at in zip(self.ids, numbers, strict=True) if each in ids)

    @cached_property
    def videos(self) -> Videos:
        """The videos as they stand in `videos.csv`."""
        return Videos(ids=np.array(self.ids, dtype=np.str_), frames=self.frames_V)


@dataclass(kw_only=True)
class _Columns:
    ids: list[str] = field(default_factory=list[str])
    shard: list[int] = field(default_factory=list[int])
    frames: list[int] = field(default_factory=list[int])
    labels: list[int] = field(default_factory=list[int])
    rated: list[bool] = field(default_factory=list[bool])
    rating_shard: list[int] = field(default_factory=list[int])
    rating_video: list[str] = field(default_factory=list[str])
    rating_start: list[int] = field(default_factory=list[int])
    rating_class: list[int] = field(default_factory=list[int])
    rating_score: list[float] = field(default_factory=list[float])

    def add(self, record: FrameRecord, shard: int) -> None:
        self.ids.append(record.video_id)
        self.shard.append(shard)
        self.frames.append(len(record.features_TC))
        self.labels.append(len(record.labels))
        self.rated.append(record.rated)
        starts, classes, scores = record.segment_start_times, record.segment_labels, record.segment_scores
        if starts is not None and classes is not None and scores is not None:
            self.rating_shard += [shard] * len(starts)
            self.rating_video += [record.video_id] * len(starts)
            self.rating_start += starts.tolist()
            self.rating_class += classes.tolist()
            self.rating_score += scores.tolist()


def take(shards: Sequence[Path], *, root: Path, what: str = "reading shards", progress: Progress = silent) -> Census:
    """The census of some frame-level shards.

    Args:
        shards: Read in this order.
        root: What the places of problems are relative to, where a shard lies below it.
        what: Names the walk over the shards.
        progress: Shows it.
    """
    columns, problems = _Columns(), list[Problem]()
    for number, path in enumerate(progress(shards, what=what, total=len(shards))):
        for record in records(path, problems, root=root):
            columns.add(record, number)
            problems += _record_problems(record, place(path, root))
    return Census(
        shards=tuple(shards),
        ids=tuple(columns.ids),
        shard_V=np.array(columns.shard, dtype=np.int64),
        frames_V=np.array(columns.frames, dtype=np.int64),
        labels_V=np.array(columns.labels, dtype=np.int64),
        rated_V=np.array(columns.rated, dtype=np.bool_),
        ratings=Ratings(
            videos=np.array(columns.rating_video, dtype=np.str_),
            start_seconds=np.array(columns.rating_start, dtype=np.int64),
            class_indices=np.array(columns.rating_class, dtype=np.int64),
            positive=np.array(columns.rating_score, dtype=np.float64) > 0,
        ),
        shard_R=np.array(columns.rating_shard, dtype=np.int64),
        problems=tuple(problems),
    )


def records(path: Path, problems: list[Problem], *, root: Path) -> Iterator[FrameRecord]:
    """Every sound video of a frame-level shard; what is wrong with the rest is added to `problems`."""
    faults, sound = Faults(path.name), 0
    try:
        for record in Shard(path).parsed(parse_frame_record, on_fault="skip", faults=faults):
            sound += 1
            yield record
    except PodiumError as error:
        problems.append(Problem(place=place(path, root), message=str(error)))
        return
    before = place(path.parent, root) if path.parent != root else ""
    hint = _VIDEO_LEVEL if not sound and _is_video_level(path) else ""
    for each in faults.problems:
        told = replace(each, severity=Severity.ERROR, hint=hint or each.hint)
        problems.append(replace(told, place=f"{before}/{each.place}" if before else each.place))
    if not sound and not faults.problems:
        problems.append(Problem(place=place(path, root), message="the shard holds no video", hint="get the file again"))


def shards_in(folder: Path) -> tuple[Path, ...]:
    """The shards of a folder by name, hidden files left out; none where there is no such folder."""
    return tuple(sorted(path for path in folder.glob(PATTERN) if not path.name.startswith(".")))


def place(path: Path, root: Path) -> str:
    """The name of a file in a problem: relative to the root where it lies below it."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def some(ratings: Ratings, chosen_R: NDArray[np.bool_]) -> Ratings:
    """The ratings that are chosen."""
    return Ratings(
        videos=ratings.videos[chosen_R],
        start_seconds=ratings.start_seconds[chosen_R],
        class_indices=ratings.class_indices[chosen_R],
        positive=ratings.positive[chosen_R],
    )


def distinct(ratings: Ratings) -> Ratings:
    """The ratings with no pair twice: the last of several holds, as in the official reader."""
    pairs = zip(ratings.videos.tolist(), ratings.start_seconds.tolist(), ratings.class_indices.tolist(), strict=True)
    last = {pair: place for place, pair in enumerate(pairs)}
    chosen_R = np.zeros(len(ratings.videos), dtype=np.bool_)
    chosen_R[list(last.values())] = True
    return some(ratings, chosen_R)


def off_grid(ratings: Ratings) -> NDArray[np.bool_]:
    """(R,) True where a segment does not start at a multiple of five seconds."""
    return (ratings.start_seconds % SEGMENT_SECONDS != 0) | (ratings.start_seconds < 0)


def score_problems(record: FrameRecord, where: str) -> Iterator[Problem]:
    """Ratings that say neither yes nor no: what is no number would count as a no, and training leaves it out."""
    scores_R = np.zeros(0) if record.segment_scores is None else record.segment_scores
    wrong_R = ~((scores_R >= 0) & (scores_R <= 1))
    if wrong_R.any():
        message = f"the video {shown(record.video_id)} has a rating of `{scores_R[wrong_R][0]}`; `0` to `1` are allowed"
        yield Problem(place=where, message=message, count=int(wrong_R.sum()))


def _record_problems(record: FrameRecord, where: str) -> Iterator[Problem]:
    if not is_video_id(record.video_id):
        message = f"the id {shown(record.video_id)} cannot stand in a submission"
        yield Problem(place=where, message=f"{message}; printable ASCII without space, comma, colon or quote is needed")
    if not len(record.features_TC):
        yield Problem(place=where, message=f"the video {shown(record.video_id)} has no frames")
    yield from score_problems(record, where)


def _is_video_level(path: Path) -> bool:
    try:
        parse_video_record(next(iter(Shard(path).records())).payload)
    except (MalformedError, PodiumError, StopIteration):
        return False
    return True
