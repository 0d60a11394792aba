"""`podium log`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from podium.challenges.davis import layout, paths
from podium.challenges.davis.results import ResultWriter
from podium.cli import call
from podium.formats import masks
from podium.types import DataSet, Report, Verdict


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    made = DataSet(tmp_path / "data")
    raw, annotation = f"{layout.IMAGES}/bear/00000.jpg", f"{layout.ANNOTATIONS}/bear/00000.png"
    for path in (made.inputs / raw, made.answers / annotation):
        path.parent.mkdir(parents=True)
    Image.new("RGB", (16, 8)).save(made.inputs / raw)
    masks.write(made.answers / annotation, np.full((8, 16), 255, np.uint8))
    paths.write(made.inputs / paths.PATHS, {paths.RAW: [raw]})
    paths.write(made.answers / paths.PATHS, {paths.ANNOTATION: [annotation]})
    return made


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """What `podium run` leaves, as far as it matters here."""
    folder = tmp_path / "run"
    with ResultWriter(folder / "predictions", parameters=7) as result:
        result.add(np.ones((8, 16), bool))
    write_report(folder, challenge="davis", verdict=Verdict.SCORED)
    return folder


def write_report(folder: Path, *, challenge: str, verdict: Verdict) -> None:
    report = Report(challenge=challenge, challenge_version="1", phase="1", verdict=verdict, message="main.py crashed")
    (folder / "report.json").write_text(report.to_json())


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    pytest.importorskip("wandb", reason="the extra `wandb` is not installed")
    for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "wandb-files"))
    return ["--project", "davis", "--offline", "--out", str(tmp_path / "logged"), "--json"]


@pytest.mark.parametrize("part", ["", "predictions"])
def test_a_run_and_its_bare_result_are_logged_alike(
    part: str, run: Path, data: DataSet, offline: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["log", str(run / part), "--data", str(data.root), *offline]) == 0
    result, evaluation = json.loads(capsys.readouterr().out)
    assert (result["artifact"], evaluation["artifact"]) == ("davis-val", "davis-val-submission")
    assert result["entries"] == ["paths.json", "outputs/00000.png"]
    for each in (result, evaluation):
        assert len(list(Path(each["folder"]).glob("*.wandb"))) == 1


def test_without_answers_only_the_masks_are_logged(
    run: Path, data: DataSet, offline: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (data.answers / "paths.json").unlink()
    assert call(["log", str(run), "--data", str(data.root), "--split", "test", *offline]) == 0
    told = capsys.readouterr()
    assert [each["artifact"] for each in json.loads(told.out)] == ["davis-test"]
    assert "no answers" in told.err


@pytest.mark.parametrize(
    ("challenge", "verdict", "words"),
    [("davis", Verdict.FAILED, "main.py crashed"), ("whale-do", Verdict.SCORED, "only those of `davis`")],
)
def test_a_run_that_has_no_result_of_davis_is_refused(
    challenge: str, verdict: Verdict, words: str, run: Path, data: DataSet, capsys: pytest.CaptureFixture[str]
) -> None:
    write_report(run, challenge=challenge, verdict=verdict)
    assert call(["log", str(run), "--data", str(data.root), "--project", "davis", "--offline"]) == 2
    assert words in capsys.readouterr().err


def test_without_wandb_the_command_names_the_extra(
    run: Path, data: DataSet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert call(["log", str(run), "--data", str(data.root), "--project", "davis", "--offline"]) == 3
    assert "podium[wandb]" in capsys.readouterr().err
