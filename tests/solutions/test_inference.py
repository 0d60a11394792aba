"""Describing videos, fitting the baseline, and its submission folder."""

from __future__ import annotations

import csv
import math
import runpy
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from podium.errors import ChallengeError, UsageError
from podium.formats.descriptors import read_descriptors

pytest.importorskip("av")
pytest.importorskip("torch")
pytest.importorskip("timm")

from podium.media.video import Sample, write
from podium.solutions.copy_detection.backbone import Backbone, Source, _Maps
from podium.solutions.copy_detection.comparison import Distance
from podium.solutions.copy_detection.inference import describe, describe_with, videos_in
from podium.solutions.copy_detection.model import Model, Settings
from podium.solutions.copy_detection.perceptual_hash import hash_frames
from podium.solutions.copy_detection.pooling import Pooling, embed
from podium.solutions.copy_detection.preparation import fit, fit_rows, prepare
from podium.solutions.copy_detection.whitening import unit_length

BASELINE = Path(__file__).parents[2] / "src" / "podium" / "challenges" / "vsc" / "descriptor_baseline"
QUICK = Settings(short_edge=64, pooling=Pooling(sizes=(64,)), dimensions=16)


def tiny_backbone() -> Backbone:
    import torch

    torch.manual_seed(0)
    source = Source(kind="timm", architecture="test_efficientnet")
    return Backbone(_Maps(source), source=source, low_precision=False)


def movie(path: Path, *, seed: int, seconds: float) -> None:
    """A pan over random patches, at 4 frames a second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    patches = np.random.default_rng(seed).integers(0, 256, (8, 30, 3), dtype=np.uint8)
    scene = np.kron(patches, np.ones((10, 10, 1), np.uint8))
    frames = [np.ascontiguousarray(scene[:, 2 * at : 2 * at + 96]) for at in range(round(4 * seconds))]
    write(path, frames, frames_per_second=4)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two splits of two queries and three references; Q200001 is R200002, and Q200002 a movie of its own."""
    root = tmp_path / "data"
    for number, split in ((1, "train"), (2, "test")):
        folder = root / "public" / split
        for row in (1, 2, 3):
            movie(folder / "reference" / f"R{number}0000{row}.mp4", seed=10 * number + row, seconds=3 + row)
        movie(folder / "query" / f"Q{number}00001.mp4", seed=10 * number + 2, seconds=4.5)
        movie(folder / "query" / f"Q{number}00002.mp4", seed=10 * number + 9, seconds=2.25)
        ids = "".join(f"Q{number}0000{row},{seconds}\n" for row, seconds in ((1, 4.5), (2, 2.25)))
        (folder / "query_metadata.csv").write_text(f"video_id,duration_sec\n{ids}")
    (root / "inputs").mkdir()
    shutil.copy(root / "public" / "test" / "query_metadata.csv", root / "inputs")
    return root


def fitted(data: Path) -> Model:
    return fit(data / "public" / "train", tiny_backbone(), settings=QUICK)


@pytest.mark.train
def test_every_video_has_at_most_one_row_for_each_second_begun(data: Path) -> None:
    videos = videos_in(data / "public" / "test" / "query")
    found = describe(reversed(videos), fitted(data), role="query").descriptors
    assert found.videos.tolist() == ["Q200001", "Q200002"]
    assert (found.rows_per_video <= [math.ceil(4.5), math.ceil(2.25)]).all()
    assert found.features_ND.dtype == np.float32
    assert found.video_ids.dtype == "<U7"
    starts, ends = found.timestamps_N2.T
    assert (starts < ends).all()
    assert ends.max() <= 4.5 + 1e-6


@pytest.mark.train
def test_a_copy_is_nearest_to_what_it_copies(data: Path) -> None:
    model = fitted(data)
    queries, references = (
        describe(videos_in(data / "public" / "test" / role), model, role=role).descriptors  # type: ignore[arg-type]
        for role in ("query", "reference")
    )
    similarity_QR = queries.features_ND @ references.features_ND.T
    nearest = references.video_ids[similarity_QR[queries.video_ids == "Q200001"].argmax(axis=1)]
    assert set(nearest.tolist()) == {"R200002"}


