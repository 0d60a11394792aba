"""The judged result and the evidence for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from podium.types.timeline import Timeline


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A number that judges, named exactly as the field writes it."""

    name: str
    higher_is_better: bool = True
    lowest: float = 0.0
    highest: float = 1.0
    summary: str = ""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A confidence interval and how it was made."""

    low: float
    high: float
    level: float = 0.95
    resamples: int = 0
    unit: str = ""

    def __iter__(self) -> Iterator[float]:
        return iter((self.low, self.high))


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A number beside the score."""

    name: str
    value: float | None
    interval: Interval | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class ItemScore:
    """The part of one item (query, sequence, class) in the score.

    Attributes:
        interval: How sure the value is; None when that is not known.
    """

    item: str
    value: float
    note: str = ""
    interval: Interval | None = None


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Points to draw, best first: a precision-recall curve has recall as x."""

    name: str
    x_label: str
    y_label: str
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Clip:
    """Some seconds of a video, or an image when both times are None.

    Attributes:
        item: Its id.
        path: Relative to the data set's folder, with forward slashes.
        start_seconds: Where what is shown begins.
        end_seconds: Where it ends.
    """

    item: str
    path: str
    start_seconds: float | None = None
    end_seconds: float | None = None


class ExhibitKind(StrEnum):
    """Why an exhibit is shown."""

    FALSE_POSITIVE = "false positive"
    MISSED = "missed"
    FOUND = "found"


@dataclass(frozen=True, kw_only=True)
class Exhibit:
    """A case worth looking at: two clips side by side, and the map of their similarity.

    Attributes:
        similarity: What the submission gave the pair; None when it did not list the pair.
        rank: Place in the submission's ranking from 1, or None.
        similarity_map: Rows are the query's times, columns the reference's; may be empty.
        query_seconds: The time of each row of the map; may be empty.
        reference_seconds: The time of each column of the map; may be empty.
        note: One sentence for the reader.
    """

    kind: ExhibitKind
    query: Clip
    reference: Clip
    similarity: float | None = None
    rank: int | None = None
    similarity_map: tuple[tuple[float, ...], ...] = ()
    query_seconds: tuple[float, ...] = ()
    reference_seconds: tuple[float, ...] = ()
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Score:
    """The judged result.

    Attributes:
        value: The official number.
        metric: Its name.
        interval: Bootstrap over the unit that was drawn.
        measures: Other numbers, in the order to show them.
        per_item: One entry an item.
        curves: To draw.
        exhibits: The cases that explain the score.
        timelines: Videos whose seconds explain it.
    """

    value: float
    metric: str
    interval: Interval | None = None
    measures: tuple[Measure, ...] = ()
    per_item: tuple[ItemScore, ...] = ()
    curves: tuple[Curve, ...] = ()
    exhibits: tuple[Exhibit, ...] = ()
    timelines: tuple[Timeline, ...] = ()

    def measure(self, name: str) -> Measure | None:
        """The measure of that name, or None."""
        return next((each for each in self.measures if each.name == name), None)
