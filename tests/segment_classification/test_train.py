"""From a recipe to a model: what is written, resumed, refused, and the same every time."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from podium.errors import UsageError
from podium.formats.tfrecord import encode_frame_record, write_shard

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from podium.solutions.segment_classification import network as networks  # noqa: E402 - after the checks
from podium.solutions.segment_classification import train as training  # noqa: E402
from podium.solutions.segment_classification.model import Model  # noqa: E402
from podium.solutions.segment_classification.plan import plan  # noqa: E402
from podium.solutions.training import recipe  # noqa: E402
from podium.solutions.training.callbacks import read_checkpoint  # noqa: E402
from podium.solutions.training.stopping import Stopped  # noqa: E402

Step = TypeVar("Step")

TINY = recipe.find("segment_classification/tiny")
INDICES = (3, 7, 21, 40)
LAST = "aware"
SCRIPT = """
import os, signal, sys
from pathlib import Path
import torch
from podium.solutions.segment_classification import learner, train

torch.set_num_threads(1)
recipe, data, out, kill, step, resume, *settings = sys.argv[1:]
plain = learner.SegmentLearner.training_step

def training_step(self, batch, batch_idx):
    if self.network.aware and self.trainer.global_step == int(step) and kill == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    return plain(self, batch, batch_idx)

learner.SegmentLearner.training_step = training_step
overrides = dict(each.split("=", 1) for each in settings)
train.train(Path(recipe), data=Path(data), out=Path(out), overrides=overrides, resume=resume == "resume")
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four classes, each with features of its own; videos show one of them, in one of their halves only."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    known_CD = rng.integers(60, 196, (len(INDICES), 1152))

    def video(name: str, *, rated: bool) -> bytes:
        shown, frames, half = int(rng.integers(4)), int(rng.integers(20, 34)), int(rng.integers(2))
        features_TD = rng.normal(128, 12, (frames, 1152))
        inside_T = (np.arange(frames) >= 15) == bool(half)
        features_TD[inside_T] += known_CD[shown] - 128
        features_TD = np.clip(features_TD, 0, 255).astype(np.uint8)
        ratings = {}
        if rated:
            starts = [0, 5, 15]
            ratings = {
                "segment_start_times": starts,
                "segment_labels": [INDICES[shown]] * 3,
                "segment_scores": [float(inside_T[start]) for start in starts],
            }
        label = [INDICES[shown], 999]
        return encode_frame_record(
            video_id=name, labels=label, rgb_TC=features_TD[:, :1024], audio_TC=features_TD[:, 1024:], **ratings
        )

    for part, shards, rated in (("segment/train", 4, True), ("video/train", 2, False), ("video/valid", 1, False)):
        (root / part).mkdir(parents=True)
        for shard in range(shards):
            videos = [video(f"{part[0]}{part[-1]}{shard}{number}", rated=rated) for number in range(6)]
            write_shard(root / part / f"part{shard}.tfrecord", videos)
    rows = "".join(f"{index},/m/{index},name {index},1,1\n" for index in INDICES)
    header = "Index,KnowledgeGraphId,Name,PositiveSegmentCount,TotalSegmentCount\n"
    (root / "segment_vocabulary.csv").write_text(header + rows)
    return root


def script(folder: Path, data: Path, out: Path, *words: str) -> subprocess.CompletedProcess[str]:
    path = folder / "train_here.py"
    path.write_text(SCRIPT)
    environment = {name: value for name, value in os.environ.items() if name not in ("LOCAL_RANK", "RANK")}
    command = [sys.executable, str(path), str(TINY), str(data), str(out), *words]
    environment |= {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, env=environment)


def weights(assets: Path) -> dict[str, bytes]:
    return {str(path.relative_to(assets)): path.read_bytes() for path in sorted(assets.rglob("*.safetensors"))}


