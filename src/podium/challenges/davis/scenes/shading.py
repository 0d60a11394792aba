"""Gives a flat cut-out the look of something round, the same way for all things of a clip.

Axes: G side of a raster, C colour.
"""

from __future__ import annotations

import numpy as np

from podium.challenges.davis.scenes import resampling
from podium.challenges.davis.scenes.outline import REACH, Outline
from podium.challenges.davis.scenes.resampling import Floats

_ROUND = 0.2
_RIM = 0.03


def shaded(texture_GGC: Floats, shape: Outline, light: complex, *, relief: float) -> Floats:
    """A texture with light from one side, fading from the edge inwards, and a rim that is a little darker.

    Args:
        texture_GGC: Colours 0 to 255.
        shape: Whose raster it covers.
        light: Where light comes from, in the outline's own places, of length 1.
        relief: 0 (flat) to 1.
    """
    side = len(texture_GGC)
    depth_GG = resampling.blurred(resampling.scaled(shape.depth_GG, (side, side)), 0.02 * side)
    unit = (side - 1) / (2 * REACH)
    down, across = np.gradient(depth_GG)
    facing_GG = -(across * light.real + down * light.imag) * unit
    near_GG = np.exp(-np.maximum(depth_GG, 0) / _ROUND)
    rim_GG = np.exp(-np.maximum(depth_GG, 0) / _RIM)
    factor_GG = 1 + relief * facing_GG * near_GG - 0.4 * relief * rim_GG
    return (texture_GGC * factor_GG[..., None]).clip(0, 255).astype(np.float32)
