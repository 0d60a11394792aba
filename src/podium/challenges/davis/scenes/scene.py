"""A clip before it is rendered: the ground, the camera, the things on the ground and in front of it.

Places are complex numbers: right + down x i. A frame's own places are pixels, the first pixel's centre at 0; those of
the ground are pixels of the frame at zoom 1, its middle at 0.

Axes: G side of a raster, C colour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from podium.challenges.davis.scenes import resampling
from podium.challenges.davis.scenes.lens import Lens
from podium.challenges.davis.scenes.motion import Ripple, Shears, Track
from podium.challenges.davis.scenes.outline import Outline
from podium.challenges.davis.scenes.resampling import Floats, Points


@dataclass(frozen=True, kw_only=True)
class Camera:
    """Which place of the ground each pixel of a frame shows.

    Attributes:
        track: Place is where the middle of the frame looks; the factor is turn and zoom.
        middle: Of the frame, in pixels.
    """

    track: Track
    middle: complex

    def look(self, pixels: Points, time: float) -> Points:
        """Places of the ground."""
        place, turn = self.track.at(time)
        kind = pixels.dtype.type
        return kind(place - turn * self.middle) + pixels * kind(turn)

    def film(self, ground: Points, time: float) -> Points:
        """Pixels."""
        place, turn = self.track.at(time)
        kind = ground.dtype.type
        return (ground - kind(place)) * kind(1 / turn) + kind(self.middle)


class Surface(Protocol):
    """Something that is seen: each of its own places has one pixel at a time, and back."""

    def locate(self, pixels: Points, time: float) -> Points:
        """Its own places at some pixels."""
        ...

    def project(self, own: Points, time: float) -> Points:
        """Pixels of some of its own places."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Ground:
    """What lies behind everything.

    Attributes:
        picture: float32, (H, W, 3).
        density: Its pixels for one of the frame.
        camera: Of the clip.
        ripple: Where it moves by itself; None where it is still.
    """

    picture: Floats
    density: float
    camera: Camera
    ripple: Ripple | None

    def locate(self, pixels: Points, time: float) -> Points:
        """Places of the resting ground."""
        ground = self.camera.look(pixels, time)
        return ground if self.ripple is None else self.ripple.apply(ground, time)

    def project(self, own: Points, time: float) -> Points:
        """Pixels of places of the resting ground."""
        ground = own if self.ripple is None else self.ripple.undo(own, time)
        return self.camera.film(ground, time)

    def colours(self, own: Points) -> Floats:
        """Its colours at its own places."""
        height, width = self.picture.shape[:2]
        kind = own.dtype.type
        middle = complex((width - 1) / 2, (height - 1) / 2)
        return resampling.read_at(self.picture, own * kind(self.density) + kind(middle))


@dataclass(frozen=True, kw_only=True, eq=False)
class Thing:
    """Something cut out.

    Attributes:
        name: ``object``, ``distractor`` or ``occluder``.
        outline: Its shape.
        texture_GGC: Its colours; the raster covers what the outline's raster covers.
        track: From its own places (the outline's unit) to the ground; the factor is turn and pixels a unit.
        shears: How it deforms; None is stiff.
        camera: Of the clip.
    """

    name: str
    outline: Outline
    texture_GGC: Floats
    track: Track
    shears: Shears | None
    camera: Camera

    def locate(self, pixels: Points, time: float) -> Points:
        """Places of the resting thing at some pixels."""
        place, turn = self.track.at(time)
        ground = self.camera.look(pixels, time)
        own = (ground - ground.dtype.type(place)) * ground.dtype.type(1 / turn)
        return own if self.shears is None else self.shears.undo(own, time)

    def project(self, own: Points, time: float) -> Points:
        """Pixels of places of the resting thing."""
        place, turn = self.track.at(time)
        moved = own if self.shears is None else self.shears.apply(own, time)
        return self.camera.film(moved * moved.dtype.type(turn) + moved.dtype.type(place), time)

    def scale(self, time: float) -> float:
        """Pixels of the frame a unit."""
        return abs(self.track.at(time)[1] / self.camera.track.at(time)[1])

    def coverage(self, own: Points, time: float, *, parts: int) -> Floats:
        """How much of each point's pixel it covers, 0 to 1, where a pixel is cut into `parts` x `parts` points."""
        depth = resampling.read_at(self.outline.depth_GG, self.outline.points(own), outside=-1.0)
        return (depth * (self.scale(time) * parts) + 0.5).clip(0, 1)

    def colours(self, own: Points) -> Floats:
        """Its colours at its own places."""
        side = len(self.texture_GGC)
        points = self.outline.points(own) * ((side - 1) / (len(self.outline.depth_GG) - 1))
        return resampling.read_at(self.texture_GGC, points)


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """A clip.

    Attributes:
        size: Height and width of a frame.
        frames: How many.
        ground: Behind everything.
        things: From the back to the front.
        primary: Which of them the clip is about.
        lens: Light and camera.
        facts: What there is, for people.
    """

    size: tuple[int, int]
    frames: int
    ground: Ground
    things: tuple[Thing, ...]
    primary: int
    lens: Lens
    facts: dict[str, object]
