"""The plain kernel: float32 matrix products, and how far they can be from the truth.

Legend: Q query rows, R reference rows, D dimensions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from podium.search.rounding import float32_cutoffs, rounding_share
from podium.search.rows import Rows
from podium.search.scan import Positions, Survivors, Vectors


class Float32Kernel:
    """Finds pairs by float32 inner products.

    Proof: summed in any order, with or without fused operations, a float32 inner product is off by at most
    ``D u / (1 - D u)`` times the sum of |products|, u = 2^-24, plus D times the smallest normal number for what
    underflows; the sum of |products| is at most the product of the norms (Cauchy-Schwarz).
    """

    name = "float32"
    block_rows = 4_096
    query_rows = 512
    threads = 2

    def order(self, references: Rows) -> Positions:
        """As they are."""
        return np.arange(len(references))

    def queries(self, queries: Rows, references: Rows, span: slice) -> Float32Queries:
        """Readies some query rows."""
        return Float32Queries(queries.read(span), queries.norms[span], rounding_share(references.dimensions))


class Float32Queries:
    """Query rows that references are compared with."""

    def __init__(self, vectors_QD: Vectors, norms_Q: NDArray[np.float64], share: float) -> None:
        self._vectors_QD, self._norms_Q, self._share = vectors_QD, norms_Q, share

    def against(self, reference_RD: Vectors, norms_R: NDArray[np.float64]) -> Survivors:
        """The function that finds pairs in one block of references."""
        longest = float(norms_R.max(initial=0.0))

        def survivors(span: slice, floor: float) -> Positions:
            cutoffs_Q = float32_cutoffs(floor, self._norms_Q[span] * (longest * self._share), reference_RD.shape[1])
            products_QR = self._vectors_QD[span] @ reference_RD.T
            return true_positions(products_QR >= cutoffs_Q[:, None])

        return survivors


def true_positions(mask_QR: NDArray[np.bool_]) -> Positions:
    """Flat positions of the true entries, fast where they are few.

    >>> true_positions(np.array([[False, True], [True, False]])).tolist()
    [1, 2]
    """
    flat = np.ascontiguousarray(mask_QR).reshape(-1)
    if flat.size % 8:
        return np.flatnonzero(flat)
    eights = np.flatnonzero(flat.view(np.uint64) != 0)
    inside = np.flatnonzero(flat.reshape(-1, 8)[eights])
    return eights[inside >> 3] * 8 + (inside & 7)
