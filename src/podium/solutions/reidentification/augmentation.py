"""Photographs as they might also have been taken: turned, cropped, lit and soiled anew. The same seed, the same pixels.

Axes: H height, W width, C colour; everything is uint8 RGB. All that moves pixels is one projective map, so that a
photograph is resampled once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from podium.errors import UsageError, nearest
from podium.solutions.reidentification import soiling
from podium.solutions.reidentification.soiling import Pixels

FLIPS = ("none", "same", "other")
Change = Callable[[Pixels, np.random.Generator], Pixels]
Map = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class AugmentationSettings:
    """What is done to a photograph each time it is learned from.

    Attributes:
        policy: ``none``, ``light``, ``second-place``, ``fourth-place`` or ``fourth-place-crop``.
        flip: Half of the photographs are mirrored: ``none`` of them, as the ``same`` individual, or as an ``other``
            one, which doubles the classes and suits animals whose two sides differ.
        triangle: Share of photographs with a white corner, as crops beyond a photograph's border have.
        glare: Share with bright spots, as of the sun on water.
        mix: Share that gets a patch of another photograph, cut about what strikes the eye there (SalMix).
    """

    policy: str = "light"
    flip: str = "same"
    triangle: float = 0.0
    glare: float = 0.0
    mix: float = 0.0

    def __post_init__(self) -> None:
        for what, found, allowed in (("policy", self.policy, POLICIES), ("flip", self.flip, FLIPS)):
            if found not in allowed:
                raise UsageError(f"the {what} of an augmentation is `{found}`; {nearest(found, allowed)}")
        for name in ("triangle", "glare", "mix"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"`{name}` of an augmentation is `{getattr(self, name)}`; 0 to 1 is allowed")


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """How pixels may move. Chances are 0 to 1; spans reach to both sides.

    Attributes:
        chance: Of turning, shifting, shearing and zooming, all together.
        degrees: Span of the angle.
        shift: Span, share of the edge.
        shear_degrees: Span along each axis.
        zoom: Least and greatest factor.
        crop_chance: Of a crop, stretched to the whole.
        crop_area: Least and greatest share of the area.
        crop_ratio: Least and greatest change of width to height.
        warp_chance: Of a view from the side.
        warp: Span by which each corner moves, share of half the edge.
    """

    chance: float = 0.0
    degrees: float = 0.0
    shift: float = 0.0
    shear_degrees: float = 0.0
    zoom: tuple[float, float] = (1.0, 1.0)
    crop_chance: float = 0.0
    crop_area: tuple[float, float] = (1.0, 1.0)
    crop_ratio: tuple[float, float] = (1.0, 1.0)
    warp_chance: float = 0.0
    warp: float = 0.0


@dataclass(frozen=True)
class Sometimes:
    """A change of pixels that happens with a chance of 0 to 1."""

    chance: float
    change: Change


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What moves, then what changes colour, in order."""

    geometry: Geometry = Geometry()
    changes: tuple[Sometimes, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class View:
    """A photograph changed, and whether it was mirrored."""

    image_HWC: Pixels
    mirrored: bool


def augment(image_HWC: Pixels, settings: AugmentationSettings, *, seed: int) -> View:
    """A photograph as the settings change it; mixing is not done here.

    Args:
        image_HWC: Not changed.
        seed: 0 or more.

    >>> image_HWC = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    >>> view = augment(image_HWC, AugmentationSettings(policy="none", flip="none"), seed=0)
    >>> view.mirrored, bool((view.image_HWC == image_HWC).all())
    (False, True)
    """
    rng = np.random.default_rng(seed)
    policy = POLICIES[settings.policy]
    mirrored = bool(rng.random() < 0.5) and settings.flip != "none"
    changed_HWC = moved(image_HWC, _draw(policy.geometry, image_HWC.shape[:2], rng))
    if mirrored:
        changed_HWC = changed_HWC[:, ::-1]
    extra = (Sometimes(settings.glare, soiling.glare), Sometimes(settings.triangle, soiling.triangle))
    for each in (*policy.changes, *extra):
        if rng.random() < each.chance:
            changed_HWC = each.change(changed_HWC, rng)
    return View(image_HWC=np.array(changed_HWC, order="C"), mirrored=mirrored)


def moved(image_HWC: Pixels, place: Map) -> Pixels:
    """A photograph whose pixel at (x, y) comes from where a projective map sends it; beyond it, its mean colour.

    Args:
        place: (3, 3) over (x, y, 1), in pixels from the upper left corner.
    """
    if np.array_equal(place, np.eye(3)):
        return image_HWC
    numbers = (place / place[2, 2]).flatten()[:8].tolist()
    flat = numbers[6] == 0 and numbers[7] == 0
    height, width = image_HWC.shape[:2]
    mean = image_HWC[::4, ::4].mean((0, 1))
    picture = Image.fromarray(np.ascontiguousarray(image_HWC)).transform(
        (width, height),
        Image.Transform.AFFINE if flat else Image.Transform.PERSPECTIVE,
        numbers[:6] if flat else numbers,
        resample=Image.Resampling.BILINEAR,
        fillcolor=(round(float(mean[0])), round(float(mean[1])), round(float(mean[2]))),
    )
    return np.asarray(picture)


def _draw(geometry: Geometry, size: tuple[int, int], rng: np.random.Generator) -> Map:
    """One map, from the changed photograph's pixels to the given one's."""
    height, width = size
    place = np.eye(3)
    if rng.random() < geometry.crop_chance:
        place = _crop(geometry, width, height, rng) @ place
    if rng.random() < geometry.warp_chance:
        place = _warp(geometry, width, height, rng) @ place
    if rng.random() < geometry.chance:
        place = _affine(geometry, width, height, rng) @ place
    return place


def _crop(geometry: Geometry, width: int, height: int, rng: np.random.Generator) -> Map:
    area = rng.uniform(*geometry.crop_area)
    narrow, wide = geometry.crop_ratio
    ratio = math.exp(rng.uniform(math.log(narrow), math.log(wide)))
    across, down = min(1.0, math.sqrt(area * ratio)), min(1.0, math.sqrt(area / ratio))
    left, top = rng.uniform(0, 1 - across), rng.uniform(0, 1 - down)
    return np.array([[across, 0, left * width], [0, down, top * height], [0, 0, 1]])


def _affine(geometry: Geometry, width: int, height: int, rng: np.random.Generator) -> Map:
    angle = math.radians(rng.uniform(-geometry.degrees, geometry.degrees))
    slant_x, slant_y = np.tan(np.radians(rng.uniform(-geometry.shear_degrees, geometry.shear_degrees, size=2)))
    zoom = rng.uniform(*geometry.zoom)
    shift_x, shift_y = rng.uniform(-geometry.shift, geometry.shift, size=2)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    inner = turn @ np.array([[1, slant_x], [slant_y, 1]]) / zoom
    centre = np.array([width / 2, height / 2])
    place = np.eye(3)
    place[:2, :2] = inner
    place[:2, 2] = centre - inner @ (centre + np.array([shift_x * width, shift_y * height]))
    return place


def _warp(geometry: Geometry, width: int, height: int, rng: np.random.Generator) -> Map:
    """The map that sends the corners to where each was drawn to."""
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float64)
    drawn = corners + rng.uniform(-geometry.warp, geometry.warp, size=(4, 2)) * np.array([width, height]) / 2
    return projective(corners, drawn)


