"""The maker of `whale-do` data: its laws, and a folder of somebody's own photographs."""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from podium.challenges import challenge
from podium.challenges.whale_do import layout, maker, population
from podium.challenges.whale_do.dataset import file_names
from podium.challenges.whale_do.population import Census, Encounter
from podium.errors import UsageError
from podium.types import DataRequest, DataSet

WHALE_DO = challenge("whale-do")
SMALL = maker.SIZES["small"]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    return WHALE_DO.make_data(DataRequest(into=tmp_path_factory.mktemp("whale") / "tiny", size="tiny"))


@pytest.fixture(scope="module")
def small() -> tuple[Encounter, ...]:
    return population.draw(SMALL, seed=0)


def answers(data: DataSet) -> pl.DataFrame:
    return layout.read_metadata(data.answers / layout.METADATA, labelled=True)


def test_a_made_data_set_has_no_fault(tiny: DataSet) -> None:
    assert WHALE_DO.check_data(tiny) == ()


def test_labels_are_exactly_the_other_images_of_the_whale_in_the_database(tiny: DataSet) -> None:
    whale = dict(answers(tiny).select("image_id", "whale_id").iter_rows())
    expected = {
        (query, match)
        for scenario in layout.read_scenarios(tiny.inputs)
        for query, image in zip(scenario.query_ids, scenario.query_image_ids, strict=True)
        for match in scenario.database_image_ids
        if match != image and whale[match] == whale[image]
    }
    labels = list(layout.read_labels(tiny.answers / layout.LABELS).iter_rows())
    assert len(labels) == len(set(labels))
    assert set(labels) == expected


def test_the_smallest_size_asks_within_across_years_and_across_viewpoints(tiny: DataSet) -> None:
    names = {each.scenario_id for each in layout.read_scenarios(tiny.inputs)}
    assert {"scenario01", "scenario08", "scenario09"} <= names
    assert names & {"scenario05", "scenario06", "scenario07"}


def test_a_run_sees_no_whale(tiny: DataSet) -> None:
    assert (tiny.inputs / layout.METADATA).read_text().splitlines()[0] == ",".join(layout.TEST_COLUMNS)
    for path in tiny.inputs.rglob("*.csv"):
        assert "whale" not in path.read_text()


def test_the_size_in_the_metadata_is_the_size_of_the_file(tiny: DataSet) -> None:
    frame = layout.read_metadata(tiny.public / "train" / layout.METADATA, labelled=True)
    for path, height, width in frame.select("path", "height", "width").head(20).iter_rows():
        with Image.open(tiny.public / "train" / path) as picture:
            assert (picture.height, picture.width) == (height, width)
            assert not picture.getexif()


@pytest.mark.slow
def test_one_and_two_workers_make_the_same_bytes(tiny: DataSet, tmp_path: Path) -> None:
    again = WHALE_DO.make_data(DataRequest(into=tmp_path / "again", size="tiny", workers=2))
    assert again.manifest.read_bytes() == tiny.manifest.read_bytes()


