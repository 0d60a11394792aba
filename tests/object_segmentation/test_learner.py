"""How a network is judged while it learns, and which of its weights learn how fast."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.errors import UsageError
from podium.metrics.regions import intersection_over_union

torch = pytest.importorskip("torch")
pytest.importorskip("timm")
pytest.importorskip("lightning")

from podium.solutions.object_segmentation.dataset import FrameBatch  # noqa: E402 - after the checks
from podium.solutions.object_segmentation.learner import (  # noqa: E402
    FrameAgreement,
    Learner,
    LearningSettings,
    clip_regions,
    frame_regions,
    judge,
)
from podium.solutions.object_segmentation.losses import LossSettings  # noqa: E402
from podium.solutions.object_segmentation.network import Network, NetworkSettings, Output, build  # noqa: E402


def network() -> Network:
    torch.manual_seed(0)
    return build(NetworkSettings(encoder="test_efficientnet", pretrained=None, channels=16))


def batch(count: int = 3, *, clip: int = 0, seed: int = 0) -> FrameBatch:
    drawn = torch.Generator().manual_seed(seed)
    mask = torch.zeros(count, 1, 32, 64)
    mask[:, :, 8:20, 10:30] = 1
    return FrameBatch(
        image_N3HW=torch.rand(count, 3, 32, 64, generator=drawn),
        motion_N3HW=torch.rand(count, 3, 32, 64, generator=drawn) * 2 - 1,
        has_motion_N=torch.ones(count, dtype=torch.bool),
        mask_N1HW=mask,
        valid_N1HW=torch.ones_like(mask),
        clip_N=torch.full((count,), clip),
        frame_N=torch.arange(count),
    )


@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.floats(0, 1))
def test_the_region_of_a_frame_is_the_official_j(seed: int, found: float, true: float) -> None:
    rng = np.random.default_rng(seed)
    found_HW, true_HW = (rng.random((7, 9)) < share for share in (found, true))
    logits, mask = (torch.from_numpy(each.astype(np.float32))[None, None] for each in (found_HW, true_HW))
    said = frame_regions(logits - 0.5, mask, torch.ones_like(mask))
    official = intersection_over_union(true_HW, found_HW)
    assert said == [pytest.approx(1.0 if official is None else official)]


def test_pixels_of_which_nothing_is_known_do_not_count() -> None:
    mask, valid = torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)
    mask[..., :2] = 1
    valid[..., 3] = 0
    logits = torch.ones(1, 1, 4, 4)
    assert frame_regions(logits, mask, valid) == [pytest.approx(8 / 12)]
    assert frame_regions(-logits, mask * 0, valid) == [1.0]


def test_clips_count_alike_however_long_they_are() -> None:
    found = [FrameAgreement(clip=0, frame=each, region=1.0) for each in range(9)]
    found.append(FrameAgreement(clip=1, frame=0, region=0.0))
    assert clip_regions(found) == {0: 1.0, 1: 0.0}


def test_the_numbers_of_a_validation_are_those_of_its_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = Learner(network().eval(), learning=LearningSettings(), loss=LossSettings(window=5))
    logged: dict[str, float] = {}
    monkeypatch.setattr(learner, "log", lambda name, value, **_: logged.update({name: value}))
    batches = [batch(3, clip=0), batch(1, clip=1, seed=1)]
    for _ in range(2):
        learner.on_validation_epoch_start()
        with torch.no_grad():
            for number, each in enumerate(batches):
                learner.validation_step(each, number)
        learner.on_validation_epoch_end()
    said = judge(learner.network, batches)
    assert [(each.clip, each.frame) for each in said] == [(0, 0), (0, 1), (0, 2), (1, 0)]
    assert logged["validation/iou"] == pytest.approx(np.mean([each.region for each in said]))
    assert logged["validation/j"] == pytest.approx((np.mean([each.region for each in said[:3]]) + said[3].region) / 2)
    assert set(logged) == {"validation/loss", "validation/j", "validation/iou"}


def test_the_encoder_learns_at_its_own_rate_and_norms_are_not_decayed(monkeypatch: pytest.MonkeyPatch) -> None:
    learning = LearningSettings(rate=0.1, encoder_rate=0.01, weight_decay=0.5)
    learner = Learner(network(), learning=learning, loss=LossSettings())

    class Trainer:
        estimated_stepping_batches, max_epochs = 10, 2

    monkeypatch.setattr(Learner, "trainer", Trainer())
    made: Any = learner.configure_optimizers()
    found = {each["name"]: each for each in made["optimizer"].param_groups}
    assert {name: (each["initial_lr"], each["weight_decay"]) for name, each in found.items()} == {
        "network": (0.1, 0.5),
        "network without decay": (0.1, 0.0),
        "network.encoder": (0.01, 0.5),
        "network.encoder without decay": (0.01, 0.0),
    }
    assert sum(len(each["params"]) for each in found.values()) == len(list(learner.parameters()))


@pytest.mark.train
def test_steps_on_one_batch_make_its_loss_small() -> None:
    torch.manual_seed(0)
    learner = Learner(network(), learning=LearningSettings(), loss=LossSettings(window=5, tolerance=1))
    learner.log = lambda *_, **__: None
    optimizer = torch.optim.AdamW(learner.parameters(), 3e-3)
    shown = batch(2)
    seen = []
    for step in range(30):
        loss = learner.training_step(shown, step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.append(float(loss.detach()))
    assert seen[-1] < 0.5 * seen[0]
    output: Output = learner(shown)
    assert np.mean(frame_regions(output.logits_N1HW, shown.mask_N1HW, shown.valid_N1HW)) > 0.8


@pytest.mark.parametrize("how", [{"betas": (0.9, 1.0)}, {"encoder_rate": 0.0}, {"weight_decay": -1.0}])
def test_settings_are_checked(how: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        LearningSettings(**how)
