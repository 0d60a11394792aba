"""Views of a picture: edits are drawn from a seed, then applied. The same seed, the same pixels.

Axes: H height, W width, C colour.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from podium.errors import UsageError
from podium.solutions.copy_detection.augmentation.colour import Grey, Jitter
from podium.solutions.copy_detection.augmentation.composition import Blend, Overlay, Screenshot, Stack
from podium.solutions.copy_detection.augmentation.degradation import Blur, Noise, Pixelise, Recompress, Sharpen, Shuffle
from podium.solutions.copy_detection.augmentation.edit import Edit
from podium.solutions.copy_detection.augmentation.geometry import (
    Crop,
    Flip,
    FlipVertical,
    Pad,
    Perspective,
    QuarterTurn,
    Rotate,
)
from podium.solutions.copy_detection.augmentation.overlays import Emoji, Erase, Text
from podium.solutions.copy_detection.augmentation.raster import Pixels
from podium.solutions.copy_detection.augmentation.settings import COMPOSITIONS, AugmentationSettings, ViewSettings

KINDS: dict[str, type[Edit]] = {
    kind.name: kind
    for kind in (
        Crop, Rotate, QuarterTurn, Flip, FlipVertical, Perspective, Pad, Jitter, Grey, Pixelise, Shuffle, Recompress,
        Blur, Noise, Sharpen, Text, Emoji, Erase, Overlay, Blend, Stack, Screenshot,
    )
}  # fmt: skip
"""Every kind of edit by its name."""

Companion = Callable[[np.random.Generator], Pixels]
"""Gives another picture of the collection, drawn from the generator; asked only when an edit needs it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """A picture as it was edited.

    Attributes:
        image_HWC: RGB, uint8.
        edits: What was done, in order.
    """

    image_HWC: Pixels
    edits: tuple[Edit, ...]


def draw(
    settings: ViewSettings,
    rng: np.random.Generator,
    *,
    aspect: float = 1.0,
    strength: float = 1.0,
    companion: bool = True,
) -> tuple[Edit, ...]:
    """The edits of one view, in the order to apply them; exactly one is a crop.

    Args:
        settings: Chances, order and bounds.
        rng: The only source of chance.
        aspect: Width of the picture by its height.
        strength: 0 to 1: how far from the picture to the bounds.
        companion: Whether another picture will be at hand; without, edits that need it are left out.

    >>> from podium.solutions.copy_detection.augmentation.settings import preset
    >>> [edit.name for edit in draw(preset("v44").hard, np.random.default_rng(4))]
    ['crop', 'flip', 'jitter']
    """
    if not 0 <= strength <= 1:
        raise UsageError(f"the strength of an augmentation is `{strength}`; 0 to 1 is allowed")
    edits = _some(settings.before, settings, rng, strength)
    composed = _composition(settings, rng, companion=companion)
    area = settings.crop_area
    if composed is not None:
        edits.append(KINDS[composed].draw(rng, strength, settings))
        area = settings.composed_crop_area
    edits.append(Crop.draw(rng, strength, settings, aspect=aspect, area=area))
    after = list(settings.after)
    if settings.shuffled:
        after = [after[place] for place in rng.permutation(len(after)).tolist()]
    edits += _some(after, settings, rng, strength)
    edits += _some(settings.last, settings, rng, strength)
    return tuple(edits)


def apply(
    edits: Sequence[Edit], image_HWC: Pixels, *, size: tuple[int, int] | None = None, other_HWC: Pixels | None = None
) -> Pixels:
    """The edited picture, an array of its own.

    Args:
        edits: Applied in this order.
        image_HWC: RGB, uint8; it is left as it is.
        size: Height and width after the crop; None keeps the picture's.
        other_HWC: Another picture, for the edits that need one.

    Raises:
        UsageError: The picture is no RGB picture, or an edit needs another one and there is none.
    """
    if image_HWC.ndim != 3 or image_HWC.shape[2] != 3 or image_HWC.dtype != np.uint8 or image_HWC.size == 0:
        raise UsageError(
            f"a picture is {image_HWC.dtype} of shape {image_HWC.shape}; uint8 of shape (H, W, 3) is allowed"
        )
    result_HWC = image_HWC
    for edit in edits:
        result_HWC = edit.apply(result_HWC, size=size) if isinstance(edit, Crop) else edit.apply(result_HWC, other_HWC)
    own = not np.shares_memory(result_HWC, image_HWC) and result_HWC.flags.writeable
    return result_HWC if own else result_HWC.copy()


def view(
    image_HWC: Pixels,
    settings: ViewSettings,
    *,
    seed: int,
    number: int = 0,
    size: tuple[int, int] | None = None,
    companion: Companion | None = None,
    strength: float = 1.0,
) -> View:
    """One view of a picture.

    Args:
        image_HWC: RGB, uint8, of any size.
        settings: Chances, order and bounds.
        seed: Of everything that is drawn: a `Draw`'s from ``training.batches``.
        number: Of the view; another one of the same seed draws anew.
        size: Height and width of the view; None keeps the picture's.
        companion: Where overlays take their other picture from; None leaves them out.
        strength: 0 to 1.
    """
    rng = np.random.default_rng([seed, number])
    aspect = image_HWC.shape[1] / max(1, image_HWC.shape[0])
    edits = draw(settings, rng, aspect=aspect, strength=strength, companion=companion is not None)
    other_HWC = None
    if companion is not None and any(edit.needs_other for edit in edits):
        other_HWC = companion(rng)
    return View(image_HWC=apply(edits, image_HWC, size=size, other_HWC=other_HWC), edits=edits)


def views(
    image_HWC: Pixels,
    settings: AugmentationSettings,
    *,
    seed: int,
    size: tuple[int, int] | None = None,
    companion: Companion | None = None,
    strength: float = 1.0,
) -> tuple[View, View]:
    """The moderate and the hard view of a picture; the arguments are those of `view`."""
    moderate, hard = (
        view(image_HWC, each, seed=seed, number=number, size=size, companion=companion, strength=strength)
        for number, each in enumerate((settings.moderate, settings.hard))
    )
    return moderate, hard


def _some(names: Sequence[str], settings: ViewSettings, rng: np.random.Generator, strength: float) -> list[Edit]:
    chosen = [name for name in names if rng.random() < settings.chances.of(name)]
    return [KINDS[name].draw(rng, strength, settings) for name in chosen]


def _composition(settings: ViewSettings, rng: np.random.Generator, *, companion: bool) -> str | None:
    lot = rng.random()
    for name in COMPOSITIONS:
        lot -= settings.chances.of(name)
        if lot < 0:
            return name if companion or not KINDS[name].needs_other else None
    return None
