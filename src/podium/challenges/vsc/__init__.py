"""The Meta Video Similarity Challenge: find videos that hold copied parts of other videos."""

from __future__ import annotations

from podium.challenges.vsc.descriptor import DESCRIPTOR

CHALLENGES = (DESCRIPTOR,)

__all__ = ["CHALLENGES", "DESCRIPTOR"]
