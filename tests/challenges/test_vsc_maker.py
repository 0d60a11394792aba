"""A made data set: the official layout, true labels, the same bytes again."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from podium.challenges.vsc import data, layout, maker
from podium.errors import MachineError, UsageError
from podium.media import library, video
from podium.types import DataRequest, DataSet

MEDIA = Path(__file__).parents[2].parent / "shared" / "media" / "videos"


def clip(path: Path, seed: int) -> None:
    """Two seconds of a texture that drifts and brightens, so that every frame differs from every other."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(30, 200, size=(13, 16, 3), dtype=np.uint8))
    still = np.array(coarse.resize((160, 128), Image.Resampling.BICUBIC))
    frames = [np.roll(still, 2 * shift, axis=1) + np.uint8(shift) for shift in range(40)]
    video.write(path, frames, frames_per_second=10, quality=18)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("media")
    for seed in range(10):
        clip(root / f"clip{seed}.mp4", seed)
    return root


@pytest.fixture(scope="module", autouse=True)
def no_packages() -> object:
    """Keeps footage of installed packages out, so that the tests see the same on every machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "_PACKAGED", {})
        yield


def made(folder: Path, into: Path, **settings: object) -> DataSet:
    values = {"media": folder, "size": "tiny", **settings}
    return maker.make(DataRequest(into=into, **values))  # pyright: ignore[reportArgumentType] - mixed settings


@pytest.fixture(scope="module")
def plain(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    return made(folder, tmp_path_factory.mktemp("plain") / "set", difficulty=0.0)


@pytest.fixture(scope="module")
def usual(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    return made(folder, tmp_path_factory.mktemp("usual") / "set")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


def query_file(made_set: DataSet, video_id: str) -> Path:
    return made_set.public / "test" / "query" / f"{video_id}.mp4"


def reference_file(made_set: DataSet, video_id: str) -> Path:
    return made_set.public / "test" / "reference" / f"{video_id}.mp4"


def test_the_layout_is_the_official_one_and_passes_the_check(usual: DataSet) -> None:
    assert data.check_data(usual) == ()
    assert {path.name for path in usual.root.iterdir()} == {"public", "inputs", "answers", "manifest.json"}
    assert not (usual.public / "test" / layout.GROUND_TRUTH).exists()
    assert (usual.public / "train" / layout.GROUND_TRUTH).exists()
    assert layout.judged_split(usual).name == "test"
    names = list(rows(usual.public / "test" / layout.QUERY_METADATA)[0])
    assert names == ["video_id", "duration_sec", "frames_per_sec", "width", "height", "rn"]


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("kind", ["query", "reference"])
def test_the_metadata_tell_what_the_files_are(usual: DataSet, split: str, kind: str) -> None:
    listed = rows(usual.public / split / f"{kind}_metadata.csv")
    files = sorted((usual.public / split / kind).iterdir())
    assert [f"{row['video_id']}.mp4" for row in listed] == [path.name for path in files]
    for row, path in zip(listed, files, strict=True):
        info = video.probe(path)
        assert info.duration_seconds == pytest.approx(float(row["duration_sec"]), abs=2e-3)
        assert info.frames_per_second == pytest.approx(float(row["frames_per_sec"]))
        assert (info.width, info.height) == (int(row["width"]), int(row["height"]))


def test_the_inputs_hold_half_of_the_queries_and_no_label(usual: DataSet) -> None:
    subset = [row["video_id"] for row in rows(usual.inputs / layout.QUERY_SUBSET)]
    assert len(subset) == 4
    assert sorted(path.stem for path in (usual.inputs / "query").iterdir()) == subset
    found = {path.name for path in usual.inputs.rglob("*") if path.is_file()} - {f"{each}.mp4" for each in subset}
    assert found == {layout.QUERY_METADATA, layout.REFERENCE_METADATA, layout.QUERY_SUBSET}


def distance(one_HWC: np.ndarray, other_HWC: np.ndarray) -> float:
    return float(np.abs(one_HWC.astype(int) - other_HWC).mean())


def test_an_untouched_copy_shows_the_reference_at_the_labelled_times_and_not_elsewhere(plain: DataSet) -> None:
    labels = rows(plain.answers / layout.GROUND_TRUTH)
    assert labels
    shifts = (-0.6, -0.3, -0.1, 0.0, 0.1, 0.3, 0.6)
    for row in labels:
        middle = (float(row["query_end"]) - float(row["query_start"])) / 2
        times = [float(row["ref_start"]) + middle + shift for shift in shifts]
        (shown,) = video.frames_at(query_file(plain, row["query_id"]), [float(row["query_start"]) + middle])
        near = video.frames_at(reference_file(plain, row["ref_id"]), times)
        distances = [distance(shown, each) for each in near]
        assert distances[3] == min(distances) < 12
        assert min(distances[0], distances[-1]) > distances[3] + 3


def test_a_query_looks_like_the_references_it_copies_and_like_no_other(plain: DataSet) -> None:
    pairs = {(row["query_id"], row["ref_id"]) for row in rows(plain.answers / layout.GROUND_TRUTH)}
    shown = {
        kind: {
            path.stem: video.sample(path, frames_per_second=5, size=(32, 24)).frames_THWC.astype(int)
            for path in (plain.public / "test" / kind).iterdir()
        }
        for kind in ("query", "reference")
    }
    nearest = {
        (query, reference): np.abs(query_THWC[:, None] - reference_THWC[None]).mean(axis=(2, 3, 4)).min()
        for query, query_THWC in shown["query"].items()
        for reference, reference_THWC in shown["reference"].items()
    }
    assert max(nearest[pair] for pair in pairs) < 11
    assert min(value for pair, value in nearest.items() if pair not in pairs) > 14


def test_the_same_seed_gives_the_same_bytes_whatever_the_number_of_processes(
    folder: Path, usual: DataSet, tmp_path: Path
) -> None:
    again = made(folder, tmp_path / "again", workers=2)
    names = sorted(path.relative_to(usual.root) for path in usual.root.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(again.root) for path in again.root.rglob("*") if path.is_file())
    changed = [str(name) for name in names if (usual.root / name).read_bytes() != (again.root / name).read_bytes()]
    assert changed == []


def test_a_folder_may_be_named_relative_to_where_one_stands(
    folder: Path, usual: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    again = made(Path(folder.name), tmp_path / "set")
    assert (again.answers / "ground_truth.csv").read_bytes() == (usual.answers / "ground_truth.csv").read_bytes()


def test_another_seed_gives_other_labels(folder: Path, usual: DataSet) -> None:
    found = maker.find_scenes(folder, maker.SIZES["tiny"], seed=1)
    labels = [
        [(copy.ref_id, copy.ref_start) for split in maker.plan(found.scenes, request) for copy in split.copies]
        for request in (DataRequest(into=Path("x"), size="tiny", seed=seed) for seed in (1, 2))
    ]
    assert labels[0] != labels[1]


def test_the_edits_are_told_for_every_query(usual: DataSet) -> None:
    story = json.loads((usual.answers / layout.EDITS).read_text())
    assert sorted(story["queries"]) == [f"Q10000{row}" for row in range(1, 5)] + [f"Q20000{row}" for row in range(1, 9)]
    for row in rows(usual.answers / layout.GROUND_TRUTH):
        spans = [span for span in story["queries"][row["query_id"]] if span["source"] == row["ref_id"]]
        assert (float(row["query_start"]), float(row["query_end"])) in {(span["start"], span["end"]) for span in spans}
        assert all(span["edits"] for span in spans)


def test_a_failure_leaves_a_folder_that_can_be_tried_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise MachineError("the disk is full")

    monkeypatch.setattr(maker, "render", broken)
    with pytest.raises(MachineError, match="the disk is full"):
        made(folder, tmp_path / "set")
    monkeypatch.undo()
    assert not (tmp_path / "set").exists()


def test_wrong_requests_are_refused_before_any_work(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean `tiny`"):
        made(folder, tmp_path / "set", size="tinny")
    with pytest.raises(UsageError, match="0 to 1 is allowed"):
        made(folder, tmp_path / "set", difficulty=2.0)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(UsageError, match="empty"):
        made(folder, tmp_path / "full")
    assert not (tmp_path / "set").exists()


def test_a_folder_of_one_clip_is_too_little(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "only.mp4").write_bytes((folder / "clip0.mp4").read_bytes())
    with pytest.raises(UsageError, match="shows 1 different thing"):
        made(tmp_path / "media", tmp_path / "set")


@pytest.mark.slow
def test_the_shared_clips_make_a_small_set_that_passes_the_check(tmp_path: Path) -> None:
    if not MEDIA.is_dir():
        pytest.skip("the shared clips are not here")
    small = made(MEDIA, tmp_path / "set", size="small", workers=2)
    assert data.check_data(small) == ()
    labels = rows(small.answers / layout.GROUND_TRUTH)
    assert len({row["query_id"] for row in labels}) == 8
    assert len(rows(small.public / "test" / layout.REFERENCE_METADATA)) == 24
