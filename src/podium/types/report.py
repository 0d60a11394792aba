"""All that is known of one judged submission."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from podium.errors import UsageError
from podium.types.problem import Problem
from podium.types.run import Run, Stage
from podium.types.score import Score


class Verdict(StrEnum):
    """What became of a submission."""

    SCORED = "scored"
    INVALID = "invalid"
    FAILED = "failed"
    VOID = "void"


@dataclass(frozen=True, kw_only=True)
class Digests:
    """``sha256:…`` of everything a report depends on; None where it took no part."""

    submission: str | None = None
    predictions: str | None = None
    data: str | None = None
    scorer: str | None = None
    environment: str | None = None


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where it ran."""

    system: str
    processor: str
    cpus: int
    memory_bytes: int | None
    python: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that is known of one judged submission. Immutable; JSON with a schema number."""

    schema: int = 1
    challenge: str
    challenge_version: str
    phase: str
    verdict: Verdict
    message: str
    score: Score | None = None
    problems: tuple[Problem, ...] = ()
    run: Run | None = None
    stages: tuple[Stage, ...] = ()
    digests: Digests = field(default_factory=Digests)
    parity: bool = False
    seed: int = 0
    machine: Machine | None = None
    podium_version: str = ""
    created: str = ""
    submission_name: str = ""

    def to_json(self) -> str:
        """The report as JSON text, keys in the order of the fields."""
        import msgspec

        return msgspec.json.format(msgspec.json.encode(self), indent=1).decode()

    @staticmethod
    def from_json(text: str | bytes) -> Report:
        """The report that `to_json` wrote.

        Raises:
            UsageError: The text is no report, or of a later schema.
        """
        import msgspec

        try:
            report = msgspec.json.decode(text, type=Report)
        except msgspec.MsgspecError as error:
            raise UsageError(f"this is not a Podium report: {error}") from error
        if report.schema != 1:
            raise UsageError(f"the report has schema `{report.schema}`; this Podium reads `1`")
        return report
