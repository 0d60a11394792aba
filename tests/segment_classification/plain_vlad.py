"""NeXtVLAD as its paper writes it: the residual of every group of every frame to every centroid, in five dimensions.

N clips, T frames, G groups, K clusters, D numbers of a group. Slow and large on purpose; the names of its parts are
those of `podium.solutions.segment_classification.vlad.NextVlad`, so that the two exchange weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from podium.solutions.segment_classification.clips import Clips
from podium.solutions.segment_classification.vlad import NextVlad


class PlainVlad(nn.Module):
    """The same weights as `layer`, copied."""

    def __init__(self, layer: NextVlad) -> None:
        super().__init__()
        wide, narrow = layer.expand.weight.shape
        self.clusters, self.groups, self.reference = layer.clusters, layer.groups, layer.reference
        self.dimensions = layer.dimensions
        self.expand = nn.Linear(narrow, wide)
        self.assign = nn.Linear(wide, self.groups * self.clusters, bias=layer.assign.bias is not None)
        normed = isinstance(layer.norm_assign, nn.BatchNorm1d)
        self.norm_assign = nn.BatchNorm1d(self.clusters) if normed else nn.Identity()
        self.attend = nn.Linear(wide, self.groups)
        self.centroids = nn.Parameter(layer.centroids.detach().clone())
        self.norm = nn.BatchNorm1d(self.dimensions)
        self.to(layer.centroids.dtype).load_state_dict(layer.state_dict())

    def forward(self, clips: Clips, rows_Pd: Tensor) -> Tensor:
        """As that of the layer: frames that do not count are put back as zeros, and their weights are 0."""
        counts_NT = clips.spread(torch.ones_like(rows_Pd[:, :1]))[..., 0]
        frames_NTd = clips.spread(rows_Pd)
        return self.pool(frames_NTd, counts_NT if clips.weight_NT is None else clips.weight_NT, clips)

    def pool(self, frames_NTd: Tensor, weight_NT: Tensor, clips: Clips) -> Tensor:
        count, frames, _ = frames_NTd.shape
        length = frames_NTd.pow(2).sum(2, keepdim=True).sqrt()
        wide_NTW = self.expand(frames_NTd / length.clamp(min=1e-12))
        logits_NTGK = self.assign(wide_NTW).view(count, frames, self.groups, self.clusters)
        if clips.places_P is None:
            logits_NTGK = self.norm_assign(logits_NTGK.reshape(-1, self.clusters)).view(logits_NTGK.shape)
        else:
            normed = torch.zeros_like(logits_NTGK)
            counts = weight_NT > 0
            here = logits_NTGK[counts]
            normed[counts] = self.norm_assign(here.reshape(-1, self.clusters)).view(here.shape)
            logits_NTGK = normed
        if self.reference:
            mixed_NTKG = logits_NTGK.reshape(count, frames, self.clusters, self.groups)
            shares_NTKG = mixed_NTKG.softmax(2)
        else:
            shares_NTKG = logits_NTGK.transpose(2, 3).softmax(2)
        attention_NTG = self.attend(wide_NTW).sigmoid() * weight_NT[..., None]
        weights_NTKG1 = (shares_NTKG * attention_NTG[:, :, None])[..., None]
        groups_NT1GD = wide_NTW.view(count, frames, 1, self.groups, -1)
        # The five dimensions, as the published code has them: weighted vectors, less weighted centroids.
        vectors_NKD = (weights_NTKG1 * groups_NT1GD).sum(3).sum(1)
        vlad_NKD = vectors_NKD - weights_NTKG1.sum(3).sum(1) * self.centroids
        norm_NK1 = vlad_NKD.pow(2).sum(2, keepdim=True).sqrt()
        return self.norm((vlad_NKD / norm_NK1.clamp(min=1e-12)).reshape(count, -1))
