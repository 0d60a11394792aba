"""Score normalisation in the baseline's form."""

from __future__ import annotations

import numpy as np
import pytest

from podium.errors import UsageError
from podium.search import ScoreNormaliser, check_independent, normalisation


def rows(count: int, dimensions: int = 10, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, dimensions)).astype(np.float32)


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize("k", [1, 3])
def test_inner_products_are_cosines_less_the_nearness_to_noise(k: int) -> None:
    noise, queries, references = rows(40), rows(6, seed=1), rows(7, seed=2)
    noise[:, 4] *= 0.01
    normaliser = ScoreNormaliser.fit(noise, beta=0.8, k=k)
    product_QR = normaliser.queries(queries) @ normaliser.references(references).T
    assert normaliser.dropped_dimension == 4
    for q, query in enumerate(queries):
        query = unit(np.delete(query, 4))
        near = np.sort([query @ unit(np.delete(each, 4)) for each in noise])[-k:].mean()
        for r, reference in enumerate(references):
            cosine = query @ unit(np.delete(reference, 4))
            assert product_QR[q, r] == pytest.approx(cosine - 0.8 * near, abs=1e-6)


def test_descriptors_keep_their_length_and_type() -> None:
    normaliser = ScoreNormaliser.fit(rows(20))
    for made in (normaliser.queries(rows(3)), normaliser.references(rows(3))):
        assert made.shape == (3, 10)
        assert made.dtype == np.float32


def test_a_query_is_normalised_alike_alone_and_among_others(monkeypatch: pytest.MonkeyPatch) -> None:
    normaliser = ScoreNormaliser.fit(rows(500, 64), k=2)
    queries = rows(300, 64, seed=1)
    together = normaliser.queries(queries)
    monkeypatch.setattr(normalisation, "_BLOCK_BYTES", 4 * 500 * 7)
    np.testing.assert_array_equal(normaliser.queries(queries), together)
    np.testing.assert_array_equal(normaliser.queries(queries[5:6])[0], together[5])


def test_rows_of_zeros_stay_finite() -> None:
    normaliser = ScoreNormaliser.fit(rows(20))
    assert normaliser.queries(np.zeros((1, 10))).tolist() == [[0.0] * 10]
    assert normaliser.references(np.zeros((1, 10))).tolist() == [[0.0] * 9 + [1.0]]


def test_noise_that_is_also_a_reference_is_refused_by_name() -> None:
    check_independent(["T1", "T2"], ["R1"])
    with pytest.raises(UsageError, match="2 of its ids are references too: `R1`, `R2`"):
        check_independent(["R2", "T1", "R1"], ["R1", "R2", "R3"])
    with pytest.raises(UsageError, match="`R4` and 3 more"):
        check_independent([f"R{i}" for i in range(8)], [f"R{i}" for i in range(8)])


def test_rows_that_do_not_fit_the_noise_are_refused() -> None:
    normaliser = ScoreNormaliser.fit(rows(20))
    with pytest.raises(UsageError, match="queries have `9` dimensions; the noise has `10`"):
        normaliser.queries(rows(2, 9))
    with pytest.raises(UsageError, match="references have shape"):
        normaliser.references(rows(2)[0])
    with pytest.raises(UsageError, match="with k `21`"):
        ScoreNormaliser.fit(rows(20), k=21)
    with pytest.raises(UsageError, match="finite"):
        ScoreNormaliser.fit(np.full((3, 3), np.nan))
