"""The primary object without any trained part: motion that the camera does not explain, cut out by colour.

Optical flow to both neighbours, less the background's homography, is gathered over time (`saliency`). What stands out
seeds a graph cut on colour models (GrabCut: Rother, Kolmogorov and Blake, SIGGRAPH 2004), whose answer is fitted to
the edges of the frame and smoothed along the flow.

Axes: H height, W width, C colour.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError
from podium.solutions.object_segmentation.flow import FlowSettings, Pixels, estimator
from podium.solutions.object_segmentation.opencv import one_thread, opencv
from podium.solutions.object_segmentation.saliency import SaliencySettings, Salient, centre, moments, salient
from podium.solutions.object_segmentation.smoothing import Track

Probability = NDArray[np.float32]

_SEED = 7
_LEAST_SEEDS = 12
_STILL_HEIGHT = 0.1


@dataclass(frozen=True, kw_only=True)
class ClassicalSettings:
    """How the method works.

    Attributes:
        short_side: Frames are made this small, in pixels, and never larger than they are.
        cut_side: The graph is cut at this size.
        rounds: Of the colour models and the cut.
        flow: How motion is estimated; a method without weights.
        saliency: How motion becomes saliency.
        least_weight: With less motion than this, in frames full of it, the middle of the frame is the answer.
        smoothing: Share of the mask before, carried along the flow.
        speck_share: Smaller patches than this share of the frame are dropped.
        hole_share: Smaller holes are filled.
    """

    short_side: int = 192
    cut_side: int = 112
    rounds: int = 1
    flow: FlowSettings = field(default_factory=FlowSettings)
    saliency: SaliencySettings = field(default_factory=SaliencySettings)
    least_weight: float = 0.02
    smoothing: float = 0.4
    speck_share: float = 0.003
    hole_share: float = 0.01

    def __post_init__(self) -> None:
        if not 32 <= self.cut_side <= self.short_side <= 2_160:
            raise UsageError(
                f"the shorter side is `{self.short_side}` and `{self.cut_side}` for the cut; "
                "32 to 2160 are allowed, and the cut has no more than the rest"
            )
        if not 1 <= self.rounds <= 20:
            raise UsageError(f"`rounds` is `{self.rounds}`; 1 to 20 are allowed")
        if self.flow.method == "raft-small":
            raise UsageError("the classical method has no parameters; take `dis` or `farneback` for its flow")


class ClassicalSegmenter:
    """Finds the primary object by motion and colour. The same frames, the same masks.

    Args:
        settings: None for those that go for any clip.
    """

    parameters = 0

    def __init__(self, settings: ClassicalSettings | None = None) -> None:
        self._settings = settings or ClassicalSettings()
        self._flow = estimator(self._settings.flow)

    def masks(self, frames: Iterable[Pixels]) -> Iterator[Probability]:
        """The object of each frame, in order; a window of few frames is held.

        Args:
            frames: Of one clip, (H, W, 3) RGB of one size.

        Yields:
            (H, W) confidence, in [0, 1]; the object is where it is 0.5 and above. Near 0.5 everywhere where nothing
            moves.

        Raises:
            UsageError: A frame is no picture, or of another size than the first.
        """
        size: list[tuple[int, int]] = []
        small = (self._shrunk(each, size) for each in frames)
        found = salient(moments(small, self._flow, self._settings.saliency), self._settings.saliency)
        settings, cv2 = self._settings, opencv()
        track = Track(smoothing=settings.smoothing, speck_share=settings.speck_share, hole_share=settings.hole_share)
        for each in found:
            with one_thread():
                map_HW = track.step(self._cut(each), each.moment.between)
                full_HW = cv2.resize(map_HW, size[0][::-1], interpolation=cv2.INTER_LINEAR)
            yield np.clip(full_HW, 0, 1)

    def _shrunk(self, frame_HWC: Pixels, size: list[tuple[int, int]]) -> Pixels:
        if frame_HWC.dtype != np.uint8 or frame_HWC.ndim != 3 or frame_HWC.shape[2] != 3:
            raise UsageError(
                f"a frame is `{frame_HWC.dtype}` of shape `{frame_HWC.shape}`; uint8 of (H, W, 3) is needed"
            )
        found = frame_HWC.shape[0], frame_HWC.shape[1]
        if not size:
            size.append(found)
        if found != size[0]:
            raise UsageError(
                f"a frame is `{found[1]}x{found[0]}`, the first `{size[0][1]}x{size[0][0]}`; all are alike"
            )
        return _resized(frame_HWC, self._settings.short_side)

    def _cut(self, found: Salient) -> Probability:
        """The object of one frame, from its saliency and its colours."""
        image_HWC, saliency_HW = found.moment.image_HWC, found.saliency_HW
        if found.weight < self._settings.least_weight:
            return 0.5 + np.float32(_STILL_HEIGHT) * (centre(*saliency_HW.shape) - np.float32(0.5))
        spread_HW = _stretched(saliency_HW)
        mask_HW = self._grabbed(image_HWC, spread_HW)
        if mask_HW is None:
            return spread_HW
        return fitted(opencv().addWeighted(mask_HW, 0.65, spread_HW, 0.35, 0), image_HWC)

    def _grabbed(self, image_HWC: Pixels, saliency_HW: Probability) -> Probability | None:
        """(H, W) 1 for the object by GrabCut; None where the saliency seeds no cut."""
        cv2 = opencv()
        small_HWC = _resized(image_HWC, self._settings.cut_side)
        small_HW = cv2.resize(saliency_HW, small_HWC.shape[1::-1], interpolation=cv2.INTER_AREA)
        areas_HW = seeds(small_HW)
        if any(np.count_nonzero(areas_HW == each) < _LEAST_SEEDS for each in (cv2.GC_FGD, cv2.GC_BGD)):
            return None
        # The colour models start from clusters that OpenCV draws.
        cv2.setRNGSeed(_SEED)
        models = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut(small_HWC, areas_HW, None, *models, self._settings.rounds, cv2.GC_INIT_WITH_MASK)
        mask_HW = ((areas_HW == cv2.GC_FGD) | (areas_HW == cv2.GC_PR_FGD)).astype(np.float32)
        return cv2.resize(mask_HW, image_HWC.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def seeds(saliency_HW: Probability) -> NDArray[np.uint8]:
    """(H, W) GrabCut's areas: surely the object, likely, unlikely, surely not.

    Args:
        saliency_HW: 0 to 1.
    """
    cv2 = opencv()
    side = max(3, min(saliency_HW.shape) // 16) | 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    areas_HW = np.full(saliency_HW.shape, cv2.GC_BGD, np.uint8)
    likely_HW = (saliency_HW >= 0.5).view(np.uint8)
    areas_HW[cv2.dilate(likely_HW, disc) > 0] = cv2.GC_PR_BGD
    areas_HW[saliency_HW >= 0.1] = cv2.GC_PR_BGD
    areas_HW[likely_HW > 0] = cv2.GC_PR_FGD
    sure_HW = cv2.erode((saliency_HW >= 0.7).view(np.uint8), np.ones((3, 3), np.uint8))
    areas_HW[sure_HW > 0] = cv2.GC_FGD
    return areas_HW


def fitted(map_HW: Probability, image_HWC: Pixels) -> Probability:
    """A map whose borders follow the edges of the frame: the guided filter (He, Sun and Tang, ECCV 2010) on grey.

    Args:
        map_HW: 0 to 1.
        image_HWC: Of the same size.
    """
    cv2 = opencv()
    guide_HW = cv2.cvtColor(image_HWC, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    side = (max(7, min(map_HW.shape) // 24) | 1,) * 2
    mean_guide, mean_map = cv2.blur(guide_HW, side), cv2.blur(map_HW, side)
    spread = cv2.blur(guide_HW * guide_HW, side) - mean_guide * mean_guide
    slope_HW = (cv2.blur(guide_HW * map_HW, side) - mean_guide * mean_map) / (spread + np.float32(1e-3))
    offset_HW = mean_map - slope_HW * mean_guide
    return np.clip(cv2.blur(slope_HW, side) * guide_HW + cv2.blur(offset_HW, side), 0, 1)


def _stretched(saliency_HW: Probability) -> Probability:
    """Saliency whose highest part is 1."""
    top = max(float(np.quantile(saliency_HW[::2, ::2], 0.995)), 1e-3)
    return np.clip(saliency_HW / np.float32(top), 0, 1)


def _resized(image_HWC: Pixels, short_side: int) -> Pixels:
    height, width = image_HWC.shape[:2]
    share = short_side / min(height, width)
    if share >= 1:
        return image_HWC
    cv2 = opencv()
    return cv2.resize(image_HWC, (round(width * share), round(height * share)), interpolation=cv2.INTER_AREA)
