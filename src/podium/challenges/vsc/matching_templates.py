"""Fills the matching starter and baseline for a data set."""

from __future__ import annotations

import runpy
from collections.abc import Mapping
from pathlib import Path

from podium.challenges.vsc import layout
from podium.challenges.vsc.matches import FULL
from podium.challenges.vsc.templates import BASELINE_OPTIONS, NO_OPTIONS, check_options
from podium.types import DataSet, Problem, Progress, Severity, silent


def prepare_starter(
    data: DataSet,
    submission: Path,
    *,
    options: Mapping[str, str] = NO_OPTIONS,
    seed: int = 0,  # noqa: ARG001 - the starter's own script holds its seed
    progress: Progress = silent,
) -> tuple[Problem, ...]:
    """Writes matches of all queries with the starter's own script.

    Raises:
        UsageError: An option was given; the starter has none.
    """
    check_options(options, ())
    script = runpy.run_path(str(submission / "prepare.py"))
    for judged in progress([layout.judged_split(data)], what="matching", total=1):
        script["prepare"](judged, submission)
    return ()


def prepare_baseline(
    data: DataSet,
    submission: Path,
    *,
    options: Mapping[str, str] = NO_OPTIONS,
    seed: int = 0,  # noqa: ARG001 - nothing in the baseline is drawn
    progress: Progress = silent,
) -> tuple[Problem, ...]:
    """Fits the baseline on the independent split, describes the references and matches all queries.

    Args:
        data: Has an independent split.
        submission: A copy of the baseline's folder.
        options: As of the descriptor baseline: `weights`, `architecture` and `device`.
        progress: Shown a step for each video.

    Raises:
        UsageError: An option is not known.
        MachineError: An extra is not installed.
    """
    from podium.solutions.copy_detection.backbone import DEFAULT_WEIGHTS
    from podium.solutions.copy_detection.matching_preparation import prepare

    check_options(options, BASELINE_OPTIONS)
    skipped = prepare(
        data.root,
        submission,
        upload=FULL,
        weights=options.get("weights", DEFAULT_WEIGHTS),
        architecture=options.get("architecture"),
        device=options.get("device", "cpu"),
        progress=progress,
    )
    return tuple(Problem(place="media", message=each, severity=Severity.WARNING) for each in skipped)
