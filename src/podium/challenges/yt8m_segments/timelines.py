"""The videos that explain a score, and the curves of its lists.

A positive rating lacks 1 - precision at its place, where precision is the share of positives among the rated entries
down to it, and 1 where it is not listed. A negative rating costs what AP its class would gain without it. Both are
divided by the positives of the class, so they add up as the classes' APs do.

Legend: C classes, V rated videos, R ratings, M listed entries that are rated, by class and place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from podium.challenges.yt8m_segments.judging import Judged
from podium.challenges.yt8m_segments.layout import SEGMENT_SECONDS
from podium.challenges.yt8m_segments.predictions import CAP, SegmentPredictions
from podium.types import Curve, Lane, Mark, Span, Timeline

MOST_LANES = 10
_TOP_SHARE = 10
_LEAST_TOP = 20
_PER_DECADE = 8
_LEAST_IN_BIN = 25
_LEVELS = 101
_SHADES = ". Shades go by the logarithm of a segment's place within the top of its class's list"


@dataclass(frozen=True, kw_only=True, eq=False)
class Standing:
    """Where each rating stands in the list of its class.

    Attributes:
        place_R: (R,) int64 from 0; -1 where it is not listed.
        precision_R: (R,) of the rated entries down to it; 0 where it is not listed.
        ahead_R: (R,) int64 rated negatives before it.
        lack_R: (R,) of positives; 0 for negatives.
        cost_R: (R,) of negatives; 0 for positives.
    """

    place_R: NDArray[np.int64]
    precision_R: NDArray[np.float64]
    ahead_R: NDArray[np.int64]
    lack_R: NDArray[np.float64]
    cost_R: NDArray[np.float64]


def explain(predictions: SegmentPredictions, judged: Judged, *, each: int, seed: int) -> tuple[Timeline, ...]:
    """Videos to look at: first those whose positives lack most, then those whose negatives cost most, then well found.

    No video is there twice. Lanes are the classes that are rated in the video, the most telling first. What is
    predicted is what stands in the first tenth of a class's list (at least 20 places): full at the first place, and
    fainter by the logarithm of the place.

    Args:
        each: How many videos of each kind, at most.
        seed: Of the choice among equals.
    """
    if each < 1:
        return ()
    standing = stand(judged)
    tie_V = np.random.default_rng(seed).permutation(len(judged.ids))
    known_V = predictions.grid.find(judged.ids) >= 0
    sums = [_by_video(values_R, judged) for values_R in (standing.lack_R, standing.cost_R, _merit(standing, judged))]
    drawn: list[Timeline] = []
    for lead, value_V in zip(("Missed", "False alarm", "Well found"), sums, strict=True):
        order_V = np.lexsort((tie_V, -value_V))
        chosen = order_V[known_V[order_V] & (value_V[order_V] > 1e-12)][:each]
        known_V[chosen] = False
        drawn += [_timeline(int(video), lead, predictions, judged, standing) for video in chosen]
    return tuple(replace(one, note=one.note + (_SHADES if not at else "")) for at, one in enumerate(drawn))


def stand(judged: Judged) -> Standing:
    """Where the ratings stand. An entry that is listed twice stands where it is listed first."""
    listing = judged.listing
    class_M, rating_M = listing.rated(CAP)
    hit_M = listing.positive_R[rating_M]
    first_M = np.searchsorted(class_M, class_M)
    rank_M = np.arange(len(class_M)) - first_M + 1
    found_M = np.cumsum(hit_M)
    found_M = found_M - (found_M - hit_M)[first_M] if len(found_M) else found_M
    ratings = len(listing.class_R)
    place_R, precision_R, cost_R = np.full(ratings, -1), np.zeros(ratings), np.zeros(ratings)
    ahead_R = np.zeros(ratings, dtype=np.int64)
    back = slice(None, None, -1)
    place_R[rating_M[back]] = _places(judged)[back]
    precision_R[rating_M[back]] = (found_M / rank_M)[back]
    ahead_R[rating_M[back]] = (rank_M - found_M - ~hit_M)[back]
    gain_M = np.where(hit_M & (rank_M > 1), found_M / np.maximum(1, rank_M * (rank_M - 1)), 0.0)
    # What lies behind an entry in its class: all that lies behind it, less all behind the last of the class.
    behind_M = np.append(np.cumsum(gain_M[back])[back], 0.0)
    last_M = np.searchsorted(class_M, class_M, side="right")
    cost_R[rating_M[back]] = np.where(hit_M, 0.0, behind_M[:-1] - behind_M[last_M])[back]
    positives_R = np.maximum(1, listing.positives_C)[listing.class_R]
    return Standing(
        place_R=place_R,
        precision_R=precision_R,
        ahead_R=ahead_R,
        lack_R=np.where(listing.positive_R, (1 - precision_R) / positives_R, 0.0),
        cost_R=np.maximum(0.0, cost_R) / positives_R,
    )


def curves(judged: Judged) -> tuple[Curve, ...]:
    """Mean precision over recall, and the share of positives among the rated entries over the place in the lists.

    Precision at a recall is the highest at that recall or beyond, 0 where a class never reaches it. Places are pooled
    over classes and cut into eight parts a power of ten; those with less than 25 rated entries join the next.
    """
    return (*_precision_recall(judged), *_share_by_place(judged))


def _places(judged: Judged) -> NDArray[np.int64]:
    """(M,) the place of each rated entry, in the order of `Listing.rated`."""
    listing = judged.listing
    keep = (listing.rating_N >= 0) & (listing.place_N < CAP)
    place_M = listing.place_N[keep].astype(np.int64)
    return place_M[np.lexsort((place_M, listing.class_R[listing.rating_N[keep]]))]


def _by_video(values_R: NDArray[np.float64], judged: Judged) -> NDArray[np.float64]:
    return np.bincount(judged.video_R, weights=values_R, minlength=len(judged.ids)).astype(np.float64)


def _merit(standing: Standing, judged: Judged) -> NDArray[np.float64]:
    """(R,) high for positives that stand among positives; a negative that costs something takes away."""
    positive_R = judged.listing.positive_R
    return np.where(positive_R, 2 * standing.precision_R - 1, -(standing.cost_R > 0).astype(np.float64))


def _timeline(video: int, lead: str, predictions: SegmentPredictions, judged: Judged, standing: Standing) -> Timeline:
    mine = np.flatnonzero(judged.video_R == video)
    weight_R = {"Missed": standing.lack_R, "False alarm": standing.cost_R, "Well found": _merit(standing, judged)}[lead]
    worth: dict[int, float] = {}
    for rating in mine.tolist():
        row = int(judged.listing.class_R[rating])
        worth[row] = worth.get(row, 0.0) + float(weight_R[rating])
    rows = sorted(worth, key=lambda row: (-worth[row], row))[:MOST_LANES]
    at = int(predictions.grid.find(judged.ids[video : video + 1])[0])
    telling = int(mine[np.lexsort((mine, -weight_R[mine]))[0]])
    return Timeline(
        item=str(judged.ids[video]),
        duration_seconds=float(predictions.grid.videos.frames[at]),
        lanes=tuple(_lane(row, at, mine, predictions, judged, standing) for row in rows),
        note=f"{lead}: {_words(telling, predictions, judged, standing)}",
    )


def _lane(
    row: int,
    at: int,
    mine: NDArray[np.int64],
    predictions: SegmentPredictions,
    judged: Judged,
    standing: Standing,
) -> Lane:
    entries = predictions.of(row)
    listed = 0 if entries is None else len(entries)
    top = min(listed, max(_LEAST_TOP, listed // _TOP_SHARE))
    spans: list[Span] = []
    if entries is not None:
        first, last = predictions.grid.first_slot[at], predictions.grid.first_slot[at + 1]
        places = np.flatnonzero((entries[:top] >= first) & (entries[:top] < last))
        spans = [_predicted(int(entries[place] - first), place, top=top, listed=listed) for place in places.tolist()]
    for rating in mine[judged.listing.class_R[mine] == row].tolist():
        start = float(judged.start_seconds_R[rating])
        spans.append(
            Span(
                mark=Mark.POSITIVE if judged.listing.positive_R[rating] else Mark.NEGATIVE,
                start_seconds=start,
                end_seconds=start + SEGMENT_SECONDS,
                note=_place(int(standing.place_R[rating]), listed),
            )
        )
    shown = f"top {top:,} of {listed:,}" if listed else "no list"
    return Lane(label=judged.vocabulary.label(row), spans=tuple(spans), note=shown)


def _predicted(slot: int, place: int, *, top: int, listed: int) -> Span:
    return Span(
        mark=Mark.PREDICTED,
        start_seconds=float(slot * SEGMENT_SECONDS),
        end_seconds=float((slot + 1) * SEGMENT_SECONDS),
        strength=round(1 - math.log(place + 1) / math.log(top + 1), 4),
        note=_place(place, listed),
    )


def _words(rating: int, predictions: SegmentPredictions, judged: Judged, standing: Standing) -> str:
    """What the most telling rating of a video says."""
    row = int(judged.listing.class_R[rating])
    entries = predictions.of(row)
    minutes, seconds = divmod(int(judged.start_seconds_R[rating]), 60)
    where = _place(int(standing.place_R[rating]), 0 if entries is None else len(entries))
    ahead = int(standing.ahead_R[rating])
    told = f"`{judged.vocabulary.label(row)}` at {minutes}:{seconds:02d} is rated "
    if not judged.listing.positive_R[rating]:
        return f"{told}negative and has {where}"
    if standing.place_R[rating] < 0:
        return f"{told}positive and is {where}"
    return f"{told}positive and has {where}, {ahead or 'no'} rated negative{'' if ahead == 1 else 's'} before it"


def _place(place: int, listed: int) -> str:
    return "not listed" if place < 0 else f"place {place + 1:,} of {listed:,}"


def _precision_recall(judged: Judged) -> tuple[Curve, ...]:
    listing = judged.listing
    class_M, rating_M = listing.rated(CAP)
    hit_M = listing.positive_R[rating_M]
    levels = np.linspace(0, 1, _LEVELS)
    total = np.zeros(_LEVELS)
    scored = np.flatnonzero(judged.scored)
    begins, ends = (np.searchsorted(class_M, scored, side=side) for side in ("left", "right"))
    for row, begin, end in zip(scored.tolist(), begins.tolist(), ends.tolist(), strict=True):
        ranks = np.flatnonzero(hit_M[begin:end]) + 1
        precision = np.arange(1, len(ranks) + 1) / ranks
        best = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
        needed = np.maximum(1, np.ceil(levels * int(listing.positives_C[row]) - 1e-9)).astype(np.int64)
        total += best[np.minimum(needed, len(best)) - 1]
    if not len(scored):
        return ()
    return (_curve("Mean precision-recall curve", "recall", "mean precision", levels, total / len(scored)),)


def _share_by_place(judged: Judged) -> tuple[Curve, ...]:
    _, rating_M = judged.listing.rated(CAP)
    place_M = _places(judged)
    order_M = np.argsort(place_M, kind="stable")
    parts = _parts(place_M[order_M])
    if len(parts) < 2:
        return ()
    parts = [order_M[part] for part in parts]
    x = np.array([np.log10(place_M[part] + 1.0).mean() for part in parts])
    y = np.array([float(judged.listing.positive_R[rating_M[part]].mean()) for part in parts])
    name = "Positives among the rated entries, by place in the lists"
    return (_curve(name, "place in the list, as a power of ten", "share of positives", x, y),)


def _parts(sorted_M: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Runs of sorted places: eight to a power of ten, each at least 25 long."""
    step_M = np.floor(_PER_DECADE * np.log10(sorted_M + 1.0)).astype(np.int64)
    ends = np.flatnonzero(np.diff(step_M, append=-1)) + 1
    parts: list[NDArray[np.int64]] = []
    begin = 0
    for end in ends.tolist():
        if end - begin >= _LEAST_IN_BIN:
            parts.append(np.arange(begin, end))
            begin = end
    return parts


def _curve(name: str, x_label: str, y_label: str, x: NDArray[np.float64], y: NDArray[np.float64]) -> Curve:
    x_values, y_values = (tuple(round(value, 6) for value in each.tolist()) for each in (x, y))
    return Curve(name=name, x_label=x_label, y_label=y_label, x=x_values, y=y_values)
