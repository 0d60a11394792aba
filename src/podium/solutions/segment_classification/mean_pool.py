"""The mean and the spread of the frames, and one fully connected layer: small and quick.

N clips, T frames, P frames that count, D numbers of a frame, F features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from podium.errors import MachineError
from podium.solutions.segment_classification.clips import DIMENSIONS, Clips
from podium.solutions.segment_classification.gating import Gate
from podium.solutions.segment_classification.initialisation import initialise

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MachineError("networks need torch: `pip install 'podium[torch]'`") from error

if TYPE_CHECKING:
    from podium.solutions.segment_classification.encoders import EncoderSettings

_SMALLEST = 1e-12


class MeanPoolEncoder(nn.Module):
    """Clips to features.

    Args:
        settings: Of the kind ``mean-pool``.
    """

    def __init__(self, settings: EncoderSettings) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(2 * DIMENSIONS)
        self.dropout = nn.Dropout(settings.dropout)
        self.linear = nn.Linear(2 * DIMENSIONS, settings.features)
        initialise(self.linear)
        self.gate = Gate(settings.features, settings.reduction) if settings.reduction else nn.Identity()

    def forward(self, clips: Clips) -> Tensor:
        """(N, F)."""
        return self.gate(self.linear(self.dropout(self.norm(moments(clips)))).relu())


def moments(clips: Clips) -> Tensor:
    """(N, 2 * D): mean over the frames of each clip, then standard deviation; zeros for a clip without frames."""
    rows_PD, count_N1 = clips.rows_PD, clips.counts_N()[:, None]
    mean_ND = clips.spread(rows_PD).sum(1) / count_N1
    if clips.places_P is None:
        apart_NTD = clips.spread(rows_PD) - mean_ND[:, None]
    else:
        apart_NTD = clips.spread(rows_PD - mean_ND.index_select(0, clips.places_P // clips.frames))
    variance_ND = apart_NTD.square_().sum(1) / count_N1
    return torch.cat([mean_ND, variance_ND.clamp(min=_SMALLEST).sqrt()], dim=1)
