"""The command as a person types it: exit codes, streams, messages."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from podium import cli
from podium.challenges import challenge
from podium.cli import call
from podium.types import DataSet

VSC = challenge("vsc-descriptor")


@pytest.fixture
def perfect(videos: DataSet, tmp_path: Path) -> Path:
    folder = tmp_path / "predictions"
    folder.mkdir()
    VSC.perfect(videos, folder)  # type: ignore[misc]
    return folder


def test_no_arguments_show_the_help_and_are_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert call([]) == 2
    assert "podium demo vsc-descriptor" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        "demo",
        "list",
        "show",
        "doctor",
        "data",
        "new",
        "pack",
        "run",
        "validate",
        "score",
        "report",
        "rank",
        "audit",
        "train",
        "identify",
        "segment",
        "profile",
        "log",
        "score-tree",
    ],
)
def test_every_command_has_help_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call([command, "-h"]) == 0
    text = capsys.readouterr().out
    assert "Example:" in text
    assert f"podium {command}" in text


def test_an_unknown_command_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["scroe"]) == 2
    captured = capsys.readouterr()
    assert "did you mean `score`?" in captured.err
    assert captured.out == ""


def test_an_unknown_challenge_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["show", "vsc-descriptr"]) == 2
    assert "did you mean `vsc-descriptor`?" in capsys.readouterr().err


def test_the_list_is_data_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["list", "--json"]) == 0
    captured = capsys.readouterr()
    assert "vsc-descriptor" in [each["id"] for each in json.loads(captured.out)]
    assert captured.err == ""


def test_a_good_score_ends_with_zero_and_json(
    perfect: Path, videos: DataSet, capsys: pytest.CaptureFixture[str]
) -> None:
    code = call(["score", "vsc-descriptor", str(perfect), "--data", str(videos.root), "--json", "--resamples", "20"])
    assert code == 0
    report = json.loads(capsys.readouterr().out)
    assert report["verdict"] == "scored"
    assert report["score"]["value"] == 1.0
    assert report["schema"] == 1


def test_a_score_for_a_person_names_the_metric(
    perfect: Path, videos: DataSet, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["score", "vsc-descriptor", str(perfect), "--data", str(videos.root), "--resamples", "20"]) == 0
    captured = capsys.readouterr()
    assert "micro-AP" in captured.out
    assert "scored: micro-AP 1.0000" in captured.err


def test_a_broken_file_ends_with_one_and_its_reason(
    perfect: Path, videos: DataSet, capsys: pytest.CaptureFixture[str]
) -> None:
    (perfect / "query_descriptors.npz").write_text("nothing")
    for command in ("validate", "score"):
        assert call([command, "vsc-descriptor", str(perfect), "--data", str(videos.root)]) == 1
        assert "query_descriptors.npz: this is no npz file" in capsys.readouterr().err


def test_a_broken_data_set_ends_with_three(perfect: Path, videos: DataSet, capsys: pytest.CaptureFixture[str]) -> None:
    (videos.answers / "ground_truth.csv").write_text("query_id,ref_id\n")
    assert call(["score", "vsc-descriptor", str(perfect), "--data", str(videos.root)]) == 3
    assert "ground_truth.csv" in capsys.readouterr().err


def test_the_check_of_a_data_set_names_what_changed(videos: DataSet, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["data", "check", "vsc-descriptor", str(videos.root)]) == 0
    (videos.public / "test" / "query" / "Q200004.mp4").write_bytes(b"changed")
    assert call(["data", "check", "vsc-descriptor", str(videos.root)]) == 3
    assert "Q200004.mp4" in capsys.readouterr().err


def test_new_pack_and_pack_again(tmp_path: Path, videos: DataSet, capsys: pytest.CaptureFixture[str]) -> None:
    mine, archive = tmp_path / "mine", tmp_path / "mine.zip"
    assert call(["new", "vsc-descriptor", str(mine), "--from", "starter", "--data", str(videos.root)]) == 0
    assert (mine / "main.py").is_file()
    assert (mine / "query_descriptors.npz").is_file()
    assert call(["new", "vsc-descriptor", str(mine)]) == 2
    assert call(["pack", str(mine), "-o", str(archive), "--json"]) == 0
    packed = json.loads(capsys.readouterr().out)
    assert packed["digest"].startswith("sha256:")
    assert call(["pack", str(mine), "-o", str(archive)]) == 2
    assert call(["pack", str(mine), "-o", str(archive), "--force"]) == 0
    (mine / "main.py").unlink()
    assert call(["pack", str(mine), "-o", str(tmp_path / "other.zip")]) == 1
    assert "main.py" in capsys.readouterr().err


def test_a_new_submission_that_fails_leaves_nothing(
    tmp_path: Path, videos: DataSet, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["new", "vsc-descriptor", str(tmp_path / "x"), "--data", str(videos.root), "--set", "speed=9"]
    assert call(asked) == 2
    assert "has no option `speed`" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_an_unknown_template_is_answered_with_those_that_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["new", "vsc-descriptor", str(tmp_path / "x"), "--from", "startr"]) == 2
    assert "did you mean `starter`?" in capsys.readouterr().err


def test_the_draw_of_a_subset(tmp_path: Path, videos: DataSet) -> None:
    out = tmp_path / "smaller"
    assert call(["data", "subset", "vsc-descriptor", str(videos.root), str(out), "--proportion", "0.2"]) == 0
    assert len((out / "inputs" / "query_subset.csv").read_text().splitlines()) == 1 + 4


def test_a_run_that_is_no_run_is_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["report", str(tmp_path), "--no-open"]) == 2
    assert "report.json" in capsys.readouterr().err
    (tmp_path / "report.json").write_text('{"schema": 1}')
    assert call(["rank", str(tmp_path)]) == 2


def test_colour_never_reaches_a_pipe(videos: DataSet) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "podium", "validate", "vsc-descriptor", str(videos.root), "--data", str(videos.root)],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert b"\x1b" not in done.stdout + done.stderr
    assert b"query_descriptors.npz: the file is missing" in done.stderr


def test_options_that_a_template_would_ignore_are_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = ["new", "whale-do", str(tmp_path / "x")]
    assert call([*new, "--from", "starter", "--set", "flip=no"]) == 2
    assert "`starter` has no options" in capsys.readouterr().err
    assert call([*new, "--from", "baseline", "--set", "flip=no"]) == 2
    assert "add `--data DIR`" in capsys.readouterr().err
    assert call([*new, "--from", "baseline", "--data", str(tmp_path)]) == 2
    assert "is no data set" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_broken_report_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "report.json").write_text("{")
    assert call(["report", str(tmp_path), "--no-open"]) == 2
    assert str(tmp_path / "report.json") in capsys.readouterr().err


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, 3), (errno.EACCES, 2), (errno.ENOTDIR, 2)])
def test_a_disk_that_does_not_take_a_file_is_no_fault_of_podium(
    number: int, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), "out/sub.csv")

    monkeypatch.delenv("PODIUM_TRACEBACK", raising=False)
    monkeypatch.setattr(cli.cli, "main", fail)
    assert cli.call(["list"]) == code
    told = capsys.readouterr().err
    assert f"`out/sub.csv` cannot be written: {os.strerror(number)}" in told
    assert "Podium itself failed" not in told
