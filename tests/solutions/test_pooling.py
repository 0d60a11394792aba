"""From maps to embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from podium.errors import UsageError

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

from podium.solutions.copy_detection.backbone import Backbone, Source, _Maps  # noqa: E402 - after the check for torch
from podium.solutions.copy_detection.pooling import Pooling, embed, generalised_mean  # noqa: E402


def tiny() -> Backbone:
    torch.manual_seed(0)
    source = Source(kind="timm", architecture="test_efficientnet")
    return Backbone(_Maps(source), source=source, low_precision=False)


def frames(count: int = 3, *, height: int = 80, width: int = 120) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def one_map(values: list[list[float]]) -> Any:
    return torch.tensor([[values]])


@pytest.mark.parametrize(("power", "wanted"), [(1.0, 2.0), (2.0, (18 / 4) ** 0.5), (3.0, (44 / 4) ** (1 / 3))])
def test_the_generalised_mean_by_hand(power: float, wanted: float) -> None:
    assert float(generalised_mean(one_map([[1.0, 2.0], [2.0, 3.0]]), power=power)) == pytest.approx(wanted, rel=1e-5)


def test_a_large_power_nears_the_maximum() -> None:
    assert float(generalised_mean(one_map([[1.0, 2.0], [2.0, 3.0]]), power=60.0)) == pytest.approx(3.0, rel=0.03)


def test_negative_values_count_as_none() -> None:
    assert float(generalised_mean(one_map([[-5.0, 4.0]]), power=1.0)) == pytest.approx(2.0, rel=1e-4)


@pytest.mark.train
def test_embeddings_have_unit_length_and_do_not_depend_on_the_batch() -> None:
    backbone = tiny()
    together = embed(backbone, frames(5), pooling=Pooling(sizes=(64,), batch=5))
    apart = embed(backbone, frames(5), pooling=Pooling(sizes=(64,), batch=2))
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(apart, together, atol=1e-5)


@pytest.mark.train
def test_mirrored_pooling_does_not_see_a_flip() -> None:
    backbone = tiny()
    plain, mirrored = Pooling(sizes=(64,)), Pooling(sizes=(64,), mirrored=True)
    flipped = np.ascontiguousarray(frames()[:, :, ::-1])
    np.testing.assert_allclose(
        embed(backbone, flipped, pooling=mirrored), embed(backbone, frames(), pooling=mirrored), atol=1e-5
    )
    assert np.abs(embed(backbone, flipped, pooling=plain) - embed(backbone, frames(), pooling=plain)).max() > 1e-4


@pytest.mark.train
def test_several_sizes_are_averaged() -> None:
    backbone = tiny()
    one, two = (embed(backbone, frames(), pooling=Pooling(sizes=(size,))) for size in (64, 96))
    mean = one + two
    both = embed(backbone, frames(), pooling=Pooling(sizes=(64, 96)))
    np.testing.assert_allclose(both, mean / np.linalg.norm(mean, axis=1, keepdims=True), atol=1e-4)


@pytest.mark.train
def test_frames_of_another_shape_are_refused() -> None:
    with pytest.raises(UsageError, match=r"frames are \(T, H, W, 3\)"):
        embed(tiny(), frames()[0], pooling=Pooling())
    with pytest.raises(UsageError, match="no frame"):
        embed(tiny(), frames()[:0], pooling=Pooling())
