"""Temporal alignment: similarity maps in, boxes with scores out.

Every aligner is a value whose fields are its settings, with one method: `align(maps)`. Maps of many sizes go in
together, because the work is done on all of them at once. Loads nothing until asked.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from podium.search.alignment.boxes import Aligner, Boxes, peaks, seconds
    from podium.search.alignment.dtw import TimeWarping
    from podium.search.alignment.dynamic_programming import DynamicProgramming
    from podium.search.alignment.hough import HoughVoting
    from podium.search.alignment.temporal_network import TemporalNetwork
    from podium.search.alignment.views import align_views

__all__ = [
    "Aligner",
    "Boxes",
    "DynamicProgramming",
    "HoughVoting",
    "TemporalNetwork",
    "TimeWarping",
    "align_views",
    "peaks",
    "seconds",
]

_HOME = {
    "Aligner": "boxes",
    "Boxes": "boxes",
    "DynamicProgramming": "dynamic_programming",
    "HoughVoting": "hough",
    "TemporalNetwork": "temporal_network",
    "TimeWarping": "dtw",
    "align_views": "views",
    "peaks": "boxes",
    "seconds": "boxes",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module `{__name__}` has no attribute `{name}`")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
