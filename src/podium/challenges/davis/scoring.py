"""`davis`: the contest's mean IoU over frames, and beside it J and F as DAVIS measures them.

Axes: N frames of all clips, C clips, M means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from podium.challenges.davis.judging import Judged, judge
from podium.challenges.davis.metadata import PARAMETER_LIMIT, Metadata
from podium.challenges.davis.predictions import DavisPredictions, require
from podium.errors import SubmissionError
from podium.metrics import bootstrap_means
from podium.metrics.sequences import Frames, Statistics
from podium.types import DataSet, Interval, ItemScore, Measure, Score, ScoreSettings

METRIC = "mean IoU"

_NOTES = {
    Frames.INNER: "mean over clips, without the first and last frame of each: DAVIS-2016, and 2017 semi-supervised",
    Frames.ALL: "mean over clips, all frames: DAVIS-2017 unsupervised",
}

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Mean:
    """A measure that is a mean: one value a frame, or one a clip at the clip's first frame; NaN elsewhere."""

    name: str
    values_N: Floats
    note: str = ""


def score(predictions: DavisPredictions, data: DataSet, settings: ScoreSettings) -> Score:
    """The score of masks: the mean IoU over all frames.

    A frame whose masks are both empty leaves the mean. A frame without a mask counts 0, in J and F as well; with parity
    it leaves the mean of the IoU, as the contest's scorer does. The intervals draw whole clips.

    Raises:
        ChallengeError: The answers are broken or hold no foreground.
        SubmissionError: With parity only: no frame is left to take a mean over.
    """
    require(predictions, parity=settings.parity)
    judged = judge(predictions, data, parity=settings.parity)
    predictions.memory["judged"] = judged
    if np.isnan(judged.iou_N).all():
        raise SubmissionError("every frame without a mask leaves the mean, and none is left")
    means = [_Mean(name=METRIC, values_N=judged.iou_N), *_contest_means(judged), *_davis_means(judged)]
    intervals = _intervals(means, judged, settings)
    measures = [
        Measure(name=mean.name, value=float(np.nanmean(mean.values_N)), interval=interval, note=mean.note)
        for mean, interval in zip(means, intervals, strict=True)
    ]
    return Score(
        value=float(np.nanmean(judged.iou_N)),
        metric=METRIC,
        interval=intervals[0],
        measures=(*measures[1:], *_counts(judged, predictions.metadata)),
        per_item=_per_clip(judged),
    )


def _contest_means(judged: Judged) -> list[_Mean]:
    of_clips = [judged.of(judged.iou_N, clip) for clip in range(len(judged.sequences))]
    values_C = [float(np.nanmean(values)) if not np.isnan(values).all() else None for values in of_clips]
    return [_Mean(name="mean IoU, over clips", values_N=_spread(judged, values_C), note="every clip weighs the same")]


def _davis_means(judged: Judged) -> list[_Mean]:
    """J, F and their statistics; a clip of fewer than three frames has no inner ones."""
    means: list[_Mean] = []
    for frames in (Frames.INNER, Frames.ALL):
        region_C = judged.statistics(judged.region_N, frames)
        boundary_C = judged.statistics(judged.boundary_N, frames)
        if not any(region_C):
            continue
        both_C = [
            (region.mean + boundary.mean) / 2 if region and boundary else None
            for region, boundary in zip(region_C, boundary_C, strict=True)
        ]
        tail = f", {frames} frames"
        means.append(_Mean(name=f"J&F{tail}", values_N=_spread(judged, both_C), note=_NOTES[frames]))
        for letter, statistics_C in (("J", region_C), ("F", boundary_C)):
            means += [
                _Mean(name=f"{letter} {part}{tail}", values_N=_spread(judged, _parts(statistics_C, part)))
                for part in ("mean", "recall", "decay")
            ]
    return means


def _parts(statistics_C: Sequence[Statistics | None], part: str) -> list[float | None]:
    return [None if each is None else float(getattr(each, part)) for each in statistics_C]


def _spread(judged: Judged, values_C: Sequence[float | None]) -> Floats:
    """One value a clip, at its first frame."""
    values_N = np.full(len(judged.clip_N), np.nan)
    for sequence, value in zip(judged.sequences, values_C, strict=True):
        values_N[sequence.frames[0].row] = np.nan if value is None else value
    return values_N


def _intervals(means: Sequence[_Mean], judged: Judged, settings: ScoreSettings) -> Sequence[Interval | None]:
    if not settings.resamples:
        return [None] * len(means)
    values_MN = np.stack([mean.values_N for mean in means])
    drawn = bootstrap_means(values_MN, judged.clip_N, resamples=settings.resamples, seed=settings.seed)
    return [each and replace(each, unit=_many(int(each.unit.split()[0]), "clip")) for each in drawn]


def _counts(judged: Judged, metadata: Metadata | None) -> tuple[Measure, ...]:
    total, missing = len(judged.iou_N), int(judged.missing_N.sum())
    counted = int(np.isfinite(judged.iou_N).sum())
    count = "they leave the mean" if judged.parity else "they count 0"
    measures = [
        Measure(name="frames counted", value=float(counted), note=f"of {total:,}; the others are empty in both masks"),
        Measure(name="frames without a mask", value=float(missing), note=f"of {total:,}; {count}"),
    ]
    if metadata is not None:
        note = f"`nparams`; fewer than {PARAMETER_LIMIT:,} are allowed"
        measures.append(Measure(name="parameters, as declared", value=float(metadata.parameters), note=note))
        if metadata.operations is not None:
            measures.append(Measure(name="operations", value=metadata.operations, note="as the submission says"))
    return tuple(measures)


def _per_clip(judged: Judged) -> tuple[ItemScore, ...]:
    """The clips with a frame that counts, J and F over all frames in the note."""
    region_C = judged.statistics(judged.region_N, Frames.ALL)
    boundary_C = judged.statistics(judged.boundary_N, Frames.ALL)
    items: list[ItemScore] = []
    for clip, (sequence, region, boundary) in enumerate(zip(judged.sequences, region_C, boundary_C, strict=True)):
        values_T = judged.of(judged.iou_N, clip)
        if region is None or boundary is None or np.isnan(values_T).all():
            continue
        worst = int(np.nanargmin(values_T))
        missing = int(judged.missing_N[judged.clip_N == clip].sum())
        note = f"J {region.mean:.3f}, F {boundary.mean:.3f}, {_many(len(values_T), 'frame')}"
        note += f"; lowest `{sequence.frames[worst].name}` {values_T[worst]:.3f}"
        note += f"; {missing} without a mask" if missing else ""
        items.append(ItemScore(item=sequence.clip, value=float(np.nanmean(values_T)), note=note))
    return tuple(items)


def _many(count: int, one: str) -> str:
    return f"{count:,} {one}{'' if count == 1 else 's'}"
