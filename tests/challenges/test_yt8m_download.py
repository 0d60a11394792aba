"""The official downloads of YouTube-8M: both layouts in, every damaged shard named, nothing judged that was learned."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from podium.challenges import challenge
from podium.challenges.yt8m_segments import layout
from podium.challenges.yt8m_segments.vocabulary import read_vocabulary
from podium.errors import ChallengeError, UsageError
from podium.formats import digests
from podium.formats.tfrecord import (
    FrameRecord,
    encode_frame_record,
    encode_video_record,
    read_frame_records,
    write_shard,
)
from podium.types import DataSet, Severity

YT8M = challenge("yt8m-segments")
SEED_LAYOUT = {name: name for name in ("segment/train", "segment/test", "video/train", "video/valid")}
OFFICIAL_LAYOUT = {
    "segment/train": "3/frame/validate",
    "segment/test": "3/frame/test",
    "video/train": "2/frame/train",
    "video/valid": "2/frame/validate",
}
RATED_SHARDS = 9
VOCABULARY = (
    "Index,KnowledgeGraphId,Name,PositiveSegmentCount,TotalSegmentCount\n"
    "7,/m/7,Guitar,9,18\n3,/m/3,Snow,5,9\n1831,/m/1831,Dune,0,0\n"
)
OFFICIAL_VOCABULARY = (
    "Index,TrainVideoCount,KnowledgeGraphId,Name,WikiUrl,Vertical1,Vertical2,Vertical3,WikiDescription\n"
    '3,12,/m/3,Snow,https://x,Nature,,,"White, cold"\n'
    "5,11,/m/5,Dog,https://x,Pets,,,\n"
    "7,10,/m/7,Guitar,https://x,Arts,,,Six strings\n"
    "1831,9,/m/1831,,https://x,Arts,,,\n"
)


def record(
    video_id: str, *, ratings: tuple[tuple[int, int, int], ...] | None = None, labels: tuple[int, ...] = ()
) -> bytes:
    rng = np.random.default_rng(list(video_id.encode()))
    told = None if ratings is None else np.array(ratings, dtype=np.int64).reshape(-1, 3).T
    return encode_frame_record(
        video_id=video_id,
        labels=labels,
        rgb_TC=rng.integers(0, 256, (60, 1024), dtype=np.uint8),
        audio_TC=rng.integers(0, 256, (60, 128), dtype=np.uint8),
        segment_start_times=None if told is None else told[0],
        segment_labels=None if told is None else told[1],
        segment_scores=None if told is None else told[2].astype(np.float32),
    )


def shard(path: Path, *payloads: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_shard(path, payloads)


def fill(root: Path, names: dict[str, str]) -> None:
    """Nine rated shards of two videos, two test shards, and labelled shards: one holds every rated video, one none."""
    for number in range(RATED_SHARDS):
        ids = (f"a{number}", f"b{number}")
        videos = [record(each, ratings=((30, 7, 1), (30, 3, 0), (35, 7, 0)), labels=(7,)) for each in ids]
        shard(root / names["segment/train"] / f"validate{number:04}.tfrecord", *videos)
    for number in range(2):
        shard(root / names["segment/test"] / f"test{number:04}.tfrecord", record(f"t{number}"))
    rated = [record(f"{letter}{number}", labels=(7,)) for number in range(RATED_SHARDS) for letter in "ab"]
    shard(root / names["video/train"] / "train0000.tfrecord", record("v0", labels=(3,)), record("v1", labels=(7,)))
    shard(root / names["video/valid"] / "validate0000.tfrecord", record("v2", labels=(3,)), *rated)


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    """As the 7th place's README asks for it."""
    root = tmp_path / "repository" / "data"
    fill(root, SEED_LAYOUT)
    (root / "segment_vocabulary.csv").write_text(VOCABULARY)
    return tmp_path / "repository"


