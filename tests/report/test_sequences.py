"""The page of clips: what stands first, what is drawn where, and that no name or file harms it."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from podium.errors import MachineError, UsageError
from podium.media import contours
from podium.report import filmstrips, overlay_video, sequences
from podium.types import DataSet, MaskedFrame, MaskedSequence, MaskPair

HEIGHT, WIDTH = 60, 96
OPTIONS = sequences.Options(title="my_solution", metric="mean IoU", back="report.html", videos=False)

Values = tuple[float | None, ...]


def box(left: int, width: int = 20) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[20:40, left : left + width] = True
    return mask


def clip(
    data: DataSet,
    item: str,
    values: list[Values],
    *,
    missing: tuple[int, ...] = (),
    folder: str | None = None,
    pictures: bool = True,
    asked: list[int] | None = None,
) -> MaskedSequence:
    """Frame k is of brightness 10 k; the truth is a box at 10, the prediction one at 10 + k."""
    place = f"inputs/{folder or item}"
    if pictures:
        (data.root / place).mkdir(parents=True, exist_ok=True)
        for at in range(len(values)):
            Image.new("RGB", (WIDTH, HEIGHT), (10 * at,) * 3).save(data.root / place / f"{at:05}.png")

    def masks(at: int) -> MaskPair:
        if asked is not None:
            asked.append(at)
        return MaskPair(truth_HW=box(10), prediction_HW=None if at in missing else box(10 + at))

    known = [value for value, *_ in values if value is not None]
    return MaskedSequence(
        item=item,
        value=sum(known) / len(known) if known else None,
        measures=("IoU", "J", "F"),
        frames=tuple(
            MaskedFrame(name=f"{at:05}", path=f"{place}/{at:05}.png", values=each) for at, each in enumerate(values)
        ),
        frames_per_second=12.0,
        masks=masks,
    )


def falling(start: float, count: int = 8) -> list[Values]:
    return [(start - 0.05 * at, start - 0.05 * at, start) for at in range(count)]


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    return DataSet(tmp_path / "data")


def written(made: list[MaskedSequence], data: DataSet, options: sequences.Options = OPTIONS) -> str:
    return sequences.write(made, data.root.parent / "run" / sequences.PAGE, data=data, options=options).read_text()


class _Elements(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def headings(text: str) -> list[str]:
    return re.findall(r"<h2>([^<]*)</h2>", text)


def test_the_worst_clip_stands_first_and_one_without_a_value_last(data: DataSet) -> None:
    made = [clip(data, name, falling(start)) for name, start in (("good", 0.9), ("bad", 0.5), ("middle", 0.7))]
    empty = clip(data, "empty", [(None, 1.0, 1.0)] * 3)
    text = written([*made, empty], data)
    assert headings(text) == ["The worst frames of all", "All clips", "bad", "middle", "good", "empty"]
    assert '<td class="n">0.3250</td>' in text
    assert 'empty</a></th><td class="n">–</td><td class="n">1.000</td><td class="n">1.000</td>' in text


def test_the_worst_frames_of_all_come_first_and_lead_to_their_clips(data: DataSet) -> None:
    text = written([clip(data, "good", falling(0.9)), clip(data, "bad", falling(0.5))], data)
    grid = text[text.index('id="worst"') : text.index('id="clips"')]
    shown = re.findall(r'href="#(clip-\d)".*?<b>(.*?)</b>', grid, re.DOTALL)
    assert shown == [
        ("clip-1", "bad 00007"),
        ("clip-1", "bad 00006"),
        ("clip-1", "bad 00005"),
        ("clip-2", "good 00007"),
        ("clip-2", "good 00006"),
        ("clip-2", "good 00005"),
    ]


def frames(*values: float | None) -> list[MaskedFrame]:
    return [MaskedFrame(name=f"{at}", path="", values=(each, each)) for at, each in enumerate(values)]


def test_the_worst_frames_of_a_clip_lie_apart_and_perfect_ones_are_none_of_them() -> None:
    values = [0.9] * 30
    values[10], values[11], values[12], values[20] = 0.1, 0.0, 0.2, 0.5
    assert filmstrips.worst_places(frames(*values), most=2) == (11, 20)
    assert filmstrips.worst_places(frames(1.0, None, 1.0, 0.99), most=3) == (3,)


def test_a_frame_is_worth_its_first_measure_that_has_a_value() -> None:
    lost = MaskedFrame(name="0", path="", values=(None, 0.0, 0.0))
    assert filmstrips.value_of(lost) == 0.0
    assert filmstrips.worst_places([*frames(0.5, 0.4), lost], most=1) == (2,)
    assert filmstrips.value_of(MaskedFrame(name="0", path="", values=(None, float("nan")))) is None


@settings(max_examples=40)
@given(st.lists(st.floats(0, 1) | st.none(), max_size=60), st.integers(1, 6))
def test_worst_frames_are_distinct_ordered_and_few(values: list[float | None], most: int) -> None:
    made = frames(*values)
    places = filmstrips.worst_places(made, most=most)
    assert len(places) == len(set(places)) <= most
    worths = [values[at] for at in places]
    assert worths == sorted(worths)  # type: ignore[type-var]
    given_values = [each for each in values if each is not None and each < 1]
    assert (worths[0] == min(given_values)) if given_values else not places


@settings(max_examples=40)
@given(st.integers(1, 500), st.integers(1, 12))
def test_a_strip_reaches_from_the_first_frame_to_the_last(count: int, most: int) -> None:
    places = filmstrips.spread_places(count, most=most)
    assert list(places) == sorted(set(places))
    assert len(places) == min(count, most)
    if most > 1:
        assert (places[0], places[-1]) == (0, count - 1)


def pixels(uri: str) -> np.ndarray:
    packed = base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))
    return np.asarray(Image.open(io.BytesIO(packed)).convert("RGB")).astype(int)


def near(pixel: np.ndarray, colour: tuple[int, int, int], ground: int, opacity: float) -> bool:
    wanted = [opacity * each + (1 - opacity) * ground for each in colour]
    return bool(np.abs(pixel - wanted).max() < 30)


def test_a_shot_shows_the_frame_with_hits_misses_and_false_alarms_in_their_colours(data: DataSet) -> None:
    made = clip(data, "bear", [(0.2, 0.2, 0.2)] * 13)
    plan = filmstrips.Plan(worst=(12,), spread=(0, 12), allowance_bytes=1_000_000)
    film = filmstrips.make(made, plan, data=data, video=Path("none"), encoding=None)
    (worst,) = film.worst
    assert (worst.name, worst.worst, worst.missing) == ("00012", True, False)
    assert worst.picture.alt == "bear, frame 00012: IoU 0.200, J 0.200, F 0.200"
    shown = pixels(worst.picture.uri)
    assert shown.shape == (HEIGHT, WIDTH, 3)
    # the truth is columns 10 to 29, the prediction 22 to 41, both rows 20 to 39; the ground is 120
    assert near(shown[30, 26], contours.HIT, 120, 0.4)
    assert near(shown[30, 36], contours.FALSE_ALARM, 120, 0.6)
    stripes = shown[24:36, 14:19].reshape(-1, 3)
    assert (stripes[:, 0] - stripes[:, 2]).max() > 60
    assert np.abs(shown[5, 80] - 120).max() < 12
    assert film.shots[0].worst is False


def test_a_frame_without_a_mask_is_all_missed_and_says_so(data: DataSet) -> None:
    made = clip(data, "bear", [(0.0, 0.0, 0.0)] * 3, missing=(1, 2))
    text = written([made], data)
    assert "2 of 3 frames without a mask" in text
    assert text.count('<span class="none">no mask</span>') == 6
    assert "no mask: frames 00001 to 00002" in text


def test_each_mask_is_read_once(data: DataSet) -> None:
    asked: list[int] = []
    written([clip(data, "bear", falling(0.8, 30), asked=asked)], data)
    assert asked == list(range(30))


def test_pictures_that_cannot_be_read_leave_the_masks_on_grey(data: DataSet) -> None:
    gone = clip(data, "gone", falling(0.5), pictures=False)
    outside = clip(data, "outside", falling(0.6))
    escaping = replace(outside.frames[0], path="inputs/../../secret.png")
    broken = replace(outside, frames=(escaping, *outside.frames[1:]))
    text = written([gone, broken], data)
    assert "Grey stands for 7 pictures that could not be read: the data set has no file" in text
    assert "Grey stands for 1 picture that could not be read" in text
    assert "lies outside the data set" in text
    assert str(data.root) not in text


def test_a_picture_of_another_size_is_scaled_to_its_masks(data: DataSet) -> None:
    made = clip(data, "bear", falling(0.5, 3))
    Image.new("RGB", (2 * WIDTH, 2 * HEIGHT), (200, 200, 200)).save(data.root / made.frames[0].path)
    plan = filmstrips.Plan(worst=(), spread=(0,), allowance_bytes=1_000_000)
    film = filmstrips.make(made, plan, data=data, video=Path("none"), encoding=None)
    assert (film.spread[0].picture.width, film.spread[0].picture.height) == (WIDTH, HEIGHT)


HOSTILE = ('<script>alert("x")</script>', "../../etc/passwd", "a\u202eb", "CON", "clip", "Clip", "-rf", "x" * 300, "é")


def test_hostile_names_are_text_and_their_videos_stay_in_the_folder(data: DataSet) -> None:
    pytest.importorskip("av", reason="writing a video needs PyAV")
    made = [clip(data, name, falling(0.9, 2), folder=f"f{at}") for at, name in enumerate(HOSTILE)]
    text = written(made, data, replace(OPTIONS, videos=True))
    elements = _Elements(text).found
    assert "script" not in [tag for tag, _ in elements]
    assert "&lt;script&gt;" in text
    videos = [attributes["src"] for tag, attributes in elements if tag == "source"]
    folder = data.root.parent / "run" / sequences.VIDEOS
    assert len({str(each).lower() for each in videos}) == len(HOSTILE)
    assert sorted(f"overlays/{each.name}" for each in folder.iterdir()) == sorted(map(str, videos))
    assert all(re.fullmatch(r"overlays/[A-Za-z0-9_][A-Za-z0-9_-]*\.(mp4|webm)", str(each)) for each in videos)


@settings(max_examples=40)
@given(st.lists(st.text(max_size=80), max_size=12))
def test_video_names_are_safe_and_distinct_even_where_case_does_not_count(items: list[str]) -> None:
    taken: set[str] = set()
    for item in items:
        name = overlay_video.safe_name(item, taken)
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,140}", name)
        assert not name.startswith("-")
        assert name.lower() not in taken
        taken.add(name.lower())


def test_nothing_on_the_page_is_a_script_or_comes_from_elsewhere(data: DataSet) -> None:
    text = written([clip(data, "bear", falling(0.5))], data)
    elements = _Elements(text).found
    assert "script" not in [tag for tag, _ in elements]
    assert not [each for _, attributes in elements for each in attributes if each.startswith("on")]
    targets = [value for _, each in elements for name, value in each.items() if name in ("src", "href", "poster")]
    assert {str(each) for each in targets if not str(each).startswith("data:image/jpeg")} == {
        "data:,",
        "report.html",
        "#clip-1",
        "sequences.json",
    }
    assert all(each.get("alt") for tag, each in elements if tag == "img")


def test_the_pictures_of_many_clips_fit_the_budget(data: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    made = []
    for at in range(2):
        one = clip(data, f"c{at}", falling(0.5, 5))
        for frame in one.frames:
            Image.fromarray(noise).save(data.root / frame.path)
        big = MaskPair(truth_HW=np.ones((300, 400), bool), prediction_HW=None)
        made.append(replace(one, masks=lambda _, big=big: big))
    monkeypatch.setattr(sequences, "BUDGET_BYTES", 200_000)
    text = written(made, data)
    assert sum(len(each) for each in re.findall(r'"(data:image[^"]*)"', text)) <= 200_000


def test_only_the_worst_clips_are_drawn_when_there_are_many(data: DataSet) -> None:
    made = [clip(data, f"c{at}", falling(0.4 + 0.1 * at)) for at in range(4)]
    text = written(made, data, replace(OPTIONS, most_sequences=2))
    assert headings(text)[2:] == ["c0", "c1"]
    assert '<th scope="row">c3</th>' in text
    assert "The 2 worst are drawn below." in text


def test_the_twin_has_every_value(data: DataSet) -> None:
    page = sequences.write(
        [clip(data, "bear", [(None, 1.0, 0.25)])], data.root.parent / "x.html", data=data, options=OPTIONS
    )
    (told,) = json.loads(page.with_suffix(".json").read_text())
    assert told == {
        "item": "bear",
        "value": None,
        "measures": ["IoU", "J", "F"],
        "frames": [{"name": "00000", "values": [None, 1.0, 0.25]}],
    }


def test_the_same_clips_give_the_same_page_and_the_same_video(data: DataSet, tmp_path: Path) -> None:
    pytest.importorskip("av", reason="writing a video needs PyAV")
    made = [clip(data, "bear", falling(0.5))]
    pages = [tmp_path / name / "sequences.html" for name in ("one", "two")]
    for page in pages:
        sequences.write(made, page, data=data, options=replace(OPTIONS, videos=True))
    assert pages[0].read_bytes() == pages[1].read_bytes()
    videos = [page.parent / "overlays" / "bear.mp4" for page in pages]
    assert videos[0].read_bytes() == videos[1].read_bytes()


def test_the_video_has_every_frame_and_its_values_above_it(data: DataSet, tmp_path: Path) -> None:
    pytest.importorskip("av", reason="writing a video needs PyAV")
    from podium.media.video import frame_at, probe

    made = clip(data, "bear", falling(0.9, 12))
    sequences.write([made], tmp_path / "p.html", data=data, options=replace(OPTIONS, videos=True))
    path = tmp_path / "overlays" / "bear.mp4"
    info = probe(path)
    # four times as large, since 96 pixels are few, and a band above
    assert (info.frames, info.frames_per_second, info.width, info.height) == (12, 12.0, 4 * WIDTH, 4 * HEIGHT + 28)
    assert info.codec == "h264"
    last = frame_at(path, 11 / 12 + 0.01).astype(int)
    assert last[:28].min() < 40
    assert last[:28].max() > 150
    assert near(last[28 + 120, 4 * 25], contours.HIT, 110, 0.4)
    assert near(last[28 + 120, 4 * 36], contours.FALSE_ALARM, 110, 0.6)
    assert np.abs(last[28 + 20, 4 * 80] - 110).max() < 12


def test_without_a_video_library_the_page_says_how_to_get_one(
    data: DataSet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def missing() -> None:
        raise MachineError("reading and writing video needs PyAV: `pip install 'podium[video]'`")

    monkeypatch.setattr(overlay_video, "pyav", missing)
    text = written([clip(data, "bear", falling(0.5))], data, replace(OPTIONS, videos=True))
    assert "<code>pip install &#39;podium[video]&#39;</code>" in text
    assert "<video" not in text
    assert 'class="still"' in text
    assert not (data.root.parent / "run" / sequences.VIDEOS).exists()


def test_an_encoder_that_no_browser_plays_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    class Build:
        codecs_available = frozenset({"mpeg4", "libvpx-vp9"})

    monkeypatch.setattr(overlay_video, "pyav", Build)
    assert overlay_video.encoding().mime == "video/webm"
    Build.codecs_available = frozenset({"mpeg4"})
    with pytest.raises(MachineError, match="no encoder that browsers play"):
        overlay_video.encoding()


def test_a_video_that_cannot_be_written_costs_only_itself(data: DataSet, tmp_path: Path) -> None:
    pytest.importorskip("av", reason="writing a video needs PyAV")
    (tmp_path / "overlays").write_text("in the way")
    page = sequences.write(
        [clip(data, "bear", falling(0.5))],
        tmp_path / "p.html",
        data=data,
        options=replace(OPTIONS, videos=True),
    )
    text = page.read_text()
    assert "No video: it cannot be written" in text
    assert "<video" not in text
    assert 'alt="bear, frame 00004' in text


def test_the_walk_is_shown_frame_by_frame(data: DataSet) -> None:
    steps: list[object] = []

    def progress(items: object, *, what: str, total: int | None = None) -> object:
        assert total == 11
        for each in items:  # type: ignore[attr-defined]
            steps.append(each)
            yield each

    made = [clip(data, "a", falling(0.5, 8)), clip(data, "b", falling(0.5, 3))]
    sequences.write(made, data.root / "p.html", data=data, options=OPTIONS, progress=progress)  # type: ignore[arg-type]
    assert len(steps) == 11


@pytest.mark.parametrize("change", [lambda each: replace(each, theme="sepia")])
def test_an_unknown_theme_is_refused(data: DataSet, change: Callable[[sequences.Options], sequences.Options]) -> None:
    with pytest.raises(UsageError, match="no theme `sepia`"):
        written([], data, change(OPTIONS))


def test_a_page_without_clips_says_so(data: DataSet) -> None:
    assert "There is no clip to show." in written([], data)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (481, 853), (30, 1_500)])
def test_masks_of_any_size_give_pictures_and_a_video(size: tuple[int, int], data: DataSet, tmp_path: Path) -> None:
    pytest.importorskip("av", reason="writing a video needs PyAV")
    from podium.media.video import probe

    pair = MaskPair(truth_HW=np.ones(size, bool), prediction_HW=np.zeros(size, bool))
    made = replace(clip(data, "bear", falling(0.5, 2)), masks=lambda at: pair)
    sequences.write([made], tmp_path / "p.html", data=data, options=replace(OPTIONS, videos=True))
    info = probe(tmp_path / "overlays" / "bear.mp4")
    assert info.frames == 2
    assert max(info.width, info.height) <= 1_280
    assert info.width % 2 == info.height % 2 == 0
