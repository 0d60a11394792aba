"""Rankings to look at: one gallery a query, the worst first."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from podium.challenges.whale_do.facts import Facts, joined, read_facts
from podium.challenges.whale_do.judging import Judged, judge
from podium.challenges.whale_do.predictions import Predictions
from podium.challenges.whale_do.scoring import Traits, outcome, traits_of
from podium.types import Candidate, DataSet, Gallery

_MISSED = 8


def galleries(predictions: Predictions, data: DataSet) -> Iterator[Gallery]:
    """One gallery a query that is scored: the lowest AP first, then by id.

    Raises:
        ChallengeError: There is no label, or the data set is broken.
    """
    judged = judge(predictions, data, parity=predictions.parity)
    facts = read_facts(data)
    traits = traits_of(judged, predictions, facts)
    ranks = list(judged.hit_ranks())
    worst: list[int] = np.lexsort((np.asarray(judged.query_ids, dtype=np.str_), judged.ap_Q)).tolist()
    for query in worst:
        yield _gallery(judged, facts, traits, query, ranks[query])


def _gallery(judged: Judged, facts: Facts, traits: Traits, query: int, ranks: list[int]) -> Gallery:
    missed = judged.missed(query)
    image = traits.images[query]
    rows = range(int(judged.starts_Q[query]), int(judged.starts_Q[query + 1]))
    result = outcome(ranks, int(judged.positives_Q[query]), rows=len(rows))
    facets = {"scenario": traits.scenarios, "viewpoint": traits.viewpoints, "year": traits.years}
    return Gallery(
        item=judged.query_ids[query],
        query=facts.clip(image),
        value=float(judged.ap_Q[query]),
        note=joined((facts.note(image), result)),
        facets=tuple((name, of_query[query]) for name, of_query in facets.items() if of_query[query]),
        candidates=tuple(_candidate(judged, facts, row) for row in rows),
        missed=tuple(_unlisted(facts, each) for each in missed[:_MISSED]),
        missed_count=len(missed),
    )


def _candidate(judged: Judged, facts: Facts, row: int) -> Candidate:
    image = judged.image_ids[int(judged.image_N[row])]
    return Candidate(
        clip=facts.clip(image),
        rank=int(judged.rank_N[row]),
        similarity=float(judged.score_N[row]),
        right=bool(judged.relevant_N[row]),
        note=facts.note(image),
    )


def _unlisted(facts: Facts, image: str) -> Candidate:
    return Candidate(clip=facts.clip(image), rank=None, similarity=None, right=True, note=facts.note(image))
