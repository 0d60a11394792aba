"""Flow as a picture that a network sees: motion that the camera does not explain.

Most of a frame is background, and a homography explains how a turning camera, or one in front of a plane, moves it. It
is fitted to a coarse grid of flow vectors so that the vectors of the object do not count. What is left is divided by
how much the background itself is left with, and pressed into -1 to 1.

Axes: H height, W width, 2 (dx, dy) in pixels, 3 (dx, dy, length), P points.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError
from podium.solutions.object_segmentation.opencv import opencv

Flow = NDArray[np.float32]
Points = NDArray[np.float32]

_GRID = 24
_BORDER = 0.15
_TOLERANCE = 0.004
_ROUNDS = 300
_AGREEING = 0.25


@dataclass(frozen=True, kw_only=True)
class MotionSettings:
    """How flow becomes a picture.

    Attributes:
        compensate: Subtract the motion of the background.
        noise: So many times the median length of what is left is shown as one half.
        floor: At least this length is shown as one half, as a share of the shorter side: the noise of a frame in which
            nothing moves stays small.
    """

    compensate: bool = True
    noise: float = 2.0
    floor: float = 0.004

    def __post_init__(self) -> None:
        if not (self.noise >= 0 and self.floor > 0):
            raise UsageError(
                f"the scale of motion has noise `{self.noise}` and floor `{self.floor}`; 0 or more, and above 0"
            )


def background(flow_HW2: Flow) -> Flow:
    """(H, W, 2): how the background moves, by a homography, or by one shift where none fits.

    The same flow gives the same answer.

    Args:
        flow_HW2: From a frame to another; at least 2 x 2.
    """
    height, width = flow_HW2.shape[:2]
    matrix = homography(flow_HW2)
    if matrix is None:
        shift = np.median(flow_HW2[:: max(1, height // 64), :: max(1, width // 64)].reshape(-1, 2), axis=0)
        return np.broadcast_to(shift.astype(np.float32), flow_HW2.shape).copy()
    return _moved(matrix, height, width)


def residual(flow_HW2: Flow, settings: MotionSettings) -> Flow:
    """(H, W, 2): the flow that the background's motion does not explain; all of it without compensation."""
    return flow_HW2 - background(flow_HW2) if settings.compensate else flow_HW2


def spread(residual_HW2: Flow) -> float:
    """The median length in pixels. It stands for the background, as long as that is most of the frame."""
    height, width = residual_HW2.shape[:2]
    some_HW2 = residual_HW2[:: max(1, height // 64), :: max(1, width // 64)]
    return float(np.median(np.hypot(some_HW2[..., 0], some_HW2[..., 1])))


def scale(spread: float, *, short_side: int, settings: MotionSettings) -> float:
    """The length in pixels that is shown as one half, above 0.

    Args:
        spread: What the background is left with, in pixels.
        short_side: Of the frame.
        settings: The same as in training.

    >>> settings = MotionSettings(noise=2.0, floor=0.002)
    >>> scale(0.01, short_side=200, settings=settings), scale(2.0, short_side=200, settings=settings)
    (0.4, 4.0)
    """
    return max(settings.floor * short_side, settings.noise * spread)


def picture(residual_HW2: Flow, length: float) -> NDArray[np.float32]:
    """(H, W, 3): dx and dy within -1 to 1, and the length within 0 to 1.

    Directions stay; a length of r is shown as r / (r + `length`), so that longer is always more.

    >>> picture(np.array([[[3, 4], [0, 0]]], np.float32), 5.0).tolist()
    [[[0.30000001192092896, 0.4000000059604645, 0.5], [0.0, 0.0, 0.0]]]
    """
    picture_HW3 = np.empty((*residual_HW2.shape[:2], 3), dtype=np.float32)
    long_HW = np.sqrt(residual_HW2[..., 0] ** 2 + residual_HW2[..., 1] ** 2, dtype=np.float32)
    share_HW = 1 / (long_HW + np.float32(length))
    np.multiply(residual_HW2, share_HW[..., None], out=picture_HW3[..., :2])
    np.multiply(long_HW, share_HW, out=picture_HW3[..., 2])
    return picture_HW3


def motion_picture(flow_HW2: Flow, settings: MotionSettings) -> NDArray[np.float32]:
    """(H, W, 3): a flow as a network sees it; `residual`, `spread`, `scale` and `picture` in a row."""
    left_HW2 = residual(flow_HW2, settings)
    return picture(left_HW2, scale(spread(left_HW2), short_side=min(left_HW2.shape[:2]), settings=settings))


def homography(flow_HW2: Flow) -> NDArray[np.float64] | None:
    """The 3 x 3 map of pixels that most of the flow agrees with; None where a shift must do.

    Points near the border count twice: the object is seldom there.
    """
    height, width = flow_HW2.shape[:2]
    if min(height, width) < 16:
        return None
    points_P2 = _grid(height, width)
    moved_P2 = points_P2 + flow_HW2[points_P2[:, 1].astype(np.intp), points_P2[:, 0].astype(np.intp)]
    if not np.isfinite(moved_P2).all():
        raise UsageError("the flow has values that are no numbers")
    cv2 = opencv()
    tolerance = max(0.5, _TOLERANCE * min(height, width))
    matrix, inliers = cv2.findHomography(points_P2, moved_P2, cv2.RANSAC, tolerance, None, _ROUNDS, 0.995)
    if matrix is None or inliers is None or float(inliers.mean()) < _AGREEING or not _sane(matrix, height, width):
        return None
    return matrix


def _sane(matrix: NDArray[np.float64], height: int, width: int) -> bool:
    """No corner goes to or beyond the horizon, none is mirrored, and none goes further than a frame's size."""
    corners_P3 = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]], dtype=np.float64)
    moved_P3 = corners_P3 @ matrix.T
    if not (np.isfinite(moved_P3).all() and (moved_P3[:, 2] > 0.2).all()):
        return False
    moved_P2 = moved_P3[:, :2] / moved_P3[:, 2:]
    return bool(np.linalg.det(matrix[:2, :2]) > 0 and (abs(moved_P2 - corners_P3[:, :2]) < max(height, width)).all())


def _moved(matrix: NDArray[np.float64], height: int, width: int) -> Flow:
    (a, b, c), (d, e, f), (g, h, i) = matrix.astype(np.float32)
    x_1W = np.arange(width, dtype=np.float32)[None]
    y_H1 = np.arange(height, dtype=np.float32)[:, None]
    depth_HW = 1 / (g * x_1W + (h * y_H1 + i))
    flow_HW2 = np.empty((height, width, 2), dtype=np.float32)
    flow_HW2[..., 0] = (a * x_1W + (b * y_H1 + c)) * depth_HW - x_1W
    flow_HW2[..., 1] = (d * x_1W + (e * y_H1 + f)) * depth_HW - y_H1
    return flow_HW2


@lru_cache(maxsize=16)
def _grid(height: int, width: int) -> Points:
    """(P, 2) of x and y, those near the border twice."""
    step = max(2, min(height, width) // _GRID)
    x_P, y_P = (
        each.ravel()
        for each in np.meshgrid(np.arange(step // 2, width, step), np.arange(step // 2, height, step), indexing="xy")
    )
    near_P = np.minimum(np.minimum(x_P, width - 1 - x_P) / width, np.minimum(y_P, height - 1 - y_P) / height) < _BORDER
    points_P2 = np.stack([x_P, y_P], axis=1).astype(np.float32)
    found_P2 = np.concatenate([points_P2, points_P2[near_P]])
    found_P2.flags.writeable = False
    return found_P2
