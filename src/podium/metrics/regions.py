"""How well two masks agree: regions (J, IoU) and boundaries (F), as DAVIS and the contest measure them.

Sources: F. Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation", CVPR 2016;
J. Pont-Tuset et al., "The 2017 DAVIS Challenge on Video Object Segmentation"; the contest's `binary_iou`.

Axes: H height, W width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError
from podium.metrics.bitmaps import Bitmaps, Bits, Bools, count, overlap

TOLERANCE_SHARE = 0.008
"""Of a picture's diagonal: how far apart boundaries may lie and still match."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """What two masks of one frame have in common, in pixels.

    Attributes:
        intersection: Set in both.
        union: Set in either.
        annotation_boundary: Boundary pixels of the annotation.
        prediction_boundary: Boundary pixels of the prediction.
        annotation_matched: Those of the annotation that lie near the prediction's boundary.
        prediction_matched: Those of the prediction that lie near the annotation's boundary.
    """

    intersection: int
    union: int
    annotation_boundary: int
    prediction_boundary: int
    annotation_matched: int
    prediction_matched: int

    @property
    def region(self) -> float:
        """J, in [0, 1]; two empty masks agree wholly."""
        return self.intersection / self.union if self.union else 1.0

    @property
    def iou(self) -> float | None:
        """The contest's IoU, in [0, 1]; None where both masks are empty: such a frame leaves the mean."""
        return self.intersection / self.union if self.union else None

    @property
    def boundary(self) -> float:
        """F, in [0, 1]: harmonic mean of precision and recall; 1 where neither mask has a boundary."""
        if not self.annotation_boundary or not self.prediction_boundary:
            return 1.0 if self.annotation_boundary == self.prediction_boundary else 0.0
        precision = self.prediction_matched / self.prediction_boundary
        recall = self.annotation_matched / self.annotation_boundary
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Outlined:
    """A mask made ready to be compared with many.

    Attributes:
        mask: Packed.
        outline: Its boundary.
        near: What lies within the tolerance of the boundary.
        area: Pixels of the mask.
        length: Pixels of the boundary.
    """

    mask: Bits
    outline: Bits
    near: Bits
    area: int
    length: int


class Comparison:
    """Compares masks of one size, frame by frame. Holds a few scratch pictures; not for several threads at once.

    Args:
        height: Of every mask.
        width: Of every mask.
        tolerance: A share of the diagonal below 1, or a number of pixels from 1 on.

    >>> comparison = Comparison(480, 854)
    >>> annotation_HW = np.zeros((480, 854), bool); annotation_HW[100:300, 200:400] = True
    >>> agreement = comparison.compare(annotation_HW, np.roll(annotation_HW, 8, axis=1))
    >>> round(agreement.region, 4), agreement.boundary
    (0.9231, 1.0)
    """

    def __init__(self, height: int, width: int, *, tolerance: float = TOLERANCE_SHARE) -> None:
        self.radius = tolerance_pixels(height, width, tolerance)
        self._bitmaps = Bitmaps(height, width, radius=self.radius)

    def compare(self, annotation_HW: Bools, prediction_HW: Bools, *, void_HW: Bools | None = None) -> Agreement:
        """What two masks have in common.

        Args:
            annotation_HW: The truth.
            prediction_HW: Of the same shape.
            void_HW: Pixels that count as background in both; None for none.

        Raises:
            UsageError: A mask has another shape or is not boolean.
        """
        if void_HW is not None:
            annotation_HW, prediction_HW = annotation_HW & ~void_HW, prediction_HW & ~void_HW
        return self.agreement(self.prepare(annotation_HW), self.prepare(prediction_HW))

    def prepare(self, mask_HW: Bools) -> Outlined:
        """The mask with its boundary, found and thickened once for all comparisons."""
        mask = self._bitmaps.pack(mask_HW)
        outline = self._bitmaps.outline(mask)
        length = count(outline)
        near = self._bitmaps.thicken(outline) if length else outline
        return Outlined(mask=mask, outline=outline, near=near, area=count(mask), length=length)

    def agreement(self, annotation: Outlined, prediction: Outlined) -> Agreement:
        """What two masks that were made ready here have in common."""
        shared = overlap(annotation.mask, prediction.mask) if annotation.area and prediction.area else 0
        outlined = bool(annotation.length and prediction.length)
        return Agreement(
            intersection=shared,
            union=annotation.area + prediction.area - shared,
            annotation_boundary=annotation.length,
            prediction_boundary=prediction.length,
            annotation_matched=overlap(annotation.outline, prediction.near) if outlined else 0,
            prediction_matched=overlap(prediction.outline, annotation.near) if outlined else 0,
        )


def tolerance_pixels(height: int, width: int, tolerance: float = TOLERANCE_SHARE) -> int:
    """How far apart boundaries may lie, in pixels: a share of the diagonal rounded up, or the number itself from 1 on.

    Raises:
        UsageError: The tolerance is not above 0, or is no whole number of pixels.

    >>> [tolerance_pixels(480, width) for width in (854, 910, 1152)]
    [8, 9, 10]
    """
    if not tolerance > 0 or (tolerance >= 1 and tolerance != int(tolerance)):
        raise UsageError(f"the tolerance is `{tolerance}`; a share below 1 or a whole number of pixels is needed")
    return int(tolerance) if tolerance >= 1 else math.ceil(tolerance * math.hypot(height, width))


def intersection_over_union(
    annotation_HW: Bools, prediction_HW: Bools, *, void_HW: Bools | None = None
) -> float | None:
    """The contest's IoU of two masks; None where both are empty.

    Raises:
        UsageError: The shapes differ.

    >>> intersection_over_union(np.array([[True, True]]), np.array([[True, False]]))
    0.5
    """
    if annotation_HW.shape != prediction_HW.shape:
        raise UsageError(f"masks have shapes `{annotation_HW.shape}` and `{prediction_HW.shape}`; both must be alike")
    both, either = annotation_HW & prediction_HW, annotation_HW | prediction_HW
    if void_HW is not None:
        both, either = both & ~void_HW, either & ~void_HW
    union = int(np.count_nonzero(either))
    return int(np.count_nonzero(both)) / union if union else None


def binarise(levels_HW: NDArray[np.uint8]) -> Bools:
    """The contest's rule for 8-bit confidence: 128 to 255 is foreground.

    >>> binarise(np.array([0, 127, 128, 255], np.uint8)).tolist()
    [False, False, True, True]
    """
    return levels_HW >= 128
