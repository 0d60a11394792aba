"""Videos to learn from, by number: where their features lie, their labels, and the ratings of their segments.

Nothing of a feature is copied here; what a batch needs is copied once, out of the mapped shard into the batch.

Legend: V videos, T frames, D dimensions, L labels, R ratings, C classes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from podium.errors import ChallengeError, MachineError, UsageError
from podium.formats.faults import Faults
from podium.formats.tfrecord import OnFault, ShardSet, parse_frame_views
from podium.solutions.segment_classification.classes import Classes
from podium.solutions.segment_classification.contents import Contents, read_contents
from podium.types import Progress, silent

try:
    from torch.utils.data import Dataset
except ImportError as error:
    raise MachineError("training needs torch: `pip install 'podium[train]'`") from error


class Video(NamedTuple):
    """One video, as it was drawn.

    Attributes:
        number: In its set.
        seed: Of what is drawn for it.
        rgb_TD: (T, 1024) uint8, a view of the shard.
        audio_TD: (T, 128) uint8, a view of the shard.
        label_L: int64 rows of the classes that it is labelled with.
        start_R: int64 seconds, of each rating that is used.
        class_R: int64 rows of classes.
        score_R: float32.
        rated_R: int64 rows of the classes that it was rated for, faulty ratings included.
        positive_R: int64 rows of those that it was rated to show.
    """

    number: int
    seed: int
    rgb_TD: NDArray[np.uint8]
    audio_TD: NDArray[np.uint8]
    label_L: NDArray[np.int64]
    start_R: NDArray[np.int64]
    class_R: NDArray[np.int64]
    score_R: NDArray[np.float32]
    rated_R: NDArray[np.int64]
    positive_R: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What shards held, and what of it is left out; a video is left out for the first reason that holds.

    Attributes:
        videos: In the shards, damaged ones not counted.
        empty: Left out: no frames.
        unlabelled: Left out: none of the classes.
        faulty: Left out: a faulty rating, as the 7th place did; only with `reference`.
        unrated: Left out: no rating that can be used.
        damaged: Records that were left out.
        ratings: In the shards, of all videos; 0 where they were not asked for.
        foreign_ratings: Dropped: of a class that is none of these.
        faulty_ratings: Dropped: the segment begins before the video or behind its end, or the score is not 0 to 1.
    """

    videos: int = 0
    empty: int = 0
    unlabelled: int = 0
    faulty: int = 0
    unrated: int = 0
    damaged: int = 0
    ratings: int = 0
    foreign_ratings: int = 0
    faulty_ratings: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(**{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(Counts)})

    def __str__(self) -> str:
        reasons = {
            "without frames": self.empty,
            "without a label of these classes": self.unlabelled,
            "with a faulty rating": self.faulty,
            "without a rating": self.unrated,
        }
        used = self.videos - sum(reasons.values())
        text = f"{used} of {self.videos} videos{_listed(reasons, 'left out')}"
        if self.ratings:
            dropped = {"of other classes": self.foreign_ratings, "faulty": self.faulty_ratings}
            text += f"; {self.ratings} ratings{_listed(dropped, 'dropped')}"
        return f"{text}; {self.damaged} damaged records left out" if self.damaged else text


@dataclass(frozen=True, kw_only=True, eq=False)
class _Table:
    """What is known of videos; a video's part of a flat column ends at its `end`, where the next one's begins."""

    id_V: NDArray[np.str_]
    record_V: NDArray[np.int64]
    frames_V: NDArray[np.int64]
    end_label_V: NDArray[np.int64]
    label_L: NDArray[np.int64]
    end_rating_V: NDArray[np.int64]
    start_R: NDArray[np.int64]
    class_R: NDArray[np.int64]
    score_R: NDArray[np.float32]
    used_R: NDArray[np.bool_]


