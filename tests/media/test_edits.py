"""The copy-edits: every kind, drawn sets, and the frames they give."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.errors import UsageError
from podium.media import edits
from podium.media.overlays import SHAPES, Blend, Inset, Stack, emoji
from podium.media.retouch import Colour, Crop, Flip, Grey, Pad, Pixelise, Rotate


def picture(*, high: int = 48, wide: int = 64, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 200, size=(high // 8, wide // 8, 3), dtype=np.uint8)
    grain = rng.integers(0, 50, size=(high, wide, 3), dtype=np.uint8)
    return coarse.repeat(8, axis=0).repeat(8, axis=1) + grain


def once(edit: edits.Edit, frame_HWC: np.ndarray, other_HWC: np.ndarray | None = None) -> np.ndarray:
    others = [] if other_HWC is None else [other_HWC]
    return next(edits.apply([edit], [frame_HWC], companions_HWC=others))


@pytest.mark.parametrize("name", sorted(edits.KINDS))
@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_every_edit_keeps_the_frames_shape_and_changes_something(name: str, strength: float) -> None:
    frame, other = picture(), picture(seed=1)
    edit = edits.named(name, strength=strength, seed=3)
    edited = once(edit, frame, other)
    assert edited.shape == frame.shape
    assert edited.dtype == np.uint8
    if strength > 0:
        assert not np.array_equal(edited, frame)


@pytest.mark.parametrize("name", sorted(edits.KINDS))
def test_an_edit_of_the_same_draw_gives_the_same_pixels_and_goes_into_json(name: str) -> None:
    frame, other = picture(), picture(seed=1)
    first, second = (edits.named(name, strength=0.7, seed=5) for _ in range(2))
    assert first == second
    assert np.array_equal(once(first, frame, other), once(second, frame, other))
    told = msgspec.json.decode(msgspec.json.encode(edits.as_dict(first)))
    assert told["name"] == name


def test_edits_do_not_write_into_the_frames_they_get() -> None:
    frame, other = picture(), picture(seed=1)
    frame.flags.writeable = other.flags.writeable = False
    for name in edits.KINDS:
        once(edits.named(name, strength=0.6), frame, other)


def test_flip_mirrors_columns_or_rows() -> None:
    frame = picture()
    assert np.array_equal(once(Flip(axis="horizontal"), frame), frame[:, ::-1])
    assert np.array_equal(once(Flip(axis="vertical"), frame), frame[::-1])


def test_grey_has_equal_channels_with_the_weights_of_luma() -> None:
    frame = np.zeros((2, 2, 3), np.uint8)
    frame[0, 0], frame[0, 1], frame[1, 0] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    assert once(Grey(), frame).tolist() == [[[76] * 3, [150] * 3], [[29] * 3, [0] * 3]]


def test_crop_of_the_left_half_stretches_it_over_the_frame() -> None:
    frame = np.zeros((40, 40, 3), np.uint8)
    frame[:, :20] = 200
    edited = once(Crop(left=0.0, top=0.0, width=0.5, height=1.0), frame)
    assert edited[:, :38].min() == 200
    assert edited.min() > 100


def test_pad_leaves_a_border_of_its_colour() -> None:
    edited = once(Pad(left=0.25, top=0.0, right=0.25, bottom=0.0, colour=(1, 2, 3)), np.full((40, 40, 3), 99, np.uint8))
    assert (edited[:, :10] == (1, 2, 3)).all()
    assert (edited[:, 10:30] == 99).all()
    assert (edited[:, 30:] == (1, 2, 3)).all()


@pytest.mark.parametrize("size", [(40, 60), (60, 40), (48, 48)])
@pytest.mark.parametrize("degrees", [90.0, 180.0, 270.0])
def test_quarter_turns_keep_the_whole_picture(size: tuple[int, int], degrees: float) -> None:
    frame = np.full((*size, 3), 50, np.uint8)
    frame[:10, :10] = 250
    edited = once(Rotate(degrees=degrees), frame)
    bright = np.argwhere(edited[..., 0] > 200)
    assert len(bright) > 20
    # Counter-clockwise: the top left corner goes to the bottom left, the bottom right, the top right.
    row, column = bright.mean(axis=0) / edited.shape[:2]
    wanted = {90.0: (True, True), 180.0: (True, False), 270.0: (False, False)}[degrees]
    assert (row > 0.5, column < 0.5) == wanted


def test_colour_with_factors_of_one_and_no_turn_changes_nothing() -> None:
    frame = picture()
    same = once(Colour(brightness=1.0, contrast=1.0, saturation=1.0, hue_degrees=0.0), frame)
    assert np.abs(same.astype(int) - frame).max() <= 1


def test_a_third_of_a_turn_of_the_hue_moves_red_to_green() -> None:
    frame = np.full((2, 2, 3), (200, 0, 0), np.uint8)
    turned = once(Colour(brightness=1.0, contrast=1.0, saturation=1.0, hue_degrees=120.0), frame)
    assert turned[0, 0, 1] == turned[0, 0].max() >= 199


def test_pixelise_gives_few_distinct_blocks() -> None:
    frame = np.random.default_rng(0).integers(0, 256, size=(40, 40, 3), dtype=np.uint8)
    assert len(np.unique(once(Pixelise(block=0.25), frame).reshape(-1, 3), axis=0)) == 16


def test_an_inset_of_half_the_frame_leaves_the_other_footage_around_it() -> None:
    frame, other = np.full((40, 40, 3), 10, np.uint8), np.full((40, 40, 3), 240, np.uint8)
    edited = once(Inset(left=0.5, top=0.5, size=0.5), frame, other)
    assert (edited[20:, 20:] == 10).all()
    assert (edited == 240).all(axis=-1).sum() == 1200


@pytest.mark.parametrize("side", ["left", "right", "top", "bottom"])
def test_a_stack_shows_each_footage_in_one_half(side: str) -> None:
    frame, other = np.full((40, 40, 3), 10, np.uint8), np.full((40, 40, 3), 240, np.uint8)
    edited = once(Stack(side=side, squeeze=False), frame, other)  # pyright: ignore[reportArgumentType] - parametrised
    halves = {
        "left": edited[:, :20],
        "right": edited[:, 20:],
        "top": edited[:20],
        "bottom": edited[20:],
    }
    assert (halves[side] == 10).all()
    assert int((edited == 240).sum()) == 2400


def test_a_blend_is_the_weighted_mean() -> None:
    frame, other = np.full((4, 4, 3), 100, np.uint8), np.full((4, 4, 3), 200, np.uint8)
    assert set(np.unique(once(Blend(opacity=0.25), frame, other)).tolist()) <= {124, 125}


def test_noise_changes_from_frame_to_frame() -> None:
    frame = picture()
    first, second = edits.apply([edits.named("noise", strength=0.5)], [frame, frame])
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("shape", SHAPES)
def test_symbols_have_ink_and_are_transparent_in_the_corners(shape: str) -> None:
    alpha = np.array(emoji(shape, 64))[..., 3]
    assert (alpha > 0).mean() > 0.15
    assert alpha[0, 0] == alpha[-1, -1] == 0


def test_no_edit_at_difficulty_zero() -> None:
    assert all(edits.draw(np.random.default_rng(seed), difficulty=0.0) == () for seed in range(20))


def test_more_edits_at_higher_difficulty_and_several_at_the_default() -> None:
    def mean(difficulty: float) -> float:
        counts = [len(edits.draw(np.random.default_rng(seed), difficulty=difficulty)) for seed in range(300)]
        return float(np.mean(counts))

    assert 1.0 <= mean(0.1) < mean(0.5) < mean(1.0)
    assert 2.5 < mean(0.5) < 3.5


@given(seed=st.integers(0, 10_000), difficulty=st.floats(0.01, 1.0), companion=st.booleans())
def test_a_draw_is_reproducible_ordered_and_never_hides_the_copy_twice(
    seed: int, difficulty: float, companion: bool
) -> None:
    drawn = edits.draw(np.random.default_rng(seed), difficulty=difficulty, companion=companion)
    assert drawn == edits.draw(np.random.default_rng(seed), difficulty=difficulty, companion=companion)
    names = [edit.name for edit in drawn]
    assert names == sorted(set(names), key=list(edits.KINDS).index)
    assert sum(edit.needs_companion for edit in drawn) <= (1 if companion else 0)


def test_every_kind_is_drawn_sooner_or_later() -> None:
    rng = np.random.default_rng(0)
    assert {edit.name for _ in range(600) for edit in edits.draw(rng, difficulty=0.5)} == set(edits.KINDS)


def test_without_edits_frames_pass_untouched() -> None:
    frames = [picture(seed=seed) for seed in range(3)]
    assert all(a is b for a, b in zip(edits.apply([], frames), frames, strict=True))


def test_other_footage_that_runs_out_stays_on_its_last_frame() -> None:
    frames = [np.full((8, 8, 3), 100, np.uint8)] * 3
    others = [np.full((8, 8, 3), 0, np.uint8), np.full((8, 8, 3), 200, np.uint8)]
    seen = [int(each[0, 0, 0]) for each in edits.apply([Blend(opacity=1.0)], frames, companions_HWC=others)]
    assert seen == [0, 200, 200]


def test_other_footage_of_another_size_is_scaled() -> None:
    edited = once(Blend(opacity=1.0), np.zeros((8, 8, 3), np.uint8), np.full((20, 30, 3), 7, np.uint8))
    assert (edited == 7).all()


def test_missing_other_footage_is_said() -> None:
    with pytest.raises(UsageError, match="`blend` needs frames of other footage"):
        once(Blend(opacity=0.5), picture())


def test_an_unknown_kind_or_difficulty_is_refused() -> None:
    with pytest.raises(UsageError, match="did you mean `crop`"):
        edits.named("crops", strength=0.5)
    with pytest.raises(UsageError, match="0 to 1 is allowed"):
        edits.draw(np.random.default_rng(0), difficulty=1.5)


def test_the_contact_sheet_has_a_cell_for_every_edit() -> None:
    sheet = edits.contact_sheet(picture(), picture(seed=1), columns=5)
    rows = -(-(len(edits.KINDS) + 1) // 5)
    assert sheet.shape == (rows * (48 + 14 + 4) + 4, 5 * (64 + 4) + 4, 3)
