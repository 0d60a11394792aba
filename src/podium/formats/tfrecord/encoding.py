"""Payloads made: `tf.Example` and `tf.SequenceExample` without protobuf, and the records of YouTube-8M.

Keys are written in the order in which they are given, so equal values give equal bytes.

T frames, D dimensions, L labels, R ratings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from podium.errors import UsageError
from podium.formats.tfrecord.features import FIRST, SECOND, Kind, frame_header
from podium.formats.tfrecord.wire import LENGTH, encoded_varint

AUDIO_DIMENSIONS = 128
RGB_DIMENSIONS = 1024
SEGMENT_SECONDS = 5
Values = bytes | Sequence[bytes] | NDArray[Any]


def encode_example(features: Mapping[str, Values]) -> bytes:
    """A `tf.Example`.

    Args:
        features: By key: a byte string, several, or a one-dimensional array of integers or of real numbers, which are
            written as int64 or float32.

    Raises:
        UsageError: A value is of no such kind.

    >>> encode_example({"a": np.array([5])}).hex()
    '0a0c0a0a0a016112051a030a0105'
    """
    return _field(FIRST, _mapping({key: _feature(key, values) for key, values in features.items()}))


def encode_sequence_example(
    context: Mapping[str, Values], lists: Mapping[str, NDArray[np.uint8] | Sequence[Values]]
) -> bytes:
    """A `tf.SequenceExample`.

    Args:
        context: Features of the whole, as for `encode_example`.
        lists: Features of each frame: a (T, D) array of bytes, one byte string a frame, or one value a frame.

    Raises:
        UsageError: A value is of no such kind.
    """
    encoded = {key: _feature_list(key, frames) for key, frames in lists.items()}
    whole = _mapping({key: _feature(key, values) for key, values in context.items()})
    return _field(FIRST, whole) + _field(SECOND, _mapping(encoded))


def encode_frame_record(
    *,
    video_id: str,
    labels: ArrayLike,
    rgb_TC: NDArray[np.uint8],
    audio_TC: NDArray[np.uint8],
    segment_start_times: ArrayLike | None = None,
    segment_labels: ArrayLike | None = None,
    segment_scores: ArrayLike | None = None,
    id_key: str = "id",
) -> bytes:
    """A video with the features of each second, as in the sets `2/frame` and `3/frame`.

    Args:
        video_id: The id.
        labels: (L,) class indices; empty in a test set.
        rgb_TC: (T, 1024) quantised picture features.
        audio_TC: (T, 128) quantised sound features.
        segment_start_times: (R,) seconds, one of each rating; None in a set that is not rated.
        segment_labels: (R,) the class that is rated.
        segment_scores: (R,) 1 where the segment shows the class, else 0.
        id_key: The id's key: `id`, or `video_id` as in files of 2016 and 2017.

    Raises:
        UsageError: Shapes, dtypes or numbers of ratings do not fit together.
    """
    for name, frames_TC, dimensions in (("rgb", rgb_TC, RGB_DIMENSIONS), ("audio", audio_TC, AUDIO_DIMENSIONS)):
        if frames_TC.dtype != np.uint8 or frames_TC.shape != (len(rgb_TC), dimensions):
            found = f"`{name}` is `{frames_TC.dtype}` `{frames_TC.shape}`"
            raise UsageError(f"{found}; `uint8` `{(len(rgb_TC), dimensions)}` is needed")
    context: dict[str, Values] = {id_key: video_id.encode(), "labels": _integers("labels", labels)}
    ratings = (segment_start_times, segment_labels, segment_scores)
    if any(each is not None for each in ratings):
        context |= _ratings(*ratings)
    return encode_sequence_example(context, {"rgb": rgb_TC, "audio": audio_TC})


def encode_video_record(
    *, video_id: str, labels: ArrayLike, mean_rgb: ArrayLike, mean_audio: ArrayLike, id_key: str = "id"
) -> bytes:
    """A video with its mean features, as in the set `2/video`.

    Args:
        video_id: The id.
        labels: (L,) class indices; empty in a test set.
        mean_rgb: (1024,) the mean of the dequantised picture features.
        mean_audio: (128,) the mean of the dequantised sound features.
        id_key: The id's key: `id`, or `video_id` as in files of 2016 and 2017.

    Raises:
        UsageError: A shape is another.
    """
    means = {"mean_rgb": (mean_rgb, RGB_DIMENSIONS), "mean_audio": (mean_audio, AUDIO_DIMENSIONS)}
    features: dict[str, Values] = {id_key: video_id.encode(), "labels": _integers("labels", labels)}
    for name, (numbers, dimensions) in means.items():
        mean_C = np.asarray(numbers, dtype=np.float32)
        if mean_C.shape != (dimensions,):
            raise UsageError(f"`{name}` has the shape `{mean_C.shape}`; `({dimensions},)` is needed")
        features[name] = mean_C
    return encode_example(features)


def _ratings(starts: ArrayLike | None, labels: ArrayLike | None, scores: ArrayLike | None) -> dict[str, Values]:
    if starts is None or labels is None or scores is None:
        raise UsageError("ratings need start times, labels and scores; one of them is missing")
    starts_R, labels_R = _integers("segment_start_times", starts), _integers("segment_labels", labels)
    scores_R = np.asarray(scores, dtype=np.float32)
    if not starts_R.shape == labels_R.shape == scores_R.shape:
        found = f"`{starts_R.shape}`, `{labels_R.shape}` and `{scores_R.shape}`"
        raise UsageError(f"start times, labels and scores of ratings have the shapes {found}; one for all is needed")
    return {
        "segment_start_times": starts_R,
        "segment_end_times": starts_R + SEGMENT_SECONDS,
        "segment_labels": labels_R,
        "segment_scores": scores_R,
    }


def _integers(name: str, values: ArrayLike) -> NDArray[np.int64]:
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise UsageError(f"`{name}` is `{array.dtype}` `{array.shape}`; a list of integers is needed")
    return array.astype(np.int64)


def _mapping(encoded: Mapping[str, bytes]) -> bytes:
    """A map: one entry a key."""
    entries = [_field(FIRST, key.encode()) + _field(SECOND, value) for key, value in encoded.items()]
    return b"".join([_field(FIRST, entry) for entry in entries])


def _feature(key: str, values: Values) -> bytes:
    if isinstance(values, bytes):
        return _field(_tag(Kind.BYTES), _field(FIRST, values))
    if not isinstance(values, np.ndarray):
        return _field(_tag(Kind.BYTES), b"".join([_field(FIRST, each) for each in values]))
    if values.ndim == 1 and values.dtype.kind in "iu":
        return _numbers(Kind.INT64, b"".join([encoded_varint(each) for each in values.tolist()]))
    if values.ndim == 1 and values.dtype.kind == "f":
        return _numbers(Kind.FLOAT, values.astype("<f4").tobytes())
    found = f"`{values.dtype}` `{values.shape}`"
    raise UsageError(f"the values of `{key}` are {found}; byte strings, or `(N,)` integers or real numbers are needed")


def _numbers(kind: Kind, packed: bytes) -> bytes:
    return _field(_tag(kind), _field(FIRST, packed) if packed else b"")


def _feature_list(key: str, frames: NDArray[np.uint8] | Sequence[Values]) -> bytes:
    if isinstance(frames, np.ndarray) and frames.ndim == 2 and frames.dtype == np.uint8:
        header = np.frombuffer(frame_header(frames.shape[1]), dtype=np.uint8)
        return np.concatenate([np.broadcast_to(header, (len(frames), len(header))), frames], axis=1).tobytes()
    rows: Iterable[Values] = frames
    return b"".join([_field(FIRST, _feature(key, each)) for each in rows])


def _tag(kind: Kind) -> int:
    return kind << 3 | LENGTH


def _field(tag: int, content: bytes) -> bytes:
    return encoded_varint(tag) + encoded_varint(len(content)) + content
