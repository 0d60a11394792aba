"""Recipes of this solution: sections, stages, and what those that ship say."""

from __future__ import annotations

from pathlib import Path

import pytest

from podium.errors import UsageError

torch = pytest.importorskip("torch")
pytest.importorskip("timm")
pytest.importorskip("lightning")

from podium.solutions.object_segmentation import losses  # noqa: E402 - after the checks
from podium.solutions.object_segmentation.network import build, parameters  # noqa: E402
from podium.solutions.object_segmentation.plan import Recipe, plan  # noqa: E402
from podium.solutions.training import parameter_groups, recipe  # noqa: E402

NAMES = ("quick", "small", "davis")


def shipped(name: str) -> Path:
    return recipe.find(f"object_segmentation/{name}")


def test_every_recipe_that_ships_is_found_and_listed() -> None:
    listed = {each.name: each.summary for each in recipe.listed()}
    for name in NAMES:
        assert listed[f"object_segmentation/{name}"].startswith(f"{name}: ")
        assert recipe.head(shipped(name)).challenge == "davis"


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_that_ships_survives_being_written(name: str) -> None:
    chain = plan(shipped(name), {})
    assert recipe.read(recipe.dump(chain.whole), Recipe) == chain.whole
    for stage in chain.stages:
        assert recipe.read(recipe.dump(stage.recipe), Recipe) == stage.recipe


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("streams", ["image", "motion"])
def test_each_can_be_trained_with_one_picture_alone(name: str, streams: str) -> None:
    chain = plan(shipped(name), {"network.streams": streams})
    assert {each.recipe.network.streams for each in chain.stages} == {streams}


def test_the_large_recipe_goes_from_stills_to_clips_to_davis() -> None:
    chain = plan(shipped("davis"), {})
    told = [(each.name, each.recipe.start, each.recipe.data.folder, each.recipe.steps) for each in chain.stages]
    assert told == [
        ("stills", None, "stills", 50_000),
        ("youtube-vos", "stage:stills", "youtube-vos", 60_000),
        ("davis", "stage:youtube-vos", "davis", 4_000),
    ]
    for stage in chain.stages:
        settings = stage.recipe
        assert (settings.data.judged_by, settings.data.held_out) == ("davis", "share")
        assert (settings.trainer.precision, settings.trainer.monitor) == ("bf16-mixed", "validation/j")
        assert settings.trainer.average is not None
        assert settings.trainer.average.decay == 0.999
        assert settings.loss.boundary == 0.2
        assert settings.learning.rate == pytest.approx(10 * settings.learning.encoder_rate)
        assert settings.samples.height % settings.inputs.multiple == settings.samples.width % settings.inputs.multiple
    assert [each.recipe.inputs.short_side for each in chain.stages] == [384, 384, 480]


@pytest.mark.train
@pytest.mark.parametrize("encoder", ["pvt_v2_b2", "convnextv2_tiny"])
def test_the_large_recipe_stays_below_the_budget_and_takes_a_step(encoder: str) -> None:
    overrides = {"network.pretrained": "null", "network.encoder": encoder, "network.motion_dropout": "0"}
    settings = plan(shipped("davis"), overrides).stages[-1].recipe
    torch.manual_seed(0)
    network = build(settings.network)
    assert 20_000_000 < parameters(network) < 32_000_000 < 50_000_000
    rates = {"": settings.learning.rate, "encoder": settings.learning.encoder_rate}
    optimizer = torch.optim.AdamW(parameter_groups.groups(network, learning_rates=rates, weight_decay=0.01))
    image, motion = torch.rand(2, 3, 64, 96), torch.rand(2, 3, 64, 96) * 2 - 1
    mask = torch.zeros(2, 1, 64, 96)
    mask[..., 20:40, 30:60] = 1
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    losses.loss(network(image, motion), mask, torch.ones_like(mask), settings.loss).backward()
    optimizer.step()
    still = [name for name, value in network.named_parameters() if torch.equal(value, before[name])]
    assert len(still) < 0.05 * len(before)


def test_small_recipes_begin_with_the_packaged_weights_and_stay_small() -> None:
    for name in ("quick", "small"):
        settings = plan(shipped(name), {}).stages[0].recipe
        assert settings.network.pretrained == "efficientnet_lite0"
        assert settings.trainer.average is not None
        count = parameters(build(settings.network))
        assert 3_000_000 < count < 3_300_000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("steps: 10\ninterval: 3", "a multiple of `interval`"),
        ("trainer: {epochs: 3}", "follows from `steps`"),
        ("data: {held_out: none}\ntrainer: {monitor: validation/j}", "cannot be monitored"),
        ("data: {share: 1.0}", "above 0 and below 1"),
        ("batch: {frames: 1}", "at least 2"),
        ("network: {chanels: 3}", "did you mean `channels`"),
        ("network: {streams: flow}", "`network.streams` .* is `flow`"),
        ("learning: {rate: 0}", "must be above 0"),
        ("stages: [{name: a}, {name: b, set: {network.channels: 32}}]", "the stage `b` has another shape"),
        ("stages: [{name: a}, {name: b, set: {inputs.motion.compensate: false}}]", "sees motion otherwise"),
    ],
)
def test_faults_say_what_is_wrong(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"solution: object_segmentation\n{text}\n")
    with pytest.raises(UsageError, match=said):
        plan(path, {})


def test_a_stage_may_learn_otherwise_with_the_same_network(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "solution: object_segmentation\n"
        "stages: [{name: a}, {name: b, set: {network.motion_dropout: 0.5, inputs.short_side: 256}}]\n"
    )
    assert [each.recipe.network.motion_dropout for each in plan(path, {}).stages] == [0.1, 0.5]
