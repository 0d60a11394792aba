"""Predictions for `whale-do`: one file, read with bounds, every rule checked at once.

The default closes what the official scorer lets through: ids that are unknown or outside the scenario's database, the
query's own image, rows that are there twice, more than 20 rows a query, ids that read as numbers or as missing.
``parity`` accepts and refuses what the official scorer does.

Legend: N rows, Q queries of the data set.
"""

from __future__ import annotations

import csv
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from podium.challenges.whale_do.catalogue import Catalogue, Codes, read_catalogue
from podium.challenges.whale_do.official import guess
from podium.errors import SubmissionError, nearest
from podium.formats import tables
from podium.formats.faults import Faults, shown
from podium.formats.files import open_regular
from podium.types import DataSet, Phase, Problem, Reading, Severity

SUBMISSION = "submission/submission.csv"
QUERY, IMAGE, SCORE = COLUMNS = ("query_id", "database_image_id", "score")
LIMIT = 20
"""Rows that a query may have."""

_MAX_BYTES = 512 << 20
_MAX_ROWS = 10_000_000
_HEADER_BYTES = 64 << 10
_HINTED_CHARACTERS = 200
_MAX_PROBLEMS = 9
_NAMES_COMPARED = 2_000

_STRICT = (tables.Column(QUERY), tables.Column(IMAGE), tables.Column(SCORE, "float", minimum=0.0, maximum=1.0))
_LOOSE = tuple(tables.Column(name, may_be_empty=True, max_characters=None) for name in COLUMNS)


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """What a submission ranked.

    Attributes:
        catalogue: What was asked.
        ids: The columns `query_id` and `database_image_id`, as written.
        query_N: The number of each row's query in the catalogue; -1 for an unknown one, only with `parity`.
        image_N: The number of each row's image; -1 for an unknown one, only with `parity`.
        score_N: In [0, 1].
        parity: Read as the official scorer reads.
        memory: What was worked out from these predictions and need not be again.
    """

    catalogue: Catalogue
    ids: pl.DataFrame
    query_N: Codes
    image_N: Codes
    score_N: NDArray[np.float64]
    parity: bool = False
    memory: dict[str, Any] = field(default_factory=dict[str, Any])


def read_predictions(
    folder: Path,
    data: DataSet,
    *,
    phase: Phase,  # noqa: ARG001 - the protocol's name; there is one phase
    parity: bool = False,
) -> Reading:
    """The rankings in ``submission/submission.csv`` of `folder`, or every problem with them.

    Args:
        folder: What the run left.
        data: Gives the scenarios; its answers are not touched.
        phase: The challenge has one.
        parity: Accept and refuse what the official scorer does.
    """
    catalogue = read_catalogue(data)
    path = folder / SUBMISSION
    table = tables.read(path, _LOOSE if parity else _STRICT, max_bytes=_MAX_BYTES, max_rows=_MAX_ROWS)
    problems = [*table.problems, *_order_faults(path)]
    if parity:
        return _as_official(catalogue, table, problems, path)
    refused = table.frame is None
    if refused:
        # A bad number must not hide a bad id: what can still be split into rows is looked through as well.
        table = tables.read(path, _LOOSE, max_bytes=_MAX_BYTES, max_rows=_MAX_ROWS)
    if table.frame is None:
        return Reading(predictions=None, problems=tuple(problems))
    rows = _Rows.of(table.frame, table.lines, catalogue)
    faults = Faults(path.name, limit=_MAX_PROBLEMS)
    _check(rows, faults)
    problems += faults.problems
    if refused or faults.refused or problems:
        return _reading(None, problems, rows)
    return _reading(_predictions(rows, table.frame, parity=False), problems, rows)


