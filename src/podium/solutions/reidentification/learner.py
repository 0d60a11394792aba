"""The training of one network: steps, learning rates, and how well it finds held-out individuals.

Axes: B photographs of a batch, N held-out photographs, Q of them that are queries, R of them that are the database,
D dimensions, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from podium.errors import MachineError, UsageError, nearest
from podium.metrics.retrieval import average_precisions_at_k
from podium.solutions.reidentification.dataset import Classes, Example
from podium.solutions.reidentification.heads import Head, HeadSettings
from podium.solutions.reidentification.network import Network, normalise
from podium.solutions.reidentification.photos import Photo

try:
    import torch
    from lightning.pytorch import LightningModule
    from torch import Tensor
    from torch.nn import functional
except ImportError as error:
    raise MachineError("training needs lightning: `pip install 'podium[train]'`") from error

from podium.solutions.training import parameter_groups, schedule
from podium.solutions.training.schedule import Schedule

OPTIMIZERS = ("adamw", "adam")
_LISTED = 20


@dataclass(frozen=True, kw_only=True)
class LearningSettings:
    """How weights move.

    Attributes:
        optimizer: ``adamw`` or ``adam``.
        backbone_rate: Peak learning rate of the pretrained backbone.
        neck_rate: Peak of pools and neck; None is that of the head.
        head_rate: Peak of the head.
        more_rates: Peaks of other parts, by the beginning of their name: ``network.neck.whole``.
        weight_decay: Of matrices; norms and biases are left alone.
        schedule: The course of all rates.
        frozen_levels: So many levels of the backbone, from the input on, stay as they are; training is faster.
        averages_of_norms: Share of a batch in the running mean and variance of batch norms.
    """

    optimizer: str = "adamw"
    backbone_rate: float = 1e-3
    neck_rate: float | None = None
    head_rate: float = 1e-2
    more_rates: Mapping[str, float] = field(default_factory=dict)
    weight_decay: float = 1e-2
    schedule: Schedule = schedule.SECOND_PLACE
    frozen_levels: int = 0
    averages_of_norms: float = 0.1

    def __post_init__(self) -> None:
        if self.optimizer not in OPTIMIZERS:
            raise UsageError(f"no optimizer is called `{self.optimizer}`; {nearest(self.optimizer, OPTIMIZERS)}")


class Learner(LightningModule):
    """A network and its head, while they learn.

    Args:
        network: Trained in place.
        classes: What the head tells apart.
        head: Its settings.
        learning: How weights move.
        held_out: What validation goes through; its loader gives them in this order. Empty when nothing is held out.
        queries: The first so many are asked for; None is all. The others are only found.
    """

    def __init__(
        self,
        network: Network,
        *,
        classes: Classes,
        head: HeadSettings,
        learning: LearningSettings,
        held_out: Sequence[Photo] = (),
        queries: int | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.head = Head(network.dimensions, classes.photos_C, head)
        self.learning = learning
        self.held_out = tuple(held_out)
        self.queries = queries
        self._frozen = freeze(network, learning.frozen_levels)
        for module in network.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.momentum = learning.averages_of_norms
        self._vectors: list[Tensor] = []
        self.train()

    def train(self, mode: bool = True) -> Learner:
        """As of every module, but frozen norms keep their averages."""
        super().train(mode)
        for each in self._frozen:
            each.eval()
        return self

    def forward(self, images_BHWC: Tensor) -> Tensor:
        """(B, D): vectors, not of unit length.

        Args:
            images_BHWC: uint8.
        """
        return self.network(normalise(images_BHWC, self.network.settings))

    def training_step(self, batch: Example, batch_idx: int) -> Tensor:  # noqa: ARG002 - the hook's names
        """The loss of a batch."""
        vectors_BD = self(batch.image_HWC)
        loss = self._loss(vectors_BD, torch.as_tensor(batch.label), torch.as_tensor(batch.other), batch.share)
        self.log("train/loss", loss.detach(), on_step=True, on_epoch=True, batch_size=len(vectors_BD))
        return loss

    def _loss(self, vectors_BD: Tensor, label_B: Tensor, other_B: Tensor, share_B: Any) -> Tensor:
        loss = self.head.loss(self.head(vectors_BD, label_B), label_B)
        mixed_B = label_B != other_B
        if not bool(mixed_B.any()):
            return loss
        share = torch.as_tensor(share_B, dtype=loss.dtype, device=loss.device).mean()
        other = self.head.loss(self.head(vectors_BD, other_B), other_B)
        return share * loss + (1 - share) * other

    def validation_step(self, batch: Example, batch_idx: int) -> None:  # noqa: ARG002 - the hook's names
        """Keeps the unit vectors of a batch."""
        self._vectors.append(functional.normalize(self(batch.image_HWC).float()).cpu())

    def on_validation_epoch_end(self) -> None:
        """Notes the mean average precision at 20."""
        vectors_ND = torch.cat(self._vectors).numpy() if self._vectors else np.empty((0, 1), dtype=np.float32)
        self._vectors = []
        if len(vectors_ND) == len(self.held_out):
            found = retrieval(vectors_ND, self.held_out, queries=self.queries)
            if found is not None:
                self.log("validation/map", found, prog_bar=True, rank_zero_only=True)

    def configure_optimizers(self) -> Any:
        """The optimizer with its groups, and its schedule advanced with every step."""
        rates = {
            "network": self._neck_rate,
            "network.backbone": self.learning.backbone_rate,
            "head": self.learning.head_rate,
        }
        groups = parameter_groups.groups(
            self,
            learning_rates={**rates, **self.learning.more_rates},
            weight_decay=self.learning.weight_decay,
        )
        kind = torch.optim.AdamW if self.learning.optimizer == "adamw" else torch.optim.Adam
        return schedule.configured(
            kind(groups),
            self.learning.schedule,
            steps=int(self.trainer.estimated_stepping_batches),
            epochs=self.trainer.max_epochs or 1,
        )

    @property
    def _neck_rate(self) -> float:
        return self.learning.head_rate if self.learning.neck_rate is None else self.learning.neck_rate


def freeze(network: Network, levels: int) -> list[torch.nn.Module]:
    """Fixes a backbone from its input to the end of a level, and returns the modules that are fixed.

    Args:
        levels: How many; 0 fixes nothing.

    Raises:
        UsageError: The backbone has fewer.
    """
    if levels == 0:
        return []
    info: list[dict[str, Any]] = network.backbone.feature_info.info
    if not 0 < levels <= len(info):
        raise UsageError(f"`{levels}` levels are to be frozen; `{network.settings.architecture}` has {len(info)}")
    last = str(info[levels - 1]["module"])
    names = [name for name, _ in network.backbone.named_parameters()]
    inside = [place for place, name in enumerate(names) if name.startswith((f"{last}.", f"{last.replace('.', '_')}."))]
    fixed = set(names[: max(inside) + 1])
    for name, parameter in network.backbone.named_parameters():
        if name in fixed:
            parameter.requires_grad_(False)
    frozen: list[torch.nn.Module] = []
    for module in network.backbone.modules():
        own = list(module.parameters())
        if own and not any(each.requires_grad for each in own):
            frozen.append(module)
    return frozen


def database_of(photos: Sequence[Photo]) -> list[int]:
    """The places of the first photograph of each encounter, as the challenge's databases hold them."""
    first: dict[str, int] = {}
    for place, photo in enumerate(photos):
        first.setdefault(photo.encounter or photo.image_id, place)
    return sorted(first.values())


