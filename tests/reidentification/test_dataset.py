"""What a network learns from: chosen photographs, decoded once, with the right classes at each look."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from podium.errors import UsageError

torch = pytest.importorskip("torch")

from podium.solutions.reidentification.augmentation import AugmentationSettings  # noqa: E402 - after the check for torch
from podium.solutions.reidentification.dataset import (  # noqa: E402
    Classes,
    DataSettings,
    Photographs,
    Shown,
    SplitSettings,
    choose,
    decode,
)
from podium.solutions.reidentification.network import NetworkSettings  # noqa: E402
from podium.solutions.reidentification.photos import Photo, read_photos  # noqa: E402
from podium.solutions.training import batches  # noqa: E402

SHAPE = NetworkSettings(height=16, width=8)
STILL = AugmentationSettings(policy="none", flip="none")


def photo(name: str, who: str, view: str = "") -> Photo:
    return Photo(image_id=name, path=Path(name), individual=who, viewpoint=view, encounter=name)


@pytest.fixture
def animals(tmp_path: Path) -> tuple[Photo, ...]:
    """Three individuals with 4, 3 and 1 photographs, each of one colour that says whose it is."""
    for who, (name, count) in enumerate((("anna", 4), ("bob", 3), ("cleo", 1))):
        (tmp_path / name).mkdir()
        for number in range(count):
            Image.new("RGB", (9, 20), (50 * who, 10 * number, 200)).save(tmp_path / name / f"{number}.png")
    return read_photos(tmp_path)


def test_individuals_with_few_photographs_and_other_views_are_left_out() -> None:
    photos = [photo(str(number), who, view) for number, (who, view) in enumerate(zip("aaabbc", "ttttll", strict=True))]
    photos = [photo(each.image_id, each.individual, {"t": "top", "l": "left"}[each.viewpoint]) for each in photos]
    everything = choose(photos, DataSettings(split=None))
    assert (len(everything.train), everything.validation) == (6, ())
    often = choose(photos, DataSettings(split=None, minimum_images=2))
    assert {each.individual for each in often.train} == {"a", "b"}
    above = choose(photos, DataSettings(split=None, viewpoints=("top",)))
    assert [each.individual for each in above.train] == ["a", "a", "a", "b"]
    unknown = choose([photo("1", "a"), photo("2", "b")], DataSettings(split=None, viewpoints=("left",)))
    assert len(unknown.train) == 2


def test_what_is_held_out_keeps_individuals_with_few_photographs() -> None:
    photos = [photo(f"{who}{number}", who) for who in "abcdef" for number in range(1 if who in "ab" else 4)]
    settings = DataSettings(minimum_images=4, split=SplitSettings(kind="individual", folds=2))
    both = [choose(photos, DataSettings(minimum_images=4, split=SplitSettings(folds=2, fold=fold))) for fold in (0, 1)]
    assert choose(photos, settings) == both[0]
    assert not {each.individual for fold in both for each in fold.train} & {"a", "b"}
    assert {each.individual for fold in both for each in fold.validation} == set("abcdef")


def test_too_little_to_learn_from_is_refused() -> None:
    with pytest.raises(UsageError, match="of 2 photographs 2 are left to learn from, of fewer than two"):
        choose([photo("1", "a"), photo("2", "a")], DataSettings(split=None))
    with pytest.raises(UsageError, match=r"the fold is `8`; 0 to 7"):
        SplitSettings(fold=8)
    with pytest.raises(UsageError, match="did you mean `individual`"):
        SplitSettings(kind="individuals")
    with pytest.raises(UsageError, match="did you mean `top`"):
        DataSettings(viewpoints=("tpo",))


def test_classes_are_counted_and_doubled_for_mirrored_ones(animals: tuple[Photo, ...]) -> None:
    once = Classes.of(animals, mirrored=False)
    assert (once.names, once.photos_C, once.individuals) == (("anna", "bob", "cleo"), (4, 3, 1), 3)
    twice = Classes.of(animals, mirrored=True)
    assert (twice.names, twice.photos_C, twice.individuals) == (once.names * 2, (4, 3, 1) * 2, 3)


def test_decoded_photographs_are_the_same_in_memory_and_in_a_file(animals: tuple[Photo, ...], tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    kept = decode(animals, SHAPE, memory_bytes=1 << 30)
    filed = decode(animals, SHAPE, memory_bytes=0, folder=tmp_path)
    assert kept.shape == (8, 16, 8, 3)
    assert isinstance(filed, np.memmap)
    assert not isinstance(kept, np.memmap)
    assert np.array_equal(kept, filed)
    assert sorted(tmp_path.rglob("*")) == before
    assert kept[0, 0, 0].tolist() == [0, 0, 200]


def make(photos: tuple[Photo, ...], augmentation: AugmentationSettings) -> Photographs:
    classes = Classes.of(photos, mirrored=augmentation.flip == "other")
    return Photographs(decode(photos, SHAPE, memory_bytes=1 << 30), photos, classes=classes, augmentation=augmentation)


def test_a_look_has_the_photograph_and_its_class(animals: tuple[Photo, ...]) -> None:
    seen = make(animals, STILL)
    assert len(seen) == 8
    example = seen[(5, 123)]
    assert (example.label, example.other, example.share, example.number) == (1, 1, 1.0, 5)
    assert example.image_HWC.dtype == torch.uint8
    assert example.image_HWC[3, 3].tolist() == [50, 10, 200]


def test_a_mirrored_photograph_is_another_individual_where_so_set(animals: tuple[Photo, ...]) -> None:
    labels = Counter(
        make(animals, AugmentationSettings(policy="none", flip="other"))[(5, seed)].label for seed in range(60)
    )
    assert set(labels) == {1, 4}
    assert min(labels.values()) > 15
    same = make(animals, AugmentationSettings(policy="none", flip="same"))
    assert {same[(5, seed)].label for seed in range(60)} == {1}


def test_a_mixed_photograph_names_both_and_the_share(animals: tuple[Photo, ...]) -> None:
    seen = make(animals, AugmentationSettings(policy="none", flip="none", mix=1.0))
    found = [seen[(0, seed)] for seed in range(40)]
    assert {each.label for each in found} == {0}
    assert {each.other for each in found} == {0, 1, 2}
    for each in found:
        if each.other != 0:
            own = (each.image_HWC[..., 0] == 0).float().mean()
            assert float(own) == pytest.approx(each.share)


def test_looks_depend_on_seed_epoch_and_photograph_alone(animals: tuple[Photo, ...]) -> None:
    seen = make(animals, AugmentationSettings(policy="light", mix=0.5))

    def epoch(number: int, *, workers: int = 0) -> list[tuple[Any, ...]]:
        walk = batches.Batches(batches.shuffled(len(seen)), units=4, seed=7)
        walk.seek(epoch=number)
        loaded = batches.loader(seen, walk, workers=workers)
        return [(each.image_HWC.sum().item(), each.label.tolist(), each.share.tolist()) for each in loaded]

    assert epoch(1) == epoch(1) == epoch(1, workers=1)
    assert epoch(1) != epoch(2)


def test_photographs_are_shown_as_they_are(animals: tuple[Photo, ...]) -> None:
    images = decode(animals, SHAPE, memory_bytes=1 << 30)
    shown = Shown(images, animals)
    for number in range(len(animals)):
        example = shown[(number, 99)]
        assert np.array_equal(example.image_HWC.numpy(), images[number])
        assert example.number == number
    assert [shown[(number, 0)].label for number in range(8)] == [0, 0, 0, 0, 1, 1, 1, 2]
