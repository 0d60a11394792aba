"""Predictions of a test set: the numbers, the files, and what happens when the work is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")
pytest.importorskip("yaml")

import torch

from podium.challenges.yt8m_segments.builder import ScoreFile, eligible_segments
from podium.challenges.yt8m_segments.layout import Videos
from podium.errors import ChallengeError, MachineError, UsageError
from podium.formats.tfrecord import encode_frame_record, read_frame_records, write_shard
from podium.solutions.segment_classification import network as networks
from podium.solutions.segment_classification.blocks import cut
from podium.solutions.segment_classification.classes import Classes
from podium.solutions.segment_classification.encoders import EncoderSettings
from podium.solutions.segment_classification.frames import FrameSettings, choose
from podium.solutions.segment_classification.inference import InferenceSettings, Windows, predict
from podium.solutions.segment_classification.mixture import HeadSettings
from podium.solutions.segment_classification.model import Member, Model
from podium.solutions.segment_classification.network import Network, NetworkSettings

CLASSES = 5
LENGTHS = (23, 61, 7, 5, 44, 90, 38)
"""Seconds of each test video: of one, two and many slots, whole and begun ones."""
SMALL = InferenceSettings(batch=4, videos=2, block=13, numbers="float32")


class Killed(Exception):  # noqa: N818 - what a test does to the work
    """Stands for a kill in the middle."""


def write_videos(folder: Path, *, shards: int = 2) -> tuple[Path, ...]:
    rng = np.random.default_rng(7)
    payloads = [
        encode_frame_record(
            video_id=f"v{number:03d}",
            labels=[],
            rgb_TC=rng.integers(0, 256, (length, 1024), np.uint8),
            audio_TC=rng.integers(0, 256, (length, 128), np.uint8),
        )
        for number, length in enumerate(LENGTHS)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"test{number:04d}.tfrecord" for number in range(shards)]
    for number, path in enumerate(paths):
        size = -(-len(payloads) // shards)
        write_shard(path, payloads[number * size : (number + 1) * size])
    return tuple(paths)


def all_segments() -> Windows:
    """Every slot of every video, those at the ends included."""
    slots = [-(-length // 5) for length in LENGTHS]
    return Windows(
        ids=np.array([f"v{number:03d}" for number in range(len(LENGTHS))]),
        video_N=np.repeat(np.arange(len(LENGTHS), dtype=np.int32), slots),
        start_seconds_N=np.concatenate([np.arange(each, dtype=np.int32) * 5 for each in slots]),
    )


def network(*, aware: bool, seed: int = 0, **changes: Any) -> Network:
    """A small one whose norms and weights are as after some training, so that numbers differ."""
    torch.manual_seed(seed)
    encoder = EncoderSettings(features=16, clusters=4, groups=2, reduction=2)
    shape: dict[str, Any] = {
        "classes": CLASSES,
        "encoder": encoder,
        "head": HeadSettings(mixtures=2),
        "frames": FrameSettings(skip_first=3, skip_last=2, threshold=20, drawn=15),
    }
    if aware:
        shape |= {"context": encoder, "fusion_features": 16, "fusion_reduction": 2}
    built = networks.build(NetworkSettings(**(shape | changes))).eval()
    with torch.no_grad():
        for name, value in [*built.named_buffers(), *built.named_parameters()]:
            if name.endswith("running_mean"):
                value.copy_(0.1 * torch.randn(value.shape))
            elif name.startswith("head") and name.endswith("weight") and value.ndim == 2:
                value.mul_(5)
    return built


def model_of(*members: tuple[str, Network]) -> Model:
    names = tuple(f"class {number}" for number in range(CLASSES))
    classes = Classes(indices_C=np.arange(CLASSES) * 3, names=names)
    return Model(members=tuple(Member(name=name, network=each) for name, each in members), classes=classes)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    return write_videos(tmp_path_factory.mktemp("shards"))


@pytest.fixture(scope="module")
def both() -> Model:
    return model_of(("aware", network(aware=True)), ("plain", network(aware=False, seed=1)))


def plainly(each: Network, shards: Iterable[Path], segments: Windows) -> np.ndarray:
    """(C, N): one segment after the other, each with its context encoded anew."""
    videos = {video.video_id: video.features_TC for path in shards for video in read_frame_records(path)}
    columns: list[np.ndarray] = []
    for video, start in zip(segments.video_N.tolist(), segments.start_seconds_N.tolist(), strict=True):
        features_TD = videos[str(segments.ids[video])]
        window = np.zeros((1, 11, 1152), np.uint8)
        mask = np.zeros((1, 11), np.bool_)
        for place in range(11):
            second = start - 3 + place
            if 0 <= second < len(features_TD):
                window[0, place] = features_TD[second]
                mask[0, place] = True
        context = None
        if each.aware:
            chosen = choose([len(features_TD)], each.settings.frames, seeds_V=None)
            seen = features_TD[chosen.indices_VT[0]][None]
            context = each.encode_context(torch.from_numpy(seen), torch.from_numpy(chosen.mask_VT))
        with torch.no_grad():
            logits = each(torch.from_numpy(window), torch.from_numpy(mask), context)
        columns.append(torch.sigmoid(logits)[0].numpy())
    return np.stack(columns, axis=1)


def stopping_after(steps: int) -> Any:
    def progress(work: Iterable[Any], *, what: str, total: int | None = None) -> Iterator[Any]:
        if what != "predicting segments":
            yield from work
            return
        for number, step in enumerate(work):
            if number == steps:
                raise Killed
            yield step

    return progress


def test_numbers_are_those_of_one_segment_after_the_other(
    both: Model, shards: tuple[Path, ...], tmp_path: Path
) -> None:
    segments = all_segments()
    paths = predict(both, shards, segments, tmp_path, settings=SMALL)
    assert [path.name for path in paths] == ["aware.npy", "plain.npy"]
    for path, member in zip(paths, both.members, strict=True):
        found = np.load(path)
        assert found.shape == (CLASSES, len(segments.video_N))
        assert found.flags.c_contiguous
        expected = plainly(member.network, shards, segments)
        assert expected.std() > 0.01
        np.testing.assert_allclose(found, expected, atol=2e-6)


def test_the_submission_builder_reads_the_files_class_by_class(
    both: Model, shards: tuple[Path, ...], tmp_path: Path
) -> None:
    segments = eligible_segments(Videos(ids=all_segments().ids, frames=np.array(LENGTHS)))
    windows = Windows(ids=segments.ids, video_N=segments.video, start_seconds_N=segments.start_seconds)
    assert len(windows.video_N) == sum(max(-(-each // 5) - 8, 0) for each in LENGTHS)
    path, _ = predict(both, shards, windows, tmp_path)
    scores = ScoreFile(path)
    assert scores.shape == (CLASSES, len(windows.video_N))
    assert scores.dtype == np.float16
    assert scores[3].tolist() == np.load(path)[3].tolist()


def test_a_context_is_encoded_once_a_video_and_a_video_is_read_once_for_all_networks(
    both: Model, shards: tuple[Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []
    original = Network.encode_context

    def counting(self: Network, features_VTD: Any, mask_VT: Any) -> Any:
        encoded.append(len(features_VTD))
        return original(self, features_VTD, mask_VT)

    monkeypatch.setattr(Network, "encode_context", counting)
    read: list[int] = []
    from podium.solutions.segment_classification import blocks

    parse = blocks.parse_frame_record
    monkeypatch.setattr(blocks, "parse_frame_record", lambda payload: read.append(1) or parse(payload))
    predict(both, shards, all_segments(), tmp_path, settings=InferenceSettings(batch=4, videos=1, block=13))
    assert sum(encoded) == len(LENGTHS)
    # Three more are read to see whether the list has the order of the shards.
    assert len(read) == len(LENGTHS) + 3


@given(st.lists(st.integers(0, 9), min_size=0, max_size=12), st.integers(1, 15))
def test_blocks_hold_whole_videos_and_no_more_segments_than_asked_for(counts: list[int], size: int) -> None:
    video_N = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    blocks = cut(video_N, size=size)
    assert [number for each in blocks for number in range(each.first, each.behind)] == list(range(len(video_N)))
    for before, after in pairwise(blocks):
        assert video_N[before.behind - 1] != video_N[after.first]
        whole = np.count_nonzero(video_N == video_N[after.first])
        assert len(before) + whole > size
    assert all(len(each) <= size or len(np.unique(video_N[each.first : each.behind])) == 1 for each in blocks)


@pytest.mark.parametrize("steps", [0, 9, 17, 30])
def test_work_that_stopped_goes_on_to_the_same_bytes(
    steps: int, both: Model, shards: tuple[Path, ...], tmp_path: Path
) -> None:
    whole = predict(both, shards, all_segments(), tmp_path / "whole", settings=SMALL)
    with pytest.raises(Killed):
        predict(both, shards, all_segments(), tmp_path / "cut", settings=SMALL, progress=stopping_after(steps))
    assert not (tmp_path / "cut" / "aware.npy").exists()
    resumed = predict(both, shards, all_segments(), tmp_path / "cut", settings=SMALL, resume=True)
    assert [path.read_bytes() for path in resumed] == [path.read_bytes() for path in whole]
    assert not list((tmp_path / "cut").glob("*.partial"))


def test_finished_blocks_are_not_predicted_again(both: Model, shards: tuple[Path, ...], tmp_path: Path) -> None:
    with pytest.raises(Killed):
        predict(both, shards, all_segments(), tmp_path, settings=SMALL, progress=stopping_after(20))
    steps: list[int] = []

    def counting(work: Iterable[Any], *, what: str, total: int | None = None) -> Iterator[Any]:
        for step in work:
            if what == "predicting segments":
                steps.append(total or 0)
            yield step

    predict(both, shards, all_segments(), tmp_path, settings=SMALL, resume=True, progress=counting)
    whole = sum(-(-len(each) // 4) for each in cut(all_segments().video_N, size=13)) * 2
    assert 0 < len(steps) == steps[0] < whole
    steps.clear()
    predict(both, shards, all_segments(), tmp_path, settings=SMALL, resume=True, progress=counting)
    assert steps == []


def test_a_network_that_joins_later_is_predicted_and_the_others_are_left(
    both: Model, shards: tuple[Path, ...], tmp_path: Path
) -> None:
    first = Model(members=both.members[:1], classes=both.classes)
    (path,) = predict(first, shards, all_segments(), tmp_path, settings=SMALL)
    before = path.stat().st_mtime_ns
    paths = predict(both, shards, all_segments(), tmp_path, settings=SMALL, resume=True)
    assert paths[0].stat().st_mtime_ns == before
    alone = Model(members=both.members[1:], classes=both.classes)
    (other,) = predict(alone, shards, all_segments(), tmp_path / "alone", settings=SMALL)
    assert paths[1].read_bytes() == other.read_bytes()


def test_predictions_of_something_else_are_never_gone_on_with(
    both: Model, shards: tuple[Path, ...], tmp_path: Path
) -> None:
    predict(both, shards, all_segments(), tmp_path, settings=SMALL)
    with pytest.raises(UsageError, match="is there already"):
        predict(both, shards, all_segments(), tmp_path, settings=SMALL)
    again: dict[str, Any] = {"resume": True}
    other = model_of(("aware", network(aware=True, seed=9)))
    with pytest.raises(UsageError, match=r"aware\.json` tells of predictions from another model"):
        predict(other, shards, all_segments(), tmp_path, settings=SMALL, **again)
    with pytest.raises(UsageError, match="another settings"):
        predict(both, shards, all_segments(), tmp_path, settings=InferenceSettings(numbers="float32"), **again)
    with pytest.raises(UsageError, match="another settings and dtype"):
        predict(both, shards, all_segments(), tmp_path, **again)
    few = Windows(ids=all_segments().ids, video_N=np.zeros(1, np.int32), start_seconds_N=np.zeros(1, np.int32))
    with pytest.raises(UsageError, match="another data and shape"):
        predict(both, shards, few, tmp_path, settings=SMALL, **again)
    moved = Windows(ids=few.ids, video_N=all_segments().video_N, start_seconds_N=all_segments().start_seconds_N.copy())
    moved.start_seconds_N[0] = 1
    with pytest.raises(UsageError, match="another data;"):
        predict(both, shards, moved, tmp_path, settings=SMALL, **again)


def test_files_that_do_not_belong_together_are_refused_and_deleted_ones_made_anew(
    both: Model, shards: tuple[Path, ...], tmp_path: Path
) -> None:
    paths = predict(both, shards, all_segments(), tmp_path, settings=SMALL)
    whole = paths[0].read_bytes()
    paths[0].unlink()
    predict(both, shards, all_segments(), tmp_path, settings=SMALL, resume=True)
    assert paths[0].read_bytes() == whole
    paths[0].write_bytes(whole[:-1])
    with pytest.raises(UsageError, match=r"is not as `aware\.json` tells"):
        predict(both, shards, all_segments(), tmp_path, settings=SMALL, resume=True)
    (tmp_path / "aware.json").unlink()
    with pytest.raises(UsageError, match=r"has no `aware\.json` beside it"):
        predict(both, shards, all_segments(), tmp_path, settings=SMALL, resume=True)
    (tmp_path / "aware.json").write_text("{}")
    with pytest.raises(UsageError, match="cannot be read"):
        predict(both, shards, all_segments(), tmp_path, settings=SMALL, resume=True)


def test_the_list_of_videos_need_not_have_the_order_of_the_shards(
    both: Model, shards: tuple[Path, ...], tmp_path: Path
) -> None:
    (whole, _) = predict(both, shards, all_segments(), tmp_path / "whole", settings=SMALL)
    few = Windows(
        ids=np.array(["v005", "v001"]),
        video_N=np.array([0, 0, 1], np.int32),
        start_seconds_N=np.array([30, 85, 60], np.int32),
    )
    (some, _) = predict(both, shards, few, tmp_path / "some", settings=SMALL)
    every = all_segments()
    places = [
        np.flatnonzero((every.video_N == video) & (every.start_seconds_N == start))[0]
        for video, start in ((5, 30), (5, 85), (1, 60))
    ]
    np.testing.assert_allclose(np.load(some), np.load(whole)[:, places], atol=2e-6)


def test_videos_that_are_missing_other_or_too_short_are_named(
    both: Model, shards: tuple[Path, ...], tmp_path: Path
) -> None:
    def asked(ids: list[str], start: int = 0) -> None:
        one = Windows(ids=np.array(ids), video_N=np.zeros(1, np.int32), start_seconds_N=np.full(1, start, np.int32))
        predict(both, shards, one, tmp_path / "out", settings=SMALL, resume=True)

    with pytest.raises(ChallengeError, match="`1` of `2` videos are in no shard, such as `abcd`"):
        asked(["v000", "abcd"])
    with pytest.raises(UsageError, match="`v000` starts at `25` s; the video has `23` seconds"):
        asked(["v000"], start=25)


def test_two_videos_that_changed_places_amid_the_shards_are_found_all_the_same(
    both: Model, shards: tuple[Path, ...], tmp_path: Path
) -> None:
    ids = all_segments().ids.copy()
    ids[1], ids[2] = ids[2], ids[1]
    swapped = Windows(ids=ids, video_N=np.ones(1, np.int32), start_seconds_N=np.zeros(1, np.int32))
    alone = Windows(ids=ids[1:2], video_N=np.zeros(1, np.int32), start_seconds_N=np.zeros(1, np.int32))
    (found, _), (wanted, _) = (
        predict(both, shards, each, tmp_path / name, settings=SMALL)
        for name, each in (("swapped", swapped), ("alone", alone))
    )
    assert found.read_bytes() == wanted.read_bytes()


def test_a_second_process_in_the_same_folder_is_refused_and_spoils_nothing(
    both: Model, shards: tuple[Path, ...], tmp_path: Path
) -> None:
    (whole, _) = predict(both, shards, all_segments(), tmp_path / "whole", settings=SMALL)
    out = tmp_path / "out"

    def second(steps: Any, *, what: str, total: int | None = None) -> Iterator[Any]:
        for number, each in enumerate(steps):
            yield each
            if what == "predicting segments" and number == 3:
                with pytest.raises(UsageError, match=f"another process is at work in `{out}`"):
                    predict(both, shards, all_segments(), out, settings=SMALL, resume=True)

    (made, _) = predict(both, shards, all_segments(), out, settings=SMALL, progress=second)
    assert made.read_bytes() == whole.read_bytes()


def test_damage_matters_only_where_a_listed_video_is_hit(both: Model, tmp_path: Path) -> None:
    paths = write_videos(tmp_path / "shards")
    whole = bytearray(paths[1].read_bytes())
    whole[-200] ^= 1
    paths[1].write_bytes(whole)
    last = len(LENGTHS) - 1
    few = Windows(ids=np.array(["v004"]), video_N=np.zeros(2, np.int32), start_seconds_N=np.array([0, 40], np.int32))
    assert np.isfinite(np.load(predict(both, paths, few, tmp_path / "few", settings=SMALL)[0])).all()
    hit = Windows(ids=np.array([f"v{last:03d}"]), video_N=np.zeros(1, np.int32), start_seconds_N=np.zeros(1, np.int32))
    with pytest.raises(ChallengeError, match=rf"such as `v{last:03d}` \(.*test0001\.tfrecord.*checksum"):
        predict(both, paths, hit, tmp_path / "hit", settings=SMALL)


def test_whole_numbers_are_the_references_and_halves_are_rounded_probabilities(
    both: Model, shards: tuple[Path, ...], tmp_path: Path
) -> None:
    found = {}
    for numbers in ("float32", "float16", "int16"):
        settings = InferenceSettings(batch=4, videos=2, block=13, numbers=numbers)
        found[numbers] = np.load(predict(both, shards, all_segments(), tmp_path / numbers, settings=settings)[0])
    assert {name: each.dtype for name, each in found.items()} == {each: np.dtype(each) for each in found}
    assert np.array_equal(found["float16"], found["float32"].astype(np.float16))
    assert np.array_equal(found["int16"], np.rint(np.float32(9999) * found["float32"]).astype(np.int16))


def test_as_the_reference_had_it_a_video_hangs_on_no_other(shards: tuple[Path, ...], tmp_path: Path) -> None:
    model = model_of(("aware", network(aware=True, reference=True)), ("plain", network(aware=False, reference=True)))
    whole = predict(model, shards, all_segments(), tmp_path / "whole", settings=SMALL)
    every = all_segments()
    for video in (0, 3, 5):
        here_N = np.flatnonzero(every.video_N == video)
        alone = Windows(ids=every.ids, video_N=every.video_N[here_N], start_seconds_N=every.start_seconds_N[here_N])
        found = predict(model, shards, alone, tmp_path / str(video), settings=SMALL)
        for path, known in zip(found, whole, strict=True):
            np.testing.assert_allclose(np.load(path), np.load(known)[:, here_N], atol=2e-6)


def test_broken_weights_are_told_of(shards: tuple[Path, ...], tmp_path: Path) -> None:
    broken = network(aware=False)
    with torch.no_grad():
        next(broken.head.parameters()).fill_(float("nan"))
    with pytest.raises(UsageError, match="`broken` gives numbers that are not finite"):
        predict(model_of(("broken", broken)), shards, all_segments(), tmp_path, settings=SMALL)


def test_a_disk_that_is_too_full_is_told_of_before_the_work(
    both: Model, shards: tuple[Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(100, 0, 100))
    with pytest.raises(MachineError, match="GB free; the predictions of `2` networks need"):
        predict(both, shards, all_segments(), tmp_path, settings=SMALL)
    assert not list(tmp_path.glob("*.npy*"))


def test_a_disk_that_cannot_reserve_is_told_of_and_leaves_nothing_that_hinders(
    both: Model, shards: tuple[Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, offset: int, size: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.posix_fallocate", full)
        with pytest.raises(MachineError, match="No space left"):
            predict(both, shards, all_segments(), tmp_path / "out", settings=SMALL)
    again = predict(both, shards, all_segments(), tmp_path / "out", settings=SMALL, resume=True)
    whole = predict(both, shards, all_segments(), tmp_path / "whole", settings=SMALL)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in whole]


@pytest.mark.parametrize(
    "changes", [{"batch": 0}, {"videos": 0}, {"block": 0}, {"numbers": "float64"}, {"block": 1 << 21}]
)
def test_settings_out_of_range_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(changes)) if "numbers" not in changes else "float64"):
        InferenceSettings(**changes)


def test_segments_must_be_by_video_and_within_the_list() -> None:
    ids = np.array(["a", "b"])
    for video, start in (([1, 0], [0, 0]), ([0, 2], [0, 0]), ([0], [-5]), ([], []), ([0, 1], [0])):
        with pytest.raises(UsageError, match="segments"):
            Windows(ids=ids, video_N=np.array(video, np.int32), start_seconds_N=np.array(start, np.int32))


WORKER = """
import os, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(int(sys.argv[6]))
sys.path.insert(0, sys.argv[1])
import test_inference as here
from podium.solutions.segment_classification import score_files
from podium.solutions.segment_classification.model import Model
left = int(sys.argv[5])
write = score_files._write_all

