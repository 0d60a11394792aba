"""The frames of a batch as a network takes them: those that count, one below the other, as numbers.

N clips (videos or windows of them), T frames of the longest, P frames that count, D numbers of a frame, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass

from podium.errors import MachineError, UsageError

try:
    import torch
    from torch import Tensor
except ImportError as error:
    raise MachineError("networks need torch: `pip install 'podium[torch]'`") from error

RGB, AUDIO = 1024, 128
DIMENSIONS = RGB + AUDIO

_SCALE = 4.0 / 255.0
_BIAS = 4.0 / 512.0 - 2.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Clips:
    """Frames without padding.

    Attributes:
        rows_PD: Frames that count, clip after clip.
        clips: N.
        frames: T.
        places_P: Where each row stands among the N * T places; None is every place in order.
        weight_NT: 1.0 or 0.0 for each place, where padding is among the rows, as the reference has it; else None.
    """

    rows_PD: Tensor
    clips: int
    frames: int
    places_P: Tensor | None = None
    weight_NT: Tensor | None = None

    def spread(self, rows_PC: Tensor) -> Tensor:
        """(N, T, C): rows at their places, zeros elsewhere."""
        if self.places_P is None:
            return rows_PC.reshape(self.clips, self.frames, -1)
        spread = rows_PC.new_zeros(self.clips * self.frames, rows_PC.shape[1])
        return spread.index_copy(0, self.places_P, rows_PC).view(self.clips, self.frames, -1)

    def counts_N(self) -> Tensor:
        """(N,): how many frames of each clip a mean is over, at least 1, in the type of the rows."""
        if self.places_P is None:
            return self.rows_PD.new_full((self.clips,), float(self.frames))
        places = torch.bincount(self.places_P // self.frames, minlength=self.clips)
        return places.clamp(min=1).to(self.rows_PD.dtype)


def clips(features_NTD: Tensor, mask_NT: Tensor, *, dtype: torch.dtype, reference: bool = False) -> Clips:
    """The frames of a batch.

    Args:
        features_NTD: Bytes as they are stored.
        mask_NT: True for frames; False for padding, whose features do not matter.
        dtype: Of the rows.
        reference: Padding counts as frames of zeros, and bytes are taken as the numbers 0 to 255.

    Raises:
        UsageError: Shapes or types are others, or there is no place for a frame.
    """
    if features_NTD.ndim != 3 or features_NTD.shape[2] != DIMENSIONS or features_NTD.dtype != torch.uint8:
        raise UsageError(
            f"features are `{tuple(features_NTD.shape)}` of `{features_NTD.dtype}`; (N, T, {DIMENSIONS}) of "
            "`torch.uint8` is needed"
        )
    if mask_NT.shape != features_NTD.shape[:2] or mask_NT.dtype != torch.bool:
        raise UsageError(
            f"the mask is `{tuple(mask_NT.shape)}` of `{mask_NT.dtype}`; {tuple(features_NTD.shape[:2])} of "
            "`torch.bool` is needed"
        )
    count, frames = mask_NT.shape
    if not count or not frames:
        raise UsageError(f"there are `{count}` clips of `{frames}` frames; 1 or more of both are needed")
    rows = features_NTD.reshape(-1, DIMENSIONS)
    if reference:
        weight_NT = mask_NT.to(dtype)
        return Clips(rows_PD=rows.to(dtype) * weight_NT.reshape(-1, 1), clips=count, frames=frames, weight_NT=weight_NT)
    places_P = None if bool(mask_NT.all()) else mask_NT.reshape(-1).nonzero().squeeze(1)
    counted = rows if places_P is None else rows.index_select(0, places_P)
    return Clips(rows_PD=dequantise(counted, dtype), clips=count, frames=frames, places_P=places_P)


def dequantise(stored: Tensor, dtype: torch.dtype) -> Tensor:
    """The numbers that stored bytes stand for, by the official formula: ``q * 4 / 255 - 2 + 1 / 128``.

    >>> dequantise(torch.tensor([0, 255], dtype=torch.uint8), torch.float64).tolist()
    [-1.9921875, 2.0078125]
    """
    return stored.to(dtype).mul_(_SCALE).add_(_BIAS)
