"""Changed inputs of the video-copy challenges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from podium.audit.comparison import Names, compare
from podium.challenges import challenge
from podium.challenges.vsc import layout
from podium.challenges.vsc.variants import SINGLES, descriptor_answers, variants
from podium.errors import SubmissionError
from podium.formats.descriptors import write_descriptors
from podium.types import DataSet, Variant


def every(data: DataSet, into: Path, *, seed: int = 0) -> list[Variant]:
    return list(variants(data, into, seed=seed))


def subset(data: DataSet) -> list[str]:
    return layout.read_subset(data.inputs / layout.QUERY_SUBSET).tolist()


@pytest.fixture
def marked(videos: DataSet) -> DataSet:
    """Each query's file says which query it is."""
    for path in (videos.inputs / "query").iterdir():
        path.unlink()
        path.write_bytes(path.stem.encode())
    return videos


def test_each_way_to_change_the_inputs_is_there(marked: DataSet, tmp_path: Path) -> None:
    made = every(marked, tmp_path / "into")
    names = [each.name for each in made]
    assert names[:3] == ["half of the queries", "the other half", "rows shuffled"]
    assert names[-1] == "ids renamed"
    assert len(made) == 3 + SINGLES + 1
    for each in made:
        assert sorted(each.queries) == subset(each.data)
        files = {path.stem for path in (each.data.inputs / "query").iterdir()}
        assert files == set(each.queries)
        assert not any(path.is_symlink() for path in each.data.inputs.rglob("*"))
        for new, old in each.queries.items():
            assert (each.data.inputs / "query" / f"{new}.mp4").read_bytes() == old.encode()


def test_the_halves_hold_every_query_of_the_subset_once(marked: DataSet, tmp_path: Path) -> None:
    one, other = every(marked, tmp_path / "into")[:2]
    assert sorted([*one.queries, *other.queries]) == subset(marked)
    assert abs(len(one.queries) - len(other.queries)) <= 1


def test_all_tables_but_the_subset_stay_when_queries_are_dropped_or_shuffled(marked: DataSet, tmp_path: Path) -> None:
    for each in every(marked, tmp_path / "into")[:-1]:
        for name in (layout.QUERY_METADATA, layout.REFERENCE_METADATA):
            assert (each.data.inputs / name).read_bytes() == (marked.inputs / name).read_bytes()
    shuffled = tmp_path / "into" / "shuffled" / "inputs" / layout.QUERY_SUBSET
    assert shuffled.read_text() != (marked.inputs / layout.QUERY_SUBSET).read_text()
    assert sorted(shuffled.read_text().split()) == sorted((marked.inputs / layout.QUERY_SUBSET).read_text().split())


def test_new_ids_are_official_ones_and_the_tables_are_sorted_by_them(marked: DataSet, tmp_path: Path) -> None:
    renamed = every(marked, tmp_path / "into")[-1]
    inputs = renamed.data.inputs
    assert (inputs / layout.REFERENCE_METADATA).read_bytes() == (marked.inputs / layout.REFERENCE_METADATA).read_bytes()
    old = pl.read_csv(marked.inputs / layout.QUERY_METADATA)
    new = pl.read_csv(inputs / layout.QUERY_METADATA)
    assert new.columns == old.columns
    assert new["video_id"].to_list() == sorted(new["video_id"].to_list())
    assert not set(new["video_id"]) & set(old["video_id"])
    assert all(layout.is_video_id(each, letter="Q") and each[:2] == "Q2" for each in new["video_id"])
    assert sorted(new["rn"].to_list()) == sorted(old["rn"].to_list())
    row_of = dict(old.select("video_id", "rn").iter_rows())
    for video, number in new.select("video_id", "rn").iter_rows():
        if video in renamed.queries:
            assert row_of[renamed.queries[video]] == number
    wanted = (inputs / layout.QUERY_SUBSET).read_text().split()[1:]
    assert wanted == sorted(wanted)


def describe(data: DataSet, folder: Path, *, by_id: bool) -> None:
    """Descriptors drawn from what stands in the files, or from their names."""
    ids: list[str] = []
    rows: list[np.ndarray] = []
    for path in sorted((data.inputs / "query").iterdir()):
        name = path.stem if by_id else path.read_text()
        ids += [path.stem] * 3
        rows.append(np.random.default_rng(int(name[1:])).standard_normal((3, 8)).astype(np.float32))
    folder.mkdir()
    times = np.tile(np.array([[0.0, 1.0], [1.0, 2.0], [1.0, 2.0]]), (len(rows), 1))
    write_descriptors(folder / "subset_query_descriptors.npz", ids, np.concatenate(rows), times)


@pytest.mark.parametrize("by_id", [False, True])
def test_descriptors_of_the_picture_pass_and_descriptors_of_the_name_do_not(
    marked: DataSet, tmp_path: Path, by_id: bool
) -> None:
    auditing = challenge("vsc-descriptor").auditing
    assert auditing is not None
    describe(marked, tmp_path / "first", by_id=by_id)
    before = auditing.answers(tmp_path / "first", marked)
    assert before[subset(marked)[0]].places == ("0.000-1.000 s", "1.000-2.000 s", "1.000-2.000 s, row 3")
    for number, each in enumerate(auditing.variants(marked, tmp_path / "into", seed=1)):
        describe(each.data, tmp_path / f"out-{number}", by_id=by_id)
        after = auditing.answers(tmp_path / f"out-{number}", each.data)
        names = Names(queries=each.queries, places=each.places)
        found = compare(before, after, names, tolerance=auditing.tolerance, ranked=auditing.ranked)
        assert found.compared == len(each.queries)
        assert found.changed == (found.compared if by_id and each.name == "ids renamed" else 0)


def test_a_broken_file_is_refused(marked: DataSet, tmp_path: Path) -> None:
    (tmp_path / "subset_query_descriptors.npz").write_text("nothing")
    with pytest.raises(SubmissionError) as caught:
        descriptor_answers(tmp_path, marked)
    assert caught.value.problems
