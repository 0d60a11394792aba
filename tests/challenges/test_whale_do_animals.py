"""Animals made to measure: individuals differ, encounters do not give them away."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from podium.challenges.whale_do.animals import body, camera, coat, marks, noise, portrait, water
from podium.challenges.whale_do.animals.portrait import Shot

HALF = 0.5


def shoot(animal: coat.Individual, *, view: str = "top", year: float = 2017.6, scene: int = 0, photo: int = 0) -> Shot:
    rng = np.random.default_rng([scene, 1])
    conditions = water.draw(np.random.default_rng([scene, 2]), rng, difficulty=HALF)
    habit = portrait.habit(view, rng, difficulty=HALF)
    worn = coat.coat(animal, year=year)
    shots = np.random.default_rng([scene, photo, 3])
    return portrait.photograph(worn, view, conditions, habit, shots, girth=animal.girth, difficulty=HALF)


def pixels(shot: Shot) -> NDArray[np.float64]:
    with Image.open(io.BytesIO(shot.data)) as picture:
        return np.asarray(picture.convert("RGB").resize((48, 96)), dtype=np.float64)


def likeness(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


@pytest.fixture(scope="module")
def herd() -> list[coat.Individual]:
    return [coat.grow((0, number), difficulty=HALF) for number in range(12)]


def test_the_same_seed_grows_the_same_animal(herd: list[coat.Individual]) -> None:
    again = coat.grow((0, 3), difficulty=HALF)
    assert np.array_equal(again.pattern_SA, herd[3].pattern_SA)
    assert again.marks == herd[3].marks
    assert not np.array_equal(coat.grow((1, 3), difficulty=HALF).pattern_SA, herd[3].pattern_SA)


@pytest.mark.parametrize("difficulty", [0.0, 0.5, 1.0])
def test_a_coat_is_finite_and_between_black_and_white(difficulty: float) -> None:
    for number in range(6):
        worn = coat.coat(coat.grow((5, number), difficulty=difficulty), year=2018.6)
        assert np.isfinite(worn.skin_SA).all()
        assert 0.0 <= worn.skin_SA.min() < worn.skin_SA.max() <= 1.0
        assert 0.0 <= worn.blush_SA.min() <= worn.blush_SA.max() <= 1.0


def test_a_coat_after_two_years_is_still_far_more_like_itself_than_like_any_other(herd: list[coat.Individual]) -> None:
    then = [coat.coat(animal, year=2017.6).skin_SA for animal in herd]
    now = [coat.coat(animal, year=2019.6).skin_SA for animal in herd]
    for row, skin in enumerate(then):
        others = [likeness(skin, other) for at, other in enumerate(now) if at != row]
        assert likeness(skin, now[row]) > max(others) + 0.2
        assert not np.array_equal(skin, now[row])


def test_an_animal_pales_with_the_years(herd: list[coat.Individual]) -> None:
    bare = coat.Individual(pattern_SA=herd[0].pattern_SA, marks=(), tone=0.7, whitening=0.02, contrast=0.4, girth=1.0)
    assert coat.coat(bare, year=2019.6).skin_SA.mean() > coat.coat(bare, year=2017.6).skin_SA.mean() + 0.03


def test_difficulty_makes_coats_more_alike() -> None:
    def spread(difficulty: float) -> float:
        skins = [coat.coat(coat.grow((2, number), difficulty=difficulty), year=2017.6).skin_SA for number in range(8)]
        return float(np.mean(np.std(np.stack(skins), axis=0)))

    assert spread(1.0) < 0.9 * spread(0.0)


def test_an_early_scar_fades_and_a_later_one_is_not_there_before_its_time() -> None:
    early = marks.Mark(strokes=(((0.3, 0.5), (0.6, 0.5)),), width=0.02, filled=False, light=0.8, born=2010, fading=0.1)
    later = marks.Mark(strokes=early.strokes, width=0.02, filled=False, light=-0.8, born=2018.5, fading=0.1)
    light, dark, _ = marks.paint((early, later), 64, 48, year=2017.6)
    assert light.max() > 0.7
    assert dark.max() == 0.0
    faded, seen, _ = marks.paint((early, later), 64, 48, year=2019.6)
    assert faded.max() < light.max()
    assert seen.max() > 0.6


def test_two_photographs_of_an_encounter_are_near_duplicates_but_not_equal(herd: list[coat.Individual]) -> None:
    near, far = [], []
    for row, animal in enumerate(herd):
        first, second = (pixels(shoot(animal, scene=row, photo=photo)) for photo in (0, 1))
        assert not np.array_equal(first, second)
        near.append(np.abs(first - second).mean())
        far.append(np.abs(first - pixels(shoot(animal, scene=row + 50))).mean())
    assert np.mean(near) < 0.7 * np.mean(far)


def _flattened(shot: Shot) -> NDArray[np.float64]:
    """The animal's middle in grey, without the slow changes of light."""
    grey = pixels(shot).mean(axis=2)[10:80, 14:34]
    return grey - _slow_changes(grey)


