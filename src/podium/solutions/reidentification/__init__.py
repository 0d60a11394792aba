"""Re-identification: photographs of known individuals, networks that tell them apart, and rankings.

Loads nothing until asked; networks need the extra ``torch``, training needs ``train``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from podium.solutions.reidentification.network import Network, NetworkSettings
    from podium.solutions.reidentification.photos import Photo, read_photos

__all__ = ["Network", "NetworkSettings", "Photo", "read_photos"]

_HOME = {
    "Network": "network",
    "NetworkSettings": "network",
    "Photo": "photos",
    "read_photos": "photos",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module `{__name__}` has no attribute `{name}`")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
