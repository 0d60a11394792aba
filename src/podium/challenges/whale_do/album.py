"""A folder of somebody's own photographs, one sub-folder per individual, as a data set."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from PIL import ExifTags, Image

from podium.challenges.whale_do import layout, partition
from podium.challenges.whale_do.dataset import file_names, write_tables
from podium.challenges.whale_do.partition import Shares
from podium.errors import UsageError
from podium.formats import digests
from podium.media import images
from podium.types import DataSet, Problem, Progress, Severity, silent

LONGEST_PIXELS = 1_600
"""Larger photographs are made smaller."""
QUALITY = 90

_SHARES = Shares(new=0.4, seen=0.2)
_MOST_PIXELS = 170_000_000
_FIRST_DAY = datetime(2017, 8, 1)
_SEASON_DAYS = 58


@dataclass(frozen=True, kw_only=True)
class _Photo:
    path: Path
    whale: str
    viewpoint: str
    taken: datetime | None


def fill(made: DataSet, folder: Path, *, seed: int, progress: Progress = silent) -> tuple[Problem, ...]:
    """Fills a data set with the photographs of a folder; returns a warning for each that could not be used.

    The viewpoint is `top`, `left` or `right` where a folder below the individual's or a part of the file's name says
    so, else `top`. A photograph's time is the one in its EXIF; one without gets a made-up day of 2017 to 2019, drawn by
    the seed in the order of the files' names, so that every such photograph is an encounter of its own.

    Args:
        made: Empty; tables and images are written, the manifest is not.
        folder: One sub-folder per individual; links are not followed.
        seed: Of the draw of judged individuals, made-up days and file names.
        progress: Shows the photographs.

    Raises:
        UsageError: Too few individuals have two usable photographs.
    """
    if not folder.is_dir():
        raise UsageError(f"`{folder}` is not a folder; give one with a sub-folder of photographs per individual")
    skipped: list[Problem] = []
    photos = list(_photos(folder, skipped, progress))
    albums = {whale: [each for each in photos if each.whale == whale] for whale in {each.whale for each in photos}}
    for whale in sorted(whale for whale, own in albums.items() if len(own) < 2):
        skipped.append(_warning(whale, "one usable photograph; at least 2 are needed"))
        del albums[whale]
    if len(albums) < 3:
        reasons = "".join(f"; {problem}" for problem in skipped[:3])
        raise UsageError(f"`{folder}` has `{len(albums)}` individuals with 2 usable photographs; 3 are needed{reasons}")
    used = [each for each in photos if each.whale in albums]
    frame = _sightings(used, seed)
    judged = partition.judged_images(frame, _SHARES, seed=seed)
    train, test = _split(frame, used, judged, made, seed, progress)
    write_tables(made, train, test)
    return tuple(skipped)


def _photos(folder: Path, skipped: list[Problem], progress: Progress) -> Iterator[_Photo]:
    """Every usable photograph, sorted by name."""
    found = [(whale, path) for whale in sorted(folder.iterdir()) for path in _files(whale, folder, skipped)]
    known: dict[str, str] = {}
    for whale, path in progress(found, what="looking at photographs", total=len(found)):
        name = path.relative_to(folder).as_posix()
        try:
            images.read(path, max_pixels=_MOST_PIXELS)
            taken = _exif_time(path)
        except images.UnreadableImage as error:
            skipped.append(_warning(name, f"the photograph cannot be read: it {error.reason}"))
            continue
        digest = digests.digest_file(path)
        if digest in known:
            skipped.append(_warning(name, f"the same file as `{known[digest]}`"))
            continue
        known[digest] = name
        yield _Photo(path=path, whale=whale.name, viewpoint=_viewpoint(path.relative_to(whale)), taken=taken)


def _files(entry: Path, root: Path, skipped: list[Problem]) -> Iterator[Path]:
    """Plain files below an individual's folder, sorted; hidden ones are passed over in silence."""
    if entry.name.startswith("."):
        return
    if entry.is_symlink():
        skipped.append(_warning(entry.relative_to(root).as_posix(), "this is a link; links are not followed"))
    elif entry.is_dir():
        for child in sorted(entry.iterdir()):
            yield from _files(child, root, skipped)
    elif entry.parent == root:
        skipped.append(_warning(entry.name, "the file is in no individual's folder"))
    else:
        yield entry