def _slow_changes(grey: NDArray[np.float64]) -> NDArray[np.float64]:
    picture = Image.fromarray(grey.astype(np.float32))
    small = picture.resize((3, 6), Image.Resampling.BOX)
    return np.asarray(small.resize(picture.size, Image.Resampling.BICUBIC), dtype=np.float64)


def test_photographs_of_one_animal_in_two_places_are_more_alike_than_those_of_two_animals(
    herd: list[coat.Individual],
) -> None:
    here = [_flattened(shoot(animal, scene=2 * row + 100)) for row, animal in enumerate(herd)]
    there = [_flattened(shoot(animal, scene=2 * row + 101)) for row, animal in enumerate(herd)]
    table = np.array([[likeness(first, second) for second in there] for first in here])
    same = np.diag(table)
    other = table[~np.eye(len(table), dtype=bool)]
    assert same.mean() > other.mean() + 2 * other.std() / np.sqrt(len(same))


def test_the_scene_alone_does_not_know_the_animal() -> None:
    """Conditions and habits are drawn before any animal is looked at: the same for every individual of a place."""
    draws = [water.draw(np.random.default_rng(4), np.random.default_rng(5), difficulty=HALF) for _ in range(2)]
    assert draws[0] == draws[1]
    assert "individual" not in water.draw.__code__.co_varnames + portrait.habit.__code__.co_varnames


@pytest.mark.parametrize("view", ["top", "left", "right"])
def test_a_photograph_has_the_size_it_says_the_right_shape_and_no_metadata(
    view: str, herd: list[coat.Individual]
) -> None:
    shot = shoot(herd[0], view=view)
    with Image.open(io.BytesIO(shot.data)) as picture:
        assert picture.format == "JPEG"
        assert (picture.height, picture.width) == (shot.height, shot.width)
        assert not picture.getexif()
    assert (shot.height > 2 * shot.width) if view == "top" else (shot.width > 3 * shot.height)


def test_the_two_flanks_of_an_animal_differ(herd: list[coat.Individual]) -> None:
    left = pixels(shoot(herd[1], view="left", scene=7))
    mirrored = pixels(shoot(herd[1], view="right", scene=7))[:, ::-1]
    assert np.abs(left - mirrored).mean() > 3.0


def test_the_flank_continues_the_back() -> None:
    """The ridge seen from the side reads the coat where the ridge seen from above reads it."""
    pose = body.Pose(bend=0, wag=0, rotation=0, roll=0, tilt=0, depth_metres=0, arch=0.0, shift=(0, 0), reach=1.0)
    still = (np.zeros((1, 1), dtype=np.float32),) * 2
    above = body.from_above(pose, 200, 70, girth=1, length_metres=4, ripple=still)
    side = body.from_side(pose, 80, 200, girth=1, length_metres=4, left=False, ripple=still)
    assert np.abs(above.angle_HW[100][above.cover_HW[100] > 0.9]).max() > 1.0
    seen = side.angle_HW[:, 100][side.cover_HW[:, 100] > 0.9]
    assert seen.min() < 0.3
    assert seen.max() > 1.5
    left = body.from_side(pose, 80, 200, girth=1, length_metres=4, left=True, ripple=still)
    assert np.allclose(left.angle_HW[:, ::-1], -side.angle_HW, atol=1e-5)
    assert left.along_HW[40, 0] < 0.1 < 0.9 < left.along_HW[40, -1]
    assert side.along_HW[40, 0] > 0.9


def test_what_lies_beyond_the_photograph_is_white() -> None:
    scene = np.full((40, 30, 3), 0.3, dtype=np.float32)
    exposure = camera.Exposure(
        gain=1, balance=(1, 1, 1), contrast=1, haze=0, focus_pixels=0.3, motion_pixels=0, grain=0,
        corners=((3, 0.5, 0.5),), quality=90,
    )  # fmt: skip
    shot = camera.expose(scene, exposure, np.random.default_rng(0))
    assert (shot[-1, -1] == 255).all()
    assert (shot[0, 0] < 90).all()
    assert 0.10 < (shot == 255).all(axis=2).mean() < 0.14


def test_a_texture_is_read_between_its_pixels() -> None:
    texture = np.array([[0.0, 1.0], [2.0, 3.0]], dtype=np.float32)
    at = np.array([0.0, 0.5, 9.0], dtype=np.float32)
    assert noise.sample(texture, at, at) == pytest.approx([0.0, 1.5, 3.0], abs=0.01)
