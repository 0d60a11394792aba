"""The pipeline with a stand-in sandbox: verdicts, folders, digests. Real sandboxes are in the sandbox lane."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import podium
from podium import evaluate
from podium.challenges import challenge
from podium.errors import UsageError
from podium.evaluate import judge as judging
from podium.evaluate import pipeline
from podium.formats.descriptors import write_descriptors
from podium.sandbox.base import Box
from podium.types import (
    Challenge,
    Control,
    DataSet,
    Failure,
    Limits,
    OutputFile,
    Report,
    Run,
    Score,
    ScoreSettings,
    Usage,
    Verdict,
)

VSC = challenge("vsc-descriptor")
QUICK = ScoreSettings(resamples=20)


class StandIn:
    """Answers as a sandbox would, and writes the subset file itself."""

    name = "stand-in"

    def __init__(self, failure: Failure | None = None, spoil: Callable[[Path], None] | None = None) -> None:
        self.failure, self.spoil = failure, spoil
        self.boxes: list[Box] = []

    def run(self, box: Box, out: Path, **_: object) -> Run:
        self.boxes.append(box)
        out.mkdir()
        (out / "log.txt").write_text("hello\n")
        outputs: tuple[OutputFile, ...] = ()
        if self.failure is None:
            ids = sorted(path.stem for path in (box.mounts[0].source / "query").glob("*.mp4"))
            name = "subset_query_descriptors.npz"
            write_descriptors(out / name, ids, np.eye(len(ids), 512, dtype=np.float32), np.zeros(len(ids)))
            if self.spoil is not None:
                self.spoil(out / name)
            outputs = (OutputFile(name=name, size_bytes=1, digest="sha256:0"),)
        return Run(
            backend=self.name,
            failure=self.failure,
            message="it went wrong" if self.failure else "",
            usage=Usage(wall_seconds=1.0),
            outputs=outputs,
        )

    def controls(self, limits: Limits) -> tuple[Control, ...]:
        return ()


@pytest.fixture
def submission(videos: DataSet, tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "main.py").write_text("print('hello')\n")
    VSC.perfect(videos, folder)  # type: ignore[misc]
    (folder / "subset_query_descriptors.npz").unlink()
    return folder


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Callable[..., StandIn]:
    def use(*args: object, **kwargs: object) -> StandIn:
        box = StandIn(*args, **kwargs)  # type: ignore[arg-type]
        monkeypatch.setattr("podium.sandbox.sandbox", lambda name="auto": box)
        return box

    return use


def test_a_run_is_scored_and_everything_is_written_down(
    videos: DataSet, submission: Path, tmp_path: Path, stand_in: Callable[..., StandIn]
) -> None:
    box = stand_in()
    out = tmp_path / "out"
    report = evaluate.run("vsc-descriptor", submission, data=videos.root, out=out, settings=QUICK)
    assert report.verdict is Verdict.SCORED, report.message
    assert report.score is not None
    assert report.score.value == 1.0
    assert {path.name for path in out.iterdir()} >= {
        "report.json",
        "log.txt",
        "predictions",
        "full_rankings.csv",
        "subset_rankings.csv",
        "submission.tar.gz",
    }
    assert Report.from_json((out / "report.json").read_text()) == report
    for digest in dataclasses.astuple(report.digests)[:4]:
        assert digest is not None
        assert digest.startswith("sha256:")
    assert [each.name for each in report.stages] == ["read", "score", "write rankings"]
    seen = box.boxes[0]
    assert seen.mounts[0].source == videos.inputs
    assert seen.mounts[0].target == "/data"
    assert seen.limits.wall_seconds == 60 + 10 * 10
    assert not any(videos.answers in (each.source, *each.source.parents) for each in seen.mounts)


def test_the_same_submission_gives_the_same_digests_as_folder_and_as_archive(
    videos: DataSet, submission: Path, tmp_path: Path, stand_in: Callable[..., StandIn]
) -> None:
    stand_in()
    from podium.formats import archives

    packed = archives.pack(submission, tmp_path / "mine.zip")
    reports = [
        evaluate.run(VSC, each, data=videos, out=tmp_path / f"out-{at}", settings=QUICK)
        for at, each in enumerate((submission, packed.path))
    ]
    assert reports[0].digests == reports[1].digests
    assert reports[0].score is not None
    assert reports[0].score == reports[1].score


@pytest.mark.parametrize(
    ("failure", "verdict"),
    [
        (Failure.TIMEOUT, Verdict.FAILED),
        (Failure.CRASH, Verdict.FAILED),
        (Failure.MISSING_OUTPUT, Verdict.FAILED),
        (Failure.INVALID_OUTPUT, Verdict.INVALID),
        (Failure.MACHINE, Verdict.VOID),
    ],
)
def test_a_failed_run_is_not_scored(
    videos: DataSet,
    submission: Path,
    tmp_path: Path,
    stand_in: Callable[..., StandIn],
    failure: Failure,
    verdict: Verdict,
) -> None:
    stand_in(failure)
    report = evaluate.run(VSC, submission, data=videos, out=tmp_path / "out", settings=QUICK)
    assert report.verdict is verdict
    assert report.score is None
    assert report.message == "it went wrong"


def test_predictions_that_break_a_rule_are_invalid_with_every_problem(
    videos: DataSet, submission: Path, tmp_path: Path, stand_in: Callable[..., StandIn]
) -> None:
    stand_in(spoil=lambda path: path.write_text("nothing"))
    report = evaluate.run(VSC, submission, data=videos, out=tmp_path / "out", settings=QUICK)
    assert report.verdict is Verdict.INVALID
    assert any("subset_query_descriptors.npz" in each.place for each in report.problems)
    assert json.loads((tmp_path / "out" / "report.json").read_text())["verdict"] == "invalid"


def test_descriptors_without_code_are_scored_in_phase_one_and_refused_in_phase_two(
    videos: DataSet, submission: Path, tmp_path: Path, stand_in: Callable[..., StandIn]
) -> None:
    box = stand_in()
    (submission / "main.py").unlink()
    first = evaluate.run(VSC, submission, data=videos, out=tmp_path / "one", settings=QUICK)
    assert first.verdict is Verdict.SCORED
    assert first.run is None
    second = evaluate.run(VSC, submission, data=videos, out=tmp_path / "two", settings=QUICK, phase="2")
    assert second.verdict is Verdict.INVALID
    assert any("main.py" in str(each) for each in second.problems)
    assert box.boxes == []


def test_results_are_never_written_over(videos: DataSet, submission: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("mine")
    with pytest.raises(UsageError, match="not an empty folder"):
        evaluate.run(VSC, submission, data=videos, out=tmp_path / "out")


def test_a_scorer_that_crashes_is_void(videos: DataSet, tmp_path: Path) -> None:
    def explode(*_: object) -> Score:
        raise RuntimeError("no such luck")

    broken = dataclasses.replace(VSC, score=explode)
    folder = tmp_path / "p"
    folder.mkdir()
    VSC.perfect(videos, folder)  # type: ignore[misc]
    report = evaluate.score(broken, folder, data=videos)
    assert report.verdict is Verdict.VOID
    assert "RuntimeError: no such luck" in report.message


def test_judging_apart_gives_what_judging_here_gives(videos: DataSet, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    VSC.perfect(videos, folder)  # type: ignore[misc]
    case = judging.Case(
        challenge=VSC.id, folder=str(folder), data=str(videos.root), phase="1", settings=ScoreSettings(resamples=20)
    )
    apart, here = judging.judge_apart(VSC, case), judging.judge(VSC, case)
    assert apart.score == here.score
    assert apart.verdict is Verdict.SCORED


def test_judging_apart_survives_the_death_of_the_judge(
    videos: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging.sys, "executable", "/bin/false")
    case = judging.Case(challenge=VSC.id, folder=str(tmp_path), data=str(videos.root), phase="1", settings=QUICK)
    judgement = judging.judge_apart(VSC, case)
    assert judgement.verdict is Verdict.VOID
    assert "status `1`" in judgement.message


def test_the_api_scores_validates_and_names_what_it_does_not_know(videos: DataSet, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    VSC.perfect(videos, folder)  # type: ignore[misc]
    report = podium.score("vsc-descriptor", folder, data=videos.root, settings=QUICK)
    assert report.score is not None
    low, high = report.score.interval  # type: ignore[misc]
    assert low <= report.score.value <= high
    assert podium.validate(VSC, folder, data=videos) == ()
    with pytest.raises(UsageError, match="did you mean `vsc-descriptor`"):
        podium.score("vsc-descriptr", folder, data=videos)
    with pytest.raises(UsageError, match="has no phase `3`"):
        podium.score(VSC, folder, data=videos, phase="3")
    with pytest.raises(UsageError, match="is no data set"):
        podium.score(VSC, folder, data=tmp_path)
    with pytest.raises(UsageError, match="is one file"):
        podium.score(VSC, folder / "query_descriptors.npz", data=videos)


def test_a_challenge_with_one_file_takes_the_file(videos: DataSet, tmp_path: Path) -> None:
    seen: list[Path] = []

    def read(folder: Path, *_: object, **__: object) -> object:
        seen.extend(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
        return VSC.read_predictions(folder, videos, phase=VSC.phase("1"))

    single: Challenge = dataclasses.replace(
        VSC, uploads=(), outputs=("submission/submission.csv",), read_predictions=read
    )
    (tmp_path / "mine.csv").write_text("a\n")
    pipeline.validate(single, tmp_path / "mine.csv", data=videos)
    assert seen == [Path("submission/submission.csv")]


def test_a_pipe_in_place_of_predictions_is_wrong_use(videos: DataSet, tmp_path: Path) -> None:
    single = dataclasses.replace(VSC, uploads=(), outputs=("submission/submission.csv",))
    os.mkfifo(tmp_path / "mine.csv")
    with pytest.raises(UsageError, match="no plain file"):
        pipeline.validate(single, tmp_path / "mine.csv", data=videos)


def test_a_link_among_the_predictions_ends_in_a_report_that_says_so(videos: DataSet, tmp_path: Path) -> None:
    VSC.perfect(videos, tmp_path)  # type: ignore[misc]
    (tmp_path / "answers.csv").symlink_to(videos.root / "nowhere")
    report = podium.score("vsc-descriptor", tmp_path, data=videos.root, settings=QUICK)
    assert (report.verdict, report.score) == (Verdict.INVALID, None)
    assert "answers.csv: this is a link" in report.message
