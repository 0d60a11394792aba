"""The starter of the matching challenge, run as a participant runs it."""

from __future__ import annotations

import csv
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from podium import evaluate
from podium.challenges.vsc import layout
from podium.challenges.vsc.matches import read_matches
from podium.challenges.vsc.matching import VSC_MATCHING
from podium.challenges.vsc.matching_templates import prepare_starter
from podium.errors import UsageError
from podium.types import DataSet, ScoreSettings, Verdict

STARTER = Path(__file__).parents[2] / "src" / "podium" / "challenges" / "vsc" / "matching_starter"
DURATIONS = {"Q200003": 7.0, "Q200001": 4.2, "Q200002": 0.4}
REFERENCES = {"R200001": 3.5, "R200002": 0.05}


def metadata(path: Path, durations: dict[str, float]) -> None:
    rows = "".join(f"{video},{seconds},25,64,48,1\n" for video, seconds in durations.items())
    path.write_text(f"video_id,duration_sec,frames_per_sec,width,height,rn\n{rows}")


def started(tmp_path: Path) -> Path:
    """A submission folder with the uploaded half made by its own script."""
    submission = tmp_path / "submission"
    shutil.copytree(STARTER, submission, ignore=shutil.ignore_patterns("__pycache__"))
    metadata(tmp_path / "query_metadata.csv", DURATIONS)
    metadata(tmp_path / "reference_metadata.csv", REFERENCES)
    subprocess.run([sys.executable, submission / "prepare.py", tmp_path], check=True, cwd=tmp_path)
    return submission


def test_the_uploaded_half_keeps_every_rule(tmp_path: Path) -> None:
    submission = started(tmp_path)
    queries = layout.read_videos(tmp_path / "query_metadata.csv", letter="Q")
    references = layout.read_videos(tmp_path / "reference_metadata.csv", letter="R")
    reading = read_matches(submission / "full_matches.csv", queries=queries, references=references)
    assert reading.problems == ()
    assert reading.matches is not None
    assert np.unique(reading.matches.query_ids).tolist() == sorted(DURATIONS)
    seconds = np.array([DURATIONS[each] for each in reading.matches.query_ids.tolist()])
    assert (reading.matches.times_N4[:, 1] <= seconds).all()


def test_main_makes_the_uploaded_rows_of_the_subset_again(tmp_path: Path) -> None:
    submission = started(tmp_path)
    (tmp_path / "query_subset.csv").write_text("video_id\nQ200003\nQ200002\n")
    module = runpy.run_path(str(submission / "main.py"))
    module["main"].__globals__.update(DATA=tmp_path, OUTPUT=tmp_path / "subset_matches.csv")
    module["main"]()
    with (tmp_path / "subset_matches.csv").open() as subset, (submission / "full_matches.csv").open() as full:
        uploaded = [row for row in csv.reader(full) if row[0] != "Q200001"]
        assert list(csv.reader(subset)) == uploaded
        assert len(uploaded) == 5


def test_main_reads_and_writes_where_the_official_runtime_does() -> None:
    module = runpy.run_path(str(STARTER / "main.py"))
    assert module["DATA"] == Path("/data")
    assert module["OUTPUT"] == Path("/code_execution/subset_matches.csv")


def prepared(videos: DataSet, folder: Path) -> Path:
    shutil.copytree(STARTER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    assert prepare_starter(videos, folder) == ()
    return folder


def test_the_starter_takes_no_option(videos: DataSet, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no option `weights`; it takes none"):
        prepare_starter(videos, tmp_path, options={"weights": "x"})


@pytest.mark.sandbox
def test_the_starter_runs_in_the_sandbox_and_makes_what_was_uploaded(videos: DataSet, tmp_path: Path) -> None:
    report = evaluate.run(
        VSC_MATCHING,
        prepared(videos, tmp_path / "mine"),
        data=videos,
        out=tmp_path / "out",
        settings=ScoreSettings(resamples=20, minimum_agreement=1.0),
        phase="2",
    )
    assert report.verdict is Verdict.SCORED, (report.message, report.problems)
    assert report.score is not None
    assert report.score.metric == "segment AP"
    agreement = report.score.measure("agreement, furthest score")
    assert agreement is not None
    assert agreement.value == 0.0
    assert (tmp_path / "out" / "submission.tar.gz").is_file()
    assert report.problems == ()


@pytest.mark.sandbox
def test_code_that_writes_no_matches_is_told_so(videos: DataSet, tmp_path: Path) -> None:
    mine = prepared(videos, tmp_path / "mine")
    (mine / "main.py").write_text("print('done')")
    report = evaluate.run(VSC_MATCHING, mine, data=videos, out=tmp_path / "out", phase="2")
    assert report.verdict is Verdict.FAILED
    assert "subset_matches.csv" in report.message
