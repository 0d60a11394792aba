"""Ranking: the same as the plain way, each query as if it were alone, whoever is asked beside it."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podium.errors import UsageError
from podium.solutions.reidentification.ranking import (
    Comparison,
    Images,
    Part,
    is_lateral,
    rank,
    rank_images,
    rank_rows,
    unit_rows,
    view_shares,
)


def rows(seed: int, count: int, dimensions: int = 16) -> np.ndarray:
    return unit_rows(np.random.default_rng(seed).standard_normal((count, dimensions)))


def plainly(query: np.ndarray, database: np.ndarray, own: int, k: int) -> list[int]:
    """Drop the own row, compute each cosine without error, sort."""
    exact = [-float(np.float32(math.fsum((query.astype(float) * each.astype(float)).tolist()))) for each in database]
    return [each for each in np.argsort(exact, kind="stable").tolist() if each != own][:k]


@given(st.integers(0, 10_000), st.integers(1, 8), st.integers(1, 30), st.integers(1, 25), st.booleans())
@settings(max_examples=60, deadline=None)
def test_it_ranks_as_the_plain_way_does(seed: int, queries: int, images: int, k: int, coarse: bool) -> None:
    rng = np.random.default_rng(seed)
    query, database = rows(seed, queries, 5), rows(seed + 1, images, 5)
    if coarse:
        query, database = np.rint(query * 2).astype(np.float32), np.rint(database * 2).astype(np.float32)
    own = rng.integers(-1, images, queries)
    found = rank(query, database, own_Q=own, k=k)
    for row in range(queries):
        listed = [each for each in found.indices_QK[row].tolist() if each != -1]
        assert listed == plainly(query[row], database, int(own[row]), k)
        assert np.isneginf(found.similarity_QK[row, len(listed) :]).all()


def test_a_query_is_ranked_bit_for_bit_as_if_it_were_alone() -> None:
    query, database = rows(0, 70, 130), rows(1, 333, 130)
    own = np.arange(70) - 1
    together = rank(query, database, own_Q=own)
    for chosen in ([3], [69, 3, 12], list(range(0, 70, 7))):
        some = rank(query[chosen], database, own_Q=own[chosen])
        assert np.array_equal(some.indices_QK, together.indices_QK[chosen])
        assert some.similarity_QK.tobytes() == together.similarity_QK[chosen].tobytes()


def test_equal_images_stay_in_the_order_of_the_database() -> None:
    database = np.repeat(rows(2, 3), 10, axis=0)
    found = rank(database[10:11], database, k=12)
    assert found.indices_QK[0, :10].tolist() == list(range(10, 20))


def test_near_ties_within_the_error_of_float32_products_are_told_apart() -> None:
    base = rows(3, 1, 512)[0].astype(np.float64)
    steps = np.linspace(0, 5e-6, 40)
    other = rows(4, 1, 512)[0].astype(np.float64)
    database = np.array([(base * (1 - step) + other * step * 0.1) for step in steps[::-1]], np.float32)
    found = rank(base[None].astype(np.float32), database, k=10)
    assert found.indices_QK[0].tolist() == plainly(base.astype(np.float32), database, -1, 10)


def test_the_own_image_is_never_listed_and_all_others_are() -> None:
    database = rows(5, 6)
    found = rank(database, database, own_Q=np.arange(6), k=20)
    assert [sorted(row[:5].tolist()) for row in found.indices_QK] == [
        [each for each in range(6) if each != own] for own in range(6)
    ]
    assert (found.indices_QK[:, 5:] == -1).all()


def test_a_pair_is_compared_by_the_members_that_serve_its_views() -> None:
    top, side = rows(6, 8, 4), rows(7, 8, 6)
    lateral = np.array([0, 0, 0, 1, 1, 0, 0, 1], np.bool_)
    everyone = Images(blocks=(top, side), lateral_N=lateral)
    parts = (Part(serves=("top",)), Part(serves=("top", "lateral"), weight=3.0))
    similarity = Comparison(everyone, everyone, parts).exact(slice(None))
    for query in range(8):
        for image in range(8):
            by_top, by_side = float(top[query] @ top[image]), float(side[query] @ side[image])
            wanted = by_side if lateral[query] or lateral[image] else by_top / 4 + by_side * 3 / 4
            assert similarity[query, image] == pytest.approx(wanted, abs=1e-6)
    found = rank_images(everyone, everyone, parts=parts, own_Q=np.arange(8), k=7)
    again = rank_rows(similarity, own_Q=np.arange(8), k=7)
    assert np.array_equal(found.indices_QK, again.indices_QK)
    assert found.similarity_QK.tobytes() == again.similarity_QK.tobytes()


def test_other_queries_from_the_side_change_no_top_query() -> None:
    blocks = (rows(8, 9, 4), rows(9, 9, 4))
    parts = (Part(serves=("top",)), Part(serves=("lateral",)))
    database = Images(blocks=blocks, lateral_N=np.zeros(9, np.bool_))
    mixed = Images(blocks=blocks, lateral_N=np.arange(9) > 4)
    alone = rank_images(mixed.take(slice(0, 2)), database, parts=parts, k=9)
    together = rank_images(mixed, database, parts=parts, k=9)
    assert alone.similarity_QK.tobytes() == together.similarity_QK[:2].tobytes()


def test_all_similarities_are_those_of_the_ranking() -> None:
    query, database = rows(10, 5, 300), rows(11, 40, 300)
    images = [Images(blocks=(each,), lateral_N=np.zeros(len(each), np.bool_)) for each in (query, database)]
    everything = Comparison(*images, (Part(),)).exact(slice(None))
    found = rank(query, database, k=40)
    for row in range(5):
        assert everything[row, found.indices_QK[row]].tobytes() == found.similarity_QK[row].tobytes()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"k": 0}, "1 or more"),
        ({"own_Q": np.array([9])}, "own images"),
        ({"own_Q": np.array([0, 1])}, "own images"),
        ({"query_QD": np.ones((1, 3), np.float32)}, "do not compare"),
        ({"query_QD": np.full((1, 4), np.nan, np.float32)}, "NaN"),
        ({"query_QD": np.ones((1, 4))}, "float32"),
    ],
)
def test_what_cannot_be_ranked_is_refused(change: dict[str, object], text: str) -> None:
    arguments = {"query_QD": np.ones((1, 4), np.float32), "database_ND": np.ones((3, 4), np.float32)} | change
    with pytest.raises(UsageError, match=text):
        rank(**arguments)


def test_an_empty_side_gives_an_empty_ranking() -> None:
    nothing = np.empty((0, 4), np.float32)
    assert rank(nothing, rows(12, 3, 4), k=2).indices_QK.shape == (0, 2)
    assert rank(rows(12, 3, 4), nothing, k=2).indices_QK.tolist() == [[-1, -1]] * 3


def test_members_that_serve_nothing_are_refused() -> None:
    with pytest.raises(UsageError, match="no member serves `lateral`"):
        view_shares([Part(serves=("top",))])
    with pytest.raises(UsageError, match="a member serves"):
        Part(serves=("side",))
    with pytest.raises(UsageError, match="the weight"):
        Part(weight=0.0)


def test_unknown_viewpoints_count_as_top() -> None:
    assert [is_lateral(each) for each in ("top", "left", "right", "", "up")] == [False, True, True, False, False]


@pytest.mark.parametrize("module", ["ranking", "calibration", "matching", "model", "submission"])
def test_ranking_needs_no_torch_until_a_network_runs(module: str) -> None:
    code = f"import podium.solutions.reidentification.{module}, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
