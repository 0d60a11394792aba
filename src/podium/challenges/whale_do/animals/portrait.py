"""A photograph of an individual: its coat, in a pose, under water and light, through a camera."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from podium.challenges.whale_do.animals import body, camera, noise, water
from podium.challenges.whale_do.animals.body import Gaze, Pose
from podium.challenges.whale_do.animals.coat import ANGLE_DEGREES, LENGTH_METRES, Coat
from podium.challenges.whale_do.animals.noise import Field
from podium.challenges.whale_do.animals.water import Conditions, Surface

TOP_HEIGHT, TOP_ASPECT = 220, 2.9
LATERAL_WIDTH, LATERAL_ASPECT = 440, 5.0


@dataclass(frozen=True, kw_only=True)
class Shot:
    """A photograph as a file.

    Attributes:
        data: A JPEG without metadata.
        height: Pixels.
        width: Pixels.
    """

    data: bytes
    height: int
    width: int


@dataclass(frozen=True, kw_only=True)
class Habit:
    """What the poses of one encounter have in common.

    Attributes:
        pose: The middle pose.
        aspect: Long side of the crop by its short side.
    """

    pose: Pose
    aspect: float


def habit(viewpoint: str, rng: np.random.Generator, *, difficulty: float) -> Habit:
    """How an animal moves during an encounter.

    Args:
        viewpoint: ``top``, ``left`` or ``right``.
        rng: Of the encounter.
        difficulty: 0 (straight and near the surface) to 1.
    """
    harsh = 0.3 + 1.0 * difficulty
    top = viewpoint == "top"
    depth = rng.normal(-0.05, 0.12 * harsh) if top else rng.normal(0.05, 0.10 * harsh)
    pose = Pose(
        bend=float(rng.normal(0, 0.02 * harsh)) if top else 0.0,
        wag=float(rng.normal(0, 0.06 * harsh)) if top else 0.0,
        rotation=float(rng.normal(0, 0.05 * harsh)),
        roll=float(rng.normal(0, 0.16 * harsh)),
        tilt=float(rng.normal(0.15, 0.25 * harsh)),
        depth_metres=float(np.clip(depth, -0.25, 0.45)),
        arch=float(np.clip(rng.normal(0.32, 0.10 * harsh), 0.08, 0.7)),
        shift=(float(rng.normal(0, 0.02 * harsh)), float(rng.normal(0, 0.008 * harsh))),
        reach=float(np.clip(rng.normal(1.02, 0.05 * harsh), 0.8, 1.2)),
    )
    middle, spread = (TOP_ASPECT, 0.10) if top else (LATERAL_ASPECT, 0.14)
    return Habit(pose=pose, aspect=float(np.exp(rng.normal(math.log(middle), spread))))


def photograph(
    coat: Coat,
    viewpoint: str,
    conditions: Conditions,
    habit: Habit,
    rng: np.random.Generator,
    *,
    girth: float,
    difficulty: float,
) -> Shot:
    """One photograph.

    Args:
        coat: What the animal wears that day.
        viewpoint: ``top``, ``left`` or ``right``.
        conditions: Of the encounter.
        habit: Of the encounter.
        rng: Of the photograph.
        girth: Of the individual, 1 the average.
        difficulty: 0 to 1.
    """
    height, width = _size(viewpoint, conditions, habit, rng)
    long_side = max(height, width)
    pose = _moved(habit.pose, rng)
    scale = long_side / (pose.reach * LENGTH_METRES)
    sea = water.surface(conditions, rng, height, width, pixels_per_metre=scale, stretch=2.0 if height > width else 4.0)
    ripple = _ripple(sea)
    if viewpoint == "top":
        gaze = body.from_above(pose, height, width, girth=girth, length_metres=LENGTH_METRES, ripple=ripple)
    else:
        gaze = body.from_side(
            pose, height, width, girth=girth, length_metres=LENGTH_METRES, left=viewpoint == "left", ripple=ripple
        )
    scene = _scene(coat, gaze, conditions, sea, rng, difficulty=difficulty, lateral=viewpoint != "top")
    exposure = camera.draw(
        rng, gain=conditions.exposure, balance=conditions.light, height=long_side, difficulty=difficulty
    )
    data = camera.encode(camera.expose(scene, exposure, rng), quality=exposure.quality)
    return Shot(data=data, height=height, width=width)


def _size(viewpoint: str, conditions: Conditions, habit: Habit, rng: np.random.Generator) -> tuple[int, int]:
    zoom = conditions.zoom * float(np.exp(rng.normal(0, 0.06)))
    aspect = habit.aspect * float(np.exp(rng.normal(0, 0.04)))
    long_side = round((TOP_HEIGHT if viewpoint == "top" else LATERAL_WIDTH) * zoom)
    short_side = max(36, round(long_side / aspect))
    return (long_side, short_side) if viewpoint == "top" else (short_side, long_side)


def _moved(pose: Pose, rng: np.random.Generator) -> Pose:
    """A moment of an encounter: everything a little different."""
    step = rng.normal(0, 1, 10)
    return Pose(
        bend=pose.bend + 0.005 * step[0],
        wag=pose.wag + 0.02 * step[1],
        rotation=pose.rotation + 0.02 * step[2],
        roll=pose.roll + 0.05 * step[3],
        tilt=pose.tilt + 0.05 * step[4],
        depth_metres=pose.depth_metres + 0.03 * step[5],
        arch=max(0.05, pose.arch + 0.03 * step[6]),
        shift=(pose.shift[0] + 0.008 * step[7], pose.shift[1] + 0.004 * step[8]),
        reach=pose.reach * (1 + 0.012 * step[9]),
    )


def _ripple(sea: Surface) -> tuple[Field, Field]:
    """How far refraction displaces what is seen, in body lengths: a few pixels at most."""
    metres = np.float32(0.018 / LENGTH_METRES)
    return sea.slope_down_HW * metres, sea.slope_across_HW * metres


def _scene(
    coat: Coat,
    gaze: Gaze,
    conditions: Conditions,
    sea: Surface,
    rng: np.random.Generator,
    *,
    difficulty: float,
    lateral: bool,
) -> Field:
    """Light that reaches the camera, (H, W, 3)."""
    open_water = water.backdrop(conditions, sea, rng)
    skin = _lit_skin(coat, gaze, conditions, sea, lateral)
    depth = np.clip(gaze.depth_metres_HW + np.float32(0.06 * conditions.swell) * sea.crest_HW, 0, None)
    visibility = conditions.visibility_metres * (0.25 if lateral else 1.0)
    # Red light goes first.
    clear = np.exp(-depth[..., None] * np.array([1.25, 1.0, 0.95], dtype=np.float32) / np.float32(visibility))
    seen = gaze.cover_HW[..., None] * clear
    scene = open_water * (1 - seen) + skin * seen
    return _surfaced(scene, gaze, conditions, sea, rng, difficulty=difficulty)


def _lit_skin(coat: Coat, gaze: Gaze, conditions: Conditions, sea: Surface, lateral: bool) -> Field:
    rows, columns = coat.skin_SA.shape
    row = gaze.along_HW * np.float32(rows - 1)
    column = (gaze.angle_HW / np.float32(np.deg2rad(2 * ANGLE_DEGREES)) + np.float32(0.5)) * np.float32(columns - 1)
    tone = noise.sample(coat.skin_SA, row, column)
    blush = noise.sample(coat.blush_SA, row, column)[..., None]
    plain = np.float32(np.median(coat.skin_SA))
    tone = tone * (1 - gaze.plain_HW) + plain * np.float32(0.92) * gaze.plain_HW
    facing = np.cos(gaze.angle_HW - np.float32(conditions.azimuth))
    shade = np.float32(0.62) + np.float32(0.38) * np.clip(facing, -0.6, 1)
    if not lateral:
        shade = shade * (np.float32(0.75) + np.float32(0.25) * np.cos(gaze.angle_HW))
    caustics = 1 + np.float32(0.16) * np.clip(sea.slope_down_HW, -2, 2) * (gaze.depth_metres_HW > 0)
    lit = (tone * shade * caustics)[..., None] * np.array([0.97, 1.0, 1.0], dtype=np.float32)
    return lit * (1 - blush * np.array([0.0, 0.35, 0.30], dtype=np.float32))


def _surfaced(
    scene: Field,
    gaze: Gaze,
    conditions: Conditions,
    sea: Surface,
    rng: np.random.Generator,
    *,
    difficulty: float,
) -> Field:
    """What the surface adds: glare, foam where it meets the skin, a wave that hides a part."""
    height, width = gaze.cover_HW.shape
    sky = np.array([0.93, 0.96, 1.0], dtype=np.float32)
    wet = np.float32(0.35) + np.float32(0.65) * (gaze.depth_metres_HW > -0.02)
    glare = (sea.glare_HW * wet)[..., None] * np.float32(0.75)
    scene = scene * (1 - glare) + sky * glare
    line = np.exp(-((gaze.depth_metres_HW / np.float32(0.035)) ** 2)) * gaze.cover_HW
    foam = np.clip(line * (np.float32(0.45) + np.float32(0.5) * sea.crest_HW) * np.float32(conditions.swell), 0, 0.85)
    if rng.random() < 0.12 + 0.25 * difficulty:
        foam = np.maximum(foam, _wave(height, width, rng, lateral=width > height) * np.float32(rng.uniform(0.3, 0.9)))
    grain = np.clip(0.85 + 0.12 * noise.smooth(rng, height, width, wavelength=5.0), 0.5, 1.1)
    return scene * (1 - foam[..., None]) + (grain * foam)[..., None] * sky


def _wave(height: int, width: int, rng: np.random.Generator, *, lateral: bool) -> Field:
    """A band of white water over a part of the picture, 0 to 1."""
    rows = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    columns = np.linspace(0, 1, width, dtype=np.float32)[None, :]
    place = columns if lateral else rows
    centre, breadth = np.float32(rng.uniform(0, 1)), np.float32(rng.uniform(0.04, 0.13))
    rough = noise.octaves(rng, height, width, wavelengths=(40.0, 18.0, 8.0), falloff=0.8)
    return np.clip(1.3 - np.abs(place - centre) / breadth + np.float32(0.6) * rough, 0, 1) * np.clip(
        np.float32(0.6) + np.float32(0.6) * rough, 0, 1
    )
