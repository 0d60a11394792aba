"""A contact sheet: one picture under every edit, and as whole views, each named.

Axes: H height, W width, C colour.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from podium.solutions.copy_detection.augmentation import fonts, pipeline
from podium.solutions.copy_detection.augmentation.raster import Pixels, covering, resized
from podium.solutions.copy_detection.augmentation.settings import DEFAULTS, AugmentationSettings, ViewSettings

_GAP = 6
_LABEL = 16
# Edits work on so much larger a picture, about the size that networks see; some of their bounds are in pixels.
_ZOOM = 2


def contact_sheet(
    image_HWC: Pixels,
    other_HWC: Pixels,
    *,
    settings: ViewSettings = DEFAULTS,
    strength: float = 1.0,
    recipe: AugmentationSettings | None = None,
    cell: tuple[int, int] = (112, 150),
    columns: int = 6,
    seed: int = 0,
) -> Pixels:
    """One picture under every edit, (H, W, 3); the first cell is the picture itself.

    Args:
        image_HWC: RGB, uint8.
        other_HWC: What overlays, blends and stacks show besides.
        settings: Bounds of each edit.
        strength: 0 to 1.
        recipe: Rows of views as a training sees them below, one moderate and the others hard; None leaves them out.
        cell: Height and width of each picture on the sheet.
        columns: Pictures in a row.
        seed: Of what is drawn.
    """
    size = _ZOOM * cell[0], _ZOOM * cell[1]
    picture_HWC, second_HWC = covering(image_HWC, size), covering(other_HWC, size)
    cells = [("original", picture_HWC)]
    for number, (name, kind) in enumerate(pipeline.KINDS.items()):
        edit = kind.draw(np.random.default_rng([seed, number]), strength, settings)
        cells.append((name, edit.apply(picture_HWC, second_HWC)))
    if recipe is not None:
        cells += [("", np.full_like(picture_HWC, 255))] * (-len(cells) % columns)
        for number in range(2 * columns):
            each = recipe.hard if number else recipe.moderate
            made = pipeline.view(
                image_HWC, each, seed=seed, number=number, size=size, companion=lambda _: other_HWC, strength=strength
            )
            done = [edit.name for edit in made.edits if edit.name not in {"crop", "jitter"}]
            cells.append((" ".join(done) or "crop, jitter", made.image_HWC))
    return _laid_out(cells, cell, columns)


def _laid_out(cells: list[tuple[str, Pixels]], cell: tuple[int, int], columns: int) -> Pixels:
    high, wide = cell
    rows = -(-len(cells) // columns)
    across, down = wide + _GAP, high + _LABEL + _GAP
    sheet = Image.new("RGB", (columns * across + _GAP, rows * down + _GAP), "white")
    pen = ImageDraw.Draw(sheet)
    for number, (name, picture_HWC) in enumerate(cells):
        left, top = _GAP + number % columns * across, _GAP + number // columns * down
        size = 12
        while size > 6 and pen.textlength(name, font=fonts.load("DejaVuSans.ttf", size)) > wide:
            size -= 1
        pen.text((left, top), name, fill="black", font=fonts.load("DejaVuSans.ttf", size))
        sheet.paste(Image.fromarray(resized(picture_HWC, cell)), (left, top + _LABEL))
    return np.array(sheet)
