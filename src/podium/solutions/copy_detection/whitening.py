"""PCA-whitening: turns a long embedding into a short one whose dimensions count alike.

Fitted on videos that are independent of the judged ones. Axes: N rows, C input dimensions, D output dimensions.
Source: Jégou and Chum, "Negative evidences and co-occurrences in image retrieval", 2012.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Whitening:
    """A fitted projection.

    Attributes:
        mean_C: Of the rows it was fitted on, float64.
        projection_CD: Applied to the centred rows, float64.
    """

    mean_C: NDArray[np.float64]
    projection_CD: NDArray[np.float64]

    @property
    def dimensions(self) -> int:
        """Length of what `project` gives."""
        return self.projection_CD.shape[1]

    def project(self, rows_NC: NDArray[np.floating]) -> Floats:
        """The rows, centred and projected; training rows that were whitened have a mean squared length of 1.

        Raises:
            UsageError: The rows have another length than those it was fitted on.
        """
        if rows_NC.ndim != 2 or rows_NC.shape[1] != len(self.mean_C):
            raise UsageError(f"the whitening takes rows of `{len(self.mean_C)}` values; found `{rows_NC.shape}`")
        projected_ND = (rows_NC.astype(np.float64) - self.mean_C) @ self.projection_CD
        return (projected_ND / np.sqrt(self.dimensions)).astype(np.float32)

    def save(self, path: Path) -> None:
        """Writes an npz of two plain arrays."""
        np.savez(path, mean=self.mean_C, projection=self.projection_CD)

    @staticmethod
    def load(path: Path) -> Whitening:
        """The whitening that `save` wrote.

        Raises:
            UsageError: The file is none.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                whitening = Whitening(mean_C=arrays["mean"], projection_CD=arrays["projection"])
        except (OSError, ValueError, KeyError) as error:
            raise UsageError(f"`{path}` holds no whitening: {error}") from error
        if whitening.projection_CD.shape[:1] != whitening.mean_C.shape:
            raise UsageError(f"`{path}` holds arrays that do not fit each other")
        return whitening


def fit(rows_NC: NDArray[np.floating], *, dimensions: int, shrinkage: float = 0.0, power: float = 0.5) -> Whitening:
    """The whitening of some rows. Same rows, same result; the sign of each axis is fixed.

    Args:
        rows_NC: At least two rows, any scale, finite.
        dimensions: Wanted; fewer are given where the rows span fewer.
        shrinkage: Part of the mean variance that is mixed into each variance, 0 to 1: with few rows the small
            variances are guesses, and dividing by them would blow up noise.
        power: Of the variance that each axis is divided by: 0.5 whitens, 0 only rotates.

    Raises:
        UsageError: Too few rows, or not finite, or all alike.

    >>> import numpy as np
    >>> rows = np.random.default_rng(0).normal(size=(500, 3)) * [3, 2, 0.1]
    >>> fit(rows, dimensions=2).project(rows).shape
    (500, 2)
    """
    if rows_NC.ndim != 2 or len(rows_NC) < 2:
        raise UsageError(f"a whitening is fitted on at least 2 rows; found an array of shape `{rows_NC.shape}`")
    if not np.isfinite(rows_NC).all():
        raise UsageError("a whitening is fitted on finite values; NaN or infinity was found")
    rows64_NC = rows_NC.astype(np.float64)
    mean_C = rows64_NC.mean(axis=0)
    centred_NC = rows64_NC - mean_C
    variances, axes_CD = _principal_axes(centred_NC)
    floor = variances[0] * 1e-9 if len(variances) else 0.0
    kept = min(dimensions, int((variances > floor).sum()))
    if kept == 0:
        raise UsageError("a whitening needs rows that differ; all are alike")
    variances, axes_CD = variances[:kept], axes_CD[:, :kept]
    shrunk = (1 - shrinkage) * variances + shrinkage * variances.mean()
    return Whitening(mean_C=mean_C, projection_CD=axes_CD / shrunk**power)


def unit_length(rows_ND: NDArray[np.floating]) -> NDArray[np.floating]:
    """Each row divided by its length; a zero row stays zero."""
    lengths_N1 = np.linalg.norm(rows_ND, axis=1, keepdims=True)
    return rows_ND / np.where(lengths_N1 > 0, lengths_N1, 1)


def _principal_axes(centred_NC: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Variances, largest first, and unit axes, through the smaller of the two Gram matrices."""
    count, width = centred_NC.shape
    if count >= width:
        variances, axes_CD = np.linalg.eigh(centred_NC.T @ centred_NC / count)
        order = np.argsort(variances)[::-1]
        variances, axes_CD = variances[order], axes_CD[:, order]
    else:
        variances, weights = np.linalg.eigh(centred_NC @ centred_NC.T / count)
        order = np.argsort(variances)[::-1]
        variances = variances[order]
        axes_CD = unit_length((centred_NC.T @ weights[:, order]).T).T.astype(np.float64)
    largest = np.abs(axes_CD).argmax(axis=0)
    signs = np.sign(axes_CD[largest, np.arange(axes_CD.shape[1])])
    return np.maximum(variances, 0.0), axes_CD * np.where(signs == 0, 1.0, signs)
