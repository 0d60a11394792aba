"""The sum over networks, made one after the other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("yaml")

import torch

from podium.challenges.yt8m_segments.builder import ScoreFile, Segments, write_submission
from podium.formats.tfrecord import encode_frame_record, write_shard
from podium.solutions.segment_classification import network as networks
from podium.solutions.segment_classification.classes import Classes
from podium.solutions.segment_classification.encoders import EncoderSettings
from podium.solutions.segment_classification.inference import Windows, predict
from podium.solutions.segment_classification.mixture import HeadSettings
from podium.solutions.segment_classification.model import Member, Model
from podium.solutions.segment_classification.network import NetworkSettings
from podium.solutions.segment_classification.totals import predict_total

IDS = np.array([f"v{number}" for number in range(6)])


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    videos = [
        encode_frame_record(
            video_id=name,
            labels=[],
            rgb_TC=rng.integers(0, 256, (50, 1024), np.uint8),
            audio_TC=rng.integers(0, 256, (50, 128), np.uint8),
        )
        for name in IDS.tolist()
    ]
    path = tmp_path / "test0000.tfrecord"
    write_shard(path, videos)
    return path


@pytest.fixture
def model() -> Model:
    settings = NetworkSettings(
        classes=4, encoder=EncoderSettings(kind="mean-pool", features=8), head=HeadSettings(mixtures=2)
    )
    members: list[Member] = []
    for seed in range(3):
        torch.manual_seed(seed)
        members.append(Member(name=f"m{seed}", network=networks.build(settings).eval()))
    classes = Classes(indices_C=np.array([7, 3, 90, 11]), names=("a", "b", "c", "d"))
    return Model(members=tuple(members), classes=classes)


def test_the_sum_gives_the_bytes_of_a_submission_from_separate_predictions(
    model: Model, shard: Path, tmp_path: Path
) -> None:
    video = np.repeat(np.arange(len(IDS), dtype=np.int32), 10)
    start = np.tile(np.arange(10, dtype=np.int32) * 5, len(IDS))
    windows = Windows(ids=IDS, video_N=video, start_seconds_N=start)
    segments = Segments(ids=IDS, video=video, start_seconds=start)
    (tmp_path / "scratch").mkdir()
    total = predict_total(model, [shard], windows, tmp_path / "scratch")
    apart = predict(model, [shard], windows, tmp_path / "apart")
    expected = sum(np.load(path).astype(np.float32) for path in apart)
    assert np.array_equal(np.load(total), expected)
    assert [each.name for each in (tmp_path / "scratch").iterdir()] == [total.name]
    write_submission(tmp_path / "one.csv", [ScoreFile(total)], segments, model.classes.indices_C)
    write_submission(tmp_path / "many.csv", [ScoreFile(path) for path in apart], segments, model.classes.indices_C)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "many.csv").read_bytes()
