"""``sub.csv``: one line a class, its segments best first. Read line by line, so memory does not grow with the file.

```
Class,Segments
3,abcd:120 wxyz:35 …
```

Official rules (`parity`) are those of the local evaluation: the first 100,000 entries of a line count, an entry means a
segment only when its text is exactly that of a rated one, and of two lines of one class the second holds. The line feed
stays on the last entry there, which therefore never counts. The header, which crashes that program, is passed over.

The default refuses what that program lets through: unknown or repeated classes, unknown ids, starts off the grid or
beyond the video, entries listed twice, more than 100,000 entries. Classes that are left out only warn: they score 0.

Legend: C classes, N entries of all lists.
"""

from __future__ import annotations

import io
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from podium.challenges.yt8m_segments import layout
from podium.challenges.yt8m_segments.entries import Flaw, mark_repeated, read_entries, windows
from podium.challenges.yt8m_segments.findings import Findings
from podium.challenges.yt8m_segments.grid import SegmentGrid
from podium.challenges.yt8m_segments.vocabulary import Vocabulary, read_vocabulary
from podium.errors import SubmissionError
from podium.formats.faults import Faults, shown
from podium.formats.files import open_regular
from podium.types import DataSet, Phase, Reading, Severity

SUBMISSION = "sub.csv"
HEADER = "Class,Segments"
CAP = 100_000

_LONGEST_VIDEO_SLOTS = 72
_BOM = b"\xef\xbb\xbf"
_MIN_LINE_BYTES = 1 << 20
_BUFFER_BYTES = 1 << 20
_SPARE_LINES = 1_000


@dataclass(frozen=True, kw_only=True, eq=False)
class SegmentPredictions:
    """The lists of a submission, as slots of the test set.

    Attributes:
        grid: Numbers the slots.
        begin: (C,) int64, where the list of each class of the vocabulary begins in `slots`; -1 without a list.
        end: (C,) int64, behind its last entry.
        slots: (N,) int32, best first in each list; -1 for an entry that means no segment (only with parity). Lies in
            an unnamed file that goes when this value goes.
    """

    grid: SegmentGrid
    begin: NDArray[np.int64]
    end: NDArray[np.int64]
    slots: NDArray[np.int32]

    def of(self, row: int) -> NDArray[np.int32] | None:
        """The list of a class, given its row in the vocabulary; None without one."""
        return None if self.begin[row] < 0 else self.slots[self.begin[row] : self.end[row]]


def read_predictions(folder: Path, data: DataSet, *, phase: Phase, parity: bool = False) -> Reading:  # noqa: ARG001 - one form for all challenges
    """The lists of `sub.csv`, or every problem with them.

    Args:
        folder: Holds `sub.csv`.
        data: Gives vocabulary and test videos; its answers are not touched.
        phase: Plays no part.
        parity: Check only what the official local evaluation checks.
    """
    vocabulary = read_vocabulary(data.inputs / layout.VOCABULARY)
    videos = layout.judged_videos(data)
    grid = SegmentGrid(videos, minimum_slots=_LONGEST_VIDEO_SLOTS if parity else 0)
    reader = _Reader(vocabulary, grid, parity=parity)
    faults = Faults(SUBMISSION)
    try:
        with open_regular(folder / SUBMISSION, max_bytes=reader.max_bytes) as stream:
            reader.read(io.BufferedReader(cast(io.RawIOBase, stream), _BUFFER_BYTES))
        reader.findings.pour(faults)
        predictions = None if faults.refused else reader.predictions()
    except SubmissionError as error:
        faults.extend(error)
        predictions = None
    finally:
        reader.close()
    return Reading(predictions=predictions, problems=faults.problems)


