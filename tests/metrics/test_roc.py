"""The area under the ROC curve: by hand, against scikit-learn, and its laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from podium.errors import UsageError
from podium.metrics.roc import roc_auc, roc_auc_by_group

rows = st.lists(
    st.tuples(st.integers(-4, 4).map(lambda each: each / 4), st.booleans(), st.integers(0, 3)), min_size=1, max_size=60
)


def split(found: list[tuple[float, bool, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return tuple(np.array(each) for each in zip(*found, strict=True))  # type: ignore[return-value]


def test_three_of_four_pairs_are_won() -> None:
    assert roc_auc(np.array([0.9, 0.3, 0.5, 0.1]), np.array([True, True, False, False])) == 0.75


def test_without_a_pair_there_is_no_area() -> None:
    assert roc_auc(np.array([0.9, 0.3]), np.array([True, True])) is None
    assert roc_auc(np.array([]), np.array([], bool)) is None


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(UsageError, match="one entry a prediction"):
        roc_auc(np.ones(3), np.array([True, False]))
    with pytest.raises(UsageError, match="score `1` is not finite"):
        roc_auc(np.array([0.0, math.nan]), np.array([True, False]))
    with pytest.raises(UsageError, match="0 to `0` are known"):
        roc_auc_by_group(np.ones(1), np.array([True]), np.array([1]), groups=1)


@given(rows)
def test_every_group_has_the_area_of_scikit_learn(found: list[tuple[float, bool, int]]) -> None:
    score, positive, group = split(found)
    values = roc_auc_by_group(score, positive, group, groups=4)
    for each in range(4):
        mine = group == each
        if len(set(positive[mine].tolist())) == 2:
            assert values[each] == pytest.approx(roc_auc_score(positive[mine], score[mine]), abs=1e-12)
        else:
            assert math.isnan(values[each])


@given(rows)
def test_turning_the_scores_round_turns_the_area_round(found: list[tuple[float, bool, int]]) -> None:
    score, positive, _ = split(found)
    area, turned = roc_auc(score, positive), roc_auc(-score, positive)
    if area is None:
        assert turned is None
    else:
        assert turned == pytest.approx(1 - area, abs=1e-12)
