"""The inputs changed in ways that may change no answer, for the audit of both video-copy challenges.

What is said of a query may not depend on other queries: the rules of the Meta Video Similarity Challenge. References
keep their ids and their order, because a submission carries what it knows of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from podium.challenges.vsc import layout
from podium.challenges.vsc.data import link
from podium.challenges.vsc.predictions import MAX_DIMENSIONS, SUBSET
from podium.errors import ChallengeError, SubmissionError
from podium.formats import tables
from podium.formats.descriptors import Descriptors, read_descriptors
from podium.types import Answer, DataSet, Progress, Variant, silent

SINGLES = 2
"""Runs with one query alone."""

_QUERY_FOLDER = "query"
_MAX_BYTES = 8 << 30


@dataclass(frozen=True, kw_only=True)
class _Inputs:
    """Inputs to write.

    Attributes:
        subset: The ids that the code answers for, in the order of the file.
        names: The id of each query of the metadata, by its id in the original data set; None changes none.
    """

    source: DataSet
    subset: tuple[str, ...]
    names: Mapping[str, str] | None = None


def variants(data: DataSet, into: Path, *, seed: int, progress: Progress = silent) -> Iterator[Variant]:
    """Each way to change the inputs, in a folder of its own below `into`, made when it is asked for.

    Args:
        data: Its inputs are read; videos become hard links where the disk allows.
        into: The folder to make them in.
        seed: Of what is drawn.
    """
    subset = layout.read_subset(data.inputs / layout.QUERY_SUBSET).tolist()
    rng = np.random.default_rng(seed)
    order = [subset[int(at)] for at in rng.permutation(len(subset))]
    kept = set(order[: (len(order) + 1) // 2])
    halves = (
        ("half of the queries", "every second query of the subset was dropped, with its file", kept),
        ("the other half", "the queries that were kept before were dropped", set(subset) - kept),
    )
    whole = _Inputs(source=data, subset=tuple(subset))
    for at, (name, summary, chosen) in enumerate(halves):
        if chosen:
            changed = replace(whole, subset=tuple(each for each in subset if each in chosen))
            yield _write(changed, into / f"half-{at}", name, summary, progress)
    shuffled = replace(whole, subset=tuple(order))
    summary = "the rows of the subset stand in another order"
    yield _write(shuffled, into / "shuffled", "rows shuffled", summary, progress)
    for at, query in enumerate(order[:SINGLES] if len(order) > 1 else ()):
        summary = "every other query of the subset was dropped, with its file"
        yield _write(replace(whole, subset=(query,)), into / f"query-{at}", f"{query} alone", summary, progress)
    queries = layout.read_videos(data.inputs / layout.QUERY_METADATA, letter="Q").ids.tolist()
    names = _new_names(queries, rng)
    renamed = replace(whole, subset=tuple(sorted(names[each] for each in subset)), names=names)
    summary = "queries and their files have new random numbers; all tables are sorted by them, as the official ones are"
    yield _write(renamed, into / "renamed", "ids renamed", summary, progress)


def descriptor_answers(folder: Path, data: DataSet) -> Mapping[str, Answer]:
    """The descriptors that the code made, by query; a place is the time of a row.

    Raises:
        SubmissionError: The file is broken; carries every problem.
    """
    queries = layout.read_videos(data.inputs / layout.QUERY_METADATA, letter="Q")
    wanted = queries.only(layout.read_subset(data.inputs / layout.QUERY_SUBSET))
    reading = read_descriptors(
        folder / SUBSET,
        letter="Q",
        max_rows=int(wanted.budget.sum()),
        max_dimensions=MAX_DIMENSIONS,
        max_bytes=_MAX_BYTES,
    )
    if reading.descriptors is None:
        raise SubmissionError(f"`{SUBSET}` breaks the rules", reading.problems)
    found = reading.descriptors
    return {str(video): _answer(found, at) for at, video in enumerate(found.videos)}


def _answer(found: Descriptors, at: int) -> Answer:
    rows = slice(int(found.first_rows[at]), int(found.first_rows[at + 1]))
    return Answer(
        places=distinct([f"{start:.3f}-{end:.3f} s" for start, end in found.timestamps_N2[rows]]),
        values_NV=found.features_ND[rows].astype(np.float64),
    )


def distinct(places: Sequence[str]) -> tuple[str, ...]:
    """The places of an answer; times may repeat, and the second gets a number.

    >>> distinct(["0-1 s", "0-1 s"])
    ('0-1 s', '0-1 s, row 2')
    """
    seen: set[str] = set()
    named: list[str] = []
    for row, place in enumerate(places):
        named.append(f"{place}, row {row + 1}" if place in seen else place)
        seen.add(place)
    return tuple(named)


def _new_names(ids: Sequence[str], rng: np.random.Generator) -> dict[str, str]:
    """Another number for each query, with the digit that tells the split."""
    numbers: dict[str, list[int]] = {}
    for each in ids:
        numbers.setdefault(each[:2], []).append(int(each[2:]))
    names: dict[str, str] = {}
    for split, taken in numbers.items():
        free = np.setdiff1d(np.arange(100_000), taken)
        # A set that takes more than half of all numbers can only be permuted.
        drawn = rng.permutation(free if len(free) >= len(taken) else np.array(taken))
        names |= {f"{split}{old:05d}": f"{split}{int(new):05d}" for old, new in zip(taken, drawn, strict=False)}
    return names


def _write(inputs: _Inputs, into: Path, name: str, summary: str, progress: Progress) -> Variant:
    source, made = inputs.source.inputs, DataSet(into)
    (made.inputs / _QUERY_FOLDER).mkdir(parents=True)
    link(source / layout.REFERENCE_METADATA, made.inputs / layout.REFERENCE_METADATA)
    if inputs.names is None:
        link(source / layout.QUERY_METADATA, made.inputs / layout.QUERY_METADATA)
    else:
        _rename_metadata(source / layout.QUERY_METADATA, made.inputs / layout.QUERY_METADATA, inputs.names)
    tables.write(made.inputs / layout.QUERY_SUBSET, {"video_id": list(inputs.subset)})
    originals = {new: old for old, new in (inputs.names or {}).items()}
    for query in progress(inputs.subset, what=f"inputs with {name}", total=len(inputs.subset)):
        video = source / _QUERY_FOLDER / f"{originals.get(query, query)}.mp4"
        if video.is_file():
            link(video, made.inputs / _QUERY_FOLDER / f"{query}.mp4")
    queries = {each: originals.get(each, each) for each in inputs.subset}
    return Variant(name=name, summary=summary, data=made, queries=queries)


def _rename_metadata(source: Path, target: Path, names: Mapping[str, str]) -> None:
    """The table with new ids, sorted by them; every other column stays as it is."""
    try:
        # Everything as text, so that no number changes its spelling.
        frame = pl.read_csv(source, infer_schema=False)
        frame = frame.with_columns(pl.col("video_id").replace_strict(dict(names))).sort("video_id")
    except pl.exceptions.PolarsError as error:
        raise ChallengeError(f"the data set's `{source}` is broken: {error}") from error
    tables.write(target, {name: frame[name].fill_null("").to_list() for name in frame.columns})
