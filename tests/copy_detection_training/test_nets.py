"""The networks of the recipes: what they have, how it learns, and that they keep what they learned at another size."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pytest

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

from podium.errors import UsageError  # noqa: E402 - after the check for torch
from podium.solutions.copy_detection import backbone as backbones  # noqa: E402
from podium.solutions.copy_detection.training.nets import (  # noqa: E402
    ISC21,
    SSCD,
    VIT_R50,
    Count,
    DescriptorNet,
    NetSettings,
    count,
    groups,
)

TINY = NetSettings(architecture="vit_tiny_patch16_224", dimensions=24, batch_norm=False)
SMALL_MAPS = NetSettings(
    architecture="tf_efficientnet_lite0", input_size=None, pooling="power-mean", power=3.0, dimensions=16
)


@cache
def sketch(settings: NetSettings) -> DescriptorNet:
    """The network without memory for its weights."""
    with torch.device("meta"):
        return DescriptorNet(settings)


# The backbones' counts are those of the same nets in timm; 768 x 512, 512 x 256 and 2048 x 512 are the heads'.
@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        (VIT_R50, Count(total=98_284_352, backbone=97_890_112, head=768 * 512 + 2 * 512, undecayed=161_920)),
        (ISC21, Count(total=52_332_020, backbone=52_200_436, head=512 * 256 + 2 * 256, undecayed=357_292)),
        (SSCD, Count(total=24_557_120, backbone=23_508_032, head=2048 * 512 + 512, undecayed=53_120)),
    ],
)
def test_the_networks_have_as_many_parameters_as_their_parts(settings: NetSettings, wanted: Count) -> None:
    assert count(sketch(settings)) == wanted


@pytest.mark.parametrize("size", [224, 448, *(pytest.param(each, marks=pytest.mark.train) for each in (384, 416))])
def test_every_stage_has_a_place_for_each_patch(size: int) -> None:
    net = sketch(replace(VIT_R50, input_size=size))
    assert net.backbone.pos_embed.shape == (1, 1 + (size // 16) ** 2, 768)


def test_groups_are_those_of_the_sheet() -> None:
    net = sketch(VIT_R50)
    found = groups(net, rate=1e-3, weight_decay=1e-6)
    assert [(each["name"], each["lr"], each["weight_decay"]) for each in found] == [
        ("without decay", pytest.approx(1e-3), 0.0),
        ("with decay", pytest.approx(1e-3), pytest.approx(1e-6)),
        ("head", pytest.approx(5e-3), pytest.approx(1e-5)),
    ]
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    without, decayed, head = ([names[id(each)] for each in group["params"]] for group in found)
    assert sorted(head) == ["bn.bias", "bn.weight", "fc.weight"]
    shapes = {name: parameter.ndim for name, parameter in net.named_parameters()}
    for name in without:
        assert shapes[name] == 1 or "norm" in name or "bias" in name
    for name in decayed:
        assert shapes[name] > 1
        assert not any(part in name for part in ("norm", "bias", "gain"))
    assert {"backbone.pos_embed", "backbone.cls_token", "backbone.patch_embed.proj.weight"} <= set(decayed)
    assert len(without) + len(decayed) + len(head) == len(names)
    sizes = [sum(each.numel() for each in group["params"]) for group in found]
    assert sizes == [161_920, 98_284_352 - 161_920 - 394_240, 394_240]


def test_without_factors_the_head_learns_as_all_else_and_what_is_frozen_does_not() -> None:
    net = DescriptorNet(SMALL_MAPS)
    net.backbone.requires_grad_(False)
    found = groups(net, rate=0.1, weight_decay=1e-4, head=None)
    assert [(each["name"], len(each["params"]), each["lr"]) for each in found] == [
        ("without decay", 2, 0.1),
        ("with decay", 1, 0.1),
    ]


@pytest.mark.parametrize(
    "settings",
    [
        SMALL_MAPS,
        replace(SSCD, architecture="resnet10t"),
        pytest.param(replace(TINY, batch_norm=True), marks=pytest.mark.train),
    ],
)
def test_a_step_moves_every_parameter_and_descriptors_have_unit_length(settings: NetSettings) -> None:
    torch.manual_seed(0)
    net = DescriptorNet(settings)
    optimizer = torch.optim.SGD(groups(net, rate=0.1, weight_decay=1e-6), momentum=0.9)
    pixels = torch.randn(3, 3, settings.input_size or 32, settings.input_size or 32)
    found = net(pixels)
    assert found.shape == (3, settings.dimensions)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(3))
    (found * torch.randn(found.shape)).sum().backward()
    before = {name: parameter.detach().clone() for name, parameter in net.named_parameters()}
    assert {name for name, parameter in net.named_parameters() if parameter.grad is None} == set()
    optimizer.step()
    moved = [name for name, parameter in net.named_parameters() if not torch.equal(parameter, before[name])]
    assert {"fc.weight"} < set(moved)


def test_the_power_mean_is_over_the_last_map() -> None:
    torch.manual_seed(0)
    net = DescriptorNet(replace(SMALL_MAPS, power=3.0)).eval()
    pixels = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        last = net.backbone(pixels)[-1]
        assert last.shape[2:] == (2, 3)
        pooled = torch.stack([(last[:, :, y, x].clamp(min=1e-6) ** 3) for y in range(2) for x in range(3)]).mean(0) ** (
            1 / 3
        )
        wanted = torch.nn.functional.normalize(net.bn(net.fc(pooled)))
        torch.testing.assert_close(net(pixels), wanted)


def test_what_it_saves_is_what_the_describer_of_the_winner_reads(tmp_path: Any) -> None:
    torch.manual_seed(0)
    net = DescriptorNet(replace(ISC21, architecture="tf_efficientnet_lite0", dimensions=12)).eval()
    path = tmp_path / "isc.pth"
    torch.save({"state_dict": {f"module.{name}": value for name, value in net.state_dict().items()}}, path)
    found = backbones.load(str(path), architecture="tf_efficientnet_lite0", low_precision=False)
    frames = torch.randint(0, 256, (2, 3, 64, 64)).float()
    mean, deviation = (
        torch.tensor(each).view(3, 1, 1)
        for each in (found.source.preprocessing.mean, found.source.preprocessing.deviation)
    )
    with torch.no_grad():
        torch.testing.assert_close(found(frames)[0], net((frames - mean) / deviation), atol=1e-5, rtol=1e-4)


def test_another_networks_weights_are_refused() -> None:
    with pytest.raises(UsageError, match="do not fit"):
        DescriptorNet(SMALL_MAPS).load({"fc.weight": torch.zeros(2, 2)})


def test_what_timm_cannot_make_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot make `no_such_net`"):
        DescriptorNet(replace(VIT_R50, architecture="no_such_net"))
    with pytest.raises(UsageError, match="cannot make `resnet10t`"):
        DescriptorNet(NetSettings(architecture="resnet10t", input_size=224))
    with pytest.raises(UsageError, match="`dimensions` is 0"):
        NetSettings(dimensions=0)


@pytest.mark.train
def test_the_chain_keeps_what_a_transformer_makes_of_a_constant_image() -> None:
    """Between any two sizes the cosine is at least 0.998; only the resampling can change it."""
    torch.manual_seed(0)
    values, found, state = (-0.7, 0.0, 0.6), [], None
    for size in (224, 384, 416, 448):
        net = DescriptorNet(replace(TINY, input_size=size)).eval()
        if state is not None:
            net.load(state)
        state = net.state_dict()
        with torch.no_grad():
            found.append(net(torch.stack([torch.full((3, size, size), value) for value in values])))
    assert (found[0][0] @ found[0][2]).item() < 0.5  # other images are told apart
    for one in found:
        for other in found:
            assert (one * other).sum(1).min() > 0.998


@pytest.mark.train
def test_the_chain_of_the_hybrid_loads_at_every_size_and_changes_no_other_weight() -> None:
    torch.manual_seed(0)
    settings = replace(VIT_R50, architecture="vit_tiny_r_s16_p8_224", dimensions=32)
    first = DescriptorNet(settings)
    state = first.state_dict()
    for size in (384, 416, 448):
        net = DescriptorNet(replace(settings, input_size=size)).eval()
        net.load(state)
        state = net.state_dict()
        assert torch.isfinite(net(torch.randn(1, 3, size, size))).all()
    kept = first.state_dict()
    assert [
        name for name, value in kept.items() if value.shape != state[name].shape or not torch.equal(value, state[name])
    ] == ["backbone.pos_embed"]
