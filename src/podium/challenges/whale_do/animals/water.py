"""The sea and the light in which an encounter took place. Nothing here knows the individual."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from podium.challenges.whale_do.animals import noise
from podium.challenges.whale_do.animals.noise import Field

Colour = tuple[float, float, float]

_SEAS: tuple[Colour, ...] = (
    (0.33, 0.38, 0.33),
    (0.20, 0.33, 0.33),
    (0.28, 0.40, 0.42),
    (0.42, 0.43, 0.38),
    (0.16, 0.27, 0.33),
)
"""Silt, algae, shallow, mud, deep."""


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What all photographs of an encounter share.

    Attributes:
        sea: Colour of deep water, 0 to 1.
        light: Colour of the light, 1 neutral.
        exposure: Brightness of everything, 1 normal.
        azimuth: Where the light comes from, radians around the body.
        visibility_metres: Depth at which a third of the light is left.
        swell: Height of ripples, 0 calm to 1.
        ripple_metres: Their length.
        glare: Share of the surface that mirrors the sky, 0 to 1.
        zoom: Size of the animal in the picture, 1 the median.
    """

    sea: Colour
    light: Colour
    exposure: float
    azimuth: float
    visibility_metres: float
    swell: float
    ripple_metres: float
    glare: float
    zoom: float


def draw(day: np.random.Generator, encounter: np.random.Generator, *, difficulty: float) -> Conditions:
    """The conditions of an encounter: what the day gives, and what the hour changes.

    Args:
        day: Drawn from it is what all encounters of the day share.
        encounter: Drawn from it is the rest.
        difficulty: 0 (clear and calm) to 1.
    """
    first, second = (np.array(_SEAS[int(row)]) for row in day.choice(len(_SEAS), size=2, replace=False))
    share = float(day.beta(2, 2))
    mixed = share * first + (1 - share) * second
    harsh = 0.25 + 1.1 * difficulty
    sea = np.clip(mixed * np.exp(encounter.normal(0, 0.10 * harsh)) + encounter.normal(0, 0.015 * harsh, 3), 0.04, 0.8)
    warmth = float(encounter.normal(0, 0.05 * harsh))
    return Conditions(
        sea=_colour(sea),
        light=_colour(np.array([1 + warmth, 1.0 + encounter.normal(0, 0.015), 1 - warmth])),
        exposure=float(np.clip(np.exp(encounter.normal(0, 0.16 * harsh)), 0.6, 1.5)),
        azimuth=float(encounter.uniform(-0.9, 0.9)),
        visibility_metres=float(np.exp(day.normal(math.log(0.9), 0.3) + encounter.normal(0, 0.3 * harsh)) / harsh**0.5),
        swell=float(np.clip(encounter.gamma(2.0, 0.15) * harsh, 0.04, 1.0)),
        ripple_metres=float(np.exp(encounter.normal(math.log(0.5), 0.3))),
        glare=float(np.clip(encounter.beta(1.2, 9.0) * harsh, 0, 0.5)),
        zoom=float(np.clip(np.exp(encounter.normal(0, 0.3)), 0.45, 2.2)),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Surface:
    """The water's surface over a picture; all fields (H, W).

    Attributes:
        slope_down_HW: How it tilts down the image, deviation about the swell.
        slope_across_HW: How it tilts across.
        crest_HW: Its height.
        glare_HW: How much it mirrors the sky, 0 to 1.
    """

    slope_down_HW: Field
    slope_across_HW: Field
    crest_HW: Field
    glare_HW: Field


def surface(
    conditions: Conditions,
    rng: np.random.Generator,
    height: int,
    width: int,
    *,
    pixels_per_metre: float,
    stretch: float = 2.0,
) -> Surface:
    """A moment of the surface.

    Args:
        conditions: Of the encounter.
        rng: Of the photograph.
        height: Pixels.
        width: Pixels.
        pixels_per_metre: The picture's scale.
        stretch: How many times longer waves are across than down.
    """
    long = max(6.0, conditions.ripple_metres * pixels_per_metre)
    crest = noise.octaves(
        rng, height, width, wavelengths=(2.2 * long, long, 0.45 * long, 0.22 * long), stretch=stretch, falloff=0.7
    )
    scale = np.float32(conditions.swell * long / 4.0)
    down, across = (np.asarray(each, dtype=np.float32) for each in np.gradient(crest))
    sparkle = noise.octaves(
        rng, height, width, wavelengths=(0.5 * long, 0.25 * long, 0.12 * long), stretch=stretch, falloff=0.9
    )
    mirror = np.float32(0.8) * sparkle + np.float32(0.6) * crest
    glare = np.clip((mirror - np.float32(2.5 - 3.2 * conditions.glare)) * np.float32(0.6), 0, 1)
    return Surface(
        slope_down_HW=down * scale,
        slope_across_HW=across * scale,
        crest_HW=crest,
        glare_HW=glare.astype(np.float32),
    )


def backdrop(conditions: Conditions, surface: Surface, rng: np.random.Generator) -> Field:
    """Open water, (H, W, 3), 0 to about 1: colour, gradient, clouds of silt, ripples."""
    height, width = surface.crest_HW.shape
    silt = noise.octaves(rng, height, width, wavelengths=(height / 1.2, height / 3.0))
    ramp = np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None] * np.float32(rng.normal(0, 0.25))
    brightness = 1 + ramp + np.float32(0.06) * silt
    brightness = brightness + np.float32(0.13) * surface.slope_down_HW + np.float32(0.05) * surface.slope_across_HW
    return np.clip(brightness, 0.3, 2.0)[..., None] * np.array(conditions.sea, dtype=np.float32)


def _colour(values: np.ndarray) -> Colour:
    red, green, blue = values.tolist()
    return red, green, blue
