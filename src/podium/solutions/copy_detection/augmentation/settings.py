"""How often and how strongly pictures are edited, and the published recipes by name.

The recipes are those of the third place of the Meta Video Similarity Challenge (``v41`` to ``v45``), of the winner of
the Image Similarity Challenge 2021 (arXiv 2112.04323; ``isc-v83`` to ``isc-v107``) and of SSCD (arXiv 2202.10261).
Bounds that those leave to their libraries are the defaults of AugLy and torchvision.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace

from podium.errors import UsageError, nearest

Span = tuple[float, float]
"""Least and greatest."""

COMPOSITIONS = ("overlay", "blend", "stack", "screenshot")


@dataclass(frozen=True, kw_only=True)
class Chances:
    """How often each kind of edit happens to a picture, 0 to 1. Of the last four at most one happens."""

    rotate: float = 0.0
    quarter_turn: float = 0.0
    flip: float = 0.0
    flip_vertical: float = 0.0
    perspective: float = 0.0
    pad: float = 0.0
    jitter: float = 0.0
    grey: float = 0.0
    pixelise: float = 0.0
    shuffle: float = 0.0
    recompress: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    sharpen: float = 0.0
    text: float = 0.0
    emoji: float = 0.0
    erase: float = 0.0
    overlay: float = 0.0
    blend: float = 0.0
    stack: float = 0.0
    screenshot: float = 0.0

    def __post_init__(self) -> None:
        for name in NAMES:
            if not 0 <= self.of(name) <= 1:
                raise UsageError(f"the chance of `{name}` is `{self.of(name)}`; 0 to 1 is allowed")
        if sum(self.of(name) for name in COMPOSITIONS) > 1 + 1e-9:
            joined = ", ".join(f"`{name}`" for name in COMPOSITIONS)
            raise UsageError(f"at most one of {joined} happens, so their chances sum to at most 1")

    def of(self, name: str) -> float:
        """The chance of a kind by its name."""
        return float(getattr(self, name))


NAMES: tuple[str, ...] = tuple(each.name for each in fields(Chances))
"""Every kind of edit but the crop, which every view has."""

ORDER = tuple(name for name in NAMES if name not in {"rotate", "erase", *COMPOSITIONS})


@dataclass(frozen=True, kw_only=True)
class ViewSettings:
    """One view of a picture: edits `before`, at most one composition, a crop, edits `after`, edits `last`.

    Attributes:
        chances: Of each kind of edit.
        before: Kinds at the picture's own size, in this order.
        after: Kinds at the view's size.
        last: Kinds after all, in this order.
        shuffled: Those `after` come in another order each time; otherwise in the one given.
        crop_area: Share of the picture that a crop keeps.
        composed_crop_area: The same after a composition.
        crop_ratio: Width to height of a crop in pixels, before it is stretched to the view; None keeps the picture's.
        rotation_degrees: Most, to either side.
        rotation_inside: Zoomed in so far that no corner is black.
        distortion: Most that perspective moves a corner, share of half the edge.
        pad: Most width of a border, share of the edge.
        jitter: Most change of brightness, contrast and saturation, as parts of themselves.
        hue: Most turn of the hue, share of the circle.
        pixelise: Least size that the picture is shrunk to, as a share.
        shuffle: Share of pixels that change places.
        qualities: Of JPEG, one of them by lot, 1 to 100.
        blur: Span of the deviation, in pixels of the view.
        noise: Its deviation, in levels of 255.
        text_size: Height of a line, share of the shorter edge.
        text_opacity: 1 hides what is below.
        fonts: Files by name, ``DejaVuSans.ttf``; none takes all that the machine has, so that machines may differ.
        emoji_size: Share of the shorter edge.
        emoji_opacity: As for text.
        overlay_size: Height of the upper picture, share of the lower one's.
        overlay_opacity: As for text.
        blend: Share of the other picture when two are blended.
        erase_area: Share of the view that is erased.
        erase_ratio: Width to height of what is erased.
        screenshot_size: Share of a post's page that the picture fills.
    """

    chances: Chances = field(default_factory=Chances)
    before: tuple[str, ...] = ("rotate",)
    after: tuple[str, ...] = ORDER
    last: tuple[str, ...] = ("erase",)
    shuffled: bool = True
    crop_area: Span = (0.7, 1.0)
    composed_crop_area: Span = (0.7, 1.0)
    crop_ratio: Span | None = (0.75, 4 / 3)
    rotation_degrees: float = 180.0
    rotation_inside: bool = True
    distortion: float = 0.5
    pad: float = 0.25
    jitter: float = 0.7
    hue: float = 0.1
    pixelise: float = 0.1
    shuffle: float = 0.1
    qualities: tuple[int, ...] = (10, 20, 30, 50)
    blur: Span = (0.0, 10.0)
    noise: float = 25.5
    text_size: Span = (0.1, 0.3)
    text_opacity: Span = (1.0, 1.0)
    fonts: tuple[str, ...] = ()
    emoji_size: Span = (0.1, 0.3)
    emoji_opacity: Span = (1.0, 1.0)
    overlay_size: Span = (0.3, 0.7)
    overlay_opacity: Span = (0.5, 1.0)
    blend: float = 0.5
    erase_area: Span = (0.02, 0.33)
    erase_ratio: Span = (0.3, 3.3)
    screenshot_size: Span = (0.5, 0.8)

    def __post_init__(self) -> None:
        self._check_order()
        for name in (*_SHARES, *_SHARE_SPANS):
            bounds = getattr(self, name)
            low, high = bounds if isinstance(bounds, tuple) else (bounds, bounds)
            if not 0 <= low <= high <= 1:
                raise UsageError(f"`{name}` of a view is `{bounds}`; 0 to 1 is allowed, the least first")
        for name, span in (("blur", self.blur), ("crop_ratio", self.crop_ratio), ("erase_ratio", self.erase_ratio)):
            if span is not None and not 0 <= span[0] <= span[1]:
                raise UsageError(
                    f"`{name}` of a view is `{span}`; two numbers of at least 0 are allowed, the least first"
                )
        if not self.qualities or not all(1 <= each <= 100 for each in self.qualities):
            raise UsageError(f"`qualities` of a view are `{self.qualities}`; one or more of 1 to 100 are allowed")
        if not 0 <= self.rotation_degrees <= 180 or self.noise < 0 or self.jitter < 0:
            raise UsageError("`rotation_degrees` of a view is 0 to 180, `noise` and `jitter` are 0 or more")

    def _check_order(self) -> None:
        known = [name for name in NAMES if name not in COMPOSITIONS]
        listed = [*self.before, *self.after, *self.last]
        for name in listed:
            if name not in known:
                raise UsageError(f"no edit before or after the crop is called `{name}`; {nearest(name, known)}")
        for name in known:
            if listed.count(name) > 1:
                raise UsageError(f"the edit `{name}` is listed twice; once before the crop or once after it is allowed")
            if self.chances.of(name) and name not in listed:
                raise UsageError(f"the edit `{name}` has a chance and no place in `before`, `after` or `last`")


_SHARES = ("distortion", "pad", "hue", "pixelise", "shuffle", "blend")
_SHARE_SPANS = (
    "crop_area", "composed_crop_area", "text_size", "text_opacity", "emoji_size", "emoji_opacity", "overlay_size",
    "overlay_opacity", "erase_area", "screenshot_size",
)  # fmt: skip

DEFAULTS = ViewSettings()


@dataclass(frozen=True, kw_only=True)
class AugmentationSettings:
    """Two views of every picture, as of an original and of its copy."""

    moderate: ViewSettings = field(default_factory=ViewSettings)
    hard: ViewSettings = field(default_factory=ViewSettings)


def preset(name: str) -> AugmentationSettings:
    """The settings of a published recipe.

    Raises:
        UsageError: None has that name.

    >>> preset("v44").hard.chances.text, preset("v46").hard.chances.text
    (0.2, 0.3)
    """
    if name not in PRESETS:
        raise UsageError(f"no augmentation is called `{name}`; {nearest(name, PRESETS)}")
    return PRESETS[name]


_NONE = ViewSettings(crop_area=(1.0, 1.0), crop_ratio=None)
_MODERATE = ViewSettings(crop_area=(0.7, 1.0), chances=Chances(flip=0.5))

# The four stages of the challenge's third place; the fourth learns from true pairs and edits them moderately.
_V41 = ViewSettings(
    chances=Chances(
        rotate=0.05, overlay=0.05, blend=0.05, jitter=1.0, pixelise=0.1, recompress=0.1, grey=0.05, blur=0.1,
        perspective=0.1, flip=0.5, flip_vertical=0.05, text=0.1, emoji=0.05, noise=0.1, erase=0.05,
    ),
    crop_area=(0.5, 1.0), composed_crop_area=(0.8, 1.0), jitter=0.3, overlay_opacity=(0.6, 1.0),
)  # fmt: skip
_V44 = ViewSettings(
    chances=Chances(
        rotate=0.1, overlay=0.075, blend=0.075, jitter=1.0, pixelise=0.2, recompress=0.2, grey=0.1, blur=0.2,
        perspective=0.2, flip=0.5, flip_vertical=0.1, text=0.2, emoji=0.1, noise=0.2, erase=0.1,
    ),
    crop_area=(0.4, 1.0), composed_crop_area=(0.7, 1.0), jitter=0.5, overlay_opacity=(0.5, 1.0),
)  # fmt: skip
_V46 = ViewSettings(
    chances=Chances(
        rotate=0.1, overlay=0.1, blend=0.1, jitter=1.0, pixelise=0.2, recompress=0.2, grey=0.15, blur=0.3,
        perspective=0.2, flip=0.5, flip_vertical=0.1, text=0.3, emoji=0.2, noise=0.3,
    ),
    crop_area=(0.25, 1.0), composed_crop_area=(0.7, 1.0), jitter=0.7, overlay_opacity=(0.5, 1.0),
    emoji_size=(0.1, 0.4),
)  # fmt: skip


# The winner of 2021. `growing` is the chance that rises from stage to stage.
def _isc(
    *, growing: float, sharpen: float, overlay: float, jitter: float, opacity: float, size: Span
) -> AugmentationSettings:
    chances = Chances(
        rotate=growing, overlay=overlay, jitter=1.0, pixelise=0.25, shuffle=0.25, recompress=growing, grey=0.25,
        blur=0.25, perspective=growing, flip=0.5, flip_vertical=0.1, text=growing, emoji=growing, sharpen=sharpen,
        erase=0.25,
    )  # fmt: skip
    hard = ViewSettings(
        chances=chances,
        crop_area=(0.15, 1.0),
        jitter=jitter,
        hue=0.2,
        overlay_opacity=(opacity, 1.0),
        overlay_size=size,
    )
    return AugmentationSettings(moderate=_MODERATE, hard=hard)


# SSCD's strongest: everything in this order, two views of the same kind.
_SSCD = ViewSettings(
    chances=Chances(
        flip=0.5, quarter_turn=0.05, text=0.1, emoji=0.2, rotate=0.05, jitter=0.8, grey=0.2, blur=0.5, recompress=0.2
    ),
    before=("flip", "quarter_turn", "text", "emoji", "rotate"),
    after=("jitter", "grey", "blur", "recompress"),
    last=(),
    shuffled=False,
    crop_area=(0.08, 1.0),
    rotation_inside=False,
    jitter=0.8,
    hue=0.2,
    blur=(1.0, 5.0),
    qualities=tuple(range(1, 101)),
    text_opacity=(0.1, 1.0),
    emoji_size=(0.1, 0.5),
    emoji_opacity=(0.7, 1.0),
)

# What the sheets do not have: posts, stacks and borders, as videos that people hand on have them.
_POSTS = replace(
    _V46,
    chances=replace(_V46.chances, overlay=0.08, blend=0.06, stack=0.06, screenshot=0.06, pad=0.1, erase=0.05),
)

PRESETS: dict[str, AugmentationSettings] = {
    "none": AugmentationSettings(moderate=_NONE, hard=_NONE),
    "v41": AugmentationSettings(moderate=replace(_MODERATE, crop_area=(0.8, 1.0)), hard=_V41),
    "v44": AugmentationSettings(moderate=_MODERATE, hard=_V44),
    "v46": AugmentationSettings(moderate=_MODERATE, hard=_V46),
    "v45": AugmentationSettings(moderate=_MODERATE, hard=_MODERATE),
    "isc-v83": _isc(growing=0.25, sharpen=0.25, overlay=0.05, jitter=0.7, opacity=0.6, size=(0.4, 0.6)),
    "isc-v86": _isc(growing=0.3, sharpen=0.3, overlay=0.075, jitter=0.75, opacity=0.5, size=(0.3, 0.7)),
    "isc-v98": _isc(growing=0.35, sharpen=0.3, overlay=0.1, jitter=0.8, opacity=0.4, size=(0.2, 0.8)),
    "isc-v107": AugmentationSettings(moderate=_NONE, hard=_NONE),
    "sscd": AugmentationSettings(moderate=_SSCD, hard=_SSCD),
    "posts": AugmentationSettings(moderate=_MODERATE, hard=_POSTS),
}
"""By the names of their stages; ``posts`` is Podium's own: ``v46`` with stacks, screenshots and borders."""
