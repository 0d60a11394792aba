"""Who plays what: which scenes are copied, which surround the copies, which only fill.

A family of look-alike scenes plays one part in one split, so that no query shows a reference by accident and nothing
of the judged split is seen in the training split.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from podium.errors import UsageError
from podium.media.footage import MIN_SECONDS, Scene


@dataclass(frozen=True, kw_only=True)
class Stock:
    """The footage of one split.

    Attributes:
        copied: Each scene goes into one reference only, and queries copy from there.
        hosts: For queries alone: what surrounds copies, lies over them, and makes distractors.
        filler: For references alone, as often as needed, because no query ever shows it; may be empty.
    """

    copied: tuple[Scene, ...]
    hosts: tuple[Scene, ...]
    filler: tuple[Scene, ...]


@dataclass(frozen=True, kw_only=True)
class Cast:
    """The footage of both splits."""

    test: Stock
    train: Stock


_SHARES = {
    ("test", "copied"): 0.34,
    ("train", "copied"): 0.16,
    ("test", "hosts"): 0.16,
    ("train", "hosts"): 0.08,
    ("test", "filler"): 0.18,
    ("train", "filler"): 0.08,
}
_NEEDED = 4
"""Copied scenes and hosts in both splits."""


def cast(scenes: Sequence[Scene], rng: np.random.Generator) -> Cast:
    """Deals the families out by seconds of footage.

    Where a folder's own footage and that of packages are mixed, the folder's own is what is copied and what surrounds
    it in the judged split, and the packages' plays every other part.

    Raises:
        UsageError: There are fewer than four families.
    """
    by_family = {
        family: tuple(members)
        for family, members in groupby(sorted(scenes, key=lambda scene: scene.family), key=lambda scene: scene.family)
    }
    if len(by_family) < _NEEDED:
        raise UsageError(
            f"the footage shows {len(by_family)} different things; at least {_NEEDED} are needed to keep copies, other"
            " footage and the training split apart: add videos or photos"
        )
    own = {number for number, members in by_family.items() if not members[0].source.packaged}
    mixed = bool(own) and len(by_family) - len(own) >= _NEEDED
    slots = list(_SHARES) if len(by_family) >= len(_SHARES) else list(_SHARES)[:_NEEDED]
    own_slots = [("test", "copied"), ("test", "hosts")][: len(own)]
    dealt: dict[tuple[str, str], list[Scene]] = {slot: [] for slot in _SHARES}
    for number in (int(number) for number in rng.permutation(list(by_family))):
        allowed = [slot for slot in slots if not mixed or (slot in own_slots) == (number in own)]
        least = min(allowed, key=lambda slot: _seconds(dealt[slot]) / _SHARES[slot])
        dealt[least] += by_family[number]
    stocks = {
        split: Stock(
            copied=tuple(dealt[split, "copied"]),
            hosts=tuple(dealt[split, "hosts"]),
            filler=tuple(dealt[split, "filler"]),
        )
        for split in ("test", "train")
    }
    return Cast(test=stocks["test"], train=stocks["train"])


def divided(scenes: Sequence[Scene], *, needed: int) -> tuple[Scene, ...]:
    """The scenes, the longest halved again and again until there are `needed` or all are short.

    Halves of a shot resemble each other more than other scenes do; this is for want of footage only.
    """
    pieces = list(scenes)
    while len(pieces) < needed:
        longest = max(range(len(pieces)), key=lambda row: pieces[row].seconds)
        scene = pieces[longest]
        if scene.seconds < 2 * MIN_SECONDS or not scene.source.moving:
            break
        middle = round((scene.start_seconds + scene.end_seconds) / 2, 3)
        pieces[longest : longest + 1] = [replace(scene, end_seconds=middle), replace(scene, start_seconds=middle)]
    return tuple(pieces)


def _seconds(scenes: Sequence[Scene]) -> float:
    return sum(scene.seconds for scene in scenes)
