"""A NeXtVLAD of the pictures and one of the sound, joined.

N clips, P frames that count, F features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from podium.errors import MachineError
from podium.solutions.segment_classification.clips import AUDIO, RGB, Clips
from podium.solutions.segment_classification.gating import Gate
from podium.solutions.segment_classification.initialisation import initialise
from podium.solutions.segment_classification.vlad import NextVlad

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MachineError("networks need torch: `pip install 'podium[torch]'`") from error

if TYPE_CHECKING:
    from podium.solutions.segment_classification.encoders import EncoderSettings


class NextVladEncoder(nn.Module):
    """Clips to features; each kind of features is brought to unit length frame by frame.

    Args:
        settings: Of the kind ``nextvlad``.
        bare: Without what follows the fully connected layer, for another network to go on.
        reference: As for `NextVlad`.
    """

    def __init__(self, settings: EncoderSettings, *, bare: bool = False, reference: bool = False) -> None:
        super().__init__()
        self.bare = bare
        self.rgb = _vlad(RGB, settings.clusters, settings, reference=reference)
        self.audio = _vlad(AUDIO, settings.clusters // 2, settings, reference=reference)
        self.linear = nn.Linear(self.rgb.dimensions + self.audio.dimensions, settings.features)
        initialise(self.linear)
        gated = settings.reduction > 0 and not bare
        self.gate = Gate(settings.features, settings.reduction) if gated else nn.Identity()

    def forward(self, clips: Clips) -> Tensor:
        """(N, F)."""
        rgb, audio = clips.rows_PD.split((RGB, AUDIO), dim=1)
        features_NF = self.linear(torch.cat([self.rgb(clips, rgb), self.audio(clips, audio)], dim=1))
        return features_NF if self.bare else self.gate(features_NF.relu())


def _vlad(dimensions: int, clusters: int, settings: EncoderSettings, *, reference: bool) -> NextVlad:
    return NextVlad(
        dimensions,
        clusters=clusters,
        groups=settings.groups,
        expansion=settings.expansion,
        batch_norm=settings.batch_norm,
        dropout=settings.dropout / 2.0,
        reference=reference,
    )
