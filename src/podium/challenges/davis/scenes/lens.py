"""What light and camera do to a clip: changing light, soft focus, shutter, noise.

Axes: T frames, H, W, C picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from podium.challenges.davis.scenes import resampling
from podium.challenges.davis.scenes.motion import waves
from podium.challenges.davis.scenes.resampling import Floats


@dataclass(frozen=True, kw_only=True)
class Shadow:
    """The shadow that everything casts on what lies behind it.

    Attributes:
        offset: In pixels, complex.
        strength: 0 to 1.
        softness: In pixels.
    """

    offset: complex
    strength: float
    softness: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Lens:
    """Light and camera.

    Attributes:
        shutter: Part of a frame's time that it is open; 0 takes sharp pictures.
        shadow: None where light comes from everywhere.
        light_TC: Factor on each colour at each frame.
        beam_T: Place of a brighter band across the picture at each frame, as a fraction of its width.
        beam: Strength of that band.
        focus: Blur of the whole picture, in pixels.
        noise: Spread of the noise, in levels.
        quality: Of the JPEG.
    """

    shutter: float
    shadow: Shadow | None
    light_TC: NDArray[np.float64]
    beam_T: NDArray[np.float64]
    beam: float
    focus: float
    noise: float
    quality: int


def draw(rng: np.random.Generator, times: int, *, height: int, difficulty: float) -> Lens:
    """Light and camera of a clip.

    Args:
        rng: Draws them.
        times: Frames.
        height: Of a frame.
        difficulty: 0 (clear and sharp) to 1.
    """
    changing = rng.random() < 0.1 + 0.5 * difficulty
    amount = (0.05 + 0.13 * difficulty) * changing
    common_T = np.exp(amount * waves(rng, times, slowest=60, fastest=10))
    tint_TC = np.stack([np.exp(0.25 * amount * waves(rng, times, slowest=80, fastest=30)) for _ in range(3)], axis=1)
    shadow = Shadow(
        offset=complex(rng.uniform(-0.035, 0.035), rng.uniform(0.005, 0.04)) * height,
        strength=float(rng.uniform(0.15, 0.45)),
        softness=float(rng.uniform(0.008, 0.025)) * height,
    )
    has_shadow, has_beam = rng.random() < 0.5, rng.random() < 0.35 * difficulty
    return Lens(
        shutter=float(rng.uniform(0.3, 0.8)) * bool(rng.random() < 0.5 * difficulty),
        shadow=shadow if has_shadow else None,
        light_TC=common_T[:, None] * tint_TC,
        beam_T=float(rng.uniform(-0.2, 1.2)) + float(rng.normal(0, 0.012)) * np.arange(times, dtype=np.float64),
        beam=float(rng.uniform(0.15, 0.4)) * has_beam,
        focus=float(rng.uniform(0.4, 1.1)) * height / 250 * bool(rng.random() < 0.35 * difficulty),
        noise=float(rng.uniform(0.3, 1.5 + 5 * difficulty)),
        quality=int(rng.integers(95 - round(25 * difficulty), 96)),
    )


def take(picture: Floats, lens: Lens, frame: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The picture as the camera keeps it, (H, W, 3)."""
    height, width = picture.shape[:2]
    picture = resampling.blurred(picture, lens.focus) * lens.light_TC[frame].astype(np.float32)
    if lens.beam:
        across = np.linspace(0, 1, width) - lens.beam_T[frame] + 0.25 * np.linspace(-0.5, 0.5, height)[:, None]
        picture = picture * (1 + lens.beam * np.exp(-((across / 0.22) ** 2))).astype(np.float32)[..., None]
    grain = rng.standard_normal((height, width, 1), np.float32) + 0.5 * rng.standard_normal(picture.shape, np.float32)
    return np.clip(np.rint(picture + grain * np.float32(lens.noise)), 0, 255).astype(np.uint8)
