"""Data sets of `whale-do`: check them, cut them down, bring in the official downloads."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from podium.challenges.whale_do import layout
from podium.challenges.whale_do.download import import_download
from podium.challenges.whale_do.layout import Scenario
from podium.errors import ChallengeError, UsageError
from podium.formats import datasets, digests
from podium.types import DataSet, Problem

__all__ = ["check_data", "import_download", "subset_data"]

_DATE, _TIME = "%Y-%m-%d", "%Y-%m-%d %H:%M:%S"
_SECRET_COLUMNS = frozenset({"whale_id", "encounter_id", "original_whale_id", "individual_id"})


@dataclass(frozen=True, kw_only=True, eq=False)
class _Tables:
    """Everything that a data set says in tables."""

    scenarios: tuple[Scenario, ...]
    metadata: pl.DataFrame
    labels: pl.DataFrame
    answers: pl.DataFrame
    train: pl.DataFrame | None


def check_data(data: DataSet) -> tuple[Problem, ...]:
    """Every fault of a data set: broken tables, missing images, wrong labels, answers in a run's reach, changes."""
    return tuple(_faults(data))


def subset_data(data: DataSet, into: Path, *, proportion: float, seed: int) -> DataSet:
    """The same data set with fewer queries: drawn from each scenario, databases kept whole.

    Args:
        data: The data set.
        into: The folder to make; files are hard links where the disk allows.
        proportion: Of each scenario's queries, above 0 and at most 1; at least one query remains.
        seed: Of the draw.

    Raises:
        UsageError: The proportion is out of range, or `into` is not empty.
        ChallengeError: A table of the data set is broken.
    """
    if not 0 < proportion <= 1:
        raise UsageError(f"the proportion is `{proportion}`; it must be above 0 and at most 1")
    scenarios = layout.read_scenarios(data.inputs)
    labels = layout.read_labels(data.answers / layout.LABELS)
    drawn = [_drawn(each, proportion, [seed, number]) for number, each in enumerate(scenarios)]
    left_out = {data.inputs / layout.QUERY_SCENARIOS, data.answers / layout.LABELS, data.manifest}
    left_out |= {data.inputs / path for path in _scenario_files(data.inputs)}
    with datasets.starting(into) as smaller:
        for path in sorted(data.root.rglob("*")):
            if path.is_file() and path not in left_out:
                datasets.link(path, smaller.root / path.relative_to(data.root))
        kept = {query for scenario in drawn for query in scenario.query_ids}
        layout.write_scenarios(smaller.inputs, drawn)
        layout.write_labels(smaller.answers / layout.LABELS, (row for row in labels.iter_rows() if row[0] in kept))
        digests.write_manifest(smaller.root)
    return smaller


def _drawn(scenario: Scenario, proportion: float, seed: Sequence[int]) -> Scenario:
    total = len(scenario.query_ids)
    count = math.ceil(total * proportion)
    rows: list[int] = np.sort(np.random.default_rng(seed).choice(total, size=count, replace=False)).tolist()
    return replace(
        scenario,
        query_ids=tuple(scenario.query_ids[row] for row in rows),
        query_image_ids=tuple(scenario.query_image_ids[row] for row in rows),
    )


def _scenario_files(inputs: Path) -> Iterator[str]:
    with (inputs / layout.QUERY_SCENARIOS).open(encoding="utf-8-sig", newline="") as stream:
        for row in csv.DictReader(stream):
            yield row["queries_path"]
            yield row["database_path"]


def _faults(data: DataSet) -> Iterator[Problem]:
    train = data.public / layout.TRAIN / layout.METADATA
    try:
        found = _Tables(
            scenarios=layout.read_scenarios(data.inputs),
            metadata=layout.read_metadata(data.inputs / layout.METADATA),
            labels=layout.read_labels(data.answers / layout.LABELS),
            answers=layout.read_metadata(data.answers / layout.METADATA, labelled=True),
            train=layout.read_metadata(train, labelled=True) if train.is_file() else None,
        )
    except ChallengeError as error:
        yield Problem(place=str(data.root), message=str(error))
        return
    yield from _scenario_faults(found)
    yield from _label_faults(found)
    yield from _image_faults(data.inputs, "inputs", found.metadata)
    if found.train is not None:
        yield from _image_faults(data.public / layout.TRAIN, f"public/{layout.TRAIN}", found.train)
        shared = set(found.train["image_id"].to_list()) & set(found.metadata["image_id"].to_list())
        yield from _listed(f"public/{layout.TRAIN}", "`{}` is also an image that is judged", shared)
    yield from _leaks(data)
    if data.manifest.is_file():
        yield from digests.check_manifest(data.root)
    else:
        yield Problem(place="manifest.json", message="the file is missing, so changes cannot be seen")


