"""`podium data split`, `rehearse` and `import` as a person types them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from podium.challenges.davis import layout
from podium.cli import call
from podium.formats import masks
from podium.types import DataSet

CLIPS = ("alder", "birch", "cedar", "elm", "fir", "goose")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "DAVIS"
    for number, clip in enumerate(CLIPS):
        for part, suffix in ((layout.IMAGES, "jpg"), (layout.ANNOTATIONS, "png")):
            (root / part / clip).mkdir(parents=True)
            path = root / part / clip / f"00000.{suffix}"
            if suffix == "jpg":
                Image.new("RGB", (32, 24), (40 * number, 0, 0)).save(path)
            else:
                masks.write(path, np.full((24, 32), 1, np.uint8))
    lists = root / "ImageSets/480p"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("\n".join(CLIPS[:5]))
    (lists / "val.txt").write_text(CLIPS[5])
    return root


@pytest.fixture
def data(tree: Path, tmp_path: Path) -> DataSet:
    assert call(["data", "import", "davis", str(tree), str(tmp_path / "data")]) == 0
    return DataSet(tmp_path / "data")


def clips(data: DataSet, name: str) -> list[str]:
    return (data.public / f"ImageSets/480p/{name}.txt").read_text().split()


def test_an_import_says_what_it_judged_and_changed(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["data", "import", "davis", str(tree), str(tmp_path / "data")]) == 0
    captured = capsys.readouterr()
    assert "judged: `1` clips, `1` frames" in captured.err
    assert "masks of 0 and 1 are written as 0 and 255" in captured.err
    assert captured.out == ""
    assert call(["data", "check", "davis", str(tmp_path / "data")]) == 0


def test_a_split_is_made_with_the_share_and_seed_that_are_asked_for(data: DataSet, tmp_path: Path) -> None:
    for seed in ("42", "42", "7"):
        out = tmp_path / f"out-{len(list(tmp_path.iterdir()))}"
        assert call(["data", "split", "davis", str(data.root), str(out), "--share", "0.6", "--seed", seed]) == 0
    one, two, other = (DataSet(path) for path in sorted(tmp_path.glob("out-*")))
    assert len(clips(one, "train")) == 3
    assert clips(one, "val") == clips(two, "val") != clips(other, "val")
    assert call(["data", "check", "davis", str(one.root)]) == 0


def test_a_rehearsal_is_a_good_data_set(data: DataSet, tmp_path: Path) -> None:
    assert call(["data", "rehearse", "davis", str(data.root), str(tmp_path / "twin")]) == 0
    assert call(["data", "check", "davis", str(tmp_path / "twin")]) == 0


def test_a_share_that_leaves_a_side_empty_is_wrong_use(
    data: DataSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["data", "split", "davis", str(data.root), str(tmp_path / "x"), "--share", "0"]) == 2
    assert "leaves one side empty" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(("command", "text"), [("split", "cannot be split"), ("rehearse", "has no rehearsal")])
def test_a_challenge_without_the_hook_says_so(
    tmp_path: Path, command: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["data", command, "whale-do", str(tmp_path), str(tmp_path / "x")]) == 2
    error = capsys.readouterr().err
    assert "`whale-do`" in error
    assert text in error


@pytest.mark.parametrize("command", ["make", "import", "check", "subset", "split", "rehearse"])
def test_every_command_about_data_shows_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["data", command, "-h"]) == 0
    assert f"podium data {command}" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["subset", "split", "rehearse"])
def test_a_seed_below_zero_is_wrong_use(
    data: DataSet, tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["data", command, "davis", str(data.root), str(tmp_path / "x"), "--seed", "-1"]) == 2
    assert "--seed" in capsys.readouterr().err
