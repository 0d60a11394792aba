"""Run, validate and score: what the commands and the API call."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import podium
from podium.challenges import challenge as find_challenge
from podium.errors import SubmissionError, UsageError
from podium.evaluate.judge import Case, Judgement, judge, judge_apart
from podium.evaluate.origin import data_digest, scorer_digest, this_machine
from podium.formats import archives, digests
from podium.sandbox.base import Box, Sandbox
from podium.types import (
    Challenge,
    DataSet,
    Digests,
    Failure,
    Limits,
    Mount,
    Problem,
    Report,
    Run,
    ScoreSettings,
    Stage,
    Verdict,
)

PREDICTIONS = "predictions"
LOG = "log.txt"


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
    judged, opened = _challenge(challenge), _data(data)
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
    judged, opened, settings = _challenge(challenge), _data(data), settings or ScoreSettings()
    judged.phase(phase)
    with _predictions_folder(judged, Path(path)) as folder:
        case = _case(judged, folder, opened, phase, settings, artifacts)
        judgement = judge(judged, case)
        made = Digests(predictions=digests.digest_folder(folder))
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
        limits: Instead of the challenge's own.
        on_log: Is given the log as it is written.

    Raises:
        UsageError: Something named does not exist, or `out` is not empty.
        MachineError: No sandbox works here.
    """
    from podium.sandbox import sandbox

    judged, opened, settings = _challenge(challenge), _data(data), settings or ScoreSettings()
    judged.phase(phase)
    box = sandbox(sandbox_name)
    source = Path(submission)
    folder = _out_folder(judged, source, out)
    with tempfile.TemporaryDirectory(prefix="podium-") as scratch:
        unpacked = Path(scratch) / "submission"
        case = _case(judged, folder / PREDICTIONS, opened, phase, settings, folder)
        try:
            _unpack(judged, source, unpacked, phase=phase)
        except SubmissionError as error:
            report = _report(judged, opened, case, _refused(error), name=source.name)
        else:
            report = _run_unpacked(judged, opened, case, box, unpacked, limits=limits, on_log=on_log, name=source.name)
    (folder / "report.json").write_text(report.to_json() + "\n", encoding="utf-8")
    return report


def limits_for(challenge: Challenge, data: DataSet) -> Limits:
    """The challenge's limits on this data set: some grow with the number of queries."""
    if not challenge.wall_seconds_per_query or challenge.count_queries is None:
        return challenge.limits
    more = challenge.wall_seconds_per_query * challenge.count_queries(data)
    return dataclasses.replace(challenge.limits, wall_seconds=challenge.limits.wall_seconds + more)


def _run_unpacked(
    challenge: Challenge,
    data: DataSet,
    case: Case,
    box: Sandbox,
    unpacked: Path,
    *,
    limits: Limits | None,
    on_log: Callable[[bytes], None] | None,
    name: str,
) -> Report:
    predictions = Path(case.folder)
    predictions.mkdir()
    made = Digests(submission=digests.digest_folder(unpacked))
    ran: Run | None = None
    if (unpacked / "main.py").is_file():
        ran = box.run(
            Box(
                submission=unpacked,
                workdir=challenge.workdir,
                mounts=tuple(Mount(source=data.inputs / part, target=target) for part, target in challenge.mounts),
                outputs=challenge.outputs,
                limits=limits or limits_for(challenge, data),
                seed=case.settings.seed,
            ),
            predictions.parent / "run",
            on_log=on_log,
        )
        made = dataclasses.replace(made, environment=ran.environment_digest or None)
        for output in ran.outputs:
            _move(predictions.parent / "run" / output.name, predictions / output.name)
        if (predictions.parent / "run" / LOG).is_file():
            _move(predictions.parent / "run" / LOG, predictions.parent / LOG)
        shutil.rmtree(predictions.parent / "run", ignore_errors=True)
    for upload in challenge.uploads:
        if (unpacked / upload).is_file():
            _move(unpacked / upload, predictions / upload)
    if ran is not None and ran.failure is not None:
        judgement = Judgement(verdict=_verdict(ran.failure), message=ran.message)
    else:
        judgement = judge_apart(challenge, case)
        made = dataclasses.replace(made, predictions=digests.digest_folder(predictions))
    return _report(challenge, data, case, judgement, made=made, name=name, ran=ran)


def _verdict(failure: Failure) -> Verdict:
    if failure in (Failure.MACHINE, Failure.CANCELLED):
        return Verdict.VOID
    return Verdict.INVALID if failure is Failure.INVALID_OUTPUT else Verdict.FAILED


def _refused(error: SubmissionError) -> Judgement:
    return Judgement(verdict=Verdict.INVALID, message=str(error), problems=error.problems)


def _unpack(challenge: Challenge, source: Path, into: Path, *, phase: str) -> None:
    """A folder takes the way of an archive too, so that both are refused for the same reasons."""
    optional = bool(challenge.uploads) and not challenge.phase(phase).code_required
    required = () if optional else ("main.py",)
    if source.is_dir():
        with tempfile.TemporaryDirectory(prefix="podium-") as scratch:
            packed = archives.pack(source, Path(scratch) / "submission.zip", required=required)
            archives.unpack(packed.path, into, required=required)
    elif source.is_file():
        archives.unpack(source, into, required=required)
    else:
        raise UsageError(f"the submission `{source}` does not exist; give a folder with a `main.py` or its archive")


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


def _challenge(named: Challenge | str) -> Challenge:
    return find_challenge(named) if isinstance(named, str) else named


def _data(given: DataSet | Path | str) -> DataSet:
    data = given if isinstance(given, DataSet) else DataSet(Path(given).resolve())
    if not data.inputs.is_dir():
        raise UsageError(f"`{data.root}` is no data set: it has no `inputs/`; `podium data make` or `import` makes one")
    return data


def _out_folder(challenge: Challenge, source: Path, out: Path | str | None) -> Path:
    if out is None:
        runs = Path("runs")
        stem = f"{challenge.id}-{source.stem}"
        number = next(n for n in range(1, 100_000) if not (runs / f"{stem}-{n}").exists())
        folder = runs / f"{stem}-{number}"
    else:
        folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"`{folder}` is not an empty folder; name one that is, or that does not exist yet")
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


@contextmanager
def _predictions_folder(challenge: Challenge, path: Path) -> Generator[Path]:
    """The folder itself, or a folder that holds the one file under the name that the challenge gives it."""
    names = (*challenge.uploads, *challenge.outputs)
    if path.is_dir():
        yield path
        return
    if not path.exists():
        raise UsageError(f"the predictions `{path}` do not exist")
    if len(names) != 1:
        wanted = ", ".join(f"`{name}`" for name in names)
        raise UsageError(f"`{path}` is one file; `{challenge.id}` wants a folder with {wanted}")
    with tempfile.TemporaryDirectory(prefix="podium-") as scratch:
        target = Path(scratch) / names[0]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        yield Path(scratch)


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(source, target)
