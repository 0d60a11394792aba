"""Changed inputs of whale-do: what may change does, what may not stays, and nothing reads back differently."""

from __future__ import annotations

import itertools
import os
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from podium.challenges.whale_do import layout
from podium.challenges.whale_do.layout import Scenario
from podium.challenges.whale_do.variants import SCENARIOS, SINGLES, answers, renamed_like, variants
from podium.errors import SubmissionError
from podium.formats import tables
from podium.types import DataSet, Variant

IDS = [f"test{number:04d}" for number in range(40)]


def scenario(name: str, queries: list[str], database: list[str]) -> Scenario:
    return Scenario(
        scenario_id=name,
        query_ids=tuple(f"{name}-{each}" for each in queries),
        query_image_ids=tuple(queries),
        database_image_ids=tuple(database),
    )


SIX = (
    scenario("scenario01", IDS[:6], IDS[:12]),
    scenario("scenario02", IDS[12:18], IDS[18:28]),
    scenario("scenario03", IDS[4:9], IDS[30:20:-1]),
    scenario("scenario04", IDS[30:31], IDS[:8]),
    scenario("scenario05", IDS[31:36], IDS[8:20]),
    scenario("scenario06", IDS[36:40], IDS[10:20]),
)


def make(root: Path, scenarios: tuple[Scenario, ...] = SIX) -> DataSet:
    data = DataSet(root)
    (data.inputs / "images").mkdir(parents=True)
    layout.write_scenarios(data.inputs, scenarios)
    for each in IDS:
        (data.inputs / "images" / f"{each}.jpg").write_bytes(each.encode())
    frame = pl.DataFrame(
        {
            "image_id": IDS,
            "path": [f"images/{each}.jpg" for each in IDS],
            "height": list(range(10, 50)),
            "width": [20] * 40,
            "viewpoint": ["top", "left"] * 20,
            "date": ["2019-08-05"] * 40,
        }
    )
    layout.write_metadata(data.inputs / layout.METADATA, frame)
    return data


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    return make(tmp_path / "data")


def every(data: DataSet, into: Path, *, seed: int = 0) -> list[Variant]:
    return list(variants(data, into, seed=seed))


def read(variant: Variant) -> tuple[Scenario, ...]:
    return layout.read_scenarios(variant.data.inputs)


def test_each_way_to_change_the_inputs_is_there_with_every_query_in_it_named(data: DataSet, tmp_path: Path) -> None:
    made = every(data, tmp_path / "into")
    names = [each.name for each in made]
    assert names[:3] == ["half of the queries", "the other half", "rows shuffled"]
    assert len([each for each in names if each.startswith("scenario") and "-" not in each]) == SCENARIOS
    assert len([each for each in names if "-test" in each]) == SINGLES
    assert names[-1] == "ids renamed"
    assert len(set(names)) == len(names)
    for each in made:
        assert set(each.queries) == {query for one in read(each) for query in one.query_ids}
        assert each.summary


def test_every_variant_is_whole_and_holds_no_more_than_it_needs(data: DataSet, tmp_path: Path) -> None:
    for each in every(data, tmp_path / "into"):
        needed = {image for one in read(each) for image in (*one.query_image_ids, *one.database_image_ids)}
        metadata = layout.read_metadata(each.data.inputs / layout.METADATA)
        assert set(metadata["image_id"]) == needed
        files = {str(path.relative_to(each.data.inputs)) for path in each.data.inputs.glob("images/*")}
        assert files == set(metadata["path"])
        assert not any(path.is_symlink() for path in each.data.inputs.rglob("*"))
        kinds = {path.name for path in each.data.inputs.iterdir()}
        assert kinds == {"query_scenarios.csv", "queries", "databases", "metadata.csv", "images"}


def test_where_nothing_is_dropped_images_that_no_scenario_needs_stay(tmp_path: Path) -> None:
    """Otherwise a failed check would name the wrong change."""
    data = make(tmp_path / "data", SIX[:1])
    heights = {
        each.name: layout.read_metadata(each.data.inputs / layout.METADATA).height
        for each in every(data, tmp_path / "into")
    }
    whole = {name for name, height in heights.items() if height == len(IDS)}
    assert whole == {"rows shuffled", "ids renamed"}