def retrieval(vectors_ND: NDArray[np.floating], photos: Sequence[Photo], *, queries: int | None = None) -> float | None:
    """mAP@20 when each photograph is a query against one photograph of each other encounter.

    None where no individual was met twice.

    Args:
        vectors_ND: Unit vectors of the photographs.
        photos: Each with an encounter.
        queries: Only the first so many are asked for; None is all.

    >>> from pathlib import Path
    >>> def photo(name: str, who: str) -> Photo:
    ...     return Photo(image_id=name, path=Path(name), individual=who, encounter=name)
    >>> retrieval(np.eye(3)[[0, 0, 1]], [photo("a", "anna"), photo("b", "anna"), photo("c", "bob")])
    1.0
    """
    names = np.array([each.individual for each in photos])
    encounters = np.array([each.encounter or each.image_id for each in photos])
    place_R = np.array(database_of(photos), dtype=np.int64)
    if len(place_R) < 2:
        return None
    similarity_QR = (vectors_ND @ vectors_ND[place_R].T).astype(np.float64)
    other_QR = encounters[:, None] != encounters[place_R][None]
    right_QR = (names[:, None] == names[place_R][None]) & other_QR
    asked_Q = np.flatnonzero(right_QR.any(1)[:queries])
    if not len(asked_Q):
        return None
    similarity_QR[~other_QR] = -np.inf
    best_QK = np.argsort(-similarity_QR[asked_Q], axis=1, kind="stable")[:, :_LISTED]
    query_QK = np.broadcast_to(np.arange(len(asked_Q))[:, None], best_QK.shape)
    found_QK = np.take_along_axis(similarity_QR[asked_Q], best_QK, axis=1)
    listed_QK = np.isfinite(found_QK)
    right_QK = np.take_along_axis(right_QR[asked_Q], best_QK, axis=1)
    average_Q = average_precisions_at_k(
        query_QK[listed_QK], found_QK[listed_QK], right_QK[listed_QK], right_QR[asked_Q].sum(1), k=_LISTED
    )
    return float(average_Q.mean())
