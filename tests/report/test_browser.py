"""The page in a real browser, on a desk and on a phone, in the light and in the dark."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from podium.challenges import challenge
from podium.report import gallery, ranking, render, sequences, timelines, training
from podium.report.thumbnails import within
from podium.types import (
    Candidate,
    Clip,
    DataSet,
    Gallery,
    Interval,
    ItemScore,
    Lane,
    Mark,
    MaskedFrame,
    MaskedSequence,
    MaskPair,
    Measure,
    PairMap,
    Report,
    Score,
    Span,
    Timeline,
)

pytestmark = pytest.mark.browser

BROWSER = next(filter(None, (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))), None)

# The contrast of every visible text with the nearest painted ground behind it, lowest first.
CONTRASTS = """() => {
  const channels = color => color.match(/[\\d.]+/g).map(Number);
  const light = color => channels(color).slice(0, 3).map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, k) => sum + c * [0.2126, 0.7152, 0.0722][k], 0);
  const ground = element => {
    for (let each = element; each; each = each.parentElement) {
      const color = getComputedStyle(each).backgroundColor, parts = channels(color);
      if (parts.length < 4 || parts[3] > 0.99) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const found = [];
  for (const element of document.body.querySelectorAll("*")) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!own || !element.getClientRects().length || element.tagName === "title") continue;
    const style = getComputedStyle(element), color = element instanceof SVGElement ? style.fill : style.color;
    const [a, b] = [light(color), light(ground(element))].sort((x, y) => y - x);
    found.push([(a + 0.05) / (b + 0.05), element.tagName, element.textContent.trim().slice(0, 30)]);
  }
  return found.sort((x, y) => x[0] - y[0]);
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="needs the playwright package")
    if BROWSER is None:
        pytest.skip("needs Chromium on the path")
    with api.sync_playwright() as player:
        started = player.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture
def page_file(request: pytest.FixtureRequest, data: DataSet, tmp_path: Path) -> Path:
    report: Report = request.getfixturevalue(request.param)
    path = tmp_path / "report.html"
    path.write_text(render(report, data=data), encoding="utf-8")
    return path


@pytest.mark.parametrize("page_file", ["scored", "invalid", "failed", "void"], indirect=True)
@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_fits_its_window_reads_well_and_asks_for_nothing(
    browser: Any, page_file: Path, width: int, scheme: str
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, java_script_enabled=True
    )
    page = context.new_page()
    asked: list[str] = []
    spoken: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: spoken.append(message.text))
    page.goto(page_file.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert [url for url in asked if not url.startswith("data:")] == [page_file.as_uri()]
    assert spoken == []
    assert page.evaluate("[...document.images].every(each => each.complete && each.naturalWidth > 0)")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0] < 128")
    assert dark == (scheme == "dark")
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 10
    assert contrasts[0][0] >= 4.5, contrasts[:3]
    assert page.screenshot(path=page_file.with_suffix(".png"), full_page=True)
    context.close()


@pytest.mark.parametrize("page_file", ["scored"], indirect=True)
def test_nothing_is_lost_without_javascript_and_on_paper(browser: Any, page_file: Path) -> None:
    context = browser.new_context(java_script_enabled=False, color_scheme="dark")
    page = context.new_page()
    page.goto(page_file.as_uri())
    assert page.get_by_role("heading", level=1).inner_text() == "my_solution"
    page.get_by_text("scores, the worst first").click()
    assert page.get_by_role("row", name="Q1 0.1000").is_visible()
    page.emulate_media(media="print")
    ground = page.locator("body").evaluate("each => getComputedStyle(each).backgroundColor")
    assert ground == "rgb(253, 253, 252)"
    assert page.pdf().startswith(b"%PDF")
    context.close()


@pytest.mark.parametrize("page_file", ["scored"], indirect=True)
def test_frames_and_heat_map_stand_inside_their_card_on_a_phone(browser: Any, page_file: Path) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 800})
    page.goto(page_file.as_uri())
    for card in page.locator(".exhibit").all():
        outer = card.bounding_box()
        for inner in card.locator("img, svg").all():
            box = inner.bounding_box()
            assert box["x"] >= outer["x"]
            assert box["x"] + box["width"] <= outer["x"] + outer["width"]
    page.close()


