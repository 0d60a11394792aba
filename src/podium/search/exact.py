"""Exact search: the k most similar pairs of rows among all pairs.

Legend: N hits, Q query rows, R reference rows, D dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from podium.errors import MachineError, UsageError, nearest
from podium.search.float32 import Float32Kernel
from podium.search.floor import guess_floor
from podium.search.pool import Pool
from podium.search.rounding import refuse_overflow
from podium.search.rows import Rows, measure
from podium.search.scan import Kernel, Scan
from podium.types import Progress, silent

KERNELS = ("auto", "cuda", "int8", "float32")
_MARGINS = (1.25, 4.0, np.inf)
_LARGE_PRODUCTS = 1e11
_QUICK_DIMENSIONS = 64
_NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")


@dataclass(frozen=True, kw_only=True)
class Hits:
    """Pairs of rows, most similar first; equal similarities by query row, then reference row.

    Attributes:
        query_rows: (N,) rows of the queries.
        reference_rows: (N,) rows of the references.
        similarities: (N,) float32, exact inner products rounded once.
    """

    query_rows: NDArray[np.int64]
    reference_rows: NDArray[np.int64]
    similarities: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.similarities)


def top_pairs(
    query_QD: NDArray[Any],
    reference_RD: NDArray[Any],
    *,
    k: int,
    kernel: str = "auto",
    progress: Progress | None = None,
    memory_bytes: int = 512 << 20,
) -> Hits:
    """The k pairs of highest inner product among all Q x R pairs.

    Exact: every kernel and every block size gives the same hits, bit for bit.

    Args:
        query_QD: (Q, D) float32, finite; may be memory-mapped.
        reference_RD: (R, D) float32, finite; may be memory-mapped.
        k: Pairs to keep over all queries together, 0 or more.
        kernel: ``auto``, ``cuda``, ``int8`` (needs the extra ``scale``) or ``float32``.
        progress: Shows how far the search is.
        memory_bytes: For blocks of work, beside the inputs and about 60 bytes for each of the k pairs.

    Raises:
        UsageError: Shapes, types or values do not fit; rows with NaN or infinity are named.

    >>> found = top_pairs(np.eye(2, dtype=np.float32), np.array([[1, 0], [2, 3]], np.float32), k=2)
    >>> found.query_rows.tolist(), found.reference_rows.tolist(), found.similarities.tolist()
    ([1, 0], [1, 1], [3.0, 2.0])
    """
    if k < 0:
        raise UsageError(f"k is `{k}`; 0 or more is allowed")
    queries, references = measure(np.asanyarray(query_QD), "query"), measure(np.asanyarray(reference_RD), "reference")
    if queries.dimensions != references.dimensions:
        raise UsageError(f"queries have `{queries.dimensions}` dimensions and references `{references.dimensions}`")
    refuse_overflow(queries.longest, references.longest)
    k = min(k, len(queries) * len(references))
    if k == 0:
        return Hits(
            query_rows=np.empty(0, np.int64), reference_rows=np.empty(0, np.int64), similarities=np.empty(0, np.float32)
        )
    scan = Scan(
        queries=queries,
        references=references,
        kernel=choose_kernel(kernel, queries, references),
        memory_bytes=memory_bytes,
    )
    similarities, keys = _best(scan, k, progress or silent)
    query_rows, reference_rows = np.divmod(keys, len(references))
    return Hits(query_rows=query_rows, reference_rows=reference_rows, similarities=similarities)


def _best(scan: Scan, k: int, progress: Progress) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Scans with a guessed floor, and again with a lower one should fewer than k pairs have reached it."""
    pool = Pool(k)
    for margin in _MARGINS:
        pool = Pool(k, guess_floor(scan.queries, scan.references, k=k, margin=margin))
        scan.into(pool, progress)
        if len(pool) == k:
            break
    return pool.best()


def choose_kernel(name: str, queries: Rows, references: Rows) -> Kernel:
    """The kernel of that name; `auto` takes the quickest that is there and that the size is worth.

    Without a driver for a card torch is not even loaded: it takes seconds and half a gigabyte.

    Raises:
        UsageError: There is no such kernel, or it cannot take rows of that many dimensions.
        MachineError: This machine cannot run it.
    """
    if name not in KERNELS:
        raise UsageError(f"there is no kernel `{name}`; {nearest(name, KERNELS)}")
    dimensions = queries.dimensions
    products = float(len(queries)) * len(references) * dimensions
    if name == "float32" or (name == "auto" and (products < _LARGE_PRODUCTS or dimensions < _QUICK_DIMENSIONS)):
        return Float32Kernel()
    quickest = (_cuda, _int8) if _NVIDIA_DRIVER.exists() else (_int8,)
    for load in {"auto": quickest, "cuda": (_cuda,), "int8": (_int8,)}[name]:
        try:
            return load(dimensions)
        except MachineError:
            if name != "auto":
                raise
    return Float32Kernel()


def _cuda(_: int) -> Kernel:
    from podium.search.cuda import CudaKernel

    return CudaKernel()


def _int8(dimensions: int) -> Kernel:
    from podium.search.int8 import Int8Kernel

    kernel = Int8Kernel()
    if not kernel.fits(dimensions):
        raise MachineError(f"the `int8` kernel is not exact on this processor for `{dimensions}` dimensions")
    return kernel
