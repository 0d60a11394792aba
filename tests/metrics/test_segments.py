"""Segment AP: the worked values of the rule, a plain twin, and laws."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.errors import ChallengeError, UsageError
from podium.metrics.segments import Segments, SegmentTally, pairwise_average_precision, segment_average_precision

_PLAIN = runpy.run_path(str(Path(__file__).with_name("plain_segments.py")))
plain_curve, length, side = _PLAIN["plain_curve"], _PLAIN["length"], _PLAIN["side"]

Box = tuple[int, int, float, float, float, float]
TRUE: list[Box] = [(0, 0, 10, 20, 40, 50)]


def segments(boxes: list[Box]) -> Segments:
    return Segments(
        query_N=np.array([each[0] for each in boxes], int),
        reference_N=np.array([each[1] for each in boxes], int),
        times_N4=np.array([each[2:] for each in boxes], float).reshape(-1, 4),
    )


def ap(boxes: list[Box], truth: list[Box], scores: list[float] | None = None) -> float:
    ranked = np.array(range(len(boxes), 0, -1) if scores is None else scores, float)
    return segment_average_precision(segments(boxes), ranked, segments(truth))


@pytest.mark.parametrize(
    ("boxes", "truth", "scores", "expected"),
    [
        pytest.param(TRUE, TRUE, None, 1.0, id="perfect"),
        pytest.param([(0, 0, 10, 15, 40, 45)], TRUE, None, 0.5, id="half a box"),
        pytest.param([(0, 0, 10, 15, 40, 45), (0, 0, 15, 20, 45, 50)], TRUE, None, 1.0, id="two halves"),
        pytest.param([(0, 0, 10, 15, 45, 50), (0, 0, 15, 20, 40, 45)], TRUE, None, 1.0, id="anti-diagonal halves"),
        pytest.param([(0, 0, 10, 30, 40, 60)], TRUE, None, 0.5, id="twice as long"),
        pytest.param([(0, 0, 10, 20, 50, 60)], TRUE, None, 0.0, id="overlap on one axis"),
        pytest.param(TRUE, [*TRUE, (0, 0, 10, 20, 70, 80)], None, 0.5**0.5, id="one of two references"),
        pytest.param([(0, 1, 10, 20, 40, 50), *TRUE], TRUE, None, 0.5, id="wrong reference first"),
        pytest.param([(0, 1, 10, 20, 40, 50), *TRUE], TRUE, [1, 1], 0.5, id="wrong reference tied"),
        pytest.param([*TRUE, (0, 1, 10, 20, 40, 50)], TRUE, None, 1.0, id="wrong reference last"),
        pytest.param(TRUE * 2, TRUE, None, 1.0, id="said twice"),
        pytest.param(TRUE, TRUE * 2, None, 1.0, id="truth twice"),
        pytest.param([(0, 0, 20, 10, 40, 50)], TRUE, None, 0.0, id="reversed"),
        pytest.param([], TRUE, None, 0.0, id="nothing"),
        pytest.param([(0, 0, 15, 15, 40, 50), *TRUE], TRUE, None, 1.0, id="a first box of no length"),
        pytest.param(TRUE, TRUE, [float("inf")], 1.0, id="infinite score"),
        pytest.param([(0, 1, 0, 1, 0, 1), *TRUE], TRUE, [-2, -1], 1.0, id="negative scores"),
    ],
)
def test_the_worked_values_of_the_rule(
    boxes: list[Box], truth: list[Box], scores: list[float] | None, expected: float
) -> None:
    assert ap(boxes, truth, scores) == pytest.approx(expected, abs=1e-12)


def random_boxes(rng: np.random.Generator, count: int, *, reversed_too: bool) -> list[Box]:
    """Boxes on a coarse grid: ties, touching and duplicates are common."""
    boxes: list[Box] = []
    for _ in range(count):
        q, r = (float(each) / 4 for each in rng.integers(0, 12, 2))
        long, wide = (float(each) / 4 for each in rng.integers(-1 if reversed_too else 0, 6, 2))
        boxes.append((int(rng.integers(0, 3)), int(rng.integers(0, 2)), q, q + long, r, r + wide))
    return boxes


def test_five_hundred_random_cases_are_those_of_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    cases = 0
    while cases < 500:
        boxes = random_boxes(rng, int(rng.integers(0, 25)), reversed_too=True)
        truth = random_boxes(rng, int(rng.integers(1, 8)), reversed_too=False)
        if not all(length(side(truth, axis)) for axis in range(2)):
            continue
        cases += 1
        scores = rng.integers(0, 6, len(boxes)).astype(float) if cases % 2 else rng.permutation(len(boxes)) * 1.5
        value, points = plain_curve(list(zip(boxes, scores.tolist(), strict=True)), truth)
        tally = SegmentTally.of(segments(boxes), scores, segments(truth))
        assert tally.average_precision() == pytest.approx(value, abs=1e-12)
        curve = tally.curve()
        assert curve is not None
        found = np.stack([curve.similarity_G, curve.precision_G, curve.recall_G], axis=1)
        assert found == pytest.approx(np.array(points).reshape(-1, 3), abs=1e-12)


def test_many_boxes_of_one_pair_are_those_of_a_plain_loop() -> None:
    rng = np.random.default_rng(1)
    starts = rng.uniform(0, 60, (150, 2))
    boxes = [
        (0, 0, q, q + w, r, r + h)
        for (q, r), (w, h) in zip(starts.tolist(), rng.uniform(0, 9, (150, 2)).tolist(), strict=True)
    ]
    truth: list[Box] = [(0, 0, 5, 25, 10, 30), (0, 0, 20, 40, 35, 50)]
    scores = rng.random(150)
    value, _ = plain_curve(list(zip(boxes, scores.tolist(), strict=True)), truth)
    assert segment_average_precision(segments(boxes), scores, segments(truth)) == pytest.approx(value, abs=1e-12)


def example(seed: int, *, boxes: int = 30, truth: int = 6) -> tuple[Segments, np.ndarray, Segments]:
    rng = np.random.default_rng(seed)
    wanted = segments([*random_boxes(rng, truth, reversed_too=False), *TRUE])
    return segments(random_boxes(rng, boxes, reversed_too=False)), rng.integers(0, 9, boxes).astype(float), wanted


@given(st.integers(0, 10_000))
def test_an_order_preserving_change_of_scores_changes_nothing(seed: int) -> None:
    boxes, scores, truth = example(seed)
    before = segment_average_precision(boxes, scores, truth)
    assert segment_average_precision(boxes, np.exp(scores) - 5, truth) == before


@given(st.integers(0, 10_000))
def test_the_order_of_rows_plays_no_part(seed: int) -> None:
    boxes, scores, truth = example(seed)
    order = np.random.default_rng(seed).permutation(len(scores))
    value = segment_average_precision(boxes.only(order), scores[order], truth)
    assert value == pytest.approx(segment_average_precision(boxes, scores, truth), abs=1e-14)


@given(st.integers(0, 10_000))
def test_predictions_without_a_score_above_the_others_add_nothing_when_left_out_last(seed: int) -> None:
    boxes, scores, truth = example(seed)
    kept = scores > scores.min()
    fewer = segment_average_precision(boxes.only(kept), scores[kept], truth)
    assert fewer <= segment_average_precision(boxes, scores, truth) + 1e-14


@given(st.integers(0, 10_000))
def test_a_weight_of_two_is_a_second_query_of_the_same_content(seed: int) -> None:
    boxes, scores, truth = example(seed)
    tally = SegmentTally.of(boxes, scores, truth, queries=3)
    weights = np.random.default_rng(seed).integers(0, 4, 3)

    def copies(each: Segments) -> tuple[Segments, np.ndarray]:
        rows = [(row, copy) for row, query in enumerate(each.query_N) for copy in range(weights[query])]
        at = np.array([row for row, _ in rows], int)
        query = np.array([each.query_N[row] + 3 * copy for row, copy in rows], int)
        return Segments(query_N=query, reference_N=each.reference_N[at], times_N4=each.times_N4[at]), at

    many, at = copies(boxes)
    wanted, _ = copies(truth)
    value = tally.average_precision(weights.astype(float))
    if not (weights @ tally.truth_Q2 > 0).all():
        assert np.isnan(value)
    else:
        assert value == pytest.approx(segment_average_precision(many, scores[at], wanted), abs=1e-12)


def test_draws_are_weightings_and_the_same_seed_draws_the_same() -> None:
    boxes, scores, truth = example(3, boxes=60)
    tally = SegmentTally.of(boxes, scores, truth, queries=5)
    drawn = tally.resampled(resamples=40, seed=9)
    rng = np.random.default_rng(9)
    plain = [tally.average_precision(np.bincount(rng.integers(0, 5, 5), minlength=5).astype(float)) for _ in range(40)]
    assert drawn == pytest.approx(np.array(plain), abs=1e-12, nan_ok=True)
    assert np.array_equal(drawn, tally.resampled(resamples=40, seed=9), equal_nan=True)
    assert len(np.unique(drawn)) > 5


def test_each_query_by_itself_is_the_metric_of_its_own_boxes() -> None:
    boxes, scores, truth = example(4, boxes=60, truth=10)
    per_query = SegmentTally.of(boxes, scores, truth, queries=4).per_query()
    assert np.isnan(per_query[3])
    for query in range(3):
        mine, wanted = boxes.query_N == query, truth.query_N == query
        if not np.isnan(per_query[query]):
            alone = segment_average_precision(boxes.only(mine), scores[mine], truth.only(wanted))
            assert per_query[query] == pytest.approx(alone, abs=1e-12)


def test_pairs_keep_their_order_below_zero_and_parity_ties_them() -> None:
    boxes = segments([(0, 0, 0, 1, 0, 1), (0, 1, 0, 1, 0, 1), (0, 1, 5, 6, 5, 6)])
    scores = np.array([-0.1, -0.3, -0.2])
    truth = segments([(0, 0, 9, 10, 9, 10)])
    assert pairwise_average_precision(boxes, scores, truth) == 1.0
    assert pairwise_average_precision(boxes, scores, truth, parity=True) == 0.5


def test_what_cannot_be_scored_is_refused() -> None:
    boxes = segments(TRUE)
    one = np.ones(1)
    with pytest.raises(ChallengeError, match="nothing to score"):
        segment_average_precision(boxes, one, segments([]))
    with pytest.raises(ChallengeError, match="nothing to score"):
        segment_average_precision(boxes, one, segments([(0, 0, 5, 5, 1, 2)]))
    with pytest.raises(ChallengeError, match="no positive pair"):
        pairwise_average_precision(boxes, one, segments([]))
    with pytest.raises(UsageError, match="score `0` is NaN"):
        segment_average_precision(boxes, np.array([np.nan]), boxes)
    with pytest.raises(UsageError, match="one for each of `1` boxes"):
        segment_average_precision(boxes, np.ones(2), boxes)
    with pytest.raises(UsageError, match="all must be finite"):
        segments([(0, 0, 0, float("inf"), 1, 2)])
    with pytest.raises(UsageError, match="numbered from 0"):
        segments([(-1, 0, 0, 1, 1, 2)])
    with pytest.raises(UsageError, match="query `0`; 0 to `-1`"):
        SegmentTally.of(boxes, one, boxes, queries=0)
