"""The pipeline: a submission and a data set in, a report out."""

from podium.evaluate.pipeline import run, score, validate

__all__ = ["run", "score", "validate"]
