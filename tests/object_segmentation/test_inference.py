"""A model over a stream of frames: which frames it sees, how few are held, and that clips do not touch each other."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("cv2", reason="optical flow needs OpenCV")

from podium.errors import UsageError
from podium.media.images import UnreadableImage
from podium.solutions.object_segmentation.inference import NetworkSegmenter, PostSettings
from podium.solutions.object_segmentation.inputs import InputSettings, Prepared
from podium.solutions.object_segmentation.submission import frames_of, segment_clips

PLAIN = PostSettings(smoothing=0, speck_share=0, hole_share=0)
INPUTS = InputSettings(short_side=48, multiple=32)


class Red(NetworkSegmenter):
    """Sees the object by its colour; no torch is needed."""

    def __init__(self, settings: PostSettings = PLAIN, inputs: InputSettings = INPUTS) -> None:
        network = SimpleNamespace(parameters=lambda: iter([SimpleNamespace(device="cpu")]))
        super().__init__(SimpleNamespace(networks=(network,), inputs=inputs, postprocess=settings, parameters=7))  # pyright: ignore[reportArgumentType] - stands in for a model
        self.seen: list[Prepared] = []
        self.most = 0

    def _logits(self, samples: Sequence[Prepared]) -> np.ndarray:
        self.seen += samples
        self.most = max(self.most, len(samples))
        return np.stack([20 * (each.image_HW3[..., 0] - each.image_HW3[..., 1] - 0.25) for each in samples])


class Told:
    """Notes between which frames flow is asked for, by the number that is in their first pixel."""

    parameters = 0

    def __init__(self) -> None:
        self.pairs: list[tuple[int, int]] = []

    def estimate(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        self.pairs.append((int(first[0, 0, 2]), int(second[0, 0, 2])))
        return np.zeros((*first.shape[:2], 2), np.float32)


def clip(count: int, *, size: tuple[int, int] = (60, 90), start: int = 5) -> list[np.ndarray]:
    """A red square that walks to the right over grey; blue says the frame's number."""
    frames = []
    for number in range(count):
        frame_HWC = np.full((*size, 3), 90, np.uint8)
        frame_HWC[10:40, start + 2 * number : start + 2 * number + 25] = (220, 30, 30)
        frame_HWC[..., 2] = number
        frames.append(frame_HWC)
    return frames


def told(settings: PostSettings, count: int) -> list[tuple[int, int]]:
    segmenter, notes = Red(settings), Told()
    segmenter._flow = notes
    assert len(list(segmenter.masks(clip(count)))) == count
    return notes.pairs


def is_red(frame_HWC: np.ndarray) -> np.ndarray:
    return frame_HWC[..., 0] > 200


@pytest.mark.parametrize("size", [(60, 90), (97, 131), (48, 64), (90, 61)])
def test_masks_have_the_size_of_the_frames_and_lie_where_the_object_is(size: tuple[int, int]) -> None:
    frames = clip(5, size=size)
    found = list(Red(PostSettings()).masks(frames))
    assert len(found) == 5
    for frame_HWC, probability_HW in zip(frames, found, strict=True):
        assert probability_HW.shape == size
        assert probability_HW.dtype == np.float32
        assert probability_HW.min() >= 0
        assert probability_HW.max() <= 1
        mask_HW, truth_HW = probability_HW >= 0.5, is_red(frame_HWC)
        assert (mask_HW & truth_HW).sum() / (mask_HW | truth_HW).sum() > 0.85


def test_motion_is_measured_to_the_next_frame_and_from_the_last_one_backwards() -> None:
    assert told(PLAIN, 4) == [(0, 1), (1, 2), (2, 3), (3, 2)]


def test_each_pair_of_frames_is_estimated_once() -> None:
    pairs = told(PostSettings(gaps=(1, -1), smoothing=0.3), 6)
    assert len(pairs) == len(set(pairs)) == 10
    assert set(pairs) == {(at, at + step) for at in range(6) for step in (1, -1) if 0 <= at + step < 6}


