"""Whole views: order, chances, seeds, the published recipes, the contact sheet."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podium.errors import UsageError
from podium.solutions.copy_detection.augmentation import (
    KINDS,
    PRESETS,
    AugmentationSettings,
    Chances,
    ViewSettings,
    apply,
    contact_sheet,
    draw,
    preset,
    view,
    views,
)
from podium.solutions.training import recipe as recipes


def names(bounds: ViewSettings, seed: int, **options) -> list[str]:
    return [edit.name for edit in draw(bounds, np.random.default_rng(seed), **options)]


EVERYTHING = ViewSettings(
    chances=Chances(**{
        each.name: 0.25 if each.name in {"overlay", "blend", "stack", "screenshot"} else 1.0
        for each in fields(Chances)
    })
)  # fmt: skip


def test_every_kind_but_the_crop_has_a_chance() -> None:
    assert {each.name for each in fields(Chances)} == set(KINDS) - {"crop"}


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_the_same_seed_gives_the_same_pixels_and_another_seed_others(name, picture) -> None:
    image, other = picture(), picture(seed=1)

    def made(seed: int):
        return views(image, preset(name), seed=seed, size=(48, 48), companion=lambda _: other)

    for number in range(5):
        first, second = made(number), made(number)
        assert [each.edits for each in first] == [each.edits for each in second]
        assert all(np.array_equal(a.image_HWC, b.image_HWC) for a, b in zip(first, second, strict=True))
    if preset(name).hard.crop_area != (1.0, 1.0):
        assert not np.array_equal(made(0)[1].image_HWC, made(1)[1].image_HWC)


def test_the_largest_seed_of_the_batches_is_a_seed_of_a_view(picture) -> None:
    seed = (1 << 63) - 1
    first, second = (view(picture(), preset("v46").hard, seed=seed) for _ in range(2))
    assert np.array_equal(first.image_HWC, second.image_HWC)


def test_the_two_views_of_a_seed_are_drawn_apart(picture) -> None:
    moderate, hard = views(picture(), preset("v45"), seed=5)
    assert moderate.edits != hard.edits


def test_edits_after_the_crop_come_in_every_order() -> None:
    orders = {tuple(names(EVERYTHING, seed)) for seed in range(30)}
    assert len(orders) == 30
    firsts = {next(name for name in order[order.index("crop") + 1 :]) for order in orders}
    assert len(firsts) > 6
    for order in orders:
        assert order[0] == "rotate"
        assert order[2] == "crop"
        assert order[-1] == "erase"
        assert len(order) == len(set(order)) == len(KINDS) - 3


def test_an_order_that_is_not_shuffled_is_kept() -> None:
    bounds = replace(EVERYTHING, shuffled=False)
    after = [name for name in names(bounds, 1) if name in bounds.after]
    assert after == list(bounds.after)
    sscd = preset("sscd").hard
    always = Chances(**dict.fromkeys((*sscd.before, *sscd.after), 1.0))
    assert names(replace(sscd, chances=always), 0) == [*sscd.before, "crop", *sscd.after]


@pytest.mark.parametrize("name", ["v41", "v46", "isc-v98", "sscd"])
def test_edits_happen_as_often_as_their_chances_say(name) -> None:
    bounds = preset(name).hard
    rounds = 2000
    counts = Counter(each for seed in range(rounds) for each in names(bounds, seed))
    assert counts["crop"] == rounds
    for each in fields(Chances):
        chance = bounds.chances.of(each.name)
        assert abs(counts[each.name] / rounds - chance) <= 4 * np.sqrt(chance * (1 - chance) / rounds)


def test_a_composition_is_cropped_by_its_own_bounds_and_comes_alone() -> None:
    bounds = replace(
        preset("v46").hard, chances=Chances(overlay=0.5), composed_crop_area=(0.9, 1.0), crop_area=(0.25, 0.3)
    )
    for seed in range(40):
        edits = draw(bounds, np.random.default_rng(seed))
        area = edits[-1].width * edits[-1].height
        assert (area > 0.89) == (edits[0].name == "overlay")


def test_without_another_picture_no_edit_needs_one_and_with_one_it_is_asked_only_then(picture) -> None:
    bounds = replace(EVERYTHING, chances=Chances(overlay=0.3, screenshot=0.3))
    asked = []

    def companion(rng: np.random.Generator) -> np.ndarray:
        asked.append(rng.random())
        return picture(seed=1)

    needing = 0
    for seed in range(40):
        alone = view(picture(), bounds, seed=seed)
        assert not any(edit.needs_other for edit in alone.edits)
        needing += any(edit.needs_other for edit in view(picture(), bounds, seed=seed, companion=companion).edits)
    assert 0 < needing < 40
    assert len(asked) == needing == len(set(asked))


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_strength_nought_leaves_the_picture_nearly_as_it_is(name, picture) -> None:
    image, other = picture(), picture(seed=1)
    bounds = preset(name).hard
    for seed in range(6):
        made = view(image, bounds, seed=seed, companion=lambda _: other, strength=0.0).image_HWC
        assert np.abs(made.astype(int) - image).mean() < 4


def test_a_recipes_stages_grow_in_strength(picture) -> None:
    image, other = picture(96, 96), picture(seed=1)

    def mean(name: str) -> float:
        made = [view(image, preset(name).hard, seed=seed, companion=lambda _: other) for seed in range(150)]
        return float(np.mean([np.abs(each.image_HWC.astype(int) - image).mean() for each in made]))

    assert mean("v45") < mean("v41") < mean("v44") < mean("v46")


def test_the_stages_have_the_values_of_their_recipe() -> None:
    table = {
        "v41": (0.3, 0.1, 0.1, 0.05, 0.1, 0.1, 0.05, 0.1, 0.05, 0.1, 0.05, 0.05, 0.6, 0.8, 0.5, 0.05),
        "v44": (0.5, 0.2, 0.2, 0.1, 0.2, 0.2, 0.1, 0.2, 0.1, 0.2, 0.1, 0.075, 0.5, 0.7, 0.4, 0.1),
        "v46": (0.7, 0.2, 0.2, 0.15, 0.3, 0.2, 0.1, 0.3, 0.2, 0.3, 0.1, 0.1, 0.5, 0.7, 0.25, 0.0),
    }
    for name, row in table.items():
        hard = preset(name).hard
        each = hard.chances
        assert row == (
            hard.jitter, each.pixelise, each.recompress, each.grey, each.blur, each.perspective, each.flip_vertical,
            each.text, each.emoji, each.noise, each.rotate, each.overlay, hard.overlay_opacity[0],
            hard.composed_crop_area[0], hard.crop_area[0], each.erase,
        )  # fmt: skip
        assert each.blend == each.overlay
        assert (hard.hue, each.flip, hard.blend, hard.shuffled, each.jitter) == (0.1, 0.5, 0.5, True, 1.0)
        assert preset(name).moderate.crop_area[0] == row[13]
    assert preset("v46").hard.emoji_size == (0.1, 0.4)
    assert preset("v45").hard == preset("v45").moderate


@settings(max_examples=40, deadline=None)
@given(high=st.integers(1, 120), wide=st.integers(1, 120), seed=st.integers(0, 10**6), side=st.integers(1, 64))
def test_a_view_has_the_size_that_was_asked_for(high, wide, seed, side) -> None:
    image = np.random.default_rng(seed).integers(0, 256, size=(high, wide, 3), dtype=np.uint8)
    image.flags.writeable = False
    made = view(image, EVERYTHING, seed=seed, size=(side, side + 3), companion=lambda _: image).image_HWC
    assert made.shape == (side, side + 3, 3)
    assert made.dtype == np.uint8
    assert made.flags.writeable
    assert made.flags.c_contiguous


def test_a_view_never_is_the_picture_itself(picture) -> None:
    image = picture()
    made = view(image, preset("none").hard, seed=0).image_HWC
    assert np.array_equal(made, image)
    made[:] = 0
    assert image.any()


def test_pixels_do_not_depend_on_how_many_threads_work(picture) -> None:
    cv2 = pytest.importorskip("cv2")
    image, other = picture(180, 240), picture(200, 200, seed=1)
    before, made = cv2.getNumThreads(), []
    try:
        for threads in (1, 4):
            cv2.setNumThreads(threads)
            made.append([view(image, EVERYTHING, seed=seed, companion=lambda _: other).image_HWC for seed in range(6)])
    finally:
        cv2.setNumThreads(before)
    assert all(np.array_equal(*pair) for pair in zip(*made, strict=True))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda: Chances(blur=1.5), "the chance of `blur` is `1.5`; 0 to 1 is allowed"),
        (lambda: Chances(overlay=0.6, stack=0.6), "sum to at most 1"),
        (lambda: ViewSettings(after=("blurr",)), "did you mean `blur`"),
        (lambda: ViewSettings(before=("blur", "rotate")), "the edit `blur` is listed twice"),
        (lambda: ViewSettings(after=(), chances=Chances(blur=0.1)), "`blur` has a chance and no place"),
        (lambda: ViewSettings(crop_area=(0.9, 0.2)), "`crop_area` of a view is"),
        (lambda: ViewSettings(blur=(-1.0, 2.0)), "`blur` of a view is"),
        (lambda: ViewSettings(qualities=()), "`qualities` of a view are"),
        (lambda: ViewSettings(noise=-1.0), "`noise` and `jitter` are 0 or more"),
        (lambda: preset("v47"), "no augmentation is called `v47`; did you mean"),
        (
            lambda: draw(ViewSettings(), np.random.default_rng(0), strength=2.0),
            "the strength of an augmentation is `2.0`",
        ),
        (lambda: apply((), np.zeros((4, 4), np.uint8)), r"uint8 of shape \(H, W, 3\) is allowed"),
        (lambda: apply((), np.zeros((4, 4, 3), np.float32)), "a picture is float32"),
    ],
)
def test_wrong_settings_are_named(wrong, told) -> None:
    with pytest.raises(UsageError, match=told):
        wrong()


def test_settings_go_into_a_recipe_and_come_back(tmp_path: Path) -> None:
    for name in PRESETS:
        path = tmp_path / f"{name}.yaml"
        recipes.write(preset(name), path)
        assert recipes.load(path, AugmentationSettings) == preset(name)


def test_a_contact_sheet_shows_every_edit(picture) -> None:
    sheet = contact_sheet(picture(), picture(seed=1), cell=(20, 30), columns=6, recipe=preset("posts"))
    assert sheet.shape == (6 * 42 + 6, 6 * 36 + 6, 3)
    assert np.array_equal(
        sheet, contact_sheet(picture(), picture(seed=1), cell=(20, 30), columns=6, recipe=preset("posts"))
    )
    assert contact_sheet(picture(), picture(seed=1), cell=(20, 30)).shape[0] == 4 * 42 + 6


def test_the_augmentation_loads_no_torch_and_nothing_until_asked() -> None:
    import subprocess
    import sys

    package = "podium.solutions.copy_detection.augmentation"
    code = (
        f"import sys, {package} as a; early = 'PIL' in sys.modules; a.views, a.contact_sheet;"
        "print(early, 'torch' in sys.modules, 'polars' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "False"]
