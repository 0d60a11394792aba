"""What an audit found. All frozen; JSON with a schema number."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from podium.errors import UsageError
from podium.types import Digests, Machine, Problem, Run, Usage


class Kind(StrEnum):
    """How an answer differs from what it was. The last two are warnings, unless many answers differ so."""

    RANKING = "ranking"
    VALUES = "values"
    MISSING = "missing"
    EXTRA = "extra"
    TIES = "ties"
    ROUNDING = "rounding"


SLIGHT = frozenset({Kind.TIES, Kind.ROUNDING})
"""Differences that may be nobody's intention: what stands between equal values, or below the tolerance."""


class Outcome(StrEnum):
    """What a check or an audit came to."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not run"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One answer that is not what it was.

    Attributes:
        query: As the data set calls it.
        message: The first difference: ``rank 3 was `test0400` 0.812, is `test0233` 0.807``.
    """

    query: str
    kind: Kind
    message: str

    def __str__(self) -> str:
        return f"query `{self.query}`: {self.message}"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One more run of the submission, compared with the first.

    Attributes:
        name: Two or three words: ``ids renamed``.
        group: ``determinism`` or ``independence``.
        summary: What was changed for it.
        message: One line for a person.
        compared: How many answers were compared.
        changed: How many of them make the check fail.
        slight: How many others differ, in ties or rounding only.
        furthest: The largest difference between two values that should be one; None where none could be compared.
        identical: The files are the same, byte for byte; None where that is not asked.
        differences: The first of them, those that fail first.
        usage: Of the run; None when there was none.
        log_tail: The last lines of a run that failed.
    """

    name: str
    group: str
    summary: str
    outcome: Outcome
    message: str
    compared: int = 0
    changed: int = 0
    slight: int = 0
    furthest: float | None = None
    identical: bool | None = None
    differences: tuple[Difference, ...] = ()
    usage: Usage | None = None
    log_tail: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Audit:
    """All that an audit found out about a submission.

    Attributes:
        outcome: Failed when the submission is at fault, not run when only the machine is.
        message: One line for a person.
        queries: How many queries the first run answered.
        tolerance: That counted as rounding.
        run: The first run, which all others are compared with.
        problems: Why the submission or what it wrote was refused.
    """

    schema: int = 1
    challenge: str
    challenge_version: str
    outcome: Outcome
    message: str
    queries: int = 0
    tolerance: float
    checks: tuple[Check, ...] = ()
    run: Run | None = None
    problems: tuple[Problem, ...] = ()
    digests: Digests = field(default_factory=Digests)
    seed: int = 0
    machine: Machine | None = None
    podium_version: str = ""
    created: str = ""
    submission_name: str = ""

    @property
    def passed(self) -> bool:
        """True when every check ran and none failed."""
        return self.outcome is Outcome.PASSED

    def to_json(self) -> str:
        """The audit as JSON text, keys in the order of the fields."""
        import msgspec

        return msgspec.json.format(msgspec.json.encode(self), indent=1).decode()

    @staticmethod
    def from_json(text: str | bytes) -> Audit:
        """The audit that `to_json` wrote.

        Raises:
            UsageError: The text is no audit, or of a later schema.
        """
        import msgspec

        try:
            audit = msgspec.json.decode(text, type=Audit)
        except msgspec.MsgspecError as error:
            raise UsageError(f"this is not an audit by Podium: {error}") from error
        if audit.schema != 1:
            raise UsageError(f"the audit has schema `{audit.schema}`; this Podium reads `1`")
        return audit
