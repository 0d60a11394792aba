"""`podium train` as a person types it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("yaml")

from podium.cli import call
from podium.cli import train as command
from podium.solutions.training import recipe as recipes
from podium.solutions.training.stopping import Stopped


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text("solution: toy\nsummary: learns nothing\nepochs: 3\n")
    return path


@pytest.fixture
def solution(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A solution that writes one file; gives the calls that it got."""
    calls: list[dict[str, Any]] = []

    def train(recipe: Path, *, out: Path, **how: Any) -> Path:
        calls.append({"recipe": recipe, "out": out, **how})
        (out / "model_assets").mkdir(parents=True, exist_ok=True)
        (out / "model_assets" / "weights").write_text("7")
        return out / "model_assets"

    module = ModuleType("podium.solutions.toy.train")
    module.train = train  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "podium.solutions.toy", ModuleType("podium.solutions.toy"))
    monkeypatch.setitem(sys.modules, "podium.solutions.toy.train", module)
    monkeypatch.setattr(recipes, "_trainable", lambda: ["toy"])
    return calls


def test_a_training_says_what_it_made(
    solution: list[dict[str, Any]], recipe: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert call(["train", str(recipe), "--data", str(data), "--out", str(out), "--set", "epochs=5", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["model"] == str(out / "model_assets")
    assert json.loads(captured.out)["submission"] is None
    assert "learns nothing" in captured.err
    assert f"model: `{out / 'model_assets'}`" in captured.err
    (asked,) = solution
    assert (asked["recipe"], asked["data"], asked["overrides"], asked["resume"]) == (
        recipe,
        data,
        {"epochs": "5"},
        False,
    )


def test_a_folder_that_is_not_empty_is_for_resuming(
    solution: list[dict[str, Any]], recipe: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    asked = ["train", str(recipe), "--data", str(data), "--out", str(out)]
    assert call(asked) == 0
    assert call(asked) == 2
    assert "is not an empty folder; go on with `--resume`" in capsys.readouterr().err
    assert call([*asked, "--resume"]) == 0
    assert [each["resume"] for each in solution] == [False, True]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["mine.yaml"], "training `mine.yaml` needs --data DIR and --out DIR"),
        (["mine.yaml", "--data", "data"], "training `mine.yaml` needs --out DIR"),
        (["mine.yaml", "--data", "nowhere", "--out", "out"], "`--data nowhere` is no folder"),
        (["your.yaml", "--data", "data", "--out", "out"], "there is no file `your.yaml`"),
        (["mine.yaml", "--data", "data", "--out", "out", "--set", "epochs"], "has no `=`"),
        (["mine.yaml", "--data", "data", "--out", "out", "--set", "solution=toi"], "did you mean `toy`?"),
        (["mine.yaml", "--data", "data", "--out", "out", "--set", "challenge=whale-doo"], "did you mean `whale-do`?"),
    ],
)
def test_wrong_use_is_answered_with_what_is_right(
    solution: list[dict[str, Any]],
    recipe: Path,
    data: Path,
    arguments: list[str],
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(recipe.parent)
    assert call(["train", *arguments]) == 2
    assert reason in capsys.readouterr().err
    assert solution == []


def test_a_stopped_training_says_how_to_go_on(
    solution: list[dict[str, Any]],
    recipe: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stop(*_: Any, **__: Any) -> Path:
        raise Stopped(checkpoint=tmp_path / "last.ckpt", epoch=1, step=7)

    monkeypatch.setattr(sys.modules["podium.solutions.toy.train"], "train", stop)
    assert call(["train", str(recipe), "--data", str(data), "--out", str(tmp_path / "out")]) == 130
    assert "stopped in epoch 2 after 7 steps; saved, go on with `--resume`" in capsys.readouterr().err


def test_a_recipe_of_a_challenge_ends_with_a_submission(
    solution: list[dict[str, Any]],
    recipe: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    made: list[dict[str, Any]] = []

    def create(template: Any, into: Path, **how: Any) -> None:
        into.mkdir()
        made.append({"template": template.name, "into": into, **how})

    monkeypatch.setattr(command, "create", create)
    challenges = {"whale-do": SimpleNamespace(template=lambda name: SimpleNamespace(name=name))}
    monkeypatch.setattr(command, "find_challenge", challenges.__getitem__)
    out = tmp_path / "out"
    asked = ["train", str(recipe), "--data", str(data), "--out", str(out), "--set", "challenge=whale-do"]
    assert call(asked) == 0
    (one,) = made
    assert (one["template"], one["into"], one["options"]) == (
        "baseline",
        out / "submission",
        {"model": str(out / "model_assets")},
    )
    assert one["data"].root == data
    assert "podium run whale-do" in capsys.readouterr().err
    assert call([*asked, "--resume"]) == 0
    assert len(made) == 1
    assert "was there before and stays as it is" in capsys.readouterr().err


def test_the_list_has_every_recipe_with_its_summary(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "toy" / "recipes"
    folder.mkdir(parents=True)
    (folder / "small.yaml").write_text("solution: toy\nsummary: two cores, a minute\nepochs: 1\n")
    (folder.parent / "train.py").touch()
    monkeypatch.setattr(recipes, "_SOLUTIONS", tmp_path)
    for arguments in ([], ["--list"]):
        assert call(["train", *arguments]) == 0
        captured = capsys.readouterr()
        assert "toy/small" in captured.out
        assert "two cores, a minute" in captured.out
    assert call(["train", "--list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["name"] == "toy/small"
    assert recipes.find("toy/small") == folder / "small.yaml"


def test_the_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["train", "-h"]) == 0
    text = capsys.readouterr().out
    assert "Example:" in text
    assert "podium train reidentification/small --data" in text
