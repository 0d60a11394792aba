"""What a frame shows and how it moves, made one map: first both are brought near, then a gate chooses.

Bringing near: a coarse map of the object, guessed from both, says which pixels are object and which background. The
mean of either is a word for it that both pictures share; each pixel, of frame and of motion, is told the words that it
is like. Choosing: every channel and every pixel has a say in a weight w between 0 and 1, and w of the frame and 1 - w
of the motion go on. After the idea of Pei et al., "Hierarchical Feature Alignment Network for Unsupervised Video Object
Segmentation", ECCV 2022.

Axes: N batch, C channels, H height, W width, P pixels, K 2: object and background.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from podium.errors import MachineError

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MachineError("networks need torch: `pip install 'podium[torch]'`") from error

Kind = Literal["aligned", "gated", "mean"]
_REDUCTION = 4
_SMALL = 1e-4


class Fused(NamedTuple):
    """What comes of two maps.

    Attributes:
        features_NCHW: Of both.
        coarse_N1HW: Logits of the object; None where there is no alignment.
    """

    features_NCHW: Tensor
    coarse_N1HW: Tensor | None


class Alignment(nn.Module):
    """Tells every pixel of both maps what the object and what the background look like.

    Args:
        channels: Of both maps.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.coarse = nn.Conv2d(channels, 1, 1)
        self.words = nn.Linear(channels, channels)

    def forward(self, image_NCHW: Tensor, motion_NCHW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Both maps, aligned, and the coarse logits."""
        both_NCHW = image_NCHW + motion_NCHW
        coarse_N1HW = self.coarse(both_NCHW)
        context_NKC = contexts(both_NCHW, coarse_N1HW)
        image_NCHW = image_NCHW + self._told(image_NCHW, context_NKC)
        return image_NCHW, motion_NCHW + self._told(motion_NCHW, context_NKC), coarse_N1HW

    def _told(self, features_NCHW: Tensor, context_NKC: Tensor) -> Tensor:
        queries_NPC = features_NCHW.flatten(2).transpose(1, 2)
        likeness_NPK = queries_NPC @ context_NKC.transpose(1, 2) / context_NKC.shape[-1] ** 0.5
        told_NPC = likeness_NPK.softmax(-1) @ self.words(context_NKC)
        return told_NPC.transpose(1, 2).reshape(features_NCHW.shape)


class Gate(nn.Module):
    """A weight for the frame at every channel and pixel.

    Args:
        channels: Of both maps.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(8, channels // _REDUCTION)
        self.channel = nn.Sequential(nn.Linear(2 * channels, inner), nn.ReLU(), nn.Linear(inner, channels))
        self.pixel = nn.Sequential(nn.Conv2d(2 * channels, inner, 1), nn.ReLU(), nn.Conv2d(inner, 1, 3, padding=1))

    def forward(self, image_NCHW: Tensor, motion_NCHW: Tensor) -> Tensor:
        """(N, C, H, W), 0 to 1."""
        both_NDHW = torch.cat((image_NCHW, motion_NCHW), dim=1)
        channel_NC = self.channel(both_NDHW.mean((2, 3)))
        return torch.sigmoid(channel_NC[:, :, None, None] + self.pixel(both_NDHW))


class Fusion(nn.Module):
    """Two maps of one stride to one map.

    Args:
        inputs: Channels of either map.
        channels: Of the result.
        kind: ``aligned`` brings near and chooses, ``gated`` chooses, ``mean`` does neither.
    """

    def __init__(self, inputs: int, channels: int, *, kind: Kind = "aligned") -> None:
        super().__init__()
        self.image = _projection(inputs, channels)
        self.motion = _projection(inputs, channels)
        self.alignment = Alignment(channels) if kind == "aligned" else None
        self.gate = Gate(channels) if kind != "mean" else None

    def forward(self, image_NCHW: Tensor, motion_NCHW: Tensor, has_motion_N: Tensor) -> Fused:
        """Mixes two maps; without motion the frame's alone goes on.

        Args:
            image_NCHW: Of the frame.
            motion_NCHW: Of the motion picture, of the same shape.
            has_motion_N: False where the motion picture means nothing.
        """
        image_NCHW, motion_NCHW = self.image(image_NCHW), self.motion(motion_NCHW)
        there_N111 = has_motion_N.to(image_NCHW.dtype)[:, None, None, None]
        motion_NCHW = motion_NCHW * there_N111
        coarse_N1HW = None
        if self.alignment is not None:
            image_NCHW, motion_NCHW, coarse_N1HW = self.alignment(image_NCHW, motion_NCHW)
        weight_NCHW = 0.5 if self.gate is None else self.gate(image_NCHW, motion_NCHW)
        motion_share_NCHW = (1 - weight_NCHW) * there_N111
        mixed_NCHW = image_NCHW + motion_share_NCHW * (motion_NCHW - image_NCHW)
        return Fused(features_NCHW=mixed_NCHW, coarse_N1HW=coarse_N1HW)


def contexts(features_NCHW: Tensor, coarse_N1HW: Tensor) -> Tensor:
    """(N, 2, C): the mean of the features over the object and over the background.

    Args:
        features_NCHW: Any numbers.
        coarse_N1HW: Logits of the object.
    """
    object_N1P = coarse_N1HW.flatten(2).sigmoid()
    weight_NKP = torch.cat((object_N1P, 1 - object_N1P), dim=1)
    weight_NKP = weight_NKP / (weight_NKP.sum(-1, keepdim=True) + _SMALL)
    return weight_NKP @ features_NCHW.flatten(2).transpose(1, 2)


def _projection(inputs: int, channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, channels, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU())
