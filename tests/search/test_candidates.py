"""Candidate pairs of videos out of hits between rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.errors import UsageError
from podium.search import Hits, top_pairs
from podium.search.candidates import candidates


def slow(hits: Hits, query_videos: list[int], reference_videos: list[int], limit: int) -> list[tuple[int, int, float]]:
    best: dict[tuple[int, int], float] = {}
    for query, reference, similarity in zip(
        hits.query_rows.tolist(), hits.reference_rows.tolist(), hits.similarities.tolist(), strict=True
    ):
        pair = (query_videos[query], reference_videos[reference])
        best[pair] = max(best.get(pair, -np.inf), similarity)
    ranked = sorted(best.items(), key=lambda item: -item[1])
    return [(*pair, similarity) for pair, similarity in ranked[:limit]]


@given(st.integers(0, 10_000), st.integers(0, 60))
def test_candidates_are_those_of_a_plain_loop(seed: int, limit: int) -> None:
    rng = np.random.default_rng(seed)
    query_QD, reference_RD = (rng.integers(-2, 3, (size, 3)).astype(np.float32) for size in (12, 25))
    query_videos, reference_videos = rng.integers(0, 4, 12).tolist(), rng.integers(0, 6, 25).tolist()
    hits = top_pairs(query_QD, reference_RD, k=int(rng.integers(0, 310)))
    found = candidates(hits, query_videos, reference_videos, limit=limit)
    expected = slow(hits, query_videos, reference_videos, limit)
    listed = zip(found.query_ids.tolist(), found.reference_ids.tolist(), found.similarities.tolist(), strict=True)
    assert list(listed) == expected
    assert len(found) == len(expected)


def test_each_candidate_names_the_rows_that_gave_its_similarity() -> None:
    query_QD = np.array([[1.0], [2.0]], np.float32)
    reference_RD = np.array([[1.0], [3.0], [2.0]], np.float32)
    found = candidates(top_pairs(query_QD, reference_RD, k=6), [0, 0], [0, 0, 1], limit=9)
    assert found.similarities.tolist() == [6.0, 4.0]
    assert found.query_rows.tolist() == [1, 1]
    assert found.reference_rows.tolist() == [1, 2]


def test_no_hits_give_no_candidates() -> None:
    hits = top_pairs(np.ones((2, 1), np.float32), np.ones((2, 1), np.float32), k=0)
    assert len(candidates(hits, [0, 1], [0, 1], limit=5)) == 0


def test_codes_and_limits_out_of_range_are_refused() -> None:
    hits = top_pairs(np.ones((1, 1), np.float32), np.ones((1, 1), np.float32), k=1)
    with pytest.raises(UsageError, match="limit of candidate pairs is `-1`"):
        candidates(hits, [0], [0], limit=-1)
    for codes in ([-1], [0.5], [[0]]):
        with pytest.raises(UsageError, match="whole number"):
            candidates(hits, codes, [0], limit=1)
