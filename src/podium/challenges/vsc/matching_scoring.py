"""Segment AP of the matching track, and everything that explains it.

Axes: N matches, Q queries, 4 times (query start and end, reference start and end).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from podium.challenges.vsc import layout
from podium.challenges.vsc.edits_told import edits_of
from podium.challenges.vsc.matches import SUBSET, Judgeable, Matches, beside_truth
from podium.challenges.vsc.matching_agreement import Agreement, compare
from podium.challenges.vsc.matching_evidence import exhibits
from podium.challenges.vsc.matching_predictions import MatchingPredictions
from podium.challenges.vsc.scoring import drawn_curve
from podium.errors import ChallengeError, SubmissionError
from podium.metrics.localisation import localisation
from podium.metrics.segments import SegmentTally, pairwise_average_precision
from podium.types import DataSet, Interval, ItemScore, Measure, Problem, Score, ScoreSettings

METRIC = "segment AP"
PAIRWISE = "pairwise micro-AP"
_LEVEL = 0.95


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """Matches beside the truth.

    Attributes:
        matches: In the order of their file.
        beside: Both with numbers for ids.
        tally: What segment AP is computed from.
    """

    matches: Matches
    beside: Judgeable
    tally: SegmentTally

    @staticmethod
    def of(matches: Matches, truth: layout.Truth, query_ids: NDArray[np.str_]) -> Judged:
        """The matches judged against the truth of the same queries.

        Raises:
            ChallengeError: There is no truth.
        """
        beside = beside_truth(matches, truth, query_ids=query_ids)
        tally = SegmentTally.of(beside.predicted, matches.score_N, beside.truth, queries=len(beside.query_ids))
        return Judged(matches=matches, beside=beside, tally=tally)


def score(predictions: MatchingPredictions, data: DataSet, settings: ScoreSettings) -> Score:
    """The score of a matching submission: segment AP of the uploaded matches over all queries.

    Raises:
        ChallengeError: The ground truth labels no segment, or has no times.
        SubmissionError: The re-made matches agree less with the uploaded ones than the host demands.
    """
    truth = read_timed_truth(data)
    queries = layout.read_videos(data.inputs / layout.QUERY_METADATA, letter="Q").ids
    full = Judged.of(predictions.full, truth, queries)
    points = full.tally.curve()
    return Score(
        value=full.tally.average_precision(),
        metric=METRIC,
        interval=_interval(full.tally, settings),
        measures=(
            *_full_measures(full, parity=settings.parity),
            *_by_edit(full, truth, data),
            *_subset_measures(predictions, truth, settings),
        ),
        per_item=_per_query(full),
        curves=() if points is None else (drawn_curve(points),),
        exhibits=exhibits(data, full.beside, full.matches.score_N, count=settings.exhibits),
    )


def read_timed_truth(data: DataSet) -> layout.Truth:
    """The copied segments with their times.

    Raises:
        ChallengeError: The ground truth labels nothing, or only pairs without times.
    """
    path = data.answers / layout.GROUND_TRUTH
    truth = layout.read_truth(path)
    if truth.segments["query_start"].null_count():
        columns = ",".join(layout.MATCH_COLUMNS)
        raise ChallengeError(f"`{path}` names pairs without times; the matching track needs `{columns}`")
    return truth


def _interval(tally: SegmentTally, settings: ScoreSettings) -> Interval | None:
    if not settings.resamples:
        return None
    drawn = tally.resampled(resamples=settings.resamples, seed=settings.seed)
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn):
        return None
    low, high = np.quantile(drawn, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Interval(
        low=float(low), high=float(high), level=_LEVEL, resamples=len(drawn), unit=f"{tally.queries} queries"
    )


def _full_measures(judged: Judged, *, parity: bool) -> Iterator[Measure]:
    yield _pairwise(judged, parity=parity)
    placed = localisation(judged.beside.predicted, judged.beside.truth)
    found = int((~np.isnan(placed.precision_P) & ~np.isnan(placed.recall_P)).sum())
    true_pairs = int((~np.isnan(placed.recall_P)).sum())
    note = "mean over pairs, all matches whatever their score"
    yield Measure(name="VCSL precision", value=placed.precision, note=note)
    yield Measure(name="VCSL recall", value=placed.recall, note=note)
    yield Measure(name="VCSL F", value=placed.f, note=note)
    yield Measure(name="copied pairs listed", value=found / true_pairs, note=f"{found} of {true_pairs} pairs")
    yield Measure(name="false pairs listed", value=float(placed.false_alarms), note="pairs that hold no copy")


def _pairwise(judged: Judged, *, parity: bool) -> Measure:
    if not np.isfinite(judged.matches.score_N).all():
        return Measure(name=PAIRWISE, value=None, note="a score is infinite, which the official code refuses here")
    value = pairwise_average_precision(
        judged.beside.predicted, judged.matches.score_N, judged.beside.truth, parity=parity
    )
    note = "highest score of each pair" + ("; scores below 0 count as 0" if parity else "")
    return Measure(name=PAIRWISE, value=value, note=note)


def _by_edit(judged: Judged, truth: layout.Truth, data: DataSet) -> Iterator[Measure]:
    """Segment AP over the queries of which a copied segment had the edit, those without copies left out."""
    told = edits_of(data, truth)
    queries = judged.beside.query_ids
    for name in sorted({each for names in told.values() for each in names}):
        mine = sorted(query for query, names in told.items() if name in names)
        value = judged.tally.average_precision(np.isin(queries, mine).astype(np.float64))
        plural = "query" if len(mine) == 1 else "queries"
        yield Measure(name=f"{METRIC}, {name}", value=value, note=f"{len(mine)} {plural} with a copy edited so")


def _subset_measures(
    predictions: MatchingPredictions, truth: layout.Truth, settings: ScoreSettings
) -> Iterator[Measure]:
    if predictions.subset is None:
        yield Measure(name=f"{METRIC}, subset", value=None, note="the submission has no code result")
        return
    agreement = compare(predictions.full, predictions.subset, subset_ids=predictions.subset_ids)
    _demand_agreement(agreement, settings)
    ids = predictions.subset_ids
    mine = layout.Truth(segments=truth.segments.filter(truth.segments["query_id"].is_in(ids.tolist())))
    for name, matches, note in (
        (f"{METRIC}, subset", predictions.subset, "from the code's matches"),
        (f"{METRIC}, subset as uploaded", _only(predictions.full, ids), "same queries"),
    ):
        if not mine.pairs:
            yield Measure(name=name, value=None, note="no query of the subset holds a copy")
            continue
        tally = Judged.of(matches, mine, ids).tally
        yield Measure(name=name, value=tally.average_precision(), interval=_interval(tally, settings), note=note)
    yield from _agreement_measures(agreement)


def _only(matches: Matches, ids: NDArray[np.str_]) -> Matches:
    keep = np.isin(matches.query_ids, ids)
    return Matches(
        query_ids=matches.query_ids[keep],
        reference_ids=matches.reference_ids[keep],
        times_N4=matches.times_N4[keep],
        score_N=matches.score_N[keep],
    )


def _demand_agreement(agreement: Agreement, settings: ScoreSettings) -> None:
    demanded = settings.minimum_agreement
    if demanded is None or agreement.mean >= demanded:
        return
    message = (
        f"re-made and uploaded matches overlap by `{agreement.mean:.4f}` in the mean; the host demands `{demanded:g}`"
    )
    hint = "upload what this very code makes: same weights, same seed, same frames"
    raise SubmissionError(
        "the code does not make the uploaded matches", [Problem(place=SUBSET, message=message, hint=hint)]
    )


def _agreement_measures(agreement: Agreement) -> Iterator[Measure]:
    count = len(agreement.queries)
    note = f"mean overlap of boxes over {count} queries" if count else "no query has a match on either side"
    yield Measure(name="agreement", value=agreement.mean, note=note)
    lowest = agreement.lowest
    yield Measure(
        name="agreement, lowest query",
        value=None if lowest is None else lowest[1],
        note="nothing to compare" if lowest is None else lowest[0],
    )
    yield Measure(
        name="agreement, furthest score",
        value=agreement.furthest,
        note="no two boxes are equal" if agreement.furthest is None else "largest difference between equal boxes",
    )


def _per_query(judged: Judged) -> tuple[ItemScore, ...]:
    value_Q = judged.tally.per_query()
    predicted, truth = judged.beside.predicted, judged.beside.truth
    listed_Q = np.bincount(predicted.query_N, minlength=len(value_Q))
    true_Q = np.bincount(truth.query_N, minlength=len(value_Q))
    items: list[ItemScore] = []
    for query in np.flatnonzero(np.isfinite(value_Q)).tolist():
        note = _query_note(judged, query, listed=int(listed_Q[query]), true=int(true_Q[query]))
        items.append(ItemScore(item=str(judged.beside.query_ids[query]), value=float(value_Q[query]), note=note))
    return tuple(items)


def _query_note(judged: Judged, query: int, *, listed: int, true: int) -> str:
    segments = f"{true} copied {'segment' if true == 1 else 'segments'}"
    if not listed:
        return f"{segments}, no match listed"
    references = judged.beside.truth.reference_N[judged.beside.truth.query_N == query]
    mine = judged.beside.predicted.query_N == query
    wrong = int((~np.isin(judged.beside.predicted.reference_N[mine], references)).sum())
    note = f"{segments}, {listed} {'match' if listed == 1 else 'matches'} listed"
    return f"{note}, {wrong} of another reference" if wrong else note
