"""The templates of `davis` that others build on: each runs as it comes and writes what the challenge reads."""

from __future__ import annotations

import importlib.util
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

from podium.challenges import challenge
from podium.challenges.davis import layout, paths, starters
from podium.challenges.davis.predictions import DavisPredictions, read_predictions
from podium.cli.submission import create
from podium.errors import MachineError, UsageError
from podium.formats import masks
from podium.types import DataSet

DAVIS = challenge("davis")
PHASE = DAVIS.phases[0]
CLIPS = {"bear": (4, 40, 64), "goat": (3, 40, 64), "dog": (3, 36, 52)}
SMALL = {"steps": "2", "batch": "4", "height": "32", "width": "48"}
KITS = ("starter-torch", "starter-keras")


def write_part(folder: Path, *, frames: bool, answers: bool) -> None:
    """Three clips of a bright block that wanders over noise; keys of `paths.json` in no order."""
    rng = np.random.default_rng(0)
    raw, annotation = [], []
    for clip, (count, height, width) in CLIPS.items():
        for number in range(count):
            block = np.zeros((height, width), np.uint8)
            block[10:26, 4 + 3 * number : 24 + 3 * number] = 255
            picture = rng.integers(0, 120, (height, width, 3), dtype=np.uint8) + block[..., None] // 2
            raw.append(f"{layout.IMAGES}/{clip}/{number:05}.jpg")
            annotation.append(f"{layout.ANNOTATIONS}/{clip}/{number:05}.png")
            for wanted, name in ((frames, raw[-1]), (answers, annotation[-1])):
                if wanted:
                    (folder / name).parent.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(picture if name == raw[-1] else block).save(folder / name)
    columns = ({paths.RAW: raw} if frames else {}) | ({paths.ANNOTATION: annotation} if answers else {})
    paths.write(folder / paths.PATHS, columns)
    table = json.loads((folder / paths.PATHS).read_text())
    shuffled = {name: dict(sorted(rows.items(), key=lambda row: row[0][::-1])) for name, rows in table.items()}
    (folder / paths.PATHS).write_text(json.dumps(shuffled))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    made = DataSet(tmp_path_factory.mktemp("data"))
    write_part(made.public, frames=True, answers=True)
    write_part(made.inputs, frames=True, answers=False)
    write_part(made.answers, frames=False, answers=True)
    return made