def test_smoothing_adds_the_way_back_only() -> None:
    assert set(told(PostSettings(smoothing=0.3), 4)) == {(0, 1), (1, 2), (2, 3), (1, 0), (2, 1), (3, 2)}


def test_a_clip_of_one_frame_has_no_motion() -> None:
    segmenter = Red(PostSettings())
    assert len(list(segmenter.masks(clip(1)))) == 1
    assert [each.has_motion for each in segmenter.seen] == [False]
    assert not segmenter.seen[0].motion_HW3.any()


def test_a_clip_without_frames_has_no_masks() -> None:
    assert list(Red().masks([])) == []


@pytest.mark.parametrize("settings", [PLAIN, PostSettings(), PostSettings(gaps=(2, -1), batch_frames=3)])
def test_the_number_of_held_frames_does_not_grow_with_the_clip(settings: PostSettings) -> None:
    def most_alive(count: int) -> tuple[int, int]:
        alive: list[weakref.ref[np.ndarray]] = []
        most = [0]

        def frames() -> Iterator[np.ndarray]:
            for number in range(count):
                frame_HWC = np.full((48, 64, 3), 90 + number % 100, np.uint8)
                alive.append(weakref.ref(frame_HWC))
                most[0] = max(most[0], sum(each() is not None for each in alive))
                yield frame_HWC
                del frame_HWC

        segmenter = Red(settings)
        for _ in segmenter.masks(frames()):
            segmenter.seen.clear()
            most[0] = max(most[0], sum(each() is not None for each in alive))
        return most[0], segmenter.most

    short, long = most_alive(20), most_alive(80)
    assert short == long
    reach = max(map(abs, settings.gaps))
    assert long[0] <= 2 * reach + settings.batch_frames + 3
    assert long[1] <= settings.batch_frames


def test_the_batch_changes_no_mask() -> None:
    frames = clip(7)
    one, many = (list(Red(PostSettings(batch_frames=size)).masks(frames)) for size in (1, 5))
    np.testing.assert_array_equal(one, many)


def test_no_clip_leaves_anything_to_the_next() -> None:
    segmenter = Red(PostSettings(smoothing=0.9))
    first, second = clip(4), clip(4, start=40)
    alone = list(segmenter.masks(second))
    list(segmenter.masks(first))
    np.testing.assert_array_equal(list(segmenter.masks(second)), alone)


def test_scales_are_averaged_at_the_size_of_the_frame() -> None:
    frames = clip(3)
    segmenter = Red(replace(PLAIN, scales=(1.0, 1.5)))
    found = list(segmenter.masks(frames))
    assert {each.height for each in segmenter.seen} == {48, 72}
    for frame_HWC, probability_HW in zip(frames, found, strict=True):
        assert probability_HW.shape == (60, 90)
        assert ((probability_HW >= 0.5) == is_red(frame_HWC)).mean() > 0.95