def test_another_seed_makes_other_images(tiny: DataSet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(maker.SIZES, "tiny", Census(individuals=8, images=24))
    made = [WHALE_DO.make_data(DataRequest(into=tmp_path / str(seed), size="tiny", seed=seed)) for seed in (1, 2)]
    assert made[0].manifest.read_bytes() != made[1].manifest.read_bytes()


def test_images_a_whale_follow_the_real_set(small: tuple[Encounter, ...]) -> None:
    counts = Counter(dict.fromkeys(range(SMALL.individuals), 0))
    for each in small:
        counts[each.individual] += len(each.taken)
    numbers = np.array(list(counts.values()))
    assert numbers.sum() == SMALL.images
    assert np.median(numbers) == 3
    assert 6.5 < numbers.mean() < 8.0
    assert 60 < numbers.max() < 130
    for count, share in ((1, 155 / 788), (2, 161 / 788), (3, 89 / 788)):
        assert abs((numbers == count).mean() - share) < 0.01


def test_an_encounter_is_one_whale_from_one_side_within_an_hour(small: tuple[Encounter, ...]) -> None:
    for each in small:
        assert each.taken == tuple(sorted(set(each.taken)))
        assert (each.taken[-1] - each.taken[0]).total_seconds() <= 3_600
    sizes = [len(each.taken) for each in small]
    assert np.median(sizes) == 2
    assert 2.0 < len(small) / SMALL.individuals < 3.2


def test_two_encounters_of_a_whale_are_more_than_an_hour_apart(small: tuple[Encounter, ...]) -> None:
    by_whale: dict[int, list[Encounter]] = defaultdict(list)
    for each in small:
        by_whale[each.individual].append(each)
    for own in by_whale.values():
        assert [each.number for each in own] == list(range(len(own)))
        for first, second in pairwise(own):
            assert (second.taken[0] - first.taken[-1]).total_seconds() > 3_600


def test_lateral_images_are_of_2017_and_of_whales_that_were_seen_from_above(small: tuple[Encounter, ...]) -> None:
    seen = {each.individual for each in small if each.viewpoint == "top"}
    lateral = [each for each in small if each.viewpoint != "top"]
    assert {each.viewpoint for each in lateral} == {"left", "right"}
    assert {each.taken[0].year for each in lateral} == {2017}
    assert {each.individual for each in lateral} <= seen
    share = sum(len(each.taken) for each in lateral) / SMALL.images
    assert 0.08 < share < 0.2


def test_images_spread_over_the_years_and_thirty_days(small: tuple[Encounter, ...]) -> None:
    images = Counter(each.taken[0].year for each in small for _ in each.taken if each.viewpoint == "top")
    assert images[2018] > images[2017] / 2
    assert images[2019] > images[2017] / 2
    days = {each.taken[0].date() for each in small}
    assert len(days) == 30
    assert datetime(2017, 8, 1).date() < min(days) < max(days) < datetime(2019, 9, 28).date()


def test_test_whales_are_new_and_known_and_share_no_encounter_with_training(small: tuple[Encounter, ...]) -> None:
    whales = {split: {each.individual for each in small if each.split == split} for split in ("train", "test")}
    both = whales["train"] & whales["test"]
    assert len(both) == round(SMALL.seen * SMALL.individuals)
    assert len(whales["test"] - both) == round(SMALL.new * SMALL.individuals)
    images = Counter(each.split for each in small for _ in each.taken)
    assert 1_200 < images["train"] < 1_700
    assert 600 < images["test"] < 1_000


def test_more_whales_than_images_leave_one_image_each() -> None:
    assert population.image_counts(10, 10).tolist() == [1] * 10
    assert population.image_counts(6, 9).sum() == 9


def test_file_names_say_nothing_of_the_whale(tiny: DataSet) -> None:
    """Neighbours in number show the same whale no more often than chance has it."""
    whales = answers(tiny).sort("image_id")["whale_id"].to_list()
    same = np.mean([first == second for first, second in pairwise(whales)])
    shares = np.array(list(Counter(whales).values())) / len(whales)
    assert same < (shares**2).sum() + 0.12
    names = file_names(200, "test", seed=0)
    assert sorted(names) == [f"test{number:04}" for number in range(200)]
    assert names != sorted(names)


def test_neither_size_nor_bytes_of_a_file_tell_whales_apart_across_encounters(tiny: DataSet) -> None:
    frame = answers(tiny).filter(pl.col("viewpoint") == "top").unique(subset="encounter_id")
    heights = frame["height"].to_numpy().astype(float)
    whales = frame["whale_id"].to_numpy()
    gaps = np.abs(heights[:, None] - heights[None, :])
    same = (whales[:, None] == whales[None, :]) & ~np.eye(len(whales), dtype=bool)
    assert gaps[same].mean() > 0.5 * gaps[whales[:, None] != whales[None, :]].mean()


def test_an_unknown_size_and_a_wild_difficulty_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean `tiny`"):
        maker.make(DataRequest(into=tmp_path / "a", size="tinny"))
    with pytest.raises(UsageError, match="0 to 1 is allowed"):
        maker.make(DataRequest(into=tmp_path / "a", size="tiny", difficulty=1.5))
    assert not (tmp_path / "a").exists()


def picture(path: Path, seed: int, *, when: str | None = None, size: tuple[int, int] = (40, 90)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8))
    exif = Image.Exif()
    if when:
        exif[306] = when
        exif[271] = "a maker's name"
    image.save(path, exif=exif)
    return path


