"""Frames to learn from and frames to judge by, as samples and batches.

Axes: N batch, H height, W width, C colour, 2 (dx, dy), 3 and 1 channels.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from podium.errors import MachineError, UsageError
from podium.solutions.object_segmentation import augmentation, motion, stills
from podium.solutions.object_segmentation.augmentation import Look, Source
from podium.solutions.object_segmentation.clips import Still
from podium.solutions.object_segmentation.flow_cache import CachedClip
from podium.solutions.object_segmentation.inputs import InputSettings, fill, scaled_size, shrink
from podium.solutions.object_segmentation.stills import MovementSettings
from podium.solutions.object_segmentation.truth import OBJECT, UNKNOWN, read_picture, read_truth, shrink_truth

try:
    import torch
    from torch import Tensor
    from torch.nn import functional
    from torch.utils.data import Dataset
except ImportError as error:
    raise MachineError("training needs torch: `pip install 'podium[train]'`") from error


class FrameSample(NamedTuple):
    """A frame; `FrameBatch` says what is what."""

    image_3HW: Tensor
    motion_3HW: Tensor
    has_motion: bool
    mask_1HW: Tensor
    valid_1HW: Tensor
    clip: int
    frame: int


class FrameBatch(NamedTuple):
    """Frames of one size.

    Attributes:
        image_N3HW: float32 RGB, 0 to 1.
        motion_N3HW: float32, as `motion.picture` makes it.
        has_motion_N: bool; False where the motion is zeros because there is none.
        mask_N1HW: float32, 1 on the object and 0 elsewhere.
        valid_N1HW: float32, 0 where the mask says nothing: beyond the frame, and on pixels marked as unknown.
        clip_N: int64, the number of the clip; stills are numbered after the clips.
        frame_N: int64, the number of the frame among those of its clip that have a mask.
    """

    image_N3HW: Tensor
    motion_N3HW: Tensor
    has_motion_N: Tensor
    mask_N1HW: Tensor
    valid_N1HW: Tensor
    clip_N: Tensor
    frame_N: Tensor


@dataclass(frozen=True, kw_only=True)
class SampleSettings:
    """How samples are drawn. Shares are 0 to 1.

    Attributes:
        height: Of a sample; best a multiple of what the network needs.
        width: Of the same.
        stills_share: Of samples that are stills with simulated motion, where there are both.
        gaps: To frames so much later, one by lot.
        backward: Share of samples whose motion is that to an earlier frame.
        scales: Least and greatest zoom of a frame at the network's scale.
        inside: Share of samples that certainly show some of the object, where there is one.
        turn_degrees: Span of the angle by which frames turn.
        flip: Share of mirrored samples.
        colour: Strength of changes of light.
        paste: Share of samples with an object of another clip that moves: another object to find.
        decoy: Share with an object that does not move by itself: none to find. Half of these are the frame's own.
        motion_jitter: How much the scale of motion varies: by a factor of exp of this span.
        movement: How stills move.
    """

    height: int = 128
    width: int = 224
    stills_share: float = 0.0
    gaps: tuple[int, ...] = (1,)
    backward: float = 0.5
    scales: tuple[float, float] = (0.75, 1.5)
    inside: float = 0.8
    turn_degrees: float = 5.0
    flip: float = 0.5
    colour: float = 0.3
    paste: float = 0.1
    decoy: float = 0.2
    motion_jitter: float = 0.3
    movement: MovementSettings = field(default_factory=MovementSettings)

    def __post_init__(self) -> None:
        for name in ("stills_share", "backward", "inside", "flip", "colour", "paste", "decoy"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"`{name}` of samples is `{getattr(self, name)}`; 0 to 1 is allowed")
        if not self.gaps or min(self.gaps) < 1:
            raise UsageError(f"the gaps between frames are `{self.gaps}`; at least one, each 1 or more")
        if not 0 < self.scales[0] <= self.scales[1] <= 8:
            raise UsageError(f"frames are scaled by `{self.scales}`; above 0 to 8, the least first")
        if min(self.height, self.width) < 16:
            raise UsageError(f"samples are `{self.width}x{self.height}`; at least 16 pixels a side are needed")

    @property
    def directed_gaps(self) -> tuple[int, ...]:
        """The gaps that a cache must have: to later frames, and to earlier ones where those are looked at."""
        later = self.gaps if self.backward < 1 else ()
        return (*later, *(-gap for gap in self.gaps if self.backward > 0))


class TrainingFrames(Dataset[FrameSample]):
    """Frames of clips, and stills, anew at each look; asked with a `Draw`, as `training.batches` does.

    Its length is that of the clips' frames with masks, or of the stills where there are no clips. A draw's seed decides
    everything that is drawn; its example is the frame, unless a still takes its place.

    Args:
        clips: With the gaps of ``settings.directed_gaps``.
        pictures: Stills.
        settings: How samples are drawn.
        inputs: How clips were cached.

    Raises:
        UsageError: There is nothing to learn from, or no mask has an object.
    """

    def __init__(
        self,
        clips: Sequence[CachedClip],
        pictures: Sequence[Still] = (),
        *,
        settings: SampleSettings,
        inputs: InputSettings,
    ) -> None:
        if not clips and not pictures:
            raise UsageError("there is nothing to learn from: no clips and no stills")
        if clips and not any((clip.truth(each) == OBJECT).any() for clip in clips for each in _numbers(clip)):
            raise UsageError(f"no mask of {len(clips)} clips has an object, the first is `{clips[0].name}`")
        self.clips = tuple(clips)
        self.stills = tuple(pictures)
        self.settings = settings
        self.inputs = inputs
        self._ends = list(accumulate(len(clip.annotated) for clip in self.clips))

    def __len__(self) -> int:
        return self._ends[-1] if self.clips else len(self.stills)

    def __getitem__(self, draw: tuple[int, int]) -> FrameSample:
        example, seed = draw
        rng = np.random.default_rng([seed, 0])
        pasting = np.random.default_rng([seed, 1])
        still = not self.clips or (bool(self.stills) and rng.random() < self.settings.stills_share)
        if still:
            clip, frame = (int(rng.integers(len(self.stills))) if self.clips else example), 0
            source = self._still(clip, rng)
            clip += len(self.clips)
        else:
            clip, frame = self._place(example)
            source = self._frame(clip, frame, rng)
        look = self._pasted(self._look(source, rng), source, pasting)
        image_HWC = augmentation.relight(look.image_HWC, rng, strength=self.settings.colour)
        jitter = np.exp(rng.uniform(-1, 1) * self.settings.motion_jitter)
        return _sample(look, image_HWC, look.length * jitter, clip=clip, frame=frame)

    def _place(self, example: int) -> tuple[int, int]:
        clip = bisect_right(self._ends, example)
        return clip, example - (self._ends[clip - 1] if clip else 0)

    def _frame(self, clip: int, frame: int, rng: np.random.Generator) -> Source:
        gap = self.settings.gaps[int(rng.integers(len(self.settings.gaps)))]
        gap = -gap if rng.random() < self.settings.backward else gap
        return frame_source(self.clips[clip], frame, gap, self.inputs)

    def _still(self, number: int, rng: np.random.Generator) -> Source:
        return still_source(self.stills[number], rng, self.settings.movement, self.inputs)

    def _look(self, source: Source, rng: np.random.Generator) -> Look:
        settings = self.settings
        view = augmentation.draw_view(
            source.truth_HW,
            rng,
            size=(settings.height, settings.width),
            scales=settings.scales,
            inside=settings.inside,
            turn_degrees=settings.turn_degrees,
            flip=settings.flip,
        )
        return augmentation.cut(source, view)

    def _pasted(self, look: Look, source: Source, rng: np.random.Generator) -> Look:
        lot, own, in_front = rng.random(), rng.random() < 0.5, bool(rng.random() < 0.5)
        decoy = lot < self.settings.decoy
        if not decoy and rng.random() >= self.settings.paste:
            return look
        other = source if decoy and own else self._any(rng)
        size = look.object_HW.shape[0], look.object_HW.shape[1]
        zoom = float(np.exp(rng.uniform(*np.log(self.settings.scales))))
        view = augmentation.draw_place(other.truth_HW, rng, size=size, zoom=zoom, flip=0.5)
        if view is None:
            return look
        piece = augmentation.cut(other, view)
        if decoy:
            return augmentation.paste_decoy(look, piece, in_front=in_front)
        return augmentation.paste_object(look, piece, rng)

    def _any(self, rng: np.random.Generator) -> Source:
        if not self.clips:
            return self._still(int(rng.integers(len(self.stills))), rng)
        return self._frame(*self._place(int(rng.integers(len(self)))), rng)


class HeldOutFrames(Dataset[FrameSample]):
    """Whole frames of clips, filled up, as they are; the same at each look.

    Args:
        clips: With the gap.
        inputs: How clips were cached.
        gap: To the frame that motion is looked at to; the last frames look back.
    """

    def __init__(self, clips: Sequence[CachedClip], *, inputs: InputSettings, gap: int = 1) -> None:
        self.clips = tuple(clips)
        self.inputs = inputs
        self.gap = gap
        self.places = [(clip, frame) for clip, each in enumerate(self.clips) for frame in _numbers(each)]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, draw: tuple[int, int]) -> FrameSample:
        clip, frame = self.places[draw[0]]
        source = frame_source(self.clips[clip], frame, self.gap, self.inputs)
        motion_HW3 = motion.picture(source.residual_HW2.astype(np.float32), source.length)
        ready = fill(np.asarray(source.image_HWC), motion_HW3, has_motion=True, settings=self.inputs)
        truth_HW = np.full(ready.image_HW3.shape[:2], UNKNOWN, dtype=np.uint8)
        truth_HW[: ready.height, : ready.width] = source.truth_HW
        return FrameSample(
            image_3HW=_channels_first(ready.image_HW3),
            motion_3HW=_channels_first(ready.motion_HW3),
            has_motion=True,
            mask_1HW=torch.from_numpy((truth_HW == OBJECT).astype(np.float32))[None],
            valid_1HW=torch.from_numpy((truth_HW != UNKNOWN).astype(np.float32))[None],
            clip=clip,
            frame=frame,
        )


def collate(samples: Sequence[FrameSample]) -> FrameBatch:
    """A batch; smaller frames are filled up to the largest, and not judged there.

    Args:
        samples: One or more.
    """
    height, width = (max(each.image_3HW.shape[axis] for each in samples) for axis in (1, 2))
    return FrameBatch(
        image_N3HW=torch.stack([_filled(each.image_3HW, height, width, "replicate") for each in samples]),
        motion_N3HW=torch.stack([_filled(each.motion_3HW, height, width, "replicate") for each in samples]),
        has_motion_N=torch.tensor([each.has_motion for each in samples]),
        mask_N1HW=torch.stack([_filled(each.mask_1HW, height, width, "constant") for each in samples]),
        valid_N1HW=torch.stack([_filled(each.valid_1HW, height, width, "constant") for each in samples]),
        clip_N=torch.tensor([each.clip for each in samples], dtype=torch.int64),
        frame_N=torch.tensor([each.frame for each in samples], dtype=torch.int64),
    )


def frame_source(clip: CachedClip, frame: int, gap: int, inputs: InputSettings) -> Source:
    """A frame of a clip as it is kept."""
    return Source(
        image_HWC=clip.frame(frame),
        truth_HW=clip.truth(frame),
        residual_HW2=clip.residual(frame, gap),
        length=motion.scale(clip.spread(frame, gap), short_side=min(clip.height, clip.width), settings=inputs.motion),
    )


def still_source(still: Still, rng: np.random.Generator, movement: MovementSettings, inputs: InputSettings) -> Source:
    """A still with the motion that the draws give it, as if it had been estimated.

    Raises:
        UsageError: The still or its mask cannot be read, or their sizes differ.
    """
    image_HWC, truth_HW = read_picture(still.image), read_truth(still.mask)
    if truth_HW.shape != image_HWC.shape[:2]:
        sizes = " and ".join(f"`{each.shape[1]}x{each.shape[0]}`" for each in (image_HWC, truth_HW))
        raise UsageError(f"`{still.image}` and its mask are {sizes} (width x height); both must be alike")
    size = scaled_size(truth_HW.shape[0], truth_HW.shape[1], inputs)
    truth_HW = shrink_truth(truth_HW, size)
    mask_HW = truth_HW == OBJECT
    moved = stills.movement(mask_HW, rng, movement)
    left_HW2 = stills.roughened(moved.flow(mask_HW), rng, movement)
    if inputs.motion.compensate:
        left_HW2 = left_HW2 - moved.camera_HW2
    length = motion.scale(motion.spread(left_HW2), short_side=min(size), settings=inputs.motion)
    return Source(image_HWC=shrink(image_HWC, inputs), truth_HW=truth_HW, residual_HW2=left_HW2, length=length)


def _sample(look: Look, image_HWC: augmentation.Pixels, length: float, *, clip: int, frame: int) -> FrameSample:
    mask_HW = (look.object_HW >= 128) & look.known_HW
    return FrameSample(
        image_3HW=_channels_first(image_HWC.astype(np.float32) * np.float32(1 / 255)),
        motion_3HW=_channels_first(motion.picture(look.residual_HW2, length)),
        has_motion=True,
        mask_1HW=torch.from_numpy(mask_HW.astype(np.float32))[None],
        valid_1HW=torch.from_numpy(look.known_HW.astype(np.float32))[None],
        clip=clip,
        frame=frame,
    )


def _channels_first(picture_HW3: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture_HW3.transpose(2, 0, 1)))


def _filled(picture_CHW: Tensor, height: int, width: int, mode: str) -> Tensor:
    pad = (0, width - picture_CHW.shape[2], 0, height - picture_CHW.shape[1])
    if not any(pad):
        return picture_CHW
    return functional.pad(picture_CHW[None], pad, mode=mode)[0]


def _numbers(clip: CachedClip) -> range:
    return range(len(clip.annotated))
