"""Contexts that are encoded once: as those that are encoded directly, gone on with, made anew where they must be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from podium.errors import ChallengeError, UsageError  # noqa: E402 - after the check for torch
from podium.formats.tfrecord import encode_frame_record, write_shard  # noqa: E402
from podium.solutions.segment_classification import network as networks  # noqa: E402
from podium.solutions.segment_classification.classes import Classes  # noqa: E402
from podium.solutions.segment_classification.context import ContextCache  # noqa: E402
from podium.solutions.segment_classification.dataset import VideoSet, video_collate  # noqa: E402
from podium.solutions.segment_classification.encoders import EncoderSettings  # noqa: E402
from podium.solutions.segment_classification.frames import FrameSettings  # noqa: E402
from podium.solutions.segment_classification.network import Network, NetworkSettings  # noqa: E402

CLASSES = Classes(indices_C=np.array([3, 5]), names=("", ""))
ENCODER = EncoderSettings(kind="mean-pool", features=8)
FRAMES = FrameSettings(skip_first=2, skip_last=1, threshold=6, drawn=4)
SETTINGS = NetworkSettings(
    classes=2, encoder=ENCODER, context=ENCODER, frames=FRAMES, fusion_features=8, fusion_reduction=2
)


def network(seed: int = 0, **changes: Any) -> Network:
    torch.manual_seed(seed)
    return networks.build(SETTINGS if not changes else NetworkSettings(**changes)).eval()


@pytest.fixture
def videos(tmp_path: Path) -> VideoSet:
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{shard}.tfrecord" for shard in range(2)]
    for path in paths:
        payloads = []
        for number in range(7):
            features_TD = rng.integers(0, 256, (5 + number, 1152), dtype=np.uint8)
            rgb_TC, audio_TC = features_TD[:, :1024], features_TD[:, 1024:]
            payloads.append(encode_frame_record(video_id=f"v{number}", labels=[3], rgb_TC=rgb_TC, audio_TC=audio_TC))
        write_shard(path, payloads)
    return VideoSet.open(paths, CLASSES, rated=False)


class Counted:
    """A network that counts the videos that it encodes, and may be stopped."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, stop_after: int | None = None) -> None:
        self.videos = 0
        plain = Network.encode_context

        def encode(of: Network, features_VTD: Any, mask_VT: Any) -> Any:
            if stop_after is not None and self.videos >= stop_after:
                raise KeyboardInterrupt
            self.videos += len(features_VTD)
            return plain(of, features_VTD, mask_VT)

        monkeypatch.setattr(Network, "encode_context", encode)


def test_a_cached_context_is_the_one_that_is_encoded_directly(videos: VideoSet, tmp_path: Path) -> None:
    one = network()
    cache = ContextCache.encode(one, videos, tmp_path / "cache", batch=4)
    assert cache.contexts_VF.shape == (14, 8)
    assert cache.contexts_VF.dtype == np.float32
    assert not cache.contexts_VF.flags.writeable
    for numbers in ([0], [9, 3, 13], [5, 6]):
        batch = video_collate([videos[each, 1] for each in numbers], classes=2, frames=FRAMES, drawn=False)
        wanted = one.encode_context(batch.features_VTD, batch.mask_VT).numpy()
        assert np.allclose(cache.contexts_VF[batch.number_V.numpy()], wanted, rtol=1e-5, atol=1e-6)
    assert np.ptp(cache.contexts_VF, axis=0).max() > 0