@pytest.fixture
def albums(tmp_path: Path) -> Path:
    root = tmp_path / "albums"
    for whale in range(6):
        for photo in range(4):
            when = f"201{7 + photo % 2}:08:0{1 + photo} 10:00:00" if whale < 3 else None
            picture(root / f"animal {whale}" / f"{photo}.jpg", 10 * whale + photo, when=when)
    picture(root / "animal 0" / "left" / "flank.png", 901)
    picture(root / "animal 0" / "IMG_right_2.png", 902)
    picture(root / "lonely" / "one.jpg", 903)
    (root / "animal 1" / "broken.jpg").write_bytes(b"\xff\xd8 not a photograph")
    (root / "animal 1" / "link.jpg").symlink_to(root / "animal 2" / "0.jpg")
    (root / "linked").symlink_to(root / "animal 2", target_is_directory=True)
    (root / "animal 2" / "copy.jpg").write_bytes((root / "animal 2" / "0.jpg").read_bytes())
    (root / "animal 2" / ".hidden").write_bytes(b"")
    return root


def both_tables(data: DataSet) -> pl.DataFrame:
    train = layout.read_metadata(data.public / "train" / layout.METADATA, labelled=True)
    return pl.concat([train, answers(data)])


def test_a_folder_of_photographs_becomes_a_data_set(albums: Path, tmp_path: Path) -> None:
    data = maker.make(DataRequest(into=tmp_path / "own", media=albums))
    assert WHALE_DO.check_data(data) == ()
    frame = both_tables(data)
    assert frame.height == 26
    assert set(frame["whale_id"]) == {f"animal {whale}" for whale in range(6)}
    assert sorted(frame.filter(pl.col("viewpoint") != "top")["viewpoint"]) == ["left", "right"]
    assert answers(data)["whale_id"].n_unique() >= 2
    assert "2018-08-02 10:00:00" in frame["timestamp"].to_list()


def test_photographs_that_cannot_be_used_are_named(albums: Path, tmp_path: Path) -> None:
    data = maker.make(DataRequest(into=tmp_path / "own", media=albums))
    skipped = json.loads((data.answers / maker.STORY).read_text())["skipped"]
    found = {line.split(": ")[0]: line for line in skipped}
    assert set(found) == {"animal 1/broken.jpg", "animal 1/link.jpg", "linked", "animal 2/copy.jpg", "lonely"}
    assert "cannot be read" in found["animal 1/broken.jpg"]
    assert "links are not followed" in found["linked"]
    assert "the same file as `animal 2/0.jpg`" in found["animal 2/copy.jpg"]


def test_own_photographs_lose_their_metadata_and_their_names(albums: Path, tmp_path: Path) -> None:
    data = maker.make(DataRequest(into=tmp_path / "own", media=albums))
    for path in [*data.inputs.rglob("*.jpg"), *data.public.rglob("*.jpg")]:
        assert path.stem[:4] in ("test", "trai")
        with Image.open(path) as image:
            assert not image.getexif()
        assert b"a maker's name" not in path.read_bytes()


def test_own_photographs_give_the_same_bytes_again(albums: Path, tmp_path: Path) -> None:
    made = [maker.make(DataRequest(into=tmp_path / name, media=albums, seed=3)) for name in ("a", "b")]
    assert made[0].manifest.read_bytes() == made[1].manifest.read_bytes()


def test_a_folder_with_too_few_individuals_is_refused_with_reasons(tmp_path: Path) -> None:
    picture(tmp_path / "albums" / "one" / "a.jpg", 1)
    (tmp_path / "albums" / "one" / "b.jpg").write_bytes(b"")
    request = DataRequest(into=tmp_path / "own", media=tmp_path / "albums")
    with pytest.raises(UsageError, match=r"`0` individuals .* 3 are needed.*b\.jpg"):
        maker.make(request)
    assert not request.into.exists()
    with pytest.raises(UsageError, match="is not a folder"):
        maker.make(replace(request, media=tmp_path / "nothing"))


def test_pipes_and_formats_that_start_programs_are_skipped(albums: Path, tmp_path: Path) -> None:
    os.mkfifo(albums / "animal 1" / "pipe.jpg")
    drawing = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    (albums / "animal 1" / "drawing.jpg").write_text(drawing)
    data = maker.make(DataRequest(into=tmp_path / "own", media=albums))
    skipped = " ".join(json.loads((data.answers / maker.STORY).read_text())["skipped"])
    assert "animal 1/pipe.jpg: the photograph cannot be read: it is no regular file" in skipped
    assert "animal 1/drawing.jpg: the photograph cannot be read: it is no image of a known format" in skipped


def test_a_photograph_that_lies_on_its_side_is_turned_upright(albums: Path, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    for path in albums.rglob("*.jpg"):
        if path.name == "3.jpg":
            Image.new("RGB", (90, 40)).save(path, exif=exif)
    data = maker.make(DataRequest(into=tmp_path / "own", media=albums))
    assert set(both_tables(data)["height"]) == {90}
