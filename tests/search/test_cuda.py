"""The kernel for a card, on the processor: only the device's name differs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from podium.errors import MachineError
from podium.search import exact, top_pairs
from podium.search.cuda import CudaKernel

pytestmark = pytest.mark.train
torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def small_on_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CudaKernel, "block_rows", 64)
    monkeypatch.setattr(CudaKernel, "query_rows", 32)
    monkeypatch.setattr("podium.search.floor._SAMPLE_PAIRS", (64, 1 << 26))
    monkeypatch.setattr(exact, "_cuda", lambda _: CudaKernel("cpu"))


@pytest.fixture(params=["highest", "medium"])
def precision(request: pytest.FixtureRequest) -> Iterator[str]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(request.param)
    yield request.param
    torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize("kind", ["dyadic", "gaussian"])
def test_torch_finds_what_the_plain_kernel_finds(kind: str, precision: str) -> None:
    for seed in range(25):
        rng = np.random.default_rng(seed)
        shapes = (int(rng.integers(1, 80)), 20), (int(rng.integers(1, 300)), 20)
        draw = rng.standard_normal if kind == "gaussian" else lambda shape: rng.integers(-3, 4, shape) / 2  # noqa: B023
        query_QD, reference_RD = (draw(shape).astype(np.float32) for shape in shapes)
        expected = top_pairs(query_QD, reference_RD, k=400, kernel="float32")
        found = top_pairs(query_QD, reference_RD, k=400, kernel="cuda")
        np.testing.assert_array_equal(found.similarities, expected.similarities)
        np.testing.assert_array_equal(found.query_rows, expected.query_rows)
        np.testing.assert_array_equal(found.reference_rows, expected.reference_rows)


def test_without_a_card_the_kernel_says_so() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a card")
    with pytest.raises(MachineError, match="torch sees none"):
        CudaKernel()
