"""The folder of a model: what is written is read back, and nothing else is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("yaml")
pytest.importorskip("safetensors")

import torch

from podium.errors import UsageError
from podium.solutions.segment_classification import network as networks
from podium.solutions.segment_classification.classes import Classes
from podium.solutions.segment_classification.encoders import EncoderSettings
from podium.solutions.segment_classification.model import Member, Model, together
from podium.solutions.segment_classification.network import NetworkSettings

CLASSES = Classes(indices_C=np.array([7, 3, 1831]), names=("Game", "Cat", ""))


def member(name: str, *, seed: int = 0, **changes: Any) -> Member:
    torch.manual_seed(seed)
    shape: dict[str, Any] = {"classes": 3, "encoder": EncoderSettings(kind="mean-pool", features=8)}
    return Member(name=name, network=networks.build(NetworkSettings(**(shape | changes))).eval())


def test_a_model_comes_back_from_its_folder(tmp_path: Path) -> None:
    small = EncoderSettings(kind="mean-pool", features=4)
    model = Model(members=(member("b", context=small, fusion_features=4), member("a", seed=1)), classes=CLASSES)
    model.save(tmp_path / "model_assets")
    found = Model.load(tmp_path / "model_assets")
    assert found.classes == CLASSES
    assert [each.name for each in found.members] == ["b", "a"]
    assert [each.digest for each in found.members] == [each.digest for each in model.members]
    assert [each.network.aware for each in found.members] == [True, False]
    assert not any(each.network.training for each in found.members)


def test_equal_models_give_equal_bytes_and_other_files_stay(tmp_path: Path) -> None:
    for folder in ("first", "second"):
        Model(members=(member("a"),), classes=CLASSES).save(tmp_path / folder)
    files = [path.relative_to(tmp_path / "first") for path in (tmp_path / "first").rglob("*") if path.is_file()]
    assert len(files) == 4
    assert all((tmp_path / "first" / each).read_bytes() == (tmp_path / "second" / each).read_bytes() for each in files)
    (tmp_path / "first" / "a" / "recipe.yaml").write_text("seed: 1")
    Model(members=(member("a", seed=1),), classes=CLASSES).save(tmp_path / "first")
    assert (tmp_path / "first" / "a" / "recipe.yaml").read_text() == "seed: 1"
    assert Model.load(tmp_path / "first").members[0].digest == member("a", seed=1).digest


def test_the_digest_is_that_of_weights_and_settings_and_not_of_the_name() -> None:
    plain = member("a")
    assert plain.digest == member("b").digest
    assert plain.digest != member("a", seed=1).digest
    moved = member("a")
    with torch.no_grad():
        next(moved.network.parameters()).flatten()[0] += 1e-3
    assert plain.digest != moved.digest
    wider = member("a", window=networks.WindowSettings(before=4))
    assert [each.shape for each in wider.network.state_dict().values()] == [
        each.shape for each in plain.network.state_dict().values()
    ]
    assert plain.digest != wider.digest


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b", "model.yaml", "x" * 65])
def test_a_name_that_is_no_name_of_a_folder_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be called"):
        member(name)


def test_members_must_fit_together() -> None:
    with pytest.raises(UsageError, match="no members"):
        Model(members=(), classes=CLASSES)
    with pytest.raises(UsageError, match="two members are called `a`"):
        Model(members=(member("a"), member("a", seed=1)), classes=CLASSES)
    with pytest.raises(UsageError, match="`a` knows `4` classes; the model has `3`"):
        Model(members=(member("a", classes=4),), classes=CLASSES)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("members: [../other]\n", "no name of a folder"),
        ("members: []\n", "does not describe a model"),
        ("members: a\n", "does not describe a model"),
        ("members: [1]\n", "does not describe a model"),
        ("members: [a]\nmore: 1\n", "does not describe a model"),
        ("- a\n", "does not describe a model"),
        ("members: [b]\n", "holds no network"),
        ("members: [a\n", "no YAML"),
    ],
)
def test_a_broken_description_is_refused(text: str, told: str, tmp_path: Path) -> None:
    Model(members=(member("a"),), classes=CLASSES).save(tmp_path)
    (tmp_path / "model.yaml").write_text(text)
    with pytest.raises(UsageError, match=told):
        Model.load(tmp_path)


def test_a_folder_without_a_model_and_a_device_that_does_not_exist_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"`model\.yaml` is missing"):
        Model.load(tmp_path)
    with pytest.raises(UsageError, match="did you mean `cuda`"):
        Model.load(tmp_path, device="cude")


def test_models_become_one_with_names_that_tell_where_each_network_is_from() -> None:
    single = Model(members=(member("x"),), classes=CLASSES)
    double = Model(members=(member("x", seed=1), member("y", seed=2)), classes=CLASSES)
    both = together({"first": single, "second": double})
    assert [each.name for each in both.members] == ["first", "second-x", "second-y"]
    assert both.members[1].network is double.members[0].network
    other = Classes(indices_C=np.array([3, 7, 1831]), names=("Cat", "Game", ""))
    with pytest.raises(UsageError, match="`first` and `other` know different classes"):
        together({"first": single, "other": Model(members=(member("x"),), classes=other)})
    with pytest.raises(UsageError, match="no model"):
        together({})


def test_settings_that_ask_for_more_than_the_weights_hold_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    Model(members=(member("a"),), classes=CLASSES).save(tmp_path)
    path = next(tmp_path.rglob("network.yaml"))
    lines = path.read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("  features: "))
    path.write_text("\n".join([*lines[:at], "  features: 2000000000", *lines[at + 1 :]]) + "\n")
    with pytest.raises(UsageError, match=r"network\.yaml` needs `\d+` weights; `weights\.safetensors` has `\d+`"):
        Model.load(tmp_path)


def test_a_description_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    Model(members=(member("a"),), classes=CLASSES).save(tmp_path)
    with (tmp_path / "model.yaml").open("wb") as stream:
        stream.truncate(8 << 30)
    with pytest.raises(UsageError, match=r"model\.yaml` cannot be read: .* at most `256\.00 KiB` are allowed"):
        Model.load(tmp_path)
