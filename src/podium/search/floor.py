"""A first guess of how similar the k-th best pair is, from a sample of rows.

Legend: Q query rows, R reference rows, D dimensions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from podium.search.rows import Rows, Vectors, spans

_SAMPLE_PAIRS = 1 << 20, 1 << 26
_SAMPLE_HITS = 4_000
_QUERY_ROWS = 2_048


def guess_floor(queries: Rows, references: Rows, *, k: int, margin: float) -> float:
    """A similarity that about `margin` x k pairs reach; minus infinity when a guess does not pay.

    A guess only saves work: a search that finds fewer than k pairs above it starts again with a lower one.

    Args:
        queries: At least one row.
        references: At least one row.
        k: Pairs that are wanted.
        margin: More than 1; the larger, the surer that k pairs reach the floor.
    """
    pairs = len(queries) * len(references)
    if pairs < 2 * _SAMPLE_PAIRS[0] or k * margin * 4 > pairs:
        return -np.inf
    sample = int(np.clip(_SAMPLE_HITS * pairs / k, *_SAMPLE_PAIRS))
    rng = np.random.default_rng(0)
    query_QD = _some(queries, max(_QUERY_ROWS, sample // len(references)), rng)
    reference_RD = _some(references, max(1, sample // len(query_QD)), rng)
    expected = len(query_QD) * len(reference_RD) / pairs * k
    wanted = int(expected * margin + 4 * expected**0.5 + 4)
    best = np.empty(0, np.float32)
    for span in spans(len(query_QD), max(1, (1 << 22) // len(reference_RD))):
        best = _largest(np.append(best, query_QD[span] @ reference_RD.T), wanted)
    return float(best.min()) if len(best) == wanted else -np.inf


def _largest(values: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    return np.partition(values, len(values) - count)[len(values) - count :] if len(values) > count else values


def _some(rows: Rows, count: int, rng: np.random.Generator) -> Vectors:
    picked = np.sort(rng.choice(len(rows), min(count, len(rows)), replace=False))
    return np.asarray(rows.vectors[picked], np.float32)