def _scenario_faults(found: _Tables) -> Iterator[Problem]:
    known = set(found.metadata["image_id"].to_list())
    for scenario in found.scenarios:
        for name, images in (
            (layout.QUERIES, scenario.query_image_ids),
            (layout.DATABASES, scenario.database_image_ids),
        ):
            place = f"inputs/{name}/{scenario.scenario_id}.csv"
            yield from _listed(place, "`{}` is in no metadata", set(images) - known)
            if not images:
                yield Problem(place=place, message="the file has a header and no rows")
    yield from _listed("answers/metadata.csv", "`{}` has no whale", known - set(found.answers["image_id"].to_list()))


def _label_faults(found: _Tables) -> Iterator[Problem]:
    place = f"answers/{layout.LABELS}"
    if not found.labels.height:
        yield Problem(place=place, message="no match is labelled, so nothing can be scored")
        return
    asked = {
        query: (image, scenario)
        for scenario in found.scenarios
        for query, image in zip(scenario.query_ids, scenario.query_image_ids, strict=True)
    }
    whale = dict(found.answers.select("image_id", "whale_id").iter_rows())
    rows: list[tuple[str, str]] = list(found.labels.iter_rows())
    known = [(query, match, *asked[query]) for query, match in rows if query in asked]
    yield from _listed(place, "`{}` is no query of any scenario", {query for query, _ in rows} - asked.keys())
    yield from _listed(place, "the query `{}` has no right match", asked.keys() - {query for query, _ in rows})
    yield from _listed(
        place, "the query `{}` is labelled with its own image", {q for q, m, own, _ in known if m == own}
    )
    outside = {match for _, match, _, scenario in known if match not in scenario.database}
    yield from _listed(place, "`{}` is not in the database of its scenario", outside)
    wrong = {query for query, match, own, _ in known if whale.get(match) != whale.get(own)}
    yield from _listed(place, "a match of the query `{}` shows another whale", wrong)
    twice = {query for (query, _), count in _counted(rows) if count > 1}
    yield from _listed(place, "a match of the query `{}` is there twice", twice)


def _counted(rows: Iterable[tuple[str, str]]) -> Iterable[tuple[tuple[str, str], int]]:
    counts: dict[tuple[str, str], int] = {}
    for row in rows:
        counts[row] = counts.get(row, 0) + 1
    return counts.items()


def _image_faults(folder: Path, place: str, metadata: pl.DataFrame) -> Iterator[Problem]:
    named = {str(path) for path in metadata["path"].to_list()}
    there = {path.relative_to(folder).as_posix() for path in folder.glob(f"{layout.IMAGES}/**/*") if path.is_file()}
    yield from _listed(place, "the image `{}` is missing", named - there)
    yield from _listed(place, "the image `{}` is in no metadata", there - named)
    views = set(metadata["viewpoint"].to_list()) - set(layout.VIEWPOINTS)
    table = f"{place}/{layout.METADATA}"
    yield from _listed(table, "the date is `{}`; YYYY-MM-DD is needed", _wrong_times(metadata, "date", _DATE))
    if "timestamp" in metadata.columns:
        wrong = _wrong_times(metadata, "timestamp", _TIME)
        yield from _listed(table, "the time is `{}`; YYYY-MM-DD HH:MM:SS is needed", wrong)
    yield from _listed(table, "the viewpoint is `{}`; top, left or right is needed", views)


def _wrong_times(metadata: pl.DataFrame, column: str, form: str) -> set[str]:
    found = metadata[column]
    return set(found.filter(found.str.to_datetime(form, strict=False).is_null()).to_list())


def _leaks(data: DataSet) -> Iterator[Problem]:
    secrets = [path for path in data.answers.rglob("*") if path.is_file()]
    sizes = {path.stat().st_size for path in secrets}
    known = {digests.digest_file(path) for path in secrets}
    for path in sorted(data.inputs.rglob("*")):
        if not path.is_file():
            continue
        place = path.relative_to(data.root).as_posix()
        if path.stat().st_size in sizes and digests.digest_file(path) in known:
            yield Problem(place=place, message="this file is one of the answers; a run could read it")
        elif path.suffix == ".csv":
            columns = set(path.open("rb").readline().decode("utf-8-sig", "replace").strip().split(","))
            if columns & _SECRET_COLUMNS or set(layout.LABEL_COLUMNS) <= columns:
                yield Problem(place=place, message="the table says which images match; a run could read it")


def _listed(place: str, message: str, names: Iterable[str]) -> Iterator[Problem]:
    """One problem for all names, the first shown where the message has braces; none for none."""
    every = sorted(names)
    if every:
        yield Problem(place=place, message=message.replace("{}", every[0]), count=len(every))
