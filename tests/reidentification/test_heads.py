"""Heads: margins by hand, and every logit and loss against plain numpy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.errors import UsageError

torch = pytest.importorskip("torch")

from podium.solutions.reidentification.heads import (  # noqa: E402 - after the check for torch
    Head,
    HeadSettings,
    MarginSettings,
    focused,
    margins,
    with_margin,
)

PHOTOS = [1, 2, 5, 20, 106]
KINDS = {
    "fixed": MarginSettings(kind="fixed", value=0.3),
    "power": MarginSettings(),
    "min-max": MarginSettings(kind="min-max", exponent=-0.25),
    "large": MarginSettings(kind="fixed", value=1.5),
}


def plain_logits(head: Any, vectors: np.ndarray, labels: list[int]) -> np.ndarray:
    """One number after the other, as the papers write them."""
    settings, weight = head.settings, head.weight.detach().double().numpy()
    moved = margins(PHOTOS, settings.margin)
    logits = np.zeros((len(vectors), head.classes))
    for row, vector in enumerate(vectors):
        for name in range(head.classes):
            centres = weight[name * settings.centres : (name + 1) * settings.centres]
            cosine = max(
                float(vector @ centre) / math.sqrt(vector @ vector) / math.sqrt(centre @ centre) for centre in centres
            )
            if name == labels[row]:
                margin = float(moved[name])
                if settings.guard and math.acos(cosine) + margin > math.pi:
                    cosine -= margin * math.sin(margin)
                else:
                    cosine = math.cos(math.acos(cosine) + margin)
            logits[row, name] = settings.scale * cosine
    return logits


def plain_loss(logits: np.ndarray, labels: list[int], settings: HeadSettings) -> float:
    each = []
    for row, label in zip(logits, labels, strict=True):
        shares = [value - math.log(sum(math.exp(other) for other in row)) for value in row]
        target = [settings.label_smoothing / len(row)] * len(row)
        target[label] += 1 - settings.label_smoothing
        each.append(-sum(a * b for a, b in zip(target, shares, strict=True)))
    if settings.focal_unit == "batch":
        each = [sum(each) / len(each)]
    return sum((1 - math.exp(-one)) ** settings.focal * one for one in each) / len(each)


def drawn(rows: int = 7, *, seed: int = 0) -> tuple[Any, list[int]]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, 6)), rng.integers(0, len(PHOTOS), rows).tolist()


def test_margins_are_those_of_the_second_and_the_fourth_place() -> None:
    assert margins(PHOTOS, MarginSettings()) == pytest.approx([0.55, 0.509, 0.459, 0.394, 0.329], abs=5e-4)
    stretched = margins([3, 4, 5, 85], KINDS["min-max"])
    assert stretched == pytest.approx([0.35, 0.313, 0.287, 0.05], abs=5e-4)
    assert margins([7, 7], KINDS["min-max"]).tolist() == [0.35, 0.35]
    assert margins([1, 9], KINDS["fixed"]).tolist() == [0.3, 0.3]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("centres", [1, 3])
@pytest.mark.parametrize("guard", [True, False])
def test_logits_are_those_of_plain_numpy(kind: str, centres: int, guard: bool) -> None:
    torch.manual_seed(3)
    head = Head(6, PHOTOS, HeadSettings(centres=centres, scale=1.0, margin=KINDS[kind], guard=guard)).double()
    head.margins_C = torch.from_numpy(margins(PHOTOS, KINDS[kind]))
    vectors, labels = drawn(40)
    vectors[0] = -head.weight.detach().numpy()[labels[0] * centres : (labels[0] + 1) * centres].sum(0)
    found = head(torch.from_numpy(vectors), torch.tensor(labels)).detach().numpy()
    np.testing.assert_allclose(found, plain_logits(head, vectors, labels), atol=1e-6)


def test_without_labels_no_class_gets_a_margin() -> None:
    torch.manual_seed(0)
    head = Head(6, PHOTOS, HeadSettings(centres=2, scale=10.0))
    vectors = torch.from_numpy(drawn()[0]).float()
    torch.testing.assert_close(head(vectors), 10.0 * head.cosines(vectors))


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize(("focal", "unit"), [(0.0, "photograph"), (2.0, "photograph"), (6.0, "batch")])
def test_losses_are_those_of_plain_numpy(smoothing: float, focal: float, unit: str) -> None:
    settings = HeadSettings(kind="softmax", label_smoothing=smoothing, focal=focal, focal_unit=unit)
    torch.manual_seed(1)
    head = Head(6, PHOTOS, settings).double()
    vectors, labels = drawn()
    logits = head(torch.from_numpy(vectors))
    plain = vectors @ head.weight.detach().numpy().T
    np.testing.assert_allclose(logits.detach().numpy(), plain, atol=1e-12)
    found = head.loss(logits, torch.tensor(labels)).item()
    assert found == pytest.approx(plain_loss(plain, labels, settings), abs=1e-6)


def test_the_focal_factor_of_a_batch_is_one_number() -> None:
    losses = torch.tensor([math.log(2.0), 0.0], dtype=torch.float64)
    assert focused(losses, gamma=2.0).tolist() == pytest.approx([math.log(2.0) / 4, 0.0])
    assert focused(losses, gamma=0.0).tolist() == losses.tolist()


def test_a_margin_by_hand() -> None:
    half = torch.tensor([0.5], dtype=torch.float64)
    third = torch.tensor([math.pi / 3], dtype=torch.float64)
    assert with_margin(half, third, guard=True).item() == pytest.approx(-0.5)
    behind = torch.tensor([-0.9], dtype=torch.float64)
    assert with_margin(behind, third, guard=True).item() == pytest.approx(-0.9 - third.item() * math.sqrt(3) / 2)
    assert with_margin(behind, third, guard=False).item() == pytest.approx(math.cos(math.acos(-0.9) + math.pi / 3))


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=2, unique=True), st.floats(0.01, 1.5))
def test_with_the_guard_a_larger_cosine_never_gives_a_smaller_logit(cosines: list[float], margin: float) -> None:
    low, high = sorted(cosines)
    both = torch.tensor([low, high], dtype=torch.float64)
    moved = with_margin(both, torch.full((2,), margin, dtype=torch.float64), guard=True)
    assert moved[0] <= moved[1] + 1e-9
    assert (moved <= both + 1e-9).all()


@given(st.integers(0, 50), st.floats(0.1, 100))
def test_the_length_of_a_vector_plays_no_part(seed: int, length: float) -> None:
    torch.manual_seed(0)
    head = Head(6, PHOTOS, HeadSettings())
    vectors = torch.from_numpy(drawn(seed=seed)[0]).float()
    torch.testing.assert_close(head.cosines(vectors * length), head.cosines(vectors), atol=1e-5, rtol=1e-5)


def test_elastic_margins_are_drawn_anew_by_seed_and_only_in_training() -> None:
    settings = HeadSettings(scale=1.0, margin=MarginSettings(kind="elastic", value=0.5, deviation=0.1))
    torch.manual_seed(0)
    head = Head(6, PHOTOS, settings)
    vectors = torch.from_numpy(np.repeat(drawn(1)[0], 4000, axis=0)).float()
    labels = torch.zeros(4000, dtype=torch.int64)

    def drawn_margins(seed: int) -> Any:
        torch.manual_seed(seed)
        with torch.no_grad():
            own = head(vectors, labels)[:, 0]
            return own.double().arccos() - head.cosines(vectors)[:, 0].double().arccos()

    first = drawn_margins(5)
    assert float(first.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(first.std()) == pytest.approx(0.1, abs=0.01)
    assert torch.equal(first, drawn_margins(5))
    assert not torch.equal(first, drawn_margins(6))
    head.eval()
    assert drawn_margins(5).tolist() == pytest.approx([0.5] * 4000, abs=1e-4)


def test_a_vector_on_its_centre_has_a_finite_gradient() -> None:
    torch.manual_seed(0)
    head = Head(6, PHOTOS, HeadSettings())
    vectors = head.weight.detach()[:2].clone().requires_grad_()
    labels = torch.tensor([0, 0])
    head.loss(head(vectors, labels), labels).backward()
    assert torch.isfinite(vectors.grad).all()
    assert torch.isfinite(head.weight.grad).all()


def test_impossible_heads_are_refused() -> None:
    with pytest.raises(UsageError, match="did you mean `arcface`"):
        HeadSettings(kind="arcfac")
    with pytest.raises(UsageError, match="did you mean `elastic`"):
        MarginSettings(kind="elastik")
    with pytest.raises(UsageError, match="focal unit of a head is `image`"):
        HeadSettings(focal_unit="image")
    with pytest.raises(UsageError, match="at least 1 centre"):
        HeadSettings(centres=0)
