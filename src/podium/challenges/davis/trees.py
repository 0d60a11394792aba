"""Folders of masks as DAVIS writes them, judged as its challenges judge them: 2016, 2017 and 2019/2020.

```
<annotations>/<sequence>/00000.png      <results>/<sequence>/00000.png
```

The frames of a sequence are the annotation's files. A file is a palette of object ids, or grey with 0 and 255 (one
object). One frame of each side is in memory at a time.

Axes: H height, W width, T frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from podium.challenges.davis.findings import Findings
from podium.challenges.davis.tables import write_statistics
from podium.errors import ChallengeError, SubmissionError, UsageError
from podium.formats import masks
from podium.formats.faults import Faults, shown
from podium.formats.masks import Levels, MaskKind
from podium.metrics.objects import MOST_PROPOSALS, VOID, ObjectTracks, Task, object_count
from podium.metrics.regions import Comparison
from podium.metrics.sequences import Frames, Statistics, statistics
from podium.types import Progress, silent

_KINDS = (MaskKind.PALETTE, MaskKind.GREY, MaskKind.ONE_BIT)


class Protocol(StrEnum):
    """How a tree is judged."""

    DAVIS_2016 = "2016"
    SEMI_SUPERVISED = "2017-semi-supervised"
    UNSUPERVISED = "2017-unsupervised"

    @property
    def frames(self) -> Frames:
        """The frames that count."""
        return Frames.ALL if self is Protocol.UNSUPERVISED else Frames.INNER

    @property
    def summary(self) -> str:
        """One line for tables."""
        return {
            Protocol.DAVIS_2016: "any object, without first and last frame, mean over sequences",
            Protocol.SEMI_SUPERVISED: "objects by id, without first and last frame, mean over objects",
            Protocol.UNSUPERVISED: "objects by best assignment, all frames, mean over objects",
        }[self]


@dataclass(frozen=True, kw_only=True)
class TrackScore:
    """One object of a sequence, or its foreground.

    Attributes:
        sequence: Its name.
        annotation: The id of the annotated object; None for the foreground as a whole.
        prediction: The id that it was compared with; None as above.
        region: J over the frames that count.
        boundary: F over the frames that count.
    """

    sequence: str
    annotation: int | None
    prediction: int | None
    region: Statistics
    boundary: Statistics

    @property
    def name(self) -> str:
        """``judo_2``, or ``judo`` for the foreground as a whole. The number is the annotation's own."""
        return self.sequence if self.annotation is None else f"{self.sequence}_{self.annotation}"


@dataclass(frozen=True, kw_only=True)
class TreeScore:
    """All tracks of a tree, in the order of names.

    Attributes:
        protocol: How it was judged.
        tracks: At least one.
    """

    protocol: Protocol
    tracks: tuple[TrackScore, ...]

    @property
    def region(self) -> Statistics:
        """Mean of mean, recall and decay of J over the tracks."""
        return _mean([each.region for each in self.tracks])

    @property
    def boundary(self) -> Statistics:
        """Mean of mean, recall and decay of F over the tracks."""
        return _mean([each.boundary for each in self.tracks])

    @property
    def both(self) -> float:
        """J&F."""
        return (self.region.mean + self.boundary.mean) / 2

    def write(self, into: Path, *, name: str = "val") -> tuple[Path, ...]:
        """Writes ``global_results-val.csv`` and ``per-sequence_results-val.csv`` as the official program does."""
        return write_statistics(into, [(each.name, each.region, each.boundary) for each in self.tracks], name=name)


def judge_tree(
    annotations: Path,
    results: Path,
    protocol: Protocol,
    *,
    sequences: Sequence[str] | None = None,
    progress: Progress = silent,
) -> TreeScore:
    """Judges a tree of results.

    Args:
        annotations: A folder for each sequence.
        results: As many, with a file for each annotation.
        protocol: What counts.
        sequences: Those to judge; None takes all that are annotated.
        progress: Shows the walk over the sequences.

    Raises:
        ChallengeError: An annotation is broken, or shows no object where it must, or a name cannot be written.
        SubmissionError: Results are missing or broken; carries every problem.
        UsageError: There is no sequence, or one is not annotated.
    """
    found = sorted(each.name for each in annotations.iterdir() if each.is_dir()) if annotations.is_dir() else []
    names = found if sequences is None else sorted(sequences)
    unknown = [each for each in names if each not in found]
    if unknown or not names:
        what = f"no sequence {shown(unknown[0])}" if unknown else "no sequence"
        raise UsageError(f"`{annotations}` has {what}; a folder of masks for each is needed")
    odd = next((each for each in names if not each.isprintable()), None)
    if odd is not None:
        raise ChallengeError(f"the name of the sequence {shown(odd)} cannot be written; rename its folder")
    findings = Findings()
    tracks: list[TrackScore] = []
    for name in progress(names, what="judging sequences", total=len(names)):
        tracks += _Walk(annotations, results, name, findings).tracks(protocol)
    if findings.refused:
        faults = Faults(results.name)
        findings.pour(faults)
        raise SubmissionError(f"the results in `{results}` cannot be judged", faults.problems)
    return TreeScore(protocol=protocol, tracks=tuple(tracks))


