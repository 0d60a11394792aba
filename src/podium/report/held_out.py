"""What a trained model says of ratings that it never saw, and how good that is.

Legend: N rated pairs of a segment and a class, C classes, D draws.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError
from podium.formats import tables
from podium.metrics import (
    Listing,
    percentile_interval,
    resampled_segment_average_precisions,
    segment_average_precisions,
)
from podium.metrics.reliability import Reliability, reliability
from podium.metrics.roc import roc_auc, roc_auc_by_group
from podium.types import Interval, ItemScore

RESAMPLES = 200
_BINS = 10
_MISTAKES = 10
_MAX_BYTES = 512 << 20
_MAX_ROWS = 5_000_000
_COLUMNS = (
    tables.Column(name="video"),
    tables.Column(name="start", kind="float", minimum=0),
    tables.Column(name="class", kind="int", minimum=0),
    tables.Column(name="score", kind="float"),
    tables.Column(name="probability", kind="float", minimum=0, maximum=1),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOut:
    """Rated pairs and what the model gave them.

    Attributes:
        video_N: (N,) unicode ids.
        start_seconds_N: (N,) where the segment starts.
        class_N: (N,) int64, as in the vocabulary's `Index`.
        positive_N: (N,) bool, the rating says yes.
        probability_N: (N,) in [0, 1].
    """

    video_N: NDArray[np.str_]
    start_seconds_N: NDArray[np.float64]
    class_N: NDArray[np.int64]
    positive_N: NDArray[np.bool_]
    probability_N: NDArray[np.float64]

    @property
    def digest(self) -> str:
        """Of the rated pairs without the probabilities: equal where two models were judged by the same."""
        order_N = np.lexsort((self.class_N, self.start_seconds_N, self.video_N))
        text = hashlib.sha256()
        for each in (self.video_N.astype("U64"), self.start_seconds_N, self.class_N, self.positive_N):
            text.update(np.ascontiguousarray(each[order_N]).tobytes())
        return text.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A pair of which the model was sure and wrong."""

    what: str
    video: str
    start_seconds: float
    label: str
    probability: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Judgement:
    """How good the probabilities are.

    Attributes:
        ratings: N.
        positives: Of them.
        videos: That they lie in.
        mean_average_precision: Over the classes with a positive; each ranks its rated pairs.
        interval: Drawing whole videos.
        drawn_D: The mean of each draw, for differences; the same videos give the same draws.
        items: Each class with a positive.
        roc_auc: Over all pairs at once; None without a positive or a negative.
        mean_roc_auc: Over the classes that have one; None where none has.
        by_width: Reliability in bins of equal width.
        by_mass: In bins that hold equally many.
        mistakes: The surest wrong ones, negatives first.
        digest: Of what was judged.
    """

    ratings: int
    positives: int
    videos: int
    mean_average_precision: float
    interval: Interval | None
    drawn_D: NDArray[np.float64]
    items: tuple[ItemScore, ...]
    roc_auc: float | None
    mean_roc_auc: float | None
    by_width: Reliability
    by_mass: Reliability
    mistakes: tuple[Mistake, ...]
    digest: str


def read(path: Path) -> HeldOut:
    """The pairs of a `held_out.csv`: `video`, `start`, `class`, `score` (above 0 is a yes) and `probability`.

    Raises:
        UsageError: The file is missing, broken or too large; the first faults are named.
    """
    reading = tables.read(path, _COLUMNS, max_bytes=_MAX_BYTES, max_rows=_MAX_ROWS, extra="ignore")
    if reading.frame is None:
        first = "; ".join(str(each) for each in reading.problems[:3])
        raise UsageError(f"`{path}` is broken: {first}")
    frame = reading.frame
    return HeldOut(
        video_N=np.array(frame["video"].to_list(), dtype=np.str_),
        start_seconds_N=frame["start"].to_numpy().astype(np.float64),
        class_N=frame["class"].to_numpy().astype(np.int64),
        positive_N=frame["score"].to_numpy() > 0,
        probability_N=frame["probability"].to_numpy().astype(np.float64),
    )