@pytest.mark.train
def test_a_damaged_video_is_skipped_by_name(data: Path) -> None:
    folder = data / "public" / "test" / "query"
    (folder / "Q200003.mp4").write_bytes(b"no video")
    described = describe(videos_in(folder, ["Q200003", "Q200001"]), fitted(data), role="query")
    assert described.descriptors.videos.tolist() == ["Q200001"]
    assert len(described.skipped) == 1
    assert described.skipped[0].startswith("Q200003: ")
    with pytest.raises(UsageError, match="none of 1 videos gives a descriptor; the first: Q200003"):
        describe(videos_in(folder, ["Q200003"]), fitted(data), role="query")


def test_any_row_maker_can_describe(data: Path) -> None:
    def rows_of(found: Sample) -> np.ndarray:
        return hash_frames(found.frames_THWC, bits=64)

    described = describe_with(rows_of, videos_in(data / "public" / "test" / "reference"), short_edge=64)
    assert described.descriptors.features_ND.shape[1] == 64


@pytest.mark.train
def test_a_query_alone_gets_the_descriptors_that_it_gets_among_others(data: Path) -> None:
    model = fitted(data)
    folder = data / "public" / "test" / "query"
    together = describe(videos_in(folder), model, role="query").descriptors
    alone = describe(videos_in(folder, ["Q200002"]), model, role="query").descriptors
    np.testing.assert_array_equal(alone.features_ND, together.features_ND[together.video_ids == "Q200002"])


def test_normalisation_subtracts_nearness_to_the_training_references() -> None:
    rng = np.random.default_rng(0)
    noise, queries, references = (rng.normal(size=(count, 40)).astype(np.float32) for count in (30, 5, 7))
    settings = Settings(dimensions=12, shrinkage=0.0, comparison="cosine", normalise=True, beta=1.2)
    model = fit_rows(noise[:0], noise, tiny_backbone(), settings=settings)
    white = [model.whitening.project(each) for each in (noise, queries, references)]
    dropped = int(unit_length(white[0]).var(axis=0, dtype=np.float64).argmin())
    n, q, r = (unit_length(np.delete(each, dropped, axis=1)) for each in white)
    wanted = q @ r.T - settings.beta * (q @ n.T).max(axis=1, keepdims=True)
    got = model.finish(queries, role="query") @ model.finish(references, role="reference").T
    assert model.finish(queries, role="query").shape == (5, 12)
    np.testing.assert_allclose(got, wanted, atol=1e-5)


def test_by_default_the_similarity_is_the_negated_distance() -> None:
    rng = np.random.default_rng(0)
    rows, queries, references = (rng.normal(size=(count, 40)).astype(np.float32) for count in (30, 5, 7))
    model = fit_rows(rows[:10], rows, tiny_backbone(), settings=Settings(dimensions=12))
    q, r = (model.whitening.project(each).astype(np.float64) for each in (queries, references))
    wanted = -((q[:, None] - r[None]) ** 2).sum(axis=2) / 2
    described = model.finish(queries, role="query")
    assert described.shape == (5, 12)
    np.testing.assert_allclose(described @ model.finish(references, role="reference").T, wanted, atol=1e-5)


def test_normalised_distances_lose_the_nearness_to_the_noise() -> None:
    rng = np.random.default_rng(1)
    q, r, n = (rng.normal(size=(count, 6)).astype(np.float32) for count in (4, 5, 9))
    plain, normalised = Distance(), Distance(noise_ND=n, beta=0.5, k=2)
    near = np.sort(plain.queries(q) @ plain.references(n).T, axis=1)[:, -2:].mean(axis=1, keepdims=True)
    wanted = plain.queries(q) @ plain.references(r).T - 0.5 * near
    np.testing.assert_allclose(normalised.queries(q) @ normalised.references(r).T, wanted, atol=1e-4)


@pytest.mark.train
def test_cosines_without_normalisation_write_both_roles_alike() -> None:
    rows = np.random.default_rng(0).normal(size=(20, 30)).astype(np.float32)
    model = fit_rows(rows, rows, tiny_backbone(), settings=Settings(dimensions=8, comparison="cosine"))
    np.testing.assert_array_equal(model.finish(rows, role="query"), model.finish(rows, role="reference"))


