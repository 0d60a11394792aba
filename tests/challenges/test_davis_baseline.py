"""The baseline of `davis`: filled with a model, declared, run, read and scored."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from podium.challenges.davis import DAVIS, layout, paths
from podium.challenges.davis.predictions import read_predictions
from podium.challenges.davis.templates import prepare_baseline
from podium.errors import UsageError
from podium.formats import masks
from podium.types import DataSet, Phase

PHASE = Phase(name="1", summary="", code_required=True)
FOLDER = Path(layout.__file__).parent / "baseline"
CLIPS = {"bear": (5, 48, 86), "goat": (2, 40, 60), "lone": (1, 50, 50)}


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    """Three clips of other sizes, one of a single frame: a red square walks over noise."""
    data, rng = DataSet(tmp_path / "data"), np.random.default_rng(0)
    raw, annotation = [], []
    for clip, (count, height, width) in CLIPS.items():
        ground = rng.integers(60, 120, (height, width, 3)).astype(np.uint8)
        for number in range(count):
            frame_HWC, mask_HW = ground.copy(), np.zeros((height, width), np.uint8)
            place = slice(10, 30), slice(8 + 3 * number, 28 + 3 * number)
            frame_HWC[place], mask_HW[place] = (220, 40, 40), 255
            raw.append(f"{layout.IMAGES}/{clip}/{number:05}.jpg")
            annotation.append(f"{layout.ANNOTATIONS}/{clip}/{number:05}.png")
            for path in (data.inputs / raw[-1], data.answers / annotation[-1]):
                path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(frame_HWC).save(data.inputs / raw[-1], quality=95)
            masks.write(data.answers / annotation[-1], mask_HW)
    paths.write(data.inputs / paths.PATHS, {paths.RAW: raw})
    paths.write(data.answers / paths.PATHS, {paths.ANNOTATION: annotation})
    return data


def test_the_template_is_the_folder_of_this_test() -> None:
    template = next(each for each in DAVIS.templates if each.name == "baseline")
    assert template.folder == FOLDER
    assert template.prepare is not None
    assert (FOLDER / "main.py").is_file()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"recipy": "x"}, "no option `recipy`; did you mean `recipe`"),
        ({"model": "m", "recipe": "x"}, "leave one of them out"),
        ({"model": "m", "recipe.steps": "3"}, "leave one of them out"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    options: dict[str, str], text: str, data: DataSet, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=text):
        prepare_baseline(data, tmp_path, options=options)
    assert not (tmp_path / "model_assets").exists()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model that nobody trained."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("timm")
    pytest.importorskip("cv2")
    from podium.solutions.object_segmentation.inputs import InputSettings
    from podium.solutions.object_segmentation.model import Model
    from podium.solutions.object_segmentation.network import NetworkSettings, build

    torch.manual_seed(0)
    network = build(NetworkSettings(encoder="mobilenetv4_conv_small", pretrained=None, channels=16)).eval()
    folder = tmp_path_factory.mktemp("model")
    Model(networks=(network,), inputs=InputSettings(short_side=64)).save(folder)
    return folder


def submission_of(data: DataSet, model: Path, folder: Path) -> Path:
    shutil.copytree(FOLDER, folder)
    assert prepare_baseline(data, folder, options={"model": str(model)}) == ()
    return folder


def prepared(submission: Path, data: DataSet, root: Path) -> Path:
    """The folder in which a submission is run."""
    work = root / "code_execution"
    shutil.copytree(submission, work)
    shutil.copytree(data.inputs, work / "data")
    return work


def run(submission: Path, data: DataSet, root: Path) -> Path:
    work = prepared(submission, data, root)
    environment = {**os.environ, "PODIUM_ROOT": str(root), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "main.py"], cwd=work, env=environment, check=True, timeout=300)
    return work


@pytest.mark.train
def test_a_trained_model_is_copied_and_all_its_weights_are_declared(data: DataSet, model: Path, tmp_path: Path) -> None:
    from podium.formats.weights import read_weights
    from podium.solutions.object_segmentation.model import Model

    submission = submission_of(data, model, tmp_path / "submission")
    declared: dict[str, Any] = json.loads((submission / "model.json").read_text())
    on_disk = {
        path.relative_to(submission).as_posix()
        for path in submission.rglob("*")
        if path.suffix in (".safetensors", ".pt", ".pth")
    }
    assert set(declared["weights"]) == on_disk
    assert declared["multiply_adds"] == Model.load(model).multiply_adds(48, 86) > 0
    assert read_weights(submission / declared["weights"][0]) is not None


@pytest.mark.train
def test_the_baseline_runs_is_valid_tells_its_size_and_gives_the_same_bytes_again(
    data: DataSet, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from podium.solutions.object_segmentation.inference import NetworkSegmenter
    from podium.solutions.object_segmentation.model import Model
    from podium.solutions.object_segmentation.submission import frames_of

    submission = submission_of(data, model, tmp_path / "submission")
    first = run(submission, data, tmp_path / "first")
    second = prepared(submission, data, tmp_path / "second")
    monkeypatch.setenv("PODIUM_ROOT", str(tmp_path / "second"))
    runpy.run_path(str(second / "main.py"), run_name="__main__")
    outputs = sorted(path.name for path in (first / "outputs").iterdir())
    assert outputs == [f"{row:05}.png" for row in range(8)]
    for name in ("paths.json", "metadata.json", *(f"outputs/{each}" for each in outputs)):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    reading = read_predictions(first, data, phase=PHASE)
    assert reading.predictions is not None, reading.problems
    loaded = Model.load(model)
    assert reading.predictions.metadata.parameters == loaded.parameters
    assert reading.predictions.metadata.operations == 2 * loaded.multiply_adds(48, 86)
    sequence = reading.predictions.sequences[1]
    alone = NetworkSegmenter(loaded).masks(frames_of(data.inputs / each.path for each in sequence.frames))
    for frame, probability_HW in zip(sequence.frames, alone, strict=True):
        found = reading.predictions.mask(sequence, frame.row)
        np.testing.assert_array_equal(found, probability_HW >= 0.5)


@pytest.mark.train
def test_a_model_over_the_contests_limit_is_refused(
    data: DataSet, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from podium.challenges.davis import templates

    monkeypatch.setattr(templates, "PARAMETER_LIMIT", 1_000)
    with pytest.raises(UsageError, match="parameters; fewer than `1,000` are allowed"):
        prepare_baseline(data, tmp_path / "submission", options={"model": str(model)})
