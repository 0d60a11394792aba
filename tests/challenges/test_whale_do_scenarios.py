"""Scenarios of `whale-do`: who is asked for in which database, and what is right."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import polars as pl
import pytest

from podium.challenges.whale_do import layout, scenarios

VALUES = Path(__file__).parents[3] / "shared" / "values" / "whale_do" / "official_like"

COLUMNS = ("image_id", "whale_id", "encounter_id", "viewpoint", "date", "timestamp")
ROWS = (
    # Whale A: two encounters in 2017 and one in 2018, one of the left flank.
    ("i01", "A", "A-0", "top", "2017-08-05", "2017-08-05 10:00:00"),
    ("i00", "A", "A-0", "top", "2017-08-05", "2017-08-05 10:00:00"),
    ("i02", "A", "A-1", "top", "2017-08-09", "2017-08-09 10:00:00"),
    ("i03", "A", "A-2", "left", "2017-08-09", "2017-08-09 15:00:00"),
    ("i04", "A", "A-3", "top", "2018-08-09", "2018-08-09 15:00:00"),
    # Whale B: 2018 and 2019; its earliest image has the later id.
    ("i05", "B", "B-0", "top", "2018-08-02", "2018-08-02 09:10:00"),
    ("i06", "B", "B-0", "top", "2018-08-02", "2018-08-02 09:00:00"),
    ("i07", "B", "B-1", "top", "2019-08-02", "2019-08-02 09:00:00"),
    # Whale C is seen once.
    ("i08", "C", "C-0", "right", "2017-08-01", "2017-08-01 09:00:00"),
)


@pytest.fixture
def sightings() -> pl.DataFrame:
    return pl.DataFrame(ROWS, schema=list(COLUMNS), orient="row")


def queries(built: scenarios.Built) -> dict[str, tuple[str, ...]]:
    return {each.scenario_id: each.query_image_ids for each in built.scenarios}


def test_an_encounter_is_represented_by_its_earliest_image_then_by_the_first_id(sightings: pl.DataFrame) -> None:
    chosen = scenarios.representatives(sightings)["image_id"].to_list()
    assert sorted(chosen) == ["i00", "i02", "i03", "i04", "i06", "i07", "i08"]


def test_the_hand_worked_table_gives_these_scenarios(sightings: pl.DataFrame) -> None:
    assert queries(scenarios.build(sightings)) == {
        "scenario01": ("i00", "i02", "i04", "i06", "i07"),
        "scenario02": ("i00", "i02"),
        "scenario05": ("i04",),
        "scenario07": ("i07",),
        "scenario08": ("i00", "i02", "i04"),
        "scenario09": ("i03",),
    }


def test_the_hand_worked_table_gives_these_labels(sightings: pl.DataFrame) -> None:
    built = scenarios.build(sightings)
    labels: dict[str, list[str]] = defaultdict(list)
    for query, image in built.labels:
        labels[query].append(image)
    assert labels["scenario01-i00"] == ["i02", "i04"]
    assert labels["scenario05-i04"] == ["i00", "i02"]
    assert labels["scenario07-i07"] == ["i06"]
    assert labels["scenario09-i03"] == ["i00", "i02", "i04"]


def test_a_database_holds_images_that_nobody_asks_for(sightings: pl.DataFrame) -> None:
    lateral = next(each for each in scenarios.build(sightings).scenarios if each.scenario_id == "scenario08")
    assert lateral.database_image_ids == ("i03", "i08")


def test_a_query_is_never_labelled_with_itself(sightings: pl.DataFrame) -> None:
    for every_image in (False, True):
        built = scenarios.build(sightings, every_image=every_image)
        assert all(query.split("-")[1] != image for query, image in built.labels)


def test_all_images_of_an_encounter_take_part_when_asked_for(sightings: pl.DataFrame) -> None:
    asked = queries(scenarios.build(sightings, every_image=True))
    assert asked["scenario02"] == ("i00", "i01", "i02")
    assert asked["scenario03"] == ("i05", "i06")


def test_a_scenario_without_a_query_is_left_out_and_the_others_keep_their_ids() -> None:
    rows = [row for row in ROWS if row[1] == "B"]
    built = scenarios.build(pl.DataFrame(rows, schema=list(COLUMNS), orient="row"))
    assert [each.scenario_id for each in built.scenarios] == ["scenario01", "scenario07"]


def test_nothing_to_ask_gives_no_scenario() -> None:
    built = scenarios.build(pl.DataFrame(ROWS[-1:], schema=list(COLUMNS), orient="row"))
    assert built == scenarios.Built(scenarios=(), labels=())


def test_the_order_of_the_rows_plays_no_part(sightings: pl.DataFrame) -> None:
    assert scenarios.build(sightings.reverse()) == scenarios.build(sightings)


@pytest.mark.skipif(not VALUES.is_dir(), reason="the reference values are not on this machine")
def test_the_official_like_scenarios_come_back_from_their_own_labels() -> None:
    """Whales are the groups that the labels of all scenarios connect; each image of a database is an encounter."""
    official = layout.read_scenarios(VALUES)
    labels = [(query.split("-", 1)[1], image) for query, image in layout.read_labels(VALUES / "labels.csv").iter_rows()]
    parent: dict[str, str] = {}

    def root(image: str) -> str:
        while parent.setdefault(image, image) != image:
            image = parent[image]
        return image

    for query, image in labels:
        parent[root(query)] = root(image)
    images = {image for scenario in official for image in scenario.database_image_ids}
    rows = [
        (row["image_id"], root(row["image_id"]), row["image_id"], row["viewpoint"], row["date"], row["date"])
        for row in csv.DictReader((VALUES / "metadata.csv").open())
        if row["image_id"] in images
    ]
    built = scenarios.build(pl.DataFrame(rows, schema=list(COLUMNS), orient="row"))
    assert built.scenarios == official
    assert sorted(built.labels) == sorted(layout.read_labels(VALUES / "labels.csv").iter_rows())
