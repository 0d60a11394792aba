"""Exact inner-product search over all pairs of rows, candidate pairs of videos, score normalisation.

Loads nothing until asked. The function `candidates` is in the module of that name.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from podium.search.candidates import Candidates
    from podium.search.exact import Hits, top_pairs
    from podium.search.normalisation import ScoreNormaliser, check_independent

__all__ = ["Candidates", "Hits", "ScoreNormaliser", "check_independent", "top_pairs"]

_HOME = {
    "Candidates": "candidates",
    "Hits": "exact",
    "ScoreNormaliser": "normalisation",
    "check_independent": "normalisation",
    "top_pairs": "exact",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module `{__name__}` has no attribute `{name}`")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
