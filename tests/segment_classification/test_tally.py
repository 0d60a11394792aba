"""How well rated pairs are told, against slow counts and a hand-worked case."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from podium.errors import UsageError  # noqa: E402 - after the check for torch
from podium.solutions.segment_classification.dataset import SegmentBatch  # noqa: E402
from podium.solutions.segment_classification.tally import SegmentTally  # noqa: E402

CLASSES = 4


def batch(class_R: Any, score_R: Any, *, video_R: Any = None, free_VC: Any = None) -> SegmentBatch:
    rows = len(class_R)
    videos = np.arange(rows) if video_R is None else video_R
    count = int(max(videos, default=-1)) + 1
    return SegmentBatch(
        windows_RTD=torch.zeros(rows, 11, 1152, dtype=torch.uint8),
        mask_RT=torch.ones(rows, 11, dtype=torch.bool),
        class_R=torch.as_tensor(class_R, dtype=torch.int64),
        score_R=torch.as_tensor(score_R, dtype=torch.float32),
        video_R=torch.as_tensor(videos, dtype=torch.int64),
        free_VC=torch.as_tensor(np.zeros((count, CLASSES), bool) if free_VC is None else free_VC),
        features_VTD=torch.zeros(count, 0, 1152, dtype=torch.uint8),
        frames_VT=torch.zeros(count, 0, dtype=torch.bool),
        number_V=torch.arange(count),
        start_R=torch.zeros(rows, dtype=torch.int64),
    )


def rows(probability_R: Any, class_R: Any, other: float = 0.9) -> Any:
    table_RC = torch.full((len(class_R), CLASSES), other)
    table_RC[torch.arange(len(class_R)), torch.as_tensor(class_R)] = torch.as_tensor(probability_R, dtype=torch.float32)
    return table_RC


def test_a_case_worked_by_hand() -> None:
    tally = SegmentTally(CLASSES)
    free_VC = np.array([[False, True, True, False], [False, False, False, True]])
    first = batch([0, 0, 1], [1, 0, 1], video_R=[0, 0, 1], free_VC=free_VC)
    probability_RC = rows([0.9, 0.6, 0.4], [0, 0, 1], other=0.2)
    probability_RC[0, 1] = 0.7
    tally.add(first, probability_RC)
    tally.add(batch([0], [1]), rows([0.5], [0]))
    found = tally.result()
    assert found.pairs == 4
    # Positives 0.9, 0.4, 0.5 against the negative 0.6: one of three is above.
    assert found.auc == pytest.approx(1 / 3)
    # Right: 0.9 only; 0.5 says no.
    assert found.accuracy == pytest.approx(1 / 4)
    # Free: two of each of two rows, one of the third; only 0.7 is above a half.
    assert found.mined_accuracy == pytest.approx(4 / 5)
    # Class 0: 0.9 yes, 0.6 no, 0.5 yes: (1 + 2/3) / 2. Class 1: 1.
    assert found.map == pytest.approx(((1 + 2 / 3) / 2 + 1) / 2)


@given(st.integers(0, 10_000), st.integers(2, 40), st.integers(1, 5))
def test_the_area_is_the_share_of_pairs_in_the_right_order(seed: int, count: int, parts: int) -> None:
    rng = np.random.default_rng(seed)
    class_R, score_R = rng.integers(0, CLASSES, count), rng.integers(0, 2, count)
    probability_R = np.round(rng.random(count), 1)
    tally = SegmentTally(CLASSES)
    for part in np.array_split(np.arange(count), parts):
        tally.add(batch(class_R[part], score_R[part]), rows(probability_R[part], class_R[part]))
    above = [
        float(yes > no) + 0.5 * float(yes == no)
        for yes in probability_R[score_R == 1]
        for no in probability_R[score_R == 0]
    ]
    found = tally.result()
    assert found.auc == (pytest.approx(np.mean(above)) if above else None)
    assert found.accuracy == pytest.approx(np.mean((probability_R.astype(np.float32) > 0.5) == (score_R == 1)))


def test_what_was_not_rated_is_none() -> None:
    nothing = SegmentTally(CLASSES).result()
    assert (nothing.pairs, nothing.auc, nothing.accuracy, nothing.mined_accuracy, nothing.map) == (0, *[None] * 4)
    tally = SegmentTally(CLASSES)
    tally.add(batch([2, 3], [0, 0]), rows([0.1, 0.2], [2, 3]))
    found = tally.result()
    assert (found.auc, found.accuracy, found.mined_accuracy, found.map) == (None, 1.0, None, None)


def test_what_does_not_fit_is_refused() -> None:
    tally = SegmentTally(CLASSES)
    with pytest.raises(UsageError, match=r"`\(2, 4\)` is needed"):
        tally.add(batch([2, 3], [0, 0]), torch.zeros(2, 5))
    with pytest.raises(UsageError, match="not finite"):
        tally.add(batch([2], [0]), rows([float("nan")], [2]))
