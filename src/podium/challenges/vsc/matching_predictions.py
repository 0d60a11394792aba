"""Match predictions of a submission: what was uploaded for all queries and what the code made for the subset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from podium.challenges.vsc import layout
from podium.challenges.vsc.matches import FULL, SUBSET, Matches, read_matches, write_matches
from podium.challenges.vsc.predictions import absent
from podium.challenges.vsc.rankings import ARCHIVE
from podium.challenges.vsc.variants import distinct
from podium.errors import SubmissionError
from podium.formats import archives
from podium.types import Answer, DataSet, Phase, Problem, Reading


@dataclass(frozen=True, kw_only=True, eq=False)
class MatchingPredictions:
    """What a submission to the matching track handed in.

    Attributes:
        full: Uploaded, of every query.
        subset: Made by the code; None when the submission has no code.
        subset_ids: (N,) unicode, the queries of the subset.
    """

    full: Matches
    subset: Matches | None
    subset_ids: NDArray[np.str_]


def read_predictions(folder: Path, data: DataSet, *, phase: Phase, parity: bool = False) -> Reading:
    """The two match files of `folder`, or every problem with them.

    Args:
        folder: Holds `full_matches.csv` and `subset_matches.csv`.
        data: Gives the metadata; its answers are not touched.
        phase: Says whether the subset file must be there.
        parity: Check only what the official validator checks.
    """
    queries = layout.read_videos(data.inputs / layout.QUERY_METADATA, letter="Q")
    references = layout.read_videos(data.inputs / layout.REFERENCE_METADATA, letter="R")
    subset_ids = layout.read_subset(data.inputs / layout.QUERY_SUBSET)
    problems: list[Problem] = []
    found: dict[str, Matches] = {}
    for name, allowed, outside in (
        (FULL, queries, "the query metadata"),
        (SUBSET, queries.only(subset_ids), "`query_subset.csv`"),
    ):
        path = folder / name
        if not path.exists() and not path.is_symlink():
            problems.append(absent(name, phase, made=SUBSET))
            continue
        reading = read_matches(path, queries=allowed, references=references, outside=outside, parity=parity)
        problems.extend(reading.problems)
        if reading.matches is not None:
            found[name] = reading.matches
    reading = Reading(predictions=None, problems=tuple(problems))
    if not reading.valid:
        return reading
    predictions = MatchingPredictions(full=found[FULL], subset=found.get(SUBSET), subset_ids=subset_ids)
    return Reading(predictions=predictions, problems=reading.problems)


def write_artifacts(predictions: MatchingPredictions, into: Path) -> tuple[Path, ...]:
    """Writes `full_matches.csv`, `subset_matches.csv` and both in `submission.tar.gz`, as the official runtime does.

    Without code the subset file is empty.
    """
    full, subset = into / FULL, into / SUBSET
    write_matches(full, predictions.full)
    if predictions.subset is None:
        subset.write_bytes(b"")
    else:
        write_matches(subset, predictions.subset)
    archives.pack_tar_gz({FULL: full, SUBSET: subset}, into / ARCHIVE)
    return full, subset, into / ARCHIVE


def match_answers(folder: Path, data: DataSet) -> Mapping[str, Answer]:
    """The matches that the code made, by query; a place is a segment with its times, the value its score.

    Raises:
        SubmissionError: The file is broken; carries every problem.
    """
    queries = layout.read_videos(data.inputs / layout.QUERY_METADATA, letter="Q")
    references = layout.read_videos(data.inputs / layout.REFERENCE_METADATA, letter="R")
    subset = queries.only(layout.read_subset(data.inputs / layout.QUERY_SUBSET))
    reading = read_matches(folder / SUBSET, queries=subset, references=references, outside="`query_subset.csv`")
    if reading.matches is None:
        raise SubmissionError(f"`{SUBSET}` breaks the rules", reading.problems)
    found = reading.matches
    return {
        str(query): _answer(found, np.flatnonzero(found.query_ids == query)) for query in np.unique(found.query_ids)
    }


def _answer(found: Matches, rows: NDArray[np.intp]) -> Answer:
    named = sorted(
        (f"{found.reference_ids[row]}: {_span(found.times_N4[row, :2])} = {_span(found.times_N4[row, 2:])} s", row)
        for row in rows.tolist()
    )
    scores_N = found.score_N[[row for _, row in named]]
    return Answer(places=distinct([place for place, _ in named]), values_NV=scores_N[:, None])


def _span(times_2: NDArray[np.float64]) -> str:
    return f"{times_2[0]:.3f}-{times_2[1]:.3f}"
