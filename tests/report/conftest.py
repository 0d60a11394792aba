"""Reports of every verdict, and a data set with one tiny video and one image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from podium.types import (
    Clip,
    Control,
    Curve,
    DataSet,
    Digests,
    Enforcement,
    Exhibit,
    ExhibitKind,
    Failure,
    Interval,
    ItemScore,
    Machine,
    Measure,
    OutputFile,
    Problem,
    Report,
    Run,
    Score,
    Severity,
    Stage,
    Usage,
    Verdict,
)

FRAMES_PER_SECOND = 4
SECONDS = 6


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    """Second k of ``inputs/q.mp4`` is a grey picture of brightness 20 + 40 k."""
    pytest.importorskip("av", reason="making a video needs PyAV")
    from podium.media.writer import write

    root = tmp_path_factory.mktemp("data")
    (root / "inputs").mkdir()
    greys = [20 + 40 * (k // FRAMES_PER_SECOND) for k in range(SECONDS * FRAMES_PER_SECOND)]
    frames = [np.full((48, 96, 3), grey, dtype=np.uint8) for grey in greys]
    write(root / "inputs" / "q.mp4", frames, frames_per_second=FRAMES_PER_SECOND)
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (300, 400, 3), dtype=np.uint8)).save(root / "inputs" / "photo.jpg")
    return DataSet(root)


def clip(item: str, *, path: str = "inputs/q.mp4", start: float | None = 0.0, end: float | None = 6.0) -> Clip:
    return Clip(item=item, path=path, start_seconds=start, end_seconds=end)


def diagonal(rows: int, columns: int) -> tuple[tuple[float, ...], ...]:
    """Low everywhere but on the diagonal; highest in the last row."""
    return tuple(
        tuple(0.5 + 0.4 * (row + 1) / rows if column == row else 0.1 for column in range(columns))
        for row in range(rows)
    )


def exhibits() -> tuple[Exhibit, ...]:
    return (
        Exhibit(
            kind=ExhibitKind.FALSE_POSITIVE,
            query=clip("Q100001"),
            reference=clip("R200001", start=1.0, end=4.0),
            similarity=0.9312,
            rank=3,
            note="No copy: `2` true copies stand below it",
            similarity_map=diagonal(6, 8),
        ),
        Exhibit(
            kind=ExhibitKind.MISSED,
            query=clip("Q100002"),
            reference=clip("R200002", path="inputs/gone.mp4"),
            similarity_map=diagonal(4, 4),
        ),
        Exhibit(
            kind=ExhibitKind.MISSED,
            query=clip("P1", path="inputs/photo.jpg", start=None, end=None),
            reference=clip("P2", path="inputs/photo.jpg", start=None, end=None),
            similarity=0.2,
            rank=801,
        ),
        Exhibit(kind=ExhibitKind.FOUND, query=clip("Q100003"), reference=clip("R200003"), similarity=1.0, rank=1),
    )


def controls() -> tuple[Control, ...]:
    return (
        Control(name="wall time", asked="20 min", enforcement=Enforcement.ENFORCED, how="a watchdog"),
        Control(name="memory", asked="4 GiB", enforcement=Enforcement.BEST_EFFORT, how="address space only"),
        Control(name="network", asked="none", enforcement=Enforcement.NOT_ENFORCED, how="no namespace here"),
    )


def good_run() -> Run:
    return Run(
        backend="bubblewrap",
        failure=None,
        message="`main.py` ended with 0",
        exit_code=0,
        usage=Usage(wall_seconds=300.0, cpu_seconds=500.0, peak_memory_bytes=1 << 30, log_bytes=2048),
        stages=(Stage(name="set-up", wall_seconds=0.03), Stage(name="main.py", wall_seconds=299.0, cpu_seconds=499.0)),
        controls=controls(),
        outputs=(OutputFile(name="subset.npz", size_bytes=5_000, digest="sha256:" + "ab" * 32),),
        log_tail=("reading 4 queries", "done"),
        environment=("numpy 2.4.0",),
    )


def whole_report() -> Report:
    score = Score(
        value=0.63119,
        metric="micro-AP",
        interval=Interval(low=0.55, high=0.71, resamples=1_000, unit="32 queries"),
        measures=(
            Measure(name="recall at precision 0.90", value=0.4211, note="Higher is better"),
            Measure(name="candidates", value=38_400.0),
            Measure(name="threshold", value=None),
        ),
        per_item=tuple(ItemScore(item=f"Q{k}", value=v) for k, v in enumerate((0.9, 0.1, 0.5, 0.7))),
        curves=(
            Curve(
                name="Precision-recall curve",
                x_label="recall",
                y_label="precision",
                x=(0.0, 0.5, 1.0),
                y=(1.0, 0.8, 0.2),
            ),
        ),
        exhibits=exhibits(),
    )
    return Report(
        challenge="vsc-descriptor",
        challenge_version="1.0",
        phase="phase 1",
        verdict=Verdict.SCORED,
        message="",
        score=score,
        run=good_run(),
        stages=(Stage(name="search", wall_seconds=3.0, cpu_seconds=6.0),),
        digests=Digests(submission="sha256:" + "1f" * 32, data="sha256:" + "3d" * 32),
        seed=7,
        machine=Machine(system="Linux", processor="a processor", cpus=2, memory_bytes=8 << 30, python="3.11.2"),
        podium_version="0.1.0",
        created="2025-11-21T13:30:00Z",
        submission_name="my_solution",
    )


@pytest.fixture
def scored() -> Report:
    return whole_report()


@pytest.fixture
def invalid() -> Report:
    problems = (
        Problem(place="query_descriptors.npz row 17", message="holds `NaN`", hint="divide by no zero", count=5),
        Problem(place="reference_descriptors.npz", message="is not sorted", severity=Severity.WARNING),
    )
    return replace(
        whole_report(), verdict=Verdict.INVALID, score=None, problems=problems, message="1 error in the predictions"
    )


@pytest.fixture
def failed() -> Report:
    run = replace(
        good_run(),
        failure=Failure.MEMORY,
        message="it took more than `4 GiB`",
        exit_code=None,
        signal=9,
        usage=Usage(wall_seconds=1_300.0, peak_memory_bytes=4 << 30),
        log_tail=("Traceback (most recent call last):", "MemoryError"),
    )
    return replace(whole_report(), verdict=Verdict.FAILED, score=None, run=run, message="the run failed")


@pytest.fixture
def void() -> Report:
    return replace(
        whole_report(),
        verdict=Verdict.VOID,
        score=None,
        run=None,
        stages=(),
        machine=None,
        message="the scorer crashed",
    )