def projective(before: Map, after: Map) -> Map:
    """(3, 3): the projective map that sends four points to four others.

    Args:
        before: (4, 2) points (x, y), no three on a line.
        after: (4, 2).

    >>> square = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]])
    >>> projective(square, square + 3.0).round(6).tolist()
    [[1.0, 0.0, 3.0], [0.0, 1.0, 3.0], [0.0, 0.0, 1.0]]
    """
    rows: list[list[float]] = []
    for (x, y), (u, v) in zip(before.tolist(), after.tolist(), strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    solved = np.linalg.solve(np.array(rows), after.flatten())
    return np.append(solved, 1.0).reshape(3, 3)


_LIGHT = Policy(
    geometry=Geometry(
        chance=0.7,
        degrees=10,
        shift=0.08,
        shear_degrees=3,
        zoom=(0.9, 1.15),
        crop_chance=0.5,
        crop_area=(0.75, 1.0),
        crop_ratio=(0.85, 1.18),
    ),
    changes=(
        Sometimes(0.7, soiling.Light(brightness=0.25, contrast=0.25)),
        Sometimes(0.5, soiling.Tint(saturation=0.25, hue_degrees=8)),
        Sometimes(0.1, soiling.Blur(radius=(0.5, 1.5))),
        Sometimes(0.1, soiling.Noise(deviation=(3, 10))),
        Sometimes(0.2, soiling.Holes(count=3, edge=0.2)),
    ),
)
_SECOND_PLACE = Policy(
    geometry=Geometry(
        chance=0.5,
        degrees=15,
        shift=0.25,
        shear_degrees=3,
        crop_chance=1.0,
        crop_area=(0.9, 1.0),
        crop_ratio=(0.75, 1.33),
    ),
    changes=(
        Sometimes(0.1, soiling.grey),
        Sometimes(0.05, soiling.Blur(radius=(1, 3))),
        Sometimes(0.05, soiling.Noise(deviation=(3, 7))),
        Sometimes(0.3, soiling.shuffle_quarters),
        Sometimes(0.2, soiling.Posterize(bits=4)),
        Sometimes(0.5, soiling.Light(brightness=0.2, contrast=0.2)),
        Sometimes(0.05, soiling.Holes(count=8, edge=0.03)),
        Sometimes(0.1, soiling.snow),
        Sometimes(0.05, soiling.rain),
    ),
)
_FOURTH_GEOMETRY = Geometry(chance=0.75, degrees=10, zoom=(1.0, 1.1), warp_chance=0.75, warp=0.2)
_FOURTH_CHANGES = (Sometimes(0.75, soiling.Light(brightness=0.2, contrast=0.2)),)
_FOURTH_PLACE = Policy(geometry=_FOURTH_GEOMETRY, changes=_FOURTH_CHANGES)
_FOURTH_PLACE_CROP = Policy(
    geometry=Geometry(
        chance=0.75,
        degrees=10,
        zoom=(1.0, 1.1),
        warp_chance=0.75,
        warp=0.2,
        crop_chance=0.5,
        crop_area=(0.35, 1.0),
        crop_ratio=(0.75, 1.33),
    ),
    changes=_FOURTH_CHANGES,
)
POLICIES = {
    "none": Policy(),
    "light": _LIGHT,
    "second-place": _SECOND_PLACE,
    "fourth-place": _FOURTH_PLACE,
    "fourth-place-crop": _FOURTH_PLACE_CROP,
}
