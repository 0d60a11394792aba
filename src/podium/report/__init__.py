"""The page that shows why a score is what it is."""

from podium.report.page import render, write

__all__ = ["render", "write"]
