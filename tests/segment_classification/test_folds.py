"""Shards parted into folds, whatever order they come in."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("sklearn")

from podium.errors import UsageError
from podium.solutions.segment_classification.folds import split

SHARDS = [Path(f"/data/validate{number:04d}.tfrecord") for number in range(20)]


@given(st.integers(2, 20), st.integers(2, 20), st.integers(0, 99))
def test_every_shard_is_held_out_in_one_fold(count: int, folds: int, seed: int) -> None:
    shards, folds = SHARDS[:count], min(folds, count)
    every = [split(shards, folds=folds, fold=fold, seed=seed) for fold in range(folds)]
    assert sorted(path for each in every for path in each.held_out) == shards
    for each in every:
        assert sorted(each.train + each.held_out) == shards
        assert list(each.train) == sorted(each.train)
        assert count // folds <= len(each.held_out) <= -(-count // folds)


def test_folds_do_not_depend_on_the_order_in_which_a_folder_is_listed() -> None:
    mixed = SHARDS.copy()
    random.Random(1).shuffle(mixed)
    assert split(mixed, fold=3) == split(SHARDS, fold=3)
    elsewhere = [Path("/other") / each.name for each in SHARDS]
    assert [each.name for each in split(elsewhere, fold=3).held_out] == [
        each.name for each in split(SHARDS, fold=3).held_out
    ]


def test_the_folds_are_those_of_kfold_with_seed_42() -> None:
    numbers_N = np.arange(20)
    np.random.RandomState(42).shuffle(numbers_N)
    # 20 shards in 8 folds: the first four have three shards, the others two.
    sizes = [3, 3, 3, 3, 2, 2, 2, 2]
    for fold, part_N in enumerate(np.split(numbers_N, np.cumsum(sizes)[:-1])):
        wanted = [SHARDS[number] for number in sorted(part_N.tolist())]
        assert list(split(SHARDS, fold=fold).held_out) == wanted


def test_seeds_deal_in_other_ways() -> None:
    assert split(SHARDS, fold=0, seed=1).held_out != split(SHARDS, fold=0).held_out


@pytest.mark.parametrize(("folds", "fold"), [(1, 0), (21, 0), (8, 8), (8, -1)])
def test_folds_that_cannot_be_are_refused(folds: int, fold: int) -> None:
    with pytest.raises(UsageError):
        split(SHARDS, folds=folds, fold=fold)


def test_two_shards_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="the same name"):
        split([Path("/a/x.tfrecord"), Path("/b/x.tfrecord")], folds=2, fold=0)
