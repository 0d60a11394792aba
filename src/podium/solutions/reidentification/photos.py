"""Photographs of known individuals, from the challenge's training form or from a folder per individual."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from podium.errors import SubmissionError, UsageError, nearest

METADATA = "metadata.csv"
VIEWPOINTS = ("top", "left", "right")
ENCOUNTER_GAP = timedelta(hours=1)
"""Photographs of one individual that follow each other within this time belong to one encounter."""

_NEEDED = ("image_id", "path", "whale_id")
_OPTIONAL = ("viewpoint", "timestamp", "date", "encounter_id")
_MAX_BYTES = 512 << 20
_MAX_ROWS = 10_000_000
# Formats that pillow decodes itself: none that starts another program.
_FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TGA", "TIFF", "WEBP", "AVIF")
_EXIF_BLOCK, _EXIF_TAKEN, _EXIF_CHANGED = 0x8769, 36867, 306


@dataclass(frozen=True, kw_only=True)
class Photo:
    """One photograph of one individual.

    Attributes:
        image_id: Distinct within a collection.
        path: The file.
        individual: Whom it shows.
        viewpoint: ``top``, ``left``, ``right`` or empty.
        taken: When, in the camera's own time; None where nobody knows.
        encounter: Photographs of one meeting share it.
    """

    image_id: str
    path: Path
    individual: str
    viewpoint: str = ""
    taken: datetime | None = None
    encounter: str = ""


def read_photos(folder: Path) -> tuple[Photo, ...]:
    """The photographs of a collection, sorted by image id; every one has an encounter.

    Args:
        folder: With ``metadata.csv`` in the challenge's training form; or a Podium data set, whose ``public/train`` is
            read; or one sub-folder an individual, which may be parted into ``top``, ``left`` and ``right``. Links in
            sub-folders are not followed.

    Raises:
        UsageError: The folder holds no such collection, or its table is broken or names files that are not there.
    """
    if not folder.is_dir():
        raise UsageError(f"`{folder}` is no folder")
    for place in (folder, folder / "public" / "train"):
        if (place / METADATA).is_file():
            photos = _from_table(place)
            break
    else:
        photos = list(_from_folders(folder))
    if not photos:
        raise UsageError(
            f"`{folder}` holds no photographs; allowed: a folder with `{METADATA}`, a data set, "
            "or one sub-folder of images per individual"
        )
    return tuple(sorted(with_encounters(photos), key=lambda each: each.image_id))


def with_encounters(photos: Iterable[Photo]) -> list[Photo]:
    """The same photographs, in the same order; those without an encounter get one by time.

    Photographs of one individual from one viewpoint share an encounter while no gap exceeds `ENCOUNTER_GAP`. One whose
    time is not known is an encounter of its own.

    >>> first = Photo(image_id="a", path=Path("a.jpg"), individual="anna", taken=datetime(2020, 5, 1, 12))
    >>> later = replace(first, image_id="b", taken=datetime(2020, 5, 1, 12, 40))
    >>> [each.encounter for each in with_encounters([first, later])]
    ['anna-000', 'anna-000']
    """
    every = list(photos)
    taken_names = {each.encounter for each in every}
    names: dict[int, str] = {}
    for individual, places in _places_by_individual(every).items():
        number = -1
        previous: Photo | None = None
        for place in places:
            photo = every[place]
            if previous is None or not _same_encounter(previous, photo):
                number += 1
                while f"{individual}-{number:03d}" in taken_names:
                    number += 1
            names[place] = f"{individual}-{number:03d}"
            previous = photo
    return [replace(each, encounter=names[place]) if place in names else each for place, each in enumerate(every)]


def _places_by_individual(photos: Sequence[Photo]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = defaultdict(list)
    for place, photo in enumerate(photos):
        if not photo.encounter:
            places[photo.individual].append(place)
    for each in places.values():
        each.sort(key=lambda place: _order(photos[place]))
    return places


def _order(photo: Photo) -> tuple[str, bool, datetime, str]:
    return photo.viewpoint, photo.taken is None, photo.taken or datetime.min, photo.image_id


def _same_encounter(before: Photo, after: Photo) -> bool:
    if before.taken is None or after.taken is None or before.viewpoint != after.viewpoint:
        return False
    return after.taken - before.taken <= ENCOUNTER_GAP


def _from_table(folder: Path) -> list[Photo]:
    """The rows of the table; of an image that is there twice the first row counts."""
    from podium.formats import tables

    path = folder / METADATA
    try:
        header = _header(path)
    except SubmissionError as error:
        raise UsageError(f"`{path}` cannot be read: {error}") from error
    missing = [name for name in _NEEDED if name not in header]
    if missing:
        raise UsageError(f"`{path}` has no column `{missing[0]}`; {nearest(missing[0], header)}")
    present = [name for name in _OPTIONAL if name in header]
    columns = [tables.Column(name) for name in _NEEDED] + [tables.Column(name, may_be_empty=True) for name in present]
    reading = tables.read(path, columns, max_bytes=_MAX_BYTES, max_rows=_MAX_ROWS, extra="ignore", may_be_empty=True)
    if reading.frame is None:
        raise UsageError(f"`{path}` is broken: " + "; ".join(str(each) for each in reading.problems[:3]))
    photos: dict[str, Photo] = {}
    for line, row in zip(reading.lines.tolist(), reading.frame.iter_rows(named=True), strict=True):
        if row["image_id"] not in photos:
            photos[row["image_id"]] = _photo(folder, row, f"`{path}`, line {line}")
    _check_files(path, photos.values())
    return list(photos.values())


def _header(path: Path) -> list[str]:
    from podium.formats.files import open_regular

    with open_regular(path, max_bytes=_MAX_BYTES) as stream:
        for line in stream:
            text = line.decode("utf-8-sig", errors="replace")
            if text.strip():
                return next(csv.reader(io.StringIO(text)))
    return []


def _photo(folder: Path, row: dict[str, str], where: str) -> Photo:
    path = folder / row["path"]
    if not path.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"{where}: `{row['path']}` lies outside `{folder}`")
    viewpoint = row.get("viewpoint", "")
    if viewpoint not in ("", *VIEWPOINTS):
        raise UsageError(f"{where}: the viewpoint is `{viewpoint}`; {nearest(viewpoint, VIEWPOINTS)}")
    return Photo(
        image_id=row["image_id"],
        path=path,
        individual=row["whale_id"],
        viewpoint=viewpoint,
        taken=_time(row.get("timestamp") or row.get("date") or "", where),
        encounter=row.get("encounter_id", ""),
    )


def _time(text: str, where: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError as error:
        raise UsageError(f"{where}: the time is `{text}`; `YYYY-MM-DD HH:MM:SS` is needed") from error


def _check_files(table: Path, photos: Iterable[Photo]) -> None:
    absent = [each for each in photos if not each.path.is_file()]
    if absent:
        raise UsageError(f"`{table}` names {len(absent)} files that are not there; the first is `{absent[0].path}`")


def _from_folders(root: Path) -> Iterator[Photo]:
    endings = photo_suffixes()
    for individual in _entries(root, folders=True):
        for path in _entries(individual, folders=False):
            if path.suffix.lower() in endings:
                yield _seen(root, path, individual.name, "")
        for part in _entries(individual, folders=True):
            if part.name.lower() in VIEWPOINTS:
                for path in _entries(part, folders=False):
                    if path.suffix.lower() in endings:
                        yield _seen(root, path, individual.name, part.name.lower())


def photo_suffixes() -> frozenset[str]:
    """The endings, in small letters, of the files that are taken for photographs."""
    from PIL import Image

    return frozenset(ending for ending, kind in Image.registered_extensions().items() if kind in _FORMATS)


def _entries(folder: Path, *, folders: bool) -> list[Path]:
    """Plain files or folders, by name; neither links nor hidden ones."""
    return [
        each
        for each in sorted(folder.iterdir())
        if not each.is_symlink() and not each.name.startswith(".") and (each.is_dir() if folders else each.is_file())
    ]


def _seen(root: Path, path: Path, individual: str, viewpoint: str) -> Photo:
    return Photo(
        image_id=path.relative_to(root).as_posix(),
        path=path,
        individual=individual,
        viewpoint=viewpoint,
        taken=exif_time(path),
    )


def exif_time(path: Path) -> datetime | None:
    """When a photograph was taken, as its camera noted it; None where it did not, or where the file is no image."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            exif = image.getexif()
            text = exif.get_ifd(_EXIF_BLOCK).get(_EXIF_TAKEN) or exif.get(_EXIF_CHANGED)
        return None if text is None else datetime.strptime(str(text).strip("\0 "), "%Y:%m:%d %H:%M:%S")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
