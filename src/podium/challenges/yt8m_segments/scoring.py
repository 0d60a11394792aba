"""MAP@100,000 of ranked segments, and what explains it.

Legend: C classes, D draws.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from podium.challenges.yt8m_segments import timelines
from podium.challenges.yt8m_segments.judging import Judged, judge
from podium.challenges.yt8m_segments.predictions import CAP, SegmentPredictions
from podium.metrics import (
    bootstrap_mean,
    percentile_interval,
    resampled_segment_average_precisions,
    segment_average_precisions,
)
from podium.types import DataSet, Interval, ItemScore, Measure, Score, ScoreSettings

METRIC = f"MAP@{CAP:,}"


def score(predictions: SegmentPredictions, data: DataSet, settings: ScoreSettings) -> Score:
    """The score of a submission.

    The mean is taken over the classes that have a positive rating; a class without a list counts 0. With parity, over
    those that have a list as well; ratings of segments beyond their video count then, though nobody can list them.

    Raises:
        ChallengeError: No rating is positive, or one has a class that the vocabulary lacks.
    """
    judged = judge(predictions, data, parity=settings.parity)
    values_C = segment_average_precisions(judged.listing, k=CAP)
    value = float(values_C[judged.scored].mean()) if judged.scored.any() else 0.0
    drawn_DC = _drawn(judged, settings)
    return Score(
        value=value,
        metric=METRIC,
        interval=_over_videos(judged, drawn_DC),
        measures=_measures(judged, values_C, settings),
        per_item=_per_class(judged, values_C, drawn_DC),
        curves=timelines.curves(judged),
        timelines=timelines.explain(predictions, judged, each=settings.exhibits, seed=settings.seed),
    )


def _drawn(judged: Judged, settings: ScoreSettings) -> NDArray[np.float64] | None:
    if not settings.resamples:
        return None
    return resampled_segment_average_precisions(
        judged.listing, judged.video_R, k=CAP, resamples=settings.resamples, seed=settings.seed
    )


def _over_videos(judged: Judged, drawn_DC: NDArray[np.float64] | None) -> Interval | None:
    """A draw without a positive rating of some class has no AP of it, and its mean is over the others."""
    if drawn_DC is None or not judged.scored.any():
        return None
    drawn_DC = drawn_DC[:, judged.scored]
    known_D = np.isfinite(drawn_DC).sum(axis=1)
    sum_D = np.nansum(drawn_DC, axis=1)
    means_D = np.divide(sum_D, known_D, out=np.full(len(sum_D), np.nan), where=known_D > 0)
    return percentile_interval(means_D, unit=_many(len(judged.ids), "rated video"))


def _measures(judged: Judged, values_C: NDArray[np.float64], settings: ScoreSettings) -> tuple[Measure, ...]:
    classes, scored = len(values_C), int(judged.scored.sum())
    positives = int(judged.listing.positives_C.sum())
    found = int(_found(judged).sum())
    measures = [
        Measure(name="classes scored", value=float(scored), note=f"of {classes}; the others have no positive rating"),
        Measure(name="positives listed", value=found / positives, note=f"{found} of {positives}"),
    ]
    if scored and settings.resamples:
        kept = values_C[judged.scored]
        drawn = bootstrap_mean(kept, np.arange(scored), resamples=settings.resamples, seed=settings.seed)
        interval = replace(drawn, unit=_many(scored, "class", "classes"))
        note = "the interval draws classes, not videos"
        measures.append(Measure(name=f"{METRIC}, over classes", value=float(kept.mean()), interval=interval, note=note))
    if judged.left_out:
        note = "of segments that are not in the test set or lie beyond their video"
        measures.append(Measure(name="ratings left out", value=float(judged.left_out), note=note))
    return tuple(measures)


def _per_class(
    judged: Judged, values_C: NDArray[np.float64], drawn_DC: NDArray[np.float64] | None
) -> tuple[ItemScore, ...]:
    found_C, positives_C = _found(judged), judged.listing.positives_C
    rated_C = np.bincount(judged.listing.class_R, minlength=len(values_C))
    unit = _many(len(judged.ids), "rated video")
    items: list[ItemScore] = []
    for row in np.flatnonzero(judged.scored).tolist():
        name = judged.vocabulary.names[row]
        note = f"{found_C[row]} of {positives_C[row]} positives listed, {rated_C[row]} rated"
        interval = None if drawn_DC is None else percentile_interval(drawn_DC[:, row], unit=unit)
        item = str(judged.vocabulary.indices[row])
        note = f"{name}: {note}" if name else note
        items.append(ItemScore(item=item, value=float(values_C[row]), note=note, interval=interval))
    return tuple(items)


def _found(judged: Judged) -> NDArray[np.int64]:
    """(C,) positive ratings that stand within the cut of a list, each counted once."""
    listing = judged.listing
    rows = np.unique(listing.rated(CAP)[1])
    return np.bincount(listing.class_R[rows[listing.positive_R[rows]]], minlength=listing.classes)


def _many(count: int, one: str, more: str = "") -> str:
    return f"{count:,} {one if count == 1 else more or one + 's'}"
