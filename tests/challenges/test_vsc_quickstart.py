"""A `main.py` as the official quickstart has it runs unmodified, in a real sandbox."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from podium import evaluate
from podium.challenges import challenge
from podium.types import DataSet, Failure, ScoreSettings, Verdict

VSC = challenge("vsc-descriptor")
QUICK = ScoreSettings(resamples=20)

# Absolute paths, numpy's old generator, an unsorted walk, times that mean nothing: what participants had.
MAIN = textwrap.dedent(
    """
    import csv
    from pathlib import Path
    import numpy as np

    ROOT = Path("/code_execution/")
    DATA = Path("/data")

    def main():
        with open(DATA / "query_subset.csv") as lines:
            wanted = [row["video_id"] for row in csv.DictReader(lines)]
        for video_id in wanted:
            assert (DATA / "query" / f"{video_id}.mp4").exists()
        assert (DATA / "query_metadata.csv").exists() and (DATA / "reference_metadata.csv").exists()
        rng = np.random.RandomState(42)
        ids, features, times = [], [], []
        for video_id in wanted:
            n = rng.randint(low=5, high=15)
            features.append(rng.standard_normal(size=(n, 512)))
            start = 30 * rng.random(size=(n, 1))
            times.append(np.hstack([start, start + 30 * rng.random(size=(n, 1))]))
            ids.append(np.full(n, video_id))
        np.savez(
            ROOT / "subset_query_descriptors.npz",
            video_ids=np.concatenate(ids),
            features=np.concatenate(features).astype(np.float32),
            timestamps=np.concatenate(times).astype(np.float32),
        )

    if __name__ == "__main__":
        main()
    """
)

pytestmark = pytest.mark.sandbox


def submission(folder: Path, data: DataSet, main: str) -> Path:
    folder.mkdir()
    VSC.perfect(data, folder)  # type: ignore[misc]
    (folder / "subset_query_descriptors.npz").unlink()
    (folder / "main.py").write_text(main)
    return folder


def test_the_official_quickstart_runs_with_nothing_changed(videos: DataSet, tmp_path: Path) -> None:
    report = evaluate.run(
        VSC, submission(tmp_path / "mine", videos, MAIN), data=videos, out=tmp_path / "out", settings=QUICK, phase="2"
    )
    assert report.verdict is Verdict.SCORED, (report.message, report.problems)
    assert report.run is not None
    assert report.run.failure is None
    assert (tmp_path / "out" / "submission.tar.gz").is_file()
    assert report.score is not None
    assert report.score.measure("micro-AP, subset") is not None


def test_the_answers_cannot_be_found_from_inside(videos: DataSet, tmp_path: Path) -> None:
    search = (
        "import os\n"
        "for folder, _, names in os.walk('/'):\n"
        "    if not folder.startswith(('/proc', '/sys')):\n"
        "        for name in names:\n"
        "            if name in ('ground_truth.csv', 'edits.json'):\n"
        "                print('FOUND', folder, name)\n"
    )
    report = evaluate.run(
        VSC,
        submission(tmp_path / "mine", videos, search + MAIN),
        data=videos,
        out=tmp_path / "out",
        settings=QUICK,
    )
    assert report.verdict is Verdict.SCORED, report.message
    assert "FOUND" not in (tmp_path / "out" / "log.txt").read_text()


@pytest.mark.parametrize(
    ("main", "failure", "verdict", "said"),
    [
        ("raise SystemExit(3)", Failure.CRASH, Verdict.FAILED, "3"),
        ("print('done')", Failure.MISSING_OUTPUT, Verdict.FAILED, "subset_query_descriptors.npz"),
        (
            "import os; os.symlink('/etc/passwd', '/code_execution/subset_query_descriptors.npz')",
            None,
            None,
            "subset_query_descriptors.npz",
        ),
        ("open('/code_execution/subset_query_descriptors.npz', 'w').write('x')", None, Verdict.INVALID, "break"),
    ],
)
def test_failures_are_told_apart(
    videos: DataSet, tmp_path: Path, main: str, failure: Failure | None, verdict: Verdict | None, said: str
) -> None:
    report = evaluate.run(
        VSC, submission(tmp_path / "mine", videos, main), data=videos, out=tmp_path / "out", settings=QUICK
    )
    assert report.score is None
    assert report.verdict in ((verdict,) if verdict else (Verdict.FAILED, Verdict.INVALID))
    assert said in report.message
    if failure is not None:
        assert report.run is not None
        assert report.run.failure is failure
