"""Predictions for the conformance suite: perfect ones, made from the answers, and ways to spoil them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from podium.challenges.yt8m_segments import layout
from podium.challenges.yt8m_segments.grid import SegmentGrid
from podium.challenges.yt8m_segments.predictions import CAP, HEADER, SUBMISSION
from podium.challenges.yt8m_segments.vocabulary import read_vocabulary
from podium.types import DataSet


def write_perfect(data: DataSet, folder: Path) -> None:
    """Lists of what is rated positive, and nothing else; every class of the vocabulary has a line."""
    vocabulary = read_vocabulary(data.inputs / layout.VOCABULARY)
    ratings = layout.read_ratings(data.answers / layout.RATINGS)
    grid = SegmentGrid(layout.judged_videos(data))
    slot_R = grid.slot(grid.find(ratings.videos), ratings.start_seconds)
    lists: dict[int, list[str]] = {index: [] for index in vocabulary.indices.tolist()}
    for place in np.flatnonzero(ratings.positive & (slot_R >= 0)).tolist():
        entry = f"{ratings.videos[place]}:{ratings.start_seconds[place]}"
        lists[int(ratings.class_indices[place])].append(entry)
    lines = [HEADER, *(f"{index},{' '.join(entries)}" for index, entries in lists.items())]
    (folder / SUBMISSION).write_text("\n".join(lines) + "\n", encoding="ascii")


def _change(change: Callable[[list[str]], list[str]]) -> Callable[[Path], None]:
    """Spoils the lines of the file, without their line feeds."""

    def spoil(folder: Path) -> None:
        lines = (folder / SUBMISSION).read_text(encoding="ascii").splitlines()
        (folder / SUBMISSION).write_text("\n".join(change(lines)) + "\n", encoding="ascii")

    return spoil


def _list(change: Callable[[list[str]], list[str]]) -> Callable[[Path], None]:
    """Spoils the entries of the first class that lists something."""

    def spoil(lines: list[str]) -> list[str]:
        at = next(number for number, line in enumerate(lines) if ":" in line)
        index, _, entries = lines[at].partition(",")
        return [*lines[:at], f"{index},{' '.join(change(entries.split(' ')))}", *lines[at + 1 :]]

    return _change(spoil)


def _remove(folder: Path) -> None:
    (folder / SUBMISSION).unlink()


def _empty(folder: Path) -> None:
    (folder / SUBMISSION).write_bytes(b"")


def _link(folder: Path) -> None:
    (folder / SUBMISSION).unlink()
    (folder / SUBMISSION).symlink_to("/etc/passwd")


def _pipe(folder: Path) -> None:
    (folder / SUBMISSION).unlink()
    os.mkfifo(folder / SUBMISSION)


def _folder(folder: Path) -> None:
    (folder / SUBMISSION).unlink()
    (folder / SUBMISSION).mkdir()


def _wide(folder: Path) -> None:
    text = (folder / SUBMISSION).read_text(encoding="ascii")
    (folder / SUBMISSION).write_bytes(text.encode("utf-16"))


def _zeros(folder: Path) -> None:
    (folder / SUBMISSION).write_bytes(bytes(10_000))


def _first(entries: list[str], changed: str) -> list[str]:
    return [changed, *entries[1:]]


def _video(entry: str) -> str:
    return entry.partition(":")[0]


BROKEN: tuple[tuple[str, Callable[[Path], None]], ...] = (
    ("a missing file", _remove),
    ("an empty file", _empty),
    ("a link", _link),
    ("a pipe", _pipe),
    ("a folder", _folder),
    ("UTF-16", _wide),
    ("nothing but zero bytes", _zeros),
    ("only a header", _change(lambda lines: lines[:1])),
    ("no header", _change(lambda lines: lines[1:])),
    ("another header", _change(lambda lines: ["VideoId,LabelConfidencePairs", *lines[1:]])),
    ("semicolons", _change(lambda lines: [line.replace(",", ";") for line in lines])),
    ("a line without a comma", _change(lambda lines: [*lines, "these are no segments"])),
    ("an unknown class", _change(lambda lines: [*lines, "999999,"])),
    ("a class that is no number", _change(lambda lines: [*lines, "/m/07yv9,"])),
    ("a class twice", _change(lambda lines: [*lines, lines[1]])),
    ("an unknown video", _list(lambda entries: _first(entries, "~~~~:30"))),
    ("a start off the grid", _list(lambda entries: _first(entries, f"{_video(entries[0])}:32"))),
    ("a start beyond the video", _list(lambda entries: _first(entries, f"{_video(entries[0])}:99999995"))),
    ("a negative start", _list(lambda entries: _first(entries, f"{_video(entries[0])}:-5"))),
    ("a start with a fraction", _list(lambda entries: _first(entries, f"{_video(entries[0])}:30.0"))),
    ("a start with leading zeros", _list(lambda entries: _first(entries, f"{_video(entries[0])}:0030"))),
    ("an entry without a start", _list(lambda entries: _first(entries, _video(entries[0])))),
    ("an entry with two colons", _list(lambda entries: _first(entries, f"{entries[0]}:5"))),
    ("bytes as ids", _list(lambda entries: _first(entries, f"b'{_video(entries[0])}':30"))),
    ("an entry twice", _list(lambda entries: [*entries, entries[0]])),
    ("commas between entries", _list(lambda entries: [",".join([*entries, entries[0]])])),
    ("two spaces", _list(lambda entries: [*entries[:1], "", *entries[1:]])),
    ("a space at the end", _list(lambda entries: [*entries, ""])),
    ("too many entries", _list(lambda entries: entries[:1] * (CAP + 1))),
)