class _Walk:
    """The frames of one sequence."""

    def __init__(self, annotations: Path, results: Path, sequence: str, findings: Findings) -> None:
        self._files = sorted((annotations / sequence).glob("*.png"))
        self._results = results / sequence
        self._sequence = sequence
        self._findings = findings
        if not self._files:
            raise ChallengeError(f"`{annotations / sequence}` holds no mask")
        self._first = _truth(self._files[0])

    def tracks(self, protocol: Protocol) -> list[TrackScore]:
        if len(protocol.frames.of(np.zeros(len(self._files)))) == 0:
            raise ChallengeError(f"`{self._sequence}` has `{len(self._files)}` frames, none of which counts")
        if self._results.is_symlink():
            self._findings.note("folder", f"`{self._sequence}`", "this is a link; links are not followed")
            return []
        if protocol is Protocol.DAVIS_2016:
            return self._foreground(protocol)
        return self._objects(Task.UNSUPERVISED if protocol is Protocol.UNSUPERVISED else Task.SEMI_SUPERVISED)

    def _foreground(self, protocol: Protocol) -> list[TrackScore]:
        comparison = Comparison(*self._first.shape)
        region, boundary = np.zeros(len(self._files)), np.zeros(len(self._files))
        for at, path in enumerate(self._files):
            truth_HW = _truth(path, self._first.shape)
            result_HW = self._result(path.name, VOID)
            if result_HW is not None:
                both = comparison.compare(truth_HW != 0, result_HW != 0)
                region[at], boundary[at] = both.region, both.boundary
        return [self._score(protocol.frames.of(region), protocol.frames.of(boundary))]

    def _objects(self, task: Task) -> list[TrackScore]:
        objects = object_count(self._first)
        if not objects:
            raise ChallengeError(f"`{self._files[0]}` shows no object; the first frame must show all")
        most = objects if task is Task.SEMI_SUPERVISED else MOST_PROPOSALS
        tracks = ObjectTracks(*self._first.shape, objects=objects, task=task)
        whole = True
        for path in self._files:
            result_HW = self._result(path.name, most)
            whole = whole and result_HW is not None
            if result_HW is not None and whole:
                tracks.add(_truth(path, self._first.shape), result_HW)
        if not whole:
            return []
        return [
            TrackScore(
                sequence=self._sequence,
                annotation=each.annotation,
                prediction=each.prediction,
                region=each.region,
                boundary=each.boundary,
            )
            for each in tracks.scores()
        ]

    def _result(self, name: str, most: int) -> Levels | None:
        """The ids of a result; None, with the reason noted, where they cannot be used."""
        where = f"`{self._sequence}/{name}`"
        reading = masks.read(self._results / name, kinds=_KINDS, size=(self._first.shape[0], self._first.shape[1]))
        for each in reading.faults:
            self._findings.note(f"{each.flaw} {reading.kind}", where, each.message, hint=each.hint)
        if reading.levels_HW is None:
            return None
        labels_HW = _labels(reading.levels_HW, reading.kind)
        highest = int(labels_HW.max())
        if highest > most:
            message = f"the highest object id is `{highest}`; at most `{most}` is allowed"
            self._findings.note("ids", where, message, hint="write ids from 1 on in a palette file")
            return None
        return labels_HW

    def _score(self, region_T: NDArray[np.float64], boundary_T: NDArray[np.float64]) -> TrackScore:
        region, boundary = statistics(region_T), statistics(boundary_T)
        if region is None or boundary is None:
            raise ChallengeError(f"`{self._sequence}` has no frame that counts")
        return TrackScore(sequence=self._sequence, annotation=None, prediction=None, region=region, boundary=boundary)


def _truth(path: Path, size: tuple[int, ...] | None = None) -> Levels:
    reading = masks.read(path, kinds=_KINDS, size=None if size is None else (size[0], size[1]))
    if reading.levels_HW is None:
        raise ChallengeError(f"the annotation `{path}` is broken: {reading.faults[0].message}")
    return _labels(reading.levels_HW, reading.kind)


def _labels(levels_HW: Levels, kind: MaskKind | None) -> Levels:
    """Object ids; 255 in a grey file of 0 and 255 is no void but the one object."""
    if kind is MaskKind.GREY and not np.any((levels_HW > 0) & (levels_HW < 255)):
        return np.minimum(levels_HW, 1)
    return levels_HW


def _mean(parts: Sequence[Statistics]) -> Statistics:
    mean, recall, decay = np.mean([(each.mean, each.recall, each.decay) for each in parts], axis=0).tolist()
    return Statistics(mean=mean, recall=recall, decay=decay)
