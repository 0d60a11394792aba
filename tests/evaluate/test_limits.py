"""Limits cut down to a machine: each change is told, and no other is made."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.challenges import challenge
from podium.evaluate import limits as module
from podium.evaluate.limits import Capacity, fit, limits_for, this_capacity
from podium.types import DataSet, Limits

GIB = 1 << 30
WHALES = challenge("whale-do").limits
BIG = Capacity(cpus=64, memory_bytes=512 * GIB, gpus=1)


def test_a_machine_that_has_everything_changes_nothing() -> None:
    assert fit(WHALES, BIG).limits == WHALES
    assert fit(WHALES, BIG).notes == ()


def test_fewer_processors_get_more_time() -> None:
    fitted = fit(WHALES, Capacity(cpus=2, memory_bytes=512 * GIB, gpus=1))
    assert fitted.limits.wall_seconds == 9 * 3_600
    assert fitted.limits.cpus == 2
    assert fitted.notes == (
        "the challenge gives 6 processors and this machine has 2: the wall limit is 9 h instead of 3 h",
    )


def test_part_of_a_processor_counts_as_such() -> None:
    fitted = fit(WHALES, Capacity(cpus=1.5, memory_bytes=None, gpus=1))
    assert fitted.limits.wall_seconds == 12 * 3_600
    assert "this machine has 1.5" in fitted.notes[0]


def test_less_memory_leaves_a_reserve() -> None:
    fitted = fit(WHALES, Capacity(cpus=6, memory_bytes=32 * GIB, gpus=1))
    assert fitted.limits.memory_bytes == 28 * GIB
    assert fitted.notes == ("the challenge gives 56 GiB of memory and this machine has 32 GiB: the run gets 28 GiB",)
    assert fit(WHALES, Capacity(cpus=6, memory_bytes=None, gpus=1)).limits == WHALES


def test_a_missing_graphics_card_is_told() -> None:
    fitted = fit(WHALES, Capacity(cpus=6, memory_bytes=512 * GIB, gpus=0))
    assert fitted.limits.gpus == 0
    assert fitted.notes == (
        "the challenge gives 1 graphics card and this machine has no graphics card; the wall limit is not longer "
        "for that",
    )
    two = fit(Limits(wall_seconds=1, memory_bytes=1, gpus=4), Capacity(cpus=1, memory_bytes=None, gpus=2))
    assert two.notes == ("the challenge gives 4 graphics cards and this machine has 2 graphics cards",)


def test_a_challenge_that_names_no_processors_gets_no_more_time() -> None:
    asked = challenge("vsc-descriptor").limits
    assert fit(asked, Capacity(cpus=1, memory_bytes=64 * GIB, gpus=0)).limits == asked


@given(
    st.floats(0.5, 64),
    st.floats(0.25, 64),
    st.integers(1, 1 << 40),
    st.integers(1 << 20, 1 << 40),
    st.integers(0, 8),
    st.integers(0, 8),
)
def test_law_processor_time_stays_and_nothing_is_above_the_machine(
    cpus: float, has_cpus: float, memory_bytes: int, has_bytes: int, gpus: int, has_gpus: int
) -> None:
    asked = Limits(wall_seconds=100.0, cpus=cpus, memory_bytes=memory_bytes, gpus=gpus)
    fitted = fit(asked, Capacity(cpus=has_cpus, memory_bytes=has_bytes, gpus=has_gpus))
    made = fitted.limits
    assert made.cpus is not None
    assert made.cpus <= has_cpus
    assert made.wall_seconds * made.cpus == pytest.approx(100.0 * cpus)
    assert 0 < made.memory_bytes <= min(memory_bytes, has_bytes)
    assert made.gpus == min(gpus, has_gpus)
    changed = (made.cpus != cpus) + (made.memory_bytes != memory_bytes) + (made.gpus != gpus)
    assert len(fitted.notes) == changed


def test_this_machine_has_something() -> None:
    found = this_capacity()
    assert found.cpus > 0
    assert found.memory_bytes is None or found.memory_bytes > 1 << 20
    assert found.gpus >= 0


def test_a_container_s_share_is_the_machine_s(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = this_capacity()
    texts = {"memory": ["max", "1073741824", "2147483648"], "cpu": ["max 100000", "50000 100000", "-1"]}
    monkeypatch.setattr(module, "_own_group", lambda controller, names: iter(texts[controller]))
    found = this_capacity()
    assert found.memory_bytes == GIB
    assert found.cpus == 0.5
    assert whole.cpus > 0


def test_limits_that_grow_with_the_queries_do(videos: DataSet) -> None:
    assert limits_for(challenge("vsc-descriptor"), videos).wall_seconds == 60 + 10 * 10
    assert limits_for(challenge("whale-do"), videos) == WHALES
