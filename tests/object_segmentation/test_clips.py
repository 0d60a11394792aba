"""Clips and stills in the folders in which people keep them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from podium.errors import UsageError
from podium.solutions.object_segmentation import clips
from podium.solutions.object_segmentation.clips import Clip, Material, find, split


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((4, 6), dtype=np.uint8)).save(path)


def tree(root: Path, names: str = "bear cow dog", *, size: str = "480p", frames: int = 3, every: int = 1) -> Path:
    for name in names.split():
        for frame in range(frames):
            picture(root / "JPEGImages" / size / name / f"{frame:05}.jpg")
            if frame % every == 0:
                picture(root / "Annotations" / size / name / f"{frame:05}.png")
    return root


def listed(root: Path, folder: str, **lists: str) -> Path:
    place = root / "ImageSets" / folder
    place.mkdir(parents=True)
    for name, text in lists.items():
        (place / f"{name}.txt").write_text(text)
    return root


def names(found: tuple[Clip, ...]) -> list[str]:
    return [each.name for each in found]


def test_a_data_sets_public_part_is_learned_from_and_its_answers_are_not(tmp_path: Path) -> None:
    listed(tree(tmp_path / "public"), "480p", train="bear\ndog\n", val="cow\n")
    tree(tmp_path / "answers", "secret")
    found = find(tmp_path)
    assert names(found.train) == ["bear", "dog"]
    assert names(found.held_out) == ["cow"]
    assert [each.name for each in found.train[0].frames] == ["00000.jpg", "00001.jpg", "00002.jpg"]
    assert [each and each.name for each in found.train[0].masks] == ["00000.png", "00001.png", "00002.png"]


def test_lists_of_davis_2016_name_frames_and_those_of_2017_clips(tmp_path: Path) -> None:
    frames = "/JPEGImages/480p/cow/00000.jpg /Annotations/480p/cow/00000.png\n"
    first = listed(tree(tmp_path / "a"), "480p", train=frames + frames.replace("00000", "00001"), val="")
    assert names(find(first).train) == ["cow"]
    second = listed(tree(tmp_path / "b"), "2017", train="bear\n\ncow\n", val="dog\n")
    assert names(find(second).train) == ["bear", "cow"]
    assert names(find(listed(second, "2016", train="dog\n")).train) == ["dog"]


def test_without_lists_all_clips_are_to_learn_from(tmp_path: Path) -> None:
    assert find(tree(tmp_path)) == Material(train=find(tmp_path).train)
    assert names(find(tmp_path).train) == ["bear", "cow", "dog"]


def test_with_a_list_of_what_is_held_out_alone_the_rest_is_learned_from(tmp_path: Path) -> None:
    found = find(listed(tree(tmp_path), "480p", val="cow\n"))
    assert (names(found.train), names(found.held_out)) == (["bear", "dog"], ["cow"])


def test_youtube_vos_has_no_folder_of_a_size_and_masks_of_every_fifth_frame(tmp_path: Path) -> None:
    tree(tmp_path / "train", "0a1b", size="", frames=11, every=5)
    (clip,) = find(tmp_path).train
    assert len(clip.frames) == len(clip.masks) == 11
    assert clip.annotated == (0, 5, 10)
    assert clip.masks[1] is None


def test_frames_come_in_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (10, 9, 100):
        picture(tmp_path / f"JPEGImages/480p/a/{number}.jpg")
        picture(tmp_path / f"Annotations/480p/a/{number}.png")
    assert [each.stem for each in find(tmp_path).train[0].frames] == ["9", "10", "100"]


@pytest.mark.parametrize(("images", "masks"), [("DUTS-TR-Image", "DUTS-TR-Mask"), ("Images", "Masks")])
def test_stills_are_pictures_with_a_mask_of_their_name(tmp_path: Path, images: str, masks: str) -> None:
    for name in ("a", "b", "c"):
        picture(tmp_path / images / f"{name}.jpg")
        if name != "b":
            picture(tmp_path / masks / f"{name}.png")
    found = find(tmp_path)
    assert [(each.name, each.image.name, each.mask.name) for each in found.stills] == [
        ("a", "a.jpg", "a.png"),
        ("c", "c.jpg", "c.png"),
    ]
    assert found.train == ()


def test_a_folder_of_such_folders_is_all_of_them(tmp_path: Path) -> None:
    listed(tree(tmp_path / "DAVIS", "bear cow"), "2016", train="bear", val="cow")
    tree(tmp_path / "YouTube-VOS" / "train", "0a", size="")
    picture(tmp_path / "DUTS-TR" / "DUTS-TR-Image" / "x.jpg")
    picture(tmp_path / "DUTS-TR" / "DUTS-TR-Mask" / "x.png")
    found = find(tmp_path)
    assert names(found.train) == ["DAVIS/bear", "YouTube-VOS/0a"]
    assert names(found.held_out) == ["DAVIS/cow"]
    assert [each.name for each in found.stills] == ["DUTS-TR/x"]


def test_clips_without_masks_are_left_out(tmp_path: Path) -> None:
    tree(tmp_path)
    shutil.rmtree(tmp_path / "Annotations/480p/cow")
    assert names(find(tmp_path).train) == ["bear", "dog"]


def test_what_is_missing_is_named_with_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "JPGImages").mkdir()
    with pytest.raises(UsageError, match=r"(?s)`JPGImages`.*`JPEGImages/`.*`DUTS-TR-Image/`"):
        find(tmp_path)
    with pytest.raises(UsageError, match="did you mean `JPGImages`"):
        find(tmp_path / "JPEGImages")
    tree(tmp_path)
    shutil.rmtree(tmp_path / "Annotations")
    with pytest.raises(UsageError, match="no `Annotations/480p`"):
        find(tmp_path)


def test_a_list_that_names_an_unknown_or_a_shared_clip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"`bera`.*did you mean `bear`"):
        find(listed(tree(tmp_path / "a"), "480p", train="cow\nbera\n"))
    with pytest.raises(UsageError, match=r"`cow` in `train\.txt` and in `val\.txt`"):
        find(listed(tree(tmp_path / "b"), "480p", train="bear\ncow\n", val="cow\n"))


CLIPS = tuple(Clip(name=f"clip{each}", frames=(), masks=()) for each in range(12))


@given(
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 1000),
    count=st.integers(2, 12),
    order=st.randoms(use_true_random=False),
)
def test_a_split_takes_whole_clips_and_leaves_some_on_both_sides(
    share: float, seed: int, count: int, order: object
) -> None:
    train, held_out = split(CLIPS[:count], share=share, seed=seed)
    assert train
    assert held_out
    assert sorted(names(train) + names(held_out)) == sorted(names(CLIPS[:count]))
    assert abs(len(held_out) - share * count) <= 1
    mixed = list(CLIPS[:count])
    order.shuffle(mixed)  # type: ignore[attr-defined]
    assert set(names(split(mixed, share=share, seed=seed).held_out)) == set(names(held_out))


def test_another_seed_holds_out_others() -> None:
    assert len({tuple(names(split(CLIPS, share=0.25, seed=seed).held_out)) for seed in range(8)}) > 4


@pytest.mark.parametrize(("count", "share"), [(1, 0.5), (5, 0.0), (5, 1.0)])
def test_what_cannot_be_split_is_refused(count: int, share: float) -> None:
    with pytest.raises(UsageError, match=r"share|split"):
        split(CLIPS[:count], share=share, seed=0)


def test_the_digest_follows_names_and_sizes(tmp_path: Path) -> None:
    before = clips.digest(find(tree(tmp_path)))
    assert before == clips.digest(find(tmp_path))
    with (tmp_path / "JPEGImages/480p/bear/00001.jpg").open("ab") as stream:
        stream.write(b"x")
    assert clips.digest(find(tmp_path)) != before
