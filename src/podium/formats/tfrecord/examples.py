"""The records of YouTube-8M as values: videos with the features of each second, and videos with their means.

L labels, T frames (one a second), C channels, R ratings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from podium.formats.faults import Faults, shown
from podium.formats.tfrecord.encoding import AUDIO_DIMENSIONS, RGB_DIMENSIONS
from podium.formats.tfrecord.features import (
    Feature,
    FeatureList,
    SequenceExample,
    parse_example,
    parse_sequence_example,
)
from podium.formats.tfrecord.shards import OnFault, Shard
from podium.formats.tfrecord.wire import MalformedError

DIMENSIONS = RGB_DIMENSIONS + AUDIO_DIMENSIONS
MAX_ID_CHARACTERS = 64
ID_KEYS = ("id", "video_id")
_PARTS = (("rgb", RGB_DIMENSIONS), ("audio", AUDIO_DIMENSIONS))


@dataclass(frozen=True, kw_only=True, eq=False)
class VideoRecord:
    """A video with its mean features.

    Attributes:
        video_id: The id.
        labels: (L,) int64 class indices; empty in a test set.
        mean_rgb: (1024,) float32, already dequantised.
        mean_audio: (128,) float32, already dequantised.
    """

    video_id: str
    labels: NDArray[np.int64]
    mean_rgb: NDArray[np.float32]
    mean_audio: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameContext:
    """All of a `FrameRecord` but its features, which are counted only.

    Attributes:
        video_id: The id.
        labels: (L,) int64 class indices; empty in a test set.
        frames: T.
        segment_start_times: (R,) int64 seconds; None where the set is not rated.
        segment_labels: (R,) int64 class indices.
        segment_scores: (R,) float32.
    """

    video_id: str
    labels: NDArray[np.int64]
    frames: int
    segment_start_times: NDArray[np.int64] | None = None
    segment_labels: NDArray[np.int64] | None = None
    segment_scores: NDArray[np.float32] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameRecord:
    """A video with the features of each second, and the ratings of its segments where there are any.

    One rating is of one segment and one class; every other pair is unrated, which is not the same as rated 0.

    Attributes:
        video_id: The id.
        labels: (L,) int64 class indices; empty in a test set.
        features_TC: (T, 1152) bytes, 1024 of pictures and 128 of sound; `dequantise` makes numbers of them.
        segment_start_times: (R,) int64 seconds, the same as frames; None where the set is not rated.
        segment_labels: (R,) int64 class indices.
        segment_scores: (R,) float32, 1 where the segment shows the class, else 0.
    """

    video_id: str
    labels: NDArray[np.int64]
    features_TC: NDArray[np.uint8]
    segment_start_times: NDArray[np.int64] | None = None
    segment_labels: NDArray[np.int64] | None = None
    segment_scores: NDArray[np.float32] | None = None

    @property
    def rgb_TC(self) -> NDArray[np.uint8]:
        """(T, 1024) the picture features, a view."""
        return self.features_TC[:, :RGB_DIMENSIONS]

    @property
    def audio_TC(self) -> NDArray[np.uint8]:
        """(T, 128) the sound features, a view."""
        return self.features_TC[:, RGB_DIMENSIONS:]

    @property
    def rated(self) -> bool:
        """True when the segments of this video were rated."""
        return self.segment_start_times is not None

    @property
    def faulty_ratings(self) -> NDArray[np.bool_]:
        """(R,) True where a segment begins before the video or after its last frame; official files have some such."""
        if self.segment_start_times is None:
            return np.zeros(0, dtype=np.bool_)
        return (self.segment_start_times < 0) | (self.segment_start_times >= len(self.features_TC))


def parse_frame_record(payload: bytes | memoryview) -> FrameRecord:
    """The video in a record of a frame-level set.

    Raises:
        MalformedError: The record is damaged, lacks something, or its parts do not fit together.
    """
    example = parse_sequence_example(payload)
    rgb_TC, audio_TC = _frame_views(example)
    features_TC = np.empty((len(rgb_TC), DIMENSIONS), dtype=np.uint8)
    features_TC[:, :RGB_DIMENSIONS] = rgb_TC
    features_TC[:, RGB_DIMENSIONS:] = audio_TC
    context = example.context
    starts, labels, scores = _ratings(context)
    return FrameRecord(
        video_id=_video_id(context),
        labels=_int64s(context, "labels"),
        features_TC=features_TC,
        segment_start_times=starts,
        segment_labels=labels,
        segment_scores=scores,
    )


def parse_frame_context(payload: bytes | memoryview) -> FrameContext:
    """What a record of a frame-level set says of its video, without a look at the features.

    Raises:
        MalformedError: The record is damaged, lacks something, or its parts do not fit together.
    """
    example = parse_sequence_example(payload)
    frames = [_frames(example, name).count(dimensions) for name, dimensions in _PARTS]
    _check_equal(*frames)
    context = example.context
    starts, labels, scores = _ratings(context)
    return FrameContext(
        video_id=_video_id(context),
        labels=_int64s(context, "labels"),
        frames=frames[0],
        segment_start_times=starts,
        segment_labels=labels,
        segment_scores=scores,
    )


def parse_frame_views(payload: bytes | memoryview) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The features of a frame-level record where they lie: (T, 1024) of pictures and (T, 128) of sound.

    Of a mapped shard only what is then read of them comes from the disk, headers aside.

    Raises:
        MalformedError: The record is damaged, lacks the features, or has not equally many of both.
    """
    return _frame_views(parse_sequence_example(payload))


