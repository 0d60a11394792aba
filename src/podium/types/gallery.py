"""Ranked images of a query, to look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from podium.types.data import DataSet
from podium.types.progress import Progress, silent
from podium.types.score import Clip

Grid = tuple[tuple[float, ...], ...]
"""Rows from the top of an image, columns from its left; 0 (nothing) to 1."""


@dataclass(frozen=True, kw_only=True)
class PairMap:
    """Where two images agree, on each of them.

    Attributes:
        query: Over the first image.
        candidate: Over the second.
        similarity: Of the pair, -1 to 1.
    """

    query: Grid
    candidate: Grid
    similarity: float


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One ranked image.

    Attributes:
        rank: From 1; None for a right image that was not listed.
        similarity: As the submission wrote it; None when not listed.
        right: It shows what the query shows.
        note: Short facts: ``top · 2018-08-03``.
    """

    clip: Clip
    rank: int | None
    similarity: float | None
    right: bool
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """The ranked images of one query.

    Attributes:
        item: The query's id.
        value: Its part in the score (AP), or None where nothing is scored.
        facets: What one may filter by, in this order: ``("scenario", "scenario01")``, ``("viewpoint", "top")``.
        candidates: Best first.
        missed: Right images that were not listed, at most a few.
        missed_count: How many right images were not listed.
    """

    item: str
    query: Clip
    value: float | None
    note: str = ""
    facets: tuple[tuple[str, str], ...] = ()
    candidates: tuple[Candidate, ...] = ()
    missed: tuple[Candidate, ...] = ()
    missed_count: int = 0


class MakeGalleries(Protocol):
    """Shows predictions query by query."""

    def __call__(self, predictions: Any, data: DataSet) -> Iterator[Gallery]:
        """Yields one gallery a query that is scored, worst first."""
        ...


class ExplainPairs(Protocol):
    """Says where pairs of images agree, with the model that a submission carries."""

    def __call__(
        self, submission: Path, pairs: Sequence[tuple[Path, Path]], *, progress: Progress = silent
    ) -> Sequence[PairMap]:
        """Returns one map a pair; raises UsageError when the submission carries no model that Podium knows."""
        ...
