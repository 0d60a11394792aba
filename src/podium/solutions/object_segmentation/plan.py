"""A recipe of this solution: everything that decides a training, in sections, and its stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from podium.errors import UsageError
from podium.solutions.object_segmentation.dataset import SampleSettings
from podium.solutions.object_segmentation.inference import PostSettings
from podium.solutions.object_segmentation.inputs import InputSettings
from podium.solutions.object_segmentation.learner import LearningSettings
from podium.solutions.object_segmentation.losses import LossSettings
from podium.solutions.object_segmentation.network import NetworkSettings
from podium.solutions.training import stages
from podium.solutions.training.stages import Chain, Staged
from podium.solutions.training.trainer import TrainerSettings


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """What is learned from and what is held out.

    Attributes:
        folder: Below ``--data``; ``.`` is all of it.
        judged_by: The folder below ``--data`` whose held-out clips judge; None is `folder`.
        held_out: ``list``: the clips of a list of the data, where there is one; else, as ``share`` always: clips drawn
            from those to learn from. ``none``: no clip is held out. DAVIS measures on the clips of its list, so no
            checkpoint may be chosen by them: ``share`` leaves them alone.
        share: Of the clips, above 0 and below 1.
        seed: Of the draw.
    """

    folder: str = "."
    judged_by: str | None = None
    held_out: Literal["list", "share", "none"] = "list"
    share: float = 0.15
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise UsageError(f"`share` is `{self.share}`; above 0 and below 1 is allowed")


@dataclass(frozen=True, kw_only=True)
class BatchSettings:
    """How frames come to a step.

    Attributes:
        frames: Of a step in each process.
        workers: Processes that read; 0 reads in between the steps.
    """

    frames: int = 8
    workers: int = 0

    def __post_init__(self) -> None:
        if self.frames < 2 or self.workers < 0:
            raise UsageError(f"`{self.frames}` frames and `{self.workers}` workers; at least 2 and 0 are needed")


@dataclass(frozen=True, kw_only=True)
class Recipe(Staged):
    """Everything that decides a training.

    Attributes:
        data: What is learned from and what is held out.
        inputs: How frames and flow are prepared, in training and afterwards.
        samples: How samples to learn from are cut, moved and coloured.
        network: Its shape and what it begins with.
        loss: What it is told.
        batch: How frames come.
        steps: In all; a multiple of `interval`.
        interval: Steps between two looks at what is held out; the best of those is kept.
        learning: How weights move.
        trainer: Precision, clipping, averaging, what is monitored, seed. Its epochs are intervals and follow from the
            steps.
        postprocess: What becomes of the network's answers when the model is used.
    """

    data: DataSettings = field(default_factory=DataSettings)
    inputs: InputSettings = field(default_factory=InputSettings)
    samples: SampleSettings = field(default_factory=SampleSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    batch: BatchSettings = field(default_factory=BatchSettings)
    steps: int = 1000
    interval: int = 250
    learning: LearningSettings = field(default_factory=LearningSettings)
    trainer: TrainerSettings = field(default_factory=TrainerSettings)
    postprocess: PostSettings = field(default_factory=PostSettings)

    def __post_init__(self) -> None:
        if self.trainer.epochs != TrainerSettings().epochs:
            raise UsageError("`trainer.epochs` follows from `steps` and `interval`; set those")
        if self.interval < 1 or self.steps < 1 or self.steps % self.interval:
            raise UsageError(f"`steps` is {self.steps}; a multiple of `interval`, {self.interval}, is needed")
        if self.data.held_out == "none" and self.trainer.monitor is not None and not self.stages:
            raise UsageError(f"nothing is held out, so `{self.trainer.monitor}` cannot be monitored; set it to `null`")

    @property
    def fitting(self) -> TrainerSettings:
        """How to train, an epoch an interval."""
        return replace(self.trainer, epochs=self.steps // self.interval)


def plan(path: Path, overrides: Mapping[str, str]) -> Chain[Recipe]:
    """Every stage of a recipe; what is given with ``--set`` counts before all that the file says.

    Args:
        path: The recipe.
        overrides: YAML text by place with dots.

    Raises:
        UsageError: The recipe has faults, or its stages make different networks.
    """
    chain = stages.plan(path, Recipe, overrides)
    first = chain.stages[0].recipe
    for stage in chain.stages[1:]:
        if stage.recipe.network.shape != first.network.shape or stage.recipe.inputs.motion != first.inputs.motion:
            raise UsageError(
                f"`{path}`: the network of the stage `{stage.name}` has another shape, or sees motion otherwise, than "
                f"that of `{chain.stages[0].name}`, with which it begins"
            )
    return chain
