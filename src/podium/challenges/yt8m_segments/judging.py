"""The lists of a submission beside the ratings: what every number and picture of a score is made from.

Legend: C classes, V rated videos, R ratings, N listed entries that are rated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from podium.challenges.yt8m_segments import layout
from podium.challenges.yt8m_segments.predictions import SegmentPredictions
from podium.challenges.yt8m_segments.vocabulary import Vocabulary, read_vocabulary
from podium.errors import ChallengeError
from podium.metrics import Listing
from podium.types import DataSet


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """Lists beside the ratings.

    Attributes:
        vocabulary: C classes.
        listing: Its classes are rows of the vocabulary.
        ids: (V,) unicode, the rated videos.
        video_R: (R,) int64, the row of each rating's video in `ids`.
        start_seconds_R: (R,) int64.
        left_out: Ratings of segments that no submission may list.
        scored: (C,) bool, the classes that the mean is taken over.
    """

    vocabulary: Vocabulary
    listing: Listing
    ids: NDArray[np.str_]
    video_R: NDArray[np.int64]
    start_seconds_R: NDArray[np.int64]
    left_out: int
    scored: NDArray[np.bool_]


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
    ids, video_R = np.unique(ratings.videos[kept], return_inverse=True)
    return Judged(
        vocabulary=vocabulary,
        listing=listing,
        ids=ids,
        video_R=video_R,
        start_seconds_R=ratings.start_seconds[kept],
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
