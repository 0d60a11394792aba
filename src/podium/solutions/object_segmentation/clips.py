"""Material to learn from: clips and stills with masks, found in the folders in which people keep them.

```
a Podium data set                    its public/ part
DAVIS, and the contest's artifacts   JPEGImages/480p/<clip>/00000.jpg  Annotations/480p/<clip>/00000.png  ImageSets/
YouTube-VOS                          JPEGImages/<clip>/00000.jpg       Annotations/<clip>/00000.png
stills                               DUTS-TR-Image and DUTS-TR-Mask, or Images and Masks
a folder of such folders             clips get the folder's name in front
```
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from podium.errors import UsageError, nearest

_FRAMES = "JPEGImages"
_MASKS = ("Annotations", "Annotations_unsupervised")
_LISTS = "ImageSets"
_SIZES = ("480p", "1080p", "Full-Resolution")
_LISTED = ("480p", "2016", "2017", "1080p", "")
_STILLS = (("DUTS-TR-Image", "DUTS-TR-Mask"), ("Images", "Masks"), ("images", "masks"))
_PICTURES = frozenset({".jpg", ".jpeg", ".png"})


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A clip with masks.

    Attributes:
        name: Of its folder.
        frames: In order of time.
        masks: Of each frame; None where it has none, so that the frame only shows how others move.
    """

    name: str
    frames: tuple[Path, ...]
    masks: tuple[Path | None, ...]

    @property
    def annotated(self) -> tuple[int, ...]:
        """The places of the frames with a mask."""
        return tuple(place for place, mask in enumerate(self.masks) if mask is not None)


@dataclass(frozen=True, kw_only=True)
class Still:
    """A picture with the mask of what strikes the eye in it."""

    name: str
    image: Path
    mask: Path


@dataclass(frozen=True, kw_only=True)
class Material:
    """What is learned from.

    Attributes:
        train: Clips to learn from; all of them where no list says which.
        held_out: Clips that a list holds out.
        stills: Pictures to learn from.
    """

    train: tuple[Clip, ...] = ()
    held_out: tuple[Clip, ...] = ()
    stills: tuple[Still, ...] = ()


class Split(NamedTuple):
    """Clips to learn from and clips to judge by."""

    train: tuple[Clip, ...]
    held_out: tuple[Clip, ...]


def find(folder: Path) -> Material:
    """The material in a folder, by name.

    Args:
        folder: As the top of this module shows.

    Raises:
        UsageError: There is none, or a list names a clip that is not there.
    """
    if not folder.is_dir():
        near = [each.name for each in folder.parent.iterdir() if each.is_dir()] if folder.parent.is_dir() else []
        hint = f"; {nearest(folder.name, near)}" if near else ""
        raise UsageError(f"the folder `{folder}` does not exist{hint}")
    found = _in_folder(folder)
    if found != Material():
        return found
    joined = join(_prefixed(_in_folder(each), each.name) for each in sorted(folder.iterdir()) if each.is_dir())
    if joined == Material():
        there = ", ".join(f"`{each.name}`" for each in sorted(folder.iterdir())[:8]) or "nothing"
        raise UsageError(
            f"`{folder}` has no clips or stills with masks: it holds {there}; `public/`, `{_FRAMES}/` with "
            f"`{_MASKS[0]}/`, `{_STILLS[0][0]}/` with `{_STILLS[0][1]}/`, or `Images/` with `Masks/` is looked for"
        )
    return joined


def join(materials: Iterable[Material]) -> Material:
    """All materials as one.

    Raises:
        UsageError: Two clips have one name.
    """
    every = tuple(materials)
    joined = Material(
        train=tuple(clip for each in every for clip in each.train),
        held_out=tuple(clip for each in every for clip in each.held_out),
        stills=tuple(still for each in every for still in each.stills),
    )
    names = [clip.name for clip in joined.train + joined.held_out]
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice is not None:
        raise UsageError(f"the clip `{twice}` is there twice")
    return joined


def split(clips: Sequence[Clip], *, share: float, seed: int) -> Split:
    """Holds out some clips, whole, by lot; for material without a list of its own.

    Args:
        clips: In any order; at least two.
        share: Of the clips, above 0 and below 1; at least one clip is held out and at least one is not.
        seed: Of the lot. A clip's lot depends on its name and the seed alone.

    Raises:
        UsageError: There are fewer than two clips, or the share is 0 or 1 or beyond.
    """
    if not 0 < share < 1:
        raise UsageError(f"the share of clips to hold out is `{share}`; more than 0 and less than 1 is allowed")
    if len(clips) < 2:
        raise UsageError(f"`{len(clips)}` clip cannot be split; at least 2 are needed")
    number = min(max(1, round(share * len(clips))), len(clips) - 1)
    drawn = sorted(clips, key=lambda clip: hashlib.sha256(f"{seed}:{clip.name}".encode()).digest())
    chosen = {clip.name for clip in drawn[:number]}
    return Split(
        train=tuple(clip for clip in clips if clip.name not in chosen),
        held_out=tuple(clip for clip in clips if clip.name in chosen),
    )


