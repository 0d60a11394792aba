"""Where's Whale-do?: rank the images of the same beluga whale."""

from podium.challenges.whale_do.definition import WHALE_DO

CHALLENGES = (WHALE_DO,)

__all__ = ["CHALLENGES"]
