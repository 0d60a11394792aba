"""Masks over time: carried along the flow, mixed where it can be trusted, without specks and holes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

pytest.importorskip("cv2", reason="smoothing masks needs OpenCV")

from podium.errors import UsageError
from podium.solutions.object_segmentation.smoothing import (
    Between,
    Track,
    agreement,
    smoothed,
    warped,
    without_holes,
    without_specks,
)

SMALL_MASKS = arrays.arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9)))


def constant(height: int, width: int, dx: float, dy: float) -> np.ndarray:
    return np.broadcast_to(np.array([dx, dy], np.float32), (height, width, 2)).copy()


def square(left: int, *, size: tuple[int, int] = (40, 60), top: int = 10, side: int = 12) -> np.ndarray:
    map_HW = np.full(size, 0.1, np.float32)
    map_HW[top : top + side, left : left + side] = 0.9
    return map_HW


def bilinear(map_HW: np.ndarray, flow_HW2: np.ndarray) -> np.ndarray:
    """The slow twin of `warped`."""
    height, width = map_HW.shape
    found = np.zeros_like(map_HW)
    for y in range(height):
        for x in range(width):
            there_x = min(max(x + float(flow_HW2[y, x, 0]), 0), width - 1)
            there_y = min(max(y + float(flow_HW2[y, x, 1]), 0), height - 1)
            left, top = int(there_x), int(there_y)
            right, low = min(left + 1, width - 1), min(top + 1, height - 1)
            fx, fy = there_x - left, there_y - top
            upper = map_HW[top, left] * (1 - fx) + map_HW[top, right] * fx
            lower = map_HW[low, left] * (1 - fx) + map_HW[low, right] * fx
            found[y, x] = upper * (1 - fy) + lower * fy
    return found


def patches(mask_HW: np.ndarray) -> list[set[tuple[int, int]]]:
    """Connected patches by flood filling, the slow way; in reading order of their first pixel."""
    left = {(int(y), int(x)) for y, x in np.argwhere(mask_HW)}
    found = []
    for start in sorted(left):
        if start not in left:
            continue
        patch, border = {start}, [start]
        left.discard(start)
        while border:
            y, x = border.pop()
            for each in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)):
                if each in left:
                    left.discard(each)
                    patch.add(each)
                    border.append(each)
        found.append(patch)
    return found


def test_a_map_is_read_at_the_places_that_the_flow_points_to() -> None:
    rng = np.random.default_rng(0)
    map_HW = rng.random((17, 23), np.float32)
    flow_HW2 = rng.normal(0, 4, (17, 23, 2)).astype(np.float32)
    np.testing.assert_allclose(warped(map_HW, flow_HW2), bilinear(map_HW, flow_HW2), atol=0.04)
    shifted = warped(map_HW, constant(17, 23, 2, 1))
    np.testing.assert_array_equal(shifted[:-1, :-2], map_HW[1:, 2:])


def test_opposite_flows_agree_except_where_they_leave_the_picture() -> None:
    agrees = agreement(constant(20, 30, 3, 0), constant(20, 30, -3, 0))
    assert agrees[:, :27].all()
    assert not agrees[:, 27:].any()


@pytest.mark.parametrize("back", [(3.0, 0.0), (0.0, 0.0), (-3.0, 1.5)])
def test_flows_that_do_not_lead_back_do_not_agree(back: tuple[float, float]) -> None:
    assert not agreement(constant(20, 30, 3, 0), constant(20, 30, *back)).any()


def test_a_map_is_mixed_with_the_one_before_where_flows_agree_and_stays_where_they_do_not() -> None:
    there, back = constant(20, 30, -2, 0), constant(20, 30, 2, 0)
    back[:10] = 9
    now, before = np.full((20, 30), 0.8, np.float32), np.full((20, 30), 0.2, np.float32)
    mixed = smoothed(now, before, to_previous=there, from_previous=back, share=0.25)
    np.testing.assert_allclose(mixed[12:, 2:], 0.75 * 0.8 + 0.25 * 0.2, rtol=1e-6)
    np.testing.assert_array_equal(mixed[:8], now[:8])
    np.testing.assert_array_equal(mixed[:, :2], now[:, :2])


def test_maps_and_flows_of_different_sizes_are_refused() -> None:
    with pytest.raises(UsageError, match="one height and width"):
        smoothed(
            np.zeros((4, 4), np.float32),
            np.zeros((4, 5), np.float32),
            to_previous=constant(4, 4, 0, 0),
            from_previous=constant(4, 4, 0, 0),
            share=0.5,
        )


def test_a_frame_that_drops_out_is_carried_by_the_one_before_and_a_moving_mask_leaves_no_trail() -> None:
    track = Track(smoothing=0.6, speck_share=0, hole_share=0)
    between = Between(there_HW2=constant(40, 60, -3, 0), back_HW2=constant(40, 60, 3, 0))
    track.step(square(10))
    lost = np.where(square(13) > 0.5, np.float32(0.4), np.float32(0.1))
    np.testing.assert_array_equal(track.step(lost, between) >= 0.5, square(13) >= 0.5)
    np.testing.assert_array_equal(track.step(square(16), between) >= 0.5, square(16) >= 0.5)


def test_a_patch_that_appears_for_one_frame_goes_and_one_that_stays_is_kept() -> None:
    track = Track(smoothing=0, speck_share=0.01, hole_share=0)
    still = Between(there_HW2=constant(40, 60, 0, 0), back_HW2=constant(40, 60, 0, 0))
    plain, speckled = square(10), square(10)
    speckled[2:4, 50:52] = 0.9
    track.step(plain)
    first, second = track.step(speckled, still), track.step(speckled, still)
    np.testing.assert_array_equal(first >= 0.5, plain >= 0.5)
    np.testing.assert_array_equal(second >= 0.5, speckled >= 0.5)


@settings(max_examples=150)
@given(SMALL_MASKS, st.floats(0.02, 0.5), st.integers(0, 2**32 - 1))
def test_specks_are_small_patches_without_forerunner_except_the_largest(
    mask_HW: np.ndarray, share: float, seed: int
) -> None:
    previous = np.random.default_rng(seed).random(mask_HW.shape) < 0.2
    map_HW = np.where(mask_HW, np.float32(0.7), np.float32(0.2))
    found = without_specks(map_HW, previous, speck_share=share) >= 0.5
    every = patches(mask_HW)
    largest = max((len(each) for each in every), default=0)
    for patch in every:
        kept = {bool(found[place]) for place in patch}
        assert len(kept) == 1
        if len(patch) >= share * mask_HW.size or any(previous[place] for place in patch):
            assert kept == {True}
        elif len(patch) < largest:
            assert kept == {False}
    assert not (found & ~mask_HW).any()
    assert found.any() == mask_HW.any()


@settings(max_examples=150)
@given(SMALL_MASKS, st.floats(0.02, 0.5))
def test_holes_are_small_and_do_not_touch_the_edge(mask_HW: np.ndarray, share: float) -> None:
    map_HW = np.where(mask_HW, np.float32(0.7), np.float32(0.2))
    found = without_holes(map_HW, hole_share=share) >= 0.5
    height, width = mask_HW.shape
    expected = mask_HW.copy()
    for patch in patches(~mask_HW):
        inside = all(0 < y < height - 1 and 0 < x < width - 1 for y, x in patch)
        if inside and len(patch) <= share * mask_HW.size:
            for place in patch:
                expected[place] = True
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "clean", [lambda m: without_specks(m, None, speck_share=0.1), lambda m: without_holes(m, hole_share=0.1)]
)
def test_what_is_clean_stays_as_it_is(clean: Callable[[np.ndarray], np.ndarray]) -> None:
    map_HW = square(10, side=20)
    np.testing.assert_array_equal(clean(map_HW), map_HW)