def parse_video_record(payload: bytes | memoryview) -> VideoRecord:
    """The video in a record of a video-level set.

    Raises:
        MalformedError: The record is damaged, lacks something, or its parts do not fit together.
    """
    features = parse_example(payload)
    means: dict[str, NDArray[np.float32]] = {}
    for name, dimensions in (("mean_rgb", RGB_DIMENSIONS), ("mean_audio", AUDIO_DIMENSIONS)):
        mean_C = features[name].floats() if name in features else np.zeros(0, dtype=np.float32)
        if len(mean_C) != dimensions:
            raise MalformedError(f"`{name}` has `{len(mean_C)}` numbers; `{dimensions}` are needed")
        means[name] = mean_C
    return VideoRecord(
        video_id=_video_id(features),
        labels=_int64s(features, "labels"),
        mean_rgb=means["mean_rgb"],
        mean_audio=means["mean_audio"],
    )


def read_frame_records(
    path: Path, *, on_fault: OnFault = "refuse", faults: Faults | None = None, check: bool = True
) -> Iterator[FrameRecord]:
    """Every video of a frame-level shard, in order.

    Args:
        path: The shard.
        on_fault: Refuse the shard at its first fault, or skip what is damaged.
        faults: Where skipped records are noted; needed for skipping.
        check: Compare checksums.

    Raises:
        UsageError: The file is missing or no plain file; or skipping was asked for without `faults`.
        ChallengeError: A record is damaged, and `on_fault` is `refuse`.
    """
    return Shard(path, check=check).parsed(parse_frame_record, on_fault=on_fault, faults=faults)


def read_video_records(
    path: Path, *, on_fault: OnFault = "refuse", faults: Faults | None = None, check: bool = True
) -> Iterator[VideoRecord]:
    """Every video of a video-level shard, in order; arguments and errors as for `read_frame_records`."""
    return Shard(path, check=check).parsed(parse_video_record, on_fault=on_fault, faults=faults)


def _frame_views(example: SequenceExample) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    rgb_TC, audio_TC = (_frames(example, name).rows(dimensions) for name, dimensions in _PARTS)
    _check_equal(len(rgb_TC), len(audio_TC))
    return rgb_TC, audio_TC


def _frames(example: SequenceExample, name: str) -> FeatureList:
    if name not in example.lists:
        raise MalformedError(f"the record has no frames called `{name}`")
    return example.lists[name]


def _check_equal(rgb: int, audio: int) -> None:
    if rgb != audio:
        raise MalformedError(f"the record has `{rgb}` frames of `rgb` and `{audio}` of `audio`")


def _video_id(features: dict[str, Feature]) -> str:
    key = next((key for key in ID_KEYS if key in features), None)
    if key is None:
        raise MalformedError(f"the record has no `{ID_KEYS[0]}` (nor `{ID_KEYS[1]}`)")
    values = features[key].byte_strings()
    if len(values) != 1:
        raise MalformedError(f"`{key}` has `{len(values)}` values; one is needed")
    raw = values[0]
    text = raw.decode("utf-8", "replace")
    if not 1 <= len(text) <= MAX_ID_CHARACTERS or not text.isprintable() or "\ufffd" in text:
        wanted = f"`1` to `{MAX_ID_CHARACTERS}` printable characters are needed"
        raise MalformedError(f"`{key}` is {shown(text)}; {wanted}")
    return text


def _ratings(
    context: dict[str, Feature],
) -> tuple[NDArray[np.int64] | None, NDArray[np.int64] | None, NDArray[np.float32] | None]:
    if "segment_start_times" not in context and "segment_labels" not in context:
        return None, None, None
    starts_R, labels_R = _int64s(context, "segment_start_times"), _int64s(context, "segment_labels")
    scores = context.get("segment_scores")
    scores_R = scores.floats() if scores else np.zeros(0, dtype=np.float32)
    if not len(starts_R) == len(labels_R) == len(scores_R):
        found = f"`{len(starts_R)}` start times, `{len(labels_R)}` labels and `{len(scores_R)}` scores"
        raise MalformedError(f"the ratings have {found}; equally many are needed")
    return starts_R, labels_R, scores_R


def _int64s(features: dict[str, Feature], key: str) -> NDArray[np.int64]:
    feature = features.get(key)
    return np.zeros(0, dtype=np.int64) if feature is None else feature.int64s()
