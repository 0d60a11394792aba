"""`podium audit`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from podium.cli import talk
from podium.cli.options import challenge_argument, data_option, json_option, path_argument, seed_option
from podium.types import Usage

if TYPE_CHECKING:
    from podium.audit import Audit, Check

_GROUPS = ("determinism", "independence")
_EXIT = {"passed": 0, "failed": 1, "not run": 3}
_SHOWN = 10
_LOG_LINES = 20


@click.command(
    "audit", epilog="\b\nExample:\n  podium audit whale-do my_solution --data data/whale-do --out audits/first"
)
@challenge_argument
@path_argument("submission", "SUBMISSION")
@data_option()
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the results.  [default: next below audits/]")
@click.option(
    "--sandbox",
    "sandbox_name",
    default="auto",
    show_default=True,
    help="`auto`, `bubblewrap`, `container`, or `process` (which isolates nothing).",
)
@click.option(
    "--checks",
    default=",".join(_GROUPS),
    show_default=True,
    help="`determinism` (the same inputs again), `independence` (inputs changed), or both with a comma.",
)
@seed_option
@json_option
def audit_command(
    challenge_id: str,
    submission: Path,
    data: Path,
    out: Path | None,
    sandbox_name: str,
    checks: str,
    seed: int,
    as_json: bool,
) -> int:
    """Does an answer depend on other queries, on ids or on chance?

    The submission is run again with queries dropped, shuffled, put alone and renamed, and once unchanged; every query
    whose answer is another one than before is told. All of it together takes ten to fifteen times as long as one run.
    """
    from podium.audit import audit

    def tell_check(check: Check) -> None:
        talk.say(f"{check.name}: {check.outcome.value}, {_wall(check.usage)}")

    talk.step(f"auditing `{submission}`: the first run")
    found = audit(
        challenge_id,
        submission,
        data=data,
        out=out,
        sandbox_name=sandbox_name,
        seed=seed,
        checks=[each.strip() for each in checks.split(",") if each.strip()],
        on_check=tell_check,
    )
    if as_json:
        click.echo(found.to_json())
        return _EXIT[found.outcome.value]
    _tell(found)
    return _EXIT[found.outcome.value]


def _tell(found: Audit) -> None:
    if len(found.problems) > 1 or found.message not in map(str, found.problems):
        talk.problems(found.problems)
    for note in found.run.notes if found.run else ():
        talk.warning(note)
    if found.run is not None and found.run.failure is not None:
        _log(found.run.log_tail)
    if found.checks:
        _tables(found)
    for check in found.checks:
        if check.outcome.value != "passed":
            talk.step(f"{check.name}: {check.message}")
            talk.say(f"  {check.summary}")
            _log(check.log_tail)
    speak = talk.say if found.passed else talk.error
    speak(f"{found.outcome.value}: {found.message}")


def _tables(found: Audit) -> None:
    """The checks, then the first differences of each."""
    talk.table(
        ("check", "verdict", "compared", "changed", "furthest", ""),
        (
            (
                each.name,
                each.outcome.value,
                str(each.compared),
                str(each.changed),
                "-" if each.furthest is None else f"{each.furthest:.2g}",
                each.message,
            )
            for each in found.checks
        ),
    )
    differences: list[tuple[str, str, str, str]] = []
    for check in found.checks:
        shown = check.differences[:_SHOWN]
        differences += [(check.name, each.query, each.kind.value, each.message) for each in shown]
        if (more := check.changed + check.slight - len(shown)) > 0:
            differences.append((check.name, f"… and {more} more", "", ""))
    if differences:
        talk.table(("check", "query", "kind", "first difference"), differences)


def _log(lines: tuple[str, ...]) -> None:
    for line in lines[-_LOG_LINES:]:
        talk.say(f"  | {line}")


def _wall(usage: Usage | None) -> str:
    return talk.seconds(usage.wall_seconds if usage else None)
