"""Calibration: probabilities that are true, in the order of the similarities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podium.errors import UsageError
from podium.solutions.reidentification.calibration import (
    RESOLUTION,
    Calibration,
    expected_error,
    fit,
    logistic,
    pool_adjacent,
)


def drawn(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Similarities, and outcomes whose true probability is a known curve of them."""
    rng = np.random.default_rng(seed)
    similarity = rng.uniform(-1, 1, count)
    return similarity, rng.random(count) < truth(similarity)


def truth(similarity: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-6 * (similarity - 0.3)))


@pytest.mark.parametrize("method", ["isotonic", "logistic"])
def test_probabilities_come_true_on_pairs_that_were_not_fitted(method: str) -> None:
    found = fit(*drawn(0, 20_000), method=method)
    similarity, same = drawn(1, 20_000)
    assert expected_error(found.apply(similarity), same) < 0.02
    assert np.abs(found.apply(similarity) - truth(similarity)).mean() < 0.02


@given(st.integers(0, 10_000), st.integers(4, 200), st.sampled_from(["isotonic", "logistic"]))
@settings(max_examples=60, deadline=None)
def test_the_map_rises_strictly_and_stays_between_0_and_1(seed: int, count: int, method: str) -> None:
    rng = np.random.default_rng(seed)
    similarity = np.round(rng.uniform(-1, 1, count), int(rng.integers(1, 9)))
    same = rng.random(count) < 0.4
    same[:2] = [True, False]
    found = fit(similarity, same, method=method)
    points = np.unique(np.concatenate([similarity, rng.uniform(-1, 1, 500), [-1.0, 1.0]]))
    points = np.concatenate([points, np.clip(points + 2 * RESOLUTION, -1, 1)])
    points = np.unique(points)
    points = points[np.concatenate([[True], np.diff(points) >= RESOLUTION])]
    probability = found.apply(points)
    assert (np.diff(probability) > 0).all()
    assert probability.min() >= 0
    assert probability.max() <= 1


@given(st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=1, max_size=9))
@settings(max_examples=80, deadline=None)
def test_pooling_gives_the_best_rising_fit(points: list[tuple[int, bool]]) -> None:
    """Against the classical formula: the greatest, over starts, of the least, over ends, of the means between."""
    x = np.array([float(each) for each, _ in points])
    y = np.array([float(same) for _, same in points])
    start, end, level = pool_adjacent(x, y, np.ones(len(x)))
    for value in np.unique(x):
        wanted = max(
            min(y[(x >= low) & (x <= high)].mean() for high in np.unique(x[x >= value]))
            for low in np.unique(x[x <= value])
        )
        place = int(np.flatnonzero((start <= value) & (value <= end))[0])
        assert level[place] == pytest.approx(wanted)


def test_a_prior_moves_the_probabilities_to_where_they_will_be_used() -> None:
    similarity, same = drawn(2, 20_000)
    rare = fit(similarity, same, prior=0.01)
    common = fit(similarity, same, prior=0.9)
    assert rare.apply(0.3) < 0.05 < 0.5 < common.apply(0.3)


def test_the_logistic_curve_is_found_again() -> None:
    similarity, same = drawn(3, 100_000)
    slope, offset = logistic(similarity, same.astype(float), np.ones(len(same)))
    assert slope == pytest.approx(6, rel=0.05)
    assert offset == pytest.approx(-1.8, rel=0.08)


def test_separable_pairs_give_a_finite_curve_and_reversed_ones_a_flat_one() -> None:
    slope, offset = logistic(np.array([0.1, 0.2, 0.8, 0.9]), np.array([0.0, 0, 1, 1]), np.ones(4))
    assert 0 < slope < 1e3
    assert np.isfinite(offset)
    slope, _ = logistic(np.array([0.1, 0.2, 0.8, 0.9]), np.array([1.0, 1, 0, 0]), np.ones(4))
    assert slope == 0


def test_it_survives_json_to_the_last_bit() -> None:
    found = fit(*drawn(4, 500))
    assert Calibration.from_json(found.to_json()) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"method": "isotonic", "pairs": 1, "positives": 1, "similarities": [1, 0], "probabilities": [0, 1]}',
    ],
)
def test_other_texts_are_no_calibration(text: str) -> None:
    with pytest.raises(UsageError):
        Calibration.from_json(text)


@pytest.mark.parametrize(
    ("similarity", "same", "text"),
    [
        ([0.5, 0.6], [True, True], "both kinds"),
        ([0.5, 0.6], [False, False], "both kinds"),
        ([0.5, np.nan], [True, False], "finite"),
        ([0.5, 3.0], [True, False], "from -1 to 1"),
        ([0.5], [True, False], "each pair"),
    ],
)
def test_pairs_that_say_nothing_are_refused(similarity: list[float], same: list[bool], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        fit(similarity, same)


def test_an_unknown_method_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean `isotonic`"):
        fit([0.1, 0.9], [False, True], method="isotonik")


def test_the_expected_error_is_that_of_a_hand_worked_case() -> None:
    assert expected_error([0.1, 0.1, 0.9, 0.9], [False, True, True, True], bins=2) == pytest.approx(
        0.5 * 0.4 + 0.5 * 0.1
    )
