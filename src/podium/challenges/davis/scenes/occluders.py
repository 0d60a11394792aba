"""What stands between the camera and the object: posts, clumps and stems that sway.

Axes: T frames (from one before the first to one after the last).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from podium.challenges.davis.scenes import motion, outline, plates
from podium.challenges.davis.scenes.motion import Track
from podium.challenges.davis.scenes.outline import REACH, Outline
from podium.challenges.davis.scenes.plates import Cloth, Plate
from podium.challenges.davis.scenes.scene import Camera, Thing

_KINDS = ("post", "stems", "clump")


def draw_occluders(
    plate: Plate,
    camera: Camera,
    way_T: NDArray[np.complex128],
    size: tuple[int, int],
    rng: np.random.Generator,
    *,
    density: float,
) -> list[Thing]:
    """One kind of them: one post, one clump or two to four stems, near the object's way.

    Args:
        plate: What they are cut from.
        camera: Of the clip.
        way_T: Of the object, on the ground.
        size: Height and width of a frame.
        rng: Draws them.
        density: Pixels of a texture for one of the frame.
    """
    kind = _KINDS[int(rng.integers(len(_KINDS)))]
    height = size[0]
    # Nearer than the ground, so that it passes faster when the camera moves.
    nearness = float(rng.uniform(0.05, 0.4))
    parallax_T = -nearness * camera.track.place_T
    at = complex(way_T[int(rng.integers(1, len(way_T) - 1))])
    if kind == "clump":
        shape = outline.draw(outline.draw_kind(rng), rng)
        scale = float(rng.uniform(0.1, 0.2)) * height / 0.6
        place = at + complex(rng.normal(0, 0.12), rng.normal(0, 0.3)) * height
        turn_T = np.full(len(way_T), scale * np.exp(1j * rng.uniform(0, 6)), np.complex128)
        cloth = plates.draw_cloth(plate, rng, side=round(2 * REACH * scale * density), weak=0.0)
        return [_thing(shape, cloth, place + parallax_T, turn_T, camera, rng, density)]
    count = 1 if kind == "post" else int(rng.integers(2, 5))
    breadth = (0.05, 0.13) if kind == "post" else (0.02, 0.045)
    scale = 0.5 * height
    cloth = plates.draw_cloth(plate, rng, side=round(2 * REACH * scale * density), weak=0.3)
    things: list[Thing] = []
    for _ in range(count):
        shape = outline.stripe(rng, breadth=float(rng.uniform(*breadth)))
        lean_T = np.full(len(way_T), rng.normal(0, 0.12))
        if kind == "stems":
            lean_T = lean_T + rng.uniform(0.03, 0.1) * motion.waves(rng, len(way_T), slowest=30, fastest=10)
        turn_T = (scale * np.exp(1j * lean_T)).astype(np.complex128)
        foot = complex(at.real + rng.normal(0, 0.1 if kind == "post" else 0.3) * height, 0.75 * height)
        place_T = foot - turn_T * 1.5j + parallax_T
        things.append(_thing(shape, cloth, place_T, turn_T, camera, rng, density))
    return things


def _thing(
    shape: Outline,
    cloth: Cloth,
    place_T: NDArray[np.complex128],
    turn_T: NDArray[np.complex128],
    camera: Camera,
    rng: np.random.Generator,
    density: float,
) -> Thing:
    side = round(2 * REACH * abs(turn_T[0]) * density)
    return Thing(
        name="occluder",
        outline=shape,
        texture_GGC=plates.cut(cloth, rng, side=side),
        track=Track(place_T=place_T, turn_T=turn_T),
        shears=None,
        camera=camera,
    )
