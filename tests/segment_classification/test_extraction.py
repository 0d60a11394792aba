"""Own videos to shards: what each file gives, kept work, ratings, and the bytes that come out."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
import pytest

pytest.importorskip("av", reason="own videos need PyAV")
torch = pytest.importorskip("torch", reason="own videos need torch")

from podium.errors import UsageError  # noqa: E402
from podium.formats.tfrecord import dequantise, read_frame_records  # noqa: E402
from podium.media.sampling import Sample  # noqa: E402
from podium.media.writer import write  # noqa: E402
from podium.solutions.segment_classification import material  # noqa: E402
from podium.solutions.segment_classification.classes import Classes  # noqa: E402
from podium.solutions.segment_classification.footage import extraction, frame_features  # noqa: E402
from podium.solutions.segment_classification.footage.features import FeatureRequest, Footage, make  # noqa: E402
from podium.solutions.segment_classification.footage.labelling import segments_of  # noqa: E402
from podium.solutions.segment_classification.footage.ratings import Rating, read_ratings  # noqa: E402
from podium.solutions.segment_classification.solitude import alone  # noqa: E402

FRAMES_PER_SECOND = 2


class Squares(torch.nn.Module):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(pixels, (4, 4)).flatten(1)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("weights") / "squares.pt"
    torch.jit.script(Squares()).save(str(path))
    return str(path)


def video(path: Path, *, seconds: int, seed: int) -> None:
    """Each second shows its own eight flat patches."""
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = [np.kron(rng.integers(0, 255, (2, 4, 3)), np.ones((24, 24, 1))).astype(np.uint8) for _ in range(seconds)]
    doubled = [frame for frame in frames for _ in range(FRAMES_PER_SECOND)]
    write(path, doubled, frames_per_second=FRAMES_PER_SECOND)


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    for number, seconds in enumerate((12, 7, 10)):
        video(folder / "day one" / f"clip {number}.mp4", seconds=seconds, seed=number)
    (folder / "broken.mp4").write_bytes(b"this is no video")
    shutil.copy(folder / "day one" / "clip 0.mp4", folder / "zz copy.mp4")
    (folder / ".hidden.mp4").write_bytes(b"nobody asked")
    (folder / "notes.txt").write_text("no video either")
    return folder


@pytest.fixture
def folder(made_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made_once, tmp_path / "videos"))


def ratings_file(path: Path, rows: Sequence[str], header: str = "video,start,class,score") -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def records(out: Path, part: str) -> dict[str, Any]:
    return {each.video_id: each for path in sorted((out / part).glob("*")) for each in read_frame_records(path)}


def request(folder: Path, out: Path, weights: str, **more: Any) -> FeatureRequest:
    return FeatureRequest(videos=folder, out=out, weights=weights, **more)


def test_files_are_found_by_name_and_each_content_once(folder: Path) -> None:
    videos, left_out = extraction.find_videos(folder)
    assert [each.name for each in videos] == ["broken.mp4", *(f"day one/clip {number}.mp4" for number in range(3))]
    assert left_out == ("`zz copy.mp4`: has the same content as `day one/clip 0.mp4`",)
    assert all(each.id.isalnum() and len(each.id) == 12 for each in videos)


def test_an_id_is_made_from_the_content_alone(folder: Path, tmp_path: Path) -> None:
    before = {each.name: each.id for each in extraction.find_videos(folder)[0]}
    (folder / "day one" / "clip 1.mp4").rename(folder / "renamed.mp4")
    after = {each.name: each.id for each in extraction.find_videos(folder)[0]}
    assert after["renamed.mp4"] == before["day one/clip 1.mp4"]


def test_names_that_no_table_can_keep_and_links_that_lead_nowhere_are_left_out(folder: Path) -> None:
    (folder / "a\rb.mp4").write_bytes(b"one")
    (folder / "caf\udce9.mp4").write_bytes(b"two")
    (folder / "loop.mp4").symlink_to("loop.mp4")
    (folder / "gone.mp4").symlink_to("nowhere.mp4")
    videos, left_out = extraction.find_videos(folder)
    assert len(videos) == 4
    assert left_out[:2] == (
        "`a\\rb.mp4`: its name holds what no table can keep; give it another",
        "`caf\\udce9.mp4`: its name holds what no table can keep; give it another",
    )
    assert "`loop.mp4`: this link leads to itself" in left_out
    assert any(each.startswith("`gone.mp4`: ") for each in left_out)


def test_a_first_picture_that_comes_late_is_repeated_no_more_often_than_seconds_are_used() -> None:
    class Plain:
        def embed(self, frames_THWC: np.ndarray) -> np.ndarray:
            return np.ones((len(frames_THWC), 2), dtype=np.float32)

    pictures = Sample(
        frames_THWC=np.zeros((1, 2, 2, 3), dtype=np.uint8),
        times_T2=np.array([[1e12, 1e12 + 1]]),
        duration_seconds=1e12 + 1,
    )
    found = extraction._seconds(Path("gone.mp4"), pictures, cast(Any, Plain()), max_seconds=5)
    assert found.frames_TC.shape == (5, 2)


def test_a_folder_that_another_process_fills_is_refused(folder: Path, weights: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with alone(tmp_path / "out"), pytest.raises(UsageError, match="another process is at work in"):
        make(request(folder, tmp_path / "out", weights))


def test_a_folder_without_videos_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no video"):
        extraction.find_videos(tmp_path)
    with pytest.raises(UsageError, match="no folder"):
        extraction.find_videos(tmp_path / "nowhere")


def test_every_second_is_a_row_and_looks_as_the_video_does(folder: Path, weights: str, tmp_path: Path) -> None:
    videos = [each for each in extraction.find_videos(folder)[0] if each.name.endswith("clip 0.mp4")]
    (found,) = extraction.extract(videos, frame_features.load(weights), cache=tmp_path / "cache")
    assert found.kept is not None
    seconds = extraction.read_seconds(found.kept)
    assert seconds.frames_TC.shape == (12, 48)
    assert seconds.duration_seconds == 12.0
    rng = np.random.default_rng(0)
    for row in seconds.frames_TC:
        patches = np.kron(rng.integers(0, 255, (2, 4, 3)), np.ones((2, 1, 1)))
        shown = (patches.transpose(2, 0, 1) - np.array([[[123.675]], [[116.28]], [[103.53]]])) / 58.0
        assert np.corrcoef(row, shown.ravel())[0, 1] > 0.95


def test_broken_files_are_named_and_the_others_go_on(folder: Path, weights: str, tmp_path: Path) -> None:
    made = make(request(folder, tmp_path / "out", weights))
    assert [row.frames for row in sorted(made.rows, key=lambda each: each.video.name)] == [12, 7, 10]
    assert len(made.skipped) == 2
    assert any("broken.mp4" in each for each in made.skipped)
    listed = (tmp_path / "out" / "skipped.csv").read_text()
    assert "broken.mp4" in listed
    assert "zz copy.mp4" in listed
    assert all(row.notes == ("there is no sound; its features are the middle (128)",) for row in made.rows)


def test_the_shards_hold_the_projected_numbers_within_half_a_step(folder: Path, weights: str, tmp_path: Path) -> None:
    made = make(request(folder, tmp_path / "out", weights))
    found = records(made.out, material.SEGMENT_TEST)
    assert sorted(found) == sorted(row.video.id for row in made.rows)
    videos, _ = extraction.find_videos(folder)
    for each in extraction.extract(videos, made.projection.extractor, cache=tmp_path / "out" / "cache"):
        if each.kept is None:
            continue
        seconds = extraction.read_seconds(each.kept)
        record = found[each.video.id]
        exact = np.clip(made.projection.frames.project(seconds.frames_TC), -2, 2)
        assert np.abs(exact).max() > 0.5
        assert np.abs(dequantise(record.rgb_TC) - 1 / 128 - exact).max() <= 2 / 255 + 1e-6
        assert (record.audio_TC == 128).all()
        assert not record.rated
        assert not len(record.labels)


def bytes_of(out: Path) -> dict[str, bytes]:
    kept = ("segment", "video", "projection", "videos.csv", "skipped.csv", "segment_vocabulary.csv")
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.relative_to(out).parts[0] in kept
    }


def test_the_same_videos_give_the_same_bytes(folder: Path, weights: str, tmp_path: Path) -> None:
    make(request(folder, tmp_path / "one", weights))
    make(request(folder, tmp_path / "two", weights, workers=2))
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two")


def test_work_that_is_kept_is_not_done_again(
    folder: Path, weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    make(request(folder, out, weights))
    before = bytes_of(out)
    worked: list[str] = []
    real = extraction._seconds

    def noted(path: Path, *rest: Any, **more: Any) -> Any:
        worked.append(path.name)
        return real(path, *rest, **more)

    monkeypatch.setattr(extraction, "_seconds", noted)
    make(request(folder, out, weights))
    assert worked == []
    (kept,) = (path for path in (out / "cache").iterdir() if path.stat().st_size == _size_of(out, 7))
    kept.write_bytes(kept.read_bytes()[:100])
    make(request(folder, out, weights))
    assert worked == ["clip 1.mp4"]
    make(request(folder, out, weights, max_seconds=100))
    assert len(worked) == 4
    assert bytes_of(out) == before


def _size_of(out: Path, frames: int) -> int:
    (size,) = (
        path.stat().st_size
        for path in (out / "cache").iterdir()
        if len(extraction.read_seconds(path).frames_TC) == frames
    )
    return size


def test_a_stopped_run_goes_on_where_it_was(
    folder: Path, weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = extraction._seconds
    calls: list[str] = []

    def stopping(path: Path, *rest: Any, **more: Any) -> Any:
        calls.append(path.name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(path, *rest, **more)

    monkeypatch.setattr(extraction, "_seconds", stopping)
    with pytest.raises(KeyboardInterrupt):
        make(request(folder, tmp_path / "out", weights))
    make(request(folder, tmp_path / "out", weights))
    assert calls == ["clip 0.mp4", "clip 1.mp4", "clip 1.mp4", "clip 2.mp4"]
    monkeypatch.undo()
    make(request(folder, tmp_path / "whole", weights))
    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "whole")


def test_other_footage_shares_the_projection(folder: Path, weights: str, tmp_path: Path) -> None:
    first = make(request(folder, tmp_path / "one", weights))
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(folder / "day one" / "clip 2.mp4", other / "again.mp4")
    second = make(FeatureRequest(videos=other, out=tmp_path / "two", projection=tmp_path / "one" / "projection"))
    ((video_id, again),) = records(second.out, material.SEGMENT_TEST).items()
    np.testing.assert_array_equal(again.features_TC, records(first.out, material.SEGMENT_TEST)[video_id].features_TC)
    kept = [bytes_of(tmp_path / each) for each in ("one", "two")]
    assert all(kept[0][name] == kept[1][name] for name in kept[0] if name.startswith("projection"))


def test_a_long_video_is_cut_and_says_so(folder: Path, weights: str, tmp_path: Path) -> None:
    made = make(request(folder, tmp_path / "out", weights, max_seconds=8))
    by_name = {Path(row.video.name).stem: row for row in made.rows}
    assert [by_name[f"clip {number}"].frames for number in range(3)] == [8, 7, 8]
    assert "only the first 8 of 12 s are used" in by_name["clip 0"].notes
    assert by_name["clip 0"].duration_seconds == 12.0
    assert not any("only" in note for note in by_name["clip 1"].notes)


def test_rated_videos_are_for_training_and_the_rest_for_testing(folder: Path, weights: str, tmp_path: Path) -> None:
    rows = ["clip 0,5,goal,1", "clip 0,0,goal,0", "clip 0,0,foul,1", "day one/clip 1.mp4,5,foul,0"]
    made = make(request(folder, tmp_path / "out", weights, labels=ratings_file(tmp_path / "r.csv", rows)))
    ids = {Path(row.video.name).stem: row.video.id for row in made.rows}
    train = records(made.out, material.SEGMENT_TRAIN)
    assert sorted(train) == sorted([ids["clip 0"], ids["clip 1"]])
    rated = train[ids["clip 0"]]
    assert rated.segment_start_times.tolist() == [0, 0, 5]
    assert rated.segment_labels.tolist() == [0, 1, 1]
    assert rated.segment_scores.tolist() == [1.0, 0.0, 1.0]
    assert rated.labels.tolist() == [0, 1]
    assert train[ids["clip 1"]].labels.tolist() == []
    whole = records(made.out, material.VIDEO_TRAIN)
    assert sorted(whole) == sorted(train)
    assert not whole[ids["clip 0"]].rated
    assert list(records(made.out, material.SEGMENT_TEST)) == [ids["clip 2"]]
    vocabulary = pl.read_csv(tmp_path / "out" / "segment_vocabulary.csv")
    assert vocabulary["Name"].to_list() == ["foul", "goal"]
    assert vocabulary["PositiveSegmentCount"].to_list() == [1, 1]
    assert vocabulary["TotalSegmentCount"].to_list() == [2, 2]
    found = material.find(tmp_path / "out")
    assert (len(found.segment_train), len(found.video_train), len(found.segment_test)) == (2, 2, 1)
    assert Classes.read(found.vocabulary).names == ("foul", "goal")


def test_a_rating_behind_the_end_is_left_out_with_a_note(folder: Path, weights: str, tmp_path: Path) -> None:
    rows = ["clip 1,5,goal,1", "clip 1,10,goal,1"]
    made = make(request(folder, tmp_path / "out", weights, labels=ratings_file(tmp_path / "r.csv", rows)))
    (rated,) = records(made.out, material.SEGMENT_TRAIN).values()
    assert rated.segment_start_times.tolist() == [5]
    (row,) = (each for each in made.rows if each.part == material.SEGMENT_TRAIN)
    assert any("1 ratings of segments that begin after its end" in note for note in row.notes)


def test_shards_of_an_earlier_run_do_not_stay(folder: Path, weights: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    make(request(folder, out, weights))
    assert len(list((out / material.SEGMENT_TEST).iterdir())) == 3
    (out / material.SEGMENT_TEST / "mine.tfrecord").write_bytes(b"")
    (folder / "day one" / "clip 2.mp4").unlink()
    make(request(folder, out, weights))
    names = sorted(path.name for path in (out / material.SEGMENT_TEST).iterdir())
    assert names == ["footage-0000.tfrecord", "footage-0001.tfrecord", "mine.tfrecord"]


def test_settings_that_do_not_go_together_are_refused(folder: Path, weights: str, tmp_path: Path) -> None:
    plain = request(folder, tmp_path / "out", weights)
    for wrong, words in (
        (replace(plain, projection=tmp_path), "its own network"),
        (replace(plain, vocabulary=tmp_path / "v.csv"), "ratings"),
        (replace(plain, out=folder), "another folder"),
        (replace(plain, shrinkage=2.0), "shrinkage"),
        (replace(plain, max_seconds=0), "max_seconds"),
    ):
        with pytest.raises(UsageError, match=words):
            make(wrong)


def test_the_official_pca_needs_the_official_kind_of_network(folder: Path, weights: str, tmp_path: Path) -> None:
    np.save(tmp_path / "mean.npy", np.zeros((2_048, 1)))
    np.save(tmp_path / "eigenvals.npy", np.ones((1_024, 1)))
    np.save(tmp_path / "eigenvecs.npy", np.zeros((1_024, 2_048)))
    with pytest.raises(UsageError, match="inception_v3"):
        make(request(folder, tmp_path / "out", weights, official_pca=tmp_path))


def test_ratings_name_videos_in_any_way_that_means_one(tmp_path: Path) -> None:
    videos = ["a/one.mp4", "b/one.mp4", "b/two.mkv"]
    rows = ["a/one.mp4,0,x", "b/one,5,x", "two,10,y", "two.mkv,15,y"]
    found = read_ratings(ratings_file(tmp_path / "r.csv", rows, header="video,start,class"), videos)
    assert found.by_video["a/one.mp4"] == (Rating(start_seconds=0, class_index=0, score=1.0),)
    assert [each.start_seconds for each in found.by_video["b/two.mkv"]] == [10, 15]


def test_whole_numbers_are_the_indices_and_a_vocabulary_is_kept_to(tmp_path: Path) -> None:
    path = ratings_file(tmp_path / "r.csv", ["v,0,17,1", "v,5,3,0"])
    found = read_ratings(path, ["v.mp4"])
    assert found.classes.indices_C.tolist() == [3, 17]
    known = Classes(indices_C=np.array([17, 3, 8]), names=("cat", "dog", "cow"))
    kept = read_ratings(ratings_file(tmp_path / "s.csv", ["v,0,cat,1", "v,5,3,0"]), ["v.mp4"], classes=known)
    assert kept.classes == known
    assert [each.class_index for each in kept.by_video["v.mp4"]] == [17, 3]


def test_every_fault_of_the_ratings_is_named_with_its_line(tmp_path: Path) -> None:
    rows = ["one,0,cat,1", "ome,0,cat,1", "one,7,cat,1", "one,5,cta,1", "one,0,cat,0"]
    known = Classes(indices_C=np.array([0]), names=("cat",))
    with pytest.raises(UsageError) as caught:
        read_ratings(ratings_file(tmp_path / "r.csv", rows), ["one.mp4"], classes=known)
    text = str(caught.value)
    for words in ("line 3", "line 4", "line 5", "line 6", "did you mean `one`", "multiples of `5`", "second time"):
        assert words in text


@pytest.mark.parametrize("rows", [["one,0,cat,2"], ["one,-5,cat,1"], ["one,x,cat,1"], ["one,0,,1"], ["one,0"]])
def test_ratings_of_another_form_are_refused(tmp_path: Path, rows: list[str]) -> None:
    with pytest.raises(UsageError, match="line 2"):
        read_ratings(ratings_file(tmp_path / "r.csv", rows), ["one.mp4"])


def test_segments_are_every_five_seconds_and_the_begun_one(folder: Path, weights: str, tmp_path: Path) -> None:
    made: Footage = make(request(folder, tmp_path / "out", weights))
    windows = segments_of(made.rows)
    for at, row in enumerate(made.rows):
        starts = windows.start_seconds_N[windows.video_N == at].tolist()
        assert starts == {12: [0, 5, 10], 7: [0, 5], 10: [0, 5]}[row.frames]
    assert windows.ids.tolist() == [row.video.id for row in made.rows]


def test_damaged_real_files_give_what_they_hold(media: Path, weights: str, tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("decord_corrupted.mp4", "decord_pancake.mkv"):
        shutil.copy(media / "videos" / name, folder)
    made = make(request(folder, tmp_path / "out", weights))
    notes = {row.video.name: row.notes for row in made.rows}
    assert any("faults while decoding" in note for note in notes["decord_corrupted.mp4"])
    assert notes["decord_pancake.mkv"] == ()
    heard = {row.video.id for row in made.rows if row.video.name == "decord_pancake.mkv"}
    for video_id, record in records(made.out, material.SEGMENT_TEST).items():
        assert ((record.audio_TC != 128).any()) == (video_id in heard)


@pytest.mark.slow
def test_an_inception_by_file_goes_through_the_official_pca(folder: Path, tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    from safetensors.torch import save_file

    torch.manual_seed(0)
    net = timm.create_model("inception_v3", pretrained=False)
    save_file({name: value.contiguous() for name, value in net.state_dict().items()}, tmp_path / "net.safetensors")
    rng = np.random.default_rng(0)
    np.save(tmp_path / "mean.npy", rng.random((2_048, 1)))
    np.save(tmp_path / "eigenvals.npy", np.full((2_048, 1), 1e24))
    np.save(tmp_path / "eigenvecs.npy", np.linalg.qr(rng.normal(size=(2_048, 2_048)))[0])
    wanted = request(
        folder, tmp_path / "out", str(tmp_path / "net.safetensors"), architecture="inception_v3", official_pca=tmp_path
    )
    made = make(wanted)
    assert made.projection.extractor.side_pixels == 299
    assert made.projection.frames.filled == 1_024
    assert len(made.rows) == 3
    for record in records(made.out, material.SEGMENT_TEST).values():
        assert record.rgb_TC.shape[1] == 1_024
        assert len(np.unique(record.rgb_TC)) > 2