def test_images_are_linked_and_copied_where_links_are_refused(
    data: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    linked = next(variants(data, tmp_path / "linked", seed=0))
    path = next(linked.data.inputs.glob("images/*"))
    assert path.stat().st_ino == (data.inputs / "images" / path.name).stat().st_ino

    def refuse(*_: object) -> None:
        raise OSError("another disk")

    monkeypatch.setattr(os, "link", refuse)
    copied = next(variants(data, tmp_path / "copied", seed=0))
    path = next(copied.data.inputs.glob("images/*"))
    assert path.stat().st_nlink == 1
    assert path.read_bytes() == path.stem.encode()


def test_the_two_halves_hold_every_query_once_and_drop_images_that_only_the_others_need(
    data: DataSet, tmp_path: Path
) -> None:
    one, other = itertools.islice(variants(data, tmp_path / "into", seed=0), 2)
    queries = {query for each in SIX for query in each.query_ids}
    assert set(one.queries) | set(other.queries) == queries
    assert not set(one.queries) & set(other.queries)
    assert "scenario04-test0030" in one.queries
    assert len(list(one.data.inputs.glob("images/*"))) < 40
    for before, after in zip(SIX, read(one), strict=True):
        assert after.database_image_ids == before.database_image_ids
        kept = [query for query in before.query_ids if query in one.queries]
        assert list(after.query_ids) == kept


def test_shuffling_leaves_the_rows_of_every_database_in_their_order(data: DataSet, tmp_path: Path) -> None:
    shuffled = next(each for each in variants(data, tmp_path / "into", seed=0) if each.name == "rows shuffled")
    after = {each.scenario_id: each for each in read(shuffled)}
    assert list(after) != [each.scenario_id for each in SIX]
    for before in SIX:
        assert after[before.scenario_id].database_image_ids == before.database_image_ids
        assert sorted(after[before.scenario_id].query_ids) == sorted(before.query_ids)
    assert any(after[each.scenario_id].query_ids != each.query_ids for each in SIX)
    assert layout.read_metadata(shuffled.data.inputs / layout.METADATA)["image_id"].to_list() != IDS


@pytest.mark.parametrize("seed", range(5))
def test_the_scenarios_put_alone_are_of_both_kinds(data: DataSet, tmp_path: Path, seed: int) -> None:
    alone = [each for each in every(data, tmp_path / "into", seed=seed) if each.data.root.name.startswith("scenario")]
    kinds = {read(each)[0].database.isdisjoint(read(each)[0].query_image_ids) for each in alone}
    assert kinds == {False, True}
    assert all(len(read(each)) == 1 for each in alone)


def test_new_ids_are_of_the_same_form_and_lead_to_the_same_pictures(data: DataSet, tmp_path: Path) -> None:
    renamed = every(data, tmp_path / "into")[-1]
    assert not set(renamed.queries) & set(renamed.queries.values())
    assert set(renamed.queries.values()) == {query for each in SIX for query in each.query_ids}
    assert not set(renamed.places) & set(IDS)
    for new, old in renamed.places.items():
        path = renamed.data.inputs / "images" / f"{new}.jpg"
        assert path.read_bytes() == old.encode()
        assert new[:4] == "test"
        assert len(new) == len(old)
    for before, after in zip(SIX, read(renamed), strict=True):
        assert [renamed.places[image] for image in after.database_image_ids] == list(before.database_image_ids)
        assert [renamed.places[image] for image in after.query_image_ids] == list(before.query_image_ids)
        assert [renamed.queries[query] for query in after.query_ids] == list(before.query_ids)
        assert after.query_ids[0] == f"{after.scenario_id}-{after.query_image_ids[0]}"
    old = layout.read_metadata(data.inputs / layout.METADATA)
    new = layout.read_metadata(renamed.data.inputs / layout.METADATA)
    assert new["height"].to_list() == old["height"].to_list()
    assert [renamed.places[each] for each in new["image_id"]] == IDS


def test_one_scenario_with_one_query_leaves_little_to_change(tmp_path: Path) -> None:
    data = make(tmp_path / "data", (scenario("only", IDS[:1], IDS[:5]),))
    assert [each.name for each in every(data, tmp_path / "into")] == [
        "half of the queries",
        "rows shuffled",
        "ids renamed",
    ]


def test_a_variant_may_be_deleted_before_the_next_is_made(data: DataSet, tmp_path: Path) -> None:
    count = 0
    for each in variants(data, tmp_path / "into", seed=0):
        assert [path.name for path in (tmp_path / "into").iterdir()] == [each.data.root.name]
        shutil.rmtree(each.data.root)
        count += 1
    assert count == 3 + SCENARIOS + SINGLES + 1


def test_the_same_seed_gives_the_same_variants(data: DataSet, tmp_path: Path) -> None:
    first, second = (every(data, tmp_path / each, seed=7) for each in ("a", "b"))
    assert [each.queries for each in first] == [each.queries for each in second]
    assert [read(each) for each in first] == [read(each) for each in second]


@pytest.mark.parametrize("names", [["a", "b"], [f"x{at}" for at in range(10)], [str(at) for at in range(100)], ["a-1"]])
def test_names_without_room_get_more_digits(names: list[str]) -> None:
    made = renamed_like(names, np.random.default_rng(0))
    assert list(made) == names
    assert len(set(made.values()) | set(names)) == 2 * len(names)


def test_answers_are_ranked_by_score_then_by_id(data: DataSet, tmp_path: Path) -> None:
    rows = {
        "query_id": ["scenario01-test0000"] * 3 + ["scenario02-test0012"],
        "database_image_id": ["test0005", "test0003", "test0007", "test0020"],
        "score": [0.5, 0.5, 0.75, 0.125],
    }
    (tmp_path / "submission").mkdir()
    tables.write(tmp_path / "submission" / "submission.csv", rows)
    found = answers(tmp_path, data)
    assert found["scenario01-test0000"].places == ("test0007", "test0003", "test0005")
    assert found["scenario01-test0000"].values_NV.tolist() == [[0.75], [0.5], [0.5]]
    assert set(found) == {"scenario01-test0000", "scenario02-test0012"}


def test_answers_that_break_a_rule_are_refused_with_their_problems(data: DataSet, tmp_path: Path) -> None:
    (tmp_path / "submission").mkdir()
    (tmp_path / "submission" / "submission.csv").write_text("query_id,database_image_id,score\nx,y,2\n")
    with pytest.raises(SubmissionError) as caught:
        answers(tmp_path, data)
    assert caught.value.problems