def _reading(predictions: Predictions | None, problems: list[Problem], rows: _Rows) -> Reading:
    every = (*problems, *_missing_queries(rows))
    return Reading(predictions=predictions, problems=every)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Rows:
    """The rows of the file as numbers."""

    catalogue: Catalogue
    ids: pl.DataFrame
    lines: NDArray[np.int64]
    query_N: Codes
    image_N: Codes

    @staticmethod
    def of(frame: pl.DataFrame, lines: NDArray[np.int64], catalogue: Catalogue) -> _Rows:
        return _Rows(
            catalogue=catalogue,
            ids=frame.select(QUERY, IMAGE),
            lines=lines,
            query_N=catalogue.queries(frame[QUERY]),
            image_N=catalogue.images(frame[IMAGE]),
        )

    def text(self, column: str, row: int) -> str:
        return self.ids[column][row]


def _predictions(rows: _Rows, frame: pl.DataFrame, *, parity: bool) -> Predictions:
    return Predictions(
        catalogue=rows.catalogue,
        ids=rows.ids,
        query_N=rows.query_N,
        image_N=rows.image_N,
        score_N=frame[SCORE].to_numpy(),
        parity=parity,
    )


def _check(rows: _Rows, faults: Faults) -> None:
    known = rows.query_N >= 0
    _unknown(rows, QUERY, np.flatnonzero(~known), rows.catalogue.query_ids, "is not in the scenarios", faults)
    image_Q, scenario_Q = rows.catalogue.image_Q, rows.catalogue.scenario_Q
    own = known & (rows.image_N == image_Q[rows.query_N]) if len(image_Q) else known
    _note(
        rows,
        np.flatnonzero(own),
        lambda row: f"{_ids(rows, row)} is the query's own image; it may not be ranked",
        faults,
    )
    named = known & ~own
    stranger = named & (rows.image_N < 0)
    _unknown(rows, IMAGE, np.flatnonzero(stranger), rows.catalogue.image_ids, "is in no database", faults)
    if len(scenario_Q):
        place_N = scenario_Q[rows.query_N] * len(rows.catalogue.image_ids) + rows.image_N
        outside = np.flatnonzero(named & ~stranger & ~np.isin(place_N, rows.catalogue.places_P))
        scenario = rows.catalogue.scenario_ids
        _note(
            rows,
            outside,
            lambda row: f"{_ids(rows, row)} is not in the database of `{scenario[scenario_Q[rows.query_N[row]]]}`",
            faults,
        )
    _check_counts(rows, known, faults)


def _check_counts(rows: _Rows, known: NDArray[np.bool_], faults: Faults) -> None:
    """Rows that are there twice, and queries with more rows than are allowed."""
    pairs = rows.query_N * (len(rows.catalogue.image_ids) + 1) + rows.image_N
    ordered = np.sort(pairs[known & (rows.image_N >= 0)])
    if np.any(ordered[1:] == ordered[:-1]):
        first = pl.Series(pairs).is_first_distinct().to_numpy() | ~known | (rows.image_N < 0)
        again = np.flatnonzero(~first)
        _note(
            rows, again, lambda row: f"{_ids(rows, row)} stands in line `{_line_of(rows, pairs, row)}` already", faults
        )
    counts = np.bincount(rows.query_N[known], minlength=len(rows.catalogue.query_ids))
    over = np.flatnonzero(counts > LIMIT)
    if len(over):
        named = {int(rows.lines[np.flatnonzero(rows.query_N == query)[LIMIT]]): int(query) for query in over[:3]}
        ids = rows.catalogue.query_ids
        faults.add_rows(
            list(named),
            lambda line: f"{shown(ids[named[line]])} has `{counts[named[line]]}` rows; at most `{LIMIT}` are allowed",
            word="line",
            count=len(over),
        )


def _line_of(rows: _Rows, pairs: Codes, row: int) -> int:
    return int(rows.lines[np.flatnonzero(pairs == pairs[row])[0]])


def _ids(rows: _Rows, row: int) -> str:
    return f"query {shown(rows.text(QUERY, row))}: {shown(rows.text(IMAGE, row))}"


