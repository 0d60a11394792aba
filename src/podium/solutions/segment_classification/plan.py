"""A recipe of this solution, and the trainings it comes to: bases on whole videos, then classifiers of segments."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from podium.errors import UsageError, nearest
from podium.formats.tfrecord import OnFault
from podium.solutions.segment_classification.dataset import Excluded
from podium.solutions.segment_classification.encoders import EncoderSettings
from podium.solutions.segment_classification.frames import FrameSettings
from podium.solutions.segment_classification.learner import LearningSettings
from podium.solutions.segment_classification.mixture import HeadSettings
from podium.solutions.segment_classification.network import WindowSettings
from podium.solutions.training import recipe
from podium.solutions.training.trainer import TrainerSettings

TRAINING = "training:"
_WITHOUT_PARTS = {"trainings": "[]", "members": "[]", "also": "[]", "only": "[]"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TAKEN = ("model_assets", "submission", "checkpoints", "network", "tensorboard", "index")


@dataclass(frozen=True, kw_only=True)
class StartSettings:
    """What a network begins with.

    Attributes:
        base: Of the encoder of its frames, and of the head where that fits: ``training:NAME``, an earlier training, or
            a folder of a network; None begins at random.
        context: Of the encoder of whole videos, in the same words; it makes a network that knows its context.
    """

    base: str | None = None
    context: str | None = None


@dataclass(frozen=True, kw_only=True)
class NetworkPlan:
    """The shape of a network, as far as what it begins with does not decide it.

    Attributes:
        encoder: Of its frames; None is that of the base.
        head: None is that of the base.
        context: Of whole videos; None is that of ``start.context``, and nothing where there is none.
        frames: Which frames of a whole video are seen.
        window: Which frames around a segment are seen.
        fusion_features: Numbers that come of a segment and its context together.
        fusion_reduction: Of the gate behind them.
        fusion_dropout: 0 to 1.
    """

    encoder: EncoderSettings | None = None
    head: HeadSettings | None = None
    context: EncoderSettings | None = None
    frames: FrameSettings = field(default_factory=FrameSettings)
    window: WindowSettings = field(default_factory=WindowSettings)
    fusion_features: int = 2048
    fusion_reduction: int = 4
    fusion_dropout: float = 0.5


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """What is learned from and what is held out.

    Attributes:
        folds: Parts of the rated shards.
        fold: The part that is held out; None learns from all. Whole videos are held out by the folders instead.
        fold_seed: Of the parts.
        held_out_videos: Judge pre-training by so many of ``video/valid``, evenly spread; None takes all.
        mixed_shards: Shards whose videos are mixed with each other.
        excluded: Classes that are not mined as negatives of a video, besides its labels: those it was ``rated`` for,
            or only those it was rated to show (``positive``).
        on_fault: What a record that is broken does.
    """

    folds: int = 8
    fold: int | None = 0
    fold_seed: int = 42
    held_out_videos: int | None = None
    mixed_shards: int = 8
    excluded: Excluded = "rated"
    on_fault: OnFault = "refuse"

    def __post_init__(self) -> None:
        if self.folds < 2 or (self.fold is not None and not 0 <= self.fold < self.folds):
            raise UsageError(f"the fold is `{self.fold}` of `{self.folds}`; 0 to one less than 2 or more is allowed")
        if self.mixed_shards < 1 or (self.held_out_videos is not None and self.held_out_videos < 1):
            raise UsageError("`mixed_shards` and `held_out_videos` must be at least 1")


@dataclass(frozen=True, kw_only=True)
class BatchSettings:
    """How videos come to a step.

    Attributes:
        videos: Of a step in each process; of a rated one all ratings come, about five.
        workers: Processes that read; 0 reads in between the steps.
    """

    videos: int = 26
    workers: int = 0

    def __post_init__(self) -> None:
        if self.videos < 2 or self.workers < 0:
            raise UsageError(f"`{self.videos}` videos and `{self.workers}` workers; at least 2 and 0 are needed")


@dataclass(frozen=True, kw_only=True)
class TrainingRecipe:
    """One of several trainings.

    Attributes:
        name: Of its folder; by it a later one begins: ``start.base: training:NAME``.
        set: What differs from the recipe, by place with dots.
    """

    name: str
    set: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name in _TAKEN:
            raise UsageError(
                f"a training cannot be called `{self.name}`; letters, digits, `.`, `_` and `-` are allowed, none of "
                f"{', '.join(f'`{each}`' for each in _TAKEN)}"
            )


@dataclass(frozen=True, kw_only=True)
class Recipe(recipe.Head):
    """Everything that decides a training.

    Attributes:
        stage: What it learns from: labels of whole videos, or ratings of segments.
        start: What the network begins with.
        network: Its shape.
        data: What is learned from and what is held out.
        batch: How it comes.
        steps: In all; a multiple of `interval`.
        interval: Steps between two looks at what is held out; the best of those is kept.
        learning: How weights move.
        trainer: Precision, clipping, averaging, what is monitored, seed. Its epochs are intervals and follow from the
            steps.
        reference: The defects of the 7th place's code that change numbers, all together.
        trainings: One after the other; none is one.
        members: Trainings whose networks make the model; none is every one of segments. What no member needs is not
            trained.
        also: Trainings that are done as well, though they are no members: to be compared.
        only: Train only these and what they need.
    """

    stage: Literal["video", "segment"] = "segment"
    start: StartSettings = field(default_factory=StartSettings)
    network: NetworkPlan = field(default_factory=NetworkPlan)
    data: DataSettings = field(default_factory=DataSettings)
    batch: BatchSettings = field(default_factory=BatchSettings)
    steps: int = 8000
    interval: int = 4000
    learning: LearningSettings = field(default_factory=LearningSettings)
    trainer: TrainerSettings = field(default_factory=TrainerSettings)
    reference: bool = False
    trainings: tuple[TrainingRecipe, ...] = ()
    members: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    only: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.trainer.epochs != TrainerSettings().epochs:
            raise UsageError("`trainer.epochs` follows from `steps` and `interval`; set those")
        if self.interval < 1 or self.steps < 1 or self.steps % self.interval:
            raise UsageError(f"`steps` is {self.steps}; a multiple of `interval`, {self.interval}, is needed")
        if not self.trainings:
            self._check()

    def _check(self) -> None:
        if self.stage == "video" and (self.aware or self.start.base is not None):
            raise UsageError("a network of whole videos begins at random and has no context of its own")
        if self.learning.context_rate is not None and not self.aware:
            raise UsageError("`learning.context_rate` is set, but the network has no context")
        if self.network.context is not None and self.start.context is None and self.learning.context_rate is None:
            raise UsageError("a context that begins at random must learn: set `learning.context_rate`")
        if self.stage == "segment" and self.data.fold is None and self.trainer.monitor is not None:
            raise UsageError(f"nothing is held out, so `{self.trainer.monitor}` cannot be monitored; set it to `null`")

    @property
    def aware(self) -> bool:
        """The network knows the video around its segment."""
        return self.start.context is not None or self.network.context is not None

    @property
    def fitting(self) -> TrainerSettings:
        """How to train, an epoch an interval."""
        return replace(self.trainer, epochs=self.steps // self.interval)


@dataclass(frozen=True, kw_only=True)
class Training:
    """One training.

    Attributes:
        name: Empty where there is only one.
        recipe: With all that differs put in, and without parts.
    """

    name: str
    recipe: Recipe

    @property
    def needs(self) -> tuple[str, ...]:
        """The earlier trainings that it begins with."""
        return tuple(each.removeprefix(TRAINING) for each in _starts(self.recipe) if each.startswith(TRAINING))


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a recipe comes to.

    Attributes:
        whole: The recipe with its parts.
        trainings: In order; only those that are needed.
        members: Names of those that make the model, in order; at least one.
    """

    whole: Recipe
    trainings: tuple[Training, ...]
    members: tuple[str, ...]

    @cached_property
    def by_name(self) -> dict[str, Training]:
        """Every training by its name."""
        return {each.name: each for each in self.trainings}


