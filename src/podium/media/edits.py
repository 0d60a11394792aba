"""The edits that turn footage into a copy of itself, several at once.

The kinds follow the published simulations of the Meta Video Similarity data (crop, pad, rotate, flip, overlays of text,
symbols, pictures and video, stacking, blur, noise, colour, low quality); `retouch` and `overlays` hold them. Speed and
cuts change time, not frames, and belong to whoever arranges the footage.

Axes: H height, W width, C colour (red, green, blue).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import chain, repeat

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from podium.errors import UsageError, nearest
from podium.media.overlays import Blend, Emoji, Inset, Overlay, Picture, Stack, Text
from podium.media.retouch import (
    Blur,
    Colour,
    Crop,
    Edit,
    Flip,
    Grey,
    Noise,
    Pad,
    Pixelise,
    Recompress,
    Rotate,
    Shrink,
)

__all__ = ["KINDS", "Edit", "apply", "as_dict", "contact_sheet", "draw", "named"]

KINDS: dict[str, type[Edit]] = {
    kind.name: kind
    for kind in (
        Crop, Pad, Rotate, Flip, Colour, Grey, Blur, Noise, Pixelise, Shrink,
        Text, Emoji, Picture, Overlay, Inset, Stack, Blend, Recompress,
    )
}  # fmt: skip
"""Every kind of edit by its name, in the order in which they are applied."""

_WEIGHTS = {
    "crop": 3.0, "pad": 2.0, "rotate": 1.5, "flip": 2.0, "colour": 3.0, "grey": 0.8, "blur": 1.5, "noise": 1.5,
    "pixelise": 0.8, "shrink": 1.0, "text": 2.0, "emoji": 1.5, "picture": 1.0, "overlay": 1.0, "inset": 1.2,
    "stack": 1.2, "blend": 1.0, "recompress": 1.5,
}  # fmt: skip
# At most one of each group in one draw: two of them would leave next to nothing of the copy.
_GROUPS = (("overlay", "inset", "stack", "blend", "picture"), ("pixelise", "shrink", "blur"), ("colour", "grey"))


def draw(rng: np.random.Generator, *, difficulty: float, companion: bool = True) -> tuple[Edit, ...]:
    """Edits as a copier might stack them, in the order to apply them.

    Args:
        rng: The only source of chance.
        difficulty: 0 gives none; 0.5 about three of middling strength; 1 about five, strong.
        companion: Whether frames of other footage will be at hand; without, edits that need them are left out.

    >>> draw(np.random.default_rng(0), difficulty=0.0)
    ()
    >>> [edit.name for edit in draw(np.random.default_rng(3), difficulty=0.5)]
    ['flip', 'overlay']
    """
    if not 0.0 <= difficulty <= 1.0:
        raise UsageError(f"the difficulty is `{difficulty}`; 0 to 1 is allowed")
    if difficulty == 0.0:
        return ()
    count = 1 + int(rng.binomial(5, 0.8 * difficulty))
    open_kinds: list[str] = [name for name in KINDS if companion or not KINDS[name].needs_companion]
    chosen: list[str] = []
    while open_kinds and len(chosen) < count:
        weights = np.array([_WEIGHTS[name] for name in open_kinds])
        name = open_kinds[int(rng.choice(len(open_kinds), p=weights / weights.sum()))]
        chosen.append(name)
        barred: set[str] = {name}.union(*(group for group in _GROUPS if name in group))
        open_kinds = [each for each in open_kinds if each not in barred]
    ordered = sorted(chosen, key=list(KINDS).index)
    return tuple(KINDS[name].draw(rng, min(1.0, difficulty * float(rng.uniform(0.5, 1.5)))) for name in ordered)


def apply(
    edits: Sequence[Edit], frames_HWC: Iterable[np.ndarray], *, companions_HWC: Iterable[np.ndarray] = ()
) -> Iterator[np.ndarray]:
    """The edited frames, one for each frame, of the same size.

    Args:
        edits: Applied in this order to every frame.
        frames_HWC: uint8 RGB, all of one size.
        companions_HWC: Frames of other footage, taken along one for one; the last stays when they run out. Other
            sizes are scaled.

    Raises:
        UsageError: An edit needs other footage and there is none.
    """
    if not edits:
        yield from frames_HWC
        return
    others = _lasting(companions_HWC) if any(edit.needs_companion for edit in edits) else repeat(None)
    painters = None
    for index, frame_HWC in enumerate(frames_HWC):
        image = Image.fromarray(frame_HWC)
        if painters is None:
            painters = [edit.painter(image.size) for edit in edits]
        other = next(others, None)
        if other is not None and other.size != image.size:
            other = other.resize(image.size, Image.Resampling.BILINEAR)
        if other is None and any(edit.needs_companion for edit in edits):
            named = ", ".join(f"`{edit.name}`" for edit in edits if edit.needs_companion)
            raise UsageError(f"{named} needs frames of other footage; none were given")
        for paint in painters:
            image = paint(image, other, index)
        yield np.array(image)


def as_dict(edit: Edit) -> dict[str, object]:
    """Name and parameters, for a file.

    >>> as_dict(Flip(axis="horizontal"))
    {'name': 'flip', 'axis': 'horizontal'}
    """
    return {"name": edit.name, **asdict(edit)}  # pyright: ignore[reportArgumentType] - every kind is a dataclass


def named(name: str, *, strength: float, seed: int = 0) -> Edit:
    """An edit of that kind and strength.

    Raises:
        UsageError: No kind has the name.

    >>> named("grey", strength=0.5)
    Grey()
    """
    if name not in KINDS:
        raise UsageError(f"no edit is called `{name}`; {nearest(name, KINDS)}")
    return KINDS[name].draw(np.random.default_rng(seed), strength)


def contact_sheet(
    frame_HWC: np.ndarray, companion_HWC: np.ndarray, *, strength: float = 0.5, columns: int = 5, seed: int = 0
) -> np.ndarray:
    """One frame under every edit, named, as one picture (H, W, 3); the first cell is the frame itself.

    Args:
        frame_HWC: uint8 RGB.
        companion_HWC: What overlays and stacks show besides.
        strength: 0 to 1.
        columns: Pictures in a row.
        seed: Of what each edit draws.
    """
    high, wide = frame_HWC.shape[:2]
    label = max(14, high // 9)
    cells = [("original", frame_HWC)]
    for name in KINDS:
        edit = named(name, strength=strength, seed=seed)
        cells += [(name, next(apply([edit], [frame_HWC], companions_HWC=[companion_HWC])))]
    rows = -(-len(cells) // columns)
    gap = max(4, wide // 40)
    sheet = Image.new("RGB", (columns * (wide + gap) + gap, rows * (high + label + gap) + gap), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(label * 0.7)
    for index, (name, picture_HWC) in enumerate(cells):
        left = gap + index % columns * (wide + gap)
        top = gap + index // columns * (high + label + gap)
        pen.text((left, top + label / 2), name, fill="black", font=font, anchor="lm")
        sheet.paste(Image.fromarray(picture_HWC), (left, top + label))
    return np.array(sheet)


def _lasting(frames_HWC: Iterable[np.ndarray]) -> Iterator[Image.Image | None]:
    last: Image.Image | None = None
    for last in (Image.fromarray(frame_HWC) for frame_HWC in frames_HWC):
        yield last
    yield from chain(repeat(last))
