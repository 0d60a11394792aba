"""Marks that life leaves on a coat: scratches, rakes of teeth, cuts over the ridge, round lesions, blotches.

Axes as in `coat`: S along the body, A around it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from podium.challenges.whale_do.animals.noise import Field

Points = tuple[tuple[float, float], ...]
_SCALE = 3
_FIRST_YEAR = 2017.5


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One mark.

    Attributes:
        strokes: Lines (or, for a filled mark, outlines) as points (along, around), both 0 to 1.
        width: Of a line, as a share of the body's length.
        filled: The strokes are outlines of filled shapes.
        light: 1 is white scar tissue, -1 is dark.
        born: Year with fraction; early ones are older than any photograph.
        fading: Share that is lost a year.
        fresh: It is reddish in its first year.
    """

    strokes: tuple[Points, ...]
    width: float
    filled: bool
    light: float
    born: float
    fading: float
    fresh: bool = False

    def strength(self, year: float) -> float:
        """How much of it shows, 0 to 1; what is older than the first photographs fades from then on."""
        return 0.0 if year < self.born else (1.0 - self.fading) ** (year - max(self.born, _FIRST_YEAR))


def draw(rng: np.random.Generator, *, difficulty: float) -> tuple[Mark, ...]:
    """The marks of one individual; the fewer and the weaker, the more difficult."""
    strength = 1.1 - 0.4 * difficulty
    old = 4 + int(rng.poisson(7 * (1.3 - 0.6 * difficulty)))
    later = int(rng.poisson(1.2))
    kinds = (_scratch, _rake, _cut, _lesion, _blotch)
    found: list[Mark] = []
    for row in range(old + later):
        born = 2010.0 if row < old else float(rng.uniform(_FIRST_YEAR, 2019.7))
        kind = kinds[int(rng.choice(len(kinds), p=(0.32, 0.16, 0.14, 0.18, 0.20)))]
        fading = 0.03 if row < old else float(rng.uniform(0.05, 0.2))
        found.append(kind(rng, strength, born, fading))
    return tuple(found)


def paint(marks: tuple[Mark, ...], height: int, width: int, *, year: float) -> tuple[Field, Field, Field]:
    """Light marks, dark marks and blush, each (S, A), 0 to 1."""
    light, dark, blush = (np.zeros((height, width), dtype=np.float32) for _ in range(3))
    for mark in marks:
        strength = mark.strength(year)
        if strength <= 0.0:
            continue
        rows, columns, shape = _shape(mark, height, width)
        target = (light if mark.light > 0 else dark)[rows, columns]
        np.maximum(target, shape * np.float32(strength * abs(mark.light)), out=target)
        if mark.fresh and mark.born >= _FIRST_YEAR:
            redness = np.float32(max(0.0, 1.0 - (year - mark.born)))
            np.maximum(blush[rows, columns], shape * redness, out=blush[rows, columns])
    return light, dark, blush


def _shape(mark: Mark, height: int, width: int) -> tuple[slice, slice, Field]:
    """Where a mark lies on the coat, and its part of each pixel there."""
    points = np.array([point for stroke in mark.strokes for point in stroke]) * (height, width)
    room = 1 + mark.width * height
    top, left = np.clip(np.floor(points.min(axis=0) - room), 0, (height - 1, width - 1)).astype(int).tolist()
    bottom, right = (
        np.clip(np.ceil(points.max(axis=0) + room), (top + 1, left + 1), (height, width)).astype(int).tolist()
    )
    canvas = Image.new("L", ((right - left) * _SCALE, (bottom - top) * _SCALE))
    pen = ImageDraw.Draw(canvas)
    for stroke in mark.strokes:
        places = [((around * width - left) * _SCALE, (along * height - top) * _SCALE) for along, around in stroke]
        if mark.filled:
            pen.polygon(places, fill=255)
        else:
            pen.line(places, fill=255, width=max(1, round(mark.width * height * _SCALE)), joint="curve")
    small = canvas.resize((right - left, bottom - top), Image.Resampling.BOX)
    return slice(top, bottom), slice(left, right), np.asarray(small, dtype=np.float32) / np.float32(255.0)


