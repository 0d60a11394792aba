"""A recipe of this solution, and the trainings that it comes to: members one after the other, each in stages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from podium.errors import UsageError, nearest
from podium.solutions.reidentification.augmentation import AugmentationSettings
from podium.solutions.reidentification.calibration import METHODS
from podium.solutions.reidentification.dataset import DataSettings
from podium.solutions.reidentification.heads import HeadSettings
from podium.solutions.reidentification.learner import LearningSettings
from podium.solutions.reidentification.model import InferenceSettings
from podium.solutions.reidentification.network import DEFAULT_WEIGHTS, NetworkSettings
from podium.solutions.reidentification.ranking import VIEWS
from podium.solutions.training import recipe
from podium.solutions.training.trainer import TrainerSettings

STAGE = "stage:"
MAP = "validation/map"
_WITHOUT_PARTS = {"members": "[]", "stages": "[]", "member": "null"}


@dataclass(frozen=True, kw_only=True)
class BatchSettings:
    """How photographs come to a step.

    Attributes:
        size: Photographs of a step in each process.
        of_each: Photographs of one individual that come together; 1 draws all alike.
        workers: Processes that change photographs; 0 does it in between the steps.
    """

    size: int = 32
    of_each: int = 1
    workers: int = 0

    def __post_init__(self) -> None:
        if self.of_each < 1 or self.size < 2 or self.size % self.of_each:
            raise UsageError(
                f"a batch of `{self.size}` with `{self.of_each}` of each individual cannot be; it has 2 or more, "
                "a multiple of those of each"
            )


@dataclass(frozen=True, kw_only=True)
class StageRecipe:
    """One of several trainings of a network, each with a new head.

    Attributes:
        name: By which a later stage takes its backbone: ``weights: stage:NAME``.
        set: What differs from the recipe, by place with dots.
    """

    name: str
    set: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class MemberRecipe:
    """One network of a model, or one for each of several folds.

    Attributes:
        name: Of its folder; with folds, their numbers follow.
        set: What differs from the recipe and its stages, by place with dots.
        stages: What differs in one stage only, by its name.
        folds: Trained once for each: ``data.split.fold``.
        serves: Which pairs it compares: ``top``, ``lateral``.
        weight: Of its similarity in the mean.
    """

    name: str
    set: Mapping[str, Any] = field(default_factory=dict)
    stages: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    folds: tuple[int, ...] = ()
    serves: tuple[str, ...] = VIEWS
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Recipe(recipe.Head):
    """Everything that decides a training.

    Attributes:
        weights: The backbone starts from them, as for `network.build`; ``stage:NAME`` are those of an earlier stage.
        network: Shape and input.
        head: What it is trained with.
        data: What it learns from and what is held out.
        augmentation: What is done to photographs.
        batch: How they come.
        learning: How weights move.
        trainer: Epochs, precision, averaging, what is monitored, seed.
        inference: How the model is used.
        calibration: ``isotonic`` or ``logistic``; None is by the number of pairs.
        stages: Trainings of each network, in order; none is one.
        members: Networks of the model, in order; none is one.
        member: Train only the member of this name.
    """

    weights: str = DEFAULT_WEIGHTS
    network: NetworkSettings = field(default_factory=NetworkSettings)
    head: HeadSettings = field(default_factory=HeadSettings)
    data: DataSettings = field(default_factory=DataSettings)
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    batch: BatchSettings = field(default_factory=BatchSettings)
    learning: LearningSettings = field(default_factory=LearningSettings)
    trainer: TrainerSettings = field(default_factory=lambda: TrainerSettings(monitor=MAP))
    inference: InferenceSettings = field(default_factory=InferenceSettings)
    calibration: str | None = None
    stages: tuple[StageRecipe, ...] = ()
    members: tuple[MemberRecipe, ...] = ()
    member: str | None = None

    def __post_init__(self) -> None:
        if self.calibration is not None and self.calibration not in METHODS:
            raise UsageError(f"no calibration is called `{self.calibration}`; {nearest(self.calibration, METHODS)}")
        if self.trainer.monitor is not None and self.data.split is None and not self.members and not self.stages:
            raise UsageError(f"nothing is held out, so `{self.trainer.monitor}` cannot be monitored; set it to `null`")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One training.

    Attributes:
        name: Empty where there is only one.
        recipe: With all that differs put in, and without parts.
    """

    name: str
    recipe: Recipe


@dataclass(frozen=True, kw_only=True)
class Run:
    """The trainings of one network.

    Attributes:
        name: Of the member; empty where there is only one.
        stages: In order; at least one.
        serves: As of the member.
        weight: As of the member.
    """

    name: str
    stages: tuple[Stage, ...]
    serves: tuple[str, ...] = VIEWS
    weight: float = 1.0

    @property
    def final(self) -> Recipe:
        """The recipe of the last stage, whose network is kept."""
        return self.stages[-1].recipe


def runs(path: Path, overrides: Mapping[str, str]) -> tuple[Run, ...]:
    """Every network that a recipe trains; what is given with ``--set`` counts before all that the file says.

    Args:
        path: The recipe.
        overrides: YAML text by place with dots.

    Raises:
        UsageError: The recipe has faults, or names a member or a stage that it has not.
    """
    whole = recipe.load(path, Recipe, overrides=overrides)
    stages = whole.stages or (StageRecipe(name=""),)
    _check_stages(path, whole)
    found: list[Run] = []
    for member in whole.members or (MemberRecipe(name=""),):
        for fold in member.folds or (None,):
            name = member.name if fold is None else f"{member.name}-fold{fold}"
            if whole.member in (None, name, member.name):
                parts = tuple(
                    Stage(name=stage.name, recipe=_put_in(path, overrides, stage, member, fold)) for stage in stages
                )
                found.append(Run(name=name, stages=parts, serves=member.serves, weight=member.weight))
    if not found:
        raise UsageError(f"`{path}` has no member `{whole.member}`; {nearest(str(whole.member), _names(whole))}")
    return tuple(found)


def _put_in(
    path: Path, overrides: Mapping[str, str], stage: StageRecipe, member: MemberRecipe, fold: int | None
) -> Recipe:
    changed: dict[str, Any] = {**stage.set, **member.set, **member.stages.get(stage.name, {})}
    if fold is not None:
        changed["data.split.fold"] = fold
    parts = {place: json.dumps(value) for place, value in changed.items()}
    user = {place: value for place, value in overrides.items() if place.split(".")[0] not in _WITHOUT_PARTS}
    return recipe.load(path, Recipe, overrides={**parts, **user, **_WITHOUT_PARTS})


def _check_stages(path: Path, whole: Recipe) -> None:
    known = [each.name for each in whole.stages]
    for member in whole.members:
        for name in member.stages:
            if name not in known:
                raise UsageError(
                    f"`{path}`: the member `{member.name}` sets the stage `{name}`; {nearest(name, known)}"
                )
    for kind, names in (("stages", known), ("members", [each.name for each in whole.members])):
        if len(set(names)) < len(names):
            raise UsageError(f"`{path}`: two {kind} have one name: `{names}`")
    for at, stage in enumerate(whole.stages):
        wanted = str(stage.set.get("weights", ""))
        if wanted.startswith(STAGE) and wanted.removeprefix(STAGE) not in known[:at]:
            raise UsageError(
                f"`{path}`: the stage `{stage.name}` begins with `{wanted}`; {nearest(wanted, known[:at])}"
            )


def _names(whole: Recipe) -> list[str]:
    return [
        f"{member.name}-fold{fold}" if fold is not None else member.name
        for member in whole.members
        for fold in (member.folds or (None,))
    ]
