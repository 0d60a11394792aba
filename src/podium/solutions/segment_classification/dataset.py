"""Batches of videos and of rated segments, as bytes, each frame copied once from the mapped shard.

A video comes with all its ratings, and once however many it has; what a batch needs of frames is decided here, where
the videos of the batch are known, and drawn by their seeds alone.

Legend: V videos, R ratings (one segment and one class each), T frames, D = 1152 numbers of a frame, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from podium.errors import MachineError
from podium.formats.tfrecord import DIMENSIONS, RGB_DIMENSIONS
from podium.solutions.segment_classification.frames import Chosen, FrameSettings, choose
from podium.solutions.segment_classification.network import WindowSettings
from podium.solutions.segment_classification.videos import Counts, Video, VideoSet

try:
    import torch
    from torch import Tensor
except ImportError as error:
    raise MachineError("training needs torch: `pip install 'podium[train]'`") from error

__all__ = ["Counts", "SegmentBatch", "Video", "VideoBatch", "VideoSet", "segment_collate", "video_collate"]

Excluded = Literal["rated", "positive"]


class VideoBatch(NamedTuple):
    """Videos and their labels.

    Attributes:
        features_VTD: uint8, the chosen frames, zeros behind them.
        mask_VT: bool, False for padding.
        labels_VC: float32, 1 where the video has the class, else 0.
        number_V: int64, the number of each video in its set.
    """

    features_VTD: Tensor
    mask_VT: Tensor
    labels_VC: Tensor
    number_V: Tensor


class SegmentBatch(NamedTuple):
    """Rated segments and the videos that they are of.

    Attributes:
        windows_RTD: uint8, the frames around each segment; zeros outside of the video.
        mask_RT: bool, False outside of the video.
        class_R: int64, the row of the class that is rated.
        score_R: float32, the rating, 0 to 1.
        video_R: int64, which video of this batch it is of.
        free_VC: bool, classes that are mined as negatives.
        features_VTD: uint8, the frames of each video that its context is made of; (V, 0, D) where none was asked for.
        frames_VT: bool, False for padding of them.
        number_V: int64, the number of each video in its set.
        start_R: int64 seconds, where each segment begins.
    """

    windows_RTD: Tensor
    mask_RT: Tensor
    class_R: Tensor
    score_R: Tensor
    video_R: Tensor
    free_VC: Tensor
    features_VTD: Tensor
    frames_VT: Tensor
    number_V: Tensor
    start_R: Tensor


def video_collate(
    videos: Sequence[Video], *, classes: int, frames: FrameSettings, drawn: bool, reference: bool = False
) -> VideoBatch:
    """A batch of whole videos; `functools.partial` makes a loader's `collate_fn` of it.

    Args:
        videos: One or more.
        classes: C.
        frames: Which frames are seen.
        drawn: By the videos' seeds, for training; otherwise evenly spread, the same each time.
        reference: Frames are chosen as the 7th place did.
    """
    features_VTD, mask_VT = _seen(videos, _choice(videos, frames, drawn=drawn, reference=reference))
    labels_VC = torch.zeros(len(videos), classes)
    _mark(labels_VC.numpy(), [each.label_L for each in videos], 1)
    return VideoBatch(features_VTD=features_VTD, mask_VT=mask_VT, labels_VC=labels_VC, number_V=_numbers(videos))


def segment_collate(
    videos: Sequence[Video],
    *,
    classes: int,
    window: WindowSettings,
    frames: FrameSettings | None = None,
    drawn: bool = False,
    excluded: Excluded = "rated",
    reference: bool = False,
) -> SegmentBatch:
    """A batch of all rated segments of some videos; `functools.partial` makes a loader's `collate_fn` of it.

    Args:
        videos: One or more, of a rated set.
        classes: C.
        window: Which frames around a segment are seen.
        frames: Which frames of the videos are seen; None leaves them out: nothing needs them, or they are encoded.
        drawn: Frames of videos are drawn by their seeds; otherwise evenly spread, the same each time.
        excluded: Besides the labels of a video, classes that it was `rated` for are not mined as negatives, as in the
            7th place's code, or only those it was rated to show (`positive`), as in its paper.
        reference: Frames are chosen as the 7th place did, and windows have no padding but frames of zeros.
    """
    windows_RTD, mask_RT = _windows(videos, window)
    if reference:
        mask_RT = torch.ones_like(mask_RT)
    free_VC = torch.ones(len(videos), classes, dtype=torch.bool)
    _mark(free_VC.numpy(), [each.label_L for each in videos], 0)
    _mark(free_VC.numpy(), [each.rated_R if excluded == "rated" else each.positive_R for each in videos], 0)
    if frames is None:
        features_VTD = torch.zeros(len(videos), 0, DIMENSIONS, dtype=torch.uint8)
        frames_VT = torch.zeros(len(videos), 0, dtype=torch.bool)
    else:
        features_VTD, frames_VT = _seen(videos, _choice(videos, frames, drawn=drawn, reference=reference))
    return SegmentBatch(
        windows_RTD=windows_RTD,
        mask_RT=mask_RT,
        class_R=_joined([each.class_R for each in videos]),
        score_R=_joined([each.score_R for each in videos]),
        video_R=torch.from_numpy(np.repeat(np.arange(len(videos)), [len(each.start_R) for each in videos])),
        free_VC=free_VC,
        features_VTD=features_VTD,
        frames_VT=frames_VT,
        number_V=_numbers(videos),
        start_R=_joined([each.start_R for each in videos]),
    )


def _choice(videos: Sequence[Video], frames: FrameSettings, *, drawn: bool, reference: bool) -> Chosen:
    lengths = [len(each.rgb_TD) for each in videos]
    seeds = [each.seed for each in videos] if drawn else None
    return choose(lengths, frames, seeds_V=seeds, reference=reference)


def _seen(videos: Sequence[Video], chosen: Chosen) -> tuple[Tensor, Tensor]:
    """(V, T, D) and (V, T): the chosen frames, and which are no padding."""
    features_VTD = torch.empty(*chosen.indices_VT.shape, DIMENSIONS, dtype=torch.uint8)
    out_VTD = features_VTD.numpy()
    for video, index_T, mask_T, out_TD in zip(videos, chosen.indices_VT, chosen.mask_VT, out_VTD, strict=True):
        at, rows = _run(np.flatnonzero(mask_T)), _run(index_T[mask_T])
        out_TD[~mask_T] = 0
        out_TD[at, :RGB_DIMENSIONS] = video.rgb_TD[rows]
        out_TD[at, RGB_DIMENSIONS:] = video.audio_TD[rows]
    return features_VTD, torch.from_numpy(np.ascontiguousarray(chosen.mask_VT))


def _run(numbers: NDArray[np.int64]) -> slice | NDArray[np.int64]:
    """The same numbers as a slice where they are a run from 0 or above; slices are copied without a detour."""
    if not len(numbers):
        return slice(0, 0)
    first, last = int(numbers[0]), int(numbers[-1])
    if last - first + 1 == len(numbers) and (np.diff(numbers) == 1).all():
        return slice(first, last + 1)
    return numbers


def _windows(videos: Sequence[Video], window: WindowSettings) -> tuple[Tensor, Tensor]:
    """(R, T, D) and (R, T): the frames around each segment, and which are within the video."""
    first_R = np.concatenate([each.start_R for each in videos]) - window.before
    frames_R = np.repeat([len(each.rgb_TD) for each in videos], [len(each.start_R) for each in videos])
    index_RT = first_R[:, None] + np.arange(window.frames)
    mask_RT = (index_RT >= 0) & (index_RT < frames_R[:, None])
    windows_RTD = torch.empty(len(first_R), window.frames, DIMENSIONS, dtype=torch.uint8)
    out_RTD = windows_RTD.numpy()
    out_RTD[~mask_RT] = 0
    rating = 0
    for video in videos:
        for start in video.start_R.tolist():
            first = start - window.before
            low, high = max(first, 0), min(first + window.frames, len(video.rgb_TD))
            if low < high:
                out_RTD[rating, low - first : high - first, :RGB_DIMENSIONS] = video.rgb_TD[low:high]
                out_RTD[rating, low - first : high - first, RGB_DIMENSIONS:] = video.audio_TD[low:high]
            rating += 1
    return windows_RTD, torch.from_numpy(mask_RT)


def _mark(table_VC: NDArray[np.generic], columns: Sequence[NDArray[np.int64]], value: int) -> None:
    rows = np.repeat(np.arange(len(columns)), [len(each) for each in columns])
    table_VC[rows, np.concatenate(columns)] = value


def _joined(parts: Sequence[NDArray[np.generic]]) -> Tensor:
    return torch.from_numpy(np.concatenate(parts))


def _numbers(videos: Sequence[Video]) -> Tensor:
    return torch.tensor([each.number for each in videos], dtype=torch.int64)
