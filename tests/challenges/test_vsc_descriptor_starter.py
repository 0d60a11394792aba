"""The starter of the descriptor challenge, run as a participant runs it."""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from podium.formats.descriptors import read_descriptors

STARTER = Path(__file__).parents[2] / "src" / "podium" / "challenges" / "vsc" / "descriptor_starter"
DURATIONS = {"Q200003": 7.0, "Q200001": 4.2, "Q200002": 0.4}


def metadata(path: Path, durations: dict[str, float]) -> None:
    rows = "".join(f"{video},{seconds},25,64,48,1\n" for video, seconds in durations.items())
    path.write_text(f"video_id,duration_sec,frames_per_sec,width,height,rn\n{rows}")


def started(tmp_path: Path) -> Path:
    """A submission folder with the uploaded half made by its own script."""
    submission = tmp_path / "submission"
    shutil.copytree(STARTER, submission, ignore=shutil.ignore_patterns("__pycache__"))
    metadata(tmp_path / "query_metadata.csv", DURATIONS)
    metadata(tmp_path / "reference_metadata.csv", {"R200001": 3.5})
    subprocess.run([sys.executable, submission / "prepare.py", tmp_path], check=True, cwd=tmp_path)
    return submission


def test_the_uploaded_half_keeps_every_rule(tmp_path: Path) -> None:
    submission = started(tmp_path)
    queries = read_descriptors(submission / "query_descriptors.npz", letter="Q", max_rows=13)
    references = read_descriptors(submission / "reference_descriptors.npz", letter="R", max_rows=4)
    assert queries.problems == references.problems == ()
    assert queries.descriptors is not None
    found = queries.descriptors
    assert dict(zip(found.videos.tolist(), found.rows_per_video.tolist(), strict=True)) == {
        "Q200001": 5,
        "Q200002": 1,
        "Q200003": 7,
    }
    assert found.timestamps_N2[found.video_ids == "Q200001"][:, 1].max() == np.float32(4.2)


def test_main_makes_the_uploaded_rows_of_the_subset_again(tmp_path: Path) -> None:
    submission = started(tmp_path)
    (tmp_path / "query_subset.csv").write_text("video_id\nQ200003\nQ200002\n")
    module = runpy.run_path(str(submission / "main.py"))
    module["main"].__globals__.update(DATA=tmp_path, OUTPUT=tmp_path / "subset_query_descriptors.npz")
    module["main"]()
    with (
        np.load(tmp_path / "subset_query_descriptors.npz", allow_pickle=False) as subset,
        np.load(submission / "query_descriptors.npz", allow_pickle=False) as uploaded,
    ):
        chosen = uploaded["video_ids"] != "Q200001"
        np.testing.assert_array_equal(subset["video_ids"], uploaded["video_ids"][chosen])
        np.testing.assert_array_equal(subset["features"], uploaded["features"][chosen])


def test_main_reads_and_writes_where_the_official_runtime_does() -> None:
    module = runpy.run_path(str(STARTER / "main.py"))
    assert module["DATA"] == Path("/data")
    assert module["OUTPUT"] == Path("/code_execution/subset_query_descriptors.npz")
