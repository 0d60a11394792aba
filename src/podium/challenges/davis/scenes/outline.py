"""Outlines that nobody has seen: blobs, stars, creatures with limbs and fish, some with a hole.

A kind is drawn once for a clip; each outline of that kind differs a little, so that several look like one species.

Axes: G side of the raster, K waves, L limbs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from podium.challenges.davis.scenes import resampling
from podium.challenges.davis.scenes.resampling import Floats

REACH = 1.6
"""An outline lies within this of its middle, right and left, up and down; its area is that of a disc of radius 0.6."""

_SIDE = 320
_RADIUS = 0.6
_SMOOTH = 0.035
FAMILIES = ("blob", "star", "creature", "fish")


@dataclass(frozen=True, kw_only=True, eq=False)
class Outline:
    """One outline.

    Attributes:
        depth_GG: How far inside the edge each point lies, in the outline's unit; below 0 outside.
        extent: Distance of its farthest point from the middle.
    """

    depth_GG: Floats
    extent: float

    def points(self, unit: resampling.Points) -> resampling.Points:
        """Places in the outline's unit as pixels of its raster."""
        return (unit + complex(REACH, REACH)) * ((_SIDE - 1) / (2 * REACH))

    def places(self, points: resampling.Points) -> resampling.Points:
        """Pixels of the raster as places in the outline's unit."""
        return points * (2 * REACH / (_SIDE - 1)) - complex(REACH, REACH)

    @property
    def inside(self) -> resampling.Points:
        """A few hundred places that fill it and go just over its edge, in its unit."""
        rows, columns = np.nonzero(self.depth_GG[::9, ::9] > -0.06)
        return self.places(columns * 9 + 1j * rows * 9)


@dataclass(frozen=True, kw_only=True, eq=False)
class Kind:
    """What outlines of a clip have in common.

    Attributes:
        family: One of `FAMILIES`.
        waves_K2: Strength and phase (radians) of the waves of the radius; wave k has k + 1 crests.
        limbs_L5: Start and end (right, down) as distances and angles: angle, reach, bend, width at root and at tip.
        stretch: Length over breadth.
        holes: How many.
    """

    family: str
    waves_K2: NDArray[np.float64]
    limbs_L5: NDArray[np.float64]
    stretch: float
    holes: int


def draw_kind(rng: np.random.Generator) -> Kind:
    """A new kind of outline."""
    family = FAMILIES[int(rng.integers(len(FAMILIES)))]
    order = np.arange(1, 9)
    waves_K2 = np.stack([rng.normal(0, 0.28, 8) / order, rng.uniform(0, 2 * np.pi, 8)], axis=1)
    if family == "star":
        waves_K2[:, 0] *= 0.5
        waves_K2[int(rng.integers(2, 6)), 0] = rng.uniform(0.22, 0.42)
    count = {"creature": int(rng.integers(3, 6)), "fish": int(rng.integers(1, 4))}.get(family, 0)
    around = 2 * np.pi * (np.arange(count) + rng.uniform(-0.25, 0.25, count)) / max(count, 1) + rng.uniform(0, 6)
    limbs_L5 = np.stack(
        [
            around,
            rng.uniform(0.75, 1.25, count),
            rng.normal(0, 0.5, count),
            rng.uniform(0.14, 0.26, count),
            rng.uniform(0.06, 0.18, count),
        ],
        axis=1,
    )
    stretch = rng.uniform(1.0, 1.6) if family != "fish" else rng.uniform(1.8, 2.6)
    return Kind(
        family=family,
        waves_K2=waves_K2,
        limbs_L5=limbs_L5,
        stretch=float(stretch),
        holes=int(rng.random() < 0.18),
    )


