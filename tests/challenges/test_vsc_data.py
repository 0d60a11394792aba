"""Data sets of the video-copy challenges: the official download in, the official draw, the check."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from podium.challenges import challenge
from podium.challenges.vsc import layout
from podium.errors import ChallengeError, UsageError
from podium.formats import digests
from podium.types import DataSet

VSC = challenge("vsc-descriptor")


def subset(data: DataSet) -> list[str]:
    return [row["video_id"] for row in csv.DictReader((data.inputs / "query_subset.csv").open())]


@pytest.fixture
def download(videos: DataSet, tmp_path: Path) -> Path:
    """The official download as participants have it: both splits, labels of the training split only."""
    folder = tmp_path / "competition_data"
    for split in ("train", "test"):
        source = videos.public / split
        target = folder / split
        for path in source.rglob("*"):
            if path.is_file():
                copy = target / path.relative_to(source)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(path.read_bytes())
    (folder / "train" / "matching_ground_truth.csv").write_text(
        "query_id,ref_id,query_start,query_end,ref_start,ref_end\nQ100001,R100002,0.0,4.0,1.0,5.0\n"
    )
    return folder


def test_a_good_data_set_has_no_fault(videos: DataSet) -> None:
    assert VSC.check_data(videos) == ()


def test_the_download_of_a_participant_is_judged_on_its_training_split(download: Path, tmp_path: Path) -> None:
    data = VSC.import_data(download, tmp_path / "imported")
    assert VSC.check_data(data) == ()
    assert layout.judged_split(data).name == "train"
    independent = layout.independent_split(data)
    assert independent is not None
    assert independent.name == "test"
    assert not list(data.inputs.rglob("*ground_truth*"))
    assert len(subset(data)) == 2


def test_a_download_with_test_labels_is_judged_on_the_test_split(download: Path, tmp_path: Path) -> None:
    (download / "test" / "test_matching_ground_truth.csv").write_text("query_id,ref_id\nQ200001,R200002\n")
    data = VSC.import_data(download, tmp_path / "imported")
    assert layout.judged_split(data).name == "test"
    assert layout.read_truth(data.answers / "ground_truth.csv").pairs == {("Q200001", "R200002")}
    assert (data.public / "train" / "ground_truth.csv").is_file()
    assert not (data.public / "test" / "ground_truth.csv").exists()


def test_a_download_whose_tables_carry_the_name_of_the_split_is_read(download: Path, tmp_path: Path) -> None:
    for split in ("train", "test"):
        for kind in ("query", "reference"):
            (download / split / f"{kind}_metadata.csv").rename(download / split / f"{split}_{kind}_metadata.csv")
    assert VSC.check_data(VSC.import_data(download, tmp_path / "imported")) == ()


def test_a_folder_that_is_no_download_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither `train/` nor `test/`"):
        VSC.import_data(tmp_path, tmp_path / "imported")
    (tmp_path / "test").mkdir()
    with pytest.raises(ChallengeError, match="has a ground truth"):
        VSC.import_data(tmp_path, tmp_path / "imported")


def test_the_draw_is_the_official_one(videos: DataSet, tmp_path: Path) -> None:
    """pandas: `Series(ids).sample(ceil(n * 0.5), random_state=RandomState(42))`, sorted, for 20 ids."""
    expected = [0, 1, 3, 5, 8, 11, 15, 16, 17, 18]
    assert subset(videos) == [f"Q2{number:05d}" for number in expected]
    smaller = VSC.subset_data(videos, tmp_path / "smaller", proportion=0.01, seed=42)
    assert subset(smaller) == ["Q200000"]
    assert VSC.check_data(smaller) == ()


def test_a_proportion_out_of_range_is_refused(videos: DataSet, tmp_path: Path) -> None:
    for proportion in (0.0, -1.0, 1.5):
        with pytest.raises(UsageError, match="proportion"):
            VSC.subset_data(videos, tmp_path / "smaller", proportion=proportion, seed=42)


def test_nothing_is_written_over(videos: DataSet, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("ten years")
    with pytest.raises(UsageError, match="not an empty folder"):
        VSC.subset_data(videos, tmp_path / "full", proportion=0.5, seed=42)


def test_an_answer_among_the_inputs_is_found(videos: DataSet) -> None:
    (videos.inputs / "notes.csv").write_bytes((videos.answers / "ground_truth.csv").read_bytes())
    digests.write_manifest(videos.root)
    assert ["one of the answers" in str(each) for each in VSC.check_data(videos)] == [True]


def test_pairs_written_anew_among_the_inputs_are_found(videos: DataSet) -> None:
    (videos.inputs / "notes.csv").write_text("ref_id,query_id\nR200004,Q200001\n")
    digests.write_manifest(videos.root)
    assert ["pairs queries with references" in str(each) for each in VSC.check_data(videos)] == [True]


def test_missing_strange_and_changed_files_are_all_named(videos: DataSet) -> None:
    (videos.public / "test" / "query" / "Q200004.mp4").unlink()
    (videos.public / "test" / "reference" / "R999999.mp4").write_bytes(b"")
    (videos.answers / "ground_truth.csv").write_text("query_id,ref_id\nQ200001,R299999\n")
    text = "\n".join(map(str, VSC.check_data(videos)))
    assert "`Q200004.mp4` is missing" in text
    assert "`R999999.mp4` should not be there" in text
    assert "`R299999` is in no metadata" in text
    assert "answers/ground_truth.csv" in text