def test_contexts_are_encoded_once(videos: VideoSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted(monkeypatch)
    first = ContextCache.encode(network(), videos, tmp_path, batch=4)
    assert counted.videos == 14
    again = ContextCache.encode(network(), videos, tmp_path, batch=4)
    assert counted.videos == 14
    assert again.path == first.path
    assert np.array_equal(again.contexts_VF, first.contexts_VF)


def test_other_weights_frames_and_videos_have_contexts_of_their_own(
    videos: VideoSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(monkeypatch)
    few = VideoSet.open(videos.shards.paths[:1], CLASSES, rated=False)
    shape = {"classes": 2, "encoder": ENCODER, "context": ENCODER, "fusion_features": 8, "fusion_reduction": 2}
    paths = {
        ContextCache.encode(*each, tmp_path, batch=4).path
        for each in (
            (network(), videos),
            (network(1), videos),
            (network(frames=FrameSettings(), **shape), videos),
            (network(), few),
        )
    }
    assert len(paths) == 4
    assert counted.videos == 3 * 14 + 7
    moved = network()
    with torch.no_grad():
        moved.fusion.linear.weight.add_(1)
    assert ContextCache.encode(moved, videos, tmp_path, batch=4).path in paths


@pytest.mark.parametrize("stop_after", [4, 8, 12])
def test_what_was_begun_is_gone_on_with(
    stop_after: int, videos: VideoSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from podium.solutions.segment_classification import context

    monkeypatch.setattr(context, "_SAVED_EVERY", 2)
    whole = ContextCache.encode(network(), videos, tmp_path / "whole", batch=4)
    with monkeypatch.context() as patch:
        Counted(patch, stop_after=stop_after)
        with pytest.raises(KeyboardInterrupt):
            ContextCache.encode(network(), videos, tmp_path / "part", batch=4)
    counted = Counted(monkeypatch)
    found = ContextCache.encode(network(), videos, tmp_path / "part", batch=4)
    # Batches of four, saved every second: what was done after the last save is done again.
    assert counted.videos == (14 if stop_after == 4 else 6)
    assert found.path.read_bytes() == whole.path.read_bytes()


CHILD = """
import sys
import torch
from pathlib import Path
from podium.solutions.segment_classification import context, network
from podium.solutions.segment_classification.classes import Classes
from podium.solutions.segment_classification.videos import VideoSet

folder = Path(sys.argv[1])
context._SAVED_EVERY = 1

def progress(steps, *, what, total=None):
    for number, each in enumerate(steps):
        if number == 2:
            print("two are saved", flush=True)
            sys.stdin.read()
        yield each

videos = VideoSet.open(sorted(folder.glob("*.tfrecord")), Classes.read(folder / "classes.csv"), rated=False)
context.ContextCache.encode(network.load(folder / "net"), videos, folder / "part", batch=4, progress=progress)
"""


@pytest.mark.train
def test_a_process_that_was_killed_is_gone_on_with(
    videos: VideoSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    CLASSES.write(tmp_path / "classes.csv")
    (tmp_path / "net").mkdir()
    networks.save(network(), tmp_path / "net")
    command = [sys.executable, "-c", CHILD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "two are saved\n"
        child.kill()
    counted = Counted(monkeypatch)
    loaded = networks.load(tmp_path / "net")
    found = ContextCache.encode(loaded, videos, tmp_path / "part", batch=4)
    assert counted.videos == 6
    whole = ContextCache.encode(loaded, videos, tmp_path / "whole", batch=4)
    assert found.path.read_bytes() == whole.path.read_bytes()


@pytest.mark.parametrize("harm", ["state", "file", "empty", "shape"])
def test_contexts_that_are_damaged_are_made_anew(
    harm: str, videos: VideoSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ContextCache.encode(network(), videos, tmp_path, batch=4)
    good = first.path.read_bytes()
    del first
    [path] = tmp_path.glob("*.npy")
    if harm == "state":
        path.with_suffix(".json").write_text("{}")
    elif harm == "file":
        path.write_bytes(good[:100])
    elif harm == "empty":
        path.write_bytes(b"")
    else:
        np.save(path, np.zeros((3, 8), np.float32))
    counted = Counted(monkeypatch)
    assert ContextCache.encode(network(), videos, tmp_path, batch=4).path.read_bytes() == good
    assert counted.videos == 14


def test_a_context_that_is_no_number_is_refused(videos: VideoSet, tmp_path: Path) -> None:
    spoiled = network()
    with torch.no_grad():
        for each in spoiled.context.parameters():
            each.fill_(float("nan"))
    with pytest.raises(ChallengeError, match="the context of video `v0` is not finite"):
        ContextCache.encode(spoiled, videos, tmp_path)


def test_a_network_without_a_context_is_refused(videos: VideoSet, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="encodes none"):
        ContextCache.encode(network(classes=2, encoder=ENCODER), videos, tmp_path)
    with pytest.raises(UsageError, match="`0` videos a batch"):
        ContextCache.encode(network(), videos, tmp_path, batch=0)
