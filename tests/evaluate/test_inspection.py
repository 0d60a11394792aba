"""A challenge that looks at a submission's own files: before the run, after it, and never at bare predictions."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from podium import evaluate
from podium.challenges import challenge
from podium.formats.descriptors import write_descriptors
from podium.sandbox.base import Box
from podium.types import (
    Challenge,
    DataSet,
    Inspection,
    Limits,
    Measure,
    OutputFile,
    Problem,
    Run,
    ScoreSettings,
    Severity,
    Usage,
    Verdict,
)

VSC = challenge("vsc-descriptor")
QUICK = ScoreSettings(resamples=20)
OUTPUT = "subset_query_descriptors.npz"


class StandIn:
    """A sandbox that writes the output itself, and may spoil the submission as an isolated one could not."""

    name = "stand-in"

    def __init__(self, spoil: str = "") -> None:
        self.spoil = spoil
        self.runs = 0

    def run(self, box: Box, out: Path, **_: object) -> Run:
        self.runs += 1
        out.mkdir()
        ids = sorted(path.stem for path in (box.mounts[0].source / "query").glob("*.mp4"))
        write_descriptors(out / OUTPUT, ids, np.eye(len(ids), 512, dtype=np.float32), np.zeros(len(ids)))
        if self.spoil:
            place = box.submission / self.spoil.removeprefix("pipe:")
            os.mkfifo(place) if self.spoil.startswith("pipe:") else place.write_text("small")
        outputs = (OutputFile(name=OUTPUT, size_bytes=1, digest="sha256:0"),)
        return Run(backend=self.name, failure=None, message="", usage=Usage(wall_seconds=2.0), outputs=outputs)

    def controls(self, limits: Limits) -> tuple[Any, ...]:
        return ()


class Inspector:
    """Refuses submissions that hold a file of a name, and notes what it was given."""

    def __init__(self, *, after: bool = False) -> None:
        self.after = after
        self.seen: list[tuple[set[str], bool, float | None]] = []

    def __call__(self, submission: Path, predictions: Any, data: DataSet, *, run: Run | None) -> Inspection:
        names = {each.name for each in submission.iterdir()}
        self.seen.append((names, predictions is not None, None if run is None else run.wall_seconds))
        problems = [Problem(place="notes.txt", message="it is long", severity=Severity.WARNING)]
        if "huge.bin" in names and (run is not None or not self.after):
            problems.append(Problem(place="huge.bin", message="it is too large"))
        measures = (Measure(name="parameters", value=5.0), Measure(name="videos", value=-1.0))
        return Inspection(measures=measures, problems=tuple(problems))


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    made = StandIn()
    monkeypatch.setattr("podium.sandbox.sandbox", lambda name="auto": made)
    return made


@pytest.fixture
def submission(videos: DataSet, tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "main.py").write_text("print('hello')\n")
    VSC.perfect(videos, folder)  # type: ignore[misc]
    (folder / OUTPUT).unlink()
    return folder


@pytest.fixture
def run(videos: DataSet, submission: Path, tmp_path: Path) -> Callable[..., Any]:
    def go(inspector: Inspector) -> Any:
        looking: Challenge = dataclasses.replace(VSC, inspect=inspector)
        return evaluate.run(looking, submission, data=videos, out=tmp_path / "out", settings=QUICK)

    return go


def test_measures_of_the_inspection_join_the_score(box: StandIn, run: Callable[..., Any]) -> None:
    inspector = Inspector()
    report = run(inspector)
    assert report.verdict is Verdict.SCORED, report.message
    assert report.score.measure("parameters").value == 5.0
    names = [each.name for each in report.score.measures]
    assert len(names) == len(set(names))
    assert [str(each) for each in report.problems].count("notes.txt: it is long") == 1
    assert [(known, seconds) for _, known, seconds in inspector.seen] == [(False, None), (True, 2.0)]
    assert all("main.py" in names for names, _, _ in inspector.seen)
    assert [each.name for each in report.stages][:2] == ["read", "look at the submission"]


def test_a_measure_takes_the_place_of_one_of_its_name(videos: DataSet, tmp_path: Path) -> None:
    from podium.evaluate.judge import Case, judge

    folder = tmp_path / "p"
    folder.mkdir()
    VSC.perfect(videos, folder)  # type: ignore[misc]
    bare = judge(VSC, Case(challenge=VSC.id, folder=str(folder), data=str(videos.root), phase="1", settings=QUICK))
    assert bare.score is not None
    first = bare.score.measures[0].name

    def inspect(*_: Any, **__: Any) -> Inspection:
        return Inspection(measures=(Measure(name=first, value=-7.0),))

    looking = dataclasses.replace(VSC, inspect=inspect)
    case = Case(
        challenge=VSC.id, folder=str(folder), data=str(videos.root), phase="1", settings=QUICK, submission=str(folder)
    )
    made = judge(looking, case).score
    assert made is not None
    assert len(made.measures) == len(bare.score.measures)
    assert made.measure(first) == Measure(name=first, value=-7.0)


def test_a_refused_submission_is_not_run(box: StandIn, run: Callable[..., Any], submission: Path) -> None:
    (submission / "huge.bin").write_bytes(b"x")
    report = run(Inspector())
    assert report.verdict is Verdict.INVALID
    assert report.message == "huge.bin: it is too large"
    assert box.runs == 0
    assert report.run is None
    assert report.score is None
    assert report.digests.submission.startswith("sha256:")


def test_what_only_shows_after_the_run_refuses_too(box: StandIn, run: Callable[..., Any], submission: Path) -> None:
    (submission / "huge.bin").write_bytes(b"x")
    report = run(Inspector(after=True))
    assert box.runs == 1
    assert report.verdict is Verdict.INVALID
    assert report.message == "huge.bin: it is too large"
    assert report.run is not None


def test_a_run_that_changes_its_own_submission_is_refused(
    box: StandIn, run: Callable[..., Any], submission: Path
) -> None:
    (submission / "weights").write_text("large")
    box.spoil = "weights"
    report = run(Inspector())
    assert report.verdict is Verdict.INVALID
    assert "changed the files of its own submission" in report.message


def test_an_inspection_that_breaks_is_not_the_participant_s_fault(box: StandIn, run: Callable[..., Any]) -> None:
    def broken(*_: Any, **__: Any) -> Inspection:
        raise RuntimeError("no such luck")

    report = run(broken)
    assert report.verdict is Verdict.VOID
    assert box.runs == 0


def test_bare_predictions_are_not_inspected(videos: DataSet, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    VSC.perfect(videos, folder)  # type: ignore[misc]
    inspector = Inspector()
    report = evaluate.score(dataclasses.replace(VSC, inspect=inspector), folder, data=videos, settings=QUICK)
    assert report.verdict is Verdict.SCORED
    assert inspector.seen == []
    assert report.score is not None
    assert report.score.measure("parameters") is None


def test_a_run_that_leaves_a_pipe_in_its_own_submission_is_refused(box: StandIn, run: Callable[..., Any]) -> None:
    box.spoil = "pipe:queue"
    report = run(Inspector())
    assert report.verdict is Verdict.INVALID
    assert report.message == "the run changed the files of its own submission"
