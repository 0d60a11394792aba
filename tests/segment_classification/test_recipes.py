"""Recipes that ship: every value, seed, fold and step of the seventh place, and the same sequence made small."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from podium.solutions.segment_classification.encoders import EncoderSettings  # noqa: E402 - after the checks
from podium.solutions.segment_classification.network import Network, build, parameters  # noqa: E402
from podium.solutions.segment_classification.plan import Plan, Recipe, plan  # noqa: E402
from podium.solutions.segment_classification.train import shaped  # noqa: E402
from podium.solutions.training import recipe, schedule  # noqa: E402

NAMES = ("seventh_place", "small", "quick", "tiny")
NONE: Mapping[str, str] = {}


def planned(name: str, overrides: Mapping[str, str] = NONE) -> Plan:
    return plan(recipe.find(f"segment_classification/{name}"), overrides)


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_that_ships_survives_being_written(name: str) -> None:
    found = planned(name)
    assert recipe.read(recipe.dump(found.whole), Recipe) == found.whole
    assert found.whole.summary
    for training in found.trainings:
        assert recipe.read(recipe.dump(training.recipe), Recipe) == training.recipe


def test_the_seventh_place_begins_with_two_networks_of_whole_videos() -> None:
    bases = {each.name: each.recipe for each in planned("seventh_place").trainings if each.recipe.stage == "video"}
    assert bases["dbof-3"].network.encoder == EncoderSettings(
        kind="dbof", hidden=4096, features=2048, dropout=0.5, reduction=4, frame_reduction=8
    )
    assert bases["nextvlad-2"].network.encoder == EncoderSettings(
        kind="nextvlad", features=2048, dropout=0.5, reduction=4, clusters=64, groups=16, expansion=2, batch_norm=True
    )
    found = {
        name: (each.batch.videos, each.steps, each.interval, each.trainer.seed, each.batch.workers)
        for name, each in bases.items()
    }
    assert found == {"dbof-3": (128, 100_000, 10_000, 4827, 4), "nextvlad-2": (48, 200_000, 10_000, 1635, 4)}
    for each in bases.values():
        learning = each.learning
        assert (learning.rate, learning.epsilon, learning.weight_decay) == (3e-4, 1e-6, 0.1)
        assert learning.schedule == schedule.SEVENTH_PLACE_VIDEO
        assert (each.trainer.monitor, each.trainer.mode) == ("validation/loss", "min")
        assert each.data.held_out_videos == 4 * 32_000


def test_the_seventh_place_goes_on_with_ten_classifiers_of_which_seven_are_members() -> None:
    members = planned("seventh_place").members
    whole = planned("seventh_place").whole
    names = [each.name for each in whole.trainings]
    everything = planned("seventh_place", {"members": f"[{', '.join(names[2:])}]"})
    found = {
        each.name: (each.recipe.data.fold, each.recipe.trainer.seed, each.recipe.steps, each.recipe.interval)
        for each in everything.trainings[2:]
    }
    assert found == {
        "agnostic-dbof-0": (0, 1213, 9000, 3000),
        "agnostic-dbof-1": (1, 1216, 9000, 3000),
        "agnostic-dbof-2": (2, 1351, 9000, 3000),
        "agnostic-nextvlad-0": (0, 5696, 8000, 4000),
        "agnostic-nextvlad-1": (1, 1696, 12000, 4000),
        "agnostic-nextvlad-2": (2, 2396, 8000, 4000),
        "aware-dbof-nextvlad-3": (3, 4055, 12000, 3000),
        "aware-dbof-nextvlad-4": (4, 5055, 9000, 3000),
        "aware-nextvlad-nextvlad-5": (5, 5455, 9000, 3000),
        "aware-dbof-dbof-4": (4, 3055, 9000, 3000),
    }
    assert members == tuple(names[5:])
    for name, each in everything.by_name.items():
        if each.recipe.stage == "video":
            continue
        learning, kinds = each.recipe.learning, name.split("-")[1:-1]
        assert (learning.rate, learning.epsilon, learning.weight_decay) == (2e-4, 1e-7, 0.02)
        assert learning.encoder_rate == (1e-4 if each.recipe.aware else None)
        assert learning.context_rate is None
        assert learning.schedule == schedule.SEVENTH_PLACE_SEGMENT
        assert (each.recipe.trainer.monitor, each.recipe.trainer.mode) == ("validation/auc", "max")
        assert (each.recipe.trainer.gradient_clip, each.recipe.data.folds, each.recipe.data.fold_seed) == (10, 8, 42)
        assert [need.split("-")[0] for need in reversed(each.needs)] == kinds
        assert each.recipe.network.window.frames == 11


def test_the_networks_of_the_seventh_place_have_the_sizes_of_the_code() -> None:
    found = planned("seventh_place")

    def made(name: str) -> Network:
        settings = found.by_name[name].recipe
        base, context = (
            None if each is None else made(each.removeprefix("training:"))
            for each in (settings.start.base, settings.start.context)
        )
        with torch.device("meta"):
            return build(shaped(settings, 1000, base=base, context=context))

    assert parameters(made("nextvlad-2")) == parameters(made("agnostic-nextvlad-0")) == 32_570_757
    assert parameters(made("dbof-3")) == 36_043_685
    sizes = {
        "aware-nextvlad-nextvlad-5": (65_325_925, 40_969_605),
        "aware-dbof-nextvlad-3": (68_798_853, 40_969_605),
        "aware-dbof-dbof-4": (74_376_613, 46_547_365),
    }
    for name, (every, trainable) in sizes.items():
        network = made(name)
        assert (parameters(network), parameters(network, trainable=True)) == (every, trainable)


def test_the_small_sequence_is_the_same_made_narrow() -> None:
    large, small = planned("seventh_place"), planned("small")
    order = [each.recipe.stage for each in large.trainings]
    assert [each.recipe.stage for each in small.trainings] == order
    assert len(large.members) == 7
    assert small.members == tuple(each.name for each in small.trainings if each.recipe.aware)
    for one, other in zip(large.trainings, small.trainings, strict=True):
        assert (one.recipe.aware, one.recipe.trainer.seed) == (other.recipe.aware, other.recipe.trainer.seed)
        assert [each.split("-")[0] for each in one.needs] == list(other.needs)
    folds = {each.name: each.recipe.data.fold for each in small.trainings if each.recipe.stage == "segment"}
    assert [folds[name] for name in folds if "-nextvlad-" in name] == [0, 1, 2, 0, 1, 2]
