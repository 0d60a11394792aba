"""The classical baseline: motion and colour, no parameters."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("cv2", reason="the extra `motion` is not installed")

from podium.errors import UsageError
from podium.solutions.object_segmentation.classical import ClassicalSegmenter, ClassicalSettings, fitted, seeds
from podium.solutions.object_segmentation.flow import FlowSettings, estimator
from podium.solutions.object_segmentation.saliency import SaliencySettings, centre, evidence, inside, moments, salient

HEIGHT, WIDTH, SIDE = 96, 160, 28
JUDO = Path(__file__).parents[3] / "shared" / "media" / "judo"
Pixels = NDArray[np.uint8]


def texture(seed: int, height: int, width: int) -> Pixels:
    """Blocks of colour with soft borders, so that flow has something to hold on to."""
    import cv2

    rng = np.random.default_rng(seed)
    small = rng.integers(20, 236, (height // 6, width // 6, 3), dtype=np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def clip(
    shifts: list[int], *, camera: int = 0, distractor: bool = False
) -> tuple[list[Pixels], list[NDArray[np.bool_]]]:
    """A square that lies `shifts` pixels to the right, over a background that the camera shifts each frame."""
    background, square = texture(0, HEIGHT, WIDTH + 120), texture(1, SIDE, SIDE)
    frames, masks = [], []
    for number, shift in enumerate(shifts):
        frame = background[:, camera * number : camera * number + WIDTH].copy()
        if distractor:
            left = 120 - camera * number
            frame[8 : 8 + SIDE, left : left + SIDE] = square
        mask = np.zeros((HEIGHT, WIDTH), bool)
        mask[50 : 50 + SIDE, 20 + shift : 20 + shift + SIDE] = True
        frame[mask] = square.reshape(-1, 3)
        frames.append(frame)
        masks.append(mask)
    return frames, masks


def iou(probability: NDArray[np.float32], mask: NDArray[np.bool_]) -> float:
    found = probability >= 0.5
    return float((found & mask).sum() / (found | mask).sum())


def segmented(frames: list[Pixels], settings: ClassicalSettings | None = None) -> list[NDArray[np.float32]]:
    return list(ClassicalSegmenter(settings).masks(iter(frames)))


@pytest.mark.parametrize("camera", [0, 2])
def test_what_moves_is_found_and_its_still_twin_is_not(camera: int) -> None:
    frames, masks = clip([3 * number for number in range(8)], camera=camera, distractor=True)
    found = segmented(frames)
    assert np.mean([iou(*each) for each in zip(found, masks, strict=True)]) > 0.7
    for number, each in enumerate(found):
        twin = each[8 : 8 + SIDE, 120 - camera * number :][:, :SIDE]
        assert (twin >= 0.5).mean() < 0.1


def test_an_object_that_pauses_stays_found() -> None:
    shifts = [0, 3, 6, 9, 12, *[12] * 10]
    frames, masks = clip(shifts)
    found = segmented(frames)
    assert iou(found[-1], masks[-1]) > 0.6


def test_an_object_is_found_before_it_starts_to_move() -> None:
    frames, masks = clip([0, 0, 0, 3, 6, 9])
    assert iou(segmented(frames)[0], masks[0]) > 0.6


@pytest.mark.parametrize("count", [1, 5])
def test_where_nothing_moves_the_middle_is_taken_with_little_confidence(count: int) -> None:
    frames, _ = clip([0] * count)
    for each in segmented(frames):
        assert np.abs(each - 0.5).max() <= 0.06
        assert np.array_equal(each >= 0.5, centre(HEIGHT, WIDTH) >= 0.5)


def test_a_camera_that_moves_over_a_still_scene_is_no_object() -> None:
    frames, _ = clip([0] * 6, camera=2)
    still = [each[:40] for each in frames]
    found = list(salient(moments(still, estimator(), SaliencySettings()), SaliencySettings()))
    assert max(float(each.moment.evidence_HW.mean()) for each in found) < 0.05


def test_the_same_frames_give_the_same_masks() -> None:
    frames, _ = clip([0, 3, 6, 9])
    segmenter = ClassicalSegmenter()
    first, second = (list(segmenter.masks(iter(frames))) for _ in range(2))
    assert all(np.array_equal(*each) for each in zip(first, second, strict=True))


def test_a_mask_comes_for_every_frame_of_its_size_and_in_range() -> None:
    frames, _ = clip([0, 3, 6])
    for settings in (None, ClassicalSettings(short_side=48, cut_side=40)):
        found = segmented(frames, settings)
        assert [each.shape for each in found] == [(HEIGHT, WIDTH)] * 3
        assert all(each.dtype == np.float32 and each.min() >= 0 and each.max() <= 1 for each in found)


def test_few_frames_are_held_however_long_the_clip_is() -> None:
    settings = ClassicalSettings(short_side=48, cut_side=40, saliency=SaliencySettings(ahead=3))
    alive = most = 0

    def gone() -> None:
        nonlocal alive
        alive -= 1

    def stream() -> Iterator[Pixels]:
        nonlocal alive, most
        for frame in clip([0, 2, 4, 6] * 6)[0]:
            mine = frame.copy()
            weakref.finalize(mine, gone)
            alive += 1
            most = max(most, alive)
            yield mine

    assert sum(1 for _ in ClassicalSegmenter(settings).masks(stream())) == 24
    assert most <= 3
    assert alive == 0


def test_no_frames_give_no_masks() -> None:
    assert segmented([]) == []


def test_frames_of_several_sizes_and_other_types_are_refused() -> None:
    frames, _ = clip([0, 3])
    with pytest.raises(UsageError, match="all are alike"):
        segmented([frames[0], frames[1][:, :-2]])
    with pytest.raises(UsageError, match="uint8"):
        segmented([frames[0].astype(np.float32)])  # type: ignore[list-item]


def test_settings_with_no_sense_are_refused_and_a_network_is_none_of_this_methods() -> None:
    for wrong in ({"cut_side": 300}, {"rounds": 0}, {"short_side": 8}, {"flow": FlowSettings(method="raft-small")}):
        with pytest.raises(UsageError):
            ClassicalSettings(**wrong)  # type: ignore[arg-type]
    for wrong in ({"floor": 0.0}, {"ahead": 65}, {"prior": 0.0}, {"noise": -1.0}, {"change": float("nan")}):
        with pytest.raises(UsageError):
            SaliencySettings(**wrong)  # type: ignore[arg-type]


def test_flow_without_texture_is_no_evidence() -> None:
    flat = np.full((64, 64, 3), 90, np.uint8)
    flow = np.zeros((64, 64, 2), np.float32)
    flow[20:40, 20:40] = (5, 0)
    assert evidence(flat, flat, flow, SaliencySettings()).own_HW.max() == 0
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    own = evidence(first, second, flow, SaliencySettings()).own_HW
    assert own[30, 30] > 0.8
    assert own[10, 50] < 0.01


def test_inside_tells_which_pixels_a_flow_keeps_in_the_frame() -> None:
    flow = np.zeros((3, 4, 2), np.float32)
    flow[..., 0] = 2
    assert inside(flow).tolist() == [[True, True, False, False]] * 3


def test_seeds_go_from_sure_to_sure_by_saliency() -> None:
    import cv2

    saliency = np.zeros((64, 64), np.float32)
    saliency[16:48, 16:48] = 0.6
    saliency[24:40, 24:40] = 0.9
    areas = seeds(saliency)
    assert areas[32, 32] == cv2.GC_FGD
    assert areas[18, 18] == cv2.GC_PR_FGD
    assert areas[32, 15] == cv2.GC_PR_BGD
    assert areas[2, 2] == cv2.GC_BGD


def test_a_fitted_map_moves_its_border_to_the_edge_of_the_picture() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, 32:] = 200
    rough = np.zeros((64, 64), np.float32)
    rough[:, 31:] = 1
    found = fitted(rough, image)
    assert np.array_equal(found >= 0.5, image[..., 0] > 0)


@pytest.mark.slow
def test_on_real_frames_the_fighters_are_found_and_the_spectators_are_not() -> None:
    if not JUDO.is_dir():
        pytest.skip("the frames of judo are not there")
    from PIL import Image

    frames = [np.asarray(Image.open(path)) for path in sorted(JUDO.glob("0*.jpg"))[:10]]
    found = segmented(frames)
    fighters = np.asarray(Image.open(JUDO / "mask_00000.png")) > 0
    assert iou(found[0], fighters) > 0.4
    assert (found[0] >= 0.5)[~fighters].mean() < 0.02
    for number in (5, 8):
        # Of these frames a spectator is marked; some of the masks are a column narrower than the frames.
        spectator = np.asarray(Image.open(JUDO / f"mask_{number:05}.png")) > 0
        assert not (found[number][:, : spectator.shape[1]] >= 0.5)[spectator].any()
