"""InfoNCE with the entropy term beside loops over rows."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from podium.errors import UsageError  # noqa: E402 - after the check for torch
from podium.solutions.copy_detection.training.entropy import EntropySettings, spread_contrast  # noqa: E402


def plain(rows: Any, same: list[list[bool]], temperature: float, *, by_row: bool) -> tuple[Any, Any]:
    """Row by row as the formulas are written."""
    units = [row / sum(each**2 for each in row) ** 0.5 for row in rows]
    count, costs, closest = len(units), [], []
    for i in range(count):
        similar = [sum(x * y for x, y in zip(units[i], units[j], strict=True)) for j in range(count)]
        negatives = [similar[j] for j in range(count) if not same[i][j]]
        below = sum((each / temperature).exp() for each in negatives) + 1e-6
        mine = []
        for j in range(count):
            if i != j and same[i][j]:
                above = (similar[j] / temperature).exp()
                mine.append(-(above / (above + below)).log())
        costs.append(sum(mine) / len(mine) if by_row else sum(mine))
        if negatives:
            distance = (2 - 2 * max(negatives)).clamp(min=1e-6).sqrt()
            closest.append(-distance.log())
    return sum(costs, torch.zeros(())) / count, sum(closest, torch.zeros(())) / count


def rows(count: int, dimensions: int, seed: int) -> Any:
    return torch.randn(count, dimensions, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("temperature", [0.05, 0.5])
@pytest.mark.parametrize("labels", [[0, 1, 2, 0, 1, 2], [0, 0, 0, 1, 1, 2], [0, 1, 2, 3, 4, 5]])
def test_loss_and_gradient_are_those_of_the_formulas(labels: list[int], temperature: float) -> None:
    fast, slow = (rows(6, 4, 1).requires_grad_() for _ in range(2))
    found = spread_contrast(fast, torch.tensor(labels), settings=EntropySettings(temperature=temperature, weight=30.0))
    same = [[one == two for two in labels] for one in labels]
    contrast, entropy = plain(slow, same, temperature, by_row=False)
    assert found.contrast.item() == pytest.approx(float(contrast.detach()), abs=1e-6)
    assert found.entropy.item() == pytest.approx(float(entropy.detach()), abs=1e-6)
    assert found.total.item() == pytest.approx(float((contrast + 30 * entropy).detach()), abs=1e-6)
    found.total.backward()
    (contrast + 30 * entropy).backward()
    torch.testing.assert_close(fast.grad, slow.grad, atol=1e-6, rtol=1e-6)


def test_loss_and_gradient_of_mixed_images_are_those_of_the_formulas() -> None:
    # Four images of two views: the second view of image 0 has some of image 1, that of image 2 is all image 3.
    shares = torch.eye(4, dtype=torch.float64).repeat(2, 1)
    shares[4] = torch.tensor([0.6, 0.4, 0, 0])
    shares[6] = torch.tensor([0.0, 0, 0.5, 0.5])
    fast, slow = (rows(8, 4, 2).requires_grad_() for _ in range(2))
    found = spread_contrast(fast, shares, settings=EntropySettings(temperature=0.1, weight=3.0))
    same = (shares @ shares.T > 0).tolist()
    assert sum(map(sum, same)) > 16
    contrast, entropy = plain(slow, same, 0.1, by_row=True)
    assert found.total.item() == pytest.approx(float((contrast + 3 * entropy).detach()), abs=1e-6)
    found.total.backward()
    (contrast + 3 * entropy).backward()
    torch.testing.assert_close(fast.grad, slow.grad, atol=1e-6, rtol=1e-6)


def test_single_precision_holds_at_the_published_temperature() -> None:
    exact, labels = rows(32, 16, 3), torch.arange(16).repeat(2)
    double = spread_contrast(exact, labels, settings=EntropySettings(weight=0.0))
    single = spread_contrast(exact.float(), labels, settings=EntropySettings(weight=0.0))
    assert single.total.item() == pytest.approx(double.total.item(), rel=1e-6)
    # e to the power of 1 / 0.001 is no number in 32 bits.
    cold = spread_contrast(exact.float(), labels, settings=EntropySettings(temperature=0.001))
    assert math.isfinite(cold.total.item())


def test_a_case_worked_by_hand() -> None:
    vectors = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], dtype=torch.float64)
    found = spread_contrast(vectors, torch.tensor([0, 0, 1, 1]), settings=EntropySettings(temperature=1.0, weight=2.0))
    contrast = math.log((math.e + 2 + 1e-6) / math.e)
    entropy = -0.5 * math.log(2)
    assert found.contrast.item() == pytest.approx(contrast)
    assert found.entropy.item() == pytest.approx(entropy)
    assert found.total.item() == pytest.approx(contrast + 2 * entropy)
    assert [each.item() for each in found[3:]] == pytest.approx([1, 0, 0])


def test_copies_that_nothing_else_is_with_have_no_entropy_and_a_finite_gradient() -> None:
    vectors = rows(3, 2, 0).requires_grad_()
    found = spread_contrast(vectors, torch.tensor([1, 1, 1]), settings=EntropySettings())
    found.total.backward()
    assert found.entropy.item() == 0
    assert vectors.grad is not None
    assert torch.isfinite(vectors.grad).all()


def test_strangers_in_one_place_cost_a_bounded_entropy() -> None:
    vectors = torch.ones(4, 3, requires_grad=True)
    found = spread_contrast(vectors, torch.tensor([0, 1, 0, 1]), settings=EntropySettings())
    found.total.backward()
    assert found.entropy.item() == pytest.approx(-0.5 * math.log(1e-6))
    assert vectors.grad is not None
    assert torch.isfinite(vectors.grad).all()


@given(seed=st.integers(0, 10**6), data=st.data())
@settings(max_examples=30, deadline=None)
def test_neither_order_nor_a_turn_of_space_matters(seed: int, data: st.DataObject) -> None:
    vectors, labels = rows(6, 3, seed), torch.tensor([0, 1, 2, 0, 1, 2])
    mixed = torch.tensor(data.draw(st.permutations(range(6))))
    turn, _ = torch.linalg.qr(rows(3, 3, seed + 1))
    once = spread_contrast(vectors, labels, settings=EntropySettings())
    again = spread_contrast(vectors[mixed] @ turn, labels[mixed], settings=EntropySettings())
    assert again.total.item() == pytest.approx(once.total.item(), abs=1e-8)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_whole_shares_are_labels_where_every_row_has_one_copy(seed: int) -> None:
    vectors, labels = rows(6, 3, seed), torch.tensor([0, 1, 2, 0, 1, 2])
    shares = torch.nn.functional.one_hot(labels).double()
    found = [spread_contrast(vectors, each, settings=EntropySettings()).total.item() for each in (labels, shares)]
    assert found[0] == pytest.approx(found[1], abs=1e-9)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(UsageError, match="two views"):
        spread_contrast(rows(2, 3, 0), torch.eye(2, dtype=torch.float64), settings=EntropySettings())
    for temperature, weight in [(0.0, 1.0), (0.1, -1.0), (float("nan"), 1.0)]:
        with pytest.raises(UsageError, match="temperature"):
            EntropySettings(temperature=temperature, weight=weight)
