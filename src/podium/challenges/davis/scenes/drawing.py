"""Draws a scene: which things there are, how they look and how they move.

The object and its distractors are drawn alike, and one of them then moves: no single frame tells which. Scenes in which
the object is out of sight, covered, too small or hard to tell from the ground for long are drawn again.

Axes: T frames (from one before the first to one after the last), P points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from podium.challenges.davis.scenes import course as courses
from podium.challenges.davis.scenes import lens, motion, outline, plates, rendering
from podium.challenges.davis.scenes.course import Course
from podium.challenges.davis.scenes.motion import Ripple, Track
from podium.challenges.davis.scenes.occluders import draw_occluders
from podium.challenges.davis.scenes.outline import REACH, Kind, Outline
from podium.challenges.davis.scenes.plates import Cloth, Plate
from podium.challenges.davis.scenes.scene import Ground, Scene, Thing
from podium.challenges.davis.scenes.shading import shaded

_TRIES = 24
_LOOKS = 10
_LEAST_SHARE, _MOST_SHARE = 0.008, 0.4
_LEAST_FREE = 0.4
_MARGIN = 0.02
_EDGE_LEVELS = 22.0


@dataclass(frozen=True, kw_only=True)
class Cast:
    """What a scene is made of.

    Attributes:
        ground: Picture behind everything.
        cloth: Picture that the object and its distractors are cut from.
        occluder: Picture that what stands in front is cut from.
        size: Height and width of a frame.
        frames: How many.
        difficulty: 0 to 1.
    """

    ground: Plate
    cloth: Plate
    occluder: Plate
    size: tuple[int, int]
    frames: int
    difficulty: float

    @property
    def density(self) -> float:
        """Pixels of a texture for one of the frame; large frames show what there is, and are slow enough."""
        return 1.25 if self.size[0] <= 240 else 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class _Look:
    """What the object and its distractors have in common.

    Attributes:
        kind: Of their outlines.
        share: Of the frame, each.
        weak: How much of their texture is taken out, 0 to 1.
        supple: How much they bend.
        light: Where light comes from.
        relief: How round they look.
    """

    kind: Kind
    share: float
    weak: float
    supple: float
    light: complex
    relief: float


def draw(cast: Cast, seed: tuple[int, ...]) -> Scene:
    """A scene; the same cast and seed give the same one."""
    best, found = -1.0, None
    for number in range(_TRIES):
        scene = _drawn(cast, np.random.default_rng([*seed, number]))
        shown = _shown(scene)
        if shown > best:
            best, found = shown, scene
        if found is not None and best >= 0.9:
            return found
    if found is None:
        raise RuntimeError("no scene was drawn")
    return found


def _drawn(cast: Cast, rng: np.random.Generator) -> Scene:
    hard = cast.difficulty
    course = courses.draw(rng, frames=cast.frames, size=cast.size, difficulty=hard)
    look = _look(rng, hard)
    things = _alike(cast, course, look, rng)
    picture, density = plates.ground(cast.ground, cast.size, rng, density=cast.density)
    ripple = _ripple(cast, rng) if rng.random() < 0.3 * hard else None
    occluders: list[Thing] = []
    if rng.random() < 0.05 + 0.35 * hard:
        occluders = draw_occluders(cast.occluder, course.camera, course.place_T, cast.size, rng, density=cast.density)
    # Whoever moves passes in front, but not always.
    primary = int(rng.integers(len(things))) if rng.random() < 0.4 * hard else len(things) - 1
    things.insert(primary, things.pop(0))
    facts: dict[str, object] = {
        "distractors": len(things) - 1,
        "outline": look.kind.family,
        "occluders": len(occluders),
        "ripple": ripple is not None,
        "weak_texture": look.weak > 0,
        "camouflage": cast.cloth == cast.ground,
        "pause_frames": list(course.pauses),
        "pixels_per_frame": round(course.speed, 2),
        "camera_still": course.still,
    }
    return Scene(
        size=cast.size,
        frames=cast.frames,
        ground=Ground(picture=picture, density=density, camera=course.camera, ripple=ripple),
        things=(*things, *occluders),
        primary=primary,
        lens=lens.draw(rng, cast.frames, height=cast.size[0], difficulty=hard),
        facts=facts,
    )


def _look(rng: np.random.Generator, hard: float) -> _Look:
    return _Look(
        kind=outline.draw_kind(rng),
        share=min(float(rng.lognormal(-2.78, 0.5)), 0.18),
        weak=float(rng.uniform(0.75, 0.95)) if rng.random() < 0.15 + 0.2 * hard else 0.0,
        supple=float(rng.uniform(0.2, 0.6 + 0.6 * hard)),
        light=complex(np.exp(1j * rng.uniform(0, 2 * np.pi))),
        relief=float(rng.uniform(0.1, 0.4)),
    )


def _alike(cast: Cast, course: Course, look: _Look, rng: np.random.Generator) -> list[Thing]:
    """The object, then its distractors."""
    hard = cast.difficulty
    count = 1 if rng.random() < 0.2 * (1 - hard) else int(rng.integers(2, 3 + round(3 * hard)))
    shapes = [outline.draw(look.kind, rng) for _ in range(count)]
    share = min(look.share, 0.32 / count)
    scales = [_scale(each, share * rng.uniform(0.85, 1.15), cast.size) for each in shapes]
    places = _places(cast, course, [each.extent * scale for each, scale in zip(shapes, scales, strict=True)], rng)
    side = round(2 * REACH * max(scales) * cast.density)
    cloth = plates.draw_cloth(cast.cloth, rng, side=side, weak=look.weak)
    things: list[Thing] = []
    for number, place in enumerate(places):
        track, clock_T = _way(course, None if number == 0 else place, scales[number], rng)
        things.append(
            Thing(
                name="distractor" if number else "object",
                outline=shapes[number],
                texture_GGC=_texture(cloth, shapes[number], track, look, cast.density, rng),
                track=track,
                shears=motion.draw_shears(rng, clock_T, strength=look.supple),
                camera=course.camera,
            )
        )
    return things


def _way(
    course: Course, still_at: complex | None, scale: float, rng: np.random.Generator
) -> tuple[Track, motion.Clock]:
    """The object's way and clock; or those of a thing that stands still, as the object might at any time."""
    turn = scale * complex(np.exp(1j * rng.uniform(0, 2 * np.pi)))
    if still_at is None:
        return Track(place_T=course.place_T, turn_T=turn * course.turn_T), course.clock_T
    times = len(course.place_T)
    turn *= complex(course.turn_T[int(rng.integers(times))])
    track = Track(place_T=np.full(times, still_at, np.complex128), turn_T=np.full(times, turn, np.complex128))
    return track, np.full(times, float(rng.uniform(0, times)))


