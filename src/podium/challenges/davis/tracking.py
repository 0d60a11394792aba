"""Results in Weights & Biases, in the form of the contest. Nothing here is needed to run or to score.

| run's job type | artifact, by type | holds |
|---|---|---|
| ``run-val``, ``run-test`` | ``result`` | ``outputs/``, ``paths.json``; metadata ``nparams``, ``nflops`` |
| ``val-eval``, ``test-eval`` | ``submission``: ``<result>-submission`` | ``val-eval-data``: out, target, iou_score |

The run that judges carries ``segmentation_metric``, ``mean_iou`` and ``nparams`` in its summary. W&B is imported when
a function is called and never before.

Axes: N frames of all clips.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from podium.challenges.davis import layout, paths
from podium.challenges.davis.findings import Findings
from podium.challenges.davis.judging import Judged, judge
from podium.challenges.davis.metadata import METADATA, OPERATIONS, PARAMETERS, Metadata
from podium.challenges.davis.predictions import DavisPredictions, read_predictions
from podium.errors import MachineError, SubmissionError, UsageError
from podium.types import DataSet, Phase, Severity

Mode = Literal["online", "offline"]
Split = Literal["val", "test"]

RESULT, SUBMISSION = "result", "submission"
COLUMNS = ("out", "target", "iou_score")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")
_BOTH_EMPTY = -1.0
_PHASE = Phase(name="1", summary="", code_required=True)


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where in W&B something goes.

    Attributes:
        project: Made when it is not there; keep it private while a contest runs.
        entity: A person or team; None is the one that is logged in.
        mode: ``offline`` writes a folder that ``wandb sync`` sends later.
        folder: Takes the files of the run; None is W&B's own choice (``WANDB_DIR``).
    """

    project: str
    entity: str | None = None
    mode: Mode = "online"
    folder: Path | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.project):
            raise UsageError(f"the project `{self.project}` may hold letters, digits, `.`, `_` and `-` only")
        if self.mode not in get_args(Mode):
            raise UsageError(f"the mode is `{self.mode}`; `online` or `offline` is needed")


@dataclass(frozen=True, kw_only=True)
class Logged:
    """What was logged.

    Attributes:
        run_id: Of the run in W&B.
        url: Of the run; None offline.
        folder: Local files of the run.
        artifact: Its name.
        digest: Of the artifact, as W&B takes it.
        entries: What the artifact holds.
    """

    run_id: str
    url: str | None
    folder: Path
    artifact: str
    digest: str
    entries: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """A result that may be logged.

    Attributes:
        folder: Holds ``paths.json`` and the masks.
        outputs: The mask of each row, relative to the folder; rows without one are left out.
        predictions: As read.
        metadata: Of the model.
        data: The frames it is for.
    """

    folder: Path
    outputs: Mapping[int, str]
    predictions: DavisPredictions
    metadata: Metadata
    data: DataSet


def read_result(folder: Path, data: DataSet) -> Result:
    """A result, checked by the rules of the challenge.

    Args:
        folder: Holds ``paths.json``, ``metadata.json`` and masks.
        data: What they are for; its answers are not touched.

    Raises:
        UsageError: The folder holds a tree of masks, which the contest does not know.
        SubmissionError: The result breaks a rule; carries every problem.
    """
    reading = read_predictions(folder, data, phase=_PHASE)
    if reading.predictions is None or not reading.valid:
        errors = [each for each in reading.problems if each.severity is Severity.ERROR]
        raise SubmissionError(f"the result in `{folder}` breaks the rules, so it is not logged", errors)
    predictions: DavisPredictions = reading.predictions
    if not (folder / paths.PATHS).is_file() or predictions.metadata is None:
        raise UsageError(f"`{folder}` has no `{paths.PATHS}` and `{METADATA}`; the contest's form needs both")
    column = paths.read_column(folder / paths.PATHS, paths.OUTPUT, Findings()) or {}
    return Result(
        folder=folder,
        outputs={row: path for row, path in column.items() if path is not None},
        predictions=predictions,
        metadata=predictions.metadata,
        data=data,
    )


