"""Film strips: frames of a clip with their masks drawn in, the worst first; and, in the same walk, its overlay video.

Each frame is read once and is gone before the next.

Axes: H height, W width, C colour.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from podium.errors import PodiumError
from podium.media import images
from podium.media.images import Pixels
from podium.report import strips
from podium.report.frame_curves import told
from podium.report.overlay_video import Encoding, Recorder, captioned, enlarged, overlaid
from podium.report.thumbnails import within
from podium.types import Clip, DataSet, MaskedFrame, MaskedSequence, MaskPair

EDGE = 360
POSTER_EDGE = 720
POSTER_WEIGHT = 3

_GROUND = 96


@dataclass(frozen=True, kw_only=True)
class Shot:
    """A frame as it is shown.

    Attributes:
        at: Its place in the sequence.
        value: What it is worth, for ordering.
        values: Each measure with its value, in words.
        worst: One of the worst of its sequence.
        missing: There is no mask.
    """

    at: int
    name: str
    picture: strips.Frame
    value: float
    values: tuple[tuple[str, str], ...]
    worst: bool
    missing: bool


@dataclass(frozen=True, kw_only=True)
class Film:
    """What is seen of a sequence.

    Attributes:
        worst: The worst frames, the worst first.
        spread: Frames evenly spread over time.
        poster: What stands where the video plays, before it does.
        video: The name of the video's file; empty without one.
        mime: Of the video.
        reason: Why there is no video.
        missing: Places of the frames without a mask.
        unread: How many pictures could not be read, and why the first of them could not.
    """

    worst: tuple[Shot, ...]
    spread: tuple[Shot, ...]
    poster: strips.Frame
    video: str
    mime: str
    reason: str
    missing: tuple[int, ...]
    unread: tuple[int, str]

    @property
    def shots(self) -> dict[int, Shot]:
        """Every frame that is shown, by its place."""
        return {each.at: each for each in (*self.spread, *self.worst)}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Which frames of a sequence are shown, by their places, and how much room each picture has.

    Attributes:
        worst: The worst first.
        spread: In order of time.
        allowance_bytes: Of a picture; a poster may have three times as much.
    """

    worst: tuple[int, ...]
    spread: tuple[int, ...]
    allowance_bytes: int


def value_of(frame: MaskedFrame) -> float | None:
    """What a frame is worth: its first measure that has a value."""
    return next((value for value in frame.values if value is not None and math.isfinite(value)), None)


