"""The files of the Where's Whale-do? challenge, as the official runtime has them, in one place.

```
public/train/   metadata.csv (training form), images/        what participants download
inputs/         query_scenarios.csv, queries/, databases/, metadata.csv (test form), images/
answers/        labels.csv, metadata.csv (training form, of the test images)
```

Everything read here belongs to the data set, so a fault is a `ChallengeError`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import polars as pl

from podium.errors import ChallengeError
from podium.formats import tables
from podium.formats.faults import shown
from podium.types import DataSet

QUERY_SCENARIOS = "query_scenarios.csv"
QUERIES = "queries"
DATABASES = "databases"
IMAGES = "images"
METADATA = "metadata.csv"
LABELS = "labels.csv"
TRAIN = "train"

VIEWPOINTS = ("top", "left", "right")
TEST_COLUMNS = ("image_id", "path", "height", "width", "viewpoint", "date")
TRAINING_COLUMNS = (*TEST_COLUMNS, "timestamp", "whale_id", "encounter_id")
LABEL_COLUMNS = ("query_id", "database_image_id")

_MAX_BYTES = 512 << 20
_MAX_ROWS = 10_000_000
_WHOLE_NUMBERS = ("height", "width")


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Queries and the database that they are put to.

    Attributes:
        scenario_id: As in ``query_scenarios.csv``.
        query_ids: Opaque, distinct over all scenarios.
        query_image_ids: The image of each query, same order.
        database_image_ids: Distinct, in file order.
    """

    scenario_id: str
    query_ids: tuple[str, ...]
    query_image_ids: tuple[str, ...]
    database_image_ids: tuple[str, ...]

    @cached_property
    def database(self) -> frozenset[str]:
        """The database as a set."""
        return frozenset(self.database_image_ids)


def read_scenarios(inputs: Path) -> tuple[Scenario, ...]:
    """The scenarios, in file order.

    Args:
        inputs: The folder that a run sees.

    Raises:
        ChallengeError: A file is missing or broken, a scenario, a query or a database image is there twice, or a
            scenario's id is no name for a file.
    """
    columns = ("scenario_id", "queries_path", "database_path")
    scenarios = tuple(
        _scenario(inputs, str(name), str(queries), str(database))
        for name, queries, database in _text(inputs / QUERY_SCENARIOS, columns).iter_rows()
    )
    seen: set[str] = set()
    named: set[str] = set()
    for scenario in scenarios:
        if scenario.scenario_id in named:
            raise ChallengeError(f"`{inputs / QUERY_SCENARIOS}` names the scenario {shown(scenario.scenario_id)} twice")
        named.add(scenario.scenario_id)
        for query_id in scenario.query_ids:
            if query_id in seen:
                raise ChallengeError(f"`{inputs}` names the query `{query_id}` twice")
            seen.add(query_id)
    return scenarios


def write_scenarios(inputs: Path, scenarios: Iterable[Scenario]) -> None:
    """Writes ``query_scenarios.csv``, ``queries/`` and ``databases/``."""
    every = list(scenarios)
    for folder in (QUERIES, DATABASES):
        (inputs / folder).mkdir(parents=True, exist_ok=True)
    for each in every:
        tables.write(
            inputs / QUERIES / f"{each.scenario_id}.csv",
            {"query_id": each.query_ids, "query_image_id": each.query_image_ids},
        )
        tables.write(inputs / DATABASES / f"{each.scenario_id}.csv", {"database_image_id": each.database_image_ids})
    names = [each.scenario_id for each in every]
    tables.write(
        inputs / QUERY_SCENARIOS,
        {
            "scenario_id": names,
            "queries_path": [f"{QUERIES}/{name}.csv" for name in names],
            "database_path": [f"{DATABASES}/{name}.csv" for name in names],
        },
    )


def read_metadata(path: Path, *, labelled: bool = False) -> pl.DataFrame:
    """One row an image, first row kept where an image has several; columns of `TEST_COLUMNS` or `TRAINING_COLUMNS`.

    Args:
        labelled: The training form, with whales, encounters and times.

    Raises:
        ChallengeError: The file is missing or broken, or a path leads elsewhere than below ``images/``.
    """
    names = TRAINING_COLUMNS if labelled else TEST_COLUMNS
    columns = tuple(
        tables.Column(name=name, kind="int", minimum=1) if name in _WHOLE_NUMBERS else tables.Column(name=name)
        for name in names
    )
    frame = _trusted(path, columns).unique(subset="image_id", keep="first", maintain_order=True)
    check_paths(frame, path)
    return frame


