"""A deep bag of frames with context gating: every frame on its own, then the largest and the mean over them.

N clips, T frames, P frames that count, H hidden channels, F features. Sources: Abu-El-Haija et al., 2016 (DBoF); Lee,
2019 (gated over frames and over the video).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

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


class DbofEncoder(nn.Module):
    """Clips to features.

    Args:
        settings: Of the kind ``dbof``.
    """

    def __init__(self, settings: EncoderSettings) -> None:
        super().__init__()
        hidden = settings.hidden
        self.frame = nn.Linear(DIMENSIONS, hidden)
        self.norm = nn.BatchNorm1d(2 * hidden)
        self.dropout = nn.Dropout(settings.dropout)
        self.linear = nn.Linear(2 * hidden, settings.features, bias=False)
        for each in (self.frame, self.norm, self.linear):
            initialise(each)
        frame, video = settings.frame_reduction, settings.reduction
        self.frame_gate = Gate(hidden, frame, plain_start=True) if frame else nn.Identity()
        self.gate = Gate(settings.features, video) if video else nn.Identity()

    def forward(self, clips: Clips) -> Tensor:
        """(N, F)."""
        # What comes before a ReLU or a sigmoid is needed by nobody, so both write over it.
        frames_PH = self.frame(clips.rows_PD).relu_()
        if isinstance(self.frame_gate, Gate):
            pooled_N2H = pool_gated(clips, frames_PH, self.frame_gate.gates(frames_PH))
        else:
            pooled_N2H = pool(clips, frames_PH)
        return self.gate(self.linear(self.dropout(self.norm(pooled_N2H))).relu())


def pool(clips: Clips, frames_PH: Tensor) -> Tensor:
    """(N, 2 * H): the largest over the frames of a clip, then the mean.

    Args:
        clips: Where rows belong.
        frames_PH: At least 0, so that zeros in the places of padding change nothing.
    """
    frames_NTH = clips.spread(frames_PH)
    if clips.weight_NT is not None:
        frames_NTH = frames_NTH * clips.weight_NT[..., None]
    mean_NH = frames_NTH.sum(1) / clips.counts_N()[:, None].to(frames_NTH.dtype)
    return torch.cat([frames_NTH.amax(1), mean_NH], dim=1)


def pool_gated(clips: Clips, frames_PH: Tensor, gates_PH: Tensor) -> Tensor:
    """`pool` of frames times gates; on a CPU clip by clip, so that the products stay in its cache and take no memory.

    Args:
        clips: Where rows belong.
        frames_PH: At least 0.
        gates_PH: Above 0.
    """
    if frames_PH.device.type != "cpu" or clips.weight_NT is not None:
        return pool(clips, frames_PH * gates_PH)
    counts = [clips.frames] * clips.clips
    if clips.places_P is not None:
        counts = torch.bincount(clips.places_P // clips.frames, minlength=clips.clips).tolist()
    return _GatedPool.apply(frames_PH, gates_PH, counts)


class _GatedPool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, frames_PH: Tensor, gates_PH: Tensor, counts: Sequence[int]) -> Tensor:
        hidden = frames_PH.shape[1]
        pooled_N2H = frames_PH.new_zeros(len(counts), 2 * hidden)
        for out, frames, gates in _by_clip(counts, pooled_N2H, frames_PH, gates_PH):
            gated = frames * gates
            torch.amax(gated, 0, out=out[:hidden])
            torch.mean(gated, 0, out=out[hidden:])
        ctx.counts = counts
        ctx.save_for_backward(frames_PH, gates_PH, pooled_N2H)
        return pooled_N2H

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, Tensor, None]:
        (slope_N2H,) = grad_outputs
        frames_PH, gates_PH, pooled_N2H = ctx.saved_tensors
        hidden = frames_PH.shape[1]
        of_frames, of_gates = torch.empty_like(frames_PH), torch.empty_like(gates_PH)
        clips = _by_clip(ctx.counts, torch.stack([pooled_N2H, slope_N2H], 1), frames_PH, gates_PH, of_frames, of_gates)
        for (pooled, slope), frames, gates, to_frames, to_gates in clips:
            largest = frames * gates == pooled[:hidden]
            mean = slope[hidden:] / len(frames)
            share = torch.where(largest, mean + slope[:hidden] / largest.sum(0), mean)
            torch.mul(share, gates, out=to_frames)
            torch.mul(share, frames, out=to_gates)
        return of_frames, of_gates, None


def _by_clip(counts: Sequence[int], of_clips: Tensor, *of_rows: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """The part of each clip in every tensor; clips without frames are left out."""
    at = 0
    for number, count in enumerate(counts):
        if count:
            yield of_clips[number], *(each[at : at + count] for each in of_rows)
        at += count