class VideoSet(Dataset[Video]):
    """Videos of shards by number from 0, in the order of the shards; made by `open`, handed to workers as it is.

    Attributes:
        shards: All their records, also those that are left out.
        classes: Labels and ratings are rows of them.
        lengths: How many videos of each shard there are.
        counts: What was left out.
        ids: (V,) the id of each video.
        frames: (V,) int64, how many each has.
    """

    def __init__(
        self, shards: ShardSet, classes: Classes, table: _Table, *, lengths: tuple[int, ...], counts: Counts
    ) -> None:
        self.shards = shards
        self.classes = classes
        self.lengths = lengths
        self.counts = counts
        self.ids = table.id_V
        self.frames = table.frames_V
        self._table = table

    @staticmethod
    def open(
        shards: Sequence[Path],
        classes: Classes,
        *,
        rated: bool,
        labelled_only: bool = False,
        index_folder: Path | None = None,
        on_fault: OnFault = "refuse",
        faults: Faults | None = None,
        check: bool = True,
        reference: bool = False,
        progress: Progress = silent,
    ) -> VideoSet:
        """The videos of shards.

        Args:
            shards: In order, names distinct.
            classes: Other labels and ratings are dropped.
            rated: Only videos with a rating that can be used, with their ratings; otherwise ratings are not read.
            labelled_only: Only videos with one of the classes.
            index_folder: Where what was looked up is kept, one folder for one set of shards; made where it is missing.
            on_fault: Refuse a damaged shard, or leave out damaged records; to know them all shards are read once.
            faults: Where damage is noted, with shard and byte; needed for `skip`.
            check: Compare the checksum of a video each time it is read.
            reference: Leave out videos with a faulty rating, as the 7th place did, and keep ratings of the second
                behind the last frame.
            progress: Shows the shards.

        Raises:
            UsageError: A shard is missing, two have one name, skipping lacks `faults`, or no video is left.
            ChallengeError: A shard is damaged and `on_fault` is `refuse`; an index is stale.
        """
        if index_folder is not None:
            index_folder.mkdir(parents=True, exist_ok=True)
        found = ShardSet.open(
            shards, index_folder=index_folder, on_fault=on_fault, faults=faults, check=check, progress=progress
        )
        every = read_contents(found, folder=index_folder, on_fault=on_fault, faults=faults, progress=progress)
        wish = _Wish(rated=rated, labelled_only=labelled_only, reference=reference)
        parts = [_chosen(each, classes, wish) for each in every]
        lengths = tuple(len(part.id_V) for part, _ in parts)
        counts = sum((more for _, more in parts), Counts())
        if not sum(lengths):
            raise UsageError(f"no video is left of `{len(found.paths)}` shards: {counts}")
        table = _joined([part for part, _ in parts], [len(index) for index in found.indexes])
        return VideoSet(found, classes, table, lengths=lengths, counts=counts)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, draw: tuple[int, int]) -> Video:
        """The video of a draw.

        Args:
            draw: Number and seed, such as a `training.batches.Draw`.

        Raises:
            IndexError: There is no such video.
            ChallengeError: Its record is damaged.
        """
        number, seed = range(len(self))[draw[0]], draw[1]
        table = self._table
        rgb_TD, audio_TD = self.shards.parse(int(table.record_V[number]), parse_frame_views)
        if len(rgb_TD) != table.frames_V[number]:
            found = f"video `{self.ids[number]}` has `{len(rgb_TD)}` frames and had `{table.frames_V[number]}`"
            raise ChallengeError(f"{found}; its shard was changed while it was used")
        rated, labelled = _part(table.end_rating_V, number), _part(table.end_label_V, number)
        used_R, class_R, score_R = table.used_R[rated], table.class_R[rated], table.score_R[rated]
        return Video(
            number=number,
            seed=seed,
            rgb_TD=rgb_TD,
            audio_TD=audio_TD,
            label_L=table.label_L[labelled],
            start_R=table.start_R[rated][used_R],
            class_R=class_R[used_R],
            score_R=score_R[used_R],
            rated_R=class_R,
            positive_R=class_R[score_R > 0],
        )

    @property
    def ratings(self) -> int:
        """How many ratings are used."""
        return int(self._table.used_R.sum())

    @cached_property
    def digest(self) -> str:
        """``sha256:…`` of the shards and of which videos of them these are, in this order."""
        whole = hashlib.sha256(self.shards.digest.encode() + self._table.record_V.astype("<i8").tobytes())
        return f"sha256:{whole.hexdigest()}"


