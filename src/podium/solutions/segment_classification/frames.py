"""Which frames of a video a video-level network sees.

V videos, T frames that are seen of each. Source: the sampling of Lee, "A segment-level classification solution to the
3rd YouTube-8M Video Understanding Challenge", 2019: both ends are cut, long videos are drawn from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class FrameSettings:
    """Which frames are seen; a frame is a second.

    Attributes:
        skip_first: Frames left out at the start, where titles are.
        skip_last: Frames left out at the end.
        threshold: With more frames left than that, some are drawn.
        drawn: So many of them.
    """

    skip_first: int = 30
    skip_last: int = 10
    threshold: int = 150
    drawn: int = 140

    def __post_init__(self) -> None:
        if min(self.skip_first, self.skip_last) < 0:
            raise UsageError(f"`{self.skip_first}` and `{self.skip_last}` frames are skipped; 0 or more are allowed")
        if not 1 <= self.drawn <= self.threshold:
            raise UsageError(
                f"`{self.drawn}` frames are drawn where more than `{self.threshold}` are left; 1 to the threshold are "
                "allowed"
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class Chosen:
    """The frames of a batch.

    Attributes:
        indices_VT: Numbers of frames, int64; 0 where nothing is.
        mask_VT: False where a video has fewer frames than the longest.
    """

    indices_VT: NDArray[np.int64]
    mask_VT: NDArray[np.bool_]


def choose(
    frames_V: Sequence[int],
    settings: FrameSettings,
    *,
    seeds_V: Sequence[int] | None,
    reference: bool = False,
) -> Chosen:
    """The frames of each video, in order, as its own length has them; a video without a middle is seen whole.

    Args:
        frames_V: Lengths; 0 gives a video without frames.
        settings: The middle, and how much of it.
        seeds_V: Decide the draw without replacement, each for its video; None takes frames evenly spread.
        reference: As the 7th place had it: the middle is that of the longest video of the batch, the draw is one for
            all, with replacement and in no order, also when nothing is trained, and only the first seed counts.

    Raises:
        UsageError: A length is negative, or lengths and seeds are not equally many.

    >>> short = FrameSettings(skip_first=2, skip_last=1, threshold=4, drawn=2)
    >>> choose([6, 9], short, seeds_V=None).indices_VT.tolist()
    [[2, 3, 4], [3, 6, 0]]
    """
    if any(each < 0 for each in frames_V):
        raise UsageError(f"a video has `{min(frames_V)}` frames; 0 or more are allowed")
    if seeds_V is not None and len(seeds_V) != len(frames_V):
        raise UsageError(f"there are `{len(seeds_V)}` seeds for `{len(frames_V)}` videos; one for each is needed")
    if reference:
        return _as_reference(frames_V, settings, seed=seeds_V[0] if seeds_V else 0)
    seeds = seeds_V if seeds_V is not None else [None] * len(frames_V)
    rows = [_of_video(length, settings, seed) for length, seed in zip(frames_V, seeds, strict=True)]
    width = max([1, *map(len, rows)])
    indices_VT = np.zeros((len(rows), width), np.int64)
    mask_VT = np.zeros((len(rows), width), np.bool_)
    for at, row in enumerate(rows):
        indices_VT[at, : len(row)] = row
        mask_VT[at, : len(row)] = True
    return Chosen(indices_VT=indices_VT, mask_VT=mask_VT)


def _middle(length: int, settings: FrameSettings) -> NDArray[np.int64]:
    middle = np.arange(settings.skip_first, length - settings.skip_last)
    return middle if len(middle) else np.arange(length)


def _of_video(length: int, settings: FrameSettings, seed: int | None) -> NDArray[np.int64]:
    middle = _middle(length, settings)
    if len(middle) <= settings.threshold:
        return middle
    if seed is None:
        steps = 2 * np.arange(settings.drawn) + 1
        return middle[steps * len(middle) // (2 * settings.drawn)]
    return np.sort(np.random.default_rng(seed).choice(middle, settings.drawn, replace=False))


def _as_reference(frames_V: Sequence[int], settings: FrameSettings, *, seed: int) -> Chosen:
    row = _middle(max([1, *frames_V]), settings)
    if len(row) > settings.threshold:
        row = np.random.default_rng(seed).choice(row, settings.drawn, replace=True)
    mask_VT = row[None] < np.asarray(frames_V, np.int64).reshape(-1, 1)
    return Chosen(indices_VT=np.where(mask_VT, row[None], 0), mask_VT=mask_VT)
