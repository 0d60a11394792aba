"""Local features: details of one animal match, those of another do not."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from podium.errors import MachineError, UsageError
from podium.solutions.reidentification.calibration import fit
from podium.solutions.reidentification.local_features import (
    LocalFeatures,
    Matcher,
    agreeing,
    count_similarity,
    rescore,
)

needs_skimage = pytest.mark.skipif(importlib.util.find_spec("skimage") is None, reason="scikit-image is not installed")


def save(path: Path, image: np.ndarray) -> Path:
    Image.fromarray(image).save(path)
    return path


@needs_skimage
def test_a_turned_photograph_of_one_animal_agrees_and_another_animal_does_not(tmp_path: Path, animal: Any) -> None:
    first = animal(0, 0, height=192, width=128)
    turned = np.asarray(Image.fromarray(animal(0, 1, height=192, width=128)).rotate(15, Image.Resampling.BICUBIC))
    paths = [
        save(tmp_path / name, image)
        for name, image in (("a.png", first), ("b.png", turned), ("c.png", animal(1, 0, height=192, width=128)))
    ]
    matcher = Matcher(LocalFeatures())
    same, other = matcher.count(paths[0], paths[1]), matcher.count(paths[0], paths[2])
    assert same >= 10
    assert same > 2 * other
    assert Matcher(LocalFeatures()).count(paths[0], paths[1]) == same


@needs_skimage
def test_a_blank_or_unreadable_photograph_agrees_with_nothing(tmp_path: Path, animal: Any) -> None:
    blank = save(tmp_path / "blank.png", np.full((96, 48, 3), 127, np.uint8))
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"nothing")
    good = save(tmp_path / "good.png", animal(0, 0))
    matcher = Matcher(LocalFeatures())
    assert [matcher.count(good, blank), matcher.count(blank, blank), matcher.count(broken, good)] == [0, 0, 0]


@needs_skimage
def test_pairs_that_follow_one_movement_are_counted() -> None:
    rng = np.random.default_rng(0)
    places = rng.uniform(0, 200, (30, 2))
    turn = np.array([[0.9, -0.3], [0.3, 0.9]])
    moved = places @ turn.T + 7
    moved[20:] = rng.uniform(0, 200, (10, 2))
    assert 20 <= agreeing(places, moved, residual=2.0) <= 21
    assert agreeing(places[:3], moved[:3], residual=2.0) == 0


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MachineError, match=r"scikit-image: `pip install 'podium\[demo\]'`"):
        Matcher(LocalFeatures())


def test_the_mean_of_two_probabilities_decides() -> None:
    settings = LocalFeatures(half_count=10)
    plain = rescore(np.array([0.6, 0.5]), [0, 10], settings)
    assert plain.tolist() == [pytest.approx(0.4), pytest.approx((0.75 + 0.5) / 2)]
    whole = fit([0.0, 1.0, 0.2, 0.9], [False, True, False, True])
    mapped = rescore(np.array([0.6]), [10], settings, global_map=whole, local_map=whole)
    assert mapped[0] == pytest.approx((whole.apply(0.6) + whole.apply(0.5)) / 2)


def test_more_matches_are_never_less_similar() -> None:
    values = [count_similarity(each, LocalFeatures()) for each in range(200)]
    assert values == sorted(values)
    assert 0 == values[0] < values[-1] < 1


@pytest.mark.parametrize("wrong", [{"matcher": "sfit"}, {"shortlist": 0}, {"ratio": 1.5}])
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        LocalFeatures(**wrong)
