"""The scan over all pairs: a quick kernel proposes, exact arithmetic decides, a pool keeps the best.

```
reference block --kernel--> pairs that may reach the floor --exact--> pool --> a higher floor
```

Legend: Q query rows, R reference rows, P pairs, D dimensions.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from podium.search.pool import Pool
from podium.search.rounding import float32_cutoffs, round_sums, rounding_share, sum_error
from podium.search.rows import GRID, Rows, spans
from podium.types import Progress

Vectors = NDArray[np.float32]
Positions = NDArray[np.intp]
Survivors = Callable[[slice, float], Positions]
"""Flat positions (query x block rows + reference) of all pairs whose similarity may be at least the floor."""

_DENSE_SHARE = 16
_DENSE_PAIRS = 1 << 18
_PAIRS_AT_ONCE = 128


class QueryBlock(Protocol):
    """Query rows in the form that a kernel works on."""

    def against(self, reference_RD: Vectors, norms_R: NDArray[np.float64]) -> Survivors:
        """The function that finds pairs in one block of references."""
        ...


class Kernel(Protocol):
    """A quick way to find pairs that may be good enough. It may propose too many, never too few."""

    @property
    def name(self) -> str:
        """As asked for by `top_pairs`."""
        ...

    @property
    def block_rows(self) -> int:
        """Reference rows that it likes to take at once."""
        ...

    @property
    def query_rows(self) -> int:
        """Query rows that it likes to take at once."""
        ...

    @property
    def threads(self) -> int:
        """Blocks of references that it can work on side by side."""
        ...

    def order(self, references: Rows) -> Positions:
        """All reference rows in the order that it likes to take them."""
        ...

    def queries(self, queries: Rows, references: Rows, span: slice) -> QueryBlock:
        """Readies some query rows."""
        ...


@dataclass(frozen=True, kw_only=True)
class Scan:
    """One search: what is compared, how, and how much memory the blocks may take."""

    queries: Rows
    references: Rows
    kernel: Kernel
    memory_bytes: int

    def into(self, pool: Pool, progress: Progress) -> None:
        """Puts every pair that can be among the best into the pool."""
        held_rows = max(self.kernel.query_rows, self.memory_bytes // (2 * 5 * self.queries.dimensions + 1))
        parts = list(spans(len(self.queries), held_rows))
        order_R = self.kernel.order(self.references)
        blocks = [order_R[span] for span in spans(len(self.references), self._block_rows())]
        work = self._finished(pool, parts, blocks)
        for _ in progress(work, what="searching", total=len(parts) * len(blocks)):
            pass

    def _block_rows(self) -> int:
        fit = self.memory_bytes // (64 * self.kernel.threads * max(self.queries.dimensions, self.kernel.query_rows))
        return max(64, min(self.kernel.block_rows, fit))

    def _finished(self, pool: Pool, parts: list[slice], blocks: list[Positions]) -> Iterator[None]:
        with ThreadPoolExecutor(self.kernel.threads) as threads:
            for part in parts:
                ready = self.kernel.queries(self.queries, self.references, part)
                yield from _in_order(threads, [_BlockTask(self, pool, ready, part, block) for block in blocks])


@dataclass(frozen=True)
class _BlockTask:
    """One block of references against one part of the queries."""

    scan: Scan
    pool: Pool
    ready: QueryBlock
    part: slice
    block: Positions

    def __call__(self) -> None:
        references = self.scan.references
        reference_RD = references.read(self.block)
        survivors = self.ready.against(reference_RD, references.norms[self.block])
        exact = _Exact(self.scan, reference_RD, self.block)
        rows = self.part.stop - self.part.start
        for local in spans(rows, self.scan.kernel.query_rows):
            queries = slice(self.part.start + local.start, self.part.start + local.stop)
            pairs = (local.stop - local.start) * len(reference_RD)
            floor = self.pool.floor
            found = survivors(local, floor) if np.isfinite(floor) else None
            if found is None or len(found) * _DENSE_SHARE > pairs:
                exact.all_pairs(queries, self.pool)
            elif len(found):
                exact.some_pairs(queries, found, self.pool)


class _Exact:
    """Exact similarities between query rows and one block of references."""

    def __init__(self, scan: Scan, reference_RD: Vectors, rows_R: Positions) -> None:
        self._queries, self._references = scan.queries, scan.references
        self._reference_RD, self._rows_R = reference_RD, rows_R
        self._norms_R = self._references.norms[rows_R]
        longest = self._queries.longest * self._references.longest
        exact = self._queries.on_grid and self._references.on_grid and longest * GRID**2 < 2.0**53
        self._dimensions = 0 if exact else reference_RD.shape[1]

    def some_pairs(self, span: slice, positions_P: Positions, pool: Pool) -> None:
        """Adds the pairs at flat positions."""
        query_P, reference_P = np.divmod(positions_P, len(self._reference_RD))
        query_QD = self._queries.read(span)
        kept_P = self._may_reach(pool.floor, span, query_QD, query_P, reference_P)
        query_P, reference_P = query_P[kept_P], reference_P[kept_P]
        sums_P = np.empty(len(query_P))
        for part in spans(len(query_P), _PAIRS_AT_ONCE):
            left_PD = query_QD[query_P[part]].astype(np.float64)
            right_PD = self._reference_RD[reference_P[part]].astype(np.float64)
            sums_P[part] = _row_products(left_PD, right_PD)
        self._add(span, query_QD, query_P, reference_P, sums_P, pool)

    def _may_reach(
        self, floor: float, span: slice, query_QD: Vectors, query_P: Positions, reference_P: Positions
    ) -> NDArray[np.bool_]:
        """Which pairs may still reach the floor, by float32: half the work of float64, and most cannot."""
        products_P = np.empty(len(query_P), np.float32)
        # One buffer for all parts: what is gathered stays in the processor's cache.
        left_PD, right_PD = np.empty((2, _PAIRS_AT_ONCE, query_QD.shape[1]), np.float32)
        for part in spans(len(query_P), _PAIRS_AT_ONCE):
            count = part.stop - part.start
            query_QD.take(query_P[part], axis=0, out=left_PD[:count], mode="clip")
            self._reference_RD.take(reference_P[part], axis=0, out=right_PD[:count], mode="clip")
            products_P[part] = _row_products(left_PD[:count], right_PD[:count])
        share = rounding_share(query_QD.shape[1])
        error_Q = self._queries.norms[span] * (float(self._norms_R.max()) * share)
        return products_P >= float32_cutoffs(floor, error_Q, query_QD.shape[1])[query_P]

    def all_pairs(self, span: slice, pool: Pool) -> None:
        """Adds every pair that the pool still wants."""
        columns_DR = self._reference_RD.T.astype(np.float64)
        error = sum_error(self._queries.norms[span].max() * self._norms_R.max(), self._dimensions)
        width = len(self._reference_RD)
        for part in spans(span.stop - span.start, max(1, _DENSE_PAIRS // width)):
            given = slice(span.start + part.start, span.start + part.stop)
            query_QD = self._queries.read(given)
            sums_QR = query_QD.astype(np.float64) @ columns_DR
            keys_QR: NDArray[np.int64] = (
                np.arange(given.start, given.stop, dtype=np.int64)[:, None] * len(self._references) + self._rows_R
            )
            positions_P = np.flatnonzero(pool.wants((sums_QR + error).astype(np.float32), keys_QR))
            query_P, reference_P = np.divmod(positions_P, width)
            self._add(given, query_QD, query_P, reference_P, sums_QR.reshape(-1)[positions_P], pool)

    def _add(
        self,
        span: slice,
        query_QD: Vectors,
        query_P: NDArray[Any],
        reference_P: NDArray[Any],
        sums_P: NDArray[np.float64],
        pool: Pool,
    ) -> None:
        norms_P = self._queries.norms[span][query_P] * self._norms_R[reference_P]
        similarities = round_sums(
            sums_P,
            sum_error(norms_P, self._dimensions),
            lambda index: (query_QD[query_P[index]], self._reference_RD[reference_P[index]]),
        )
        keys = (span.start + query_P) * len(self._references) + self._rows_R[reference_P]
        pool.add(similarities, keys)


def _row_products(left_PD: NDArray[Any], right_PD: NDArray[Any]) -> NDArray[Any]:
    if hasattr(np, "vecdot"):
        return np.vecdot(left_PD, right_PD)
    return np.einsum("pd,pd->p", left_PD, right_PD)


def _in_order(threads: ThreadPoolExecutor, tasks: list[_BlockTask]) -> Iterator[None]:
    """Runs tasks and yields as they end, oldest first; the first error stops the rest."""
    futures: list[Future[None]] = [threads.submit(task) for task in tasks]
    try:
        for future in futures:
            yield future.result()
    finally:
        for future in futures:
            future.cancel()


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
