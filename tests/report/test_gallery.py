"""The gallery of ranked images."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from podium.errors import UsageError
from podium.report import gallery
from podium.report.thumbnails import Thumbnails, overlay, within
from podium.types import Candidate, Clip, DataSet, Gallery, PairMap


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    """Six images, one of them broken; one path leads out."""
    root = tmp_path / "data"
    images = root / "inputs" / "images"
    images.mkdir(parents=True)
    for at in range(6):
        picture = Image.new("RGB", (80, 220), (40 + 20 * at, 80, 110))
        ImageDraw.Draw(picture).ellipse((15, 10 + 9 * at, 60, 200), fill=(230, 230, 220 - 20 * at))
        picture.save(images / f"test{at:04}.jpg")
    (images / "test0006.jpg").write_bytes(b"no picture")
    return DataSet(root)


def clip(at: int) -> Clip:
    return Clip(item=f"test{at:04}", path=f"inputs/images/test{at:04}.jpg")


def candidate(at: int, rank: int | None, *, right: bool) -> Candidate:
    similarity = None if rank is None else 1 - rank / 10
    return Candidate(clip=clip(at), rank=rank, similarity=similarity, right=right, note="top · 2018-08-03")


@pytest.fixture
def galleries() -> list[Gallery]:
    return [
        Gallery(
            item="scenario01-test0000",
            query=clip(0),
            value=0.25,
            note="scenario01 · top · 2017-08-07",
            facets=(("scenario", "scenario01"), ("viewpoint", "top")),
            candidates=(candidate(1, 1, right=False), candidate(2, 2, right=True)),
            missed=(candidate(3, None, right=True),),
            missed_count=4,
        ),
        Gallery(
            item="scenario02-test0004",
            query=clip(4),
            value=1.0,
            facets=(("scenario", "scenario02"), ("viewpoint", "left")),
            candidates=(candidate(5, 1, right=True), candidate(6, 2, right=False)),
        ),
    ]


OPTIONS = gallery.Options(title="my_solution", metric="AP", lead="Each query beside its ranked images.")


def test_every_ranked_image_stands_with_its_rank_score_and_verdict(
    data: DataSet, galleries: list[Gallery], tmp_path: Path
) -> None:
    page = gallery.write(galleries, tmp_path / "gallery.html", locate=within(data), options=OPTIONS)
    text = page.read_text()
    assert text.count('<li class="query') == 2
    assert text.count('class="card right') == 3
    assert text.count('class="card wrong') == 2
    assert text.count("right unlisted") == 1
    assert "and 3 more right images that were not listed" in text
    assert "0.900" in text
    assert "top · 2018-08-03" in text


def test_each_image_is_one_thumbnail_beside_the_page_and_a_broken_one_costs_only_itself(
    data: DataSet, galleries: list[Gallery], tmp_path: Path
) -> None:
    page = gallery.write([*galleries, *galleries], tmp_path / "gallery.html", locate=within(data), options=OPTIONS)
    names = set(re.findall(r'<img src="gallery/([0-9a-f]{16}\.jpg)"', page.read_text()))
    assert len(names) == 6
    assert {each.name for each in (tmp_path / "gallery").iterdir()} == names
    assert "No picture: it cannot be read" in page.read_text()


def test_a_path_out_of_the_data_set_is_not_shown(data: DataSet, tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes((data.inputs / "images" / "test0000.jpg").read_bytes())
    sly = Gallery(item="q", query=Clip(item="q", path="../secret.jpg"), value=None)
    page = gallery.write([sly], tmp_path / "gallery.html", locate=within(data), options=OPTIONS)
    assert "lies outside the data set" in page.read_text()
    assert not (tmp_path / "gallery").exists()


def test_one_may_filter_by_every_facet_with_more_than_one_value(
    data: DataSet, galleries: list[Gallery], tmp_path: Path
) -> None:
    text = gallery.write(galleries, tmp_path / "gallery.html", locate=within(data), options=OPTIONS).read_text()
    assert text.count('type="radio"') == 6
    rules = re.findall(r"body:has\(#(f\d-\d):checked\) \.query:not\(\.(f\d-\d)\)", text)
    assert len(rules) == 4
    assert all(one == other for one, other in rules)
    assert re.search(r'class="query f0-0 f1-1" id="q0"', text)


def test_heat_maps_lie_over_both_images_and_can_be_switched(
    data: DataSet, galleries: list[Gallery], tmp_path: Path
) -> None:
    found = PairMap(query=((0.0, 1.0),), candidate=((1.0,), (0.0,)), similarity=0.7)
    options = gallery.Options(title="t", metric="AP", maps={(clip(0), clip(1)): found})
    text = gallery.write(galleries, tmp_path / "gallery.html", locate=within(data), options=options).read_text()
    assert 'type="checkbox" id="heat"' in text
    assert text.count('<aside class="compare"') == 1
    assert "cosine 0.7000" in text
    plain = gallery.write(galleries, tmp_path / "gallery.html", locate=within(data), options=OPTIONS).read_text()
    assert 'id="heat"' not in plain


def test_what_a_submission_wrote_cannot_leave_its_place_in_the_page(data: DataSet, tmp_path: Path) -> None:
    bad = '"><script>alert(1)</script>'
    sly = Gallery(item=bad, query=Clip(item=bad, path=""), value=None, note=bad, facets=(("scenario", bad),))
    twin = Gallery(item="b", query=Clip(item="b", path=""), value=None, facets=(("scenario", "b"),))
    text = gallery.write([sly, twin], tmp_path / "gallery.html", locate=within(data), options=OPTIONS).read_text()
    assert "<script" not in text


def test_the_pairs_to_explain_hold_the_first_candidates_and_the_first_right_one(galleries: list[Gallery]) -> None:
    pairs = gallery.pairs_to_explain(galleries, candidates=1)
    assert pairs == [(clip(0), clip(1)), (clip(0), clip(2)), (clip(4), clip(5))]


def test_an_unknown_theme_is_refused(data: DataSet, tmp_path: Path) -> None:
    options = gallery.Options(title="t", theme="drak")
    with pytest.raises(UsageError, match="dark"):
        gallery.write([], tmp_path / "gallery.html", locate=within(data), options=options)


def test_an_overlay_is_dense_where_the_map_is_high_and_absent_without_a_map() -> None:
    import base64
    import io

    uri = overlay(((0.0, 1.0),))
    picture = Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))
    assert picture.mode == "RGBA"
    assert picture.getpixel((0, 0))[3] == 0
    assert picture.getpixel((1, 0))[3] > 200
    assert overlay(()) == ""


def test_a_drawing_that_would_start_a_program_is_not_opened(data: DataSet, tmp_path: Path) -> None:
    text = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    (data.inputs / "images" / "test0001.jpg").write_text(text)
    thumbnail = Thumbnails(tmp_path / "page.html", within(data)).of(clip(1))
    assert thumbnail.reason == "it cannot be read (UnidentifiedImageError)"
