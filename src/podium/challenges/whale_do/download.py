"""The official downloads: the training set of the challenge, and the test set that was released later.

```
metadata.csv (training form), images/                                         the training set, perhaps in a sub-folder
code-execution/{images,queries,databases}/, private_test_labels.csv,
private_test_metadata.csv, private_train_metadata.csv                         the test set (LILA, Beluga ID 2022)
```
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from PIL import Image

from podium.challenges.whale_do import layout, partition
from podium.challenges.whale_do.dataset import write_tables
from podium.challenges.whale_do.partition import Shares
from podium.errors import ChallengeError, UsageError, nearest
from podium.formats import datasets, digests, tables
from podium.formats.faults import shown
from podium.types import DataSet, Progress, silent

CODE_EXECUTION = "code-execution"
TEST_LABELS = "private_test_labels.csv"
TEST_METADATA = "private_test_metadata.csv"
TRAIN_METADATA = "private_train_metadata.csv"
SEED = 0
"""Of the draw of whales that are judged where only the training set is there."""

_DEPTH = 3
_MAX_BYTES = 512 << 20
_MAX_ROWS = 10_000_000


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a download holds.

    Attributes:
        train: The folder with the training `metadata.csv`, or None.
        test: The folder that holds `code-execution/`, or None.
    """

    train: Path | None
    test: Path | None


def import_download(download: Path, into: Path, *, progress: Progress = silent) -> DataSet:
    """The official download in Podium's layout. Files are hard links where the disk allows, else copies.

    With the released test set, that is judged, on the official scenarios; the training set beside it becomes
    `public/train`. With the training set alone, about a quarter of the whales and later encounters of another tenth
    are held out, and scenarios are built of their images.

    Args:
        download: A folder that holds one or both sets, perhaps in sub-folders.
        into: The folder to make.
        progress: Shows the files as they are linked.

    Raises:
        UsageError: `download` holds neither set, or `into` is not empty.
        ChallengeError: A file of a set is missing or broken.
    """
    found = find(download)
    with datasets.starting(into) as data:
        if found.test is None:
            _hold_out(found.train or download, data, progress)
        else:
            if found.train is not None:
                _bring_train(found.train, data, progress)
            _bring_test(found.test, data, progress)
        digests.write_manifest(data.root, progress=progress)
    return data


def find(download: Path) -> Found:
    """Where the sets lie in a download.

    Raises:
        UsageError: Neither is there.
    """
    if not download.is_dir():
        raise UsageError(f"`{download}` is not a folder; give the one that holds the download")
    folders = list(_folders(download, _DEPTH))
    test = next((each for each in folders if (each / CODE_EXECUTION).is_dir()), None)
    train = next((each for each in folders if _is_training(each / layout.METADATA)), None)
    if test is None and train is None:
        raise UsageError(
            f"`{download}` holds neither `metadata.csv` with the column `whale_id` beside `images/` (the training set) "
            f"nor `{CODE_EXECUTION}/` (the released test set), up to {_DEPTH} folders deep"
        )
    return Found(train=train, test=test)


def _folders(folder: Path, depth: int) -> Iterator[Path]:
    yield folder
    if depth:
        for child in sorted(folder.iterdir()):
            # Tens of thousands of images lie in these, and no tables.
            if child.is_dir() and not child.is_symlink() and child.name not in (layout.IMAGES, CODE_EXECUTION):
                yield from _folders(child, depth - 1)


def _is_training(path: Path) -> bool:
    return path.is_file() and "whale_id" in _header(path)


