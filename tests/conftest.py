"""Data sets that many tests share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

from podium.challenges.vsc import data as vsc_data
from podium.formats import digests, tables
from podium.types import DataSet

# Tests run side by side; threads of torch that wait for each other would take most of the time. Before torch is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long an example takes says how busy the machine is, nothing about the code.
hypothesis.settings.register_profile("podium", deadline=None)
hypothesis.settings.load_profile("podium")

COUNTS = {"query": ("Q", 20), "reference": ("R", 30)}
SECONDS = 15.5


@pytest.fixture(scope="session")
def media() -> Path:
    """Real videos that lie beside a checkout, where they do."""
    folder = Path(__file__).parents[1].parent / "shared" / "media"
    if not folder.is_dir():
        pytest.skip("the folder with real media is not there")
    return folder


@pytest.fixture
def make_videos() -> Callable[[Path], DataSet]:
    """Makes a video-copy data set whose videos are empty files: enough for everything but decoding."""
    return _make_videos


@pytest.fixture
def videos(tmp_path: Path) -> DataSet:
    """Twenty queries, of which three hold copies, and thirty references."""
    return _make_videos(tmp_path / "videos")


def _make_videos(root: Path) -> DataSet:
    data = vsc_data.start(root)
    for split, digit in (("train", 1), ("test", 2)):
        for kind, (letter, count) in COUNTS.items():
            ids = [f"{letter}{digit}{number:05d}" for number in range(count)]
            (data.public / split / kind).mkdir(parents=True)
            for each in ids:
                (data.public / split / kind / f"{each}.mp4").write_bytes(b"")
            tables.write(
                data.public / split / f"{kind}_metadata.csv",
                {
                    "video_id": ids,
                    "duration_sec": [SECONDS] * count,
                    "frames_per_sec": [30.0] * count,
                    "width": [320] * count,
                    "height": [240] * count,
                    "rn": list(range(count)),
                },
            )
    tables.write(
        data.answers / "ground_truth.csv",
        {
            "query_id": ["Q200001", "Q200003", "Q200003", "Q200008"],
            "ref_id": ["R200004", "R200005", "R200005", "R200006"],
            "query_start": [1.0, 2.0, 9.0, 0.0],
            "query_end": [5.0, 6.0, 12.0, 15.5],
            "ref_start": [0.0, 1.0, 8.0, 0.0],
            "ref_end": [4.0, 5.0, 11.0, 15.5],
        },
    )
    vsc_data.fill_inputs(data, data.public / "test", proportion=0.5, seed=42)
    digests.write_manifest(data.root)
    return data
