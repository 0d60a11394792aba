"""Runs a submission on a data set, without judging what it wrote."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from podium.errors import SubmissionError, UsageError
from podium.evaluate.limits import FittedLimits, fit, limits_for, this_capacity
from podium.formats import archives, digests
from podium.sandbox.base import Box, Sandbox
from podium.types import Challenge, DataSet, Limits, Mount, Run

PREDICTIONS = "predictions"
LOG = "log.txt"


@dataclass(frozen=True, kw_only=True)
class Unpacked:
    """A submission, unpacked and checked.

    Attributes:
        folder: Holds its files; gone when the block of `unpack` ends.
        name: Of the folder or archive that it came from.
        digest: ``sha256:…`` over its files; the same for a folder and for the archive made of it.
    """

    folder: Path
    name: str
    digest: str

    @property
    def has_code(self) -> bool:
        """True when there is a `main.py` to run."""
        return (self.folder / "main.py").is_file()


@dataclass(frozen=True, kw_only=True)
class Execution:
    """What one execution of a submission left.

    Attributes:
        run: None when the submission has no code.
        predictions: Folder with what the code wrote; not all of it when the run failed.
        log: The run's output, or None where there is none.
    """

    run: Run | None
    predictions: Path
    log: Path | None = None


@contextmanager
def unpack(challenge: Challenge, source: Path, *, phase: str) -> Generator[Unpacked]:
    """The submission in a temporary folder. A folder takes the way of an archive too, so that both are refused alike.

    Args:
        source: A folder, or the archive that `pack` made of it.
        phase: Says whether there must be a `main.py`.

    Raises:
        UsageError: There is nothing at `source`.
        SubmissionError: The archive or the folder breaks a rule; carries every problem.
    """
    optional = bool(challenge.uploads) and not challenge.phase(phase).code_required
    required = () if optional else ("main.py",)
    with tempfile.TemporaryDirectory(prefix="podium-") as scratch:
        folder = Path(scratch) / "submission"
        if source.is_dir():
            packed = archives.pack(source, Path(scratch) / "submission.zip", required=required)
            archives.unpack(packed.path, folder, required=required)
            packed.path.unlink()
        elif source.is_file():
            archives.unpack(source, folder, required=required)
        else:
            raise UsageError(f"the submission `{source}` does not exist; give a folder with a `main.py` or its archive")
        yield Unpacked(folder=folder, name=source.name, digest=digests.digest_folder(folder))


def execute(
    challenge: Challenge,
    submission: Unpacked,
    data: DataSet,
    out: Path,
    *,
    box: Sandbox,
    limits: Limits | None = None,
    seed: int = 0,
    on_log: Callable[[bytes], None] | None = None,
) -> Execution:
    """Runs the code of a submission, if it has any, and takes what it wrote. The submission stays as it was.

    Args:
        data: Only its inputs are seen.
        out: Existing folder without ``predictions``, ``run`` and ``log.txt``, which are made there.
        box: The sandbox.
        limits: Used as they are; None takes the challenge's own, cut down to this machine, with a note in the run.
        seed: Handed to the code as ``PODIUM_SEED``.
        on_log: Is given the log as it is written.
    """
    predictions, place = out / PREDICTIONS, out / "run"
    predictions.mkdir()
    if not submission.has_code:
        return Execution(run=None, predictions=predictions)
    fitted = FittedLimits(limits=limits) if limits else fit(limits_for(challenge, data), this_capacity())
    with _copies(challenge, submission.folder, data):
        ran = box.run(
            Box(
                submission=submission.folder,
                workdir=challenge.workdir,
                mounts=tuple(Mount(source=data.inputs / part, target=target) for part, target in challenge.mounts),
                outputs=challenge.outputs,
                limits=fitted.limits,
                seed=seed,
            ),
            place,
            on_log=on_log,
        )
    ran = replace(ran, notes=(*fitted.notes, *ran.notes))
    for output in ran.outputs:
        move(place / output.name, predictions / output.name)
    log = place / LOG
    if log.is_file():
        move(log, out / LOG)
    shutil.rmtree(place, ignore_errors=True)
    return Execution(run=ran, predictions=predictions, log=out / LOG if (out / LOG).is_file() else None)


def refusal(error: SubmissionError) -> str:
    """Why a submission is refused, in one line: the only problem itself, else what sums them up.

    >>> from podium.types import Problem
    >>> refusal(SubmissionError("`a.zip` is refused", [Problem(place="a.zip", message="it is empty")]))
    'a.zip: it is empty'
    """
    return str(error.problems[0]) if len(error.problems) == 1 else str(error)


def move(source: Path, target: Path) -> None:
    """Moves a file; the target's folder is made."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(source, target)


@contextmanager
def _copies(challenge: Challenge, folder: Path, data: DataSet) -> Generator[None]:
    """Lays the inputs that the challenge wants beside `main.py` there, and takes them away again."""
    laid: list[Path] = []
    try:
        for part, name in challenge.copies:
            source, target = data.inputs / part, folder / name
            if source.is_file() and not target.exists():
                laid.append(target)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
        yield
    finally:
        for target in laid:
            target.unlink(missing_ok=True)
