"""VCSL's first precision and recall against a plain loop."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

from podium.errors import ChallengeError
from podium.metrics.localisation import localisation
from podium.metrics.segments import Segments

_PLAIN = runpy.run_path(str(Path(__file__).with_name("plain_segments.py")))
length = _PLAIN["length"]

Box = tuple[float, float, float, float]


def segments(boxes: list[tuple[int, int, Box]]) -> Segments:
    return Segments(
        query_N=np.array([each[0] for each in boxes], int),
        reference_N=np.array([each[1] for each in boxes], int),
        times_N4=np.array([each[2] for each in boxes], float).reshape(-1, 4),
    )


def share(boxes: list[Box], others: list[Box]) -> float:
    """What boxes share with others they overlap, over the sum of their lengths, both axes multiplied."""
    value = 1.0
    for axis in (0, 2):
        found = 0.0
        for a in boxes:
            common = [
                (max(a[axis], b[axis]), min(a[axis + 1], b[axis + 1]))
                for b in others
                if all(min(a[at + 1], b[at + 1]) > max(a[at], b[at]) for at in (0, 2))
            ]
            found += length(common)
        value *= found / (sum(box[axis + 1] - box[axis] for box in boxes) + 1e-6)
    return value


def test_every_pair_is_that_of_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        drawn: list[list[tuple[int, int, Box]]] = []
        for count in (int(rng.integers(0, 20)), int(rng.integers(1, 8))):
            starts, sizes = rng.integers(0, 12, (count, 2)).tolist(), rng.integers(1, 6, (count, 2)).tolist()
            drawn.append(
                [
                    (int(rng.integers(0, 2)), int(rng.integers(0, 2)), (q, q + w, r, r + h))
                    for (q, r), (w, h) in zip(starts, sizes, strict=True)
                ]
            )
        boxes, truth = drawn
        found = localisation(segments(boxes), segments(truth))
        pairs = sorted({each[:2] for each in boxes + truth})
        assert list(zip(found.query_P.tolist(), found.reference_P.tolist(), strict=True)) == pairs
        for at, pair in enumerate(pairs):
            mine, true = ([each[2] for each in some if each[:2] == pair] for some in (boxes, truth))
            precision = share(mine, true) if mine else float("nan")
            recall = share(true, mine) if true else float("nan")
            assert found.precision_P[at] == pytest.approx(precision, abs=1e-12, nan_ok=True)
            assert found.recall_P[at] == pytest.approx(recall, abs=1e-12, nan_ok=True)


def test_pairs_of_one_side_only_are_counted_and_leave_the_other_mean_alone() -> None:
    box: Box = (0.0, 10.0, 0.0, 10.0)
    found = localisation(segments([(0, 0, box), (0, 1, box)]), segments([(0, 0, box), (1, 0, box)]))
    assert (found.missed, found.false_alarms) == (1, 1)
    assert found.precision == pytest.approx(0.5, abs=1e-6)
    assert found.recall == pytest.approx(0.5, abs=1e-6)
    assert found.f == pytest.approx(0.5, abs=1e-6)


def test_without_predictions_there_is_no_precision_and_without_truth_no_score() -> None:
    box: Box = (0.0, 10.0, 0.0, 10.0)
    found = localisation(segments([]), segments([(0, 0, box)]))
    assert found.precision is None
    assert (found.recall, found.f) == (0.0, 0.0)
    with pytest.raises(ChallengeError, match="nothing to score"):
        localisation(segments([(0, 0, box)]), segments([]))
