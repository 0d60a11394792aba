"""`whale-do`: mAP@20 over all labelled queries, and what explains it.

Legend: Q queries that are scored, N rows of theirs, M means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from podium.challenges.whale_do.exhibits import exhibits
from podium.challenges.whale_do.facts import Facts, joined, read_facts
from podium.challenges.whale_do.judging import Judged, judge
from podium.challenges.whale_do.predictions import LIMIT, Predictions
from podium.metrics import bootstrap_mean, bootstrap_means
from podium.types import Curve, DataSet, Interval, ItemScore, Measure, Score, ScoreSettings

METRIC = f"mAP@{LIMIT}"
_TOP = (1, 5)

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Traits:
    """What the scored queries are, for grouping.

    Attributes:
        scenarios: (Q,) the scenario of each query; empty where it is unknown, as below.
        viewpoints: (Q,)
        years: (Q,)
        familiarities: (Q,) ``known`` for an individual of the training set, or ``new``.
        images: (Q,) the image of each query.
        individuals: (Q,) the whale on it; None where the answers name no whale at all.
    """

    scenarios: tuple[str, ...]
    viewpoints: tuple[str, ...]
    years: tuple[str, ...]
    familiarities: tuple[str, ...]
    images: tuple[str, ...]
    individuals: tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class _Mean:
    """A measure that is a mean over some queries: NaN for those that take no part."""

    name: str
    values_Q: Floats
    note: str = ""


def score(predictions: Predictions, data: DataSet, settings: ScoreSettings) -> Score:
    """The score of rankings: the mean AP at 20 over the labelled queries.

    A labelled query without rows counts 0; with parity it is left out, as the official scorer does. The intervals draw
    individuals with all their queries, where the answers say who is on the images, and else queries.

    Raises:
        ChallengeError: There is no label, or the data set is broken.
        UsageError: The predictions were read with parity and are not to be scored with it.
        SubmissionError: With parity only: the official scorer gives no number.
    """
    judged = judge(predictions, data, parity=settings.parity)
    facts = read_facts(data)
    traits = traits_of(judged, predictions, facts)
    means = [_Mean(name=METRIC, values_Q=judged.ap_Q), *_group_means(judged, traits), *_top_means(judged)]
    intervals = _intervals(means, traits, settings)
    measures = [
        Measure(name=mean.name, value=float(np.nanmean(mean.values_Q)), interval=interval, note=mean.note)
        for mean, interval in zip(means, intervals, strict=True)
    ]
    return Score(
        value=float(judged.ap_Q.mean()),
        metric=METRIC,
        interval=intervals[0],
        measures=(*_over_queries(judged, traits, settings), *measures[1:], *_counts(judged)),
        per_item=_per_query(judged, traits),
        curves=(_hit_curve(judged),),
        exhibits=exhibits(judged, traits.images, facts, count=settings.exhibits),
    )


def traits_of(judged: Judged, predictions: Predictions, facts: Facts) -> Traits:
    """What each scored query is."""
    catalogue = predictions.catalogue
    places: list[int] = judged.place_Q.tolist()
    scenario_of: list[int] = catalogue.scenario_Q.tolist()
    images = tuple(catalogue.query_image_ids[place] if place >= 0 else "" for place in places)
    individuals = tuple(facts.individuals.get(image, "") for image in images)
    return Traits(
        scenarios=tuple(catalogue.scenario_ids[scenario_of[place]] if place >= 0 else "" for place in places),
        viewpoints=tuple(facts.viewpoints.get(image, "") for image in images),
        years=tuple(facts.year(image) for image in images),
        familiarities=tuple(facts.familiarity(image) for image in images),
        images=images,
        individuals=individuals if any(individuals) else None,
    )


def _group_means(judged: Judged, traits: Traits) -> list[_Mean]:
    means: list[_Mean] = []
    for word, of_query in (
        ("{}", traits.scenarios),
        ("{} queries", traits.viewpoints),
        ("queries of {}", traits.years),
        ("{} individuals", traits.familiarities),
    ):
        names, code_Q = np.unique(np.asarray(of_query, dtype=np.str_), return_inverse=True)
        for code, name in enumerate(names.tolist()):
            mine = code_Q == code
            if name:
                values_Q = np.where(mine, judged.ap_Q, np.nan)
                means.append(
                    _Mean(name=f"{METRIC}, {word.format(name)}", values_Q=values_Q, note=_queries(int(mine.sum())))
                )
    return means


def _top_means(judged: Judged) -> list[_Mean]:
    note = "share of queries with a right image at rank 1"
    notes = {1: note, 5: "share of queries with a right image among the first 5"}
    return [
        _Mean(name=f"top-{top}", values_Q=(judged.first_rank_Q <= top).astype(np.float64), note=notes[top])
        for top in _TOP
    ]


def _intervals(means: Sequence[_Mean], traits: Traits, settings: ScoreSettings) -> Sequence[Interval | None]:
    if not settings.resamples:
        return [None] * len(means)
    group_Q, unit = np.arange(len(traits.images)), "query"
    if traits.individuals is not None:
        group_Q, unit = _individual_of(traits.individuals), "individual"
    values_MQ = np.stack([mean.values_Q for mean in means])
    intervals = bootstrap_means(values_MQ, group_Q, resamples=settings.resamples, seed=settings.seed)
    return [each and replace(each, unit=_units(int(each.unit.split()[0]), unit)) for each in intervals]


def _individual_of(individuals: Sequence[str]) -> NDArray[np.int64]:
    """A number for each individual; a query whose individual is unknown is one of its own."""
    names = [name or f"\0{at}" for at, name in enumerate(individuals)]
    known = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([known[name] for name in names], dtype=np.int64)


def _over_queries(judged: Judged, traits: Traits, settings: ScoreSettings) -> tuple[Measure, ...]:
    """The interval that most papers would give; too narrow where an individual has several queries."""
    if traits.individuals is None or not settings.resamples:
        return ()
    queries = len(judged.query_ids)
    interval = bootstrap_mean(judged.ap_Q, np.arange(queries), resamples=settings.resamples, seed=settings.seed)
    return (
        Measure(
            name=f"{METRIC}, interval over queries",
            value=float(judged.ap_Q.mean()),
            interval=replace(interval, unit=_units(queries, "query")),
            note="as if no two queries showed the same individual",
        ),
    )


def _counts(judged: Judged) -> tuple[Measure, ...]:
    found, could = int(judged.found_Q.sum()), int(np.minimum(judged.positives_Q, LIMIT).sum())
    answered = int(np.count_nonzero(np.diff(judged.starts_Q)))
    queries = len(judged.query_ids)
    return (
        Measure(
            name="right images listed",
            value=found / could,
            note=f"{found} of {could} that can be listed; {int(judged.positives_Q.sum())} are right",
        ),
        Measure(
            name="queries answered",
            value=answered / queries,
            note=f"{queries - answered} of {_queries(queries)} have no row",
        ),
    )


def _per_query(judged: Judged, traits: Traits) -> tuple[ItemScore, ...]:
    values, positives = judged.ap_Q.tolist(), judged.positives_Q.tolist()
    facts = zip(traits.scenarios, traits.viewpoints, traits.years, strict=True)
    rows = np.diff(judged.starts_Q).tolist()
    return tuple(
        ItemScore(item=item, value=value, note=f"{joined(fact)}: {outcome(ranks, right, rows=count)}")
        for item, value, fact, ranks, right, count in zip(
            judged.query_ids, values, facts, judged.hit_ranks(), positives, rows, strict=True
        )
    )


def outcome(ranks: Sequence[int], right: int, *, rows: int) -> str:
    """What became of a query's right images.

    >>> outcome([1, 4], 7, rows=20)
    '2 of 7 right images, ranked 1, 4'
    """
    images = f"{right} right image{'s' if right != 1 else ''}"
    if not rows:
        return f"no row; {images}"
    return f"{len(ranks)} of {images}" + (f", ranked {', '.join(map(str, ranks))}" if ranks else "")


def _hit_curve(judged: Judged) -> Curve:
    ranks = np.arange(1, LIMIT + 1)
    share = np.searchsorted(np.sort(judged.first_rank_Q), ranks, side="right") / len(judged.query_ids)
    return Curve(
        name="hit rate by rank",
        x_label="rank",
        y_label="share of queries with a right image by then",
        x=tuple(ranks.astype(float).tolist()),
        y=tuple(round(each, 6) for each in share.tolist()),
    )


def _queries(count: int) -> str:
    return _units(count, "query")


def _units(count: int, word: str) -> str:
    if count == 1:
        return f"1 {word}"
    return f"{count} {'queries' if word == 'query' else word + 's'}"
