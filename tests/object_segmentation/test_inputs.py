"""Frames made ready for a network, and its answers at the size of the frame."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

cv2 = pytest.importorskip("cv2")

from podium.errors import UsageError  # noqa: E402 - after the check for OpenCV
from podium.solutions.object_segmentation import inputs  # noqa: E402
from podium.solutions.object_segmentation.inputs import InputSettings  # noqa: E402
from podium.solutions.object_segmentation.motion import motion_picture  # noqa: E402

SMALL = InputSettings(short_side=64, multiple=32)
sides = st.integers(8, 150)


def ellipse(height: int, width: int) -> np.ndarray:
    y_HW, x_HW = np.mgrid[:height, :width]
    return ((x_HW - width / 2) / (0.3 * width)) ** 2 + ((y_HW - height / 2) / (0.3 * height)) ** 2 < 1


@given(height=sides, width=sides, multiple=st.sampled_from([1, 8, 32]))
@settings(max_examples=40, deadline=None)
def test_every_frame_is_scaled_then_filled_up(height: int, width: int, multiple: int) -> None:
    wanted = InputSettings(short_side=48, multiple=multiple)
    image_HWC = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    ready = inputs.prepare(image_HWC, None, wanted)
    assert min(ready.height, ready.width) == 48
    assert (ready.height, ready.width) == inputs.scaled_size(height, width, wanted)
    assert ready.image_HW3.shape[:2] == inputs.filled_size(height, width, wanted) == ready.motion_HW3.shape[:2]
    assert all(each % multiple == 0 for each in ready.image_HW3.shape[:2])
    assert ready.image_HW3.shape[0] - ready.height < multiple > ready.image_HW3.shape[1] - ready.width
    assert ready.image_HW3.dtype == ready.motion_HW3.dtype == np.float32
    assert 0 <= ready.image_HW3.min() <= ready.image_HW3.max() <= 1
    assert not ready.has_motion
    assert not ready.motion_HW3.any()
    last_W3 = ready.image_HW3[ready.height - 1]
    assert (ready.image_HW3[ready.height :] == last_W3).all()


@given(height=st.integers(40, 200), width=st.integers(40, 200))
@settings(max_examples=25, deadline=None)
def test_a_mask_comes_back_at_its_size_and_nearly_as_it_was(height: int, width: int) -> None:
    mask_HW = ellipse(height, width)
    image_HWC = np.repeat(mask_HW[..., None], 3, axis=-1).astype(np.uint8) * 255
    ready = inputs.prepare(image_HWC, None, SMALL)
    back_HW = inputs.restore(ready.image_HW3[..., 0], (height, width), SMALL)
    assert back_HW.shape == (height, width)
    found_HW = back_HW >= 0.5
    assert (found_HW & mask_HW).sum() / (found_HW | mask_HW).sum() > 0.9


def test_a_frame_at_the_networks_scale_is_only_divided() -> None:
    image_HWC = np.random.default_rng(1).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    ready = inputs.prepare(image_HWC, None, SMALL)
    np.testing.assert_allclose(ready.image_HW3, image_HWC / 255, atol=1e-6)
    assert inputs.shrink(image_HWC, SMALL) is image_HWC


def test_preparing_a_frame_that_was_shrunk_changes_nothing() -> None:
    image_HWC = np.random.default_rng(1).integers(0, 256, (130, 210, 3), dtype=np.uint8)
    flow_HW2 = np.random.default_rng(2).normal(0, 2, (64, 103, 2)).astype(np.float32)
    small_HWC = inputs.shrink(image_HWC, SMALL)
    assert small_HWC.shape == (64, 103, 3)
    whole, small = (inputs.prepare(each, flow_HW2, SMALL) for each in (image_HWC, small_HWC))
    np.testing.assert_array_equal(whole.image_HW3, small.image_HW3)
    np.testing.assert_array_equal(whole.motion_HW3, small.motion_HW3)
    np.testing.assert_array_equal(whole.motion_HW3[:64, :103], motion_picture(flow_HW2, SMALL.motion))


def test_flow_of_the_full_frame_is_scaled_with_its_vectors() -> None:
    flow_HW2 = np.zeros((128, 192, 2), dtype=np.float32)
    flow_HW2[40:88, 60:120] = np.array([8.0, 0.0], dtype=np.float32)
    ready = inputs.prepare(np.zeros((128, 192, 3), dtype=np.uint8), flow_HW2, SMALL)
    # 4 pixels at half the size, beside a floor of 0.004 * 64.
    assert ready.motion_HW3[32, 45, 0] == pytest.approx(4 / (4 + 0.256), abs=0.01)
    assert ready.has_motion


def test_maps_and_pictures_of_another_shape_are_refused() -> None:
    with pytest.raises(UsageError, match=r"\(64, 96\)"):
        inputs.restore(np.zeros((64, 64), dtype=np.float32), (64, 96), SMALL)
    with pytest.raises(UsageError, match="uint8"):
        inputs.prepare(np.zeros((64, 64), dtype=np.uint8), None, SMALL)
    with pytest.raises(UsageError, match="flow"):
        inputs.prepare(np.zeros((64, 64, 3), dtype=np.uint8), np.zeros((64, 64), dtype=np.float32), SMALL)
    with pytest.raises(UsageError, match="`8`"):
        InputSettings(short_side=8)
