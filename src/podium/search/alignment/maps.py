"""Similarity maps of many sizes as a few padded blocks, so that one array operation serves many maps.

Legend: B maps of a block, Q query rows, R reference columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError

Map = NDArray[np.floating[Any]]
Doubles = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """Maps of about the same size.

    Attributes:
        numbers_B: (B,) which of the given maps these are.
        rows_B: (B,) query rows of each.
        columns_B: (B,) reference columns of each.
        cells_BQR: (B, Q, R) float64, minus infinity beyond a map's own rows and columns.
    """

    numbers_B: NDArray[np.int64]
    rows_B: NDArray[np.int64]
    columns_B: NDArray[np.int64]
    cells_BQR: Doubles


def blocks(maps: Sequence[Map], *, cells: int, most: int = 512) -> Iterator[Block]:
    """The maps in padded blocks; maps without a cell are left out.

    Args:
        maps: Each (query rows, reference columns), finite, any float type.
        cells: How many cells a block may have, padding included; a larger map has a block of its own.
        most: How many maps a block may have.

    Raises:
        UsageError: A map is no matrix of floats, or holds NaN or an infinity.
    """
    sizes = np.array([_size(map_QR, number) for number, map_QR in enumerate(maps)], np.int64).reshape(-1, 2)
    order = np.lexsort((sizes[:, 1], sizes[:, 0]))
    order = order[sizes[order].all(axis=1)]
    start = 0
    while start < len(order):
        stop, widest = start, 0
        while stop < len(order) and stop - start < most:
            rows, columns = sizes[order[stop]].tolist()
            widest = max(widest, columns)
            if stop > start and (stop - start + 1) * rows * widest > cells:
                break
            stop += 1
        yield _padded(maps, order[start:stop], sizes)
        start = stop


def _size(map_QR: Map, number: int) -> tuple[int, int]:
    if np.ndim(map_QR) != 2 or map_QR.dtype.kind != "f":
        found = f"shape `{np.shape(map_QR)}` and type `{getattr(map_QR, 'dtype', type(map_QR).__name__)}`"
        raise UsageError(f"map `{number}` has {found}; a matrix of floats is needed")
    return map_QR.shape[0], map_QR.shape[1]


def _padded(maps: Sequence[Map], numbers: NDArray[np.int64], sizes: NDArray[np.int64]) -> Block:
    rows, columns = sizes[numbers].T
    cells_BQR = np.full((len(numbers), int(rows.max()), int(columns.max())), -np.inf)
    for place, number in enumerate(numbers.tolist()):
        map_QR = maps[int(number)]
        cells_BQR[place, : map_QR.shape[0], : map_QR.shape[1]] = map_QR
    if not np.array_equal(np.isfinite(cells_BQR).sum(axis=(1, 2)), rows * columns):
        wrong = next(number for number in numbers.tolist() if not np.isfinite(maps[int(number)]).all())
        raise UsageError(f"map `{wrong}` holds NaN or an infinity; all similarities must be finite")
    return Block(numbers_B=numbers, rows_B=rows, columns_B=columns, cells_BQR=cells_BQR)
