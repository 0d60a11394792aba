"""The clip-aware split: whole clips, the contest's numbers, artifacts that stand alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from podium.challenges import challenge
from podium.challenges.davis import layout, paths, split
from podium.challenges.davis.split import partition
from podium.errors import ChallengeError, UsageError
from podium.formats import digests, masks
from podium.types import DataSet

DAVIS = challenge("davis")
CLIPS = ("alder", "birch", "cedar", "elm", "fir")


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    made = DataSet(tmp_path / "data")
    for part, clips in ((made.inputs, ("goose",)), (made.public, CLIPS)):
        answers = made.answers if part == made.inputs else part
        raw, annotation = [], []
        for number, each in enumerate(clips):
            for at in range(2 + number % 2):
                raw.append(f"{layout.IMAGES}/{each}/{at:05}.jpg")
                annotation.append(f"{layout.ANNOTATIONS}/{each}/{at:05}.png")
                for path in (part / raw[-1], answers / annotation[-1]):
                    path.parent.mkdir(parents=True, exist_ok=True)
                shade = 20 * number + 5 * at + (100 if part == made.inputs else 0)
                Image.new("RGB", (32, 24), (shade, 0, shade)).save(part / raw[-1])
                masks.write(answers / annotation[-1], np.full((24, 32), 255, np.uint8))
        if part == made.inputs:
            paths.write(part / paths.PATHS, {paths.RAW: raw})
            paths.write(answers / paths.PATHS, {paths.ANNOTATION: annotation})
        else:
            paths.write(part / paths.PATHS, {paths.RAW: raw, paths.ANNOTATION: annotation})
    (made.public / "Flow/480p/alder").mkdir(parents=True)
    (made.public / "Flow/480p/alder/00000.png").write_bytes(b"flow")
    digests.write_manifest(made.root)
    return made


@given(st.integers(2, 60), st.floats(0.01, 0.99), st.integers(0, 1_000))
def test_a_split_parts_every_clip_once_by_the_contests_number(count: int, share: float, seed: int) -> None:
    clips = [f"clip-{number:02}" for number in range(count)]
    if not 0 < int(share * count) < count:
        with pytest.raises(UsageError):
            partition(clips, share=share, seed=seed)
        return
    train, held_out = partition(clips, share=share, seed=seed)
    assert len(train) == int(share * count)
    assert sorted((*train, *held_out)) == clips
    assert list(train) == sorted(train)
    assert (train, held_out) == partition(clips, share=share, seed=seed)


def test_24_of_the_30_official_clips_go_to_training() -> None:
    assert [len(each) for each in partition([str(each) for each in range(30)], share=0.8, seed=42)] == [24, 6]


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, 0.1, float("nan")])
def test_a_share_that_leaves_a_side_empty_is_wrong_use(share: float) -> None:
    with pytest.raises(UsageError, match="leaves one side empty"):
        partition(CLIPS, share=share, seed=0)


def test_a_split_data_set_is_good_and_its_artifacts_stand_alone(data: DataSet, tmp_path: Path) -> None:
    parted = DAVIS.split_data(data, tmp_path / "parted", share=0.8, seed=42)  # type: ignore[misc]
    assert DAVIS.check_data(parted) == ()
    seen: set[str] = set()
    for name, listed in (("split-train", split.TRAIN_LIST), ("split-holdout", split.HELD_OUT_LIST)):
        table = json.loads((parted.public / name / "paths.json").read_text())
        assert table.keys() == {"raw", "annotation"}
        assert list(table["raw"]) == list(table["annotation"]) == [str(row) for row in range(len(table["raw"]))]
        for path in (*table["raw"].values(), *table["annotation"].values()):
            assert (parted.public / name / path).stat().st_ino == (data.public / path).stat().st_ino
        clips = {paths.clip_of(path) for path in table["raw"].values()}
        assert clips == set((parted.public / listed).read_text().split())
        assert not seen & clips
        seen |= clips
    assert seen == set(CLIPS)


def test_an_artifact_of_a_split_can_be_imported_by_itself(data: DataSet, tmp_path: Path) -> None:
    parted = DAVIS.split_data(data, tmp_path / "parted", share=0.6, seed=1)  # type: ignore[misc]
    again = DAVIS.import_data(parted.public / "split-holdout", tmp_path / "again")
    assert [each.clip for each in layout.judged_sequences(again)] == [
        *(parted.public / split.HELD_OUT_LIST).read_text().split()
    ]


def test_everything_else_is_linked_unchanged(data: DataSet, tmp_path: Path) -> None:
    parted = DAVIS.split_data(data, tmp_path / "parted", share=0.8, seed=42)  # type: ignore[misc]
    for path in data.root.rglob("*"):
        if path.is_file() and path != data.manifest:
            assert (parted.root / path.relative_to(data.root)).stat().st_ino == path.stat().st_ino


def test_a_split_can_be_split_again_and_the_seed_says_how(data: DataSet, tmp_path: Path) -> None:
    one = DAVIS.split_data(data, tmp_path / "one", share=0.4, seed=3)  # type: ignore[misc]
    two = DAVIS.split_data(one, tmp_path / "two", share=0.8, seed=42)  # type: ignore[misc]
    three = DAVIS.split_data(data, tmp_path / "three", share=0.8, seed=42)  # type: ignore[misc]
    assert DAVIS.check_data(two) == ()
    assert two.manifest.read_bytes() == three.manifest.read_bytes()
    draws = {partition(CLIPS, share=0.8, seed=seed)[1] for seed in range(8)}
    assert len(draws) > 1


def test_frames_and_annotations_that_do_not_belong_together_are_refused(data: DataSet, tmp_path: Path) -> None:
    table = json.loads((data.public / "paths.json").read_text())
    table["annotation"]["0"], table["annotation"]["2"] = table["annotation"]["2"], table["annotation"]["0"]
    (data.public / "paths.json").write_text(json.dumps(table))
    with pytest.raises(
        ChallengeError, match=r"row 0 pairs `JPEGImages/480p/alder/00000\.jpg` with `Annotations/480p/birch"
    ):
        DAVIS.split_data(data, tmp_path / "parted", share=0.8, seed=0)  # type: ignore[misc]
    assert not (tmp_path / "parted").exists()


def test_a_damaged_artifact_of_a_split_is_found(data: DataSet, tmp_path: Path) -> None:
    parted = DAVIS.split_data(data, tmp_path / "parted", share=0.8, seed=42)  # type: ignore[misc]
    next((parted.public / "split-train").rglob("*.jpg")).unlink()
    split.write_lists(parted.public, CLIPS[:1], CLIPS[1:])
    digests.write_manifest(parted.root)
    text = "\n".join(str(each) for each in DAVIS.check_data(parted))
    assert "public/split-train/paths.json: `JPEGImages/480p/" in text
    assert "is only here or only in the list" in text
