"""Reading and scoring of predictions, in this process or in a limited one of its own.

The limited process starts only after every process of the submission is dead, sees no submission code, and may use a
bounded amount of memory and processor time, so a file that a reader's bounds missed cannot take the host down.
"""

from __future__ import annotations

import contextlib
import dataclasses
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from podium.challenges import challenge as find_challenge
from podium.challenges import challenges
from podium.errors import ChallengeError, MachineError, PodiumError, SubmissionError
from podium.types import (
    Challenge,
    DataSet,
    Inspection,
    Problem,
    Run,
    Score,
    ScoreSettings,
    Severity,
    Stage,
    Verdict,
)

CPU_SECONDS = 4 * 3_600
LOOK_CPU_SECONDS = 600
"""Before anything has run, a look at the files of a submission may not take longer than this."""
MEMORY_BYTES = 64 << 30


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What reading and scoring came to."""

    verdict: Verdict
    message: str
    score: Score | None = None
    problems: tuple[Problem, ...] = ()
    stages: tuple[Stage, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is to be judged.

    Attributes:
        challenge: Its id.
        folder: Holds the predictions.
        data: The data set's root.
        phase: Its name.
        artifacts: Where the official runtime's files go; None writes none.
        submission: The submission's folder as it was packed; None for bare predictions.
        run: How it ran; None for bare predictions, and before it ran.
        look_only: Look at the submission and read no predictions: it has not run yet.
    """

    challenge: str
    folder: str
    data: str
    phase: str
    settings: ScoreSettings
    artifacts: str | None = None
    submission: str | None = None
    run: Run | None = None
    look_only: bool = False


def judge(challenge: Challenge, case: Case) -> Judgement:
    """Reads and scores in this process. Never raises for what the predictions or the scorer do."""
    data, folder = DataSet(Path(case.data)), Path(case.folder)
    clock = _Clock()
    problems: tuple[Problem, ...] = ()
    try:
        phase = challenge.phase(case.phase)
        if case.look_only:
            looked = _inspect(challenge, case, None)
            clock.stage("look at the submission")
            return _looked(looked, clock)
        reading = challenge.read_predictions(folder, data, phase=phase, parity=case.settings.parity)
        problems = reading.problems
        clock.stage("read")
        looked = _inspect(challenge, case, reading.predictions)
        problems += looked.problems
        if case.submission is not None and challenge.inspect is not None:
            clock.stage("look at the submission")
        if not reading.valid or _refuses(looked):
            return _invalid(problems, clock, _about(looked) if reading.valid else "")
        score = _with_measures(challenge.score(reading.predictions, data, case.settings), looked)
        clock.stage("score")
        if case.artifacts is not None and challenge.write_artifacts is not None:
            challenge.write_artifacts(reading.predictions, Path(case.artifacts))
            clock.stage("write rankings")
    except SubmissionError as error:
        return _invalid((*problems, *error.problems), clock, str(error))
    except (ChallengeError, MachineError) as error:
        return Judgement(verdict=Verdict.VOID, message=str(error), problems=problems, stages=clock.stages)
    except Exception as error:  # a scorer may fail in any way, and none of them is the participant's
        message = f"the scorer of `{challenge.id}` failed: {type(error).__name__}: {error}"
        return Judgement(verdict=Verdict.VOID, message=message, problems=problems, stages=clock.stages)
    return Judgement(verdict=Verdict.SCORED, message="", score=score, problems=problems, stages=clock.stages)


def judge_apart(challenge: Challenge, case: Case) -> Judgement:
    """Reads and scores in a limited process of its own; a challenge that is not installed is judged in this one."""
    if challenges().get(challenge.id) is not challenge:
        return judge(challenge, case)
    # Only Podium's own entry runs: -P keeps the working directory, which a submission may fill, off the path.
    command = [sys.executable, "-P", "-c", "from podium.evaluate.judge import main; main()"]
    done = subprocess.run(command, input=msgspec.json.encode(case), capture_output=True, check=False)
    try:
        return msgspec.json.decode(done.stdout, type=Judgement)
    except msgspec.MsgspecError:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["it printed nothing"]
        message = f"judging `{challenge.id}` ended with status `{done.returncode}`: {last[0]}"
        return Judgement(verdict=Verdict.VOID, message=message)


def main() -> None:
    """Judges the case on stdin and writes the judgement to stdout, under limits."""
    case = msgspec.json.decode(sys.stdin.buffer.read(), type=Case)
    _limit(resource.RLIMIT_CPU, LOOK_CPU_SECONDS if case.look_only else CPU_SECONDS)
    _limit(resource.RLIMIT_DATA, MEMORY_BYTES)
    _limit(resource.RLIMIT_NOFILE, 1_024)
    _limit(resource.RLIMIT_CORE, 0)
    try:
        judgement = judge(find_challenge(case.challenge), case)
    except PodiumError as error:
        judgement = Judgement(verdict=Verdict.VOID, message=str(error))
    sys.stdout.buffer.write(msgspec.json.encode(judgement))


def _invalid(problems: tuple[Problem, ...], clock: _Clock, message: str = "") -> Judgement:
    errors = sum(each.count for each in problems if each.severity is Severity.ERROR)
    message = message or f"the predictions break the rules in {errors} place{'s' if errors != 1 else ''}"
    return Judgement(verdict=Verdict.INVALID, message=message, problems=problems, stages=clock.stages)


def _inspect(challenge: Challenge, case: Case, predictions: object) -> Inspection:
    """What the challenge sees in the submission's own files; nothing where it does not look, or there are none."""
    if challenge.inspect is None or case.submission is None:
        return Inspection()
    return challenge.inspect(Path(case.submission), predictions, DataSet(Path(case.data)), run=case.run)


def _refuses(looked: Inspection) -> bool:
    return any(each.severity is Severity.ERROR for each in looked.problems)


def _looked(looked: Inspection, clock: _Clock) -> Judgement:
    """The judgement before a run: only a refusal is final."""
    if _refuses(looked):
        return _invalid(looked.problems, clock, _about(looked))
    return Judgement(verdict=Verdict.SCORED, message="", problems=looked.problems, stages=clock.stages)


def _about(looked: Inspection) -> str:
    """Why the submission itself is refused, in one line."""
    errors = [each for each in looked.problems if each.severity is Severity.ERROR]
    if len(errors) == 1:
        return str(errors[0])
    return f"the submission's own files break the rules in {len(errors)} places: {errors[0]}"


def _with_measures(score: Score, looked: Inspection) -> Score:
    """The score with the measures of the inspection behind its own; one of a name that is there takes its place."""
    names = {each.name for each in looked.measures}
    kept = tuple(each for each in score.measures if each.name not in names)
    return dataclasses.replace(score, measures=(*kept, *looked.measures))


def _limit(kind: int, most: int) -> None:
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(kind, (most, most))


class _Clock:
    def __init__(self) -> None:
        self.stages: tuple[Stage, ...] = ()
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def stage(self, name: str) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        self.stages += (Stage(name=name, wall_seconds=wall - self._wall, cpu_seconds=cpu - self._cpu),)
        self._wall, self._cpu = wall, cpu
