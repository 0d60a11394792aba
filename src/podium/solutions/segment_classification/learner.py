"""The training of one network: steps, learning rates, and how well it tags whole videos or rated segments.

Axes: V videos of a batch, R ratings of it, C classes, F features of a context.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from podium.errors import MachineError, UsageError
from podium.metrics.tagging import TaggingTally
from podium.solutions.segment_classification.clips import clips
from podium.solutions.segment_classification.dataset import SegmentBatch, VideoBatch
from podium.solutions.segment_classification.losses import segment_loss, video_loss
from podium.solutions.segment_classification.network import Network
from podium.solutions.segment_classification.tally import SegmentTally

try:
    import torch
    from lightning.pytorch import LightningModule
    from torch import Tensor, nn
except ImportError as error:
    raise MachineError("training needs lightning: `pip install 'podium[train]'`") from error

from podium.solutions.training import parameter_groups, schedule
from podium.solutions.training.schedule import Schedule

_LISTED = 20


@dataclass(frozen=True, kw_only=True)
class LearningSettings:
    """How weights move: Adam, which pulls weights towards zero by ``weight_decay`` times the rate before each step.

    Attributes:
        rate: Peak learning rate.
        encoder_rate: Peak of the encoder of frames; None is `rate`.
        context_rate: Peak of the encoder of the context; None leaves it as it is, and it is run once a video.
        betas: How much of the running means of the gradient and of its square a step leaves.
        epsilon: Added to the root of the latter.
        weight_decay: Of matrices; norms and biases are left alone.
        negative_weight: Of the mined negatives in the loss of segments.
        schedule: The course of all rates.
    """

    rate: float = 2e-4
    encoder_rate: float | None = None
    context_rate: float | None = None
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-7
    weight_decay: float = 0.02
    negative_weight: float = 0.5
    schedule: Schedule = field(default_factory=lambda: schedule.SEVENTH_PLACE_SEGMENT)

    def __post_init__(self) -> None:
        if not all(0 <= each < 1 for each in self.betas):
            raise UsageError(f"`betas` are {list(self.betas)}; at least 0 and less than 1 is allowed")
        rates = {"rate": self.rate, "encoder_rate": self.encoder_rate, "context_rate": self.context_rate}
        wrong = [name for name, value in rates.items() if value is not None and not value > 0]
        if wrong:
            raise UsageError(f"{', '.join(f'`{each}`' for each in wrong)} must be above 0")
        if min(self.epsilon, self.weight_decay, self.negative_weight) < 0:
            raise UsageError("`epsilon`, `weight_decay` and `negative_weight` must be at least 0")


class Learner(LightningModule):
    """A network while it learns; what it learns from, a subclass says.

    Args:
        network: Trained in place.
        learning: How weights move.
        reference: Which weights decay, and the first step, are those of the 7th place's code.
    """

    def __init__(self, network: Network, *, learning: LearningSettings, reference: bool = False) -> None:
        super().__init__()
        self.network = network
        self.learning = learning
        self.reference = reference
        self._losses: list[float] = []
        self._weights: list[int] = []

    def configure_optimizers(self) -> Any:
        """The optimizer with its groups, and its schedule advanced with every step."""
        course = self.learning.schedule
        if self.reference and course.kind == "warm-up-linear":
            course = replace(course, full_first_step=True)
        groups = parameter_groups.groups(
            self,
            learning_rates=self._rates(),
            weight_decay=self.learning.weight_decay,
            decays=no_bias if self.reference else parameter_groups.matrices,
        )
        return schedule.configured(
            torch.optim.AdamW(groups, betas=self.learning.betas, eps=self.learning.epsilon),
            course,
            steps=int(self.trainer.estimated_stepping_batches),
            epochs=self.trainer.max_epochs or 1,
        )

    def _rates(self) -> dict[str, float]:
        rates = {"network": self.learning.rate}
        if self.learning.encoder_rate is not None:
            rates["network.encoder"] = self.learning.encoder_rate
        if self.learning.context_rate is not None:
            rates["network.context"] = self.learning.context_rate
        return rates

    def _note(self, loss: Tensor, count: int) -> None:
        self._losses.append(float(loss))
        self._weights.append(count)

    def _mean_loss(self) -> float:
        mean = float(np.average(self._losses, weights=self._weights))
        self._losses, self._weights = [], []
        return mean

    def _log_all(self, values: dict[str, float | None]) -> None:
        for name, value in values.items():
            if value is not None:
                self.log(f"validation/{name}", value, prog_bar=True, rank_zero_only=True)


class VideoLearner(Learner):
    """Learns the labels of whole videos."""

    def training_step(self, batch: VideoBatch, batch_idx: int) -> Tensor:  # noqa: ARG002 - the hook's names
        """The loss of a batch."""
        loss = video_loss(self.network(batch.features_VTD, batch.mask_VT), batch.labels_VC)
        self.log("train/loss", loss.detach(), batch_size=len(batch.labels_VC))
        return loss

    def on_validation_epoch_start(self) -> None:
        """Begins to count."""
        self._tally = TaggingTally(self.network.settings.classes, k=_LISTED)

    def validation_step(self, batch: VideoBatch, batch_idx: int) -> None:  # noqa: ARG002 - the hook's names
        """Counts a batch."""
        logits_VC = self.network(batch.features_VTD, batch.mask_VT).float()
        self._note(video_loss(logits_VC, batch.labels_VC), len(logits_VC))
        self._tally.add(logits_VC.sigmoid().cpu().numpy(), batch.labels_VC.cpu().numpy() > 0)

    def on_validation_epoch_end(self) -> None:
        """Notes loss, GAP@20, Hit@1 and PERR."""
        found = self._tally.result()
        self._log_all({"loss": self._mean_loss(), "gap": found.gap, "hit": found.hit_at_1, "perr": found.perr})


class SegmentLearner(Learner):
    """Learns the ratings of segments.

    Args:
        network: Trained in place; the encoder of its context stays as it is unless it has a learning rate.
        learning: How weights move.
        reference: As of `Learner`.
        contexts_VF: Of every video to learn from, by its number; None encodes them where they are needed.
        held_out_VF: Of every held-out video.
    """

    def __init__(
        self,
        network: Network,
        *,
        learning: LearningSettings,
        reference: bool = False,
        contexts_VF: np.ndarray | None = None,
        held_out_VF: np.ndarray | None = None,
    ) -> None:
        super().__init__(network, learning=learning, reference=reference)
        self._contexts_VF, self._held_out_VF = contexts_VF, held_out_VF
        self._learns_context = learning.context_rate is not None
        if self._learns_context and network.context is not None:
            network.context.requires_grad_(True)
        self.train()

    def train(self, mode: bool = True) -> SegmentLearner:
        """As of every module; a context that learns is in training mode, too."""
        super().train(mode)
        if self._learns_context and self.network.context is not None:
            self.network.context.train(mode)
        return self

    def training_step(self, batch: SegmentBatch, batch_idx: int) -> Tensor:  # noqa: ARG002 - the hook's names
        """The loss of a batch."""
        loss = self._loss(self.logits(batch, self._contexts_VF), batch)
        self.log("train/loss", loss.detach(), batch_size=len(batch.class_R))
        return loss

    def on_validation_epoch_start(self) -> None:
        """Begins to count."""
        self._tally = SegmentTally(self.network.settings.classes)

    def validation_step(self, batch: SegmentBatch, batch_idx: int) -> None:  # noqa: ARG002 - the hook's names
        """Counts a batch."""
        logits_RC = self.logits(batch, self._held_out_VF).float()
        self._note(self._loss(logits_RC, batch), len(logits_RC))
        self._tally.add(batch, logits_RC.sigmoid())

    def on_validation_epoch_end(self) -> None:
        """Notes loss, AUC, accuracy, accuracy among mined negatives, and MAP."""
        found = self._tally.result()
        self._log_all(
            {
                "loss": self._mean_loss(),
                "auc": found.auc,
                "accuracy": found.accuracy,
                "mined_accuracy": found.mined_accuracy,
                "map": found.map,
            }
        )

    def _loss(self, logits_RC: Tensor, batch: SegmentBatch) -> Tensor:
        free_RC = batch.free_VC[batch.video_R]
        weight = self.learning.negative_weight
        return segment_loss(logits_RC, batch.class_R, batch.score_R, free_RC, negative_weight=weight)

    def logits(self, batch: SegmentBatch, cached_VF: np.ndarray | None) -> Tensor:
        """(R, C) of a batch.

        Args:
            batch: On the network's device.
            cached_VF: As `contexts_VF` of the set that the batch is from.
        """
        if not self.network.aware:
            return self.network(batch.windows_RTD, batch.mask_RT)
        context_VF = self._context(batch, cached_VF)
        return self.network(batch.windows_RTD, batch.mask_RT, context_VF[batch.video_R])

    def _context(self, batch: SegmentBatch, cached_VF: np.ndarray | None) -> Tensor:
        if cached_VF is not None:
            rows = np.array(cached_VF[batch.number_V.cpu().numpy()])
            return torch.from_numpy(rows).to(batch.windows_RTD.device)
        moving = self.network.context if self._learns_context else None
        if moving is None:
            return self.network.encode_context(batch.features_VTD, batch.frames_VT)
        dtype, reference = next(moving.parameters()).dtype, self.network.settings.reference
        return moving(clips(batch.features_VTD, batch.frames_VT, dtype=dtype, reference=reference))


def no_bias(name: str, parameter: nn.Parameter) -> bool:  # noqa: ARG001 - others go by the shape
    """True for all but biases, the scales of norms among them: what the 7th place's code decays."""
    return "bias" not in name