@pytest.fixture
def gallery_file(tmp_path: Path) -> Path:
    """Thirty queries of tall and wide pictures, with maps for some pairs."""
    folder = tmp_path / "data" / "inputs" / "images"
    folder.mkdir(parents=True)
    clips: list[Clip] = []
    for at in range(24):
        size = (380, 90) if at % 6 == 0 else (80, 220)
        Image.new("RGB", size, (30 + 8 * at, 90, 120)).save(folder / f"test{at:04}.jpg")
        clips.append(Clip(item=f"test{at:04}", path=f"inputs/images/test{at:04}.jpg"))
    galleries = [
        Gallery(
            item=f"scenario0{1 + at % 2}-test{at % 24:04}",
            query=clips[at % 24],
            value=at / 30,
            facets=(("scenario", f"scenario0{1 + at % 2}"), ("viewpoint", ("top", "left", "right")[at % 3])),
            candidates=tuple(
                Candidate(
                    clip=clips[(at + rank) % 24],
                    rank=rank,
                    similarity=1 - rank / 25,
                    right=rank % 5 == 1,
                    note="whale012 · top · 2018-08-03",
                )
                for rank in range(1, 21)
            ),
        )
        for at in range(30)
    ]
    found = PairMap(query=((0.0, 1.0), (0.5, 0.2)), candidate=((1.0, 0.0), (0.3, 0.2)), similarity=0.7)
    maps = {(galleries[0].query, each.clip): found for each in galleries[0].candidates[:3]}
    options = gallery.Options(title="my_solution", metric="AP", maps=maps, lead="Worst first.", back="report.html")
    return gallery.write(
        galleries, tmp_path / "gallery.html", locate=within(DataSet(tmp_path / "data")), options=options
    )


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_gallery_fits_its_window_and_reads_well(browser: Any, gallery_file: Path, width: int, scheme: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    spoken: list[str] = []
    page.on("console", lambda message: spoken.append(message.text))
    page.goto(gallery_file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert spoken == []
    first = page.locator(".query .card img").first
    assert first.evaluate("each => each.complete && each.naturalWidth > 0")
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 100
    assert contrasts[0][0] >= 4.5, contrasts[:3]
    assert page.screenshot(path=gallery_file.with_suffix(".png"))
    context.close()


def test_filters_the_heat_map_switch_and_the_comparison_work_without_javascript(
    browser: Any, gallery_file: Path
) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(gallery_file.as_uri())
    rows = page.locator(".query")
    assert sum(row.is_visible() for row in rows.all()) == 30
    page.get_by_label("scenario02").check()
    assert sum(row.is_visible() for row in rows.all()) == 15
    page.get_by_label("left").check()
    assert sum(row.is_visible() for row in rows.all()) == 5
    page.get_by_label("all").first.check()
    page.get_by_label("all").last.check()
    heat = page.locator(".card .heat").first
    assert not heat.is_visible()
    page.get_by_label("show where the pair agrees").check()
    assert heat.is_visible()
    assert not page.locator(".compare").first.is_visible()
    page.locator(".card .open").first.click()
    assert page.locator(".compare").first.is_visible()
    context.close()


def some_timelines() -> tuple[Timeline, ...]:
    """Long names, many marks, a video that is there and one that is gone."""
    spans = tuple(
        Span(mark=mark, start_seconds=at, end_seconds=at + 0.5, strength=at / 6, note=f"place {at} of 600")
        for at in (0.0, 1.5, 3.0, 5.5)
        for mark in Mark
    )
    lanes = tuple(Lane(label=f"{at} A class with quite a long name", spans=spans, note="top 60") for at in range(4))
    return tuple(
        Timeline(item=f"video {at}", duration_seconds=6.0, lanes=lanes, path=path, note="Missed: `3` at 0:03")
        for at, path in enumerate(("inputs/q.mp4", "inputs/gone.mp4", None))
    )


@pytest.fixture
def new_page(request: pytest.FixtureRequest, data: DataSet, scored: Report, tmp_path: Path) -> Path:
    """A page of timelines, of two trainings, or of a score with bars and timelines."""
    if request.param == "timelines":
        return timelines.write_page(some_timelines(), tmp_path, media=data.root, title="Ponds", note="From `ponds`")
    if request.param == "training":
        for name, shift in (("first", 0.0), ("second", 0.1)):
            rows = [
                f"v{at % 17},{5 * at},{at % 50},{at % 3 == 0:d},{(at * 7 % 90) / 100 + shift * (at % 3 == 0)}"
                for at in range(600)
            ]
            (tmp_path / name).mkdir()
            (tmp_path / name / "held_out.csv").write_text("\n".join(["video,start,class,score,probability", *rows]))
            (tmp_path / name / "metrics.csv").write_text(
                "step,train/loss,validation/map\n" + "".join(f"{at},{1 / (at + 2)},{at / 60}\n" for at in range(50))
            )
        return training.write(tmp_path)
    items = tuple(
        ItemScore(item=f"{at}", value=at / 90, note="A class: 3 of 5", interval=Interval(low=at / 99, high=at / 80))
        for at in range(80)
    )
    assert scored.score is not None
    told = replace(scored, score=replace(scored.score, per_item=items, timelines=some_timelines()))
    path = tmp_path / "report.html"
    path.write_text(render(told, data=data), encoding="utf-8")
    return path


@pytest.mark.parametrize("new_page", ["timelines", "training", "score"], indirect=True)
@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_of_seconds_and_of_classes_fit_and_read_well(
    browser: Any, new_page: Path, width: int, scheme: str
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    asked: list[str] = []
    spoken: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: spoken.append(message.text))
    page.goto(new_page.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert [url for url in asked if not url.startswith("data:")] == [new_page.as_uri()]
    assert spoken == []
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 50
    assert contrasts[0][0] >= 4.5, contrasts[:3]
    assert page.screenshot(path=new_page.with_suffix(".png"), full_page=True)
    context.close()


@pytest.mark.parametrize("new_page", ["timelines"], indirect=True)
@pytest.mark.parametrize("width", [1280, 360])
def test_marks_and_frames_stand_at_their_seconds(browser: Any, new_page: Path, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, java_script_enabled=False)
    page = context.new_page()
    page.goto(new_page.as_uri())
    first = page.locator(".timeline").first
    track = first.locator(".track").first.bounding_box()
    frames = first.locator(".tl-frames").bounding_box()
    assert (frames["x"], frames["width"]) == pytest.approx((track["x"], track["width"]), abs=1)
    for mark, second in zip(first.locator(".track").first.locator(".yes").all(), (0.25, 1.75, 3.25, 5.75), strict=True):
        box = mark.bounding_box()
        assert box["x"] + box["width"] / 2 == pytest.approx(track["x"] + track["width"] * second / 6, abs=1)
    predicted = first.locator(".track").first.locator(".predicted:not(.edge)").nth(1).bounding_box()
    assert predicted["x"] == pytest.approx(track["x"] + track["width"] / 4, abs=1)
    assert predicted["width"] == pytest.approx(track["width"] / 12, abs=1)
    first.locator("summary").click()
    assert first.get_by_role("row", name="rated positive").first.is_visible()
    context.close()


@pytest.fixture(scope="module")
def clips_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three clips with long names; frame k is of brightness 20 k, the prediction drifts off the truth to the right."""
    pytest.importorskip("av", reason="writing a video needs PyAV")
    tmp_path = tmp_path_factory.mktemp("clips")
    height, width, count = 96, 176, 12
    folder = tmp_path / "data" / "inputs"
    folder.mkdir(parents=True)
    for at in range(count):
        Image.new("RGB", (width, height), (20 * at,) * 3).save(folder / f"{at:05}.png")

    def masks(at: int) -> MaskPair:
        truth, found = np.zeros((2, height, width), bool)
        truth[30:60, 40:80], found[30:60, 40 + 4 * at : 80 + 4 * at] = True, True
        return MaskPair(truth_HW=truth, prediction_HW=None if at == 8 else found)

    made = [
        MaskedSequence(
            item=f"a-clip-with-a-long-name-{name}",
            value=0.1 * name,
            measures=("IoU", "J", "F"),
            frames=tuple(
                MaskedFrame(
                    name=f"{at:05}",
                    path=f"inputs/{at:05}.png",
                    values=(None if at == 3 else 1 - at / 12, 1 - at / 12, 1 - at / 15),
                )
                for at in range(count)
            ),
            frames_per_second=12.0,
            masks=masks,
        )
        for name in range(3)
    ]
    options = sequences.Options(title="my_solution", metric="mean IoU", lead="Worst first.", back="report.html")
    return sequences.write(made, tmp_path / "sequences.html", data=DataSet(tmp_path / "data"), options=options)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_of_clips_fits_its_window_and_reads_well(
    browser: Any, clips_file: Path, width: int, scheme: str
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    asked: list[str] = []
    spoken: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: spoken.append(message.text))
    page.goto(clips_file.as_uri())
    page.add_style_tag(content=".clip { content-visibility: visible !important; }")
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    page.evaluate("[...document.images].forEach(each => each.loading = 'eager')")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert [url for url in asked if not url.startswith("data:")] == [clips_file.as_uri()]
    assert spoken == []
    page.evaluate("Promise.all([...document.images].map(each => each.decode()))")
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 100
    assert contrasts[0][0] >= 4.5, contrasts[:3]
    assert page.screenshot(path=clips_file.with_suffix(".png"), full_page=True)
    context.close()


def test_the_overlay_video_plays_in_the_page_and_shows_the_errors_of_each_second(
    browser: Any, clips_file: Path
) -> None:
    page = browser.new_page()
    page.goto(clips_file.as_uri())
    assert page.evaluate("document.querySelectorAll('video').length") == 3
    told = page.evaluate(
        """async () => {
          const video = document.querySelector("video");
          const event = name => new Promise((done, fail) => {
            video.addEventListener(name, done, { once: true });
            video.addEventListener("error", () => fail(video.error.message), { once: true });
          });
          const loaded = event("loadeddata"); video.preload = "auto"; video.load(); await loaded;
          const seeked = event("seeked"); video.currentTime = 11.5 / 12; await seeked;
          return [video.readyState, video.duration, video.videoWidth, video.videoHeight, video.paused];
        }"""
    )
    # 176 pixels are few, so that the video is 4 times as large, and it has a band above
    assert told == [told[0], 1, 704, 412, True]
    assert told[0] >= 2
    page.evaluate("document.querySelector('video').controls = false")
    page.locator("video").first.screenshot(path=clips_file.with_suffix(".video.png"))
    with Image.open(clips_file.with_suffix(".video.png")) as image:
        shown = np.asarray(image.convert("RGB").resize((704, 412))).astype(int)
    # frame 11: the truth is columns 40 to 79, the prediction 84 to 123, the ground is 220
    ground, alarm = shown[28 + 40, 600], shown[28 + 4 * 45, 4 * 104]
    assert np.abs(ground - 220).max() < 16
    assert alarm[0] - alarm[2] > 60
    missed = shown[28 + 130 : 28 + 230, 4 * 46 : 4 * 74].reshape(-1, 3)
    assert (missed[:, 0] - missed[:, 2]).max() > 60
    assert np.abs(missed - 220).max(axis=1).min() < 16
    moved = page.evaluate(
        """async () => {
          const video = document.querySelector("video");
          video.currentTime = 0; await video.play();
          await new Promise(done => video.addEventListener("timeupdate", () => video.currentTime > 0.1 && done()));
          return video.currentTime;
        }"""
    )
    assert 0.1 < moved <= 1
    page.close()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_ranking_fits_its_window_and_reads_well(
    browser: Any, scored: Report, tmp_path: Path, width: int, scheme: str
) -> None:
    reports = [
        replace(
            scored,
            challenge="davis",
            submission_name=f"a submission, number {at}",
            score=Score(
                value=0.1 + at / 11,
                metric="mean IoU",
                interval=Interval(low=at / 11, high=0.2 + at / 11),
                measures=(
                    Measure(name="parameters", value=0.0 if at < 2 else 10.0**at),
                    Measure(name="seconds per frame", value=0.01 + at),
                ),
            ),
        )
        for at in range(9)
    ]
    path = ranking.write(
        reports, tmp_path / "ranking.html", challenge=challenge("davis"), limits={"parameters": 50_000_000.0}
    )
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 50
    assert contrasts[0][0] >= 4.5, contrasts[:3]
    limit = page.locator(".scatter .limit path").bounding_box()
    first = page.locator(".scatter").first
    dots = [each.bounding_box()["x"] for each in first.locator(".dot circle").all()]
    # the best comes first and costs 10^8, the next 10^7: the limit is between them
    assert dots[1] < limit["x"] < dots[0]
    context.close()
