"""Identification: the right individual first, strangers called new, and no number where none can be had."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from podium.errors import UsageError

pytest.importorskip("torch")

from podium.solutions.reidentification.identification import Novelty, identify, novelty_of
from podium.solutions.reidentification.model import Model
from podium.solutions.reidentification.photos import Photo


@pytest.fixture
def asked(tmp_path: Path, animal: Any) -> list[Path]:
    """New photographs of individuals 0 and 3, and one of nobody known."""
    paths = []
    for name, individual in (("zero", 0), ("three", 3), ("stranger", 77)):
        paths.append(tmp_path / f"{name}.png")
        Image.fromarray(animal(individual, 9)).save(paths[-1])
    return paths


def test_the_right_individual_comes_first(herd: Path, asked: list[Path], small_model: Model) -> None:
    found = identify(herd, asked, model=small_model)
    assert [each.suggestions[0].individual for each in found[:2]] == ["animal0", "animal3"]
    first = found[0].suggestions[0]
    assert (first.rank, first.photos, first.photo.parent.name) == (1, 3, "animal0")
    names = [each.individual for each in found[0].suggestions]
    assert sorted(names) == [f"animal{number}" for number in range(8)]


def test_suggestions_fall_in_similarity_and_probability(herd: Path, asked: list[Path], small_model: Model) -> None:
    for each in identify(herd, asked, model=small_model, limit=5):
        assert len(each.suggestions) == 5
        for value in ("similarity", "probability"):
            numbers = [getattr(one, value) for one in each.suggestions]
            assert numbers == sorted(numbers, reverse=True)
            assert all(-1 <= number <= 1 for number in numbers)


def test_strangers_are_more_likely_new_than_those_who_are_known(
    herd: Path, tmp_path: Path, animal: Any, small_model: Model
) -> None:
    files: list[Path] = []
    for individual in [*range(8), *range(70, 78)]:
        files.append(tmp_path / f"{individual}.png")
        Image.fromarray(animal(individual, 9)).save(files[-1])
    new = [each.new for each in identify(herd, files, model=small_model)]
    known, strangers = np.array(new[:8], float), np.array(new[8:], float)
    assert np.median(known) < 0.5 < np.median(strangers)
    assert strangers.mean() > known.mean() + 0.2


def test_a_photograph_of_the_database_is_not_compared_with_itself(herd: Path, small_model: Model) -> None:
    photo = herd / "animal2" / "1.png"
    (found,) = identify(herd, [photo], model=small_model)
    assert photo not in [each.photo for each in found.suggestions]
    assert {each.individual: each.photos for each in found.suggestions}["animal2"] == 2


def test_the_only_photograph_of_a_database_has_nothing_to_match_and_that_is_said(
    tmp_path: Path, animal: Any, small_model: Model
) -> None:
    (tmp_path / "one" / "anna").mkdir(parents=True)
    photo = tmp_path / "one" / "anna" / "a.png"
    Image.fromarray(animal(0, 0)).save(photo)
    (found,) = identify(tmp_path / "one", [photo], model=small_model)
    assert found.suggestions == ()
    assert "the only photograph of the database" in found.notes[0]


def test_nothing_changes_for_a_photograph_when_others_are_asked_too(
    herd: Path, asked: list[Path], small_model: Model
) -> None:
    assert identify(herd, asked[1:2], model=small_model) == identify(herd, asked, model=small_model)[1:2]


def test_a_small_database_gives_a_ranking_without_probabilities(
    tmp_path: Path, animal: Any, asked: list[Path], small_model: Model
) -> None:
    for individual in range(4):
        (tmp_path / "few" / f"animal{individual}").mkdir(parents=True)
        Image.fromarray(animal(individual, 0)).save(tmp_path / "few" / f"animal{individual}" / "only.png")
    (found,) = identify(tmp_path / "few", asked[:1], model=small_model)
    assert found.suggestions[0].individual == "animal0"
    assert found.new is None
    assert {each.probability for each in found.suggestions} == {None}
    assert any("two encounters" in note for note in found.notes)


def test_unreadable_files_are_noted(herd: Path, asked: list[Path], small_model: Model, tmp_path: Path) -> None:
    (herd / "animal1" / "0.png").write_bytes(b"broken")
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"broken")
    bad, good = identify(herd, [broken, asked[0]], model=small_model)
    assert (bad.suggestions, bad.new) == ((), None)
    assert str(broken) in bad.notes[0]
    assert any("animal1" in note and "left out" in note for note in good.notes)
    assert {each.individual: each.photos for each in good.suggestions}["animal1"] == 2


def test_a_database_without_a_readable_photograph_is_refused(
    tmp_path: Path, asked: list[Path], small_model: Model
) -> None:
    (tmp_path / "herd2" / "anna").mkdir(parents=True)
    (tmp_path / "herd2" / "anna" / "a.png").write_bytes(b"broken")
    with pytest.raises(UsageError, match="can be read"):
        identify(tmp_path / "herd2", asked, model=small_model)
    with pytest.raises(UsageError, match="the limit"):
        identify(tmp_path / "herd2", asked, model=small_model, limit=0)


def photos(individuals: int, each: int) -> list[Photo]:
    return [
        Photo(
            image_id=f"{number}-{place}",
            path=Path(f"{number}-{place}"),
            individual=f"{number}",
            encounter=f"{number}-{place}",
        )
        for number in range(individuals)
        for place in range(each)
    ]


def test_novelty_falls_with_the_best_similarity_and_is_a_half_between_the_two_kinds() -> None:
    known = photos(30, 2)
    rng = np.random.default_rng(0)
    similarity = rng.normal(0.3, 0.02, (60, 60))
    for number in range(30):
        similarity[2 * number : 2 * number + 2, 2 * number : 2 * number + 2] = rng.normal(0.7, 0.02)
    found = novelty_of(similarity, known)
    assert found is not None
    assert found(0.3) > 0.95 > 0.05 > found(0.75)
    middle = -found.offset / found.slope
    assert 0.4 < middle < 0.65
    assert found(middle) == pytest.approx(0.5)


def test_novelty_needs_five_individuals_of_two_encounters() -> None:
    known = [*photos(4, 2), Photo(image_id="x", path=Path("x"), individual="x", encounter="x-0")]
    assert novelty_of(np.zeros((9, 9)), known) is None
    one_meeting = [
        Photo(image_id=f"{each.image_id}", path=each.path, individual=each.individual, encounter=each.individual)
        for each in photos(6, 2)
    ]
    assert novelty_of(np.zeros((12, 12)), one_meeting) is None


def test_a_novelty_is_a_probability_everywhere() -> None:
    steep = Novelty(slope=-1e6, offset=0.0)
    assert 0 < steep(1.0) < 1e-9
    assert steep(-1.0) == pytest.approx(1)
