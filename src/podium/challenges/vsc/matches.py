"""The match file: copied segments with scores, read with bounds, every rule checked at once, each fault with its line.

Official rules (`parity`): the seven columns in order, no negative time, no start after its end. The default also closes
what the official validator lets through: a score column that is missing, further columns, scores that are text, NaN or
infinite, times without end, segments of no length or after the video's end, unknown ids and ids outside the subset,
rows that say the same segment twice, more rows than anybody needs.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from podium.challenges.vsc import layout
from podium.formats import tables
from podium.formats.faults import Faults, shown
from podium.formats.files import open_regular
from podium.metrics.segments import Segments
from podium.types import Problem, Severity

FULL = "full_matches.csv"
SUBSET = "subset_matches.csv"
COLUMNS = (*layout.MATCH_COLUMNS, "score")
TIMES = layout.MATCH_COLUMNS[2:]
MAX_ROWS = 2_000_000
_MAX_BYTES = 512 << 20
_HEADER_BYTES = 64 << 10
_SLACK_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Matches:
    """Copied segments that a submission claims, in the order of its file.

    Attributes:
        query_ids: (N,) unicode.
        reference_ids: (N,) unicode.
        times_N4: (N, 4) float64, query start and end, reference start and end, in seconds.
        score_N: (N,) float64.
    """

    query_ids: NDArray[np.str_]
    reference_ids: NDArray[np.str_]
    times_N4: NDArray[np.float64]
    score_N: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.query_ids)


@dataclass(frozen=True, kw_only=True, eq=False)
class MatchReading:
    """Matches, or every reason why there are none.

    Attributes:
        matches: None when a problem is an error.
        problems: All errors and warnings.
    """

    matches: Matches | None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Judgeable:
    """Matches beside the truth, with numbers for ids.

    Attributes:
        predicted: The matches, in their order.
        truth: The true segments.
        query_ids: (Q,) unicode, sorted: the name of each query's number.
        reference_ids: (R,) unicode, sorted.
    """

    predicted: Segments
    truth: Segments
    query_ids: NDArray[np.str_]
    reference_ids: NDArray[np.str_]


def read_matches(
    path: Path,
    *,
    queries: layout.Videos,
    references: layout.Videos,
    outside: str = "the query metadata",
    parity: bool = False,
    max_rows: int = MAX_ROWS,
) -> MatchReading:
    """The matches of a file, or every problem with it.

    Args:
        path: `full_matches.csv` or `subset_matches.csv`.
        queries: Those that may be named.
        references: Likewise.
        outside: What a query that may not be named is missing from.
        parity: Check only what the official validator checks, and what the official scorer cannot score.
        max_rows: More are refused.
    """
    faults = Faults(path.name)
    table = _parity_table(path, max_rows) if parity else _table(path, max_rows)
    frame, lines = table.frame, table.lines
    if frame is None:
        return MatchReading(matches=None, problems=table.problems)
    if parity:
        frame = _official_ids(frame, lines, faults)
    _order_faults(frame, lines, faults, strictly=not parity)
    if not parity:
        _id_faults(frame, lines, faults, "query_id", queries, outside)
        _id_faults(frame, lines, faults, "ref_id", references, "the reference metadata")
        _late_faults(frame, lines, faults, queries, references)
        _twice_faults(frame, lines, faults)
        if not frame.height:
            faults.add("", "the file has no match, so nothing can be found", severity=Severity.WARNING)
    problems = (*table.problems, *faults.problems)
    if faults.refused:
        return MatchReading(matches=None, problems=problems)
    return MatchReading(matches=_matches(frame), problems=problems)


def write_matches(path: Path, matches: Matches) -> None:
    """Writes a match file as the official validator wants it; equal matches give equal bytes.

    Raises:
        UsageError: Lengths differ, or a number is not finite.
    """
    columns = {"query_id": matches.query_ids, "ref_id": matches.reference_ids}
    columns |= {name: matches.times_N4[:, at] for at, name in enumerate(TIMES)}
    tables.write(path, columns | {"score": matches.score_N})


def beside_truth(matches: Matches, truth: layout.Truth, *, query_ids: NDArray[np.str_]) -> Judgeable:
    """Matches and truth as the metrics take them.

    Args:
        matches: As read.
        truth: With times.
        query_ids: All queries that are judged, also those without matches or truth.
    """
    true = _matches(truth.segments.with_columns(pl.lit(1.0).alias("score")))
    queries = np.unique(np.concatenate([query_ids, matches.query_ids, true.query_ids]))
    references = np.unique(np.concatenate([matches.reference_ids, true.reference_ids]))
    predicted, wanted = (
        Segments(
            query_N=np.searchsorted(queries, each.query_ids),
            reference_N=np.searchsorted(references, each.reference_ids),
            times_N4=each.times_N4,
        )
        for each in (matches, true)
    )
    return Judgeable(predicted=predicted, truth=wanted, query_ids=queries, reference_ids=references)


def _columns(*, finite: bool) -> tuple[tables.Column, ...]:
    ids = tuple(tables.Column(name=name) for name in COLUMNS[:2])
    times = tuple(tables.Column(name=name, kind="float", minimum=0.0) for name in TIMES)
    return (*ids, *times, tables.Column(name="score", kind="float", finite=finite))


def _table(path: Path, max_rows: int) -> tables.TableReading:
    """The seven columns in any order: they are read by name, but the official validator wants its own order."""
    table = tables.read(path, _columns(finite=True), max_bytes=_MAX_BYTES, max_rows=max_rows, may_be_empty=True)
    if table.frame is None:
        return table
    found = _header(path)
    if found == list(COLUMNS):
        return table
    message = f"the columns are in the order `{','.join(found)}`; the official validator wants `{','.join(COLUMNS)}`"
    problem = Problem(place=f"{path.name} line 1", message=message, severity=Severity.WARNING)
    return tables.TableReading(frame=table.frame, lines=table.lines, problems=(*table.problems, problem))


def _parity_table(path: Path, max_rows: int) -> tables.TableReading:
    """The official order; further columns at the end pass."""
    table = tables.read(
        path,
        _columns(finite=False),
        max_bytes=_MAX_BYTES,
        max_rows=max_rows,
        exact_order=True,
        extra="ignore",
        may_be_empty=True,
    )
    if table.frame is None:
        return table
    faults = Faults(path.name)
    if _header(path)[: len(COLUMNS)] != list(COLUMNS):
        faults.add("line 1", f"other columns stand among the seven; `{','.join(COLUMNS)}` is needed first")
    nan = np.flatnonzero(table.frame["score"].is_nan().to_numpy())
    if len(nan):
        message = "`score` is `NaN`; the official scorer stops at that"
        faults.add_rows(table.lines[nan].tolist(), lambda _: message, word="line")
    return tables.TableReading(
        frame=None if faults.refused else table.frame, lines=table.lines, problems=(*table.problems, *faults.problems)
    )


def _header(path: Path) -> list[str]:
    with open_regular(path, max_bytes=_MAX_BYTES) as stream:
        head = stream.read(_HEADER_BYTES).decode("utf-8-sig", "replace")
    return next(csv.reader(line for line in head.splitlines() if line))


def _official_ids(frame: pl.DataFrame, lines: NDArray[np.int64], faults: Faults) -> pl.DataFrame:
    """Ids as the official scorer understands them: whole numbers, with or without the letter."""
    for name, letter in (("query_id", "Q"), ("ref_id", "R")):
        digits = frame[name].str.strip_prefix(letter)
        wrong = np.flatnonzero(~digits.str.contains(r"^\d{1,18}$").to_numpy())
        if len(wrong):
            found = dict(zip(lines[wrong].tolist(), frame[name].gather(wrong.tolist()).to_list(), strict=True))
            faults.add_rows(
                list(found),
                lambda line, found=found, name=name, letter=letter: (
                    f"`{name}` is {shown(found[line])}; `{letter}` and a number is needed"
                ),
                word="line",
            )
            continue
        numbers = digits.cast(pl.Int64).cast(pl.String).str.zfill(6)
        frame = frame.with_columns((letter + numbers).alias(name))
    return frame


def _order_faults(frame: pl.DataFrame, lines: NDArray[np.int64], faults: Faults, *, strictly: bool) -> None:
    for first, last in (TIMES[:2], TIMES[2:]):
        start, end = frame[first].to_numpy(), frame[last].to_numpy()
        rule = "it must come after the start" if strictly else "it must not come before the start"
        for row, count in _first_rows(end <= start if strictly else end < start, faults):
            message = f"`{last}` is `{end[row]:g}` and `{first}` is `{start[row]:g}`; {rule}"
            faults.add(f"line {lines[row]}", message, count=count)


def _id_faults(
    frame: pl.DataFrame, lines: NDArray[np.int64], faults: Faults, name: str, videos: layout.Videos, outside: str
) -> None:
    ids = frame[name].unique()
    unknown = ids.filter(pl.Series(videos.positions(ids.to_numpy().astype(np.str_)) < 0))
    if not len(unknown):
        return
    values = frame[name]
    letter = "Q" if name == "query_id" else "R"
    for row, count in _first_rows(values.is_in(unknown.implode()).to_numpy(), faults):
        value: str = values[row]
        hint = f"write `{letter}{value:0>6}`" if value.isascii() and value.isdigit() and len(value) <= 6 else ""
        faults.add(
            f"line {lines[row]}", f"`{name}` is {shown(value)}, which is not in {outside}", hint=hint, count=count
        )


def _late_faults(
    frame: pl.DataFrame,
    lines: NDArray[np.int64],
    faults: Faults,
    queries: layout.Videos,
    references: layout.Videos,
) -> None:
    """A segment may end with the second that the video ends in; a second more only warns, as clocks differ."""
    for name, last, videos in (("query_id", TIMES[1], queries), ("ref_id", TIMES[3], references)):
        if not len(videos.ids):
            continue
        at = videos.positions(frame[name].to_numpy().astype(np.str_))
        limit = np.where(at >= 0, videos.budget[np.maximum(at, 0)], np.inf)
        end = frame[last].to_numpy()
        far = end > limit + _SLACK_SECONDS
        for late, severity in ((far, Severity.ERROR), ((end > limit) & ~far, Severity.WARNING)):
            for row, count in _first_rows(late, faults):
                message = f"`{last}` is `{end[row]:g}`; `{frame[name][row]}` ends by `{limit[row]:g}` s"
                faults.add(f"line {lines[row]}", message, count=count, severity=severity)


def _twice_faults(frame: pl.DataFrame, lines: NDArray[np.int64], faults: Faults) -> None:
    twice = ~frame.select(pl.struct(layout.MATCH_COLUMNS).is_first_distinct()).to_series().to_numpy()
    if not twice.any():
        return
    keys = frame.select(layout.MATCH_COLUMNS)
    for row, count in _first_rows(twice, faults):
        first = int(keys.with_row_index("row").join(keys[row], on=layout.MATCH_COLUMNS)["row"].min())  # pyright: ignore[reportArgumentType] - a row has itself
        message = f"the segment is that of line `{lines[first]}`; each may be listed once"
        faults.add(f"line {lines[row]}", message, hint="keep the higher score", count=count)


def _first_rows(bad: NDArray[np.bool_], faults: Faults) -> Iterator[tuple[int, int]]:
    """The first bad rows, the last of them with the count of all that are not named."""
    rows = np.flatnonzero(bad)
    named = rows[: faults.examples].tolist()
    for place, row in enumerate(named, start=1):
        yield row, len(rows) - len(named) + 1 if place == len(named) else 1


def _matches(frame: pl.DataFrame) -> Matches:
    return Matches(
        query_ids=frame["query_id"].to_numpy().astype(np.str_),
        reference_ids=frame["ref_id"].to_numpy().astype(np.str_),
        times_N4=frame.select(TIMES).to_numpy().astype(np.float64).reshape(-1, 4),
        score_N=frame["score"].to_numpy().astype(np.float64),
    )
