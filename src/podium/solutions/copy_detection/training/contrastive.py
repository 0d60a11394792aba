"""The contrastive loss with two margins: copies within the one, all others beyond the other.

For unit vectors at distance d, a pair with the same label costs max(0, d - positive) and a pair with different labels
max(0, negative - d). Each kind is averaged over the pairs that cost anything, and the two means are added. With a
memory the other half of a pair comes from there, the batch's own rows among them, and has no gradient.

Sources: Hadsell, Chopra and LeCun, "Dimensionality reduction by learning an invariant mapping", CVPR 2006; Yokoo,
"Contrastive learning with large memory bank and negative embedding subtraction", 2021, for the use on copies.

Axes: N anchors, M others, P pairs with the same label, D dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from podium.errors import MachineError, UsageError
from podium.solutions.copy_detection.training.gathering import gather
from podium.solutions.copy_detection.training.memory import Memory

try:
    import torch
    from torch import Tensor, nn
    from torch.nn.functional import normalize, relu
except ImportError as error:
    raise MachineError("training needs torch: `pip install 'podium[train]'`") from error

_SMALLEST_SQUARE = 1e-12


@dataclass(frozen=True, kw_only=True)
class Margins:
    """Distances of unit vectors, 0 to 2; s = 1 - d²/2 is the cosine at a distance d.

    Attributes:
        positive: Up to which a pair with the same label costs nothing.
        negative: From which a pair with different labels costs nothing; more than `positive`.
    """

    positive: float = 0.0
    negative: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.positive < self.negative <= 2:
            raise UsageError(
                f"the margins are `{self.positive}` and `{self.negative}`; 0 <= positive < negative <= 2 is allowed"
            )


class Contrast(NamedTuple):
    """The loss and what it is made of.

    Attributes:
        total: `positive` + `negative`; has the gradient.
        positive: Mean over the pairs with the same label that cost anything; 0 where none does.
        negative: Mean over the pairs with different labels that cost anything; 0 where none does.
        costly_positives: How many such pairs there are; a pair counts from each of its anchors.
        costly_negatives: How many such pairs there are.
    """

    total: Tensor
    positive: Tensor
    negative: Tensor
    costly_positives: Tensor
    costly_negatives: Tensor


def contrast(
    anchors_ND: Tensor,
    labels_N: Tensor,
    others_MD: Tensor,
    other_labels_M: Tensor,
    *,
    own_N: Tensor,
    margins: Margins,
) -> Contrast:
    """The loss of every anchor with every other row but itself.

    Computed in 32 bits or more. A positive pair's distance is that of the difference, exact to the last digits; a
    negative pair's comes from the inner product and is off by up to 5e-4 where it is next to nothing.

    Args:
        anchors_ND: Any vectors but zero; brought to unit length.
        labels_N: Whole numbers; equal ones are copies of one thing.
        others_MD: As the anchors.
        other_labels_M: As of the anchors.
        own_N: The place of each anchor among the others, where it is compared with nothing.
        margins: Of distances.
    """
    with torch.autocast(anchors_ND.device.type, enabled=False):
        anchors_ND, others_MD = _unit(anchors_ND), _unit(others_MD)
        same_NM = labels_N[:, None] == other_labels_M[None, :]
        own_NM = own_N[:, None] == torch.arange(len(others_MD), device=own_N.device)[None, :]
        anchor_P, other_P = (same_NM & ~own_NM).nonzero(as_tuple=True)
        near_P = torch.linalg.vector_norm(anchors_ND[anchor_P] - others_MD[other_P], dim=1)
        far_NM = (2 - 2 * anchors_ND @ others_MD.T).clamp(min=_SMALLEST_SQUARE).sqrt()
        positive, costly_positives = _mean_of_costly(near_P - margins.positive)
        short_NM = torch.where(same_NM | own_NM, torch.zeros_like(far_NM), margins.negative - far_NM)
        negative, costly_negatives = _mean_of_costly(short_NM)
    return Contrast(positive + negative, positive, negative, costly_positives, costly_negatives)


class ContrastiveLoss(nn.Module):
    """The loss over the batches of all processes, and over past batches where there is a memory.

    Every process gives the same loss, and the trainer's mean of their gradients is its gradient.

    Args:
        margins: Of distances.
        memory: Kept up to date by every call; None compares only within the batch, where both halves of a pair have a
            gradient.
        rows_per_unit: How many neighbouring rows of a batch come from one unit; with it the memory of several
            processes is also that of one process with the whole batch.
    """

    def __init__(self, *, margins: Margins, memory: Memory | None = None, rows_per_unit: int = 1) -> None:
        super().__init__()
        self.margins = margins
        self.memory = memory
        self.rows_per_unit = rows_per_unit

    def forward(self, embeddings_ND: Tensor, labels_N: Tensor) -> Contrast:
        """The loss of a batch.

        Args:
            embeddings_ND: Equally many in every process.
            labels_N: Whole numbers, the same for the same thing in every process.

        Raises:
            UsageError: The rows of all processes do not fit into the memory, or are no whole number of units.
        """
        all_MD = gather(embeddings_ND, rows_per_unit=self.rows_per_unit)
        labels_M = gather(labels_N, rows_per_unit=self.rows_per_unit)
        if self.memory is None:
            own_M = torch.arange(len(all_MD), device=all_MD.device)
            return contrast(all_MD, labels_M, all_MD, labels_M, own_N=own_M, margins=self.margins)
        own_M = self.memory.add(_unit(all_MD.detach()), labels_M)
        others, other_labels = self.memory.held()
        return contrast(all_MD, labels_M, others, other_labels, own_N=own_M, margins=self.margins)


def _unit(rows_ND: Tensor) -> Tensor:
    return normalize(rows_ND if rows_ND.dtype == torch.float64 else rows_ND.float(), dim=1)


def _mean_of_costly(excess: Tensor) -> tuple[Tensor, Tensor]:
    costs = relu(excess)
    costly = (costs > 0).sum()
    return costs.sum() / costly.clamp(min=1), costly
