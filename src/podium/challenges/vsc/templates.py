"""Fills the starter and the baseline for a data set."""

from __future__ import annotations

import runpy
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from podium.challenges.vsc import layout
from podium.errors import UsageError, nearest
from podium.types import DataSet, Problem, Progress, Severity, silent

NO_OPTIONS: Mapping[str, str] = MappingProxyType({})
BASELINE_OPTIONS = ("weights", "architecture", "device")


def prepare_starter(
    data: DataSet,
    submission: Path,
    *,
    options: Mapping[str, str] = NO_OPTIONS,
    seed: int = 0,  # noqa: ARG001 - the starter's own script holds its seed
    progress: Progress = silent,
) -> tuple[Problem, ...]:
    """Writes descriptors of all queries and references with the starter's own script.

    Raises:
        UsageError: An option was given; the starter has none.
    """
    check_options(options, ())
    script = runpy.run_path(str(submission / "prepare.py"))
    for judged in progress([layout.judged_split(data)], what="describing", total=1):
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
    """Fits the baseline on the independent split, and describes all queries and references.

    Args:
        data: Has an independent split.
        submission: A copy of the baseline's folder.
        options: `weights` (a TorchScript, safetensors or checkpoint file, `timm:NAME` or `hf_hub:NAME`), `architecture`
            (timm's name for a file of bare weights) and `device` (`cpu` or `cuda`).
        progress: Shown a step for each video.

    Raises:
        UsageError: An option is not known.
        MachineError: An extra is not installed.
    """
    from podium.solutions.copy_detection import prepare
    from podium.solutions.copy_detection.backbone import DEFAULT_WEIGHTS

    check_options(options, BASELINE_OPTIONS)
    skipped = prepare(
        data.root,
        submission,
        weights=options.get("weights", DEFAULT_WEIGHTS),
        architecture=options.get("architecture"),
        device=options.get("device", "cpu"),
        progress=progress,
    )
    return tuple(Problem(place="media", message=each, severity=Severity.WARNING) for each in skipped)


def check_options(options: Mapping[str, str], known: tuple[str, ...]) -> None:
    """Raises a UsageError for an option that is not among the known ones."""
    for name in options:
        if name not in known:
            what = nearest(name, known) if known else "it takes none"
            raise UsageError(f"the template has no option `{name}`; {what}")
