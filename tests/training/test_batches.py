"""Batches: every example once, shared out, from any batch on."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")

from podium.errors import UsageError
from podium.solutions.training import ranks
from podium.solutions.training.batches import (
    Batches,
    Draw,
    balanced,
    in_order,
    loader,
    sample_seed,
    shuffled,
)


def examples(batches: Batches) -> list[list[int]]:
    return [[draw.example for draw in batch] for batch in batches]


@pytest.fixture
def as_process(monkeypatch: pytest.MonkeyPatch) -> Any:
    def become(rank: int, count: int) -> None:
        monkeypatch.setattr(ranks, "rank", lambda: rank)
        monkeypatch.setattr(ranks, "count", lambda: count)

    return become


def test_an_epoch_in_order_ends_with_what_is_left() -> None:
    assert examples(Batches(in_order(5), units=2, drop_last=False)) == [[0, 1], [2, 3], [4]]
    assert examples(Batches(in_order(5), units=2)) == [[0, 1], [2, 3]]


@given(st.integers(1, 40), st.integers(1, 7), st.integers(0, 5), st.integers(0, 5))
def test_a_shuffled_epoch_has_every_example_once(count: int, units: int, epoch: int, seed: int) -> None:
    batches = Batches(shuffled(count), units=units, seed=seed, drop_last=False)
    batches.seek(epoch=epoch)
    found = examples(batches)
    assert len(found) == len(batches)
    assert sorted(example for batch in found for example in batch) == list(range(count))


@given(st.integers(1, 40), st.integers(1, 7), st.integers(0, 9))
def test_a_walk_from_a_batch_on_is_the_rest_of_the_walk(count: int, units: int, first: int) -> None:
    batches = Batches(shuffled(count), units=units, seed=3)
    batches.seek(epoch=2)
    whole, length = list(batches), len(batches)
    batches.seek(epoch=2, batch=first)
    assert list(batches) == whole[first:]
    assert len(batches) == length


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    def walk(seed: int, epoch: int) -> list[list[int]]:
        batches = Batches(shuffled(30), units=5, seed=seed)
        batches.seek(epoch=epoch)
        return examples(batches)

    walks = [walk(seed, epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert all(walks[a] != walks[b] for a in range(4) for b in range(a))
    assert walk(0, 1) == walks[1]


@pytest.mark.parametrize("drop_last", [True, False])
@pytest.mark.parametrize("count", [24, 25, 26, 29])
def test_processes_share_the_step_of_one_process_with_the_larger_batch(
    count: int, drop_last: bool, as_process: Any
) -> None:
    whole = list(Batches(shuffled(count), units=6, seed=1, drop_last=drop_last))
    parts = []
    for rank in range(3):
        as_process(rank, 3)
        parts.append(list(Batches(shuffled(count), units=2, seed=1, drop_last=drop_last)))
    assert len({len(each) for each in parts}) == 1
    for step, (one, *others) in enumerate(zip(*parts, strict=True)):
        assert len(one) == len(others[0]) == len(others[1])
        together = {draw for part in (one, *others) for draw in part}
        assert together <= set(whole[step])
        assert len(whole[step]) - len(together) < 3
    assert len(parts[0]) in (len(whole), len(whole) - 1)


def test_what_is_not_shared_out_goes_to_every_process(as_process: Any) -> None:
    as_process(1, 2)
    assert examples(Batches(in_order(5), units=2, shard=False, drop_last=False)) == [[0, 1], [2, 3], [4]]


def plain_number_of_steps(sizes: list[int], images: int, step: int) -> int:
    """The largest number of steps that can be filled without a group twice in one, by trying."""
    available = [max(1, size // images) for size in sizes]
    return max(n for n in range(sum(available) + 1) if sum(min(each, n) for each in available) >= n * step)


@given(st.lists(st.integers(1, 9), min_size=3, max_size=12), st.integers(1, 4), st.integers(1, 3), st.integers(0, 3))
def test_balanced_steps_have_distinct_groups_with_k_examples_each(
    sizes: list[int], images: int, units: int, epoch: int
) -> None:
    groups = [name for name, size in enumerate(sizes) for _ in range(size)]
    batches = Batches(balanced(groups, images=images), units=units, seed=4)
    batches.seek(epoch=epoch)
    found = examples(batches)
    assert len(found) == len(batches) == plain_number_of_steps(sizes, images, units)
    seen: Counter[int] = Counter()
    for batch in found:
        chunks = [batch[at : at + images] for at in range(0, len(batch), images)]
        owners = [{groups[example] for example in chunk} for chunk in chunks]
        assert len(chunks) == units
        assert all(len(each) == 1 for each in owners)
        assert len(set.union(*owners)) == units
        seen.update(batch)
    assert all(times == 1 or sizes[groups[example]] < images for example, times in seen.items())


def test_too_few_groups_for_a_balanced_step_are_refused() -> None:
    with pytest.raises(UsageError, match="2 groups cannot fill a step of 3 distinct groups"):
        len(Batches(balanced(["a", "b", "b"], images=2), units=3))


def test_copies_of_an_example_have_seeds_of_their_own() -> None:
    ((first, second, third),) = list(Batches(balanced(["a"], images=3), units=1, seed=7))
    assert {first.example, second.example, third.example} == {0}
    assert [first.seed, second.seed, third.seed] == [sample_seed(7, 0, 0, copy) for copy in range(3)]


@given(st.integers(0, 2**32 - 1), st.integers(0, 10_000), st.integers(0, 10**9))
def test_seeds_fit_every_library(seed: int, epoch: int, index: int) -> None:
    assert 0 <= sample_seed(seed, epoch, index) < 2**63


def test_seeds_of_many_examples_differ() -> None:
    assert len({sample_seed(0, epoch, index) for epoch in range(20) for index in range(500)}) == 10_000


class Echo:
    def __getitem__(self, draw: Draw) -> tuple[int, int]:
        return draw.example, draw.seed


@pytest.mark.skipif(sys.platform == "win32", reason="workers are forked")
def test_workers_give_the_same_examples_as_no_workers() -> None:
    def walk(workers: int) -> list[Any]:
        batches = Batches(shuffled(9), units=2, seed=1)
        return [[each.tolist() for each in batch] for batch in loader(Echo(), batches, workers=workers)]  # type: ignore[arg-type]

    assert walk(0) == walk(1)
