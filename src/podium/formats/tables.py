"""CSV tables from a stranger: bounded, typed, and every fault with its line.

Text stays text: an id keeps its leading zeros and `NA` is no missing value. Lines are counted from 1, header included.
Grammar: RFC 4180, with LF or CRLF at the end of a line, an optional byte order mark, and blank lines passed over.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from podium.errors import SubmissionError, UsageError, nearest
from podium.formats.faults import Faults, shown
from podium.formats.files import open_regular, replacing
from podium.types import Problem

Kind = Literal["text", "float", "int"]
_DTYPES: dict[str, type[pl.DataType]] = {"text": pl.String, "float": pl.Float64, "int": pl.Int64}
_WANTED = {"float": "a number", "int": "a whole number"}
_BOM = b"\xef\xbb\xbf"
_SCAN_BYTES = 16 << 20
_HEADER_BYTES = 64 << 10
_HEADER_COLUMNS = 1_000


@dataclass(frozen=True)
class Column:
    """What a column holds.

    Attributes:
        name: As in the header.
        kind: ``text``, ``float`` (64 bits) or ``int`` (64 bits).
        minimum: The least number that is allowed.
        maximum: The greatest.
        finite: NaN and infinities are refused; only for ``float``.
        may_be_empty: Empty text is allowed; numbers are never empty.
        max_characters: Of a text; None is no limit.
    """

    name: str
    kind: Kind = "text"
    _: KW_ONLY
    minimum: float | None = None
    maximum: float | None = None
    finite: bool = True
    may_be_empty: bool = False
    max_characters: int | None = 200


@dataclass(frozen=True, kw_only=True, eq=False)
class TableReading:
    """A table, or every reason why there is none.

    Attributes:
        frame: The columns that were asked for, in that order; String, Float64 or Int64, without nulls. None when a
            problem is an error.
        lines: (N,) the line of each row in the file, counted from 1; empty without a frame.
        problems: In the order in which they were found.
    """

    frame: pl.DataFrame | None
    lines: NDArray[np.int64]
    problems: tuple[Problem, ...] = ()

    @property
    def valid(self) -> bool:
        """True when there is a frame."""
        return self.frame is not None


@dataclass(frozen=True)
class _Text:
    """Every field as text, columns by their place in the file."""

    frame: pl.DataFrame
    lines: NDArray[np.int64]


def read(
    path: Path,
    columns: Sequence[Column],
    *,
    max_bytes: int,
    max_rows: int,
    exact_order: bool = False,
    extra: Literal["refuse", "ignore"] = "refuse",
    may_be_empty: bool = False,
) -> TableReading:
    """A table from a CSV file, or all its faults.

    Args:
        path: A plain file; links are not followed.
        columns: What is needed, by name.
        max_bytes: Of the file.
        max_rows: Without the header.
        exact_order: The columns must stand in the order of `columns`.
        extra: What becomes of a file with other columns as well.
        may_be_empty: A header without rows is allowed.
    """
    faults = Faults(path.name)
    frame = None
    lines = np.empty(0, dtype=np.int64)
    try:
        with open_regular(path, max_bytes=max_bytes) as stream:
            # Asking for more than the file has would set that much memory aside first.
            body = _clean(stream.read(min(max_bytes, os.fstat(stream.fileno()).st_size)), faults)
        if body is not None and not _is_endless(body, columns, faults):
            places, width = _read_header(body, columns, faults, exact_order=exact_order, extra=extra)
            text = _split(body, width, max_rows, faults)
            if text is not None:
                if not len(text.lines) and not may_be_empty and not faults.refused:
                    faults.add("", "the file has a header and no rows")
                frame, lines = _convert(text, columns, places, faults), text.lines
    except SubmissionError as error:
        faults.extend(error)
    if faults.refused or frame is None:
        return TableReading(frame=None, lines=np.empty(0, dtype=np.int64), problems=faults.problems)
    return TableReading(frame=frame, lines=lines, problems=faults.problems)


def write(path: Path, columns: Mapping[str, Any]) -> None:
    """Writes a CSV; equal columns give equal bytes, and a float reads back as the same 64 bits.

    Args:
        path: Replaced when it exists.
        columns: By name, in order; equally long. Texts, whole numbers or finite floats; float32 is widened first.

    Raises:
        UsageError: The columns differ in length, or a number is not finite.
    """
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise UsageError(f"the columns of `{path.name}` differ in length: `{lengths}`")
    series: list[pl.Series] = []
    for name, values in columns.items():
        array = np.asarray(values)
        if array.dtype.kind == "f":
            array = array.astype(np.float64)
            if not np.isfinite(array).all():
                raise UsageError(f"the column `{name}` of `{path.name}` has numbers that are not finite")
        series.append(pl.Series(name, array.tolist() if array.dtype.kind == "U" else array))
    with replacing(path) as stream:
        pl.DataFrame(series).write_csv(cast(Any, stream))


def _clean(raw: bytes, faults: Faults) -> bytes | None:
    """The content with plain line ends and known to be text, or None."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        faults.add("", "the file is UTF-16; UTF-8 is needed", hint="save it as `CSV UTF-8`")
        return None
    body = raw.removeprefix(_BOM).replace(b"\r\n", b"\n") if b"\r" in raw else raw.removeprefix(_BOM)
    if not body.strip():
        faults.add("", "the file is empty")
        return None
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        faults.add(_line_of(body, error.start), f"the byte `0x{body[error.start]:02x}` is no UTF-8")
        return None
    for byte, what in ((b"\0", "a NUL byte"), (b"\r", "a carriage return without a line feed")):
        if byte in body:
            faults.add(_line_of(body, body.index(byte)), f"the line holds {what}", count=body.count(byte))
            return None
    return body