def check_paths(frame: pl.DataFrame, table: Path) -> None:
    """Refuses a column `path` that could make a reader or writer of images leave its folder.

    Args:
        frame: With the column `path`.
        table: Where it comes from, to tell.

    Raises:
        ChallengeError: A path is absolute, has `..` in it, or does not begin with ``images/``; or two are the same.
    """
    for name in frame["path"].to_list():
        parts = str(name).split("/")
        if len(parts) < 2 or parts[0] != IMAGES or not {"", ".", ".."}.isdisjoint(parts):
            raise ChallengeError(f"`{table}` has the path {shown(name)}; one below `{IMAGES}/` is needed, without `..`")
    twice = frame["path"].filter(frame["path"].is_duplicated())
    if len(twice):
        raise ChallengeError(f"`{table}` has the path {shown(twice[0])} for two images; each needs its own")


def write_metadata(path: Path, frame: pl.DataFrame) -> None:
    """Writes the columns of the training form where the frame has them all, else those of the test form."""
    names = TRAINING_COLUMNS if set(TRAINING_COLUMNS) <= set(frame.columns) else TEST_COLUMNS
    path.parent.mkdir(parents=True, exist_ok=True)
    tables.write(path, {name: frame[name].to_numpy() for name in names})


def read_labels(path: Path) -> pl.DataFrame:
    """The right matches: columns of `LABEL_COLUMNS`, one row a match, duplicates kept.

    Raises:
        ChallengeError: The file is missing or broken.
    """
    return _text(path, LABEL_COLUMNS)


def write_labels(path: Path, pairs: Iterable[tuple[str, str]]) -> None:
    """Writes the right matches, (query, database image), in the order given."""
    every = list(pairs)
    path.parent.mkdir(parents=True, exist_ok=True)
    tables.write(path, {name: [pair[at] for pair in every] for at, name in enumerate(LABEL_COLUMNS)})


def image_paths(data: DataSet) -> dict[str, str]:
    """The path of each test image, relative to the data set's folder, by its id."""
    frame = read_metadata(data.inputs / METADATA)
    return {image: f"inputs/{path}" for image, path in frame.select("image_id", "path").iter_rows()}


def _scenario(inputs: Path, name: str, queries: str, database: str) -> Scenario:
    if PurePosixPath(name).name != name or name.startswith("."):
        message = f"`{inputs / QUERY_SCENARIOS}` has the scenario {shown(name)}; a name without `/` is needed"
        raise ChallengeError(f"{message}, because files are called by it")
    frame = _text(_below(inputs, queries), ("query_id", "query_image_id")).unique(maintain_order=True)
    images = tuple(_text(_below(inputs, database), ("database_image_id",))["database_image_id"].to_list())
    if len(set(images)) != len(images):
        raise ChallengeError(f"`{inputs / database}` names an image twice")
    return Scenario(
        scenario_id=name,
        query_ids=tuple(frame["query_id"].to_list()),
        query_image_ids=tuple(frame["query_image_id"].to_list()),
        database_image_ids=images,
    )


def _below(inputs: Path, name: str) -> Path:
    path = inputs / name
    if not path.resolve().is_relative_to(inputs.resolve()):
        raise ChallengeError(f"`{inputs / QUERY_SCENARIOS}` names `{name}`, which lies outside the data set")
    return path


def _text(path: Path, names: tuple[str, ...]) -> pl.DataFrame:
    return _trusted(path, tuple(tables.Column(name=name) for name in names))


def _trusted(path: Path, columns: tuple[tables.Column, ...]) -> pl.DataFrame:
    reading = tables.read(path, columns, max_bytes=_MAX_BYTES, max_rows=_MAX_ROWS, extra="ignore", may_be_empty=True)
    if reading.frame is None:
        first = "; ".join(str(each) for each in reading.problems[:3])
        raise ChallengeError(f"the data set's `{path}` is broken: {first}")
    return reading.frame
