"""The page as a reader, a screen reader and an attacker see it."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from podium.errors import UsageError
from podium.report import render, write
from podium.types import Clip, Curve, DataSet, Exhibit, ExhibitKind, ItemScore, Problem, Report, Verdict

PAYLOAD = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'`&"


class Page(HTMLParser):
    """Elements with their attributes, texts, and whether every tag was closed in order."""

    VOID: ClassVar = {"meta", "link", "img", "br", "hr", "input"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.faults: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.texts))

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attrs for name, attrs in self.elements if name == tag]


@pytest.fixture(params=["scored", "invalid", "failed", "void"])
def any_report(request: pytest.FixtureRequest) -> Report:
    return request.getfixturevalue(request.param)


def test_every_verdict_gives_a_well_formed_page_with_one_heading(any_report: Report, data: DataSet) -> None:
    page = Page(render(any_report, data=data))
    assert page.faults == []
    assert page.open == []
    assert len(page.all("h1")) == 1
    assert len(page.all("main")) == 1
    assert page.all("html")[0]["lang"] == "en"
    assert "width=device-width" in next(meta["content"] for meta in page.all("meta") if meta.get("name") == "viewport")


def test_a_page_loads_nothing_and_runs_nothing(any_report: Report, data: DataSet) -> None:
    text = render(any_report, data=data)
    page = Page(text)
    assert page.all("script") == []
    assert not [name for _, attrs in page.elements for name in attrs if name.startswith("on")]
    assert not re.search(r"(?i)https?://|url\(|@import|javascript:", text)
    loaded = [attrs[name] for tag, attrs in page.elements for name in ("src", "href") if name in attrs and tag != "a"]
    assert loaded
    assert all(each.startswith("data:") for each in loaded)
    targets = {attrs["href"] for attrs in page.all("a")}
    assert all(each.startswith("#") or each == "report.json" for each in targets)
    policy = next(meta["content"] for meta in page.all("meta") if "http-equiv" in meta)
    assert policy.startswith("default-src 'none'")


def test_links_within_the_page_and_labels_lead_somewhere(any_report: Report, data: DataSet) -> None:
    page = Page(render(any_report, data=data))
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    wanted = {attrs["href"][1:] for attrs in page.all("a") if attrs["href"].startswith("#")}
    wanted |= {attrs["aria-labelledby"] for _, attrs in page.elements if "aria-labelledby" in attrs}
    assert wanted <= set(ids)


def test_pictures_have_words_and_header_cells_a_scope(scored: Report, data: DataSet) -> None:
    page = Page(render(scored, data=data))
    assert all(each.get("alt") for each in page.all("img"))
    assert all(each.get("scope") in ("col", "row") for each in page.all("th"))
    drawings = [each for each in page.all("svg") if each.get("aria-hidden") != "true"]
    assert drawings
    assert all(each["role"] == "img" and (each.get("aria-label") or each.get("aria-labelledby")) for each in drawings)


def test_a_scored_page_says_the_number_its_interval_and_every_part(scored: Report, data: DataSet) -> None:
    text = Page(render(scored, data=data)).text
    for part in (
        "micro-AP 0.6312",
        "95 % interval 0.5500 – 0.7100, bootstrap over 32 queries, 1,000 resamples",
        "recall at precision 0.90 0.4211",
        "candidates 38,400",
        "Worst false positives",
        "Missed matches",
        "Found matches",
        "Similarity 0.9312 Rank 3",
        "Similarity not listed Rank not listed",
        "5 min of 20 min 25 %",
        "1 GiB of 4 GiB 25 %",
        "Limits and walls: 1 enforced, 1 best effort, 1 not enforced.",
        "sha256:" + "1f" * 32,
        "Seed 7",
        "numpy 2.4.0",
    ):
        assert part in text, part


def test_controls_say_how_far_they_bind_in_words_and_with_an_icon(scored: Report) -> None:
    page = Page(render(scored, data=None))
    assert "address space only" in page.text
    icons = [attrs["class"] for attrs in page.all("svg") if attrs["class"].startswith("icon")]
    assert icons == ["icon enforced", "icon best-effort", "icon not-enforced"]
    for word in ("enforced", "best effort", "not enforced"):
        assert f" {word} " in page.text


def test_items_stand_worst_first(scored: Report) -> None:
    text = Page(render(scored, data=None)).text
    places = [text.index(f"{item} {value}") for item, value in (("Q1", 0.1), ("Q2", 0.5), ("Q3", 0.7), ("Q0", 0.9))]
    assert places == sorted(places)


def test_invalid_predictions_show_every_problem_with_its_place_and_hint(invalid: Report) -> None:
    text = Page(render(invalid, data=None)).text
    assert "Not valid" in text
    assert "1 error in the predictions" in text
    assert "Error query_descriptors.npz row 17 holds NaN (and 4 more like it) divide by no zero" in text
    assert "Warning reference_descriptors.npz is not sorted" in text
    assert "micro-AP" not in text


def test_a_failed_run_shows_its_cause_its_end_and_the_last_log_lines(failed: Report) -> None:
    text = Page(render(failed, data=None)).text
    assert "Cause: memory , ended by signal 9 (SIGKILL): it took more than 4 GiB" in text
    assert "MemoryError" in text
    assert "21 min 40 s of 20 min 108 %" in text


def test_a_void_report_blames_nobody(void: Report) -> None:
    text = Page(render(void, data=None)).text
    assert "This counts against nobody" in text
    assert "the scorer crashed" in text
    assert "Usage" not in text


def test_hostile_text_stays_text_wherever_it_comes_from(scored: Report, data: DataSet) -> None:
    assert scored.score
    assert scored.run
    hostile = Clip(item=PAYLOAD, path=PAYLOAD, start_seconds=0.0, end_seconds=1.0)
    exhibit = Exhibit(
        kind=ExhibitKind.MISSED, query=hostile, reference=hostile, note=PAYLOAD, similarity_map=((0.0, 1.0),)
    )
    curve = Curve(name=PAYLOAD, x_label=PAYLOAD, y_label=PAYLOAD, x=(0.0, 1.0), y=(1.0, 0.0))
    score = replace(
        scored.score,
        metric=PAYLOAD,
        measures=tuple(replace(each, name=PAYLOAD, note=PAYLOAD) for each in scored.score.measures),
        per_item=tuple(replace(each, item=PAYLOAD, note=PAYLOAD) for each in scored.score.per_item),
        curves=(curve, replace(curve, name="two")),
        exhibits=(exhibit,),
    )
    run = replace(
        scored.run,
        backend=PAYLOAD,
        message=PAYLOAD,
        log_tail=(PAYLOAD, "</pre></style>" + PAYLOAD),
        notes=(PAYLOAD,),
        environment=(PAYLOAD,),
        controls=tuple(replace(each, name=PAYLOAD, asked=PAYLOAD, how=PAYLOAD) for each in scored.run.controls),
        outputs=tuple(replace(each, name=PAYLOAD, digest=PAYLOAD) for each in scored.run.outputs),
        stages=tuple(replace(each, name=PAYLOAD) for each in scored.run.stages),
    )
    report = replace(
        scored,
        submission_name=PAYLOAD,
        message=PAYLOAD,
        challenge=PAYLOAD,
        phase=PAYLOAD,
        score=score,
        run=run,
        problems=(Problem(place=PAYLOAD, message=PAYLOAD, hint=PAYLOAD),),
    )
    for verdict in Verdict:
        text = render(replace(report, verdict=verdict), data=data)
        page = Page(text)
        assert "<script" not in text
        assert not [attrs for attrs in page.all("img") if "onerror" in attrs]
        assert page.faults == []
        assert page.open == []
        assert PAYLOAD.replace("`", "")[:24] in page.text


def test_control_characters_of_a_log_do_not_reach_the_page(failed: Report) -> None:
    assert failed.run
    run = replace(failed.run, log_tail=("\x1b[31mred\x00\x9b2J\u202eevil",))
    text = render(replace(failed, run=run), data=None)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert "red" in text


def test_a_page_without_its_data_set_still_shows_the_rest(scored: Report) -> None:
    page = Page(render(scored, data=None))
    assert page.all("img") == []
    assert page.text.count("No picture: the data set was not at hand") == 8
    assert "0.9312" in page.text


def test_a_page_without_pyav_gives_the_reason_in_place_of_the_frames(
    scored: Report, data: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    page = Page(render(scored, data=data))
    assert "No picture: reading and writing video needs PyAV" in page.text
    assert [attrs["alt"] for attrs in page.all("img")] == ["Query P1", "Reference P2"]


@pytest.mark.parametrize("theme", ["light", "dark", "auto"])
def test_a_theme_can_be_fixed_or_left_to_the_reader(scored: Report, theme: str) -> None:
    text = render(scored, data=None, theme=theme)
    assert ("prefers-color-scheme: dark" in text) == (theme == "auto")
    assert ("color-scheme: dark;" in text) == (theme != "light")


def test_an_unknown_theme_is_refused_by_name(scored: Report) -> None:
    with pytest.raises(UsageError, match="no theme `neon`; known: `auto`, `light`, `dark`"):
        render(scored, data=None, theme="neon")


def _palettes(text: str) -> list[dict[str, str]]:
    return [
        dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{(.*?)\}", text, re.S)
    ]


def _luminance(color: str) -> float:
    channels = [int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_text_colour_has_good_contrast_in_the_light_and_in_the_dark(scored: Report) -> None:
    palettes = _palettes(render(scored, data=None))
    assert len(palettes) == 2
    for palette in palettes:
        for ground in ("paper", "panel"):
            for name in ("ink", "muted", "accent", "good", "near", "bad", "second", "third"):
                light, dark = sorted((_luminance(palette[name]), _luminance(palette[ground])), reverse=True)
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (name, ground, palette)


def test_the_page_stays_under_three_megabytes_however_much_there_is_to_show(scored: Report, tmp_path: Path) -> None:
    assert scored.score
    assert scored.run
    rng = np.random.default_rng(0)
    exhibits = []
    for k in range(40):
        Image.fromarray(rng.integers(0, 255, (240, 320, 3), dtype=np.uint8)).save(tmp_path / f"{k}.jpg", quality=95)
        seen = Clip(item=f"Q{k}", path=f"{k}.jpg")
        values = tuple(map(tuple, rng.random((150, 150)).tolist()))
        kind = list(ExhibitKind)[k % 3]
        exhibits.append(Exhibit(kind=kind, query=seen, reference=seen, note="x" * 5_000, similarity_map=values))
    recall = tuple(np.linspace(0, 1, 100_000).tolist())
    score = replace(
        scored.score,
        exhibits=tuple(exhibits),
        per_item=tuple(ItemScore(item=f"Q{k}", value=k / 20_000, note="n" * 1_000) for k in range(20_000)),
        curves=(Curve(name="c", x_label="recall", y_label="precision", x=recall, y=tuple(rng.random(100_000))),),
    )
    run = replace(scored.run, log_tail=("z" * 100_000,) * 1_000, environment=("e" * 1_000,) * 1_000)
    problems = tuple(Problem(place="p" * 9_000, message="m" * 9_000, hint="h" * 9_000) for _ in range(2_000))
    text = render(replace(scored, score=score, run=run, problems=problems), data=DataSet(tmp_path))
    assert len(text.encode()) < 3_000_000
    assert text.count('more are in <a href="report.json">') == 4
    assert "19,400 better ones are in" in text


def test_write_puts_the_page_beside_its_log_and_shows_its_end(scored: Report, tmp_path: Path) -> None:
    into = tmp_path / "new" / "run"
    into.mkdir(parents=True)
    (into / "log.txt").write_text("first line\n" * 20_000 + "the very last line\n")
    path = write(scored, into, data=None)
    assert path == into / "report.html"
    text = path.read_text(encoding="utf-8")
    assert "the very last line" in text
    assert text.count("first line") < 250
    assert '<a href="log.txt">' in text


def test_write_makes_its_folder_and_follows_no_link_to_a_log(scored: Report, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret of the host")
    into = tmp_path / "run"
    assert write(scored, into, data=None).is_file()
    (into / "log.txt").symlink_to(secret)
    assert "a secret" not in write(scored, into, data=None).read_text()


def test_the_same_report_gives_the_same_page(scored: Report, data: DataSet) -> None:
    assert render(scored, data=data) == render(scored, data=data)


def test_a_report_that_came_back_from_json_gives_the_same_page(scored: Report, data: DataSet) -> None:
    assert render(Report.from_json(scored.to_json()), data=data) == render(scored, data=data)
