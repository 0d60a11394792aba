"""Each part of the loss against a slow plain twin, and by hand."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from podium.errors import UsageError

torch = pytest.importorskip("torch")

from podium.solutions.object_segmentation import losses  # noqa: E402 - after the check for torch
from podium.solutions.object_segmentation.losses import LossSettings  # noqa: E402
from podium.solutions.object_segmentation.network import Output  # noqa: E402

SIZE = (9, 12)


def drawn(seed: int, *, blob: bool = True) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (2, 1, *SIZE)).astype(np.float32)
    mask = np.zeros((2, 1, *SIZE), dtype=np.float32)
    if blob:
        mask[0, 0, 2:6, 3:9] = 1
        mask[1, 0, 5:, :4] = 1
    valid = (rng.random((2, 1, *SIZE)) > 0.2).astype(np.float32)
    return torch.from_numpy(logits), torch.from_numpy(mask), torch.from_numpy(valid)


def near(row: int, column: int, reach: int) -> list[tuple[int, int]]:
    rows = range(max(0, row - reach), min(SIZE[0], row + reach + 1))
    return list(product(rows, range(max(0, column - reach), min(SIZE[1], column + reach + 1))))


def plain_emphasis(mask: np.ndarray, valid: np.ndarray, emphasis: float, reach: int) -> np.ndarray:
    weight = np.zeros(SIZE)
    for row, column in product(range(SIZE[0]), range(SIZE[1])):
        known = [place for place in near(row, column, reach) if valid[place] > 0]
        mean = sum(mask[place] for place in known) / len(known) if known else 0.0
        weight[row, column] = valid[row, column] * (1 + emphasis * abs(mean - mask[row, column]))
    return weight


def plain_pixels(logits: np.ndarray, mask: np.ndarray, weight: np.ndarray) -> float:
    total = 0.0
    for row, column in product(range(SIZE[0]), range(SIZE[1])):
        probability = 1 / (1 + math.exp(-float(logits[row, column])))
        truth = float(mask[row, column])
        total -= weight[row, column] * (truth * math.log(probability) + (1 - truth) * math.log(1 - probability))
    return total / weight.sum()


def plain_region(probability: np.ndarray, mask: np.ndarray, weight: np.ndarray) -> float:
    intersection = union = 0.0
    for row, column in product(range(SIZE[0]), range(SIZE[1])):
        found, truth = float(probability[row, column]), float(mask[row, column])
        intersection += weight[row, column] * found * truth
        union += weight[row, column] * (found + truth - found * truth)
    return 1 - (intersection + 1) / (union + 1)


def plain_boundary(probability: np.ndarray, mask: np.ndarray, valid: np.ndarray, tolerance: int) -> float:
    def edge(values: np.ndarray) -> np.ndarray:
        found = np.zeros(SIZE)
        for row, column in product(range(SIZE[0]), range(SIZE[1])):
            found[row, column] = values[row, column] - min(values[place] for place in near(row, column, 1))
        return found

    found, truth = edge(probability), edge(mask)
    hit = met = 0.0
    for row, column in product(range(SIZE[0]), range(SIZE[1])):
        around = near(row, column, tolerance)
        hit += valid[row, column] * found[row, column] * max(truth[place] for place in around)
        met += valid[row, column] * truth[row, column] * max(found[place] for place in around)
    precision = (hit + 1) / ((found * valid).sum() + 1)
    recall = (met + 1) / ((truth * valid).sum() + 1)
    return 1 - 2 * precision * recall / (precision + recall)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("blob", [True, False])
def test_each_part_is_what_its_plain_twin_says(seed: int, blob: bool) -> None:
    logits, mask, valid = drawn(seed, blob=blob)
    settings = LossSettings(emphasis=3.0, window=5)
    weight = losses.emphasised(mask, valid, settings)
    plain = [[each[at, 0].numpy().astype(float) for each in (logits, mask, valid)] for at in range(2)]
    weights = [plain_emphasis(truth, known, 3.0, 2) for _, truth, known in plain]
    np.testing.assert_allclose(weight[:, 0].numpy(), weights, rtol=1e-5, atol=1e-6)
    said = [plain_pixels(values, truth, each) for (values, truth, _), each in zip(plain, weights, strict=True)]
    assert float(losses.pixel_loss(logits, mask, weight)) == pytest.approx(np.mean(said), rel=1e-5)
    probability = logits.sigmoid()
    plain_p = [each[0].numpy().astype(float) for each in probability]
    said = [plain_region(p, truth, each) for p, (_, truth, _), each in zip(plain_p, plain, weights, strict=True)]
    assert float(losses.region_loss(probability, mask, weight)) == pytest.approx(np.mean(said), rel=1e-5)
    said = [plain_boundary(p, truth, known, 2) for p, (_, truth, known) in zip(plain_p, plain, strict=True)]
    assert float(losses.boundary_loss(probability, mask, valid, tolerance=2)) == pytest.approx(np.mean(said), rel=1e-5)


def test_the_whole_is_the_weighted_sum_of_its_parts() -> None:
    logits, mask, valid = drawn(0)
    side = (torch.randn(2, 1, 3, 4, generator=torch.Generator().manual_seed(1)),) * 2
    settings = LossSettings(pixels=0.5, region=2.0, boundary=0.3, emphasis=3.0, window=5, side=(0.4,))
    weight = losses.emphasised(mask, valid, settings)
    main = 0.5 * losses.pixel_loss(logits, mask, weight) + 2 * losses.region_loss(logits.sigmoid(), mask, weight)
    edge = losses.boundary_loss(logits.sigmoid(), mask, valid, tolerance=2)
    small, there = losses.shrunk(mask, valid, torch.Size((3, 4)))
    coarse = losses.region_and_pixels(side[0], small, there, settings)
    whole = losses.loss(Output(logits_N1HW=logits, side=side), mask, valid, settings)
    torch.testing.assert_close(whole, main + 0.3 * edge + 0.4 * coarse)


def test_what_is_not_valid_counts_nowhere() -> None:
    logits, mask, valid = drawn(2)
    valid[:, :, :, 8:] = 0
    valid[:, :, :, :8] = 1
    settings = LossSettings(window=3, tolerance=1, boundary=0.0, side=(1.0,))
    side = (torch.zeros(2, 1, 3, 3),)
    before = losses.loss(Output(logits_N1HW=logits, side=side), mask, valid, settings)
    wild, other = logits.clone(), mask.clone()
    wild[..., 8:] = 50.0
    other[..., 8:] = 1 - other[..., 8:]
    torch.testing.assert_close(losses.loss(Output(logits_N1HW=wild, side=side), other, valid, settings), before)


def test_a_coarse_mask_is_the_share_of_the_object_among_what_is_known() -> None:
    mask = torch.tensor([[1.0, 1.0, 0.0, 1.0], [0.0, 0.0, 0.0, 1.0]]).reshape(1, 1, 2, 4)
    valid = torch.tensor([[1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 0.0]]).reshape(1, 1, 2, 4)
    small, there = losses.shrunk(mask, valid, torch.Size((1, 2)))
    assert small.flatten().tolist() == [0.5, 0.0]
    assert there.flatten().tolist() == [1.0, 0.5]


def test_right_is_nearly_free_and_wrong_is_not() -> None:
    _, mask, _ = drawn(0)
    valid = torch.ones_like(mask)
    settings = LossSettings(window=5)
    right, wrong = ((mask * 2 - 1) * scale for scale in (20, -20))
    assert float(losses.loss(Output(logits_N1HW=right, side=()), mask, valid, settings)) < 0.01
    assert float(losses.loss(Output(logits_N1HW=wrong, side=()), mask, valid, settings)) > 10
    empty = torch.zeros_like(mask)
    assert float(losses.loss(Output(logits_N1HW=empty - 20, side=()), empty, valid, settings)) < 0.01


def test_a_boundary_within_the_tolerance_is_free_and_one_beyond_is_not() -> None:
    mask, shifted = torch.zeros(1, 1, 20, 20), torch.zeros(1, 1, 20, 20)
    mask[..., 5:15, 5:15] = 1
    shifted[..., 7:17, 5:15] = 1
    valid = torch.ones_like(mask)
    assert float(losses.boundary_loss(shifted, mask, valid, tolerance=2)) == pytest.approx(0, abs=1e-6)
    assert float(losses.boundary_loss(shifted, mask, valid, tolerance=1)) > 0.2


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"window": 4}, "odd"),
        ({"tolerance": 0}, "1 or more"),
        ({"pixels": -1.0}, "at least 0"),
        ({"pixels": 0.0, "region": 0.0, "boundary": 0.0}, "nothing would be learned"),
    ],
)
def test_settings_are_checked(how: dict[str, float], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        LossSettings(**how)
