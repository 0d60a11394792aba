"""Shards of people's own videos in the layout of the official features, the same bytes from the same videos.

```
segment/train            rated videos
video/train video/valid  the same videos with the classes that they show anywhere; one of eight in valid
segment/test             all others
segment_vocabulary.csv   where there are ratings
videos.csv skipped.csv   which file has which id; what is left out, and why
```
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from podium.formats import tables
from podium.formats.tfrecord import encode_frame_record, write_shard
from podium.solutions.segment_classification.footage.extraction import Extracted, Video, read_seconds
from podium.solutions.segment_classification.footage.projection import Projection
from podium.solutions.segment_classification.footage.ratings import Rating, Ratings
from podium.solutions.segment_classification.material import (
    SEGMENT_TEST,
    SEGMENT_TRAIN,
    VIDEO_TRAIN,
    VIDEO_VALID,
    VOCABULARY,
)
from podium.types import Progress, silent

VIDEOS, SKIPPED = "videos.csv", "skipped.csv"
SHARD = "footage-{:04d}.tfrecord"

_FEWEST_SHARDS = 16
_VIDEOS_IN_SHARD = 64
_HELD_OUT = 8


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of ``videos.csv``."""

    video: Video
    part: str
    frames: int
    duration_seconds: float
    notes: tuple[str, ...]


def write_records(
    out: Path,
    extracted: Sequence[Extracted],
    projection: Projection,
    *,
    ratings: Ratings | None = None,
    skipped: Sequence[str] = (),
    progress: Progress = silent,
) -> tuple[Row, ...]:
    """Writes the shards and tables of a folder; shards of an earlier call go.

    One video is held at a time. Videos stand in the order of their ids, spread over at least 16 shards where there are
    so many, so that folds by shard have something to part.

    Args:
        out: The folder; made.
        extracted: Those with faults go to ``skipped.csv``.
        projection: Makes the bytes.
        ratings: Of people; a rating of a segment past its video's end is left out, and the notes say so.
        skipped: Lines for ``skipped.csv`` of files that never came so far.
        progress: Shown a step for each record.

    Returns:
        What each video became, ordered by id.
    """
    there = sorted((each for each in extracted if each.kept is not None), key=lambda each: each.video.id)
    by_video: Mapping[str, tuple[Rating, ...]] = {} if ratings is None else ratings.by_video
    rated = [each for each in there if each.video.name in by_video]
    others = [each for each in there if each.video.name not in by_video]
    rows: dict[str, Row] = {}
    valid = rated[_HELD_OUT - 1 :: _HELD_OUT]
    train = [each for at, each in enumerate(rated, start=1) if at % _HELD_OUT]
    for part, videos in ((SEGMENT_TRAIN, rated), (VIDEO_TRAIN, train), (VIDEO_VALID, valid), (SEGMENT_TEST, others)):
        (out / part).mkdir(parents=True, exist_ok=True)
        written: set[str] = set()
        for number, shard in enumerate(_shards(videos)):
            payloads = _payloads(shard, part, projection, by_video, rows)
            what = f"writing `{part}`"
            write_shard(out / part / SHARD.format(number), progress(payloads, what=what, total=len(shard)))
            written.add(SHARD.format(number))
        for path in (out / part).glob(SHARD.replace("{:04d}", "[0-9]*")):
            if path.name not in written:
                path.unlink()
    ordered = tuple(rows[each.video.id] for each in there)
    _write_tables(out, ordered, [*skipped, *(f"`{each.video.name}`: {each.fault}" for each in extracted if each.fault)])
    if ratings is not None:
        ratings.write_vocabulary(out / VOCABULARY)
    return ordered


def _shards(videos: Sequence[Extracted]) -> list[list[Extracted]]:
    count = min(len(videos), max(_FEWEST_SHARDS, -(-len(videos) // _VIDEOS_IN_SHARD)))
    return [[videos[at] for at in range(shard, len(videos), count)] for shard in range(count)]


def _payloads(
    videos: Sequence[Extracted],
    part: str,
    projection: Projection,
    by_video: Mapping[str, tuple[Rating, ...]],
    rows: dict[str, Row],
) -> Iterator[bytes]:
    """One record a video; notes its row on the way."""
    for each in videos:
        if each.kept is None:
            continue
        seconds = read_seconds(each.kept)
        frames = len(seconds.frames_TC)
        every = by_video.get(each.video.name, ())
        kept = [rating for rating in every if rating.start_seconds < frames]
        notes = seconds.notes
        if len(kept) < len(every):
            notes = (*notes, f"{len(every) - len(kept)} ratings of segments that begin after its end are left out")
        first_part = SEGMENT_TRAIN if every else SEGMENT_TEST
        rows[each.video.id] = Row(
            video=each.video,
            part=first_part,
            frames=frames,
            duration_seconds=seconds.duration_seconds,
            notes=notes,
        )
        with_ratings = part == SEGMENT_TRAIN
        yield encode_frame_record(
            video_id=each.video.id,
            labels=np.array(sorted({rating.class_index for rating in kept if rating.score > 0}), dtype=np.int64),
            rgb_TC=projection.rgb(seconds.frames_TC),
            audio_TC=projection.audio(seconds.sound_TM, seconds.heard_T),
            segment_start_times=[rating.start_seconds for rating in kept] if with_ratings else None,
            segment_labels=[rating.class_index for rating in kept] if with_ratings else None,
            segment_scores=[rating.score for rating in kept] if with_ratings else None,
        )


def _write_tables(out: Path, rows: Sequence[Row], skipped: Sequence[str]) -> None:
    columns = {
        "id": [row.video.id for row in rows],
        "file": [row.video.name for row in rows],
        "frames": [row.frames for row in rows],
        "duration_seconds": [round(row.duration_seconds, 3) for row in rows],
        "part": [row.part for row in rows],
        "digest": [row.video.digest for row in rows],
        "notes": ["; ".join(row.notes) for row in rows],
    }
    tables.write(out / VIDEOS, columns)
    tables.write(out / SKIPPED, {"file and reason": list(skipped)})
