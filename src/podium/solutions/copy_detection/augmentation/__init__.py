"""Pictures as copiers hand them on: what a copy-detection network learns to see through. Loads no torch.

```
settings      how often and how strongly; the published recipes by name
geometry      crop, rotation, quarter turn, flips, perspective, borders
colour        light, saturation and hue; grey
degradation   pixelise, shuffle, JPEG, blur, noise, sharpen
overlays      text, symbols, erased patches          composition   overlay, blend, stack, screenshot of a post
pipeline      draws edits, applies them: two views of a picture from one seed
```

An edit is a frozen value. ``draw(rng, strength, settings)`` makes one; ``apply(image_HWC, other_HWC)`` gives another
picture of the same size and leaves both arrays as they are.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from podium.solutions.copy_detection.augmentation.pipeline import KINDS, View, apply, draw, view, views
    from podium.solutions.copy_detection.augmentation.settings import (
        PRESETS,
        AugmentationSettings,
        Chances,
        ViewSettings,
        preset,
    )
    from podium.solutions.copy_detection.augmentation.sheet import contact_sheet

__all__ = [
    "KINDS",
    "PRESETS",
    "AugmentationSettings",
    "Chances",
    "View",
    "ViewSettings",
    "apply",
    "contact_sheet",
    "draw",
    "preset",
    "view",
    "views",
]

_HOME = {
    **dict.fromkeys(("KINDS", "View", "apply", "draw", "view", "views"), "pipeline"),
    **dict.fromkeys(("PRESETS", "AugmentationSettings", "Chances", "ViewSettings", "preset"), "settings"),
    "contact_sheet": "sheet",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module `{__name__}` has no attribute `{name}`")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
