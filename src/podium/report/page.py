"""The page: what a person sees of a report, in the order in which they ask."""

from __future__ import annotations

import math
import signal as signals
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from podium.errors import UsageError
from podium.report import amounts, bars, curves, heatmaps, meters, spread, strips, timelines
from podium.report.templates import THEMES, environment, interval_words
from podium.types import Clip, DataSet, Enforcement, Exhibit, ExhibitKind, ItemScore, Report, Run, Verdict

_STRIPS_BYTES = 1_600_000
_MOST_EXHIBITS = 12
_TIMELINES_BYTES = 800_000
_MOST_TIMELINES = 24
_MOST_ROWS = 600
_MOST_CLASSES = 1_200
_MOST_PROBLEMS = 200
_LOG_LINES = 200
_LOG_READ_BYTES = 64 << 10

_VERDICTS = {
    Verdict.SCORED: ("Scored", "The predictions are valid, and this is what they are worth."),
    Verdict.INVALID: (
        "Not valid",
        "The predictions break the format, so there is no score. Every fault is listed below.",
    ),
    Verdict.FAILED: ("Failed", "The submission's program did not end well, so there is no score."),
    Verdict.VOID: ("Void", "Podium, the challenge or the machine was at fault. This counts against nobody."),
}
_GROUPS = (
    (
        ExhibitKind.FALSE_POSITIVE,
        "Worst false positives",
        "Pairs that do not match and yet stand high in the ranking; each pushes true matches down.",
    ),
    (ExhibitKind.MISSED, "Missed matches", "True matches that were not listed, or ranked too low to count."),
    (ExhibitKind.FOUND, "Found matches", "True matches that the submission ranked high."),
)


@dataclass(frozen=True, kw_only=True)
class Showing:
    """An exhibit with its pictures."""

    heading: str
    query: strips.Strip
    reference: strips.Strip
    similarity: str
    rank: str
    note: str
    heat_map: heatmaps.HeatMap | None

    @property
    def still(self) -> bool:
        """True for a pair of single pictures, which stand side by side."""
        return len(self.query.frames) <= 1 and len(self.reference.frames) <= 1


