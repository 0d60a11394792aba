"""Samples and batches: decided by their seeds, of the promised shapes, with motion that decides."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
cv2 = pytest.importorskip("cv2")

from podium.errors import UsageError  # noqa: E402 - after the checks for packages
from podium.solutions.object_segmentation import inputs as inputs_of  # noqa: E402
from podium.solutions.object_segmentation.clips import Clip, Still  # noqa: E402
from podium.solutions.object_segmentation.dataset import (  # noqa: E402
    FrameBatch,
    HeldOutFrames,
    SampleSettings,
    TrainingFrames,
    collate,
)
from podium.solutions.object_segmentation.flow import estimator  # noqa: E402
from podium.solutions.object_segmentation.flow_cache import CachedClip, build  # noqa: E402
from podium.solutions.object_segmentation.inputs import InputSettings  # noqa: E402
from podium.solutions.object_segmentation.truth import read_picture  # noqa: E402
from podium.solutions.training.batches import Batches, Draw, loader, shuffled  # noqa: E402

INPUTS = InputSettings(short_side=48, multiple=32)
SAMPLES = SampleSettings(height=32, width=64)
PLAIN = replace(SAMPLES, paste=0, decoy=0, colour=0, turn_degrees=0, motion_jitter=0, backward=0)


def write_clip(root: Path, name: str, *, height: int, width: int, seed: int) -> Clip:
    """A patch of texture moves over another; four frames."""
    rng = np.random.default_rng(seed)
    ground_HWC, patch_HWC = (
        cv2.resize(rng.integers(0, 256, (height // 5, width // 5, 3), dtype=np.uint8), (width, height)) for _ in "ab"
    )
    frames, masks = [], []
    for frame in range(4):
        image_HWC, mask_HW = ground_HWC.copy(), np.zeros((height, width), dtype=np.uint8)
        box = slice(height // 4, height // 4 + height // 2), slice(20 + 3 * frame, 20 + 3 * frame + width // 3)
        image_HWC[box] = patch_HWC[box[0], 20 : 20 + width // 3]
        mask_HW[box] = 255
        for values, paths, suffix in ((image_HWC, frames, "jpg"), (mask_HW, masks, "png")):
            paths.append(root / name / f"{frame}.{suffix}")
            paths[-1].parent.mkdir(exist_ok=True)
            Image.fromarray(values).save(paths[-1])
    return Clip(name=name, frames=tuple(frames), masks=tuple(masks))


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> tuple[Clip, ...]:
    root = tmp_path_factory.mktemp("clips")
    sizes = {"wide": (72, 132), "high": (110, 72)}
    return tuple(
        write_clip(root, name, height=height, width=width, seed=seed)
        for seed, (name, (height, width)) in enumerate(sizes.items())
    )


@pytest.fixture(scope="module")
def cached(clips: tuple[Clip, ...], tmp_path_factory: pytest.TempPathFactory) -> tuple[CachedClip, ...]:
    return build(clips, tmp_path_factory.mktemp("cache"), settings=INPUTS, gaps=(1, -1, 2, -2))


def stills(clips: tuple[Clip, ...]) -> tuple[Still, ...]:
    return tuple(Still(name=each.name, image=each.frames[0], mask=each.masks[0] or Path()) for each in clips)


def same(first: object, second: object) -> bool:
    return all(
        torch.equal(torch.as_tensor(one), torch.as_tensor(two))
        for one, two in zip(first, second, strict=True)  # type: ignore[call-overload]
    )


def test_a_batch_has_the_promised_shapes_and_ranges(clips: tuple[Clip, ...], cached: tuple[CachedClip, ...]) -> None:
    frames = TrainingFrames(cached, stills(clips), settings=replace(SAMPLES, stills_share=0.5), inputs=INPUTS)
    batch = collate([frames[Draw(each % len(frames), each)] for each in range(24)])
    assert len(frames) == 8
    assert isinstance(batch, FrameBatch)
    assert batch.image_N3HW.shape == batch.motion_N3HW.shape == (24, 3, 32, 64)
    assert batch.mask_N1HW.shape == batch.valid_N1HW.shape == (24, 1, 32, 64)
    floats = batch.image_N3HW, batch.motion_N3HW, batch.mask_N1HW, batch.valid_N1HW
    assert {each.dtype for each in floats} == {torch.float32}
    assert (batch.has_motion_N.dtype, batch.clip_N.dtype, batch.frame_N.dtype) == (torch.bool, torch.int64, torch.int64)
    assert 0 <= batch.image_N3HW.min() < batch.image_N3HW.max() <= 1
    assert -1 <= batch.motion_N3HW.min() < 0 < batch.motion_N3HW.max() <= 1
    assert set(batch.mask_N1HW.unique().tolist()) == set(batch.valid_N1HW.unique().tolist()) == {0.0, 1.0}
    assert (batch.mask_N1HW <= batch.valid_N1HW).all()
    assert set(batch.clip_N.tolist()) == {0, 1, 2, 3}


def test_the_seed_of_a_draw_decides_everything(cached: tuple[CachedClip, ...]) -> None:
    settings = replace(SAMPLES, paste=0.5, decoy=0.5, gaps=(1, 2))
    first, second = (TrainingFrames(cached, settings=settings, inputs=INPUTS) for _ in range(2))
    for seed in range(12):
        assert same(first[Draw(3, seed)], second[Draw(3, seed)])
    assert not same(first[Draw(3, 0)], first[Draw(3, 1)])


@pytest.mark.train
def test_workers_change_nothing(clips: tuple[Clip, ...], cached: tuple[CachedClip, ...]) -> None:
    frames = TrainingFrames(cached, stills(clips), settings=replace(SAMPLES, stills_share=0.3), inputs=INPUTS)
    batches = [
        list(loader(frames, Batches(shuffled(len(frames)), units=4, seed=5), workers=workers, collate_fn=collate))
        for workers in (0, 2)
    ]
    assert len(batches[0]) == 2
    assert all(same(one, two) for one, two in zip(*batches, strict=True))


def test_motion_shows_the_object_and_its_mask(cached: tuple[CachedClip, ...]) -> None:
    frames = TrainingFrames(cached, settings=PLAIN, inputs=INPUTS)
    batch = collate([frames[Draw(each % 8, each)] for each in range(32)])
    mask_N1HW, length_N1HW = batch.mask_N1HW.bool(), batch.motion_N3HW[:, 2:]
    known_N1HW = batch.valid_N1HW.bool()
    assert length_N1HW[mask_N1HW].median() > 0.8
    assert length_N1HW[~mask_N1HW & known_N1HW].median() < 0.3


def test_looking_back_turns_motion_round(cached: tuple[CachedClip, ...]) -> None:
    for backward, sign in ((0.0, 1), (1.0, -1)):
        settings = replace(PLAIN, backward=backward, flip=0)
        frames = TrainingFrames(cached, settings=settings, inputs=INPUTS)
        batch = collate([frames[Draw(1, seed)] for seed in range(6)])
        across = batch.motion_N3HW[:, :1][batch.mask_N1HW.bool()]
        assert (sign * across).median() > 0.7
    mirrored = TrainingFrames(cached, settings=replace(PLAIN, flip=1), inputs=INPUTS)
    batch = collate([mirrored[Draw(1, seed)] for seed in range(6)])
    assert batch.motion_N3HW[:, :1][batch.mask_N1HW.bool()].median() < -0.7


def test_decoys_add_no_object_and_pasted_objects_do(cached: tuple[CachedClip, ...]) -> None:
    shares = {}
    for name in ("neither", "decoy", "paste"):
        settings = PLAIN if name == "neither" else replace(PLAIN, **{name: 1})
        frames = TrainingFrames(cached, settings=settings, inputs=INPUTS)
        batch = collate([frames[Draw(each % 8, each)] for each in range(48)])
        shares[name] = float(batch.mask_N1HW.mean())
        moving_N1HW = batch.motion_N3HW[:, 2:] > 0.6
        shown = (moving_N1HW & batch.mask_N1HW.bool()).sum() / batch.mask_N1HW.sum()
        assert shown > 0.8
    assert shares["decoy"] < shares["neither"] < shares["paste"]


def test_a_frame_larger_than_the_clip_is_unknown_beyond_it(cached: tuple[CachedClip, ...]) -> None:
    frames = TrainingFrames(cached, settings=replace(PLAIN, scales=(0.5, 0.5), flip=0), inputs=INPUTS)
    sample = frames[Draw(0, 0)]
    assert 24 * 44 * 0.9 < sample.valid_1HW.sum() < 24 * 44 * 1.1
    assert not (sample.mask_1HW * (1 - sample.valid_1HW)).any()


def test_stills_alone_can_be_learned_from(clips: tuple[Clip, ...]) -> None:
    frames = TrainingFrames((), stills(clips), settings=PLAIN, inputs=INPUTS)
    assert len(frames) == 2
    batch = collate([frames[Draw(each % 2, each)] for each in range(16)])
    assert batch.mask_N1HW.any()
    assert batch.has_motion_N.all()
    assert set(batch.clip_N.tolist()) == {0, 1}
    inside, outside = (batch.motion_N3HW[:, 2:][batch.mask_N1HW.bool() == each].median() for each in (True, False))
    assert inside > outside + 0.1


def test_held_out_frames_are_what_a_network_sees_of_them_afterwards(
    clips: tuple[Clip, ...], cached: tuple[CachedClip, ...]
) -> None:
    frames = HeldOutFrames(cached, inputs=INPUTS)
    assert len(frames) == 8
    small = [inputs_of.shrink(read_picture(path), INPUTS) for path in clips[0].frames]
    for number, other in ((0, 1), (3, 2)):
        sample = frames[Draw(number, 0)]
        flow_HW2 = estimator(INPUTS.flow).estimate(small[number], small[other])
        ready = inputs_of.prepare(small[number], flow_HW2, INPUTS)
        np.testing.assert_array_equal(sample.image_3HW.permute(1, 2, 0).numpy(), ready.image_HW3)
        np.testing.assert_allclose(sample.motion_3HW.permute(1, 2, 0).numpy(), ready.motion_HW3, atol=0.01)
        assert sample.valid_1HW.sum() == ready.height * ready.width
        assert (sample.clip, sample.frame) == (0, number)
        assert same(sample, frames[Draw(number, 99)])


def test_frames_of_two_sizes_make_a_batch_that_is_not_judged_where_it_was_filled(
    cached: tuple[CachedClip, ...],
) -> None:
    frames = HeldOutFrames(cached, inputs=INPUTS)
    batch = collate([frames[Draw(0, 0)], frames[Draw(4, 0)]])
    sizes = [(each.height, each.width) for each in cached]
    assert batch.image_N3HW.shape == (2, 3, 96, 96)
    assert batch.valid_N1HW.sum(dim=(1, 2, 3)).tolist() == [height * width for height, width in sizes]
    assert batch.clip_N.tolist() == [0, 1]


def test_nothing_to_learn_from_is_refused(clips: tuple[Clip, ...], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no clips and no stills"):
        TrainingFrames((), settings=SAMPLES, inputs=INPUTS)
    empty = tmp_path / "empty.png"
    Image.fromarray(np.zeros((72, 132), dtype=np.uint8)).save(empty)
    blank = replace(clips[0], masks=(empty,) * 4)
    with pytest.raises(UsageError, match="no mask of 1 clips"):
        TrainingFrames(build([blank], tmp_path, settings=INPUTS), settings=SAMPLES, inputs=INPUTS)
    shape = Still(name="s", image=clips[0].frames[0], mask=clips[1].masks[0] or Path())
    with pytest.raises(UsageError, match=r"`132x72` and `72x110`"):
        TrainingFrames((), [shape], settings=SAMPLES, inputs=INPUTS)[Draw(0, 0)]


@pytest.mark.parametrize(
    "wrong", [{"decoy": 1.5}, {"gaps": ()}, {"gaps": (0,)}, {"scales": (2.0, 1.0)}, {"height": 4}, {"flip": -1}]
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong)) + "|frames are scaled|samples are|gaps"):
        SampleSettings(**wrong)  # type: ignore[arg-type]


def test_the_gaps_that_a_cache_needs_follow_from_the_directions() -> None:
    assert SampleSettings(gaps=(1, 3), backward=0).directed_gaps == (1, 3)
    assert SampleSettings(gaps=(1, 3), backward=1).directed_gaps == (-1, -3)
    assert SampleSettings(gaps=(1, 3), backward=0.2).directed_gaps == (1, 3, -1, -3)
