"""Masks over pictures: contours where the border is, errors in colours that anybody can tell apart."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from podium.errors import UsageError
from podium.media import contours

MASKS = arrays.arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9)))

# Machado, Oliveira and Fernandes (2009), full severity, on linear red, green and blue.
SIGHTS = {
    "usual": np.eye(3),
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def seen(colour: contours.Colour, sight: str) -> np.ndarray:
    linear = (np.array(colour) / 255) ** 2.2
    return np.clip(np.array(SIGHTS[sight]) @ linear, 0, 1) ** (1 / 2.2)


def inner_border(mask_HW: np.ndarray) -> np.ndarray:
    """The slow twin of `outline`: foreground with a background neighbour above, below, left or right."""
    height, width = mask_HW.shape
    found = np.zeros_like(mask_HW)
    for y, x in np.argwhere(mask_HW):
        for other_y, other_x in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if 0 <= other_y < height and 0 <= other_x < width and not mask_HW[other_y, other_x]:
                found[y, x] = True
    return found


def picture(height: int = 40, width: int = 60) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)


def square(left: int, side: int = 20) -> np.ndarray:
    mask_HW = np.zeros((40, 60), bool)
    mask_HW[10 : 10 + side, left : left + side] = True
    return mask_HW


@given(MASKS)
def test_the_outline_is_the_inner_border(mask_HW: np.ndarray) -> None:
    np.testing.assert_array_equal(contours.outline(mask_HW), inner_border(mask_HW))


@given(MASKS, st.integers(1, 4))
def test_a_thicker_outline_holds_the_thinner_and_stays_inside(mask_HW: np.ndarray, thickness: int) -> None:
    thin, thick = (contours.outline(mask_HW, thickness=each) for each in (thickness, thickness + 1))
    assert not (thin & ~thick).any()
    assert not (thick & ~mask_HW).any()


def test_the_edge_of_the_picture_is_no_border() -> None:
    assert not contours.outline(np.ones((5, 7), bool)).any()
    half = np.zeros((4, 6), bool)
    half[:, :3] = True
    assert np.argwhere(contours.outline(half))[:, 1].tolist() == [2, 2, 2, 2]


def test_an_overlay_changes_the_mask_and_its_rim_only_and_leaves_its_arguments_alone() -> None:
    frame_HWC, mask_HW = picture(), square(15)
    before, mask_before = frame_HWC.copy(), mask_HW.copy()
    drawn = contours.overlay(frame_HWC, mask_HW)
    np.testing.assert_array_equal(frame_HWC, before)
    np.testing.assert_array_equal(mask_HW, mask_before)
    far = np.ones((40, 60), bool)
    far[9:31, 14:36] = False
    np.testing.assert_array_equal(drawn[far], frame_HWC[far])
    assert (drawn[10:12, 15:35] == contours.HIT).all()
    inside = drawn[15, 20].astype(int)
    np.testing.assert_allclose(inside, 0.6 * frame_HWC[15, 20] + 0.4 * np.array(contours.HIT), atol=1)


def test_a_mask_without_an_object_leaves_the_picture() -> None:
    empty = np.zeros((40, 60), bool)
    np.testing.assert_array_equal(contours.overlay(picture(), empty), picture())
    np.testing.assert_array_equal(contours.overlay(picture(), empty, truth_HW=empty), picture())
    np.testing.assert_array_equal(contours.overlay(picture(), square(15), opacity=0, thickness=0), picture())


def test_beside_the_truth_each_kind_of_error_has_its_colour() -> None:
    grey = np.full((40, 60, 3), 128, np.uint8)
    drawn = contours.overlay(grey, square(20), truth_HW=square(10), opacity=0.5, thickness=0).astype(int)

    def mixed(colour: contours.Colour, share: float) -> np.ndarray:
        return (1 - share) * 128 + share * np.array(colour)

    np.testing.assert_allclose(drawn[20, 25], mixed(contours.HIT, 0.5), atol=1)
    np.testing.assert_allclose(drawn[20, 35], mixed(contours.FALSE_ALARM, 0.75), atol=1)
    miss = drawn[10:30, 10:20].reshape(-1, 3)
    striped = np.isclose(miss, mixed(contours.MISS, 0.9), atol=1).all(axis=1)
    assert 0.4 < striped.mean() < 0.6
    assert (miss[~striped] == 128).all()
    assert (drawn[:, :10] == 128).all()


def test_the_truth_has_a_white_line_and_a_false_alarm_its_own() -> None:
    drawn = contours.overlay(picture(), square(20), truth_HW=square(10), thickness=1)
    assert (drawn[10, 10:20] == contours.TRUTH).all()
    assert (drawn[10:30, 10] == contours.TRUTH).all()
    assert (drawn[10:30, 39] == contours.FALSE_ALARM).all()


@pytest.mark.parametrize("sight", SIGHTS)
def test_the_colours_can_be_told_apart_whatever_colours_one_sees(sight: str) -> None:
    for (one, first), (two, second) in combinations(contours.LEGEND, 2):
        apart = float(np.linalg.norm(seen(first, sight) - seen(second, sight)))
        assert apart > 0.25, f"{one} and {two} are {apart:.2f} apart"


def test_pictures_of_one_height_stand_side_by_side() -> None:
    row = contours.side_by_side([picture(), picture(width=20)], gap=3)
    np.testing.assert_array_equal(row[:, :60], picture())
    assert (row[:, 60:63] == 255).all()
    np.testing.assert_array_equal(row[:, 63:], picture(width=20))
    with pytest.raises(UsageError, match="one height"):
        contours.side_by_side([picture(), picture(height=30)])
    with pytest.raises(UsageError, match="one height"):
        contours.side_by_side([])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"frame_HWC": np.zeros((40, 60), np.uint8)}, "a picture is"),
        ({"frame_HWC": np.zeros((40, 60, 3), np.float32)}, "a picture is"),
        ({"mask_HW": np.zeros((40, 60), np.uint8)}, "a mask is `uint8`"),
        ({"mask_HW": np.zeros((40, 59), bool)}, r"the mask is `\(40, 59\)`"),
        ({"truth_HW": np.zeros((1, 60), bool)}, r"the mask is `\(1, 60\)`"),
        ({"opacity": 1.5}, "opacity `1.5`"),
        ({"thickness": -1}, "thickness `-1`"),
    ],
)
def test_what_cannot_be_drawn_is_refused(change: dict[str, object], text: str) -> None:
    arguments = {"frame_HWC": picture(), "mask_HW": square(15), **change}
    with pytest.raises(UsageError, match=text):
        contours.overlay(arguments.pop("frame_HWC"), arguments.pop("mask_HW"), **arguments)


def test_an_outline_needs_a_mask_and_a_thickness() -> None:
    with pytest.raises(UsageError, match="a mask is"):
        contours.outline(np.zeros((4, 4), np.uint8))
    with pytest.raises(UsageError, match="at least 1"):
        contours.outline(square(10), thickness=0)
