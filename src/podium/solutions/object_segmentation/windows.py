"""Which pairs of frames say something about a frame, and the frames that must be held for them.

A network sees a frame and how it moves towards a partner: one window of two frames. A frame may have several windows,
whose logits are summed by weight. The windows overlap, so that frames stream through a short buffer.

Axes: H height, W width.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError

Item = TypeVar("Item")
Floats = NDArray[np.floating[Any]]

MAX_GAP = 16


@dataclass(frozen=True, kw_only=True)
class Window:
    """A frame and the one that its motion is measured to.

    Attributes:
        gap: Frames from the frame to its partner, negative for an earlier one; None where there is no partner.
        weight: Of its logits in the sum; the weights of a frame's windows sum to 1.
    """

    gap: int | None
    weight: float


def check_gaps(gaps: tuple[int, ...]) -> None:
    """Refuses gaps that make no windows.

    Raises:
        UsageError: There is none, one is 0 or too far, or one is there twice.
    """
    if not gaps or 0 in gaps or max(map(abs, gaps)) > MAX_GAP or len(set(gaps)) < len(gaps):
        raise UsageError(
            f"the gaps are `{list(gaps)}`; different whole numbers from -{MAX_GAP} to {MAX_GAP} but not 0 are needed"
        )


def windows(gaps: tuple[int, ...], *, before: int, after: int) -> tuple[Window, ...]:
    """The windows of a frame.

    A gap that leads out of the clip is left out. When all do, the first is taken backwards, as far as the clip
    allows: the last frame of a clip has backward flow. A clip of one frame has no motion.

    Args:
        gaps: What is wanted.
        before: Frames of the clip before this one, at least those within reach of the gaps.
        after: Frames of the clip after this one, likewise.

    Returns:
        At least one window; the weights are equal.

    >>> [each.gap for each in windows((1, -1, 2), before=5, after=1)]
    [1, -1]
    >>> windows((1,), before=5, after=0)
    (Window(gap=-1, weight=1.0),)
    """
    inside = [gap for gap in gaps if -before <= gap <= after]
    if not inside:
        back = -gaps[0]
        reach = min(back, after) if back > 0 else max(back, -before)
        other = max(gaps[0], -before) if gaps[0] < 0 else min(gaps[0], after)
        inside = [gap for gap in (reach, other) if gap][:1]
    if not inside:
        return (Window(gap=None, weight=1.0),)
    return tuple(Window(gap=gap, weight=1.0 / len(inside)) for gap in inside)


@dataclass(frozen=True, kw_only=True)
class Held(Generic[Item]):
    """A frame of a stream with its neighbours.

    Attributes:
        index: Of the frame in the stream, from 0.
        items: The frame and its neighbours, by gap: 0 is the frame.
    """

    index: int
    items: dict[int, Item]

    @property
    def before(self) -> int:
        """How many earlier frames are held."""
        return -min(self.items)

    @property
    def after(self) -> int:
        """How many later frames are held."""
        return max(self.items)


def held(frames: Iterable[Item], *, before: int, after: int) -> Iterator[Held[Item]]:
    """Each frame with its neighbours; at most ``before + 1 + after`` frames are held, however long the stream is.

    Args:
        frames: Any length.
        before: How many earlier frames are wanted; fewer at the stream's beginning.
        after: How many later frames are wanted; fewer at its end.

    >>> [each.items for each in held("abc", before=0, after=1)]
    [{0: 'a', 1: 'b'}, {0: 'b', 1: 'c'}, {0: 'c'}]
    """
    buffer: deque[Item] = deque()
    first = index = 0
    for frame in frames:
        buffer.append(frame)
        del frame
        if first + len(buffer) - 1 - index >= after:
            yield _around(buffer, first, index)
            index += 1
            while first < index - before:
                buffer.popleft()
                first += 1
    while index - first < len(buffer):
        yield _around(buffer, first, index)
        index += 1
        while first < index - before:
            buffer.popleft()
            first += 1


def _around(buffer: deque[Item], first: int, index: int) -> Held[Item]:
    return Held(index=index, items={first + place - index: item for place, item in enumerate(buffer)})


class LogitSum:
    """The weighted mean of the logits of a frame's windows.

    >>> total = LogitSum(); total.add(np.array([1.0]), 0.5); total.add(np.array([3.0]), 0.5); total.mean().tolist()
    [2.0]
    """

    def __init__(self) -> None:
        self._sum: Floats | None = None
        self._weight = 0.0

    def add(self, logits: Floats, weight: float) -> None:
        """Takes in the logits of a window."""
        self._sum = logits * weight if self._sum is None else self._sum + logits * weight
        self._weight += weight

    def mean(self) -> Floats:
        """The mean so far.

        Raises:
            UsageError: Nothing was added.
        """
        if self._sum is None or self._weight <= 0:
            raise UsageError("there are no logits to average")
        return self._sum / self._weight