@pytest.fixture
def official(tmp_path: Path) -> Path:
    """As the official download program leaves it, the two tables beside it."""
    root = tmp_path / "yt8m"
    fill(root, OFFICIAL_LAYOUT)
    (root / "vocabulary.csv").write_text(OFFICIAL_VOCABULARY)
    (root / "segment_label_ids.csv").write_text("Index\n7\n3\n1831\n")
    (root / "3" / "3_frame_validate_download_plan.json").write_text("{}")
    return root


def videos_in(folder: Path) -> dict[str, FrameRecord]:
    return {each.video_id: each for path in sorted(folder.glob("*.tfrecord")) for each in read_frame_records(path)}


def test_the_folders_of_the_7th_place_become_a_good_data_set(seed: Path, tmp_path: Path) -> None:
    data = YT8M.import_data(seed, tmp_path / "into")
    assert YT8M.check_data(data) == ()
    assert (data.inputs / "segment_vocabulary.csv").read_text() == VOCABULARY
    assert len(list((data.public / "segment/train").iterdir())) == RATED_SHARDS - 1
    assert len(list((data.inputs / "segment/test").iterdir())) == 1


def test_both_layouts_give_the_same_shards(seed: Path, official: Path, tmp_path: Path) -> None:
    one, two = YT8M.import_data(seed, tmp_path / "one"), YT8M.import_data(official, tmp_path / "two")
    assert YT8M.check_data(two) == ()
    for path in one.root.rglob("*"):
        if path.is_file() and path.name not in ("segment_vocabulary.csv", "manifest.json"):
            assert (two.root / path.relative_to(one.root)).read_bytes() == path.read_bytes()


def test_the_held_out_videos_are_judged_without_labels_and_ratings(seed: Path, tmp_path: Path) -> None:
    data = YT8M.import_data(seed, tmp_path / "into")
    judged = videos_in(data.inputs / "segment/test")
    whole = videos_in(seed / "data/segment/train")
    table = layout.judged_videos(data)
    assert table.ids.tolist() == list(judged)
    assert table.frames.tolist() == [60, 60]
    for name, each in judged.items():
        assert np.array_equal(each.features_TC, whole[name].features_TC)
        assert not each.rated
        assert not len(each.labels)
    ratings = layout.read_ratings(data.answers / "ratings.csv")
    assert set(ratings.videos.tolist()) == set(judged)
    rows = zip(ratings.start_seconds.tolist(), ratings.class_indices.tolist(), ratings.positive.tolist(), strict=True)
    assert list(rows) == [(30, 7, True), (30, 3, False), (35, 7, False)] * 2


def test_a_judged_video_is_nowhere_to_learn_from(seed: Path, tmp_path: Path) -> None:
    data = YT8M.import_data(seed, tmp_path / "into")
    judged = set(layout.judged_videos(data).ids.tolist())
    for part in ("segment/train", "video/train", "video/valid"):
        before, after = videos_in(seed / "data" / part), videos_in(data.public / part)
        assert list(after) == [each for each in before if each not in judged]
    assert "v2" in videos_in(data.public / "video/valid")


def test_shards_without_judged_videos_are_links_and_the_others_are_not(seed: Path, tmp_path: Path) -> None:
    data = YT8M.import_data(seed, tmp_path / "into")
    linked = [*(data.public / "segment/train").iterdir(), *(data.public / "video/train").iterdir()]
    for path in linked:
        source = seed / "data" / path.relative_to(data.public)
        assert path.stat().st_ino == source.stat().st_ino
    anew = data.public / "video/valid/validate0000.tfrecord"
    assert anew.stat().st_ino != (seed / "data/video/valid/validate0000.tfrecord").stat().st_ino
    test = data.public / "official/segment/test/test0000.tfrecord"
    assert test.stat().st_ino == (seed / "data/segment/test/test0000.tfrecord").stat().st_ino


def test_a_download_is_never_changed(seed: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in seed.rglob("*") if path.is_file()}
    YT8M.import_data(seed, tmp_path / "into")
    assert {path: path.read_bytes() for path in seed.rglob("*") if path.is_file()} == before