@pytest.mark.train
@pytest.mark.parametrize("comparison", ["distance", "cosine"])
@pytest.mark.parametrize("normalise", [True, False])
def test_a_saved_model_gives_the_same_descriptors(normalise: bool, comparison: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    backbone = tiny_backbone()
    settings = Settings(
        pooling=Pooling(sizes=(64,)), dimensions=8, normalise=normalise, comparison=comparison, neighbours=2
    )
    rows = rng.normal(size=(20, backbone(_image())[0].shape[1])).astype(np.float32)
    model = fit_rows(rows, rows, backbone, settings=settings)
    model.save(tmp_path / "assets")
    again = Model.load(tmp_path / "assets")
    assert again.settings == settings
    for role in ("query", "reference"):
        np.testing.assert_array_equal(again.finish(rows, role=role), model.finish(rows, role=role))  # type: ignore[arg-type]
    frames = rng.integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    # Reloaded nets may run in low precision, where the processor has it.
    before, after = (embed(each, frames, pooling=settings.pooling) for each in (backbone, again.backbone))
    cosine = (unit_length(before) * unit_length(after)).sum(axis=1)
    np.testing.assert_allclose(cosine, 1, atol=1e-2)


def test_an_unknown_comparison_is_refused() -> None:
    with pytest.raises(UsageError, match="no comparison is called `cosin`; did you mean `cosine`"):
        Settings(comparison="cosin")


def _image() -> Any:
    import torch

    return torch.zeros(1, 3, 64, 64)


def test_settings_survive_json_and_unknown_ones_are_refused() -> None:
    assert Settings.from_json(QUICK.to_json()) == QUICK
    with pytest.raises(UsageError, match="no settings of the baseline"):
        Settings.from_json(QUICK.to_json().replace("beta", "gamma"))


@pytest.mark.train
def test_preparing_fits_on_the_split_that_is_not_judged(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("podium.solutions.copy_detection.backbone.load", lambda *_, **__: tiny_backbone())
    submission = tmp_path / "submission"
    submission.mkdir()
    assert prepare(data, submission, settings=QUICK) == ()
    model = Model.load(submission / "model_assets")
    expected = fitted(data)
    np.testing.assert_allclose(model.whitening.mean_C, expected.whitening.mean_C)
    for kind, letter in (("query", "Q"), ("reference", "R")):
        reading = read_descriptors(submission / f"{kind}_descriptors.npz", letter=letter, max_rows=20)  # type: ignore[arg-type]
        assert reading.valid, reading.problems
        assert reading.problems == ()


def test_without_an_independent_split_nothing_is_fitted(data: Path, tmp_path: Path) -> None:
    shutil.rmtree(data / "public" / "train")
    with pytest.raises(ChallengeError, match="needs a judged and an independent split"):
        prepare(data, tmp_path)


@pytest.mark.train
def test_main_makes_the_uploaded_descriptors_again(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podium.solutions.copy_detection.backbone.load", lambda *_, **__: tiny_backbone())
    submission = tmp_path / "submission"
    shutil.copytree(BASELINE, submission)
    prepare(data, submission, settings=QUICK)
    inputs = data / "public" / "test"
    with (inputs / "query_subset.csv").open("w", newline="") as lines:
        csv.writer(lines).writerows([["video_id"], ["Q200002"]])
    working = tmp_path / "code_execution"
    working.mkdir()
    monkeypatch.chdir(working)
    main = runpy.run_path(str(submission / "main.py"))
    main["main"].__globals__["DATA"] = inputs
    main["main"]()
    with (
        np.load(working / "subset_query_descriptors.npz", allow_pickle=False) as subset,
        np.load(submission / "query_descriptors.npz", allow_pickle=False) as uploaded,
    ):
        assert set(subset["video_ids"].tolist()) == {"Q200002"}
        wanted = uploaded["features"][uploaded["video_ids"] == "Q200002"]
        cosine = (unit_length(subset["features"]) * unit_length(wanted)).sum(axis=1)
        np.testing.assert_allclose(cosine, 1, atol=1e-3)
