"""Every edit by itself: its laws, and what it does to a small picture worked out by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podium.errors import UsageError
from podium.solutions.copy_detection.augmentation import KINDS, ViewSettings, fonts
from podium.solutions.copy_detection.augmentation.colour import Grey, Jitter
from podium.solutions.copy_detection.augmentation.composition import Blend, Overlay, Screenshot, Stack
from podium.solutions.copy_detection.augmentation.degradation import Blur, Noise, Pixelise, Recompress, Sharpen, Shuffle
from podium.solutions.copy_detection.augmentation.edit import as_dict
from podium.solutions.copy_detection.augmentation.geometry import (
    Crop,
    Flip,
    FlipVertical,
    Pad,
    Perspective,
    QuarterTurn,
    Rotate,
)
from podium.solutions.copy_detection.augmentation.overlays import Emoji, Erase, Text, written

NAMES = sorted(KINDS)


def drawn(name: str, *, strength: float = 1.0, seed: int = 0):
    return KINDS[name].draw(np.random.default_rng(seed), strength)


def difference(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.abs(first.astype(np.float64) - second).mean())


@pytest.mark.parametrize("name", NAMES)
def test_an_edit_keeps_size_and_kind_and_leaves_what_it_gets(name, picture, backend) -> None:
    image, other = picture(), picture(48, 90, seed=1)
    image.flags.writeable = other.flags.writeable = False
    before = image.copy(), other.copy()
    for seed in range(4):
        edited = drawn(name, seed=seed).apply(image, other)
        assert edited.shape == image.shape
        assert edited.dtype == np.uint8
    assert np.array_equal(image, before[0])
    assert np.array_equal(other, before[1])


@pytest.mark.parametrize("name", NAMES)
def test_strength_nought_changes_next_to_nothing(name, picture, backend) -> None:
    image, other = picture(), picture(seed=1)
    # The best JPEG still halves the resolution of colour, and the picture has coloured grain.
    most = 4 if name == "recompress" else 0.5
    for seed in range(4):
        assert difference(drawn(name, strength=0.0, seed=seed).apply(image, other), image) < most


@pytest.mark.parametrize("name", NAMES)
def test_more_strength_makes_more_difference_on_average(name, picture) -> None:
    image, other = picture(), picture(seed=1)

    def mean(strength: float) -> float:
        return float(
            np.mean(
                [difference(drawn(name, strength=strength, seed=seed).apply(image, other), image) for seed in range(24)]
            )
        )

    none, little, most = mean(0.0), mean(0.3), mean(1.0)
    assert none < little < most
    assert most > 1


@pytest.mark.parametrize("name", NAMES)
def test_the_same_lot_gives_the_same_edit_and_the_same_pixels(name, picture, backend) -> None:
    image, other = picture(), picture(seed=1)
    first, second = drawn(name, seed=7), drawn(name, seed=7)
    assert first == second
    assert np.array_equal(first.apply(image, other), second.apply(image, other))
    assert np.array_equal(first.apply(image, other), first.apply(image, other))
    assert json.loads(json.dumps(as_dict(first)))["name"] == name


@pytest.mark.parametrize("name", NAMES)
def test_an_edit_draws_as_many_numbers_at_any_strength(name) -> None:
    left = []
    for strength in (0.0, 0.4, 1.0):
        rng = np.random.default_rng(3)
        KINDS[name].draw(rng, strength)
        left.append(rng.random())
    assert left[0] == left[1] == left[2]


@pytest.mark.parametrize("name", [name for name in NAMES if KINDS[name].needs_other])
def test_an_edit_that_needs_another_picture_says_so(name, picture) -> None:
    with pytest.raises(UsageError, match=f"`{name}` needs another picture"):
        drawn(name).apply(picture())


@settings(max_examples=60, deadline=None)
@given(
    high=st.integers(1, 97),
    wide=st.integers(1, 97),
    name=st.sampled_from(NAMES),
    seed=st.integers(0, 1000),
    strength=st.floats(0, 1),
)
def test_edits_take_pictures_of_any_size(high, wide, name, seed, strength) -> None:
    rng = np.random.default_rng(seed)
    image, other = (rng.integers(0, 256, size=size, dtype=np.uint8) for size in ((high, wide, 3), (wide, 2 * high, 3)))
    edited = drawn(name, strength=strength, seed=seed).apply(image, other)
    assert edited.shape == image.shape
    assert edited.dtype == np.uint8


@pytest.mark.parametrize("size", [(33, 97), (97, 33)])
@pytest.mark.parametrize("name", NAMES)
def test_opencv_and_pillow_nearly_agree(name, size, picture, monkeypatch) -> None:
    pytest.importorskip("cv2")
    image, other = picture(*size), picture(seed=1)
    edit = drawn(name, seed=2)
    first = edit.apply(image, other)
    monkeypatch.setattr("podium.solutions.copy_detection.augmentation.raster.opencv", lambda: None)
    assert difference(edit.apply(image, other), first) < 4


def test_a_crop_of_the_left_half_stretches_it_over_the_whole(backend) -> None:
    image = np.zeros((40, 40, 3), np.uint8)
    image[:, :20] = 200
    assert Crop(left=0.0, top=0.0, width=0.5, height=1.0).apply(image).min() == 200
    small = Crop(left=0.5, top=0.0, width=0.5, height=1.0).apply(image, size=(10, 30))
    assert small.shape == (10, 30, 3)
    assert small.max() == 0


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 10_000), aspect=st.floats(0.2, 5.0), strength=st.floats(0, 1))
def test_a_crop_lies_in_the_picture_and_keeps_its_share_and_shape(seed, aspect, strength) -> None:
    bounds = ViewSettings(crop_area=(0.25, 1.0))
    crop = Crop.draw(np.random.default_rng(seed), strength, bounds, aspect=aspect)
    assert 0 <= crop.left <= crop.left + crop.width <= 1 + 1e-9
    assert 0 <= crop.top <= crop.top + crop.height <= 1 + 1e-9
    whole = Crop.draw(np.random.default_rng(seed), 0.0, bounds, aspect=aspect)
    assert whole.width == pytest.approx(1)
    assert whole.height == pytest.approx(1)
    if 0.75 <= aspect <= 4 / 3:
        assert crop.width * crop.height >= 0.25 - 1e-9
        assert 0.75 - 1e-9 <= aspect * crop.width / crop.height <= 4 / 3 + 1e-9


@pytest.mark.slow
def test_crops_are_spread_as_torchvisions_are() -> None:
    transforms = pytest.importorskip("torchvision.transforms")
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    blank = torch.zeros(3, 90, 160)
    theirs = np.array(
        [transforms.RandomResizedCrop.get_params(blank, (0.25, 1.0), (3 / 4, 4 / 3)) for _ in range(3000)]
    ) / [90, 160, 90, 160]
    rng = np.random.default_rng(0)
    bounds = ViewSettings(crop_area=(0.25, 1.0))
    made = [Crop.draw(rng, 1.0, bounds, aspect=160 / 90) for _ in range(3000)]
    ours = np.array([[each.top, each.left, each.height, each.width] for each in made])
    assert np.abs(theirs.mean(axis=0) - ours.mean(axis=0)).max() < 0.02
    assert np.abs(theirs.std(axis=0) - ours.std(axis=0)).max() < 0.02


def test_a_picture_that_is_only_resized_is_not_cropped() -> None:
    bounds = ViewSettings(crop_area=(1.0, 1.0), crop_ratio=None)
    assert Crop.draw(np.random.default_rng(0), 1.0, bounds, aspect=2.5) == Crop(left=0, top=0, width=1, height=1)


def test_flips_mirror_columns_or_rows(picture) -> None:
    image = picture()
    assert np.array_equal(Flip(happens=True).apply(image), image[:, ::-1])
    assert np.array_equal(FlipVertical(happens=True).apply(image), image[::-1])


def test_a_turn_by_ninety_degrees_is_a_quarter_turn(picture, backend) -> None:
    image = picture(40, 40)
    assert np.array_equal(QuarterTurn(quarters=1).apply(image), np.rot90(image))
    assert difference(Rotate(degrees=90.0, inside=True).apply(image), np.rot90(image)) < 1
    wide = QuarterTurn(quarters=1).apply(np.full((40, 80, 3), 99, np.uint8))
    assert wide[:, :30].max() == 0
    assert wide[:, 30:50].min() == 99


@pytest.mark.parametrize("degrees", [10.0, 45.0, 80.0, 135.0])
def test_a_turn_inwards_has_no_black_corner(degrees, backend) -> None:
    white = np.full((60, 90, 3), 255, np.uint8)
    assert Rotate(degrees=degrees, inside=True).apply(white)[1:-1, 1:-1].min() >= 250
    assert Rotate(degrees=degrees, inside=False).apply(white).min() == 0


def test_perspective_moves_the_corners_to_where_it_says(backend) -> None:
    white = np.full((100, 100, 3), 255, np.uint8)
    seen = Perspective(corners=((0.2, 0.1), (1, 0), (1, 1), (0, 1))).apply(white)
    assert seen[12, 24].min() == 255
    assert seen[6, 12].max() == 0
    assert seen[98, 2].min() == 255


def test_pad_leaves_a_border_of_its_colour(backend) -> None:
    edit = Pad(left=0.25, top=0.0, right=0.25, bottom=0.0, colour=(1, 2, 3))
    padded = edit.apply(np.full((40, 40, 3), 99, np.uint8))
    assert (padded[:, :10] == (1, 2, 3)).all()
    assert (padded[:, 10:30] == 99).all()


@pytest.mark.slow
def test_jitter_without_hue_does_what_torchvisions_steps_do(picture, backend) -> None:
    functional = pytest.importorskip("torchvision.transforms.functional")
    torch = pytest.importorskip("torch")
    image = (picture() // 3 + 80).astype(np.uint8)
    tensor = torch.from_numpy(image).permute(2, 0, 1).float() / 255
    tensor = functional.adjust_brightness(tensor, 1.2)
    tensor = functional.adjust_contrast(functional.adjust_saturation(tensor, 0.5), 0.7)
    expected = (255 * tensor).permute(1, 2, 0).numpy()
    made = Jitter(brightness=1.2, contrast=0.7, saturation=0.5, hue_degrees=0.0).apply(image)
    assert np.abs(made - expected).max() <= 1.5


def test_a_third_of_a_turn_of_the_hue_turns_the_colours_round(backend) -> None:
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 200
    turned = Jitter(brightness=1.0, contrast=1.0, saturation=1.0, hue_degrees=120.0).apply(red)
    assert turned[0, 0].tolist() == [0, 200, 0]


def test_grey_has_equal_channels_with_the_weights_of_luma(backend) -> None:
    image = np.zeros((1, 3, 3), np.uint8)
    image[0, 0], image[0, 1], image[0, 2] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    assert np.abs(Grey(share=1.0).apply(image).astype(int) - [[[76] * 3, [150] * 3, [29] * 3]]).max() <= 1


def test_pixelise_leaves_blocks_of_the_mean(backend) -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    image[::2] = 100
    assert (Pixelise(ratio=0.25).apply(image) == 50).all()


def test_shuffle_moves_a_share_of_the_pixels_and_loses_none(picture) -> None:
    image = np.arange(30 * 20 * 3, dtype=np.uint32).reshape(30, 20, 3).astype(np.uint8)
    image[..., 0], image[..., 1] = np.divmod(np.arange(600).reshape(30, 20), 256)
    image[..., 2] = 0
    moved = Shuffle(share=0.1, seed=1).apply(image)
    assert (moved != image).any(axis=-1).sum() == 60
    assert sorted(map(tuple, moved.reshape(-1, 3).tolist())) == sorted(map(tuple, image.reshape(-1, 3).tolist()))


def test_a_lower_quality_is_further_from_the_picture(picture, backend) -> None:
    image = picture()
    losses = [difference(Recompress(quality=each).apply(image), image) for each in (95, 50, 20, 5)]
    assert losses == sorted(losses)
    assert losses[0] < losses[-1]


@pytest.mark.parametrize("deviation", [0.7, 1.5, 3.0, 9.0])
def test_blur_spreads_a_point_by_its_deviation(deviation) -> None:
    pytest.importorskip("cv2")
    image = np.zeros((101, 101, 3), np.uint8)
    image[:, 50] = 255
    line = Blur(deviation=deviation).apply(image)[50, :, 0].astype(np.float64)
    spread = math.sqrt((line * (np.arange(101) - 50) ** 2).sum() / line.sum())
    assert spread == pytest.approx(deviation, rel=0.12)


@pytest.mark.parametrize("more", [False, True])
def test_sharpening_is_pillows_but_for_the_border(more, picture, backend) -> None:
    from PIL import Image, ImageFilter

    image = picture()
    kernel = ImageFilter.EDGE_ENHANCE_MORE if more else ImageFilter.EDGE_ENHANCE
    expected = np.asarray(Image.fromarray(image).filter(kernel)).astype(int)
    made = Sharpen(share=1.0, more=more).apply(image)
    assert np.abs(made - expected)[1:-1, 1:-1].max() <= 1


def test_noise_has_its_deviation_and_no_drift() -> None:
    grain = Noise(deviation=20.0, seed=3).apply(np.full((200, 200, 3), 128, np.uint8)).astype(np.float64) - 128
    assert grain.mean() == pytest.approx(0, abs=0.3)
    assert grain.std() == pytest.approx(20, rel=0.02)
    assert np.corrcoef(grain[..., 0].ravel(), grain[..., 1].ravel())[0, 1] == pytest.approx(0, abs=0.02)


def test_text_is_written_in_its_colour_where_it_says(picture) -> None:
    image = np.zeros((100, 200, 3), np.uint8)
    edit = Text(lines=("WWWW",), font="", size=0.3, left=0.5, top=0.5, colour=(250, 100, 7), opacity=1.0)
    edited = edit.apply(image)
    rows, columns = np.nonzero(edited.any(axis=-1))
    assert rows.min() >= 50
    assert columns.min() >= 100
    assert (edited == (250, 100, 7)).all(axis=-1).any()


def test_text_keeps_to_the_fonts_that_are_named() -> None:
    bounds = ViewSettings(fonts=("DejaVuSans.ttf", "NoSuchFont.ttf"))
    seen = {Text.draw(np.random.default_rng(seed), 1.0, bounds).font for seed in range(20)}
    assert seen == set(bounds.fonts)


def test_two_lines_are_twice_as_high() -> None:
    assert written(("a", "b"), "", 20).shape[0] == 2 * written(("a",), "", 20).shape[0] == 40


def test_without_fonts_text_and_symbols_are_drawn_by_pillow_alone(no_fonts, picture) -> None:
    image = picture()
    assert fonts.found() == {}
    for seed in range(6):
        text, emoji = drawn("text", seed=seed), drawn("emoji", seed=seed)
        assert text.font == ""
        assert emoji.symbol in {"smile", "heart", "star", "bolt", "sun", "speech"}
        assert difference(text.apply(image), image) > 0
        drawn("screenshot", seed=seed).apply(image)
    # Drawn where there were fonts, applied where there are none.
    Text(lines=("x",), font="DejaVuSans.ttf", size=0.3, left=0, top=0, colour=(0, 0, 0), opacity=1.0).apply(image)


def test_a_pillow_without_freetype_still_writes(no_fonts, picture, monkeypatch) -> None:
    from PIL import ImageFont

    plain = ImageFont.load_default_imagefont() if hasattr(ImageFont, "load_default_imagefont") else None
    if plain is None:
        pytest.skip("this Pillow has no font of its own without FreeType")

    def load_default(size: float | None = None):
        if size is not None:
            raise ImportError("no FreeType")
        return plain

    monkeypatch.setattr(ImageFont, "load_default", load_default)
    monkeypatch.setattr("podium.solutions.copy_detection.augmentation.overlays._WORDS", ("plain",))
    monkeypatch.setattr("podium.solutions.copy_detection.augmentation.overlays._LETTERS", "abc")
    image = picture()
    for name in ("text", "screenshot"):
        assert difference(drawn(name).apply(image), image) > 0


def test_an_emoji_may_hang_over_the_border(picture) -> None:
    image = picture()
    edit = Emoji(symbol="heart", colour=(0, 0, 0), size=0.5, x=0.0, y=1.0, opacity=1.0)
    edited = edit.apply(image)
    assert np.array_equal(edited[:40, 30:], image[:40, 30:])
    assert not np.array_equal(edited[50:, :10], image[50:, :10])


def test_erase_touches_nothing_outside_its_patch(picture) -> None:
    image = picture(60, 60)
    edited = Erase(left=0.5, top=0.5, width=0.5, height=0.5, opacity=1.0, seed=2).apply(image)
    assert np.array_equal(edited[:30], image[:30])
    assert np.array_equal(edited[:, :30], image[:, :30])
    assert edited[30:, 30:].std() > 60


def test_an_overlay_covers_its_place_and_keeps_its_shape(backend) -> None:
    image, other = np.full((100, 100, 3), 10, np.uint8), np.full((30, 60, 3), 210, np.uint8)
    edited = Overlay(on_top=False, size=0.4, x=0.0, y=1.0, opacity=1.0).apply(image, other)
    assert (edited == 210).all(axis=-1).sum() == 40 * 80
    assert (edited[60:, :80] == 210).all()
    half = Overlay(on_top=True, size=0.5, x=0.0, y=0.0, opacity=0.5).apply(image, other)
    assert (half[:50, :50] == 110).all()
    assert (half[50:] == 210).all()


def test_a_blend_is_the_mean_of_two_pictures(backend) -> None:
    image, other = np.full((20, 30, 3), 10, np.uint8), np.full((30, 60, 3), 210, np.uint8)
    assert (Blend(share=0.5).apply(image, other) == 110).all()


def test_a_stack_gives_each_picture_its_part() -> None:
    image, other = np.full((20, 30, 3), 10, np.uint8), np.full((30, 60, 3), 210, np.uint8)
    for side, own in (("left", np.s_[:, :15]), ("right", np.s_[:, 15:]), ("top", np.s_[:10]), ("bottom", np.s_[10:])):
        stacked = Stack(side=side, share=0.5, squeeze=True).apply(image, other)
        assert (stacked[own] == 10).all()
        assert (stacked == 210).all(axis=-1).sum() == 300


def test_a_screenshot_shows_the_picture_whole_in_a_page() -> None:
    image = np.full((100, 150, 3), (200, 30, 90), np.uint8)
    edit = drawn("screenshot", seed=3)
    shown = Screenshot(
        size=0.6, wide=False, dark=False, author=edit.author, caption=edit.caption, likes=7, ink=(0, 0, 0), place=0.5
    ).apply(image)
    assert (shown[20:80, 30:120] == (200, 30, 90)).all()
    assert (shown == 255).all(axis=-1).mean() > 0.4
    assert not (shown[:20] == 255).all()
