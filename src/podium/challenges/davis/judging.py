"""Masks beside the truth, frame by frame: IoU, J and F of each. One frame of each is in memory at a time.

Axes: N frames of all clips, in the order of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from podium.challenges.davis import layout
from podium.challenges.davis.layout import Frame, Sequence
from podium.challenges.davis.predictions import DavisPredictions
from podium.errors import ChallengeError
from podium.metrics.regions import Comparison
from podium.metrics.sequences import Frames, Statistics, statistics
from podium.types import DataSet

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """Every frame of a test set, judged.

    Attributes:
        sequences: The clips.
        iou_N: The contest's IoU; NaN where it takes no part in the mean.
        region_N: J; 0 without a mask.
        boundary_N: F; 0 without a mask.
        missing_N: The submission has no mask.
        parity: Judged as the contest does: a frame without a mask takes no part in `iou_N`.
    """

    sequences: tuple[Sequence, ...]
    iou_N: Floats
    region_N: Floats
    boundary_N: Floats
    missing_N: NDArray[np.bool_]
    parity: bool

    @cached_property
    def clip_N(self) -> NDArray[np.int64]:
        """The number of each frame's clip."""
        lengths = [len(each.frames) for each in self.sequences]
        return np.repeat(np.arange(len(lengths)), lengths)

    @cached_property
    def frames(self) -> tuple[Frame, ...]:
        """All frames."""
        return tuple(frame for each in self.sequences for frame in each.frames)

    def of(self, values_N: Floats, clip: int) -> Floats:
        """The values of one clip, in order of time."""
        return values_N[self.clip_N == clip]

    def statistics(self, values_N: Floats, frames: Frames) -> tuple[Statistics | None, ...]:
        """Mean, recall and decay of each clip; None where no frame counts."""
        every = (frames.of(self.of(values_N, clip)) for clip in range(len(self.sequences)))
        return tuple(statistics(values_T) if len(values_T) else None for values_T in every)


def judge(predictions: DavisPredictions, data: DataSet, *, parity: bool) -> Judged:
    """Compares every mask with the truth.

    Raises:
        ChallengeError: An annotation is missing or broken, or none has any foreground.
    """
    truth = layout.annotation_paths(data, predictions.sequences)
    total = len(truth)
    iou_N, region_N, boundary_N = np.full(total, np.nan), np.zeros(total), np.zeros(total)
    missing_N = np.zeros(total, bool)
    comparisons: dict[tuple[int, int], Comparison] = {}
    labelled = False
    for sequence, frame in layout.frames_of(predictions.sequences):
        size = sequence.height, sequence.width
        annotation_HW = layout.read_annotation(truth[frame.row], size)
        labelled = labelled or bool(annotation_HW.any())
        prediction_HW = predictions.mask(sequence, frame.row)
        if prediction_HW is None:
            missing_N[frame.row] = True
            iou_N[frame.row] = np.nan if parity else 0.0
            continue
        if size not in comparisons:
            comparisons[size] = Comparison(*size)
        found = comparisons[size].compare(annotation_HW, prediction_HW)
        iou_N[frame.row] = np.nan if found.iou is None else found.iou
        region_N[frame.row], boundary_N[frame.row] = found.region, found.boundary
    if not labelled:
        raise ChallengeError(f"no mask in `{data.answers}` has any foreground, so there is nothing to score")
    return Judged(
        sequences=predictions.sequences,
        iou_N=iou_N,
        region_N=region_N,
        boundary_N=boundary_N,
        missing_N=missing_N,
        parity=parity,
    )
