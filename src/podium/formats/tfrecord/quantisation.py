"""Eight bits for a number between -2 and 2, as the YouTube-8M features are stored.

T frames, C channels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from podium.errors import UsageError

LOWEST, HIGHEST = -2.0, 2.0
_LEVELS = 255
_SCALE = np.float32((HIGHEST - LOWEST) / _LEVELS)
_BIAS = np.float32((HIGHEST - LOWEST) / 512 + LOWEST)


def dequantise(quantised: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The numbers that stored bytes stand for, by the official formula: ``q * 4 / 255 - 2 + 1 / 128``.

    The official bias of 1/128 makes the range -1.9921875 to 2.0078125, so this is no exact inverse of `quantise`: each
    number comes back 1/128 too high, give or take half a step of 4/255; the byte itself comes back unchanged.

    Args:
        quantised: Bytes, any shape.

    >>> dequantise(np.array([0, 255], dtype=np.uint8)).tolist()
    [-1.9921875, 2.0078125]
    """
    numbers = quantised.astype(np.float32)
    numbers *= _SCALE
    numbers += _BIAS
    return numbers


def quantise(numbers: ArrayLike) -> NDArray[np.uint8]:
    """The bytes that the official feature extractor stores: clipped to -2 to 2, then ``round((x + 2) * 255 / 4)``.

    Halves go to the even neighbour.

    Args:
        numbers: Any shape; infinities are clipped.

    Raises:
        UsageError: A number is NaN.

    >>> quantise([-3.0, -2.0, 0.0, 2.0]).tolist()
    [0, 0, 128, 255]
    """
    exact = np.asarray(numbers, dtype=np.float32)
    if np.isnan(exact).any():
        raise UsageError("a feature is `NaN`; numbers are needed")
    clipped = np.clip(exact, np.float32(LOWEST), np.float32(HIGHEST))
    return np.rint((clipped - np.float32(LOWEST)) * np.float32(_LEVELS / (HIGHEST - LOWEST))).astype(np.uint8)
