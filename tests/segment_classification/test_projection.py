"""PCA-whitening gathered a block at a time, the official files, and the folder that holds a projection."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="projections hold a network")

from podium.errors import UsageError  # noqa: E402
from podium.formats.tfrecord import dequantise  # noqa: E402
from podium.solutions.segment_classification.footage import frame_features, projection  # noqa: E402
from podium.solutions.segment_classification.footage.projection import Axes, Moments, Projection  # noqa: E402


class Squares(torch.nn.Module):
    """The mean colours of 4 x 4 squares: 48 numbers a frame."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(pixels, (4, 4)).flatten(1)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "squares.pt"
    torch.jit.script(Squares()).save(str(path))
    return path


def rows(count: int, width: int, *, seed: int = 0) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, width)) @ rng.normal(size=(width, width)) + 5 * rng.normal(size=width)


@given(cuts=st.lists(st.integers(0, 60), max_size=5), seed=st.integers(0, 100))
def test_any_blocks_give_the_mean_and_covariance_of_all_rows(cuts: list[int], seed: int) -> None:
    every = rows(60, 5, seed=seed)
    moments = Moments(5)
    for block in np.split(every, sorted(cuts)):
        moments.add(block)
    assert moments.count == 60
    np.testing.assert_allclose(moments.mean_C, every.mean(axis=0), atol=1e-10)
    np.testing.assert_allclose(moments.covariance_CC, np.cov(every.T, bias=True), atol=1e-9)


def test_a_far_mean_costs_no_precision() -> None:
    every = rows(400, 3) + 1e7
    moments = Moments(3)
    for block in np.split(every, 40):
        moments.add(block)
    np.testing.assert_allclose(moments.covariance_CC, np.cov(every.T, bias=True), rtol=1e-6)


def test_without_shrinkage_the_rows_come_out_white() -> None:
    every = rows(500, 8)
    moments = Moments(8)
    moments.add(every)
    axes = projection.fit(moments, dimensions=8, shrinkage=0.0)
    assert (axes.filled, axes.fitted_on) == (8, 500)
    white = axes.project(every)
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(np.cov(white.T, bias=True), np.eye(8), atol=1e-4)


def test_shrinkage_divides_by_the_mixed_variance() -> None:
    every = np.array([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]] * 2)
    moments = Moments(2)
    moments.add(every)
    # Variances 4.5 and 0.5, mean 2.5; with a fifth of it mixed in: 4.1 and 0.9.
    axes = projection.fit(moments, dimensions=2, shrinkage=0.2)
    np.testing.assert_allclose(axes.axes_CD, np.diag([1 / np.sqrt(4.1), 1 / np.sqrt(0.9)]), atol=1e-12)


def test_what_the_rows_cannot_fill_is_zero() -> None:
    moments = Moments(6)
    moments.add(rows(10, 6))
    axes = projection.fit(moments, dimensions=4)
    assert axes.filled == 2
    assert axes.axes_CD.shape == (6, 4)
    assert not axes.axes_CD[:, 2:].any()
    assert axes.axes_CD[:, :2].any(axis=0).all()


def test_rows_of_few_kinds_fill_no_more_than_they_span() -> None:
    moments = Moments(6)
    moments.add(np.outer(np.arange(40.0), [1, 2, 0, 0, 0, 1]))
    assert projection.fit(moments, dimensions=6).filled == 1


@pytest.mark.parametrize("count", [0, 1, 3])
def test_hardly_any_rows_fill_nothing(count: int) -> None:
    moments = Moments(4)
    moments.add(rows(count, 4))
    axes = projection.fit(moments, dimensions=4)
    assert axes.filled == 0
    assert not axes.project(rows(5, 4)).any()


def test_alike_rows_fill_nothing() -> None:
    moments = Moments(4)
    moments.add(np.ones((100, 4)))
    assert projection.fit(moments, dimensions=4).filled == 0


def test_unseen_rows_come_out_about_as_long_as_seen_ones() -> None:
    every = rows(480, 240)
    moments = Moments(240)
    moments.add(every[:240])
    axes = projection.fit(moments, dimensions=240, shrinkage=0.0)
    seen, unseen = (np.sqrt((axes.project(each)[:, : axes.filled] ** 2).mean()) for each in (every[:240], every[240:]))
    assert unseen < 1.5 * seen


def test_the_fit_is_the_same_every_time_and_its_signs_are_fixed() -> None:
    first, second = (Moments(5), Moments(5))
    every = rows(50, 5)
    first.add(every)
    second.add(every)
    axes = projection.fit(first, dimensions=5)
    np.testing.assert_array_equal(axes.axes_CD, projection.fit(second, dimensions=5).axes_CD)
    largest = np.abs(axes.axes_CD).argmax(axis=0)
    assert (axes.axes_CD[largest, np.arange(5)] > 0).all()


def test_rows_that_do_not_fit_are_refused() -> None:
    moments = Moments(3)
    with pytest.raises(UsageError, match="`3`"):
        moments.add(np.zeros((2, 4)))
    with pytest.raises(UsageError, match="NaN"):
        moments.add(np.array([[1.0, np.nan, 0.0]]))
    with pytest.raises(UsageError, match="`3`"):
        Axes(mean_C=np.zeros(3), axes_CD=np.zeros((3, 2)), filled=0, fitted_on=0).project(np.zeros((2, 4)))


