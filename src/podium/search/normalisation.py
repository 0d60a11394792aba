"""Score normalisation: a query that resembles everything is trusted less.

Legend: N noise rows, Q query rows, R reference rows, D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from podium.errors import UsageError

Vectors = NDArray[np.float32]
_BLOCK_BYTES = 64 << 20


def check_independent(noise_ids: Iterable[str], reference_ids: Iterable[str]) -> None:
    """Passes when no noise video is also a reference video.

    The rules ask for it: a similarity may not depend on other reference videos of the test.

    Raises:
        UsageError: Some are; the message names the first five.

    >>> check_independent(["T1", "T2"], ["R1"])
    """
    shared = sorted(set(noise_ids) & set(reference_ids))
    if shared:
        named = ", ".join(f"`{each}`" for each in shared[:5])
        more = f" and {len(shared) - 5} more" if len(shared) > 5 else ""
        found = f"{len(shared)} of its ids are references too: {named}{more}"
        raise UsageError(f"score normalisation needs independent noise, but {found}")


@dataclass(frozen=True, kw_only=True)
class ScoreNormaliser:
    """Subtracts from every similarity of a query how near it is to independent noise.

    The dimension of lowest variance gives up its place to the bias, so descriptors keep their length: a query becomes
    ``[q, -beta * near(q)]`` and a reference ``[r, 1]``, whose inner product is ``q.r - beta * near(q)``. `near` is the
    mean of the k highest cosines between the query and the noise.

    Attributes:
        noise_ND: (N, D - 1) float32 unit rows, the dropped dimension left out.
        dropped_dimension: Its place among D.
        beta: Weight of the bias.
        k: Nearest noise rows to average.

    Source: the baseline of the Video Similarity Challenge (beta 1.2, k 1).
    """

    noise_ND: Vectors
    dropped_dimension: int
    beta: float = 1.2
    k: int = 1

    @classmethod
    def fit(cls, noise_ND: ArrayLike, *, beta: float = 1.2, k: int = 1) -> ScoreNormaliser:
        """Takes the noise in: finds the dimension to drop and normalises the rows.

        Args:
            noise_ND: (N, D) float32 rows of independent videos, N at least k, D at least 2.
            beta: Weight of the bias.
            k: Nearest noise rows to average.

        Raises:
            UsageError: Not a finite matrix of that size, or k out of range.

        >>> ScoreNormaliser.fit(np.eye(3)[:2]).dropped_dimension
        2
        """
        noise_ND = _matrix(noise_ND, "noise")
        rows, dimensions = noise_ND.shape
        if dimensions < 2 or not 1 <= k <= rows:
            raise UsageError(
                f"noise of shape `({rows}, {dimensions})` with k `{k}`; 2 dimensions and k rows are needed"
            )
        dropped = int(np.argmin(noise_ND.var(axis=0, dtype=np.float64)))
        return cls(noise_ND=_shortened(noise_ND, dropped), dropped_dimension=dropped, beta=beta, k=k)

    def queries(self, query_QD: ArrayLike) -> Vectors:
        """Query rows with their bias in the last place, (Q, D) float32.

        Raises:
            UsageError: Not a finite matrix of the noise's D.

        >>> ScoreNormaliser.fit(np.eye(3)[:2]).queries([[2.0, 0.0, 0.0]]).tolist()
        [[1.0, 0.0, -1.2000000476837158]]
        """
        query_QD = self._rows(query_QD, "queries")
        near_Q = np.empty(len(query_QD))
        step = max(1, _BLOCK_BYTES // (4 * len(self.noise_ND)))
        for start in range(0, len(query_QD), step):
            near_Q[start : start + step] = self._nearness(query_QD[start : start + step])
        return np.column_stack([query_QD, (-self.beta * near_Q).astype(np.float32)])

    def references(self, reference_RD: ArrayLike) -> Vectors:
        """Reference rows with 1 in the last place, (R, D) float32.

        Raises:
            UsageError: Not a finite matrix of the noise's D.

        >>> ScoreNormaliser.fit(np.eye(3)[:2]).references([[0.0, 3.0, 4.0]]).tolist()
        [[0.0, 1.0, 1.0]]
        """
        reference_RD = self._rows(reference_RD, "references")
        return np.column_stack([reference_RD, np.ones(len(reference_RD), np.float32)])

    def _nearness(self, query_QD: Vectors) -> NDArray[np.float64]:
        similarity_QN = query_QD @ self.noise_ND.T
        nearest_QK = np.argpartition(-similarity_QN, self.k - 1, axis=1)[:, : self.k]
        noise_QKD = self.noise_ND[nearest_QK].astype(np.float64)
        return np.einsum("qd,qkd->qk", query_QD.astype(np.float64), noise_QKD).mean(axis=1)

    def _rows(self, rows: ArrayLike, what: str) -> Vectors:
        matrix = _matrix(rows, what)
        dimensions = self.noise_ND.shape[1] + 1
        if matrix.shape[1] != dimensions:
            raise UsageError(f"{what} have `{matrix.shape[1]}` dimensions; the noise has `{dimensions}`")
        return _shortened(matrix, self.dropped_dimension)


def _shortened(rows_ND: Vectors, dropped: int) -> Vectors:
    rows_ND = np.delete(rows_ND, dropped, axis=1)
    norms_N = np.sqrt(np.einsum("nd,nd->n", rows_ND, rows_ND, dtype=np.float64))
    return (rows_ND / np.where(norms_N > 0, norms_N, 1.0)[:, None]).astype(np.float32)


def _matrix(rows: ArrayLike, what: str) -> Vectors:
    matrix = np.asarray(rows, np.float32)
    if matrix.ndim != 2 or not np.isfinite(matrix).all():
        raise UsageError(f"{what} have shape `{matrix.shape}`; a matrix of finite numbers, one row a frame, is needed")
    return matrix
