"""The ring of past embeddings beside a list of them."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from podium.errors import UsageError  # noqa: E402 - after the check for torch
from podium.solutions.copy_detection.training.memory import Memory  # noqa: E402


@given(size=st.integers(1, 9), batches=st.lists(st.integers(0, 9), max_size=8))
@settings(deadline=None)
def test_it_holds_the_newest_rows_and_says_where(size: int, batches: list[int]) -> None:
    memory, newest, number = Memory(size=size, dimensions=1), deque[int](maxlen=size), 0
    for count in (min(each, size) for each in batches):
        batch = torch.arange(number, number + count)
        places = memory.add(batch[:, None].float(), batch)
        newest.extend(batch.tolist())
        number += count
        rows, labels = memory.held()
        assert sorted(labels.tolist()) == sorted(newest)
        assert rows[:, 0].tolist() == labels.tolist()
        assert rows[places, 0].tolist() == batch.tolist()
        assert places.tolist() == [each % size for each in batch.tolist()]
        assert memory.filled == len(newest)


def test_a_memory_that_was_saved_goes_on_as_the_first_does() -> None:
    first, second = Memory(size=5, dimensions=2), Memory(size=5, dimensions=2)
    first.add(torch.ones(3, 2), torch.tensor([1, 2, 3]))
    second.load_state_dict(first.state_dict())
    for memory in (first, second):
        memory.add(torch.full((4, 2), 7.0), torch.tensor([4, 5, 6, 7]))
    assert all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())
    assert first.held()[1].tolist() == [6, 7, 3, 4, 5]


def test_rows_are_kept_without_gradient_and_later_changes() -> None:
    memory, rows = Memory(size=4, dimensions=2), torch.ones(2, 2, requires_grad=True)
    memory.add(rows, torch.tensor([0, 1]))
    with torch.no_grad():
        rows += 5
    assert not memory.held()[0].requires_grad
    assert memory.held()[0].tolist() == [[1, 1], [1, 1]]


def test_it_can_be_emptied() -> None:
    memory = Memory(size=4, dimensions=2)
    memory.add(torch.ones(3, 2), torch.tensor([1, 2, 3]))
    memory.forget()
    assert memory.filled == 0
    assert memory.add(torch.ones(1, 2), torch.tensor([9])).tolist() == [0]


def test_what_does_not_fit_is_refused() -> None:
    memory = Memory(size=2, dimensions=3)
    with pytest.raises(UsageError, match="batch of 3"):
        memory.add(torch.zeros(3, 3), torch.zeros(3))
    with pytest.raises(UsageError, match="rows of 3"):
        memory.add(torch.zeros(1, 2), torch.zeros(1))
    with pytest.raises(UsageError, match="labels"):
        memory.add(torch.zeros(1, 3), torch.zeros(2))
    with pytest.raises(UsageError, match="at least 1"):
        Memory(size=0, dimensions=3)