def save_official(folder: Path, **changed: NDArray[np.generic]) -> dict[str, NDArray[np.float64]]:
    rng = np.random.default_rng(3)
    arrays = {
        "mean": rng.random((2_048, 1)),
        "eigenvals": np.sort(rng.random((1_100, 1)), axis=0)[::-1],
        "eigenvecs": rng.normal(size=(1_100, 2_048)),
    }
    for name, value in (arrays | changed).items():
        np.save(folder / f"{name}.npy", value)
    return arrays


def test_the_official_files_whiten_as_the_official_extractor_does(tmp_path: Path) -> None:
    arrays = save_official(tmp_path)
    axes = projection.official(tmp_path)
    frames = np.random.default_rng(4).random((3, 2_048))
    wanted = np.empty((3, 1_024))
    for row, frame in enumerate(frames):
        for number in range(1_024):
            turned = ((frame - arrays["mean"][:, 0]) * arrays["eigenvecs"][number]).sum()
            wanted[row, number] = turned / np.sqrt(arrays["eigenvals"][number, 0] + 1e-4)
    np.testing.assert_allclose(axes.project(frames), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mean", np.zeros(1_024)),
        ("eigenvals", np.zeros(1_000)),
        ("eigenvecs", np.zeros((1_023, 2_048))),
        ("eigenvecs", np.zeros((2_048, 1_024))),
        ("eigenvecs", np.zeros(5)),
        ("eigenvals", np.full(1_024, -1.0)),
        ("mean", np.full(2_048, np.nan)),
        ("mean", np.full(2_048, "x")),
    ],
)
def test_official_files_of_another_shape_are_refused(tmp_path: Path, name: str, value: NDArray[np.generic]) -> None:
    save_official(tmp_path, **{name: value})
    with pytest.raises(UsageError, match="`"):
        projection.official(tmp_path)


def test_official_files_with_objects_are_never_unpickled(tmp_path: Path) -> None:
    save_official(tmp_path)
    np.save(tmp_path / "mean.npy", np.array([print, None], dtype=object), allow_pickle=True)
    with pytest.raises(UsageError, match=r"mean\.npy"):
        projection.official(tmp_path)


def fitted(weights: Path) -> Projection:
    extractor = frame_features.load(str(weights))
    frames, sound = Moments(48), Moments(128)
    frames.add(rows(300, 48))
    sound.add(rows(600, 128))
    return Projection(
        extractor=extractor,
        frames=projection.fit(frames, dimensions=1_024),
        sound=projection.fit(sound, dimensions=128),
    )


def test_a_saved_projection_gives_the_same_bytes(weights: Path, tmp_path: Path) -> None:
    made = fitted(weights)
    made.save(tmp_path / "kept")
    again = projection.load(tmp_path / "kept")
    frames, heard = rows(7, 48).astype(np.float32), np.array([True] * 6 + [False])
    np.testing.assert_array_equal(made.rgb(frames), again.rgb(frames))
    sound = rows(7, 128, seed=9).astype(np.float32)
    np.testing.assert_array_equal(made.audio(sound, heard), again.audio(sound, heard))
    assert made.extractor.digest == again.extractor.digest
    assert again.extractor.side_pixels == 224
    pixels = np.random.default_rng(0).integers(0, 255, (5, 224, 224, 3), dtype=np.uint8)
    np.testing.assert_array_equal(made.extractor.embed(pixels), again.extractor.embed(pixels))


def test_bytes_are_the_projected_numbers_within_half_a_step(weights: Path) -> None:
    made = fitted(weights)
    frames = rows(50, 48).astype(np.float32)
    stored = made.rgb(frames)
    assert stored.shape == (50, 1_024)
    assert (stored[:, made.frames.filled :] == 128).all()
    exact = np.clip(made.frames.project(frames), -2, 2)
    assert np.abs(dequantise(stored) - 1 / 128 - exact).max() <= 2 / 255 + 1e-6


def test_seconds_without_sound_are_the_middle(weights: Path) -> None:
    sound = rows(3, 128).astype(np.float32)
    stored = fitted(weights).audio(sound, np.array([True, False, True]))
    assert (stored[1] == 128).all()
    assert (stored[0] != 128).any()


@pytest.mark.parametrize("name", ["projection.safetensors", "backbone.json", "backbone.torchscript"])
def test_a_changed_or_missing_file_is_refused(weights: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "kept"
    fitted(weights).save(folder)
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(UsageError, match=name):
        projection.load(folder)
    (folder / name).unlink()
    with pytest.raises(UsageError, match=name):
        projection.load(folder)


def test_a_description_cannot_name_files_elsewhere(weights: Path, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    fitted(weights).save(folder)
    path = folder / "projection.yaml"
    path.write_text(path.read_text().replace("backbone.torchscript", "../squares.pt"))
    with pytest.raises(UsageError, match="no projection"):
        projection.load(folder)


def test_a_folder_without_a_projection_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"projection\.yaml"):
        projection.load(tmp_path)


def test_frames_of_another_size_are_refused(weights: Path) -> None:
    extractor = frame_features.load(str(weights))
    with pytest.raises(UsageError, match="224"):
        extractor.embed(np.zeros((2, 100, 224, 3), dtype=np.uint8))


def test_other_code_in_a_network_has_another_digest(weights: Path, tmp_path: Path) -> None:
    class Other(torch.nn.Module):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.adaptive_avg_pool2d(pixels, (2, 2)).flatten(1)

    torch.jit.script(Other()).save(str(tmp_path / "other.pt"))
    digests = [frame_features.load(str(path)).digest for path in (weights, weights, tmp_path / "other.pt")]
    assert digests[0] == digests[1] != digests[2]
