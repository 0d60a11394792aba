"""`podium run`, `podium validate` and `podium score`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from podium.cli import showing, talk
from podium.cli.options import (
    challenge_argument,
    data_option,
    json_option,
    number,
    parity_option,
    path_argument,
    phase_option,
    print_json,
    seed_option,
)
from podium.types import Report, ScoreSettings, Severity, Verdict

_EXIT = {Verdict.SCORED: 0, Verdict.INVALID: 1, Verdict.FAILED: 1, Verdict.VOID: 3}

_resamples = click.option("--resamples", default=1_000, show_default=True, help="Of the bootstrap; 0 for no interval.")
_agreement = click.option(
    "--minimum-agreement", type=float, help="Refuse hybrid submissions whose code agrees less with their upload."
)


@click.command("run", epilog="\b\nExample:\n  podium run vsc-descriptor my_solution --data data/vsc --out runs/first")
@challenge_argument
@path_argument("submission", "SUBMISSION")
@data_option()
@click.option(
    "--sandbox",
    "sandbox_name",
    default="auto",
    show_default=True,
    help="`auto`, `bubblewrap`, `container`, or `process` (which isolates nothing).",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the results.  [default: next below runs/]")
@phase_option
@parity_option
@seed_option
@_resamples
@_agreement
@json_option
def run_command(
    challenge_id: str,
    submission: Path,
    data: Path,
    sandbox_name: str,
    out: Path | None,
    phase: str,
    parity: bool,
    seed: int,
    resamples: int,
    minimum_agreement: float | None,
    as_json: bool,
) -> int:
    """Run a submission in a sandbox, check what it wrote, score it and write a report."""
    from podium import evaluate

    settings = ScoreSettings(parity=parity, seed=seed, resamples=resamples, minimum_agreement=minimum_agreement)
    report = evaluate.run(
        challenge_id,
        submission,
        data=data,
        out=out,
        sandbox_name=sandbox_name,
        phase=phase,
        settings=settings,
        on_log=show_log,
    )
    return tell(report, as_json=as_json)


@click.command("validate", epilog="\b\nExample:\n  podium validate vsc-descriptor predictions --data data/vsc")
@challenge_argument
@path_argument("path", "PATH")
@data_option()
@phase_option
@parity_option
@json_option
def validate_command(challenge_id: str, path: Path, data: Path, phase: str, parity: bool, as_json: bool) -> int:
    """Check the format of predictions; needs no answers."""
    from podium import evaluate

    problems = evaluate.validate(challenge_id, path, data=data, phase=phase, parity=parity)
    errors = [each for each in problems if each.severity is Severity.ERROR]
    if as_json:
        print_json(problems)
    else:
        talk.problems(problems)
        talk.say(
            "the predictions are valid"
            if not errors
            else f"the predictions have {len(errors)} fault{'s' if len(errors) > 1 else ''}"
        )
    return 1 if errors else 0


@click.command("score", epilog="\b\nExample:\n  podium score vsc-descriptor predictions --data data/vsc --json")
@challenge_argument
@path_argument("path", "PATH")
@data_option()
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the official runtime's files.")
@phase_option
@parity_option
@seed_option
@_resamples
@_agreement
@json_option
def score_command(
    challenge_id: str,
    path: Path,
    data: Path,
    out: Path | None,
    phase: str,
    parity: bool,
    seed: int,
    resamples: int,
    minimum_agreement: float | None,
    as_json: bool,
) -> int:
    """Score predictions against the answers."""
    from podium import evaluate

    settings = ScoreSettings(parity=parity, seed=seed, resamples=resamples, minimum_agreement=minimum_agreement)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    report = evaluate.score(challenge_id, path, data=data, phase=phase, settings=settings, artifacts=out)
    return tell(report, as_json=as_json)


def show_log(chunk: bytes) -> None:
    """The submission's own output, live, without control characters, on stderr."""
    text = chunk.decode("utf-8", errors="replace")
    sys.stderr.write("".join(each for each in text if each in "\n\t" or each.isprintable()))
    sys.stderr.flush()


def tell(report: Report, *, as_json: bool) -> int:
    """Says what a report says; returns the exit code."""
    if as_json:
        click.echo(report.to_json())
        return _EXIT[report.verdict]
    if [str(each) for each in report.problems] != [report.message]:
        talk.problems(report.problems)
    if report.run is not None:
        used = report.run.usage
        talk.say(
            f"run: {talk.seconds(used.wall_seconds)} wall, {talk.seconds(used.cpu_seconds)} CPU, "
            f"{talk.size(used.peak_memory_bytes)} peak, in `{report.run.backend}`"
        )
        for note in report.run.notes:
            talk.warning(note)
        if report.verdict is not Verdict.SCORED:
            for line in report.run.log_tail[-20:]:
                talk.say(f"  | {line}")
    if report.score is None:
        talk.error(f"{report.verdict.value}: {report.message}")
        return _EXIT[report.verdict]
    rows = [(report.score.metric, f"{report.score.value:.4f}", _interval(report.score.interval), "")]
    for each in report.score.measures:
        value = showing.amount(each.value) if each.value is None or abs(each.value) >= 10 else f"{each.value:.4f}"
        rows.append((each.name, value, _interval(each.interval), each.note))
    talk.table(("measure", "value", "95 % interval", "note"), rows)
    talk.say(f"{report.verdict.value}: {number(report.score)}")
    return _EXIT[report.verdict]


def _interval(interval: object) -> str:
    from podium.types import Interval

    return f"{interval.low:.4f} – {interval.high:.4f}" if isinstance(interval, Interval) else ""