def _place(rng: np.random.Generator) -> tuple[float, float]:
    """Where on the body: away from snout and flukes, mostly on the back."""
    return float(rng.uniform(0.08, 0.86)), float(np.clip(rng.normal(0.5, 0.17), 0.08, 0.92))


def _curve(start: tuple[float, float], angle: float, length: float, bend: float, *, count: int = 12) -> Points:
    """A line that turns evenly. Around the body a unit is 2.2 metres, along it 4."""
    steps = np.linspace(0.0, 1.0, count)
    heading = angle + bend * (steps - 0.5)
    along = start[0] + np.cumsum(np.cos(heading)) * length / count
    around = start[1] + np.cumsum(np.sin(heading)) * length / count * 4.0 / 2.2
    return tuple(zip(along.tolist(), around.tolist(), strict=True))


def _scratch(rng: np.random.Generator, strength: float, born: float, fading: float) -> Mark:
    line = _curve(_place(rng), rng.uniform(0, np.pi), rng.uniform(0.07, 0.26), rng.normal(0, 0.9))
    light = strength * float(rng.choice([0.8, 0.65, -0.6]))
    return Mark(
        strokes=(line,), width=float(rng.uniform(0.004, 0.011)), filled=False, light=light, born=born, fading=fading
    )


def _rake(rng: np.random.Generator, strength: float, born: float, fading: float) -> Mark:
    (along, around), angle = _place(rng), float(rng.uniform(0, np.pi))
    length, bend, gap = rng.uniform(0.08, 0.18), rng.normal(0, 0.5), rng.uniform(0.016, 0.026)
    across = (-np.sin(angle) * gap, np.cos(angle) * gap * 4.0 / 2.2)
    lines = tuple(
        _curve((along + row * across[0], around + row * across[1]), angle, length, bend)
        for row in range(int(rng.integers(3, 6)))
    )
    return Mark(strokes=lines, width=0.006, filled=False, light=0.75 * strength, born=born, fading=fading)


def _cut(rng: np.random.Generator, strength: float, born: float, fading: float) -> Mark:
    """Across the ridge, as boats and ice leave them: one or several in a row."""
    along, gap = float(rng.uniform(0.3, 0.8)), float(rng.uniform(0.03, 0.06))
    width = float(rng.uniform(0.08, 0.2))
    lines = tuple(
        _curve((along + row * gap, 0.5 - width / 2 + float(rng.normal(0, 0.02))), np.pi / 2, width * 2.2 / 4.0, 0.5)
        for row in range(int(rng.choice([1, 1, 2, 4])))
    )
    return Mark(
        strokes=lines,
        width=float(rng.uniform(0.008, 0.014)),
        filled=False,
        light=0.85 * strength,
        born=born,
        fading=fading,
        fresh=True,
    )


def _lesion(rng: np.random.Generator, strength: float, born: float, fading: float) -> Mark:
    """A cluster of round spots."""
    along, around = _place(rng)
    light = strength * float(rng.choice([0.7, -0.6]))
    spots: list[Points] = []
    for _ in range(int(rng.integers(1, 7))):
        centre = along + float(rng.normal(0, 0.03)), around + float(rng.normal(0, 0.05))
        spots.append(_round(centre, float(rng.uniform(0.006, 0.018)), np.ones(16)))
    return Mark(strokes=tuple(spots), width=0.0, filled=True, light=light, born=born, fading=fading, fresh=True)


def _blotch(rng: np.random.Generator, strength: float, born: float, fading: float) -> Mark:
    """An irregular patch."""
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    outline = np.ones(24)
    for order in range(2, 6):
        outline += rng.normal(0, 0.5 / order) * np.cos(order * turn + rng.uniform(0, 2 * np.pi))
    light = strength * float(rng.choice([0.5, -0.7]))
    shape = _round(_place(rng), float(rng.uniform(0.025, 0.06)), np.maximum(outline, 0.25))
    return Mark(strokes=(shape,), width=0.0, filled=True, light=light, born=born, fading=fading)


def _round(centre: tuple[float, float], radius: float, outline: np.ndarray) -> Points:
    turn = np.linspace(0, 2 * np.pi, len(outline), endpoint=False)
    along = centre[0] + radius * outline * np.cos(turn)
    around = centre[1] + radius * outline * np.sin(turn) * 4.0 / 2.2
    return tuple(zip(along.tolist(), around.tolist(), strict=True))
