"""From a recipe to a model: what is written, resumed, refused, and the same every time."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from PIL import Image

from podium.errors import UsageError

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from podium.solutions.reidentification import network as networks  # noqa: E402 - after the checks
from podium.solutions.reidentification import train as training  # noqa: E402
from podium.solutions.reidentification.model import Model  # noqa: E402
from podium.solutions.reidentification.photos import read_photos  # noqa: E402
from podium.solutions.reidentification.plan import runs  # noqa: E402
from podium.solutions.training import recipe  # noqa: E402
from podium.solutions.training.stopping import Stopped  # noqa: E402

Step = TypeVar("Step")

TINY = recipe.find("reidentification/tiny")
SHORT = {"trainer.epochs": "1", "data.split.folds": "3", "trainer.log_every_steps": "1"}
STAGED = """
solution: reidentification
weights: none
network: {architecture: test_efficientnet, levels: [3, 4], height: 32, width: 32}
data: {split: {kind: encounter, folds: 3}}
batch: {size: 8}
trainer: {epochs: 1, monitor: validation/map}
stages:
  - {name: classifier, set: {network.neck: none, head: {kind: softmax}}}
  - name: dolg
    set:
      weights: stage:classifier
      network.neck: dolg
      network.dimensions: 8
      network.dolg: {dilations: [1, 2], branch_channels: 4, shared_channels: 4}
members:
  - {name: small, folds: [0, 1]}
  - {name: large, set: {network.height: 64}, stages: {dolg: {network.dimensions: 6}}, weight: 2.0, serves: [top]}
  - {name: side, set: {trainer.seed: 3}, serves: [lateral]}
"""


@pytest.fixture(scope="module")
def animals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six individuals with three encounters of two photographs, each with its own pattern."""
    root = tmp_path_factory.mktemp("animals")
    (root / "images").mkdir()
    rng = np.random.default_rng(0)
    lines = ["image_id,path,viewpoint,timestamp,whale_id,encounter_id"]
    for who in range(6):
        pattern = rng.integers(0, 256, (4, 2, 3), dtype=np.uint8)
        for met in range(3):
            for shot in range(2):
                name = f"w{who}e{met}s{shot}"
                light = rng.normal(0, 10, 3)
                pixels = np.clip(pattern + light, 0, 255).astype(np.uint8)
                Image.fromarray(pixels).resize((20, 40), Image.Resampling.NEAREST).save(root / "images" / f"{name}.png")
                lines.append(f"{name},images/{name}.png,top,2018-08-0{met + 1} 12:00:0{shot},w{who},w{who}-{met}")
    (root / "metadata.csv").write_text("\n".join(lines) + "\n")
    return root


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text)
    return path


@pytest.mark.train
def test_a_training_leaves_a_calibrated_model_with_its_recipe(animals: Path, tmp_path: Path) -> None:
    assets = training.train(TINY, data=animals, out=tmp_path / "out", overrides=SHORT)
    assert assets == tmp_path / "out" / "model_assets"
    model = Model.load(assets)
    assert model.calibration is not None
    assert len(model.members) == 1
    told = recipe.load(assets / "recipe.yaml", type(runs(TINY, SHORT)[0].final))
    assert told == runs(TINY, SHORT)[0].final
    facts = json.loads((tmp_path / "out" / "training.json").read_text())
    assert (facts["individuals"], facts["photographs"], facts["epochs"]) == (4, 24, 1)
    assert facts["photographs_per_second"] > 0
    assert facts["data_digest"] == training.digest(read_photos(animals))
    table = (tmp_path / "out" / "metrics.csv").read_text().splitlines()
    assert "validation/map" in table[0]
    assert "lr-AdamW/network.backbone" in table[0]


@pytest.mark.train
def test_the_same_seed_gives_the_same_bytes_and_another_others(animals: Path, tmp_path: Path) -> None:
    def weights(name: str, seed: int) -> list[bytes]:
        assets = training.train(TINY, data=animals, out=tmp_path / name, overrides={**SHORT, "trainer.seed": str(seed)})
        kept = ("member-0/weights.safetensors", "calibration.json", "model.yaml")
        return [(assets / each).read_bytes() for each in kept]

    first = weights("a", 1)
    assert weights("b", 1) == first
    assert weights("c", 2)[0] != first[0]


@pytest.mark.train
def test_a_finished_training_is_not_repeated_and_not_overwritten(animals: Path, tmp_path: Path) -> None:
    assets = training.train(TINY, data=animals, out=tmp_path, overrides=SHORT)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "checkpoints").iterdir()}
    weights = (assets / "member-0" / "weights.safetensors").read_bytes()
    training.train(TINY, data=animals, out=tmp_path, overrides=SHORT, resume=True)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "checkpoints").iterdir()} == before
    assert (assets / "member-0" / "weights.safetensors").read_bytes() == weights
    with pytest.raises(UsageError, match="holds a training"):
        training.train(TINY, data=animals, out=tmp_path, overrides=SHORT)
    with pytest.raises(UsageError, match=r"begun with another recipe: `batch\.size` was `8` and is `4`"):
        training.train(TINY, data=animals, out=tmp_path, overrides={**SHORT, "batch.size": "4"}, resume=True)