def log_result(result: Result, *, to: Destination, name: str, split: Split = "val") -> Logged:
    """Logs masks as an artifact of type ``result``, by a run of its own.

    Args:
        result: The masks.
        to: Where they go.
        name: Of the artifact.
        split: ``val``, or ``test`` where the labels are not known.

    Raises:
        UsageError: The name cannot be one.
        MachineError: W&B is not installed or cannot be reached.
    """
    check_name(name)
    wandb = _wandb()
    with _run(wandb, to, job_type=f"run-{split}", name=name) as run:
        artifact = wandb.Artifact(name, type=RESULT, metadata=_counts(result.metadata))
        artifact.add_file(str(result.folder / paths.PATHS), name=paths.PATHS)
        for path in result.outputs.values():
            artifact.add_file(str(result.folder / path), name=path)
        run.summary.update(_counts(result.metadata))
        return _sent(run, artifact)


def log_evaluation(result: Result, *, to: Destination, name: str, split: Split = "val") -> Logged:
    """Judges a result and logs how well each frame does, by a run of its own.

    Args:
        result: The masks, of a data set whose answers are known.
        to: Where it goes.
        name: Of the result's artifact.
        split: Names the table.

    Raises:
        UsageError: The name cannot be one.
        ChallengeError: The answers are broken.
        MachineError: W&B is not installed or cannot be reached.
    """
    check_name(name)
    wandb = _wandb()
    judged = judge(result.predictions, result.data, parity=False)
    mean_iou = float(np.nanmean(judged.iou_N))
    with _run(wandb, to, job_type=f"{split}-eval", name=f"{name}-{SUBMISSION}") as run:
        run.summary.update({"segmentation_metric": mean_iou, "mean_iou": mean_iou, **_counts(result.metadata)})
        artifact = wandb.Artifact(f"{name}-{SUBMISSION}", type=SUBMISSION, metadata=_counts(result.metadata))
        artifact.add(_table(wandb, result, judged), f"{split}-eval-data")
        return _sent(run, artifact)


def check_name(name: str) -> None:
    """Refuses what cannot be the name of an artifact.

    Raises:
        UsageError: It cannot.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"the name `{name}` may hold letters, digits, `.`, `_` and `-` only, and at most 120 of them")


def _table(wandb: Any, result: Result, judged: Judged) -> Any:
    table = wandb.Table(columns=list(COLUMNS))
    truth = layout.annotation_paths(result.data, judged.sequences)
    for frame, iou in zip(judged.frames, judged.iou_N.tolist(), strict=True):
        mask = result.outputs.get(frame.row)
        shown = None if mask is None else wandb.Image(str(result.folder / mask))
        table.add_data(shown, wandb.Image(str(truth[frame.row])), _BOTH_EMPTY if np.isnan(iou) else iou)
    return table


def _counts(metadata: Metadata) -> dict[str, int | float]:
    counts: dict[str, int | float] = {PARAMETERS: metadata.parameters}
    return counts if metadata.operations is None else counts | {OPERATIONS: metadata.operations}


def _sent(run: Any, artifact: Any) -> Logged:
    run.log_artifact(artifact)
    return Logged(
        run_id=run.id,
        url=None if run.offline else run.url,
        folder=Path(run.dir).parent,
        artifact=artifact.name,
        digest=artifact.digest,
        entries=tuple(artifact.manifest.entries),
    )


@contextmanager
def _run(wandb: Any, to: Destination, *, job_type: str, name: str) -> Generator[Any]:
    settings = wandb.Settings(silent=True, console="off", disable_git=True, save_code=False)
    if to.folder is not None:
        to.folder.mkdir(parents=True, exist_ok=True)
    try:
        run = wandb.init(
            project=to.project,
            entity=to.entity,
            mode=to.mode,
            job_type=job_type,
            name=name,
            dir=None if to.folder is None else str(to.folder),
            settings=settings,
        )
    except wandb.Error as error:
        hint = "`wandb login` first, or take the mode `offline`"
        raise MachineError(f"no run could be started in W&B: {error}; {hint}") from error
    try:
        yield run
    except BaseException:
        run.finish(exit_code=1)
        raise
    run.finish()


def _wandb() -> Any:
    try:
        import wandb
    except ImportError as error:
        raise MachineError("logging needs Weights & Biases: `pip install 'podium[wandb]'`") from error
    return wandb
