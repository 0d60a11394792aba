"""Flow as a picture: what the camera explains is taken away, and what is left stands out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

pytest.importorskip("cv2")

from podium.errors import UsageError
from podium.solutions.object_segmentation import motion
from podium.solutions.object_segmentation.motion import MotionSettings

SETTINGS = MotionSettings()
CAMERA = np.array([[1.02, 0.01, 3.0], [-0.015, 0.99, -2.0], [1e-4, -5e-5, 1.0]])


def camera_flow(height: int, width: int, matrix: NDArray[np.float64] = CAMERA) -> NDArray[np.float32]:
    """Pixel by pixel, as the definition of a homography says."""
    flow_HW2 = np.empty((height, width, 2), dtype=np.float32)
    for y in range(height):
        for x in range(width):
            a, b, c = matrix @ np.array([x, y, 1.0])
            flow_HW2[y, x] = a / c - x, b / c - y
    return flow_HW2


def test_the_motion_of_a_turning_camera_is_explained() -> None:
    flow_HW2 = camera_flow(72, 96)
    np.testing.assert_allclose(motion.background(flow_HW2), flow_HW2, atol=0.01)
    assert np.abs(motion.motion_picture(flow_HW2, SETTINGS)).max() < 0.1


def test_a_moving_square_stands_out_of_a_moving_background() -> None:
    flow_HW2 = camera_flow(96, 160) + np.random.default_rng(0).normal(0, 0.05, (96, 160, 2)).astype(np.float32)
    mask_HW = np.zeros((96, 160), dtype=bool)
    mask_HW[30:70, 50:110] = True
    flow_HW2[mask_HW] += np.array([3.0, -4.0], dtype=np.float32)
    picture_HW3 = motion.motion_picture(flow_HW2, SETTINGS)
    assert picture_HW3.dtype == np.float32
    assert picture_HW3[mask_HW][:, 2].min() > 0.85
    assert np.quantile(picture_HW3[~mask_HW][:, 2], 0.99) < 0.5
    np.testing.assert_allclose(picture_HW3[mask_HW][:, :2].mean(axis=0), [0.6 * 0.94, -0.8 * 0.94], atol=0.03)


def test_without_compensation_the_square_drowns() -> None:
    flow_HW2 = np.broadcast_to(np.array([20.0, 0.0], dtype=np.float32), (96, 160, 2)).copy()
    flow_HW2[30:70, 50:110] += np.array([0.0, 2.0], dtype=np.float32)
    shown, plain = (motion.motion_picture(flow_HW2, MotionSettings(compensate=each))[..., 2] for each in (True, False))
    assert shown[50, 80] - shown[5, 5] > 0.8
    assert abs(plain[50, 80] - plain[5, 5]) < 0.01


def test_an_object_over_half_of_the_frame_is_not_taken_for_the_background_when_the_border_is_free() -> None:
    flow_HW2 = np.zeros((96, 160, 2), dtype=np.float32)
    flow_HW2[13:83, 22:138] = np.array([6.0, 2.0], dtype=np.float32)
    assert np.mean(flow_HW2[..., 0] > 0) > 0.5
    assert np.abs(motion.background(flow_HW2)).max() < 0.01


def test_the_noise_of_a_still_frame_is_not_blown_up() -> None:
    flow_HW2 = np.random.default_rng(1).normal(0, 0.02, (192, 320, 2)).astype(np.float32)
    picture_HW3 = motion.motion_picture(flow_HW2, SETTINGS)
    assert picture_HW3[..., 2].mean() < 0.1
    assert motion.spread(flow_HW2) < 0.04


def test_where_nothing_agrees_the_median_is_the_background() -> None:
    flow_HW2 = np.random.default_rng(2).uniform(-40, 40, (96, 96, 2)).astype(np.float32) + 5
    assert motion.homography(flow_HW2) is None
    background_HW2 = motion.background(flow_HW2)
    assert np.ptp(background_HW2, axis=(0, 1)).tolist() == [0, 0]
    assert np.abs(background_HW2[0, 0] - 5).max() < 5


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (15, 15), (16, 200)])
def test_frames_of_any_size_have_a_picture(size: tuple[int, int]) -> None:
    flow_HW2 = np.full((*size, 2), 3, dtype=np.float32)
    picture_HW3 = motion.motion_picture(flow_HW2, SETTINGS)
    assert picture_HW3.shape == (*size, 3)
    assert np.abs(picture_HW3).max() < 0.05


def test_the_same_flow_gives_the_same_bytes() -> None:
    flow_HW2 = camera_flow(64, 80) + np.random.default_rng(3).normal(0, 1, (64, 80, 2)).astype(np.float32)
    assert motion.background(flow_HW2).tobytes() == motion.background(flow_HW2.copy()).tobytes()


def test_flow_that_is_no_number_is_refused() -> None:
    flow_HW2 = np.zeros((64, 64, 2), dtype=np.float32)
    flow_HW2[:] = np.nan
    with pytest.raises(UsageError, match="no numbers"):
        motion.background(flow_HW2)


@given(
    dx=st.floats(-200, 200, width=32),
    dy=st.floats(-200, 200, width=32),
    factor=st.floats(1.0, 5.0),
    length=st.floats(0.1, 50),
)
def test_pictures_keep_directions_and_the_order_of_lengths(dx: float, dy: float, factor: float, length: float) -> None:
    pair_HW2 = np.array([[[dx, dy], [dx * factor, dy * factor]]], dtype=np.float32)
    (short, long) = motion.picture(pair_HW2, length)[0]
    long_px = np.hypot(dx, dy)
    assert short[2] == pytest.approx(long_px / (long_px + length), rel=1e-4, abs=1e-6)
    assert np.hypot(short[0], short[1]) == pytest.approx(short[2], rel=1e-3, abs=1e-6)
    assert -1e-6 <= short[2] <= long[2] + 1e-6 <= 1 + 2e-6
    assert short[0] * dy == pytest.approx(short[1] * dx, rel=1e-3, abs=1e-3)


@given(scale=st.integers(1, 4))
def test_pictures_do_not_depend_on_the_size_in_which_flow_was_taken(scale: int) -> None:
    flow_HW2 = np.zeros((64, 96, 2), dtype=np.float32)
    flow_HW2[20:40, 30:60] = np.array([2.0, 1.0], dtype=np.float32)
    larger_HW2 = flow_HW2.repeat(scale, axis=0).repeat(scale, axis=1) * scale
    np.testing.assert_allclose(
        motion.motion_picture(larger_HW2, SETTINGS)[::scale, ::scale],
        motion.motion_picture(flow_HW2, SETTINGS),
        atol=1e-3,
    )


@pytest.mark.parametrize("wrong", [{"noise": -1.0}, {"floor": 0.0}, {"noise": float("nan")}])
def test_scales_of_nothing_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="scale of motion"):
        MotionSettings(**wrong)  # type: ignore[arg-type]