@dataclass(frozen=True, kw_only=True)
class _Wish:
    rated: bool
    labelled_only: bool
    reference: bool


def _chosen(contents: Contents, classes: Classes, wish: _Wish) -> tuple[_Table, Counts]:
    """The videos of a shard that are used; records are still numbered within it."""
    videos = len(contents.ids)
    label_L, video_L = classes.rows_of(contents.label_L), np.repeat(np.arange(videos), contents.labels_V)
    ratings_V = contents.ratings_V if wish.rated else np.zeros_like(contents.ratings_V)
    video_R = np.repeat(np.arange(videos), ratings_V)
    start_R, score_R = contents.start_R[: len(video_R)], contents.score_R[: len(video_R)]
    class_R = classes.rows_of(contents.class_R[: len(video_R)])
    late_R = start_R - contents.frames_V[video_R]
    sound_R = (start_R >= 0) & (late_R < 1 if wish.reference else late_R < 0) & (score_R >= 0) & (score_R <= 1)
    used_R = sound_R & (class_R >= 0)
    reasons = {
        "empty": contents.frames_V == 0,
        "unlabelled": wish.labelled_only & (np.bincount(video_L[label_L >= 0], minlength=videos) == 0),
        "faulty": wish.reference & (np.bincount(video_R[late_R > 0], minlength=videos) > 0),
        "unrated": wish.rated & (np.bincount(video_R[used_R], minlength=videos) == 0),
    }
    left_V, out = np.ones(videos, dtype=np.bool_), {}
    for reason, holds_V in reasons.items():
        out[reason] = int((left_V & holds_V).sum())
        left_V &= ~holds_V
    labels_N, ratings_N = left_V[video_L] & (label_L >= 0), left_V[video_R] & (class_R >= 0)
    table = _Table(
        id_V=np.array(contents.ids, dtype=np.str_)[left_V],
        record_V=contents.record_V[left_V],
        frames_V=contents.frames_V[left_V],
        end_label_V=np.cumsum(np.bincount(video_L[labels_N], minlength=videos))[left_V],
        label_L=label_L[labels_N],
        end_rating_V=np.cumsum(np.bincount(video_R[ratings_N], minlength=videos))[left_V],
        start_R=start_R[ratings_N],
        class_R=class_R[ratings_N],
        score_R=score_R[ratings_N],
        used_R=used_R[ratings_N],
    )
    foreign, faulty = int((class_R < 0).sum()), int(((class_R >= 0) & ~sound_R).sum())
    counts = Counts(
        videos=videos,
        damaged=contents.damaged,
        ratings=len(video_R),
        foreign_ratings=foreign,
        faulty_ratings=faulty,
        **out,
    )
    return table, counts


def _joined(parts: Sequence[_Table], records_S: Sequence[int]) -> _Table:
    """One table; records are numbered through all shards.

    Args:
        parts: Of each shard.
        records_S: How many records each shard has, those that are left out included.
    """
    lengths = {
        "record_V": records_S,
        "end_label_V": [len(each.label_L) for each in parts],
        "end_rating_V": [len(each.start_R) for each in parts],
    }
    columns: dict[str, Any] = {}
    for field in fields(_Table):
        before = 0
        pieces: list[NDArray[Any]] = []
        for at, part in enumerate(parts):
            piece = getattr(part, field.name)
            pieces.append(piece + before if field.name in lengths else piece)
            before += lengths[field.name][at] if field.name in lengths else 0
        columns[field.name] = np.concatenate(pieces)
    return _Table(**columns)


def _part(ends_V: NDArray[np.int64], number: int) -> slice:
    return slice(int(ends_V[number - 1]) if number else 0, int(ends_V[number]))


def _listed(counts: Mapping[str, int], verb: str) -> str:
    named = [f"{count} {what}" for what, count in counts.items() if count]
    return f" ({verb}: {', '.join(named)})" if named else ""
