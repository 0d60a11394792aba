"""Where the parts of a timeline go, and what its page says."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.errors import UsageError
from podium.report import render, timelines
from podium.types import DataSet, Lane, Mark, Report, Span, Timeline


def made(*, item: str = "pond", path: str | None = "inputs/q.mp4", seconds: float = 6.0) -> Timeline:
    spans = (
        Span(mark=Mark.POSITIVE, start_seconds=3.0, end_seconds=6.0, note="place 2 of 9"),
        Span(mark=Mark.PREDICTED, start_seconds=0.0, end_seconds=3.0, strength=0.5),
        Span(mark=Mark.NEGATIVE, start_seconds=0.0, end_seconds=3.0),
    )
    lanes = (Lane(label="3 Duck", spans=spans, note="top 20 of 90"), Lane(label="4 Goose", spans=()))
    return Timeline(item=item, duration_seconds=seconds, lanes=lanes, path=path, note="Missed: `3 Duck` at 0:03")


def drawn(timeline: Timeline) -> timelines.Drawing:
    return timelines.draw([timeline], data=None, budget_bytes=0)[0]


class Balance(HTMLParser):
    """Every tag that opens closes, in the right order; ids are there once."""

    VOID = frozenset({"meta", "link", "img", "line", "circle", "rect", "path", "use", "br", "polyline"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.feed(text)
        assert self.open == []
        assert len(self.ids) == len(set(self.ids))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value for name, value in attrs if name == "id" and value]

    def handle_endtag(self, tag: str) -> None:
        if tag in self.VOID:
            return
        assert self.open.pop() == tag


def test_spans_land_where_a_ruler_puts_them_and_ratings_lie_above() -> None:
    first, second, third = drawn(made()).tracks[0].pieces
    assert (first.mark, first.start, first.width, first.opacity) == (Mark.PREDICTED, 0, 50, 0.59)
    assert (second.mark, second.middle, second.title) == (Mark.NEGATIVE, 25, "0:00 to 0:03 · rated negative")
    assert (third.mark, third.middle) == (Mark.POSITIVE, 75)
    assert third.title == "0:03 to 0:06 · rated positive · place 2 of 9"
    assert first.title == "0:00 to 0:03 · predicted · strength 0.50"


def test_what_cannot_be_seen_is_told() -> None:
    drawing = drawn(made())
    assert [track.alt for track in drawing.tracks] == [
        "3 Duck: 1 predicted, 1 rated positive, 1 rated negative",
        "4 Goose: nothing",
    ]
    assert [(row.label, row.start, row.end, row.what, row.strength) for row in drawing.rows] == [
        ("3 Duck", "0:00", "0:03", "rated negative", ""),
        ("3 Duck", "0:00", "0:03", "predicted", "0.50"),
        ("3 Duck", "0:03", "0:06", "rated positive", ""),
    ]


def test_ticks_stand_at_round_times() -> None:
    assert [(tick.label, tick.position) for tick in timelines.time_ticks(20)] == [
        ("0:00", 0),
        ("0:05", 25),
        ("0:10", 50),
        ("0:15", 75),
        ("0:20", 100),
    ]
    assert [tick.label for tick in timelines.time_ticks(7_300)] == ["0:00", "30:00", "1:00:00", "1:30:00", "2:00:00"]


@given(st.floats(0.001, 1e6))
def test_there_are_at_most_eight_ticks_all_inside(seconds: float) -> None:
    ticks = timelines.time_ticks(seconds)
    assert 1 <= len(ticks) <= 8
    assert all(0 <= tick.position <= 100 for tick in ticks)


@given(st.floats(-50, 150), st.floats(-50, 150), st.one_of(st.none(), st.floats(-1, 2)), st.floats(0, 60))
def test_no_span_leaves_the_axis(start: float, end: float, strength: float | None, seconds: float) -> None:
    span = Span(mark=Mark.PREDICTED, start_seconds=start, end_seconds=end, strength=strength)
    timeline = Timeline(item="a", duration_seconds=seconds, lanes=(Lane(label="a", spans=(span,)),))
    piece = drawn(timeline).tracks[0].pieces[0]
    assert 0 <= piece.start <= 100
    assert 0 <= piece.start + piece.width <= 100.001
    assert 0.18 <= piece.opacity <= 1


def test_a_page_has_pictures_a_table_and_a_twin(data: DataSet, tmp_path: Path) -> None:
    page = timelines.write_page([made()], tmp_path / "out", media=data.root, title="My ponds", note="From `ponds/`")
    text = page.read_text()
    assert page == tmp_path / "out" / "index.html"
    Balance(text)
    assert text.count("data:image/jpeg;base64,") == 6
    assert "<h1>My ponds</h1>" in text
    assert "From <code>ponds/</code>" in text
    assert "<script" not in text
    assert "http" not in text.replace("http-equiv", "")
    assert text.count('<circle class="yes"') == 2
    twin = json.loads((tmp_path / "out" / "index.json").read_text())
    assert twin["title"] == "My ponds"
    assert twin["timelines"][0]["lanes"][0]["spans"][0] == {
        "mark": "positive",
        "start_seconds": 3.0,
        "end_seconds": 6.0,
        "strength": None,
        "note": "place 2 of 9",
    }


def test_a_page_may_have_a_name_of_its_own(tmp_path: Path) -> None:
    page = timelines.write_page([], tmp_path / "labels.html", media=tmp_path, title="Nothing")
    assert page == tmp_path / "labels.html"
    assert "There is no video to show" in page.read_text()
    assert json.loads((tmp_path / "labels.json").read_text())["timelines"] == []


def test_a_video_that_is_gone_costs_only_its_pictures(data: DataSet, tmp_path: Path) -> None:
    several = [made(item="gone", path="inputs/gone.mp4"), made(item="no path", path=None), made(path="../secret.mp4")]
    text = timelines.write_page(several, tmp_path, media=data.root, title="Ponds").read_text()
    assert "data:image" not in text
    assert "inputs/gone.mp4" in text
    assert text.count('<p class="absent">') == 2
    assert text.count('class="track"') == 6


def test_the_key_tells_only_what_is_there(tmp_path: Path) -> None:
    only = replace(made(path=None), lanes=(Lane(label="3 Duck", spans=made().lanes[0].spans[1:2]),))
    text = timelines.write_page([only], tmp_path, media=tmp_path, title="Ponds").read_text()
    assert "predicted: the stronger, the fuller" in text
    assert "<span>rated positive</span>" not in text
    assert "<span>rated negative</span>" not in text


def test_what_a_stranger_wrote_is_no_markup(tmp_path: Path) -> None:
    lane = Lane(label="<b>Duck</b>", spans=(replace(made().lanes[0].spans[0], note="<i>'\"&"),))
    wild = Timeline(item="<script>1</script>", duration_seconds=6, lanes=(lane,), note="<em>")
    text = timelines.write_page([wild], tmp_path, media=tmp_path, title="<u>").read_text()
    Balance(text)
    assert not re.search(r"<(script|b|i|em|u)>.*(1|Duck)", text.replace("<b>0", ""))


def test_a_timeline_of_very_many_spans_stays_small(tmp_path: Path) -> None:
    spans = tuple(
        Span(mark=Mark.PREDICTED, start_seconds=5.0 * at, end_seconds=5.0 * at + 5, strength=0.5) for at in range(60)
    )
    wide = Timeline(
        item="long", duration_seconds=300, lanes=tuple(Lane(label=f"{at}", spans=spans) for at in range(60))
    )
    drawing = drawn(wide)
    assert (len(drawing.tracks), drawing.more_tracks) == (40, 20)
    assert (len(drawing.rows), drawing.more_rows) == (240, 40 * 60 - 240)
    page = timelines.write_page([wide], tmp_path, media=tmp_path, title="Long")
    assert page.stat().st_size < 1_000_000


def test_only_so_many_timelines_are_drawn_and_all_are_in_the_twin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timelines, "MOST_TIMELINES", 2)
    text = timelines.write_page([made(path=None)] * 5, tmp_path, media=tmp_path, title="Many").read_text()
    assert text.count("<article") == 2
    assert "3 more are in" in text
    assert len(json.loads((tmp_path / "index.json").read_text())["timelines"]) == 5


def test_there_is_no_such_theme(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no theme `drak`"):
        timelines.write_page([], tmp_path, media=tmp_path, title="", theme="drak")


def test_a_score_with_timelines_shows_them_and_one_without_is_as_before(scored: Report, data: DataSet) -> None:
    assert scored.score
    without = render(scored, data=data)
    assert "second by second" not in without
    assert ".tl-frames" not in without
    many = tuple(made(item=f"pond {at}") for at in range(30))
    text = render(replace(scored, score=replace(scored.score, timelines=many)), data=data)
    Balance(text)
    assert 'href="#timelines"' in text
    assert text.count('<article class="exhibit timeline"') == 24
    assert "6 more are in" in text
    assert len(text) < 3_500_000
