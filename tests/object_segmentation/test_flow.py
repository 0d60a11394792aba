"""Optical flow of textured pictures that move as is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

cv2 = pytest.importorskip("cv2")

from podium.errors import UsageError  # noqa: E402 - after the check for OpenCV
from podium.solutions.object_segmentation.flow import FlowSettings, estimator  # noqa: E402


def texture(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    layers = [
        cv2.resize(rng.random((height // step, width // step, 3)).astype(np.float32), (width, height)) * step
        for step in (3, 6, 12, 24)
    ]
    sum_HWC = np.sum(layers, axis=0)
    return np.clip(255 * (sum_HWC - sum_HWC.min()) / np.ptp(sum_HWC), 0, 255).astype(np.uint8)


def moved(image_HWC: NDArray[np.uint8], matrix: NDArray[np.float64]) -> NDArray[np.uint8]:
    return cv2.warpAffine(image_HWC, matrix, image_HWC.shape[1::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_WRAP)


def exact(height: int, width: int, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    y_HW, x_HW = np.mgrid[:height, :width]
    places_HW3 = np.stack([x_HW, y_HW, np.ones_like(x_HW)], axis=-1)
    return places_HW3 @ matrix.T - places_HW3[..., :2]


MOTIONS = {
    "shift": np.array([[1, 0, 5.5], [0, 1, -3.0]]),
    "turn and zoom": np.array([[1.02, -0.02, 1.0], [0.02, 1.02, -2.0]]),
}


@pytest.mark.parametrize("name", MOTIONS)
@pytest.mark.parametrize("method", ["dis", "farneback"])
@pytest.mark.parametrize("preset", ["ultrafast", "fast", "medium"])
def test_known_motion_is_found_to_half_a_pixel(name: str, method: str, preset: str) -> None:
    first_HWC = texture(160, 224)
    flow_HW2 = estimator(FlowSettings(method=method, preset=preset)).estimate(
        first_HWC, moved(first_HWC, MOTIONS[name])
    )
    errors_HW = np.linalg.norm(flow_HW2 - exact(160, 224, MOTIONS[name]), axis=-1)[16:-16, 16:-16]
    assert flow_HW2.dtype == np.float32
    assert np.median(errors_HW) < 0.25
    assert np.mean(errors_HW < 0.5) > 0.9


def test_the_same_frames_give_the_same_bytes_whatever_the_number_of_threads() -> None:
    first_HWC, second_HWC = texture(96, 128), moved(texture(96, 128), MOTIONS["shift"])
    before = cv2.getNumThreads()
    flows = []
    try:
        for threads in (1, 2, 4):
            cv2.setNumThreads(threads)
            flows.append(estimator().estimate(first_HWC, second_HWC).tobytes())
            assert cv2.getNumThreads() == threads
    finally:
        cv2.setNumThreads(before)
    assert len(set(flows)) == 1


@pytest.mark.parametrize("method", ["dis", "farneback"])
@pytest.mark.parametrize("size", [(1, 1), (5, 40), (31, 33)])
def test_small_pictures_have_flow_of_their_own_size(method: str, size: tuple[int, int]) -> None:
    image_HWC = texture(64, 64)[: size[0], : size[1]]
    flow_HW2 = estimator(FlowSettings(method=method)).estimate(image_HWC, image_HWC)
    assert flow_HW2.shape == (*size, 2)
    assert np.abs(flow_HW2).max() < 0.5


def test_methods_without_weights_have_no_parameters() -> None:
    assert [estimator(FlowSettings(method=each)).parameters for each in ("dis", "farneback")] == [0, 0]


def test_frames_of_two_sizes_or_of_floats_are_refused() -> None:
    image_HWC = texture(48, 64)
    with pytest.raises(UsageError, match="`64x48` and `48x48`"):
        estimator().estimate(image_HWC, image_HWC[:, :48])
    with pytest.raises(UsageError, match="uint8"):
        estimator().estimate(image_HWC, image_HWC.astype(np.float32))  # type: ignore[arg-type]


def test_unknown_methods_and_presets_are_told_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean `farneback`"):
        FlowSettings(method="farnback")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="did you mean `medium`"):
        FlowSettings(preset="medum")  # type: ignore[arg-type]


@pytest.mark.train
def test_the_network_without_weights_says_where_they_are(tmp_path: Path) -> None:
    pytest.importorskip("torchvision")
    for weights in (None, str(tmp_path / "none.pth")):
        with pytest.raises(UsageError, match=r"https://\S+raft_small\S+"):
            estimator(FlowSettings(method="raft-small", weights=weights))


@pytest.mark.train
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_the_network_takes_weights_from_a_file_and_counts_them(tmp_path: Path, suffix: str) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file
    from torchvision.models.optical_flow import raft_small

    torch.manual_seed(0)
    path = tmp_path / f"weights.{suffix}"
    state = raft_small(weights=None).state_dict()
    torch.save(state, path) if suffix == "pth" else save_file(state, path)
    found = estimator(FlowSettings(method="raft-small", weights=str(path)))
    assert found.parameters == 990_162
    first_HWC = texture(100, 130)
    flows = [found.estimate(first_HWC, moved(first_HWC, MOTIONS["shift"])) for _ in range(2)]
    assert flows[0].shape == (100, 130, 2)
    assert flows[0].dtype == np.float32
    assert flows[0].tobytes() == flows[1].tobytes()
    assert np.isfinite(flows[0]).all()


@pytest.mark.train
def test_the_network_refuses_weights_of_another(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(UsageError, match="do not fit `raft-small`"):
        estimator(FlowSettings(method="raft-small", weights=str(tmp_path / "other.pth")))


@pytest.mark.train
def test_the_network_sees_the_frame_in_the_middle_of_its_filling() -> None:
    pytest.importorskip("torchvision")
    from podium.solutions.object_segmentation.raft import Raft

    torch = pytest.importorskip("torch")

    class Echo(torch.nn.Module):
        """Answers with the red and green of the first picture."""

        def forward(self, first_N3HW: object, second_N3HW: object, num_flow_updates: int) -> list[object]:
            assert first_N3HW.shape[2] % 8 == first_N3HW.shape[3] % 8 == 0  # type: ignore[attr-defined]
            assert min(first_N3HW.shape[2:]) >= 128  # type: ignore[attr-defined]
            return [first_N3HW[:, :2]]  # type: ignore[index]

    image_HWC = texture(61, 203)
    found_HW2 = Raft(Echo()).estimate(image_HWC, image_HWC)
    np.testing.assert_allclose((found_HW2 + 1) * 127.5, image_HWC[..., :2], atol=1e-3)
