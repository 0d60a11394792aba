"""Context gating: a vector times gates that are read off the vector itself.

P rows (videos, or frames of them), C channels. Sources: Hu, Shen and Sun, "Squeeze-and-excitation networks", 2018;
Miech, Laptev and Sivic, "Learnable pooling with context gating for video classification", 2017.
"""

from __future__ import annotations

from podium.errors import MachineError, UsageError
from podium.solutions.segment_classification.initialisation import initialise

try:
    from torch import Tensor, nn
except ImportError as error:
    raise MachineError("networks need torch: `pip install 'podium[torch]'`") from error


class Gate(nn.Module):
    """Two fully connected layers, narrow in the middle, give a gate of 0 to 1 for every channel.

    Over time it is the same over rows of frames: its batch norms then count every frame as a row.

    Args:
        channels: C.
        reduction: The middle has C // reduction channels.
        batch_norm: Norms before both layers.
        plain_start: Layers begin as torch's own do, as the reference's convolutions over time did.
    """

    def __init__(self, channels: int, reduction: int, *, batch_norm: bool = True, plain_start: bool = False) -> None:
        super().__init__()
        if not 1 <= reduction <= channels:
            raise UsageError(f"a gate reduces {channels} channels by `{reduction}`; 1 to {channels} are allowed")
        narrow = channels // reduction
        self.norm_in = nn.BatchNorm1d(channels) if batch_norm else nn.Identity()
        self.squeeze = nn.Linear(channels, narrow)
        self.norm_narrow = nn.BatchNorm1d(narrow) if batch_norm else nn.Identity()
        self.excite = nn.Linear(narrow, channels)
        for each in (self.norm_in, self.norm_narrow) if plain_start else (self,):
            initialise(each)

    def forward(self, rows_PC: Tensor) -> Tensor:
        """(P, C): rows times their gates."""
        return rows_PC * self.gates(rows_PC)

    def gates(self, rows_PC: Tensor) -> Tensor:
        """(P, C): 0 to 1."""
        narrow = self.norm_narrow(self.squeeze(self.norm_in(rows_PC)).relu())
        return self.excite(narrow).sigmoid_()
