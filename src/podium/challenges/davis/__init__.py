"""DAVIS: segment the primary object of a video, one mask a frame, by a network under 50 million parameters."""

from __future__ import annotations

from podium.challenges.davis.definition import DAVIS

CHALLENGES = (DAVIS,)

__all__ = ["CHALLENGES"]