def judge(
    held_out: HeldOut, *, names: Mapping[int, str], resamples: int = RESAMPLES, seed: int = 0
) -> Judgement | None:
    """How good the probabilities are; None where no rating is positive.

    Args:
        held_out: At least one pair.
        names: Of classes, where they are known.
        resamples: Of the bootstrap over videos, at least 1.
        seed: Of the bootstrap.
    """
    if not held_out.positive_N.any():
        return None
    indices_C, class_N = np.unique(held_out.class_N, return_inverse=True)
    videos, video_N = np.unique(held_out.video_N, return_inverse=True)
    listing = _listing(held_out, class_N, len(indices_C))
    values_C = segment_average_precisions(listing, k=None)
    drawn_DC = resampled_segment_average_precisions(listing, video_N, k=None, resamples=resamples, seed=seed)
    known_D = np.isfinite(drawn_DC).sum(axis=1)
    drawn_D = np.divide(np.nansum(drawn_DC, axis=1), known_D, out=np.full(len(drawn_DC), np.nan), where=known_D > 0)
    unit = f"{len(videos):,} video{'' if len(videos) == 1 else 's'}"
    areas_C = roc_auc_by_group(held_out.probability_N, held_out.positive_N, class_N, groups=len(indices_C))
    areas = areas_C[np.isfinite(areas_C)]
    return Judgement(
        ratings=len(class_N),
        positives=int(held_out.positive_N.sum()),
        videos=len(videos),
        mean_average_precision=float(np.nanmean(values_C)),
        interval=percentile_interval(drawn_D, unit=unit),
        drawn_D=drawn_D,
        items=_items(listing, indices_C, values_C, drawn_DC, names, unit),
        roc_auc=roc_auc(held_out.probability_N, held_out.positive_N),
        mean_roc_auc=float(areas.mean()) if len(areas) else None,
        by_width=reliability(held_out.probability_N, held_out.positive_N, bins=_BINS),
        by_mass=reliability(held_out.probability_N, held_out.positive_N, bins=_BINS, by="mass"),
        mistakes=_mistakes(held_out, names),
        digest=held_out.digest,
    )


def difference(one: Judgement, other: Judgement) -> tuple[float, Interval] | None:
    """How much higher the mean AP of `one` is, from the same draws; None where they were not judged by the same."""
    if one.digest != other.digest or one.drawn_D.shape != other.drawn_D.shape:
        return None
    interval = percentile_interval(one.drawn_D - other.drawn_D)
    return None if interval is None else (one.mean_average_precision - other.mean_average_precision, interval)


def label(index: int, names: Mapping[int, str]) -> str:
    """The index of a class, and its name where it is known."""
    name = names.get(index, "")
    return f"{index} {name}" if name else str(index)


def _listing(held_out: HeldOut, class_N: NDArray[np.int64], classes: int) -> Listing:
    """Each class ranks its rated pairs; of equal probabilities those of the earlier video and second stand first."""
    order_N = np.lexsort((held_out.start_seconds_N, held_out.video_N, -held_out.probability_N, class_N))
    ranked_N = class_N[order_N]
    return Listing(
        classes=classes,
        class_R=class_N,
        positive_R=held_out.positive_N,
        rating_N=order_N,
        place_N=np.arange(len(order_N)) - np.searchsorted(ranked_N, ranked_N),
    )


def _items(
    listing: Listing,
    indices_C: NDArray[np.int64],
    values_C: NDArray[np.float64],
    drawn_DC: NDArray[np.float64],
    names: Mapping[int, str],
    unit: str,
) -> tuple[ItemScore, ...]:
    rated_C = np.bincount(listing.class_R, minlength=listing.classes)
    return tuple(
        ItemScore(
            item=label(int(indices_C[row]), names),
            value=float(values_C[row]),
            note=f"{listing.positives_C[row]} of {rated_C[row]} positive",
            interval=percentile_interval(drawn_DC[:, row], unit=unit),
        )
        for row in np.flatnonzero(listing.positives_C).tolist()
    )


def _mistakes(held_out: HeldOut, names: Mapping[int, str]) -> tuple[Mistake, ...]:
    kinds = (
        ("called, but rated negative", ~held_out.positive_N & (held_out.probability_N > 0.5), -1.0),
        ("passed over, but rated positive", held_out.positive_N & (held_out.probability_N < 0.5), 1.0),
    )
    found: list[Mistake] = []
    for what, wrong_N, sign in kinds:
        wrong = np.flatnonzero(wrong_N)
        keys = (held_out.class_N[wrong], held_out.start_seconds_N[wrong], held_out.video_N[wrong])
        order = np.lexsort((*keys, sign * held_out.probability_N[wrong]))[:_MISTAKES]
        found += [
            Mistake(
                what=what,
                video=str(held_out.video_N[row]),
                start_seconds=float(held_out.start_seconds_N[row]),
                label=label(int(held_out.class_N[row]), names),
                probability=float(held_out.probability_N[row]),
            )
            for row in wrong[order].tolist()
        ]
    return tuple(found)
