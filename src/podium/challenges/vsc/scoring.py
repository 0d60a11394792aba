"""micro-AP of the descriptor track, and everything that explains it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from podium.challenges.vsc import layout
from podium.challenges.vsc.agreement import Agreement, compare
from podium.challenges.vsc.evidence import Scene, exhibits
from podium.challenges.vsc.predictions import SUBSET, DescriptorPredictions, only
from podium.challenges.vsc.rankings import Ranking, Rankings, rank, rank_all
from podium.errors import ChallengeError, SubmissionError
from podium.metrics import (
    PrecisionRecall,
    average_precision,
    bootstrap_average_precision,
    precision_recall,
    recall_at_precision,
    simple_average_precision,
)
from podium.types import Curve, DataSet, Interval, ItemScore, Measure, Problem, Score, ScoreSettings

METRIC = "micro-AP"
_CURVE_POINTS = 300


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """A ranking beside the truth.

    Attributes:
        ranking: Best first.
        relevant: (N,) bool, the pair is a copy.
        truth: The pairs that could be found.
    """

    ranking: Ranking
    relevant: np.ndarray
    truth: frozenset[tuple[str, str]]


def score(predictions: DescriptorPredictions, data: DataSet, settings: ScoreSettings) -> Score:
    """The score of a descriptor submission: micro-AP of the uploaded descriptors over all queries.

    Raises:
        ChallengeError: The ground truth labels nothing.
        SubmissionError: The re-made descriptors agree less with the uploaded ones than the host demands.
    """
    truth = layout.read_truth(data.answers / layout.GROUND_TRUTH)
    if not truth.pairs:
        raise ChallengeError(f"`{data.answers / layout.GROUND_TRUTH}` labels no pair, so there is nothing to score")
    all_queries = layout.read_videos(data.inputs / layout.QUERY_METADATA, letter="Q").ids
    rankings = rankings_of(predictions)
    full = judge(rankings.full, truth.pairs)
    points = precision_recall(full.ranking.similarity, full.relevant, positives=len(full.truth))
    scene = Scene.open(data, predictions, truth)
    return Score(
        value=_micro_ap(full),
        metric=METRIC,
        interval=_interval(full, all_queries, settings),
        measures=_full_measures(full) + _subset_measures(predictions, rankings, truth, settings),
        per_item=_per_query(full),
        curves=(drawn_curve(points),),
        exhibits=exhibits(scene, full.ranking, full.relevant, count=settings.exhibits),
    )


def rankings_of(predictions: DescriptorPredictions) -> Rankings:
    """The rankings of a submission, searched once for each predictions value."""
    known: Rankings | None = predictions.memory.get("rankings")
    if known is None:
        known = predictions.memory["rankings"] = rank_all(predictions)
    return known


def judge(ranking: Ranking, pairs: frozenset[tuple[str, str]]) -> Judged:
    """Marks the pairs of a ranking that are copies."""
    relevant = np.fromiter(
        ((str(q), str(r)) in pairs for q, r in zip(ranking.query_ids, ranking.reference_ids, strict=True)),
        dtype=bool,
        count=len(ranking.query_ids),
    )
    return Judged(ranking=ranking, relevant=relevant, truth=pairs)


def _micro_ap(judged: Judged) -> float:
    return average_precision(judged.ranking.similarity, judged.relevant, positives=len(judged.truth))


def _interval(judged: Judged, queries: np.ndarray, settings: ScoreSettings) -> Interval | None:
    if not settings.resamples:
        return None
    queries = np.unique(queries)
    positives = np.zeros(len(queries), dtype=np.int64)
    np.add.at(positives, np.searchsorted(queries, [query for query, _ in judged.truth]), 1)
    interval = bootstrap_average_precision(
        judged.ranking.similarity,
        judged.relevant,
        np.searchsorted(queries, judged.ranking.query_ids),
        positives,
        resamples=settings.resamples,
        seed=settings.seed,
    )
    return replace(interval, unit=f"{len(queries)} queries")


def _full_measures(judged: Judged) -> tuple[Measure, ...]:
    similarity, positives = judged.ranking.similarity, len(judged.truth)
    found = int(judged.relevant.sum())
    recall = recall_at_precision(similarity, judged.relevant, positives=positives, precision=0.9)
    simple = simple_average_precision(similarity, judged.relevant, positives=positives)
    return (
        Measure(name="R@P90", value=recall, note="share of copies found before precision falls below 90 %"),
        Measure(name="simple AP", value=simple, note="depends on the order inside ties"),
        Measure(name="copies listed", value=found / positives, note=f"{found} of {positives} pairs"),
    )


def _subset_measures(
    predictions: DescriptorPredictions, rankings: Rankings, truth: layout.Truth, settings: ScoreSettings
) -> tuple[Measure, ...]:
    if rankings.subset is None or predictions.subset is None:
        return (Measure(name=f"{METRIC}, subset", value=None, note="the submission has no code result"),)
    ids = {str(each) for each in predictions.subset_ids}
    pairs = frozenset(pair for pair in truth.pairs if pair[0] in ids)
    agreement = compare(predictions.queries, predictions.subset, subset_ids=predictions.subset_ids)
    _demand_agreement(agreement, settings)
    uploaded = rank(
        only(predictions.queries, predictions.subset_ids), predictions.references, query_count=predictions.subset_count
    )
    remade_judged, uploaded_judged = judge(rankings.subset, pairs), judge(uploaded, pairs)
    return (
        _subset_ap(f"{METRIC}, subset", remade_judged, predictions, settings, "from the code's descriptors"),
        _subset_ap(f"{METRIC}, subset as uploaded", uploaded_judged, predictions, settings, "same queries"),
        *_agreement_measures(agreement),
        _rank_measure(remade_judged, uploaded_judged),
    )


def _subset_ap(
    name: str, judged: Judged, predictions: DescriptorPredictions, settings: ScoreSettings, note: str
) -> Measure:
    if not judged.truth:
        return Measure(name=name, value=None, note="no query of the subset holds a copy")
    interval = _interval(judged, predictions.subset_ids, settings)
    return Measure(name=name, value=_micro_ap(judged), interval=interval, note=note)


def _demand_agreement(agreement: Agreement, settings: ScoreSettings) -> None:
    demanded, has = settings.minimum_agreement, agreement.mean
    if demanded is None or (has is not None and has >= demanded):
        return
    found = "nothing to compare" if has is None else f"a mean cosine of `{has:.4f}`"
    message = f"re-made and uploaded descriptors have {found}; the host demands `{demanded:g}`"
    hint = "upload what this very code makes: same weights, same seed, same frames"
    raise SubmissionError(
        "the code does not make the uploaded descriptors", [Problem(place=SUBSET, message=message, hint=hint)]
    )


def _agreement_measures(agreement: Agreement) -> tuple[Measure, ...]:
    lowest = agreement.lowest
    return (
        Measure(name="agreement", value=agreement.mean, note=f"mean cosine over {len(agreement.videos)} videos"),
        Measure(
            name="agreement, lowest video",
            value=None if lowest is None else lowest[1],
            note="nothing to compare" if lowest is None else lowest[0],
        ),
    )


def _rank_measure(remade: Judged, uploaded: Judged) -> Measure:
    new, old = ranks(remade), ranks(uploaded)
    moved = [pair for pair in sorted(remade.truth) if new.get(pair) != old.get(pair)]
    value = None if not remade.truth else 1 - len(moved) / len(remade.truth)
    note = f"{len(remade.truth) - len(moved)} of {len(remade.truth)} right pairs have the same rank"
    if moved:
        query, reference = moved[0]
        places = [str(each) if each else "none" for each in (old.get(moved[0]), new.get(moved[0]))]
        note += f"; first change {query} → {reference}: {places[0]} uploaded, {places[1]} re-made"
    return Measure(name="agreement, ranks", value=value, note=note)


def ranks(judged: Judged) -> dict[tuple[str, str], int]:
    """The rank, from 1, of every right pair that is listed."""
    at = np.flatnonzero(judged.relevant)
    ranking = judged.ranking
    return {(str(ranking.query_ids[i]), str(ranking.reference_ids[i])): int(i) + 1 for i in at}


def _per_query(judged: Judged) -> tuple[ItemScore, ...]:
    places = ranks(judged)
    items: list[ItemScore] = []
    for query in sorted({query for query, _ in judged.truth}):
        mine = judged.ranking.query_ids == query
        right = [pair for pair in judged.truth if pair[0] == query]
        value = average_precision(judged.ranking.similarity[mine], judged.relevant[mine], positives=len(right))
        listed = sorted(places[pair] for pair in right if pair in places)
        note = f"ranked {', '.join(map(str, listed))} overall" if listed else "not listed"
        if len(listed) < len(right) and listed:
            note += f"; {len(right) - len(listed)} not listed"
        items.append(ItemScore(item=query, value=value, note=note))
    return tuple(items)


def drawn_curve(points: PrecisionRecall) -> Curve:
    """The curve to draw, thinned where it has too many points."""
    keep = _corners(points.recall_G)
    recall, precision = points.recall_G[keep], points.precision_G[keep]
    return Curve(
        name="precision-recall",
        x_label="recall",
        y_label="precision",
        x=tuple(round(float(each), 6) for each in recall),
        y=tuple(round(float(each), 6) for each in precision),
    )


def _corners(recall_G: np.ndarray) -> np.ndarray:
    """Where the curve turns: each gain in recall and the point before it, thinned evenly where there are too many."""
    gains = np.flatnonzero(np.diff(recall_G, prepend=0.0) > 0)
    corners = np.unique(np.concatenate([gains, gains - 1, [len(recall_G) - 1]])).astype(int)
    corners = corners[(corners >= 0) & (corners < len(recall_G))]
    if len(corners) <= _CURVE_POINTS:
        return corners
    return corners[np.linspace(0, len(corners) - 1, _CURVE_POINTS).astype(int)]
