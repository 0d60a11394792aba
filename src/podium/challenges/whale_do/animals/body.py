"""Where on the animal a pixel looks: silhouettes from above and from the side, as maps into the coat.

Axes: H down an image, W across it. Lengths in shares of the body's length unless a name says metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from podium.challenges.whale_do.animals.noise import Field

_PLACES = np.array(
    [0.0, 0.012, 0.035, 0.07, 0.11, 0.15, 0.19, 0.24, 0.33, 0.42, 0.52, 0.62, 0.72, 0.81, 0.88, 0.94, 1.0]
)
_HALF_WIDTHS = np.array(
    [
        0.0,
        0.026,
        0.043,
        0.055,
        0.062,
        0.064,
        0.068,
        0.084,
        0.104,
        0.108,
        0.102,
        0.088,
        0.068,
        0.046,
        0.030,
        0.020,
        0.014,
    ]
)


@dataclass(frozen=True, kw_only=True)
class Pose:
    """How the animal lies in the picture.

    Attributes:
        bend: Sideways curve of the body's axis, share of its length.
        wag: Sideways swing of the tail.
        rotation: Radians in the picture.
        roll: Radians around its own axis.
        tilt: The snout's depth less the tail's, metres.
        depth_metres: Of the back's highest point; negative is above the water.
        arch: How strongly the back is arched; from the side.
        shift: Of the animal in the crop, (down, across), share of its length.
        reach: Length of the picture in body lengths; above 1 shows water before and behind.
    """

    bend: float
    wag: float
    rotation: float
    roll: float
    tilt: float
    depth_metres: float
    arch: float
    shift: tuple[float, float]
    reach: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Gaze:
    """What each pixel sees; all (H, W).

    Attributes:
        along_HW: Place on the body, 0 snout to 1 flukes.
        angle_HW: Around it, radians, 0 the ridge, positive the right side.
        cover_HW: Share of the pixel that the animal fills, 0 to 1.
        plain_HW: Share that fins and flukes fill, which wear no pattern.
        depth_metres_HW: Below the water's surface; negative is above.
    """

    along_HW: Field
    angle_HW: Field
    cover_HW: Field
    plain_HW: Field
    depth_metres_HW: Field


def half_width(along: Field) -> Field:
    """Half the body's width at a place, in body lengths; 0 before the snout.

    >>> [round(float(each), 3) for each in half_width(np.array([0.0, 0.42, 1.0]))]
    [0.0, 0.108, 0.014]
    """
    return np.interp(along, _PLACES, _HALF_WIDTHS).astype(np.float32)


def from_above(
    pose: Pose, height: int, width: int, *, girth: float, length_metres: float, ripple: tuple[Field, Field]
) -> Gaze:
    """The view from a drone, head up.

    Args:
        pose: Of the photograph.
        height: Pixels.
        width: Pixels.
        girth: Of the individual.
        length_metres: Of the individual.
        ripple: How far the water displaces what is seen, (down, across), body lengths, each (H, W).
    """
    down, across = _grid(height, width, pose)
    down, across = down + ripple[0], across + ripple[1]
    along = down.astype(np.float32)
    axis = pose.bend * (4 * along * (1 - along) - 0.5) + pose.wag * np.clip(along - 0.45, 0, None) ** 2 * 3
    side = across - axis.astype(np.float32)
    half = np.maximum(half_width(along) * np.float32(girth), 1e-4)
    pixel = pose.reach / height
    inside = (along > 0) & (along < 1)
    cover = np.clip((half - np.abs(side)) / pixel + 0.5, 0, 1) * inside
    limbs = np.maximum(_flukes(along, side, pixel), _flippers(along, side, half, pixel))
    angle = np.arcsin(np.clip(side / half, -0.999, 0.999)) + np.float32(pose.roll)
    round_metres = (
        half * np.float32(length_metres) * (1 - np.cos(np.clip(np.arcsin(np.clip(side / half, -1, 1)), -1.5, 1.5)))
    )
    depth = pose.depth_metres + pose.tilt * (along - 0.35) + 1.2 * np.abs(along - 0.38) ** 2 + round_metres
    limb_depth = pose.depth_metres + pose.tilt * (along - 0.35) + 0.25 + 0.5 * np.abs(along - 0.38)
    return Gaze(
        along_HW=along,
        angle_HW=angle.astype(np.float32),
        cover_HW=np.maximum(cover, limbs).astype(np.float32),
        plain_HW=(limbs * (1 - cover)).astype(np.float32),
        depth_metres_HW=np.where(cover > 0.5, depth, limb_depth).astype(np.float32),
    )


def from_side(
    pose: Pose,
    height: int,
    width: int,
    *,
    girth: float,
    length_metres: float,
    left: bool,
    ripple: tuple[Field, Field],
) -> Gaze:
    """The view from a boat on the left or the right flank; the animal lies along the width.

    Args:
        pose: Of the photograph.
        height: Pixels.
        width: Pixels.
        girth: Of the individual.
        length_metres: Of the individual.
        left: Its left flank is seen, the head at the picture's left; else the right one.
        ripple: How far the water displaces what is seen, (down, across), body lengths, each (H, W).
    """
    across, down = _grid(width, height, pose)
    across, down = across.T + ripple[1], down.T + ripple[0]
    along = across if left else 1 - across
    along = along.astype(np.float32)
    half = np.maximum(half_width(along) * np.float32(girth), 1e-4)
    axis = np.float32(pose.arch) * (along - 0.42) ** 2 + np.float32(0.02)
    upward = (axis - down) / half
    pixel = pose.reach / width
    cover = np.clip((1 - np.abs(upward)) * half / pixel + 0.5, 0, 1) * ((along > 0) & (along < 1))
    elevation = 0.45 + pose.roll
    angle = np.arccos(np.clip(upward, -0.999, 0.999)) - np.float32(elevation)
    depth = (down * np.float32(length_metres)) + np.float32(pose.depth_metres)
    return Gaze(
        along_HW=along,
        angle_HW=(-angle if left else angle).astype(np.float32),
        cover_HW=cover.astype(np.float32),
        plain_HW=np.zeros_like(along),
        depth_metres_HW=depth.astype(np.float32),
    )


def _grid(length: int, breadth: int, pose: Pose) -> tuple[Field, Field]:
    """Places along the picture's long side (0 to 1 is the body) and across it (0 is the middle), in body lengths."""
    pixel = pose.reach / length
    first = (np.arange(length, dtype=np.float32) + 0.5) * pixel - (pose.reach - 1) / 2 - pose.shift[0] - 0.5
    second = (np.arange(breadth, dtype=np.float32) + 0.5 - breadth / 2) * pixel - pose.shift[1]
    cosine, sine = np.float32(np.cos(pose.rotation)), np.float32(np.sin(pose.rotation))
    rows, columns = first[:, None], second[None, :]
    return rows * cosine - columns * sine + np.float32(0.5), rows * sine + columns * cosine


def _flukes(along: Field, side: Field, pixel: float) -> Field:
    span = np.float32(0.135)
    out = np.clip(np.abs(side) / span, 0, 1.2)
    front = 0.905 + 0.06 * out**1.3
    back = 1.0 - 0.03 * np.cos(np.pi * np.clip(out, 0, 1)) * (1 - out) - 0.045 * out**3
    edge = np.minimum(along - front, back - along)
    edge = np.minimum(edge, span - np.abs(side))
    return np.clip(edge / pixel + 0.5, 0, 1).astype(np.float32)


def _flippers(along: Field, side: Field, half: Field, pixel: float) -> Field:
    out = np.abs(side) - 0.06
    back = along - 0.235 - 0.55 * out
    edge = np.minimum(0.028 * (1 - 2.0 * np.clip(out, 0, 1)) - np.abs(back), 0.115 - out)
    return (np.clip(edge / pixel + 0.5, 0, 1) * (np.abs(side) > half * 0.8)).astype(np.float32)