def test_frames_of_another_size_or_kind_are_refused_by_their_number() -> None:
    with pytest.raises(UsageError, match=r"frame 2 is .*the first of the clip was"):
        list(Red().masks([*clip(2), *clip(1, size=(50, 90))]))
    with pytest.raises(UsageError, match="frame 0 is `float32`"):
        list(Red().masks([np.zeros((50, 60, 3), np.float32)]))  # pyright: ignore[reportArgumentType] - that is the fault


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"smoothing": 1.0}, "`smoothing` is `1.0`"),
        ({"speck_share": -0.1}, "`speck_share`"),
        ({"hole_share": 0.9}, "`hole_share`"),
        ({"scales": ()}, "the scales are"),
        ({"scales": (9.0,)}, "the scales are"),
        ({"batch_frames": 0}, "`batch_frames`"),
        ({"gaps": (0,)}, "the gaps are"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        PostSettings(**settings)


def test_clips_are_read_frame_by_frame_and_segmented_alone(tmp_path: Path) -> None:
    from PIL import Image

    clips = []
    for name, frames in (("a", clip(3)), ("b", clip(2, start=40, size=(50, 80)))):
        paths = [tmp_path / f"{name}{number}.png" for number in range(len(frames))]
        for path, frame_HWC in zip(paths, frames, strict=True):
            Image.fromarray(frame_HWC).save(path)
        clips.append(paths)
    shown: list[tuple[str, int | None]] = []

    def progress(steps: Iterable[Any], *, what: str, total: int | None = None) -> Iterator[Any]:
        shown.append((what, total))
        yield from steps

    found = list(segment_clips(Red(), clips, progress=progress))
    assert [each.shape for each in found] == [(60, 90)] * 3 + [(50, 80)] * 2
    assert shown == [("segmenting frames", 5)]
    np.testing.assert_array_equal(found[3:], list(Red().masks(frames_of(clips[1]))))
    clips[0][1].write_bytes(b"no image")
    with pytest.raises(UnreadableImage):
        list(segment_clips(Red(), clips))


@pytest.fixture
def model() -> Any:
    torch = pytest.importorskip("torch")
    pytest.importorskip("timm")
    from podium.solutions.object_segmentation.model import Model
    from podium.solutions.object_segmentation.network import NetworkSettings, build

    torch.manual_seed(0)
    settings = NetworkSettings(encoder="mobilenetv4_conv_small", pretrained=None, channels=16)
    return Model(networks=(build(settings).eval(), build(settings).eval()), inputs=INPUTS, postprocess=PLAIN)


@pytest.mark.train
def test_a_real_model_gives_the_same_masks_again_and_counts_its_parts(model: Any) -> None:
    from podium.solutions.object_segmentation.network import parameters

    segmenter = NetworkSegmenter(model, PostSettings(gaps=(1, -1), flip=True))
    first, second = (list(segmenter.masks(clip(4))) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert segmenter.parameters == sum(parameters(each) for each in model.networks)
    assert segmenter.multiply_adds(60, 90) == 4 * NetworkSegmenter(model).multiply_adds(60, 90)


@pytest.mark.train
def test_networks_are_averaged_by_their_logits(model: Any) -> None:
    import torch

    frames = clip(1)
    alone = [replace(model, networks=(network,)) for network in model.networks]
    each = [next(iter(NetworkSegmenter(one).masks(frames))) for one in alone]
    both = next(iter(NetworkSegmenter(model).masks(frames)))
    assert not np.allclose(each[0], each[1], atol=1e-3)
    logits = [torch.logit(torch.from_numpy(probability_HW)) for probability_HW in each]
    # The frame is scaled after the average, hence the tolerance.
    np.testing.assert_allclose(both, torch.sigmoid(sum(logits) / 2).numpy(), atol=2e-3)


@pytest.mark.train
def test_a_mirrored_frame_is_answered_in_the_mirrored_place_and_its_motion_goes_the_other_way() -> None:
    torch = pytest.importorskip("torch")
    from types import SimpleNamespace as Namespace

    class Sum(torch.nn.Module):
        """Logits that are one channel."""

        def __init__(self, channel: int, *, motion: bool) -> None:
            super().__init__()
            self.channel, self.motion = channel, motion
            self.nothing = torch.nn.Parameter(torch.zeros(1))

        def forward(self, image: Any, motion: Any, has_motion: Any) -> Any:
            return Namespace(logits_N1HW=(motion if self.motion else image)[:, self.channel : self.channel + 1])

    def answer(channel: int, *, motion: bool, flip: bool) -> np.ndarray:
        settings = replace(PLAIN, flip=flip)
        network = Sum(channel, motion=motion)
        model = Namespace(networks=(network,), inputs=INPUTS, postprocess=settings, parameters=0)
        return np.stack(list(NetworkSegmenter(model).masks(clip(3))))  # pyright: ignore[reportArgumentType] - stands in for a model

    for channel in (0, 1, 2):
        np.testing.assert_allclose(
            answer(channel, motion=False, flip=True), answer(channel, motion=False, flip=False), atol=1e-6
        )
    assert answer(0, motion=True, flip=False).max() > 0.6
    np.testing.assert_allclose(answer(0, motion=True, flip=True), 0.5, atol=1e-6)
    for channel in (1, 2):
        np.testing.assert_allclose(
            answer(channel, motion=True, flip=True), answer(channel, motion=True, flip=False), atol=1e-6
        )
