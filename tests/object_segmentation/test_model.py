"""A model as a folder: all its parts, what they count and how much they compute."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from podium.errors import UsageError

torch = pytest.importorskip("torch")
pytest.importorskip("timm")
pytest.importorskip("cv2")

from torch import nn  # noqa: E402 - after the checks

from podium.solutions.object_segmentation import network as networks  # noqa: E402
from podium.solutions.object_segmentation.flow import FlowSettings  # noqa: E402
from podium.solutions.object_segmentation.inference import PostSettings  # noqa: E402
from podium.solutions.object_segmentation.inputs import InputSettings  # noqa: E402
from podium.solutions.object_segmentation.model import Model, together  # noqa: E402
from podium.solutions.object_segmentation.network import Network, NetworkSettings, build  # noqa: E402

INPUTS = InputSettings(short_side=64)


def network(seed: int = 0, **how: object) -> Network:
    torch.manual_seed(seed)
    settings = {"encoder": "test_efficientnet", "pretrained": None, "channels": 16, **how}
    return build(NetworkSettings(**settings)).eval()


def plain_multiply_adds(net: Network, height: int, width: int) -> int:
    """Of convolutions and linear layers, one by one, from the sizes of what goes in and out."""
    total = 0

    def count(layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal total
        if isinstance(layer, nn.Conv2d):
            high, wide = layer.kernel_size
            total += output.numel() * high * wide * layer.in_channels // layer.groups
        elif isinstance(layer, nn.Linear):
            total += output.numel() * layer.in_features

    hooks = [each.register_forward_hook(count) for each in net.modules()]
    picture = torch.zeros(1, 3, height, width)
    with torch.no_grad():
        net(picture, picture)
    for hook in hooks:
        hook.remove()
    return total


def test_multiply_adds_are_those_of_every_layer() -> None:
    net = network(fusion="gated")
    model = Model(networks=(net,), inputs=INPUTS, postprocess=PostSettings(flip=False, gaps=(1,), scales=(1.0,)))
    assert model.multiply_adds(48, 90) == plain_multiply_adds(net, 64, 128)


def test_alignment_adds_its_products_of_matrices() -> None:
    plain, aligned = (
        Model(networks=(network(fusion=kind),), inputs=INPUTS).multiply_adds(64, 96) for kind in ("gated", "aligned")
    )
    channels, pixels = 16, [(64 // stride) * (96 // stride) for stride in (8, 16, 32)]
    words = 2 * (2 * channels * channels)
    products = sum(2 * channels * count + 2 * (2 * 2 * channels * count) + words + channels * count for count in pixels)
    assert aligned - plain == products


def test_every_pass_and_every_network_counts() -> None:
    once = Model(networks=(network(),), inputs=INPUTS).multiply_adds(64, 96)
    asked = PostSettings(flip=True, gaps=(1, -1))
    twice = Model(networks=(network(), network(1)), inputs=INPUTS, postprocess=asked)
    assert twice.multiply_adds(64, 96) == 8 * once
    scaled = PostSettings(scales=(1.0, 2.0))
    larger = Model(networks=(network(),), inputs=replace(INPUTS, short_side=128)).multiply_adds(64, 96)
    assert Model(networks=(network(),), inputs=INPUTS, postprocess=scaled).multiply_adds(64, 96) == once + larger


def test_parameters_of_all_parts_count() -> None:
    one, two = network(), network(1)
    count = sum(each.numel() for each in one.parameters())
    assert Model(networks=(one,), inputs=INPUTS).parameters == count
    assert Model(networks=(one, two), inputs=INPUTS).parameters == 2 * count


@pytest.mark.train
def test_a_network_for_flow_is_counted_and_travels_with_the_model(tmp_path: Path) -> None:
    from safetensors.torch import save_file
    from torchvision.models.optical_flow import raft_small

    torch.manual_seed(0)
    raft = raft_small(weights=None)
    save_file(raft.state_dict(), tmp_path / "raft.safetensors")
    flow = FlowSettings(method="raft-small", weights=str(tmp_path / "raft.safetensors"))
    inputs = replace(INPUTS, flow=flow)
    model, without = Model(networks=(network(),), inputs=inputs), Model(networks=(network(),), inputs=INPUTS)
    count = sum(each.numel() for each in raft.parameters())
    assert count > 900_000
    assert model.parameters == without.parameters + count
    assert model.multiply_adds(64, 96) > 2 * without.multiply_adds(64, 96)
    model.save(tmp_path / "model")
    (tmp_path / "raft.safetensors").unlink()
    (tmp_path / "model").rename(tmp_path / "moved")
    again = Model.load(tmp_path / "moved")
    assert again.parameters == model.parameters
    assert again.inputs.flow.weights == str(tmp_path / "moved" / "raft-small.safetensors")


@pytest.mark.parametrize("count", [1, 2])
def test_a_saved_model_is_the_same_in_the_same_bytes(count: int, tmp_path: Path) -> None:
    made = tuple(network(seed) for seed in range(count))
    model = Model(networks=made, inputs=INPUTS, postprocess=PostSettings(flip=True, smoothing=0.1))
    model.save(tmp_path / "a")
    again = Model.load(tmp_path / "a")
    assert (again.inputs, again.postprocess) == (model.inputs, model.postprocess)
    picture = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        for first, second in zip(model.networks, again.networks, strict=True):
            np.testing.assert_array_equal(first(picture, picture)[0].numpy(), second(picture, picture)[0].numpy())
    again.save(tmp_path / "b")
    files = {each.relative_to(tmp_path / "a"): each.read_bytes() for each in (tmp_path / "a").rglob("*.*")}
    assert files == {each.relative_to(tmp_path / "b"): each.read_bytes() for each in (tmp_path / "b").rglob("*.*")}
    assert len(files) == 1 + 2 * count


def test_several_models_become_one_where_they_see_alike() -> None:
    first, second = (Model(networks=(network(seed),), inputs=INPUTS) for seed in range(2))
    assert together([first, second]).networks == (*first.networks, *second.networks)
    other = Model(networks=(network(),), inputs=replace(INPUTS, short_side=96))
    with pytest.raises(UsageError, match="different ways"):
        together([first, other])
    with pytest.raises(UsageError, match="no model"):
        together([])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("networks: []", "one or more folders"),
        ("networks: [../other]", r"names `\.\./other`"),
        ("networks: [network]\ninput: {}", "did you mean `inputs`"),
        ("networks: [absent]", "holds no network"),
    ],
)
def test_a_file_that_describes_no_model_is_refused(text: str, said: str, tmp_path: Path) -> None:
    networks.save(network(), tmp_path / "network")
    (tmp_path / "model.yaml").write_text(text)
    with pytest.raises(UsageError, match=said):
        Model.load(tmp_path)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"`model.yaml` is missing"):
        Model.load(tmp_path)
    with pytest.raises(UsageError, match="has no networks"):
        Model(networks=(), inputs=INPUTS)
