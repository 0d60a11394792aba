"""Stills that move: what the flow of a picture would be, had its object and its background moved differently.

Each moves by a smooth displacement of its own: shift, turn, zoom, shear, and a bend of low frequency. The object moves
with the background and by itself. The flow is exact; the second frame is drawn from it, with what the object hid filled
in from around it. Networks learn from stills with such flow as they do from clips (Cho et al., FakeFlow, 2024, get it
from depth).

Axes: H height, W width, C colour, 2 (dx, dy) in pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError
from podium.solutions.object_segmentation.flow import Flow, Pixels
from podium.solutions.object_segmentation.opencv import opencv

Bools = NDArray[np.bool_]

_INVERSIONS = 6
_BEND_GRID = (4, 6)


@dataclass(frozen=True, kw_only=True)
class MovementSettings:
    """How far things move; shares are of the shorter side.

    Attributes:
        background: Span of the background's shift, a share.
        least: Of the object's own shift, a share.
        most: Of the same.
        turn_degrees: Span, of either.
        zoom: Span about 1, of either.
        bend: Size of the deformation, a share.
        rough: How far the flow is blurred and disturbed as if it had been estimated, 0 to 1.
    """

    background: float = 0.04
    least: float = 0.01
    most: float = 0.06
    turn_degrees: float = 3.0
    zoom: float = 0.04
    bend: float = 0.008
    rough: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.least <= self.most <= 0.5:
            raise UsageError(f"objects of stills move by `{self.least}` to `{self.most}`; 0 to 0.5, least first")
        if not (0 <= self.background <= 0.5 and 0 <= self.bend <= 0.05 and 0 <= self.rough <= 1):
            raise UsageError(
                f"the background of stills moves by `{self.background}`, bends by `{self.bend}`, is rough by "
                f"`{self.rough}`; 0 to 0.5, 0 to 0.05, 0 to 1"
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """Two frames of which the first is the still.

    Attributes:
        first_HWC: The still.
        second_HWC: After the movement.
        flow_HW2: Exact, from the first to the second.
    """

    first_HWC: Pixels
    second_HWC: Pixels
    flow_HW2: Flow


@dataclass(frozen=True, kw_only=True, eq=False)
class Movement:
    """How far each pixel moves.

    Attributes:
        camera_HW2: By what a homography explains of the background: all but its bend.
        background_HW2: Were it background.
        object_HW2: Were it object.
    """

    camera_HW2: Flow
    background_HW2: Flow
    object_HW2: Flow

    def flow(self, mask_HW: Bools) -> Flow:
        """(H, W, 2), exact."""
        return np.where(mask_HW[..., None], self.object_HW2, self.background_HW2)


def movement(mask_HW: Bools, rng: np.random.Generator, settings: MovementSettings) -> Movement:
    """How the object and the rest of a still move. The same draws, the same movement.

    Args:
        mask_HW: The object; may be empty.
        rng: Is drawn from equally often, whatever the mask.
        settings: How far.
    """
    height, width = mask_HW.shape
    short = min(height, width)
    middle = np.array([width / 2, height / 2])
    rows, columns = (np.flatnonzero(mask_HW.any(axis=axis)) for axis in (1, 0))
    centre = np.array([columns.mean(), rows.mean()]) if len(rows) else middle
    shift = rng.uniform(-settings.background, settings.background, 2) * short
    camera_HW2 = _displacement(height, width, middle, shift, rng, settings)
    background_HW2 = camera_HW2 + _bend(height, width, rng, settings)
    angle, length = rng.uniform(0, 2 * math.pi), rng.uniform(settings.least, settings.most) * short
    own = length * np.array([math.cos(angle), math.sin(angle)])
    own_HW2 = _displacement(height, width, centre, own, rng, settings) + _bend(height, width, rng, settings)
    object_HW2: Flow = np.add(background_HW2, own_HW2, dtype=np.float32)
    return Movement(camera_HW2=camera_HW2, background_HW2=background_HW2, object_HW2=object_HW2)


def pair(image_HWC: Pixels, mask_HW: Bools, rng: np.random.Generator, settings: MovementSettings) -> Pair:
    """A still and what it would look like after a movement.

    Args:
        image_HWC: RGB.
        mask_HW: Its object, of the same size.
        rng: Decides the movement.
        settings: How far.

    Raises:
        UsageError: Sizes differ.
    """
    if image_HWC.shape[:2] != mask_HW.shape:
        raise UsageError(f"a still of shape `{image_HWC.shape}` has a mask of `{mask_HW.shape}`; both must be alike")
    cv2 = opencv()
    moved = movement(mask_HW, rng, settings)
    behind_HWC = _drawn(without_object(image_HWC, mask_HW), moved.background_HW2)
    layer_HW4 = np.dstack([image_HWC.astype(np.float32), mask_HW.astype(np.float32)])
    before_HW2 = _grid(*mask_HW.shape) - _inverse(moved.object_HW2)
    front_HW4 = cv2.remap(layer_HW4, before_HW2, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    alpha_HW1 = np.clip(front_HW4[..., 3:], 0, 1)
    # The picture around the object bleeds in where the warp mixes pixels; alpha keeps only what is object.
    second_HWC = front_HW4[..., :3] * alpha_HW1 + behind_HWC.astype(np.float32) * (1 - alpha_HW1)
    return Pair(
        first_HWC=image_HWC,
        second_HWC=np.clip(np.rint(second_HWC), 0, 255).astype(np.uint8),
        flow_HW2=moved.flow(mask_HW),
    )


def roughened(flow_HW2: Flow, rng: np.random.Generator, settings: MovementSettings) -> Flow:
    """A flow as an estimate of it might be: edges blurred, smooth errors added.

    Args:
        flow_HW2: Exact.
        rng: Decides how much, up to ``settings.rough``.
        settings: `rough` is used.
    """
    cv2 = opencv()
    height, width = flow_HW2.shape[:2]
    amount = rng.uniform(0, settings.rough)
    errors = _smooth(height, width, (height // 12 + 2, width // 12 + 2), rng) * (0.004 * amount * min(height, width))
    sigma = 0.3 + 4.0 * amount * min(height, width) / 192
    return cv2.GaussianBlur(flow_HW2, (0, 0), sigma) + errors


def without_object(image_HWC: Pixels, mask_HW: Bools) -> Pixels:
    """A picture whose object is covered by what lies around it, the more blurred the further away."""
    cv2 = opencv()
    if not mask_HW.any():
        return image_HWC
    if mask_HW.all():
        return np.broadcast_to(image_HWC.mean(axis=(0, 1)).astype(np.uint8), image_HWC.shape).copy()
    hole_HW = cv2.dilate(mask_HW.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    hole_HW = hole_HW if not hole_HW.all() else mask_HW
    filled_HWC = np.where(hole_HW[..., None], 0, image_HWC).astype(np.float32)
    left_HW = hole_HW.copy()
    known_HW = (~hole_HW).astype(np.float32)
    known_HWC, size = filled_HWC.copy(), 5
    while left_HW.any():
        weight_HW = cv2.blur(known_HW, (size, size), borderType=cv2.BORDER_REPLICATE)
        colour_HWC = cv2.blur(known_HWC, (size, size), borderType=cv2.BORDER_REPLICATE)
        now_HW = left_HW & (weight_HW > 0.05)
        if size > 2 * max(mask_HW.shape):
            now_HW = left_HW & (weight_HW > 0)
            now_HW = now_HW if now_HW.any() else left_HW
        filled_HWC[now_HW] = colour_HWC[now_HW] / np.maximum(weight_HW[now_HW], 1e-6)[:, None]
        left_HW &= ~now_HW
        size = 2 * size + 1
    return np.clip(np.rint(filled_HWC), 0, 255).astype(np.uint8)


def _displacement(
    height: int,
    width: int,
    centre: NDArray[np.float64],
    shift: NDArray[np.float64],
    rng: np.random.Generator,
    settings: MovementSettings,
) -> Flow:
    """(H, W, 2): a shift, with turn, zoom and shear about a centre."""
    turn = math.radians(rng.uniform(-settings.turn_degrees, settings.turn_degrees))
    zoom, stretch, shear = rng.uniform(-settings.zoom, settings.zoom, 3) * np.array([1, 0.5, 0.5])
    linear = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    linear = linear @ np.array([[1 + zoom + stretch, shear], [shear, 1 + zoom - stretch]]) - np.eye(2)
    x_1W = np.arange(width, dtype=np.float32)[None] - np.float32(centre[0])
    y_H1 = np.arange(height, dtype=np.float32)[:, None] - np.float32(centre[1])
    moved_HW2 = np.empty((height, width, 2), dtype=np.float32)
    for axis, ((across, down), start) in enumerate(zip(linear.tolist(), shift.tolist(), strict=True)):
        np.add(np.float32(across) * x_1W, np.float32(down) * y_H1 + np.float32(start), out=moved_HW2[..., axis])
    return moved_HW2


def _bend(height: int, width: int, rng: np.random.Generator, settings: MovementSettings) -> Flow:
    return _smooth(height, width, _BEND_GRID, rng) * np.float32(settings.bend * min(height, width))


def _smooth(height: int, width: int, grid: tuple[int, int], rng: np.random.Generator) -> Flow:
    cv2 = opencv()
    coarse_GG2 = rng.standard_normal((*grid, 2)).astype(np.float32)
    return cv2.resize(coarse_GG2, (width, height), interpolation=cv2.INTER_CUBIC)


def _inverse(displacement_HW2: Flow) -> Flow:
    """(H, W, 2) u with u(q) = d(q - u(q)): how far what lies at q afterwards has moved; by iteration."""
    cv2 = opencv()
    grid_HW2 = _grid(*displacement_HW2.shape[:2])
    found_HW2 = displacement_HW2
    for _ in range(_INVERSIONS):
        found_HW2 = cv2.remap(
            displacement_HW2, grid_HW2 - found_HW2, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
    return found_HW2


def _drawn(image_HWC: Pixels, displacement_HW2: Flow) -> Pixels:
    cv2 = opencv()
    before_HW2 = _grid(*image_HWC.shape[:2]) - _inverse(displacement_HW2)
    return cv2.remap(image_HWC, before_HW2, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def _grid(height: int, width: int) -> Flow:
    x_HW, y_HW = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return np.stack([x_HW, y_HW], axis=-1)
