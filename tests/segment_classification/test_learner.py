"""Steps and learning rates: Adam with decay, what decays, and what a validation says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from podium.solutions.segment_classification.dataset import SegmentBatch, VideoBatch  # noqa: E402 - after the checks
from podium.solutions.segment_classification.encoders import EncoderSettings  # noqa: E402
from podium.solutions.segment_classification.learner import (  # noqa: E402
    LearningSettings,
    SegmentLearner,
    VideoLearner,
)
from podium.solutions.segment_classification.losses import segment_loss, video_loss  # noqa: E402
from podium.solutions.segment_classification.network import Network, NetworkSettings, build  # noqa: E402

TINY = EncoderSettings(kind="dbof", hidden=8, features=4, frame_reduction=2, reduction=2)


def network(*, context: bool = False) -> Network:
    torch.manual_seed(0)
    fusion = {"context": TINY, "fusion_features": 4, "fusion_reduction": 2} if context else {}
    return build(NetworkSettings(classes=3, encoder=TINY, **fusion))


def attached(learner: Any, steps: int = 100) -> Any:
    """A learner that thinks it is being trained, and notes what it logs."""
    learner._trainer = SimpleNamespace(estimated_stepping_batches=steps, max_epochs=2)
    learner.trainer = learner._trainer
    return learner


def segments(*, seed: int = 0) -> SegmentBatch:
    draw = torch.Generator().manual_seed(seed)
    return SegmentBatch(
        windows_RTD=torch.randint(0, 256, (5, 7, 1152), dtype=torch.uint8, generator=draw),
        mask_RT=torch.ones(5, 7, dtype=torch.bool),
        class_R=torch.tensor([0, 0, 1, 2, 2]),
        score_R=torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0]),
        video_R=torch.tensor([0, 0, 1, 1, 1]),
        free_VC=torch.tensor([[False, True, True], [True, False, False]]),
        features_VTD=torch.randint(0, 256, (2, 9, 1152), dtype=torch.uint8, generator=draw),
        frames_VT=torch.ones(2, 9, dtype=torch.bool),
        number_V=torch.tensor([3, 1]),
        start_R=torch.tensor([0, 5, 10, 15, 20]),
    )


def groups(learner: Any) -> list[dict[str, Any]]:
    return attached(learner).configure_optimizers()["optimizer"].param_groups


def logged(learner: Any, batches: list[Any]) -> dict[str, float]:
    noted: dict[str, float] = {}
    learner.log = lambda name, value, **_: noted.__setitem__(name, value)
    learner.eval()
    learner.on_validation_epoch_start()
    with torch.inference_mode():
        for number, batch in enumerate(batches):
            learner.validation_step(batch, number)
    learner.on_validation_epoch_end()
    return noted


def test_the_optimizer_is_adam_that_first_pulls_weights_by_decay_times_the_rate_of_the_step() -> None:
    learner = VideoLearner(network().double(), learning=LearningSettings(rate=0.01, weight_decay=0.1, epsilon=1e-6))
    made = attached(learner).configure_optimizers()
    optimizer, moving = made["optimizer"], made["lr_scheduler"]["scheduler"]
    decays = {id(each): group["weight_decay"] for group in optimizer.param_groups for each in group["params"]}
    parameters = list(learner.network.parameters())
    plain = [each.detach().clone() for each in parameters]
    first, second = ([torch.zeros_like(each) for each in plain] for _ in range(2))
    draw = torch.Generator().manual_seed(1)
    for step in range(1, 6):
        rate = optimizer.param_groups[0]["lr"]
        for at, each in enumerate(parameters):
            each.grad = torch.randn(each.shape, generator=draw, dtype=each.dtype)
            plain[at] -= decays[id(each)] * rate * plain[at]
            first[at] = 0.9 * first[at] + 0.1 * each.grad
            second[at] = 0.999 * second[at] + 0.001 * each.grad**2
            mean, square = first[at] / (1 - 0.9**step), second[at] / (1 - 0.999**step)
            plain[at] -= rate * mean / (square.sqrt() + 1e-6)
        optimizer.step()
        moving.step()
    assert max(decays.values()) == 0.1
    for one, other in zip(parameters, plain, strict=True):
        torch.testing.assert_close(one.detach(), other, rtol=1e-12, atol=1e-12)


def test_matrices_decay_and_nothing_else() -> None:
    learner = VideoLearner(network(), learning=LearningSettings(weight_decay=0.1))
    for group in groups(learner):
        assert all((each.ndim > 1) == (group["weight_decay"] > 0) for each in group["params"])


def test_the_reference_decays_all_but_what_is_called_bias() -> None:
    learner = VideoLearner(network(), learning=LearningSettings(weight_decay=0.1), reference=True)
    decayed = {id(each) for group in groups(learner) if group["weight_decay"] for each in group["params"]}
    found = {name: id(each) in decayed for name, each in learner.named_parameters()}
    assert found == {name: "bias" not in name for name in found}
    assert found["network.encoder.norm.weight"]
    assert not found["network.encoder.norm.bias"]


def test_the_parts_of_an_aware_network_learn_at_their_own_rates_and_its_context_not_at_all() -> None:
    learning = LearningSettings(rate=4e-4, encoder_rate=2e-4)
    learner = SegmentLearner(network(context=True), learning=learning)
    rates = {id(each): group["initial_lr"] for group in groups(learner) for each in group["params"]}
    for name, each in learner.named_parameters():
        part = name.split(".")[1]
        assert rates.get(id(each)) == {"encoder": 2e-4, "head": 4e-4, "fusion": 4e-4, "context": None}[part], name


def test_a_context_with_a_rate_learns_and_one_without_stays() -> None:
    frozen = SegmentLearner(network(context=True), learning=LearningSettings())
    assert not frozen.network.context.training
    frozen.training_step = SegmentLearner.training_step.__get__(frozen)
    moving = SegmentLearner(network(context=True), learning=LearningSettings(context_rate=1e-4))
    assert moving.network.context.training
    moving.eval()
    assert not moving.network.context.training
    moving.train()
    for learner, learns in ((frozen, False), (moving, True)):
        learner.log = lambda *_, **__: None
        learner.training_step(segments(), 0).backward()
        gradients = [each.grad for each in learner.network.context.parameters()]
        assert all((each is not None) == learns for each in gradients)
        assert learner.network.fusion.linear.weight.grad is not None


def test_a_cached_context_is_that_of_the_video_of_each_segment() -> None:
    learner = SegmentLearner(network(context=True), learning=LearningSettings()).eval()
    batch = segments()
    encoded_VF = learner.network.encode_context(batch.features_VTD, batch.frames_VT)
    cached_VF = np.full((5, 4), np.nan, dtype=np.float32)
    cached_VF[[3, 1]] = encoded_VF.numpy()
    with torch.inference_mode():
        one = learner.logits(batch, cached_VF)
        other = learner.logits(batch, None)
        alone = learner.network(batch.windows_RTD[2:3], batch.mask_RT[2:3], encoded_VF[1:])
    torch.testing.assert_close(one, other)
    torch.testing.assert_close(one[2:3], alone)


def test_the_losses_are_those_of_the_stage() -> None:
    learner = SegmentLearner(network(), learning=LearningSettings(negative_weight=0.25)).eval()
    learner.log = lambda *_, **__: None
    batch = segments()
    logits_RC = learner.logits(batch, None)
    free_RC = batch.free_VC[[0, 0, 1, 1, 1]]
    wanted = segment_loss(logits_RC, batch.class_R, batch.score_R, free_RC, negative_weight=0.25)
    torch.testing.assert_close(learner.training_step(batch, 0), wanted)


def test_a_validation_of_segments_says_loss_auc_accuracies_and_map() -> None:
    learner = SegmentLearner(network(), learning=LearningSettings())
    batches = [segments(seed=1), segments(seed=2)]
    found = logged(learner, batches)
    probability, right, mined, losses = [], [], [], []
    with torch.inference_mode():
        for batch in batches:
            logits_RC = learner.logits(batch, None)
            free_RC = batch.free_VC[batch.video_R]
            losses.append(float(segment_loss(logits_RC, batch.class_R, batch.score_R, free_RC)))
            probability += [float(row[each].sigmoid()) for row, each in zip(logits_RC, batch.class_R, strict=True)]
            right += batch.score_R.tolist()
            mined += (logits_RC[free_RC] <= 0).tolist()
    score, positive = np.array(probability), np.array(right) > 0
    pairs = score[positive][:, None] - score[~positive][None]
    assert found["validation/auc"] == pytest.approx(((pairs > 0) + 0.5 * (pairs == 0)).mean())
    assert found["validation/accuracy"] == pytest.approx(((score > 0.5) == positive).mean())
    assert found["validation/mined_accuracy"] == pytest.approx(np.mean(mined))
    assert found["validation/loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    assert 0 < found["validation/map"] <= 1


def test_a_validation_of_videos_weighs_batches_by_their_videos() -> None:
    learner = VideoLearner(network(), learning=LearningSettings())
    draw = torch.Generator().manual_seed(0)
    features_VTD = torch.randint(0, 256, (5, 6, 1152), dtype=torch.uint8, generator=draw)
    labels_VC = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 0, 1]])
    batches = [
        VideoBatch(
            features_VTD=features_VTD[part],
            mask_VT=torch.ones(len(features_VTD[part]), 6, dtype=torch.bool),
            labels_VC=labels_VC[part],
            number_V=torch.arange(5)[part],
        )
        for part in (slice(0, 4), slice(4, 5))
    ]
    found = logged(learner, batches)
    with torch.inference_mode():
        logits_VC = learner.network(features_VTD, torch.ones(5, 6, dtype=torch.bool))
    assert found["validation/loss"] == pytest.approx(float(video_loss(logits_VC, labels_VC)), rel=1e-5)
    hits = labels_VC[torch.arange(5), logits_VC.argmax(1)].mean()
    assert found["validation/hit"] == pytest.approx(float(hits))
    assert {"validation/gap", "validation/perr"} <= found.keys()
