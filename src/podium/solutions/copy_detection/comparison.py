"""How rows are written so that their inner product, all that the challenge compares, is the similarity that is wanted.

Axes: N rows, D dimensions, Q query rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from podium.solutions.copy_detection.whitening import unit_length

Floats = NDArray[np.float32]


class Comparison(Protocol):
    """Writes rows of queries and of references; the inner product of the two is the similarity."""

    def queries(self, query_QD: Floats, /) -> Floats:
        """The rows as a query's descriptors."""
        ...

    def references(self, reference_RD: Floats, /) -> Floats:
        """The rows as a reference's descriptors."""
        ...


@dataclass(frozen=True, kw_only=True)
class Cosine:
    """The cosine; a row says where it points and not how far."""

    def queries(self, query_QD: Floats, /) -> Floats:
        """(Q, D) of unit length."""
        return unit_length(query_QD).astype(np.float32)

    def references(self, reference_RD: Floats, /) -> Floats:
        """(R, D) of unit length."""
        return unit_length(reference_RD).astype(np.float32)


@dataclass(frozen=True, kw_only=True, eq=False)
class Distance:
    """Half the squared Euclidean distance, negated, in two more dimensions: [q, 1, -q²/2] and [r, -r²/2, 1].

    A dull or unfamiliar frame lies near the mean of the whitened space, where its direction is mostly noise; the
    cosine takes that noise at full length, the distance does not.

    Attributes:
        noise_ND: Rows of independent references; None leaves similarities as they are.
        beta: Weight of the nearness to the noise that is subtracted from all similarities of a query row.
        k: Nearest noise rows that are averaged.
    """

    noise_ND: Floats | None = None
    beta: float = 0.0
    k: int = 1

    def queries(self, query_QD: Floats, /) -> Floats:
        """(Q, D + 2).

        >>> Distance().queries(np.array([[3.0, 4.0]], np.float32)).tolist()
        [[3.0, 4.0, 1.0, -12.5]]
        """
        rows = query_QD.astype(np.float64)
        written = np.column_stack([rows, np.ones(len(rows)), -(rows**2).sum(axis=1) / 2])
        if self.noise_ND is not None:
            near_QN = written @ self.references(self.noise_ND).astype(np.float64).T
            written[:, -1] -= self.beta * np.sort(near_QN, axis=1)[:, -self.k :].mean(axis=1)
        return written.astype(np.float32)

    def references(self, reference_RD: Floats, /) -> Floats:
        """(R, D + 2).

        >>> Distance().references(np.array([[0.0, 2.0]], np.float32)).tolist()
        [[0.0, 2.0, -2.0, 1.0]]
        """
        rows = reference_RD.astype(np.float64)
        return np.column_stack([rows, -(rows**2).sum(axis=1) / 2, np.ones(len(rows))]).astype(np.float32)
