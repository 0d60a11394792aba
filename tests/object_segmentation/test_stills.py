"""Stills that move: the flow is that of the second frame."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

cv2 = pytest.importorskip("cv2")

from podium.errors import UsageError  # noqa: E402 - after the check for OpenCV
from podium.solutions.object_segmentation import motion, stills  # noqa: E402
from podium.solutions.object_segmentation.motion import MotionSettings  # noqa: E402
from podium.solutions.object_segmentation.stills import MovementSettings  # noqa: E402

SETTINGS = MovementSettings()


def scene(height: int = 120, width: int = 180, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    image_HWC = cv2.resize(rng.integers(0, 256, (height // 6, width // 6, 3), dtype=np.uint8), (width, height))
    y_HW, x_HW = np.mgrid[:height, :width]
    mask_HW = ((x_HW - 0.5 * width) / (0.2 * width)) ** 2 + ((y_HW - 0.5 * height) / (0.3 * height)) ** 2 < 1
    image_HWC[mask_HW] = 255 - image_HWC[mask_HW] // 2
    return image_HWC, mask_HW


def inner(mask_HW: NDArray[np.bool_], pixels: int) -> NDArray[np.bool_]:
    return cv2.erode(mask_HW.astype(np.uint8), np.ones((2 * pixels + 1,) * 2, np.uint8)) > 0


@pytest.mark.parametrize("seed", range(4))
def test_the_second_frame_fetched_back_along_the_flow_is_the_still(seed: int) -> None:
    image_HWC, mask_HW = scene(seed=seed)
    pair = stills.pair(image_HWC, mask_HW, np.random.default_rng(seed), SETTINGS)
    assert pair.first_HWC is image_HWC
    y_HW, x_HW = np.mgrid[:120, :180].astype(np.float32)
    there_HW2 = np.stack([x_HW, y_HW], axis=-1) + pair.flow_HW2
    back_HWC = cv2.remap(pair.second_HWC, there_HW2, None, cv2.INTER_LINEAR)
    errors_HW = np.abs(back_HWC.astype(int) - image_HWC).mean(axis=-1)
    in_frame_HW = ((there_HW2 > 1) & (there_HW2 < [178, 118])).all(axis=-1)
    far_HW = ~(cv2.dilate(mask_HW.astype(np.uint8), np.ones((31, 31), np.uint8)) > 0)
    for part_HW in (inner(mask_HW, 2), far_HW & in_frame_HW):
        assert part_HW.sum() > 500
        assert np.median(errors_HW[part_HW]) < 4
        assert np.quantile(errors_HW[part_HW], 0.95) < 20
        unmoved_HW = np.abs(pair.second_HWC.astype(int) - image_HWC).mean(axis=-1)
        assert np.median(unmoved_HW[part_HW]) > 3 * np.median(errors_HW[part_HW])


def test_the_object_moves_otherwise_than_what_is_around_it() -> None:
    _, mask_HW = scene()
    shown = []
    for seed in range(8):
        flow_HW2 = stills.movement(mask_HW, np.random.default_rng(seed), SETTINGS).flow(mask_HW)
        picture_HW3 = motion.motion_picture(
            stills.roughened(flow_HW2, np.random.default_rng(seed), SETTINGS), MotionSettings()
        )
        shown.append(np.median(picture_HW3[mask_HW][:, 2]) - np.median(picture_HW3[~mask_HW][:, 2]))
    assert np.mean(np.array(shown) > 0.15) >= 0.75


def test_the_same_draws_give_the_same_bytes() -> None:
    image_HWC, mask_HW = scene()
    first, second, other = (
        stills.pair(image_HWC, mask_HW, np.random.default_rng(each), SETTINGS) for each in (1, 1, 2)
    )
    assert first.second_HWC.tobytes() == second.second_HWC.tobytes()
    assert first.flow_HW2.tobytes() == second.flow_HW2.tobytes()
    assert first.flow_HW2.tobytes() != other.flow_HW2.tobytes()


def test_settings_of_no_motion_leave_everything_where_it_was() -> None:
    image_HWC, mask_HW = scene()
    still = MovementSettings(background=0, least=0, most=0, turn_degrees=0, zoom=0, bend=0, rough=0)
    pair = stills.pair(image_HWC, mask_HW, np.random.default_rng(0), still)
    assert np.abs(pair.flow_HW2).max() < 1e-4
    assert (pair.second_HWC[mask_HW] == image_HWC[mask_HW]).all()


def test_what_the_object_hid_is_filled_from_around_it() -> None:
    image_HWC = np.full((60, 80, 3), 200, dtype=np.uint8)
    image_HWC[:, 40:] = 100
    mask_HW = np.zeros((60, 80), dtype=bool)
    mask_HW[20:40, 5:25] = True
    image_HWC[mask_HW] = 0
    filled_HWC = stills.without_object(image_HWC, mask_HW)
    assert (filled_HWC[~mask_HW] == image_HWC[~mask_HW]).mean() > 0.95
    assert np.abs(filled_HWC[mask_HW].astype(int) - 200).max() <= 2


@pytest.mark.parametrize("full", [True, False])
def test_masks_of_everything_and_of_nothing_are_taken(full: bool) -> None:
    image_HWC, mask_HW = scene()
    pair = stills.pair(image_HWC, np.full_like(mask_HW, full), np.random.default_rng(0), SETTINGS)
    assert np.isfinite(pair.flow_HW2).all()
    assert pair.second_HWC.shape == image_HWC.shape


def test_sizes_that_differ_and_wild_settings_are_refused() -> None:
    image_HWC, mask_HW = scene()
    with pytest.raises(UsageError, match="alike"):
        stills.pair(image_HWC, mask_HW[:-1], np.random.default_rng(0), SETTINGS)
    with pytest.raises(UsageError, match="least first"):
        MovementSettings(least=0.1, most=0.05)
    with pytest.raises(UsageError, match="bends"):
        MovementSettings(bend=0.5)
