"""Which frames a network of videos sees: by each video's own length, or as the reference had it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.errors import UsageError
from podium.solutions.segment_classification.frames import Chosen, FrameSettings, choose

DEFAULT = FrameSettings()
LENGTHS = st.lists(st.integers(0, 400), min_size=1, max_size=6)


def _rows(chosen: Chosen) -> list[list[int]]:
    return [row[mask].tolist() for row, mask in zip(chosen.indices_VT, chosen.mask_VT, strict=True)]


def test_a_video_of_180_frames_loses_both_ends() -> None:
    assert _rows(choose([180], DEFAULT, seeds_V=[1])) == [list(range(30, 170))]


def test_a_video_of_190_frames_has_just_so_many_that_all_are_seen() -> None:
    assert _rows(choose([190], DEFAULT, seeds_V=[1])) == [list(range(30, 180))]


@pytest.mark.parametrize("frames", [210, 260])
def test_of_a_long_video_140_frames_are_drawn_without_repeats_in_order(frames: int) -> None:
    row = _rows(choose([frames], DEFAULT, seeds_V=[7]))[0]
    assert len(row) == len(set(row)) == 140
    assert row == sorted(row)
    assert set(row) <= set(range(30, frames - 10))


@pytest.mark.parametrize("frames", [1, 30, 40])
def test_a_video_without_a_middle_is_seen_whole(frames: int) -> None:
    assert _rows(choose([frames], DEFAULT, seeds_V=None)) == [list(range(frames))]


def test_a_video_of_41_frames_has_a_middle_of_one() -> None:
    assert _rows(choose([41], DEFAULT, seeds_V=[0])) == [[30]]


def test_without_seeds_frames_are_evenly_spread() -> None:
    # 6 of 9 frames, the middles of six equal parts of 1.5: 0.75, 2.25, 3.75, 5.25, 6.75, 8.25.
    few = FrameSettings(skip_first=0, skip_last=0, threshold=8, drawn=6)
    assert _rows(choose([9], few, seeds_V=None)) == [[0, 2, 3, 5, 6, 8]]
    spread = np.diff(_rows(choose([300], DEFAULT, seeds_V=None))[0])
    assert set(spread.tolist()) == {1, 2}


def test_each_video_has_its_own_length_and_the_rest_is_padding() -> None:
    chosen = choose([10, 50, 0], FrameSettings(skip_first=30, skip_last=10), seeds_V=[1, 2, 3])
    assert _rows(chosen) == [list(range(10)), list(range(30, 40)), []]
    assert chosen.indices_VT.shape == chosen.mask_VT.shape == (3, 10)
    assert chosen.indices_VT.dtype == np.int64
    assert chosen.indices_VT[2].tolist() == [0] * 10


@given(LENGTHS, st.integers(0, 1000))
def test_what_is_seen_of_a_video_does_not_depend_on_the_others(lengths: list[int], seed: int) -> None:
    seeds = [seed + number for number in range(len(lengths))]
    together = _rows(choose(lengths, DEFAULT, seeds_V=seeds))
    alone = [_rows(choose([each], DEFAULT, seeds_V=[own]))[0] for each, own in zip(lengths, seeds, strict=True)]
    assert together == alone


@given(LENGTHS, st.integers(0, 1000), st.booleans())
def test_every_number_is_that_of_a_frame(lengths: list[int], seed: int, reference: bool) -> None:
    chosen = choose(lengths, DEFAULT, seeds_V=[seed] * len(lengths), reference=reference)
    for length, row in zip(lengths, _rows(chosen), strict=True):
        assert all(0 <= each < length for each in row)


def test_one_seed_gives_one_draw_and_another_gives_another() -> None:
    draws = [choose([300], DEFAULT, seeds_V=[seed]).indices_VT.tolist() for seed in (5, 5, 6)]
    assert draws[0] == draws[1] != draws[2]


def test_in_the_course_of_many_draws_every_frame_of_the_middle_is_as_likely() -> None:
    often = np.bincount(np.concatenate([_rows(choose([250], DEFAULT, seeds_V=[each]))[0] for each in range(400)]))
    assert often[:30].sum() == 0
    assert len(often) == 240
    # 400 draws of 140 out of 210: 267 each, with a deviation of 9.4.
    assert 225 < often[30:].min() <= often[30:].max() < 310


@pytest.mark.parametrize(("frames", "distinct"), [(250, 102.2), (300, 108.4)])
def test_the_reference_draws_with_repeats(frames: int, distinct: int) -> None:
    # Of L frames, 140 draws see L * (1 - (1 - 1 / L) ** 140).
    rows = [_rows(choose([frames], DEFAULT, seeds_V=[each], reference=True))[0] for each in range(50)]
    assert {len(row) for row in rows} == {140}
    assert rows[0] != sorted(rows[0])
    assert np.mean([len(set(row)) for row in rows]) == pytest.approx(distinct, abs=1.5)


def test_the_reference_draws_once_for_all_of_a_batch_by_the_longest_video() -> None:
    chosen = choose([300, 100, 20], DEFAULT, seeds_V=[3, 4, 5], reference=True)
    long, short, tiny = _rows(chosen)
    assert short == [each for each in long if each < 100]
    assert tiny == []
    assert (
        chosen.indices_VT.tolist()
        == choose([300, 100, 20], DEFAULT, seeds_V=[3, 9, 9], reference=True).indices_VT.tolist()
    )
    assert (
        chosen.indices_VT.tolist()
        != choose([300, 100, 20], DEFAULT, seeds_V=[4, 4, 5], reference=True).indices_VT.tolist()
    )


def test_the_reference_keeps_the_end_of_a_short_video_beside_a_long_one() -> None:
    assert _rows(choose([100, 60], DEFAULT, seeds_V=None, reference=True)) == [list(range(30, 90)), list(range(30, 60))]
    assert _rows(choose([100, 60], DEFAULT, seeds_V=None)) == [list(range(30, 90)), list(range(30, 50))]


@pytest.mark.parametrize("wrong", [{"skip_first": -1}, {"drawn": 0}, {"drawn": 151}])
def test_impossible_settings_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="allowed"):
        FrameSettings(**wrong)


def test_lengths_below_nothing_and_missing_seeds_are_refused() -> None:
    with pytest.raises(UsageError, match="`-1` frames"):
        choose([3, -1], DEFAULT, seeds_V=None)
    with pytest.raises(UsageError, match="`1` seeds for `2` videos"):
        choose([3, 4], DEFAULT, seeds_V=[1])