def worst_places(frames: Sequence[MaskedFrame], *, most: int) -> tuple[int, ...]:
    """The places of the worst frames, the worst first, each some way from the others; none of those that are perfect.

    >>> values = (0.9, 0.2, 0.1, 0.3, 1.0, 0.8, 0.9, 0.9)
    >>> frames = [MaskedFrame(name="", path="", values=(value,)) for value in values]
    >>> worst_places(frames, most=2), worst_places(frames[4:5], most=2)
    ((2, 5), ())
    """
    apart = max(1, len(frames) // (2 * most))
    ranked = sorted(
        (value, [1.0 if each is None else each for each in frame.values], at)
        for at, frame in enumerate(frames)
        if (value := value_of(frame)) is not None
    )
    chosen: list[int] = []
    for value, _, at in ranked:
        if len(chosen) < most and value < 1 and all(abs(at - other) >= apart for other in chosen):
            chosen.append(at)
    return tuple(chosen)


def spread_places(count: int, *, most: int) -> tuple[int, ...]:
    """Evenly spread places, both ends among them.

    >>> spread_places(9, most=3), spread_places(2, most=6), spread_places(5, most=1)
    ((0, 4, 8), (0, 1), (2,))
    """
    if count <= most:
        return tuple(range(count))
    if most == 1:
        return (count // 2,)
    return tuple(round(at * (count - 1) / (most - 1)) for at in range(most))


def make(
    sequence: MaskedSequence,
    plan: Plan,
    *,
    data: DataSet,
    video: Path,
    encoding: Encoding | None,
    ticks: Iterator[object] | None = None,
) -> Film:
    """Walks over a sequence once: draws what the plan names, and writes the video.

    A picture that cannot be read is replaced by a grey one, so that its masks are still seen.

    Args:
        sequence: At least one frame.
        plan: What to show.
        data: Where the pictures lie.
        video: The file to write.
        encoding: Of the video; None writes none.
        ticks: Moves on by one with each frame, to show how far it is.
    """
    walk = _Walk(sequence, plan, data)
    places = _shown(range(len(sequence.frames)), ticks)
    if encoding is None:
        for at in places:
            walk.see(at, None)
        return walk.film(video="", mime="", reason="")
    with Recorder(video, frames_per_second=sequence.frames_per_second, codec=encoding.codec) as recorder:
        for at in places:
            walk.see(at, recorder)
    name = "" if recorder.reason else video.name
    return walk.film(video=name, mime=encoding.mime, reason=recorder.reason)


def _shown(places: Iterable[int], ticks: Iterator[object] | None) -> Iterator[int]:
    for at in places:
        yield at
        if ticks is not None:
            next(ticks, None)


class _Walk:
    def __init__(self, sequence: MaskedSequence, plan: Plan, data: DataSet) -> None:
        self._sequence = sequence
        self._plan = plan
        self._locate = within(data)
        self._root = f"{data.root}/"
        self._wanted = {*plan.worst, *plan.spread}
        self._poster_at = len(sequence.frames) // 2
        self._poster: strips.Frame | None = None
        self._shots: dict[int, Shot] = {}
        self._missing: list[int] = []
        self._unread: tuple[int, str] = (0, "")

    def see(self, at: int, recorder: Recorder | None) -> None:
        """Takes in the next frame."""
        pair = self._sequence.masks(at)
        if pair.prediction_HW is None:
            self._missing.append(at)
        drawn = at in self._wanted or at == self._poster_at
        if recorder is None and not drawn:
            return
        frame_HWC = self._picture(at, pair)
        if at in self._wanted:
            self._shots[at] = self._shot(at, frame_HWC, pair)
        if recorder is None and at != self._poster_at:
            return
        told_HWC = captioned(
            overlaid(*enlarged(frame_HWC, pair)),
            self._sequence.measures,
            self._sequence.frames[at],
            missing=pair.prediction_HW is None,
        )
        if at == self._poster_at:
            self._poster = self._embedded(told_HWC, at, edge=POSTER_EDGE, weight=POSTER_WEIGHT)
        if recorder is not None:
            recorder.add(told_HWC)

    def film(self, *, video: str, mime: str, reason: str) -> Film:
        if self._poster is None:
            raise PodiumError(f"the sequence `{self._sequence.item}` has no frame")
        return Film(
            worst=tuple(self._shots[at] for at in self._plan.worst),
            spread=tuple(self._shots[at] for at in self._plan.spread),
            poster=self._poster,
            video=video,
            mime=mime,
            reason=reason,
            missing=tuple(self._missing),
            unread=self._unread,
        )

    def _picture(self, at: int, pair: MaskPair) -> Pixels:
        frame = self._sequence.frames[at]
        try:
            return images.read(self._locate(Clip(item=frame.name, path=frame.path)))
        except PodiumError as error:
            count, reason = self._unread
            self._unread = count + 1, reason or str(error).replace(self._root, "")
            return np.full((*pair.truth_HW.shape, 3), _GROUND, np.uint8)

    def _shot(self, at: int, frame_HWC: Pixels, pair: MaskPair) -> Shot:
        frame = self._sequence.frames[at]
        # A line of two pixels in the small picture.
        thickness = max(2, round(2 * max(pair.truth_HW.shape) / EDGE))
        return Shot(
            at=at,
            name=frame.name,
            picture=self._embedded(overlaid(frame_HWC, pair, thickness=thickness), at, edge=EDGE, weight=1),
            value=value_of(frame) or 0.0,
            values=tuple(
                (name, "–" if value is None else f"{value:.3f}")
                for name, value in zip(self._sequence.measures, frame.values, strict=True)
            ),
            worst=at in self._plan.worst,
            missing=pair.prediction_HW is None,
        )

    def _embedded(self, drawn_HWC: Pixels, at: int, *, edge: int, weight: int) -> strips.Frame:
        frame = self._sequence.frames[at]
        alt = f"{self._sequence.item}, {told(self._sequence.measures, frame)}"
        allowance = weight * self._plan.allowance_bytes
        return strips.embedded(Image.fromarray(drawn_HWC), allowance, edge=edge, label=frame.name, alt=alt)


def plans(sequences: Iterable[MaskedSequence], *, worst: int, spread: int, budget_bytes: int) -> tuple[Plan, ...]:
    """A plan for each sequence, so that all their pictures fit a budget.

    Args:
        sequences: In any order.
        worst: Frames of each sequence, at most.
        spread: Frames of each sequence, at most.
        budget_bytes: Of all pictures together, each worst frame counted twice: a page may show it again.
    """
    chosen = [
        (worst_places(each.frames, most=worst), spread_places(len(each.frames), most=spread)) for each in sequences
    ]
    parts = sum(2 * len(lowest) + len(even) + POSTER_WEIGHT for lowest, even in chosen)
    allowance = budget_bytes // max(1, parts)
    return tuple(Plan(worst=lowest, spread=even, allowance_bytes=allowance) for lowest, even in chosen)
