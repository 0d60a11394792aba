"""A fault in a submission, its predictions or a data set."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """Whether a problem refuses the predictions or only warns."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One fault, its place and what to do.

    Attributes:
        place: File, then row or item: ``query_descriptors.npz row 17``.
        message: What was found and what is allowed, values in backticks.
        hint: What to do about it, or empty.
        severity: An error refuses the predictions; a warning does not.
        count: How many places have this fault, when like ones were gathered.
    """

    place: str
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR
    count: int = 1

    def __str__(self) -> str:
        hint = f"; {self.hint}" if self.hint else ""
        more = f" (and {self.count - 1} more like it)" if self.count > 1 else ""
        return f"{self.place}: {self.message}{more}{hint}"
