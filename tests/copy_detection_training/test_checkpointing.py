"""Training with gradient checkpointing is training without it."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from podium.errors import UsageError  # noqa: E402 - after the check for torch
from podium.solutions.copy_detection.training.checkpointing import Checkpointing  # noqa: E402
from podium.solutions.copy_detection.training.nets import DescriptorNet, NetSettings  # noqa: E402

NETS = {
    "token": NetSettings(architecture="vit_tiny_patch16_224", dimensions=8),
    "hybrid": NetSettings(architecture="vit_tiny_r_s16_p8_224", dimensions=8),
    "efficientnet": NetSettings(
        architecture="tf_efficientnet_lite0", input_size=None, pooling="power-mean", dimensions=8
    ),
    "resnet": NetSettings(architecture="resnet10t", input_size=None, pooling="power-mean", dimensions=8),
}


@pytest.mark.parametrize(
    "name",
    [
        "efficientnet",
        pytest.param("resnet", marks=pytest.mark.train),
        pytest.param("token", marks=pytest.mark.train),
        pytest.param("hybrid", marks=pytest.mark.train),
    ],
)
def test_gradients_and_running_statistics_are_those_without_it(name: str) -> None:
    settings = NETS[name]
    torch.manual_seed(0)
    plain = DescriptorNet(settings).train()
    saving = DescriptorNet(replace(settings, checkpointing=True)).train()
    saving.load_state_dict(plain.state_dict())
    edge = settings.input_size or 32
    for step in range(2):
        pixels = torch.randn(3, 3, edge, edge, generator=torch.Generator().manual_seed(step))
        weights = torch.randn(3, 8, generator=torch.Generator().manual_seed(step + 9))
        for net in (plain, saving):
            net.zero_grad()
            (net(pixels) * weights).sum().backward()
        for (name_, one), two in zip(plain.named_parameters(), saving.parameters(), strict=True):
            torch.testing.assert_close(two.grad, one.grad, msg=name_)
    for key, value in plain.state_dict().items():
        torch.testing.assert_close(saving.state_dict()[key], value, msg=key)


def test_parts_are_really_computed_again_and_without_the_guard_norms_would_count_twice() -> None:
    torch.manual_seed(0)
    net = DescriptorNet(NETS["efficientnet"]).train()
    norm = next(each for name, each in net.named_modules() if name == "backbone.blocks.1.0.bn1")
    runs = 0

    def tally(*_: object) -> None:
        nonlocal runs
        runs += 1

    norm.register_forward_pre_hook(tally)
    net.backbone.set_grad_checkpointing(True)
    net(torch.randn(2, 3, 32, 32)).sum().backward()
    assert (runs, norm.num_batches_tracked.item()) == (2, 2)
    net.checkpoint(True)
    net(torch.randn(2, 3, 32, 32)).sum().backward()
    assert (runs, norm.num_batches_tracked.item()) == (4, 3)
    net.checkpoint(False)
    net(torch.randn(2, 3, 32, 32)).sum().backward()
    assert (runs, norm.num_batches_tracked.item()) == (5, 4)


def test_norms_that_replace_others_later_are_watched_too() -> None:
    net = DescriptorNet(replace(NETS["efficientnet"], checkpointing=True)).train()
    net(torch.randn(2, 3, 32, 32)).sum().backward()
    block = net.backbone.blocks[1][0]
    old = block.bn1
    block.bn1 = type(old)(old.num_features)
    net(torch.randn(2, 3, 32, 32)).sum().backward()
    assert block.bn1.num_batches_tracked.item() == 1


def test_a_net_that_cannot_is_refused() -> None:
    with pytest.raises(UsageError, match="`Linear` has no gradient checkpointing"):
        Checkpointing(torch.nn.Linear(2, 2)).switch(True)