def _viewpoint(name: Path) -> str:
    parts = [*name.parts[:-1], *re.split(r"[^a-zA-Z]+", name.stem)]
    return next((part.lower() for part in parts if part.lower() in layout.VIEWPOINTS), "top")


def _exif_time(path: Path) -> datetime | None:
    try:
        with Image.open(path) as picture:
            exif = picture.getexif()
            inner = exif.get_ifd(ExifTags.IFD.Exif)
    except (OSError, SyntaxError, ValueError):
        return None
    for value in (inner.get(ExifTags.Base.DateTimeOriginal), exif.get(ExifTags.Base.DateTime)):
        try:
            return datetime.strptime(str(value).strip("\0 "), "%Y:%m:%d %H:%M:%S")
        except ValueError:
            continue
    return None


def _sightings(photos: list[_Photo], seed: int) -> pl.DataFrame:
    """The table with encounters; an image's id is its place in the list."""
    rng = np.random.default_rng([seed, 3_402])
    rows: list[tuple[str, str, str, str]] = []
    for number, photo in enumerate(photos):
        year, day, second = rng.integers(3), rng.integers(_SEASON_DAYS), rng.integers(7 * 3_600, 19 * 3_600)
        made_up = _FIRST_DAY.replace(year=2017 + int(year)) + timedelta(days=int(day), seconds=int(second))
        taken = photo.taken or made_up
        rows.append((f"{number:06}", photo.whale, photo.viewpoint, taken.strftime("%Y-%m-%d %H:%M:%S")))
    frame = pl.DataFrame(rows, schema=["image_id", "whale_id", "viewpoint", "timestamp"], orient="row")
    return partition.with_encounters(frame)


def _split(
    frame: pl.DataFrame, photos: list[_Photo], judged: frozenset[str], made: DataSet, seed: int, progress: Progress
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Writes the images of both splits; returns their tables."""
    folders = {"train": made.public / layout.TRAIN / layout.IMAGES, "test": made.inputs / layout.IMAGES}
    names = {
        split: iter(
            file_names(sum((image in judged) == (split == "test") for image in frame["image_id"]), split, seed=seed)
        )
        for split in folders
    }
    rows: dict[str, list[tuple[str | int, ...]]] = {"train": [], "test": []}
    table = list(frame.select("image_id", "viewpoint", "timestamp", "whale_id", "encounter_id").iter_rows())
    for photo, (image, viewpoint, time, whale, encounter) in progress(
        list(zip(photos, table, strict=True)), what="writing photographs", total=len(photos)
    ):
        split = "test" if image in judged else "train"
        name = next(names[split])
        height, width = _write(photo.path, folders[split] / f"{name}.jpg")
        path = f"{layout.IMAGES}/{name}.jpg"
        rows[split].append((name, path, height, width, viewpoint, time[:10], time, whale, encounter))
    schema = [(name, pl.Int64 if name in ("height", "width") else pl.String) for name in layout.TRAINING_COLUMNS]
    train, test = (pl.DataFrame(rows[split], schema=schema, orient="row") for split in ("train", "test"))
    return train, test


def _write(source: Path, target: Path) -> tuple[int, int]:
    """The photograph without metadata, upright, no larger than needed; returns its height and width."""
    target.parent.mkdir(parents=True, exist_ok=True)
    upright = Image.fromarray(images.read(source, max_pixels=_MOST_PIXELS))
    upright.thumbnail((LONGEST_PIXELS, LONGEST_PIXELS), Image.Resampling.LANCZOS)
    upright.save(target, "JPEG", quality=QUALITY)
    return upright.height, upright.width


def _warning(place: str, message: str) -> Problem:
    return Problem(place=place, message=message, severity=Severity.WARNING)
