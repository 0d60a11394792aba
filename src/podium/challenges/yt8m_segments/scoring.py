"""MAP@100,000 of ranked segments, and what explains it.

Legend: C classes, R ratings, N listed entries that are rated, D draws.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from podium.challenges.yt8m_segments import layout
from podium.challenges.yt8m_segments.predictions import CAP, SegmentPredictions
from podium.challenges.yt8m_segments.vocabulary import Vocabulary, read_vocabulary
from podium.errors import ChallengeError
from podium.metrics import (
    Listing,
    bootstrap_mean,
    percentile_interval,
    resampled_segment_average_precisions,
    segment_average_precisions,
)
from podium.types import DataSet, Interval, ItemScore, Measure, Score, ScoreSettings

METRIC = f"MAP@{CAP:,}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """Lists beside the ratings.

    Attributes:
        vocabulary: C classes.
        listing: Its classes are rows of the vocabulary.
        video_R: (R,) int64, the video of each rating.
        left_out: Ratings of segments that no submission may list.
        scored: (C,) bool, the classes that the mean is taken over.
    """

    vocabulary: Vocabulary
    listing: Listing
    video_R: NDArray[np.int64]
    left_out: int
    scored: NDArray[np.bool_]


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
    )


def judge(predictions: SegmentPredictions, data: DataSet, *, parity: bool) -> Judged:
    """Finds the rated segments in the lists.

    Raises:
        ChallengeError: No rating is positive, or one has a class that the vocabulary lacks.
    """
    path = data.answers / layout.RATINGS
    vocabulary = read_vocabulary(data.inputs / layout.VOCABULARY)
    ratings = layout.read_ratings(path)
    class_R = vocabulary.rows_of(ratings.class_indices)
    unknown = np.flatnonzero(class_R < 0)
    if len(unknown):
        raise ChallengeError(f"`{path}` rates class `{ratings.class_indices[unknown[0]]}`, which the vocabulary lacks")
    slot_R = predictions.grid.slot(predictions.grid.find(ratings.videos), ratings.start_seconds)
    kept = np.ones(len(slot_R), bool) if parity else slot_R >= 0
    class_R, slot_R, positive_R = class_R[kept], slot_R[kept], ratings.positive[kept]
    if not positive_R.any():
        raise ChallengeError(f"`{path}` holds no positive rating, so there is nothing to score")
    listing = _listing(predictions, class_R, slot_R, positive_R)
    scored = listing.positives_C > 0
    return Judged(
        vocabulary=vocabulary,
        listing=listing,
        video_R=np.unique(ratings.videos[kept], return_inverse=True)[1],
        left_out=int((~kept).sum()),
        scored=scored & (predictions.begin >= 0) if parity else scored,
    )


def _listing(
    predictions: SegmentPredictions,
    class_R: NDArray[np.int64],
    slot_R: NDArray[np.int64],
    positive_R: NDArray[np.bool_],
) -> Listing:
    """One class after the other: each slot says which rating of the class it has. The last place is for no slot."""
    rating_of_slot = np.full(predictions.grid.slots + 1, -1, dtype=np.int64)
    order_R = np.argsort(class_R, kind="stable")
    ends_C = np.cumsum(np.bincount(class_R, minlength=len(predictions.begin)))
    rating, place = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for row, end in enumerate(ends_C.tolist()):
        mine = order_R[ends_C[row - 1] if row else 0 : end]
        mine = mine[slot_R[mine] >= 0]
        slots = predictions.of(row)
        if slots is None or not len(mine):
            continue
        rating_of_slot[slot_R[mine]] = mine
        found = rating_of_slot[slots]
        at = np.flatnonzero(found >= 0)
        rating.append(found[at])
        place.append(at)
        rating_of_slot[slot_R[mine]] = -1
    return Listing(
        classes=len(predictions.begin),
        class_R=class_R,
        positive_R=positive_R,
        rating_N=np.concatenate(rating),
        place_N=np.concatenate(place),
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
    return percentile_interval(means_D, unit=_many(len(np.unique(judged.video_R)), "rated video"))


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
    items: list[ItemScore] = []
    for row in np.flatnonzero(judged.scored).tolist():
        name = judged.vocabulary.names[row]
        note = f"{found_C[row]} of {positives_C[row]} positives listed, {rated_C[row]} rated"
        interval = None if drawn_DC is None else percentile_interval(drawn_DC[:, row])
        if interval is not None:
            note += f"; {interval.low:.3f} to {interval.high:.3f} over videos"
        item = str(judged.vocabulary.indices[row])
        items.append(ItemScore(item=item, value=float(values_C[row]), note=f"{name}: {note}" if name else note))
    return tuple(items)


def _found(judged: Judged) -> NDArray[np.int64]:
    """(C,) positive ratings that stand within the cut of a list, each counted once."""
    listing = judged.listing
    rows = np.unique(listing.rated(CAP)[1])
    return np.bincount(listing.class_R[rows[listing.positive_R[rows]]], minlength=listing.classes)


def _many(count: int, one: str, more: str = "") -> str:
    return f"{count} {one if count == 1 else more or one + 's'}"
