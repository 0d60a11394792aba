"""`podium audit` as a person types it, and `podium run` with a submission that has no program."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from podium.audit import Audit
from podium.cli import call
from podium.types import DataSet, Failure, Run, Usage


def test_the_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["audit", "-h"]) == 0
    text = capsys.readouterr().out
    assert "Example:" in text
    assert "podium audit whale-do" in text


def test_an_honest_submission_ends_with_0_and_a_table_on_stdout(
    whales: DataSet,
    program: Callable[[str], Path],
    tmp_path: Path,
    in_process: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["audit", "whale-do", str(program("honest")), "--data", str(whales.root), "--out", str(tmp_path / "o")]
    assert call(arguments) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[0].split()[:5] == ["check", "verdict", "compared", "changed", "furthest"]
    assert any(line.startswith("ids renamed") and "passed" in line and "18" in line for line in lines)
    assert "first difference" not in captured.out
    assert "same inputs: passed, 0.10 s" in captured.err
    assert "passed: all 11 checks passed" in captured.err


def test_a_cheat_ends_with_1_and_its_queries_on_stdout(
    whales: DataSet,
    program: Callable[[str], Path],
    tmp_path: Path,
    in_process: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = program("ids_peeked")
    assert call(["audit", "whale-do", str(folder), "--data", str(whales.root), "--out", str(tmp_path / "o")]) == 1
    captured = capsys.readouterr()
    row = next(line for line in captured.out.splitlines() if "scenario01-test0000" in line)
    assert row.startswith("ids renamed")
    assert "rank 1 was `test" in row
    assert "… and 8 more" in captured.out
    assert "1 of 11 checks failed: `ids renamed`" in captured.err


def test_json_on_stdout_is_the_audit(
    whales: DataSet,
    program: Callable[[str], Path],
    tmp_path: Path,
    in_process: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, out = program("unseeded_noise"), tmp_path / "o"
    options = ["--data", str(whales.root), "--out", str(out), "--checks", "determinism", "--json"]
    assert call(["audit", "whale-do", str(folder), *options]) == 1
    printed = capsys.readouterr().out
    assert json.loads(printed)["checks"][0]["identical"] is False
    assert Audit.from_json(printed) == Audit.from_json((out / "audit.json").read_text())


def test_a_machine_at_fault_ends_with_3(
    whales: DataSet, program: Callable[[str], Path], tmp_path: Path, in_process: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(box: Any, out: Path, **_: object) -> Run:
        out.mkdir()
        return Run(backend="x", failure=Failure.MACHINE, message="no bubblewrap", usage=Usage(wall_seconds=0.0))

    monkeypatch.setattr(in_process, "run", run)
    folder = program("honest")
    assert call(["audit", "whale-do", str(folder), "--data", str(whales.root), "--out", str(tmp_path / "o")]) == 3


def test_a_wrong_check_is_wrong_use(
    whales: DataSet, program: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["audit", "whale-do", str(program("honest")), "--data", str(whales.root), "--checks", "independense"]
    assert call(arguments) == 2
    assert "did you mean `independence`?" in capsys.readouterr().err


@pytest.fixture
def without_program(tmp_path: Path) -> Path:
    archive = tmp_path / "mine.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("readme.txt", "forgot something")
    return archive


def test_a_zip_without_a_program_ends_an_audit_with_one_clear_line(
    whales: DataSet, without_program: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--data", str(whales.root), "--out", str(tmp_path / "o")]
    assert call(["audit", "whale-do", str(without_program), *options]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    said = captured.err.splitlines()[1:]
    assert said == ["error: failed: mine.zip main.py: this file is missing at the root of the submission"]


def test_a_zip_without_a_program_ends_a_run_with_1_and_says_what_is_missing(
    whales: DataSet, without_program: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--data", str(whales.root), "--out", str(tmp_path / "o")]
    assert call(["run", "whale-do", str(without_program), *options]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    last = captured.err.splitlines()[-1]
    assert last == "error: invalid: mine.zip main.py: this file is missing at the root of the submission"