@dataclass(frozen=True, kw_only=True)
class Group:
    """Exhibits of one kind."""

    anchor: str
    title: str
    summary: str
    showings: tuple[Showing, ...]
    left_out: int

    @property
    def mapped(self) -> bool:
        """True when any pair has a heat map."""
        return any(each.heat_map for each in self.showings)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The interval on a line from 0 to 1, in percent of its length."""

    low: float
    width: float
    value: float


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """A page beside this one.

    Attributes:
        label: What the link says.
        target: Its file name.
    """

    label: str
    target: str


def render(
    report: Report,
    *,
    data: DataSet | None,
    log_path: Path | None = None,
    neighbours: Sequence[Neighbour] = (),
    theme: str = "auto",
) -> str:
    """The report as one HTML page that needs nothing else: no script, no network, no other file.

    Args:
        report: Any verdict.
        data: Where the clips of the exhibits lie; None leaves their pictures out.
        log_path: The whole log, whose end is shown; None shows the lines that the report carries.
        neighbours: Pages beside this one to link to.
        theme: ``auto`` follows the reader's system; ``light`` and ``dark`` do not.

    Raises:
        UsageError: There is no such theme.
    """
    if theme not in THEMES:
        raise UsageError(f"a page has no theme `{theme}`; known: " + ", ".join(f"`{each}`" for each in THEMES))
    word, sentence = _VERDICTS[report.verdict]
    score = report.score
    items = score.per_item if score else ()
    chart = bars.draw(items)
    told = score.timelines[:_MOST_TIMELINES] if score else ()
    videos = timelines.draw(told, data=data, budget_bytes=_TIMELINES_BYTES)
    template = environment().get_template("template.html.jinja")
    return template.render(
        report=report,
        score=score,
        theme=theme,
        neighbours=neighbours,
        ramp=heatmaps.RAMP_CSS,
        verdict_word=word,
        verdict_sentence=sentence,
        interval=interval_words(score.interval) if score else "",
        scale=_scale(report),
        drawings=curves.draw(score.curves if score else ()),
        groups=_groups(score.exhibits if score else (), data),
        timelines=videos,
        timeline_kinds=timelines.kinds(videos),
        items=_worst_first(items)[: _MOST_CLASSES if chart else _MOST_ROWS],
        bars=chart,
        spread=None if chart else spread.draw(items),
        problems=report.problems[:_MOST_PROBLEMS],
        meters=meters.meters(report.run) if report.run else (),
        ending=_ending(report.run),
        bound=_bound(report.run),
        log_lines=_log_lines(report.run, log_path),
        log_name=log_path.name if log_path and log_path.is_file() else "",
    )


def write(report: Report, into: Path, *, data: DataSet | None, neighbours: Sequence[Neighbour] = ()) -> Path:
    """Writes ``report.html`` into the folder and returns its path.

    Args:
        report: Any verdict.
        data: Where the clips of the exhibits lie.
        into: Made when absent; its ``log.txt`` is shown when it is there.
        neighbours: Pages in that folder to link to.
    """
    into.mkdir(parents=True, exist_ok=True)
    log = into / "log.txt"
    shown = log if log.is_file() and not log.is_symlink() else None
    page = render(report, data=data, log_path=shown, neighbours=neighbours)
    path = into / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def _scale(report: Report) -> Scale | None:
    if report.score is None or report.score.interval is None:
        return None
    low, high, value = report.score.interval.low, report.score.interval.high, report.score.value
    if not all(0 <= each <= 1 for each in (low, high, value)):
        return None
    return Scale(low=round(low * 100, 2), width=round((high - low) * 100, 2), value=round(value * 100, 2))


def _groups(exhibits: Iterable[Exhibit], data: DataSet | None) -> tuple[Group, ...]:
    every = list(exhibits)
    by_kind = {kind: [each for each in every if each.kind is kind] for kind, _, _ in _GROUPS}
    shown = [each for kind, _, _ in _GROUPS for each in by_kind[kind][:_MOST_EXHIBITS]]
    clips: list[Clip] = [clip for each in shown for clip in (each.query, each.reference)]
    pictures = strips.make(clips, data=data, budget_bytes=_STRIPS_BYTES)
    return tuple(
        Group(
            anchor=kind.value.replace(" ", "-"),
            title=title,
            summary=summary,
            showings=tuple(_showing(each, pictures) for each in by_kind[kind][:_MOST_EXHIBITS]),
            left_out=max(0, len(by_kind[kind]) - _MOST_EXHIBITS),
        )
        for kind, title, summary in _GROUPS
        if by_kind[kind]
    )


def _showing(exhibit: Exhibit, pictures: Mapping[Clip, strips.Strip]) -> Showing:
    return Showing(
        heading=f"{exhibit.query.item} and {exhibit.reference.item}",
        query=pictures[exhibit.query],
        reference=pictures[exhibit.reference],
        similarity="not listed" if exhibit.similarity is None else amounts.number(exhibit.similarity),
        rank="not listed" if exhibit.rank is None else f"{exhibit.rank:,}",
        note=exhibit.note,
        heat_map=heatmaps.draw(
            exhibit,
            query_seconds=exhibit.query_seconds,
            reference_seconds=exhibit.reference_seconds,
        ),
    )


def _worst_first(items: Iterable[ItemScore]) -> list[ItemScore]:
    return sorted(items, key=lambda each: (each.value if math.isfinite(each.value) else -math.inf, each.item))


def _ending(run: Run | None) -> str:
    """How `main.py` ended, in words."""
    if run is None:
        return ""
    if run.signal is not None:
        known = {each.value: each.name for each in signals.Signals}
        return f"ended by signal {run.signal}" + (f" ({known[run.signal]})" if run.signal in known else "")
    return "" if run.exit_code is None else f"exit code {run.exit_code}"


def _bound(run: Run | None) -> str:
    """How many limits and walls bound how far, in words."""
    if run is None or not run.controls:
        return ""
    counts = {each: sum(control.enforcement is each for control in run.controls) for each in Enforcement}
    return "Limits and walls: " + ", ".join(f"{count} {each}" for each, count in counts.items() if count) + "."


def _log_lines(run: Run | None, log_path: Path | None) -> list[str]:
    lines = list(run.log_tail) if run else []
    if log_path is not None:
        try:
            with log_path.open("rb") as log:
                log.seek(max(0, log_path.stat().st_size - _LOG_READ_BYTES))
                lines = log.read().decode("utf-8", errors="replace").splitlines()
        except OSError:
            pass
    return [amounts.clipped(line, characters=400) for line in lines[-_LOG_LINES:]]
