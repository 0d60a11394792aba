"""Data sets of `yt8m-segments`: every fault is found, and the cut keeps something to score."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from podium.challenges import challenge
from podium.challenges.yt8m_segments import layout
from podium.challenges.yt8m_segments.vocabulary import Vocabulary, write_vocabulary
from podium.errors import ChallengeError, UsageError
from podium.formats import datasets, digests
from podium.formats.tfrecord import encode_frame_record, encode_video_record, read_frame_records, write_shard
from podium.types import DataSet, Problem, ScoreSettings, Severity

YT8M = challenge("yt8m-segments")
CLASSES = (7, 3, 1831)


def record(video_id: str, *, frames: int = 60, ratings: tuple[tuple[int, int, int], ...] | None = None) -> bytes:
    """A video whose features are drawn from its id; with ratings (start, class, score) it is labelled too."""
    rng = np.random.default_rng(list(video_id.encode()))
    told = None if ratings is None else np.array(ratings, dtype=np.int64).reshape(-1, 3).T
    return encode_frame_record(
        video_id=video_id,
        labels=[] if ratings is None else [CLASSES[0]],
        rgb_TC=rng.integers(0, 256, (frames, 1024), dtype=np.uint8),
        audio_TC=rng.integers(0, 256, (frames, 128), dtype=np.uint8),
        segment_start_times=None if told is None else told[0],
        segment_labels=None if told is None else told[1],
        segment_scores=None if told is None else told[2].astype(np.float32),
    )


def shard(path: Path, *payloads: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_shard(path, payloads)


def vocabulary(indices: tuple[int, ...] = CLASSES) -> Vocabulary:
    counts = np.full(len(indices), 4)
    return Vocabulary(
        indices=np.array(indices),
        knowledge_graph_ids=tuple(f"/m/{each}" for each in indices),
        names=tuple(f"class {each}" for each in indices),
        positive_segments=counts,
        rated_segments=counts,
    )


TEST_IDS = tuple(f"t{number:02}" for number in range(10))
RATED = ("t03", "t08")


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    """Ten test videos in three shards, of which two are rated; one shard of each kind to learn from."""
    made = datasets.start(tmp_path / "data")
    for folder in (made.public, made.inputs):
        write_vocabulary(folder / layout.VOCABULARY, vocabulary())
    for number, ids in enumerate((TEST_IDS[:4], TEST_IDS[4:7], TEST_IDS[7:])):
        shard(made.inputs / layout.SEGMENT_TEST / f"test{number}.tfrecord", *(record(each) for each in ids))
    layout.write_videos(made.inputs / layout.VIDEOS, layout.Videos(ids=np.array(TEST_IDS), frames=np.full(10, 60)))
    write_ratings(made, [("t03", 30, 7, 1), ("t03", 35, 3, 0), ("t08", 40, 7, 0), ("t08", 40, 3, 1)])
    shard(made.public / layout.SEGMENT_TRAIN / "train0.tfrecord", record("s0", ratings=((30, 7, 1), (35, 3, 0))))
    shard(made.public / layout.VIDEO_TRAIN / "train0.tfrecord", record("v0", ratings=()))
    shard(made.public / layout.VIDEO_VALID / "valid0.tfrecord", record("v1", ratings=()))
    digests.write_manifest(made.root)
    return made


def write_ratings(data: DataSet, rows: list[tuple[str, int, int, int]]) -> None:
    videos, starts, classes, scores = zip(*rows, strict=True)
    layout.write_ratings(
        data.answers / layout.RATINGS,
        layout.Ratings(
            videos=np.array(videos),
            start_seconds=np.array(starts),
            class_indices=np.array(classes),
            positive=np.array(scores) > 0,
        ),
    )


def found(data: DataSet) -> list[Problem]:
    """What is wrong once the manifest is that of the changed files."""
    digests.write_manifest(data.root)
    return list(YT8M.check_data(data))


def test_a_good_data_set_has_no_problem(data: DataSet) -> None:
    assert found(data) == []


def _replace_test_shard(*payloads: bytes) -> Callable[[DataSet], None]:
    return lambda data: shard(data.inputs / layout.SEGMENT_TEST / "test0.tfrecord", *payloads)


def _cut(data: DataSet) -> None:
    path = data.inputs / layout.SEGMENT_TEST / "test1.tfrecord"
    path.write_bytes(path.read_bytes()[:-100])


def _flip(data: DataSet) -> None:
    path = data.public / layout.VIDEO_TRAIN / "train0.tfrecord"
    raw = bytearray(path.read_bytes())
    raw[5_000] ^= 1
    path.write_bytes(raw)


def _video_level(data: DataSet) -> None:
    payload = encode_video_record(video_id="v0", labels=[7], mean_rgb=np.zeros(1024), mean_audio=np.zeros(128))
    shard(data.public / layout.VIDEO_TRAIN / "train0.tfrecord", payload)


def _videos(ids: list[str], frames: list[int]) -> Callable[[DataSet], None]:
    def spoil(data: DataSet) -> None:
        layout.write_videos(data.inputs / layout.VIDEOS, layout.Videos(ids=np.array(ids), frames=np.array(frames)))

    return spoil


def _rate(*more: tuple[str, int, int, int]) -> Callable[[DataSet], None]:
    return lambda data: write_ratings(data, [("t03", 30, 7, 1), *more])


def _public_vocabulary(indices: tuple[int, ...]) -> Callable[[DataSet], None]:
    return lambda data: write_vocabulary(data.public / layout.VOCABULARY, vocabulary(indices))


def _train(*payloads: bytes) -> Callable[[DataSet], None]:
    return lambda data: shard(data.public / layout.SEGMENT_TRAIN / "train0.tfrecord", *payloads)


def _remove(name: str) -> Callable[[DataSet], None]:
    return lambda data: (data.root / name).unlink()


LABELLED = record("t00", ratings=())
FAULTS = [
    ("a cut shard", _cut, "inputs/segment/test/test1.tfrecord byte", "the file ends after"),
    ("a damaged payload", _flip, "public/video/train/train0.tfrecord byte 0", "its checksum differs"),
    ("video-level shards", _video_level, "public/video/train/train0.tfrecord byte 0", "`rgb`"),
    ("an empty shard", _replace_test_shard(), "inputs/segment/test/test0.tfrecord", "the shard holds no video"),
    (
        "labels in the inputs",
        _replace_test_shard(LABELLED),
        "inputs/segment/test/test0.tfrecord",
        "`t00` has its labels",
    ),
    (
        "ratings in the inputs",
        _replace_test_shard(record("t00", ratings=((30, 7, 1),))),
        "inputs/segment/test/test0.tfrecord",
        "`t00` has its ratings in the shard; a run could read them",
    ),
    ("a video that no shard has", _videos([*TEST_IDS, "t10"], [60] * 11), "inputs/videos.csv", "`t10` is in no shard"),
    ("a video that is not listed", _videos(list(TEST_IDS[:9]), [60] * 9), "inputs/videos.csv", "`t09` of the shards"),
    ("another length", _videos(list(TEST_IDS), [60] * 9 + [61]), "inputs/videos.csv", "`61` frames here and `60`"),
    ("another order", _videos(list(TEST_IDS[::-1]), [60] * 10), "inputs/videos.csv", "another order"),
    (
        "a video twice",
        _replace_test_shard(*map(record, ("t00", "t01", "t01", "t02", "t03"))),
        "inputs/segment/test",
        "`t01` is there twice",
    ),
    (
        "an id with a comma",
        _replace_test_shard(record("a,b")),
        "inputs/segment/test/test0.tfrecord",
        "`a,b` cannot stand",
    ),
    (
        "no test shards",
        lambda data: shutil.rmtree(data.inputs / "segment"),
        "inputs/segment/test",
        "there are no shards",
    ),
    ("a rated stranger", _rate(("zz", 30, 7, 1)), "answers/ratings.csv", "`zz` is rated and not in the test set"),
    ("an unknown class", _rate(("t03", 30, 99, 1)), "answers/ratings.csv", "class `99` is rated and not in the vocab"),
    (
        "no positive",
        lambda data: write_ratings(data, [("t03", 30, 7, 0)]),
        "answers/ratings.csv",
        "no rating is positive",
    ),
    (
        "another vocabulary",
        _public_vocabulary((7, 3, 5)),
        "public/segment_vocabulary.csv",
        "class `1831` of the inputs",
    ),
    (
        "other rows",
        _public_vocabulary((3, 7, 1831)),
        "public/segment_vocabulary.csv",
        "another order than in the inputs",
    ),
    (
        "a judged video to learn from",
        _train(record("t05", ratings=())),
        "public/segment/train",
        "`t05` is also a video",
    ),
    (
        "strange training ratings",
        _train(record("s0", ratings=((30, 5, 1),))),
        "public/segment/train",
        "class `5` is rated",
    ),
    ("a missing table", _remove("inputs/videos.csv"), "inputs/videos.csv", "the file is missing"),
    ("missing answers", _remove("answers/ratings.csv"), "answers/ratings.csv", "the file is missing"),
    (
        "rated shards in the inputs",
        lambda data: shard(data.inputs / "segment/train/train0.tfrecord", record("s0", ratings=((30, 7, 1),))),
        "inputs/segment/train/train0.tfrecord",
        "`s0` has its ratings in the shard",
    ),
    (
        "a copy of the answers",
        lambda data: shutil.copyfile(data.answers / "ratings.csv", data.inputs / "notes.txt"),
        "inputs/notes.txt",
        "one of the answers",
    ),
    (
        "ratings in a table",
        lambda data: (data.inputs / "more.csv").write_text("video,start,class,score\nt00,30,7,1\n"),
        "inputs/more.csv",
        "the table holds ratings",
    ),
]


@pytest.mark.parametrize(("spoil", "place", "message"), [each[1:] for each in FAULTS], ids=[each[0] for each in FAULTS])
def test_every_fault_is_found_with_its_place(
    data: DataSet, spoil: Callable[[DataSet], None], place: str, message: str
) -> None:
    spoil(data)
    told = [each for each in found(data) if each.place.startswith(place) and message in each.message]
    assert len(told) == 1, "\n".join(map(str, found(data)))
    assert told[0].severity is Severity.ERROR


def test_all_faults_are_told_at_once(data: DataSet) -> None:
    _cut(data)
    _flip(data)
    _rate(("zz", 30, 7, 1))(data)
    places = [each.place.split(" ")[0] for each in found(data)]
    assert set(places) >= {
        "inputs/segment/test/test1.tfrecord",
        "public/video/train/train0.tfrecord",
        "answers/ratings.csv",
    }


def test_shards_of_the_wrong_set_are_told_by_name(data: DataSet) -> None:
    _video_level(data)
    (problem,) = found(data)
    assert "`2/frame`" in problem.hint
    assert "`2/video`" in problem.hint


def test_a_rating_beyond_the_end_of_its_video_only_warns(data: DataSet) -> None:
    _rate(("t08", 60, 7, 1), ("t08", 55, 7, 0))(data)
    (problem,) = found(data)
    assert problem.severity is Severity.WARNING
    assert "`t08:60`" in problem.message


def test_a_changed_file_is_seen_by_the_manifest(data: DataSet) -> None:
    shard(data.public / layout.VIDEO_VALID / "valid0.tfrecord", record("v2", ratings=()))
    (problem,) = YT8M.check_data(data)
    assert "valid0.tfrecord" in problem.place
    data.manifest.unlink()
    (problem,) = YT8M.check_data(data)
    assert problem.place == "manifest.json"


def test_a_cut_keeps_shards_tables_and_answers_in_step(data: DataSet, tmp_path: Path) -> None:
    smaller = YT8M.subset_data(data, tmp_path / "smaller", proportion=0.5, seed=1)
    assert YT8M.check_data(smaller) == ()
    kept: list[str] = layout.judged_videos(smaller).ids.tolist()
    assert len(kept) == 5
    assert kept == sorted(kept)
    ratings = layout.read_ratings(smaller.answers / layout.RATINGS)
    assert set(ratings.videos.tolist()) == set(RATED) & set(kept)
    before = {
        each.video_id: each for path in (data.inputs / "segment/test").iterdir() for each in read_frame_records(path)
    }
    for path in (smaller.inputs / "segment/test").iterdir():
        for each in read_frame_records(path):
            assert np.array_equal(each.features_TC, before[each.video_id].features_TC)


def test_what_is_there_to_learn_from_is_linked_whole(data: DataSet, tmp_path: Path) -> None:
    smaller = YT8M.subset_data(data, tmp_path / "smaller", proportion=0.3, seed=1)
    for path in data.public.rglob("*.tfrecord"):
        assert (smaller.root / path.relative_to(data.root)).stat().st_ino == path.stat().st_ino


@pytest.mark.parametrize("seed", range(8))
def test_the_smallest_cut_can_still_be_scored(data: DataSet, tmp_path: Path, seed: int) -> None:
    smaller = YT8M.subset_data(data, tmp_path / "smaller", proportion=0.01, seed=seed)
    (kept,) = layout.judged_videos(smaller).ids.tolist()
    assert kept in RATED
    assert len(list((smaller.inputs / "segment/test").iterdir())) == 1
    assert YT8M.perfect is not None
    (tmp_path / "perfect").mkdir()
    YT8M.perfect(smaller, tmp_path / "perfect")
    reading = YT8M.read_predictions(tmp_path / "perfect", smaller, phase=YT8M.phases[0])
    assert YT8M.score(reading.predictions, smaller, ScoreSettings(resamples=0)).value == 1.0


def test_the_same_seed_cuts_to_the_same_bytes(data: DataSet, tmp_path: Path) -> None:
    one, two, other = (
        YT8M.subset_data(data, tmp_path / name, proportion=0.4, seed=seed)
        for name, seed in (("one", 3), ("two", 3), ("other", 4))
    )
    assert one.manifest.read_bytes() == two.manifest.read_bytes()
    assert one.manifest.read_bytes() != other.manifest.read_bytes()


def test_the_whole_proportion_changes_nothing_but_the_manifest_s_order(data: DataSet, tmp_path: Path) -> None:
    whole = YT8M.subset_data(data, tmp_path / "whole", proportion=1.0, seed=0)
    assert whole.manifest.read_bytes() == data.manifest.read_bytes()


@pytest.mark.parametrize("proportion", [0.0, -0.1, 1.1, float("nan")])
def test_a_proportion_out_of_range_is_refused(data: DataSet, tmp_path: Path, proportion: float) -> None:
    with pytest.raises(UsageError, match="above 0 and at most 1"):
        YT8M.subset_data(data, tmp_path / "smaller", proportion=proportion, seed=0)


def test_without_a_positive_rating_there_is_no_cut(data: DataSet, tmp_path: Path) -> None:
    write_ratings(data, [("t03", 30, 7, 0), ("t03", 500, 7, 1)])
    with pytest.raises(ChallengeError, match="nothing to score"):
        YT8M.subset_data(data, tmp_path / "smaller", proportion=0.5, seed=0)
    assert not (tmp_path / "smaller").exists()
