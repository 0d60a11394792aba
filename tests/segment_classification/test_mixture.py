"""The mixture of experts: mixed in logits, with one that is silent."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from podium.errors import UsageError
from podium.solutions.segment_classification.mixture import HeadSettings, Mixture


@pytest.fixture(autouse=True)
def _one_seed() -> None:
    torch.manual_seed(0)


def _plain(head: Mixture, features_NF: Tensor, *, per_class: bool) -> Tensor:
    """One row, one class and one expert at a time."""
    experts, gates = head.experts(features_NF).tolist(), head.gates(features_NF).tolist()
    count = head.mixtures + 1
    logits = torch.zeros(len(features_NF), head.classes, dtype=features_NF.dtype)
    for row in range(len(features_NF)):
        for each in range(head.classes):
            own = gates[row][each * count : (each + 1) * count] if per_class else gates[row]
            powers = [2.718281828459045**value for value in own]
            for expert in range(head.mixtures):
                said = experts[row][each * head.mixtures + expert]
                logits[row, each] += powers[expert] / sum(powers) * said
    return logits


@pytest.mark.parametrize("per_class", [False, True])
def test_the_head_equals_a_loop_over_rows_classes_and_experts(*, per_class: bool) -> None:
    head = Mixture(5, 3, HeadSettings(mixtures=2, per_class=per_class)).double().eval()
    features_NF = torch.randn(4, 5, dtype=torch.float64)
    torch.testing.assert_close(head(features_NF), _plain(head, features_NF, per_class=per_class), atol=1e-12, rtol=0.0)


def test_the_silent_expert_draws_every_probability_to_one_half() -> None:
    head = Mixture(5, 3, HeadSettings()).eval()
    with torch.no_grad():
        head.gates[2].weight.zero_()
        head.gates[2].bias.copy_(torch.tensor([0.0, 0.0, 0.0, 0.0, 50.0]))
    assert head(torch.randn(4, 5)).sigmoid().flatten().tolist() == pytest.approx([0.5] * 12)


def test_with_all_gates_open_alike_the_silent_expert_takes_its_share() -> None:
    head = Mixture(2, 1, HeadSettings(mixtures=4)).eval()
    with torch.no_grad():
        for branch in (head.experts, head.gates):
            branch[2].weight.zero_()
        head.experts[2].bias.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    assert head(torch.zeros(1, 2)).item() == pytest.approx((1.0 + 2.0 + 3.0 + 4.0) / 5.0)


@pytest.mark.parametrize(("per_class", "gates"), [(False, 3), (True, 21)])
def test_gates_are_for_all_classes_or_for_each(*, per_class: bool, gates: int) -> None:
    head = Mixture(5, 7, HeadSettings(mixtures=2, per_class=per_class))
    assert head.gates[2].weight.shape == (gates, 5)
    assert head.experts[2].weight.shape == (14, 5)


def test_dropout_is_drawn_for_experts_and_gates_and_only_in_training() -> None:
    head = Mixture(200, 1, HeadSettings(dropout=0.75))
    seen = {}
    for name in ("experts", "gates"):
        getattr(head, name)[2].register_forward_pre_hook(lambda _, given, name=name: seen.update({name: given[0]}))
        nn.init.ones_(getattr(head, name)[0].bias)
        nn.init.zeros_(getattr(head, name)[0].weight)
    head(torch.randn(50, 200))
    for each in seen.values():
        assert set(each.unique().tolist()) == {0.0, 4.0}
        assert float((each == 0.0).float().mean()) == pytest.approx(0.75, abs=0.02)
    assert not bool((seen["experts"] == seen["gates"]).all())
    head.eval()(torch.randn(50, 200))
    assert seen["experts"].unique().tolist() == [1.0]


@pytest.mark.parametrize(("wrong", "word"), [({"mixtures": 0}, "`0` experts"), ({"dropout": 1.0}, "`1.0`; 0 to below")])
def test_impossible_heads_are_refused(wrong: dict, word: str) -> None:
    with pytest.raises(UsageError, match=word):
        HeadSettings(**wrong)
