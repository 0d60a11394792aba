"""Run, validate and score: what the commands and the API call."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import podium
from podium.errors import SubmissionError, UsageError
from podium.evaluate.arguments import open_challenge, open_data, out_folder
from podium.evaluate.execution import PREDICTIONS, Execution, Unpacked, execute, move, refusal, unpack
from podium.evaluate.judge import Case, Judgement, judge, judge_apart
from podium.evaluate.origin import data_digest, scorer_digest, this_machine
from podium.formats import digests
from podium.types import (
    Challenge,
    DataSet,
    Digests,
    Failure,
    Limits,
    Problem,
    Report,
    Run,
    ScoreSettings,
    Stage,
    Verdict,
)


def validate(
    challenge: Challenge | str, path: Path | str, *, data: DataSet | Path | str, phase: str = "1", parity: bool = False
) -> tuple[Problem, ...]:
    """Every problem of some predictions. Needs no answers.

    Args:
        path: The folder of predictions, or the file of a challenge that has one file.

    Raises:
        UsageError: The challenge, the phase, the data set or the path does not exist.
        ChallengeError: The data set is broken.
    """
    judged, opened = open_challenge(challenge), open_data(data)
    with _predictions_folder(judged, Path(path)) as folder:
        return judged.read_predictions(folder, opened, phase=judged.phase(phase), parity=parity).problems


def score(
    challenge: Challenge | str,
    path: Path | str,
    *,
    data: DataSet | Path | str,
    phase: str = "1",
    settings: ScoreSettings | None = None,
    artifacts: Path | None = None,
) -> Report:
    """The report of some predictions, scored in this process.

    Args:
        path: The folder of predictions, or the file of a challenge that has one file.
        artifacts: Where the official runtime's files go; None writes none.

    Raises:
        UsageError: The challenge, the phase, the data set or the path does not exist.
    """
    judged, opened, settings = open_challenge(challenge), open_data(data), settings or ScoreSettings()
    judged.phase(phase)
    with _predictions_folder(judged, Path(path)) as folder:
        case = _case(judged, folder, opened, phase, settings, artifacts)
        judgement = judge(judged, case)
        try:
            made = Digests(predictions=digests.digest_folder(folder))
        except SubmissionError as error:
            judgement, made = _refused(error), Digests()
    return _report(judged, opened, case, judgement, made=made, name=Path(path).name)


def run(
    challenge: Challenge | str,
    submission: Path | str,
    *,
    data: DataSet | Path | str,
    out: Path | str | None = None,
    sandbox_name: str = "auto",
    phase: str = "1",
    settings: ScoreSettings | None = None,
    limits: Limits | None = None,
    on_log: Callable[[bytes], None] | None = None,
) -> Report:
    """Runs a submission in a sandbox, checks what it wrote, scores it, and writes it all down.

    Args:
        submission: A folder with a `main.py`, or the archive that `pack` made of it.
        out: Folder for `report.json`, the log, the predictions and the official runtime's files; None takes the
            next free one below `runs/`.
        sandbox_name: `auto`, `bubblewrap`, `container` or `process`.
        limits: Instead of the challenge's own, which are cut down to what this machine has.
        on_log: Is given the log as it is written.

    Raises:
        UsageError: Something named does not exist, or `out` is not empty.
        MachineError: No sandbox works here.
    """
    from podium.sandbox import sandbox

    judged, opened, settings = open_challenge(challenge), open_data(data), settings or ScoreSettings()
    judged.phase(phase)
    box = sandbox(sandbox_name)
    source = Path(submission)
    folder = out_folder(out, below=Path("runs"), stem=f"{judged.id}-{source.stem}")
    case = _case(judged, folder / PREDICTIONS, opened, phase, settings, folder)
    with ExitStack() as stack:
        try:
            unpacked = stack.enter_context(unpack(judged, source, phase=phase))
        except SubmissionError as error:
            report = _report(judged, opened, case, _refused(error), name=source.name)
        else:
            case = dataclasses.replace(case, submission=str(unpacked.folder))
            refused = _looked(judged, case)
            if refused is not None:
                made = Digests(submission=unpacked.digest)
                report = _report(judged, opened, case, refused, made=made, name=unpacked.name)
            else:
                done = execute(
                    judged, unpacked, opened, folder, box=box, limits=limits, seed=settings.seed, on_log=on_log
                )
                report = _judged(judged, opened, case, unpacked, done)
    (folder / "report.json").write_text(report.to_json() + "\n", encoding="utf-8")
    return report


def _looked(challenge: Challenge, case: Case) -> Judgement | None:
    """The judgement of a submission that is refused for its own files, before any of it runs; None where it may run."""
    if challenge.inspect is None:
        return None
    judgement = judge_apart(challenge, dataclasses.replace(case, look_only=True))
    return None if judgement.verdict is Verdict.SCORED else judgement


def _judged(challenge: Challenge, data: DataSet, case: Case, unpacked: Unpacked, done: Execution) -> Report:
    """The report of an execution; uploads move from the submission to the predictions."""
    changed = challenge.inspect is not None and _changed(unpacked)
    for upload in challenge.uploads:
        if (unpacked.folder / upload).is_file():
            move(unpacked.folder / upload, done.predictions / upload)
    made = Digests(submission=unpacked.digest, environment=(done.run.environment_digest or None) if done.run else None)
    if done.run is not None and done.run.failure is not None:
        judgement = Judgement(verdict=_verdict(done.run.failure), message=done.run.message)
    elif changed:
        # Only the `process` sandbox, which isolates nothing, lets a run do so.
        judgement = Judgement(verdict=Verdict.INVALID, message="the run changed the files of its own submission")
    else:
        judgement = judge_apart(challenge, dataclasses.replace(case, run=done.run))
        made = dataclasses.replace(made, predictions=digests.digest_folder(done.predictions))
    return _report(challenge, data, case, judgement, made=made, name=unpacked.name, ran=done.run)


def _changed(unpacked: Unpacked) -> bool:
    """Whether the files of a submission are others than they were."""
    try:
        return digests.digest_folder(unpacked.folder) != unpacked.digest
    except (SubmissionError, UsageError, OSError):
        # A link, a pipe or what may not be read: nothing of the kind was there.
        return True


def _verdict(failure: Failure) -> Verdict:
    if failure in (Failure.MACHINE, Failure.CANCELLED):
        return Verdict.VOID
    return Verdict.INVALID if failure is Failure.INVALID_OUTPUT else Verdict.FAILED


def _refused(error: SubmissionError) -> Judgement:
    return Judgement(verdict=Verdict.INVALID, message=refusal(error), problems=error.problems)


def _report(
    challenge: Challenge,
    data: DataSet,
    case: Case,
    judgement: Judgement,
    *,
    made: Digests | None = None,
    name: str,
    ran: Run | None = None,
) -> Report:
    made = made or Digests()
    stages: tuple[Stage, ...] = (*(ran.stages if ran else ()), *judgement.stages)
    return Report(
        challenge=challenge.id,
        challenge_version=challenge.version,
        phase=case.phase,
        verdict=judgement.verdict,
        message=judgement.message,
        score=judgement.score,
        problems=judgement.problems,
        run=ran,
        stages=stages,
        digests=dataclasses.replace(made, data=data_digest(data), scorer=scorer_digest(challenge)),
        parity=case.settings.parity,
        seed=case.settings.seed,
        machine=this_machine(),
        podium_version=podium.__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        submission_name=name,
    )


def _case(
    challenge: Challenge, folder: Path, data: DataSet, phase: str, settings: ScoreSettings, artifacts: Path | None
) -> Case:
    where = None if artifacts is None else str(artifacts)
    return Case(
        challenge=challenge.id,
        folder=str(folder),
        data=str(data.root),
        phase=phase,
        settings=settings,
        artifacts=where,
    )


@contextmanager
def _predictions_folder(challenge: Challenge, path: Path) -> Generator[Path]:
    """The folder itself, or a folder that holds the one file under the name that the challenge gives it."""
    names = (*challenge.uploads, *challenge.outputs)
    if path.is_dir():
        yield path
        return
    if not path.exists():
        raise UsageError(f"the predictions `{path}` do not exist")
    if not path.is_file():
        raise UsageError(f"the predictions `{path}` are no plain file; give one, or the folder that holds it")
    if len(names) != 1:
        wanted = ", ".join(f"`{name}`" for name in names)
        raise UsageError(f"`{path}` is one file; `{challenge.id}` wants a folder with {wanted}")
    with tempfile.TemporaryDirectory(prefix="podium-") as scratch:
        target = Path(scratch) / names[0]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        yield Path(scratch)
