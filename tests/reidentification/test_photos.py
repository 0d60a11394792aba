"""Photographs of known individuals: every layout that is read, and every way it can be wrong."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from podium.errors import UsageError
from podium.solutions.reidentification.photos import (
    ENCOUNTER_GAP,
    Photo,
    exif_time,
    photo_suffixes,
    read_photos,
    with_encounters,
)

HEADER = "image_id,path,height,width,viewpoint,date,timestamp,whale_id,encounter_id"
NOON = datetime(2018, 8, 3, 12)
VALUES = Path(__file__).parents[2].parent / "shared" / "values" / "whale_do"


def write_image(path: Path, *, taken: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    if taken is not None:
        exif.get_ifd(0x8769)[36867] = taken
    Image.new("RGB", (6, 8), (10, 90, 140)).save(path, exif=exif)
    return path


def write_table(folder: Path, rows: Sequence[str], *, header: str = HEADER) -> None:
    for row in rows:
        write_image(folder / row.split(",")[1])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metadata.csv").write_text("\n".join([header, *rows]) + "\n")


def photo(name: str, *, taken: datetime | None = None, who: str = "anna", view: str = "", met: str = "") -> Photo:
    return Photo(image_id=name, path=Path(name), individual=who, taken=taken, viewpoint=view, encounter=met)


def test_the_official_training_form_is_read_by_image_id(tmp_path: Path) -> None:
    write_table(
        tmp_path,
        [
            "train0002,images/train0002.jpg,8,6,left,2018-08-03,2018-08-03 12:00:00,whale001,whale001-000",
            "train0001,images/train0001.jpg,8,6,top,2017-08-03,2017-08-03 11:22:33,NA,NA-000",
        ],
    )
    first, second = read_photos(tmp_path)
    assert first == Photo(
        image_id="train0001",
        path=tmp_path / "images" / "train0001.jpg",
        individual="NA",
        viewpoint="top",
        taken=datetime(2017, 8, 3, 11, 22, 33),
        encounter="NA-000",
    )
    assert (second.image_id, second.individual, second.viewpoint) == ("train0002", "whale001", "left")


def test_a_data_set_is_read_from_its_training_part(tmp_path: Path) -> None:
    rows = ["a,images/a.jpg,8,6,top,2018-08-03,,w,"]
    write_table(tmp_path / "public" / "train", rows)
    assert [each.path for each in read_photos(tmp_path)] == [tmp_path / "public" / "train" / "images" / "a.jpg"]


def test_a_table_with_the_needed_columns_only_is_enough(tmp_path: Path) -> None:
    write_table(tmp_path, ["b,b.png,w2", "a,a.png,w1"], header="image_id,path,whale_id")
    assert [(each.image_id, each.encounter, each.taken) for each in read_photos(tmp_path)] == [
        ("a", "w1-000", None),
        ("b", "w2-000", None),
    ]


def test_of_an_image_that_is_there_twice_the_first_row_counts(tmp_path: Path) -> None:
    write_table(tmp_path, ["a,a.png,w1", "a,a.png,w2"], header="image_id,path,whale_id")
    assert [each.individual for each in read_photos(tmp_path)] == ["w1"]


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        ("image_id,path,whale", "a,a.png,w", "has no column `whale_id`; did you mean `whale`"),
        ("image_id,path,whale_id,viewpoint", "a,a.png,w,tpo", "line 2: the viewpoint is `tpo`; did you mean `top`"),
        ("image_id,path,whale_id,timestamp", "a,a.png,w,noon", "line 2: the time is `noon`"),
        ("image_id,path,whale_id", "a,a.png", "is broken: .*line 2"),
        ("image_id,path,whale_id", "a,../b.png,w", "`../b.png` lies outside"),
    ],
)
def test_a_faulty_table_is_refused_with_its_line(tmp_path: Path, header: str, row: str, message: str) -> None:
    write_table(tmp_path / "photos", [row], header=header)
    with pytest.raises(UsageError, match=message):
        read_photos(tmp_path / "photos")


def test_files_that_are_not_there_are_counted(tmp_path: Path) -> None:
    write_table(tmp_path, ["a,a.png,w", "b,b.png,w", "c,c.png,w"], header="image_id,path,whale_id")
    (tmp_path / "b.png").unlink()
    (tmp_path / "c.png").unlink()
    with pytest.raises(UsageError, match=r"names 2 files that are not there; the first is `.*b\.png`"):
        read_photos(tmp_path)


def test_a_folder_per_individual_is_read_with_its_viewpoints(tmp_path: Path) -> None:
    write_image(tmp_path / "anna" / "1.JPG")
    write_image(tmp_path / "anna" / "left" / "2.png")
    write_image(tmp_path / "bob" / "Top" / "3.jpeg")
    write_image(tmp_path / "bob" / "drafts" / "4.jpeg")
    write_image(tmp_path / "bob" / ".5.jpeg")
    (tmp_path / "bob" / "notes.txt").write_text("seen again")
    found = read_photos(tmp_path)
    assert [(each.image_id, each.individual, each.viewpoint) for each in found] == [
        ("anna/1.JPG", "anna", ""),
        ("anna/left/2.png", "anna", "left"),
        ("bob/Top/3.jpeg", "bob", "top"),
    ]


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside = write_image(tmp_path / "outside" / "secret.png").parent
    write_image(tmp_path / "photos" / "anna" / "1.png")
    (tmp_path / "photos" / "anna" / "2.png").symlink_to(outside / "secret.png")
    (tmp_path / "photos" / "bob").symlink_to(outside)
    assert [each.image_id for each in read_photos(tmp_path / "photos")] == ["anna/1.png"]


def test_the_camera_says_when(tmp_path: Path) -> None:
    for name, moment in (("1.jpg", "2018:08:03 12:00:00"), ("2.jpg", "2018:08:03 12:59:59"), ("3.jpg", None)):
        write_image(tmp_path / "anna" / name, taken=moment)
    write_image(tmp_path / "anna" / "4.jpg", taken="0000:00:00 00:00:00")
    first, second, third, fourth = read_photos(tmp_path)
    assert (first.taken, third.taken, fourth.taken) == (NOON, None, None)
    assert first.encounter == second.encounter
    assert len({first.encounter, third.encounter, fourth.encounter}) == 3
    assert exif_time(tmp_path / "nowhere.jpg") is None


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch], ids=["empty folder", "file"])
def test_what_holds_no_photographs_is_refused(tmp_path: Path, make: object) -> None:
    place = tmp_path / "photos"
    make(place)  # type: ignore[operator]
    with pytest.raises(UsageError, match=r"holds no photographs; allowed|is no folder"):
        read_photos(place)


def test_photographs_are_the_formats_that_pillow_decodes_itself() -> None:
    assert {".jpg", ".jpeg", ".png", ".tif", ".webp"} <= photo_suffixes()
    assert not {".eps", ".pdf", ".txt"} & photo_suffixes()


def test_an_hour_ends_an_encounter_and_a_viewpoint_parts_it() -> None:
    found = with_encounters(
        [
            photo("a", taken=NOON),
            photo("b", taken=NOON + ENCOUNTER_GAP),
            photo("c", taken=NOON + 2 * ENCOUNTER_GAP + timedelta(seconds=1)),
            photo("d", taken=NOON, view="left"),
            photo("e", taken=NOON, who="bob"),
        ]
    )
    assert [each.encounter for each in found] == ["anna-000", "anna-000", "anna-001", "anna-002", "bob-000"]


def test_given_encounters_stay_and_no_new_one_takes_their_name() -> None:
    found = with_encounters([photo("a", met="anna-000"), photo("b", taken=NOON)])
    assert [each.encounter for each in found] == ["anna-000", "anna-001"]


moments = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from(["", "top"]), st.none() | st.integers(0, 600)), max_size=12
)


@given(moments)
def test_photographs_share_an_encounter_just_if_a_chain_of_short_gaps_joins_them(
    drawn: list[tuple[str, str, int | None]],
) -> None:
    photos = [
        photo(str(place), who=who, view=view, taken=None if minute is None else NOON + timedelta(minutes=minute))
        for place, (who, view, minute) in enumerate(drawn)
    ]
    found = with_encounters(photos)
    chain = list(range(len(photos)))
    for _ in photos:
        for one, a in enumerate(photos):
            for two, b in enumerate(photos):
                alike = (a.individual, a.viewpoint) == (b.individual, b.viewpoint)
                if alike and a.taken and b.taken and abs(a.taken - b.taken) <= ENCOUNTER_GAP:
                    chain[one] = chain[two] = min(chain[one], chain[two])
    for one, a in enumerate(found):
        for two, b in enumerate(found):
            assert (a.encounter == b.encounter) == (chain[one] == chain[two])


def test_a_photograph_too_large_to_open_has_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(tmp_path / "huge.jpg", taken="2020:05:01 12:00:00")
    assert exif_time(tmp_path / "huge.jpg") is not None
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert exif_time(tmp_path / "huge.jpg") is None
