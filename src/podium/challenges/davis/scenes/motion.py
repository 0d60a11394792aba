"""How things and the camera move: places over time, and deformations that can be undone exactly.

Places are complex numbers: right + down x i. A pose takes a thing's own places to the ground: `place + turn * own`.
Time is counted in frames and may lie between two.

Axes: T frames (from one before the first to one after the last), S shears.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from podium.challenges.davis.scenes.resampling import Points

Clock = NDArray[np.float64]
"""How far a deformation has gone at each frame, (T,)."""

_ROUNDS = 18


@dataclass(frozen=True, kw_only=True, eq=False)
class Track:
    """Poses over time.

    Attributes:
        place_T: Where, complex; entry 0 belongs to frame -1.
        turn_T: Turn and scale as one factor, complex.
    """

    place_T: NDArray[np.complex128]
    turn_T: NDArray[np.complex128]

    def at(self, time: float) -> tuple[complex, complex]:
        """Place and turn at a time, linear between frames."""
        row = min(max(time + 1.0, 0.0), len(self.place_T) - 1.0)
        first = min(int(row), len(self.place_T) - 2)
        part = row - first
        places, turns = self.place_T[first : first + 2], self.turn_T[first : first + 2]
        return complex(places[0] * (1 - part) + places[1] * part), complex(turns[0] * (1 - part) + turns[1] * part)


@dataclass(frozen=True, kw_only=True, eq=False)
class Shears:
    """A deformation: each place is moved along a line by a wave that runs across it.

    A shear leaves what it depends on as it is, so that it is undone by moving back.

    Attributes:
        way_S: Directions of the shifts, complex of length 1.
        strength_S: In the thing's unit.
        bend_S: Strength of a bow (quadratic) beside the wave.
        crests_S: Radians a unit.
        phase_S: Radians at time 0.
        speed_S: Radians a tick of the clock.
        clock_T: Ticks at each frame, entry 0 at frame -1; a still thing's clock stands.
    """

    way_S: NDArray[np.complex128]
    strength_S: NDArray[np.float64]
    bend_S: NDArray[np.float64]
    crests_S: NDArray[np.float64]
    phase_S: NDArray[np.float64]
    speed_S: NDArray[np.float64]
    clock_T: Clock

    def apply(self, own: Points, time: float) -> Points:
        """Where places of the resting thing are at a time."""
        for number in range(len(self.way_S)):
            own = own + self._shift(own, number, time)
        return own

    def undo(self, own: Points, time: float) -> Points:
        """Which places of the resting thing are there at a time."""
        for number in reversed(range(len(self.way_S))):
            own = own - self._shift(own, number, time)
        return own

    def _shift(self, own: Points, number: int, time: float) -> Points:
        way = complex(self.way_S[number])
        real = np.float32 if own.dtype == np.complex64 else np.float64
        # The part of the place across the way.
        across = (own * (-1j * way.conjugate())).real.astype(real, copy=False)
        clock = float(np.interp(time + 1.0, np.arange(len(self.clock_T)), self.clock_T))
        phase = float(self.phase_S[number] + self.speed_S[number] * clock)
        wave = np.sin(across * real(self.crests_S[number]) + real(phase)) * real(self.strength_S[number])
        bow = across * across * real(self.bend_S[number] * np.sin(0.7 * phase))
        return ((wave + bow) * own.dtype.type(way)).astype(own.dtype, copy=False)


@dataclass(frozen=True, kw_only=True)
class Ripple:
    """Moving ground: waves on a patch of it, as on water.

    Attributes:
        place: Middle of the patch on the ground.
        radius: Of the patch, in pixels.
        way: Direction of the shifts, complex of length 1.
        strength: In pixels.
        wave: Wave vector, radians a pixel.
        speed: Radians a frame.
    """

    place: complex
    radius: float
    way: complex
    strength: float
    wave: complex
    speed: float

    def shift(self, ground: Points, time: float) -> Points:
        """By how much the picture's place differs from each place of the ground."""
        real = np.float32 if ground.dtype == np.complex64 else np.float64
        near = ground - ground.dtype.type(self.place)
        reach = (near.real**2 + near.imag**2) * real(1 / self.radius**2)
        window = np.exp(-reach * reach)
        run = near.real * real(self.wave.real) + near.imag * real(self.wave.imag) - real(self.speed * time)
        return (window * np.sin(run) * ground.dtype.type(self.way * self.strength)).astype(ground.dtype, copy=False)

    def apply(self, ground: Points, time: float) -> Points:
        """Which places of the resting picture are seen at places of the ground."""
        return ground + self.shift(ground, time)

    def undo(self, resting: Points, time: float) -> Points:
        """At which places of the ground places of the resting picture are seen: a fixed point, found by repetition."""
        ground = resting
        for _ in range(_ROUNDS):
            ground = resting - self.shift(ground, time)
        return ground


def waves(rng: np.random.Generator, times: int, *, slowest: float, fastest: float) -> NDArray[np.float64]:
    """A smooth wander around 0 with a spread of about 1, (T,): three sines of periods between two, in frames."""
    period = np.exp(rng.uniform(np.log(fastest), np.log(slowest), 3))
    phase = rng.uniform(0, 2 * np.pi, 3)
    time_T = np.arange(times)[:, None]
    return np.sin(2 * np.pi * time_T / period + phase).sum(axis=1) * np.sqrt(2 / 3)


def draw_shears(rng: np.random.Generator, clock_T: Clock, *, strength: float) -> Shears:
    """A deformation that comes and goes.

    Args:
        rng: Draws it.
        clock_T: When it goes on, in frames at 24 a second.
        strength: 0 is none, 1 strong.
    """
    count = 3
    crests_S = rng.uniform(1.5, 4.5, count)
    return Shears(
        way_S=np.exp(1j * (rng.uniform(0, np.pi) + np.arange(count) * 2.1)),
        strength_S=strength * rng.uniform(0.2, 0.5, count) / crests_S,
        bend_S=strength * rng.uniform(0.0, 0.18, count),
        crests_S=crests_S,
        phase_S=rng.uniform(0, 2 * np.pi, count),
        speed_S=rng.uniform(0.12, 0.45, count) * rng.choice([-1.0, 1.0], count),
        clock_T=clock_T,
    )