@pytest.mark.train
def test_a_sequence_leaves_a_model_of_its_classifiers(data: Path, tmp_path: Path) -> None:
    assets = training.train(TINY, data=data, out=tmp_path / "out")
    assert assets == tmp_path / "out" / "model_assets"
    model = Model.load(assets)
    assert [(each.name, each.network.aware) for each in model.members] == [("agnostic", False), ("aware", True)]
    assert model.classes.indices_C.tolist() == list(INDICES)
    assert {each.name for each in (assets / "aware").iterdir()} == {
        "network.yaml", "weights.safetensors", "recipe.yaml", "training.json", "held_out.csv"
    }  # fmt: skip
    base = networks.load(tmp_path / "out" / "nextvlad" / "network")
    aware = model.members[1].network
    assert aware.settings.encoder == base.settings.encoder
    assert aware.settings.context == networks.load(tmp_path / "out" / "dbof" / "network").settings.encoder
    told = recipe.load(assets / "aware" / "recipe.yaml", type(plan(TINY, {}).whole))
    assert told == plan(TINY, {}).by_name["aware"].recipe
    facts = json.loads((tmp_path / "out" / "aware" / "training.json").read_text())
    assert (facts["videos"], facts["ratings"], facts["videos_held_out"], facts["steps"]) == (12, 36, 12, 4)
    assert facts["start"]["base"].startswith("sha256:")
    assert facts["start"]["base"] != facts["start"]["context"]


@pytest.mark.train
def test_logs_hold_what_each_stage_is_judged_by(data: Path, tmp_path: Path) -> None:
    training.train(TINY, data=data, out=tmp_path)
    columns = {name: set((tmp_path / name / "metrics.csv").read_text().splitlines()[0].split(",")) for name in
               ("nextvlad", "agnostic", "aware")}  # fmt: skip
    video, segment = ("loss", "gap", "hit", "perr"), ("loss", "auc", "accuracy", "mined_accuracy", "map")
    assert {f"validation/{each}" for each in video} <= columns["nextvlad"]
    assert {f"validation/{each}" for each in segment} <= columns["agnostic"]
    assert {"lr-AdamW/network", "lr-AdamW/network.encoder"} <= columns["aware"]