def _unknown(
    rows: _Rows, column: str, bad: NDArray[np.intp], known: Sequence[str], message: str, faults: Faults
) -> None:
    bad = bad[(rows.ids[column] != "").to_numpy()[bad]]
    if len(bad):
        hint = _hint(rows.text(column, int(bad[0])), known)
        _note(rows, bad, lambda row: f"`{column}` {shown(rows.text(column, row))} {message}", faults, hint=hint)


def _note(
    rows: _Rows, bad: NDArray[np.intp], describe: Callable[[int], str], faults: Faults, *, hint: str = ""
) -> None:
    if len(bad):
        named = {int(rows.lines[row]): int(row) for row in bad[: faults.examples]}
        faults.add_rows(list(named), lambda line: describe(named[line]), word="line", hint=hint, count=len(bad))


def _hint(found: str, known: Sequence[str]) -> str:
    """The nearest known id; where there are many, only those that begin alike are compared."""
    if found.strip() in known:
        return f"there are blanks around `{found.strip()}`; ids are compared as they are written"
    if len(found) > _HINTED_CHARACTERS:
        return ""
    names = sorted(known)
    at = bisect_left(names, found)
    near = nearest(found, names[max(0, at - _NAMES_COMPARED // 2) : at + _NAMES_COMPARED // 2]) if names else ""
    return near if near.startswith("did") else ""


def _missing_queries(rows: _Rows) -> tuple[Problem, ...]:
    counts = np.bincount(rows.query_N[rows.query_N >= 0], minlength=len(rows.catalogue.query_ids))
    missing = np.flatnonzero(counts == 0)
    if not len(missing):
        return ()
    message = f"{shown(rows.catalogue.query_ids[int(missing[0])])} has no row, so it scores 0 if it has a right image"
    place = Path(SUBMISSION).name
    return (Problem(place=place, message=message, count=len(missing), severity=Severity.WARNING),)


def _order_faults(path: Path) -> tuple[Problem, ...]:
    """`query_id` may stand anywhere; the official scorer wants the other two in order."""
    try:
        with open_regular(path) as stream:
            text = stream.read(_HEADER_BYTES).decode("utf-8-sig", errors="replace")
    except SubmissionError:
        return ()
    header = next((line for line in text.splitlines() if line), "")
    try:
        found = [name for row in csv.reader([header]) for name in row]
    except csv.Error:
        return ()
    rest = [name for name in found if name != QUERY]
    if sorted(rest) != sorted((IMAGE, SCORE)) or rest == [IMAGE, SCORE]:
        return ()
    message = f"the columns are in the order `{','.join(found)}`; `{','.join(COLUMNS)}` is needed"
    return (Problem(place=f"{path.name} line 1", message=message),)


def _as_official(catalogue: Catalogue, table: tables.TableReading, problems: list[Problem], path: Path) -> Reading:
    if table.frame is None or problems:
        return Reading(predictions=None, problems=tuple(problems))
    faults = Faults(path.name)
    raw = table.frame[SCORE]
    found = guess(raw)
    if found.kind == "text":
        faults.add("", f"`{SCORE}` holds text; the official scorer compares numbers only")
    else:
        score = found.values.cast(pl.Float64)
        bad = np.flatnonzero(~score.is_between(0.0, 1.0).fill_null(False).to_numpy())
        if len(bad):
            named = {int(table.lines[row]): raw[int(row)] for row in bad[: faults.examples]}
            faults.add_rows(
                list(named),
                lambda line: f"`{SCORE}` is {shown(named[line])}; 0 to 1 is allowed",
                word="line",
                count=len(bad),
            )
        frame = table.frame.with_columns(score.alias(SCORE))
        if not faults.refused:
            rows = _Rows.of(frame, table.lines, catalogue)
            return Reading(predictions=_predictions(rows, frame, parity=True))
    return Reading(predictions=None, problems=faults.problems)
