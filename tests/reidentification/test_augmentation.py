"""Changed photographs: the same for the same seed, moved as the map says, coloured as the formulas say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podium.errors import UsageError
from podium.solutions.reidentification import augmentation, soiling
from podium.solutions.reidentification.augmentation import (
    POLICIES,
    AugmentationSettings,
    Geometry,
    augment,
    moved,
    projective,
)
from podium.solutions.reidentification.mixing import mix, saliency


def picture(height: int = 24, width: int = 16, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth(height: int = 48, width: int = 32) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 4, columns * 6, rows + columns], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("flip", augmentation.FLIPS)
def test_the_same_seed_gives_the_same_pixels_and_leaves_the_photograph_alone(policy: str, flip: str) -> None:
    image = picture()
    kept = image.copy()
    chosen = AugmentationSettings(policy=policy, flip=flip, triangle=0.5, glare=0.5)
    views = [augment(image, chosen, seed=seed) for seed in range(8)]
    again = [augment(kept, chosen, seed=seed) for seed in range(8)]
    for one, two in zip(views, again, strict=True):
        assert one.image_HWC.dtype == np.uint8
        assert one.image_HWC.shape == image.shape
        assert one.image_HWC.flags.writeable
        assert np.array_equal(one.image_HWC, two.image_HWC)
        assert one.mirrored == two.mirrored
    assert np.array_equal(image, kept)
    assert len({each.image_HWC.tobytes() for each in views}) > 4


def test_half_of_the_photographs_are_mirrored_unless_none_are_to_be() -> None:
    image = picture()
    views = [augment(image, AugmentationSettings(policy="none"), seed=seed) for seed in range(400)]
    assert 150 < sum(each.mirrored for each in views) < 250
    for each in views[:20]:
        assert np.array_equal(each.image_HWC, image[:, ::-1] if each.mirrored else image)
    still = [augment(image, AugmentationSettings(policy="none", flip="none"), seed=seed) for seed in range(50)]
    assert not any(each.mirrored for each in still)
    assert all(np.array_equal(each.image_HWC, image) for each in still)


def test_to_mirror_as_another_changes_no_pixel() -> None:
    image = picture()
    for seed in range(20):
        same = augment(image, AugmentationSettings(flip="same"), seed=seed)
        other = augment(image, AugmentationSettings(flip="other"), seed=seed)
        assert np.array_equal(same.image_HWC, other.image_HWC)


def test_a_map_moves_pixels_where_it_says() -> None:
    image = picture()
    shifted = np.array([[1.0, 0, 3], [0, 1, 2], [0, 0, 1]])
    found = moved(image, shifted)
    assert np.array_equal(found[: 24 - 2, : 16 - 3], image[2:, 3:])
    beyond = image[::4, ::4].mean((0, 1)).round()
    assert (found[-1] == beyond).all()
    assert moved(image, np.eye(3)) is image
    mirror = np.array([[-1.0, 0, 16], [0, 1, 0], [0, 0, 1]])
    assert np.array_equal(moved(image, mirror), image[:, ::-1])


@settings(max_examples=50)
@given(st.lists(st.floats(-0.2, 0.2), min_size=8, max_size=8))
def test_a_projective_map_sends_four_points_where_it_should(shifts: list[float]) -> None:
    before = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float64)
    after = before + np.array(shifts).reshape(4, 2)
    place = projective(before, after)
    for (x, y), expected in zip(before, after, strict=True):
        u, v, w = place @ [x, y, 1]
        assert (u / w, v / w) == pytest.approx(tuple(expected), abs=1e-9)


@given(st.integers(0, 10_000))
def test_what_is_turned_keeps_its_centre_and_what_is_zoomed_its_size(seed: int) -> None:
    rng = np.random.default_rng(seed)
    geometry = Geometry(chance=1.0, degrees=15, zoom=(0.8, 1.25))
    place = augmentation._affine(geometry, 32, 48, rng)
    assert (place @ [16, 24, 1]).tolist() == pytest.approx([16, 24, 1])
    scale = math.sqrt(np.linalg.det(place[:2, :2]))
    assert 0.8 - 1e-9 <= scale <= 1.25 + 1e-9
    cosine = place[0, 0] / scale
    assert cosine >= math.cos(math.radians(15)) - 1e-9


@given(st.integers(0, 10_000))
def test_a_crop_stays_inside_and_has_the_area_that_was_drawn(seed: int) -> None:
    geometry = Geometry(crop_chance=1.0, crop_area=(0.5, 0.9), crop_ratio=(0.9, 1.1))
    place = augmentation._crop(geometry, 32, 48, np.random.default_rng(seed))
    corners = place @ np.array([[0, 32, 0, 32], [0, 0, 48, 48], [1, 1, 1, 1]])
    assert corners[0].min() >= -1e-9
    assert corners[0].max() <= 32 + 1e-9
    assert corners[1].min() >= -1e-9
    assert corners[1].max() <= 48 + 1e-9
    assert 0.5 - 1e-9 <= place[0, 0] * place[1, 1] <= 0.9 + 1e-9


def test_light_and_tint_by_hand() -> None:
    image = np.full((1, 1, 3), 100, dtype=np.uint8)
    rng = np.random.default_rng(0)
    same = soiling.Light(brightness=0.0, contrast=0.0)(image, rng)
    assert same.tolist() == image.tolist()
    assert soiling.colour_matrix(0.0, 0.0) @ np.array([255, 0, 0]) == pytest.approx([76.245] * 3, abs=1e-3)
    third = soiling.colour_matrix(1.0, 2 * math.pi / 3)
    assert third @ np.array([1.0, 0.0, 0.0]) == pytest.approx([0, 1, 0], abs=1e-6)
    grey = soiling.grey(np.array([[[255, 0, 0]]], dtype=np.uint8), rng)
    assert grey.tolist() == [[[76, 76, 76]]]
    posterized = soiling.Posterize(bits=4)(np.array([[[255, 16, 15]]], dtype=np.uint8), rng)
    assert posterized.tolist() == [[[240, 16, 0]]]


@pytest.mark.parametrize("hue_degrees", [0.0, 8.0, 90.0])
def test_greys_have_no_colour_to_change(hue_degrees: float) -> None:
    greys = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    tint = soiling.Tint(saturation=0.5, hue_degrees=hue_degrees)
    assert np.abs(tint(greys, np.random.default_rng(1)).astype(int) - greys).max() <= 1


def test_shuffled_quarters_are_the_quarters() -> None:
    image = picture(6, 4)
    shuffled = soiling.shuffle_quarters(image, np.random.default_rng(2))

    def quarters(each: np.ndarray) -> list[bytes]:
        return [each[top : top + 3, left : left + 2].tobytes() for top in (0, 3) for left in (0, 2)]

    assert quarters(shuffled) != quarters(image)
    assert sorted(quarters(shuffled)) == sorted(quarters(image))
    odd = picture(7, 5)
    kept = soiling.shuffle_quarters(odd, np.random.default_rng(1))
    assert np.array_equal(kept[6], odd[6])
    assert np.array_equal(kept[:, 4], odd[:, 4])


@given(st.integers(0, 1000))
def test_a_triangle_is_white_in_one_corner_only(seed: int) -> None:
    image = np.full((40, 20, 3), 90, dtype=np.uint8)
    white = (soiling.triangle(image, np.random.default_rng(seed)) == 255).all(-1)
    corners = [white[0, 0], white[0, -1], white[-1, 0], white[-1, -1]]
    assert sum(corners) == 1
    assert white.any(1).sum() <= 10
    assert white.any(0).sum() <= 6


@given(st.integers(0, 1000))
def test_glare_only_brightens_and_holes_only_blacken(seed: int) -> None:
    image = picture(40, 20)
    glared = soiling.glare(image, np.random.default_rng(seed))
    assert (glared >= image).all()
    assert (glared > image).any()
    holed = soiling.Holes(count=2, edge=0.3)(image, np.random.default_rng(seed))
    changed = (holed != image).any(-1)
    assert changed.any()
    assert (holed[changed] == 0).all()
    assert changed.sum() <= 2 * math.ceil(0.3 * 40) * math.ceil(0.3 * 20)


@pytest.mark.parametrize(
    "change", [soiling.snow, soiling.rain, soiling.Blur(radius=(1, 2)), soiling.Noise(deviation=(3, 7))]
)
def test_weather_and_optics_change_some_pixels_and_keep_the_picture(change: Any) -> None:
    image = smooth()
    changed = change(image, np.random.default_rng(0)).astype(float)
    assert not np.array_equal(changed, image)
    assert np.corrcoef(changed.ravel(), image.ravel().astype(float))[0, 1] > 0.8


def test_noise_has_the_deviation_that_was_asked_for() -> None:
    image = np.full((100, 100, 3), 128, dtype=np.uint8)
    noisy = soiling.Noise(deviation=(5, 5))(image, np.random.default_rng(0)).astype(float)
    assert noisy.std() == pytest.approx(5, abs=0.1)
    assert noisy.mean() == pytest.approx(128, abs=0.1)


def test_the_eye_goes_to_what_is_unlike_the_rest() -> None:
    image = np.full((64, 64, 3), 60, dtype=np.uint8)
    image[40:48, 10:18] = 250
    row, column = divmod(int(saliency(image).argmax()), 32)
    assert 18 <= row <= 25
    assert 3 <= column <= 10


@given(st.integers(0, 1000))
def test_a_mixture_says_what_share_is_the_first(seed: int) -> None:
    image, other = np.zeros((30, 20, 3), np.uint8), np.full((30, 20, 3), 255, np.uint8)
    other[20:25, 5:9] = 200
    mixture = mix(image, other, np.random.default_rng(seed))
    from_other = (mixture.image_HWC > 0).any(-1)
    assert mixture.share == pytest.approx(1 - from_other.mean())
    assert np.array_equal(mixture.image_HWC[from_other], other[from_other])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"policy": "second"}, "did you mean `second-place`"),
        ({"flip": "both"}, "the flip of an augmentation is `both`"),
        ({"mix": 1.5}, "`mix` of an augmentation is `1.5`; 0 to 1 is allowed"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        AugmentationSettings(**changes)
