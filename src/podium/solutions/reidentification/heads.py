"""What a network is trained with and then loses: classes, margins, losses.

Axes: B photographs, D dimensions, C classes (individuals), K centres of a class.
Sources: Deng et al., "ArcFace: additive angular margin loss for deep face recognition", 2019; Deng et al., "Sub-center
ArcFace", 2020; Ha et al., "Google Landmark Recognition 2020: third place" (margins by a power law of the class size);
Boutros et al., "ElasticFace", 2022; Lin et al., "Focal loss for dense object detection", 2017.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from podium.errors import MachineError, UsageError, nearest

try:
    import torch
    from torch import Tensor, nn
    from torch.nn import functional
except ImportError as error:
    raise MachineError("networks need torch: `pip install 'podium[torch]'`") from error

HEADS = ("arcface", "softmax")
MARGINS = ("fixed", "power", "min-max", "elastic")
FOCAL_UNITS = ("photograph", "batch")
_SMALLEST = 1e-12


@dataclass(frozen=True, kw_only=True)
class MarginSettings:
    """How far, in radians, a photograph must come closer to its own class than the angle says.

    Attributes:
        kind: ``fixed`` (`value`); ``power`` (`factor` n^`exponent` + `offset`, n the photographs of the class);
            ``min-max`` (n^`exponent`, stretched to reach from `least` to `most`); ``elastic`` (Normal about `value`
            with `deviation`, drawn anew for each photograph).
    """

    kind: str = "power"
    value: float = 0.3
    deviation: float = 0.0125
    factor: float = 0.5
    exponent: float = -0.125
    offset: float = 0.05
    least: float = 0.05
    most: float = 0.35

    def __post_init__(self) -> None:
        if self.kind not in MARGINS:
            raise UsageError(f"the kind of a margin is `{self.kind}`; {nearest(self.kind, MARGINS)}")


@dataclass(frozen=True, kw_only=True)
class HeadSettings:
    """The classifier that a network is trained with.

    Attributes:
        kind: ``arcface`` (cosines, margin, scale) or ``softmax`` (a plain linear classifier).
        centres: Of each class; the nearest one counts. 1 is plain ArcFace.
        scale: What cosines are multiplied by.
        margin: Of ``arcface``.
        guard: Beyond the angle where a margin would make a cosine rise again, it falls on in a straight line.
        label_smoothing: Share of the target that is spread over all classes.
        focal: Gamma of the focal loss; 0 is plain cross-entropy.
        focal_unit: What the focal factor is computed for: each ``photograph``, or the mean of the ``batch``.
    """

    kind: str = "arcface"
    centres: int = 2
    scale: float = 21.0
    margin: MarginSettings = MarginSettings()
    guard: bool = True
    label_smoothing: float = 0.0
    focal: float = 0.0
    focal_unit: str = "photograph"

    def __post_init__(self) -> None:
        for what, found, allowed in (
            ("kind", self.kind, HEADS),
            ("focal unit", self.focal_unit, FOCAL_UNITS),
        ):
            if found not in allowed:
                raise UsageError(f"the {what} of a head is `{found}`; {nearest(found, allowed)}")
        if self.centres < 1 or self.scale <= 0 or self.focal < 0 or not 0 <= self.label_smoothing < 1:
            raise UsageError(
                "a head has at least 1 centre, a scale above 0, a focal gamma from 0 and a label smoothing from 0 to 1"
            )


def margins(photos_C: Sequence[int], settings: MarginSettings) -> NDArray[np.float64]:
    """(C,) the margin of each class, in radians; of ``elastic`` its mean.

    Args:
        photos_C: How many photographs each class has, at least 1.

    >>> margins([1, 2, 5, 20, 106], MarginSettings()).round(3).tolist()
    [0.55, 0.509, 0.459, 0.394, 0.329]
    >>> margins([3, 4, 5, 85], MarginSettings(kind="min-max", exponent=-0.25)).round(3).tolist()
    [0.35, 0.313, 0.287, 0.05]
    """
    counts_C = np.asarray(photos_C, dtype=np.float64)
    if settings.kind in ("fixed", "elastic"):
        return np.full(len(counts_C), settings.value)
    powers_C = counts_C**settings.exponent
    if settings.kind == "power":
        return settings.factor * powers_C + settings.offset
    low, high = powers_C.min(), powers_C.max()
    if high == low:
        return np.full(len(counts_C), settings.most)
    return settings.least + (settings.most - settings.least) * (powers_C - low) / (high - low)


class Head(nn.Module):
    """Vectors to logits, and logits to a loss.

    Args:
        dimensions: Of the vectors.
        photos_C: Photographs of each class.
        settings: The kind of head; elastic margins are drawn with torch's own generator.
    """

    def __init__(self, dimensions: int, photos_C: Sequence[int], settings: HeadSettings) -> None:
        super().__init__()
        self.settings = settings
        self.classes = len(photos_C)
        rows = self.classes * (settings.centres if settings.kind == "arcface" else 1)
        self.weight = nn.Parameter(torch.empty(rows, dimensions))
        nn.init.uniform_(self.weight, -(dimensions**-0.5), dimensions**-0.5)
        self.bias = nn.Parameter(torch.zeros(rows)) if settings.kind == "softmax" else None
        self.margins_C: Tensor
        margins_C = torch.tensor(margins(photos_C, settings.margin), dtype=torch.float32)
        self.register_buffer("margins_C", margins_C, persistent=False)

    def forward(self, vectors_BD: Tensor, labels_B: Tensor | None = None) -> Tensor:
        """(B, C) logits.

        Args:
            vectors_BD: Of any length.
            labels_B: Classes that get the margin; None, as when one asks which class it is, gives none.
        """
        if self.settings.kind == "softmax":
            return functional.linear(vectors_BD, self.weight, self.bias)
        cosine_BC = self.cosines(vectors_BD)
        if labels_B is not None:
            margin_B = self._margins(labels_B)
            own_B1 = cosine_BC.gather(1, labels_B[:, None])
            moved_B1 = with_margin(own_B1[:, 0], margin_B, guard=self.settings.guard)[:, None]
            cosine_BC = cosine_BC.scatter(1, labels_B[:, None], moved_B1)
        return self.settings.scale * cosine_BC

    def cosines(self, vectors_BD: Tensor) -> Tensor:
        """(B, C) the cosine with the nearest centre of each class."""
        with torch.autocast(vectors_BD.device.type, enabled=False):
            unit_BD = functional.normalize(vectors_BD.to(self.weight.dtype))
            every_BR = functional.linear(unit_BD, functional.normalize(self.weight))
        return every_BR.view(len(vectors_BD), self.classes, self.settings.centres).amax(2)

    def loss(self, logits_BC: Tensor, labels_B: Tensor) -> Tensor:
        """Cross-entropy, smoothed and focused as set; a scalar."""
        each_B = functional.cross_entropy(
            logits_BC, labels_B, label_smoothing=self.settings.label_smoothing, reduction="none"
        )
        if self.settings.focal_unit == "batch":
            return focused(each_B.mean(), gamma=self.settings.focal)
        return focused(each_B, gamma=self.settings.focal).mean()

    def _margins(self, labels_B: Tensor) -> Tensor:
        margin_B = self.margins_C[labels_B]
        if self.settings.margin.kind != "elastic" or not self.training:
            return margin_B
        return margin_B + self.settings.margin.deviation * torch.randn_like(margin_B)


def with_margin(cosine_B: Tensor, margin_B: Tensor, *, guard: bool) -> Tensor:
    """(B,) cos(angle + margin).

    Args:
        cosine_B: -1 to 1.
        margin_B: Radians, 0 to pi.
        guard: Where angle + margin exceeds pi: cosine - margin sin(margin) instead, which keeps falling.

    >>> half = torch.tensor([0.5], dtype=torch.float64)
    >>> with_margin(half, torch.tensor([math.pi / 3], dtype=torch.float64), guard=True).round(decimals=6)
    tensor([-0.5000], dtype=torch.float64)
    """
    sine_B = (1.0 - cosine_B.square()).clamp(min=_SMALLEST).sqrt()
    moved_B = cosine_B * margin_B.cos() - sine_B * margin_B.sin()
    if not guard:
        return moved_B
    return torch.where(cosine_B < (math.pi - margin_B).cos(), cosine_B - margin_B * margin_B.sin(), moved_B)


def focused(loss: Tensor, *, gamma: float) -> Tensor:
    """(1 - exp(-loss))^gamma loss: what is already well told apart weighs less.

    >>> focused(torch.tensor(math.log(2.0)), gamma=1.0).round(decimals=4)
    tensor(0.3466)
    """
    return loss if gamma == 0 else (1.0 - torch.exp(-loss)).pow(gamma) * loss
