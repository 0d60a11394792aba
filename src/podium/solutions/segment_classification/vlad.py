"""NeXtVLAD pooling as batched matrix products.

N clips, T frames, P frames that count, K clusters, G groups, d numbers of a frame, D of a group, S = T * G group rows.
Source: Lin, Xiao and Fan, "NeXtVLAD: an efficient neural network to aggregate frame-level features for large-scale
video classification", 2018, and its changed form in Lee, 2019.

The residuals of all group rows to all centroids would be a tensor (N, T, K, G, D). Only their weighted sums are needed:
sum of w (x - c) = (sum of w x) - (sum of w) c, of which the first is one matrix product for each clip. Nothing bends
between the expansion and the layers that read weights off it, so with many frames those are multiplied together first:
their product reads frames that are not yet expanded, at a fraction of the work.
"""

from __future__ import annotations

from podium.errors import MachineError, UsageError
from podium.solutions.segment_classification.clips import Clips
from podium.solutions.segment_classification.initialisation import initialise

try:
    import torch
    from torch import Tensor, nn
    from torch.nn import functional
except ImportError as error:
    raise MachineError("networks need torch: `pip install 'podium[torch]'`") from error

ALPHA = 100.0

_ROWS, _ROWS_LEARNING = 2.0, 1.5
"""From so many rows for each of d numbers on, less is to multiply when layers are multiplied together first."""


class NextVlad(nn.Module):
    """Frames of one kind of features to one vector (K * D) for each clip.

    Args:
        dimensions: d.
        clusters: K.
        groups: G; divides expansion * d.
        expansion: How many times as many numbers a frame has before it is cut into groups.
        batch_norm: Assignments are normed for each cluster; else they have a bias.
        dropout: Share of the clusters that are left out in training.
        reference: The defect of the reference: its assignments are read with groups and clusters mixed up.
    """

    def __init__(
        self,
        dimensions: int,
        *,
        clusters: int,
        groups: int,
        expansion: int = 2,
        batch_norm: bool = True,
        dropout: float = 0.25,
        reference: bool = False,
    ) -> None:
        super().__init__()
        wide = expansion * dimensions
        if wide % groups:
            raise UsageError(f"`{groups}` groups do not divide the {wide} numbers of an expanded frame")
        self.clusters, self.groups, self.dropout, self.reference = clusters, groups, dropout, reference
        self.dimensions = clusters * wide // groups
        self.expand = nn.Linear(dimensions, wide)
        self.assign = nn.Linear(wide, groups * clusters, bias=not batch_norm)
        self.norm_assign = nn.BatchNorm1d(clusters) if batch_norm else nn.Identity()
        self.attend = nn.Linear(wide, groups)
        self.centroids = nn.Parameter(torch.rand(clusters, wide // groups))
        self.norm = nn.BatchNorm1d(self.dimensions)
        self._begin()

    def _begin(self) -> None:
        """Assignments begin as those of hard clustering around the centroids."""
        initialise(self.expand)
        initialise(self.attend)
        with torch.no_grad():
            self.assign.weight.copy_((2.0 * ALPHA * self.centroids).repeat(self.groups, self.groups))
            if self.assign.bias is not None:
                self.assign.bias.copy_((-ALPHA * self.centroids.norm(dim=1)).repeat(self.groups))

    def forward(self, clips: Clips, rows_Pd: Tensor) -> Tensor:
        """(N, K * D).

        Args:
            clips: Where rows belong.
            rows_Pd: This kind's part of their features.
        """
        unit_Pd = functional.normalize(rows_Pd, dim=1)
        wide = self.expand(unit_Pd)
        assigned, attended = self._read(unit_Pd, wide)
        weights_PGK = self._assignments(assigned) * self._attention(clips, attended)[..., None]
        with torch.autocast(wide.device.type, enabled=False):
            # Sums over hundreds of frames want more digits than mixed precision leaves.
            exact = self.centroids.dtype
            weights_NSK = clips.spread(weights_PGK.flatten(1).to(exact)).view(clips.clips, -1, self.clusters)
            groups_NSD = clips.spread(wide.to(exact)).view(clips.clips, weights_NSK.shape[1], -1)
            mass_NK = weights_NSK.sum(1)
            vlad_NKD = torch.baddbmm(
                mass_NK[..., None] * self.centroids, weights_NSK.transpose(1, 2), groups_NSD, beta=-1.0
            )
            vlad = self.norm(functional.normalize(vlad_NKD, dim=2).flatten(1))
        if self.training and self.dropout:
            vlad = functional.dropout1d(vlad.view_as(vlad_NKD), self.dropout).flatten(1)
        return vlad

    def _read(self, unit_Pd: Tensor, wide: Tensor) -> tuple[Tensor, Tensor]:
        """(P, G * K) and (P, G): what assignments and attention are made of."""
        rows, dimensions = unit_Pd.shape
        if rows <= (_ROWS_LEARNING if torch.is_grad_enabled() else _ROWS) * dimensions:
            return self.assign(wide), self.attend(wide)
        readers, count = (self.assign, self.attend), self.assign.out_features
        weight = torch.cat([each.weight for each in readers]) @ self.expand.weight
        bias = functional.linear(self.expand.bias, self.assign.weight, self.assign.bias)
        attended = functional.linear(unit_Pd, weight[count:], self.attend(self.expand.bias))
        return functional.linear(unit_Pd, weight[:count], bias), attended

    def _assignments(self, assigned: Tensor) -> Tensor:
        """(P, G, K): to which cluster each group of a frame belongs."""
        logits = self.norm_assign(assigned.reshape(-1, self.clusters))
        if self.reference:
            return logits.view(-1, self.clusters, self.groups).softmax(1).transpose(1, 2)
        return logits.view(-1, self.groups, self.clusters).softmax(2)

    def _attention(self, clips: Clips, attended: Tensor) -> Tensor:
        """(P, G): how much each group of a frame counts."""
        attention_PG = attended.sigmoid()
        return attention_PG if clips.weight_NT is None else attention_PG * clips.weight_NT.reshape(-1, 1)
