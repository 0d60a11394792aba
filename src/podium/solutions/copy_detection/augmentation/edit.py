"""What every edit of a picture is.

Axes: H height, W width, C colour (red, green, blue).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import ClassVar, Protocol

import numpy as np

from podium.errors import UsageError
from podium.solutions.copy_detection.augmentation.raster import Pixels
from podium.solutions.copy_detection.augmentation.settings import DEFAULTS, ViewSettings


class Edit(Protocol):
    """One edit with all that was drawn for it."""

    name: ClassVar[str]
    needs_other: ClassVar[bool]

    @staticmethod
    def draw(rng: np.random.Generator, strength: float = 1.0, settings: ViewSettings = DEFAULTS) -> Edit:
        """An edit by lot; as many numbers are drawn at any strength.

        Args:
            rng: The only source of chance.
            strength: 0 changes nothing or next to nothing; 1 goes as far as the settings allow.
            settings: The bounds.
        """
        ...

    def apply(self, image_HWC: Pixels, other_HWC: Pixels | None = None) -> Pixels:
        """The edited picture, of the same size.

        Args:
            image_HWC: RGB.
            other_HWC: Another picture, of any size; only edits with `needs_other` look at it.
        """
        ...


def as_dict(edit: Edit) -> dict[str, object]:
    """Name and values, for a report."""
    return {"name": edit.name, **asdict(edit)}  # pyright: ignore[reportArgumentType] - every edit is a dataclass


def between(bounds: tuple[float, float], share: float) -> float:
    """The place at `share` of the way from the one bound to the other.

    >>> between((1.0, 3.0), 0.25)
    1.5
    """
    return bounds[0] + share * (bounds[1] - bounds[0])


def present(other_HWC: Pixels | None, name: str) -> Pixels:
    """The other picture.

    Raises:
        UsageError: There is none.
    """
    if other_HWC is None:
        raise UsageError(f"the edit `{name}` needs another picture; none was given")
    return other_HWC
