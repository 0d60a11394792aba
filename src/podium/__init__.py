"""Podium runs, judges and ranks code-execution challenges in visual AI."""

__version__ = "0.1.0"
