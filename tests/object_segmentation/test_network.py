"""The whole network: sizes, what counts and what does not, and what a folder of it holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from podium.errors import UsageError

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from podium.solutions.object_segmentation import network as networks  # noqa: E402 - after the checks
from podium.solutions.object_segmentation.fusion import Fusion, Gate, contexts  # noqa: E402
from podium.solutions.object_segmentation.network import Network, NetworkSettings, build, parameters  # noqa: E402

SMALL = "mobilenetv4_conv_small"


def settings(**how: object) -> NetworkSettings:
    return NetworkSettings(**{"encoder": SMALL, "pretrained": None, "channels": 16, **how})


def network(**how: object) -> Network:
    torch.manual_seed(0)
    return build(settings(**how))


def pictures(count: int = 2, height: int = 64, width: int = 96) -> tuple[torch.Tensor, torch.Tensor]:
    drawn = torch.Generator().manual_seed(1)
    image = torch.rand(count, 3, height, width, generator=drawn)
    return image, torch.rand(count, 3, height, width, generator=drawn) * 2 - 1


@pytest.mark.parametrize("encoder", [SMALL, "convnextv2_atto"])
@pytest.mark.parametrize("streams", ["image", "motion", "both"])
@pytest.mark.parametrize("size", [(64, 96), (70, 90)])
def test_logits_have_the_size_of_the_frame(encoder: str, streams: str, size: tuple[int, int]) -> None:
    output = network(encoder=encoder, streams=streams).eval()(*pictures(1, *size))
    assert output.logits_N1HW.shape == (1, 1, *size)
    heights = [-(-size[0] // stride) for stride in (8, 16, 32)]
    assert [abs(each.shape[2] - height) <= 1 for each, height in zip(output.side, heights, strict=True)] == [True] * 3


def test_without_motion_the_motion_picture_counts_nothing() -> None:
    net = network().eval()
    image, motion = pictures()
    without = torch.tensor([False, True])
    first, second = net(image, motion, without).logits_N1HW, net(image, -motion, without).logits_N1HW
    torch.testing.assert_close(first[0], second[0])
    assert not torch.allclose(first[1], second[1])
    wild = motion.clone()
    wild[0] = float("nan")
    torch.testing.assert_close(net(image, wild, without).logits_N1HW, first)


@pytest.mark.parametrize(("streams", "same"), [("image", 0), ("motion", 1)])
def test_one_stream_sees_one_picture_only(streams: str, same: int) -> None:
    net = network(streams=streams, encoder="convnextv2_atto").eval()
    first, second = pictures(), list(pictures())
    second[1 - same] = second[1 - same].flip(3)
    torch.testing.assert_close(net(*first).logits_N1HW, net(*second).logits_N1HW)
    second = list(pictures())
    second[same] = second[same].flip(3)
    assert not torch.allclose(net(*first).logits_N1HW, net(*second).logits_N1HW)


def test_a_network_of_one_stream_has_the_same_capacity() -> None:
    both, image, motion = (parameters(network(streams=each, channels=64)) for each in ("both", "image", "motion"))
    assert image == motion
    assert 0.97 < image / both < 1


def test_withheld_motion_is_as_if_there_were_none() -> None:
    image, motion = pictures(4)
    always, never = network(motion_dropout=1.0).train(), network(motion_dropout=0.0).train()
    none = torch.zeros(4, dtype=torch.bool)
    torch.testing.assert_close(always(image, motion).logits_N1HW, never(image, motion, none).logits_N1HW)
    assert not torch.allclose(always(image, motion).logits_N1HW, never(image, motion).logits_N1HW)
    always.eval()
    assert not torch.allclose(always(image, motion).logits_N1HW, always(image, motion, none).logits_N1HW)


def test_motion_is_withheld_as_often_as_is_asked() -> None:
    net = network(motion_dropout=0.25).train()
    torch.manual_seed(3)
    kept = net._drop(torch.zeros(4000, 1, 1, 1), None)
    assert 0.72 < kept.float().mean() < 0.78


def test_every_weight_learns() -> None:
    net = network(motion_dropout=0.0).train()
    output = net(*pictures())
    (output.logits_N1HW.square().mean() + sum(each.square().mean() for each in output.side)).backward()
    idle = [name for name, each in net.named_parameters() if each.grad is None or not each.grad.abs().sum() > 0]
    assert idle == []


def test_contexts_are_means_over_object_and_background() -> None:
    features = torch.tensor([[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 8.0, 8.0]]).reshape(1, 2, 2, 2)
    logits = torch.tensor([60.0, 60.0, 60.0, -60.0]).reshape(1, 1, 2, 2)
    found = contexts(features, logits)
    torch.testing.assert_close(found, torch.tensor([[[2.0, 8 / 3], [4.0, 8.0]]]), atol=1e-2, rtol=0)


def test_the_gate_chooses_between_frame_and_motion() -> None:
    torch.manual_seed(0)
    fusion = Fusion(4, 8, kind="gated").eval()
    image, motion = torch.rand(2, 4, 6, 6), torch.rand(2, 4, 6, 6)
    mixed = fusion(image, motion, torch.tensor([True, False])).features_NCHW
    frame, moved = fusion.image(image), fusion.motion(motion)
    low, high = torch.minimum(frame, moved) - 1e-6, torch.maximum(frame, moved) + 1e-6
    assert ((mixed >= low) & (mixed <= high))[0].all()
    torch.testing.assert_close(mixed[1], frame[1])
    assert isinstance(fusion.gate, Gate)
    weight = fusion.gate(frame, moved)
    torch.testing.assert_close(mixed[0], (weight * frame + (1 - weight) * moved)[0])


def test_a_saved_network_says_the_same_in_the_same_bytes(tmp_path: Path) -> None:
    net = network().train()
    net(*pictures())
    net.eval()
    networks.save(net, tmp_path / "a")
    again = networks.load(tmp_path / "a")
    assert again.settings == net.settings
    assert not again.training
    torch.testing.assert_close(again(*pictures()).logits_N1HW, net(*pictures()).logits_N1HW, atol=0, rtol=0)
    networks.save(again, tmp_path / "b")
    for name in ("network.yaml", "weights.safetensors"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_folder_that_is_no_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no network"):
        networks.load(tmp_path)
    networks.save(network(), tmp_path)
    text = (tmp_path / "network.yaml").read_text()
    (tmp_path / "network.yaml").write_text(text.replace("channels: 16", "channels: 4096"))
    with pytest.raises(UsageError, match=r"needs `\d+` weights"):
        networks.load(tmp_path)
    (tmp_path / "network.yaml").write_text(text.replace("channels: 16", "chanels: 16"))
    with pytest.raises(UsageError, match="did you mean `channels`"):
        networks.load(tmp_path)


def test_pictures_of_different_sizes_are_refused() -> None:
    with pytest.raises(UsageError, match="both must be alike"):
        network()(torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 32))


@pytest.mark.parametrize(("how", "said"), [({"channels": 8}, "at least 16"), ({"motion_dropout": 1.5}, "0 to 1")])
def test_settings_are_checked(how: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        settings(**how)
