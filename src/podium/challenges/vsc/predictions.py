"""Descriptor predictions: three files, read with bounds, every rule checked at once.

Official rules (`parity`): as many rows in all as the videos have begun seconds, equal lengths, ids not decreasing,
float32, at most 512 dimensions. The default also closes what the official validator lets through: rows moved from one
video to another, ids that are unknown or outside the subset, no rows, NaN, differing dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from podium.challenges.vsc import layout
from podium.formats.descriptors import Descriptors, read_descriptors
from podium.types import DataSet, Phase, Problem, Reading, Severity

QUERIES = "query_descriptors.npz"
REFERENCES = "reference_descriptors.npz"
SUBSET = "subset_query_descriptors.npz"

MAX_DIMENSIONS = 512
_MAX_BYTES = 8 << 30


@dataclass(frozen=True, kw_only=True, eq=False)
class DescriptorPredictions:
    """What a submission to the descriptor track handed in, and the budgets that follow from the metadata.

    Attributes:
        queries: Uploaded, of every query.
        references: Uploaded, of every reference.
        subset: Made by the code; None when the submission has no code.
        query_count: Query videos in the metadata (in the file, with parity).
        subset_count: Likewise for the subset.
        subset_ids: (N,) unicode, the queries of the subset.
        memory: What was worked out from these predictions and need not be again.
    """

    queries: Descriptors
    references: Descriptors
    subset: Descriptors | None
    query_count: int
    subset_count: int
    subset_ids: np.ndarray
    memory: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, kw_only=True, eq=False)
class _Demand:
    name: str
    letter: Literal["Q", "R"]
    videos: layout.Videos
    outside: str


def read_predictions(folder: Path, data: DataSet, *, phase: Phase, parity: bool = False) -> Reading:
    """The three descriptor files of `folder`, or every problem with them.

    Args:
        folder: Holds `query_descriptors.npz`, `reference_descriptors.npz` and `subset_query_descriptors.npz`.
        data: Gives the metadata; its answers are not touched.
        phase: Says whether the subset file must be there.
        parity: Check only what the official validator checks.
    """
    queries = layout.read_videos(data.inputs / layout.QUERY_METADATA, letter="Q")
    references = layout.read_videos(data.inputs / layout.REFERENCE_METADATA, letter="R")
    subset_ids = layout.read_subset(data.inputs / layout.QUERY_SUBSET)
    demands = [
        _Demand(name=QUERIES, letter="Q", videos=queries, outside="the query metadata"),
        _Demand(name=REFERENCES, letter="R", videos=references, outside="the reference metadata"),
        _Demand(name=SUBSET, letter="Q", videos=queries.only(subset_ids), outside="`query_subset.csv`"),
    ]
    problems: list[Problem] = []
    found: dict[str, Descriptors] = {}
    for demand in demands:
        path = folder / demand.name
        if not path.exists() and not path.is_symlink():
            problems.append(absent(demand.name, phase, made=SUBSET))
            continue
        reading = read_descriptors(
            path,
            letter=demand.letter,
            max_rows=int(demand.videos.budget.sum()),
            max_dimensions=MAX_DIMENSIONS,
            max_bytes=_MAX_BYTES,
        )
        problems.extend(reading.problems)
        if reading.descriptors is not None:
            found[demand.name] = reading.descriptors
            if not parity:
                problems.extend(_against_metadata(reading.descriptors, demand))
    problems.extend(_dimension_faults(found))
    reading = Reading(predictions=None, problems=tuple(problems))
    if not reading.valid:
        return reading
    predictions = _predictions(found, query_count=len(queries.ids), subset_ids=subset_ids, parity=parity)
    return Reading(predictions=predictions, problems=reading.problems)


def only(descriptors: Descriptors, ids: np.ndarray) -> Descriptors:
    """The rows of the videos in `ids`."""
    rows = np.flatnonzero(np.isin(descriptors.videos, ids)[descriptors.row_video])
    return Descriptors(
        video_ids=descriptors.video_ids[rows],
        features_ND=descriptors.features_ND[rows],
        timestamps_N2=descriptors.timestamps_N2[rows],
    )


def absent(name: str, phase: Phase, *, made: str) -> Problem:
    """What is wrong when a file is not there.

    Args:
        name: Of the file.
        phase: Says whether there must be code.
        made: The file that the code makes; the others are uploaded.
    """
    if name != made:
        return Problem(place=name, message="the file is missing", hint="put it at the top of the submission folder")
    if phase.code_required:
        message = f"the file is missing; phase `{phase.name}` wants code that writes it"
        return Problem(place=name, message=message, hint="add a `main.py` that writes it")
    message = "the submission has no code result; phase 2 refuses that"
    return Problem(place=name, message=message, severity=Severity.WARNING)


def _predictions(
    found: dict[str, Descriptors], *, query_count: int, subset_ids: np.ndarray, parity: bool
) -> DescriptorPredictions:
    subset = found.get(SUBSET)
    subset_count = len(subset_ids)
    if parity:
        query_count = len(found[QUERIES].videos)
        subset_count = 0 if subset is None else len(subset.videos)
    return DescriptorPredictions(
        queries=found[QUERIES],
        references=found[REFERENCES],
        subset=subset,
        query_count=query_count,
        subset_count=subset_count,
        subset_ids=subset_ids,
    )


def _against_metadata(descriptors: Descriptors, demand: _Demand) -> Iterator[Problem]:
    positions = demand.videos.positions(descriptors.videos)
    unknown = descriptors.videos[positions < 0]
    if len(unknown):
        row = int(np.flatnonzero(descriptors.video_ids == unknown[0])[0])
        message = f"`{unknown[0]}` is not in {demand.outside}"
        yield Problem(place=f"{demand.name} row {row}", message=message, count=len(unknown))
    known = positions >= 0
    rows = descriptors.rows_per_video[known]
    budget = demand.videos.budget[positions[known]]
    over = np.flatnonzero(rows > budget)
    if len(over):
        first = over[0]
        video = descriptors.videos[known][first]
        message = f"`{video}` has `{rows[first]}` rows; at most `{budget[first]}` are allowed, one per second begun"
        yield Problem(place=demand.name, message=message, count=len(over), hint="keep fewer frames of that video")
    missing = demand.videos.ids[~np.isin(demand.videos.ids, descriptors.videos)]
    if len(missing):
        message = f"`{missing[0]}` has no descriptor, so no copy in it can be found"
        yield Problem(place=demand.name, message=message, count=len(missing), severity=Severity.WARNING)
    yield from _time_faults(descriptors, demand, positions)


def _time_faults(descriptors: Descriptors, demand: _Demand, positions: np.ndarray) -> Iterator[Problem]:
    """Times take no part in this track's score, and official starters write any: they only warn."""
    codes = descriptors.row_video
    known = positions[codes] >= 0
    if not known.any():
        return
    limit = demand.videos.budget[np.maximum(positions, 0)][codes] + 1.0
    late = np.flatnonzero(known & (descriptors.timestamps_N2[:, 1] > limit))
    if len(late):
        row = int(late[0])
        end = descriptors.timestamps_N2[row, 1]
        message = f"the row ends at `{end:g}` s; `{descriptors.video_ids[row]}` ends by `{limit[row] - 1:g}` s"
        place = f"{demand.name} row {row}"
        yield Problem(place=place, message=message, count=len(late), severity=Severity.WARNING)
    starts = descriptors.timestamps_N2[:, 0]
    back = np.flatnonzero((np.diff(starts) < 0) & (np.diff(codes) == 0)) + 1
    if len(back):
        row = int(back[0])
        message = f"the time goes back to `{starts[row]:g}` s within `{descriptors.video_ids[row]}`"
        place = f"{demand.name} row {row}"
        yield Problem(place=place, message=message, count=len(back), severity=Severity.WARNING)


def _dimension_faults(found: dict[str, Descriptors]) -> Iterator[Problem]:
    if REFERENCES not in found:
        return
    wanted = found[REFERENCES].features_ND.shape[1]
    for name in (QUERIES, SUBSET):
        if name in found and (has := found[name].features_ND.shape[1]) != wanted:
            message = f"the features have `{has}` dimensions, those of `{REFERENCES}` have `{wanted}`"
            yield Problem(place=name, message=message, hint="write all files with the same dimensions")