def _line_of(body: bytes, offset: int) -> str:
    line = body.count(b"\n", 0, offset) + 1
    return f"line {line}"


def _is_endless(body: bytes, columns: Sequence[Column], faults: Faults) -> bool:
    """A header of millions of columns would take minutes and gigabytes to be told apart from the right one."""
    start = len(body) - len(body.lstrip(b"\n"))
    end = body.find(b"\n", start, start + _HEADER_BYTES)
    most = max(_HEADER_COLUMNS, len(columns))
    found = body.count(b",", start, end if end >= 0 else start + _HEADER_BYTES) + 1
    needed = f"`{','.join(column.name for column in columns)}` is needed"
    if found > most:
        faults.add("line 1", f"the header has at least `{found}` columns; {needed}")
    elif end < 0 and len(body) - start > _HEADER_BYTES:
        faults.add("line 1", f"the first `{_HEADER_BYTES}` bytes hold no whole line; {needed}")
    else:
        return False
    return True


def _read_header(
    body: bytes, columns: Sequence[Column], faults: Faults, *, exact_order: bool, extra: str
) -> tuple[dict[str, int], int]:
    """Where each wanted column stands, and how many columns the file has."""
    skipped = len(body) - len(body.lstrip(b"\n"))
    first = body[skipped : body.find(b"\n", skipped) if b"\n" in body[skipped:] else len(body)].decode("utf-8")
    try:
        found = next(csv.reader([first], strict=True))
    except (csv.Error, StopIteration):
        found = first.split(",")
    wanted = [column.name for column in columns]
    places = {name: found.index(name) for name in wanted if name in found}
    where = f"line {skipped + 1}"
    needed = f"`{','.join(wanted)}`"
    if not places:
        separator = next((mark for mark in (";", "\t", "|") if mark in first and "," not in first), None)
        hint = f"columns are separated by {shown(separator)}; commas are needed" if separator else ""
        faults.add(where, f"the header is {shown(first)}; {needed} is needed", hint=hint)
        return {}, len(found)
    surplus = [name for name in found if name not in wanted]
    for name in wanted:
        if name not in places:
            near = nearest(name, surplus) if surplus else ""
            hint = f"the header has {shown(near.split('`')[1])}" if near.startswith("did") else ""
            faults.add(where, f"the column `{name}` is missing", hint=hint)
    if extra == "refuse" and surplus:
        names = ", ".join(shown(name) for name in surplus[:5]) + (" …" if len(surplus) > 5 else "")
        faults.add(where, f"the header has columns that are not allowed: {names}; {needed} is needed")
    for name in places:
        if found.count(name) > 1:
            faults.add(where, f"the column `{name}` is there `{found.count(name)}` times")
    present = [name for name in found if name in places]
    if exact_order and len(present) == len(wanted) and present != wanted:
        faults.add(where, f"the columns are in the order `{','.join(present)}`; {needed} is needed")
    return places, len(found)


def _split(body: bytes, width: int, max_rows: int, faults: Faults) -> _Text | None:
    """All fields of all rows whose number of fields is right; the others are faults."""
    if b'"' in body:
        return _split_quoted(body, width, max_rows, faults)
    buffer = np.frombuffer(body, dtype=np.uint8)
    ends = _positions(buffer, ord("\n"))
    if buffer[-1] != ord("\n"):
        ends = np.append(ends, len(buffer))
    starts = np.concatenate([[0], ends[:-1] + 1])
    filled = np.flatnonzero(ends > starts)[1:]
    if len(filled) > max_rows:
        _too_many(f"`{len(filled)}`", max_rows, faults)
        return None
    fields = np.diff(np.searchsorted(_positions(buffer, ord(",")), ends), prepend=0)[filled] + 1
    ragged = fields != width
    if ragged.any():
        _ragged((filled[ragged] + 1).tolist(), fields[ragged].tolist(), width, faults)
    good = filled[~ragged]
    if len(good) == len(ends) - good[0] if len(good) else False:
        rows = body[starts[good[0]] :]
    else:
        keep = np.zeros(len(ends), dtype=np.bool_)
        keep[good] = True
        sizes = np.append(ends[:-1] + 1, len(buffer)) - starts
        rows = buffer[np.repeat(keep, sizes)].tobytes()
    schema = {str(place): pl.String for place in range(width)}
    frame = pl.DataFrame(schema=schema)
    if rows:
        frame = pl.read_csv(rows, has_header=False, schema=schema, quote_char=None, glob=False).fill_null("")
    if frame.height != len(good):
        raise SubmissionError("the table cannot be split into rows")
    return _Text(frame, good + 1)


