"""From the coarsest map back to the finest: each step doubles the size and adds what the finer map knows.

Axes: N batch, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from podium.errors import MachineError

try:
    from torch import Tensor, nn
    from torch.nn import functional
except ImportError as error:
    raise MachineError("networks need torch: `pip install 'podium[torch]'`") from error

Convolution = Literal["separable", "plain"]


class Block(nn.Module):
    """Two convolutions around which the input is led.

    Args:
        channels: In and out.
        convolution: ``separable`` looks at each channel by itself and then mixes them; ``plain`` does both at once,
            with some nine times the work.
    """

    def __init__(self, channels: int, *, convolution: Convolution = "separable") -> None:
        super().__init__()
        self.first = _convolution(channels, convolution)
        self.second = _convolution(channels, convolution)

    def forward(self, features_NCHW: Tensor) -> Tensor:
        """Of the same shape."""
        inner_NCHW = self.second(functional.relu(self.first(features_NCHW)))
        return functional.relu(features_NCHW + inner_NCHW)


class Decoder(nn.Module):
    """Top-down over maps of several strides.

    Args:
        widths: Channels of each map, finest first; neighbours may differ.
        convolution: Of the blocks.
    """

    def __init__(self, widths: Sequence[int], *, convolution: Convolution = "separable") -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(each, convolution=convolution) for each in widths)
        self.narrow = nn.ModuleList(
            nn.Identity() if coarse == fine else nn.Conv2d(coarse, fine, 1) for fine, coarse in pairwise(widths)
        )
        self.scene = nn.Linear(widths[-1], widths[-1])
        self.head = nn.Conv2d(widths[0], 1, 1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Logits at the size of the finest map.

        Args:
            maps: (N, C, H, W) each, finest first, with the channels of `widths`.
        """
        coarsest_NCHW = maps[-1]
        scene_NC = self.scene(coarsest_NCHW.mean((2, 3)))
        features_NCHW = self.blocks[-1](coarsest_NCHW + scene_NC[:, :, None, None])
        for at in range(len(maps) - 2, -1, -1):
            above_NCHW = self.narrow[at](features_NCHW)
            features_NCHW = self.blocks[at](maps[at] + resized(above_NCHW, maps[at].shape[-2:]))
        return self.head(features_NCHW)


def resized(features_NCHW: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear, to (height, width)."""
    if tuple(features_NCHW.shape[-2:]) == tuple(size):
        return features_NCHW
    return functional.interpolate(features_NCHW, size=tuple(size), mode="bilinear", align_corners=False)


def _convolution(channels: int, kind: Convolution) -> nn.Sequential:
    if kind == "plain":
        return nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
    )
