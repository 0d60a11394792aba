"""The same proof in real boxes, and with a real network layer."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from podium.audit import Outcome, audit
from podium.challenges import challenge
from podium.types import DataSet

pytestmark = pytest.mark.sandbox


@pytest.mark.parametrize("backend", ["bubblewrap", "process"])
def test_an_honest_program_passes(
    whales: DataSet, program: Callable[[str], Path], tmp_path: Path, backend: str
) -> None:
    found = audit("whale-do", program("honest"), data=whales, out=tmp_path / "out", sandbox_name=backend)
    assert found.passed, (found.message, found.checks)
    assert all(each.usage is not None and each.usage.wall_seconds > 0 for each in found.checks)


def test_the_starter_passes_unmodified(whales: DataSet, tmp_path: Path) -> None:
    starter = challenge("whale-do").template("starter").folder
    found = audit("whale-do", starter, data=whales, out=tmp_path / "out", sandbox_name="bubblewrap")
    assert found.passed, (found.message, found.checks)
    assert all(each.changed == each.slight == 0 for each in found.checks)


@pytest.mark.parametrize(
    ("name", "check"),
    [("min_max_over_queries", "half of the queries"), ("leaking_cache", "scenario02 alone")],
)
def test_a_cheat_is_found(
    whales: DataSet, program: Callable[[str], Path], tmp_path: Path, name: str, check: str
) -> None:
    found = audit("whale-do", program(name), data=whales, out=tmp_path / "out", sandbox_name="bubblewrap")
    assert check in {each.name for each in found.checks if each.outcome is Outcome.FAILED}


@pytest.mark.train
def test_batch_norm_left_in_training_mode_is_found(
    whales: DataSet, program: Callable[[str], Path], tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    found = audit("whale-do", program("batch_norm"), data=whales, out=tmp_path / "out", sandbox_name="bubblewrap")
    failed = {each.name for each in found.checks if each.outcome is Outcome.FAILED}
    assert "scenario02 alone" in failed, (found.message, found.run)
    assert not failed & {"same inputs", "ids renamed"}


def test_nothing_that_one_run_writes_is_there_in_the_next(
    whales: DataSet, program: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = program("honest")
    spy = "from pathlib import Path\nfor place in (Path('/tmp/seen'), Path('/dev/shm/seen'), Path('seen')):\n"
    spy += "    if place.exists():\n        raise SystemExit('an earlier run was here')\n    place.write_text('x')\n"
    (folder / "main.py").write_text(spy + (folder / "main.py").read_text())
    found = audit("whale-do", folder, data=whales, out=tmp_path / "out", sandbox_name="bubblewrap")
    assert found.passed, (found.message, found.run)


def test_the_starter_of_the_video_track_makes_its_numbers_from_the_ids(videos: DataSet, tmp_path: Path) -> None:
    starter = tmp_path / "starter"
    shutil.copytree(challenge("vsc-descriptor").template("starter").folder, starter)
    found = audit("vsc-descriptor", starter, data=videos, out=tmp_path / "out", sandbox_name="bubblewrap")
    assert {each.name for each in found.checks if each.outcome is Outcome.FAILED} == {"ids renamed"}
    check = found.checks[-1]
    assert check.changed == check.compared == 10
