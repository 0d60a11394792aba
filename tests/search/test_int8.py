"""The 8-bit kernel may propose too many pairs, never too few."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podium.search import int8
from podium.search.float32 import true_positions
from podium.search.int8 import Int8Kernel, Int8Queries
from podium.search.onnx_matmul import ZERO_POINT, IntegerProduct, exact_range, matmul_model
from podium.search.rows import measure

pytest.importorskip("onnxruntime")


@pytest.fixture(autouse=True, scope="module")
def never_fall_back() -> Iterator[None]:
    """Keeps the float32 kernel from stepping in where 8 bits propose many pairs."""
    patch = pytest.MonkeyPatch()
    patch.setattr(int8, "_TOO_MANY", 0)
    yield
    patch.undo()


def proposed(query_QD: np.ndarray, reference_RD: np.ndarray, floor: float, limit: int) -> np.ndarray:
    queries, references = measure(query_QD, "query"), measure(reference_RD, "reference")
    ready = Int8Queries(queries, references, slice(0, len(queries)), limit)
    survivors = ready.against(reference_RD, references.norms)
    mask = np.zeros(len(queries) * len(references), bool)
    mask[survivors(slice(0, len(queries)), floor)] = True
    return mask.reshape(len(queries), len(references))


@pytest.mark.parametrize("limit", [127, 63])
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 100_000), shape=st.sampled_from(["plain", "offset", "bias", "long row", "sparse", "small"]))
def test_every_pair_that_reaches_the_floor_is_proposed(limit: int, seed: int, shape: str) -> None:
    if limit > exact_range():
        pytest.skip("this processor multiplies 8-bit numbers of the full range inexactly")
    rng = np.random.default_rng(seed)
    query_QD, reference_RD = rng.standard_normal((12, 40)), rng.standard_normal((50, 40))
    if shape == "offset":
        reference_RD += 30
    if shape == "bias":
        query_QD[:, 7], reference_RD[:, 7] = -50 * rng.random(12), 1
    if shape == "long row":
        reference_RD[3] *= 1e4
    if shape == "sparse":
        reference_RD *= rng.random((50, 40)) < 0.1
    if shape == "small":
        query_QD, reference_RD = query_QD * 1e-12, reference_RD * 1e-9
    query_QD, reference_RD = query_QD.astype(np.float32), reference_RD.astype(np.float32)
    similarity_QR = (query_QD.astype(float) @ reference_RD.T.astype(float)).astype(np.float32)
    for share in (0.5, 0.9, 0.99, 1.0):
        floor = float(np.quantile(similarity_QR, share, method="nearest"))
        mask = proposed(query_QD, reference_RD, floor, limit)
        assert mask[similarity_QR >= floor].all()


def lost(rows_ND: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return rows_ND - np.rint(rows_ND / scale) * scale


@pytest.mark.parametrize("side", ["query", "reference"])
def test_what_rounding_loses_is_allowed_for_where_it_adds_up(side: str) -> None:
    """One side is on its grid already, and its signs are those of what the other side loses."""
    rows = np.random.default_rng(0).standard_normal((8, 64)).astype(np.float32)
    scale = np.abs(rows).max(axis=1 if side == "query" else None, keepdims=True) / np.float32(127)
    signs = np.sign(lost(rows, scale)).astype(np.float32)
    query_QD, reference_RD = (rows, signs) if side == "query" else (signs, rows)
    reference_RD = np.concatenate([reference_RD, -reference_RD])
    for pair in range(8):
        floor = float(np.float32(query_QD[pair].astype(float) @ reference_RD[pair].astype(float)))
        assert proposed(query_QD, reference_RD, floor, exact_range())[pair, pair]


def test_far_fewer_pairs_are_proposed_than_there_are() -> None:
    rng = np.random.default_rng(0)
    query_QD, reference_RD = (rng.standard_normal((size, 512)).astype(np.float32) for size in (256, 2_048))
    product_QR = query_QD @ reference_RD.T
    floor = float(np.quantile(product_QR, 0.999))
    mask = proposed(query_QD, reference_RD, floor, exact_range() or 127)
    assert 0.001 * mask.size <= mask.sum() < 0.008 * mask.size


def test_queries_of_zeros_meet_only_floors_up_to_their_offset() -> None:
    rng = np.random.default_rng(0)
    reference_RD = rng.standard_normal((20, 8)).astype(np.float32)
    zeros_QD = np.zeros((3, 8), np.float32)
    assert proposed(zeros_QD, reference_RD, 0.0, 127).all()
    assert not proposed(zeros_QD, reference_RD, 1.0, 127).any()


def test_the_model_multiplies_whole_numbers_exactly() -> None:
    rng = np.random.default_rng(0)
    constant_KN = rng.integers(-63, 64, (37, 21)).astype(np.int8)
    rows_MK = rng.integers(0, 256, (5, 37)).astype(np.uint8)
    product_MN = np.empty((5, 21), np.int32)
    IntegerProduct(constant_KN).into(rows_MK, product_MN)
    np.testing.assert_array_equal(product_MN, (rows_MK.astype(int) - ZERO_POINT) @ constant_KN.astype(int))


def test_the_model_written_by_hand_is_what_the_onnx_package_reads() -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(matmul_model(np.arange(6, dtype=np.int8).reshape(2, 3)))
    onnx.checker.check_model(model)
    assert [node.op_type for node in model.graph.node] == ["MatMulInteger"]
    assert onnx.numpy_helper.to_array(model.graph.initializer[0]).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_rows_of_like_range_are_taken_together_and_each_once() -> None:
    rng = np.random.default_rng(0)
    reference_RD = (rng.standard_normal((500, 16)) * rng.uniform(0.1, 9, (500, 1))).astype(np.float32)
    references = measure(reference_RD, "reference")
    order_R = Int8Kernel().order(references)
    widest_R = np.abs(reference_RD - references.mean.astype(np.float32)).max(axis=1)
    assert sorted(order_R.tolist()) == list(range(500))
    assert (np.diff(widest_R[order_R]) >= 0).all()


@given(st.integers(1, 9), st.integers(1, 40), st.integers(0, 1_000), st.floats(0, 1))
def test_true_positions_are_those_of_numpy(rows: int, width: int, seed: int, share: float) -> None:
    mask = np.random.default_rng(seed).random((rows, width)) < share
    np.testing.assert_array_equal(true_positions(mask), np.flatnonzero(mask))
