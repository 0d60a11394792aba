"""A trained model as a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from podium.errors import UsageError  # noqa: E402 - after the check for torch
from podium.solutions.training import export  # noqa: E402


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shared = torch.arange(6.0).reshape(2, 3)
    tensors = {"b": shared.T, "a": shared, "c": torch.tensor(3)}
    export.write(tmp_path / "model", tensors=tensors, recipe="solution: toy\n", facts={"seed": 4})
    return tmp_path / "model"


def test_what_is_exported_is_read_back(folder: Path) -> None:
    found = export.read(folder)
    assert torch.equal(found.tensors["b"], torch.arange(6.0).reshape(2, 3).T)
    assert int(found.tensors["c"]) == 3
    assert found.recipe == "solution: toy\n"
    assert found.facts["seed"] == 4
    assert sorted(each.name for each in folder.iterdir()) == ["recipe.yaml", "training.json", "weights.safetensors"]


def test_the_same_model_gives_the_same_bytes(folder: Path) -> None:
    before = {each.name: each.read_bytes() for each in folder.iterdir()}
    found = export.read(folder)
    facts = {name: value for name, value in found.facts.items() if name != "weights_digest"}
    export.write(folder, tensors=dict(reversed(found.tensors.items())), recipe=found.recipe, facts=facts)
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == before


@pytest.mark.parametrize("name", ["weights.safetensors", "recipe.yaml", "training.json"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(UsageError, match=f"holds no `{name}`"):
        export.read(folder)


def test_broken_and_foreign_weights_are_refused(folder: Path) -> None:
    told = json.loads((folder / "training.json").read_text())
    (folder / "training.json").write_text(json.dumps(told | {"weights_digest": "sha256:0"}))
    with pytest.raises(UsageError, match=r"which is not what `training.json` tells of"):
        export.read(folder)
    (folder / "weights.safetensors").write_bytes(b"nothing")
    with pytest.raises(UsageError, match="holds no trained model"):
        export.read(folder)


def test_the_facts_tell_of_recipe_data_outcome_and_versions(tmp_path: Path, toy: Any) -> None:
    _, fitted = toy(tmp_path, epochs=1, monitor="val_loss", mode="min")
    told = export.facts(
        recipe_digest="sha256:r", data_digest="sha256:d", seed=5, fitted=fitted, monitor="val_loss", more={"folds": 3}
    )
    assert told["best_value"] == fitted.best_value
    assert (told["recipe_digest"], told["data_digest"], told["epochs"], told["folds"]) == ("sha256:r", "sha256:d", 1, 3)
    assert told["versions"]["torch"] == torch.__version__.split("+")[0] or torch.__version__
    assert json.loads(json.dumps(told)) == told
