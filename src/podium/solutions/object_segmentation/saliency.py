"""Where something moves that the camera does not explain, gathered over time: what moved once stays in mind.

Evidence of each frame is carried to the others along the optical flow. A frame counts as much as there is motion in
it, so that an object which pauses keeps what it had gathered before, and gets what it gathers soon after. Where
nothing ever moves, the middle of the frame is left.

After A. Papazoglou and V. Ferrari, "Fast Object Segmentation in Unconstrained Video", ICCV 2013, in its outline.

Axes: H height, W width, C colour, 2 (dx, dy) in pixels.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError
from podium.solutions.object_segmentation.flow import FlowEstimator, Pixels
from podium.solutions.object_segmentation.motion import background
from podium.solutions.object_segmentation.opencv import opencv
from podium.solutions.object_segmentation.smoothing import Between, agreement, warped

Flow = NDArray[np.float32]
Map = NDArray[np.float32]

_CARRIED, _CARRIED_HIDDEN = np.float32(0.92), np.float32(0.5)
_QUANTILE = 0.98


@dataclass(frozen=True, kw_only=True)
class SaliencySettings:
    """How motion becomes saliency.

    Attributes:
        floor: Residual motion of this share of the shorter side is evidence of one half, unless there is more noise.
        noise: So many times the median residual is evidence of one half, where that is more.
        change: So many grey levels that the background's motion does not explain are evidence of one half.
        ahead: How many later frames take part.
        prior: What the middle of the frame weighs, in frames full of motion.
    """

    floor: float = 0.003
    noise: float = 4.0
    change: float = 8.0
    ahead: int = 6
    prior: float = 0.05

    def __post_init__(self) -> None:
        for name, value, least in (("floor", self.floor, 1e-6), ("noise", self.noise, 0), ("change", self.change, 0.1)):
            if not value >= least:
                raise UsageError(f"`{name}` of the saliency is `{value}`; at least {least} is needed")
        if not (self.prior > 0 and 0 <= self.ahead <= 64):
            raise UsageError(
                f"the saliency has prior `{self.prior}` and ahead `{self.ahead}`; above 0, and 0 to 64 are needed"
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class Moment:
    """One frame with what moves in it.

    Attributes:
        image_HWC: RGB.
        between: Flow to the frame before and back; None in the first.
        evidence_HW: Of motion, 0 to below 1.
        weight: How much motion there is, 0 to below 1.
    """

    image_HWC: Pixels
    between: Between | None
    evidence_HW: Map
    weight: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Salient:
    """What one frame and those around it say.

    Attributes:
        saliency_HW: 0 to 1.
        weight: How much motion that rests on, in frames full of motion.
    """

    moment: Moment
    saliency_HW: Map
    weight: float


def moments(frames: Iterable[Pixels], flow: FlowEstimator, settings: SaliencySettings) -> Iterator[Moment]:
    """Each frame with the motion from the one before and to the one after.

    Args:
        frames: (H, W, 3) RGB of one size.
        flow: Estimates motion.
        settings: How motion becomes evidence.
    """
    image_HWC: Pixels | None = None
    between: Between | None = None
    backward: Evidence | None = None
    for following_HWC in frames:
        if image_HWC is not None:
            to_next, to_previous = flow.estimate(image_HWC, following_HWC), flow.estimate(following_HWC, image_HWC)
            yield _moment(image_HWC, between, backward, evidence(image_HWC, following_HWC, to_next, settings))
            between = Between(there_HW2=to_previous, back_HW2=to_next)
            backward = evidence(following_HWC, image_HWC, to_previous, settings)
        image_HWC = following_HWC
    if image_HWC is not None:
        yield _moment(image_HWC, between, backward, None)


def _moment(image_HWC: Pixels, between: Between | None, backward: Evidence | None, forward: Evidence | None) -> Moment:
    found = [each for each in (backward, forward) if each is not None]
    if not found:
        evidence_HW = np.zeros(image_HWC.shape[:2], np.float32)
    else:
        first, second = found[0], found[-1]
        # Beside the object, what one flow finds no match for is matched wrongly; the other flow finds one there.
        evidence_HW = np.sqrt(first.own_HW * second.own_HW)
        evidence_HW = np.where(first.seen_HW & second.seen_HW, evidence_HW, np.maximum(first.own_HW, second.own_HW))
    weight = float(np.quantile(evidence_HW[::2, ::2], _QUANTILE)) ** 2
    return Moment(image_HWC=image_HWC, between=between, evidence_HW=evidence_HW, weight=weight)


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """What one flow says of a frame.

    Attributes:
        own_HW: How sure it is that a pixel moves on its own, 0 to below 1; 0 where that cannot be seen.
        seen_HW: Where the background, if it is that, is also in the other frame.
    """

    own_HW: Map
    seen_HW: NDArray[np.bool_]


def evidence(image_HWC: Pixels, other_HWC: Pixels, flow_HW2: Flow, settings: SaliencySettings) -> Evidence:
    """What moves on its own: the flow is not the background's, and the background's does not explain the picture.

    Where there is no texture, flow says nothing, but then the background's motion explains the picture as well.

    Args:
        image_HWC: A frame.
        other_HWC: The frame before or after it.
        flow_HW2: From the one to the other.
        settings: How motion becomes evidence.
    """
    cv2 = opencv()
    camera_HW2 = background(flow_HW2)
    long2_HW = np.square(flow_HW2 - camera_HW2).sum(axis=2)
    median = float(np.sqrt(np.median(long2_HW[::4, ::4])))
    scale = max(settings.floor * min(long2_HW.shape), settings.noise * median)
    side = (max(3, min(long2_HW.shape) // 16) | 1,) * 2
    change_HW = np.abs(warped(other_HWC.astype(np.float32), camera_HW2) - image_HWC).max(axis=2)
    change2_HW = np.square(cv2.blur(change_HW, side))
    seen_HW = inside(camera_HW2)
    own_HW = long2_HW / (long2_HW + np.float32(scale**2)) * change2_HW / (change2_HW + np.float32(settings.change**2))
    return Evidence(own_HW=own_HW * seen_HW, seen_HW=seen_HW)


def inside(flow_HW2: Flow) -> NDArray[np.bool_]:
    """(H, W) where a flow does not lead out of the frame."""
    height, width = flow_HW2.shape[:2]
    x_HW = np.arange(width, dtype=np.float32) + flow_HW2[..., 0]
    y_HW = np.arange(height, dtype=np.float32)[:, None] + flow_HW2[..., 1]
    return (x_HW >= 0) & (x_HW <= width - 1) & (y_HW >= 0) & (y_HW <= height - 1)


def salient(found: Iterable[Moment], settings: SaliencySettings) -> Iterator[Salient]:
    """The saliency of each frame, gathered from all before it and some after it."""
    waiting: deque[Moment] = deque()
    past: _Gathered | None = None
    ended = False
    source = iter(found)
    while True:
        while not ended and len(waiting) <= settings.ahead:
            following = next(source, None)
            ended = following is None
            if following is not None:
                waiting.append(following)
        if not waiting:
            return
        now = waiting[0]
        past = _Gathered.of(now).plus(past and past.forward(now))
        yield _judged(now, past.plus(_ahead(waiting)), settings)
        waiting.popleft()


@dataclass(frozen=True, eq=False)
class _Gathered:
    """Evidence times weight, and weight, of several frames, at the pixels of one."""

    evidence_HW: Map
    weight_HW: Map

    @staticmethod
    def of(moment: Moment) -> _Gathered:
        weight_HW = np.full(moment.evidence_HW.shape, moment.weight, np.float32)
        return _Gathered(moment.evidence_HW * weight_HW, weight_HW)

    def plus(self, other: _Gathered | None) -> _Gathered:
        if other is None:
            return self
        return _Gathered(self.evidence_HW + other.evidence_HW, self.weight_HW + other.weight_HW)

    def forward(self, now: Moment) -> _Gathered | None:
        """What was gathered up to the frame before, at the pixels of this one."""
        return self._carried(now.between.there_HW2, now.between.back_HW2) if now.between else None

    def backward(self, following: Moment) -> _Gathered | None:
        """What was gathered from a frame on, at the pixels of the one before it."""
        return self._carried(following.between.back_HW2, following.between.there_HW2) if following.between else None

    def _carried(self, there_HW2: Flow, back_HW2: Flow) -> _Gathered:
        share_HW = np.where(agreement(there_HW2, back_HW2), _CARRIED, _CARRIED_HIDDEN)
        both_HW2 = warped(np.stack([self.evidence_HW, self.weight_HW], axis=2), there_HW2)
        return _Gathered(both_HW2[..., 0] * share_HW, both_HW2[..., 1] * share_HW)


def _ahead(waiting: deque[Moment]) -> _Gathered | None:
    """What the frames after the first of those that wait say of it."""
    gathered: _Gathered | None = None
    for number in range(len(waiting) - 1, 0, -1):
        gathered = _Gathered.of(waiting[number]).plus(gathered).backward(waiting[number])
    return gathered


def _judged(now: Moment, gathered: _Gathered, settings: SaliencySettings) -> Salient:
    prior_HW = centre(*now.evidence_HW.shape)
    sum_HW = gathered.evidence_HW + np.float32(settings.prior) * prior_HW
    saliency_HW = np.divide(sum_HW, gathered.weight_HW + np.float32(settings.prior), dtype=np.float32)
    return Salient(moment=now, saliency_HW=saliency_HW, weight=float(np.median(gathered.weight_HW[::4, ::4])))


def centre(height: int, width: int) -> Map:
    """(H, W) 1 in the middle, one half on an ellipse of half the height and width, 0 in the corners.

    >>> centre(5, 5)[2].round(2).tolist()
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    y_H1 = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x_W = np.linspace(-1, 1, width, dtype=np.float32)
    return np.clip(1 - 2 * (x_W**2 + y_H1**2), 0, 1)
