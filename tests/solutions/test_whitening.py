"""PCA-whitening of embeddings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podium.errors import UsageError
from podium.solutions.copy_detection.whitening import Whitening, fit, unit_length


def rows(seed: int = 0, *, count: int = 400, width: int = 12) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(count, width)) * np.linspace(4, 0.3, width)) @ rng.normal(size=(width, width)) + 5.0


def projected(whitening: Whitening, rows_NC: np.ndarray) -> np.ndarray:
    return (rows_NC - whitening.mean_C) @ whitening.projection_CD


def test_whitened_training_rows_have_unit_covariance() -> None:
    rows_NC = rows()
    white = projected(fit(rows_NC, dimensions=12), rows_NC)
    np.testing.assert_allclose(white.T @ white / len(white), np.eye(12), atol=1e-9)


def test_two_axes_by_hand() -> None:
    whitening = fit(np.array([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), dimensions=2)
    # Variances 18/4 and 2/4, so the first axis is divided by sqrt(4.5) and the second by sqrt(0.5).
    np.testing.assert_allclose(whitening.projection_CD, np.diag([1 / np.sqrt(4.5), 1 / np.sqrt(0.5)]), atol=1e-12)
    # 3/sqrt(4.5) and 1/sqrt(0.5) are both sqrt(2); over sqrt(2) dimensions' worth of length that is 1 each.
    np.testing.assert_allclose(whitening.project(np.array([[3.0, 1.0]])), [[1.0, 1.0]], atol=1e-6)


def test_power_zero_only_turns() -> None:
    rows_NC = rows()
    whitening = fit(rows_NC, dimensions=12, power=0.0)
    np.testing.assert_allclose(whitening.projection_CD.T @ whitening.projection_CD, np.eye(12), atol=1e-9)
    turned = projected(whitening, rows_NC)
    np.testing.assert_allclose(np.linalg.norm(turned, axis=1), np.linalg.norm(rows_NC - rows_NC.mean(0), axis=1))


def test_full_shrinkage_divides_every_axis_alike() -> None:
    norms = np.linalg.norm(fit(rows(), dimensions=12, shrinkage=1.0).projection_CD, axis=0)
    np.testing.assert_allclose(norms, norms[0])


def test_fewer_rows_than_dimensions_give_as_many_axes_as_they_span() -> None:
    few = rows(count=7, width=30)
    whitening = fit(few, dimensions=512)
    assert whitening.dimensions == 6
    white = projected(whitening, few)
    np.testing.assert_allclose(white.T @ white / 7, np.eye(6), atol=1e-8)


def test_both_ways_to_the_axes_agree() -> None:
    # 30 rows of 29 values go through the covariance; with two columns of nothing added, through the Gram matrix.
    tall = rows(count=30, width=29)
    wide = np.hstack([tall, np.zeros((30, 2))])
    a, b = fit(tall, dimensions=5), fit(wide, dimensions=5)
    np.testing.assert_allclose(a.project(tall), b.project(wide), atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 100.0), shift=st.floats(-50.0, 50.0))
def test_neither_scale_nor_shift_of_the_input_changes_a_descriptor(seed: int, scale: float, shift: float) -> None:
    rows_NC = rows(seed, count=60, width=6)
    before = fit(rows_NC, dimensions=4, shrinkage=0.2).project(rows_NC)
    moved = rows_NC * scale + shift
    np.testing.assert_allclose(fit(moved, dimensions=4, shrinkage=0.2).project(moved), before, atol=1e-4)


def test_training_rows_have_a_mean_squared_length_of_one_and_the_mean_stays_zero() -> None:
    rows_NC = rows()
    whitening = fit(rows_NC, dimensions=8)
    assert (whitening.project(rows_NC) ** 2).sum(axis=1).mean() == pytest.approx(1.0, abs=1e-5)
    assert not whitening.project(whitening.mean_C[None]).any()
    assert unit_length(np.zeros((1, 3))).tolist() == [[0, 0, 0]]


def test_a_saved_whitening_gives_the_same_descriptors(tmp_path: Path) -> None:
    rows_NC = rows()
    whitening = fit(rows_NC, dimensions=8)
    whitening.save(tmp_path / "whitening.npz")
    np.testing.assert_array_equal(
        Whitening.load(tmp_path / "whitening.npz").project(rows_NC), whitening.project(rows_NC)
    )


def test_a_pickled_file_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "whitening.npz", mean=np.array([{}], dtype=object), projection=np.zeros((1, 1)))
    with pytest.raises(UsageError, match="holds no whitening"):
        Whitening.load(tmp_path / "whitening.npz")


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (np.ones((1, 3)), "at least 2 rows"),
        (np.ones((5, 3)), "all are alike"),
        (np.array([[0.0, np.nan], [1.0, 2.0]]), "finite"),
    ],
)
def test_rows_that_cannot_be_fitted_are_named(bad: np.ndarray, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        fit(bad, dimensions=2)


def test_rows_of_another_length_are_refused() -> None:
    with pytest.raises(UsageError, match="takes rows of `12` values"):
        fit(rows(), dimensions=3).project(np.zeros((2, 11)))
