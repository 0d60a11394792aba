"""What is judged while a network learns is what it predicts afterwards; what is held out is not learned from."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from podium.formats.tfrecord import encode_frame_record, write_shard

torch = pytest.importorskip("torch")

from podium.solutions.segment_classification import folds  # noqa: E402 - after the check for torch
from podium.solutions.segment_classification import network as networks  # noqa: E402
from podium.solutions.segment_classification.classes import Classes  # noqa: E402
from podium.solutions.segment_classification.context import ContextCache  # noqa: E402
from podium.solutions.segment_classification.dataset import VideoSet, segment_collate  # noqa: E402
from podium.solutions.segment_classification.encoders import EncoderSettings  # noqa: E402
from podium.solutions.segment_classification.frames import FrameSettings  # noqa: E402
from podium.solutions.segment_classification.inference import InferenceSettings, Windows, predict  # noqa: E402
from podium.solutions.segment_classification.model import Member, Model  # noqa: E402
from podium.solutions.segment_classification.network import Network, NetworkSettings  # noqa: E402

CLASSES = Classes(indices_C=np.array([3, 5, 8]), names=("", "", ""))
FRAMES = FrameSettings(skip_first=6, skip_last=3, threshold=15, drawn=11)
LENGTHS = (8, 9, 23, 24, 25, 40, 61, 5)
"""Seconds of videos: without a middle, with one that is seen whole, and with one that is drawn from."""
SMALL = {
    "nextvlad": EncoderSettings(features=8, clusters=4, groups=4, reduction=2),
    "dbof": EncoderSettings(kind="dbof", hidden=16, features=8, frame_reduction=2, reduction=2),
    "mean-pool": EncoderSettings(kind="mean-pool", features=8, reduction=0),
}


def network(kind: str, **more: Any) -> Network:
    """As after some training: norms have statistics, biases are none, and logits are far apart."""
    torch.manual_seed(0)
    made = networks.build(NetworkSettings(classes=3, encoder=SMALL[kind], frames=FRAMES, **more))
    features = torch.randint(0, 256, (16, 11, 1152), dtype=torch.uint8)
    full = torch.ones(16, 11, dtype=torch.bool)
    with torch.no_grad():
        for name, value in made.named_parameters():
            if name.endswith("bias"):
                value.copy_(0.3 * torch.randn(value.shape))
            elif name.startswith("head") and value.ndim == 2:
                value.mul_(10)
        for _ in range(20):
            made(features, full, torch.rand(16, 8) if made.aware else None)
    return made.eval()


def rated(path: Path, lengths: tuple[int, ...] = LENGTHS, *, name: str = "v") -> Path:
    """Every slot of every video is rated once, the last one, which may have a single second, included."""
    rng = np.random.default_rng(0)
    payloads = []
    for number, length in enumerate(lengths):
        features_TD = rng.integers(0, 256, (length, 1152), dtype=np.uint8)
        starts = list(range(0, length, 5))
        payloads.append(
            encode_frame_record(
                video_id=f"{name}{number}",
                labels=[3],
                rgb_TC=features_TD[:, :1024],
                audio_TC=features_TD[:, 1024:],
                segment_start_times=starts,
                segment_labels=[5] * len(starts),
                segment_scores=[1.0] * len(starts),
            )
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_shard(path, payloads)
    return path


def learned_from(each: Network, videos: VideoSet, folder: Path) -> np.ndarray:
    """(C, N): probabilities as training and validation have them, in the order of videos and starts."""
    contexts_VF = ContextCache.encode(each, videos, folder, batch=3).contexts_VF if each.aware else None
    collate = partial(
        segment_collate, classes=3, window=each.settings.window, reference=each.settings.reference, frames=None
    )
    parts = []
    for first in range(0, len(videos), 3):
        batch = collate([videos[number, 1] for number in range(first, min(first + 3, len(videos)))])
        rows_RF = None if contexts_VF is None else torch.tensor(contexts_VF[batch.number_V])[batch.video_R]
        with torch.no_grad():
            parts.append(each(batch.windows_RTD, batch.mask_RT, rows_RF).sigmoid().numpy())
    return np.concatenate(parts).T


@pytest.mark.parametrize(
    "made",
    [pytest.param(partial(network, kind), id=kind) for kind in SMALL]
    + [pytest.param(partial(network, kind, reference=True), id=f"{kind}, reference") for kind in ("nextvlad", "dbof")]
    + [
        pytest.param(
            partial(network, segment, context=SMALL[context], fusion_features=8, fusion_reduction=2),
            id=f"{segment} with {context}",
        )
        for segment, context in (("nextvlad", "dbof"), ("dbof", "nextvlad"), ("mean-pool", "mean-pool"))
    ],
)
def test_what_a_network_learns_from_is_what_it_predicts_from(made: Any, tmp_path: Path) -> None:
    each, shard = made(), rated(tmp_path / "train.tfrecord")
    videos = VideoSet.open([shard], CLASSES, rated=True)
    wanted_CN = learned_from(each, videos, tmp_path / "contexts")
    slots = [-(-length // 5) for length in LENGTHS]
    segments = Windows(
        ids=videos.ids,
        video_N=np.repeat(np.arange(len(LENGTHS), dtype=np.int32), slots),
        start_seconds_N=np.concatenate([np.arange(each, dtype=np.int32) * 5 for each in slots]),
    )
    model = Model(members=(Member(name="one", network=each),), classes=CLASSES)
    settings = InferenceSettings(numbers="float32", batch=7, block=9)
    (path,) = predict(model, [shard], segments, tmp_path / "out", settings=settings)
    assert np.ptp(wanted_CN, axis=1).max() > 1e-2
    assert np.abs(np.load(path) - wanted_CN).max() < 1e-5


def test_windows_of_the_reference_have_no_padding() -> None:
    """Where they had, numbers of segments at the ends of videos would differ."""
    each = network("nextvlad", reference=True)
    features = torch.randint(0, 256, (2, 11, 1152), dtype=torch.uint8)
    mask = torch.arange(11) < torch.tensor([[11], [6]])
    features *= mask[..., None]
    masked, whole = each(features, mask), each(features, torch.ones_like(mask))
    assert masked[0].equal(whole[0])
    assert not torch.allclose(masked[1], whole[1], atol=1e-4)


@pytest.mark.parametrize("fold", range(4))
def test_no_video_of_the_held_out_shards_is_learned_from(fold: int, tmp_path: Path) -> None:
    shards = [rated(tmp_path / f"{number}.tfrecord", (12, 20), name=f"s{number}v") for number in range(9)]
    train, held_out = folds.split(shards, folds=4, fold=fold)
    learned, judged = (VideoSet.open(part, CLASSES, rated=True) for part in (train, held_out))
    assert not set(learned.ids.tolist()) & set(judged.ids.tolist())
    assert len(learned) + len(judged) == 18
    each = network("mean-pool", context=SMALL["mean-pool"], fusion_features=8, fusion_reduction=2)
    caches = [ContextCache.encode(each, videos, tmp_path / "contexts") for videos in (learned, judged)]
    assert caches[0].path != caches[1].path
    assert [len(cache.contexts_VF) for cache in caches] == [len(learned), len(judged)]


def test_other_frames_of_a_video_are_another_context(tmp_path: Path) -> None:
    videos = VideoSet.open([rated(tmp_path / "train.tfrecord", (61, 61))], CLASSES, rated=True)
    shape = {"context": SMALL["mean-pool"], "fusion_features": 8, "fusion_reduction": 2}
    one = network("mean-pool", **shape)
    other = networks.build(replace(one.settings, frames=replace(FRAMES, skip_first=20))).eval()
    other.load_state_dict(one.state_dict())
    found = [ContextCache.encode(each, videos, tmp_path / "contexts").contexts_VF for each in (one, other)]
    assert np.abs(found[0] - found[1]).max() > 1e-3
