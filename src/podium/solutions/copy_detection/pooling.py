"""Frames to embeddings: resize, run the backbone, pool its maps.

Axes: T frames, H height, W width, C channels, K kinds of map.
Source of GeM: Radenović, Tolias and Chum, "Fine-tuning CNN image retrieval with no human annotation", 2018.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from podium.errors import MachineError, UsageError
from podium.solutions.copy_detection.backbone import Backbone

try:
    import torch
    from torch.nn import functional
except ImportError as error:
    raise MachineError("networks need torch: `pip install 'podium[torch]'`") from error

_SMALLEST = 1e-6


@dataclass(frozen=True, kw_only=True)
class Pooling:
    """How a frame becomes one vector.

    Attributes:
        power: Of the generalised mean: 1 is the average, large is the maximum.
        sizes: Pixels of the shorter edge; the vectors of several sizes are averaged.
        mirrored: Also average over the mirrored frame, so that a flip changes nothing.
        longest: Of longer edge to shorter edge; a longer frame is squeezed to it.
        batch: Frames that the network sees at one time.
    """

    power: float = 3.0
    sizes: tuple[int, ...] = (224,)
    mirrored: bool = False
    longest: float = 2.0
    batch: int = 32


def generalised_mean(maps_TCHW: torch.Tensor, *, power: float) -> torch.Tensor:
    """(T, C): the power mean of each channel over height and width; negative values count as none.

    Args:
        maps_TCHW: Any real values.
        power: Above 0.

    >>> generalised_mean(torch.tensor([[[[1.0, 2.0], [2.0, 3.0]]]]), power=1.0)
    tensor([[2.]])
    """
    if power == 1.0:
        return maps_TCHW.clamp(min=_SMALLEST).mean((-2, -1))
    return maps_TCHW.clamp(min=_SMALLEST).pow(power).mean((-2, -1)).pow(1 / power)


@torch.inference_mode()
def embed(backbone: Backbone, frames_THWC: NDArray[np.uint8], *, pooling: Pooling) -> NDArray[np.float32]:
    """(T, C) one embedding a frame: the layers' pooled maps, each of unit length, side by side.

    Args:
        frames_THWC: RGB.

    Raises:
        UsageError: The frames have another shape.
    """
    if frames_THWC.ndim != 4 or frames_THWC.shape[-1] != 3:
        raise UsageError(f"frames are (T, H, W, 3); found `{frames_THWC.shape}`")
    parts: list[torch.Tensor] = []
    for start in range(0, len(frames_THWC), pooling.batch):
        block_TCHW = torch.from_numpy(np.ascontiguousarray(frames_THWC[start : start + pooling.batch]))
        block_TCHW = block_TCHW.permute(0, 3, 1, 2).to(backbone.device)
        views = [_resize(block_TCHW, size, pooling.longest) for size in pooling.sizes]
        if pooling.mirrored:
            views += [view.flip(-1) for view in views]
        vectors = [_vector(backbone(view), pooling.power) for view in views]
        parts.append(functional.normalize(torch.stack(vectors).mean(0)).cpu())
    if not parts:
        raise UsageError("there is no frame to embed")
    return torch.cat(parts).numpy()


def _vector(maps: list[torch.Tensor], power: float) -> torch.Tensor:
    pooled = [generalised_mean(each, power=power) if each.ndim == 4 else each for each in maps]
    return torch.cat([functional.normalize(each) for each in pooled], dim=1)


def _resize(frames_TCHW: torch.Tensor, size: int, longest: float) -> torch.Tensor:
    height, width = frames_TCHW.shape[-2:]
    shorter = min(height, width)
    target = [min(round(edge * size / shorter / 32) * 32, int(size * longest)) for edge in (height, width)]
    if (height, width) == tuple(target):
        return frames_TCHW
    return functional.interpolate(
        frames_TCHW.float(), size=target, mode="bilinear", antialias=True, align_corners=False
    )
