"""Windows of frames: who sees what, and how little is held."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.errors import UsageError
from podium.solutions.object_segmentation.windows import MAX_GAP, LogitSum, check_gaps, held, windows

GAPS = st.lists(st.integers(-4, 4).filter(bool), min_size=1, max_size=4, unique=True).map(tuple)


@given(GAPS, st.integers(0, 6), st.integers(0, 6))
def test_the_windows_of_a_frame_lie_inside_the_clip_and_weigh_one(
    gaps: tuple[int, ...], before: int, after: int
) -> None:
    found = windows(gaps, before=before, after=after)
    assert sum(each.weight for each in found) == pytest.approx(1)
    partners = [each.gap for each in found]
    if before == after == 0:
        assert partners == [None]
        return
    assert all(gap is not None and gap != 0 and -before <= gap <= after for gap in partners)
    inside = [gap for gap in gaps if -before <= gap <= after]
    assert partners == inside or (not inside and len(partners) == 1)


@pytest.mark.parametrize(
    ("gaps", "before", "after", "partners"),
    [
        ((1,), 3, 2, [1]),
        ((1,), 3, 0, [-1]),
        ((-1,), 0, 3, [1]),
        ((1, -1, 2), 0, 1, [1]),
        ((1, -1, 2), 4, 0, [-1]),
        ((3,), 1, 2, [-1]),
        ((3,), 0, 2, [2]),
        ((2,), 0, 0, [None]),
    ],
)
def test_at_the_ends_of_a_clip_motion_is_measured_the_other_way(
    gaps: tuple[int, ...], before: int, after: int, partners: list[int | None]
) -> None:
    assert [each.gap for each in windows(gaps, before=before, after=after)] == partners


@pytest.mark.parametrize("gaps", [(), (0,), (1, 1), (MAX_GAP + 1,), (-MAX_GAP - 1,)])
def test_gaps_that_make_no_windows_are_refused(gaps: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="the gaps are"):
        check_gaps(gaps)


@given(st.integers(0, 12), st.integers(0, 3), st.integers(0, 3))
def test_every_frame_comes_once_with_all_neighbours_in_reach(count: int, before: int, after: int) -> None:
    found = list(held(range(count), before=before, after=after))
    assert [each.index for each in found] == list(range(count))
    for each in found:
        low, high = max(0, each.index - before), min(count - 1, each.index + after)
        assert each.items == {frame - each.index: frame for frame in range(low, high + 1)}
        assert (each.before, each.after) == (each.index - low, high - each.index)


def test_no_more_frames_are_drawn_than_are_needed() -> None:
    drawn = []

    def frames() -> Iterator[int]:
        for number in range(100):
            drawn.append(number)
            yield number

    stream = held(frames(), before=1, after=2)
    for index in range(10):
        assert next(stream).index == index
        assert len(drawn) == index + 3


def test_logits_are_averaged_by_weight() -> None:
    total = LogitSum()
    total.add(np.array([[1.0, -4.0]], np.float32), 0.25)
    total.add(np.array([[5.0, 0.0]], np.float32), 0.75)
    assert total.mean().tolist() == [[4.0, -1.0]]
    assert total.mean().dtype == np.float32
    with pytest.raises(UsageError, match="no logits"):
        LogitSum().mean()
