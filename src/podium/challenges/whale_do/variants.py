"""The inputs changed in ways that may change no ranking, for the audit.

A ranking may use the query's image and the scenario's database, and may not change because other images or queries
exist: the challenge's page on its code submission format, section "Caching".
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from podium.challenges.whale_do import layout
from podium.challenges.whale_do.layout import Scenario
from podium.challenges.whale_do.predictions import IMAGE, QUERY, Predictions, read_predictions
from podium.errors import SubmissionError
from podium.types import Answer, DataSet, Phase, Progress, Variant, silent

SCENARIOS = 4
"""Runs with one scenario alone, at most."""

SINGLES = 3
"""Runs with one query alone."""


@dataclass(frozen=True, kw_only=True)
class _Inputs:
    folder: Path
    scenarios: tuple[Scenario, ...]
    metadata: pl.DataFrame

    @property
    def paths(self) -> dict[str, str]:
        return dict(self.metadata.select("image_id", "path").iter_rows())


def variants(data: DataSet, into: Path, *, seed: int, progress: Progress = silent) -> Iterator[Variant]:
    """Each way to change the inputs, in a folder of its own below `into`, made when it is asked for.

    The order of the rows of a database is never changed: it may decide between equal scores.

    Args:
        data: Its inputs are read; images become hard links where the disk allows.
        into: The folder to make them in.
        seed: Of what is drawn.
    """
    inputs = _Inputs(
        folder=data.inputs,
        scenarios=layout.read_scenarios(data.inputs),
        metadata=layout.read_metadata(data.inputs / layout.METADATA),
    )
    rng = np.random.default_rng(seed)
    kept = _half(inputs.scenarios, rng)
    halves = (
        ("half of the queries", "every second query was dropped, with the images that only those need", kept),
        ("the other half", "the queries that were kept before were dropped", _queries(inputs.scenarios) - kept),
    )
    for at, (name, summary, chosen) in enumerate(halves):
        if chosen:
            changed = replace(inputs, scenarios=_with_queries(inputs.scenarios, chosen))
            yield _write(changed, into / f"half-{at}", name, summary, progress)
    yield _shuffled(inputs, into / "shuffled", rng, progress)
    for at, scenario in enumerate(_some_scenarios(inputs.scenarios, rng)):
        name = f"{scenario.scenario_id} alone"
        summary = "every other scenario was dropped, with the images that only those need"
        yield _write(replace(inputs, scenarios=(scenario,)), into / f"scenario-{at}", name, summary, progress)
    for at, (query, scenario) in enumerate(_some_queries(inputs.scenarios, rng)):
        name = f"{query} alone"
        summary = "every other query was dropped, with the images that only those need"
        yield _write(replace(inputs, scenarios=(scenario,)), into / f"query-{at}", name, summary, progress)
    yield _renamed(inputs, into / "renamed", rng, progress)


def answers(folder: Path, data: DataSet) -> Mapping[str, Answer]:
    """What a submission wrote: for each query its images, best first, equal ones by id.

    Raises:
        SubmissionError: The predictions are broken; carries every problem.
    """
    reading = read_predictions(folder, data, phase=Phase(name="1", summary="", code_required=True))
    if not reading.valid or reading.predictions is None:
        raise SubmissionError("the predictions break the rules", reading.problems)
    read: Predictions = reading.predictions
    frame = read.ids.with_columns(pl.Series("score", read.score_N)).sort(["score", IMAGE], descending=[True, False])
    return {
        str(query): Answer(
            places=tuple(rows[IMAGE].to_list()), values_NV=rows["score"].to_numpy().astype(np.float64)[:, None]
        )
        for (query,), rows in frame.partition_by(QUERY, as_dict=True, maintain_order=True).items()
    }


def renamed_like(names: Sequence[str], rng: np.random.Generator) -> dict[str, str]:
    """New names of the same form, by the old: digits stay digits, the rest stays, and no old name is used again.

    A name without enough digits to be told apart gets four more.

    >>> sorted(map(len, renamed_like(["test0001", "test0002"], np.random.default_rng(0)).values()))
    [8, 8]
    >>> renamed_like(["zoe"], np.random.default_rng(0))["zoe"][:3]
    'zoe'
    """
    taken = set(names)
    forms: dict[str, int] = {}
    for name in names:
        form = re.sub(r"[0-9]", "0", name)
        forms[form] = forms.get(form, 0) + 1
    made: dict[str, str] = {}
    for name in names:
        form = re.sub(r"[0-9]", "0", name)
        room = 10 ** form.count("0")
        # with fewer than three free names for each that is taken, drawing would take long
        pattern = form if room >= 4 * forms[form] and "0" in form else f"{form}0000"
        while (drawn := _drawn(pattern, rng)) in taken:
            continue
        taken.add(drawn)
        made[name] = drawn
    return made


def _drawn(pattern: str, rng: np.random.Generator) -> str:
    return re.sub("0", lambda _: str(rng.integers(10)), pattern)


def _queries(scenarios: Iterable[Scenario]) -> set[str]:
    return {query for each in scenarios for query in each.query_ids}


def _half(scenarios: Iterable[Scenario], rng: np.random.Generator) -> set[str]:
    """Half of each scenario's queries, rounded up."""
    kept: set[str] = set()
    for each in scenarios:
        order = rng.permutation(len(each.query_ids))
        kept |= {each.query_ids[at] for at in order[: (len(order) + 1) // 2]}
    return kept


def _with_queries(scenarios: Iterable[Scenario], kept: Collection[str]) -> tuple[Scenario, ...]:
    """The scenarios with those queries only; one that has none is dropped."""
    cut: list[Scenario] = []
    for each in scenarios:
        at = [place for place, query in enumerate(each.query_ids) if query in kept]
        if at:
            cut.append(_ordered(each, at))
    return tuple(cut)


def _ordered(scenario: Scenario, at: Iterable[int]) -> Scenario:
    places = list(at)
    return replace(
        scenario,
        query_ids=tuple(scenario.query_ids[place] for place in places),
        query_image_ids=tuple(scenario.query_image_ids[place] for place in places),
    )


def _is_disjoint(scenario: Scenario) -> bool:
    return scenario.database.isdisjoint(scenario.query_image_ids)


def _some_scenarios(scenarios: Sequence[Scenario], rng: np.random.Generator) -> list[Scenario]:
    """At most `SCENARIOS`, in file order, with one of each kind where there is one; none where there is only one."""
    if len(scenarios) == 1:
        return []
    order = [int(each) for each in rng.permutation(len(scenarios))]
    first = [next((at for at in order if _is_disjoint(scenarios[at]) is kind), None) for kind in (False, True)]
    chosen = dict.fromkeys([each for each in first if each is not None] + order)
    return [scenarios[at] for at in sorted(list(chosen)[:SCENARIOS])]


def _some_queries(scenarios: Sequence[Scenario], rng: np.random.Generator) -> Iterator[tuple[str, Scenario]]:
    """Single queries, from as many scenarios as possible."""
    filled = [each for each in scenarios if len(each.query_ids) > 1 or len(scenarios) > 1]
    for at in rng.permutation(len(filled))[:SINGLES]:
        scenario = filled[int(at)]
        place = int(rng.integers(len(scenario.query_ids)))
        yield scenario.query_ids[place], _ordered(scenario, [place])


def _shuffled(inputs: _Inputs, into: Path, rng: np.random.Generator, progress: Progress) -> Variant:
    order = rng.permutation(len(inputs.scenarios))
    scenarios = [inputs.scenarios[int(at)] for at in order]
    changed = replace(
        inputs,
        scenarios=tuple(_ordered(each, rng.permutation(len(each.query_ids)).tolist()) for each in scenarios),
        metadata=inputs.metadata[rng.permutation(inputs.metadata.height).tolist()],
    )
    summary = "scenarios, their queries and the rows of the metadata stand in another order"
    return _write(changed, into, "rows shuffled", summary, progress, whole=True)


def _renamed(inputs: _Inputs, into: Path, rng: np.random.Generator, progress: Progress) -> Variant:
    images = renamed_like(inputs.metadata["image_id"].to_list(), rng)
    names = renamed_like([each.scenario_id for each in inputs.scenarios], rng)
    queries = renamed_like(sorted(_queries(inputs.scenarios)), rng)
    for each in inputs.scenarios:
        for query, image in zip(each.query_ids, each.query_image_ids, strict=True):
            if query == f"{each.scenario_id}-{image}":
                queries[query] = f"{names[each.scenario_id]}-{images[image]}"
    scenarios = tuple(
        Scenario(
            scenario_id=names[each.scenario_id],
            query_ids=tuple(queries[query] for query in each.query_ids),
            query_image_ids=tuple(images[image] for image in each.query_image_ids),
            database_image_ids=tuple(images[image] for image in each.database_image_ids),
        )
        for each in inputs.scenarios
    )
    paths = {path: f"{layout.IMAGES}/{images[image]}{Path(path).suffix}" for image, path in inputs.paths.items()}
    metadata = inputs.metadata.with_columns(
        pl.col("image_id").replace_strict(images), pl.col("path").replace_strict(paths)
    )
    changed = replace(inputs, scenarios=scenarios, metadata=metadata)
    summary = "images, files, queries and scenarios have new random names; all rows stand in their order"
    sources = {new: old for old, new in paths.items()}
    made = _write(changed, into, "ids renamed", summary, progress, sources=sources, whole=True)
    return replace(
        made,
        queries={new: old for old, new in queries.items()},
        places={new: old for old, new in images.items()},
    )


def _write(
    inputs: _Inputs,
    into: Path,
    name: str,
    summary: str,
    progress: Progress,
    *,
    sources: Mapping[str, str] | None = None,
    whole: bool = False,
) -> Variant:
    """Writes inputs with the images that their scenarios need, or with all where nothing is dropped.

    Args:
        sources: What a renamed path was.
        whole: Images that no scenario needs stay too.
    """
    made = DataSet(into)
    made.inputs.mkdir(parents=True)
    layout.write_scenarios(made.inputs, inputs.scenarios)
    needed = {image for each in inputs.scenarios for image in (*each.query_image_ids, *each.database_image_ids)}
    metadata = inputs.metadata if whole else inputs.metadata.filter(pl.col("image_id").is_in(needed))
    layout.write_metadata(made.inputs / layout.METADATA, metadata)
    paths: list[str] = metadata["path"].to_list()
    (made.inputs / layout.IMAGES).mkdir(exist_ok=True)
    for path in progress(paths, what=f"inputs with {name}", total=len(paths)):
        _link(inputs.folder / (sources or {}).get(path, path), made.inputs / path)
    return Variant(
        name=name, summary=summary, data=made, queries={query: query for query in sorted(_queries(inputs.scenarios))}
    )


def _link(source: Path, target: Path) -> None:
    """A hard link or a copy, never a symbolic link: inside the sandbox that would lead nowhere."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)
