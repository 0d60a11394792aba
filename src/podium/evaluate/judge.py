"""Reading and scoring of predictions, in this process or in a limited one of its own.

The limited process starts only after every process of the submission is dead, sees no submission code, and may use a
bounded amount of memory and processor time, so a file that a reader's bounds missed cannot take the host down.
"""

from __future__ import annotations

import contextlib
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from podium.challenges import challenge as find_challenge
from podium.challenges import challenges
from podium.errors import ChallengeError, PodiumError, SubmissionError
from podium.types import Challenge, DataSet, Problem, Score, ScoreSettings, Severity, Stage, Verdict

CPU_SECONDS = 4 * 3_600
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
    """

    challenge: str
    folder: str
    data: str
    phase: str
    settings: ScoreSettings
    artifacts: str | None = None


def judge(challenge: Challenge, case: Case) -> Judgement:
    """Reads and scores in this process. Never raises for what the predictions or the scorer do."""
    data, folder = DataSet(Path(case.data)), Path(case.folder)
    clock = _Clock()
    problems: tuple[Problem, ...] = ()
    try:
        phase = challenge.phase(case.phase)
        reading = challenge.read_predictions(folder, data, phase=phase, parity=case.settings.parity)
        problems = reading.problems
        clock.stage("read")
        if not reading.valid:
            return _invalid(problems, clock)
        score = challenge.score(reading.predictions, data, case.settings)
        clock.stage("score")
        if case.artifacts is not None and challenge.write_artifacts is not None:
            challenge.write_artifacts(reading.predictions, Path(case.artifacts))
            clock.stage("write rankings")
    except SubmissionError as error:
        return _invalid((*problems, *error.problems), clock, str(error))
    except ChallengeError as error:
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
    _limit(resource.RLIMIT_CPU, CPU_SECONDS)
    _limit(resource.RLIMIT_DATA, MEMORY_BYTES)
    _limit(resource.RLIMIT_NOFILE, 1_024)
    _limit(resource.RLIMIT_CORE, 0)
    case = msgspec.json.decode(sys.stdin.buffer.read(), type=Case)
    try:
        judgement = judge(find_challenge(case.challenge), case)
    except PodiumError as error:
        judgement = Judgement(verdict=Verdict.VOID, message=str(error))
    sys.stdout.buffer.write(msgspec.json.encode(judgement))


def _invalid(problems: tuple[Problem, ...], clock: _Clock, message: str = "") -> Judgement:
    errors = sum(each.count for each in problems if each.severity is Severity.ERROR)
    message = message or f"the predictions break the rules in {errors} place{'s' if errors != 1 else ''}"
    return Judgement(verdict=Verdict.INVALID, message=message, problems=problems, stages=clock.stages)


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
