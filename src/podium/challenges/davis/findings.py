"""What is wrong with a result: like faults of many frames gathered, three examples and a count of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from podium.errors import nearest
from podium.formats.faults import Faults
from podium.types import Severity

_MOST_NAMES, _LONGEST_NAME = 1_000, 60


def like(name: str, known: Iterable[str]) -> str:
    """A clause that suggests the nearest of a stranger's names, which may hold anything; empty where none is near.

    >>> like("output", ["outputs", "raw"]), like("output", ["raw"])
    ('; did you mean `outputs`?', '')
    """
    names = [each for each in islice(known, _MOST_NAMES) if len(each) <= _LONGEST_NAME and each.isprintable()]
    near = nearest(name, names)
    return f"; {near}" if near.startswith("did") else ""


@dataclass
class _Kind:
    hint: str
    severity: Severity
    places: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    count: int = 0


class Findings:
    """Gathers faults by kind.

    Args:
        examples: How many of one kind are named.
        limit: How many kinds are kept apart; the rest falls into the last.

    >>> findings = Findings(examples=1)
    >>> for number in range(3):
    ...     findings.note("size", f"row {number}", "the mask is too small")
    >>> faults = Faults("paths.json"); findings.pour(faults); [str(each) for each in faults.problems]
    ['paths.json row 0: the mask is too small (and 2 more like it)']
    """

    def __init__(self, *, examples: int = 3, limit: int = 30) -> None:
        self._examples = examples
        self._limit = limit
        self._kinds: dict[str, _Kind] = {}
        self.refused = False

    def note(
        self,
        kind: str,
        where: str,
        message: str,
        *,
        hint: str = "",
        count: int = 1,
        severity: Severity = Severity.ERROR,
    ) -> None:
        """Notes `count` faults of one kind, the first of them at `where`."""
        self.refused = self.refused or severity is Severity.ERROR
        if kind not in self._kinds and len(self._kinds) >= self._limit:
            kind = next(reversed(self._kinds))
        found = self._kinds.setdefault(kind, _Kind(hint=hint, severity=severity))
        found.count += count
        if len(found.places) < self._examples:
            found.places.append((where, message))

    def count(self, kind: str) -> int:
        """How many faults of a kind there are."""
        return self._kinds[kind].count if kind in self._kinds else 0

    def pass_on(self, other: Findings, severity: Severity) -> None:
        """Hands everything over to other findings, no fault more severe than `severity`."""
        for kind, found in self._kinds.items():
            least = Severity.WARNING if Severity.WARNING in (found.severity, severity) else Severity.ERROR
            for at, (where, message) in enumerate(found.places):
                here = found.count - len(found.places) + 1 if at == len(found.places) - 1 else 1
                other.note(kind, where, message, hint=found.hint, count=here, severity=least)

    def pour(self, faults: Faults) -> None:
        """Hands everything over, in the order in which the kinds were first met."""
        for found in self._kinds.values():
            for at, (where, message) in enumerate(found.places):
                here = found.count - len(found.places) + 1 if at == len(found.places) - 1 else 1
                faults.add(where, message, hint=found.hint, count=here, severity=found.severity)
