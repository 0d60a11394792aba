"""The page of a ranking: who stands where, how sure that is, and what each score costs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from podium.errors import UsageError, nearest
from podium.leaderboard import Row, rank
from podium.report import bars, scatter
from podium.report.templates import THEMES, environment
from podium.types import Challenge, ItemScore, Report

PAGE = "ranking.html"


@dataclass(frozen=True, kw_only=True)
class Plot:
    """Scores against one column."""

    drawing: scatter.Drawing
    left_out: int


def write(
    reports: Iterable[Report],
    page: Path,
    *,
    challenge: Challenge,
    limits: Mapping[str, float] = MappingProxyType({}),
    theme: str = "auto",
) -> Path:
    """Writes the page of a ranking and its twin in JSON, and returns the page's path. Needs no script and no network.

    Args:
        reports: Of one challenge, version and data set; those that were not scored are only counted.
        page: Ends in ``.html``; its folder is made.
        challenge: Says which measures stand beside the score.
        limits: What a measure may not reach, by its name.
        theme: As for a report's page.

    Raises:
        UsageError: The reports cannot be compared, there is no such theme, or the page's name is none.
    """
    if theme not in THEMES:
        raise UsageError(f"a page has no theme `{theme}`; {nearest(theme, THEMES)}")
    if page.suffix != ".html":
        raise UsageError(f"`{page}` is no name for a page; it must end in `.html`")
    told = list(reports)
    rows = rank(told, challenge.metric, columns=challenge.columns)
    twin = page.with_suffix(".json")
    text = (
        environment()
        .get_template("ranking.html.jinja")
        .render(
            challenge=challenge,
            version=told[0].challenge_version if told else challenge.version,
            theme=theme,
            rows=rows,
            columns=[name for name in challenge.columns if any(dict(each.columns)[name] is not None for each in rows)],
            bars=bars.draw((_item(each) for each in rows), order="given"),
            plots=plots(rows, challenge, limits),
            unscored=len(told) - len(rows),
            twin=twin.name,
            ramp="",
        )
    )
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(text, encoding="utf-8")
    twin.write_text(json.dumps(_twin(rows, challenge), indent=1) + "\n", encoding="utf-8")
    return page


def plots(rows: Sequence[Row], challenge: Challenge, limits: Mapping[str, float]) -> tuple[Plot, ...]:
    """Scores against each column that has a value above 0."""
    made: list[Plot] = []
    for name in challenge.columns:
        points = [point for each in rows if (point := _point(each, name)) is not None]
        drawing = scatter.draw(points, x_label=name, y_label=challenge.metric.name, limit=limits.get(name))
        if drawing is not None:
            made.append(Plot(drawing=drawing, left_out=len(rows) - len(points)))
    return tuple(made)


def _point(row: Row, column: str) -> scatter.Point | None:
    cost = dict(row.columns).get(column)
    if cost is None:
        return None
    low, high = row.interval if row.interval else (None, None)
    return scatter.Point(label=f"{row.rank}", name=_name(row), cost=cost, value=row.value, low=low, high=high)


def _item(row: Row) -> ItemScore:
    return ItemScore(item=f"{row.rank}. {_name(row)}", value=row.value, interval=row.interval)


def _name(row: Row) -> str:
    return row.name or "Unnamed submission"


def _twin(rows: Sequence[Row], challenge: Challenge) -> dict[str, Any]:
    return {
        "challenge": challenge.id,
        "metric": challenge.metric.name,
        "columns": list(challenge.columns),
        "rows": [
            {
                "rank": each.rank,
                "name": each.name,
                "value": each.value,
                "interval": None if each.interval is None else [each.interval.low, each.interval.high],
                "wall_seconds": each.wall_seconds,
                "created": each.created,
                "tied_with_first": each.tied_with_first,
                "columns": dict(each.columns),
            }
            for each in rows
        ],
    }
