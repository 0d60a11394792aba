"""Looks at frames: picture, mask and motion stay together whatever is done."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

pytest.importorskip("cv2")

from podium.solutions.object_segmentation import augmentation
from podium.solutions.object_segmentation.augmentation import Look, Source, View

HEIGHT, WIDTH = 60, 90


def source(seed: int = 0) -> Source:
    """Its colour and its motion say what its mask says: red and a motion of (4, -2) on the object, else neither."""
    y_HW, x_HW = np.mgrid[:HEIGHT, :WIDTH]
    centre = np.random.default_rng(seed).uniform([20, 15], [70, 45])
    mask_HW = ((x_HW - centre[0]) / 18) ** 2 + ((y_HW - centre[1]) / 11) ** 2 < 1
    image_HWC = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    image_HWC[mask_HW, 0] = 255
    residual_HW2 = np.where(mask_HW[..., None], np.array([4, -2]), 0).astype(np.float16)
    return Source(image_HWC=image_HWC, truth_HW=mask_HW.astype(np.uint8), residual_HW2=residual_HW2, length=1.0)


def view(**changes: float) -> View:
    whole = View(x=(WIDTH - 1) / 2, y=(HEIGHT - 1) / 2, zoom=1, turn=0, mirrored=False, height=HEIGHT, width=WIDTH)
    return replace(whole, **changes)


def look(mask_HW: NDArray[np.bool_], *, colour: int, moved: tuple[float, float]) -> Look:
    return Look(
        image_HWC=np.full((*mask_HW.shape, 3), colour, dtype=np.uint8),
        object_HW=mask_HW.astype(np.uint8) * 255,
        residual_HW2=np.where(mask_HW[..., None], np.array(moved), 0).astype(np.float32),
        known_HW=np.ones(mask_HW.shape, dtype=bool),
        length=1.0,
    )


def box(top: int, left: int, bottom: int, right: int) -> NDArray[np.bool_]:
    mask_HW = np.zeros((24, 32), dtype=bool)
    mask_HW[top:bottom, left:right] = True
    return mask_HW


@given(seed=st.integers(0, 10_000), zoom=st.floats(0.4, 2.5), turn=st.floats(0, 45), flip=st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_picture_mask_and_motion_stay_together(seed: int, zoom: float, turn: float, flip: float) -> None:
    rng = np.random.default_rng(seed)
    here = source(seed)
    drawn = augmentation.draw_view(
        here.truth_HW, rng, size=(48, 72), scales=(zoom, zoom), inside=1, turn_degrees=turn, flip=flip
    )
    shown = augmentation.cut(here, drawn)
    mask_HW = shown.object_HW >= 128
    assert np.mean((shown.image_HWC[..., 0] >= 128) == mask_HW) > 0.995
    long_HW = np.hypot(shown.residual_HW2[..., 0], shown.residual_HW2[..., 1])
    assert np.mean((long_HW >= np.hypot(4, 2) / 2) == mask_HW) > 0.995
    if (sure_HW := shown.object_HW == 255).any():
        expected = drawn.rotation @ np.array([4, -2])
        np.testing.assert_allclose(shown.residual_HW2[sure_HW].mean(axis=0), expected, atol=0.05)
    assert shown.image_HWC.shape == (48, 72, 3)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_a_view_bound_to_the_object_shows_some_of_it(seed: int) -> None:
    here = source(seed)
    drawn = augmentation.draw_view(
        here.truth_HW, np.random.default_rng(seed), size=(24, 36), scales=(0.8, 1.5), inside=1, turn_degrees=0, flip=0.5
    )
    assert (augmentation.cut(here, drawn).object_HW >= 128).any()


def test_the_whole_frame_is_the_frame() -> None:
    here = source()
    shown = augmentation.cut(here, view())
    assert (shown.image_HWC == here.image_HWC).all()
    assert (shown.object_HW == here.truth_HW * 255).all()
    assert (shown.residual_HW2 == here.residual_HW2).all()
    assert shown.known_HW.all()


def test_a_mirrored_frame_moves_the_other_way_across_and_the_same_way_down() -> None:
    here = source()
    shown = augmentation.cut(here, view(mirrored=True))
    assert (shown.image_HWC == here.image_HWC[:, ::-1]).all()
    np.testing.assert_allclose(shown.residual_HW2, here.residual_HW2[:, ::-1] * np.float16([-1, 1]), atol=1e-3)


def test_a_quarter_turn_turns_motion_too() -> None:
    here = source()
    shown = augmentation.cut(here, view(turn=np.pi / 2, height=WIDTH, width=HEIGHT))
    np.testing.assert_array_equal(shown.object_HW, np.rot90(here.truth_HW, k=-1) * 255)
    # Right becomes down, up becomes right.
    np.testing.assert_allclose(shown.residual_HW2[shown.object_HW == 255].mean(axis=0), [2, 4], atol=1e-3)


def test_beyond_the_frame_and_on_unknown_pixels_nothing_is_known() -> None:
    here = source()
    truth_HW = here.truth_HW.copy()
    truth_HW[:10, :10] = 2
    shown = augmentation.cut(replace(here, truth_HW=truth_HW), view(x=0.0))
    assert not shown.known_HW[:, : WIDTH // 2 - 1].any()
    assert not shown.known_HW[:9, WIDTH // 2 + 1 : WIDTH // 2 + 9].any()
    assert shown.known_HW[12:, WIDTH // 2 + 1 :].all()
    assert (shown.image_HWC[30, : WIDTH // 2 - 1] == here.image_HWC[30, 0]).all()


def test_a_place_brings_the_object_into_the_view() -> None:
    here = source()
    for seed in range(20):
        drawn = augmentation.draw_place(here.truth_HW, np.random.default_rng(seed), size=(48, 72), zoom=1.0, flip=0.5)
        assert drawn is not None
        assert (augmentation.cut(here, drawn).object_HW >= 128).any()
    empty_HW = np.zeros_like(here.truth_HW)
    assert augmentation.draw_place(empty_HW, np.random.default_rng(0), size=(48, 72), zoom=1, flip=0) is None


def test_a_decoy_in_front_hides_the_object_and_stands_still() -> None:
    own = look(box(4, 4, 16, 16), colour=50, moved=(3, 1))
    decoy = look(box(10, 10, 22, 30), colour=200, moved=(9, 9))
    pasted = augmentation.paste_decoy(own, decoy, in_front=True)
    assert ((pasted.object_HW >= 128) == (box(4, 4, 16, 16) & ~box(10, 10, 22, 30))).all()
    assert (pasted.image_HWC[box(10, 10, 22, 30)] == 200).all()
    assert not pasted.residual_HW2[box(10, 10, 22, 30)].any()
    assert (pasted.residual_HW2[5, 5] == [3, 1]).all()


def test_a_decoy_behind_leaves_the_object_and_its_motion_as_they_were() -> None:
    own = look(box(4, 4, 16, 16), colour=50, moved=(3, 1))
    decoy = look(box(10, 10, 22, 30), colour=200, moved=(9, 9))
    pasted = augmentation.paste_decoy(own, decoy, in_front=False)
    np.testing.assert_array_equal(pasted.object_HW, own.object_HW)
    np.testing.assert_array_equal(pasted.residual_HW2, own.residual_HW2)
    assert (pasted.image_HWC[box(4, 4, 16, 16)] == 50).all()
    assert (pasted.image_HWC[20, 20] == 200).all()


def test_a_pasted_object_is_one_more_and_brings_its_motion() -> None:
    own = look(box(2, 2, 8, 8), colour=50, moved=(3, 1))
    other = look(box(10, 14, 22, 30), colour=200, moved=(-5, 0))
    pasted = augmentation.paste_object(own, other, np.random.default_rng(0))
    assert ((pasted.object_HW >= 128) == (box(2, 2, 8, 8) | box(10, 14, 22, 30))).all()
    np.testing.assert_allclose(pasted.residual_HW2[16, 22], [-5, 0], atol=0.05)
    np.testing.assert_allclose(pasted.residual_HW2[4, 4], [3, 1], atol=0.05)


def test_a_pasted_object_that_stood_still_is_made_to_move() -> None:
    own = look(box(2, 2, 8, 8), colour=50, moved=(3, 1))
    other = look(box(10, 14, 22, 30), colour=200, moved=(0.1, 0))
    long = [
        np.hypot(*augmentation.paste_object(own, other, np.random.default_rng(seed)).residual_HW2[16, 22])
        for seed in range(8)
    ]
    assert min(long) > 0.8
    assert max(long) < 4.2


@given(seed=st.integers(0, 1000), strength=st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_other_light_draws_equally_often_and_nothing_at_strength_0(seed: int, strength: float) -> None:
    image_HWC = np.random.default_rng(seed).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    first, second = np.random.default_rng(seed), np.random.default_rng(seed)
    changed_HWC = augmentation.relight(image_HWC, first, strength=strength)
    assert augmentation.relight(image_HWC, second, strength=0.0) is image_HWC
    assert first.random() == second.random()
    assert changed_HWC.dtype == np.uint8
    assert changed_HWC.shape == image_HWC.shape
    if strength > 0.5:
        assert (changed_HWC != image_HWC).any()
