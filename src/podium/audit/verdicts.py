"""What comparisons mean for a submission. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from podium.audit.comparison import Comparison
from podium.audit.findings import SLIGHT, Check, Outcome

SHOWN = 20
"""Differences of a check that are kept."""

SLIGHT_SHARE = 0.1
"""Rounding turns the order round in hardly any answer, and few lists end in a tie that names or the order of a file
decide. Where more than this share rests on such things, it is no accident: a program that gives every image the same
score could hide any choice in it."""

_FEW = 2


def judge_check(check: Check, found: Comparison, *, identical: bool | None = None) -> Check:
    """The check with what its comparison came to.

    One answer that changed fails it; ties and rounding only do in more than `SLIGHT_SHARE` of the answers.

    Args:
        identical: The files are the same, byte for byte; None where that is not asked.
    """
    slight = [each for each in found.differences if each.kind in SLIGHT]
    too_many = len(slight) > max(_FEW, SLIGHT_SHARE * found.compared)
    return dataclasses.replace(
        check,
        outcome=Outcome.FAILED if found.changed or too_many else Outcome.PASSED,
        message=_message(found, slight=len(slight), too_many=too_many, identical=identical),
        compared=found.compared,
        changed=found.changed + (len(slight) if too_many else 0),
        slight=0 if too_many else len(slight),
        furthest=found.furthest,
        identical=identical,
        differences=found.differences[:SHOWN],
    )


def judge_audit(checks: Sequence[Check]) -> tuple[Outcome, str]:
    """What the checks come to together, and one line for a person: failed before not run before passed."""
    failed = [each for each in checks if each.outcome is Outcome.FAILED]
    missed = [each for each in checks if each.outcome is Outcome.NOT_RUN]
    if failed:
        names = ", ".join(f"`{each.name}`" for each in failed)
        return Outcome.FAILED, f"{len(failed)} of {len(checks)} checks failed: {names}"
    if missed:
        return Outcome.NOT_RUN, f"{len(missed)} of {len(checks)} checks could not be run: {missed[0].message}"
    if not checks:
        return Outcome.NOT_RUN, "no check was made"
    return Outcome.PASSED, f"all {len(checks)} checks passed"


def _message(found: Comparison, *, slight: int, too_many: bool, identical: bool | None) -> str:
    if identical:
        return "the same files, byte for byte"
    if found.changed:
        text = f"{found.changed} of {found.compared} answers changed"
    elif too_many:
        text = f"{slight} of {found.compared} answers rest on ties or rounding, more than a tenth"
    else:
        text = "the same answers" + (f", values within {found.furthest:.2g}" if found.furthest else "")
        text += f"; {slight} differ in ties or rounding" if slight else ""
    return text if identical is None else f"not byte for byte identical: {text}"
