"""Copy detection in video: descriptors of frames that stay close under edits.

`prepare` makes the baseline submission of the descriptor challenge; `Matcher` finds copied segments in any videos.
Loads nothing until asked; the network needs the extra ``torch``, the perceptual hash and `match_rows` only numpy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from podium.solutions.copy_detection.inference import Described, describe, describe_with
    from podium.solutions.copy_detection.matching import Found, Matcher, MatchingSettings, match_rows
    from podium.solutions.copy_detection.model import Model, Settings
    from podium.solutions.copy_detection.perceptual_hash import hash_frames
    from podium.solutions.copy_detection.preparation import fit, prepare

__all__ = [
    "Described",
    "Found",
    "Matcher",
    "MatchingSettings",
    "Model",
    "Settings",
    "describe",
    "describe_with",
    "fit",
    "hash_frames",
    "match_rows",
    "prepare",
]

_HOME = {
    "Described": "inference",
    "Found": "matching",
    "Matcher": "matching",
    "MatchingSettings": "matching",
    "Model": "model",
    "Settings": "model",
    "describe": "inference",
    "describe_with": "inference",
    "fit": "preparation",
    "hash_frames": "perceptual_hash",
    "match_rows": "matching",
    "prepare": "preparation",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module `{__name__}` has no attribute `{name}`")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