@pytest.mark.train
def test_a_training_that_was_stopped_ends_with_the_same_bits(animals: Path, tmp_path: Path) -> None:
    drawn = {"head.margin": "{kind: elastic, value: 0.3}", "augmentation.mix": "0.5", "trainer.epochs": "3"}
    overrides = {**SHORT, **drawn, "trainer.average": "{decay: 0.9}", "trainer.monitor": "null"}

    def stopping(steps: Iterable[Step], *, what: str, total: int | None = None) -> Iterator[Step]:
        for number, step in enumerate(steps):
            if "training" in what and number == 4:
                signal.raise_signal(signal.SIGINT)
            yield step

    straight = training.train(TINY, data=animals, out=tmp_path / "straight", overrides=overrides)
    with pytest.raises(Stopped):
        training.train(TINY, data=animals, out=tmp_path / "stopped", overrides=overrides, progress=stopping)
    assert not (tmp_path / "stopped" / "network").exists()
    resumed = training.train(TINY, data=animals, out=tmp_path / "stopped", overrides=overrides, resume=True)
    kept = ("member-0/weights.safetensors", "calibration.json")
    assert [(resumed / each).read_bytes() for each in kept] == [(straight / each).read_bytes() for each in kept]


@pytest.mark.train
def test_members_and_stages_are_trained_one_after_the_other_and_resumed_where_they_stopped(
    animals: Path, tmp_path: Path
) -> None:
    path, out = write(tmp_path, STAGED), tmp_path / "out"
    assets = training.train(path, data=animals, out=out)
    model = Model.load(assets)
    assert [each.network.dimensions for each in model.members] == [8, 8, 6, 8]
    assert [each.weight for each in model.members] == [1, 1, 2, 1]
    assert [each.serves for each in model.members][2:] == [("top",), ("lateral",)]
    assert {each.name for each in (assets / "member-0").iterdir()} >= {"recipe.yaml", "recipe-classifier.yaml"}
    kept = out / "large" / "dolg" / "network" / networks.WEIGHTS_FILE
    weights, first = kept.read_bytes(), (out / "small-fold0" / "dolg" / "checkpoints" / "last.ckpt").stat().st_mtime_ns
    for each in (kept, *(out / "large" / "dolg" / "checkpoints").iterdir()):
        each.unlink()
    training.train(path, data=animals, out=out, resume=True)
    assert kept.read_bytes() == weights
    assert (out / "small-fold0" / "dolg" / "checkpoints" / "last.ckpt").stat().st_mtime_ns == first


@pytest.mark.train
def test_a_later_stage_begins_with_the_backbone_of_the_earlier(animals: Path, tmp_path: Path) -> None:
    path = write(tmp_path, STAGED)
    still = {"learning.backbone_rate": "0.0", "learning.averages_of_norms": "1e-9", "learning.weight_decay": "0.0"}
    training.train(path, data=animals, out=tmp_path / "out", overrides={"member": "side", **still})
    first, second = (
        networks.load(tmp_path / "out" / "side" / stage / "network").backbone.state_dict()
        for stage in ("classifier", "dolg")
    )
    assert all(
        torch.allclose(first[name].float(), second[name].float(), atol=1e-5) for name in first if "num_" not in name
    )
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == ["model_assets", "recipe.yaml", "side"]


@pytest.mark.train
def test_training_on_everything_holds_out_nothing_and_calibrates_nothing(animals: Path, tmp_path: Path) -> None:
    overrides = {"data.split": "null", "trainer.monitor": "null", "trainer.epochs": "1", "augmentation.flip": "other"}
    assets = training.train(TINY, data=animals, out=tmp_path, overrides=overrides)
    assert Model.load(assets).calibration is None
    assert json.loads((tmp_path / "training.json").read_text())["photographs"] == 36


@pytest.mark.train
@pytest.mark.slow
def test_a_longer_training_tells_new_individuals_apart(animals: Path, tmp_path: Path) -> None:
    overrides = {"trainer.epochs": "12", "data.split.folds": "3", "augmentation.flip": "none"}
    training.train(TINY, data=animals, out=tmp_path, overrides=overrides)
    table = [line.split(",") for line in (tmp_path / "metrics.csv").read_text().splitlines()]
    column = table[0].index("validation/map")
    found = [float(row[column]) for row in table[1:] if row[column]]
    assert max(found) > 0.9


def test_a_batch_larger_than_the_collection_is_refused(animals: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a batch of `64` was asked for; there are `24`"):
        training.train(TINY, data=animals, out=tmp_path, overrides={**SHORT, "batch.size": "64"})


def test_a_network_of_another_folder_is_only_taken_with_the_same_recipe(animals: Path, tmp_path: Path) -> None:
    settings = runs(TINY, SHORT)[0].final
    networks.save(networks.build(settings.network, weights="none"), tmp_path / "network")
    (tmp_path / "recipe.yaml").write_text(recipe.dump(settings))
    assets = training.train(TINY, data=animals, out=tmp_path, overrides=SHORT, resume=True)
    assert (assets / "member-0" / "weights.safetensors").is_file()
