"""Use of the database's own neighbourhoods: its rows averaged with their neighbours, and queries widened by their best.

Both know one query and its database, never another query. Where the query's own image lies in the database (leave one
out), it takes part in neither: images whose neighbourhood holds it are averaged again without it, as if it had been
taken out of the database before. The rules would allow it to stay; but then an image would be praised for having the
query as its neighbour, which no query from outside the database enjoys.

Axes: Q queries, N images of the database, D dimensions, K neighbours.
Sources: Turcot and Lowe, "Better matching with fewer features", 2009, and Arandjelović and Zisserman, "Three things
everyone should know to improve object retrieval", 2012 (database-side augmentation); the widening of a query by its two
best, with the seventh power, is that of the challenge's first place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from podium.errors import UsageError
from podium.solutions.reidentification.ranking import (
    NOBODY,
    Comparison,
    Floats,
    Images,
    Indices,
    Part,
    rank_images,
    unit_rows,
)
from podium.types import Progress, silent

FIRST_PLACE_WEIGHTS = (0.4, 0.4, 0.2)


@dataclass(frozen=True, kw_only=True)
class Expansion:
    """How neighbourhoods are used.

    Attributes:
        neighbours: Of an image that its row is averaged with, by weights that fall in a straight line; 0 is none.
        query_weights: Of the query, of its best image of the database, of its second best, …; empty is none, the first
            place took 0.4, 0.4, 0.2.
        power: To which similarities are raised before they are averaged; large ones follow the closest match.
    """

    neighbours: int = 0
    query_weights: tuple[float, ...] = ()
    power: float = 7.0

    def __post_init__(self) -> None:
        if self.neighbours < 0 or self.power <= 0:
            raise UsageError("neighbours are 0 or more and the power lies above 0 in an expansion")
        if self.query_weights and (min(self.query_weights) <= 0 or not np.isfinite(self.query_weights).all()):
            raise UsageError(f"the weights of an expansion are `{list(self.query_weights)}`; they lie above 0")


class Augmentation:
    """A database whose rows are averaged with their nearest neighbours, and what changes where one image leaves.

    Args:
        database: As embedded.
        parts: How its blocks count.
        neighbours: 1 or more; fewer where the database is smaller.
    """

    def __init__(self, database: Images, parts: Sequence[Part], neighbours: int) -> None:
        self._database, self._parts, self._count = database, parts, neighbours
        everyone = np.arange(len(database))
        found = rank_images(database, database, parts=parts, own_Q=everyone, k=neighbours + 1)
        self._near_NK: Indices = found.indices_QK
        self.images = self._averaged(everyone, self._near_NK[:, :neighbours])

    def without(self, own: int) -> tuple[Indices, Images]:
        """Which images have another row when `own` is not in the database, and those rows."""
        changed = np.flatnonzero((self._near_NK[:, : self._count] == own).any(axis=1))
        near_CK = self._near_NK[changed]
        rest = np.array([row[row != own][: self._count] for row in near_CK], np.int64).reshape(
            len(changed), self._count
        )
        return changed, self._averaged(changed, rest)

    def _averaged(self, images: Indices, near_CK: Indices) -> Images:
        weights_K = 1 - np.arange(1, self._count + 1) / (self._count + 1)
        blocks = []
        for block_ND in self._database.blocks:
            rows_CD = block_ND[images].astype(np.float64)
            for place in range(self._count):
                there_C1 = (near_CK[:, place] != NOBODY)[:, None]
                rows_CD = rows_CD + np.where(there_C1, weights_K[place] * block_ND[near_CK[:, place]], 0.0)
            # A file that could not be read has no place in the space; its neighbours are accidents of order.
            seen_C1 = np.any(block_ND[images] != 0, axis=1, keepdims=True)
            blocks.append(unit_rows(np.where(seen_C1, rows_CD, 0.0)))
        return Images(blocks=tuple(blocks), lateral_N=self._database.lateral_N[images])


def similarity_rows(
    query: Images,
    database: Images,
    *,
    parts: Sequence[Part],
    own_Q: Indices,
    expansion: Expansion,
    progress: Progress = silent,
) -> Floats:
    """(Q, N) similarities of each query with all images, neighbourhoods used.

    What stands at a query's own image means nothing.

    Args:
        query: Blocks in the order of the parts.
        database: The same.
        parts: One a member.
        own_Q: The row of each query's own image, or `NOBODY`.
        expansion: What is done.
        progress: Shown a step for each query that is widened.
    """
    augmentation = Augmentation(database, parts, expansion.neighbours) if expansion.neighbours else None
    comparison = Comparison(query, database if augmentation is None else augmentation.images, parts)
    similarity_QN = np.empty((len(query), len(database)))
    for span in comparison.query_spans():
        similarity_QN[span] = comparison.exact(span)
    if augmentation is not None:
        for row in np.flatnonzero(own_Q != NOBODY).tolist():
            changed, images = augmentation.without(int(own_Q[row]))
            if len(changed):
                alone = Comparison(query.take(slice(row, row + 1)), images, parts)
                similarity_QN[row, changed] = alone.exact(slice(0, 1))[0]
    if expansion.query_weights:
        between = Comparison(database, database, parts)

        def neighbour_row(image: int) -> Floats:
            return between.exact(slice(image, image + 1))[0]

        widened = _Remembered(neighbour_row)
        for row in progress(range(len(query)), what="widening queries", total=len(query)):
            similarity_QN[row] = expand(similarity_QN[row], widened, own=int(own_Q[row]), expansion=expansion)
    return similarity_QN


def expand(
    similarity_N: Floats, neighbour_row: Callable[[int], Floats], *, own: int = NOBODY, expansion: Expansion
) -> Floats:
    """(N,) power mean of the similarities with a query and with its best images of the database.

    Similarities below 0 count as 0 in the mean; images that have no part in it keep their order below all others.

    Args:
        similarity_N: Of one query with the database.
        neighbour_row: (N,) similarities of one image of the database with all of it.
        own: The query's own image, which is not taken for a best one.
        expansion: Weights and power.

    >>> rows = {1: np.array([0.8, 1.0, 0.0])}
    >>> simple = Expansion(query_weights=(0.5, 0.5), power=1.0)
    >>> expand(np.array([0.2, 0.6, 0.4]), rows.__getitem__, expansion=simple).round(3).tolist()
    [0.5, 0.8, 0.2]
    """
    candidates = np.argsort(-similarity_N, kind="stable")
    best = candidates[candidates != own][: len(expansion.query_weights) - 1].tolist()
    weights = np.array(expansion.query_weights[: len(best) + 1])
    weights = weights / weights.sum()
    total_N = weights[0] * np.clip(similarity_N, 0, 1) ** expansion.power
    for weight, image in zip(weights[1:], best, strict=True):
        total_N = total_N + weight * np.clip(neighbour_row(image), 0, 1) ** expansion.power
    mean_N = total_N ** (1 / expansion.power)
    return np.where(mean_N > 0, mean_N, np.minimum(similarity_N, 0.0))


class _Remembered:
    """A function of whole numbers whose values are computed once; they are the same every time."""

    def __init__(self, compute: Callable[[int], Floats]) -> None:
        self._compute = compute
        self._known: dict[int, Floats] = {}

    def __call__(self, image: int) -> Floats:
        if image not in self._known:
            self._known[image] = self._compute(image)
        return self._known[image]
