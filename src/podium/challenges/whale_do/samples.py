"""Predictions for the conformance suite: perfect ones, made from the answers, and ways to spoil them."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from podium.challenges.whale_do import layout
from podium.challenges.whale_do.predictions import COLUMNS, LIMIT, SUBMISSION
from podium.formats import tables
from podium.types import DataSet

Row = list[str]


def write_perfect(data: DataSet, folder: Path) -> None:
    """For each query its right images first, then others of its database, up to 20 in all, with falling scores."""
    right: defaultdict[str, set[str]] = defaultdict(set)
    for query, image in layout.read_labels(data.answers / layout.LABELS).iter_rows():
        right[query].add(image)
    rows: list[tuple[str, str, float]] = []
    for scenario in layout.read_scenarios(data.inputs):
        for query, own in zip(scenario.query_ids, scenario.query_image_ids, strict=True):
            allowed = [image for image in scenario.database_image_ids if image != own]
            ranked = sorted(allowed, key=lambda image, right=right[query]: image not in right)[:LIMIT]
            rows += [(query, image, 1 - at / 32) for at, image in enumerate(ranked)]
    (folder / SUBMISSION).parent.mkdir(parents=True, exist_ok=True)
    columns = zip(*rows, strict=True) if rows else ((), (), ())
    tables.write(folder / SUBMISSION, dict(zip(COLUMNS, (list(each) for each in columns), strict=True)))


def _rows(change: Callable[[list[Row]], Sequence[Row]]) -> Callable[[Path], None]:
    """Spoils the rows, header included."""

    def spoil(folder: Path) -> None:
        path = folder / SUBMISSION
        rows = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()]
        path.write_text("".join(",".join(row) + "\n" for row in change(rows)), encoding="utf-8")

    return spoil


def _cell(column: int, value: Callable[[str], str]) -> Callable[[Path], None]:
    """Spoils one cell of the first row."""
    return _rows(lambda rows: [rows[0], [*rows[1][:column], value(rows[1][column]), *rows[1][column + 1 :]], *rows[2:]])


def _bytes(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / SUBMISSION).write_bytes(change((folder / SUBMISSION).read_bytes()))

    return spoil


def _remove(folder: Path) -> None:
    (folder / SUBMISSION).unlink()


def _link(folder: Path) -> None:
    (folder / SUBMISSION).unlink()
    (folder / SUBMISSION).symlink_to("/etc/passwd")


def _pipe(folder: Path) -> None:
    (folder / SUBMISSION).unlink()
    os.mkfifo(folder / SUBMISSION)


def _too_many(rows: list[Row]) -> list[Row]:
    """All rows on one query, as often as it takes."""
    return [rows[0], *[[rows[1][0], row[1], row[2]] for row in rows[1:] * (1 + LIMIT // len(rows[1:]))]]


BROKEN: tuple[tuple[str, Callable[[Path], None]], ...] = (
    ("a missing file", _remove),
    ("a link", _link),
    ("a pipe", _pipe),
    ("an empty file", _bytes(lambda _: b"")),
    ("a header without rows", _rows(lambda rows: rows[:1])),
    ("bytes that are no text", _bytes(lambda body: b"\xff\xfe\x00\x01" + body)),
    ("a line cut off", _bytes(lambda body: body.rstrip(b"\n").rsplit(b",", 1)[0])),
    ("semicolons", _bytes(lambda body: body.replace(b",", b";"))),
    ("a column less", _rows(lambda rows: [row[:2] for row in rows])),
    (
        "a saved index column",
        _rows(lambda rows: [["", *rows[0]], *[[str(at), *row] for at, row in enumerate(rows[1:])]]),
    ),
    ("columns in the wrong order", _rows(lambda rows: [[row[0], row[2], row[1]] for row in rows])),
    ("a column of another case", _rows(lambda rows: [["Query_ID", *rows[0][1:]], *rows[1:]])),
    ("a score above 1", _cell(2, lambda _: "1.5")),
    ("a score below 0", _cell(2, lambda _: "-0.25")),
    ("an infinite score", _cell(2, lambda _: "inf")),
    ("no score", _cell(2, lambda _: "")),
    ("NaN as score", _cell(2, lambda _: "nan")),
    ("text as score", _cell(2, lambda _: "high")),
    ("a truth value as score", _cell(2, lambda _: "True")),
    ("an unknown query", _cell(0, lambda query: query + "x")),
    ("blanks around a query", _cell(0, lambda query: f" {query}")),
    ("an empty query", _cell(0, lambda _: "")),
    ("an unknown image", _cell(1, lambda image: image + "x")),
    ("`NA` as image", _cell(1, lambda _: "NA")),
    ("an empty image", _cell(1, lambda _: "")),
    ("a row twice", _rows(lambda rows: [*rows, rows[1]])),
    ("every row twice", _rows(lambda rows: [*rows, *rows[1:]])),
    ("all rows on one query", _rows(_too_many)),
    ("all rows on no query", _rows(lambda rows: [rows[0], *[["nobody", *row[1:]] for row in rows[1:]]])),
)