class _Reader:
    """Walks over the lines of one file."""

    def __init__(self, vocabulary: Vocabulary, grid: SegmentGrid, *, parity: bool) -> None:
        self._vocabulary = vocabulary
        self._grid = grid
        self._parity = parity
        self.findings = Findings(grid)
        self._line_bytes = max(_MIN_LINE_BYTES, 2 * CAP * (grid.videos.ids.dtype.itemsize // 4 + 8))
        self.max_bytes = (len(vocabulary.indices) + 1) * self._line_bytes
        self._max_lines = 2 * len(vocabulary.indices) + _SPARE_LINES
        self._begin = np.full(len(vocabulary.indices), -1, dtype=np.int64)
        self._end = self._begin.copy()
        self._line_of_class: dict[int, int] = {}
        self._seen = np.zeros(grid.slots, dtype=bool)
        self._spool = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the predictions that map it
        self._spooled = 0

    def read(self, stream: BinaryIO) -> None:
        """Takes in a whole file."""
        number, started = 0, False
        while number < self._max_lines and (raw := stream.readline(self._line_bytes)):
            number += 1
            surplus, cut = self._rest(stream) if len(raw) == self._line_bytes and raw[-1:] != b"\n" else (0, False)
            raw = raw if started else raw.removeprefix(_BOM)
            if not raw.strip():
                continue
            header, started = not started and self._header(raw, number), True
            if not header:
                self._list(raw, number, surplus=surplus, cut=cut)
        self._finish(number, started=started, whole=not stream.read(1))

    def predictions(self) -> SegmentPredictions:
        """What was read; only where nothing was refused."""
        slots = np.empty(0, dtype=np.int32)
        if self._spooled:
            self._spool.flush()
            slots = np.memmap(self._spool, dtype=np.int32, mode="r", shape=(self._spooled,))
        return SegmentPredictions(grid=self._grid, begin=self._begin, end=self._end, slots=slots)

    def close(self) -> None:
        """Lets go of the file; what maps it keeps it."""
        self._spool.close()

    def _rest(self, stream: BinaryIO) -> tuple[int, bool]:
        """Passes over the rest of an overlong line: the entries that begin there, and True."""
        entries = 0
        while more := stream.readline(self._line_bytes):
            entries += more.count(b" ")
            if more[-1:] == b"\n":
                break
        return entries, True

    def _header(self, raw: bytes, number: int) -> bool:
        """True when the first line is a header, right or wrong."""
        text = raw[:200].decode("utf-8", "replace").strip()
        if text.replace('"', "") == HEADER:
            return True
        if self._parity:
            return False
        if text[:1] in "0123456789\"'-+":
            message = f"the header is missing; the first line must be `{HEADER}`"
            self.findings.note("header", f"line {number}", lambda: message)
            return False
        message = f"the header is {shown(text)}; `{HEADER}` is needed"
        hint = "save it as UTF-8" if "\0" in text or "\ufffd" in text else ""
        self.findings.note("header", f"line {number}", lambda: message, hint=hint)
        return True

    def _list(self, raw: bytes, number: int, *, surplus: int, cut: bool) -> None:
        """Takes in one line after the header."""
        where = f"line {number}"
        comma = raw.find(b",")
        if comma < 0 or (self._parity and raw.count(b",") != 1):
            text = raw[:200].decode("utf-8", "replace").strip()
            message = f"{shown(text)} is not a class, a comma and a list"
            self.findings.note("line", where, lambda: message, hint="write `3,abcd:120 wxyz:35`")
            return
        row = self._class(raw[:comma], number)
        # A zero byte could not be told from the padding; no id has either byte.
        raw = raw.replace(b"\0", b"\1")
        begin, end = _bounds(raw, comma + 1, quotes=not self._parity)
        if cut:
            end = max(begin, raw.rfind(b" ", begin, end))
        if self._parity:
            self._keep_official(row, raw, begin, end)
            return
        total = self._entries(raw, begin, end, number, row) + surplus + cut
        if total > CAP:
            message = f"the list has `{total}` entries; at most `{CAP}` are allowed"
            self.findings.note("cap", where, lambda: message, hint="keep the best ones")
        elif cut:
            message = f"the line is longer than `{self._line_bytes}` bytes"
            self.findings.note("length", where, lambda: message)

    def _entries(self, raw: bytes, begin: int, end: int, number: int, row: int | None) -> int:
        """Checks the entries of a list and keeps them while nothing is refused; how many there are."""
        text = np.frombuffer(raw + bytes(self._grid.padding), dtype=np.uint8)
        spooled, count, whole = self._spooled, 0, 0
        self._seen.fill(False)
        for first, last in windows(raw, begin, end):
            entries = read_entries(text, first, last, self._grid)
            self.findings.note_entries(number, entries, raw, before=count)
            slots = entries.slot if not entries.flaw.any() else entries.slot[entries.flaw == Flaw.NONE]
            self._seen[slots] = True
            count, whole = count + len(entries.slot), whole + len(slots)
            if row is not None and not self.findings.refused:
                self._spool_slots(slots)
        if np.count_nonzero(self._seen) != whole:
            entries = mark_repeated([read_entries(text, *window, self._grid) for window in windows(raw, begin, end)])
            self.findings.note_entries(number, entries, raw, before=0)
        if row is not None:
            self._begin[row], self._end[row] = spooled, self._spooled
        return count

    def _keep_official(self, row: int | None, raw: bytes, begin: int, end: int) -> None:
        """Keeps what the official program would take: the line feed belongs to the last entry there."""
        text = np.frombuffer(raw + bytes(self._grid.padding), dtype=np.uint8)
        parts = [read_entries(text, first, last, self._grid).slot for first, last in windows(raw, begin, end)]
        slot_N = np.concatenate(parts)
        if raw[-1:] == b"\n" and len(slot_N):
            slot_N[-1] = -1
        if row is not None:
            self._begin[row] = self._spooled
            self._spool_slots(slot_N[:CAP])
            self._end[row] = self._spooled

    def _class(self, text: bytes, number: int) -> int | None:
        """The row of a line's class in the vocabulary, or None."""
        name = text.decode("utf-8", "replace")
        bare = name if self._parity else name.strip('"')
        try:
            index = int(bare) if self._parity or (bare.isascii() and bare.isdigit() and len(bare) < 20) else None
        except ValueError:
            index = None
        where = f"line {number}"
        if index is None:
            message = f"the class is {shown(name)}; a whole number of the vocabulary's `Index` is needed"
            self.findings.note("class form", where, lambda: message)
            return None
        row = self._vocabulary.rows.get(index)
        if row is None and not self._parity:
            hint = "the class is the `Index` of the vocabulary, not its row"
            self.findings.note("class", where, lambda: f"class `{index}` is not in the vocabulary", hint=hint)
        elif row in self._line_of_class and not self._parity:
            message = f"class `{index}` has a list already, in line `{self._line_of_class[row]}`"
            self.findings.note("class twice", where, lambda: message)
        elif row is not None:
            self._line_of_class[row] = number
        return row

    def _spool_slots(self, slot_N: NDArray[np.int64]) -> None:
        self._spool.write(slot_N.astype(np.int32).data)
        self._spooled += len(slot_N)

    def _finish(self, lines: int, *, started: bool, whole: bool) -> None:
        """Notes what only the end of the file tells."""
        absent = [row for row in range(len(self._begin)) if row not in self._line_of_class]
        if not whole:
            message = f"the file has more than `{lines}` lines; one a class is needed"
            self.findings.note("lines", f"line {lines + 1}", lambda: message)
        elif not started:
            self.findings.note("empty", "", lambda: "the file is empty", hint=f"its first line is `{HEADER}`")
        elif not self._line_of_class:
            self.findings.note("no class", "", lambda: "the file lists no class of the vocabulary")
        elif absent and not self._parity:
            message = f"class {shown(self._vocabulary.label(absent[0]))} has no list, so it scores 0"
            self.findings.note("missing", "", lambda: message, count=len(absent), severity=Severity.WARNING)


def _bounds(raw: bytes, begin: int, *, quotes: bool) -> tuple[int, int]:
    """Where the list of a line begins and ends, without line end and, when asked, without quotes around it."""
    end = len(raw)
    if raw[end - 1 : end] == b"\n":
        end -= 1
    if raw[end - 1 : end] == b"\r":
        end -= 1
    if quotes and end - begin >= 2 and raw[begin : begin + 1] == b'"' == raw[end - 1 : end]:
        return begin + 1, end - 1
    return begin, end
