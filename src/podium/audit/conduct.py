"""Runs a submission again and again, on the same inputs and on changed ones, and compares what it answers."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import podium
from podium.audit.comparison import Comparison, Names, compare
from podium.audit.findings import Audit, Check, Outcome
from podium.audit.verdicts import judge_audit, judge_check
from podium.errors import SubmissionError, UsageError, nearest
from podium.evaluate.arguments import open_challenge, open_data, out_folder
from podium.evaluate.execution import Execution, Unpacked, execute, refusal, unpack
from podium.evaluate.limits import FittedLimits, fit, limits_for, this_capacity
from podium.evaluate.origin import data_digest, this_machine
from podium.sandbox.base import Sandbox
from podium.types import (
    Answer,
    Auditing,
    Challenge,
    DataSet,
    Digests,
    Failure,
    Limits,
    Progress,
    Run,
    Variant,
    silent,
)

GROUPS = ("determinism", "independence")

_NOT_ITS_FAULT = (Failure.MACHINE, Failure.CANCELLED)


def audit(
    challenge: Challenge | str,
    submission: Path | str,
    *,
    data: DataSet | Path | str,
    out: Path | str | None = None,
    sandbox_name: str = "auto",
    seed: int = 0,
    checks: Sequence[str] = GROUPS,
    limits: Limits | None = None,
    progress: Progress = silent,
    on_check: Callable[[Check], None] | None = None,
) -> Audit:
    """Whether a submission answers each query by itself, and the same way twice.

    It is run once for reference, once more unchanged (determinism), and once for each way in which the challenge
    changes the inputs without changing a right answer (independence). Each run starts in a new, empty box, so nothing
    goes from one to the next.

    Args:
        submission: A folder with a `main.py`, or the archive that `pack` made of it.
        out: Folder for `audit.json`, the logs, and the predictions of the first run and of failed checks; None takes
            the next free one below `audits/`.
        sandbox_name: `auto`, `bubblewrap`, `container` or `process`; the last has no walls that keep runs apart.
        seed: Of the changes, and handed to the code as ``PODIUM_SEED`` in every run.
        checks: Of `determinism` and `independence`.
        limits: Of each run; None takes the challenge's own for the whole data set, cut down to this machine.
        on_check: Is given each check as it is done.

    Raises:
        UsageError: Something named does not exist, `out` is not empty, no check is named, or the challenge has no
            audit.
        MachineError: No sandbox works here.
    """
    from podium.sandbox import sandbox

    audited, opened = open_challenge(challenge), open_data(data)
    rules, box = _rules(audited, checks), sandbox(sandbox_name)
    source = Path(submission)
    folder = out_folder(out, below=Path("audits"), stem=f"{audited.id}-{source.stem}")
    fitted = FittedLimits(limits=limits) if limits else fit(limits_for(audited, opened), this_capacity())
    phase = next((each for each in audited.phases if each.code_required), audited.phases[-1])
    blank = _blank(audited, rules, opened, seed=seed, name=source.name)
    try:
        with unpack(audited, source, phase=phase.name) as unpacked:
            bench = _Bench(
                challenge=audited,
                auditing=rules,
                submission=unpacked,
                data=opened,
                folder=folder,
                box=box,
                fitted=fitted,
                seed=seed,
            )
            done = _conduct(bench, blank, checks=checks, progress=progress, on_check=on_check)
    except SubmissionError as error:
        done = dataclasses.replace(blank, outcome=Outcome.FAILED, message=refusal(error), problems=error.problems)
    write(done, folder)
    return done


def write(found: Audit, folder: Path) -> None:
    """Writes `audit.json`."""
    (folder / "audit.json").write_text(found.to_json() + "\n", encoding="utf-8")


@dataclass(frozen=True, kw_only=True)
class _Bench:
    """What stays the same in every run."""

    challenge: Challenge
    auditing: Auditing
    submission: Unpacked
    data: DataSet
    folder: Path
    box: Sandbox
    fitted: FittedLimits
    seed: int

    def execute(self, data: DataSet, out: Path) -> tuple[Execution, Run]:
        """One run; what it left lies below `out`."""
        out.mkdir(parents=True)
        done = execute(
            self.challenge, self.submission, data, out, box=self.box, limits=self.fitted.limits, seed=self.seed
        )
        if done.run is None:
            raise SubmissionError("the submission has no `main.py`, so there is nothing to run again")
        return done, done.run

    def compare(self, before: Mapping[str, Answer], after: Mapping[str, Answer], names: Names) -> Comparison:
        """As `comparison.compare`, by the challenge's rules."""
        rules = self.auditing
        return compare(before, after, names, tolerance=rules.tolerance, ranked=rules.ranked)


@dataclass(frozen=True, kw_only=True)
class _Reference:
    """The first run and what it answered."""

    execution: Execution
    run: Run
    answers: Mapping[str, Answer]


