"""What an individual wears: a pigment pattern that grows by itself, and marks that life leaves.

The pattern is where the Swift-Hohenberg equation settles, the normal form of a reaction-diffusion system close to its
Turing instability: spots, stripes or mazes of one wavelength, different for every random start. Source: Swift and
Hohenberg, Physical Review A 15, 1977.

Axes: S along the body, 0 the snout and 1 the flukes; A around it, -150 degrees the left belly, 0 the ridge,
150 the right belly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from podium.challenges.whale_do.animals import marks, noise
from podium.challenges.whale_do.animals.marks import Mark
from podium.challenges.whale_do.animals.noise import Field

LENGTH_METRES = 4.0
ANGLE_DEGREES = 150.0
"""The coat reaches so far down each side."""

_S, _A = 96, 64
_FINE_S, _FINE_A = 256, 192
_GIRTH_METRES = 2.2
_STEPS = 60
_STEP = 0.6


@dataclass(frozen=True, kw_only=True, eq=False)
class Individual:
    """One animal, for all years.

    Attributes:
        seed: What its coat is drawn from.
        pattern_SA: 0 (plain) to 1 (pigment), as young as it gets.
        marks: Scars and blotches with the years in which they came.
        tone: Of the skin between marks in 2017, 0 black to 1 white.
        whitening: What the tone gains a year.
        contrast: Of the pigment in 2017.
        girth: Of its body, 1 the average.
    """

    pattern_SA: Field
    marks: tuple[Mark, ...]
    tone: float
    whitening: float
    contrast: float
    girth: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Coat:
    """What an individual wears at one time.

    Attributes:
        skin_SA: Brightness, 0 to 1.
        blush_SA: How reddish, 0 to 1: fresh wounds.
    """

    skin_SA: Field
    blush_SA: Field


def grow(seed: tuple[int, ...], *, difficulty: float) -> Individual:
    """An individual.

    Args:
        seed: Same seed, same animal; the first number is shared by the herd.
        difficulty: 0 (individuals differ at first sight) to 1 (look-alikes).
    """
    rng = np.random.default_rng([*seed, 1_977])
    spread = 1.3 - 0.6 * difficulty
    wavelength = 0.42 * float(np.exp(0.30 * spread * rng.standard_normal()))
    bias = float(np.clip(0.9 * spread * rng.standard_normal(), -1.3, 1.3))
    pattern = _pattern(rng, wavelength_metres=wavelength, bias=bias, spread=spread)
    return Individual(
        pattern_SA=pattern,
        marks=marks.draw(rng, difficulty=difficulty),
        tone=float(np.clip(rng.normal(0.74, 0.07), 0.55, 0.9)),
        whitening=float(rng.uniform(0.005, 0.03)),
        contrast=float(np.clip(rng.normal(0.38, 0.05), 0.22, 0.55)) * (1.15 - 0.3 * difficulty),
        girth=float(np.exp(0.05 * rng.standard_normal())),
    )


def coat(individual: Individual, *, year: float) -> Coat:
    """What the individual wears at a time, 2017.6 for the summer of 2017: paler and more scarred with the years."""
    age = year - 2017.0
    skin = np.full((_FINE_S, _FINE_A), individual.tone + individual.whitening * age, dtype=np.float32)
    skin -= np.float32(individual.contrast * (1.0 - 0.05 * age)) * individual.pattern_SA
    light, dark, blush = marks.paint(individual.marks, _FINE_S, _FINE_A, year=year)
    skin += (np.float32(0.97) - skin) * light
    skin -= (skin - np.float32(0.18)) * dark
    return Coat(skin_SA=np.clip(skin, 0.05, 1.0), blush_SA=blush)


def _pattern(rng: np.random.Generator, *, wavelength_metres: float, bias: float, spread: float) -> Field:
    """Where pigment is, 0 to 1, at full resolution."""
    along = 2 * np.pi * np.fft.fftfreq(_S, LENGTH_METRES / _S)[:, None]
    around = 2 * np.pi * np.fft.rfftfreq(_A, _GIRTH_METRES / _A)[None, :]
    # Stretched along the body, as skin is.
    slant = 1.0 + 0.25 * spread * float(rng.standard_normal())
    wave = (along * slant) ** 2 + around**2
    critical = (2 * np.pi / wavelength_metres) ** 2
    damping = (1 + _STEP * (1 - wave / critical) ** 2).astype(np.float32)
    drive = np.float32(0.35) + np.float32(0.3) * noise.smooth(rng, _S, _A, wavelength=_S / 1.5)
    field = np.float32(0.3) * rng.standard_normal((_S, _A), dtype=np.float32)
    for _ in range(_STEPS):
        # Bounded, because so long a step may overshoot where the pattern begins to grow.
        field = np.clip(field, -2.0, 2.0)
        change = field + np.float32(_STEP) * (drive * field + np.float32(bias) * field**2 - field**3)
        field = np.fft.irfft2(np.fft.rfft2(change) / damping, s=(_S, _A)).astype(np.float32)
    extent = noise.octaves(rng, _S, _A, wavelengths=(_S / 1.2, _S / 3.0))
    fine = noise.resize(field, _FINE_S, _FINE_A)
    where = noise.resize(extent, _FINE_S, _FINE_A)
    level = np.float32(0.15 * np.sign(bias))
    return _step((fine - level) * np.float32(6.0)) * _step(where * np.float32(2.5) + np.float32(0.8))


def _step(values: Field) -> Field:
    return (1.0 / (1.0 + np.exp(-np.clip(values, -30, 30)))).astype(np.float32)
