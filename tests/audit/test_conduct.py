"""Planted cheats are found by the check that is made for them and named with their queries; honest programs pass."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from podium.audit import Audit, Check, Kind, Outcome, audit
from podium.challenges import challenge
from podium.errors import UsageError
from podium.types import DataSet, Failure, Run, Usage

CHECKS = {
    "same inputs",
    "half of the queries",
    "the other half",
    "rows shuffled",
    "scenario01 alone",
    "scenario02 alone",
    "scenario03 alone",
    "one query alone",
    "ids renamed",
}


def failed(found: Audit) -> set[str]:
    return {_kind_of(each) for each in found.checks if each.outcome is Outcome.FAILED}


def _kind_of(check: Check) -> str:
    return "one query alone" if check.name.count("-") == 1 else check.name


def check_named(found: Audit, name: str) -> Check:
    return next(each for each in found.checks if each.name == name)


@pytest.mark.parametrize("name", ["honest", "starter"])
def test_a_program_that_keeps_the_rules_passes_every_check(
    whales: DataSet, program: Callable[[str], Path], tmp_path: Path, in_process: Any, name: str
) -> None:
    folder = program("honest")
    if name == "starter":
        text = (challenge("whale-do").template("starter").folder / "main.py").read_text()
        (folder / "main.py").write_text(re.sub("ROOT = .*", "ROOT = Path(__file__).parent", text))
    found = audit("whale-do", folder, data=whales, out=tmp_path / "out")
    assert found.passed, found.message
    assert {_kind_of(each) for each in found.checks} == CHECKS
    assert found.queries == 18
    assert check_named(found, "same inputs").identical is True
    assert check_named(found, "ids renamed").compared == 18
    assert sum(check_named(found, each).compared for each in ("half of the queries", "the other half")) == 18
    assert len(in_process.boxes) == 1 + len(found.checks)


@pytest.mark.parametrize(
    ("name", "must_fail", "must_pass"),
    [
        ("min_max_over_queries", {"half of the queries", "scenario01 alone", "one query alone"}, {"ids renamed"}),
        ("batch_statistics", {"half of the queries", "scenario02 alone", "one query alone"}, {"ids renamed"}),
        ("leaking_cache", {"scenario02 alone", "scenario03 alone"}, {"scenario01 alone", "ids renamed"}),
        ("query_expansion", {"half of the queries", "the other half", "one query alone"}, {"scenario01 alone"}),
        ("unseeded_noise", {"same inputs"}, set[str]()),
        ("ids_peeked", {"ids renamed"}, CHECKS - {"ids renamed"}),
        ("hidden_below_the_tolerance", {"scenario02 alone"}, {"same inputs"}),
        ("hidden_among_ties", {"ids renamed"}, CHECKS - {"ids renamed"}),
    ],
)
def test_a_planted_cheat_is_found_by_the_check_made_for_it(
    whales: DataSet,
    program: Callable[[str], Path],
    tmp_path: Path,
    in_process: Any,
    name: str,
    must_fail: set[str],
    must_pass: set[str],
) -> None:
    found = audit("whale-do", program(name), data=whales, out=tmp_path / "out")
    assert found.outcome is Outcome.FAILED
    assert must_fail <= failed(found), found.message
    assert not must_pass & failed(found), found.message
    if name != "unseeded_noise":
        assert check_named(found, "same inputs").outcome is Outcome.PASSED


def test_the_changed_query_is_named_with_its_first_changed_rank(
    whales: DataSet, program: Callable[[str], Path], tmp_path: Path, in_process: Any
) -> None:
    found = audit("whale-do", program("ids_peeked"), data=whales, out=tmp_path / "out")
    check = check_named(found, "ids renamed")
    assert check.changed == check.compared == 18
    assert {each.query for each in check.differences} <= {
        f"scenario{scenario:02d}-test{image:04d}" for scenario in (1, 2, 3) for image in range(28)
    }
    first = check.differences[0]
    assert first.kind is Kind.RANKING
    assert str(first).startswith(f"query `{first.query}`: rank 1 was `test")
    kept = tmp_path / "out" / "first" / "predictions" / "submission" / "submission.csv"
    rows = [line.split(",") for line in kept.read_text().splitlines()[1:]]
    best = max((row for row in rows if row[0] == first.query), key=lambda row: float(row[2]))
    assert f"rank 1 was `{best[1]}` {float(best[2]):.9g}, is `test" in first.message


def test_a_leak_between_scenarios_spares_the_first_and_names_queries_of_the_later_ones(
    whales: DataSet, program: Callable[[str], Path], tmp_path: Path, in_process: Any
) -> None:
    found = audit("whale-do", program("leaking_cache"), data=whales, out=tmp_path / "out")
    for name in ("scenario02", "scenario03"):
        differences = check_named(found, f"{name} alone").differences
        assert differences
        assert all(each.query.startswith(name) for each in differences)


def test_a_run_that_fails_on_changed_inputs_is_a_failed_check_with_its_message(
    whales: DataSet, program: Callable[[str], Path], tmp_path: Path, in_process: Any
) -> None:
    found = audit("whale-do", program("fails_on_one_query"), data=whales, out=tmp_path / "out")
    assert failed(found) == {"one query alone"}
    check = next(each for each in found.checks if each.outcome is Outcome.FAILED)
    assert "too few queries for k-means" in check.message
    assert check.log_tail
    assert check.compared == 0


def test_a_first_run_that_fails_ends_the_audit(whales: DataSet, tmp_path: Path, in_process: Any) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "main.py").write_text("raise SystemError('no weights')\n")
    found = audit("whale-do", folder, data=whales, out=tmp_path / "out")
    assert found.outcome is Outcome.FAILED
    assert found.checks == ()
    assert "no weights" in found.message
    assert found.run is not None
    assert found.run.log_tail


def test_predictions_that_break_a_rule_end_the_audit_with_their_problems(
    whales: DataSet, program: Callable[[str], Path], tmp_path: Path, in_process: Any
) -> None:
    folder = program("honest")
    (folder / "main.py").write_text(
        "from whales import ROOT\n(ROOT / 'submission').mkdir(exist_ok=True)\n"
        "(ROOT / 'submission' / 'submission.csv').write_text('query_id,database_image_id,score\\nx,y,2\\n')\n"
    )
    found = audit("whale-do", folder, data=whales, out=tmp_path / "out")
    assert found.outcome is Outcome.FAILED
    assert found.problems


def test_a_submission_without_a_program_is_refused(whales: DataSet, tmp_path: Path, in_process: Any) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "readme.txt").write_text("nothing")
    found = audit("whale-do", tmp_path / "mine", data=whales, out=tmp_path / "out")
    assert found.outcome is Outcome.FAILED
    assert "main.py" in found.message + str(found.problems)
    assert in_process.boxes == []


def test_a_machine_that_fails_is_nobody_s_fault(
    whales: DataSet, program: Callable[[str], Path], tmp_path: Path, in_process: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = in_process.run

    def run(box: Any, out: Path, **how: object) -> Run:
        if len(in_process.boxes) < 2:
            return real(box, out, **how)
        out.mkdir()
        return Run(backend="x", failure=Failure.MACHINE, message="no bubblewrap", usage=Usage(wall_seconds=0.0))

    monkeypatch.setattr(in_process, "run", run)
    found = audit("whale-do", program("honest"), data=whales, out=tmp_path / "out")
    assert found.outcome is Outcome.NOT_RUN
    assert {each.outcome for each in found.checks} == {Outcome.PASSED, Outcome.NOT_RUN}
    assert "no bubblewrap" in found.message


def test_what_was_found_is_written_down_and_changed_inputs_are_gone(
    whales: DataSet, program: Callable[[str], Path], tmp_path: Path, in_process: Any
) -> None:
    out = tmp_path / "out"
    seen: list[str] = []
    found = audit(
        "whale-do", program("leaking_cache"), data=whales, out=out, on_check=lambda each: seen.append(each.name)
    )
    assert Audit.from_json((out / "audit.json").read_text()) == found
    assert json.loads((out / "audit.json").read_text())["schema"] == 1
    assert seen == [each.name for each in found.checks]
    assert not (out / "changed").exists()
    kept = {path.parent.name for path in out.glob("check-*/predictions")}
    assert kept == {f"check-{at:02d}" for at, each in enumerate(found.checks) if each.outcome is Outcome.FAILED}
    assert found.digests.submission is not None
    assert found.digests.data is not None


def test_what_was_found_before_an_interruption_is_kept(
    whales: DataSet, program: Callable[[str], Path], tmp_path: Path, in_process: Any
) -> None:
    def stop(check: Check) -> None:
        if check.name == "the other half":
            raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        audit("whale-do", program("honest"), data=whales, out=out, on_check=stop)
    kept = Audit.from_json((out / "audit.json").read_text())
    assert kept.outcome is Outcome.NOT_RUN
    assert [each.name for each in kept.checks] == ["same inputs", "half of the queries"]
    assert not (out / "changed").exists()


def test_one_group_of_checks_can_be_asked_for(
    whales: DataSet, program: Callable[[str], Path], tmp_path: Path, in_process: Any
) -> None:
    found = audit("whale-do", program("honest"), data=whales, out=tmp_path / "out", checks=("determinism",))
    assert [each.group for each in found.checks] == ["determinism"]
    with pytest.raises(UsageError, match="did you mean `determinism`"):
        audit("whale-do", program("ids_peeked"), data=whales, out=tmp_path / "two", checks=("determinsm",))
    with pytest.raises(UsageError, match="no check is named; known: `determinism`, `independence`"):
        audit("whale-do", tmp_path / "honest", data=whales, out=tmp_path / "three", checks=())


def test_a_challenge_without_the_rule_has_no_audit(whales: DataSet, tmp_path: Path) -> None:
    free = dataclasses.replace(challenge("whale-do"), auditing=None)
    with pytest.raises(UsageError, match="no independence rule"):
        audit(free, tmp_path, data=whales, out=tmp_path / "out")


def test_the_same_seed_changes_the_inputs_in_the_same_way(
    whales: DataSet, program: Callable[[str], Path], tmp_path: Path, in_process: Any
) -> None:
    folder = program("min_max_over_queries")
    first, second = (audit("whale-do", folder, data=whales, out=tmp_path / each, seed=3) for each in ("a", "b"))
    assert first.checks == second.checks
    other = audit("whale-do", folder, data=whales, out=tmp_path / "c", seed=4)
    assert other.checks != first.checks
