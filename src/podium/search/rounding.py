"""The similarity of two rows: their exact inner product, rounded once to float32.

It is a property of the two rows alone, so every kernel, block size and machine finds the same number. Products of two
float32 are exact in float64, so a float64 sum in any order is within `sum_error` of the truth. Where both ends of that
range round to one float32, that is the answer; the few other sums are done again without error.

Legend: P pairs, D dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError

Vectors = NDArray[np.floating[Any]]
Doubles = NDArray[np.float64]
Similarities = NDArray[np.float32]
_SMALLEST_NORMAL = 2.0**-126


def sum_error(norm_products: Doubles, dimensions: int) -> Doubles:
    """How far a float64 sum of `dimensions` exact products can be from the truth, for given products of row norms.

    At most (D - 1) u / (1 - (D - 1) u) times the sum of |products|, u = 2^-53, which the norms bound (Cauchy-Schwarz).

    Args:
        norm_products: Products of the lengths of two rows.
        dimensions: How many products are added; 0 when the sums are known to be exact.

    >>> float(sum_error(np.array([1.0]), 512)[0]) < 1e-13
    True
    """
    return norm_products * (dimensions * 2.0**-53 * 1.001)


def round_sums(sums: Doubles, errors: Doubles, row_pair: Callable[[int], tuple[Vectors, Vectors]]) -> Similarities:
    """Rounds float64 inner products to the float32 nearest to the true ones.

    Args:
        sums: (P,) inner products summed in float64.
        errors: (P,) bounds on their errors.
        row_pair: Gives the two float32 rows of a pair that must be summed again.
    """
    low = (sums - errors).astype(np.float32)
    doubtful = np.flatnonzero(low != (sums + errors).astype(np.float32))
    for index in doubtful.tolist():
        low[index] = similarity(*row_pair(index))
    return low + np.float32(0)


def similarity(query_D: Vectors, reference_D: Vectors) -> np.float32:
    """The exact inner product of two float32 rows, rounded to the nearest float32.

    The intermediate float64 is rounded to odd, which makes the second rounding harmless.

    >>> float(similarity(np.ones(3, np.float32), np.full(3, 0.25, np.float32)))
    0.75
    """
    products = (query_D.astype(np.float64) * reference_D.astype(np.float64)).tolist()
    total = math.fsum(products)
    rest = math.fsum([*products, -total])
    if rest and not int(np.float64(total).view(np.int64)) & 1:
        total = math.nextafter(total, math.copysign(math.inf, rest))
    return np.float32(total) + np.float32(0)


def float32_cutoffs(floor: float, error_Q: Doubles, dimensions: int) -> Similarities:
    """The smallest float32 product of each query row that may belong to a similarity at the floor.

    Two steps down: one for the rounding of the similarity, one for that of the cutoff.
    """
    cutoffs_Q = (floor - error_Q - 2 * dimensions * _SMALLEST_NORMAL).astype(np.float32)
    lowest = np.float32(-np.inf)
    return np.nextafter(np.nextafter(cutoffs_Q, lowest), lowest)


def rounding_share(dimensions: int) -> float:
    """Bound on the error of a float32 inner product, as a share of the product of the norms.

    >>> rounding_share(512) < 3.1e-5
    True
    """
    share = dimensions * 2.0**-24
    return share / (1 - share) if share < 0.5 else float("inf")


def refuse_overflow(query_norm: float, reference_norm: float) -> None:
    """Passes when every inner product of rows of these norms fits float32."""
    if query_norm * reference_norm >= float(np.finfo(np.float32).max):
        raise UsageError(
            f"rows of length `{query_norm:.3g}` and `{reference_norm:.3g}` are too long; "
            "their inner products must fit float32"
        )
