"""Where values over frames are drawn, worked by hand, and what the words and the table say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podium.report import frame_curves
from podium.types import MaskedFrame, MaskedSequence, MaskPair

Values = tuple[float | None, ...]


def sequence(*values: Values, measures: tuple[str, ...] = ("IoU", "J", "F")) -> MaskedSequence:
    empty = np.zeros((2, 2), bool)
    return MaskedSequence(
        item="bear",
        value=0.5,
        measures=measures,
        frames=tuple(MaskedFrame(name=f"{at:05}", path="", values=each) for at, each in enumerate(values)),
        frames_per_second=24.0,
        masks=lambda at: MaskPair(truth_HW=empty, prediction_HW=None),
    )


def test_three_frames_land_where_a_ruler_puts_them() -> None:
    drawing = frame_curves.draw(sequence((1.0,), (0.5,), (0.0,), measures=("J",)))
    # 576 pixels wide from 48, 236 high from 14 down to 250
    assert drawing.lines[0].runs == ("48,14 336,132 624,250",)
    assert drawing.lines[0].dots == ()
    assert [(each.label, each.position) for each in drawing.x_ticks] == [("0", 48.0), ("1", 336.0), ("2", 624.0)]
    assert [each.label for each in drawing.y_ticks] == ["0", "0.2", "0.4", "0.6", "0.8", "1"]


def test_a_frame_without_a_value_breaks_the_line_and_a_lone_one_is_a_dot() -> None:
    values = ((1.0,), (1.0,), (None,), (0.5,), (float("nan"),), (0.0,), (0.0,))
    (line,) = frame_curves.draw(sequence(*values, measures=("IoU",))).lines
    assert line.runs == ("48,14 144,14", "528,250 624,250")
    assert line.dots == ((336.0, 132.0),)


def test_measures_that_are_alike_share_a_line_and_keep_their_style() -> None:
    alike = frame_curves.draw(sequence((0.5, 0.5, 0.4), (0.7, 0.7, 0.6)))
    assert [(each.name, each.place) for each in alike.lines] == [("IoU and J", 1), ("F", 2)]
    apart = frame_curves.draw(sequence((None, 1.0, 1.0), (0.7, 0.7, 0.6)))
    assert [(each.name, each.place) for each in apart.lines] == [("IoU", 0), ("J", 1), ("F", 2)]


def test_marked_frames_have_rings_and_missing_ones_a_bar_below() -> None:
    values = [(each, each, each) for each in (1.0, 0.0, 0.0, 0.5, 0.25)]
    drawing = frame_curves.draw(sequence(*values), marked=(4,), missing=(1, 2))
    (ring,) = drawing.rings
    assert (ring.x, ring.y, ring.title) == (624.0, 191.0, "frame 00004: IoU 0.250, J 0.250, F 0.250")
    (gap,) = drawing.gaps
    # frames are 144 pixels apart: from half a frame before the first to half a frame after the last
    assert (gap.x, gap.width, gap.title) == (120.0, 288.0, "no mask: frames 00001 to 00002")
    assert [each.marked for each in drawing.rows] == [False, False, False, False, True]


def test_two_stretches_without_a_mask_are_two_bars_inside_the_axis() -> None:
    drawing = frame_curves.draw(sequence(*[(0.0, 0.0, 0.0)] * 5), missing=(4, 0))
    assert [each.title for each in drawing.gaps] == ["no mask: frame 00000", "no mask: frame 00004"]
    assert drawing.gaps[0].x == drawing.left
    assert drawing.gaps[1].x + drawing.gaps[1].width == drawing.right


def test_the_words_give_the_lowest_frame_and_the_mean_of_each_measure() -> None:
    drawing = frame_curves.draw(sequence((0.2, 0.2, None), (0.6, 0.6, None)))
    assert drawing.alt == (
        "bear over 2 frames: IoU and J from 0.200 (frame 00000) to 0.600, mean 0.400; F has no value"
    )


def test_the_table_has_every_value_and_counts_what_it_leaves_out() -> None:
    drawing = frame_curves.draw(sequence(*[(0.5, 1 / 3, None)] * 9), most_rows=4)
    assert len(drawing.rows) == 4
    assert drawing.more_rows == 5
    assert drawing.rows[0].values == ("0.500", "0.333", "–")


def test_a_single_frame_stands_in_the_middle() -> None:
    drawing = frame_curves.draw(sequence((0.5,), measures=("J",)), marked=(0,), missing=(0,))
    assert drawing.lines[0].dots == ((336.0, 132.0),)
    assert [each.label for each in drawing.x_ticks] == ["0"]
    assert drawing.rings[0].x == 336.0


@settings(max_examples=25)
@given(st.integers(1, 3_000), st.integers(0, 10_000))
def test_long_sequences_stay_short_and_lose_no_dip(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.uniform(0.5, 1.0, count)
    dip = int(rng.integers(count))
    values[dip] = 0.0
    drawing = frame_curves.draw(sequence(*((each,) for each in values.tolist()), measures=("J",)), most_rows=1)
    points = [point for run in drawing.lines[0].runs for point in run.split()] or ["x,250"]
    assert len(points) <= 1_210
    assert any(point.endswith(",250") for point in points)
    assert 1 <= len(drawing.x_ticks) <= 8


@pytest.mark.parametrize("name", ["<b>", "a" * 400, "00\u202e01", ""])
def test_odd_names_of_frames_make_a_drawing(name: str) -> None:
    made = sequence((0.5, 0.5, 0.5))
    frame = MaskedFrame(name=name, path="", values=(0.5, 0.5, 0.5))
    drawing = frame_curves.draw(
        MaskedSequence(
            item="x", value=None, measures=made.measures, frames=(frame,), frames_per_second=1.0, masks=made.masks
        )
    )
    assert len(drawing.x_ticks[0].label) <= 8
