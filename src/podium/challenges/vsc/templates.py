"""Fills the starter and the baseline for a data set."""

from __future__ import annotations

import runpy
from pathlib import Path

from podium.challenges.vsc import layout
from podium.types import DataSet, Progress, silent


def prepare_starter(data: DataSet, submission: Path, *, seed: int = 0, progress: Progress = silent) -> None:  # noqa: ARG001 - the protocol's names
    """Writes descriptors of all queries and references with the starter's own script."""
    script = runpy.run_path(str(submission / "prepare.py"))
    for judged in progress([layout.judged_split(data)], what="describing", total=1):
        script["prepare"](judged, submission)


def prepare_baseline(data: DataSet, submission: Path, *, seed: int = 0, progress: Progress = silent) -> None:  # noqa: ARG001 - nothing in it is drawn
    """Fits the baseline on the independent split, and describes all queries and references."""
    from podium.solutions.copy_detection import prepare

    prepare(data.root, submission, progress=progress)
