"""How a frame is made ready for a network: the same way in training and afterwards.

Axes: H height, W width, C colour, 2 (dx, dy) in pixels, 3 channels.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError
from podium.solutions.object_segmentation.flow import Flow, FlowSettings, Pixels
from podium.solutions.object_segmentation.motion import MotionSettings, motion_picture
from podium.solutions.object_segmentation.opencv import opencv


@dataclass(frozen=True, kw_only=True)
class InputSettings:
    """What a network is shown.

    Attributes:
        short_side: Frames are scaled to this many pixels.
        multiple: Both sides are filled up to a multiple of this.
        motion: How flow becomes a picture.
        flow: How flow is estimated, between frames that were scaled.
    """

    short_side: int = 192
    multiple: int = 32
    motion: MotionSettings = field(default_factory=MotionSettings)
    flow: FlowSettings = field(default_factory=FlowSettings)

    def __post_init__(self) -> None:
        if not 16 <= self.short_side <= 4_096:
            raise UsageError(f"the shorter side of frames is `{self.short_side}`; 16 to 4096 is allowed")
        if not 1 <= self.multiple <= 512:
            raise UsageError(f"the sides of frames are a multiple of `{self.multiple}`; 1 to 512 is allowed")


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """A frame as a network sees it.

    Attributes:
        image_HW3: RGB, 0 to 1.
        motion_HW3: As `motion.picture` makes it; zeros without flow.
        has_motion: There was flow.
        height: Of the part at the top left that is the frame; the rest repeats its last row and column.
        width: Of the same.
    """

    image_HW3: NDArray[np.float32]
    motion_HW3: NDArray[np.float32]
    has_motion: bool
    height: int
    width: int


def scaled_size(height: int, width: int, settings: InputSettings) -> tuple[int, int]:
    """Height and width of a frame at the network's scale, without filling.

    >>> scaled_size(480, 854, InputSettings(short_side=192))
    (192, 342)
    """
    short = min(height, width)
    return (
        max(1, round(height * settings.short_side / short)),
        max(1, round(width * settings.short_side / short)),
    )


def filled_size(height: int, width: int, settings: InputSettings) -> tuple[int, int]:
    """Height and width that a network gets for a frame.

    >>> filled_size(480, 854, InputSettings(short_side=192, multiple=32))
    (192, 352)
    """
    high, wide = scaled_size(height, width, settings)
    return -(-high // settings.multiple) * settings.multiple, -(-wide // settings.multiple) * settings.multiple


def shrink(image_HWC: Pixels, settings: InputSettings) -> Pixels:
    """A frame at the network's scale, uint8; itself where it has that scale. Flow is estimated between such frames."""
    return resized(image_HWC, scaled_size(image_HWC.shape[0], image_HWC.shape[1], settings))


def prepare(image_HWC: Pixels, flow_HW2: Flow | None, settings: InputSettings) -> Prepared:
    """A frame and its flow as a network sees them.

    Args:
        image_HWC: RGB, uint8, of any size; best `shrink` made it, so that nothing is scaled twice.
        flow_HW2: To another frame, in pixels of its own size, which may differ from that of the frame; None where
            there is none.
        settings: The same as in training.

    Raises:
        UsageError: The frame is no RGB picture of uint8, or the flow has not two channels.
    """
    if image_HWC.dtype != np.uint8 or image_HWC.ndim != 3 or image_HWC.shape[2] != 3:
        raise UsageError(f"a frame is `{image_HWC.dtype}` of shape `{image_HWC.shape}`; uint8 of (H, W, 3) is needed")
    if flow_HW2 is not None and (flow_HW2.ndim != 3 or flow_HW2.shape[2] != 2):
        raise UsageError(f"a flow has the shape `{flow_HW2.shape}`; (H, W, 2) is needed")
    small_HWC = shrink(image_HWC, settings)
    height, width = small_HWC.shape[:2]
    motion_HW3 = np.zeros((height, width, 3), dtype=np.float32)
    if flow_HW2 is not None:
        motion_HW3 = motion_picture(resized_flow(flow_HW2, (height, width)), settings.motion)
    return fill(small_HWC, motion_HW3, has_motion=flow_HW2 is not None, settings=settings)


def fill(small_HWC: Pixels, motion_HW3: NDArray[np.float32], *, has_motion: bool, settings: InputSettings) -> Prepared:
    """A frame at the network's scale and its motion, both filled up to the multiple."""
    height, width = small_HWC.shape[:2]
    high, wide = (-(-each // settings.multiple) * settings.multiple for each in (height, width))
    pad = ((0, high - height), (0, wide - width), (0, 0))
    image_HW3 = np.pad(small_HWC, pad, mode="edge").astype(np.float32) * np.float32(1 / 255)
    return Prepared(
        image_HW3=image_HW3,
        motion_HW3=np.pad(motion_HW3.astype(np.float32, copy=False), pad, mode="edge"),
        has_motion=has_motion,
        height=height,
        width=width,
    )


def restore(probability_HW: NDArray[np.float32], size: tuple[int, int], settings: InputSettings) -> NDArray[np.float32]:
    """What a network said of a frame, at the size of the frame: without the filling, scaled back.

    Args:
        probability_HW: As large as `filled_size` says, 0 to 1.
        size: Height and width of the frame as it was given.
        settings: Those it was prepared with.

    Raises:
        UsageError: The map has another size.
    """
    if probability_HW.shape != filled_size(*size, settings):
        raise UsageError(
            f"the map has the shape `{probability_HW.shape}`; frames of `{size[1]}x{size[0]}` (width x height) have "
            f"`{filled_size(*size, settings)}` here"
        )
    high, wide = scaled_size(*size, settings)
    cropped_HW = np.ascontiguousarray(probability_HW[:high, :wide], dtype=np.float32)
    if (high, wide) == size:
        return cropped_HW
    cv2 = opencv()
    full_HW = cv2.resize(cropped_HW, size[::-1], interpolation=cv2.INTER_LINEAR)
    return np.clip(full_HW, 0, 1, out=full_HW)


def resized(image_HWC: Pixels, size: tuple[int, int]) -> Pixels:
    """A picture at another height and width: averaged where it gets smaller, linear where larger."""
    if image_HWC.shape[:2] == size:
        return image_HWC
    cv2 = opencv()
    smaller = size[0] <= image_HWC.shape[0] and size[1] <= image_HWC.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(image_HWC), size[::-1], interpolation=how)


def resized_flow(flow_HW2: Flow, size: tuple[int, int]) -> Flow:
    """A flow at another height and width, its vectors in pixels of that size.

    >>> resized_flow(np.ones((4, 4, 2), np.float32), (2, 8))[0, 0].tolist()
    [2.0, 0.5]
    """
    height, width = flow_HW2.shape[:2]
    if (height, width) == size:
        return np.asarray(flow_HW2, dtype=np.float32)
    cv2 = opencv()
    how = cv2.INTER_AREA if size[0] <= height and size[1] <= width else cv2.INTER_LINEAR
    moved_HW2 = cv2.resize(np.ascontiguousarray(flow_HW2, dtype=np.float32), size[::-1], interpolation=how)
    return moved_HW2 * np.array([size[1] / width, size[0] / height], dtype=np.float32)