def test_the_official_test_set_is_kept_as_a_folder_to_predict(seed: Path, tmp_path: Path) -> None:
    data = YT8M.import_data(seed, tmp_path / "into")
    kept = data.public / "official"
    table = layout.read_videos(kept / "videos.csv")
    assert table.ids.tolist() == ["t0", "t1"] == list(videos_in(kept / "segment/test"))
    assert (kept / "segment_vocabulary.csv").read_text() == VOCABULARY


def test_a_fault_of_the_kept_official_test_set_is_found(seed: Path, tmp_path: Path) -> None:
    data = YT8M.import_data(seed, tmp_path / "into")
    layout.write_videos(data.public / "official/videos.csv", layout.Videos(ids=np.array(["t0"]), frames=np.array([60])))
    digests.write_manifest(data.root)
    (problem,) = YT8M.check_data(data)
    assert problem.place == "public/official/videos.csv"
    assert "`t1` of the shards is missing" in problem.message


def test_the_same_shards_are_held_out_each_time(seed: Path, tmp_path: Path) -> None:
    one, two = (YT8M.import_data(seed, tmp_path / name) for name in ("one", "two"))
    assert one.manifest.read_bytes() == two.manifest.read_bytes()


@pytest.mark.parametrize(("shards", "judged"), [(2, 1), (8, 1), (16, 2), (17, 2)])
def test_one_of_eight_shards_is_judged(tmp_path: Path, shards: int, judged: int) -> None:
    for number in range(shards):
        video = record(f"x{number}", ratings=((30, 7, 1),), labels=(7,))
        shard(tmp_path / "data/segment/train" / f"validate{number:04}.tfrecord", video)
    (tmp_path / "data/segment_vocabulary.csv").write_text(VOCABULARY)
    data = YT8M.import_data(tmp_path / "data", tmp_path / "into")
    assert len(list((data.inputs / "segment/test").iterdir())) == judged
    assert len(list((data.public / "segment/train").iterdir())) == shards - judged


def test_a_test_set_with_known_ratings_is_judged_itself(seed: Path, tmp_path: Path) -> None:
    (seed / "data/ratings.csv").write_text("video,start,class,score\nt0,30,7,1\nt1,35,3,0\nt1,35,3,1\n")
    data = YT8M.import_data(seed, tmp_path / "into")
    assert YT8M.check_data(data) == ()
    assert layout.judged_videos(data).ids.tolist() == ["t0", "t1"]
    assert len(list((data.public / "segment/train").iterdir())) == RATED_SHARDS
    assert not (data.public / "official").exists()
    ratings = layout.read_ratings(data.answers / "ratings.csv")
    assert ratings.positive.tolist() == [True, True]


def test_ratings_inside_the_test_shards_are_the_answers_and_are_taken_out(seed: Path, tmp_path: Path) -> None:
    shard(seed / "data/segment/test/test0000.tfrecord", record("t0", ratings=((30, 7, 0), (30, 7, 1)), labels=(7,)))
    data = YT8M.import_data(seed, tmp_path / "into")
    assert YT8M.check_data(data) == ()
    assert not any(each.rated for each in videos_in(data.inputs / "segment/test").values())
    lines = (data.answers / "ratings.csv").read_text().splitlines()
    assert lines == ["video,start,class,score", "t0,30,7,1"]


def counts(data: DataSet) -> dict[int, tuple[str, int, int]]:
    found = read_vocabulary(data.inputs / "segment_vocabulary.csv")
    numbers = zip(found.names, found.positive_segments.tolist(), found.rated_segments.tolist(), strict=True)
    return dict(zip(found.indices.tolist(), numbers, strict=True))


def test_the_official_tables_give_order_names_and_counts_of_what_is_learned_from(
    official: Path, tmp_path: Path
) -> None:
    found = counts(YT8M.import_data(official, tmp_path / "into"))
    videos = 2 * (RATED_SHARDS - 1)
    assert list(found) == [7, 3, 1831]
    assert found == {7: ("Guitar", videos, 2 * videos), 3: ("Snow", 0, videos), 1831: ("", 0, 0)}


