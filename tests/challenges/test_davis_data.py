"""`davis`: what a check of a data set finds, and what a smaller one keeps."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from podium.challenges import challenge
from podium.challenges.davis import layout, paths, split
from podium.errors import ChallengeError, UsageError
from podium.formats import digests, masks
from podium.types import DataSet, Severity

DAVIS = challenge("davis")
SIZE = (24, 32)
JUDGED = ("goose", "heron", "ibis", "jay")
LEARNED = ("alder", "birch", "cedar")
FRAMES = 3


def fill(folder: Path, clips: tuple[str, ...], annotations: Path) -> tuple[list[str], list[str]]:
    rng = np.random.default_rng(list(folder.name.encode()))
    raw, annotation = [], []
    for each in clips:
        for number in range(FRAMES):
            raw.append(f"{layout.IMAGES}/{each}/{number:05}.jpg")
            annotation.append(f"{layout.ANNOTATIONS}/{each}/{number:05}.png")
            for path in (folder / raw[-1], annotations / annotation[-1]):
                path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8)).save(folder / raw[-1])
            mask_HW = np.zeros(SIZE, np.uint8)
            mask_HW[number : number + 8, 5:20] = 255
            masks.write(annotations / annotation[-1], mask_HW)
    return raw, annotation


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    made = DataSet(tmp_path / "data")
    raw, annotation = fill(made.inputs, JUDGED, made.answers)
    paths.write(made.inputs / paths.PATHS, {paths.RAW: raw})
    paths.write(made.answers / paths.PATHS, {paths.ANNOTATION: annotation})
    raw, annotation = fill(made.public, LEARNED, made.public)
    paths.write(made.public / paths.PATHS, {paths.RAW: raw, paths.ANNOTATION: annotation})
    split.write_lists(made.public, LEARNED[:2], LEARNED[2:])
    digests.write_manifest(made.root)
    return made


def found(data: DataSet) -> str:
    """Every problem but those of the manifest, which sees every change anyway."""
    digests.write_manifest(data.root)
    return "\n".join(str(each) for each in DAVIS.check_data(data))


def blank(path: Path) -> None:
    masks.write(path, np.zeros(SIZE, np.uint8))


def mask(data: DataSet, name: str) -> Path:
    return data.answers / layout.ANNOTATIONS / f"{name}.png"


def frame(folder: Path, name: str) -> Path:
    return folder / layout.IMAGES / f"{name}.jpg"


def test_a_good_data_set_has_no_problem(data: DataSet) -> None:
    assert DAVIS.check_data(data) == ()


def test_a_change_and_a_missing_manifest_are_found(data: DataSet) -> None:
    blank(mask(data, "goose/00000"))
    (problem,) = DAVIS.check_data(data)
    assert "goose/00000.png" in problem.place
    data.manifest.unlink()
    assert [each.place for each in DAVIS.check_data(data)] == ["manifest.json"]


def lists(data: DataSet, train: str, held_out: str) -> None:
    split.write_lists(data.public, train.split(), held_out.split())


def rows(folder: Path, change: Callable[[dict[str, dict[str, str]]], object]) -> None:
    table = json.loads((folder / paths.PATHS).read_text())
    change(table)
    (folder / paths.PATHS).write_text(json.dumps(table))


def resized(path: Path) -> None:
    Image.new("RGB", (30, 24)).save(path)


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (
            lambda data: frame(data.inputs, "heron/00001").unlink(),
            "inputs `JPEGImages/480p/heron/00001.jpg`: the frame",
        ),
        (lambda data: resized(frame(data.inputs, "heron/00001")), "the frame is `30x24` (width x height), the clip"),
        (lambda data: resized(frame(data.public, "birch/00002")), "the frame is `30x24` (width x height), the clip"),
        (lambda data: mask(data, "heron/00001").unlink(), "answers `Annotations/480p/heron/00001.png`"),
        (lambda data: masks.write(mask(data, "heron/00001"), np.zeros((30, 24), np.uint8)), "the mask is `24x30`"),
        (lambda data: masks.write(mask(data, "heron/00001"), np.ones(SIZE, np.uint8)), "grey levels of"),
        (lambda data: rows(data.inputs, lambda t: t["raw"].pop("4")), "needs rows 0, 1, 2"),
        (lambda data: rows(data.answers, lambda t: t["annotation"].pop("11")), "`11` rows, the inputs have `12`"),
        (lambda data: rows(data.inputs, lambda t: t.update(annotation={"0": "a/b.png"})), "has a column `annotation`"),
        (lambda data: rows(data.public, lambda t: t["annotation"].pop("8")), "`9` frames and `8` annotations"),
        (lambda data: (data.public / paths.PATHS).unlink(), "the file is missing; `JPEGImages/480p/alder/00000.jpg`"),
        (
            lambda data: shutil.copy(frame(data.inputs, "heron/00001"), frame(data.inputs, "heron/00009")),
            "is not in `pa",
        ),
        (lambda data: shutil.copy(frame(data.inputs, "jay/00001"), frame(data.public, "cedar/00001")), "byte for byte"),
        (lambda data: shutil.copy(mask(data, "jay/00001"), data.inputs / "jay.bin"), "`inputs/jay.bin` is one of the"),
        (lambda data: (data.inputs / "Annotations").mkdir(), "is a folder of annotations"),
        (lambda data: lists(data, "alder zebra", "birch cedar"), "there is no clip `zebra`"),
        (lambda data: lists(data, "alder birch", "birch cedar"), "the clip `birch` is also one to train with"),
        (lambda data: lists(data, "alder alder birch", "cedar"), "the clip `alder` is there twice"),
        (lambda data: lists(data, "alder", "cedar"), "the clip `birch` is in neither list"),
    ],
)
def test_every_fault_is_found(data: DataSet, spoil: Callable[[DataSet], object], text: str) -> None:
    spoil(data)
    assert text in found(data)


def test_a_judged_clip_to_learn_from_is_found_by_its_name(data: DataSet) -> None:
    shutil.move(data.public / layout.IMAGES / "alder", data.public / layout.IMAGES / "jay")
    assert "the clip `jay` is also one that is judged" in found(data)


def test_frames_out_of_the_order_of_time_are_found(data: DataSet) -> None:
    for folder, column in ((data.inputs, "raw"), (data.answers, "annotation")):
        rows(
            folder,
            lambda table, column=column: table[column].update({"0": table[column]["1"], "1": table[column]["0"]}),
        )
    assert "inputs `goose`: the frames do not stand in order of time" in found(data)


def test_one_clip_without_foreground_warns_and_all_of_them_are_an_error(data: DataSet) -> None:
    for number in range(FRAMES):
        blank(mask(data, f"goose/{number:05}"))
    digests.write_manifest(data.root)
    (problem,) = DAVIS.check_data(data)
    assert problem.severity is Severity.WARNING
    for path in data.answers.rglob("*.png"):
        blank(path)
    assert "nothing can be scored" in found(data)


def test_a_subset_has_fewer_whole_clips_in_their_order(data: DataSet, tmp_path: Path) -> None:
    smaller = DAVIS.subset_data(data, tmp_path / "half", proportion=0.5, seed=1)
    assert DAVIS.check_data(smaller) == ()
    clips = [each.clip for each in layout.judged_sequences(smaller)]
    assert len(clips) == 2
    assert clips == sorted(clips)
    assert all(len(each.frames) == FRAMES for each in layout.judged_sequences(smaller))
    assert (smaller.public / paths.PATHS).read_bytes() == (data.public / paths.PATHS).read_bytes()
    assert len(list(smaller.answers.rglob("*.png"))) == len(list(smaller.inputs.rglob("*.jpg"))) == 2 * FRAMES


def test_a_subset_of_everything_is_the_same_data_set(data: DataSet, tmp_path: Path) -> None:
    whole = DAVIS.subset_data(data, tmp_path / "whole", proportion=1.0, seed=1)
    assert whole.manifest.read_bytes() == data.manifest.read_bytes()


def test_the_seed_says_which_clips_a_subset_keeps(data: DataSet, tmp_path: Path) -> None:
    drawn = [
        layout.judged_sequences(DAVIS.subset_data(data, tmp_path / f"{seed}-{again}", proportion=0.25, seed=seed))[
            0
        ].clip
        for seed in range(6)
        for again in range(2)
    ]
    assert drawn[::2] == drawn[1::2]
    assert len(set(drawn)) > 1


@pytest.mark.parametrize("seed", range(4))
def test_a_subset_keeps_something_to_score(data: DataSet, tmp_path: Path, seed: int) -> None:
    for path in data.answers.rglob("*.png"):
        if path.parent.name != "ibis":
            blank(path)
    smaller = DAVIS.subset_data(data, tmp_path / "one", proportion=0.01, seed=seed)
    assert [each.clip for each in layout.judged_sequences(smaller)] == ["ibis"]


def test_a_subset_without_any_foreground_is_refused(data: DataSet, tmp_path: Path) -> None:
    for path in data.answers.rglob("*.png"):
        blank(path)
    with pytest.raises(ChallengeError, match="nothing to score"):
        DAVIS.subset_data(data, tmp_path / "one", proportion=0.5, seed=0)


def test_a_test_set_without_annotations_can_be_cut_down(data: DataSet, tmp_path: Path) -> None:
    shutil.rmtree(data.answers)
    data.answers.mkdir()
    (data.answers / "README.txt").write_text("no annotations\n")
    smaller = DAVIS.subset_data(data, tmp_path / "half", proportion=0.5, seed=0)
    assert len(layout.judged_sequences(smaller)) == 2
    (problem,) = DAVIS.check_data(smaller)
    assert problem.severity is Severity.WARNING


@pytest.mark.parametrize("proportion", [0.0, -1.0, 1.5])
def test_a_proportion_that_cannot_be_is_wrong_use(data: DataSet, tmp_path: Path, proportion: float) -> None:
    with pytest.raises(UsageError, match="above 0 and at most 1"):
        DAVIS.subset_data(data, tmp_path / "x", proportion=proportion, seed=0)


MAKERS = (
    lambda data, into: DAVIS.subset_data(data, into, proportion=1.0, seed=0),
    lambda data, into: DAVIS.split_data(data, into, share=0.5, seed=0),  # type: ignore[misc]
    lambda data, into: DAVIS.rehearse_data(data, into, seed=0),  # type: ignore[misc]
)


@pytest.mark.parametrize("make", MAKERS, ids=("subset", "split", "rehearse"))
@pytest.mark.parametrize("place", ["public/notes.txt", f"public/{layout.ANNOTATIONS}/alder/00001.png"])
def test_a_file_outside_never_becomes_part_of_a_data_set(
    data: DataSet, tmp_path: Path, make: Callable[[DataSet, Path], DataSet], place: str
) -> None:
    (tmp_path / "key").write_text("private")
    (data.root / place).unlink(missing_ok=True)
    (data.root / place).symlink_to(tmp_path / "key")
    with pytest.raises(ChallengeError, match="a link that leads out of it"):
        make(data, tmp_path / "made")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("place", ["inputs/x", f"inputs/{layout.IMAGES}/goose/00001.jpg"])
@pytest.mark.parametrize("make", MAKERS[:2], ids=("subset", "split"))
def test_a_file_outside_never_becomes_an_input_of_a_run(
    data: DataSet, tmp_path: Path, make: Callable[[DataSet, Path], DataSet], place: str
) -> None:
    (tmp_path / "key").write_text("private")
    (data.root / place).unlink(missing_ok=True)
    (data.root / place).symlink_to(tmp_path / "key")
    with pytest.raises(ChallengeError, match="a link that leads out of it"):
        make(data, tmp_path / "made")


@pytest.mark.parametrize("make", MAKERS, ids=("subset", "split", "rehearse"))
def test_a_data_set_inside_another_is_wrong_use(
    data: DataSet, tmp_path: Path, make: Callable[[DataSet, Path], DataSet]
) -> None:
    with pytest.raises(UsageError, match="name a folder beside it"):
        make(data, data.inputs / "made")
    assert not (data.inputs / "made").exists()


def test_a_pipe_in_the_place_of_a_list_is_a_fault_and_not_waited_for(data: DataSet) -> None:
    path = data.public / split.TRAIN_LIST
    path.unlink()
    os.mkfifo(path)
    assert any("a pipe, socket or device" in str(each) for each in DAVIS.check_data(data))


@pytest.mark.parametrize(
    "place", [f"inputs/{layout.IMAGES}/goose/00001.jpg", f"public/{layout.IMAGES}/birch/00001.jpg"]
)
@pytest.mark.parametrize("make", MAKERS, ids=("subset", "split", "rehearse"))
def test_a_missing_frame_is_the_fault_of_the_data_set(
    data: DataSet, tmp_path: Path, make: Callable[[DataSet, Path], DataSet], place: str
) -> None:
    (data.root / place).unlink()
    try:
        made = make(data, tmp_path / "made")
    except ChallengeError as error:
        assert "is missing" in str(error)  # noqa: PT017 - some need that frame and some only keep it
    else:
        assert not (made.root / place).exists()