def digest(material: Material) -> str:
    """``sha256:…`` of the names and sizes of all files, for the facts of a training; contents are not read."""
    found = hashlib.sha256()
    for part, clips in (("train", material.train), ("held_out", material.held_out)):
        for clip in clips:
            found.update(f"{part}/{clip.name}\n".encode())
            for frame, mask in zip(clip.frames, clip.masks, strict=True):
                found.update(f"{frame.name} {frame.stat().st_size} {mask and mask.stat().st_size}\n".encode())
    for still in material.stills:
        found.update(f"still {still.name} {still.image.stat().st_size} {still.mask.stat().st_size}\n".encode())
    return f"sha256:{found.hexdigest()}"


def _in_folder(folder: Path) -> Material:
    roots = (folder / "public", folder, folder / "train")
    return next((found for root in roots if (found := _in_root(root)) != Material()), Material())


def _in_root(root: Path) -> Material:
    stills = _stills(root)
    frames = root / _FRAMES
    if not frames.is_dir():
        return Material(stills=stills)
    clips = _clips(root, frames)
    places = (root / _LISTS / each for each in _LISTED)
    lists = next((each for each in places if any((each / f"{name}.txt").is_file() for name in ("train", "val"))), root)
    train, held_out = (_listed(lists / f"{name}.txt", clips) for name in ("train", "val"))
    if train is None and held_out is None:
        return Material(train=tuple(clips.values()), stills=stills)
    apart = {clip.name for clip in held_out or ()}
    if train is None:
        train = tuple(clip for clip in clips.values() if clip.name not in apart)
    both = sorted(apart & {clip.name for clip in train})
    if both:
        raise UsageError(f"`{lists}` names `{both[0]}` in `train.txt` and in `val.txt`")
    return Material(train=train, held_out=held_out or (), stills=stills)


def _clips(root: Path, frames: Path) -> dict[str, Clip]:
    size = next((each for each in _SIZES if (frames / each).is_dir()), "")
    masks = next((found for each in _MASKS if (found := root / each / size).is_dir()), None)
    if masks is None:
        inside = ", ".join(f"`{each.name}`" for each in sorted(root.iterdir()) if each.is_dir())
        raise UsageError(
            f"`{root}` has `{_FRAMES}/{size}` and no `{_MASKS[0]}/{size}`: it holds {inside}; masks are needed"
        )
    clips: dict[str, Clip] = {}
    for folder in sorted(each for each in (frames / size).iterdir() if each.is_dir()):
        clip = _clip(folder, masks / folder.name)
        if clip is not None:
            clips[clip.name] = clip
    if not clips:
        raise UsageError(
            f"no clip of `{frames / size}` has a mask in `{masks}`; a frame `<clip>/00000.jpg` has `<clip>/00000.png`"
        )
    return clips


def _clip(frames: Path, masks: Path) -> Clip | None:
    """A clip; None for one without any mask, as test sets have, or with a single frame."""
    found = _pictures(frames)
    known = _pictures(masks) if masks.is_dir() else {}
    if len(found) < 2 or not any(name in known for name in found):
        return None
    return Clip(name=frames.name, frames=tuple(found.values()), masks=tuple(known.get(name) for name in found))


def _listed(place: Path, clips: dict[str, Clip]) -> tuple[Clip, ...] | None:
    """The clips of a list: a clip a line, or a frame and its mask a line; None where there is no list."""
    if not place.is_file():
        return None
    named: dict[str, None] = {}
    for line in place.read_text(encoding="utf-8").splitlines():
        word = line.split()[0] if line.split() else ""
        if word:
            named[PurePosixPath(word).parent.name if "/" in word else word] = None
    missing = [each for each in named if each not in clips]
    if missing:
        more = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UsageError(
            f"`{place}` names the clip `{missing[0]}`{more}, of which there are no frames with masks; "
            f"{nearest(missing[0], list(clips))}"
        )
    return tuple(clips[each] for each in named)


def _stills(root: Path) -> tuple[Still, ...]:
    for images, masks in _STILLS:
        if (root / images).is_dir() and (root / masks).is_dir():
            found, known = _pictures(root / images), _pictures(root / masks)
            both = [name for name in found if name in known]
            if not both:
                raise UsageError(f"no picture of `{root / images}` has a mask of the same name in `{root / masks}`")
            return tuple(Still(name=name, image=found[name], mask=known[name]) for name in both)
    return ()


def _pictures(folder: Path) -> dict[str, Path]:
    """The pictures of a folder by name without its ending: numbers by value, then names in order."""
    found = [each for each in folder.iterdir() if each.suffix.lower() in _PICTURES and not each.name.startswith(".")]
    found.sort(key=lambda each: (not each.stem.isdigit(), int(each.stem) if each.stem.isdigit() else 0, each.name))
    return {each.stem: each for each in found}


def _prefixed(material: Material, name: str) -> Material:
    return Material(
        train=tuple(replace(clip, name=f"{name}/{clip.name}") for clip in material.train),
        held_out=tuple(replace(clip, name=f"{name}/{clip.name}") for clip in material.held_out),
        stills=tuple(replace(still, name=f"{name}/{still.name}") for still in material.stills),
    )
