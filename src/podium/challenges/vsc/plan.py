"""Plans a labelled data set out of scenes. Pure: the same scenes, size, difficulty and seed give the same plan.

Shares and lengths follow the real set (8,404 training queries: 23 % hold a copy; segments of 2 to 85 s, median 9.8 s;
speed 0.67 to 1.67; one reference in 82 % of the queries with copies, two in 10 %, three in 8 %) as far as the footage
allows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from podium.challenges.vsc.casting import Stock, divided
from podium.challenges.vsc.script import Copy, Counts, Piece, Range, Scale, Split, Video, rounded
from podium.media import edits
from podium.media.footage import Scene
from podium.media.reel import Fit, Window

COPYING = 0.25
"""Share of the queries that hold a copy."""

SIZES = {
    "tiny": Scale(
        test=Counts(references=6, queries=8),
        train=Counts(references=4, queries=4),
        canvases=((160, 120),),
        rates=(10,),
        bits_per_second=120_000,
        reference_seconds=Range(median=4.0, lowest=3.0, highest=6.0),
        query_seconds=Range(median=4.0, lowest=3.0, highest=6.0),
        copy_seconds=Range(median=2.5, lowest=1.5, highest=4.0),
        sources=12,
        scenes=24,
        proportion=0.5,
        quick=True,
    ),
    "small": Scale(
        test=Counts(references=24, queries=32),
        train=Counts(references=20, queries=12),
        canvases=((320, 240), (320, 180), (320, 240), (240, 320)),
        rates=(10, 10, 12, 15),
        bits_per_second=200_000,
        reference_seconds=Range(median=9.0, lowest=5.0, highest=20.0),
        query_seconds=Range(median=10.0, lowest=5.0, highest=20.0),
        copy_seconds=Range(median=6.0, lowest=2.0, highest=12.0),
        sources=60,
        scenes=50,
        proportion=0.5,
    ),
    "base": Scale(
        test=Counts(references=64, queries=112),
        train=Counts(references=48, queries=24),
        canvases=((480, 360), (640, 360), (480, 360), (360, 480)),
        rates=(10, 10, 10, 12, 12, 15, 15, 24),
        bits_per_second=400_000,
        reference_seconds=Range(median=13.0, lowest=6.0, highest=60.0),
        query_seconds=Range(median=14.0, lowest=6.0, highest=60.0),
        copy_seconds=Range(median=9.8, lowest=2.2, highest=30.0, spread=0.65),
        sources=150,
        scenes=110,
        proportion=0.25,
    ),
}

Choice = TypeVar("Choice")

_TARGETS = (1, 1, 1, 1, 1, 1, 1, 1, 2, 3)
_FITS: tuple[Fit, ...] = ("contain", "contain", "cover", "stretch")
_FILLER_SECONDS = Range(median=3.5, lowest=2.0, highest=8.0)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A reference and the part of it that may be copied.

    Attributes:
        starts: Of the copied footage, in seconds of the reference.
    """

    video: Video
    starts: float
    ends: float


@dataclass(frozen=True, kw_only=True)
class Target:
    """A stretch of a reference that a query is to show."""

    shown: Shown
    start: float
    end: float
    speed: float


