"""The deep bag of frames and the mean over frames, against plain forms."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from podium.solutions.segment_classification.clips import DIMENSIONS, Clips, clips
from podium.solutions.segment_classification.dbof import DbofEncoder, pool, pool_gated
from podium.solutions.segment_classification.encoders import EncoderSettings
from podium.solutions.segment_classification.mean_pool import MeanPoolEncoder, moments

SMALL = EncoderSettings(kind="dbof", features=12, hidden=16, frame_reduction=4, reduction=3, dropout=0.0)


@pytest.fixture(autouse=True)
def _one_seed() -> None:
    torch.manual_seed(0)


def _features(count: int, frames: int) -> Tensor:
    return torch.randint(0, 256, (count, frames, DIMENSIONS), dtype=torch.uint8)


def _seen(features: Tensor, mask_NT: Tensor, *, reference: bool = False) -> Clips:
    return clips(features, mask_NT, dtype=torch.float64, reference=reference)


def _gates_over_time(encoder: DbofEncoder, frames_NHT: Tensor) -> Tensor:
    """As published: norms over (N, T) and convolutions of one frame."""
    gate = encoder.frame_gate
    narrow = nn.functional.conv1d(gate.norm_in(frames_NHT), gate.squeeze.weight[..., None], gate.squeeze.bias)
    narrow = gate.norm_narrow(narrow.relu())
    return frames_NHT * nn.functional.conv1d(narrow, gate.excite.weight[..., None], gate.excite.bias).sigmoid()


def _plain(encoder: DbofEncoder, frames_NTD: Tensor, weight_NT: Tensor) -> Tensor:
    hidden_NHT = _gates_over_time(encoder, encoder.frame(frames_NTD).relu().transpose(1, 2)) * weight_NT[:, None]
    pooled = torch.cat([hidden_NHT.max(2).values, hidden_NHT.mean(2)], dim=1)
    return encoder.gate(encoder.linear(encoder.norm(pooled)).relu())


@pytest.mark.parametrize("learning", [True, False])
def test_without_padding_it_equals_convolutions_over_time(*, learning: bool) -> None:
    encoder, features = DbofEncoder(SMALL).double(), _features(3, 7)
    mask_NT = torch.ones(3, 7, dtype=torch.bool)
    encoder(_seen(features, mask_NT))
    encoder.train(learning)
    found = encoder(_seen(features, mask_NT))
    numbers = features.double() * 4.0 / 255.0 - 2.0 + 1.0 / 128.0
    expected = _plain(encoder, numbers, mask_NT.double())
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=1e-10)
    names, values = zip(*encoder.named_parameters(), strict=True)
    for name, slope, wanted in zip(
        names,
        torch.autograd.grad(found.sin().sum(), values),
        torch.autograd.grad(expected.sin().sum(), values),
        strict=True,
    ):
        torch.testing.assert_close(slope, wanted, atol=1e-10, rtol=1e-9, msg=name)


def test_the_reference_lets_padding_into_norms_and_means() -> None:
    encoder, features = DbofEncoder(SMALL).double(), _features(2, 6)
    mask_NT = torch.arange(6) < torch.tensor([[6], [3]])
    found = encoder(_seen(features, mask_NT, reference=True))
    raw = features.double() * mask_NT[..., None]
    torch.testing.assert_close(found, _plain(encoder, raw, mask_NT.double()), atol=1e-9, rtol=1e-9)


def test_means_are_over_the_frames_that_count_and_norms_see_no_others() -> None:
    encoder, features = DbofEncoder(SMALL).double(), _features(2, 6)
    mask_NT = torch.arange(6) < torch.tensor([[6], [3]])
    pooled: list[Tensor] = []
    encoder.norm.register_forward_pre_hook(lambda _, given: pooled.append(given[0]))
    encoder(_seen(features, mask_NT))
    rows = torch.cat([features[0], features[1, :3]]).double() * 4.0 / 255.0 - 2.0 + 1.0 / 128.0
    hidden = encoder.frame_gate(encoder.frame(rows).relu())
    expected = [torch.cat([part.max(0).values, part.mean(0)]) for part in (hidden[:6], hidden[6:])]
    torch.testing.assert_close(pooled[0], torch.stack(expected), atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("lengths", [(5, 5, 5), (5, 3, 1), (4, 0, 2)])
def test_pooling_clip_by_clip_equals_pooling_at_once(lengths: tuple[int, ...]) -> None:
    seen = _seen(_features(3, 5), torch.arange(5) < torch.tensor(lengths)[:, None])
    # Halves and zeros give ties, between which the largest divides its slope.
    frames_PH = (torch.rand(sum(lengths), 8, dtype=torch.float64) * 4).round().div(2).requires_grad_()
    gates_PH = (torch.rand(sum(lengths), 8, dtype=torch.float64) + 0.5).round().add(0.5).requires_grad_()
    expected, found = pool(seen, frames_PH * gates_PH), pool_gated(seen, frames_PH, gates_PH)
    torch.testing.assert_close(found, expected, atol=1e-14, rtol=0.0)
    weights = torch.linspace(-1.0, 1.0, expected.numel(), dtype=torch.float64).view_as(expected)
    for one, other, values in zip(
        torch.autograd.grad((found * weights).sum(), (frames_PH, gates_PH)),
        torch.autograd.grad((expected * weights).sum(), (frames_PH, gates_PH)),
        (frames_PH, gates_PH),
        strict=True,
    ):
        # At 0 a ReLU lets no slope through, so what ties with padding there does not count.
        counts = (frames_PH > 0) if values is frames_PH else torch.ones_like(values, dtype=torch.bool)
        torch.testing.assert_close(one[counts], other[counts], atol=1e-14, rtol=0.0)


def test_layers_begin_as_their_source_has_them() -> None:
    encoder = DbofEncoder(EncoderSettings(kind="dbof", features=64, hidden=256))
    assert encoder.linear.bias is None
    assert abs(float(encoder.frame.weight.detach().std()) - (2.0 / DIMENSIONS) ** 0.5) < 1e-3
    assert float(encoder.frame_gate.squeeze.weight.detach().abs().max()) <= 256**-0.5
    assert 0.0 <= float(encoder.norm.weight.detach().min()) < float(encoder.norm.weight.detach().max()) <= 1.0


def test_gates_can_be_left_out() -> None:
    bare = DbofEncoder(EncoderSettings(kind="dbof", features=4, hidden=6, frame_reduction=0, reduction=0))
    assert [name for name, _ in bare.named_parameters()] == [
        "frame.weight",
        "frame.bias",
        "norm.weight",
        "norm.bias",
        "linear.weight",
    ]


@pytest.mark.parametrize("lengths", [(5, 5, 5), (5, 3, 1), (5, 0, 2)])
def test_moments_are_mean_and_deviation_of_the_frames_that_count(lengths: tuple[int, ...]) -> None:
    features = _features(3, 5)
    mask_NT = torch.arange(5) < torch.tensor(lengths)[:, None]
    found = moments(_seen(features, mask_NT))
    numbers = features.double() * 4.0 / 255.0 - 2.0 + 1.0 / 128.0
    for row, length in enumerate(lengths):
        own = numbers[row, :length]
        mean = own.mean(0) if length else torch.zeros(DIMENSIONS).double()
        spread = own.std(0, correction=0) if length else torch.zeros(DIMENSIONS).double()
        torch.testing.assert_close(found[row], torch.cat([mean, spread]), atol=1.1e-6, rtol=0.0)


def test_the_mean_encoder_learns_to_tell_two_kinds_of_frames_apart() -> None:
    encoder = MeanPoolEncoder(EncoderSettings(kind="mean-pool", features=8, dropout=0.0))
    kinds = torch.arange(16) % 2
    features = (torch.rand(16, 6, DIMENSIONS) * 100 + kinds[:, None, None] * 20).to(torch.uint8)
    mask_NT = torch.ones(16, 6, dtype=torch.bool)
    for _ in range(20):
        loss = nn.functional.cross_entropy(encoder(clips(features, mask_NT, dtype=torch.float32))[:, :2], kinds)
        values = list(encoder.parameters())
        with torch.no_grad():
            for value, slope in zip(values, torch.autograd.grad(loss, values), strict=True):
                value -= 0.1 * slope
    out = encoder.eval()(clips(features, mask_NT, dtype=torch.float32))[:, :2]
    assert out.argmax(1).tolist() == kinds.tolist()
