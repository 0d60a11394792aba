"""Rows to search, measured once before the search.

Legend: N rows, D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError

Vectors = NDArray[np.float32]
_CHUNK_ROWS = 4_096
GRID = 4_096


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows and what the error bounds need to know of them.

    Attributes:
        vectors: (N, D) as given; may be memory-mapped.
        norms: (N,) upper bounds on the Euclidean lengths.
        mean: (D,) over the rows; exact where a column is constant.
        constant: (D,) true where all rows hold one value.
        on_grid: All numbers are multiples of 1/4096, so that float64 sums of moderate products are exact.
    """

    vectors: NDArray[Any]
    norms: NDArray[np.float64]
    mean: NDArray[np.float64]
    constant: NDArray[np.bool_]
    on_grid: bool

    def __len__(self) -> int:
        return len(self.norms)

    @property
    def dimensions(self) -> int:
        """D."""
        return len(self.mean)

    @property
    def longest(self) -> float:
        """An upper bound on the length of every row; 0 when there are none."""
        return float(self.norms.max(initial=0.0))

    def read(self, span: slice | NDArray[np.intp]) -> Vectors:
        """Some rows as contiguous float32 in memory."""
        return np.ascontiguousarray(self.vectors[span], dtype=np.float32)


def measure(vectors_ND: NDArray[Any], what: str) -> Rows:
    """Reads all rows once, in chunks, and checks them.

    Raises:
        UsageError: Not a float32 (or float16) matrix, or rows with NaN or infinity, named.
    """
    if vectors_ND.ndim != 2 or vectors_ND.dtype.name not in ("float32", "float16"):
        found = f"shape `{vectors_ND.shape}` and type `{vectors_ND.dtype}`"
        raise UsageError(f"{what} rows have {found}; a matrix of `float32` is needed")
    rows, dimensions = vectors_ND.shape
    norms_N, total_D, on_grid = np.empty(rows), np.zeros(dimensions), True
    low_D, high_D = np.full(dimensions, np.inf, np.float32), np.full(dimensions, -np.inf, np.float32)
    for span in spans(rows, _CHUNK_ROWS):
        chunk_ND = np.asarray(vectors_ND[span], np.float32)
        norms_N[span] = row_norms(chunk_ND)
        if not np.isfinite(norms_N[span]).all():
            _refuse_not_finite(vectors_ND, what)
        on_grid = on_grid and _is_on_grid(chunk_ND)
        total_D += chunk_ND.sum(axis=0, dtype=np.float64)
        np.minimum(low_D, chunk_ND.min(axis=0), out=low_D)
        np.maximum(high_D, chunk_ND.max(axis=0), out=high_D)
    constant_D = low_D == high_D
    mean_D = np.where(constant_D, low_D, total_D / max(rows, 1)) if rows else total_D
    return Rows(vectors=vectors_ND, norms=norms_N, mean=mean_D, constant=constant_D, on_grid=on_grid)


def spans(rows: int, step: int) -> Iterator[slice]:
    """Slices that cover `rows` rows.

    >>> list(spans(5, 3))
    [slice(0, 3, None), slice(3, 5, None)]
    """
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def row_norms(chunk_ND: Vectors) -> NDArray[np.float64]:
    """Upper bounds on the lengths: float32 sums may be short by D x 2^-24 of them, and tiny squares may vanish."""
    squares_N = np.einsum("nd,nd->n", chunk_ND, chunk_ND).astype(np.float64)
    if not 1e-20 < squares_N.min(initial=1.0) <= squares_N.max(initial=1.0) < 1e30:
        squares_N = np.einsum("nd,nd->n", chunk_ND.astype(np.float64), chunk_ND.astype(np.float64))
    return np.sqrt(squares_N * (1 + chunk_ND.shape[1] * 2.0**-23))


def _is_on_grid(chunk_ND: Vectors) -> bool:
    steps_ND = chunk_ND.astype(np.float64) * GRID
    return bool(np.array_equal(steps_ND, np.rint(steps_ND)))


def _refuse_not_finite(vectors_ND: NDArray[Any], what: str) -> None:
    bad: list[int] = []
    for span in spans(len(vectors_ND), _CHUNK_ROWS):
        finite_N = np.isfinite(vectors_ND[span]).all(axis=1)
        bad += (np.flatnonzero(~finite_N) + span.start).tolist()
    named = ", ".join(f"`{row}`" for row in bad[:5]) + (f" and {len(bad) - 5} more" if len(bad) > 5 else "")
    raise UsageError(f"{what} rows hold NaN or infinity: {named}; all numbers must be finite")
