"""Ranks the scenarios of a folder in the challenge's layout and writes the file that is judged.

Axes: Q queries, N images of the database, K ranked images.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from podium.errors import UsageError
from podium.solutions.reidentification.matching import Matches, match
from podium.solutions.reidentification.model import Model
from podium.solutions.reidentification.ranking import NOBODY, Images, is_lateral
from podium.types import Progress, silent

COLUMNS = ("query_id", "database_image_id", "score")


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Queries and the database that they are put to, as ids.

    Attributes:
        queries: Id and image of each query.
        database: Distinct images, in file order.
    """

    queries: tuple[tuple[str, str], ...]
    database: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Library:
    """Every image that a scenario names, embedded once."""

    number: Mapping[str, int]
    paths: tuple[Path, ...]
    images: Images

    def take(self, ids: Sequence[str]) -> tuple[Images, list[Path]]:
        """Rows and files of some images."""
        chosen = [self.number[each] for each in ids]
        return self.images.take(np.array(chosen, np.int64)), [self.paths[each] for each in chosen]


def rank_scenarios(
    data: Path, model: Model, output: Path, *, limit: int | None = None, progress: Progress = silent
) -> tuple[str, ...]:
    """Writes the best images of each query; the rows of a query are the same whatever else is asked.

    Args:
        data: Holds ``query_scenarios.csv``, ``queries/``, ``databases/``, ``metadata.csv``, ``images/``.
        model: Ranks.
        output: The CSV, replaced when it exists; its folder is made.
        limit: Images of a query; None is the model's.
        progress: Shown a step for each image.

    Returns:
        One line for each image that could not be read; it ranks behind all that resemble the query at all.

    Raises:
        UsageError: A table is missing or lacks a column.
    """
    from podium.solutions.reidentification.embedding import embed

    scenarios = read_scenarios(data)
    table = {row["image_id"]: row for row in reversed(_rows(data / "metadata.csv", ("image_id",)))}
    ids = list(dict.fromkeys(each for one in scenarios for each in (*_images(one), *one.database)))
    paths = tuple(data / (table.get(each, {}).get("path") or f"images/{each}.jpg") for each in ids)
    lateral_N = np.array([is_lateral(table.get(each, {}).get("viewpoint", "")) for each in ids], np.bool_)
    embedded = embed(model, paths, progress=progress)
    number = {each: place for place, each in enumerate(ids)}
    library = _Library(number=number, paths=paths, images=embedded.images(lateral_N))
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(COLUMNS)
        for scenario in scenarios:
            for row in _ranked(scenario, library, model, limit, progress):
                writer.writerow(row)
    return embedded.skipped


def read_scenarios(data: Path) -> tuple[Scenario, ...]:
    """The scenarios of a folder, in order; what is there twice counts once.

    Raises:
        UsageError: A table is missing or lacks a column.
    """
    scenarios: list[Scenario] = []
    for row in _rows(data / "query_scenarios.csv", ("queries_path", "database_path")):
        queries = _rows(data / row["queries_path"], ("query_id", "query_image_id"))
        database = _rows(data / row["database_path"], ("database_image_id",))
        scenarios.append(
            Scenario(
                queries=tuple(dict.fromkeys((each["query_id"], each["query_image_id"]) for each in queries)),
                database=tuple(dict.fromkeys(each["database_image_id"] for each in database)),
            )
        )
    return tuple(scenarios)


def _ranked(
    scenario: Scenario, library: _Library, model: Model, limit: int | None, progress: Progress
) -> list[tuple[str, str, str]]:
    if not scenario.queries or not scenario.database:
        return []
    place = {each: number for number, each in enumerate(scenario.database)}
    query, query_paths = library.take(_images(scenario))
    database, database_paths = library.take(scenario.database)
    found = match(
        model,
        query,
        database,
        own_Q=np.array([place.get(each, NOBODY) for each in _images(scenario)], np.int64),
        limit=limit,
        query_paths=query_paths,
        database_paths=database_paths,
        progress=progress,
    )
    return _written(scenario, found)


def _written(scenario: Scenario, found: Matches) -> list[tuple[str, str, str]]:
    """Rows of the file; numbers with all their digits, so that none become equal."""
    return [
        (query_id, scenario.database[image], repr(score))
        for (query_id, _), images, scores in zip(
            scenario.queries, found.indices_QK.tolist(), found.confidence_QK.tolist(), strict=True
        )
        for image, score in zip(images, scores, strict=True)
        if image != NOBODY
    ]


def _images(scenario: Scenario) -> list[str]:
    return [image for _, image in scenario.queries]


def _rows(path: Path, needed: tuple[str, ...]) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines)
            missing = [name for name in needed if name not in (reader.fieldnames or ())]
            if missing:
                raise UsageError(f"`{path}` has no column `{missing[0]}`; `{','.join(needed)}` are needed")
            return list(reader)
    except OSError as error:
        raise UsageError(f"`{path}` cannot be read: {error.strerror}") from error
