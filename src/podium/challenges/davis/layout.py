"""The files of a `davis` data set, in one place.

```
public/   paths.json (raw, annotation)   JPEGImages/480p/<clip>/00000.jpg   Annotations/480p/<clip>/00000.png
inputs/   paths.json (raw)               JPEGImages/480p/<clip>/00000.jpg
answers/  paths.json (annotation)        Annotations/480p/<clip>/00000.png
```

Each part is an artifact of the contest and a DAVIS tree at once. Row i of `answers` belongs to row i of `inputs`.
Everything read here belongs to the data set, so a fault is a `ChallengeError`.

Axes: H height, W width.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from podium.challenges.davis import paths
from podium.errors import ChallengeError, UsageError
from podium.formats import masks
from podium.formats.masks import MaskKind
from podium.types import DataSet

IMAGES = "JPEGImages/480p"
ANNOTATIONS = "Annotations/480p"
FPS = 24.0

_TRUSTED_KINDS = (MaskKind.GREY, MaskKind.PALETTE, MaskKind.ONE_BIT)


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One frame of a test set.

    Attributes:
        row: In ``paths.json``, from 0.
        clip: The folder it lies in.
        path: Relative to ``inputs/``, with forward slashes.
    """

    row: int
    clip: str
    path: str

    @property
    def name(self) -> str:
        """``bear/00012``."""
        return f"{self.clip}/{PurePosixPath(self.path).stem}"


@dataclass(frozen=True, kw_only=True)
class Sequence:
    """The frames of one clip, in order of time.

    Attributes:
        clip: Its name.
        frames: At least one.
        height: Of every frame, in pixels.
        width: Of every frame.
    """

    clip: str
    frames: tuple[Frame, ...]
    height: int
    width: int


def judged_sequences(data: DataSet) -> tuple[Sequence, ...]:
    """The clips of a test set, in the order of their first rows.

    Raises:
        ChallengeError: ``inputs/paths.json`` is missing or broken, the rows of a clip do not lie together, two clips
            share a name, or a clip's first frame cannot be read.
    """
    place = data.inputs / paths.PATHS
    rows = paths.read_trusted(place, paths.RAW)
    frames = [Frame(row=row, clip=paths.clip_of(path), path=path) for row, path in rows.items()]
    sequences: list[Sequence] = []
    for folder, group in groupby(frames, key=lambda frame: str(PurePosixPath(frame.path).parent)):
        mine = tuple(group)
        clip = mine[0].clip
        if not clip:
            raise ChallengeError(f"`{place}` row {mine[0].row}: `{mine[0].path}` lies in no clip's folder")
        if any(clip == each.clip for each in sequences):
            raise ChallengeError(f"`{place}` row {mine[0].row}: the clip `{clip}` of `{folder}` was there before")
        height, width = image_size(data.inputs / mine[0].path)
        sequences.append(Sequence(clip=clip, frames=mine, height=height, width=width))
    return tuple(sequences)


def annotation_paths(data: DataSet, sequences: tuple[Sequence, ...]) -> dict[int, Path]:
    """The mask file of each row of the test set.

    Raises:
        ChallengeError: ``answers/paths.json`` is missing or broken, or does not name the same frames as the inputs.
    """
    place = data.answers / paths.PATHS
    if not place.exists():
        raise ChallengeError(f"the data set has no annotations (no `{place}`), so nothing can be scored")
    rows = paths.read_trusted(place, paths.ANNOTATION)
    frames = [frame for sequence in sequences for frame in sequence.frames]
    if len(rows) != len(frames):
        raise ChallengeError(f"`{place}` has `{len(rows)}` rows, the inputs have `{len(frames)}`; both must be alike")
    for frame in frames:
        path = PurePosixPath(rows[frame.row])
        if f"{path.parent.name}/{path.stem}" != frame.name:
            raise ChallengeError(f"`{place}` row {frame.row} is `{path}`; the frame there is `{frame.name}`")
    return {row: data.answers / path for row, path in rows.items()}


def read_annotation(path: Path, size: tuple[int, int] | None = None) -> NDArray[np.bool_]:
    """The foreground of a data set's own mask, (H, W): any object of a palette file, 128 and above of a grey one.

    Args:
        path: A palette file, a grey file of 0 and 255, or a 1-bit file.
        size: Height and width that it must have; None allows any.

    Raises:
        ChallengeError: The file is missing or damaged, is no mask, has another size, or is a grey file of 0 and 1.
    """
    reading = masks.read(path, kinds=_TRUSTED_KINDS, size=size)
    if reading.levels_HW is None:
        raise ChallengeError(f"the data set's `{path}` is broken: {reading.faults[0].message}")
    if reading.kind is MaskKind.GREY:
        if 0 < int(reading.levels_HW.max()) < 128:
            highest = int(reading.levels_HW.max())
            raise ChallengeError(f"the grey levels of `{path}` end at `{highest}`; foreground must be 255")
        return reading.levels_HW >= 128
    return reading.levels_HW != 0


def image_size(path: Path) -> tuple[int, int]:
    """Height and width of a frame, from its header.

    Raises:
        ChallengeError: The file is missing or is no JPEG or PNG.
    """
    from PIL import Image

    if path.exists() and not path.is_file():
        raise ChallengeError(f"the data set's `{path}` is no plain file") from OSError("it is no plain file")
    try:
        with Image.open(path, formats=["JPEG", "PNG"]) as image:
            return image.height, image.width
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ChallengeError(f"the data set's `{path}` cannot be read: {error}") from error


def own_files(data: DataSet, folder: Path) -> tuple[Path, ...]:
    """Every file below a folder of a data set, sorted.

    Raises:
        ChallengeError: One is a link that leads out of the data set: what is private must not become part of another.
    """
    return tuple(own(data, path) for path in sorted(folder.rglob("*")) if path.is_file())


def check_apart(data: DataSet, into: Path) -> None:
    """Refuses to make one data set inside another, whose runs could read its answers there.

    Raises:
        UsageError: `into` lies in the data set.
    """
    if into.resolve().is_relative_to(data.root.resolve()):
        raise UsageError(f"`{into}` lies in the data set `{data.root}`; name a folder beside it")


def own(data: DataSet, path: Path) -> Path:
    """The path itself, of a plain file in the data set.

    Raises:
        ChallengeError: It is missing or no plain file, or leads out of the data set.
    """
    if not path.resolve().is_relative_to(data.root.resolve()):
        raise ChallengeError(f"the data set's `{path}` is a link that leads out of it; plain files are needed")
    if not path.is_file():
        raise ChallengeError(f"the data set's `{path}` is {'no plain file' if path.exists() else 'missing'}")
    return path


def frames_of(sequences: tuple[Sequence, ...]) -> Iterator[tuple[Sequence, Frame]]:
    """Every frame with its sequence, in the order of rows."""
    for sequence in sequences:
        for frame in sequence.frames:
            yield sequence, frame
