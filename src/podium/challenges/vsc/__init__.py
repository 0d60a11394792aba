"""The Meta Video Similarity Challenge: find videos that hold copied parts of other videos, and say which parts."""

from __future__ import annotations

from podium.challenges.vsc.descriptor import DESCRIPTOR
from podium.challenges.vsc.matching import VSC_MATCHING

CHALLENGES = (DESCRIPTOR, VSC_MATCHING)

__all__ = ["CHALLENGES", "DESCRIPTOR", "VSC_MATCHING"]
