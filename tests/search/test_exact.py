"""Exact search against plain numpy: the same pairs, in the same order, with the same similarities."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from podium.errors import MachineError, UsageError
from podium.search import Hits, exact, top_pairs
from podium.search.float32 import Float32Kernel
from podium.search.int8 import Int8Kernel


@pytest.fixture(params=["float32", "int8"])
def kernel(request: pytest.FixtureRequest) -> str:
    if request.param == "int8":
        pytest.importorskip("onnxruntime")
    return request.param


@pytest.fixture
def tiny_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks so small that a few hundred rows make many of them."""
    for each in (Float32Kernel, Int8Kernel):
        monkeypatch.setattr(each, "block_rows", 64)
        monkeypatch.setattr(each, "query_rows", 16)


@pytest.fixture
def guesses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets small problems start from a sampled floor, as large ones do."""
    monkeypatch.setattr("podium.search.floor._SAMPLE_PAIRS", (64, 1 << 26))


@dataclass(frozen=True)
class Case:
    query_QD: np.ndarray
    reference_RD: np.ndarray
    k: int


def dyadic(seed: int) -> Case:
    """Small multiples of 1/4: float32 sums are exact and ties are everywhere."""
    rng = np.random.default_rng(seed)
    queries, references, dimensions = rng.integers(1, 60), rng.integers(1, 240), rng.integers(1, 40)
    query_QD = (rng.integers(-4, 5, (queries, dimensions)) / 4).astype(np.float32)
    reference_RD = (rng.integers(-4, 5, (references, dimensions)) / 4).astype(np.float32)
    return Case(query_QD, reference_RD, int(rng.integers(1, queries * references + 5)))


def gaussian(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    queries, references, dimensions = rng.integers(1, 80), rng.integers(1, 300), rng.integers(1, 130)
    query_QD = rng.standard_normal((queries, dimensions)).astype(np.float32)
    reference_RD = rng.standard_normal((references, dimensions)).astype(np.float32) + rng.standard_normal()
    return Case(query_QD, reference_RD.astype(np.float32), int(rng.integers(1, queries * references // 4 + 2)))


def plain(similarity_QR: np.ndarray, k: int) -> Hits:
    """Sorts every pair."""
    queries, references = np.indices(similarity_QR.shape).reshape(2, -1)
    order = np.lexsort((references, queries, -similarity_QR.ravel()))[:k]
    return Hits(query_rows=queries[order], reference_rows=references[order], similarities=similarity_QR.ravel()[order])


def rounded_once(case: Case) -> np.ndarray:
    return (case.query_QD.astype(np.float64) @ case.reference_RD.T.astype(np.float64)).astype(np.float32)


def assert_same(found: Hits, expected: Hits) -> None:
    np.testing.assert_array_equal(found.similarities, expected.similarities)
    np.testing.assert_array_equal(found.query_rows, expected.query_rows)
    np.testing.assert_array_equal(found.reference_rows, expected.reference_rows)
    assert found.similarities.dtype == np.float32


@pytest.mark.usefixtures("tiny_blocks", "guesses")
def test_100_cases_with_ties_equal_plain_float32_numpy_bit_for_bit(kernel: str) -> None:
    for seed in range(100):
        case = dyadic(seed)
        expected = plain(case.query_QD @ case.reference_RD.T, case.k)
        assert_same(top_pairs(case.query_QD, case.reference_RD, k=case.k, kernel=kernel), expected)


@pytest.mark.usefixtures("tiny_blocks", "guesses")
def test_100_cases_without_ties_equal_the_inner_products_rounded_once(kernel: str) -> None:
    for seed in range(100):
        case = gaussian(seed)
        found = top_pairs(case.query_QD, case.reference_RD, k=case.k, kernel=kernel)
        assert_same(found, plain(rounded_once(case), case.k))


def test_similarities_are_within_float32_rounding_of_a_float32_product(kernel: str) -> None:
    case = gaussian(3)
    found = top_pairs(case.query_QD, case.reference_RD, k=500, kernel=kernel)
    product_QR = case.query_QD @ case.reference_RD.T
    scale = np.linalg.norm(case.query_QD, axis=1).max() * np.linalg.norm(case.reference_RD, axis=1).max()
    np.testing.assert_allclose(
        found.similarities, product_QR[found.query_rows, found.reference_rows], rtol=0, atol=scale * 2e-6
    )


@pytest.mark.parametrize("memory_bytes", [1, 1 << 14, 1 << 20, 1 << 30])
def test_memory_given_to_blocks_changes_nothing(kernel: str, memory_bytes: int) -> None:
    case = gaussian(8)
    expected = top_pairs(case.query_QD, case.reference_RD, k=case.k)
    found = top_pairs(case.query_QD, case.reference_RD, k=case.k, kernel=kernel, memory_bytes=memory_bytes)
    assert_same(found, expected)


@pytest.mark.parametrize("size", [(16, 64), (7, 100), (300, 1_000)])
def test_block_sizes_change_nothing(kernel: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    case = clustered(90, 700, 64)
    expected = plain(rounded_once(case), case.k)
    for each in (Float32Kernel, Int8Kernel):
        monkeypatch.setattr(each, "query_rows", size[0])
        monkeypatch.setattr(each, "block_rows", size[1])
    assert_same(top_pairs(case.query_QD, case.reference_RD, k=case.k, kernel=kernel), expected)


@pytest.mark.usefixtures("tiny_blocks", "guesses")
def test_identical_rows_give_the_first_pairs_and_none_is_dropped(kernel: str) -> None:
    row_D = np.random.default_rng(0).standard_normal(48).astype(np.float32)
    found = top_pairs(np.tile(row_D, (50, 1)), np.tile(row_D, (100, 1)), k=130, kernel=kernel)
    assert found.query_rows.tolist() == [0] * 100 + [1] * 30
    assert found.reference_rows.tolist() == [*range(100), *range(30)]
    assert len(set(found.similarities.tolist())) == 1


@pytest.mark.usefixtures("tiny_blocks")
def test_rows_of_zeros_tie_at_zero_in_order(kernel: str) -> None:
    found = top_pairs(np.zeros((40, 16), np.float32), -np.ones((70, 16), np.float32), k=75, kernel=kernel)
    assert found.reference_rows.tolist() == [*range(70), *range(5)]
    assert not np.signbit(found.similarities).any()


def clustered(queries: int, references: int, dimensions: int, *, seed: int = 0) -> Case:
    rng = np.random.default_rng(seed)
    themes = rng.standard_normal((20, dimensions))
    rows = [
        themes[rng.integers(0, 20, count)] + rng.standard_normal((count, dimensions)) for count in (queries, references)
    ]
    query_QD, reference_RD = ((each / np.linalg.norm(each, axis=1, keepdims=True)).astype(np.float32) for each in rows)
    return Case(query_QD, reference_RD, 10 * queries)


@pytest.mark.usefixtures("tiny_blocks", "guesses")
def test_descriptors_with_a_score_normalisation_bias_are_found(kernel: str) -> None:
    case = clustered(80, 600, 64)
    bias_Q = -1.2 * np.random.default_rng(1).uniform(0.2, 0.9, 80)
    biased = Case(
        np.column_stack([case.query_QD, bias_Q]).astype(np.float32),
        np.column_stack([case.reference_RD, np.ones(600)]).astype(np.float32),
        800,
    )
    found = top_pairs(biased.query_QD, biased.reference_RD, k=800, kernel=kernel)
    assert_same(found, plain(rounded_once(biased), 800))


@pytest.mark.usefixtures("tiny_blocks", "guesses")
@pytest.mark.parametrize("exponent", [-18, -3, 3, 9])
def test_a_few_rows_of_another_length_do_not_hide_the_rest(kernel: str, exponent: int) -> None:
    case = clustered(80, 600, 64)
    case.query_QD[::17] *= np.float32(10.0**exponent)
    case.reference_RD[5::71] *= np.float32(10.0**exponent)
    for k in (50, 3_000):
        found = top_pairs(case.query_QD, case.reference_RD, k=k, kernel=kernel)
        assert_same(found, plain(rounded_once(case), k))


@pytest.mark.usefixtures("tiny_blocks", "guesses")
def test_a_common_offset_far_larger_than_the_differences_hides_nothing(kernel: str) -> None:
    case = clustered(60, 500, 64)
    shifted = Case(case.query_QD, (case.reference_RD + np.float32(100)).astype(np.float32), 600)
    found = top_pairs(shifted.query_QD, shifted.reference_RD, k=600, kernel=kernel)
    assert_same(found, plain(rounded_once(shifted), 600))


@pytest.mark.usefixtures("tiny_blocks")
def test_a_floor_guessed_too_high_is_noticed_and_lowered(kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = clustered(60, 500, 64)
    floors = iter([0.999, 0.9, -np.inf])
    asked: list[float] = []
    monkeypatch.setattr(exact, "guess_floor", lambda *_, k, margin: asked.append(margin) or next(floors))
    found = top_pairs(case.query_QD, case.reference_RD, k=600, kernel=kernel)
    assert_same(found, plain(rounded_once(case), 600))
    assert len(asked) == 3


def test_more_than_all_pairs_gives_all_pairs(kernel: str) -> None:
    case = dyadic(5)
    pairs = len(case.query_QD) * len(case.reference_RD)
    found = top_pairs(case.query_QD, case.reference_RD, k=10 * pairs, kernel=kernel)
    assert_same(found, plain(case.query_QD @ case.reference_RD.T, pairs))


@pytest.mark.parametrize(("queries", "references", "k"), [(3, 4, 0), (0, 4, 5), (3, 0, 5), (0, 0, 5)])
def test_nothing_to_find_gives_no_hits(queries: int, references: int, k: int) -> None:
    found = top_pairs(np.ones((queries, 2), np.float32), np.ones((references, 2), np.float32), k=k)
    assert len(found) == 0
    assert found.similarities.dtype == np.float32


def test_memory_mapped_references_are_streamed(kernel: str, tmp_path: Path) -> None:
    case = clustered(30, 900, 64)
    np.save(tmp_path / "references.npy", case.reference_RD)
    mapped_RD = np.load(tmp_path / "references.npy", mmap_mode="r")
    found = top_pairs(case.query_QD, mapped_RD, k=500, kernel=kernel, memory_bytes=1 << 16)
    assert_same(found, plain(rounded_once(case), 500))


def test_half_precision_rows_are_taken_as_they_are(kernel: str) -> None:
    case = clustered(20, 90, 32)
    half = Case(case.query_QD.astype(np.float16), case.reference_RD.astype(np.float16), 70)
    assert_same(top_pairs(half.query_QD, half.reference_RD, k=70, kernel=kernel), plain(rounded_once(half), 70))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_rows_that_are_not_finite_are_named(bad: float) -> None:
    query_QD = np.ones((9, 4), np.float32)
    query_QD[[2, 7], 1] = bad
    with pytest.raises(UsageError, match="query rows hold NaN or infinity: `2`, `7`"):
        top_pairs(query_QD, np.ones((3, 4), np.float32), k=1)


def test_rows_of_other_width_type_or_shape_are_refused() -> None:
    ones = np.ones((3, 4), np.float32)
    with pytest.raises(UsageError, match="queries have `4` dimensions and references `5`"):
        top_pairs(ones, np.ones((3, 5), np.float32), k=1)
    with pytest.raises(UsageError, match="type `float64`"):
        top_pairs(ones.astype(np.float64), ones, k=1)
    with pytest.raises(UsageError, match=r"reference rows have shape `\(4,\)`"):
        top_pairs(ones, ones[0], k=1)
    with pytest.raises(UsageError, match="k is `-1`"):
        top_pairs(ones, ones, k=-1)
    with pytest.raises(UsageError, match="did you mean `float32`"):
        top_pairs(ones, ones, k=1, kernel="float23")
    with pytest.raises(UsageError, match="too long"):
        top_pairs(ones * np.float32(1e25), ones * np.float32(1e25), k=1)


def test_very_long_rows_whose_squares_leave_float32_are_searched(kernel: str) -> None:
    case = clustered(10, 40, 16)
    case.query_QD[:] *= np.float32(1e25)
    assert_same(top_pairs(case.query_QD, case.reference_RD, k=99, kernel=kernel), plain(rounded_once(case), 99))


@pytest.mark.usefixtures("tiny_blocks", "guesses")
def test_references_at_the_end_of_float32_are_searched(kernel: str) -> None:
    case = clustered(20, 300, 16)
    case.query_QD[:] *= np.float32(1e-6)
    case.reference_RD[:] *= np.float32(3e38)
    case.reference_RD[:, 0] = np.where(np.arange(300) < 20, np.float32(-3e38), np.float32(3e38))
    assert_same(top_pairs(case.query_QD, case.reference_RD, k=99, kernel=kernel), plain(rounded_once(case), 99))


def test_progress_walks_over_every_block() -> None:
    seen: list[tuple[str, int | None, int]] = []

    def watch(steps, *, what, total=None):
        done = 0
        for step in steps:
            done += 1
            yield step
        seen.append((what, total, done))

    top_pairs(np.ones((10, 4), np.float32), np.ones((200, 4), np.float32), k=3, progress=watch, memory_bytes=1)
    [(what, total, done)] = seen
    assert what == "searching"
    assert total == done >= 4


def test_auto_takes_float32_for_small_work_and_int8_for_large(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(exact, "_NVIDIA_DRIVER", Path("/nowhere"))
    rows = exact.measure(np.ones((10, 64), np.float32), "query")
    assert exact.choose_kernel("auto", rows, rows).name == "float32"
    monkeypatch.setattr(exact, "_LARGE_PRODUCTS", 1.0)
    assert exact.choose_kernel("auto", rows, rows).name in ("int8", "float32")
    assert exact.choose_kernel("auto", rows, rows).name == ("int8" if Int8Kernel().fits(64) else "float32")


def test_without_onnxruntime_auto_falls_back_and_int8_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "_NVIDIA_DRIVER", Path("/nowhere"))
    monkeypatch.setattr(exact, "_LARGE_PRODUCTS", 1.0)
    monkeypatch.setattr("podium.search.int8.exact_range", _no_onnxruntime)
    rows = exact.measure(np.ones((10, 64), np.float32), "query")
    assert exact.choose_kernel("auto", rows, rows).name == "float32"
    with pytest.raises(MachineError, match=r"podium\[scale\]"):
        exact.choose_kernel("int8", rows, rows)


def _no_onnxruntime() -> int:
    raise MachineError("the `int8` kernel needs onnxruntime: `pip install 'podium[scale]'`")


@pytest.mark.slow
def test_a_search_large_enough_to_guess_equals_plain_numpy(kernel: str) -> None:
    case = clustered(2_000, 20_000, 512)
    found = top_pairs(case.query_QD, case.reference_RD, k=24_000, kernel=kernel)
    expected = plain(rounded_once(case), 24_000)
    differing = found.similarities != expected.similarities
    assert differing.mean() < 1e-4
    for index in np.flatnonzero(differing).tolist():
        pair = case.query_QD[found.query_rows[index]], case.reference_RD[found.reference_rows[index]]
        products = (pair[0].astype(np.float64) * pair[1].astype(np.float64)).tolist()
        assert found.similarities[index] == np.float32(math.fsum(products))