class SplitPlanner:
    """Plans one split.

    Args:
        name: `train` or `test`; ids begin with 1 or 2 accordingly.
        stock: Its footage.
        counts: Its videos.
        scale: The size of the data set.
        difficulty: 0 to 1.
        rng: The only source of chance.
    """

    def __init__(
        self,
        name: str,
        stock: Stock,
        counts: Counts,
        *,
        scale: Scale,
        difficulty: float,
        rng: np.random.Generator,
    ) -> None:
        self._name, self._stock, self._counts = name, stock, counts
        self._scale, self._difficulty, self._rng = scale, difficulty, rng
        self._first_id = 100_001 if name == "train" else 200_001

    def plan(self) -> Split:
        """The split's videos and copies."""
        shown = self._references()
        copyable = [each for each in shown if each.ends > each.starts]
        queries, copies = self._queries(copyable)
        return Split(
            name=self._name,
            references=tuple(each.video for each in shown),
            queries=tuple(queries),
            copies=tuple(sorted(copies, key=lambda copy: (copy.query_id, copy.query_start, copy.ref_id))),
        )

    def _references(self) -> list[Shown]:
        groups = self._copied_groups()
        if self._stock.filler:
            groups += [[] for _ in range(self._counts.references - len(groups))]
        order: list[int] = self._rng.permutation(len(groups)).tolist()
        return [self._reference(f"R{self._first_id + row}", groups[group]) for row, group in enumerate(order)]

    def _copied_groups(self) -> list[list[Scene]]:
        """The copied scenes, dealt to as many references as their footage fills, at most three to one."""
        wanted = self._counts.references
        scenes = self._stock.copied
        if self._stock.filler:
            total = sum(scene.seconds for scene in scenes)
            wanted = max(round(0.3 * wanted), min(round(0.6 * wanted), round(total / self._scale.copy_seconds.median)))
        else:
            scenes = divided(scenes, needed=wanted)
        count = min(wanted, len(scenes))
        rows: list[int] = self._rng.permutation(len(scenes))[: 3 * count].tolist()
        return [[scenes[row] for row in rows[group::count]] for group in range(count)]

    def _reference(self, video_id: str, scenes: Sequence[Scene]) -> Shown:
        size, rate = self._format(scenes[0] if scenes else None)
        longest = self._scale.reference_seconds.highest / max(1, len(scenes))
        run = [self._piece(self._stretch(scene, min(scene.seconds, longest)), rate) for scene in scenes]
        run_frames = sum(piece.frames for piece in run)
        missing = max(0.0, self._drawn(self._scale.reference_seconds) - run_frames / rate)
        head = self._fill(missing * self._rng.uniform(0, 1) if run else missing, rate)
        head_frames = sum(piece.frames for piece in head)
        tail = self._fill(missing - head_frames / rate, rate) if run else []
        video = Video(
            video_id=video_id,
            size=size,
            frames_per_second=rate,
            bits_per_second=self._scale.bits_per_second,
            pieces=(*head, *run, *tail),
        )
        return Shown(video=video, starts=head_frames / rate, ends=(head_frames + run_frames) / rate)

    def _fill(self, seconds: float, rate: int) -> list[Piece]:
        pieces: list[Piece] = []
        while self._stock.filler and seconds >= 1.0:
            scene = self._one(self._stock.filler)
            window = self._stretch(scene, min(seconds, scene.seconds, self._drawn(_FILLER_SECONDS)), zoom=True)
            pieces.append(self._piece(window, rate))
            seconds -= pieces[-1].frames / rate
        return pieces

    def _queries(self, copyable: Sequence[Shown]) -> tuple[list[Video], list[Copy]]:
        count = self._counts.queries
        copying = set(self._rng.permutation(count)[: max(1, round(COPYING * count))].tolist())
        turn = self._in_turn(copyable)
        queries: list[Video] = []
        copies: list[Copy] = []
        for row in range(count):
            query_id = f"Q{self._first_id + row}"
            targets = self._targets(turn, len(copyable)) if row in copying else []
            video, shown = self._query(query_id, targets)
            queries.append(video)
            copies += shown
        return queries, copies

    def _in_turn(self, copyable: Sequence[Shown]) -> Iterator[Shown]:
        while True:
            for row in self._rng.permutation(len(copyable)):
                yield copyable[row]

    def _targets(self, turn: Iterator[Shown], available: int) -> list[Target]:
        """What one query copies: one reference, now and then two stretches of it, or two or three references."""
        count = min(available, _TARGETS[self._rng.integers(len(_TARGETS))])
        chosen: dict[str, Shown] = {}
        while len(chosen) < count:
            shown = next(turn)
            chosen[shown.video.video_id] = shown
        if count == 1 and self._rng.random() < 0.1:
            (shown,) = chosen.values()
            middle = (shown.starts + shown.ends) / 2
            if middle - shown.starts >= 2 * self._scale.copy_seconds.lowest:
                return [self._target(shown, shown.starts, middle - 0.5), self._target(shown, middle + 0.5, shown.ends)]
        return [self._target(shown, shown.starts, shown.ends) for shown in chosen.values()]

    def _target(self, shown: Shown, lowest: float, highest: float) -> Target:
        length = min(highest - lowest, self._drawn(self._scale.copy_seconds))
        start = lowest + self._rng.uniform(0, highest - lowest - length)
        speed = 1.0
        if self._rng.random() < 0.6 * self._difficulty:
            speed = math.exp(self._rng.uniform(math.log(0.67), math.log(1.66)) * min(1.0, 2 * self._difficulty))
        return Target(shown=shown, start=start, end=start + length, speed=speed)

    def _query(self, query_id: str, targets: Sequence[Target]) -> tuple[Video, list[Copy]]:
        size, rate = self._format(None)
        if targets and self._difficulty == 0.0:
            size, rate = targets[0].shown.video.size, targets[0].shown.video.frames_per_second
        missing = self._drawn(self._scale.query_seconds) - sum((each.end - each.start) / each.speed for each in targets)
        if len(targets) == 1 and self._rng.random() < 0.25:
            missing = 0.0
        gaps = self._rng.dirichlet(np.ones(len(targets) + 1)) * max(0.0, missing)
        host_edits = self._edits() if self._rng.random() < 0.6 else ()
        pieces = self._host(float(gaps[0]), rate, host_edits)
        copies: list[Copy] = []
        for target, gap in zip(targets, gaps[1:], strict=True):
            piece = self._copied(target, rate)
            copies.append(_copy(query_id, target, piece, sum(each.frames for each in pieces), rate))
            pieces += [piece, *self._host(float(gap), rate, host_edits)]
        video = Video(
            video_id=query_id,
            size=size,
            frames_per_second=rate,
            bits_per_second=self._bits(),
            pieces=tuple(pieces),
        )
        return video, copies

    def _host(self, seconds: float, rate: int, drawn: tuple[edits.Edit, ...]) -> list[Piece]:
        pieces: list[Piece] = []
        while seconds >= 1.0:
            scene = self._one(self._stock.hosts)
            window = self._stretch(scene, min(seconds, scene.seconds, self._drawn(_FILLER_SECONDS) * 1.5), zoom=True)
            companion = self._companion(drawn, seconds=window.end_seconds - window.start_seconds)
            pieces.append(self._piece(window, rate, drawn=drawn, companion=companion))
            seconds -= pieces[-1].frames / rate
        return pieces

    def _copied(self, target: Target, rate: int) -> Piece:
        video = target.shown.video
        seconds = (target.end - target.start) / target.speed
        count = max(1, math.floor(seconds * rate))
        drawn = self._edits()
        window = Window(
            name=video.video_id,
            path=reference_path(self._name, video.video_id),
            moving=True,
            width=video.size[0],
            height=video.size[1],
            start_seconds=rounded(target.start),
            end_seconds=rounded(min(target.end, target.start + count / rate * target.speed)),
        )
        fit = self._one(_FITS) if self._difficulty > 0 else "contain"
        companion = self._companion(drawn, seconds=count / rate)
        return Piece(window=window, frames=count, fit=fit, edits=drawn, companion=companion)

    def _edits(self) -> tuple[edits.Edit, ...]:
        return edits.draw(self._rng, difficulty=self._difficulty)

    def _companion(self, drawn: Sequence[edits.Edit], *, seconds: float) -> Window | None:
        if not any(edit.needs_companion for edit in drawn):
            return None
        scene = self._one(self._stock.hosts)
        return self._stretch(scene, min(scene.seconds, seconds), zoom=True)

    def _stretch(self, scene: Scene, seconds: float, *, zoom: bool = False) -> Window:
        start = scene.start_seconds + self._rng.uniform(0, scene.seconds - seconds)
        left, top, right, bottom = scene.box
        if zoom and scene.source.moving and min(scene.pixels) >= 200:
            side = self._rng.uniform(0.7, 1.0)
            wide, high = (right - left) * side, (bottom - top) * side
            left, top = (
                left + self._rng.uniform(0, right - left - wide),
                top + self._rng.uniform(0, bottom - top - high),
            )
            right, bottom = left + wide, top + high
        return Window(
            name=scene.source.name,
            path=scene.source.path,
            moving=scene.source.moving,
            width=scene.source.width,
            height=scene.source.height,
            box=(exact(left), exact(top), exact(right), exact(bottom)),
            start_seconds=rounded(start),
            end_seconds=rounded(start + seconds),
            seed=int(self._rng.integers(1 << 31)),
        )

    def _piece(
        self, window: Window, rate: int, *, drawn: tuple[edits.Edit, ...] = (), companion: Window | None = None
    ) -> Piece:
        count = max(1, math.floor((window.end_seconds - window.start_seconds) * rate + 1e-6))
        exact = replace(window, end_seconds=rounded(window.start_seconds + count / rate))
        return Piece(window=exact, frames=count, edits=drawn, companion=companion)

    def _format(self, scene: Scene | None) -> tuple[tuple[int, int], int]:
        """A canvas and a rate; for a scene the canvas of two draws whose shape is nearer to it."""
        rows: list[int] = self._rng.integers(len(self._scale.canvases), size=2).tolist()
        canvases = [self._scale.canvases[row] for row in rows]
        rate = int(self._rng.choice(self._scale.rates))
        if scene is None:
            return canvases[0], rate
        shape = math.log(scene.pixels[0] / scene.pixels[1])
        return min(canvases, key=lambda size: abs(math.log(size[0] / size[1]) - shape)), rate

    def _bits(self) -> int:
        squeezed = self._rng.random() < 0.6 * self._difficulty
        return round(self._scale.bits_per_second * (self._rng.uniform(0.25, 0.6) if squeezed else 1.0))

    def _drawn(self, about: Range) -> float:
        value = about.median * math.exp(self._rng.normal(0.0, about.spread))
        return float(min(about.highest, max(about.lowest, value)))

    def _one(self, choices: Sequence[Choice]) -> Choice:
        return choices[int(self._rng.integers(len(choices)))]


def exact(fraction: float) -> float:
    """Four decimals, as a plain float."""
    return round(float(fraction), 4)


def reference_path(split: str, video_id: str) -> Path:
    """Where a made reference lies, below the data set's folder."""
    return Path("public") / split / "reference" / f"{video_id}.mp4"


def _copy(query_id: str, target: Target, piece: Piece, frames_before: int, rate: int) -> Copy:
    return Copy(
        query_id=query_id,
        ref_id=target.shown.video.video_id,
        query_start=rounded(frames_before / rate),
        query_end=rounded((frames_before + piece.frames) / rate),
        ref_start=piece.window.start_seconds,
        ref_end=piece.window.end_seconds,
    )