def _texture(
    cloth: Cloth, shape: Outline, track: Track, look: _Look, density: float, rng: np.random.Generator
) -> plates.Floats:
    turn = complex(track.turn_T[len(track.turn_T) // 2])
    side = round(2 * REACH * abs(turn) * density)
    light = look.light / (turn / abs(turn))
    return shaded(plates.cut(cloth, rng, side=side), shape, light, relief=look.relief)


def _scale(shape: Outline, share: float, size: tuple[int, int]) -> float:
    """Pixels a unit, so that the outline covers a share of the frame and still fits into it."""
    inside = float((shape.depth_GG > 0).mean()) * (2 * REACH) ** 2
    return min(float(np.sqrt(share * size[0] * size[1] / inside)), 0.5 * size[0] / shape.extent)


def _places(cast: Cast, course: Course, radii: list[float], rng: np.random.Generator) -> list[complex]:
    """Where the object (first) and the distractors are on the ground; those for which there is no room are left out."""
    height, width = cast.size
    found = [complex(course.place_T[len(course.place_T) // 2])]
    for radius in radii[1:]:
        for _ in range(120):
            # In sight at some time, like the object.
            time = float(rng.uniform(0, cast.frames - 1))
            pixel = complex(rng.uniform(0.15, 0.85) * width, rng.uniform(0.17, 0.83) * height)
            place = complex(course.camera.look(np.array([pixel]), time)[0])
            apart = all(abs(place - other) > 1.25 * radius for other in found[1:])
            met_T = np.abs(course.place_T - place) < 0.65 * (radius + radii[0])
            if apart and met_T.mean() < 0.2 + 0.2 * cast.difficulty:
                found.append(place)
                break
    return found


def _ripple(cast: Cast, rng: np.random.Generator) -> Ripple:
    height, width = cast.size
    length = float(rng.uniform(0.14, 0.3)) * height
    way = complex(np.exp(1j * rng.uniform(0, 2 * np.pi)))
    return Ripple(
        place=complex(rng.uniform(-0.4, 0.4) * width, rng.uniform(-0.4, 0.4) * height),
        radius=float(rng.uniform(0.25, 0.5)) * height,
        way=way,
        strength=float(rng.uniform(0.03, 0.05 + 0.02 * cast.difficulty)) * length,
        wave=way * complex(np.exp(1j * rng.normal(0, 0.6))) * (2 * np.pi / length),
        speed=float(rng.uniform(0.3, 0.9)),
    )


def _shown(scene: Scene) -> float:
    """In which share of the frames the object is well in sight."""
    height, width = scene.size
    thing = scene.things[scene.primary]
    times = np.unique(np.linspace(0, scene.frames - 1, _LOOKS).round()).astype(int).tolist()
    good = 0
    for time in times:
        whole, free = rendering.glance(scene, time)
        at = complex(thing.camera.film(thing.track.place_T[time + 1 : time + 2], time)[0])
        inside = _MARGIN < at.real / width < 1 - _MARGIN and _MARGIN < at.imag / height < 1 - _MARGIN
        good += inside and _LEAST_SHARE <= whole * free <= whole <= _MOST_SHARE and free >= _LEAST_FREE
    return good / len(times) * min(1.0, _edge(scene) / 0.65)


def _edge(scene: Scene) -> float:
    """How much of the object's edge differs in colour from the ground next to it, 0 to 1."""
    thing, ground = scene.things[scene.primary], scene.ground
    shape = thing.outline
    rows, columns = np.nonzero(np.abs(shape.depth_GG[::3, ::3]) < 0.02)
    own_P = shape.places(columns * 3 + 1j * rows * 3)[None].astype(np.complex64)
    differing: list[float] = []
    for time in (0, scene.frames // 2, scene.frames - 1):
        below = ground.colours(ground.locate(thing.project(own_P, time), time))
        levels_P = np.abs(thing.colours(own_P) - below).max(axis=-1)
        differing.append(float((levels_P > _EDGE_LEVELS).mean()))
    return float(np.mean(differing))
