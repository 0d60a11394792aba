"""The contrastive loss beside loops over pairs, with and without past batches."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from podium.errors import UsageError  # noqa: E402 - after the check for torch
from podium.solutions.copy_detection.training.contrastive import ContrastiveLoss, Margins, contrast  # noqa: E402
from podium.solutions.copy_detection.training.gathering import gather, order  # noqa: E402
from podium.solutions.copy_detection.training.memory import Memory  # noqa: E402

Row = list[Any]


def plain(
    anchors: Any, labels: list[int], others: Any, other_labels: list[int], own: list[int], margins: Margins
) -> tuple[Any, Any]:
    """Pair by pair, number by number."""
    positive: Row = []
    negative: Row = []
    for i, anchor in enumerate(anchors):
        for j, other in enumerate(others):
            a = anchor / sum(each**2 for each in anchor) ** 0.5
            b = other / sum(each**2 for each in other) ** 0.5
            distance = sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) ** 0.5
            if labels[i] != other_labels[j]:
                negative.append(margins.negative - distance)
            elif own[i] != j:
                positive.append(distance - margins.positive)
    costs = [[each for each in kind if each > 0] for kind in (positive, negative)]
    one, two = (sum(each) / len(each) if each else torch.zeros(()) for each in costs)
    return one, two


def rows(count: int, dimensions: int, seed: int, *, dtype: Any = torch.float64) -> Any:
    return torch.randn(count, dimensions, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def drawn_labels(count: int, kinds: int, seed: int) -> Any:
    return torch.randint(0, kinds, (count,), generator=torch.Generator().manual_seed(seed))


MARGINS = [Margins(), Margins(positive=0.1, negative=1.1), Margins(positive=0.9, negative=1.0)]


@pytest.mark.parametrize("margins", MARGINS)
@pytest.mark.parametrize("seed", [0, 1])
def test_loss_and_gradient_within_a_batch_are_those_of_every_pair_by_itself(margins: Margins, seed: int) -> None:
    fast, slow = (rows(7, 4, seed).requires_grad_() for _ in range(2))
    labels = drawn_labels(7, 3, seed)
    found = ContrastiveLoss(margins=margins)(fast, labels)
    positive, negative = plain(slow, labels.tolist(), slow, labels.tolist(), list(range(7)), margins)
    assert found.positive.item() == pytest.approx(float(positive.detach()), abs=1e-6)
    assert found.negative.item() == pytest.approx(float(negative.detach()), abs=1e-6)
    found.total.backward()
    (positive + negative).backward()
    torch.testing.assert_close(fast.grad, slow.grad, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("margins", MARGINS)
@pytest.mark.parametrize("size", [6, 10, 50])
def test_loss_and_gradient_with_past_batches_are_those_of_a_list_of_them(margins: Margins, size: int) -> None:
    loss = ContrastiveLoss(margins=margins, memory=Memory(size=size, dimensions=3).double())
    past: list[tuple[Any, int, int]] = []
    for step in range(5):
        fast, slow = (rows(6, 3, step).requires_grad_() for _ in range(2))
        labels = drawn_labels(6, 4, step)
        found = loss(fast, labels)
        past += [(slow[at].detach(), label, step * 6 + at) for at, label in enumerate(labels.tolist())]
        past = past[-size:]
        others, other_labels, numbers = (list(each) for each in zip(*past, strict=True))
        own = [numbers.index(step * 6 + at) for at in range(6)]
        positive, negative = plain(slow, labels.tolist(), others, other_labels, own, margins)
        assert found.total.item() == pytest.approx(float((positive + negative).detach()), abs=1e-6)
        found.total.backward()
        (positive + negative).backward()
        torch.testing.assert_close(fast.grad, slow.grad, atol=1e-6, rtol=1e-6)


def test_single_precision_is_as_good_as_double() -> None:
    for seed in range(5):
        exact, labels = rows(32, 16, seed), drawn_labels(32, 12, seed)
        loss = ContrastiveLoss(margins=Margins(positive=0.1, negative=1.1))
        assert loss(exact.float(), labels).total.item() == pytest.approx(loss(exact, labels).total.item(), abs=1e-6)


def test_a_case_worked_by_hand() -> None:
    # At 60 degrees two unit vectors are 1 apart, at 90 degrees the square root of 2.
    vectors = torch.tensor([[1.0, 0.0], [0.5, math.sqrt(0.75)], [0.0, 1.0]], dtype=torch.float64)
    found = ContrastiveLoss(margins=Margins(positive=0.25, negative=1.5))(vectors, torch.tensor([4, 4, 9]))
    near = math.sqrt(2 - math.sqrt(3))
    assert found.positive.item() == pytest.approx(0.75)
    assert found.negative.item() == pytest.approx((1.5 - math.sqrt(2) + 1.5 - near) / 2)
    assert (found.costly_positives.item(), found.costly_negatives.item()) == (2, 4)


def test_identical_copies_and_identical_strangers_have_a_finite_gradient() -> None:
    vectors = torch.ones(4, 3, requires_grad=True)
    found = ContrastiveLoss(margins=Margins())(vectors, torch.tensor([0, 0, 1, 1]))
    found.total.backward()
    assert found.positive.item() == 0
    assert found.negative.item() == pytest.approx(1, abs=1e-3)
    assert vectors.grad is not None
    assert torch.isfinite(vectors.grad).all()


def test_a_batch_without_any_pair_that_costs_has_a_loss_of_nothing_and_still_a_gradient() -> None:
    vectors = torch.eye(3, requires_grad=True)
    found = ContrastiveLoss(margins=Margins())(vectors, torch.tensor([0, 1, 2]))
    found.total.backward()
    assert found.total.item() == 0
    assert vectors.grad is not None
    assert (vectors.grad == 0).all()


def test_half_precision_around_it_does_not_reach_the_loss() -> None:
    vectors, labels = rows(16, 8, 3, dtype=torch.float32), drawn_labels(16, 5, 3)
    loss = ContrastiveLoss(margins=Margins(positive=0.1, negative=1.1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = loss(vectors, labels).total
    assert inside.dtype == torch.float32
    assert inside.item() == loss(vectors, labels).total.item()


@given(seed=st.integers(0, 10**6), count=st.integers(2, 9), data=st.data())
@settings(max_examples=40, deadline=None)
def test_neither_the_order_of_rows_nor_their_length_nor_the_names_of_labels_matter(
    seed: int, count: int, data: st.DataObject
) -> None:
    vectors, labels = rows(count, 4, seed), drawn_labels(count, 3, seed)
    mixed = torch.tensor(data.draw(st.permutations(range(count))))
    loss = ContrastiveLoss(margins=Margins(positive=0.2, negative=1.2))
    once, again = loss(vectors, labels), loss(5 * vectors[mixed], 1000 - 7 * labels[mixed])
    assert again.total.item() == pytest.approx(once.total.item(), abs=1e-9)
    assert again.costly_negatives.item() == once.costly_negatives.item()


@given(seed=st.integers(0, 10**6), low=st.floats(0, 0.9), step=st.floats(0.01, 0.9))
@settings(max_examples=40, deadline=None)
def test_a_wider_positive_margin_never_makes_a_pair_cost_more(seed: int, low: float, step: float) -> None:
    vectors, labels = rows(6, 3, seed), drawn_labels(6, 2, seed)
    tight = ContrastiveLoss(margins=Margins(positive=low, negative=2.0))(vectors, labels)
    wide = ContrastiveLoss(margins=Margins(positive=low + step, negative=2.0))(vectors, labels)
    cost = [(each.positive * each.costly_positives).item() for each in (tight, wide)]
    assert cost[1] <= cost[0] + 1e-9
    assert wide.negative.item() == pytest.approx(tight.negative.item())


def test_an_anchor_is_not_compared_with_its_own_place_alone() -> None:
    vectors = rows(2, 3, 0)
    labels = torch.tensor([5, 5])
    margins = Margins()
    found = contrast(vectors[:1], labels[:1], vectors, labels, own_N=torch.tensor([1]), margins=margins)
    assert found.costly_positives.item() == 0  # the distance to the other row, which is the anchor itself, is nothing
    found = contrast(vectors[:1], labels[:1], vectors, labels, own_N=torch.tensor([0]), margins=margins)
    assert found.costly_positives.item() == 1


@pytest.mark.parametrize(("positive", "negative"), [(-0.1, 1.0), (1.0, 1.0), (0.0, 2.1)])
def test_margins_that_make_no_sense_are_refused(positive: float, negative: float) -> None:
    with pytest.raises(UsageError, match="margins"):
        Margins(positive=positive, negative=negative)


@given(processes=st.integers(1, 4), units=st.integers(1, 4), rows_per_unit=st.integers(1, 3))
def test_units_that_were_dealt_out_in_turn_are_put_back_in_order(
    processes: int, units: int, rows_per_unit: int
) -> None:
    whole = torch.arange(processes * units * rows_per_unit).view(-1, rows_per_unit)
    dealt = torch.cat([whole[process::processes].flatten() for process in range(processes)])
    found = dealt[order(units * rows_per_unit, processes=processes, rows_per_unit=rows_per_unit)]
    assert torch.equal(found, whole.flatten())


def test_rows_that_are_no_whole_units_are_refused() -> None:
    with pytest.raises(UsageError, match="units of 3"):
        gather(torch.zeros(4, 2), rows_per_unit=3)
