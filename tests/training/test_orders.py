"""Orders for large sets: few shards at a time, and epochs cut out of an endless walk."""

from __future__ import annotations

from collections import Counter
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")

from podium.errors import UsageError
from podium.solutions.training import ranks
from podium.solutions.training.batches import Batches, Order, endless, in_order, shuffled, windowed

LENGTHS = st.lists(st.integers(0, 7), min_size=1, max_size=12)


def epoch(order: Order, number: int, *, seed: int = 0, step: int = 1) -> list[int]:
    return order.units(number, seed, step)[:, 0].tolist()


def shard_of(lengths: list[int], example: int) -> int:
    return next(shard for shard, end in enumerate(accumulate(lengths)) if example < end)


@given(LENGTHS, st.integers(1, 14), st.integers(0, 5), st.integers(0, 5))
def test_a_pass_over_windows_has_every_example_once(lengths: list[int], shards: int, number: int, seed: int) -> None:
    order = windowed(lengths, shards=shards)
    assert order.length(3) == sum(lengths)
    assert sorted(epoch(order, number, seed=seed)) == list(range(sum(lengths)))


@given(LENGTHS, st.integers(1, 14), st.integers(0, 5))
def test_only_so_many_shards_are_read_at_a_time(lengths: list[int], shards: int, number: int) -> None:
    walk = [shard_of(lengths, each) for each in epoch(windowed(lengths, shards=shards), number)]
    first = {shard: at for at, shard in reversed(list(enumerate(walk)))}
    last = {shard: at for at, shard in enumerate(walk)}
    for at in range(len(walk)):
        assert sum(first[each] <= at <= last[each] for each in first) <= shards


def test_windows_are_other_shards_in_every_pass() -> None:
    order = windowed([5] * 12, shards=3)

    def windows(number: int) -> list[frozenset[int]]:
        walk = epoch(order, number)
        return [frozenset(each // 5 for each in walk[at : at + 15]) for at in range(0, 60, 15)]

    assert [len(each) for each in windows(0)] == [3, 3, 3, 3]
    assert set(windows(0)) != set(windows(1))
    assert epoch(order, 0) == epoch(order, 0)
    assert epoch(order, 0) != epoch(order, 0, seed=1)


def test_examples_of_a_window_are_mixed() -> None:
    walk = [each // 100 for each in epoch(windowed([100] * 4, shards=4), 0)]
    changes = sum(one != other for one, other in pairwise(walk))
    # Of 399 neighbours three quarters are of different shards by chance.
    assert 250 < changes < 350


def test_windows_are_of_like_size() -> None:
    walk = [each // 10 for each in epoch(windowed([10] * 9, shards=8), 0)]
    assert len(set(walk[:50])) == 5
    assert len(set(walk[50:])) == 4


@given(LENGTHS.filter(any), st.integers(1, 9), st.integers(1, 5), st.integers(0, 9), st.integers(0, 3))
def test_an_endless_walk_is_the_passes_one_after_the_other(
    lengths: list[int], steps: int, step: int, number: int, seed: int
) -> None:
    order = windowed(lengths, shards=2)
    walk = endless(order, steps=steps)
    wanted, total = steps * step, sum(lengths)
    passes = -(-(number + 1) * wanted // total)
    whole = [each for pass_ in range(passes) for each in epoch(order, pass_, seed=seed)]
    assert epoch(walk, number, seed=seed, step=step) == whole[number * wanted :][:wanted]
    assert walk.length(step) == wanted


def test_after_many_epochs_all_examples_came_equally_often() -> None:
    walk = endless(shuffled(7), steps=3)
    counts = Counter(each for number in range(14) for each in epoch(walk, number, step=2))
    assert counts == dict.fromkeys(range(7), 12)


def test_an_epoch_has_its_steps_however_few_examples_there_are() -> None:
    batches = Batches(endless(in_order(3), steps=4), units=5, seed=1)
    assert len(batches) == 4
    assert [[draw.example for draw in batch] for batch in batches] == [
        [0, 1, 2, 0, 1],
        [2, 0, 1, 2, 0],
        [1, 2, 0, 1, 2],
        [0, 1, 2, 0, 1],
    ]


def test_an_example_that_comes_again_is_drawn_with_another_seed() -> None:
    batches = Batches(endless(in_order(3), steps=4), units=3, seed=1)
    draws = [draw for batch in batches for draw in batch]
    assert len({draw.seed for draw in draws}) == len(draws) == 12


@given(LENGTHS.filter(any), st.integers(1, 6), st.integers(1, 4), st.integers(0, 7), st.integers(0, 6))
def test_a_walk_is_gone_on_with_from_any_step(
    lengths: list[int], steps: int, units: int, number: int, first: int
) -> None:
    batches = Batches(endless(windowed(lengths, shards=2), steps=steps), units=units, seed=5)
    batches.seek(epoch=number)
    whole = list(batches)
    assert len(whole) == steps
    batches.seek(epoch=number, batch=first)
    assert list(batches) == whole[first:]


@pytest.mark.parametrize("steps", [1, 5])
def test_two_processes_share_the_steps_of_one_with_the_larger_batch(
    steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def walk(rank: int, count: int, units: int) -> list[list[Any]]:
        monkeypatch.setattr(ranks, "rank", lambda: rank)
        monkeypatch.setattr(ranks, "count", lambda: count)
        batches = Batches(endless(windowed([4, 3, 6, 2, 5], shards=2), steps=steps), units=units, seed=2)
        batches.seek(epoch=1)
        return list(batches)

    whole, parts = walk(0, 1, 6), [walk(rank, 2, 3) for rank in range(2)]
    assert [len(part) for part in parts] == [steps, steps]
    for step, batch in enumerate(whole):
        assert parts[0][step] == batch[0::2]
        assert parts[1][step] == batch[1::2]


def test_orders_that_cannot_be_are_refused() -> None:
    with pytest.raises(UsageError, match="`0` shards"):
        windowed([3], shards=0)
    with pytest.raises(UsageError, match="`-1` examples"):
        windowed([3, -1])
    with pytest.raises(UsageError, match="`0` steps"):
        endless(in_order(3), steps=0)
    with pytest.raises(UsageError, match="no units"):
        list(Batches(endless(windowed([0, 0]), steps=2), units=1))


def test_no_shard_is_no_example() -> None:
    assert windowed([]).units(0, 0, 1).shape == (0, 1)
    assert np.issubdtype(windowed([]).units(0, 0, 1).dtype, np.integer)
