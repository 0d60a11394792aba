"""The page that shows why a score is what it is."""

from podium.report.page import Neighbour, render, write

__all__ = ["Neighbour", "render", "write"]
