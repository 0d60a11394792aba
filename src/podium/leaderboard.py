"""The ranking rules. Pure: reports in, rows out; nothing is stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from podium.errors import UsageError
from podium.types import Interval, Metric, Report, Verdict


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of a leaderboard.

    Attributes:
        rank: From 1; equal values share the better rank, and the next one is skipped: 1, 1, 3.
        tied_with_first: Its interval reaches that of the first, so the order of the two is not sure.
        columns: Other measures by name, in the order that was asked for; None where a report has none.
    """

    rank: int
    name: str
    value: float
    interval: Interval | None
    wall_seconds: float | None
    created: str
    tied_with_first: bool
    columns: tuple[tuple[str, float | None], ...] = ()


def rank(reports: Iterable[Report], metric: Metric, *, columns: Sequence[str] = ()) -> tuple[Row, ...]:
    """The scored reports, best first. Others take no place and cost nobody one.

    Args:
        reports: All of one challenge and version.
        metric: Says whether higher is better.
        columns: Names of measures to show beside the value; they play no part in the order.

    Raises:
        UsageError: The reports are of different challenges, versions, data or scoring modes, so cannot be compared.
    """
    scored = [each for each in reports if each.verdict is Verdict.SCORED and each.score is not None]
    kinds = {(each.challenge, each.challenge_version, each.digests.data, each.parity) for each in scored}
    if len(kinds) > 1:
        names = ", ".join(sorted(f"`{name}@{version}` on `{str(data)[:19]}…`" for name, version, data, _ in kinds))
        raise UsageError(f"these reports cannot be compared: {names}")
    sign = -1.0 if metric.higher_is_better else 1.0
    ordered = sorted(scored, key=lambda each: (sign * _value(each), each.created, each.submission_name))
    rows: list[Row] = []
    for at, report in enumerate(ordered):
        value = _value(report)
        tie = bool(rows) and rows[-1].value == value
        rows.append(
            Row(
                rank=rows[-1].rank if tie else at + 1,
                name=report.submission_name,
                value=value,
                interval=report.score.interval if report.score else None,
                wall_seconds=report.run.wall_seconds if report.run else None,
                created=report.created,
                tied_with_first=bool(rows) and _overlap(rows[0].interval, report.score and report.score.interval),
                columns=tuple((name, _measure(report, name)) for name in columns),
            )
        )
    return tuple(rows)


def _value(report: Report) -> float:
    return report.score.value if report.score is not None else float("nan")


def _measure(report: Report, name: str) -> float | None:
    found = report.score.measure(name) if report.score is not None else None
    return None if found is None else found.value


def _overlap(first: Interval | None, other: Interval | None) -> bool:
    return first is not None and other is not None and first.low <= other.high and other.low <= first.high
