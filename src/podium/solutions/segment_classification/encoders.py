"""What turns frames into one vector of features: the kinds that there are, and their settings."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from podium.errors import MachineError, UsageError, nearest
from podium.solutions.segment_classification.clips import AUDIO
from podium.solutions.segment_classification.dbof import DbofEncoder
from podium.solutions.segment_classification.mean_pool import MeanPoolEncoder
from podium.solutions.segment_classification.nextvlad import NextVladEncoder

try:
    from torch import nn
except ImportError as error:
    raise MachineError("networks need torch: `pip install 'podium[torch]'`") from error

_COMMON = ("kind", "features", "dropout", "reduction")
_OWN = {
    "nextvlad": ("clusters", "groups", "expansion", "batch_norm"),
    "dbof": ("hidden", "frame_reduction"),
    "mean-pool": (),
}


@dataclass(frozen=True, kw_only=True)
class EncoderSettings:
    """Shape of an encoder; what its kind does not use stays at its default.

    Attributes:
        kind: ``nextvlad``, ``dbof`` or ``mean-pool``.
        features: Of the vector.
        dropout: Share left out in training: of the pooled values, of ``nextvlad`` half as many whole clusters.
        reduction: The gates of the vector are read off so many times fewer channels; 0 has no gates.
        clusters: Of ``nextvlad``, for pictures; half as many for sound.
        groups: Of ``nextvlad``: parts of a frame that are assigned to clusters each for itself.
        expansion: Of ``nextvlad``: how much wider a frame is made first.
        batch_norm: Of ``nextvlad``: assignments are normed for each cluster.
        hidden: Of ``dbof``: channels of a frame.
        frame_reduction: Of ``dbof``: as `reduction`, for the gates of each frame.
    """

    kind: Literal["nextvlad", "dbof", "mean-pool"] = "nextvlad"
    features: int = 2048
    dropout: float = 0.5
    reduction: int = 4
    clusters: int = 64
    groups: int = 16
    expansion: int = 2
    batch_norm: bool = True
    hidden: int = 4096
    frame_reduction: int = 8

    def __post_init__(self) -> None:
        faults = [*_unused(self), *_out_of_range(self)]
        if faults:
            raise UsageError("; ".join(faults))


def build(settings: EncoderSettings, *, bare: bool = False, reference: bool = False) -> nn.Module:
    """An encoder, from `Clips` to (N, features), as it begins; by torch's seed.

    Args:
        settings: The shape.
        bare: For a segment whose context is known: ``nextvlad`` ends with its fully connected layer.
        reference: With the defects of the reference.

    Raises:
        UsageError: The reference has no such kind.
    """
    if settings.kind == "nextvlad":
        return NextVladEncoder(settings, bare=bare, reference=reference)
    if settings.kind == "dbof":
        return DbofEncoder(settings)
    if reference:
        raise UsageError("the reference has no encoder `mean-pool`; set `reference` to `false`")
    return MeanPoolEncoder(settings)


def _unused(settings: EncoderSettings) -> list[str]:
    used = (*_COMMON, *_OWN.get(settings.kind, ()))
    return [
        f"an encoder `{settings.kind}` has no `{each.name}`; leave it out"
        for each in fields(settings)
        if each.name not in used and getattr(settings, each.name) != each.default
    ]


def _out_of_range(settings: EncoderSettings) -> list[str]:
    faults: list[str] = []
    if settings.kind not in _OWN:
        faults.append(f"no encoder is called `{settings.kind}`; {nearest(settings.kind, _OWN)}")
    if not 0.0 <= settings.dropout < 1.0:
        faults.append(f"`dropout` is `{settings.dropout}`; 0 to below 1 are allowed")
    for name, lowest in (("features", 1), ("hidden", 1), ("clusters", 2), ("groups", 1), ("expansion", 1)):
        if getattr(settings, name) < lowest:
            faults.append(f"`{name}` is `{getattr(settings, name)}`; {lowest} or more are allowed")
    for name, of in (("reduction", "features"), ("frame_reduction", "hidden")):
        if not 0 <= getattr(settings, name) <= getattr(settings, of):
            faults.append(f"`{name}` is `{getattr(settings, name)}`; 0 to the {getattr(settings, of)} of `{of}` fit")
    if settings.groups > 0 and settings.expansion * AUDIO % settings.groups:
        faults.append(f"`groups` is `{settings.groups}`; a divisor of {AUDIO} times `expansion` is needed")
    return faults
