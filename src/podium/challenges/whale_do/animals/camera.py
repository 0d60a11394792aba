"""From a scene to a photograph: colour, blur, noise, what the crop cut off, JPEG."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from podium.challenges.whale_do.animals.noise import Field

Picture = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """How a photograph was taken.

    Attributes:
        gain: Brightness, 1 neutral.
        balance: Colour of the light, 1 neutral.
        contrast: 1 neutral.
        haze: What is added to black, 0 to 1.
        focus_pixels: Radius of the blur.
        motion_pixels: Length of the smear down the image.
        grain: Deviation of the noise, 0 to 1.
        corners: Corners that lie beyond the photograph: (corner 0 to 3, share of the height, share of the width).
        quality: Of the JPEG.
    """

    gain: float
    balance: tuple[float, float, float]
    contrast: float
    haze: float
    focus_pixels: float
    motion_pixels: float
    grain: float
    corners: tuple[tuple[int, float, float], ...]
    quality: int


def draw(
    rng: np.random.Generator, *, gain: float, balance: tuple[float, float, float], height: int, difficulty: float
) -> Exposure:
    """How one photograph of an encounter is taken.

    Args:
        rng: Of the photograph.
        gain: Of the encounter.
        balance: Of the encounter.
        height: Of the picture's long side, pixels; blur grows with it.
        difficulty: 0 to 1.
    """
    harsh = 0.2 + 1.2 * difficulty
    focus = 0.35 + rng.exponential(0.0018 * height * harsh)
    motion = rng.exponential(0.006 * height * harsh) if rng.random() < 0.25 else 0.0
    corners: list[tuple[int, float, float]] = []
    if rng.random() < 0.10 + 0.06 * difficulty:
        corner, slope = int(rng.integers(4)), float(rng.uniform(0.15, 0.5))
        corners.append((corner, slope, float(rng.uniform(0.15, 0.6))))
        if rng.random() < 0.3:
            corners.append((3 - corner, 0.4 * slope, float(rng.uniform(0.1, 0.3))))
    return Exposure(
        gain=gain * float(np.exp(rng.normal(0, 0.03))),
        balance=balance,
        contrast=float(np.clip(rng.normal(1.05, 0.08 * harsh), 0.75, 1.4)),
        haze=float(abs(rng.normal(0, 0.03 * harsh))),
        focus_pixels=float(min(focus, 0.012 * height)),
        motion_pixels=float(min(motion, 0.03 * height)),
        grain=float(rng.uniform(0.005, 0.02)) * harsh,
        corners=tuple(corners),
        quality=int(rng.integers(72, 93)),
    )


def expose(scene_HWC: Field, exposure: Exposure, rng: np.random.Generator) -> Picture:
    """The photograph of a scene, (H, W, 3).

    Args:
        scene_HWC: Light, 0 to about 1.
        exposure: How it is taken.
        rng: For the grain.
    """
    height, width, _ = scene_HWC.shape
    balance = np.array(exposure.balance, dtype=np.float32) * np.float32(exposure.gain)
    lit = scene_HWC * balance
    lit = (lit - np.float32(0.45)) * np.float32(exposure.contrast) + np.float32(0.45 + exposure.haze)
    # A soft shoulder, as cameras have it, instead of hard white.
    lit = np.where(lit > 0.8, 0.8 + 0.2 * np.tanh((lit - 0.8) / 0.2), lit)
    picture = Image.fromarray((np.clip(lit, 0, 1) * 255).astype(np.uint8))
    picture = picture.filter(ImageFilter.GaussianBlur(exposure.focus_pixels))
    if exposure.motion_pixels >= 1.0:
        picture = picture.filter(ImageFilter.BoxBlur((0, exposure.motion_pixels / 2)))
    grain = rng.standard_normal((height, width, 1), dtype=np.float32) * np.float32(255 * exposure.grain)
    colour = rng.standard_normal((height, width, 3), dtype=np.float32) * np.float32(120 * exposure.grain)
    noisy = np.asarray(picture, dtype=np.float32) + grain + colour
    done = np.clip(np.round(noisy), 0, 255).astype(np.uint8)
    for corner, share_down, share_across in exposure.corners:
        done[_triangle(height, width, corner, share_down, share_across)] = 255
    return done


def encode(picture_HWC: Picture, *, quality: int) -> bytes:
    """The JPEG of a picture, without any metadata."""
    stream = io.BytesIO()
    Image.fromarray(picture_HWC).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def _triangle(height: int, width: int, corner: int, share_down: float, share_across: float) -> NDArray[np.bool_]:
    down = (np.arange(height) + 0.5) / height
    across = (np.arange(width) + 0.5) / width
    down, across = (1 - down if corner & 2 else down), (1 - across if corner & 1 else across)
    return down[:, None] / share_down + across[None, :] / share_across < 1