def test_the_list_of_ids_alone_is_a_vocabulary_without_names(official: Path, tmp_path: Path) -> None:
    (official / "vocabulary.csv").unlink()
    found = counts(YT8M.import_data(official, tmp_path / "into"))
    assert [(index, name) for index, (name, _, _) in found.items()] == [(7, ""), (3, ""), (1831, "")]


def test_the_official_vocabulary_of_segments_alone_keeps_its_rows(official: Path, tmp_path: Path) -> None:
    (official / "segment_label_ids.csv").unlink()
    assert list(counts(YT8M.import_data(official, tmp_path / "into"))) == [3, 5, 7, 1831]


def test_all_3862_classes_without_the_list_of_ids_are_refused(official: Path, tmp_path: Path) -> None:
    (official / "segment_label_ids.csv").unlink()
    rows = "".join(f"{index},1,/m/{index},Class {index},,,,,\n" for index in range(3_862))
    (official / "vocabulary.csv").write_text(OFFICIAL_VOCABULARY.splitlines()[0] + "\n" + rows)
    with pytest.raises(ChallengeError, match=r"`3862` classes.*`segment_label_ids\.csv`"):
        YT8M.import_data(official, tmp_path / "into")


def test_an_id_that_the_vocabulary_lacks_is_refused(official: Path, tmp_path: Path) -> None:
    (official / "segment_label_ids.csv").write_text("Index\n7\n8\n3\n")
    with pytest.raises(ChallengeError, match=r"names class `8`, which .*vocabulary\.csv` lacks"):
        YT8M.import_data(official, tmp_path / "into")


def test_every_damaged_shard_is_named_with_its_byte_and_nothing_is_left(official: Path, tmp_path: Path) -> None:
    cut = official / "3/frame/validate/validate0004.tfrecord"
    cut.write_bytes(cut.read_bytes()[:-3])
    flipped = official / "2/frame/train/train0000.tfrecord"
    raw = bytearray(flipped.read_bytes())
    raw[100_000] ^= 1
    flipped.write_bytes(raw)
    (official / "3/frame/test/test0001.tfrecord").write_bytes(b"")
    with pytest.raises(ChallengeError) as caught:
        YT8M.import_data(official, tmp_path / "into")
    text = str(caught.value)
    length = len(record("v0", labels=(3,))) + 16
    assert text.startswith("the download has 3 problems:")
    assert "3/frame/validate/validate0004.tfrecord byte" in text
    assert f"2/frame/train/train0000.tfrecord byte {length}: the payload" in text
    assert "3/frame/test/test0001.tfrecord: the shard holds no video" in text
    assert not (tmp_path / "into").exists()


def test_without_its_damaged_shard_a_download_goes_in(official: Path, tmp_path: Path) -> None:
    (official / "3/frame/validate/validate0004.tfrecord").unlink()
    assert YT8M.check_data(YT8M.import_data(official, tmp_path / "into")) == ()


def test_the_video_level_set_in_place_of_the_frame_level_one_is_told(seed: Path, tmp_path: Path) -> None:
    payload = encode_video_record(video_id="v0", labels=[7], mean_rgb=np.zeros(1024), mean_audio=np.zeros(128))
    shard(seed / "data/video/train/train0000.tfrecord", payload)
    with pytest.raises(ChallengeError, match="not of the video-level set"):
        YT8M.import_data(seed, tmp_path / "into")


def test_parts_of_a_download_are_enough(seed: Path, tmp_path: Path) -> None:
    shutil.rmtree(seed / "data/video")
    shutil.rmtree(seed / "data/segment/test")
    data = YT8M.import_data(seed, tmp_path / "into")
    assert YT8M.check_data(data) == ()
    assert not (data.public / "official").exists()


def test_a_folder_that_is_a_link_is_followed_and_counts_once(seed: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (seed / "data/segment/train").rename(tmp_path / "disk/validate")
    (seed / "data/segment/train").symlink_to(tmp_path / "disk/validate")
    assert YT8M.check_data(YT8M.import_data(seed, tmp_path / "into")) == ()


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda root: shutil.rmtree(root / "data/segment/train"), "holds no rated videos"),
        (lambda root: (root / "data/segment_vocabulary.csv").unlink(), "holds no vocabulary"),
        (
            lambda root: shutil.copytree(root / "data/segment/train", root / "data/3/frame/validate"),
            "both hold the same part",
        ),
    ],
)
def test_a_download_that_cannot_be_is_refused_with_what_is_needed(
    seed: Path, tmp_path: Path, spoil: object, text: str
) -> None:
    assert callable(spoil)
    spoil(seed)
    with pytest.raises(UsageError, match=text):
        YT8M.import_data(seed, tmp_path / "into")


