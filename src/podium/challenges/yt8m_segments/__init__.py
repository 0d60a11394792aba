"""YouTube-8M segments: for each of 1,000 classes, a ranked list of the five-second segments that show it."""

from podium.challenges.yt8m_segments.definition import YT8M_SEGMENTS

CHALLENGES = (YT8M_SEGMENTS,)

__all__ = ["CHALLENGES"]
