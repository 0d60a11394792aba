"""From a recipe to a model: what is written, resumed, refused, and the same every time."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from PIL import Image

from podium.errors import UsageError

torch = pytest.importorskip("torch")
pytest.importorskip("timm")
pytest.importorskip("lightning")
pytest.importorskip("cv2")

from podium.solutions.object_segmentation import network as networks  # noqa: E402 - after the checks
from podium.solutions.object_segmentation import train as training  # noqa: E402
from podium.solutions.object_segmentation.inference import NetworkSegmenter  # noqa: E402
from podium.solutions.object_segmentation.model import Model  # noqa: E402
from podium.solutions.object_segmentation.network import NetworkSettings, build  # noqa: E402
from podium.solutions.object_segmentation.plan import plan  # noqa: E402
from podium.solutions.training.callbacks import read_checkpoint  # noqa: E402
from podium.solutions.training.stopping import Stopped  # noqa: E402

Step = TypeVar("Step")

RECIPE = """
solution: object_segmentation
inputs: {short_side: 32}
samples: {height: 32, width: 64, stills_share: 0.25}
network: {encoder: test_efficientnet, pretrained: null, channels: 16, motion_dropout: 0.2}
loss: {window: 5, tolerance: 1}
batch: {frames: 3}
steps: 4
interval: 2
trainer: {average: {decay: 0.9}, monitor: validation/j, log_every_steps: 1, device: cpu}
"""
STAGES = """
stages:
  - {name: stills, set: {data.folder: stills, data.judged_by: clips, steps: 2}}
  - {name: clips, set: {data.folder: clips, learning.rate: 5e-4, steps: 4}}
"""
SCRIPT = """
import os, signal, sys
from pathlib import Path
import torch
from podium.solutions.object_segmentation import learner, train

torch.set_num_threads(1)
recipe, data, out, kill, step, resume, *settings = sys.argv[1:]
plain = learner.Learner.training_step

def training_step(self, batch, batch_idx):
    second = "clips" in self.trainer.default_root_dir
    if second and self.trainer.global_step == int(step) and kill == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    return plain(self, batch, batch_idx)

