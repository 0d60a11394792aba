"""The baseline submission of the matching challenge: made at home, and made again by its code."""

from __future__ import annotations

import csv
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest

from podium.errors import ChallengeError, UsageError

pytest.importorskip("av")
pytest.importorskip("torch")
pytest.importorskip("timm")

from podium.media.video import write
from podium.search.alignment.temporal_network import TemporalNetwork
from podium.solutions.copy_detection.backbone import Backbone, Source, _Maps
from podium.solutions.copy_detection.inference import videos_in
from podium.solutions.copy_detection.matching import Matcher, MatchingSettings
from podium.solutions.copy_detection.matching_preparation import prepare
from podium.solutions.copy_detection.model import Settings
from podium.solutions.copy_detection.pooling import Pooling

BASELINE = Path(__file__).parents[2] / "src" / "podium" / "challenges" / "vsc" / "matching_baseline"
QUICK = Settings(short_edge=64, pooling=Pooling(sizes=(64,)), dimensions=16, comparison="cosine")
# An untrained network finds all scenes alike; only the very same frames come near 1.
STRICT = MatchingSettings(
    floor=0.8, bias=0.0, aligner=TemporalNetwork(max_step=3, top_k=2, min_similarity=0.8, min_length=1)
)


def movie(path: Path, *, seed: int, first: int = 0, seconds: float) -> None:
    """A jump to other patches each second, at 4 frames a second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames: list[np.ndarray] = []
    for at in range(4 * first, round(4 * (first + seconds))):
        patches = np.random.default_rng([seed, at // 4]).integers(0, 256, (8, 10, 3), dtype=np.uint8)
        frames.append(np.kron(patches, np.ones((10, 10, 1), np.uint8)))
    write(path, frames, frames_per_second=4)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two splits; Q200001 is seconds 2 to 7 of R200002, and Q200002 a movie of its own."""
    root = tmp_path_factory.mktemp("matching") / "data"
    for number, split in ((1, "train"), (2, "test")):
        folder = root / "public" / split
        for row in (1, 2):
            movie(folder / "reference" / f"R{number}0000{row}.mp4", seed=10 * number + row, seconds=8)
        movie(folder / "query" / f"Q{number}00001.mp4", seed=10 * number + 2, first=2, seconds=5)
        movie(folder / "query" / f"Q{number}00002.mp4", seed=10 * number + 9, seconds=4)
        (folder / "query_metadata.csv").write_text(f"video_id,duration_sec\nQ{number}00001,5\nQ{number}00002,4\n")
    (root / "inputs").mkdir()
    shutil.copy(root / "public" / "test" / "query_metadata.csv", root / "inputs")
    return root


@pytest.fixture(autouse=True)
def tiny_backbone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest network that there is takes the place of the real one."""

    def load(*_: object, **__: object) -> Backbone:
        import torch

        torch.manual_seed(0)
        source = Source(kind="timm", architecture="test_efficientnet")
        return Backbone(_Maps(source), source=source, low_precision=False)

    monkeypatch.setattr("podium.solutions.copy_detection.backbone.load", load)


@pytest.fixture
def submission(data: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "submission"
    shutil.copytree(BASELINE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    assert prepare(data, folder, upload="full_matches.csv", describing=QUICK, matching=STRICT) == ()
    return folder


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.mark.train
def test_the_copied_seconds_are_uploaded(submission: Path) -> None:
    rows = table(submission / "full_matches.csv")
    best = max(rows, key=lambda row: float(row["score"]))
    assert (best["query_id"], best["ref_id"]) == ("Q200001", "R200002")
    times = [float(best[name]) for name in ("query_start", "query_end", "ref_start", "ref_end")]
    assert times == pytest.approx([0.0, 5.0, 2.0, 7.0], abs=0.01)
    assert float(best["score"]) > 0.9


@pytest.mark.train
def test_main_makes_the_uploaded_matches_again(
    data: Path, submission: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = tmp_path / "inputs"
    shutil.copytree(data / "public" / "test" / "query", inputs / "query")
    (inputs / "query_subset.csv").write_text("video_id\nQ200001\n")
    working = tmp_path / "code_execution"
    working.mkdir()
    monkeypatch.chdir(working)
    main = runpy.run_path(str(submission / "main.py"))
    assert main["DATA"] == Path("/data")
    main["main"].__globals__["DATA"] = inputs
    main["main"]()
    uploaded = [row for row in table(submission / "full_matches.csv") if row["query_id"] == "Q200001"]
    again = table(working / "subset_matches.csv")
    assert uploaded
    assert [{**row, "score": ""} for row in again] == [{**row, "score": ""} for row in uploaded]
    scores = [[float(row["score"]) for row in rows] for rows in (again, uploaded)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-4)


@pytest.mark.train
def test_a_damaged_query_is_skipped_by_name(submission: Path, data: Path, tmp_path: Path) -> None:
    shutil.copytree(data / "public" / "test" / "query", tmp_path / "query")
    (tmp_path / "query" / "Q200003.mp4").write_bytes(b"no video")
    found = Matcher.load(submission / "model_assets").match(videos_in(tmp_path / "query"))
    assert len(found.skipped) == 1
    assert found.skipped[0].startswith("Q200003: ")
    assert "Q200001" in found.query_ids.tolist()


@pytest.mark.train
def test_what_is_missing_from_the_assets_is_named(submission: Path) -> None:
    (submission / "model_assets" / "reference_descriptors.npz").write_bytes(b"")
    with pytest.raises(UsageError, match=r"reference_descriptors\.npz` holds no descriptors"):
        Matcher.load(submission / "model_assets")
    (submission / "model_assets" / "matching.json").unlink()
    with pytest.raises(UsageError, match="holds no matcher"):
        Matcher.load(submission / "model_assets")


def test_without_an_independent_split_nothing_is_fitted(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "data", ignore=shutil.ignore_patterns("train"))
    with pytest.raises(ChallengeError, match="needs a judged and an independent split"):
        prepare(tmp_path / "data", tmp_path, upload="full_matches.csv")
