"""Similarities are exact inner products, rounded once."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from podium.search.rounding import float32_cutoffs, round_sums, rounding_share, similarity, sum_error

float32s = st.floats(-1e6, 1e6, width=32)
row_pairs = st.lists(st.tuples(float32s, float32s), min_size=1, max_size=40)


def truth(query: np.ndarray, reference: np.ndarray) -> Fraction:
    return sum((Fraction(float(q)) * Fraction(float(r)) for q, r in zip(query, reference, strict=True)), Fraction(0))


def nearest_float32(value: Fraction) -> np.float32:
    """By trial of the neighbours; ties to even."""
    guess = np.float32(float(value))
    near = [np.nextafter(guess, np.float32(-np.inf)), guess, np.nextafter(guess, np.float32(np.inf))]
    return min(near, key=lambda each: (abs(Fraction(float(each)) - value), int(each.view(np.uint32)) & 1))


@given(row_pairs)
def test_similarity_is_the_float32_nearest_to_the_true_inner_product(pairs: list[tuple[float, float]]) -> None:
    query, reference = np.array(pairs, np.float32).T
    assert similarity(query, reference) == nearest_float32(truth(query, reference))


def test_a_sum_just_above_a_midpoint_rounds_up_and_not_to_even() -> None:
    query = np.array([1, 2.0**-24, 2.0**-40], np.float32)
    reference = np.array([1, 1, 2.0**-40], np.float32)
    assert float(similarity(query, reference)) == 1 + 2.0**-23
    assert float(similarity(query[:2], reference[:2])) == 1.0
    assert float(similarity(query, reference * np.array([1, 1, -1], np.float32))) == 1.0


@settings(max_examples=50)
@given(st.integers(0, 10_000), st.permutations(range(24)))
def test_sums_in_any_order_round_to_the_same_float32(seed: int, order: list[int]) -> None:
    rng = np.random.default_rng(seed)
    query_PD = rng.standard_normal((4, 24)).astype(np.float32)
    reference_PD = (rng.standard_normal((4, 24)) * 10.0 ** rng.integers(-6, 6, (4, 24))).astype(np.float32)
    reference_PD[2, :12], query_PD[2, :12] = -reference_PD[2, 12:], query_PD[2, 12:]
    norms = np.linalg.norm(query_PD.astype(float), axis=1) * np.linalg.norm(reference_PD.astype(float), axis=1)
    sums = np.zeros(4)
    for dimension in order:
        sums += query_PD[:, dimension].astype(float) * reference_PD[:, dimension].astype(float)
    rounded = round_sums(sums, sum_error(norms, 24), lambda i: (query_PD[i], reference_PD[i]))
    expected = [nearest_float32(truth(*rows)) for rows in zip(query_PD, reference_PD, strict=True)]
    assert rounded.tolist() == [float(each) for each in expected]


@given(st.integers(0, 10_000), st.floats(-20, 20))
def test_a_pair_at_the_floor_is_never_below_the_float32_cutoff(seed: int, exponent: float) -> None:
    rng = np.random.default_rng(seed)
    query_QD = (rng.standard_normal((6, 33)) * 10**exponent).astype(np.float32)
    reference_RD = rng.standard_normal((9, 33)).astype(np.float32)
    product_QR = query_QD @ reference_RD.T
    norms_Q = np.linalg.norm(query_QD.astype(float), axis=1) * np.linalg.norm(reference_RD.astype(float), axis=1).max()
    for reference in range(9):
        floor = float(similarity(query_QD[0], reference_RD[reference]))
        cutoff = float32_cutoffs(floor, norms_Q * rounding_share(33), 33)[0]
        assert product_QR[0, reference] >= cutoff
