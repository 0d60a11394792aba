"""Frames to vectors: a pretrained network, the mean of its last map, one vector a frame.

Frames are squeezed to a square of the network's own size, as the extractor of YouTube-8M does.
Axes: T frames, H height, W width, C channels.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from podium.errors import MachineError, UsageError
from podium.solutions.copy_detection import backbone as backbones
from podium.solutions.copy_detection.backbone import DEFAULT_WEIGHTS, FINAL, Backbone

try:
    import torch
except ImportError as error:
    raise MachineError("networks need torch: `pip install 'podium[torch]'`") from error

INCEPTION = "inception_v3"
_SIDE_PIXELS = 224
_INCEPTION_PIXELS = 299
_CPU_BATCH_FRAMES = 4
"""On a processor, larger maps leave its caches and cost more memory traffic than they save."""
_CUDA_BATCH_FRAMES = 64


@dataclass(frozen=True, kw_only=True, eq=False)
class Extractor:
    """What turns frames into vectors.

    Attributes:
        backbone: Frozen; in float32, so that machines agree as far as they can.
        side_pixels: Of the square that frames are squeezed to.
    """

    backbone: Backbone
    side_pixels: int = _SIDE_PIXELS

    @cached_property
    def digest(self) -> str:
        """``sha256:…`` over the network's kind, its preparation of frames, and its weights."""
        whole = hashlib.sha256(f"{self.backbone.source.to_json()} {self.side_pixels}".encode())
        network = self.backbone.network
        if isinstance(network, torch.jit.ScriptModule):
            whole.update(network.inlined_graph.str(False).encode())  # pyright: ignore[reportAttributeAccessIssue] - torch's stub lacks it
        for name, value in sorted(network.state_dict().items()):
            whole.update(name.encode() + b"\0" + value.detach().cpu().contiguous().numpy().tobytes())
        return f"sha256:{whole.hexdigest()}"

    @torch.inference_mode()
    def embed(self, frames_THWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(T, C) one vector a frame.

        Args:
            frames_THWC: RGB, H and W equal `side_pixels`.

        Raises:
            UsageError: The frames have another shape.
        """
        side = self.side_pixels
        if frames_THWC.ndim != 4 or frames_THWC.shape[1:] != (side, side, 3) or not len(frames_THWC):
            raise UsageError(f"the frames are `{frames_THWC.shape}`; `(T, {side}, {side}, 3)` is needed")
        parts: list[NDArray[np.float32]] = []
        batch = _CPU_BATCH_FRAMES if self.backbone.device.type == "cpu" else _CUDA_BATCH_FRAMES
        for start in range(0, len(frames_THWC), batch):
            block_THWC = torch.from_numpy(np.ascontiguousarray(frames_THWC[start : start + batch]))
            found = self.backbone(block_THWC.permute(0, 3, 1, 2))[-1]
            vectors_TC = found.mean((-2, -1)) if found.ndim == 4 else found
            parts.append(vectors_TC.cpu().numpy())
        return np.concatenate(parts)


def load(weights: str = DEFAULT_WEIGHTS, *, architecture: str | None = None, device: str = "cpu") -> Extractor:
    """The extractor of some weights.

    Args:
        weights: As for `podium.solutions.copy_detection.backbone.load`: ``efficientnet_lite0``, which needs no network,
            a file, or ``timm:inception_v3`` for the kind of net that the official features came from.
        architecture: timm's name for the net that a file's state fills.
        device: ``cpu`` or ``cuda``.

    Raises:
        UsageError: The weights do not exist or do not fit the architecture.
        MachineError: A package that holds or reads them is missing.
    """
    backbone = backbones.load(weights, architecture=architecture, layers=(FINAL,), device=device, low_precision=False)
    is_inception = backbone.source.architecture.startswith(("inception", "tf_inception"))
    return Extractor(backbone=backbone, side_pixels=_INCEPTION_PIXELS if is_inception else _SIDE_PIXELS)


def load_saved(folder: Path, *, side_pixels: int, device: str = "cpu") -> Extractor:
    """The extractor whose backbone was saved to a folder.

    Raises:
        UsageError: The folder holds none.
    """
    backbone = backbones.load_saved(folder, device=device, low_precision=False)
    return Extractor(backbone=backbone, side_pixels=side_pixels)