def _rules(challenge: Challenge, checks: Sequence[str]) -> Auditing:
    if challenge.auditing is None:
        raise UsageError(f"`{challenge.id}` has no independence rule to audit")
    if not checks:
        raise UsageError(f"no check is named; known: {', '.join(f'`{each}`' for each in GROUPS)}")
    for each in checks:
        if each not in GROUPS:
            raise UsageError(f"no check is called `{each}`; {nearest(each, GROUPS)}")
    return challenge.auditing


def _blank(challenge: Challenge, auditing: Auditing, data: DataSet, *, seed: int, name: str) -> Audit:
    return Audit(
        challenge=challenge.id,
        challenge_version=challenge.version,
        outcome=Outcome.NOT_RUN,
        message="",
        tolerance=auditing.tolerance,
        digests=Digests(data=data_digest(data)),
        seed=seed,
        machine=this_machine(),
        podium_version=podium.__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        submission_name=name,
    )


def _conduct(
    bench: _Bench,
    blank: Audit,
    *,
    checks: Sequence[str],
    progress: Progress,
    on_check: Callable[[Check], None] | None,
) -> Audit:
    execution, run = bench.execute(bench.data, bench.folder / "first")
    made = dataclasses.replace(
        blank.digests, submission=bench.submission.digest, environment=run.environment_digest or None
    )
    run = dataclasses.replace(run, notes=(*bench.fitted.notes, *run.notes))
    begun = dataclasses.replace(blank, run=run, digests=made)
    if run.failure is not None:
        at_fault = run.failure not in _NOT_ITS_FAULT
        outcome = Outcome.FAILED if at_fault else Outcome.NOT_RUN
        return dataclasses.replace(begun, outcome=outcome, message=f"the first run failed: {run.message}")
    try:
        answers = bench.auditing.answers(execution.predictions, bench.data)
    except SubmissionError as error:
        message = f"the first run's predictions are refused: {error}"
        return dataclasses.replace(begun, outcome=Outcome.FAILED, message=message, problems=error.problems)
    reference = _Reference(execution=execution, run=run, answers=answers)
    done: list[Check] = []
    for check in progress(_checks(bench, reference, checks), what="running again"):
        done.append(check)
        if on_check is not None:
            on_check(check)
        # Runs may take hours each, so what is known is kept when the rest is interrupted.
        unfinished = dataclasses.replace(begun, message="not finished", queries=len(answers), checks=tuple(done))
        write(unfinished, bench.folder)
    outcome, message = judge_audit(done)
    return dataclasses.replace(begun, outcome=outcome, message=message, queries=len(answers), checks=tuple(done))


def _checks(bench: _Bench, reference: _Reference, wanted: Sequence[str]) -> Iterator[Check]:
    number = 0
    if "determinism" in wanted:
        queries = {each: each for each in reference.answers}
        name, summary = "same inputs", "nothing was changed"
        same = Variant(name=name, summary=summary, data=bench.data, queries=queries)
        yield _check(bench, reference, same, group="determinism", number=number)
    if "independence" not in wanted:
        return
    scratch = bench.folder / "changed"
    scratch.mkdir()
    try:
        for variant in bench.auditing.variants(bench.data, scratch, seed=bench.seed):
            number += 1
            yield _check(bench, reference, variant, group="independence", number=number)
            shutil.rmtree(variant.data.root, ignore_errors=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _check(bench: _Bench, reference: _Reference, variant: Variant, *, group: str, number: int) -> Check:
    """One run on changed inputs. What it left is kept when it is needed to see what went wrong."""
    place = bench.folder / f"check-{number:02d}"
    execution, run = bench.execute(variant.data, place)
    begun = Check(
        name=variant.name,
        group=group,
        summary=variant.summary,
        outcome=Outcome.FAILED,
        message="",
        usage=run.usage,
    )
    if run.failure is not None:
        outcome = Outcome.NOT_RUN if run.failure in _NOT_ITS_FAULT else Outcome.FAILED
        return dataclasses.replace(
            begun, outcome=outcome, message=f"the run failed: {run.message}", log_tail=run.log_tail
        )
    try:
        answers = bench.auditing.answers(execution.predictions, variant.data)
    except SubmissionError as error:
        first = f": {error.problems[0]}" if error.problems else ""
        return dataclasses.replace(begun, message=f"the predictions are refused: {error}{first}")
    # Unchanged inputs have one set of ids, so an answer that only the second run gives is found too.
    more = {each: each for each in answers} if group == "determinism" else {}
    found = bench.compare(reference.answers, answers, Names(queries={**variant.queries, **more}, places=variant.places))
    identical = _digests(reference.run) == _digests(run) if group == "determinism" else None
    judged = judge_check(begun, found, identical=identical)
    if judged.outcome is Outcome.PASSED:
        shutil.rmtree(execution.predictions, ignore_errors=True)
    return judged


def _digests(run: Run) -> dict[str, str]:
    return {each.name: each.digest for each in run.outputs}