learner.Learner.training_step = training_step
overrides = dict(each.split("=", 1) for each in settings)
train.train(Path(recipe), data=Path(data), out=Path(out), overrides=overrides, resume=resume == "resume")
"""


def picture(rng: np.random.Generator, left: int) -> tuple[np.ndarray, np.ndarray]:
    image, mask = rng.integers(0, 90, (40, 70, 3)), np.zeros((40, 70), dtype=np.uint8)
    mask[10:30, left : left + 18] = 255
    image[mask > 0] += 120
    return image.astype(np.uint8), mask


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bright square that moves over noise, in five clips of which a list holds out one, and three stills."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    tree = root / "clips"
    for clip in "abcde":
        frames, masks = (tree / part / "480p" / clip for part in ("JPEGImages", "Annotations"))
        frames.mkdir(parents=True)
        masks.mkdir(parents=True)
        for frame in range(3):
            image, mask = picture(rng, 8 + 6 * frame)
            Image.fromarray(image).save(frames / f"{frame:05}.jpg")
            Image.fromarray(mask).save(masks / f"{frame:05}.png")
    lists = tree / "ImageSets" / "480p"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\nb\nc\nd\n")
    (lists / "val.txt").write_text("e\n")
    for part in ("Images", "Masks"):
        (root / "stills" / part).mkdir(parents=True)
    for number in range(3):
        image, mask = picture(rng, 10 * number)
        Image.fromarray(image).save(root / "stills" / "Images" / f"{number}.jpg")
        Image.fromarray(mask).save(root / "stills" / "Masks" / f"{number}.png")
    return root


@pytest.fixture
def single(tmp_path: Path) -> Path:
    path = tmp_path / "single.yaml"
    path.write_text(RECIPE)
    return path


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    path = tmp_path / "staged.yaml"
    path.write_text(RECIPE + STAGES)
    return path


def weights(assets: Path) -> dict[str, bytes]:
    return {str(path.relative_to(assets)): path.read_bytes() for path in sorted(assets.rglob("*.safetensors"))}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.train
def test_a_training_leaves_a_model_that_segments(single: Path, data: Path, tmp_path: Path) -> None:
    assets = training.train(single, data=data / "clips", out=tmp_path / "out")
    assert assets == tmp_path / "out" / "model_assets"
    assert {each.name for each in assets.iterdir()} == {
        "model.yaml", "network", "recipe.yaml", "training.json", "held_out.csv"
    }  # fmt: skip
    model = Model.load(assets)
    recipe = plan(single, {}).whole
    assert (model.inputs, model.postprocess) == (recipe.inputs, recipe.postprocess)
    facts = json.loads((assets / "training.json").read_text())
    assert (facts["clips"], facts["clips_held_out"], facts["stills"], facts["steps"]) == (4, 1, 0, 4)
    assert facts["parameters"] == model.parameters
    frames = [picture(np.random.default_rng(1), 8 + 6 * frame)[0] for frame in range(3)]
    masks = list(NetworkSegmenter(model).masks(frames))
    assert [each.shape for each in masks] == [(40, 70)] * 3
    assert all(each.min() >= 0 and each.max() <= 1 for each in masks)


@pytest.mark.train
def test_held_out_clips_are_judged_by_the_network_that_is_kept(single: Path, data: Path, tmp_path: Path) -> None:
    shares = {"data.held_out": "share", "data.share": "0.4"}
    training.train(single, data=data / "clips", out=tmp_path / "out", overrides=shares)
    judged = rows(tmp_path / "out" / "held_out.csv")
    kept = json.loads((tmp_path / "out" / "data.json").read_text())
    assert [each["clip"] for each in judged] == kept["held_out"]
    assert len(kept["held_out"]) == 2
    assert "e" not in kept["held_out"] + kept["clips"]
    assert not set(kept["held_out"]) & set(kept["clips"])
    assert [each["frames"] for each in judged] == ["3", "3"]
    best = read_checkpoint(tmp_path / "out" / "checkpoints" / "best.ckpt")
    value = next(each["best_value"] for each in best["callbacks"].values() if "best_value" in each)
    assert np.mean([float(each["j"]) for each in judged]) == pytest.approx(value, abs=1e-6)
    logged = rows(tmp_path / "out" / "metrics.csv")
    assert {"train/loss", "validation/loss", "validation/j", "validation/iou"} <= set(logged[0])


@pytest.mark.train
def test_a_chain_begins_each_stage_with_the_one_before(staged: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    barely = {"learning.rate": "1e-9", "learning.encoder_rate": "1e-9", "only": "[clips]"}
    assets = training.train(staged, data=data, out=out)
    first, second = (networks.load(out / name / "network") for name in ("stills", "clips"))
    assert weights(assets)["network/weights.safetensors"] == (out / "clips/network/weights.safetensors").read_bytes()
    assert json.loads((out / "stills" / "data.json").read_text())["stills"] == 3
    assert json.loads((out / "stills" / "data.json").read_text())["held_out"] == ["e"]
    assert json.loads((out / "clips" / "training.json").read_text())["steps"] == 4
    begun = training.train(staged, data=data, out=tmp_path / "more", overrides=barely | {"start": str(out / "stills")})
    near = Model.load(begun).networks[0]
    apart = [
        float((near.state_dict()[name] - other.state_dict()[name]).abs().max())
        for other in (first, second)
        for name in ("decoder.head.weight", "encoder.net.conv_stem.motion.weight")
    ]
    assert max(apart[:2]) < 1e-6 < min(apart[2:])


@pytest.mark.train
def test_the_same_seed_gives_the_same_bytes_and_another_others(single: Path, data: Path, tmp_path: Path) -> None:
    def made(name: str, seed: int) -> dict[str, bytes]:
        how = {"trainer.seed": str(seed), "steps": "2"}
        return weights(training.train(single, data=data / "clips", out=tmp_path / name, overrides=how))

    first = made("a", 1)
    assert made("b", 1) == first
    assert made("c", 2) != first


@pytest.mark.train
def test_finished_stages_are_not_repeated_and_other_clips_are_refused(staged: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    before = weights(training.train(staged, data=data, out=out))
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.ckpt")}
    (out / "clips" / "network" / "weights.safetensors").unlink()
    for each in (out / "clips" / "checkpoints").iterdir():
        each.unlink()
    assert weights(training.train(staged, data=data, out=out, resume=True)) == before
    changed = {path for path, time in times.items() if path.stat().st_mtime_ns != time}
    assert changed == set((out / "clips").rglob("*.ckpt"))
    (out / "clips" / "network" / "weights.safetensors").unlink()
    (out / "clips" / "data.json").write_text("{}")
    with pytest.raises(UsageError, match="was begun with other clips"):
        training.train(staged, data=data, out=out, resume=True)


@pytest.mark.train
def test_a_training_that_was_stopped_ends_with_the_same_bits(single: Path, data: Path, tmp_path: Path) -> None:
    def stopping(steps: Iterable[Step], *, what: str, total: int | None = None) -> Iterator[Step]:
        for number, step in enumerate(steps):
            if what == "training" and number == 3:
                signal.raise_signal(signal.SIGINT)
            yield step

    straight = training.train(single, data=data / "clips", out=tmp_path / "straight")
    with pytest.raises(Stopped):
        training.train(single, data=data / "clips", out=tmp_path / "stopped", progress=stopping)
    assert not (tmp_path / "stopped" / "network").exists()
    resumed = training.train(single, data=data / "clips", out=tmp_path / "stopped", resume=True)
    assert weights(resumed) == weights(straight)


def script(recipe: Path, data: Path, out: Path, *words: str) -> subprocess.CompletedProcess[str]:
    path = recipe.with_name("train_here.py")
    path.write_text(SCRIPT)
    environment = {name: value for name, value in os.environ.items() if name not in ("LOCAL_RANK", "RANK")}
    command = [sys.executable, str(path), str(recipe), str(data), str(out), *words]
    environment |= {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, env=environment)


@pytest.mark.train
@pytest.mark.slow
def test_kill_9_in_the_second_stage_and_resume_give_the_same_bytes(staged: Path, data: Path, tmp_path: Path) -> None:
    whole, killed, often = tmp_path / "whole", tmp_path / "killed", "trainer.checkpoint_every_steps=1"
    done = script(staged, data, whole, "live", "0", "anew", often)
    assert done.returncode == 0, done.stderr
    assert script(staged, data, killed, "kill", "3", "anew", often).returncode == -signal.SIGKILL
    assert (killed / "stills" / "network").exists()
    assert not (killed / "clips" / "network").exists()
    done = script(staged, data, killed, "live", "0", "resume", often)
    assert done.returncode == 0, done.stderr
    for file in ("clips/metrics.csv", "clips/held_out.csv", "model_assets/model.yaml", "model_assets/recipe.yaml"):
        assert (killed / file).read_bytes() == (whole / file).read_bytes()
    assert weights(killed / "model_assets") == weights(whole / "model_assets")


@pytest.mark.parametrize(
    ("folder", "overrides", "said"),
    [
        ("stills", {}, r"has no clips to hold out, so `validation/j` cannot be monitored; name others"),
        ("clips", {"data.folder": "clip"}, "does not exist"),
        ("clips", {"network.pretrained": "efficientnet_lite0"}, "are of `tf_efficientnet_lite0`"),
        ("clips", {"start": "stage:first"}, "only a stage after another may say"),
    ],
)
def test_what_does_not_fit_is_refused(
    folder: str, overrides: dict[str, str], said: str, single: Path, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=said):
        training.train(single, data=data / folder, out=tmp_path / "out", overrides=overrides)


def test_faults_of_a_later_stage_are_found_before_the_first_is_trained(
    staged: Path, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        training.train(staged, data=data, out=tmp_path / "out", overrides={"stages.1.set": "{data.folder: absent}"})
    assert not (tmp_path / "out").exists()


def test_a_network_of_another_shape_is_not_begun_with(single: Path, data: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    other = build(NetworkSettings(encoder="test_efficientnet", pretrained=None, channels=24))
    networks.save(other, tmp_path / "other")
    with pytest.raises(UsageError, match="has another shape: `channels: 24`"):
        training.train(single, data=data / "clips", out=tmp_path / "out", overrides={"start": str(tmp_path / "other")})


@pytest.mark.train
def test_stills_alone_can_be_learned_without_being_judged(single: Path, data: Path, tmp_path: Path) -> None:
    unjudged = {"data.held_out": "none", "trainer.monitor": "null", "steps": "2", "network.streams": "image"}
    assets = training.train(single, data=data / "stills", out=tmp_path / "out", overrides=unjudged)
    assert not (assets / "held_out.csv").exists()
    assert Model.load(assets).networks[0].settings.streams == "image"
