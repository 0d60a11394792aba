"""J, F and the contest's IoU against golden values, a slow plain twin and laws."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from podium.errors import UsageError
from podium.metrics.bitmaps import Bitmaps, count
from podium.metrics.objects import ObjectScore, ObjectTracks, Task, object_count
from podium.metrics.regions import Agreement, Comparison, intersection_over_union, tolerance_pixels
from podium.metrics.sequences import Frames, statistics

VALUES = Path(__file__).parents[3] / "shared" / "values" / "davis"
needs_values = pytest.mark.skipif(not VALUES.is_dir(), reason="the official reference values are not here")


def table(name: str) -> list[dict[str, str]]:
    path = VALUES / f"davis_reference_{name}.csv"
    return list(csv.DictReader(path.read_text().splitlines())) if path.is_file() else []


@cache
def labels(method: str, sequence: str) -> tuple[np.ndarray, ...]:
    files = sorted((VALUES / "masks" / method / sequence).glob("*.png"))
    return tuple(np.asarray(Image.open(path)) for path in files)


def here(rows: list[dict[str, str]], key: str = "sequence") -> Iterator[dict[str, str]]:
    yield from (row for row in rows if (VALUES / "masks" / "osvos" / row[key]).is_dir())


def plain_outline(mask: np.ndarray) -> np.ndarray:
    """Pixel by pixel, with the rules of the last row and column written out."""
    height, width = mask.shape
    outline = np.zeros_like(mask)
    for y in range(height):
        for x in range(width):
            if y == height - 1 and x == width - 1:
                continue
            if y == height - 1:
                outline[y, x] = mask[y, x] != mask[y, x + 1]
            elif x == width - 1:
                outline[y, x] = mask[y, x] != mask[y + 1, x]
            else:
                others = mask[y, x + 1], mask[y + 1, x], mask[y + 1, x + 1]
                outline[y, x] = any(mask[y, x] != each for each in others)
    return outline


def plain_near(outline: np.ndarray, radius: int) -> np.ndarray:
    height, width = outline.shape
    near = np.zeros_like(outline)
    for y, x in np.argwhere(outline):
        for dy in range(-radius, radius + 1):
            for dx in range(-radius, radius + 1):
                inside = 0 <= y + dy < height and 0 <= x + dx < width
                if inside and dx * dx + dy * dy <= radius * radius:
                    near[y + dy, x + dx] = True
    return near


def plain_f(annotation: np.ndarray, prediction: np.ndarray, radius: int) -> float:
    truth, found = plain_outline(annotation), plain_outline(prediction)
    if not truth.any() or not found.any():
        return 1.0 if truth.any() == found.any() else 0.0
    precision = (found & plain_near(truth, radius)).sum() / found.sum()
    recall = (truth & plain_near(found, radius)).sum() / truth.sum()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@st.composite
def pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    shape = draw(st.tuples(st.integers(1, 26), st.integers(1, 20)))
    fill = st.sampled_from([True, False])
    made = []
    for _ in range(2):
        if draw(st.booleans()):
            made.append(draw(hnp.arrays(np.bool_, shape, elements=st.booleans(), fill=fill)))
        else:
            mask = np.zeros(shape, bool)
            top, left = draw(st.integers(0, shape[0])), draw(st.integers(0, shape[1]))
            mask[top : top + draw(st.integers(0, 9)), left : left + draw(st.integers(0, 9))] = True
            made.append(mask)
    return made[0], made[1]


tolerances = st.integers(1, 11)


@needs_values
def test_every_reference_frame_has_its_official_numbers() -> None:
    rows = list(here(table("perframe")))
    assert len(rows) > 400
    comparisons: dict[tuple[int, ...], Comparison] = {}
    for row in rows:
        truth, found = (labels(each, row["sequence"])[int(row["frame"])] > 0 for each in ("osvos", "rvos"))
        comparison = comparisons.setdefault(truth.shape, Comparison(*truth.shape))
        both = comparison.compare(truth, found)
        where = f"{row['sequence']} {row['frame']}"
        assert both.region == pytest.approx(float(row["J"]), abs=1e-12), where
        assert both.boundary == pytest.approx(float(row["F"]), abs=1e-12), where
        assert both.iou == pytest.approx(float(row["contest_iou"]), abs=1e-12), where
        areas = int(row["fg_px_annotation"]), int(row["fg_px_prediction"])
        assert both.union == sum(areas) - both.intersection, where


@needs_values
@pytest.mark.parametrize("row", list(here(table("values"))), ids=lambda row: row["sequence"])
def test_every_reference_sequence_has_its_official_statistics(row: dict[str, str]) -> None:
    frames = [each for each in table("perframe") if each["sequence"] == row["sequence"]]
    assert len(frames) == int(row["frames"])
    assert tolerance_pixels(int(row["height"]), int(row["width"])) == int(row["bound_pix"])
    for letter in "JF":
        values = np.array([float(each[letter]) for each in frames])
        for protocol, tail in ((Frames.ALL, ""), (Frames.INNER, "_inner")):
            found = statistics(protocol.of(values))
            assert found is not None
            for part in ("mean", "recall", "decay"):
                assert getattr(found, part) == pytest.approx(float(row[f"{letter}_{part}{tail}"]), abs=1e-12)


@needs_values
@pytest.mark.parametrize("row", list(here(table("label2"))), ids=lambda row: row["sequence"])
def test_empty_frames_count_as_official(row: dict[str, str]) -> None:
    truth = [each == 2 for each in labels("osvos", row["sequence"])]
    comparison = Comparison(*truth[0].shape)
    every = [comparison.compare(each, truth[max(at - 3, 0)]) for at, each in enumerate(truth)]
    for letter, values in (("J", [each.region for each in every]), ("F", [each.boundary for each in every])):
        found = statistics(np.array(values))
        assert found is not None
        for part in ("mean", "recall", "decay"):
            assert getattr(found, part) == pytest.approx(float(row[f"{letter}_{part}"]), abs=1e-12)
    counted = [each.iou for each in every if each.iou is not None]
    assert len(counted) == int(row["contest_frames_counted"])
    assert len(every) - len(counted) == int(row["empty_empty_frames"])
    if counted:
        assert np.mean(counted) == pytest.approx(float(row["contest_iou_mean"]), abs=1e-12)


@needs_values
@pytest.mark.parametrize("sequence", ["blackswan", "dog", "parkour"])
def test_void_pixels_count_as_official(sequence: str) -> None:
    row = next(each for each in table("edge_cases") if each["case"] == sequence)
    truth, found = (labels(each, sequence) for each in ("osvos", "rvos"))
    void = np.zeros(truth[0].shape, bool)
    void[200:280, 300:500] = True
    comparison = Comparison(*void.shape)
    every = [comparison.compare(a > 0, b > 0, void_HW=void) for a, b in zip(truth, found, strict=True)]
    assert np.mean([each.region for each in every]) == pytest.approx(float(row["J"]), abs=1e-12)
    assert np.mean([each.boundary for each in every]) == pytest.approx(float(row["F"]), abs=1e-12)


@needs_values
@pytest.mark.parametrize("task", list(Task), ids=lambda task: task.value)
@pytest.mark.parametrize("sequence", ["drift-straight", "judo"])
def test_several_objects_have_their_official_numbers(sequence: str, task: Task) -> None:
    protocol = "unsupervised_hungarian" if task is Task.UNSUPERVISED else "semisupervised_lag1"
    rows = [each for each in table("multiobject") if (each["sequence"], each["protocol"]) == (sequence, protocol)]
    truth = labels("osvos", sequence)
    found = labels("rvos", sequence) if task is Task.UNSUPERVISED else (truth[0], *truth[:-1])
    tracks = ObjectTracks(*truth[0].shape, objects=object_count(truth[0]), task=task)
    for annotation, prediction in zip(truth, found, strict=True):
        tracks.add(annotation, prediction)
    scores = sorted(tracks.scores(), key=lambda each: each.prediction)
    assert len(scores) == len(rows) == int(rows[0]["gt_objects"])
    for row, score in zip(rows, scores, strict=True):
        for letter, part in (("J", score.region), ("F", score.boundary)):
            for name in ("mean", "recall", "decay"):
                assert getattr(part, name) == pytest.approx(float(row[f"{letter}_{name}"]), abs=1e-12)


SIZE = (480, 854)


def box(*where: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    mask = np.zeros(size, bool)
    mask[where[0] : where[1], where[2] : where[3]] = True
    return mask


EMPTY, FULL = np.zeros(SIZE, bool), np.ones(SIZE, bool)


@pytest.mark.parametrize(
    ("annotation", "prediction", "expected"),
    [
        (EMPTY, EMPTY, (1.0, 1.0)),
        (EMPTY, box(100, 200, 100, 300), (0.0, 0.0)),
        (box(100, 200, 100, 300), EMPTY, (0.0, 0.0)),
        (FULL, FULL, (1.0, 1.0)),
        (FULL, EMPTY, (0.0, 1.0)),
        (FULL, box(100, 200, 100, 300), (20_000 / 409_920, 0.0)),
        (box(100, 200, 100, 300), box(100, 200, 108, 308), (192 / 208, 1.0)),
        (box(100, 200, 100, 300), box(100, 200, 109, 309), (191 / 209, 0.6933333333333334)),
        (box(100, 200, 100, 300), box(106, 206, 106, 306), (18_236 / 21_764, 0.9983333333333333)),
        (box(100, 200, 100, 300), box(91, 209, 91, 309), (20_000 / 25_724, 0.0)),
        (box(100, 101, 100, 101), box(100, 101, 108, 109), (0.0, 1.0)),
        (box(479, 480, 853, 854), box(479, 480, 853, 854), (1.0, 1.0)),
        (box(479, 480, 853, 854), EMPTY, (0.0, 0.0)),
        (box(0, 1, 0, 1), EMPTY, (0.0, 0.0)),
    ],
)
def test_synthetic_masks_have_their_numbers(
    annotation: np.ndarray, prediction: np.ndarray, expected: tuple[float, float]
) -> None:
    both = Comparison(*SIZE).compare(annotation, prediction)
    assert (both.region, both.boundary) == pytest.approx(expected, abs=1e-15)


def test_a_boundary_is_shifted_half_a_pixel_and_absent_at_the_border() -> None:
    bitmaps = Bitmaps(9, 9, radius=1)

    def outline(*where: int) -> list[list[int]]:
        return np.argwhere(bitmaps.unpack(bitmaps.outline(bitmaps.pack(box(*where, size=(9, 9)))))).tolist()

    assert outline(0, 9, 0, 9) == []
    assert outline(8, 9, 8, 9) == [[7, 7], [7, 8], [8, 7]]
    assert outline(0, 1, 0, 1) == [[0, 0]]
    assert outline(4, 5, 4, 5) == [[3, 3], [3, 4], [4, 3], [4, 4]]
    assert outline(0, 9, 0, 3) == [[row, 2] for row in range(9)]


@settings(max_examples=150)
@given(pairs(), tolerances)
def test_numbers_are_those_of_the_plain_loops(masks: tuple[np.ndarray, np.ndarray], radius: int) -> None:
    annotation, prediction = masks
    both = Comparison(*annotation.shape, tolerance=radius).compare(annotation, prediction)
    union = int((annotation | prediction).sum())
    assert both.region == (int((annotation & prediction).sum()) / union if union else 1.0)
    assert both.boundary == pytest.approx(plain_f(annotation, prediction, radius), abs=1e-15)
    assert both.iou == intersection_over_union(annotation, prediction)


@given(pairs(), tolerances)
def test_packing_loses_nothing(masks: tuple[np.ndarray, np.ndarray], radius: int) -> None:
    bitmaps = Bitmaps(*masks[0].shape, radius=radius)
    packed = bitmaps.pack(masks[0])
    assert count(packed) == int(masks[0].sum())
    np.testing.assert_array_equal(bitmaps.unpack(packed), masks[0])
    np.testing.assert_array_equal(bitmaps.unpack(bitmaps.outline(packed)), plain_outline(masks[0]))
    np.testing.assert_array_equal(bitmaps.unpack(bitmaps.thicken(packed)), plain_near(masks[0], radius))


@given(pairs(), tolerances)
def test_annotation_and_prediction_may_change_places(masks: tuple[np.ndarray, np.ndarray], radius: int) -> None:
    comparison = Comparison(*masks[0].shape, tolerance=radius)
    one, other = comparison.compare(*masks), comparison.compare(*masks[::-1])
    assert (one.region, one.boundary, one.iou) == pytest.approx((other.region, other.boundary, other.iou), nan_ok=True)
    assert 0 <= one.region <= 1
    assert 0 <= one.boundary <= 1


@given(pairs())
def test_a_mask_agrees_wholly_with_itself_whatever_was_compared_before(masks: tuple[np.ndarray, np.ndarray]) -> None:
    comparison = Comparison(*masks[0].shape)
    comparison.compare(*masks)
    for mask in masks:
        both = comparison.compare(mask, mask)
        assert (both.region, both.boundary) == (1.0, 1.0)


@given(pairs(), tolerances)
def test_a_wider_tolerance_never_lowers_f(masks: tuple[np.ndarray, np.ndarray], radius: int) -> None:
    narrow, wide = (Comparison(*masks[0].shape, tolerance=each).compare(*masks) for each in (radius, radius + 1))
    assert narrow.boundary <= wide.boundary


@given(pairs())
def test_void_everywhere_leaves_nothing_to_disagree_on(masks: tuple[np.ndarray, np.ndarray]) -> None:
    both = Comparison(*masks[0].shape).compare(*masks, void_HW=np.ones(masks[0].shape, bool))
    assert (both.region, both.boundary, both.iou) == (1.0, 1.0, None)


def test_pictures_larger_than_the_usual_ones_agree_with_scipy() -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    rng = np.random.default_rng(3)
    for height, width, radius in ((303, 517, 36), (65, 1_000, 9), (1_001, 40, 17)):
        masks = [ndimage.gaussian_filter(rng.standard_normal((height, width)), 6) > 0 for _ in range(2)]
        bitmaps = Bitmaps(height, width, radius=radius)
        outlines = [bitmaps.unpack(bitmaps.outline(bitmaps.pack(each))) for each in masks]
        near = [ndimage.distance_transform_edt(~each) <= radius for each in outlines]
        both = Comparison(height, width, tolerance=radius).compare(masks[0], masks[1])
        assert both == Agreement(
            intersection=int((masks[0] & masks[1]).sum()),
            union=int((masks[0] | masks[1]).sum()),
            annotation_boundary=int(outlines[0].sum()),
            prediction_boundary=int(outlines[1].sum()),
            annotation_matched=int((outlines[0] & near[1]).sum()),
            prediction_matched=int((outlines[1] & near[0]).sum()),
        )


def test_one_dimension_may_be_a_single_pixel() -> None:
    for size in ((1, 1), (1, 50), (50, 1), (2, 9), (8, 8), (16, 64)):
        rng = np.random.default_rng(sum(size))
        for _ in range(5):
            masks = [rng.random(size) < 0.5 for _ in range(2)]
            both = Comparison(*size, tolerance=3).compare(*masks)
            assert both.boundary == pytest.approx(plain_f(*masks, 3), abs=1e-15)


@pytest.mark.parametrize("tolerance", [0, -1, 1.5, float("nan")])
def test_a_tolerance_without_meaning_is_refused(tolerance: float) -> None:
    with pytest.raises(UsageError, match="the tolerance is"):
        tolerance_pixels(10, 10, tolerance)


def test_masks_of_another_shape_or_type_are_refused() -> None:
    comparison = Comparison(10, 12)
    with pytest.raises(UsageError, match="is needed"):
        comparison.compare(np.zeros((12, 10), bool), np.zeros((10, 12), bool))
    with pytest.raises(UsageError, match="uint8"):
        comparison.compare(np.zeros((10, 12), np.uint8), np.zeros((10, 12), bool))


def slow_pairs(truth: list[np.ndarray], found: list[np.ndarray], a: int, p: int) -> tuple[float, float]:
    void = [each == 255 for each in truth]
    region, boundary = [], []
    for annotation, prediction, gone in zip(truth, found, void, strict=True):
        one, other = (annotation == a) & ~gone, (prediction == p) & ~gone
        union = (one | other).sum()
        region.append((one & other).sum() / union if union else 1.0)
        boundary.append(plain_f(one, other, 1))
    return float(np.mean(region)), float(np.mean(boundary))


@settings(max_examples=25)
@given(st.integers(0, 1_000), st.integers(1, 3), st.integers(0, 4))
def test_objects_are_matched_as_the_plain_way_does(seed: int, objects: int, proposals: int) -> None:
    optimize = pytest.importorskip("scipy.optimize")
    rng = np.random.default_rng(seed)
    truth = [rng.integers(0, objects + 1, (6, 5)).astype(np.uint8) for _ in range(3)]
    found = [rng.integers(0, proposals + 1, (6, 5)).astype(np.uint8) for _ in range(3)]
    for each in truth:
        each[rng.random(each.shape) < 0.1] = 255
    tracks = ObjectTracks(6, 5, objects=objects, task=Task.UNSUPERVISED)
    for annotation, prediction in zip(truth, found, strict=True):
        tracks.add(annotation, prediction)
    wide = max(objects, proposals)
    gains = np.array([[sum(slow_pairs(truth, found, a + 1, p + 1)) / 2 for p in range(wide)] for a in range(objects)])
    rows, columns = optimize.linear_sum_assignment(-gains)
    scores: tuple[ObjectScore, ...] = tracks.scores()
    ours = sum((each.region.mean + each.boundary.mean) / 2 for each in scores)
    assert ours == pytest.approx(gains[rows, columns].sum(), abs=1e-12)
    assert [each.annotation for each in scores] == list(range(1, objects + 1))
    for each in scores:
        expected = slow_pairs(truth, found, each.annotation, each.prediction)
        assert (each.region.mean, each.boundary.mean) == pytest.approx(expected, abs=1e-12)


def test_ids_in_another_order_give_the_same_numbers_unsupervised() -> None:
    labels = np.zeros((40, 60), np.uint8)
    labels[5:15, 5:20], labels[20:30, 10:30], labels[10:35, 40:50] = 1, 2, 3
    order = np.array([0, 3, 1, 2], np.uint8)
    tracks = ObjectTracks(40, 60, objects=3, task=Task.UNSUPERVISED)
    for _ in range(3):
        tracks.add(labels, order[labels])
    assert [(each.annotation, each.prediction) for each in tracks.scores()] == [(1, 3), (2, 1), (3, 2)]
    assert all((each.region.mean, each.boundary.mean) == (1.0, 1.0) for each in tracks.scores())


def test_too_many_objects_are_refused() -> None:
    semi = ObjectTracks(8, 8, objects=2, task=Task.SEMI_SUPERVISED)
    free = ObjectTracks(8, 8, objects=2, task=Task.UNSUPERVISED)
    empty = np.zeros((8, 8), np.uint8)
    with pytest.raises(UsageError, match="object id `3`; at most `2`"):
        semi.add(empty, empty + 3)
    with pytest.raises(UsageError, match="object id `255`; at most `20`"):
        free.add(empty, empty + 255)


def test_semi_supervised_objects_that_are_not_predicted_score_0_where_they_are() -> None:
    labels = np.zeros((40, 60), np.uint8)
    labels[5:15, 5:20], labels[20:30, 10:30] = 1, 2
    tracks = ObjectTracks(40, 60, objects=2, task=Task.SEMI_SUPERVISED)
    for _ in range(4):
        tracks.add(labels, (labels == 1).astype(np.uint8))
    first, second = tracks.scores()
    assert (first.region.mean, second.region.mean, second.boundary.mean) == (1.0, 0.0, 0.0)


def test_void_is_background_of_the_annotation_only_when_semi_supervised() -> None:
    annotation = np.zeros((40, 60), np.uint8)
    annotation[5:15, 5:15] = 1
    annotation[5:15, 15:25] = 255
    prediction = np.zeros((40, 60), np.uint8)
    prediction[5:15, 5:25] = 1
    means = []
    for task in Task:
        tracks = ObjectTracks(40, 60, objects=1, task=task)
        for _ in range(3):
            tracks.add(annotation, prediction)
        means.append(tracks.scores()[0].region.mean)
    assert means == [0.5, 1.0]


def slow_decay(values: list[float]) -> float:
    """The quarters with rounding half up written out."""
    edges = [math.floor(1 + (len(values) - 1) * k / 4 + 0.5 + 1e-9) - 1 for k in range(5)]
    first, last = values[edges[0] : edges[1] + 1], values[edges[3] : edges[4] + 1]
    return sum(first) / len(first) - sum(last) / len(last)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=400))
def test_decay_is_that_of_the_quarters_written_out(values: list[float]) -> None:
    found = statistics(np.array(values))
    assert found is not None
    assert found.decay == pytest.approx(slow_decay(values), abs=1e-12)
    assert found.mean == pytest.approx(sum(values) / len(values), abs=1e-12)
    assert found.recall == pytest.approx(sum(value > 0.5 for value in values) / len(values), abs=1e-12)


def test_sequences_of_more_than_256_frames_keep_their_quarters() -> None:
    found = statistics(np.linspace(1, 0, 1_001))
    assert found is not None
    assert found.decay == pytest.approx(0.75, abs=1e-12)


def test_half_is_no_recall_and_no_number_is_a_miss() -> None:
    found = statistics(np.array([0.5, 0.6, np.nan, 0.4]))
    assert found is not None
    assert found.recall == 0.25
    assert found.mean == pytest.approx(0.5)
    assert statistics(np.array([np.nan])) is None


def test_quarters_share_the_frame_where_they_meet() -> None:
    found = statistics(np.array([1.0, 0.0, 0.0, 0.0, 1.0]))
    assert found is not None
    assert found.decay == 0.0
    uneven = statistics(np.array([1.0, 1.0, 0.5, 0.0]))
    assert uneven is not None
    assert uneven.decay == pytest.approx((1.0 + 1.0) / 2 - (0.5 + 0.0) / 2)
