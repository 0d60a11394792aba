"""The colours, the axes and the hot cells of a map."""

from __future__ import annotations

import base64
import io
import math

import numpy as np
from PIL import Image

from podium.report import heatmaps
from podium.types import Clip, Exhibit, ExhibitKind

Map = tuple[tuple[float, ...], ...]


def exhibit(
    values: Map, *, query: tuple[float, float] = (0.0, 4.0), reference: tuple[float, float] = (10.0, 16.0)
) -> Exhibit:
    return Exhibit(
        kind=ExhibitKind.MISSED,
        query=Clip(item="Q1", path="", start_seconds=query[0], end_seconds=query[1]),
        reference=Clip(item="R1", path="", start_seconds=reference[0], end_seconds=reference[1]),
        similarity_map=values,
    )


def pixels(drawn: heatmaps.HeatMap) -> np.ndarray:
    packed = base64.b64decode(drawn.uri.removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(packed)).convert("RGB"))


def test_each_cell_is_one_pixel_lowest_dark_highest_light() -> None:
    drawn = heatmaps.draw(exhibit(((0.0, 1.0, 0.5), (0.25, 0.0, 1.0))))
    assert drawn
    seen = pixels(drawn)
    assert seen.shape == (2, 3, 3)
    assert seen[0, 0].tolist() == [22, 24, 54]
    assert seen[0, 1].tolist() == [252, 236, 172]
    assert seen[0, 2].tolist() == [176, 56, 104]
    assert (drawn.low, drawn.high) == ("0.00", "1.00")


def timed(
    *, query: tuple[float, float] = (0.0, 4.0), reference: tuple[float, float] = (10.0, 16.0)
) -> heatmaps.HeatMap:
    """Two steps of 2 s from 0 s, and two of 3 s from 10 s; hottest in the last of both."""
    shown = exhibit(((0.1, 0.2), (0.3, 0.9)), query=query, reference=reference)
    drawn = heatmaps.draw(shown, query_seconds=(1.0, 3.0), reference_seconds=(11.5, 14.5))
    assert drawn
    return drawn


def test_axes_carry_the_seconds_of_rows_and_columns() -> None:
    drawn = timed()
    # 2 x 2 cells of 110 pixels from (48, 10); 4 s down, 6 s across
    assert (drawn.x, drawn.y, drawn.plot_width, drawn.plot_height) == (48.0, 10.0, 220.0, 220.0)
    assert {tick.label: round(tick.position, 2) for tick in drawn.x_ticks}["12"] == 121.33
    assert {tick.label: tick.position for tick in drawn.y_ticks}["2"] == 120.0
    assert (drawn.x_label, drawn.y_label) == ("reference, seconds", "query, seconds")


def test_the_ring_and_the_words_name_the_hottest_cell() -> None:
    drawn = timed()
    assert drawn.peak == (48 + 165, 10 + 165)
    assert drawn.alt == (
        "Similarity of Q1 and R1 over time, 0.10 to 0.90; highest at 3.0 s of the query and 14.5 s of the reference"
    )


def test_a_frame_shows_which_part_the_strips_are_from_unless_it_is_all() -> None:
    assert timed().window is None
    window = timed(query=(1.0, 2.0), reference=(13.0, 16.0)).window
    assert window == heatmaps.Box(x=158.0, y=65.0, width=110.0, height=55.0)


def test_without_times_the_axes_count_steps_and_claim_no_seconds() -> None:
    drawn = heatmaps.draw(exhibit(((0.1, 0.2), (0.3, 0.9)), query=(1.0, 2.0)), query_seconds=(1.0,))
    assert drawn
    assert (drawn.x_label, drawn.y_label) == ("reference, steps", "query, steps")
    assert drawn.alt.endswith("highest at step 2 of the query and step 2 of the reference")
    assert drawn.window is None


def test_rows_in_any_order_of_time_are_laid_on_an_even_clock() -> None:
    values = ((0.3,), (0.0,), (1.0,), (0.2,))
    drawn = heatmaps.draw(exhibit(values), query_seconds=(9.5, 0.5, 1.0, 10.5))
    assert drawn
    # Steps of 3.04 s: two early rows share the first (1.0 wins), the second is nearest to 1.0 s, the third to 9.5 s,
    # and the two late rows share the last (0.3 wins).
    assert pixels(drawn)[:, 0, 0].tolist() == [252, 252, 22, 22]
    assert (drawn.low, drawn.high) == ("0.30", "1.00")
    assert [tick.label for tick in drawn.y_ticks] == ["0", "5", "10"]


def test_dots_mark_the_best_reference_step_of_hot_query_steps_only() -> None:
    drawn = heatmaps.draw(exhibit(((0.9, 0.1), (0.2, 0.1), (0.1, 1.0))))
    assert drawn
    assert len(drawn.path) == 2
    assert [x for x, _ in drawn.path] == sorted(x for x, _ in drawn.path)


def test_a_large_map_is_made_smaller_without_losing_its_hottest_cell() -> None:
    values = np.zeros((1_000, 500))
    values[777, 123] = 0.8
    drawn = heatmaps.draw(exhibit(tuple(map(tuple, values.tolist()))))
    assert drawn
    seen = pixels(drawn)
    assert seen.shape == (96, 96, 3)
    hot = np.argwhere((seen == [252, 236, 172]).all(axis=-1))
    assert hot.tolist() == [[777 * 96 // 1_000, 123 * 96 // 500]]


def test_missing_cells_are_grey_and_hide_nothing() -> None:
    drawn = heatmaps.draw(exhibit(((math.nan, 0.2), (0.4, math.inf))))
    assert drawn
    seen = pixels(drawn)
    assert seen[0, 0].tolist() == seen[1, 1].tolist() == [128, 128, 128]
    assert (drawn.low, drawn.high) == ("0.20", "0.40")


def test_what_cannot_be_drawn_is_no_map() -> None:
    for values in ((), ((),), ((1.0, 2.0), (1.0,)), ((math.nan,),)):
        assert heatmaps.draw(exhibit(values)) is None


def test_a_flat_map_is_drawn_dark_and_without_dots() -> None:
    drawn = heatmaps.draw(exhibit(((0.5, 0.5), (0.5, 0.5))))
    assert drawn
    assert drawn.path == ()
    assert np.unique(pixels(drawn).reshape(-1, 3), axis=0).tolist() == [[22, 24, 54]]


def test_the_ramp_grows_lighter_all_the_way() -> None:
    colors = heatmaps.colors(np.linspace(0, 1, 101)).astype(float)
    lightness = colors @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(lightness) > 0).all()
