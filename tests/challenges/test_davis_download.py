"""Official trees and artifacts of DAVIS: every form in, every fault named, nobody chooses on judged clips."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from podium.challenges import challenge
from podium.challenges.davis import examination, layout, paths, sets, sources
from podium.errors import ChallengeError, UsageError
from podium.formats import masks
from podium.types import DataSet, Severity

DAVIS = challenge("davis")
SIZE = (24, 32)
TRAIN = ("alder", "birch", "cedar", "elm", "fir")
VAL = ("goose", "heron")
FRAMES = 3


def picture(path: Path, *, size: tuple[int, int] = SIZE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(list("/".join(path.parts[-2:]).encode()))
    Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(path, "JPEG")


def square(value: int = 255, *, size: tuple[int, int] = SIZE) -> np.ndarray:
    mask_HW = np.zeros(size, np.uint8)
    mask_HW[4:12, 6:20] = value
    return mask_HW


def put(path: Path, levels_HW: np.ndarray, *, palette: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    masks.write(path, levels_HW, palette=palette)


def clip(root: Path, name: str, *, frames: int = FRAMES, annotations: str = layout.ANNOTATIONS) -> None:
    for number in range(frames):
        picture(root / layout.IMAGES / name / f"{number:05}.jpg")
        if annotations:
            put(root / annotations / name / f"{number:05}.png", square())


def names(root: Path, where: str, clips: tuple[str, ...]) -> None:
    (root / where).parent.mkdir(parents=True, exist_ok=True)
    (root / where).write_text("".join(f"{each}\n" for each in clips))


def pairs(root: Path, where: str, clips: tuple[str, ...]) -> None:
    """A list as DAVIS-2016 writes it: frame and annotation, each from the root of the tree."""
    (root / where).parent.mkdir(parents=True, exist_ok=True)
    lines = [
        f"/{layout.IMAGES}/{each}/{number:05}.jpg /{layout.ANNOTATIONS}/{each}/{number:05}.png \n"
        for each in clips
        for number in range(FRAMES)
    ]
    (root / where).write_text("".join(lines))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "download" / "DAVIS"
    for each in (*TRAIN, *VAL):
        clip(root, each)
    pairs(root, "ImageSets/480p/train.txt", TRAIN)
    pairs(root, "ImageSets/480p/val.txt", VAL)
    (root / "ImageSets/1080p").mkdir()
    (root / "ImageSets/1080p/val.txt").write_text("/JPEGImages/1080p/goose/00000.jpg /Annotations/1080p/x/0.png\n")
    return root


def artifact(root: Path, clips: tuple[str, ...], *, prefix: str = "", labelled: bool = True, slash: str = "/") -> Path:
    """An artifact of the contest; pandas keeps no order of rows that a reader may rely on."""
    raw, annotation = {}, {}
    frames = [(each, number) for each in clips for number in range(FRAMES)]
    for row, (each, number) in reversed(list(enumerate(frames))):
        raw[str(row)] = f"{prefix}{layout.IMAGES}/{each}/{number:05}.jpg"
        annotation[str(row)] = f"{prefix}{layout.ANNOTATIONS}/{each}/{number:05}.png"
        picture(root / raw[str(row)])
        if labelled:
            put(root / annotation[str(row)], square())
    table = {"raw": raw, "annotation": annotation} if labelled else {"raw": raw}
    text = json.dumps(
        {name: {row: path.replace("/", slash) for row, path in each.items()} for name, each in table.items()}
    )
    (root / "paths.json").write_text(text.replace("/", "\\/"))
    return root


def edit(root: Path, change: Callable[[dict[str, dict[str, str | None]]], object]) -> None:
    table = json.loads((root / "paths.json").read_text())
    change(table)
    (root / "paths.json").write_text(json.dumps(table))


def judged(data: DataSet) -> list[str]:
    return [frame.name for _, frame in layout.frames_of(layout.judged_sequences(data))]


def every(clips: tuple[str, ...]) -> list[str]:
    return [f"{each}/{number:05}" for each in clips for number in range(FRAMES)]


def listed(data: DataSet) -> tuple[set[str], set[str]]:
    train, held_out = ((data.public / f"ImageSets/480p/{each}.txt").read_text().split() for each in ("train", "val"))
    return set(train), set(held_out)


def notes(data: DataSet) -> str:
    return (data.root / "notes.txt").read_text()


def refused(download: Path, into: Path) -> str:
    with pytest.raises(ChallengeError) as caught:
        DAVIS.import_data(download, into)
    assert not into.exists()
    return str(caught.value)


def test_the_tree_of_davis_2016_becomes_a_good_data_set(tree: Path, tmp_path: Path) -> None:
    data = DAVIS.import_data(tree.parent, tmp_path / "into")
    assert DAVIS.check_data(data) == ()
    assert judged(data) == every(VAL)
    assert json.loads((data.inputs / "paths.json").read_text()).keys() == {"raw"}
    assert json.loads((data.answers / "paths.json").read_text()).keys() == {"annotation"}
    raw = paths.read_trusted(data.public / "paths.json", "raw")
    assert list(raw.values()) == [f"{layout.IMAGES}/{each}.jpg" for each in every(TRAIN)]


def test_nobody_has_to_choose_on_the_judged_clips(tree: Path, tmp_path: Path) -> None:
    train, held_out = listed(DAVIS.import_data(tree, tmp_path / "into"))
    assert (len(train), len(held_out)) == (4, 1)
    assert train | held_out == set(TRAIN)


def test_files_are_links_and_the_download_is_never_changed(tree: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    data = DAVIS.import_data(tree, tmp_path / "into")
    assert {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()} == before
    for name in (f"{layout.IMAGES}/goose/00000.jpg", f"{layout.ANNOTATIONS}/goose/00000.png"):
        part = data.inputs if name.startswith(layout.IMAGES) else data.answers
        assert (part / name).stat().st_ino == (tree / name).stat().st_ino


def test_lists_of_names_give_what_lists_of_pairs_give(tree: Path, tmp_path: Path) -> None:
    one = DAVIS.import_data(tree, tmp_path / "one")
    names(tree, "ImageSets/480p/train.txt", TRAIN)
    names(tree, "ImageSets/480p/val.txt", VAL)
    two = DAVIS.import_data(tree, tmp_path / "two")
    assert one.manifest.read_bytes() == two.manifest.read_bytes()


def test_a_tree_without_lists_goes_by_the_official_names(tree: Path, tmp_path: Path) -> None:
    shutil.rmtree(tree / "ImageSets")
    for part in (layout.IMAGES, layout.ANNOTATIONS):
        shutil.rmtree(tree / part / "heron")
        shutil.rmtree(tree / part / "goose")
    clip(tree, "car-shadow", frames=40)
    assert judged(DAVIS.import_data(tree, tmp_path / "into")) == [f"car-shadow/{number:05}" for number in range(40)]


def test_palette_masks_of_davis_2017_become_grey_and_void_becomes_background(tree: Path, tmp_path: Path) -> None:
    shutil.move(tree / "ImageSets/480p", tree / "ImageSets/2017")
    shutil.rmtree(tree / "ImageSets/1080p")
    labels_HW = square(1)
    labels_HW[4:8, 6:20] = 2
    labels_HW[0] = 255
    put(tree / layout.ANNOTATIONS / "goose/00001.png", labels_HW, palette=True)
    put(tree / layout.ANNOTATIONS / "heron/00001.png", square(), palette=True)
    data = DAVIS.import_data(tree, tmp_path / "into")
    assert DAVIS.check_data(data) == ()
    for name in ("goose", "heron"):
        found = masks.read(data.answers / layout.ANNOTATIONS / name / "00001.png").levels_HW
        assert np.array_equal(found, square())
    assert "void (255) is not" in notes(data)


def test_the_latest_lists_win_and_others_can_be_named(tree: Path, tmp_path: Path) -> None:
    names(tree, "ImageSets/2017/train.txt", (*TRAIN[:3], "goose"))
    names(tree, "ImageSets/2017/val.txt", ("elm", "heron"))
    names(tree, "ImageSets/2016/train.txt", TRAIN[1:])
    names(tree, "ImageSets/2016/val.txt", VAL[:1])
    assert judged(DAVIS.import_data(tree, tmp_path / "new")) == every(("elm", "heron"))
    assert judged(DAVIS.import_data(tree / "ImageSets/2016", tmp_path / "old")) == every(("goose",))


def test_the_unsupervised_annotations_do_where_there_are_no_others(tree: Path, tmp_path: Path) -> None:
    shutil.move(tree / "Annotations", tree / "Annotations_unsupervised")
    names(tree, "ImageSets/480p/train.txt", TRAIN)
    names(tree, "ImageSets/480p/val.txt", VAL)
    assert DAVIS.check_data(DAVIS.import_data(tree, tmp_path / "into")) == ()


def test_a_test_set_with_first_masks_only_can_be_run_and_not_scored(tmp_path: Path) -> None:
    root = tmp_path / "DAVIS"
    for each in VAL:
        clip(root, each, annotations="")
        put(root / layout.ANNOTATIONS / each / "00000.png", square(1), palette=True)
    names(root, "ImageSets/2017/test-dev.txt", VAL)
    data = DAVIS.import_data(root, tmp_path / "into")
    (problem,) = DAVIS.check_data(data)
    assert problem.severity is Severity.WARNING
    assert "not scored" in problem.message
    assert judged(data) == every(VAL)
    assert not list(data.root.rglob("*.png"))
    assert [each.name for each in data.answers.iterdir()] == ["README.txt"]


def test_a_test_set_beside_a_validation_set_is_left_out_and_said(tree: Path, tmp_path: Path) -> None:
    clip(tree, "ibis", annotations="")
    names(tree, "ImageSets/2017/test-dev.txt", ("ibis",))
    data = DAVIS.import_data(tree, tmp_path / "into")
    assert judged(data) == every(VAL)
    assert "`DAVIS/ImageSets/2017/test-dev.txt` is left out" in notes(DAVIS.import_data(tree.parent, tmp_path / "two"))


@pytest.mark.parametrize("slash", ["/", "\\"])
@pytest.mark.parametrize("prefix", ["", "DAVIS/480/"])
@pytest.mark.parametrize("tail", ["", ":contest", ":v0", "-contest"])
def test_the_artifacts_of_the_contest_become_a_good_data_set(
    tmp_path: Path, slash: str, prefix: str, tail: str
) -> None:
    artifact(tmp_path / f"artifacts/davis2016-train{tail}", TRAIN, prefix=prefix, slash=slash)
    artifact(tmp_path / f"artifacts/davis2016-val{tail}", VAL, prefix=prefix, slash=slash)
    data = DAVIS.import_data(tmp_path / "artifacts", tmp_path / "into")
    assert DAVIS.check_data(data) == ()
    assert judged(data) == every(VAL)
    assert set.union(*listed(data)) == set(TRAIN)


def test_an_artifact_keeps_its_rows_so_that_results_made_for_it_fit(tmp_path: Path) -> None:
    artifact(tmp_path / "davis2016-val", ("heron", "goose"))
    data = DAVIS.import_data(tmp_path / "davis2016-val", tmp_path / "into")
    assert judged(data) == every(("heron", "goose"))


def test_rows_that_jump_between_clips_are_numbered_anew_and_it_is_said(tmp_path: Path) -> None:
    def swap(table: dict[str, dict[str, str | None]]) -> None:
        for column in table.values():
            column["0"], column["4"] = column["4"], column["0"]

    edit(artifact(tmp_path / "davis2016-val", VAL), swap)
    data = DAVIS.import_data(tmp_path / "davis2016-val", tmp_path / "into")
    assert sorted(judged(data)) == every(VAL)
    assert "numbered anew" in notes(data)


def test_paths_may_begin_with_folders_that_are_not_there(tmp_path: Path) -> None:
    def lengthen(table: dict[str, dict[str, str | None]]) -> None:
        for column in table.values():
            column.update({row: f"content/artifacts/{path}" for row, path in column.items()})

    edit(artifact(tmp_path / "davis2016-val", VAL), lengthen)
    assert judged(DAVIS.import_data(tmp_path / "davis2016-val", tmp_path / "into")) == every(VAL)


def test_the_contests_test_set_can_be_run_and_not_scored(tmp_path: Path) -> None:
    artifact(tmp_path / "davis-contest-test", VAL, labelled=False)
    data = DAVIS.import_data(tmp_path / "davis-contest-test", tmp_path / "into")
    assert judged(data) == every(VAL)
    with pytest.raises(ChallengeError):
        layout.annotation_paths(data, layout.judged_sequences(data))


def test_a_test_artifact_with_annotations_is_judged_and_the_official_lists_stay(tmp_path: Path) -> None:
    artifact(tmp_path / "a/davis-contest-test:v1", ("ibis",))
    artifact(tmp_path / "a/davis2016-train:v1", TRAIN)
    artifact(tmp_path / "a/davis2016-val:v1", VAL)
    data = DAVIS.import_data(tmp_path / "a", tmp_path / "into")
    assert judged(data) == every(("ibis",))
    assert listed(data) == (set(TRAIN), set(VAL))


def test_of_a_training_set_alone_whole_clips_are_held_out_and_judged(tmp_path: Path) -> None:
    artifact(tmp_path / "davis2016-train", TRAIN)
    data = DAVIS.import_data(tmp_path / "davis2016-train", tmp_path / "into")
    assert DAVIS.check_data(data) == ()
    there = {each.split("/")[0] for each in judged(data)}
    assert len(there) == 1
    assert set.union(*listed(data)) == set(TRAIN) - there
    assert "seed `0`" in notes(data)


def test_artifacts_of_a_split_and_results_do_not_get_in_the_way(tmp_path: Path) -> None:
    root = tmp_path / "artifacts"
    artifact(root / "davis2016-train:v0", TRAIN)
    artifact(root / "davis2016-split-train:v0", TRAIN[:4])
    artifact(root / "davis2016-split-holdout:v0", TRAIN[4:])
    artifact(root / "davis2016-val:v0", VAL)
    (root / "my-result:v0").mkdir()
    (root / "my-result:v0/paths.json").write_text('{"output": {"0": "outputs\\/00000.png"}}')
    data = DAVIS.import_data(root, tmp_path / "into")
    assert judged(data) == every(VAL)
    shutil.rmtree(root / "davis2016-val:v0")
    shutil.rmtree(root / "davis2016-train:v0")
    assert judged(DAVIS.import_data(root, tmp_path / "parted")) == every(TRAIN[4:])


def test_masks_of_0_and_1_become_0_and_255_and_it_is_said(tree: Path, tmp_path: Path) -> None:
    for path in (tree / layout.ANNOTATIONS).glob("*/*.png"):
        put(path, square(1))
    data = DAVIS.import_data(tree, tmp_path / "into")
    assert DAVIS.check_data(data) == ()
    for part in (data.public, data.answers):
        for path in part.rglob("*.png"):
            assert np.array_equal(masks.read(path).levels_HW, square())
    assert "masks of 0 and 1 are written as 0 and 255" in notes(data)
    assert np.array_equal(masks.read(tree / layout.ANNOTATIONS / "goose/00000.png").levels_HW, square(1))


@pytest.mark.parametrize("mode", ["1", "RGB", "RGBA", "P"])
def test_grey_masks_in_another_mode_become_grey(tree: Path, tmp_path: Path, mode: str) -> None:
    path = tree / layout.ANNOTATIONS / "goose/00001.png"
    Image.fromarray(square()).convert(mode).save(path)
    data = DAVIS.import_data(tree, tmp_path / "into")
    assert DAVIS.check_data(data) == ()
    assert np.array_equal(masks.read(data.answers / layout.ANNOTATIONS / "goose/00001.png").levels_HW, square())


def test_every_fault_is_named_at_once_and_nothing_is_left(tree: Path, tmp_path: Path) -> None:
    masked = tree / layout.ANNOTATIONS
    colours_HWC = np.zeros((*SIZE, 3), np.uint8)
    colours_HWC[4:9, 4:9, 0] = 128
    Image.fromarray(colours_HWC).save(masked / "alder/00000.png")
    put(masked / "alder/00001.png", square(size=(24, 30)))
    put(masked / "alder/00002.png", square(75))
    picture(tree / layout.IMAGES / "birch/00001.jpg", size=(26, 32))
    cut = tree / layout.IMAGES / "cedar/00001.jpg"
    cut.write_bytes(cut.read_bytes()[:-40])
    (tree / layout.IMAGES / "elm/00001.jpg").unlink()
    (masked / "fir/00001.png").unlink()
    (masked / "goose/00001.png").write_bytes(b"GIF89a")
    (tree / layout.IMAGES / "heron/00001.jpg").write_bytes(b"nothing")
    text = refused(tree, tmp_path / "into")
    assert text.startswith("the download has 9 problems:")
    for part in (
        "`alder/00000`: the mask is a colour picture",
        "`alder/00001`: `00001.png`: the mask is `30x24` (width x height); the frame is `32x24`",
        "`alder/00002`: the grey levels of the mask end at `75`",
        "`birch/00001`: the frame is `32x26` (width x height), the clip begins with `32x24`",
        "`cedar/00001`: the frame's file is cut off",
        "`elm/00001`: the frame `00001.jpg` is missing",
        "`fir/00001`: `00001.png`: the file is missing",
        "`goose/00001`: `00001.png`: this is a GIF file",
        "`heron/00001`: the frame cannot be read",
    ):
        assert part in text


def test_an_official_clip_has_its_official_number_of_frames(tree: Path, tmp_path: Path) -> None:
    clip(tree, "dog-agility", frames=24)
    names(tree, "ImageSets/480p/train.txt", (*TRAIN, "dog-agility"))
    assert "`dog-agility`: the clip has `24` frames; the official one has `25`" in refused(tree, tmp_path / "into")
    clip(tree, "dog-agility", frames=25)
    assert DAVIS.check_data(DAVIS.import_data(tree, tmp_path / "into")) == ()


def test_a_frame_that_is_missing_in_the_middle_is_named(tree: Path, tmp_path: Path) -> None:
    names(tree, "ImageSets/480p/val.txt", VAL)
    for number in (3, 4):
        shutil.copy(tree / layout.ANNOTATIONS / "goose/00000.png", tree / layout.ANNOTATIONS / f"goose/{number:05}.png")
        picture(tree / layout.IMAGES / f"goose/{number:05}.jpg")
    for part, suffix in ((layout.IMAGES, "jpg"), (layout.ANNOTATIONS, "png")):
        (tree / part / f"goose/00003.{suffix}").unlink()
    assert "`goose`: frame `00003` is missing" in refused(tree, tmp_path / "into")


def test_a_mask_without_its_frame_and_a_frame_without_its_mask_are_told(tree: Path, tmp_path: Path) -> None:
    names(tree, "ImageSets/480p/val.txt", VAL)
    put(tree / layout.ANNOTATIONS / "goose/00003.png", square())
    picture(tree / layout.IMAGES / "heron/00003.jpg")
    text = refused(tree, tmp_path / "into")
    assert "`goose/00003`: the frame `00003.jpg` is missing" in text
    assert "`heron/00003`: `00003.png`: the file is missing" in text


def test_a_clip_without_any_foreground_is_said_and_all_clips_without_are_refused(tree: Path, tmp_path: Path) -> None:
    for path in (tree / layout.ANNOTATIONS / "goose").iterdir():
        put(path, square(0))
    data = DAVIS.import_data(tree, tmp_path / "into")
    assert "`goose`: no mask of the clip has any foreground" in notes(data)
    (problem,) = DAVIS.check_data(data)
    assert problem.severity is Severity.WARNING
    for path in (tree / layout.ANNOTATIONS / "heron").iterdir():
        put(path, square(0))
    assert "nothing can be scored" in refused(tree, tmp_path / "two")


def test_a_clip_of_the_list_that_is_not_there_is_refused(tree: Path, tmp_path: Path) -> None:
    names(tree, "ImageSets/480p/val.txt", (*VAL, "ibis"))
    assert "ImageSets/480p/val.txt `ibis`: the clip has no folder" in refused(tree, tmp_path / "into")


def test_a_line_that_is_neither_a_clip_nor_a_pair_is_refused(tree: Path, tmp_path: Path) -> None:
    names(tree, "ImageSets/480p/val.txt", (*VAL, "../../secret", "three more words"))
    text = refused(tree, tmp_path / "into")
    assert "line 3: `../../secret` is neither a clip nor" in text
    assert "line 4" in text


def test_a_clip_in_both_lists_is_refused(tree: Path, tmp_path: Path) -> None:
    names(tree, "ImageSets/480p/train.txt", (*TRAIN, "goose"))
    assert "the clip `goose` is also in" in refused(tree, tmp_path / "into")


def test_a_judged_frame_under_another_name_to_learn_from_is_refused(tree: Path, tmp_path: Path) -> None:
    shutil.copy(tree / layout.IMAGES / "goose/00001.jpg", tree / layout.IMAGES / "alder/00002.jpg")
    assert "`alder/00002` is the judged frame `goose/00001`, byte for byte" in refused(tree, tmp_path / "into")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda table: table["raw"].update({"1": None}), "row 1: `raw` has no path"),
        (lambda table: table["annotation"].update({"1": None}), "row 1: `annotation` has no path"),
        (lambda table: table["annotation"].pop("2"), "row 2: the row has no `annotation`"),
        (lambda table: table["raw"].update({"1": "a/b\\c.jpg"}), "mixes `/` and a backslash"),
        (lambda table: table["raw"].update({"1": "/etc/goose/00001.jpg"}), "a name may not begin with `/`"),
        (lambda table: table["raw"].update({"1": "../goose/00001.jpg"}), "a name may not contain `..`"),
        (lambda table: table["raw"].update({"1": f"{layout.IMAGES}/goose/first.jpg"}), "a number of five digits"),
        (lambda table: table["raw"].update({"1": table["raw"]["0"]}), "is paired with"),
        (lambda table: table["raw"].update(first="x"), "is no row number"),
        (lambda table: table["raw"].update({"3": f"other/goose/{0:05}.jpg"}), "the clip `goose` lies in"),
    ],
)
def test_every_trap_of_paths_json_is_named(
    tmp_path: Path, change: Callable[[dict[str, dict[str, str | None]]], object], text: str
) -> None:
    edit(artifact(tmp_path / "davis2016-val", VAL), change)
    assert text in refused(tmp_path / "davis2016-val", tmp_path / "into")


@pytest.mark.parametrize("part", ["davis2016-train", "davis2016-val"])
def test_training_and_validation_without_annotations_are_refused(tmp_path: Path, part: str) -> None:
    artifact(tmp_path / "a/davis2016-train", TRAIN, labelled=part != "davis2016-train")
    artifact(tmp_path / "a/davis2016-val", VAL, labelled=part != "davis2016-val")
    assert f"{part}: the frame `" in refused(tmp_path / "a", tmp_path / "into")


def test_a_paths_json_that_is_none_is_refused(tmp_path: Path) -> None:
    (artifact(tmp_path / "davis2016-val", VAL) / "paths.json").write_text("{")
    assert "the file is no JSON" in refused(tmp_path / "davis2016-val", tmp_path / "into")


def test_the_same_part_twice_and_nothing_at_all_are_wrong_use(tmp_path: Path) -> None:
    artifact(tmp_path / "a/davis2016-val:v0", VAL)
    artifact(tmp_path / "a/davis2016-val:v1", VAL)
    with pytest.raises(UsageError, match=r"`davis2016-val:v0` and `davis2016-val:v1` both hold the `val` part"):
        DAVIS.import_data(tmp_path / "a", tmp_path / "into")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="holds neither a DAVIS tree"):
        DAVIS.import_data(tmp_path / "empty", tmp_path / "into")
    with pytest.raises(UsageError, match="is not a folder"):
        DAVIS.import_data(tmp_path / "none", tmp_path / "into")


def test_one_clip_to_learn_from_and_none_to_judge_is_refused(tmp_path: Path) -> None:
    artifact(tmp_path / "davis2016-train", TRAIN[:1])
    assert "has no two clips" in refused(tmp_path / "davis2016-train", tmp_path / "into")


def test_an_incomplete_official_set_goes_in_and_is_said(tree: Path, tmp_path: Path) -> None:
    data = DAVIS.import_data(tree, tmp_path / "into")
    assert "has `5` clips; the official set has `30`" in notes(data)


def test_a_whole_official_set_has_the_official_total(tmp_path: Path) -> None:
    root = tmp_path / "DAVIS"
    clips = tuple(f"clip-{number:02}" for number in range(60))
    for each in (*clips, *VAL):
        clip(root, each, frames=1)
    names(root, "ImageSets/2017/train.txt", clips)
    names(root, "ImageSets/2017/val.txt", VAL)
    assert "2017/train.txt: there are `60` frames; the official set has `4209`" in refused(root, tmp_path / "into")


def test_the_official_lists_have_the_official_totals() -> None:
    for year, name, clips in (
        ("2016", "train", sets.TRAIN_2016),
        ("2016", "val", sets.VAL_2016),
        ("2017", "val", sets.VAL_2017),
    ):
        total = sets.TOTALS[year, name]
        assert (len(clips), sum(clips.values())) == (total.clips, total.frames)
    assert set(sets.TEMPORAL_VAL_2016) < set(sets.VAL_2016)
    assert not set(sets.TRAIN_2016) & set(sets.VAL_2017)


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31m", "a:b", "a\\b", " a", "x" * 201])
def test_a_clip_whose_name_cannot_be_used_is_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    root = tmp_path / "DAVIS"
    for each in (name, "birch", "cedar"):
        clip(root, each)
    with pytest.raises(ChallengeError, match="may not be called so") as caught:
        DAVIS.import_data(root, tmp_path / "data")
    assert all(line.isprintable() for line in str(caught.value).splitlines())
    assert not (tmp_path / "data").exists()


def test_frames_of_a_tree_without_lists_that_have_no_number_are_named(tmp_path: Path) -> None:
    root = tmp_path / "DAVIS"
    for each in TRAIN[:3]:
        clip(root, each)
    picture(root / layout.IMAGES / TRAIN[0] / "cover.jpg")
    with pytest.raises(ChallengeError, match=r"the frame is called `cover\.jpg`"):
        DAVIS.import_data(root, tmp_path / "data")


def test_a_colour_mask_of_too_many_pixels_is_never_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "DAVIS"
    for each in TRAIN[:3]:
        clip(root, each)
    path = root / layout.ANNOTATIONS / TRAIN[0] / "00000.png"
    Image.new("RGB", SIZE[::-1]).save(path)
    monkeypatch.setattr(examination, "_grey", lambda _: pytest.fail("it was decoded"))
    real = masks.read
    monkeypatch.setattr(masks, "read", lambda path, **how: real(path, **{**how, "size": None}, max_pixels=100))
    with pytest.raises(ChallengeError, match="at most `100` pixels are allowed"):
        DAVIS.import_data(root, tmp_path / "data")


def test_an_artifact_of_very_many_clips_is_read_in_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {str(row): f"JPEGImages/480p/c{row}/00000.jpg" for row in range(50_000)}
    (tmp_path / "paths.json").write_text(json.dumps({"raw": rows}))
    monkeypatch.setattr(sources, "_located", lambda folder, path: folder / path)
    began = time.process_time()
    found = sources.find(tmp_path, [])
    # Far below the dozen seconds that a search among all clips for each row takes.
    assert time.process_time() - began < 5
    assert len(found[sources.Role.TEST].clips) == 50_000
