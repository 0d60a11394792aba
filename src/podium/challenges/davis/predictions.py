"""The result of a submission: masks, ``paths.json`` and ``metadata.json``; or a tree of masks as DAVIS writes them.

```
paths.json      {"output": {"0": "outputs/00000.png", …}}      the row of a frame is that in inputs/paths.json
metadata.json   {"nparams": 1234567, "nflops": 8901234}        nflops may be left out
outputs/        00000.png …  8-bit grey: 0 to 255 is confidence, from 128 on foreground
```

Without ``paths.json`` each clip may have a folder of its own, ``bear/00000.png``: palette files whose object ids above
0 are foreground, or grey files of 0 and 255.

The contest's own reader (`parity`) takes palette and 1-bit files for grey, pairs rows by their order, lets frames out
that have no mask, ignores surplus ones and only warns about a missing `nparams`. The default refuses or counts as 0.

Axes: H height, W width.
"""

from __future__ import annotations

import os
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from podium.challenges.davis import paths
from podium.challenges.davis.findings import Findings
from podium.challenges.davis.layout import Frame, Sequence, frames_of, judged_sequences
from podium.challenges.davis.metadata import METADATA, Metadata, read_metadata
from podium.errors import SubmissionError, nearest
from podium.formats import masks
from podium.formats.faults import Faults, shown
from podium.formats.masks import MaskKind
from podium.metrics.regions import binarise
from podium.types import DataSet, Phase, Reading, Severity

OUTPUTS = "outputs"

_STRICT, _TREE = (MaskKind.GREY,), (MaskKind.PALETTE, MaskKind.GREY)
_LOOSE = (MaskKind.GREY, MaskKind.PALETTE, MaskKind.ONE_BIT)
_MOST_OBJECTS = 20
_SPARE_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True, eq=False)
class DavisPredictions:
    """The masks of a submission.

    Attributes:
        sequences: The clips of the test set.
        places: Where the mask of each row begins in `held` and how long it is; a row without one is missing.
        held: The masks, one bit a pixel, deflated. Lies in an unnamed file that goes when this value goes.
        metadata: What the submission says of its model; None only with parity.
        parity: Read as the contest reads.
        memory: What was worked out from these predictions and need not be again.
    """

    sequences: tuple[Sequence, ...]
    places: Mapping[int, tuple[int, int]]
    held: NDArray[np.uint8]
    metadata: Metadata | None
    parity: bool = False
    memory: dict[str, Any] = field(default_factory=dict[str, Any])

    def mask(self, sequence: Sequence, row: int) -> NDArray[np.bool_] | None:
        """The foreground of a frame, (H, W); None where the submission has none."""
        if row not in self.places:
            return None
        start, length = self.places[row]
        bits = np.frombuffer(zlib.decompress(self.held[start : start + length].tobytes()), np.uint8)
        shape = sequence.height, sequence.width
        return np.unpackbits(bits, count=shape[0] * shape[1]).reshape(shape).view(np.bool_)


def read_predictions(folder: Path, data: DataSet, *, phase: Phase, parity: bool = False) -> Reading:  # noqa: ARG001 - one form for all challenges
    """The masks in a folder, or every problem with them.

    Args:
        folder: Holds ``paths.json`` or a folder for each clip, and ``metadata.json``.
        data: Gives the frames; its answers are not touched.
        phase: Plays no part.
        parity: Accept and refuse what the contest's own scorer does.
    """
    sequences = judged_sequences(data)
    findings = Findings()
    metadata = read_metadata(folder / METADATA, findings, required=not parity)
    reader = _Reader(folder, sequences, parity=parity)
    held = reader.read()
    faults = Faults(METADATA)
    findings.pour(faults)
    rest = Faults(reader.file)
    reader.findings.pour(rest)
    problems = (*faults.problems, *rest.problems)
    if findings.refused or reader.findings.refused:
        return Reading(predictions=None, problems=problems)
    predictions = DavisPredictions(
        sequences=sequences, places=reader.places, held=held, metadata=metadata, parity=parity
    )
    return Reading(predictions=predictions, problems=problems)


@dataclass(frozen=True)
class _Wanted:
    sequence: Sequence
    frame: Frame
    path: str


