"""The pipeline: a submission and a data set in, a report out."""

from podium.evaluate.execution import Execution, Unpacked, execute, unpack
from podium.evaluate.pipeline import run, score, validate

__all__ = ["Execution", "Unpacked", "execute", "run", "score", "unpack", "validate"]
