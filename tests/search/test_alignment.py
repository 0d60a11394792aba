"""Aligners against the plain descriptions, on maps of many sizes at once."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from podium.errors import UsageError
from podium.search.alignment import (
    Aligner,
    Boxes,
    DynamicProgramming,
    HoughVoting,
    TemporalNetwork,
    TimeWarping,
    align_views,
    peaks,
    seconds,
)

PLAIN = runpy.run_path(str(Path(__file__).with_name("plain_alignment.py")))
EVERY: list[Aligner] = [
    TemporalNetwork(),
    TemporalNetwork(reference=True),
    TimeWarping(),
    DynamicProgramming(),
    HoughVoting(),
    HoughVoting(reference=True),
]


def random_maps(count: int, seed: int, *, steps: int | None = None) -> list[np.ndarray]:
    """Noise with up to two copies in it, at speeds from 0.6 to 1.6; few steps make many equal similarities."""
    rng = np.random.default_rng(seed)
    maps: list[np.ndarray] = []
    for _ in range(count):
        rows, columns = (int(each) for each in rng.integers(1, 42, 2))
        similarity = rng.normal(0.15, 0.15, (rows, columns))
        for _ in range(int(rng.integers(0, 3))):
            top, left, speed = int(rng.integers(0, rows)), int(rng.integers(0, columns)), rng.uniform(0.6, 1.6)
            for at in range(int(rng.integers(3, 25))):
                row, column = top + at, int(left + speed * at)
                if row < rows and column < columns:
                    similarity[row, column] += rng.uniform(0.2, 0.6)
        maps.append(similarity if steps is None else np.round(similarity * steps) / steps)
    return maps


def found_by(aligner: Aligner, maps: list[np.ndarray]) -> list[list[tuple[Any, ...]]]:
    """Boxes with both ends inclusive, and scores, map by map."""
    boxes = aligner.align(maps)
    assert (np.diff(boxes.map_N) >= 0).all()
    found: list[list[tuple[Any, ...]]] = [[] for _ in maps]
    for number, bounds, score in zip(boxes.map_N, boxes.bounds_N4.tolist(), boxes.score_N.tolist(), strict=True):
        found[number].append((bounds[0], bounds[1] - 1, bounds[2], bounds[3] - 1, score))
    return found


def assert_same(aligner: Aligner, name: str, maps: list[np.ndarray], settings: dict[str, Any], *, some: int) -> None:
    expected = [PLAIN[name](each, **settings) for each in maps]
    assert sum(map(len, expected)) >= some
    for mine, plain in zip(found_by(aligner, maps), expected, strict=True):
        assert [each[:4] for each in mine] == [each[:4] for each in plain]
        assert [each[4] for each in mine] == pytest.approx([each[4] for each in plain], abs=1e-9)


@pytest.mark.parametrize("reference", [False, True])
def test_the_temporal_network_finds_the_boxes_of_the_description_on_three_hundred_maps(reference: bool) -> None:
    settings: dict[str, Any] = {"max_step": 5, "min_length": 4, "reference": reference}
    assert_same(TemporalNetwork(**settings), "temporal_network", random_maps(300, 1), settings, some=400)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"reference": True},
        {"max_step": 4, "min_length": 3, "top_k": 3, "max_chains": 100, "max_iou": 0.2},
        {
            "max_step": 5,
            "top_k": 2,
            "min_length": 3,
            "min_similarity": 0.1,
            "max_iou": 1.0,
            "max_chains": 200,
            "skip_used": False,
        },
        {"skip_used": False, "reference": True},
        {"min_similarity": 0.0, "min_length": 0, "reference": True},
        {"max_step": 2, "top_k": 1, "min_length": 1},
    ],
)
def test_the_temporal_network_follows_the_description_in_other_settings(settings: dict[str, Any]) -> None:
    assert_same(TemporalNetwork(**settings), "temporal_network", random_maps(60, 2), settings, some=5)


def test_the_temporal_network_breaks_ties_as_the_description_does() -> None:
    settings = {"max_step": 5, "min_length": 3}
    maps = random_maps(80, 3, steps=8)
    assert_same(TemporalNetwork(**settings), "temporal_network", maps, settings, some=50)


@pytest.mark.parametrize("settings", [{}, {"max_run": 10, "min_length": 3, "min_similarity": 0.1}, {"max_run": 1}])
def test_time_warping_follows_the_description(settings: dict[str, Any]) -> None:
    some = 0 if settings.get("max_run") == 1 else 30
    assert_same(TimeWarping(**settings), "time_warping", random_maps(80, 4), settings, some=some)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"min_similarity": 0.2, "max_run": 10, "min_mean": 0.2, "min_length": 3},
        {"min_similarity": 0.1, "max_run": 5, "min_mean": 0.1, "min_length": 2, "max_unmatched": 1},
    ],
)
def test_dynamic_programming_follows_the_description(settings: dict[str, Any]) -> None:
    assert_same(DynamicProgramming(**settings), "dynamic_programming", random_maps(60, 5), settings, some=5)


@pytest.mark.parametrize("settings", [{}, {"reference": True}, {"max_peaks": 7, "max_iou": 0.5, "min_similarity": 0.3}])
def test_hough_voting_follows_the_description(settings: dict[str, Any]) -> None:
    assert_same(HoughVoting(**settings), "hough_voting", random_maps(80, 6), settings, some=100)


@pytest.mark.parametrize("aligner", EVERY)
def test_a_map_gives_the_same_boxes_alone_and_among_others(aligner: Aligner) -> None:
    maps = random_maps(40, 7)
    together = found_by(aligner, maps)
    assert together == [found_by(aligner, [each])[0] for each in maps]
    assert found_by(aligner, maps[::-1]) == together[::-1]


@pytest.mark.parametrize("aligner", EVERY)
def test_maps_are_left_as_they_were(aligner: Aligner) -> None:
    maps = random_maps(10, 8)
    before = [each.copy() for each in maps]
    aligner.align(maps)
    assert all(np.array_equal(a, b) for a, b in zip(maps, before, strict=True))


def planted() -> np.ndarray:
    similarity = np.full((40, 31), 0.05)
    at = np.arange(15)
    similarity[at + 10, at + 4] = 0.9
    return similarity


@pytest.mark.parametrize("aligner", [TemporalNetwork(), HoughVoting()])
def test_a_planted_copy_is_found_where_it_lies(aligner: Aligner) -> None:
    assert aligner.align([planted()]).of(0).tolist() == [[10, 25, 4, 19]]


@pytest.mark.parametrize(
    ("aligner", "seconds_off"),
    [(TimeWarping(), 3), (DynamicProgramming(min_similarity=0.2, max_unmatched=0), 1)],
)
def test_a_path_finds_a_planted_copy_within_seconds(aligner: Aligner, seconds_off: int) -> None:
    (bounds,) = aligner.align([planted()]).of(0).tolist()
    assert np.abs(np.array(bounds) - [10, 25, 4, 19]).max() <= seconds_off


def test_the_reference_lets_boxes_begin_a_step_too_early_and_vote_from_edge_to_edge() -> None:
    early = TemporalNetwork(reference=True).align([planted()]).of(0)[0].tolist()
    assert early[1::2] == [25, 19]
    assert early[0] < 10
    assert early[2] < 4
    assert HoughVoting(reference=True).align([planted()]).of(0)[0].tolist() == [6, 37, 0, 31]


@pytest.mark.parametrize("aligner", EVERY)
def test_without_maps_or_cells_there_are_no_boxes(aligner: Aligner) -> None:
    assert not len(aligner.align([]))
    boxes = aligner.align([np.zeros((0, 5)), np.zeros((5, 0)), np.eye(9, dtype=np.float32), np.zeros((1, 1))])
    assert set(boxes.map_N.tolist()) <= {2}


@pytest.mark.parametrize("aligner", EVERY)
def test_what_is_no_map_is_refused_by_its_number(aligner: Aligner) -> None:
    good, bad = np.eye(8), np.eye(8)
    bad[3, 3] = np.nan
    with pytest.raises(UsageError, match="map `1` holds NaN or an infinity"):
        aligner.align([good, bad])
    with pytest.raises(UsageError, match=r"map `0` has shape `\(8,\)`"):
        aligner.align([good[0]])
    with pytest.raises(UsageError, match="a matrix of floats is needed"):
        aligner.align([np.eye(8, dtype=int)])  # pyright: ignore[reportArgumentType] - what a caller may do wrong


def test_settings_that_make_no_sense_are_refused() -> None:
    for make in (
        lambda: TemporalNetwork(max_step=1),
        lambda: TemporalNetwork(top_k=0),
        lambda: TemporalNetwork(min_similarity=-0.1),
        lambda: TimeWarping(max_run=0),
        lambda: DynamicProgramming(max_paths=0),
        lambda: HoughVoting(max_peaks=0),
    ):
        with pytest.raises(UsageError, match="are needed"):
            make()


def test_views_are_aligned_by_themselves_and_named() -> None:
    maps = random_maps(12, 9)
    stacked = np.block([[maps[0][:9, :7], maps[1][:9, :8]], [np.eye(10, 7), np.eye(10, 8)]])
    aligner = TemporalNetwork(min_length=3)
    stacked = stacked[:, : min(15, stacked.shape[1])]
    found = align_views(aligner, [stacked], [[9, 10]], [[7, 8]])
    expected = [
        (above, beside, bounds)
        for above, rows in enumerate((slice(0, 9), slice(9, 19)))
        for beside, columns in enumerate((slice(0, 7), slice(7, 15)))
        for bounds in aligner.align([stacked[rows, columns]]).bounds_N4.tolist()
    ]
    mine = zip(
        found.query_view_N.tolist(), found.reference_view_N.tolist(), found.boxes.bounds_N4.tolist(), strict=True
    )
    assert list(mine) == expected
    assert {each[:2] for each in expected} >= {(1, 0), (1, 1)}
    with pytest.raises(UsageError, match="both must add up to the shape"):
        align_views(aligner, [stacked], [[9, 9]], [[7, 8]])


def test_peaks_look_at_the_whole_box_and_the_baseline_leaves_out_its_edge() -> None:
    similarity = np.arange(20.0).reshape(4, 5)
    boxes = Boxes(map_N=np.array([0]), bounds_N4=np.array([[1, 3, 0, 2]]), score_N=np.ones(1))
    assert peaks([similarity], boxes).tolist() == [11.0]
    assert peaks([similarity], boxes, reference=True).tolist() == [5.0]
    single = Boxes(map_N=np.array([0]), bounds_N4=np.array([[1, 2, 0, 2]]), score_N=np.ones(1))
    with pytest.raises(UsageError, match="needs a row and a column"):
        peaks([similarity], single, reference=True)


def test_seconds_run_from_the_start_of_the_first_frame_to_the_end_of_the_last() -> None:
    frames = np.stack([np.arange(5) * 0.5, np.arange(5) * 0.5 + 0.5], axis=1)
    found = seconds(np.array([[1, 4, 0, 5]]), frames, frames + 100)
    assert found.tolist() == [[0.5, 2.0, 100.0, 102.5]]
