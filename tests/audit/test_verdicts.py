"""What comparisons mean for a submission."""

from __future__ import annotations

import pytest

from podium.audit.comparison import Comparison
from podium.audit.findings import Audit, Check, Difference, Kind, Outcome
from podium.audit.verdicts import judge_audit, judge_check
from podium.errors import UsageError

BLANK = Check(name="x", group="independence", summary="", outcome=Outcome.FAILED, message="")


def comparison(kind: Kind, count: int, *, compared: int = 100) -> Comparison:
    found = tuple(Difference(query=f"q{at}", kind=kind, message="m") for at in range(count))
    return Comparison(compared=compared, differences=found, furthest=1e-7)


@pytest.mark.parametrize("kind", [Kind.RANKING, Kind.VALUES, Kind.MISSING, Kind.EXTRA])
def test_one_changed_answer_fails_a_check(kind: Kind) -> None:
    check = judge_check(BLANK, comparison(kind, 1))
    assert check.outcome is Outcome.FAILED
    assert check.changed == 1
    assert check.message == "1 of 100 answers changed"


@pytest.mark.parametrize("kind", [Kind.TIES, Kind.ROUNDING])
def test_a_few_slight_differences_pass_and_many_fail(kind: Kind) -> None:
    few = judge_check(BLANK, comparison(kind, 10))
    assert few.outcome is Outcome.PASSED
    assert (few.changed, few.slight) == (0, 10)
    assert "10 differ in ties or rounding" in few.message
    many = judge_check(BLANK, comparison(kind, 11))
    assert many.outcome is Outcome.FAILED
    assert many.changed == 11
    single = judge_check(BLANK, comparison(kind, 1, compared=1))
    assert single.outcome is Outcome.PASSED


def test_a_second_run_is_told_apart_byte_by_byte() -> None:
    nothing = Comparison(compared=5, differences=(), furthest=3e-8)
    same = judge_check(BLANK, nothing, identical=True)
    assert same.message == "the same files, byte for byte"
    close = judge_check(BLANK, nothing, identical=False)
    assert close.outcome is Outcome.PASSED
    assert close.message == "not byte for byte identical: the same answers, values within 3e-08"


def test_an_audit_is_failed_before_it_is_not_run() -> None:
    checks = {
        outcome: Check(name=outcome.value, group="independence", summary="", outcome=outcome, message="m")
        for outcome in Outcome
    }
    assert judge_audit(list(checks.values()))[0] is Outcome.FAILED
    assert judge_audit([checks[Outcome.PASSED], checks[Outcome.NOT_RUN]])[0] is Outcome.NOT_RUN
    assert judge_audit([checks[Outcome.PASSED]]) == (Outcome.PASSED, "all 1 checks passed")
    assert judge_audit([])[0] is Outcome.NOT_RUN


def test_what_is_no_audit_is_refused() -> None:
    made = Audit(challenge="c", challenge_version="1", outcome=Outcome.PASSED, message="", tolerance=0.0)
    assert Audit.from_json(made.to_json()) == made
    with pytest.raises(UsageError, match="schema `2`"):
        Audit.from_json(made.to_json().replace('"schema": 1', '"schema": 2'))
    with pytest.raises(UsageError, match="not an audit"):
        Audit.from_json("{}")