def plan(path: Path, overrides: Mapping[str, str]) -> Plan:
    """Every training of a recipe; what is given with ``--set`` counts before all that the file says.

    Args:
        path: The recipe.
        overrides: YAML text by place with dots.

    Raises:
        UsageError: The recipe has faults, or names a training that it has not.
    """
    whole = recipe.load(path, Recipe, overrides=overrides)
    if not whole.trainings:
        if whole.members or whole.also or whole.only:
            raise UsageError(f"`{path}` has no `trainings` for its `members`, `also` or `only`")
        return Plan(whole=whole, trainings=(Training(name="", recipe=whole),), members=("",))
    _check_names(path, whole)
    named = (*whole.members, *whole.also) if whole.members else [each.name for each in whole.trainings]
    built = _needed(path, whole, overrides, whole.only or named)
    members = whole.members or tuple(each.name for each in built if each.recipe.stage == "segment")
    wanted = _with_needs(built, whole.only or (*members, *whole.also) or [built[-1].name])
    kept = tuple(each for each in built if each.name in wanted)
    made = tuple(name for name in members if name in wanted) or (kept[-1].name,)
    return Plan(whole=whole, trainings=kept, members=made)


def _needed(path: Path, whole: Recipe, overrides: Mapping[str, str], names: Sequence[str]) -> list[Training]:
    """Trainings and those that they begin with, in order."""
    order = {each.name: at for at, each in enumerate(whole.trainings)}
    built: dict[str, Training] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in built:
            continue
        training = Training(name=name, recipe=_put_in(path, overrides, whole.trainings[order[name]]))
        before = [each for each in order if order[each] < order[name]]
        for need in training.needs:
            if need not in before:
                raise UsageError(
                    f"`{path}`: `{name}` begins with `{TRAINING}{need}`, which is no training before it; "
                    f"{nearest(need, before)}"
                )
        built[name] = training
        waiting += training.needs
    return sorted(built.values(), key=lambda each: order[each.name])


def _put_in(path: Path, overrides: Mapping[str, str], training: TrainingRecipe) -> Recipe:
    parts = {place: json.dumps(value) for place, value in training.set.items()}
    user = {place: value for place, value in overrides.items() if place.split(".")[0] not in _WITHOUT_PARTS}
    try:
        return recipe.load(path, Recipe, overrides={**parts, **user, **_WITHOUT_PARTS})
    except UsageError as error:
        raise UsageError(f"the training `{training.name}` of {error}") from error


def _check_names(path: Path, whole: Recipe) -> None:
    known = [each.name for each in whole.trainings]
    twice = {name for name in known if known.count(name) > 1}
    twice |= {name for name in whole.members if whole.members.count(name) > 1}
    if twice:
        raise UsageError(f"`{path}` names {', '.join(f'`{each}`' for each in sorted(twice))} twice")
    for name in (*whole.members, *whole.also, *whole.only):
        if name not in known:
            raise UsageError(f"`{path}` has no training `{name}`; {nearest(name, known)}")


def _with_needs(every: Sequence[Training], wanted: Sequence[str]) -> set[str]:
    needed = set(wanted)
    for each in reversed(every):
        if each.name in needed:
            needed |= set(each.needs)
    return needed


def _starts(settings: Recipe) -> tuple[str, ...]:
    return tuple(each for each in (settings.start.base, settings.start.context) if each is not None)
