"""InfoNCE over copies, with a term that spreads the embeddings out, as SSCD is trained.

A row i and a copy j of it cost -log(e^(s_ij / t) / (e^(s_ij / t) + sum over negatives n of e^(s_in / t))): other copies
of i are left out of the sum. The entropy term is the Kozachenko-Leonenko estimate: a row costs -log of its distance to
the nearest row that is no copy of it.

Source: Pizzi, Roy, Ravindra, Goyal and Douze, "A self-supervised descriptor for image copy detection", CVPR 2022.

Axes: N rows of this process, M of all, K things that rows are mixed of, D dimensions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from podium.errors import MachineError, UsageError
from podium.solutions.copy_detection.training.gathering import gather
from podium.solutions.training import ranks

try:
    import torch
    from torch import Tensor
    from torch.nn.functional import normalize, softplus
except ImportError as error:
    raise MachineError("training needs torch: `pip install 'podium[train]'`") from error

_ADDED_TO_NEGATIVES = 1e-6
_SMALLEST_SQUARE = 1e-6


@dataclass(frozen=True, kw_only=True)
class EntropySettings:
    """What the two terms weigh.

    Attributes:
        temperature: t, above 0.
        weight: Of the entropy term, at least 0; 30 for the published models, 10 is their authors' advice for new data.
    """

    temperature: float = 0.05
    weight: float = 30.0

    def __post_init__(self) -> None:
        if not self.temperature > 0 or not self.weight >= 0:
            raise UsageError(
                f"`temperature` is {self.temperature} and `weight` {self.weight}; above 0, and 0 or more, are allowed"
            )


class SpreadContrast(NamedTuple):
    """The loss of this process's rows and what it is made of; the last three have no gradient.

    Attributes:
        total: `contrast` + weight x `entropy`.
        contrast: InfoNCE.
        entropy: Not weighted yet.
        positive_similarity: Mean over pairs that are copies; 0 where there are none.
        negative_similarity: Mean over pairs that are not; 0 where there are none.
        nearest_similarity: Mean over rows of that of the nearest row that is no copy.
    """

    total: Tensor
    contrast: Tensor
    entropy: Tensor
    positive_similarity: Tensor
    negative_similarity: Tensor
    nearest_similarity: Tensor


def spread_contrast(embeddings_ND: Tensor, labels: Tensor, *, settings: EntropySettings) -> SpreadContrast:
    """The loss of this process's rows among those of all; the mean over processes is that of one with all rows.

    Computed in 32 bits or more.

    Args:
        embeddings_ND: Equally many in every process; brought to unit length.
        labels: (N,) whole numbers, equal for copies; their costs are added and divided by N. Or (N, K) shares of the
            things that a row was mixed of: rows of this process that share one are copies, rows of other processes are
            none, and the mean of each row's pairs is averaged over the rows.
        settings: What the terms weigh.

    Raises:
        UsageError: A mixed row has no copy but itself, so that its mean does not exist.
    """
    with torch.autocast(embeddings_ND.device.type, enabled=False):
        rows_ND = embeddings_ND if embeddings_ND.dtype == torch.float64 else embeddings_ND.float()
        rows_ND = normalize(rows_ND, dim=1)
        similarity_NM = rows_ND @ _processes(rows_ND).T
        same_NM, own_NM = _same(labels, others=similarity_NM.shape[1])
        copies_NM = same_NM & ~own_NM
        costs_NM = torch.where(copies_NM, _costs(similarity_NM, same_NM, settings.temperature), 0)
        if labels.ndim == 1:
            contrast = costs_NM.sum() / len(rows_ND)
        else:
            copies_N = copies_NM.sum(1)
            if not copies_N.all():
                raise UsageError("a mixed row has no copy in its batch; give every image two views")
            contrast = (costs_NM.sum(1) / copies_N).mean()
        nearest_N = similarity_NM.masked_fill(same_NM, -1.0).amax(1)
        entropy = _entropy(nearest_N, alone_N=same_NM.all(1))
    with torch.no_grad():
        positive, negative = _mean(similarity_NM, copies_NM), _mean(similarity_NM, ~same_NM)
    total = contrast + settings.weight * entropy
    return SpreadContrast(total, contrast, entropy, positive, negative, nearest_N.detach().mean())


def _processes(rows_ND: Tensor) -> Tensor:
    # All rows of a process as one unit: the processes' rows one after the other.
    return gather(rows_ND, rows_per_unit=max(1, len(rows_ND)))


def _same(labels: Tensor, *, others: int) -> tuple[Tensor, Tensor]:
    count, first = len(labels), ranks.rank() * len(labels) if ranks.count() > 1 else 0
    own_NM = torch.zeros(count, others, dtype=torch.bool, device=labels.device)
    own_NM[:, first : first + count] = torch.eye(count, dtype=torch.bool, device=labels.device)
    if labels.ndim == 1:
        return labels[:, None] == _processes(labels)[None, :], own_NM
    same_NM = torch.zeros_like(own_NM)
    same_NM[:, first : first + count] = labels @ labels.T > 0
    return same_NM, own_NM


def _costs(similarity_NM: Tensor, same_NM: Tensor, temperature: float) -> Tensor:
    logits_NM = similarity_NM / temperature
    floor_N1 = logits_NM.new_full((len(logits_NM), 1), math.log(_ADDED_TO_NEGATIVES))
    negatives_NM = logits_NM.masked_fill(same_NM, -torch.inf)
    negatives_N1 = torch.cat([negatives_NM, floor_N1], dim=1).logsumexp(1, keepdim=True)
    return softplus(negatives_N1 - logits_NM)


def _entropy(nearest_N: Tensor, *, alone_N: Tensor) -> Tensor:
    distance_N = (2 - 2 * nearest_N).clamp(min=_SMALLEST_SQUARE).sqrt()
    return -torch.where(alone_N, 0, distance_N.log()).mean()


def _mean(values: Tensor, chosen: Tensor) -> Tensor:
    return torch.where(chosen, values, 0).sum() / chosen.sum().clamp(min=1)
