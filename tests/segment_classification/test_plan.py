"""Recipes of sequences: what differs is put in, in order, and what no member needs is left out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from podium.errors import UsageError

pytest.importorskip("torch")
pytest.importorskip("lightning")

from podium.solutions.segment_classification.plan import Plan, Recipe, plan
from podium.solutions.training import recipe

NONE: Mapping[str, str] = {}
SEQUENCE = """
solution: segment_classification
steps: 6
interval: 3
trainings:
  - {name: base, set: {stage: video, network.encoder: {kind: mean-pool, features: 8}, steps: 9}}
  - {name: other, set: {stage: video, network.encoder: {kind: dbof, hidden: 8, features: 4, frame_reduction: 2}}}
  - {name: first, set: {start.base: "training:base"}}
  - {name: second, set: {start.base: "training:first", start.context: "training:other", data.fold: 3}}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text)
    return path


def planned(folder: Path, text: str = SEQUENCE, overrides: Mapping[str, str] = NONE) -> Plan:
    return plan(written(folder, text), overrides)


def single(text: str) -> Recipe:
    return recipe.read(f"solution: segment_classification\n{text}", Recipe)


def test_what_differs_is_put_into_each_training(tmp_path: Path) -> None:
    found = planned(tmp_path)
    assert [each.name for each in found.trainings] == ["base", "other", "first", "second"]
    assert [each.recipe.steps for each in found.trainings] == [9, 6, 6, 6]
    assert [each.recipe.stage for each in found.trainings] == ["video", "video", "segment", "segment"]
    assert [each.recipe.aware for each in found.trainings] == [False, False, False, True]
    assert [each.recipe.trainings for each in found.trainings] == [()] * 4
    assert found.members == ("first", "second")
    assert found.by_name["second"].needs == ("first", "other")


def test_what_the_command_line_says_counts_before_the_file(tmp_path: Path) -> None:
    found = planned(tmp_path, overrides={"steps": "12", "trainings.2.set": "{data.fold: 5}", "start.base": "null"})
    assert [each.recipe.steps for each in found.trainings] == [12, 12, 12]
    assert found.by_name["first"].recipe.data.fold == 5
    assert "base" not in found.by_name


def test_what_no_member_needs_is_not_trained(tmp_path: Path) -> None:
    assert [each.name for each in planned(tmp_path, overrides={"members": "[first]"}).trainings] == ["base", "first"]
    more = planned(tmp_path, overrides={"members": "[first]", "also": "[other]"})
    assert ([each.name for each in more.trainings], more.members) == (["base", "other", "first"], ("first",))
    few = planned(tmp_path, overrides={"only": "[first]"})
    assert ([each.name for each in few.trainings], few.members) == (["base", "first"], ("first",))
    bases = planned(tmp_path, overrides={"only": "[base, other]"})
    assert ([each.name for each in bases.trainings], bases.members) == (["base", "other"], ("other",))


def test_a_recipe_without_trainings_is_one(tmp_path: Path) -> None:
    found = planned(tmp_path, "solution: segment_classification\nsteps: 6\ninterval: 2")
    assert [each.name for each in found.trainings] == [""]
    assert found.members == ("",)
    assert found.trainings[0].recipe.fitting.epochs == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"members": "[frist]"}, "no training `frist`; did you mean `first`"),
        ({"only": "[third]"}, "no training `third`"),
        ({"also": "[third]"}, "no training `third`"),
        ({"members": "[first, first]"}, "names `first` twice"),
        ({"trainings.1.name": "base"}, "names `base` twice"),
        ({"trainings.0.name": "a/b"}, "cannot be called `a/b`"),
        ({"trainings.0.name": "model_assets"}, "cannot be called `model_assets`"),
        ({"trainings.2.set": "{start.base: 'training:second'}"}, "`first` begins with `training:second`"),
        ({"trainings.2.set": "{data.fould: 2}"}, "the training `first` of .*`data.fould`.* did you mean `fold`"),
        ({"steps": "7"}, "`steps` is 7; a multiple of `interval`, 3"),
        ({"trainer.epochs": "3"}, "`trainer.epochs` follows from `steps`"),
    ],
)
def test_a_sequence_that_cannot_be_is_refused(change: Mapping[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        planned(tmp_path, overrides=change)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{stage: video, start: {base: somewhere}}", "begins at random"),
        ("{stage: video, network: {context: {}}}", "begins at random"),
        ("{learning: {context_rate: 0.1}}", "has no context"),
        ("{network: {context: {}}}", "must learn: set `learning.context_rate`"),
        ("{data: {fold: null}, trainer: {monitor: validation/auc}}", "nothing is held out"),
        ("{data: {fold: 8}}", "the fold is `8` of `8`"),
        ("{batch: {videos: 1}}", "at least 2"),
        ("{learning: {betas: [0.9, 1.0]}}", "less than 1 is allowed"),
    ],
)
def test_a_training_that_cannot_be_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        recipe.read(f"{text[:-1]}, solution: segment_classification}}", Recipe)


def test_parts_of_no_sequence_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no `trainings`"):
        planned(tmp_path, "solution: segment_classification\nmembers: [a]")


def test_a_context_may_begin_at_random_if_it_learns() -> None:
    assert single("network: {context: {kind: mean-pool}}\nlearning: {context_rate: 1e-4}").aware
