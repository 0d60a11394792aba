"""Position embeddings for another size, beside timm's and beside a filter written out."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

from podium.errors import UsageError  # noqa: E402 - after the check for torch
from podium.solutions.copy_detection.training.position import fitted, resampled  # noqa: E402

CHAIN = (14, 24, 26, 28)  # of 224, 384, 416 and 448 pixels in patches of 16


def embedding(grid: tuple[int, int], tokens: int = 1, dimensions: int = 5, seed: int = 0) -> Any:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, tokens + grid[0] * grid[1], dimensions, generator=generator)


def plain_weights(old: int, new: int) -> np.ndarray:
    """(new, old): Keys' cubic with a = -1/2, widened where it shrinks, renormalised at the borders."""
    scale = old / new
    wide = max(1.0, scale)
    weights = np.zeros((new, old))
    for i in range(new):
        for j in range(old):
            x = abs((j + 0.5 - scale * (i + 0.5)) / wide)
            if x < 1:
                weights[i, j] = 1.5 * x**3 - 2.5 * x**2 + 1
            elif x < 2:
                weights[i, j] = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return weights / weights.sum(1, keepdims=True)


@pytest.mark.parametrize("tokens", [0, 1, 5])
@pytest.mark.parametrize(("old", "new"), [((14, 14), (24, 24)), ((24, 24), (14, 14)), ((3, 7), (5, 4))])
def test_the_resampled_are_those_of_timm_and_of_the_filter_written_out(
    old: tuple[int, int], new: tuple[int, int], tokens: int
) -> None:
    before = embedding(old, tokens)
    found = resampled(before, grid=new, tokens=tokens, old_grid=old)
    theirs = timm.layers.resample_abs_pos_embed(before, list(new), old_size=list(old), num_prefix_tokens=tokens)
    torch.testing.assert_close(found, theirs, atol=1e-6, rtol=0)
    rows, columns = (plain_weights(*sides) for sides in zip(old, new, strict=True))
    places = before[0, tokens:].double().numpy().reshape(*old, -1)
    plain = np.einsum("ih,jw,hwd->ijd", rows, columns, places).reshape(new[0] * new[1], -1)
    np.testing.assert_allclose(found[0, tokens:].numpy(), plain, atol=1e-5)
    assert torch.equal(found[:, :tokens], before[:, :tokens])


def test_each_link_of_the_chain_is_that_of_timm() -> None:
    ours = theirs = embedding((14, 14))
    for old, new in pairwise(CHAIN):
        ours, before = resampled(ours, grid=(new, new)), theirs
        theirs = timm.layers.resample_abs_pos_embed(before, [new, new], old_size=[old, old])
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)
    assert ours.shape == (1, 1 + 28 * 28, 5)


def test_smooth_embeddings_keep_their_values_over_the_chain() -> None:
    def waves(side: int) -> Any:
        at = (torch.arange(side) + 0.5) / side
        rows, columns = torch.meshgrid(at, at, indexing="ij")
        return torch.stack([torch.cos(math.pi * rows), torch.cos(2 * math.pi * columns)], -1).view(1, side * side, 2)

    kept = waves(CHAIN[0])
    for side in CHAIN[1:]:
        kept = resampled(kept, grid=(side, side), tokens=0)
        assert (kept - waves(side)).abs().max() < 0.01


@given(value=st.floats(-5, 5), old=st.integers(1, 9), new=st.integers(1, 9), tokens=st.integers(0, 2))
@settings(deadline=None)
def test_a_constant_stays_a_constant(value: float, old: int, new: int, tokens: int) -> None:
    found = resampled(torch.full((1, tokens + old * old, 2), value), grid=(new, new), tokens=tokens)
    assert found.shape == (1, tokens + new * new, 2)
    torch.testing.assert_close(found, torch.full_like(found, value), atol=1e-5, rtol=1e-5)


@given(seed=st.integers(0, 10**6), old=st.integers(2, 8), new=st.tuples(st.integers(1, 9), st.integers(1, 9)))
@settings(deadline=None)
def test_turning_the_grid_over_turns_the_result_over(seed: int, old: int, new: tuple[int, int]) -> None:
    before = embedding((old, old), 0, 2, seed)
    turned = before.view(1, old, old, 2).transpose(1, 2).reshape(1, -1, 2)
    found = resampled(turned, grid=(new[1], new[0]), tokens=0).view(1, new[1], new[0], 2)
    torch.testing.assert_close(found.transpose(1, 2), resampled(before, grid=new, tokens=0).view(1, *new, 2))


def test_half_precision_is_kept_and_filtered_in_single() -> None:
    before = embedding((14, 14)).half()
    found = resampled(before, grid=(24, 24))
    assert found.dtype == torch.float16
    assert torch.equal(found, resampled(before.float(), grid=(24, 24)).half())


def test_the_same_grid_changes_nothing() -> None:
    before = embedding((3, 5), 2)
    assert resampled(before, grid=(3, 5), tokens=2, old_grid=(3, 5)) is before


def test_embeddings_of_no_grid_are_refused() -> None:
    with pytest.raises(UsageError, match="of no square grid"):
        resampled(torch.zeros(1, 1 + 15, 4), grid=(3, 3))
    with pytest.raises(UsageError, match="do not fill a grid of 2 x 7"):
        resampled(torch.zeros(1, 1 + 15, 4), grid=(3, 3), old_grid=(2, 7))
    with pytest.raises(UsageError, match="1, L, D"):
        resampled(torch.zeros(16, 4), grid=(3, 3))


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "vit_tiny_r_s16_p8_224", "deit_tiny_distilled_patch16_224"])
def test_a_state_fits_the_network_of_another_size(name: str) -> None:
    def made(size: int) -> Any:
        with torch.device("meta"):
            net = timm.create_model(name, num_classes=0, img_size=size, depth=1)
        return torch.nn.Sequential(net)

    small, large = made(224), made(384)
    tokens = small[0].num_prefix_tokens
    state = dict(small.state_dict()) | {"0.pos_embed": torch.randn(small[0].pos_embed.shape)}
    found = fitted(state, large)
    assert found["0.pos_embed"].shape == large[0].pos_embed.shape
    grid = list(large[0].patch_embed.grid_size)
    theirs = timm.layers.resample_abs_pos_embed(state["0.pos_embed"], grid, num_prefix_tokens=tokens)
    torch.testing.assert_close(found["0.pos_embed"], theirs, atol=1e-6, rtol=0)
    assert all(found[key] is value for key, value in state.items() if key != "0.pos_embed")


def test_a_network_without_positions_takes_its_state_as_it_is() -> None:
    net = torch.nn.Linear(2, 2)
    state = net.state_dict()
    assert fitted(state, net) == dict(state)


def test_embeddings_of_another_width_are_refused() -> None:
    with torch.device("meta"):
        net = timm.create_model("vit_tiny_patch16_224", num_classes=0, depth=1)
    with pytest.raises(UsageError, match="only the number of places"):
        fitted({"pos_embed": torch.zeros(1, 197, 7)}, net)
