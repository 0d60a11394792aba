"""The training of one network: steps, learning rates, and how well it segments clips that are held out.

Axes: N frames of a batch, H height, W width.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from podium.errors import MachineError, UsageError
from podium.solutions.object_segmentation import losses
from podium.solutions.object_segmentation.dataset import FrameBatch
from podium.solutions.object_segmentation.losses import LossSettings
from podium.solutions.object_segmentation.network import Network, Output

try:
    import torch
    from lightning.pytorch import LightningModule
    from torch import Tensor
except ImportError as error:
    raise MachineError("training needs lightning: `pip install 'podium[train]'`") from error

from podium.solutions.training import parameter_groups, schedule
from podium.solutions.training.schedule import Schedule


@dataclass(frozen=True, kw_only=True)
class LearningSettings:
    """How weights move: AdamW.

    Attributes:
        rate: Peak learning rate of all that begins at random.
        encoder_rate: Peak of the encoder, which mostly begins with what it knows of photos.
        betas: How much of the running means of the gradient and of its square a step leaves.
        weight_decay: Of matrices; norms and biases are left alone.
        schedule: The course of both rates.
    """

    rate: float = 1e-3
    encoder_rate: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.01
    schedule: Schedule = field(default_factory=lambda: Schedule(kind="warm-up-cosine", warm_up=0.1))

    def __post_init__(self) -> None:
        if not all(0 <= each < 1 for each in self.betas):
            raise UsageError(f"`betas` are {list(self.betas)}; at least 0 and less than 1 is allowed")
        if not (self.rate > 0 and self.encoder_rate > 0 and self.weight_decay >= 0):
            raise UsageError("`rate` and `encoder_rate` must be above 0, `weight_decay` at least 0")


@dataclass(frozen=True, kw_only=True)
class FrameAgreement:
    """How well a frame was segmented.

    Attributes:
        clip: Number of its clip.
        frame: Its number within.
        region: J of its valid pixels, 0 to 1.
    """

    clip: int
    frame: int
    region: float


class Learner(LightningModule):
    """A network while it learns.

    Args:
        network: Trained in place.
        learning: How weights move.
        loss: What it is told.
    """

    def __init__(self, network: Network, *, learning: LearningSettings, loss: LossSettings) -> None:
        super().__init__()
        self.network = network
        self.learning = learning
        self.loss = loss
        self.agreements: list[FrameAgreement] = []
        self._losses: list[float] = []

    def configure_optimizers(self) -> Any:
        """The optimizer with its groups, and its schedule advanced with every step."""
        rates = {"network": self.learning.rate, "network.encoder": self.learning.encoder_rate}
        groups = parameter_groups.groups(self, learning_rates=rates, weight_decay=self.learning.weight_decay)
        return schedule.configured(
            torch.optim.AdamW(groups, betas=self.learning.betas),
            self.learning.schedule,
            steps=int(self.trainer.estimated_stepping_batches),
            epochs=self.trainer.max_epochs or 1,
        )

    def forward(self, batch: FrameBatch) -> Output:
        """What the network says of a batch."""
        return self.network(batch.image_N3HW, batch.motion_N3HW, batch.has_motion_N)

    def training_step(self, batch: FrameBatch, batch_idx: int) -> Tensor:  # noqa: ARG002 - the hook's names
        """The loss of a batch."""
        loss = losses.loss(self(batch), batch.mask_N1HW, batch.valid_N1HW, self.loss)
        self.log("train/loss", loss.detach(), batch_size=len(batch.mask_N1HW))
        return loss

    def on_validation_epoch_start(self) -> None:
        """Begins to count."""
        self.agreements, self._losses = [], []

    def validation_step(self, batch: FrameBatch, batch_idx: int) -> None:  # noqa: ARG002 - the hook's names
        """Counts a batch."""
        output = self(batch)
        loss = losses.loss(output, batch.mask_N1HW, batch.valid_N1HW, self.loss)
        self._losses += [float(loss)] * len(batch.mask_N1HW)
        self.agreements += agreements(output, batch)

    def on_validation_epoch_end(self) -> None:
        """Notes the loss, the mean over clips of their mean J, and the mean J of all frames."""
        values = {
            "loss": float(np.mean(self._losses)),
            "j": float(np.mean(list(clip_regions(self.agreements).values()))),
            "iou": float(np.mean([each.region for each in self.agreements])),
        }
        for name, value in values.items():
            self.log(f"validation/{name}", value, prog_bar=True, rank_zero_only=True)


def frame_regions(logits_N1HW: Tensor, mask_N1HW: Tensor, valid_N1HW: Tensor) -> list[float]:
    """J of each picture at a probability of one half, among its valid pixels; 1 where neither mask has any.

    Args:
        logits_N1HW: Above 0 is the object.
        mask_N1HW: 0 or 1.
        valid_N1HW: 0 where nothing counts.
    """
    valid_N1HW = valid_N1HW > 0.5
    found_N1HW, true_N1HW = (logits_N1HW > 0) & valid_N1HW, (mask_N1HW > 0.5) & valid_N1HW
    intersection_N = (found_N1HW & true_N1HW).sum((1, 2, 3)).tolist()
    union_N = (found_N1HW | true_N1HW).sum((1, 2, 3)).tolist()
    return [both / either if either else 1.0 for both, either in zip(intersection_N, union_N, strict=True)]


def clip_regions(agreements: list[FrameAgreement]) -> dict[int, float]:
    """The mean J of the frames of each clip, by the clip's number.

    >>> frames = [FrameAgreement(clip=3, frame=0, region=0.5), FrameAgreement(clip=3, frame=1, region=1.0)]
    >>> clip_regions(frames)
    {3: 0.75}
    """
    regions: dict[int, list[float]] = {}
    for each in agreements:
        regions.setdefault(each.clip, []).append(each.region)
    return {clip: sum(values) / len(values) for clip, values in sorted(regions.items())}


@torch.no_grad()
def judge(network: Network, batches: Iterable[FrameBatch]) -> list[FrameAgreement]:
    """How well a network segments frames.

    Args:
        network: In evaluation mode.
        batches: Of whole frames.
    """
    place = next(network.parameters()).device
    found: list[FrameAgreement] = []
    for batch in batches:
        there = FrameBatch(*(each.to(place) for each in batch))
        output = network(there.image_N3HW, there.motion_N3HW, there.has_motion_N)
        found += agreements(output, there)
    return found


def agreements(output: Output, batch: FrameBatch) -> list[FrameAgreement]:
    """How well each frame of a batch was segmented."""
    regions = frame_regions(output.logits_N1HW, batch.mask_N1HW, batch.valid_N1HW)
    places = zip(batch.clip_N.tolist(), batch.frame_N.tolist(), regions, strict=True)
    return [FrameAgreement(clip=clip, frame=frame, region=region) for clip, frame, region in places]
