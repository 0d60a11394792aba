"""Real pictures to make clips of: photos and stills of videos, shared out so that splits show different things.

Axes: H, W, C picture; G side of a square raster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from podium.challenges.davis.scenes import resampling
from podium.challenges.davis.scenes.resampling import Floats
from podium.errors import UsageError
from podium.media import footage, images
from podium.media.library import Library, Source
from podium.types import Problem, Progress, Severity, silent

STILLS = 3
"""Taken of each shot of a video at most."""

_LONG_SIDE = 1_920
# The ground is this much larger than a frame, where its picture allows.
_ROOM, _MOST_ENLARGED = 1.6, 2.2
_PARTS = ("train", "val", "test")


@dataclass(frozen=True, kw_only=True)
class Plate:
    """One picture.

    Attributes:
        name: Of its source.
        path: The file.
        seconds: When, in a video; None of a photo.
        family: Plates of one number may show the same things, others do not.
    """

    name: str
    path: Path
    seconds: float | None
    family: int


@dataclass(frozen=True, kw_only=True)
class Stock:
    """Plates for each part of a data set.

    Attributes:
        train: For the training clips.
        val: For the clips held out of training.
        test: For the judged clips.
        problems: What could not be used, and where parts had to share.
    """

    train: tuple[Plate, ...]
    val: tuple[Plate, ...]
    test: tuple[Plate, ...]
    problems: tuple[Problem, ...]

    def of(self, part: str) -> tuple[Plate, ...]:
        """The plates of `train`, `val` or `test`."""
        return {"train": self.train, "val": self.val, "test": self.test}[part]


def stock(library: Library, *, most: int, quick: bool, seed: int, progress: Progress = silent) -> Stock:
    """Looks at the sources and shares them out by families.

    Args:
        library: What there is.
        most: How many sources are used at most.
        quick: Those that are read fastest, rather than any.
        seed: Of the draw.
        progress: Shows the look.

    Returns:
        From six families on each part has its own; with four or five the held-out clips share those of the training
        clips, and with fewer all share. `problems` says so.

    Raises:
        UsageError: No source can be decoded.
    """
    rng = np.random.default_rng([seed, 480])
    looks = footage.look_at_all(_chosen(library.sources, most, rng, quick=quick), progress=progress)
    family = footage.families(looks.looks)
    plates = [plate for look, number in zip(looks.looks, family, strict=True) for plate in _plates(look, number)]
    if not plates:
        reasons = "; ".join(str(each) for each in looks.skipped[:3]) or "no video has a shot that is long enough"
        raise UsageError(f"no picture can be had from the footage: {reasons}")
    numbers: list[int] = rng.permutation(sorted({plate.family for plate in plates})).tolist()
    problems = [*library.skipped, *looks.skipped]
    shares = _shares(numbers)
    if len(numbers) < 6:
        who = "training and held-out clips share" if len(numbers) >= 4 else "training and judged clips share"
        message = f"has {len(numbers)} kinds of pictures, so {who} some; 6 are needed to keep them apart"
        problems.append(Problem(place="the footage", message=message, severity=Severity.WARNING))
    chosen = {part: tuple(each for each in plates if each.family in shares[part]) for part in _PARTS}
    return Stock(train=chosen["train"], val=chosen["val"], test=chosen["test"], problems=tuple(problems))


@lru_cache(maxsize=6)
def read(plate: Plate) -> Floats:
    """The picture, (H, W, 3), 0 to 255, float32; not to be written into."""
    if plate.seconds is None:
        picture_HWC = images.read(plate.path)
    else:
        from podium.media import video

        picture_HWC = video.frame_at(plate.path, plate.seconds)
    height, width = picture_HWC.shape[:2]
    if max(height, width) > _LONG_SIDE:
        part = _LONG_SIDE / max(height, width)
        picture_HWC = images.resize(picture_HWC, size=(round(width * part), round(height * part)))
    floats = picture_HWC.astype(np.float32)
    floats.setflags(write=False)
    return floats


def ground(plate: Plate, size: tuple[int, int], rng: np.random.Generator, *, density: float) -> tuple[Floats, float]:
    """A picture large enough for a camera to move over, and how many of its pixels are one of the frame.

    Args:
        plate: Its picture.
        size: Height and width of a frame.
        rng: Chooses a part of the picture and whether it is mirrored.
        density: Pixels for each of the frame, at most. A small picture is not enlarged more than 2.2 times: beyond its
            border lies its mirror image.
    """
    picture = read(plate)
    if rng.random() < 0.5:
        picture = picture[:, ::-1]
    tall, broad = int(picture.shape[0]), int(picture.shape[1])
    small = _ROOM * max(size[0] / tall, size[1] / broad) >= 1.5
    part = 1.0 if small else float(rng.uniform(0.75, 1.0))
    height, width = max(8, round(tall * part)), max(8, round(broad * part))
    top, left = int(rng.integers(tall - height + 1)), int(rng.integers(broad - width + 1))
    part_HWC = picture[top : top + height, left : left + width]
    scale = min(_ROOM * max(size[0] / height, size[1] / width), _MOST_ENLARGED)
    density = min(density, max(1.0, 1.5 / scale))
    wide = resampling.scaled(part_HWC, (round(height * scale * density), round(width * scale * density)))
    return _coloured(wide, rng), density


@dataclass(frozen=True, kw_only=True, eq=False)
class Cloth:
    """What things of one look are cut from: a neighbourhood in a picture.

    Attributes:
        picture: float32.
        place: Its middle, complex.
        step: Pixels of the picture for one of a texture.
        spread: How far from the middle a cut may lie, in pixels of the picture.
    """

    picture: Floats
    place: complex
    step: float
    spread: float


def draw_cloth(plate: Plate, rng: np.random.Generator, *, side: int, weak: float) -> Cloth:
    """A cloth.

    Args:
        plate: Its picture.
        rng: Draws it.
        side: Of the textures to come, in pixels.
        weak: How much of the texture is taken out, 0 to 1.
    """
    whole = read(plate)
    height, width = int(whole.shape[0]), int(whole.shape[1])
    step = min(0.6 * 2.6 ** float(rng.random()), 0.9 * min(height, width) / side)
    reach = 0.5 * side * step
    spread = 0.3 * reach
    place = complex(_within(rng, reach, width), _within(rng, reach, height))
    # No cut goes beyond this, however it is turned.
    margin = 1.5 * (reach + spread) + 2
    left, top = max(0, int(place.real - margin)), max(0, int(place.imag - margin))
    near = whole[top : int(place.imag + margin) + 1, left : int(place.real + margin) + 1]
    picture = resampling.blurred(_coloured(near, rng), 0.6 * max(0.0, step - 1.0))
    if weak > 0:
        flat = resampling.blurred(picture, max(4.0, 0.35 * side * step))
        picture = picture + np.float32(weak) * (flat - picture)
    return Cloth(picture=picture.astype(np.float32), place=place - complex(left, top), step=step, spread=spread)


def cut(cloth: Cloth, rng: np.random.Generator, *, side: int) -> Floats:
    """A texture of `side` pixels, (G, G, 3): a turned part of the cloth."""
    off = rng.uniform(-1, 1, 2) * cloth.spread
    place = cloth.place + complex(off[0], off[1])
    line = (np.arange(side, dtype=np.float32) - (side - 1) / 2) * np.float32(cloth.step)
    own = (line[None, :] + 1j * line[:, None]).astype(np.complex64)
    turn = np.complex64(resampling.turned(float(rng.uniform(0, 360))))
    return resampling.read_at(cloth.picture, own * turn + np.complex64(place))


def _chosen(sources: Sequence[Source], most: int, rng: np.random.Generator, *, quick: bool) -> Sequence[Source]:
    if len(sources) <= most:
        return sources
    if quick:
        return sorted(sources, key=lambda each: (each.moving, each.width * each.height, each.name))[:most]
    rows: list[int] = rng.permutation(len(sources))[:most].tolist()
    return [sources[row] for row in sorted(rows)]


def _plates(look: footage.Look, family: int) -> list[Plate]:
    source = look.source
    if not source.moving:
        return [Plate(name=source.name, path=source.path, seconds=None, family=family)]
    count = max(1, STILLS // len(look.shots)) if look.shots else 0
    times = [start + (end - start) * (k + 0.5) / count for start, end in look.shots[:6] for k in range(count)]
    return [Plate(name=source.name, path=source.path, seconds=round(time, 3), family=family) for time in times]


def _shares(numbers: list[int]) -> dict[str, set[int]]:
    count = len(numbers)
    if count < 4:
        return {part: set(numbers) for part in _PARTS}
    test = max(2, round(0.36 * count))
    if count < 6:
        return {"train": set(numbers[test:]), "val": set(numbers[test:]), "test": set(numbers[:test])}
    val = max(2, round(0.16 * count))
    return {"test": set(numbers[:test]), "val": set(numbers[test : test + val]), "train": set(numbers[test + val :])}


def _coloured(picture: Floats, rng: np.random.Generator) -> Floats:
    """The picture in other light: contrast, brightness, saturation and tint."""
    grey = picture.mean(axis=-1, keepdims=True)
    saturation = np.float32(rng.uniform(0.6, 1.3))
    tint = np.exp(rng.normal(0, 0.09, 3)).astype(np.float32)
    mean = np.float32(grey.mean())
    level = np.float32(np.clip(mean * rng.uniform(0.75, 1.25) + rng.uniform(-15, 25), 50, 190))
    contrast = np.float32(rng.uniform(0.8, 1.2))
    mixed = (grey + (picture - grey) * saturation - mean) * contrast + level
    return np.clip(mixed * tint, 0, 255).astype(np.float32)


def _within(rng: np.random.Generator, reach: float, side: int) -> float:
    low, high = min(reach, side / 2), max(side - reach, side / 2)
    return float(rng.uniform(low, high))