class _Reader:
    """Reads the masks one after the other and keeps a packed bit a pixel."""

    def __init__(self, folder: Path, sequences: tuple[Sequence, ...], *, parity: bool) -> None:
        self._folder = folder
        self._sequences = sequences
        self._parity = parity
        self._tree = not parity and not os.path.lexists(folder / paths.PATHS) and self._has_clip_folders()
        self._sound: dict[str, str] = {}
        self._highest = 0
        self.findings = Findings()
        self.places: dict[int, tuple[int, int]] = {}
        self.file = "the masks" if self._tree else paths.PATHS

    def read(self) -> NDArray[np.uint8]:
        wanted = list(self._in_tree() if self._tree else self._in_table())
        with tempfile.TemporaryFile() as spool:
            for each in wanted:
                self._take(each, spool)
            if wanted and not self._parity and not self._tree:
                self._judge_levels()
            spool.flush()
            return np.memmap(spool, np.uint8, "r") if spool.tell() else np.empty(0, np.uint8)

    def _has_clip_folders(self) -> bool:
        return any((self._folder / each.clip).is_dir() for each in self._sequences)

    def _in_tree(self) -> Iterator[_Wanted]:
        clips = {each.clip for each in self._sequences}
        for found in sorted(each.name for each in self._folder.iterdir() if each.is_dir()):
            if found not in clips:
                self.findings.note("clip", "", f"no clip is called {shown(found)}; {nearest(found, clips)}")
        for sequence, frame in frames_of(self._sequences):
            path = f"{frame.name}.png"
            if os.path.lexists(self._folder / path):
                yield _Wanted(sequence, frame, path)
            else:
                self._miss(frame, f"`{path}` is missing")

    def _in_table(self) -> Iterator[_Wanted]:
        hint = "write it, or a folder of palette files for each clip"
        column = paths.read_column(self._folder / paths.PATHS, paths.OUTPUT, self.findings, hint=hint)
        if column is None:
            return
        frames = list(frames_of(self._sequences))
        if self._parity:
            column = dict(enumerate(column.values()))
            if len(column) < len(frames):
                self.findings.note("rows", "", f"there are `{len(column)}` rows for `{len(frames)}` frames")
        for row in column:
            if row >= len(frames) and not self._parity:
                message = f"there is no such frame; rows are `0` to `{len(frames) - 1}`"
                self.findings.note("row", f"row {row}", message, hint="use the rows of the inputs' `paths.json`")
        for sequence, frame in frames:
            path = column.get(frame.row)
            if path is not None:
                yield _Wanted(sequence, frame, path)
            else:
                self._miss(frame, "the path is null" if frame.row in column else "the row is missing")

    def _miss(self, frame: Frame, message: str) -> None:
        if not self._parity:
            text = f"{message}: frame `{frame.name}` scores 0"
            self.findings.note(
                "missing", f"row {frame.row}", text, hint="write a mask for every frame", severity=Severity.WARNING
            )

    def _take(self, wanted: _Wanted, spool: IO[bytes]) -> None:
        where = f"row {wanted.frame.row} `{wanted.path}`"
        fault = self._folder_fault(wanted.path)
        if fault:
            self.findings.note("folder", where, fault, hint="write plain folders and files")
            return
        size = wanted.sequence.height, wanted.sequence.width
        kinds = _LOOSE if self._parity else _TREE if self._tree else _STRICT
        most = _SPARE_BYTES + 2 * size[0] * size[1]
        reading = masks.read(self._folder / wanted.path, kinds=kinds, size=size, max_bytes=most)
        for each in reading.faults:
            self.findings.note(f"{each.flaw} {reading.kind}", where, each.message, hint=each.hint)
        if reading.levels_HW is None:
            return
        mask_HW = self._foreground(reading.levels_HW, reading.kind, where)
        packed = zlib.compress(np.packbits(mask_HW).tobytes(), 1)
        self.places[wanted.frame.row] = spool.tell(), len(packed)
        spool.write(packed)

    def _foreground(self, levels_HW: masks.Levels, kind: MaskKind | None, where: str) -> NDArray[np.bool_]:
        highest = int(levels_HW.max())
        self._highest = max(self._highest, highest)
        if not self._tree:
            if highest == 1 and not self._parity:
                message = "the grey levels are 0 and 1, which is all background; from 128 on is foreground"
                self.findings.note("binary", where, message, hint="multiply by 255", severity=Severity.WARNING)
            return binarise(levels_HW)
        if kind is MaskKind.GREY and np.any((levels_HW > _MOST_OBJECTS) & (levels_HW < 255)):
            message = f"the file has grey levels between object ids (0 to {_MOST_OBJECTS}) and 255"
            hint = "for confidences write `paths.json`; in a tree write 0 and 255"
            self.findings.note("levels", where, message, hint=hint)
        return levels_HW != 0

    def _judge_levels(self) -> None:
        """What can only be said of all masks together: one frame may well hold no confidence above 1."""
        if self._highest == 1:
            message = f"no grey level is above 1 in any of `{len(self.places)}` masks; from 128 on is foreground"
            self.findings.note("scale", "", message, hint="multiply masks of 0 and 1 by 255")
        elif self._highest < 128 and self.places:
            message = f"no grey level is above `{self._highest}` in any mask, so that all are empty"
            hint = "from 128 on is foreground; object ids belong into palette files in a folder for each clip"
            self.findings.note("scale", "", message, hint=hint, severity=Severity.WARNING)

    def _folder_fault(self, path: str) -> str:
        """Why the folders of a path may not be walked; empty when they may."""
        parent = str(PurePosixPath(path).parent)
        if parent not in self._sound:
            self._sound[parent] = ""
            place = self._folder
            for part in PurePosixPath(parent).parts:
                place /= part
                if place.is_symlink():
                    self._sound[parent] = f"the folder `{place.name}` is a link; links are not followed"
                    break
        return self._sound[parent]


def require(predictions: DavisPredictions, *, parity: bool) -> None:
    """Refuses predictions that were read under the other rule.

    Raises:
        SubmissionError: They were read with parity and are to be scored without, or the other way round.
    """
    if predictions.parity != parity:
        raise SubmissionError("the predictions were read under another rule than they are to be scored by")
