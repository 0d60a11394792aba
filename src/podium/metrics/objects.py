"""Several objects in one video: J and F of each, as the DAVIS challenges of 2017 and of 2019/2020 measure them.

Frames come one after the other; of each only one count a pair of objects stays. An object's boundary is found and
thickened once, however many it is compared with.

Axes: H height, W width, T frames, A annotated objects, P predicted objects.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError
from podium.metrics.assignment import best_assignment
from podium.metrics.regions import TOLERANCE_SHARE, Comparison, Outlined
from podium.metrics.sequences import Frames, Statistics, statistics

Labels = NDArray[np.uint8]
Floats = NDArray[np.float64]

VOID = 255
MOST_PROPOSALS = 20


class Task(StrEnum):
    """What is known of the objects beforehand."""

    SEMI_SUPERVISED = "semi-supervised"
    UNSUPERVISED = "unsupervised"

    @property
    def frames(self) -> Frames:
        """The frames that count."""
        return Frames.INNER if self is Task.SEMI_SUPERVISED else Frames.ALL


@dataclass(frozen=True, kw_only=True)
class ObjectScore:
    """One annotated object.

    Attributes:
        annotation: Its id, from 1.
        prediction: The id that it was compared with; it may be one that was never predicted.
        region: J over the frames that count.
        boundary: F over the frames that count.
    """

    annotation: int
    prediction: int
    region: Statistics
    boundary: Statistics


class ObjectTracks:
    """Gathers J and F of pairs of objects, frame by frame.

    Args:
        height: Of every frame.
        width: Of every frame.
        objects: Annotated objects: the highest id of the first annotation, void aside.
        task: Semi-supervised: ids go together as they are, void counts as background of the annotation. Unsupervised:
            every proposal is compared with every object, void counts as background of both.
        tolerance: As in `Comparison`.

    Raises:
        UsageError: There is no object.

    >>> labels_HW = np.zeros((48, 64), np.uint8); labels_HW[10:20, 10:20] = 1; labels_HW[30:40, 30:40] = 2
    >>> tracks = ObjectTracks(48, 64, objects=2, task=Task.UNSUPERVISED)
    >>> tracks.add(labels_HW, np.where(labels_HW > 0, 3 - labels_HW, 0).astype(np.uint8))
    >>> [(each.annotation, each.prediction, each.region.mean) for each in tracks.scores()]
    [(1, 2, 1.0), (2, 1, 1.0)]
    """

    def __init__(
        self, height: int, width: int, *, objects: int, task: Task, tolerance: float = TOLERANCE_SHARE
    ) -> None:
        if objects < 1:
            raise UsageError(f"`{objects}` objects are annotated; at least 1 is needed")
        self._comparison = Comparison(height, width, tolerance=tolerance)
        self._empty = self._comparison.prepare(np.zeros((height, width), bool))
        self._objects = objects
        self._task = task
        self._regions: list[dict[tuple[int, int], float]] = []
        self._boundaries: list[dict[tuple[int, int], float]] = []
        self._proposals = 0

    def add(self, annotation_HW: Labels, prediction_HW: Labels) -> None:
        """Takes in the next frame.

        Args:
            annotation_HW: Ids of objects, 255 for void; ids above `objects` are background.
            prediction_HW: Ids of objects. Semi-supervised at most as many as are annotated, unsupervised at most 20.

        Raises:
            UsageError: An id is too high, or a shape or type is wrong.
        """
        most = self._objects if self._task is Task.SEMI_SUPERVISED else MOST_PROPOSALS
        if prediction_HW.dtype != np.uint8 or annotation_HW.dtype != np.uint8:
            raise UsageError(f"labels are `{annotation_HW.dtype}` and `{prediction_HW.dtype}`; uint8 is needed")
        highest = int(prediction_HW.max())
        if highest > most:
            raise UsageError(f"frame {len(self._regions)} has the object id `{highest}`; at most `{most}` is allowed")
        self._proposals = max(self._proposals, highest)
        if self._task is Task.UNSUPERVISED:
            prediction_HW = np.where(annotation_HW == VOID, np.uint8(0), prediction_HW)
        truth = self._prepared(annotation_HW, self._objects)
        found = self._prepared(prediction_HW, most)
        region: dict[tuple[int, int], float] = {}
        boundary: dict[tuple[int, int], float] = {}
        for annotation, prediction in self._pairs(truth, found):
            both = self._comparison.agreement(truth.get(annotation, self._empty), found.get(prediction, self._empty))
            region[annotation, prediction] = both.region
            boundary[annotation, prediction] = both.boundary
        self._regions.append(region)
        self._boundaries.append(boundary)

    def scores(self) -> tuple[ObjectScore, ...]:
        """Every annotated object, in the order of ids, with the prediction that goes with it.

        Unsupervised, the pairs are those with the greatest sum of (mean J + mean F) / 2.

        Raises:
            UsageError: No frame counts: semi-supervised, the first and the last do not.
        """
        frames = self._task.frames
        if not len(frames.of(np.zeros(len(self._regions)))):
            raise UsageError(f"`{len(self._regions)}` frames were taken in, and none of them counts")
        partners = {each: each for each in range(1, self._objects + 1)}
        if self._task is Task.UNSUPERVISED:
            columns = max(self._proposals, self._objects)
            gain_AP = np.array(
                [
                    [self._gain(annotation, prediction) for prediction in range(1, columns + 1)]
                    for annotation in range(1, self._objects + 1)
                ]
            )
            rows, chosen = best_assignment(gain_AP)
            partners = {int(row) + 1: int(column) + 1 for row, column in zip(rows, chosen, strict=True)}
        return tuple(self._score(annotation, prediction) for annotation, prediction in partners.items())

    def _prepared(self, labels_HW: Labels, most: int) -> dict[int, Outlined]:
        """The objects that are in the frame."""
        there = np.flatnonzero(np.bincount(labels_HW.reshape(-1), minlength=256)[1 : most + 1]) + 1
        return {int(each): self._comparison.prepare(labels_HW == each) for each in there}

    def _pairs(self, truth: dict[int, Outlined], found: dict[int, Outlined]) -> Iterator[tuple[int, int]]:
        """The pairs of a frame that are not wholly apart for being absent; of the others J and F are 0 or 1."""
        if self._task is Task.SEMI_SUPERVISED:
            yield from ((each, each) for each in range(1, self._objects + 1))
            return
        for annotation in range(1, self._objects + 1):
            for prediction in range(1, max(MOST_PROPOSALS, self._objects) + 1):
                if annotation in truth or prediction in found:
                    yield annotation, prediction

    def _track(self, frames: list[dict[tuple[int, int], float]], pair: tuple[int, int]) -> Floats:
        """(T,) of a pair; where both are absent they agree wholly."""
        return np.array([each.get(pair, 1.0) for each in frames])

    def _gain(self, annotation: int, prediction: int) -> float:
        pair = annotation, prediction
        region_T, boundary_T = self._track(self._regions, pair), self._track(self._boundaries, pair)
        return (float(region_T.mean()) + float(boundary_T.mean())) / 2

    def _score(self, annotation: int, prediction: int) -> ObjectScore:
        pair, frames = (annotation, prediction), self._task.frames
        region = statistics(frames.of(self._track(self._regions, pair)))
        boundary = statistics(frames.of(self._track(self._boundaries, pair)))
        if region is None or boundary is None:
            raise UsageError("a track has no frame")
        return ObjectScore(annotation=annotation, prediction=prediction, region=region, boundary=boundary)


def object_count(labels_HW: Labels) -> int:
    """How many objects an annotation names: its highest id, void aside.

    >>> object_count(np.array([[0, 3, 255]], np.uint8))
    3
    """
    kept = labels_HW[labels_HW != VOID]
    return int(kept.max()) if kept.size else 0
