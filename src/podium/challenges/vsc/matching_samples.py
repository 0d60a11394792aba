"""Match files for the conformance suite: perfect ones, made from the answers, and ways to spoil them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from podium.challenges.vsc import layout
from podium.challenges.vsc.matches import COLUMNS, FULL, SUBSET
from podium.formats import tables
from podium.types import DataSet


def write_perfect(data: DataSet, folder: Path) -> None:
    """Every true segment as a match of score 1, cut where its video ends."""
    truth = layout.read_truth(data.answers / layout.GROUND_TRUTH).segments
    for name, videos in (
        ("query", layout.read_videos(data.inputs / layout.QUERY_METADATA, letter="Q")),
        ("ref", layout.read_videos(data.inputs / layout.REFERENCE_METADATA, letter="R")),
    ):
        at = videos.positions(truth[f"{name}_id"].to_numpy().astype(np.str_))
        ends = pl.Series(np.minimum(truth[f"{name}_end"].to_numpy(), videos.budget[at]))
        truth = truth.with_columns(ends.alias(f"{name}_end"))
    # A label twice over, or one that lies wholly after its video's end, is no match that could be handed in.
    truth = truth.filter(
        (pl.col("query_start") < pl.col("query_end")) & (pl.col("ref_start") < pl.col("ref_end"))
    ).unique(maintain_order=True)
    subset = layout.read_subset(data.inputs / layout.QUERY_SUBSET).tolist()
    for file, rows in ((FULL, truth), (SUBSET, truth.filter(pl.col("query_id").is_in(subset)))):
        columns = {name: rows[name].to_numpy() for name in layout.MATCH_COLUMNS}
        columns |= {name: rows[name].to_numpy().astype(np.str_) for name in layout.MATCH_COLUMNS[:2]}
        tables.write(folder / file, columns | {"score": np.ones(rows.height)})


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def _write(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _set(column: str, value: str, *, file: str = FULL) -> Callable[[Path], None]:
    """The first match, with one field changed."""

    def spoil(folder: Path) -> None:
        header, *rows = _lines(folder / file)
        fields = rows[0].split(",") if rows else ["Q200001", "R200001", "0", "1", "0", "1", "1"]
        fields[COLUMNS.index(column)] = value
        _write(folder / file, [header, ",".join(fields), *rows[1:]])

    return spoil


def _each(change: Callable[[list[str]], list[str]]) -> Callable[[Path], None]:
    """Every line, header included, with its fields changed."""

    def spoil(folder: Path) -> None:
        _write(folder / FULL, [",".join(change(line.split(","))) for line in _lines(folder / FULL)])

    return spoil


def _reversed_query(folder: Path) -> None:
    header, first, *rows = _lines(folder / FULL)
    fields = first.split(",")
    fields[2], fields[3] = fields[3], fields[2]
    _write(folder / FULL, [header, ",".join(fields), *rows])


def _no_length(folder: Path) -> None:
    header, first, *rows = _lines(folder / FULL)
    fields = first.split(",")
    fields[5] = fields[4]
    _write(folder / FULL, [header, ",".join(fields), *rows])


def _twice(folder: Path) -> None:
    lines = _lines(folder / FULL)
    _write(folder / FULL, [*lines, lines[1]])


def _short_line(folder: Path) -> None:
    header, first, *rows = _lines(folder / FULL)
    _write(folder / FULL, [header, first.rpartition(",")[0], *rows])


def _remove(folder: Path) -> None:
    (folder / FULL).unlink()


def _remove_subset(folder: Path) -> None:
    (folder / SUBSET).unlink()


def _empty(folder: Path) -> None:
    (folder / FULL).write_bytes(b"")


def _no_header(folder: Path) -> None:
    _write(folder / FULL, _lines(folder / FULL)[1:])


def _binary(folder: Path) -> None:
    (folder / FULL).write_bytes(bytes(range(256)))


def _link(folder: Path) -> None:
    (folder / FULL).unlink()
    (folder / FULL).symlink_to("/etc/passwd")


def _fifo(folder: Path) -> None:
    (folder / FULL).unlink()
    os.mkfifo(folder / FULL)


BROKEN: tuple[tuple[str, Callable[[Path], None]], ...] = (
    ("a missing file", _remove),
    ("a missing subset file", _remove_subset),
    ("an empty file", _empty),
    ("no header", _no_header),
    ("bytes that are no text", _binary),
    ("a link", _link),
    ("a pipe", _fifo),
    ("no score column", _each(lambda fields: fields[:-1])),
    ("a further column", _each(lambda fields: [*fields, "x"])),
    ("a line that is too short", _short_line),
    ("a score of NaN", _set("score", "nan")),
    ("an infinite score", _set("score", "inf")),
    ("text as a score", _set("score", "high")),
    ("an empty score", _set("score", "")),
    ("text as a time", _set("query_start", "soon")),
    ("a negative time", _set("ref_start", "-0.5")),
    ("an infinite end", _set("query_end", "inf")),
    ("an end long after the query", _set("query_end", "100000")),
    ("an end long after the reference", _set("ref_end", "100000")),
    ("an end before its start", _reversed_query),
    ("a segment of no length", _no_length),
    ("an unknown query", _set("query_id", "Q999999")),
    ("an unknown reference", _set("ref_id", "R999999")),
    ("a reference's id as query", _set("query_id", "R200001")),
    ("a number as id", _set("query_id", "200001")),
    ("the same segment twice", _twice),
    ("a subset file with other queries", _set("query_id", "Q999999", file=SUBSET)),
)