def test_a_path_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a folder"):
        YT8M.import_data(tmp_path / "nothing", tmp_path / "into")


def test_one_rated_shard_cannot_be_shared_out(seed: Path, tmp_path: Path) -> None:
    for path in sorted((seed / "data/segment/train").iterdir())[1:]:
        path.unlink()
    with pytest.raises(ChallengeError, match="at least `2` are needed"):
        YT8M.import_data(seed, tmp_path / "into")


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ("zz,30,7,1", "the video `zz` is rated and not in the test set"),
        ("t0,30,99,1", "class `99` is rated and not in the vocabulary"),
    ],
)
def test_given_ratings_that_cannot_be_judged_are_refused(seed: Path, tmp_path: Path, row: str, text: str) -> None:
    (seed / "data/ratings.csv").write_text(f"video,start,class,score\nt0,30,7,1\n{row}\n")
    with pytest.raises(ChallengeError, match=text):
        YT8M.import_data(seed, tmp_path / "into")


def test_ratings_beyond_a_video_s_end_go_in_and_are_told(seed: Path, tmp_path: Path) -> None:
    (seed / "data/ratings.csv").write_text("video,start,class,score\nt0,30,7,1\nt0,90,7,1\n")
    (problem,) = YT8M.check_data(YT8M.import_data(seed, tmp_path / "into"))
    assert problem.severity is Severity.WARNING
    assert "`t0:90`" in problem.message


@pytest.mark.parametrize("score", [np.nan, -1.0, 2.5])
def test_ratings_that_say_neither_yes_nor_no_are_refused(seed: Path, tmp_path: Path, score: float) -> None:
    payload = encode_frame_record(
        video_id="odd0",
        labels=(7,),
        rgb_TC=np.zeros((60, 1024), np.uint8),
        audio_TC=np.zeros((60, 128), np.uint8),
        segment_start_times=[30],
        segment_labels=[7],
        segment_scores=[score],
    )
    shard(seed / "data" / "segment" / "train" / "validate9999.tfrecord", payload)
    with pytest.raises(
        ChallengeError, match=r"validate9999\.tfrecord: the video `odd0` has a rating of `(nan|-1.0|2.5)`"
    ):
        YT8M.import_data(seed, tmp_path / "data")


def test_hidden_files_that_some_systems_leave_beside_copies_are_passed_over(seed: Path, tmp_path: Path) -> None:
    (seed / "data" / "segment" / "train" / "._validate0000.tfrecord").write_bytes(b"Mac OS X")
    data = YT8M.import_data(seed, tmp_path / "data")
    assert not list(data.root.rglob("._*"))
    assert YT8M.check_data(data) == ()


def test_ratings_off_the_grid_and_videos_that_are_there_twice_are_refused_together(seed: Path, tmp_path: Path) -> None:
    shard(seed / "data/segment/test/test0000.tfrecord", record("t0", ratings=((31, 7, 1),)))
    shard(seed / "data/segment/test/test0001.tfrecord", record("t0", ratings=((30, 7, 1),)))
    with pytest.raises(ChallengeError, match="`t0` is there twice") as caught:
        YT8M.import_data(seed, tmp_path / "into")
    assert "`t0:31` is rated" in str(caught.value)


def test_a_folder_that_is_not_empty_is_left_alone(seed: Path, tmp_path: Path) -> None:
    (tmp_path / "into").mkdir()
    (tmp_path / "into" / "mine").write_text("")
    with pytest.raises(UsageError, match="is not an empty folder"):
        YT8M.import_data(seed, tmp_path / "into")
    assert (tmp_path / "into" / "mine").exists()
