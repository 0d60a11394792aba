"""The training of one network: what is found, what is frozen, what moves how fast."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podium.errors import UsageError

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from podium.solutions.reidentification.dataset import Classes, Example  # noqa: E402 - after the checks
from podium.solutions.reidentification.heads import HeadSettings  # noqa: E402
from podium.solutions.reidentification.learner import (  # noqa: E402
    Learner,
    LearningSettings,
    database_of,
    freeze,
    retrieval,
)
from podium.solutions.reidentification.network import NetworkSettings, build  # noqa: E402
from podium.solutions.reidentification.photos import Photo  # noqa: E402

SHAPE = NetworkSettings(architecture="test_efficientnet", levels=(3, 4), height=32, width=32)
CLASSES = Classes(names=("anna", "bob", "cleo"), photos_C=(4, 3, 1), mirrored=False)


def photo(name: str, who: str, met: str) -> Photo:
    return Photo(image_id=name, path=Path(name), individual=who, encounter=met)


def learner(**changes: Any) -> Learner:
    torch.manual_seed(0)
    values = {"classes": CLASSES, "head": HeadSettings(), "learning": LearningSettings(), **changes}
    return Learner(build(SHAPE, weights="none"), **values)


def batch(count: int = 6, *, share: float = 1.0) -> Example:
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (count, 32, 32, 3), generator=generator, dtype=torch.uint8)
    label = torch.arange(count) % 3
    other = label if share == 1.0 else (label + 1) % 3
    shares = torch.full((count,), share, dtype=torch.float64)
    return Example(images, label, other, shares, torch.arange(count))  # type: ignore[arg-type]


def slow_map(vectors: np.ndarray, photos: list[Photo], queries: int | None) -> float | None:
    """Query by query, candidate by candidate."""
    first: dict[str, int] = {}
    for place, each in enumerate(photos):
        first.setdefault(each.encounter, place)
    values = []
    for place, query in enumerate(photos[:queries]):
        database = [at for met, at in first.items() if met != query.encounter]
        right = [at for at in database if photos[at].individual == query.individual]
        if not right:
            continue
        ranked = sorted(database, key=lambda at: -float(vectors[place] @ vectors[at]))[:20]
        hits = [rank for rank, at in enumerate(ranked, 1) if at in right]
        values.append(sum(number / rank for number, rank in enumerate(hits, 1)) / min(len(right), 20))
    return sum(values) / len(values) if values else None


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40), st.none() | st.integers(1, 10))
def test_retrieval_is_the_slow_one(seed: int, count: int, queries: int | None) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, 5))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    photos = []
    for place in range(count):
        who, met = rng.integers(0, 4), rng.integers(0, 9)
        photos.append(photo(str(place), str(who), f"{who}-{met}"))
    found, expected = retrieval(vectors, photos, queries=queries), slow_map(vectors, photos, queries)
    assert found == (None if expected is None else pytest.approx(expected, abs=1e-12))


def test_photographs_of_the_same_encounter_are_no_matches() -> None:
    photos = [photo("a", "anna", "1"), photo("b", "anna", "1"), photo("c", "anna", "2"), photo("d", "bob", "3")]
    vectors = np.array([[1.0, 0], [1, 0], [0, 1], [0.6, 0.8]])
    assert database_of(photos) == [0, 2, 3]
    assert retrieval(vectors, photos) == pytest.approx((1 / 2 + 1 / 2 + 1 / 2) / 3)
    assert retrieval(vectors, photos[:2]) is None
    assert retrieval(vectors[:0], []) is None


def test_frozen_levels_do_not_move_and_their_norms_keep_their_averages() -> None:
    made = learner(learning=LearningSettings(frozen_levels=2, backbone_rate=0.1, head_rate=0.1))
    backbone = made.network.backbone
    frozen = {name for name, value in backbone.named_parameters() if not value.requires_grad}
    assert {name.split(".")[0] for name in frozen} == {"conv_stem", "bn1", "blocks"}
    assert {name.split(".")[1] for name in frozen if name.startswith("blocks")} == {"0", "1"}
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    made.eval()
    made.train()
    optimizer = torch.optim.SGD([each for each in made.parameters() if each.requires_grad], lr=0.1)
    made.log = lambda *_, **__: None  # type: ignore[method-assign]
    made.training_step(batch(), 0).backward()
    optimizer.step()
    still = {name for name, value in backbone.state_dict().items() if torch.equal(value, before[name])}
    assert {name for name in before if name.startswith(("conv_stem", "bn1.", "blocks.0", "blocks.1"))} <= still
    assert "blocks.2.0.bn1.running_mean" not in still
    assert "blocks.4.0.conv_pwl.weight" not in still


def test_no_more_levels_can_be_frozen_than_there_are() -> None:
    network = build(SHAPE, weights="none")
    assert freeze(network, 0) == []
    with pytest.raises(UsageError, match="`6` levels are to be frozen; `test_efficientnet` has 5"):
        freeze(network, 6)
    freeze(network, 5)
    assert not any(each.requires_grad for each in network.backbone.parameters())


def test_a_mixed_batch_weighs_both_classes_by_the_share() -> None:
    made = learner().eval()
    example = batch(share=0.25)
    vectors = made(example.image_HWC)
    label, other = torch.as_tensor(example.label), torch.as_tensor(example.other)
    both = made._loss(vectors, label, other, example.share)
    own = made.head.loss(made.head(vectors, label), label)
    second = made.head.loss(made.head(vectors, other), other)
    torch.testing.assert_close(both, 0.25 * own + 0.75 * second, rtol=1e-5, atol=1e-5)


def test_every_part_learns_at_its_own_rate() -> None:
    rates = LearningSettings(backbone_rate=1e-3, neck_rate=2e-3, head_rate=3e-3, weight_decay=0.1)
    made = learner(learning=rates)
    made._trainer = SimpleNamespace(estimated_stepping_batches=10, max_epochs=2)  # type: ignore[assignment]
    found = made.configure_optimizers()["optimizer"]
    assert isinstance(found, torch.optim.AdamW)
    peak = {group["name"]: (group["initial_lr"], group["weight_decay"]) for group in found.param_groups}
    assert peak == {
        "network without decay": (2e-3, 0.0),
        "network.backbone": (1e-3, 0.1),
        "network.backbone without decay": (1e-3, 0.0),
        "head": (3e-3, 0.1),
    }
    parameters = [each for group in found.param_groups for each in group["params"]]
    assert len(parameters) == len(list(made.parameters()))


def test_norms_average_at_the_pace_that_was_set() -> None:
    made = learner(learning=LearningSettings(averages_of_norms=0.3))
    norms = [each for each in made.network.modules() if isinstance(each, torch.nn.modules.batchnorm._BatchNorm)]
    assert norms
    assert {each.momentum for each in norms} == {0.3}


def test_an_unknown_optimizer_is_refused() -> None:
    with pytest.raises(UsageError, match="did you mean `adamw`"):
        LearningSettings(optimizer="adamww")


@pytest.mark.train
def test_a_few_steps_learn_a_batch_by_heart() -> None:
    made = learner(head=HeadSettings(scale=10.0))
    made.log = lambda *_, **__: None  # type: ignore[method-assign]
    optimizer = torch.optim.AdamW(made.parameters(), lr=3e-3)
    losses = []
    for _ in range(12):
        loss = made.training_step(batch(), 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