@pytest.mark.train
def test_held_out_predictions_are_those_of_the_network_that_is_kept(data: Path, tmp_path: Path) -> None:
    training.train(TINY, data=data, out=tmp_path, overrides={"members": "[agnostic]"})
    assert sorted(each.name for each in tmp_path.iterdir() if each.is_dir()) == [
        "agnostic", "index", "model_assets", "nextvlad"
    ]  # fmt: skip
    with (tmp_path / "agnostic" / "held_out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["video", "start", "class", "score", "probability"]
    assert len(rows) == 36
    assert {int(row["class"]) for row in rows} <= set(INDICES)
    assert {row["start"] for row in rows} == {"0", "5", "15"}
    assert all(0 < float(row["probability"]) < 1 for row in rows)
    score, probability = (np.array([float(row[each]) for row in rows]) for each in ("score", "probability"))
    pairs = probability[score > 0][:, None] - probability[score == 0][None]
    auc = ((pairs > 0) + 0.5 * (pairs == 0)).mean()
    best = read_checkpoint(tmp_path / "agnostic" / "checkpoints" / "best.ckpt")
    kept = next(each for each in best["callbacks"].values() if "best_value" in each)
    assert kept["best_value"] == pytest.approx(auc, abs=1e-6)


@pytest.mark.train
def test_the_same_seed_gives_the_same_bytes_and_another_others(data: Path, tmp_path: Path) -> None:
    def made(name: str, seed: int) -> dict[str, bytes]:
        return weights(training.train(TINY, data=data, out=tmp_path / name, overrides={"trainer.seed": str(seed)}))

    first = made("a", 1)
    assert made("b", 1) == first
    other = made("c", 2)
    assert all(other[name] != first[name] for name in first)


@pytest.mark.train
def test_finished_trainings_are_not_repeated_and_not_overwritten(data: Path, tmp_path: Path) -> None:
    assets = training.train(TINY, data=data, out=tmp_path)
    before, made = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.ckpt")}, weights(assets)
    (tmp_path / "aware" / "network" / "weights.safetensors").unlink()
    for each in (tmp_path / "aware" / "checkpoints").iterdir():
        each.unlink()
    training.train(TINY, data=data, out=tmp_path, resume=True)
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.ckpt")}
    assert {path for path in before if before[path] != after[path]} == set((tmp_path / "aware").rglob("*.ckpt"))
    assert weights(assets) == made
    with pytest.raises(UsageError, match="holds a training"):
        training.train(TINY, data=data, out=tmp_path)
    with pytest.raises(UsageError, match=r"begun with another recipe: `batch\.videos` was `4` and is `5`"):
        training.train(TINY, data=data, out=tmp_path, overrides={"batch.videos": "5"}, resume=True)
    changed = tmp_path / "changed"
    shutil.copytree(data, changed)
    shard = next((changed / "segment" / "train").iterdir())
    shard.write_bytes(shard.read_bytes() * 2)
    with pytest.raises(UsageError, match=r"agnostic` was begun with other shards"):
        training.train(TINY, data=changed, out=tmp_path, resume=True)


@pytest.mark.train
def test_trainings_may_be_done_one_by_one(data: Path, tmp_path: Path) -> None:
    whole = weights(training.train(TINY, data=data, out=tmp_path / "whole"))
    parts = tmp_path / "parts"
    training.train(TINY, data=data, out=parts, overrides={"only": "[dbof]"})
    training.train(TINY, data=data, out=parts, overrides={"only": "[agnostic]"}, resume=True)
    assert not (parts / "aware").exists()
    assert weights(training.train(TINY, data=data, out=parts, resume=True)) == whole | {
        name: content for name, content in weights(parts / "model_assets").items() if name.startswith("dbof")
    }


@pytest.mark.train
def test_a_training_that_was_stopped_ends_with_the_same_bits(data: Path, tmp_path: Path) -> None:
    overrides = {"trainer.average": "{decay: 0.9}", "only": "[aware]"}
    seen = {"trainings": 0}

    def stopping(steps: Iterable[Step], *, what: str, total: int | None = None) -> Iterator[Step]:
        seen["trainings"] += what == "training"
        for number, step in enumerate(steps):
            if what == "training" and seen["trainings"] == 3 and number == 3:
                signal.raise_signal(signal.SIGINT)
            yield step

    straight = training.train(TINY, data=data, out=tmp_path / "straight", overrides=overrides)
    with pytest.raises(Stopped):
        training.train(TINY, data=data, out=tmp_path / "stopped", overrides=overrides, progress=stopping)
    assert (tmp_path / "stopped" / "nextvlad" / "network").exists()
    assert not (tmp_path / "stopped" / "aware" / "network").exists()
    resumed = training.train(TINY, data=data, out=tmp_path / "stopped", overrides=overrides, resume=True)
    assert weights(resumed) == weights(straight)


@pytest.mark.train
@pytest.mark.slow
def test_kill_9_and_resume_give_the_same_bits(data: Path, tmp_path: Path) -> None:
    settings = ("trainer.checkpoint_every_steps=1", "steps=6", "interval=3")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert script(tmp_path, data, whole, "live", "0", "anew", *settings).returncode == 0
    assert script(tmp_path, data, killed, "kill", "4", "anew", *settings).returncode == -signal.SIGKILL
    assert not (killed / "aware" / "network").exists()
    done = script(tmp_path, data, killed, "live", "0", "resume", *settings)
    assert done.returncode == 0, done.stderr
    for file in ("aware/metrics.csv", "aware/held_out.csv"):
        assert (killed / file).read_bytes() == (whole / file).read_bytes()
    assert weights(killed / "model_assets") == weights(whole / "model_assets")


@pytest.mark.train
@pytest.mark.slow
def test_two_processes_train_the_whole_sequence(data: Path, tmp_path: Path) -> None:
    settings = ("trainer.devices=2", "trainer.strategy=ddp", "trainer.device=cpu", "batch.videos=2")
    done = script(tmp_path, data, tmp_path / "two", "live", "0", "anew", *settings)
    assert done.returncode == 0, done.stderr
    model = Model.load(tmp_path / "two" / "model_assets")
    assert [each.name for each in model.members] == ["agnostic", "aware"]
    facts = json.loads((tmp_path / "two" / "aware" / "training.json").read_text())
    assert facts["steps"] == 4


@pytest.mark.train
def test_a_base_may_come_from_a_folder(data: Path, tmp_path: Path) -> None:
    training.train(TINY, data=data, out=tmp_path / "bases", overrides={"only": "[nextvlad]"})
    for folder in ("nextvlad", "nextvlad/network", "model_assets/nextvlad"):
        overrides = {"only": "[agnostic]", "start.base": str(tmp_path / "bases" / folder)}
        assets = training.train(TINY, data=data, out=tmp_path / folder.replace("/", "-"), overrides=overrides)
        assert Model.load(assets).members[0].network.settings.encoder.kind == "nextvlad"


@pytest.mark.train
def test_learning_from_everything_holds_out_nothing(data: Path, tmp_path: Path) -> None:
    overrides = {"only": "[agnostic]", "data.fold": "null", "trainer.monitor": "null"}
    training.train(TINY, data=data, out=tmp_path, overrides=overrides)
    assert not (tmp_path / "agnostic" / "held_out.csv").exists()
    facts = json.loads((tmp_path / "agnostic" / "training.json").read_text())
    assert (facts["videos"], facts["videos_held_out"]) == (24, 0)


@pytest.mark.train
def test_the_defects_of_the_reference_come_back_all_together(data: Path, tmp_path: Path) -> None:
    assets = training.train(
        TINY, data=data, out=tmp_path, overrides={"reference": "true", "steps": "20", "interval": "20"}
    )
    assert all(each.network.settings.reference for each in Model.load(assets).members)
    with (tmp_path / "aware" / "metrics.csv").open() as file:
        rates = [float(row["lr-AdamW/network"]) for row in csv.DictReader(file) if row["lr-AdamW/network"]]
    assert rates[:3] == pytest.approx([0.92864e-3, 0.2575e-3, 0.505e-3], rel=1e-4)


@pytest.mark.train
def test_a_context_that_learns_moves(data: Path, tmp_path: Path) -> None:
    overrides = {"only": "[aware]", "learning.context_rate": "1e-3"}
    with pytest.raises(UsageError, match="has no context"):
        training.train(TINY, data=data, out=tmp_path / "all", overrides=overrides)
    text = TINY.read_text().replace("learning.encoder_rate: 5e-4", "learning.context_rate: 1e-2")
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    training.train(path, data=data, out=tmp_path / "out", overrides={"only": "[aware]"})
    before = networks.load(tmp_path / "out" / "dbof" / "network").encoder.state_dict()
    context = networks.load(tmp_path / "out" / "aware" / "network").context
    assert context is not None
    assert not torch.equal(before["frame.weight"], context.state_dict()["frame.weight"])


@pytest.mark.train
@pytest.mark.slow
def test_a_longer_training_finds_the_segments_that_show_their_class(data: Path, tmp_path: Path) -> None:
    settings = {"steps": "60", "interval": "30", "only": "[agnostic]", "learning.rate": "3e-3"}
    training.train(TINY, data=data, out=tmp_path, overrides=settings)
    with (tmp_path / "agnostic" / "metrics.csv").open() as file:
        found = [float(row["validation/auc"]) for row in csv.DictReader(file) if row["validation/auc"]]
    assert max(found) > 0.9


def test_a_batch_larger_than_the_collection_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a batch of `64` videos was asked for; there are `12`"):
        training.train(TINY, data=data, out=tmp_path, overrides={"batch.videos": "64"})


def test_data_without_shards_of_whole_videos_are_refused(tmp_path: Path) -> None:
    (tmp_path / "segment_vocabulary.csv").write_text("Index,Name\n3,dog\n")
    with pytest.raises(UsageError, match="no shards to learn from: `video/train`"):
        training.train(TINY, data=tmp_path, out=tmp_path / "out")
