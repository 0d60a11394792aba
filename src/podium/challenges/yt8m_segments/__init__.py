"""YouTube-8M segments: for each of 1,000 classes, a ranked list of the five-second segments that show it."""

from __future__ import annotations

from podium.types import Challenge

CHALLENGES: tuple[Challenge, ...] = ()

__all__ = ["CHALLENGES"]