def _header(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        return next(csv.reader(stream), list[str]())


def _hold_out(train: Path, data: DataSet, progress: Progress) -> None:
    frame = _training_table(train)
    judged = partition.judged_images(frame, Shares(), seed=SEED)
    is_judged = pl.col("image_id").is_in(sorted(judged))
    test, rest = frame.filter(is_judged), frame.filter(~is_judged)
    _link_images(train, rest, data.public / layout.TRAIN, progress)
    _link_images(train, test, data.inputs, progress)
    write_tables(data, rest, test)


def _training_table(train: Path) -> pl.DataFrame:
    """The training metadata, viewpoints in small letters as scenarios name them."""
    path = train / layout.METADATA
    frame = layout.read_metadata(path, labelled=True).with_columns(pl.col("viewpoint").str.to_lowercase())
    _check_views(frame, path)
    return frame


def _check_views(frame: pl.DataFrame, path: Path) -> None:
    for view in frame["viewpoint"].unique(maintain_order=True).to_list():
        if view not in layout.VIEWPOINTS:
            raise ChallengeError(f"`{path}` has the viewpoint {shown(view)}; {nearest(view, layout.VIEWPOINTS)}")


def _bring_train(train: Path, data: DataSet, progress: Progress) -> None:
    frame = _training_table(train)
    _link_images(train, frame, data.public / layout.TRAIN, progress)
    layout.write_metadata(data.public / layout.TRAIN / layout.METADATA, frame)


def _bring_test(test: Path, data: DataSet, progress: Progress) -> None:
    code = test / CODE_EXECUTION
    missing = [name for name in (layout.IMAGES, layout.QUERIES, layout.DATABASES) if not (code / name).is_dir()]
    missing += [name for name in (TEST_LABELS, TEST_METADATA) if not (test / name).is_file()]
    if missing:
        raise ChallengeError(f"`{test}` lacks " + ", ".join(f"`{name}`" for name in missing))
    answers = _test_metadata(test, progress)
    inputs = answers.select(layout.TEST_COLUMNS)
    if (code / layout.METADATA).is_file():
        inputs = layout.read_metadata(code / layout.METADATA)
    _link_images(code, inputs, data.inputs, progress)
    layout.write_metadata(data.inputs / layout.METADATA, inputs)
    layout.write_metadata(data.answers / layout.METADATA, answers)
    for name in (layout.QUERIES, layout.DATABASES):
        for path in sorted(each for each in (code / name).glob("*.csv") if each.is_file()):
            _check_inside(path, code)
            datasets.link(path, data.inputs / name / path.name)
    if (code / layout.QUERY_SCENARIOS).is_file():
        _check_inside(code / layout.QUERY_SCENARIOS, code)
        datasets.link(code / layout.QUERY_SCENARIOS, data.inputs / layout.QUERY_SCENARIOS)
    else:
        _list_scenarios(data.inputs)
    layout.read_scenarios(data.inputs)
    layout.write_labels(data.answers / layout.LABELS, layout.read_labels(test / TEST_LABELS).iter_rows())


def _list_scenarios(inputs: Path) -> None:
    """Writes `query_scenarios.csv` from the names of the files."""
    queries = sorted(path.stem for path in (inputs / layout.QUERIES).glob("*.csv"))
    lonely = [name for name in queries if not (inputs / layout.DATABASES / f"{name}.csv").is_file()]
    if not queries or lonely:
        what = f"`{layout.DATABASES}/{lonely[0]}.csv`" if lonely else f"any file in `{layout.QUERIES}/`"
        raise ChallengeError(f"the download lacks {what}")
    tables.write(
        inputs / layout.QUERY_SCENARIOS,
        {
            "scenario_id": queries,
            "queries_path": [f"{layout.QUERIES}/{name}.csv" for name in queries],
            "database_path": [f"{layout.DATABASES}/{name}.csv" for name in queries],
        },
    )


def _test_metadata(test: Path, progress: Progress) -> pl.DataFrame:
    """The released metadata in the training form: known whales by the ids of the training set, encounters by time."""
    frame = _read(test / TEST_METADATA, ("image_id", "timestamp", "viewpoint", "original_whale_id"))
    frame = frame.unique(subset="image_id", keep="first", maintain_order=True)
    known: dict[str, str] = {}
    if (test / TRAIN_METADATA).is_file():
        pairs = _read(test / TRAIN_METADATA, ("original_whale_id", "whale_id"))
        known = dict(pairs.select("original_whale_id", "whale_id").iter_rows())
    images = frame["image_id"].to_list()
    layout.check_paths(
        pl.DataFrame({"path": [f"{layout.IMAGES}/{image}.jpg" for image in images]}), test / TEST_METADATA
    )
    times = [str(each).replace("T", " ")[:19] for each in frame["timestamp"].to_list()]
    shapes = _shapes(test / CODE_EXECUTION / layout.IMAGES, images, progress)
    whole = pl.DataFrame(
        {
            "image_id": images,
            "path": [f"{layout.IMAGES}/{image}.jpg" for image in images],
            "height": [height for height, _ in shapes],
            "width": [width for _, width in shapes],
            "viewpoint": frame["viewpoint"].str.to_lowercase(),
            "date": [time[:10] for time in times],
            "timestamp": times,
            "whale_id": [known.get(whale, whale) for whale in frame["original_whale_id"].to_list()],
        }
    )
    _check_views(whole, test / TEST_METADATA)
    return partition.with_encounters(whole).select(layout.TRAINING_COLUMNS)


def _shapes(folder: Path, images: Sequence[str], progress: Progress) -> list[tuple[int, int]]:
    """Height and width of each image, from its header."""
    shapes: list[tuple[int, int]] = []
    for image in progress(images, what="measuring images", total=len(images)):
        path = folder / f"{image}.jpg"
        if not path.is_file():
            raise ChallengeError(f"`{folder}` has no `{path.name}`, which the metadata names")
        try:
            with Image.open(path) as picture:
                shapes.append((picture.height, picture.width))
        except (OSError, Image.DecompressionBombError) as error:
            raise ChallengeError(f"the image `{path}` cannot be read: {error}") from error
    return shapes


def _read(path: Path, needed: Sequence[str]) -> pl.DataFrame:
    """The columns that are needed from a table that may have any others."""
    columns = [tables.Column(name=name) for name in needed]
    reading = tables.read(path, columns, max_bytes=_MAX_BYTES, max_rows=_MAX_ROWS, extra="ignore")
    if reading.frame is None:
        raise ChallengeError(f"`{path}` is broken: " + "; ".join(str(each) for each in reading.problems[:3]))
    return reading.frame


def _check_inside(path: Path, folder: Path) -> None:
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ChallengeError(f"`{path}` is a link that leads out of `{folder}`; the files themselves are needed there")


def _link_images(source: Path, frame: pl.DataFrame, target: Path, progress: Progress) -> None:
    layout.check_paths(frame, source / layout.METADATA)
    names = [str(name) for name in frame["path"].to_list()]
    for name in progress(names, what="images", total=len(names)):
        path = source / name
        if not path.is_file():
            raise ChallengeError(f"`{source}` has no `{name}`, which its metadata names")
        _check_inside(path, source)
        datasets.link(path, target / name)
