"""NeXtVLAD as matrix products against the five-dimensional form, value by value and gradient by gradient."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from podium.errors import UsageError
from podium.solutions.segment_classification import vlad
from podium.solutions.segment_classification.clips import AUDIO, DIMENSIONS, RGB, Clips, clips
from podium.solutions.segment_classification.vlad import NextVlad

PlainVlad = runpy.run_path(str(Path(__file__).with_name("plain_vlad.py")))["PlainVlad"]
N, T = 3, 7


@pytest.fixture(autouse=True)
def _one_seed() -> None:
    torch.manual_seed(0)


def _layer(*, batch_norm: bool = True, reference: bool = False, dropout: float = 0.0) -> NextVlad:
    layer = NextVlad(
        AUDIO, clusters=6, groups=4, expansion=2, batch_norm=batch_norm, dropout=dropout, reference=reference
    ).double()
    with torch.no_grad():
        # The start has equal assignments in all groups, which would hide their order.
        for each in (layer.assign.weight, layer.norm.weight, layer.norm.bias):
            each.copy_(torch.randn_like(each) * 0.5)
    return layer


def _features(mask_NT: Tensor, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (*mask_NT.shape, DIMENSIONS), generator=generator, dtype=torch.uint8)


def _full() -> Tensor:
    return torch.ones(N, T, dtype=torch.bool)


def _ragged() -> Tensor:
    return torch.arange(T) < torch.tensor([[7], [4], [1]])


def _step(layer: nn.Module, seen: Clips) -> tuple[Tensor, dict[str, Tensor]]:
    """The output, and the gradient of every parameter for a loss that weighs each number differently."""
    out = layer(seen, seen.rows_PD[:, RGB:])
    loss = (out * torch.linspace(-1.0, 2.0, out.numel(), dtype=out.dtype).view_as(out)).sum()
    names, values = zip(*layer.named_parameters(), strict=True)
    return out.detach(), dict(zip(names, torch.autograd.grad(loss, values), strict=True))


def _far(one: Tensor, other: Tensor) -> float:
    return float((one - other).detach().abs().max() / max(1.0, float(other.detach().abs().max())))


@pytest.fixture(params=["multiplied together first", "one after the other"])
def _order(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = -1.0 if request.param == "multiplied together first" else 1e9
    monkeypatch.setattr(vlad, "_ROWS", rows)
    monkeypatch.setattr(vlad, "_ROWS_LEARNING", rows)


@pytest.mark.usefixtures("_order")
@pytest.mark.parametrize("learning", [True, False])
@pytest.mark.parametrize("reference", [True, False])
@pytest.mark.parametrize("ragged", [True, False])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_the_layer_equals_the_five_dimensional_form_and_so_do_its_gradients(
    *, learning: bool, reference: bool, ragged: bool, batch_norm: bool
) -> None:
    layer = _layer(batch_norm=batch_norm, reference=reference)
    mask_NT = _ragged() if ragged else _full()
    if learning:
        seen = clips(_features(mask_NT), mask_NT, dtype=torch.float64, reference=reference)
        layer(seen, seen.rows_PD[:, RGB:])
    layer.train(learning)
    plain = PlainVlad(layer).train(learning)
    seen = clips(_features(mask_NT, 2), mask_NT, dtype=torch.float64, reference=reference)
    out, slopes = _step(layer, seen)
    expected, expected_slopes = _step(plain, seen)
    assert out.shape == (N, layer.dimensions)
    assert _far(out, expected) < 1e-10
    assert slopes.keys() == expected_slopes.keys()
    for name, slope in slopes.items():
        assert _far(slope, expected_slopes[name]) < 1e-10, name
    for name, value in layer.state_dict().items():
        assert _far(value, plain.state_dict()[name]) < 1e-10, name


@pytest.mark.parametrize("groups", [1, 128, 256])
def test_groups_as_small_or_as_large_as_can_be_are_those_of_the_five_dimensional_form(groups: int) -> None:
    layer = NextVlad(AUDIO, clusters=3, groups=groups, dropout=0.0).double().train()
    mask_NT = _ragged()
    plain = PlainVlad(layer).train()
    seen = clips(_features(mask_NT), mask_NT, dtype=torch.float64)
    (out, slopes), (expected, expected_slopes) = _step(layer, seen), _step(plain, seen)
    assert layer.dimensions == 3 * 256 // groups
    assert _far(out, expected) < 1e-8
    for name, slope in slopes.items():
        assert _far(slope, expected_slopes[name]) < 1e-8, name


def test_both_readings_of_the_assignments_differ() -> None:
    layer, mask_NT = _layer().eval(), _full()
    seen = clips(_features(mask_NT), mask_NT, dtype=torch.float64)
    mended = layer(seen, seen.rows_PD[:, RGB:])
    layer.reference = True
    assert _far(layer(seen, seen.rows_PD[:, RGB:]), mended) > 1e-4


def test_at_the_start_the_right_reading_has_as_many_assignments_as_clusters() -> None:
    layer = NextVlad(AUDIO, clusters=64, groups=16).double()
    for reference, distinct in ((False, 64), (True, 4)):
        layer.reference = reference
        rows_Pd = nn.functional.normalize(torch.randn(5, AUDIO, dtype=torch.float64), dim=1)
        shares_PGK = layer._assignments(layer.assign(layer.expand(rows_Pd)))
        assert shares_PGK.shape == (5, 16, 64)
        torch.testing.assert_close(shares_PGK.sum(2), torch.ones(5, 16, dtype=torch.float64))
        assert {len(row.unique()) for row in shares_PGK.log().mul(1e6).round().reshape(-1, 64)} == {distinct}


def test_assignments_begin_as_hard_clustering_around_the_centroids() -> None:
    layer = NextVlad(128, clusters=3, groups=2, batch_norm=False)
    assert layer.centroids.min() >= 0.0
    assert layer.centroids.max() <= 1.0
    for cluster, group, other in ((0, 0, 0), (2, 1, 0), (1, 0, 1)):
        block = layer.assign.weight[group * 3 + cluster, other * 128 : (other + 1) * 128]
        torch.testing.assert_close(block, 200.0 * layer.centroids[cluster])
        torch.testing.assert_close(layer.assign.bias[group * 3 + cluster], -100.0 * layer.centroids[cluster].norm())
    assert abs(float(layer.expand.weight.detach().std()) - (2.0 / 128) ** 0.5) < 2e-3
    normed = NextVlad(128, clusters=3, groups=2)
    assert normed.assign.bias is None
    assert normed.norm_assign.weight.tolist() == [1.0] * 3


def test_dropout_takes_whole_clusters_in_training_only() -> None:
    layer = _layer(dropout=0.25)
    nn.init.constant_(layer.norm.bias, 5.0)
    nn.init.constant_(layer.norm.weight, 0.0)
    seen = clips(_features(_full()), _full(), dtype=torch.float64)
    dropped = torch.cat([layer(seen, seen.rows_PD[:, RGB:]).view(N * 6, -1) for _ in range(30)])
    gone = (dropped == 0.0).all(1)
    assert bool((((dropped - 5.0 / 0.75).abs() < 1e-12).all(1) | gone).all())
    assert 0.2 < float(gone.double().mean()) < 0.3
    assert float(layer.eval()(seen, seen.rows_PD[:, RGB:]).detach().std()) == 0.0


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(T)), st.integers(0, 2**32 - 1))
def test_the_order_of_frames_does_not_matter(order: list[int], seed: int) -> None:
    layer = _layer().eval()
    features = _features(_full(), seed)
    one, other = (clips(each, _full(), dtype=torch.float64) for each in (features, features[:, order]))
    assert _far(layer(one, one.rows_PD[:, RGB:]), layer(other, other.rows_PD[:, RGB:])) < 1e-10


def test_a_clip_without_frames_gives_what_the_norm_makes_of_zeros() -> None:
    layer = _layer().eval()
    mask_NT = torch.tensor([[True, True], [False, False]])
    seen = clips(_features(mask_NT), mask_NT, dtype=torch.float64)
    out = layer(seen, seen.rows_PD[:, RGB:])
    torch.testing.assert_close(out[1], layer.norm(torch.zeros(1, layer.dimensions).double())[0])


def test_single_precision_agrees_with_double() -> None:
    mask_NT = _ragged()
    exact = _layer().train()
    rough = _layer().train()
    rough.load_state_dict(exact.state_dict())
    rough.float()
    seen = clips(_features(mask_NT), mask_NT, dtype=torch.float64)
    out, slopes = _step(exact, seen)
    less, less_slopes = _step(rough, clips(_features(mask_NT), mask_NT, dtype=torch.float32))
    # Three clips in a batch norm: its output has the size of 1, and differences of a millionth are enlarged.
    assert _far(less.double(), out) < 1e-3
    assert _far(less_slopes["centroids"].double(), slopes["centroids"]) < 1e-2


def test_groups_that_do_not_divide_a_frame_are_refused() -> None:
    with pytest.raises(UsageError, match="`7` groups do not divide the 2048"):
        NextVlad(RGB, clusters=2, groups=7)
