"""`podium identify`, as a person calls it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from podium.cli import call
from podium.cli.identify import identify_command

pytest.importorskip("torch")


def test_the_table_and_the_json_name_the_individual(
    herd: Path, animal: Any, small_model: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small_model.save(tmp_path / "model")
    photo = tmp_path / "new.png"
    Image.fromarray(animal(4, 9)).save(photo)
    arguments = ["identify", "--database", str(herd), str(photo), "--model", str(tmp_path / "model"), "--limit", "3"]
    assert call(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "animal4" in lines[1]
    assert len(lines) == 1 + 3 + 1
    assert "(somebody new)" in lines[-1]
    assert call([*arguments, "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["suggestions"][0]["individual"] == "animal4"
    assert 0 <= found["new"] <= 1


def test_a_wrong_database_is_wrong_use(tmp_path: Path, herd: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    photo = next(herd.rglob("*.png"))
    assert call(["identify", "--database", str(tmp_path / "nowhere"), str(photo)]) == 2
    assert call(["identify", "--database", str(herd)]) == 2
    assert "PHOTO" in capsys.readouterr().err
    assert identify_command.name == "identify"


def test_photographs_of_which_none_can_be_read_are_wrong_use(
    herd: Path, small_model: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small_model.save(tmp_path / "model")
    photo = tmp_path / "broken.jpg"
    photo.write_bytes(b"no photograph")
    model = str(tmp_path / "model")
    assert call(["identify", "--database", str(herd), str(photo), "--model", model]) == 2
    assert "broken.jpg" in capsys.readouterr().err