def draw(kind: Kind, rng: np.random.Generator) -> Outline:
    """One outline of a kind."""
    waves_K2 = kind.waves_K2 * (1 + rng.normal(0, 0.12, kind.waves_K2.shape) * (1, 0.15))
    limbs_L5 = kind.limbs_L5 + rng.normal(0, 1, kind.limbs_L5.shape) * (0.15, 0.08, 0.2, 0.015, 0.01)
    own = replace(kind, waves_K2=waves_K2, limbs_L5=limbs_L5, stretch=kind.stretch * float(rng.uniform(0.92, 1.08)))
    line = np.linspace(-2.0, 2.0, _SIDE, dtype=np.float32)
    unit = line[None, :] + 1j * line[:, None]
    inside_GG = _smoothed(_body(own, unit) | _limbs(own, unit), _SMOOTH * _SIDE / 4)
    # Once more in the outline's own unit: in the middle, and of a known area.
    pixel = (4 / (_SIDE - 1)) ** 2
    scale = np.sqrt(inside_GG.sum() * pixel / np.pi) / _RADIUS
    middle = complex(unit[inside_GG].mean())
    farthest = float(np.abs(unit[inside_GG] - middle).max())
    scale = max(scale, farthest / (REACH - 0.1))
    at = np.linspace(-REACH, REACH, _SIDE, dtype=np.float32)
    wanted = (at[None, :] + 1j * at[:, None]) * scale + middle
    field_GG = resampling.read_at(inside_GG.astype(np.float32), (wanted + 2 + 2j) * ((_SIDE - 1) / 4), outside=0.0)
    inside_GG = _smoothed(field_GG > 0.5, 1.5)
    inside_GG = _pierced(inside_GG, kind.holes, rng)
    depth_GG = resampling.distance(inside_GG) * np.float32(2 * REACH / (_SIDE - 1))
    return Outline(depth_GG=resampling.blurred(depth_GG, 1.2), extent=farthest / scale)


def stripe(rng: np.random.Generator, *, breadth: float) -> Outline:
    """Something long and narrow that reaches across: a stem, a post."""
    at = np.linspace(-REACH, REACH, _SIDE, dtype=np.float32)
    across, down = at[None, :], at[:, None]
    wave = sum(rng.uniform(0, 0.05) * np.sin(rng.uniform(1, 4) * down + rng.uniform(0, 6)) for _ in range(3))
    half = breadth * (1 + 0.25 * np.sin(rng.uniform(2, 6) * down + rng.uniform(0, 6)))
    inside_GG = (np.abs(across - wave) < half) & (np.abs(down) < REACH - 0.1)
    depth_GG = resampling.distance(inside_GG) * np.float32(2 * REACH / (_SIDE - 1))
    return Outline(depth_GG=resampling.blurred(depth_GG, 1.2), extent=REACH)


def _body(kind: Kind, unit: resampling.Points) -> NDArray[np.bool_]:
    if kind.family == "fish":
        across = unit.real / kind.stretch
        bend = kind.waves_K2[0, 0] * across**2
        half = 0.42 * np.clip(1 - across**2, 0, None) * (1 - 0.5 * across) + 0.03
        return (np.abs(unit.imag - bend) < half) & (np.abs(across) < 1)
    stretched = unit.real / np.sqrt(kind.stretch) + 1j * unit.imag * np.sqrt(kind.stretch)
    order = np.arange(1, len(kind.waves_K2) + 1)
    around = np.linspace(-np.pi, np.pi, 1_024)
    waves = np.cos(around[:, None] * order + kind.waves_K2[:, 1]) * kind.waves_K2[:, 0]
    radius = np.clip(0.62 * (1 + waves.sum(axis=-1)), 0.22, 1.2)
    angle: NDArray[np.float64] = np.angle(stretched).astype(np.float64)
    # numpy's stub of `interp` has no overload that pyright can tell here.
    within: NDArray[np.float64] = cast(Any, np).interp(angle, around, radius)
    return np.abs(stretched) < within


def _limbs(kind: Kind, unit: resampling.Points) -> NDArray[np.bool_]:
    found = np.zeros(unit.shape, bool)
    for angle, reach, bend, root, tip in kind.limbs_L5:
        # A fish's fins point along its body.
        start, length = (0.9 * np.sin(angle), 1.25 * reach) if kind.family == "fish" else (angle, reach)
        steps = np.linspace(0.1, 1, 9)
        spine = length * steps * np.exp(1j * (start + bend * steps))
        for part, place in zip(steps, spine, strict=True):
            found |= np.abs(unit - place) < root + (tip - root) * part
    return found


def _smoothed(inside: NDArray[np.bool_], sigma: float) -> NDArray[np.bool_]:
    return resampling.blurred(inside.astype(np.float32), sigma) > 0.5


def _pierced(inside: NDArray[np.bool_], holes: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    depth = resampling.distance(inside)
    for _ in range(holes):
        rows, columns = np.nonzero(depth > 0.6 * depth.max())
        at = int(rng.integers(len(rows)))
        size = float(depth.max()) * rng.uniform(0.35, 0.5)
        down, across = np.ogrid[: len(inside), : len(inside)]
        inside = inside & (np.hypot(down - rows[at], across - columns[at]) > size)
    return inside
