"""Videos by number, their batches, and what of shards is left out."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

torch = pytest.importorskip("torch")

from podium.errors import ChallengeError, UsageError  # noqa: E402 - after the check for torch
from podium.formats.faults import Faults  # noqa: E402
from podium.formats.tfrecord import encode_frame_record, encode_sequence_example, write_shard  # noqa: E402
from podium.formats.tfrecord.wire import encoded_varint  # noqa: E402
from podium.solutions.segment_classification.classes import Classes  # noqa: E402
from podium.solutions.segment_classification.dataset import (  # noqa: E402
    Counts,
    SegmentBatch,
    VideoSet,
    segment_collate,
    video_collate,
)
from podium.solutions.segment_classification.frames import FrameSettings, choose  # noqa: E402
from podium.solutions.segment_classification.network import WindowSettings  # noqa: E402
from podium.solutions.training import ranks  # noqa: E402
from podium.solutions.training.batches import Batches, Draw, endless, in_order, loader, windowed  # noqa: E402

CLASSES = Classes(indices_C=np.array([30, 10, 20]), names=("", "", ""))
WINDOW = WindowSettings()
SHORT = FrameSettings(skip_first=2, skip_last=1, threshold=6, drawn=4)
Rating = tuple[int, int, float]


def features(frames: int, seed: int = 0) -> NDArray[np.uint8]:
    """Each frame begins with its number, and ends with it."""
    features_TD = np.random.default_rng(seed).integers(0, 256, (frames, 1152), dtype=np.uint8)
    features_TD[:, 0] = features_TD[:, -1] = np.arange(frames) % 256
    return features_TD


def video(
    name: str, frames: int = 40, labels: tuple[int, ...] = (), ratings: tuple[Rating, ...] | None = None
) -> bytes:
    features_TD = features(frames, seed=len(name) * 1000 + frames)
    rated: dict[str, Any] = {}
    if ratings is not None:
        columns = zip(*ratings, strict=True) if ratings else ((), (), ())
        names = ("segment_start_times", "segment_labels", "segment_scores")
        rated = {
            key: np.array(each, dtype=kind) for key, each, kind in zip(names, columns, (int, int, float), strict=True)
        }
    return encode_frame_record(
        video_id=name,
        labels=np.array(labels, dtype=int),
        rgb_TC=features_TD[:, :1024],
        audio_TC=features_TD[:, 1024:],
        **rated,
    )


def of(name: str, frames: int) -> NDArray[np.uint8]:
    return features(frames, seed=len(name) * 1000 + frames)


def shards(folder: Path, *contents: list[bytes]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:02d}.tfrecord" for number in range(len(contents))]
    for path, each in zip(paths, contents, strict=True):
        write_shard(path, each)
    return paths


@pytest.fixture
def rated(tmp_path: Path) -> list[Path]:
    return shards(
        tmp_path,
        [
            video("a", 40, (10, 99), ((5, 10, 1.0), (5, 20, 0.0), (35, 10, 0.0))),
            video("bb", 50, (20,), ((0, 30, 1.0), (45, 77, 1.0))),
        ],
        [],
        [video("ccc", 33, (), ((30, 20, 1.0),)), video("dddd", 41, (30,), ((40, 30, 0.0), (45, 10, 1.0)))],
    )


def collate(videos: VideoSet, numbers: list[int], **options: Any) -> SegmentBatch:
    return segment_collate([videos[each, 0] for each in numbers], classes=3, window=WINDOW, **options)


def test_a_rated_video_has_the_rows_of_its_classes(rated: list[Path]) -> None:
    videos = VideoSet.open(rated, CLASSES, rated=True)
    assert len(videos) == 4
    assert videos.lengths == (2, 0, 2)
    assert videos.ids.tolist() == ["a", "bb", "ccc", "dddd"]
    assert videos.frames.tolist() == [40, 50, 33, 41]
    found = videos[Draw(0, 17)]
    assert (found.number, found.seed) == (0, 17)
    assert found.label_L.tolist() == [1]
    assert found.start_R.tolist() == [5, 5, 35]
    assert found.class_R.tolist() == [1, 2, 1]
    assert found.score_R.tolist() == [1.0, 0.0, 0.0]
    assert np.array_equal(np.concatenate([found.rgb_TD, found.audio_TD], axis=1), of("a", 40))
    with pytest.raises(IndexError):
        videos[4, 0]


def test_features_are_not_copied(rated: list[Path]) -> None:
    found = VideoSet.open(rated, CLASSES, rated=True)[0, 0]
    assert not found.rgb_TD.flags.owndata
    assert not found.rgb_TD.flags.writeable
    assert found.rgb_TD.strides == (1033, 1)


def test_ratings_of_other_classes_and_faulty_ones_are_dropped_and_counted(rated: list[Path]) -> None:
    videos = VideoSet.open(rated, CLASSES, rated=True)
    assert videos.counts == Counts(videos=4, ratings=8, foreign_ratings=1, faulty_ratings=1)
    assert videos.ratings == 6
    assert str(videos.counts) == "4 of 4 videos; 8 ratings (dropped: 1 of other classes, 1 faulty)"
    last = videos[3, 0]
    assert last.start_R.tolist() == [40]
    assert sorted(last.rated_R.tolist()) == [0, 1]
    assert last.positive_R.tolist() == [1]


@pytest.mark.parametrize("score", [float("nan"), -0.5, 1.5])
@pytest.mark.parametrize("start", [10, -5])
def test_a_rating_without_sense_is_faulty(score: float, start: int, tmp_path: Path) -> None:
    paths = shards(tmp_path, [video("a", 40, (), ((0, 10, 1.0), (start, 10, score)))])
    videos = VideoSet.open(paths, CLASSES, rated=True)
    assert videos.counts.faulty_ratings == 1
    assert videos[0, 0].start_R.tolist() == [0]


def test_the_reference_leaves_out_videos_with_a_faulty_rating(tmp_path: Path) -> None:
    paths = shards(
        tmp_path,
        [
            video("late", 40, (), ((0, 10, 1.0), (45, 10, 1.0))),
            video("edge", 40, (), ((0, 10, 1.0), (40, 10, 1.0))),
            video("sound", 40, (), ((35, 10, 1.0),)),
        ],
    )
    assert VideoSet.open(paths, CLASSES, rated=True).counts == Counts(videos=3, ratings=5, faulty_ratings=2)
    videos = VideoSet.open(paths, CLASSES, rated=True, reference=True)
    assert videos.ids.tolist() == ["edge", "sound"]
    assert videos[0, 0].start_R.tolist() == [0, 40]
    assert videos.counts.faulty == 1
    batch = collate(videos, [0], reference=True)
    assert batch.windows_RTD[1, :, 0].tolist() == [37, 38, 39] + [0] * 8
    assert batch.mask_RT.all()


def test_videos_without_a_class_or_a_rating_are_left_out_and_counted(tmp_path: Path) -> None:
    contents = [
        video("none"),
        video("foreign", 40, (11, 12), ((5, 11, 1.0),)),
        video("known", 40, (11, 30)),
        video("rated", 40, (11,), ((5, 30, 0.0),)),
        video("empty", 0, (30,)),
    ]
    paths = shards(tmp_path, contents)
    labelled = VideoSet.open(paths, CLASSES, rated=False, labelled_only=True)
    assert labelled.ids.tolist() == ["known"]
    assert str(labelled.counts) == "1 of 5 videos (left out: 1 without frames, 3 without a label of these classes)"
    assert VideoSet.open(paths, CLASSES, rated=False).ids.tolist() == ["none", "foreign", "known", "rated"]
    with_ratings = VideoSet.open(paths, CLASSES, rated=True)
    assert with_ratings.ids.tolist() == ["rated"]
    assert with_ratings.counts.unrated == 3
    with pytest.raises(UsageError, match=r"no video is left of `1` shards: 0 of 5 videos .* 1 with"):
        VideoSet.open(paths, CLASSES, rated=True, labelled_only=True)


def test_ratings_are_not_read_where_they_are_not_asked_for(rated: list[Path]) -> None:
    videos = VideoSet.open(rated, CLASSES, rated=False)
    assert videos.counts == Counts(videos=4)
    assert videos[0, 0].start_R.tolist() == videos[0, 0].rated_R.tolist() == []


def test_windows_are_zeros_outside_of_the_video(rated: list[Path]) -> None:
    videos = VideoSet.open(rated, CLASSES, rated=True)
    batch = collate(videos, [1, 3])
    assert batch.start_R.tolist() == [0, 40]
    assert batch.windows_RTD.shape == (2, 11, 1152)
    assert batch.windows_RTD.dtype == torch.uint8
    assert batch.windows_RTD[0, :, 0].tolist() == [0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7]
    assert batch.mask_RT[0].tolist() == [False] * 3 + [True] * 8
    assert batch.windows_RTD[1, :, -1].tolist() == [37, 38, 39, 40] + [0] * 7
    assert batch.mask_RT[1].tolist() == [True] * 4 + [False] * 7
    assert not batch.windows_RTD[~batch.mask_RT].any()
    assert np.array_equal(batch.windows_RTD[0, 3:].numpy(), of("bb", 50)[:8])
    assert np.array_equal(batch.windows_RTD[1, :4].numpy(), of("dddd", 41)[37:])


@given(st.integers(1, 60), st.integers(0, 11), st.integers(0, 5), st.integers(0, 5))
def test_a_window_is_what_a_slow_walk_gives(frames: int, slot: int, before: int, after: int) -> None:
    start = min(5 * slot, frames - 1)
    features_TD = features(frames)
    found = Drawn(features_TD, start)
    batch = segment_collate([found.video], classes=3, window=WindowSettings(before=before, after=after))
    for place, frame in enumerate(range(start - before, start + 5 + after)):
        inside = 0 <= frame < frames
        assert bool(batch.mask_RT[0, place]) == inside
        wanted = features_TD[frame] if inside else np.zeros(1152, np.uint8)
        assert np.array_equal(batch.windows_RTD[0, place].numpy(), wanted)


class Drawn:
    """A video that lies in memory, with one rating."""

    def __init__(self, features_TD: NDArray[np.uint8], start: int) -> None:
        from podium.solutions.segment_classification.videos import Video

        one = np.array([1])
        self.video = Video(
            number=0,
            seed=0,
            rgb_TD=features_TD[:, :1024],
            audio_TD=features_TD[:, 1024:],
            label_L=one,
            start_R=np.array([start]),
            class_R=one,
            score_R=one.astype(np.float32),
            rated_R=one,
            positive_R=one,
        )


def test_a_batch_tells_which_video_a_rating_is_of_and_what_is_free(rated: list[Path]) -> None:
    videos = VideoSet.open(rated, CLASSES, rated=True)
    batch = collate(videos, [3, 0, 2])
    assert batch.video_R.tolist() == [0, 1, 1, 1, 2]
    assert batch.class_R.tolist() == [0, 1, 2, 1, 2]
    assert batch.score_R.tolist() == [0.0, 1.0, 0.0, 0.0, 1.0]
    assert batch.number_V.tolist() == [3, 0, 2]
    # dddd: label 30, rated 30 and (faulty) 10; a: label 10, rated 10 and 20; ccc: rated 20.
    assert batch.free_VC.tolist() == [[False, False, True], [True, False, False], [True, True, False]]
    assert (batch.class_R.dtype, batch.score_R.dtype, batch.free_VC.dtype) == (torch.int64, torch.float32, torch.bool)
    paper = collate(videos, [3, 0, 2], excluded="positive")
    assert paper.free_VC.tolist() == [[False, False, True], [True, False, True], [True, True, False]]


def test_contexts_are_in_a_batch_only_when_they_are_asked_for_and_once_a_video(rated: list[Path]) -> None:
    videos = VideoSet.open(rated, CLASSES, rated=True)
    without = collate(videos, [0, 2])
    assert without.features_VTD.shape == (2, 0, 1152)
    assert without.frames_VT.shape == (2, 0)
    batch = collate(videos, [0, 2], frames=SHORT)
    assert len(batch.class_R) == 4
    assert batch.features_VTD.shape == (2, 4, 1152)
    assert batch.features_VTD[:, :, 0].tolist() == choose([40, 33], SHORT, seeds_V=None).indices_VT.tolist()
    assert batch.frames_VT.all()


@pytest.mark.parametrize("reference", [False, True])
@pytest.mark.parametrize("drawn", [False, True])
def test_frames_of_videos_are_those_that_are_chosen(drawn: bool, reference: bool, rated: list[Path]) -> None:
    videos = VideoSet.open(rated, CLASSES, rated=False)
    items = [videos[number, seed] for number, seed in ((1, 7), (2, 9), (0, 11))]
    batch = video_collate(items, classes=3, frames=SHORT, drawn=drawn, reference=reference)
    chosen = choose([50, 33, 40], SHORT, seeds_V=[7, 9, 11] if drawn else None, reference=reference)
    assert np.array_equal(batch.mask_VT.numpy(), chosen.mask_VT)
    for row, (name, frames) in enumerate((("bb", 50), ("ccc", 33), ("a", 40))):
        wanted = np.where(chosen.mask_VT[row][:, None], of(name, frames)[chosen.indices_VT[row]], 0)
        assert np.array_equal(batch.features_VTD[row].numpy(), wanted)
    assert batch.labels_VC.tolist() == [[0, 0, 1], [0, 0, 0], [0, 1, 0]]
    assert batch.labels_VC.dtype == torch.float32
    assert batch.number_V.tolist() == [1, 2, 0]


def test_short_videos_are_padded_with_zeros(tmp_path: Path) -> None:
    paths = shards(tmp_path, [video("a", 5), video("bb", 8), video("ccc", 2)])
    videos = VideoSet.open(paths, CLASSES, rated=False)
    batch = video_collate([videos[each, 0] for each in range(3)], classes=3, frames=SHORT, drawn=False)
    assert batch.features_VTD[:, :, 0].tolist() == [[2, 3, 0, 0, 0], [2, 3, 4, 5, 6], [0, 1, 0, 0, 0]]
    assert batch.mask_VT.sum(dim=1).tolist() == [2, 5, 2]
    assert not batch.features_VTD[~batch.mask_VT].any()


def test_a_kept_index_gives_the_same_set(rated: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = VideoSet.open(rated, CLASSES, rated=True, index_folder=tmp_path / "new" / "index")
    from podium.solutions.segment_classification import contents

    def never(*_: object) -> None:
        raise AssertionError("a record was parsed again")

    monkeypatch.setattr(contents, "parse_frame_context", never)
    again = VideoSet.open(rated, CLASSES, rated=True, index_folder=tmp_path / "new" / "index")
    assert again.digest == first.digest
    assert again.counts == first.counts
    for number in range(4):
        for one, other in zip(again[number, 0], first[number, 0], strict=True):
            assert np.array_equal(one, other)
            assert np.asarray(one).dtype == np.asarray(other).dtype
    with pytest.raises(AssertionError, match="parsed again"):
        VideoSet.open(rated, CLASSES, rated=True, index_folder=tmp_path / "other")


@pytest.mark.parametrize("spoil", ["{}", "", '{"schema": 99}'])
def test_kept_contents_that_are_damaged_are_made_anew(spoil: str, rated: list[Path], tmp_path: Path) -> None:
    index = tmp_path / "index"
    first = VideoSet.open(rated, CLASSES, rated=True, index_folder=index)
    kept = index / "00.tfrecord.contents.json"
    good = kept.read_bytes()
    kept.write_text(spoil)
    assert VideoSet.open(rated, CLASSES, rated=True, index_folder=index).ids.tolist() == first.ids.tolist()
    assert kept.read_bytes() == good


def test_the_digest_tells_sets_apart(rated: list[Path], tmp_path: Path) -> None:
    whole = VideoSet.open(rated, CLASSES, rated=True)
    assert whole.digest == VideoSet.open(rated, CLASSES, rated=False).digest
    assert whole.digest != VideoSet.open(rated[:1], CLASSES, rated=True).digest
    assert whole.digest != VideoSet.open(rated, CLASSES, rated=True, labelled_only=True).digest


def spoil(path: Path, name: str) -> int:
    """Turns a bit of the features of a video; where its record begins."""
    data = bytearray(path.read_bytes())
    at, number = 0, 0
    while True:
        length = int.from_bytes(data[at : at + 8], "little")
        if name.encode() in data[at : at + 60]:
            data[at + 12 + length - 100] ^= 1
            path.write_bytes(data)
            return at
        at, number = at + 16 + length, number + 1


def test_a_damaged_record_is_left_out_and_told_by_file_and_byte(rated: list[Path], tmp_path: Path) -> None:
    at = spoil(rated[2], "dddd")
    faults = Faults("shards")
    index = tmp_path / "index"
    for _ in range(2):
        faults = Faults("shards")
        videos = VideoSet.open(rated, CLASSES, rated=True, on_fault="skip", faults=faults, index_folder=index)
        assert videos.ids.tolist() == ["a", "bb", "ccc"]
        assert videos.lengths == (2, 0, 1)
        assert videos.counts.damaged == 1
        assert "1 damaged records left out" in str(videos.counts)
        [problem] = faults.problems
        assert problem.place == f"shards 02.tfrecord byte {at}"
        assert problem.message.startswith("the payload of")
        assert np.array_equal(videos[2, 0].rgb_TD, of("ccc", 33)[:, :1024])
    with pytest.raises(UsageError, match="needs `faults`"):
        VideoSet.open(rated, CLASSES, rated=True, on_fault="skip")


def test_what_was_only_looked_up_is_read_whole_before_damage_is_left_out(rated: list[Path], tmp_path: Path) -> None:
    index = tmp_path / "index"
    spoil(rated[2], "dddd")
    assert len(VideoSet.open(rated, CLASSES, rated=True, index_folder=index)) == 4
    videos = VideoSet.open(rated, CLASSES, rated=True, index_folder=index, on_fault="skip", faults=Faults("shards"))
    assert len(videos) == 3


def test_a_damaged_record_is_refused_when_it_is_read(rated: list[Path]) -> None:
    at = spoil(rated[2], "dddd")
    videos = VideoSet.open(rated, CLASSES, rated=True)
    assert len(videos) == 4
    assert len(videos[2, 0].rgb_TD) == 33
    with pytest.raises(ChallengeError, match=rf"02\.tfrecord byte {at}: the payload"):
        videos[3, 0]
    assert len(VideoSet.open(rated, CLASSES, rated=True, check=False)[3, 0].rgb_TD) == 41


def test_a_record_that_is_no_video_is_refused_or_left_out(tmp_path: Path) -> None:
    paths = shards(tmp_path, [video("a", 9, (10,)), encode_sequence_example({"id": b"b"}, {}), video("ccc", 7, (20,))])
    with pytest.raises(ChallengeError, match=r"00\.tfrecord byte \d+: the record has no frames called `rgb`"):
        VideoSet.open(paths, CLASSES, rated=False)
    faults = Faults("shards")
    videos = VideoSet.open(paths, CLASSES, rated=False, on_fault="skip", faults=faults)
    assert videos.ids.tolist() == ["a", "ccc"]
    assert np.array_equal(videos[1, 0].audio_TD, of("ccc", 7)[:, 1024:])
    assert [each.message for each in faults.problems] == [
        "the record has no frames called `rgb` (at byte `0` of the payload); get the file again"
    ]


def test_a_shard_that_was_cut_off_loses_only_its_end(rated: list[Path]) -> None:
    data = rated[0].read_bytes()
    rated[0].write_bytes(data[: len(data) - 100])
    with pytest.raises(ChallengeError, match=r"00\.tfrecord"):
        VideoSet.open(rated, CLASSES, rated=True)
    faults = Faults("shards")
    videos = VideoSet.open(rated, CLASSES, rated=True, on_fault="skip", faults=faults)
    assert videos.ids.tolist() == ["a", "ccc", "dddd"]
    assert "00.tfrecord byte" in faults.problems[0].place


def test_frames_that_are_not_evenly_spaced_in_the_file_are_read_as_well(tmp_path: Path) -> None:
    features_TD = features(6)

    def message(tag: int, content: bytes) -> bytes:
        return bytes([tag]) + encoded_varint(len(content)) + content

    def frames(values_TD: NDArray[np.uint8]) -> bytes:
        # Behind each second frame stands a field that nobody knows.
        one = [message(0x0A, message(0x0A, message(0x0A, row.tobytes()))) for row in values_TD]
        return b"".join([each + b"\x18\x01" * (number % 2) for number, each in enumerate(one)])

    lists = {b"rgb": frames(features_TD[:, :1024]), b"audio": frames(features_TD[:, 1024:])}
    entries = b"".join([message(0x0A, message(0x0A, key) + message(0x12, value)) for key, value in lists.items()])
    paths = shards(tmp_path, [encode_sequence_example({"id": b"odd"}, {}) + message(0x12, entries)])
    videos = VideoSet.open(paths, CLASSES, rated=False)
    assert videos.frames.tolist() == [6]
    assert np.array_equal(videos[0, 0].rgb_TD, features_TD[:, :1024])
    assert np.array_equal(videos[0, 0].audio_TD, features_TD[:, 1024:])


def big(folder: Path) -> list[Path]:
    return shards(
        folder,
        *[
            [video(f"{shard}-{number}", 12 + number, (10,), ((5, 20, 1.0), (0, 30, 0.0))) for number in range(5)]
            for shard in range(4)
        ],
    )


def drawn(
    videos: VideoSet, collate_fn: Callable[..., Any], *, workers: int, first: int = 0, epoch: int = 1
) -> list[Any]:
    walk = Batches(endless(windowed(videos.lengths, shards=2), steps=6), units=4, seed=3)
    walk.seek(epoch=epoch, batch=first)
    return list(loader(videos, walk, workers=workers, collate_fn=collate_fn))


def same(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(left, right) for a, b in zip(one, other, strict=True) for left, right in zip(a, b, strict=True)
    )


SEGMENTS = partial(segment_collate, classes=3, window=WINDOW, frames=SHORT, drawn=True)
VIDEOS = partial(video_collate, classes=3, frames=SHORT, drawn=True)


@pytest.mark.parametrize("collate_fn", [SEGMENTS, VIDEOS])
def test_batches_are_the_same_from_any_step_on(collate_fn: Callable[..., Any], tmp_path: Path) -> None:
    videos = VideoSet.open(big(tmp_path), CLASSES, rated=True)
    whole = drawn(videos, collate_fn, workers=0)
    assert len(whole) == 6
    assert same(drawn(videos, collate_fn, workers=0, first=4), whole[4:])
    assert not same(drawn(videos, collate_fn, workers=0, epoch=2), whole)


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(workers: int, tmp_path: Path) -> None:
    videos = VideoSet.open(big(tmp_path), CLASSES, rated=True)
    whole = drawn(videos, SEGMENTS, workers=0)
    assert same(drawn(videos, SEGMENTS, workers=workers), whole)
    assert same(drawn(videos, SEGMENTS, workers=workers, first=3), whole[3:])
    numbers = torch.cat([each.number_V for each in whole]).tolist()
    # Epoch 1 of 24 draws out of 20 videos: the last 16 of the second pass, then the first 8 of the third.
    assert len(set(numbers[:16])) == 16
    assert len(set(numbers[16:])) == 8


def test_two_processes_share_the_videos_of_a_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    videos = VideoSet.open(big(tmp_path), CLASSES, rated=True)
    whole = drawn(videos, VIDEOS, workers=0)
    monkeypatch.setattr(ranks, "count", lambda: 2)
    parts = []
    for rank in range(2):
        monkeypatch.setattr(ranks, "rank", lambda rank=rank: rank)
        walk = Batches(endless(windowed(videos.lengths, shards=2), steps=6), units=2, seed=3)
        walk.seek(epoch=1)
        parts.append(list(loader(videos, walk, collate_fn=VIDEOS)))
    for both, *each in zip(whole, *parts, strict=True):
        for rank, batch in enumerate(each):
            assert batch.number_V.tolist() == both.number_V[rank::2].tolist()
            for row, seen in enumerate(batch.mask_VT.sum(dim=1).tolist()):
                assert torch.equal(batch.features_VTD[row, :seen], both.features_VTD[2 * row + rank, :seen])


def test_a_set_and_what_collates_it_can_be_handed_to_another_process(tmp_path: Path) -> None:
    videos = VideoSet.open(big(tmp_path), CLASSES, rated=True)
    assert videos[3, 0].number == 3
    again, collate_fn = pickle.loads(pickle.dumps((videos, SEGMENTS)))
    assert same(drawn(again, collate_fn, workers=0), drawn(videos, SEGMENTS, workers=0))


def test_in_order_every_video_comes_once(tmp_path: Path) -> None:
    videos = VideoSet.open(big(tmp_path), CLASSES, rated=True)
    walk = Batches(in_order(len(videos)), units=6, shard=False, drop_last=False)
    found = list(loader(videos, walk, collate_fn=SEGMENTS))
    assert torch.cat([each.number_V for each in found]).tolist() == list(range(20))
    assert sum(len(each.class_R) for each in found) == videos.ratings == 40
