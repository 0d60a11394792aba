"""Masks that hold together over time: the mask before, carried along by the flow; specks dropped, holes filled.

Axes: H height, W width; flow_HW2 is (dx, dy) in pixels, from a frame to another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError
from podium.solutions.object_segmentation.opencv import one_thread, opencv

Probability = NDArray[np.float32]
Flow = NDArray[np.float32]
Mask = NDArray[np.bool_]

_AGREEMENT = 0.01
_AGREEMENT_PIXELS2 = 0.5
# So far from one half that no scaling of the map brings them to the other side.
_BACKGROUND, _FOREGROUND = np.float32(0.49), np.float32(0.51)


def warped(map_HW: Probability, flow_HW2: Flow) -> Probability:
    """What a map says at the places that the flow points to, (H, W), bilinear; past the edge, the edge.

    Args:
        map_HW: Of the frame that the flow leads to.
        flow_HW2: From the frame of the result, of the same size.

    Raises:
        MachineError: OpenCV is missing.

    >>> ramp_HW = np.tile(np.arange(4, dtype=np.float32), (2, 1))
    >>> warped(ramp_HW, np.full((2, 4, 2), (0.5, 0), np.float32))[0].tolist()
    [0.5, 1.5, 2.5, 3.0]
    """
    return _sampled(map_HW, flow_HW2)


def agreement(there_HW2: Flow, back_HW2: Flow) -> Mask:
    """Where going along a flow and back again ends near the start, (H, W): what is not occluded.

    The squared gap is at most 0.01 times the squared lengths plus half a pixel squared (Sundaram, Brox and Keutzer
    2010); places that leave the picture do not agree.

    Args:
        there_HW2: From the frame of the result to the other.
        back_HW2: From the other to this one.
    """
    height, width = there_HW2.shape[:2]
    x_HW = np.arange(width, dtype=np.float32) + there_HW2[..., 0]
    y_HW = np.arange(height, dtype=np.float32)[:, None] + there_HW2[..., 1]
    inside_HW = (x_HW >= 0) & (x_HW <= width - 1) & (y_HW >= 0) & (y_HW <= height - 1)
    back_here_HW2 = _sampled(back_HW2, there_HW2)
    gap_HW = np.square(there_HW2 + back_here_HW2).sum(axis=2)
    length_HW = np.square(there_HW2).sum(axis=2) + np.square(back_here_HW2).sum(axis=2)
    return inside_HW & (gap_HW <= _AGREEMENT * length_HW + _AGREEMENT_PIXELS2)


def smoothed(
    probability_HW: Probability, previous_HW: Probability, *, to_previous: Flow, from_previous: Flow, share: float
) -> Probability:
    """A map mixed with the one before it, carried along by the flow, where forward and backward flow agree.

    Args:
        probability_HW: Of this frame, in [0, 1].
        previous_HW: Of the frame before, already smoothed.
        to_previous: (H, W, 2) flow from this frame to the one before.
        from_previous: (H, W, 2) flow from the one before to this frame.
        share: Of the previous map, in [0, 1).

    Raises:
        UsageError: The sizes differ.
    """
    _check_sizes(probability_HW, previous_HW, to_previous, from_previous)
    carried_HW = warped(previous_HW, to_previous)
    share_HW = agreement(to_previous, from_previous).astype(np.float32) * np.float32(share)
    return (probability_HW + share_HW * (carried_HW - probability_HW)).clip(0, 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Between:
    """How pixels move between a frame and the one before it.

    Attributes:
        there_HW2: From this frame to the one before.
        back_HW2: From the one before to this frame.
    """

    there_HW2: Flow
    back_HW2: Flow


class Track:
    """The masks of one clip, cleaned in order of time; the map before is all that is held.

    Args:
        smoothing: Share of the map before, carried along by the flow; 0 is off.
        speck_share: Patches smaller than this share of the picture that do not touch the mask before go; 0 is off.
        hole_share: Holes up to this share of the picture are filled; 0 is off.
    """

    def __init__(self, *, smoothing: float, speck_share: float, hole_share: float) -> None:
        self._smoothing = smoothing
        self._speck_share = speck_share
        self._hole_share = hole_share
        self._previous_HW: Probability | None = None

    def step(self, probability_HW: Probability, between: Between | None = None) -> Probability:
        """The next map of the clip, cleaned.

        Args:
            probability_HW: In [0, 1].
            between: The flow between this frame and the one before; None at the beginning, or where it is not known:
                then the map before lies where it was, and nothing is mixed.

        Raises:
            UsageError: The sizes differ.
            MachineError: OpenCV is missing.
        """
        previous_HW, touched_HW = self._previous_HW, None
        if previous_HW is not None and between is None:
            touched_HW = previous_HW >= 0.5
        if previous_HW is not None and between is not None:
            there, back = between.there_HW2, between.back_HW2
            touched_HW = warped(previous_HW, there) >= 0.5
            if self._smoothing:
                probability_HW = smoothed(
                    probability_HW, previous_HW, to_previous=there, from_previous=back, share=self._smoothing
                )
        self._previous_HW = probability_HW
        if self._speck_share:
            probability_HW = without_specks(probability_HW, touched_HW, speck_share=self._speck_share)
        return without_holes(probability_HW, hole_share=self._hole_share) if self._hole_share else probability_HW


def without_specks(probability_HW: Probability, previous_HW: Mask | None, *, speck_share: float) -> Probability:
    """A map whose small patches that have no forerunner become background, as surely as they were an object.

    The largest patch always stays.

    Args:
        probability_HW: In [0, 1]; from 0.5 on is foreground.
        previous_HW: The mask before, carried to this frame; None at the beginning, where every small patch goes.
        speck_share: Of the picture; smaller patches are small.

    Raises:
        MachineError: OpenCV is missing.
    """
    labels_HW, areas_N = _patches(probability_HW >= 0.5)
    small_N = areas_N < speck_share * probability_HW.size
    if len(areas_N) < 2 or not small_N[1:].any():
        return probability_HW
    if previous_HW is not None:
        touched_N = np.bincount(labels_HW[previous_HW], minlength=len(areas_N)) > 0
        small_N &= ~touched_N
    small_N[0] = False
    small_N[1 + int(np.argmax(areas_N[1:]))] = False
    return np.where(small_N[labels_HW], np.minimum(1 - probability_HW, _BACKGROUND), probability_HW)


def without_holes(probability_HW: Probability, *, hole_share: float) -> Probability:
    """A map whose small holes become the object; background that touches the edge of the picture is no hole.

    Args:
        probability_HW: In [0, 1]; from 0.5 on is foreground.
        hole_share: Of the picture; holes up to this are small.

    Raises:
        MachineError: OpenCV is missing.
    """
    labels_HW, areas_N = _patches(probability_HW < 0.5)
    small_N = areas_N <= hole_share * probability_HW.size
    small_N[0] = False
    for edge in (labels_HW[0], labels_HW[-1], labels_HW[:, 0], labels_HW[:, -1]):
        small_N[edge] = False
    if not small_N.any():
        return probability_HW
    return np.where(small_N[labels_HW], np.maximum(1 - probability_HW, _FOREGROUND), probability_HW)


def _patches(mask_HW: Mask) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The connected patches of a mask by number, 0 for what is outside, and the pixels of each number."""
    with one_thread():
        count, labels_HW = opencv().connectedComponents(mask_HW.view(np.uint8), connectivity=4)
    return labels_HW, np.bincount(labels_HW.ravel(), minlength=count)


def _check_sizes(*arrays: NDArray[np.float32]) -> None:
    sizes = [each.shape[:2] for each in arrays]
    if len(set(sizes)) > 1:
        raise UsageError(f"the maps and flows of a clip are `{sizes}`; one height and width is needed")


def _sampled(values_HWK: NDArray[np.floating[Any]], flow_HW2: Flow) -> NDArray[np.float32]:
    """Bilinear values at the places that the flow points to, past the edge those of the edge."""
    cv2 = opencv()
    height, width = flow_HW2.shape[:2]
    x_HW = np.arange(width, dtype=np.float32) + flow_HW2[..., 0]
    y_HW = np.arange(height, dtype=np.float32)[:, None] + flow_HW2[..., 1]
    with one_thread():
        return cv2.remap(values_HWK, x_HW, y_HW, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
