"""Masks of a video, frame by frame, by a trained model: a short window of frames is held, never the clip.

Axes: H height, W width, C colour.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError
from podium.solutions.object_segmentation.flow import Flow, FlowEstimator, estimator
from podium.solutions.object_segmentation.inputs import (
    InputSettings,
    Prepared,
    filled_size,
    prepare,
    restore,
    scaled_size,
    shrink,
)
from podium.solutions.object_segmentation.opencv import one_thread, opencv
from podium.solutions.object_segmentation.smoothing import Between, Track
from podium.solutions.object_segmentation.windows import Held, LogitSum, Window, check_gaps, held, windows

if TYPE_CHECKING:
    from podium.solutions.object_segmentation.model import Model

Pixels = NDArray[np.uint8]
Probability = NDArray[np.float32]
Item = TypeVar("Item")

_FARTHEST_LOGIT = 30.0


class Segmenter(Protocol):
    """Whatever finds the primary object of a video."""

    @property
    def parameters(self) -> int:
        """Of all parts, frozen ones and a flow network as well; 0 for a method without any."""
        ...

    def masks(self, frames: Iterable[Pixels]) -> Iterator[Probability]:
        """The object of each frame, in order, as the frames come; at most a short window of frames is held.

        Args:
            frames: Of one clip, (H, W, 3) RGB of one size. Nothing of another clip plays a part.

        Yields:
            (H, W) probability of the object, in [0, 1].
        """
        ...


@dataclass(frozen=True, kw_only=True)
class PostSettings:
    """How the network is asked and what is done with its answers.

    Attributes:
        gaps: To which frames motion is measured, in frames: 1 is the next, -1 the one before. The logits of several
            are averaged; each costs a pass of the network and an optical flow.
        flip: Ask for the mirrored frame as well; twice the time.
        scales: Ask at these multiples of the model's size; each costs a pass.
        smoothing: Share of the warped mask of the frame before, where forward and backward flow agree; 0 is off.
        speck_share: Patches smaller than this share of the picture that do not touch the previous mask are dropped;
            0 keeps all.
        hole_share: Holes up to this share of the picture are filled; 0 leaves them.
        batch_frames: Frames that the network sees at once.
    """

    gaps: tuple[int, ...] = (1,)
    flip: bool = False
    scales: tuple[float, ...] = (1.0,)
    smoothing: float = 0.3
    speck_share: float = 0.0005
    hole_share: float = 0.0005
    batch_frames: int = 4

    def __post_init__(self) -> None:
        check_gaps(self.gaps)
        if not self.scales or not all(0.25 <= each <= 4 for each in self.scales):
            raise UsageError(f"the scales are `{list(self.scales)}`; one or more from 0.25 to 4 are needed")
        for name, value, most in (
            ("smoothing", self.smoothing, 0.95),
            ("speck_share", self.speck_share, 0.5),
            ("hole_share", self.hole_share, 0.5),
        ):
            if not 0 <= value <= most:
                raise UsageError(f"`{name}` is `{value}`; 0 to {most} is allowed")
        if not 1 <= self.batch_frames <= 256:
            raise UsageError(f"`batch_frames` is `{self.batch_frames}`; 1 to 256 are allowed")


@dataclass(frozen=True, kw_only=True, eq=False)
class _Shrunk:
    """A frame as it is held: at the network's scale, and at each scale that is asked."""

    size: tuple[int, int]
    small_HWC: Pixels
    scaled: tuple[Pixels, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Question:
    """What the network is asked of a frame: each window at each scale."""

    size: tuple[int, int]
    scaled_size: tuple[int, int]
    windows: tuple[Window, ...]
    prepared: tuple[tuple[Prepared, ...], ...]
    between: Between | None


class NetworkSegmenter:
    """A trained model as a segmenter. The same frames and settings give the same masks.

    Args:
        model: Its networks' logits are averaged.
        settings: Another way to ask than the model's own.
    """

    def __init__(self, model: Model, settings: PostSettings | None = None) -> None:
        self.model = model if settings is None else replace(model, postprocess=settings)
        self.settings = self.model.postprocess
        self._device = next(model.networks[0].parameters()).device
        self._flow = estimator(model.inputs.flow, device=str(self._device))
        self._scales = tuple(_at_scale(model.inputs, each) for each in self.settings.scales)

    @property
    def parameters(self) -> int:
        """Of all networks and of the one for flow."""
        return self.model.parameters

    def multiply_adds(self, height: int, width: int) -> int:
        """For a frame of that size; see `Model.multiply_adds`."""
        return self.model.multiply_adds(height, width)

    def masks(self, frames: Iterable[Pixels]) -> Iterator[Probability]:
        """The object of each frame; see `Segmenter.masks`.

        Raises:
            UsageError: A frame is no RGB picture of uint8, or has another size than the first.
        """
        settings = self.settings
        track = Track(smoothing=settings.smoothing, speck_share=settings.speck_share, hole_share=settings.hole_share)
        for batch in _batched(self._questions(frames), settings.batch_frames):
            for question, logits_HW in zip(batch, self._answers(batch), strict=True):
                smooth_HW = track.step(_probability(logits_HW), question.between)
                yield _full(smooth_HW, question.size, self.model.inputs)

    def _questions(self, frames: Iterable[Pixels]) -> Iterator[_Question]:
        gaps = self.settings.gaps
        after = max(1, *gaps)
        before = max(1, abs(gaps[0]), *(-each for each in gaps))
        flows = _Flows(self._flow, reach=before + after)
        for here in held(self._shrunk(frames), before=before, after=after):
            yield self._question(here, flows)

    def _shrunk(self, frames: Iterable[Pixels]) -> Iterator[_Shrunk]:
        size: tuple[int, ...] | None = None
        for index, frame_HWC in enumerate(frames):
            if frame_HWC.dtype != np.uint8 or frame_HWC.ndim != 3 or frame_HWC.shape[2] != 3:
                found = f"frame {index} is `{frame_HWC.dtype}` of shape `{frame_HWC.shape}`"
                raise UsageError(f"{found}; uint8 of (H, W, 3) is needed")
            if size is not None and frame_HWC.shape != size:
                raise UsageError(f"frame {index} is `{frame_HWC.shape}`; the first of the clip was `{size}`")
            size = frame_HWC.shape
            yield _Shrunk(
                size=(size[0], size[1]),
                small_HWC=shrink(frame_HWC, self.model.inputs),
                scaled=tuple(shrink(frame_HWC, each) for each in self._scales),
            )

    def _question(self, here: Held[_Shrunk], flows: _Flows) -> _Question:
        frame = here.items[0]
        chosen = windows(self.settings.gaps, before=here.before, after=here.after)
        moved = [None if each.gap is None else flows.between(here, each.gap) for each in chosen]
        prepared = tuple(
            tuple(prepare(picture_HWC, flow_HW2, inputs) for flow_HW2 in moved)
            for picture_HWC, inputs in zip(frame.scaled, self._scales, strict=True)
        )
        between = None
        if here.before and (self.settings.smoothing or self.settings.speck_share):
            between = Between(there_HW2=flows.between(here, -1), back_HW2=flows.from_previous(here))
        height, width = frame.small_HWC.shape[:2]
        return _Question(
            size=frame.size, scaled_size=(height, width), windows=chosen, prepared=prepared, between=between
        )

    def _answers(self, questions: Sequence[_Question]) -> list[Probability]:
        """The mean logits of each frame, at the network's scale, without filling."""
        sums = [LogitSum() for _ in questions]
        for scale in range(len(self._scales)):
            samples = [
                (number, window.weight, prepared)
                for number, question in enumerate(questions)
                for window, prepared in zip(question.windows, question.prepared[scale], strict=True)
            ]
            for chunk in _batched(samples, self.settings.batch_frames):
                logits = self._logits([prepared for _, _, prepared in chunk])
                for (number, weight, prepared), logits_HW in zip(chunk, logits, strict=True):
                    frame_HW = logits_HW[: prepared.height, : prepared.width]
                    sums[number].add(_resized(frame_HW, questions[number].scaled_size), weight)
        return [each.mean() for each in sums]

    def _logits(self, samples: Sequence[Prepared]) -> NDArray[np.float32]:
        """(N, H, W) logits, averaged over the networks and, where wanted, the mirrored frames."""
        import torch

        image_NHW3 = np.stack([each.image_HW3 for each in samples])
        motion_NHW3 = np.stack([each.motion_HW3 for each in samples])
        image_N3HW, motion_N3HW = (
            torch.from_numpy(each).permute(0, 3, 1, 2).to(self._device) for each in (image_NHW3, motion_NHW3)
        )
        has_motion_N = torch.tensor([each.has_motion for each in samples], device=self._device)
        ways = [(image_N3HW, motion_N3HW, False)]
        if self.settings.flip:
            # Mirrored, what moved to the right moves to the left.
            sign_3 = motion_N3HW.new_tensor([-1, 1, 1])[:, None, None]
            ways.append((image_N3HW.flip(3), motion_N3HW.flip(3) * sign_3, True))
        total = LogitSum()
        with torch.inference_mode():
            for network in self.model.networks:
                for image, motion, mirrored in ways:
                    logits_N1HW = network(image, motion, has_motion_N).logits_N1HW
                    logits_N1HW = logits_N1HW.flip(3) if mirrored else logits_N1HW
                    total.add(logits_N1HW[:, 0].float().cpu().numpy(), 1.0)
        return total.mean()


class _Flows:
    """Flow between held frames; each pair is estimated once, while it is within reach."""

    def __init__(self, method: FlowEstimator, *, reach: int) -> None:
        self._method = method
        self._reach = reach
        self._known: dict[tuple[int, int], Flow] = {}

    def between(self, here: Held[_Shrunk], gap: int) -> Flow:
        """From the frame to the one at a gap."""
        return self._pair(here, 0, gap)

    def from_previous(self, here: Held[_Shrunk]) -> Flow:
        """From the frame before to this one."""
        return self._pair(here, -1, 0)

    def _pair(self, here: Held[_Shrunk], start: int, end: int) -> Flow:
        key = here.index + start, here.index + end
        if key not in self._known:
            self._known = {each: flow for each, flow in self._known.items() if min(each) >= here.index - self._reach}
            self._known[key] = self._method.estimate(here.items[start].small_HWC, here.items[end].small_HWC)
        return self._known[key]


def _at_scale(inputs: InputSettings, scale: float) -> InputSettings:
    return inputs if scale == 1 else replace(inputs, short_side=max(16, round(inputs.short_side * scale)))


def _probability(logits_HW: Probability) -> Probability:
    bounded_HW = logits_HW.astype(np.float32, copy=False).clip(-_FARTHEST_LOGIT, _FARTHEST_LOGIT)
    return np.float32(1) / (np.float32(1) + np.exp(-bounded_HW))


def _full(probability_HW: Probability, size: tuple[int, int], inputs: InputSettings) -> Probability:
    height, width = scaled_size(*size, inputs)
    high, wide = filled_size(*size, inputs)
    return restore(np.pad(probability_HW, ((0, high - height), (0, wide - width)), mode="edge"), size, inputs)


def _resized(logits_HW: Probability, size: tuple[int, int]) -> Probability:
    if logits_HW.shape == size:
        return logits_HW
    with one_thread():
        cv2 = opencv()
        return cv2.resize(np.ascontiguousarray(logits_HW), size[::-1], interpolation=cv2.INTER_LINEAR)


def _batched(items: Iterable[Item], count: int) -> Iterator[list[Item]]:
    batch: list[Item] = []
    for each in items:
        batch.append(each)
        if len(batch) == count:
            yield batch
            batch = []
    if batch:
        yield batch
