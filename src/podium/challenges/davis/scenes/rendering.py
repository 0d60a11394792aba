"""A scene as frames, masks of its object and flow.

Coverage is taken in parts of pixels, so that an edge through a pixel mixes as it does in a camera. The mask is where at
least half of a pixel shows the object. The flow of a pixel is that of the surface that most of it shows, from the two
exact maps of that surface; it is valid where the same surface is seen at its end.

Axes: H, W frame; y, x parts of pixels of a box; C colour; L surfaces (the ground first, then things to the front).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from podium.challenges.davis.scenes import lens, resampling
from podium.challenges.davis.scenes.lens import Shadow
from podium.challenges.davis.scenes.resampling import Floats
from podium.challenges.davis.scenes.scene import Scene, Surface, Thing

_PARTS = 2
_EXPOSURES = 5
# Of the same surface at the end of a flow: less than a half, so that pixels on an edge do not flicker in and out.
_STILL_SEEN = 0.3
_Box = tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class Shot:
    """One frame and its truth.

    Attributes:
        frame_HWC: uint8.
        mask_HW: bool.
        flow_HW2: To the next frame; None of the last one.
        valid_HW: Where that is seen in the next frame; None of the last one.
    """

    frame_HWC: NDArray[np.uint8]
    mask_HW: NDArray[np.bool_]
    flow_HW2: NDArray[np.float32] | None
    valid_HW: NDArray[np.bool_] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class _Layer:
    box: _Box
    colours_yxC: Floats
    coverage_yx: Floats


def render(scene: Scene, rng: np.random.Generator, *, flow: bool = True) -> Iterator[Shot]:
    """The frames of a clip, in order.

    Args:
        scene: The clip.
        rng: Of the noise.
        flow: Make the flow too.
    """
    seen_LHW = seen(scene, 0)
    for time in range(scene.frames):
        picture = _exposed(scene, time)
        frame_HWC = lens.take(picture, scene.lens, time, rng)
        later_LHW = seen(scene, time + 1) if time + 1 < scene.frames else None
        flow_HW2 = valid_HW = None
        if flow and later_LHW is not None:
            flow_HW2, valid_HW = _flow(scene, time, seen_LHW, later_LHW)
        yield Shot(
            frame_HWC=frame_HWC, mask_HW=seen_LHW[scene.primary + 1] >= 0.5, flow_HW2=flow_HW2, valid_HW=valid_HW
        )
        if later_LHW is not None:
            seen_LHW = later_LHW


def seen(scene: Scene, time: float) -> Floats:
    """How much of each pixel shows each surface, (L, H, W); sums to 1."""
    height, width = scene.size
    free = np.ones((height * _PARTS, width * _PARTS), np.float32)
    seen_LHW = np.zeros((len(scene.things) + 1, height, width), np.float32)
    for number in reversed(range(len(scene.things))):
        thing = scene.things[number]
        box = _box(thing, time, scene.size)
        if box is None:
            continue
        top, bottom, left, right = box
        own = thing.locate(resampling.grid((top, bottom), (left, right), parts=_PARTS), time)
        coverage = thing.coverage(own, time, parts=_PARTS)
        part = free[top * _PARTS : bottom * _PARTS, left * _PARTS : right * _PARTS]
        seen_LHW[number + 1, top:bottom, left:right] = resampling.shrunk(part * coverage, _PARTS)
        part *= 1 - coverage
    seen_LHW[0] = resampling.shrunk(free, _PARTS)
    return seen_LHW


def glance(scene: Scene, time: float) -> tuple[float, float]:
    """Which share of the frame the object would cover, and which share of it is not covered; from few pixels."""
    height, width = scene.size
    pixels = np.ascontiguousarray(resampling.grid((0, height), (0, width))[::4, ::4])
    front = scene.things[scene.primary :]
    covered = [each.coverage(each.locate(pixels, time), time, parts=1) for each in front]
    free = np.ones(pixels.shape, np.float32)
    for each in covered[1:]:
        free *= 1 - each
    whole = float(covered[0].mean())
    return whole, float((covered[0] * free).mean()) / whole if whole else 0.0


def _exposed(scene: Scene, time: float) -> Floats:
    shutter = scene.lens.shutter
    if not shutter:
        return _picture(scene, time, parts=_PARTS)
    moments = time + shutter * ((np.arange(_EXPOSURES) + 0.5) / _EXPOSURES - 0.5)
    total = _picture(scene, float(moments[0]), parts=1)
    for moment in moments[1:].tolist():
        total = total + _picture(scene, moment, parts=1)
    return total / np.float32(_EXPOSURES)


def _picture(scene: Scene, time: float, *, parts: int) -> Floats:
    height, width = scene.size
    ground = scene.ground
    picture = ground.colours(ground.locate(resampling.grid((0, height), (0, width), parts=parts), time))
    for thing in scene.things:
        layer = _layer(thing, time, scene.size, parts)
        if layer is None:
            continue
        if scene.lens.shadow is not None:
            _cast(picture, layer, scene.lens.shadow, parts)
        top, bottom, left, right = (side * parts for side in layer.box)
        part = picture[top:bottom, left:right]
        part += layer.coverage_yx[..., None] * (layer.colours_yxC - part)
    return resampling.shrunk(picture, parts)


def _layer(thing: Thing, time: float, size: tuple[int, int], parts: int) -> _Layer | None:
    box = _box(thing, time, size)
    if box is None:
        return None
    own = thing.locate(resampling.grid(box[:2], box[2:], parts=parts), time)
    return _Layer(box=box, colours_yxC=thing.colours(own), coverage_yx=thing.coverage(own, time, parts=parts))


def _cast(picture: Floats, layer: _Layer, shadow: Shadow, parts: int) -> None:
    """Darkens the picture where the layer keeps the light away."""
    pad = int(3 * shadow.softness) + 1
    shade = np.pad(resampling.shrunk(layer.coverage_yx, parts), pad)
    shade = resampling.blurred(shade, shadow.softness)
    if parts > 1:
        shade = resampling.scaled(shade, (shade.shape[0] * parts, shade.shape[1] * parts)).clip(0, 1)
    top = (layer.box[0] - pad + round(shadow.offset.imag)) * parts
    left = (layer.box[2] - pad + round(shadow.offset.real)) * parts
    rows = slice(max(top, 0), max(0, min(top + shade.shape[0], picture.shape[0])))
    columns = slice(max(left, 0), max(0, min(left + shade.shape[1], picture.shape[1])))
    cut = shade[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    picture[rows, columns] *= (1 - np.float32(shadow.strength) * cut)[..., None]


def _box(thing: Thing, time: float, size: tuple[int, int]) -> _Box | None:
    """Top, bottom, left and right of the pixels that a thing may cover; None where it is out of sight."""
    pixels = thing.project(thing.outline.inside.astype(np.complex64), time)
    pad = 3 + 0.1 * thing.scale(time)
    top, left = int(pixels.imag.min() - pad), int(pixels.real.min() - pad)
    bottom, right = int(pixels.imag.max() + pad) + 1, int(pixels.real.max() + pad) + 1
    top, left, bottom, right = max(top, 0), max(left, 0), min(bottom, size[0]), min(right, size[1])
    return (top, bottom, left, right) if top < bottom and left < right else None


def _flow(
    scene: Scene, time: float, seen_LHW: Floats, later_LHW: Floats
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    height, width = scene.size
    owner_HW = seen_LHW.argmax(axis=0)
    owner_HW[seen_LHW[scene.primary + 1] >= 0.5] = scene.primary + 1
    pixels_HW = resampling.grid((0, height), (0, width)).astype(np.complex128)
    target_HW = np.zeros((height, width), np.complex128)
    still_seen_HW = np.zeros((height, width), np.float32)
    surfaces: list[Surface] = [scene.ground, *scene.things]
    for number, surface in enumerate(surfaces):
        mine = owner_HW == number
        if not mine.any():
            continue
        target_HW[mine] = surface.project(surface.locate(pixels_HW[mine], time), time + 1)
        again_HW = resampling.read_at(later_LHW[number], target_HW, outside=0.0)
        still_seen_HW[mine] = again_HW[mine]
    inside_HW = (target_HW.real >= 0) & (target_HW.real <= width - 1)
    inside_HW &= (target_HW.imag >= 0) & (target_HW.imag <= height - 1)
    moved_HW = target_HW - pixels_HW
    flow_HW2 = np.stack([moved_HW.real, moved_HW.imag], axis=-1).astype(np.float32)
    return flow_HW2, inside_HW & (still_seen_HW >= _STILL_SEEN)