def dying(*how):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    write(*how)

score_files._write_all = dying
shards = sorted(Path(sys.argv[2]).glob("*.tfrecord"))
model = Model.load(Path(sys.argv[3]))
here.predict(model, shards, here.all_segments(), Path(sys.argv[4]), settings=here.SMALL, resume=True)
"""


@pytest.mark.train
@pytest.mark.slow
def test_a_killed_process_goes_on_to_the_same_bytes(both: Model, shards: tuple[Path, ...], tmp_path: Path) -> None:
    both.save(tmp_path / "model")

    def work(out: str, *, writes: int = 0) -> int:
        """Kills itself before so many writes are done, in the middle of a block."""
        folders = (Path(__file__).parent, shards[0].parent, tmp_path / "model", tmp_path / out)
        arguments = [*map(str, folders), str(writes), str(torch.get_num_threads())]
        return subprocess.run([sys.executable, "-c", WORKER, *arguments], check=False).returncode

    predict(both, shards, all_segments(), tmp_path / "whole", settings=SMALL)
    # A block of a network is five writes, one a class, behind one write of the header.
    for writes in (9, 21):
        assert work("killed", writes=writes) == -signal.SIGKILL
    assert not (tmp_path / "killed" / "plain.npy").exists()
    assert work("killed") == 0
    for name in ("aware.npy", "plain.npy"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
