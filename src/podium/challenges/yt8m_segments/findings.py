"""What is wrong with the entries and lines of a submission: like ones gathered over the whole file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from podium.challenges.yt8m_segments.entries import Entries, Flaw
from podium.challenges.yt8m_segments.grid import SegmentGrid
from podium.challenges.yt8m_segments.layout import SEGMENT_SECONDS
from podium.formats.faults import Faults, shown
from podium.types import Severity

_HINTS = {
    Flaw.SPACE: "put one space between entries and none at the end",
    Flaw.FORM: "write `videoid:start`, separated by single spaces",
    Flaw.START: "write whole seconds without sign or leading zero",
    Flaw.BYTES: "decode the id before it is written: `id.decode()`",
    Flaw.VIDEO: "use the ids of `videos.csv`; they differ in upper and lower case",
    Flaw.GRID: f"segments start at multiples of {SEGMENT_SECONDS} s",
    Flaw.TWICE: "list each segment once",
}


@dataclass
class _Kind:
    hint: str
    severity: Severity
    places: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    count: int = 0


class Findings:
    """Gathers flaws by kind over all lines: three examples of each and how many there are.

    Args:
        grid: Names the videos of flawed entries.
        examples: How many of one kind are named.
    """

    def __init__(self, grid: SegmentGrid, *, examples: int = 3) -> None:
        self._grid = grid
        self._examples = examples
        self._kinds: dict[str, _Kind] = {}
        self.refused = False

    def note(
        self,
        kind: str,
        where: str,
        message: Callable[[], str],
        *,
        hint: str = "",
        count: int = 1,
        severity: Severity = Severity.ERROR,
    ) -> None:
        """Notes `count` flaws of one kind, the first of them at `where`."""
        self.refused = self.refused or severity is Severity.ERROR
        found = self._kinds.setdefault(kind, _Kind(hint=hint, severity=severity))
        found.count += count
        if len(found.places) < self._examples:
            found.places.append((where, message()))

    def note_entries(self, line: int, entries: Entries, raw: bytes, *, before: int) -> None:
        """Notes every flawed entry of a part of a list.

        Args:
            line: In the file, from 1.
            entries: Of the part.
            raw: The bytes that the places of the entries mean.
            before: Entries of the list before this part.
        """
        flaws = np.flatnonzero(entries.flaw)
        for flaw in np.unique(entries.flaw[flaws]).tolist():
            numbers = flaws[entries.flaw[flaws] == flaw]
            kind = f"entry {Flaw(flaw).name}"
            room = self._examples - len(self._kinds[kind].places) if kind in self._kinds else self._examples
            named = numbers[: max(1, room)].tolist()
            for at, number in enumerate(named):
                here = len(numbers) - len(named) + 1 if at == len(named) - 1 else 1
                text = raw[entries.begin[number] : entries.end[number]].decode("utf-8", "replace")
                self._note_flaw(Flaw(flaw), f"line {line} entry {before + number + 1}", text, count=here)

    def pour(self, faults: Faults) -> None:
        """Hands everything over, in the order in which the kinds were first met."""
        for found in self._kinds.values():
            for at, (where, message) in enumerate(found.places):
                here = found.count - len(found.places) + 1 if at == len(found.places) - 1 else 1
                faults.add(where, message, hint=found.hint, count=here, severity=found.severity)

    def _note_flaw(self, flaw: Flaw, where: str, text: str, *, count: int) -> None:
        hint = _HINTS.get(flaw, "")
        self.note(f"entry {flaw.name}", where, lambda: self._message(flaw, text), hint=hint, count=count)

    def _message(self, flaw: Flaw, text: str) -> str:
        video, _, start = text.partition(":")
        match flaw:
            case Flaw.SPACE:
                return "the entry is empty: a space too many"
            case Flaw.FORM:
                return f"{shown(text)} is not of the form `videoid:start`"
            case Flaw.START:
                return f"{shown(text)} has no start time that can be read"
            case Flaw.BYTES:
                return f"{shown(text)} names a video by Python bytes"
            case Flaw.VIDEO:
                return f"{shown(text)} names a video that is not in the test set"
            case Flaw.GRID:
                return f"{shown(text)} starts off the grid; `{_nearest_start(start)}` is the nearest start"
            case Flaw.TWICE:
                return f"{shown(text)} is in this list already"
            case _:
                return self._beyond(text, video)

    def _beyond(self, text: str, video: str) -> str:
        frames = int(self._grid.videos.frames[self._grid.find(np.array([video]))[0]])
        last = (frames - 1) // SEGMENT_SECONDS * SEGMENT_SECONDS
        return f"{shown(text)} starts beyond the video, which has `{frames}` s; the last start is `{last}`"


def _nearest_start(start: str) -> int:
    return round(int(start) / SEGMENT_SECONDS) * SEGMENT_SECONDS
