"""From the similarity of two images to the probability that they show one individual.

The map rises everywhere, so it changes no ranking: isotonic regression, drawn as straight lines through the centres of
its steps, plus a tiny slope; or a logistic curve. Needs numpy only.

Axes: P pairs, K knots.
Sources: Zadrozny and Elkan, "Transforming classifier scores into accurate multiclass probability estimates", 2002;
Cermak et al., "WildFusion", 2024 (strict isotonic calibration of similarities); Guo et al., "On calibration of modern
neural networks", 2017 (expected calibration error).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from podium.errors import UsageError, nearest

METHODS = ("isotonic", "logistic")
RESOLUTION = 1e-9
"""Similarities that are at least this far apart never get one probability."""

_SLOPE = 1e-4
_MOST_POINTS = 20_000
_DIGITS = 4
_LOGISTIC_KNOTS = 401
_STEEPEST = 30.0
_NEWTON_STEPS = 50
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A rising map from similarities to probabilities, straight between its knots.

    Attributes:
        similarities: Of the knots, rising.
        probabilities: Of the knots, rising, from 0 to 1.
        method: How it was fitted.
        pairs: How many pairs it was fitted on.
        positives: How many of them show one individual.
    """

    similarities: tuple[float, ...]
    probabilities: tuple[float, ...]
    method: str
    pairs: int = 0
    positives: int = 0

    def __post_init__(self) -> None:
        x_K, y_K = np.array(self.similarities, np.float64), np.array(self.probabilities, np.float64)
        rising = len(x_K) >= 2 and len(x_K) == len(y_K) and bool((np.diff(x_K) > 0).all() and (np.diff(y_K) > 0).all())
        if not rising or not np.isfinite(x_K).all() or not (y_K[0] >= 0 and y_K[-1] <= 1):
            raise UsageError("the knots of a calibration rise in similarity and, from 0 to 1, in probability")

    def apply(self, similarity: ArrayLike) -> Floats:
        """Probabilities, in the shape of the similarities.

        Args:
            similarity: Any finite numbers; those beyond the knots get the probability of the last.

        >>> Calibration(similarities=(-1.0, 1.0), probabilities=(0.0, 1.0), method="isotonic").apply([0.5]).tolist()
        [0.75]
        """
        return np.interp(np.asarray(similarity, np.float64), self.similarities, self.probabilities)

    def to_json(self) -> str:
        """JSON text that `from_json` reads, to the last bit."""
        return json.dumps(
            {
                "method": self.method,
                "pairs": self.pairs,
                "positives": self.positives,
                "similarities": list(self.similarities),
                "probabilities": list(self.probabilities),
            },
            indent=1,
        )

    @staticmethod
    def from_json(text: str) -> Calibration:
        """The calibration that `to_json` wrote.

        Raises:
            UsageError: The text is not such JSON.
        """
        try:
            raw: dict[str, Any] = json.loads(text)
            return Calibration(
                similarities=tuple(map(float, raw["similarities"])),
                probabilities=tuple(map(float, raw["probabilities"])),
                method=str(raw["method"]),
                pairs=int(raw["pairs"]),
                positives=int(raw["positives"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"this is no calibration: {error!r}") from error


def fit(
    similarity_P: ArrayLike, same_P: ArrayLike, *, method: str = "isotonic", prior: float | None = None
) -> Calibration:
    """The calibration that fits pairs.

    Args:
        similarity_P: (P,) from -1 to 1, of images that the networks were not trained on.
        same_P: (P,) whether a pair shows one individual; both kinds are there.
        method: ``isotonic`` for many pairs, ``logistic`` for few.
        prior: Share of same pairs where it will be used, above 0 and below 1; None is their share among these pairs.

    Raises:
        UsageError: The pairs cannot be used, or there is no such method.

    >>> found = fit([0.1, 0.2, 0.8, 0.9], [False, False, True, True])
    >>> found.apply([0.1, 0.9]).round(2).tolist()
    [0.0, 1.0]
    """
    x_P, same = np.asarray(similarity_P, np.float64).ravel(), np.asarray(same_P, np.bool_).ravel()
    if method not in METHODS:
        raise UsageError(f"no calibration is called `{method}`; {nearest(method, METHODS)}")
    if x_P.shape != same.shape or not np.isfinite(x_P).all() or (np.abs(x_P) > 1 + 1e-6).any():
        raise UsageError(
            "a calibration needs a finite similarity from -1 to 1, and whether it is the same, for each pair"
        )
    positives = int(same.sum())
    if not 0 < positives < len(same):
        raise UsageError(f"`{positives}` of `{len(same)}` pairs show one individual; both kinds are needed")
    share = positives / len(same)
    if prior is not None and not 0 < prior < 1:
        raise UsageError(f"the prior is `{prior}`; it lies between 0 and 1")
    weight_P = np.ones(len(same)) if prior is None else np.where(same, prior / share, (1 - prior) / (1 - share))
    x_P = np.clip(x_P, -1.0, 1.0)
    x_K, y_K = (_isotonic if method == "isotonic" else _logistic)(x_P, same.astype(np.float64), weight_P)
    y_K = (np.clip(y_K, 0, 1) + _SLOPE * (x_K + 1) / 2) / (1 + _SLOPE)
    return Calibration(
        similarities=tuple(x_K.tolist()),
        probabilities=tuple(y_K.tolist()),
        method=method,
        pairs=len(same),
        positives=positives,
    )


def expected_error(probability_P: ArrayLike, same_P: ArrayLike, *, bins: int = 15) -> float:
    """Expected calibration error: how far probabilities are from what happens, mean over equal bins by their pairs.

    >>> expected_error([0.25, 0.25, 0.25, 0.25], [True, False, False, False])
    0.0
    """
    p_P, same = np.asarray(probability_P, np.float64).ravel(), np.asarray(same_P, np.float64).ravel()
    if p_P.shape != same.shape or not len(p_P) or bins < 1:
        raise UsageError("the error of a calibration needs a probability and an outcome for each pair, and bins")
    bin_P = np.clip((p_P * bins).astype(np.int64), 0, bins - 1)
    gap = np.bincount(bin_P, weights=p_P - same, minlength=bins)
    return float(np.abs(gap).sum() / len(p_P))


def _isotonic(x_P: Floats, y_P: Floats, weight_P: Floats) -> tuple[Floats, Floats]:
    """Centres of the steps of the best rising fit, with ends at -1 and 1."""
    if len(x_P) > _MOST_POINTS:
        x_P = np.round(x_P, _DIGITS)
    start_S, end_S, level_S = pool_adjacent(x_P, y_P, weight_P)
    centre_S = (start_S + end_S) / 2
    x_K = np.concatenate([[-1.0], centre_S, [1.0]])
    y_K = np.concatenate([level_S[:1], level_S, level_S[-1:]])
    keep = np.concatenate([[True], (np.diff(x_K[:-1]) > RESOLUTION) & (x_K[1:-1] < 1 - RESOLUTION), [True]])
    return x_K[keep], y_K[keep]


def pool_adjacent(x_P: Floats, y_P: Floats, weight_P: Floats) -> tuple[Floats, Floats, Floats]:
    """The steps of isotonic regression: where each begins, where it ends, and its height, rising.

    Pools adjacent violators from left to right; equal x are one point.

    >>> start, end, level = pool_adjacent(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 0.5]), np.ones(3))
    >>> start.tolist(), end.tolist(), level.tolist()
    ([1.0, 2.0], [1.0, 3.0], [0.0, 0.75])
    """
    points, inverse = np.unique(x_P, return_inverse=True)
    weights = np.bincount(inverse, weights=weight_P)
    sums = np.bincount(inverse, weights=weight_P * y_P)
    steps: list[list[float]] = []
    for x, weight, total in zip(points.tolist(), weights.tolist(), sums.tolist(), strict=True):
        steps.append([x, x, weight, total])
        while len(steps) > 1 and steps[-2][3] * steps[-1][2] >= steps[-1][3] * steps[-2][2]:
            _, end, weight_more, total_more = steps.pop()
            steps[-1][1] = end
            steps[-1][2] += weight_more
            steps[-1][3] += total_more
    found = np.array(steps)
    return found[:, 0], found[:, 1], found[:, 3] / found[:, 2]


def _logistic(x_P: Floats, y_P: Floats, weight_P: Floats) -> tuple[Floats, Floats]:
    """A rising logistic curve by Newton's method, with Platt's targets, which keep separable pairs finite."""
    slope, offset = logistic(x_P, y_P, weight_P)
    x_K = np.linspace(-1.0, 1.0, _LOGISTIC_KNOTS)
    return x_K, 1 / (1 + np.exp(-np.clip(slope * x_K + offset, -_STEEPEST, _STEEPEST)))


def logistic(x_P: Floats, y_P: Floats, weight_P: Floats) -> tuple[float, float]:
    """Slope, 0 or more, and offset of the logistic curve that fits best.

    Targets are drawn in as by Platt, "Probabilistic outputs for support vector machines", 1999.
    """
    positive, negative = float((weight_P * y_P).sum()), float((weight_P * (1 - y_P)).sum())
    target_P = np.where(y_P > 0.5, (positive + 1) / (positive + 2), 1 / (negative + 2))
    middle, spread = float(np.average(x_P, weights=weight_P)), float(max(np.std(x_P), RESOLUTION))
    z_P2 = np.column_stack([(x_P - middle) / spread, np.ones_like(x_P)])
    theta_2 = np.array([0.0, np.log((positive + 1) / (negative + 1))])
    for _ in range(_NEWTON_STEPS):
        p_P = 1 / (1 + np.exp(-np.clip(z_P2 @ theta_2, -_STEEPEST, _STEEPEST)))
        slope_2 = z_P2.T @ (weight_P * (p_P - target_P))
        curve_22 = (z_P2 * (weight_P * p_P * (1 - p_P))[:, None]).T @ z_P2 + 1e-9 * np.eye(2)
        step_2 = np.linalg.solve(curve_22, slope_2)
        theta_2 = theta_2 - step_2 * min(1.0, 5.0 / max(float(np.abs(step_2).max()), 1e-300))
        if float(np.abs(step_2).max()) < 1e-10:
            break
    slope = max(float(theta_2[0]), 0.0) / spread
    return slope, float(theta_2[1]) - slope * middle