def _positions(buffer: NDArray[np.uint8], byte: int) -> NDArray[np.int64]:
    """Where a byte stands, found without a mask as large as the file."""
    pieces = [
        np.flatnonzero(buffer[start : start + _SCAN_BYTES] == byte) + start
        for start in range(0, len(buffer), _SCAN_BYTES)
    ]
    return np.concatenate(pieces) if pieces else np.empty(0, dtype=np.int64)


def _split_quoted(body: bytes, width: int, max_rows: int, faults: Faults) -> _Text | None:
    reader = csv.reader(io.StringIO(body.decode("utf-8"), newline=""), strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    ragged: list[tuple[int, int]] = []
    header = True
    line = 1
    try:
        for row in reader:
            if row and not header:
                if len(row) == width:
                    rows.append(row)
                    lines.append(line)
                else:
                    ragged.append((line, len(row)))
                if len(rows) + len(ragged) > max_rows:
                    _too_many(f"at least `{len(rows) + len(ragged)}`", max_rows, faults)
                    return None
            header = header and not row
            line = reader.line_num + 1
    except csv.Error as error:
        faults.add(f"line {line}", f"the quotes do not match: {error}")
    if ragged:
        _ragged([at for at, _ in ragged], [count for _, count in ragged], width, faults)
    columns = list(zip(*rows, strict=True)) if rows else [()] * width
    frame = pl.DataFrame([pl.Series(str(place), values, dtype=pl.String) for place, values in enumerate(columns)])
    return _Text(frame, np.array(lines, dtype=np.int64))


def _too_many(count: str, max_rows: int, faults: Faults) -> None:
    faults.add("", f"the file has {count} rows; at most `{max_rows}` are allowed")


def _ragged(lines: list[int], fields: list[int], width: int, faults: Faults) -> None:
    found = dict(zip(lines, fields, strict=True))
    faults.add_rows(
        lines, lambda line: f"the line has `{found[line]}` fields; the header has `{width}` columns", word="line"
    )


def _convert(text: _Text, columns: Sequence[Column], places: dict[str, int], faults: Faults) -> pl.DataFrame:
    """Typed columns; what cannot be typed is a fault."""
    series: list[pl.Series] = []
    for column in columns:
        if column.name not in places:
            continue
        raw = text.frame.get_column(str(places[column.name])).alias(column.name)
        if column.kind == "text":
            _check_text(raw, column, text.lines, faults)
            series.append(raw)
            continue
        typed = raw.cast(_DTYPES[column.kind], strict=False)
        if typed.null_count():
            typed = raw.str.strip_chars(" \t").cast(_DTYPES[column.kind], strict=False)
        _check_numbers(raw, typed, column, text.lines, faults)
        series.append(typed)
    return pl.DataFrame(series)


def _check_text(raw: pl.Series, column: Column, lines: NDArray[np.int64], faults: Faults) -> None:
    if not column.may_be_empty:
        _note(raw == "", raw, lines, faults, f"`{column.name}` is empty; text is needed")
    if column.max_characters is not None:
        rule = f"at most `{column.max_characters}` characters are allowed"
        _note(raw.str.len_chars() > column.max_characters, raw, lines, faults, f"`{column.name}` is {{}}; {rule}")


def _check_numbers(raw: pl.Series, typed: pl.Series, column: Column, lines: NDArray[np.int64], faults: Faults) -> None:
    name, wanted = f"`{column.name}`", _WANTED[column.kind]
    empty = raw.str.strip_chars(" \t") == ""
    _note(empty, raw, lines, faults, f"{name} is empty; {wanted} is needed")
    _note(typed.is_null() & ~empty, raw, lines, faults, f"{name} is {{}}; {wanted} is needed")
    finite = typed.is_finite().fill_null(True) if column.kind == "float" else typed.is_null() | True
    if column.finite and column.kind == "float":
        _note(~finite, raw, lines, faults, f"{name} is {{}}; a finite number is needed")
    if column.minimum is not None:
        low = (typed < column.minimum).fill_null(False) & finite
        _note(low, raw, lines, faults, f"{name} is {{}}; at least `{column.minimum:g}` is needed")
    if column.maximum is not None:
        high = (typed > column.maximum).fill_null(False) & finite
        _note(high, raw, lines, faults, f"{name} is {{}}; at most `{column.maximum:g}` is allowed")


def _note(bad: pl.Series, raw: pl.Series, lines: NDArray[np.int64], faults: Faults, message: str) -> None:
    """Notes the rows that are marked; ``{}`` in the message becomes what stands there."""
    rows = np.flatnonzero(bad.to_numpy())
    if len(rows):
        named = rows[: faults.examples]
        values = dict(zip(lines[named].tolist(), [raw[row] for row in named.tolist()], strict=True))
        faults.add_rows(
            list(values), lambda line: message.replace("{}", shown(values[line])), word="line", count=len(rows)
        )
