"""Learning rates: the fact sheets' numbers, and plain versions of the curves."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from podium.errors import UsageError  # noqa: E402 - after the check for torch
from podium.solutions.training.parameter_groups import groups, matrices  # noqa: E402
from podium.solutions.training.schedule import (  # noqa: E402
    FIRST_PLACE,
    FOURTH_PLACE,
    SECOND_PLACE,
    SEVENTH_PLACE_SEGMENT,
    SEVENTH_PLACE_VIDEO,
    Schedule,
    configured,
    factor,
    scheduler,
)


def test_the_first_place_rises_and_falls_as_its_sheet_says() -> None:
    rates = [factor(FIRST_PLACE, epoch * 7, steps=140, steps_per_epoch=7) * 1e-3 for epoch in range(20)]
    expected = {0: 1e-5, 1: 1.42e-4, 2: 2.74e-4, 7: 9.34e-4, 8: 8.0e-4, 9: 5.2e-4, 10: 3.3e-4, 19: 1.5e-5}
    for epoch, rate in expected.items():
        assert rates[epoch] == pytest.approx(rate, rel=0.02), epoch
    assert factor(FIRST_PLACE, 6, steps=140, steps_per_epoch=7) == rates[0] / 1e-3


def test_the_first_place_without_its_mistake_counts_each_epoch_once() -> None:
    honest = Schedule(kind="ramp-decay", start=0.01, floor=0.009, counts_per_epoch=1)
    assert [factor(honest, 2 * epoch, steps=20) for epoch in range(9)] == [
        factor(FIRST_PLACE, epoch, steps=20) for epoch in range(9)
    ]


def plain_warm_up_cosine(step: int, steps: int) -> float:
    rise = round(0.2 * (steps - 1))
    if step < rise:
        return 0.01 + 0.99 * step / rise
    angle = math.pi * (step - rise) / (steps - 1 - rise)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(angle))


def plain_one_cycle(step: int, steps: int) -> float:
    rise = round(0.25 * (steps - 1))
    if step < rise:
        return 0.04 + 0.96 * (0.5 - 0.5 * math.cos(math.pi * step / rise))
    return 1.0 + (1e-5 - 1.0) * (0.5 - 0.5 * math.cos(math.pi * (step - rise) / (steps - 1 - rise)))


@given(st.integers(3, 400), st.data())
def test_curves_equal_their_plain_versions(steps: int, data: st.DataObject) -> None:
    step = data.draw(st.integers(0, steps - 1))
    assert factor(SECOND_PLACE, step, steps=steps) == pytest.approx(plain_warm_up_cosine(step, steps), abs=1e-12)
    assert factor(FOURTH_PLACE, step, steps=steps) == pytest.approx(plain_one_cycle(step, steps), abs=1e-12)


def test_the_one_cycle_is_that_of_torch() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    peer = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 1.0, total_steps=101, pct_start=0.26 / 1.01 + 1e-9, cycle_momentum=False, final_div_factor=4000
    )
    rates = []
    for _ in range(101):
        rates.append(peer.get_last_lr()[0])
        optimizer.step()
        peer.step() if len(rates) < 101 else None
    assert [factor(FOURTH_PLACE, step, steps=101) for step in range(101)] == pytest.approx(rates, abs=1e-6)


def test_a_straight_schedule_goes_down_in_equal_parts() -> None:
    straight = Schedule(kind="warm-up-linear", warm_up=0.2, start=0.01, floor=0.0)
    rates = [factor(straight, step, steps=11) for step in range(11)]
    assert rates[:3] == pytest.approx([0.01, 0.505, 1.0])
    assert rates[2:] == pytest.approx([1 - share / 8 for share in range(9)])


@given(
    st.sampled_from(["constant", "warm-up-cosine", "warm-up-linear", "one-cycle", "ramp-decay"]),
    st.integers(1, 50),
    st.floats(0, 1),
)
def test_a_factor_is_never_outside_its_ends(kind: str, steps: int, warm_up: float) -> None:
    schedule = Schedule(kind=kind, warm_up=warm_up, start=0.1, floor=0.05)  # type: ignore[arg-type]
    rates = [factor(schedule, step, steps=steps) for step in range(steps + 5)]
    assert all(0.05 - 1e-12 <= each <= 1 + 1e-12 for each in rates)


def test_shares_outside_zero_to_one_are_refused() -> None:
    with pytest.raises(UsageError, match="`warm_up` is 20; 0 to 1 is allowed"):
        Schedule(warm_up=20)


def test_a_scheduler_multiplies_the_rate_of_every_group() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    optimizer = torch.optim.AdamW(groups(module, learning_rates={"0": 1.0, "1": 10.0}))
    moving = scheduler(optimizer, SECOND_PLACE, steps=11)
    for step in range(11):
        assert moving.get_last_lr() == pytest.approx(
            [factor(SECOND_PLACE, step, steps=11) * lr for lr in (1, 1, 10, 10)]
        )
        optimizer.step()
        moving.step()
    assert configured(optimizer, SECOND_PLACE, steps=11, epochs=2)["lr_scheduler"]["interval"] == "step"


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
        self.backbone_extra = torch.nn.Linear(4, 4, bias=False)
        self.power = torch.nn.Parameter(torch.ones(1))


def test_every_parameter_is_in_one_group_and_vectors_do_not_decay() -> None:
    net = Net()
    made = groups(net, learning_rates={"": 1e-2, "backbone": 1e-3}, weight_decay=0.05)
    by_name = {group["name"]: {id(each) for each in group["params"]} for group in made}
    assert by_name["backbone"] == {id(net.backbone[0].weight)}
    vectors = (net.backbone[0].bias, net.backbone[1].weight, net.backbone[1].bias)
    assert by_name["backbone without decay"] == {id(each) for each in vectors}
    assert by_name["all"] == {id(net.backbone_extra.weight)}
    assert by_name["all without decay"] == {id(net.power)}
    assert {group["name"]: group["weight_decay"] for group in made} == {
        "backbone": 0.05,
        "backbone without decay": 0.0,
        "all": 0.05,
        "all without decay": 0.0,
    }
    assert sum(len(group["params"]) for group in made) == len(list(net.parameters()))


def test_the_longest_beginning_counts_and_fixed_parameters_are_left_out() -> None:
    net = Net()
    net.backbone[1].requires_grad_(False)
    made = groups(net, learning_rates={"": 1.0, "backbone": 2.0, "backbone.0": 3.0})
    assert {group["lr"] for group in made} == {1.0, 3.0}


def test_beginnings_and_parameters_without_each_other_are_refused() -> None:
    with pytest.raises(UsageError, match="no parameter's name begins with `backbon`; did you mean `backbone`"):
        groups(Net(), learning_rates={"": 1.0, "backbon": 2.0})
    with pytest.raises(UsageError, match="`power` has no learning rate"):
        groups(Net(), learning_rates={"backbone": 1.0, "backbone_extra": 1.0})


def test_the_seventh_place_of_segments_rises_over_a_quarter_and_of_videos_over_a_fifth() -> None:
    segment = [factor(SEVENTH_PLACE_SEGMENT, step, steps=9001) for step in range(9001)]
    assert segment[0] == 0.01
    assert segment[2250] == max(segment) == 1.0
    assert segment[9000] == pytest.approx(0.001)
    video = [factor(SEVENTH_PLACE_VIDEO, step, steps=1001) for step in (0, 100, 200, 600, 1000)]
    assert video == pytest.approx([0.01, 0.505, 1.0, 0.505, 0.01])


def test_a_full_first_step_gives_the_rates_that_were_measured_of_the_seventh_place() -> None:
    moving = replace(SEVENTH_PLACE_SEGMENT, full_first_step=True)
    rates = [factor(moving, step, steps=9000) * 2e-4 for step in range(9000)]
    assert rates[:3] == pytest.approx([2.0e-4, 2.09e-6, 2.18e-6], rel=0.003)
    assert max(rates) == rates[2250] == pytest.approx(1.0004 * 2e-4, rel=1e-4)
    assert rates[-1] == pytest.approx(2e-7)
    assert all(one > other for one, other in itertools.pairwise(rates[2250:]))


def test_a_full_first_step_belongs_to_straight_rises() -> None:
    with pytest.raises(UsageError, match="`full_first_step` belongs to `warm-up-linear`"):
        Schedule(kind="one-cycle", full_first_step=True)


def test_what_decays_may_be_decided_by_name() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    parts = groups(
        module, learning_rates={"": 1.0}, weight_decay=0.1, decays=lambda name, parameter: "bias" not in name
    )
    assert [(part["weight_decay"], len(part["params"])) for part in parts] == [(0.1, 2), (0.0, 2)]
    plain = groups(module, learning_rates={"": 1.0}, weight_decay=0.1, decays=matrices)
    assert [len(part["params"]) for part in plain] == [1, 3]
