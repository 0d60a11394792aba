"""What the page of a submission shows of each clip: every frame, what it is worth, and its masks when asked for.

Axes: H height, W width.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from podium.challenges.davis import layout
from podium.challenges.davis.judging import Judged, judge
from podium.challenges.davis.layout import Sequence
from podium.challenges.davis.predictions import DavisPredictions
from podium.types import DataSet, MaskedFrame, MaskedSequence, MaskPair

MEASURES = ("IoU", "J", "F")


@dataclass(frozen=True)
class _Masks:
    """Reads the masks of one clip's frames."""

    predictions: DavisPredictions
    sequence: Sequence
    truth: dict[int, Path]

    def __call__(self, at: int) -> MaskPair:
        row = self.sequence.frames[at].row
        size = self.sequence.height, self.sequence.width
        return MaskPair(
            truth_HW=layout.read_annotation(self.truth[row], size),
            prediction_HW=self.predictions.mask(self.sequence, row),
        )


def sequences(predictions: DavisPredictions, data: DataSet) -> Iterator[MaskedSequence]:
    """Every clip of the test set, in its order, with IoU, J and F of each frame.

    Predictions that were scored are not judged again.

    Raises:
        ChallengeError: The answers are broken or hold no foreground.
    """
    judged = predictions.memory.get("judged")
    if not isinstance(judged, Judged):
        judged = judge(predictions, data, parity=predictions.parity)
        predictions.memory["judged"] = judged
    truth = layout.annotation_paths(data, predictions.sequences)
    for clip, sequence in enumerate(predictions.sequences):
        iou_T = judged.of(judged.iou_N, clip)
        yield MaskedSequence(
            item=sequence.clip,
            value=None if np.isnan(iou_T).all() else float(np.nanmean(iou_T)),
            measures=MEASURES,
            frames=_frames(judged, data, sequence),
            frames_per_second=layout.FPS,
            masks=_Masks(predictions, sequence, truth),
        )


def _frames(judged: Judged, data: DataSet, sequence: Sequence) -> tuple[MaskedFrame, ...]:
    folder = data.inputs.relative_to(data.root).as_posix()
    return tuple(
        MaskedFrame(
            name=frame.name.rpartition("/")[2],
            path=f"{folder}/{frame.path}",
            values=tuple(
                None if math.isnan(values_N[frame.row]) else float(values_N[frame.row])
                for values_N in (judged.iou_N, judged.region_N, judged.boundary_N)
            ),
        )
        for frame in sequence.frames
    )
