"""The page of a training: how it learned, and how far what it learned may be trusted."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from podium.errors import UsageError, nearest
from podium.formats import tables
from podium.report import amounts, bars, curves, held_out, reliability
from podium.report.templates import THEMES, environment
from podium.report.timelines import clock
from podium.types import Curve, Progress, silent

PAGE = "report.html"
TWIN = "training.json"
HELD_OUT = "held_out.csv"
METRICS = "metrics.csv"
MOST_TRAININGS = 60

_CLASSES = ("classes.csv", "model_assets/classes.csv", "../model_assets/classes.csv")
_MAX_BYTES = 256 << 20
_MAX_ROWS = 2_000_000
_MAX_COLUMNS = 60
_MOST_POINTS = 4_000


@dataclass(frozen=True, kw_only=True)
class Learning:
    """What a training wrote down as it went.

    Attributes:
        losses: Over the steps.
        others: Validation numbers over the steps; rates are left out.
        steps: The last step.
        last: The last value of each, by name.
    """

    losses: tuple[Curve, ...]
    others: tuple[Curve, ...]
    steps: int
    last: tuple[tuple[str, float], ...]


@dataclass(frozen=True, kw_only=True)
class MistakeRow:
    """A mistake as it is written."""

    what: str
    video: str
    at: str
    label: str
    probability: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """One training as it is drawn; `judgement` is None where nothing was held out."""

    anchor: str
    name: str
    steps: str
    last: tuple[tuple[str, float], ...]
    drawings: tuple[curves.Drawing, ...]
    judgement: held_out.Judgement | None
    by_width: reliability.Diagram | None
    by_mass: reliability.Diagram | None
    chart: bars.Chart | None
    mistakes: tuple[MistakeRow, ...]
    absent: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """A training in the table of several."""

    anchor: str
    name: str
    pairs: str
    mean: str
    interval: str
    lead: str
    roc_auc: str
    brier: str
    error: str


def is_training(folder: Path) -> bool:
    """True for a folder that a training, or a sequence of them, has written."""
    return bool(trainings(folder))


def trainings(folder: Path) -> tuple[Path, ...]:
    """The folder itself where it holds what a training writes down, and those right below it that do, by name."""
    if not folder.is_dir():
        return ()
    below = sorted(each for each in folder.iterdir() if each.is_dir() and not each.is_symlink())
    return tuple(each for each in (folder, *below) if (each / HELD_OUT).is_file() or (each / METRICS).is_file())


def write(folder: Path, *, theme: str = "auto", progress: Progress = silent) -> Path:
    """Writes ``report.html`` and its twin ``training.json`` into the folder and returns the page's path.

    The page needs no script, no network and no other file.

    Args:
        folder: Of a training, or one that holds several, each in a folder of its own; at most 60 are shown.
        theme: As for a report's page.

    Raises:
        UsageError: Nothing there was written by a training, a file is broken, or there is no such theme.
    """
    if theme not in THEMES:
        raise UsageError(f"a page has no theme `{theme}`; {nearest(theme, THEMES)}")
    found = trainings(folder)
    if not found:
        raise UsageError(f"`{folder}` has no `{HELD_OUT}` and no `{METRICS}`, nor has a folder right below it")
    shown = found[:MOST_TRAININGS]
    sections = [
        _section(at, each, name=each.resolve().name)
        for at, each in enumerate(progress(shown, what="reading the trainings", total=len(shown)))
    ]
    text = (
        environment()
        .get_template("training.html.jinja")
        .render(
            title=folder.resolve().name,
            theme=theme,
            ramp="",
            sections=sections,
            rows=_rows(sections),
            left_out=len(found) - len(shown),
            twin=TWIN,
        )
    )
    page = folder / PAGE
    page.write_text(text, encoding="utf-8")
    told = {"trainings": [_told(each) for each in sections]}
    (folder / TWIN).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return page


def learning(path: Path) -> Learning:
    """The curves of a `metrics.csv`: a row a step, a column a number, empty where it was not measured.

    Raises:
        UsageError: The file is broken or too large.
    """
    columns = _columns(path)
    reading = tables.read(
        path,
        [
            tables.Column(name="step", kind="int", minimum=0),
            *(tables.Column(name=name, may_be_empty=True, max_characters=40) for name in columns),
        ],
        max_bytes=_MAX_BYTES,
        max_rows=_MAX_ROWS,
        extra="ignore",
        may_be_empty=True,
    )
    if reading.frame is None:
        raise UsageError(f"`{path}` is broken: " + "; ".join(str(each) for each in reading.problems[:3]))
    steps = reading.frame["step"].to_list()
    losses: list[Curve] = []
    others: list[Curve] = []
    last: list[tuple[str, float]] = []
    for name in columns:
        points = _points(steps, reading.frame[name].to_list())
        if not points:
            continue
        last.append((name, points[-1][1]))
        loss = "loss" in name.lower()
        y_label = "loss" if loss else "value" if all(0 <= y <= 1 for _, y in points) else name
        x, y = zip(*_thin(points), strict=True)
        (losses if loss else others).append(Curve(name=name, x_label="step", y_label=y_label, x=x, y=y))
    return Learning(losses=tuple(losses), others=tuple(others), steps=max(steps, default=0), last=tuple(last))


def class_names(folder: Path) -> dict[int, str]:
    """The names of classes that a model beside the training knows; empty where there is none."""
    path = next((folder / each for each in _CLASSES if (folder / each).is_file()), None)
    if path is None:
        return {}
    columns = (
        tables.Column(name="Index", kind="int"),
        tables.Column(name="Name", may_be_empty=True, max_characters=None),
    )
    frame = tables.read(path, columns, max_bytes=_MAX_BYTES, max_rows=_MAX_ROWS, extra="ignore").frame
    return {} if frame is None else dict(zip(frame["Index"].to_list(), frame["Name"].to_list(), strict=True))


def _columns(path: Path) -> list[str]:
    """The columns of a table that hold measured numbers."""
    with path.open(encoding="utf-8", errors="replace") as file:
        header = file.readline(64 << 10).strip().split(",")
    every = [name for name in header if name and name not in ("step", "epoch")]
    measured = [name for name in every if not _is_rate(name)]
    if len(measured) > _MAX_COLUMNS:
        raise UsageError(f"`{path}` has `{len(measured)}` columns of numbers; at most `{_MAX_COLUMNS}` are shown")
    return list(dict.fromkeys(measured))


def _is_rate(name: str) -> bool:
    return "rate" in name.lower() or name.lower().split("/")[0].startswith("lr")


def _told(section: Section) -> dict[str, Any]:
    """A training for the twin."""
    told: dict[str, Any] = {"name": section.name, "last": dict(section.last), "judgement": None}
    if section.judgement is None:
        return told
    found = section.judgement
    told["judgement"] = {
        "ratings": found.ratings,
        "positives": found.positives,
        "videos": found.videos,
        "mean_average_precision": found.mean_average_precision,
        "interval": asdict(found.interval) if found.interval else None,
        "roc_auc": found.roc_auc,
        "mean_roc_auc": found.mean_roc_auc,
        "brier_score": found.by_width.brier_score,
        "expected_calibration_error": found.by_width.expected_calibration_error,
        "bins": [asdict(each) for each in section.by_width.rows] if section.by_width else [],
        "classes": [asdict(each) for each in found.items],
        "mistakes": [asdict(each) for each in found.mistakes],
    }
    return told


def _points(steps: Sequence[int], cells: Sequence[str]) -> list[tuple[float, float]]:
    points: list[tuple[float, float]] = []
    for step, cell in zip(steps, cells, strict=True):
        try:
            value = float(cell) if cell else math.nan
        except ValueError:
            value = math.nan
        if math.isfinite(value):
            points.append((float(step), value))
    return points


def _thin(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Means of equally long runs where there are more points than anyone sees."""
    run = -(-len(points) // _MOST_POINTS)
    if run <= 1:
        return points
    parts = [points[at : at + run] for at in range(0, len(points), run)]
    return [(part[-1][0], _mean([y for _, y in part])) for part in parts]


def _mean(values: Sequence[float]) -> float:
    try:
        return math.fsum(values) / len(values)
    except OverflowError:
        return math.fsum(value / len(values) for value in values)


def _section(at: int, folder: Path, *, name: str) -> Section:
    told = learning(folder / METRICS) if (folder / METRICS).is_file() else None
    judgement, absent = None, f"Nothing was held out: there is no `{HELD_OUT}`."
    if (folder / HELD_OUT).is_file():
        judgement = held_out.judge(held_out.read(folder / HELD_OUT), names=class_names(folder))
        absent = "" if judgement else f"No rating in `{HELD_OUT}` is positive, so there is nothing to judge by."
    drawings: tuple[curves.Drawing, ...] = ()
    if told:
        drawings = (*curves.draw(told.losses, fitted=True), *curves.draw(told.others))
    return Section(
        anchor=f"training-{at + 1}",
        name=name,
        steps=f"{told.steps:,}" if told else "",
        last=told.last if told else (),
        drawings=drawings,
        judgement=judgement,
        by_width=reliability.draw(judgement.by_width) if judgement else None,
        by_mass=reliability.draw(judgement.by_mass) if judgement else None,
        chart=bars.draw(judgement.items) if judgement else None,
        mistakes=_mistakes(judgement),
        absent=absent,
    )


def _mistakes(judgement: held_out.Judgement | None) -> tuple[MistakeRow, ...]:
    return tuple(
        MistakeRow(
            what=each.what,
            video=each.video,
            at=clock(each.start_seconds),
            label=each.label,
            probability=f"{each.probability:.3f}",
        )
        for each in (judgement.mistakes if judgement else ())
    )


def _rows(sections: Sequence[Section]) -> tuple[Row, ...]:
    """Those that were judged, the best first, each with its distance to the best."""
    judged = {each.anchor: each.judgement for each in sections if each.judgement}
    names = {each.anchor: each.name for each in sections}
    order = sorted(judged, key=lambda anchor: (-judged[anchor].mean_average_precision, names[anchor]))
    return tuple(_compared(anchor, names[anchor], judged, best=order[0]) for anchor in order) if len(order) > 1 else ()


def _compared(anchor: str, name: str, judged: Mapping[str, held_out.Judgement], *, best: str) -> Row:
    found = judged[anchor]
    lead = "" if anchor == best else "judged by other ratings"
    apart = None if anchor == best else held_out.difference(found, judged[best])
    if apart is not None:
        lead = f"{apart[0]:+.4f} ({apart[1].low:+.4f} to {apart[1].high:+.4f})"
    interval = found.interval
    return Row(
        anchor=anchor,
        name=name,
        pairs=f"{found.ratings:,}",
        mean=amounts.number(found.mean_average_precision),
        interval=f"{interval.low:.4f} – {interval.high:.4f}" if interval else "",
        lead=lead,
        roc_auc=amounts.number(found.roc_auc),
        brier=amounts.number(found.by_width.brier_score),
        error=amounts.number(found.by_width.expected_calibration_error),
    )