@pytest.fixture(scope="module", params=KITS)
def kit(request: pytest.FixtureRequest, data: DataSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A starter kit after two steps of its own training."""
    name: str = request.param
    require(name)
    folder = tmp_path_factory.mktemp(name) / "submission"
    create(DAVIS.template(name), folder, data=data, options=SMALL)
    return folder


def require(name: str) -> None:
    for package in ("keras", "h5py") if name == "starter-keras" else ("torch", "lightning"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"`{package}` is not installed")


def run(submission: Path, data: DataSet, box: Path) -> subprocess.CompletedProcess[str]:
    """Runs a submission as the sandbox without walls does; the result lies in ``box/code_execution``."""
    workdir = box / "code_execution"
    workdir.mkdir(parents=True)
    (workdir / "data").symlink_to(data.inputs)
    command = [sys.executable, str(submission / "main.py")]
    environment = os.environ | {"PODIUM_ROOT": str(box), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def result(submission: Path, data: DataSet, box: Path) -> DavisPredictions:
    done = run(submission, data, box)
    assert done.returncode == 0, done.stderr
    reading = read_predictions(box / "code_execution", data, phase=PHASE)
    assert not reading.problems
    return reading.predictions


def counted(weights: Path) -> int:
    """Every number in a file of weights."""
    if weights.suffix == ".safetensors":
        from safetensors import safe_open

        with safe_open(weights, "np") as file:
            return sum(file.get_tensor(name).size for name in file.keys())  # noqa: SIM118 - no mapping
    import h5py

    sizes: list[int] = []
    with h5py.File(weights) as file:
        file.visititems(lambda _, item: sizes.append(item.size) if isinstance(item, h5py.Dataset) else None)
    return sum(sizes)


def rows(predictions: DavisPredictions) -> int:
    return len(predictions.places)


def test_the_starter_writes_an_ellipse_of_half_the_frame_for_every_row(data: DataSet, tmp_path: Path) -> None:
    predictions = result(DAVIS.template("starter").folder, data, tmp_path)
    assert rows(predictions) == sum(count for count, _, _ in CLIPS.values())
    for sequence in predictions.sequences:
        mask = predictions.mask(sequence, sequence.frames[0].row)
        assert mask is not None
        assert mask[sequence.height // 2, sequence.width // 2]
        # The area of an ellipse with half the height and width: pi / 16 of the frame.
        assert mask.mean() == pytest.approx(np.pi / 16, rel=0.05)
    assert predictions.metadata is not None
    assert predictions.metadata.parameters == 0


@pytest.mark.parametrize("name", ["starter", "classical"])
def test_a_template_without_a_model_declares_that_it_has_no_weights(name: str) -> None:
    assert json.loads((DAVIS.template(name).folder / "model.json").read_text()) == {"weights": []}


def test_the_classical_baseline_writes_a_mask_for_every_row_and_no_parameters(data: DataSet, tmp_path: Path) -> None:
    pytest.importorskip("cv2", reason="the extra `motion` is not installed")
    predictions = result(DAVIS.template("classical").folder, data, tmp_path)
    assert rows(predictions) == sum(count for count, _, _ in CLIPS.values())
    assert predictions.metadata is not None
    assert predictions.metadata.parameters == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"step": "3"}, "did you mean `steps`"),
        ({"steps": "0"}, "above 0"),
        ({"epochs": "-1"}, "above 0"),
        ({"batch": "many"}, "above 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    options: dict[str, str], words: str, data: DataSet, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=words):
        starters.prepare_starter(data, tmp_path, options=options)


def test_a_data_set_with_nothing_to_train_on_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to train on"):
        starters.prepare_starter(DataSet(tmp_path), tmp_path)


@pytest.mark.parametrize(("name", "extra"), [("starter-torch", "train"), ("starter-keras", "keras")])
def test_a_missing_framework_names_the_extra(
    name: str, extra: str, data: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starters.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MachineError, match=rf"podium\[{extra}\]"):
        starters.prepare_starter(data, DAVIS.template(name).folder)


def test_a_training_that_fails_says_its_last_line(data: DataSet, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import sys\nsys.exit('the disk is full')\n")
    with pytest.raises(MachineError, match="the disk is full"):
        starters.prepare_starter(data, tmp_path)


def test_each_step_of_the_training_is_shown(data: DataSet, tmp_path: Path) -> None:
    code = "import sys\nfor n in range(1, 4): print(f'step {n}/3 loss 0.5')\nprint(sys.argv[3:])\n"
    (tmp_path / "train.py").write_text(code)
    shown: list[Any] = []

    def progress(steps: Any, *, what: str, total: int | None = None) -> Any:
        shown.append((what, total))
        for each in steps:
            shown.append(each)
            yield each

    starters.prepare_starter(data, tmp_path, options={"steps": "3"}, progress=progress)
    assert shown == [("training the starter", 3), 1, 2, 3]


@pytest.mark.train
def test_a_trained_kit_writes_a_valid_result_and_counts_what_its_file_holds(
    kit: Path, data: DataSet, tmp_path: Path
) -> None:
    predictions = result(kit, data, tmp_path)
    assert rows(predictions) == sum(count for count, _, _ in CLIPS.values())
    (weights,) = json.loads((kit / "model.json").read_text())["weights"]
    assert predictions.metadata is not None
    assert 100_000 < predictions.metadata.parameters == counted(kit / weights) < 1_000_000


@pytest.mark.train
def test_a_kit_does_not_need_podium_when_it_runs(kit: Path) -> None:
    text = "".join(path.read_text() for path in kit.glob("*.py"))
    assert "import podium" not in text
    assert "from podium" not in text


@pytest.mark.train
def test_a_kit_without_weights_says_what_to_do(kit: Path, data: DataSet, tmp_path: Path) -> None:
    bare = shutil.copytree(kit, tmp_path / "bare", ignore=shutil.ignore_patterns("model_assets"))
    done = run(bare, data, tmp_path / "box")
    assert done.returncode == 1
    assert "python train.py --data DIR" in done.stderr


@pytest.mark.train
def test_the_kits_split_whole_clips_by_seed_and_pair_each_frame_with_the_one_before(data: DataSet) -> None:
    require("starter-torch")
    module = runpy.run_path(str(DAVIS.template("starter-torch").folder / "data.py"))
    found = module["read_rows"](data.root)
    assert [row.number for row in found] == list(range(10))
    assert all(row.previous.parent == row.frame.parent for row in found)
    assert [row.previous == row.frame for row in found].count(True) == len(CLIPS)
    train, held_out = module["split"](found, seed=3)
    assert {row.clip for row in train} & {row.clip for row in held_out} == set()
    assert len(train) + len(held_out) == 10
    assert module["split"](found, seed=3) == (train, held_out)
    assert len({tuple(row.clip for row in module["split"](found, seed=seed)[1]) for seed in range(9)}) > 1
    assert [row.mask for row in module["read_rows"](data.inputs)] == [None] * 10


@pytest.mark.train
def test_the_kits_train_in_another_order_each_epoch_and_judge_in_one(data: DataSet) -> None:
    require("starter-torch")
    module = runpy.run_path(str(DAVIS.template("starter-torch").folder / "data.py"))
    made = module["ClipData"](data.public, batch=1, size=(32, 48), share=0.7)
    loader = made.train_dataloader()
    epochs = [[float(mask.sum() * 1e3 + frames.sum()) for frames, mask in loader] for _ in range(2)]
    assert epochs[0] != epochs[1]
    first, second = ([float(x.sum()) for x, _ in made.val_dataloader()] for _ in range(2))
    assert first == second
    assert len(first) > 0


@pytest.mark.train
def test_a_palette_mask_is_any_object_but_void(tmp_path: Path) -> None:
    require("starter-torch")
    module = runpy.run_path(str(DAVIS.template("starter-torch").folder / "data.py"))
    levels = np.array([[0, 1, 2, 255]] * 2, np.uint8)
    masks.write(tmp_path / "grey.png", levels)
    palette = Image.fromarray(levels).convert("P")
    palette.putdata(levels.ravel().tolist())
    palette.save(tmp_path / "palette.png")
    assert module["read_mask"](tmp_path / "palette.png", (2, 4))[0, 0].tolist() == [0, 1, 1, 0]
    assert module["read_mask"](tmp_path / "grey.png", (2, 4))[0, 0].tolist() == [0, 0, 0, 1]
