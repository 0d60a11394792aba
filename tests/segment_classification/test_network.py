"""Whole networks: sizes, padding, contexts, precision, files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor

from podium.errors import UsageError
from podium.formats.tfrecord import dequantise as dequantise_array
from podium.solutions.segment_classification import network as networks
from podium.solutions.segment_classification.clips import DIMENSIONS, clips, dequantise
from podium.solutions.segment_classification.encoders import EncoderSettings
from podium.solutions.segment_classification.frames import FrameSettings
from podium.solutions.segment_classification.mixture import HeadSettings
from podium.solutions.segment_classification.network import Network, NetworkSettings, WindowSettings
from podium.solutions.training import recipe

SMALL = {
    "nextvlad": EncoderSettings(features=16, clusters=4, groups=8, expansion=1),
    "dbof": EncoderSettings(kind="dbof", features=16, hidden=24, frame_reduction=4),
    "mean-pool": EncoderSettings(kind="mean-pool", features=16),
}
KINDS = tuple(SMALL)


@pytest.fixture(autouse=True)
def _one_seed() -> None:
    torch.manual_seed(0)


def _settings(kind: str, **more: Any) -> NetworkSettings:
    return NetworkSettings(classes=5, encoder=SMALL[kind], head=HeadSettings(mixtures=2), **more)


def _aware(kind: str, context: str, **more: Any) -> NetworkSettings:
    return _settings(kind, context=SMALL[context], fusion_features=8, **more)


def _features(count: int, frames: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, frames, DIMENSIONS), generator=generator, dtype=torch.uint8)


def _mask(*lengths: int, frames: int | None = None) -> Tensor:
    return torch.arange(frames or max(lengths)) < torch.tensor(lengths)[:, None]


def _sizes(settings: NetworkSettings) -> tuple[int, int]:
    with torch.device("meta"):
        network = networks.build(settings)
    return networks.parameters(network), networks.parameters(network, trainable=True)


NEXTVLAD, DBOF = EncoderSettings(), EncoderSettings(kind="dbof")


@pytest.mark.parametrize(
    ("encoder", "mixtures", "count"), [(NEXTVLAD, 4, 32_570_757), (DBOF, 4, 36_043_685), (DBOF, 5, 38_094_734)]
)
def test_networks_of_videos_have_the_published_sizes(encoder: EncoderSettings, mixtures: int, count: int) -> None:
    assert _sizes(NetworkSettings(encoder=encoder, head=HeadSettings(mixtures=mixtures))) == (count, count)


@pytest.mark.parametrize(
    ("context", "encoder", "total", "trainable"),
    [
        (NEXTVLAD, NEXTVLAD, 65_325_925, 40_969_605),
        (DBOF, NEXTVLAD, 68_798_853, 40_969_605),
        (NEXTVLAD, DBOF, 70_903_685, 46_547_365),
        (DBOF, DBOF, 74_376_613, 46_547_365),
    ],
)
def test_networks_with_a_context_have_the_published_sizes(
    context: EncoderSettings, encoder: EncoderSettings, total: int, trainable: int
) -> None:
    assert _sizes(NetworkSettings(context=context, encoder=encoder)) == (total, trainable)


def _step(network: Network, *given: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    torch.manual_seed(3)
    logits = network(*given)
    named = {name: value for name, value in network.named_parameters() if value.requires_grad}
    return logits.detach(), dict(zip(named, torch.autograd.grad(logits.sin().sum(), list(named.values())), strict=True))


def _padded(features: Tensor, mask: Tensor, by: int) -> tuple[Tensor, Tensor]:
    junk = _features(len(features), by, seed=99)
    return torch.cat([features, junk], 1), torch.cat([mask, torch.zeros(len(mask), by, dtype=torch.bool)], 1)


@pytest.mark.parametrize("learning", [True, False])
@pytest.mark.parametrize("ragged", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_depends_on_padding(kind: str, *, ragged: bool, learning: bool) -> None:
    settings = _settings(kind)
    networks_ = [networks.build(settings).double().train(learning) for _ in range(2)]
    networks_[1].load_state_dict(networks_[0].state_dict())
    features, mask = _features(4, 6), _mask(6, 2, 5, 1) if ragged else _mask(6, 6, 6, 6)
    logits, slopes = _step(networks_[0], features, mask)
    more, more_slopes = _step(networks_[1], *_padded(features, mask, 5))
    torch.testing.assert_close(more, logits, atol=1e-12, rtol=1e-12)
    assert slopes.keys() == more_slopes.keys()
    for name, slope in slopes.items():
        torch.testing.assert_close(more_slopes[name], slope, atol=1e-12, rtol=1e-12, msg=name)
    for name, value in networks_[0].state_dict().items():
        torch.testing.assert_close(networks_[1].state_dict()[name], value, atol=1e-12, rtol=1e-12, msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_where_padding_stands_does_not_matter(kind: str) -> None:
    network, features = networks.build(_settings(kind)).double().eval(), _features(2, 6)
    mask = torch.tensor([[True, False, True, False, True, False], [False, True, True, True, True, True]])
    apart = network(features, mask)
    first = network(features[:1, ::2], torch.ones(1, 3, dtype=torch.bool))
    second = network(features[1:, 1:], torch.ones(1, 5, dtype=torch.bool))
    torch.testing.assert_close(apart, torch.cat([first, second]), atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("kind", ["nextvlad", "dbof"])
def test_the_reference_depends_on_padding_as_it_did(kind: str) -> None:
    network, features, mask = (
        networks.build(_settings(kind, reference=True)).double(),
        _features(4, 6),
        _mask(6, 3, 6, 2),
    )
    assert float((network(features, mask) - network(*_padded(features, mask, 6))).detach().abs().max()) > 1e-3


def test_what_padding_holds_matters_to_nobody() -> None:
    for reference in (False, True):
        network = networks.build(_settings("nextvlad", reference=reference)).eval()
        features, mask = _features(2, 6), _mask(6, 3)
        other = torch.where(mask[..., None], features, 255 - features)
        torch.testing.assert_close(network(other, mask), network(features, mask), atol=0.0, rtol=0.0)


def test_bytes_become_the_official_numbers_and_stay_bytes_for_the_reference() -> None:
    stored = torch.arange(256, dtype=torch.uint8)
    official = torch.from_numpy(dequantise_array(stored.numpy()))
    torch.testing.assert_close(dequantise(stored, torch.float32), official, atol=3e-7, rtol=0.0)
    features, mask = _features(2, 3), _mask(3, 2)
    raw = clips(features, mask, dtype=torch.float64, reference=True)
    assert raw.rows_PD[:5].equal(features.view(6, -1)[:5].double())
    assert float(raw.rows_PD[5].abs().max()) == 0.0
    seen = clips(features, mask, dtype=torch.float64)
    assert seen.rows_PD.equal(dequantise(features.view(6, -1)[:5], torch.float64))
    assert seen.counts_N().tolist() == [3.0, 2.0]
    assert seen.spread(seen.rows_PD)[1, 2].abs().max() == 0.0


@pytest.mark.parametrize("context", KINDS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_segment_needs_its_context_encoded_once_for_all_of_a_video(kind: str, context: str) -> None:
    network = networks.build(_aware(kind, context)).double()
    videos, mask = _features(2, 20), _mask(20, 12)
    context_VF = network.encode_context(videos, mask)
    assert context_VF.shape == (2, 16)
    assert not context_VF.requires_grad
    windows, window_mask = _features(6, 11, seed=1), _mask(11, 11, 8, 11, 11, 11)
    video_N = torch.tensor([0, 0, 0, 1, 1, 1])
    logits = network(windows, window_mask, context_VF[video_N])
    assert logits.shape == (6, 5)
    logits.sum().backward()
    slopes = {name: each.grad for name, each in network.named_parameters()}
    assert all((slopes[name] is None) == name.startswith("context.") for name in slopes)
    assert len([name for name in slopes if name.startswith("context.")]) > 3
    network.eval()
    swapped = network(windows, window_mask, context_VF[1 - video_N])
    assert float((swapped - network(windows, window_mask, context_VF[video_N])).detach().abs().max()) > 1e-6


def test_training_leaves_the_context_as_it_is() -> None:
    network = networks.build(_aware("dbof", "nextvlad"))
    before = {name: value.clone() for name, value in network.context.state_dict().items()}
    videos, mask = _features(3, 9), _mask(9, 9, 4)
    first = network.train().encode_context(videos, mask)
    assert not any(each.training for each in network.context.modules())
    assert network.encoder.training
    network(_features(3, 11), _mask(11, 11, 11), first).sum().backward()
    assert network.encode_context(videos, mask).equal(first)
    assert all(value.equal(before[name]) for name, value in network.context.state_dict().items())


def test_a_nextvlad_with_a_context_ends_with_its_fully_connected_layer() -> None:
    network = networks.build(_aware("nextvlad", "nextvlad")).eval()
    inputs: list[Tensor] = []
    network.fusion.norm.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    context = network.encode_context(_features(2, 9), _mask(9, 9))
    network(_features(2, 11), _mask(11, 11), context)
    assert float(context.min()) >= 0.0
    assert inputs[0][:, :16].equal(context)
    assert float(inputs[0][:, 16:].detach().min()) < 0.0
    assert not any(name.startswith("gate") for name, _ in network.encoder.named_parameters())


def test_the_reference_looks_for_no_mask_in_windows() -> None:
    settings = _aware("dbof", "dbof", reference=True)
    network = networks.build(settings).eval()
    windows, mask, context = _features(2, 11), _mask(11, 8), torch.rand(2, 16)
    blank = windows * mask[..., None]
    everything = torch.ones_like(mask)
    torch.testing.assert_close(network(windows, mask, context), network(blank, everything, context))


@pytest.mark.parametrize("kind", KINDS)
def test_the_start_of_segments_is_the_network_of_videos(kind: str) -> None:
    base = networks.build(_settings(kind)).eval()
    features, mask = _features(2, 11), _mask(11, 11)
    agnostic = networks.build(_settings(kind, window=WindowSettings(before=1, after=1))).eval()
    assert not agnostic(features, mask).equal(base(features, mask))
    networks.start(agnostic, base=base)
    assert agnostic(features, mask).equal(base(features, mask))
    aware = networks.build(_aware(kind, "dbof")).eval()
    head = {name: value.clone() for name, value in aware.head.state_dict().items()}
    other = networks.build(_settings("dbof"))
    networks.start(aware, base=base, context=other)
    assert all(value.equal(other.encoder.state_dict()[name]) for name, value in aware.context.state_dict().items())
    assert all(value.equal(base.encoder.state_dict()[name]) for name, value in aware.encoder.state_dict().items())
    assert all(value.equal(head[name]) for name, value in aware.head.state_dict().items())
    seen = clips(features, mask, dtype=torch.float32)
    assert aware.encode_context(features, mask).equal(other.eval().encoder(seen))


def test_weights_that_do_not_fit_are_refused() -> None:
    network = networks.build(_settings("dbof"))
    with pytest.raises(UsageError, match=r"the encoder to begin with has `frame\.weight` of shape `None`"):
        networks.start(network, base=networks.build(_settings("mean-pool")))
    with pytest.raises(UsageError, match="the base has `reference: true`"):
        networks.start(network, base=networks.build(_settings("dbof", reference=True)))
    with pytest.raises(UsageError, match="without a `context` takes none"):
        networks.start(network, context=networks.build(_settings("dbof")))
    with pytest.raises(UsageError, match="the base is a network with a context"):
        networks.start(network, base=networks.build(_aware("dbof", "dbof")))


@pytest.mark.parametrize("kind", KINDS)
def test_mixed_precision_learns_and_stays_near(kind: str) -> None:
    network = networks.build(_settings(kind))
    features, mask = _features(8, 11), _mask(11, 11, 5, 11, 11, 11, 11, 1)
    for _ in range(3):
        network(features, mask)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = network(features, mask).square().mean()
    loss.backward()
    assert all(bool(each.grad.isfinite().all()) for each in network.parameters())
    network.eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = network(features, mask)
    exact = network(features, mask)
    assert float((rough.float() - exact).detach().abs().max()) < 0.05 * max(1.0, float(exact.detach().abs().max()))


def _odd() -> dict[str, tuple[Tensor, Tensor]]:
    """Batches that a division by nothing would spoil."""
    features, full = _features(4, 6), _mask(6, 6, 6, 6)
    return {
        "one clip without frames": (features, _mask(6, 0, 1, 6)),
        "no frames at all": (features, torch.zeros_like(full)),
        "frames of zeros": (torch.zeros_like(features), full),
        "frames that are all alike": (features[:1, :1].expand(4, 6, DIMENSIONS).contiguous(), full),
    }


@pytest.mark.parametrize("learning", [True, False])
@pytest.mark.parametrize("name", list(_odd()))
@pytest.mark.parametrize(
    ("kind", "reference"), [*((kind, False) for kind in KINDS), ("nextvlad", True), ("dbof", True)]
)
def test_odd_batches_give_numbers_and_slopes_that_are_finite(
    kind: str, name: str, *, reference: bool, learning: bool
) -> None:
    features, mask = _odd()[name]
    for settings in (_settings(kind, reference=reference), _aware(kind, kind, reference=reference)):
        network = networks.build(settings).train(learning)
        context = network.encode_context(features, mask) if network.aware else None
        logits = network(features, mask, context)
        logits.square().sum().backward()
        slopes = [each.grad for each in network.parameters() if each.grad is not None]
        assert slopes
        assert all(bool(each.isfinite().all()) for each in (logits, *slopes, *network.buffers()))


@pytest.mark.parametrize("kind", KINDS)
def test_single_precision_agrees_with_double(kind: str) -> None:
    network = networks.build(_settings(kind))
    features, mask = _features(8, 11), _mask(11, 11, 5, 11, 11, 11, 11, 1)
    network(features, mask)
    network.eval()
    single = network(features, mask)
    double = network.double()(features, mask)
    assert double.dtype == torch.float64
    torch.testing.assert_close(single.double(), double, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("settings", [_settings("nextvlad"), _settings("mean-pool"), _aware("nextvlad", "dbof")])
def test_a_saved_network_comes_back_equal(settings: NetworkSettings, tmp_path: Path) -> None:
    network = networks.build(settings)
    context = network.encode_context(_features(3, 9), _mask(9, 9, 9)) if network.aware else None
    network(_features(3, 11, seed=5), _mask(11, 11, 7), context)
    networks.save(network, tmp_path / "one")
    again = networks.load(tmp_path / "one")
    assert again.settings == settings
    assert not again.training
    given = (_features(3, 11), _mask(11, 11, 7), context)
    assert again(*given).equal(network.eval()(*given))
    networks.save(again, tmp_path / "two")
    for name in ("network.yaml", "weights.safetensors"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_weights_have_their_name_only_when_they_are_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = networks.build(_settings("dbof")).eval()
    networks.save(first, tmp_path / "old")
    write = safetensors.torch.save_file

    def cut_off(state: dict[str, Tensor], path: Path) -> None:
        write(state, path)
        os.truncate(path, path.stat().st_size // 2)
        raise KeyboardInterrupt

    monkeypatch.setattr(safetensors.torch, "save_file", cut_off)
    for folder in ("old", "new"):
        with pytest.raises(KeyboardInterrupt):
            networks.save(networks.build(_settings("dbof")), tmp_path / folder)
    assert not (tmp_path / "new" / networks.WEIGHTS_FILE).exists()
    kept = networks.load(tmp_path / "old").state_dict()
    assert all(value.equal(kept[name]) for name, value in first.state_dict().items())


def test_a_folder_without_a_network_or_with_strange_settings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no network"):
        networks.load(tmp_path)
    networks.save(networks.build(_settings("mean-pool")), tmp_path)
    path = tmp_path / "network.yaml"
    text = path.read_text()
    path.write_text(text.replace("classes: 5", "clases: 5"))
    with pytest.raises(UsageError, match="did you mean `classes`"):
        networks.load(tmp_path)
    path.write_text(text.replace("classes: 5", "classes: 6"))
    with pytest.raises(UsageError, match="weights do not fit"):
        networks.load(tmp_path)


def test_a_recipe_of_the_published_settings_reads_as_the_defaults() -> None:
    text = """
    classes: 1000
    encoder: {kind: nextvlad, features: 2048, dropout: 0.5, reduction: 4, clusters: 64, groups: 16, batch_norm: true}
    head: {mixtures: 4, dropout: 0.5, per_class: false}
    frames: {skip_first: 30, skip_last: 10, threshold: 150, drawn: 140}
    """
    assert recipe.read(text, NetworkSettings) == NetworkSettings()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"kind": "dbof", "clusters": 32}, "an encoder `dbof` has no `clusters`"),
        ({"kind": "nextvlad", "hidden": 32}, "an encoder `nextvlad` has no `hidden`"),
        ({"kind": "mean-pool", "frame_reduction": 2}, "an encoder `mean-pool` has no `frame_reduction`"),
        ({"kind": "nextvlat"}, "no encoder is called `nextvlat`; did you mean `nextvlad`"),
        ({"dropout": 1.0}, "`dropout` is `1.0`"),
        ({"groups": 24}, "a divisor of 128 times `expansion`"),
        ({"clusters": 1}, "`clusters` is `1`; 2 or more"),
        ({"features": 4, "reduction": 8}, "`reduction` is `8`; 0 to the 4 of `features` fit"),
        ({"kind": "dbof", "hidden": 0}, "`hidden` is `0`"),
    ],
)
def test_encoders_that_cannot_be_are_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        EncoderSettings(**wrong)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"classes": 0}, "`classes` is `0`"),
        ({"fusion_features": 8}, "without a `context` has no fusion"),
        ({"fusion_dropout": 0.1}, "without a `context` has no fusion"),
        ({"context": SMALL["dbof"], "fusion_reduction": 4000}, "`fusion_reduction` `4000`"),
        ({"context": SMALL["dbof"], "fusion_dropout": -0.1}, "`fusion_dropout` is `-0.1`"),
        ({"encoder": SMALL["mean-pool"], "reference": True}, "the reference has no encoder `mean-pool`"),
        ({"context": SMALL["mean-pool"], "reference": True}, "the reference has no encoder `mean-pool`"),
    ],
)
def test_networks_that_cannot_be_are_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        NetworkSettings(**wrong)


def test_a_window_is_five_seconds_and_what_is_around_them() -> None:
    assert WindowSettings().frames == 11
    assert WindowSettings(before=2, after=0).frames == 7
    with pytest.raises(UsageError, match="`-1` frames before"):
        WindowSettings(before=-1)


def test_every_setting_changes_a_network_or_what_it_sees() -> None:
    """All that is not for the data side shows in the state or in the output."""
    torch.manual_seed(1)
    shapes = {
        name: {key: tuple(value.shape) for key, value in networks.build(settings).state_dict().items()}
        for name, settings in {
            "plain": _settings("nextvlad"),
            "no norm": NetworkSettings(
                classes=5,
                head=HeadSettings(mixtures=2),
                encoder=EncoderSettings(features=16, clusters=4, groups=8, expansion=1, batch_norm=False),
            ),
            "expanded": NetworkSettings(
                classes=5,
                head=HeadSettings(mixtures=2),
                encoder=EncoderSettings(features=16, clusters=4, groups=8, expansion=2),
            ),
            "per class": NetworkSettings(
                classes=5, encoder=SMALL["nextvlad"], head=HeadSettings(mixtures=2, per_class=True)
            ),
            "no gate": NetworkSettings(
                classes=5,
                head=HeadSettings(mixtures=2),
                encoder=EncoderSettings(features=16, clusters=4, groups=8, expansion=1, reduction=0),
            ),
        }.items()
    }
    assert len({tuple(sorted(each.items())) for each in shapes.values()}) == len(shapes)
    assert NetworkSettings().frames == FrameSettings()


@pytest.mark.parametrize(
    ("features", "mask", "words"),
    [
        (torch.zeros(2, 3, 1152), torch.ones(2, 3, dtype=torch.bool), "torch.float32"),
        (torch.zeros(2, 3, 1024, dtype=torch.uint8), torch.ones(2, 3, dtype=torch.bool), r"\(N, T, 1152\)"),
        (torch.zeros(2, 3, 1152, dtype=torch.uint8), torch.ones(2, 4, dtype=torch.bool), r"\(2, 3\) of `torch.bool`"),
        (torch.zeros(2, 3, 1152, dtype=torch.uint8), torch.ones(2, 3), "torch.float32"),
        (torch.zeros(2, 0, 1152, dtype=torch.uint8), torch.ones(2, 0, dtype=torch.bool), "`2` clips of `0` frames"),
        (torch.zeros(0, 3, 1152, dtype=torch.uint8), torch.ones(0, 3, dtype=torch.bool), "`0` clips of `3` frames"),
    ],
)
def test_input_of_another_shape_or_type_is_refused(features: Tensor, mask: Tensor, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        networks.build(_settings("mean-pool"))(features, mask)


def test_contexts_belong_to_networks_with_a_context_only() -> None:
    agnostic, aware = networks.build(_settings("mean-pool")), networks.build(_aware("mean-pool", "mean-pool"))
    features, mask = _features(2, 11), _mask(11, 11)
    with pytest.raises(UsageError, match="takes none"):
        agnostic(features, mask, torch.zeros(2, 16))
    with pytest.raises(UsageError, match="encodes none"):
        agnostic.encode_context(features, mask)
    with pytest.raises(UsageError, match="`encode_context` gives it"):
        aware(features, mask)


def test_one_seed_gives_one_network() -> None:
    states = []
    for seed in (7, 7, 8):
        torch.manual_seed(seed)
        states.append(networks.build(_settings("nextvlad")).state_dict()["head.experts.2.weight"].numpy())
    np.testing.assert_array_equal(states[0], states[1])
    assert not np.array_equal(states[0], states[2])
