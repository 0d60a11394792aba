"""From sightings to scenarios: which images are asked for, in which databases, and what would be right.

The ten pairs mirror what is known of the official ones: the same year, across years, across viewpoints, with the
query's image left out wherever the database holds it. Of every encounter one image takes part, the earliest, because
two photographs of one encounter are near-duplicates.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from podium.challenges.whale_do.layout import Scenario

LATERAL = ("left", "right")


@dataclass(frozen=True, kw_only=True)
class Side:
    """Which images are on one side of a scenario.

    Attributes:
        viewpoints: Any of these.
        year: Of the date; None is every year.
    """

    viewpoints: tuple[str, ...]
    year: str | None = None

    def takes(self, viewpoint: str, date: str) -> bool:
        """Whether an image is on this side.

        >>> Side(viewpoints=("top",), year="2018").takes("top", "2018-08-05")
        True
        """
        return viewpoint in self.viewpoints and self.year in (None, date[:4])


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A scenario before it meets images."""

    scenario_id: str
    queries: Side
    database: Side

    def __str__(self) -> str:
        names = [
            f"{'lateral' if side.viewpoints == LATERAL else '/'.join(side.viewpoints)} {side.year or 'of all years'}"
            for side in (self.queries, self.database)
        ]
        return " against ".join(names)


@dataclass(frozen=True, kw_only=True)
class Built:
    """Scenarios with their answers.

    Attributes:
        scenarios: Those that kept a query, in the order of their pairs.
        labels: (query id, database image id), in the order of the queries, then of the databases.
    """

    scenarios: tuple[Scenario, ...]
    labels: tuple[tuple[str, str], ...]


def _pairs() -> tuple[Pair, ...]:
    top, lateral = Side(viewpoints=("top",)), Side(viewpoints=LATERAL)
    year = {name: Side(viewpoints=("top",), year=name) for name in ("2017", "2018", "2019")}
    sides = (
        (top, top),
        (year["2017"], year["2017"]),
        (year["2018"], year["2018"]),
        (year["2019"], year["2019"]),
        (year["2018"], year["2017"]),
        (year["2019"], year["2017"]),
        (year["2019"], year["2018"]),
        (top, lateral),
        (lateral, top),
        (lateral, lateral),
    )
    return tuple(
        Pair(scenario_id=f"scenario{number:02}", queries=queries, database=database)
        for number, (queries, database) in enumerate(sides, start=1)
    )


PAIRS = _pairs()


def build(sightings: pl.DataFrame, *, pairs: Sequence[Pair] = PAIRS, every_image: bool = False) -> Built:
    """The scenarios of a table of sightings, and their answers.

    A right match is every image of the database that shows the query's whale, but the query's own image. Queries
    without a right match are dropped, and so are scenarios without a query; the others keep their ids.

    Args:
        sightings: Columns `image_id`, `whale_id`, `encounter_id`, `viewpoint`, `date`, `timestamp`, as text.
        every_image: All images of an encounter take part.
    """
    chosen = sightings if every_image else representatives(sightings)
    images = chosen.sort("image_id")
    rows = list(images.select("image_id", "whale_id", "viewpoint", "date").iter_rows())
    scenarios: list[Scenario] = []
    labels: list[tuple[str, str]] = []
    for pair in pairs:
        database = [(image, whale) for image, whale, view, date in rows if pair.database.takes(view, date)]
        queries = [(image, whale) for image, whale, view, date in rows if pair.queries.takes(view, date)]
        right = _matches(queries, database)
        if not right:
            continue
        names = {image: f"{pair.scenario_id}-{image}" for image in right}
        scenarios.append(
            Scenario(
                scenario_id=pair.scenario_id,
                query_ids=tuple(names.values()),
                query_image_ids=tuple(names),
                database_image_ids=tuple(image for image, _ in database),
            )
        )
        labels.extend((names[image], match) for image, matches in right.items() for match in matches)
    return Built(scenarios=tuple(scenarios), labels=tuple(labels))


def representatives(sightings: pl.DataFrame) -> pl.DataFrame:
    """One image of each encounter: the earliest, by id where several share the time."""
    return sightings.sort("timestamp", "image_id").unique(subset="encounter_id", keep="first", maintain_order=True)


def _matches(queries: Sequence[tuple[str, str]], database: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """The right matches of each query that has one, queries and matches in the order given."""
    by_whale: dict[str, list[str]] = defaultdict(list)
    for image, whale in database:
        by_whale[whale].append(image)
    found = {query: [image for image in by_whale.get(whale, ()) if image != query] for query, whale in queries}
    return {query: matches for query, matches in found.items() if matches}
