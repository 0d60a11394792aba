"""DAVIS: segment the primary object of a video, one mask a frame, by a network under 50 million parameters."""

from __future__ import annotations

from podium.types import Challenge

CHALLENGES: tuple[Challenge, ...] = ()

__all__ = ["CHALLENGES"]
