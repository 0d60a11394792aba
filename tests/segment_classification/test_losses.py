"""The losses: the values of the fact sheet, a slow loop that does the same, gradients, half precision."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from podium.errors import UsageError  # noqa: E402 - after the check for torch
from podium.solutions.segment_classification.losses import segment_loss, video_loss  # noqa: E402

LN2 = math.log(2)


def entropy(logit: float, label: float) -> float:
    probability = 1 / (1 + math.exp(-logit))
    return -label * math.log(probability) - (1 - label) * math.log(1 - probability)


def slow(logits_RC: Any, class_R: Any, score_R: Any, free_RC: Any, weight: float) -> float:
    rated = [
        (score + 0.5) * entropy(row[each], score) for row, each, score in zip(logits_RC, class_R, score_R, strict=True)
    ]
    mined = [
        entropy(logit, 0)
        for row, free in zip(logits_RC, free_RC, strict=True)
        for logit, counts in zip(row, free, strict=True)
        if counts
    ]
    return sum(rated) / len(rated) + (weight * sum(mined) / len(mined) if mined else 0)


def draw(seed: int, rows: int, classes: int) -> tuple[Any, Any, Any, Any]:
    rng = np.random.default_rng(seed)
    return (
        torch.from_numpy(rng.normal(0, 3, (rows, classes))),
        torch.from_numpy(rng.integers(0, classes, rows)),
        torch.from_numpy(rng.integers(0, 2, rows).astype(np.float32)),
        torch.from_numpy(rng.random((rows, classes)) < 0.6),
    )


@pytest.mark.parametrize(("score", "wanted"), [(0.0, 0.693147), (1.0, 1.386294)])
def test_without_a_clue_the_loss_is_that_of_the_sheet(score: float, wanted: float) -> None:
    free_RC = torch.ones(3, 1000, dtype=torch.bool)
    free_RC[:, 5] = False
    loss = segment_loss(torch.zeros(3, 1000), torch.tensor([5, 5, 5]), torch.full((3,), score), free_RC)
    assert float(loss) == pytest.approx(wanted, abs=5e-7)


def test_a_case_worked_by_hand() -> None:
    logits_RC = torch.tensor([[0.0, math.log(3), -50.0], [math.log(3), 0.0, 0.0]])
    free_RC = torch.tensor([[True, False, False], [False, False, True]])
    loss = segment_loss(logits_RC, torch.tensor([1, 0]), torch.tensor([1.0, 0.0]), free_RC, negative_weight=1.0)
    # Rated: 1.5 x -ln(3/4) and 0.5 x -ln(1/4), their mean. Mined: ln 2 and ln 2.
    assert float(loss) == pytest.approx((1.5 * math.log(4 / 3) + 0.5 * math.log(4)) / 2 + LN2, rel=1e-6)


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 8), st.floats(0, 2))
def test_the_loss_is_that_of_the_slow_loop(seed: int, rows: int, classes: int, weight: float) -> None:
    case = draw(seed, rows, classes)
    wanted = slow(*(each.tolist() for each in case), weight)
    assert float(segment_loss(*case, negative_weight=weight)) == pytest.approx(wanted, rel=1e-9, abs=1e-12)


@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 7))
def test_videos_are_judged_by_the_mean_of_all_pairs(seed: int, rows: int, classes: int) -> None:
    logits_NC, _, _, labels_NC = draw(seed, rows, classes)
    flat = zip(logits_NC.flatten().tolist(), labels_NC.flatten().tolist(), strict=True)
    wanted = sum(entropy(logit, label) for logit, label in flat) / (rows * classes)
    assert float(video_loss(logits_NC, labels_NC.float())) == pytest.approx(wanted, rel=1e-9)


def test_gradients_are_those_of_finite_differences() -> None:
    logits_RC, class_R, score_R, free_RC = draw(3, 4, 6)
    for loss in (
        lambda each: segment_loss(each, class_R, score_R, free_RC),
        lambda each: video_loss(each, free_RC.double()),
    ):
        moving_RC = logits_RC.clone().requires_grad_(True)
        loss(moving_RC).backward()
        for row, column in np.ndindex(4, 6):
            step_RC = torch.zeros(4, 6, dtype=torch.float64)
            step_RC[row, column] = 1e-5
            slope = float(loss(logits_RC + step_RC) - loss(logits_RC - step_RC)) / 2e-5
            assert float(moving_RC.grad[row, column]) == pytest.approx(slope, abs=1e-8)


def test_only_what_is_rated_or_free_learns() -> None:
    logits_RC, class_R, score_R, free_RC = draw(4, 5, 6)
    logits_RC.requires_grad_(True)
    segment_loss(logits_RC, class_R, score_R, free_RC).backward()
    used_RC = free_RC.clone()
    used_RC[torch.arange(5), class_R] = True
    assert torch.equal(logits_RC.grad != 0, used_RC)


def test_without_mined_negatives_only_ratings_count() -> None:
    logits_RC = torch.zeros(2, 3, requires_grad=True)
    loss = segment_loss(logits_RC, torch.tensor([0, 2]), torch.tensor([0.0, 1.0]), torch.zeros(2, 3, dtype=torch.bool))
    assert float(loss.detach()) == pytest.approx(LN2)
    loss.backward()
    assert torch.isfinite(logits_RC.grad).all()


def test_a_batch_without_a_rating_teaches_nothing() -> None:
    logits_RC = torch.zeros(0, 3, requires_grad=True)
    loss = segment_loss(
        logits_RC, torch.zeros(0, dtype=torch.int64), torch.zeros(0), torch.zeros(0, 3, dtype=torch.bool)
    )
    loss.backward()
    assert float(loss.detach()) == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_widened_before_anything_is_summed(dtype: Any) -> None:
    logits_RC = torch.full((100, 1000), 60.0, dtype=dtype, requires_grad=True)
    free_RC = torch.ones(100, 1000, dtype=torch.bool)
    loss = segment_loss(logits_RC, torch.zeros(100, dtype=torch.int64), torch.zeros(100), free_RC)
    assert loss.dtype == torch.float32
    assert float(loss.detach()) == pytest.approx(60)
    loss.backward()
    assert torch.isfinite(logits_RC.grad).all()
    assert float(video_loss(torch.full((3, 4), -60.0, dtype=dtype), torch.ones(3, 4))) == pytest.approx(60)


def test_an_endless_logit_of_a_class_that_does_not_count_is_no_harm() -> None:
    logits_RC = torch.tensor([[0.0, math.inf]])
    loss = segment_loss(logits_RC, torch.tensor([0]), torch.tensor([0.0]), torch.tensor([[True, False]]))
    assert float(loss) == pytest.approx(LN2)


def test_shapes_that_do_not_fit_are_refused() -> None:
    free_RC = torch.ones(2, 3, dtype=torch.bool)
    with pytest.raises(UsageError, match=r"the logits are `\(2, 3\)`"):
        segment_loss(torch.zeros(2, 3), torch.zeros(2, 1, dtype=torch.int64), torch.zeros(2), free_RC)
    with pytest.raises(UsageError, match=r"`\(1, 3\)`"):
        segment_loss(torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64), torch.zeros(2), free_RC[:1])
