"""k-reciprocal re-ranking: one query at a time equals the published batch form run on that query alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podium.errors import UsageError
from podium.solutions.reidentification.ranking import NOBODY, unit_rows
from podium.solutions.reidentification.reranking import Neighbourhoods, Reranking, similarity_rows


def batch_distances(distance_AA: np.ndarray, queries: int, how: Reranking, dtype: type = np.float64) -> np.ndarray:
    """The published form, written plainly: queries first, all images together; rows of queries, columns of the rest."""
    squared_AA = distance_AA.astype(dtype) ** 2
    squared_AA = (squared_AA / squared_AA.max(axis=0)).T
    order_AA = np.argsort(squared_AA, axis=1, kind="stable")
    count = len(squared_AA)

    def mutual(image: int, reach: int) -> list[int]:
        return [each for each in order_AA[image, : reach + 1] if image in order_AA[each, : reach + 1]]

    weights_AA = np.zeros((count, count), dtype)
    for image in range(count):
        close = mutual(image, how.neighbours)
        wide = set(close)
        for each in close:
            theirs = mutual(each, int(np.around(how.neighbours / 2)))
            if len(set(theirs) & set(close)) > 2 / 3 * len(theirs):
                wide |= set(theirs)
        members = sorted(wide)
        weight = np.exp(-squared_AA[image, members])
        weights_AA[image, members] = weight / weight.sum()
    if how.averaged > 1:
        weights_AA = np.array([weights_AA[order_AA[image, : how.averaged]].mean(axis=0) for image in range(count)])
    shared_QG = np.array([np.minimum(weights_AA[image], weights_AA).sum(axis=1) for image in range(queries)])
    jaccard_QA = 1 - shared_QG / (2 - shared_QG)
    mixed = (1 - how.distance_weight) * jaccard_QA + how.distance_weight * squared_AA[:queries]
    return mixed[:, queries:]


def distances(rows: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(((rows[:, None].astype(np.float64) - rows[None]) ** 2).sum(-1), 0))


def test_the_plain_twin_gives_the_golden_value_of_the_published_code() -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((600, 64))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    found = batch_distances(distances(rows), 100, Reranking(), np.float32)
    assert found[0].sum() == pytest.approx(436.5203552246094, rel=1e-6)


@pytest.mark.parametrize("how", [Reranking(), Reranking(neighbours=5, averaged=3), Reranking(neighbours=3, averaged=1)])
def test_a_query_from_outside_gets_what_the_batch_form_gives_it_alone(how: Reranking) -> None:
    rng = np.random.default_rng(1)
    centres = rng.standard_normal((12, 8))
    database = unit_rows(centres[rng.integers(0, 12, 90)] + 0.4 * rng.standard_normal((90, 8)))
    queries = unit_rows(np.concatenate([centres[:5] + 0.3 * rng.standard_normal((5, 8)), -3 * centres[:1]]))
    table = Neighbourhoods(distances(database) ** 2, how)
    for query in queries:
        everyone = distances(np.concatenate([query[None], database]))
        expected = batch_distances(everyone, 1, how)[0]
        np.testing.assert_allclose(table.distances_from(everyone[0, 1:] ** 2), expected, rtol=0, atol=1e-12)


def test_a_query_of_the_database_gets_what_the_batch_form_gives_it_against_the_rest() -> None:
    rng = np.random.default_rng(2)
    centres = rng.standard_normal((6, 8))
    database = unit_rows(centres[rng.integers(0, 6, 60)] + 0.4 * rng.standard_normal((60, 8)))
    how = Reranking(neighbours=8, averaged=3)
    table = Neighbourhoods(distances(database) ** 2, how)
    for own in (0, 7, 59):
        rest = np.delete(np.arange(60), own)
        expected = batch_distances(distances(database[np.concatenate([[own], rest])]), 1, how)[0]
        np.testing.assert_allclose(table.distances(own)[rest], expected, rtol=0, atol=1e-12)


@given(st.integers(0, 10_000), st.integers(1, 25), st.integers(1, 6), st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_small_databases_and_coarse_distances_agree_with_the_batch_form(
    seed: int, count: int, neighbours: int, averaged: int
) -> None:
    rng = np.random.default_rng(seed)
    places = rng.integers(0, 6, (count + 1, 2)).astype(float)
    everyone = distances(places) + 0.0
    if (everyone.max(axis=0) == 0).any():
        return
    how = Reranking(neighbours=neighbours, averaged=averaged)
    table = Neighbourhoods(everyone[1:, 1:] ** 2, how)
    expected = batch_distances(everyone, 1, how)[0]
    np.testing.assert_allclose(table.distances_from(everyone[0, 1:] ** 2), expected, rtol=0, atol=1e-12)


def test_no_query_changes_another() -> None:
    rng = np.random.default_rng(3)
    database, queries = unit_rows(rng.standard_normal((40, 6))), unit_rows(rng.standard_normal((5, 6)))
    between, rows = (database @ database.T).astype(float), (queries @ database.T).astype(float)
    how = Reranking(neighbours=5)

    def run(chosen: list[int]) -> list[np.ndarray]:
        return list(similarity_rows(((rows[each], NOBODY) for each in chosen), between, settings=how))

    together = run([0, 1, 2, 3, 4])
    for place, each in enumerate([4, 2, 0]):
        assert np.array_equal(run([4, 2, 0])[place], together[each])
        assert np.array_equal(run([each])[0], together[each])


def test_neighbours_that_agree_with_the_query_rise() -> None:
    rng = np.random.default_rng(4)
    group = rng.standard_normal(16)
    database = unit_rows(np.concatenate([group + 0.5 * rng.standard_normal((6, 16)), rng.standard_normal((60, 16))]))
    query = unit_rows((group + 0.9 * rng.standard_normal(16))[None])[0]
    between = (database @ database.T).astype(float)
    (found,) = similarity_rows([((database @ query).astype(float), NOBODY)], between, settings=Reranking(neighbours=6))
    assert set(np.argsort(-found)[:6].tolist()) == set(range(6))


@pytest.mark.parametrize("wrong", [{"neighbours": 0}, {"averaged": 0}, {"distance_weight": 1.5}])
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="re-ranking needs"):
        Reranking(**wrong)
