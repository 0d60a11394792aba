"""The classical peer of the baseline: a hash of each frame's coarse shapes, no learning.

A frame becomes grey and small, a cosine transform splits it into waves, and one bit a wave says whether its weight is
above the median. Written as ±1/√bits, so that the inner product of two descriptors is 1 - 2·(bits that differ)/bits
and the same search and the same metric judge it. Axes: T frames, H height, W width, C channels.
Source: Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010; the 256-bit form with the
lowest wave left out follows the technical note of PDQ, 2019.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_FLAT = 2.0


def hash_frames(frames_THWC: NDArray[np.uint8], *, bits: int = 256) -> NDArray[np.float32]:
    """(T, bits) of ±1/√bits; a frame without any shape (one colour, almost) gets zeros, so that it matches nothing.

    Args:
        frames_THWC: RGB, 0 to 255.
        bits: A square number, 16 to 1024; 64 and 256 are usual.

    Raises:
        UsageError: `bits` or the shape of the frames is not allowed.

    >>> import numpy as np
    >>> ramp = np.linspace(0, 255, 64).astype(np.uint8)[None, None, :, None] * np.ones((1, 64, 1, 3), np.uint8)
    >>> vector = hash_frames(ramp, bits=64)
    >>> vector.shape, round(float(np.linalg.norm(vector)), 6)
    ((1, 64), 1.0)
    """
    side = math.isqrt(bits)
    if side * side != bits or not 4 <= side <= 32:
        raise UsageError(f"a hash of `{bits}` bits is not possible; allowed: square numbers from 16 to 1024")
    if frames_THWC.ndim != 4 or frames_THWC.shape[-1] != 3:
        raise UsageError(f"frames are (T, H, W, 3); found `{frames_THWC.shape}`")
    edge = 4 * side
    transform = _cosine_rows(side, edge)
    rows: list[NDArray[np.float32]] = []
    for frame_HWC in frames_THWC:
        grey_HW = _shrink(frame_HWC.astype(np.float32) @ _LUMA, edge)
        waves = transform @ grey_HW @ transform.T
        if grey_HW.std() < _FLAT:
            rows.append(np.zeros(bits, dtype=np.float32))
            continue
        signs = np.where(waves > np.median(waves), 1.0, -1.0).reshape(bits)
        rows.append((signs / side).astype(np.float32))
    return np.stack(rows) if rows else np.zeros((0, bits), dtype=np.float32)


@cache
def _cosine_rows(side: int, edge: int) -> NDArray[np.float64]:
    waves, places = np.arange(1, side + 1)[:, None], np.arange(edge)[None, :]
    return math.sqrt(2 / edge) * np.cos(np.pi / (2 * edge) * waves * (2 * places + 1))


def _shrink(grey_HW: NDArray[np.float32], edge: int) -> NDArray[np.float32]:
    return _area_mean(_area_mean(grey_HW, edge).T, edge).T


def _area_mean(grey_HW: NDArray[np.float32], edge: int) -> NDArray[np.float32]:
    """The rows averaged into `edge` rows, a source row that straddles a border counting in parts on both sides."""
    height = len(grey_HW)
    sums = np.concatenate([np.zeros((1, grey_HW.shape[1])), np.cumsum(grey_HW, axis=0, dtype=np.float64)])
    borders = np.linspace(0, height, edge + 1)
    below = np.minimum(borders.astype(np.int64), height - 1)
    at_borders = sums[below] + (borders - below)[:, None] * (sums[below + 1] - sums[below])
    return (np.diff(at_borders, axis=0) * (edge / height)).astype(np.float32)
