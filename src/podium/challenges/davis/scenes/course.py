"""The ways of the object and of the camera through a clip.

Axes: T frames (from one before the first to one after the last).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from podium.challenges.davis.scenes.motion import Track, waves
from podium.challenges.davis.scenes.scene import Camera


@dataclass(frozen=True, kw_only=True, eq=False)
class Course:
    """The ways of the object and of the camera.

    Attributes:
        place_T: Of the object on the ground.
        turn_T: Its turn and growth, about 1.
        clock_T: Of its deformation, in frames; it stands in pauses.
        camera: Of the clip.
        speed: Of the object over the ground, in pixels a frame.
        pauses: Frames at which it begins to stand still.
        still: The camera does not move.
    """

    place_T: NDArray[np.complex128]
    turn_T: NDArray[np.complex128]
    clock_T: NDArray[np.float64]
    camera: Camera
    speed: float
    pauses: tuple[int, ...]
    still: bool


def draw(rng: np.random.Generator, *, frames: int, size: tuple[int, int], difficulty: float) -> Course:
    """A course. The object wanders at its own pace; the camera follows it more or less, drifts, zooms and shakes."""
    height, width = size
    times = frames + 2
    speed = float(np.clip(rng.lognormal(-4.42, 0.45), 0.005, 0.03)) * height
    if rng.random() < 0.3 * difficulty:
        speed *= float(rng.uniform(0.3, 0.6))
    pace_T, pauses = _pace(rng, frames, difficulty)
    heading_T = rng.uniform(0, 2 * np.pi) + 0.7 * waves(rng, times, slowest=70, fastest=20)
    beat_T = np.clip(1 + 0.25 * waves(rng, times, slowest=30, fastest=8), 0.3, None)
    walked_T = np.cumsum(speed * beat_T * pace_T * np.exp(1j * heading_T))
    walked_T -= walked_T[times // 2]
    turning = np.radians(rng.uniform(0, 2.5))
    turned_T = np.cumsum(turning * pace_T * waves(rng, times, slowest=50, fastest=12))
    growth_T = 0.09 * waves(rng, times, slowest=60, fastest=15)
    grown_T = np.cumsum(np.diff(growth_T, prepend=growth_T[0]) * pace_T)
    still = bool(rng.random() < 0.12)
    camera = _camera(rng, walked_T, size, difficulty) if not still else _tripod(times, size)
    start = complex(rng.uniform(-0.32, 0.32) * width, rng.uniform(-0.28, 0.28) * height)
    return Course(
        place_T=walked_T + start,
        turn_T=np.exp(grown_T + 1j * turned_T),
        clock_T=np.cumsum(pace_T),
        camera=camera,
        speed=speed,
        pauses=pauses,
        still=still,
    )


def _camera(
    rng: np.random.Generator, walked_T: NDArray[np.complex128], size: tuple[int, int], difficulty: float
) -> Camera:
    times, height = len(walked_T), size[0]
    drift = rng.uniform(0, 0.01) * height * np.exp(1j * rng.uniform(0, 2 * np.pi)) * (rng.random() < 0.75)
    shake = 0.0025 * height * rng.uniform(0.1, 0.2 + 1.2 * difficulty)
    shaken_T = waves(rng, times, slowest=12, fastest=3) + 1j * waves(rng, times, slowest=12, fastest=3)
    looked_T = rng.uniform(0, 1) * walked_T + drift * np.arange(times) + shake * shaken_T
    zoom_T = rng.uniform(0, 0.12) * (rng.random() < 0.6) * waves(rng, times, slowest=80, fastest=25)
    tilt_T = np.radians(rng.uniform(0, 1.6)) * waves(rng, times, slowest=60, fastest=12)
    view_T = np.exp(zoom_T - zoom_T[times // 2] + 1j * tilt_T)
    return Camera(track=Track(place_T=looked_T - looked_T[times // 2], turn_T=view_T), middle=_middle(size))


def _tripod(times: int, size: tuple[int, int]) -> Camera:
    track = Track(place_T=np.zeros(times, np.complex128), turn_T=np.ones(times, np.complex128))
    return Camera(track=track, middle=_middle(size))


def _middle(size: tuple[int, int]) -> complex:
    return complex((size[1] - 1) / 2, (size[0] - 1) / 2)


def _pace(rng: np.random.Generator, frames: int, difficulty: float) -> tuple[NDArray[np.float64], tuple[int, ...]]:
    """How fast things happen at each frame, 0 in pauses."""
    pace_T = np.ones(frames + 2)
    begun: list[int] = []
    for _ in range(max(1, round(frames / 24))):
        if frames >= 10 and rng.random() < 0.5 * difficulty:
            length = int(rng.integers(2, 4 + round(3 * difficulty)))
            first = int(rng.integers(1, max(2, frames - length)))
            pace_T[first + 1 : first + 1 + length] = 0.0
            begun.append(first)
    kernel = np.array([0.2, 0.6, 0.2])
    return np.convolve(np.pad(pace_T, 1, mode="edge"), kernel, mode="valid"), tuple(begun)
