"""Data sets of `whale-do`: both official downloads in, the check, the cut."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from podium.challenges import challenge
from podium.challenges.whale_do import layout, partition, scenarios
from podium.challenges.whale_do.dataset import write_tables
from podium.challenges.whale_do.partition import Shares
from podium.errors import ChallengeError, UsageError
from podium.formats import datasets, digests
from podium.types import DataSet

WHALE_DO = challenge("whale-do")


def image(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    Image.fromarray(rng.integers(0, 255, (12 + seed % 5, 6, 3), dtype=np.uint8)).save(path, quality=60)


def sightings(prefix: str, *, whales: int, encounters: int = 3) -> pl.DataFrame:
    """Two images an encounter, one encounter a year, in turn; the second encounter is of a flank."""
    rows: list[tuple[object, ...]] = []
    for whale in range(whales):
        for encounter in range(encounters):
            view = "left" if encounter == 1 else "top"
            year = 2017 if view == "left" else (2017, 2018, 2018, 2019)[(whale + encounter) % 4]
            for minute in range(2):
                name = f"{prefix}{len(rows):04}"
                time = f"{year}-08-{10 + encounter} 10:0{minute}:00"
                whale_id = f"whale{whale:03}"
                place = (f"images/{name}.jpg", 12 + len(rows) % 5, 6, view, time[:10], time)
                rows.append((name, *place, whale_id, f"{whale_id}-{encounter:03}"))
    return pl.DataFrame(rows, schema=list(layout.TRAINING_COLUMNS), orient="row")


def with_images(folder: Path, frame: pl.DataFrame) -> None:
    for row, path in enumerate(frame["path"].to_list()):
        image(folder / path, row)


@pytest.fixture
def training(tmp_path: Path) -> Path:
    """The training set as participants had it, one folder down."""
    folder = tmp_path / "download" / "whale"
    frame = sightings("train", whales=12)
    with_images(folder, frame)
    layout.write_metadata(folder / "metadata.csv", frame)
    return tmp_path / "download"


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """The released test set: original ids, a row that is there twice, neither scenarios' list nor metadata inside."""
    folder = tmp_path / "released"
    frame = sightings("test", whales=6)
    built = scenarios.build(frame)
    code = folder / "code-execution"
    with_images(code, frame)
    layout.write_scenarios(code, built.scenarios)
    (code / layout.QUERY_SCENARIOS).unlink()
    layout.write_labels(folder / "private_test_labels.csv", built.labels)
    rows = [
        (row["image_id"], f"somewhere/{row['image_id']}.jpg", row["timestamp"], row["viewpoint"], "o" + row["whale_id"])
        for row in frame.iter_rows(named=True)
    ]
    header = ("image_id", "path", "timestamp", "viewpoint", "original_whale_id")
    with (folder / "private_test_metadata.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([header, *rows, rows[7]])
    known = [("original_whale_id", "whale_id"), ("owhale000", "whale007"), ("owhale001", "whale009")]
    with (folder / "private_train_metadata.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(known)
    return folder


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    made = datasets.start(tmp_path / "made")
    train, test = sightings("train", whales=3), sightings("test", whales=5)
    with_images(made.public / "train", train)
    with_images(made.inputs, test)
    write_tables(made, train, test)
    digests.write_manifest(made.root)
    return made


def whales(path: Path) -> dict[str, str]:
    return dict(layout.read_metadata(path, labelled=True).select("image_id", "whale_id").iter_rows())


def test_the_training_download_is_judged_on_whales_that_were_held_out(training: Path, tmp_path: Path) -> None:
    data = WHALE_DO.import_data(training, tmp_path / "into")
    assert WHALE_DO.check_data(data) == ()
    train, test = whales(data.public / "train" / "metadata.csv"), whales(data.answers / "metadata.csv")
    assert len(train) + len(test) == 72
    assert not train.keys() & test.keys()
    assert len(set(test.values()) - set(train.values())) == 3
    assert len(set(test.values()) & set(train.values())) == 1
    scenario = layout.read_scenarios(data.inputs)[0]
    assert scenario.scenario_id == "scenario01"
    assert set(scenario.query_image_ids) <= test.keys()


def test_an_imported_image_is_the_file_of_the_download(training: Path, tmp_path: Path) -> None:
    data = WHALE_DO.import_data(training, tmp_path / "into")
    one = next(data.inputs.glob("images/*.jpg"))
    assert one.stat().st_ino == (training / "whale" / "images" / one.name).stat().st_ino


def test_the_training_download_is_cut_the_same_way_each_time(training: Path, tmp_path: Path) -> None:
    first, second = (WHALE_DO.import_data(training, tmp_path / name) for name in ("a", "b"))
    assert first.manifest.read_bytes() == second.manifest.read_bytes()


def test_the_released_test_set_keeps_its_scenarios_and_labels(released: Path, tmp_path: Path) -> None:
    data = WHALE_DO.import_data(released, tmp_path / "into")
    assert WHALE_DO.check_data(data) == ()
    built = scenarios.build(sightings("test", whales=6))
    assert layout.read_scenarios(data.inputs) == built.scenarios
    assert tuple(layout.read_labels(data.answers / "labels.csv").iter_rows()) == built.labels
    assert not (data.public / "train").exists()


def test_the_released_test_set_gets_its_metadata_from_the_private_table_and_the_images(
    released: Path, tmp_path: Path
) -> None:
    data = WHALE_DO.import_data(released, tmp_path / "into")
    expected = sightings("test", whales=6)
    found = layout.read_metadata(data.inputs / "metadata.csv")
    assert found.equals(expected.select(layout.TEST_COLUMNS))
    answers = layout.read_metadata(data.answers / "metadata.csv", labelled=True)
    assert answers["whale_id"].unique().sort().to_list() == [
        "owhale002", "owhale003", "owhale004", "owhale005", "whale007", "whale009",
    ]  # fmt: skip
    encounters = answers.group_by("encounter_id").len()
    assert set(encounters["len"]) == {2}
    assert encounters.height == 18


def test_both_downloads_together_give_training_and_test(training: Path, released: Path, tmp_path: Path) -> None:
    shutil.move(released, training / "beluga-id-test")
    data = WHALE_DO.import_data(training, tmp_path / "into")
    assert WHALE_DO.check_data(data) == ()
    assert len(whales(data.public / "train" / "metadata.csv")) == 72
    assert len(whales(data.answers / "metadata.csv")) == 36


def test_the_metadata_inside_the_released_set_is_kept_when_it_is_there(released: Path, tmp_path: Path) -> None:
    frame = sightings("test", whales=6).select(layout.TEST_COLUMNS).with_columns(pl.lit("2016-01-01").alias("date"))
    layout.write_metadata(released / "code-execution" / "metadata.csv", frame.reverse())
    data = WHALE_DO.import_data(released, tmp_path / "into")
    found = layout.read_metadata(data.inputs / "metadata.csv")
    assert found["image_id"][0] == "test0035"
    assert found["date"].unique().to_list() == ["2016-01-01"]


def test_a_folder_with_neither_set_says_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "download" / "images").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"`metadata\.csv` with the column `whale_id`.*`code-execution/`"):
        WHALE_DO.import_data(tmp_path / "download", tmp_path / "into")
    with pytest.raises(UsageError, match="is not a folder"):
        WHALE_DO.import_data(tmp_path / "nothing", tmp_path / "into")
    assert not (tmp_path / "into").exists()


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda root: (root / "private_test_labels.csv").unlink(), "lacks `private_test_labels.csv`"),
        (lambda root: shutil.rmtree(root / "code-execution" / "databases"), "lacks `databases`"),
        (lambda root: (root / "code-execution/databases/scenario01.csv").unlink(), "`databases/scenario01.csv`"),
        (lambda root: (root / "code-execution/images/test0003.jpg").unlink(), r"has no `test0003\.jpg`"),
        (lambda root: (root / "private_test_metadata.csv").write_text("image_id,viewpoint\n"), "`timestamp`"),
    ],
)
def test_a_released_set_with_a_hole_is_refused_and_leaves_nothing(
    harm: Callable[[Path], None], message: str, released: Path, tmp_path: Path
) -> None:
    harm(released)
    with pytest.raises(ChallengeError, match=message):
        WHALE_DO.import_data(released, tmp_path / "into")
    assert not (tmp_path / "into").exists()


def test_a_training_image_that_lies_elsewhere_is_refused(training: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"")
    table = training / "whale" / "metadata.csv"
    table.write_text(table.read_text().replace("images/train0004.jpg", "../../secret.jpg"))
    with pytest.raises(ChallengeError, match=r"has the path `\.\./\.\./secret\.jpg`; one below `images/` is needed"):
        WHALE_DO.import_data(training, tmp_path / "into")


@pytest.mark.parametrize(
    "path", ["images/../images/train0004.jpg", "images/./train0004.jpg", "images//train0004.jpg", "{}", "train0004.jpg"]
)
def test_no_path_of_the_metadata_can_name_a_place_outside_the_new_data_set(
    path: str, training: Path, tmp_path: Path
) -> None:
    """Such paths lead to an image inside the download, and out of the folder that is written."""
    table = training / "whale" / "metadata.csv"
    absolute = str(training / "whale" / "images" / "train0004.jpg")
    table.write_text(table.read_text().replace("images/train0004.jpg", path.format(absolute)))
    with pytest.raises(ChallengeError, match="one below `images/` is needed"):
        WHALE_DO.import_data(training, tmp_path / "into")
    assert not (tmp_path / "into").exists()


def test_two_images_with_one_path_are_refused(training: Path, tmp_path: Path) -> None:
    table = training / "whale" / "metadata.csv"
    table.write_text(table.read_text().replace("images/train0004.jpg", "images/train0005.jpg"))
    with pytest.raises(ChallengeError, match=r"`images/train0005\.jpg` for two images"):
        WHALE_DO.import_data(training, tmp_path / "into")


def test_a_link_out_of_the_download_is_told_from_a_missing_image(training: Path, tmp_path: Path) -> None:
    (training / "whale" / "images").rename(tmp_path / "elsewhere")
    (training / "whale" / "images").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ChallengeError, match="is a link that leads out of"):
        WHALE_DO.import_data(training, tmp_path / "into")


def test_viewpoints_of_the_training_table_may_be_in_capitals_and_are_checked(training: Path, tmp_path: Path) -> None:
    table = training / "whale" / "metadata.csv"
    text = table.read_text()
    table.write_text(text.replace(",top,", ",Top,").replace(",left,", ",LEFT,"))
    made = WHALE_DO.import_data(training, tmp_path / "into")
    assert set(layout.read_metadata(made.inputs / "metadata.csv")["viewpoint"]) <= {"top", "left"}
    table.write_text(text.replace(",top,", ",topp,"))
    with pytest.raises(ChallengeError, match="the viewpoint `topp`; did you mean `top`"):
        WHALE_DO.import_data(training, tmp_path / "other")


def test_a_pipe_among_the_released_images_is_refused_and_never_waited_for(released: Path, tmp_path: Path) -> None:
    image = released / "code-execution" / "images" / "test0000.jpg"
    image.unlink()
    os.mkfifo(image)
    with pytest.raises(ChallengeError, match=r"has no `test0000\.jpg`"):
        WHALE_DO.import_data(released, tmp_path / "into")


def test_a_released_table_that_is_a_link_elsewhere_is_refused(released: Path, tmp_path: Path) -> None:
    table = next((released / "code-execution" / "queries").glob("*.csv"))
    table.rename(tmp_path / "queries.csv")
    table.symlink_to(tmp_path / "queries.csv")
    with pytest.raises(ChallengeError, match="is a link that leads out of"):
        WHALE_DO.import_data(released, tmp_path / "into")


@pytest.mark.parametrize(
    ("name", "message"),
    [("../../x", "a name without `/`"), (".hidden", "a name without `/`"), ("{}", "names the scenario .* twice")],
)
def test_scenarios_that_files_cannot_be_called_by_are_refused(name: str, message: str, data: DataSet) -> None:
    """A subset and the audit write `queries/NAME.csv`."""
    table = data.inputs / layout.QUERY_SCENARIOS
    first = table.read_text().splitlines()[1]
    other = name.format(first.split(",")[0])
    table.write_text(table.read_text() + ",".join([other, *first.split(",")[1:]]) + "\n")
    with pytest.raises(ChallengeError, match=message):
        layout.read_scenarios(data.inputs)


def test_times_that_no_one_can_read_are_faults_of_a_data_set(data: DataSet) -> None:
    table = data.public / "train" / "metadata.csv"
    table.write_text(table.read_text().replace("2018-08-10", "10.08.2018"))
    digests.write_manifest(data.root)
    assert [str(each).split(" (and")[0] for each in WHALE_DO.check_data(data)] == [
        "public/train/metadata.csv: the date is `10.08.2018`; YYYY-MM-DD is needed",
        "public/train/metadata.csv: the time is `10.08.2018 10:00:00`; YYYY-MM-DD HH:MM:SS is needed",
    ]


def test_encounters_are_cut_at_gaps_of_more_than_an_hour_by_whale_and_viewpoint() -> None:
    rows = [
        ("a", "w", "top", "2018-08-01 10:00:00"),
        ("b", "w", "top", "2018-08-01 11:00:00"),
        ("c", "w", "top", "2018-08-01 12:00:01"),
        ("d", "w", "left", "2018-08-01 10:30:00"),
        ("e", "v", "top", "2018-08-01 10:30:00"),
    ]
    frame = pl.DataFrame(rows, schema=["image_id", "whale_id", "viewpoint", "timestamp"], orient="row")
    found = partition.with_encounters(frame)["encounter_id"].to_list()
    assert found == ["w-000", "w-000", "w-002", "w-001", "v-000"]


def test_a_judged_whale_always_has_something_to_match() -> None:
    frame = pl.concat([sightings("a", whales=1), sightings("b", whales=9, encounters=1).with_columns(
        pl.concat_str(pl.lit("x"), pl.col("whale_id")).alias("whale_id"),
        pl.concat_str(pl.lit("x"), pl.col("encounter_id")).alias("encounter_id"),
    )])  # fmt: skip
    for seed in range(5):
        judged = partition.judged_images(frame, Shares(new=0.1, seen=0.1), seed=seed)
        assert scenarios.build(frame.filter(pl.col("image_id").is_in(sorted(judged)))).scenarios


def test_a_time_that_cannot_be_read_is_named() -> None:
    frame = sightings("a", whales=1).with_columns(pl.lit("noon").alias("timestamp"))
    with pytest.raises(ChallengeError, match="the time of `a0000` is `noon`"):
        partition.with_encounters(frame)


def test_a_good_data_set_has_no_fault(data: DataSet) -> None:
    assert WHALE_DO.check_data(data) == ()


def append(path: Path, line: str) -> None:
    path.write_text(path.read_text() + line + "\n")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda data: append(data.answers / "labels.csv", "scenario01-nobody,test0000"), "nobody` is no query"),
        (lambda data: append(data.answers / "labels.csv", "scenario01-test0000,test0000"), "its own image"),
        (lambda data: append(data.answers / "labels.csv", "scenario01-test0000,test0006"), "shows another whale"),
        (lambda data: append(data.answers / "labels.csv", "scenario01-test0000,test0004"), "is there twice"),
        (lambda data: append(data.answers / "labels.csv", "scenario01-test0000,test0001"), "`test0001` is not in"),
        (lambda data: (data.answers / "labels.csv").write_text("query_id,database_image_id\n"), "no match is labelled"),
        (lambda data: append(data.inputs / "databases/scenario01.csv", "test9999"), "`test9999` is in no metadata"),
        (lambda data: append(data.inputs / "queries/scenario01.csv", "scenario01-test0001,test0001"), "no right match"),
        (lambda data: (data.inputs / "queries/scenario01.csv").unlink(), "the file is missing"),
        (lambda data: (data.inputs / "images/test0002.jpg").unlink(), "`images/test0002.jpg` is missing"),
        (lambda data: image(data.inputs / "images/extra.jpg", 1), "`images/extra.jpg` is in no metadata"),
        (lambda data: shutil.copy(data.answers / "labels.csv", data.inputs / "notes.csv"), "one of the answers"),
        (lambda data: shutil.copy(data.answers / "metadata.csv", data.inputs / "metadata.csv"), "one of the answers"),
        (
            lambda data: (data.inputs / "more.csv").write_text("image_id,whale_id\ntest0000,w\n"),
            "says which images match",
        ),
        (lambda data: image(data.inputs / "images/test0000.jpg", 77), "manifest says"),
        (lambda data: data.manifest.unlink(), "changes cannot be seen"),
        (
            lambda data: (data.public / "train/metadata.csv").write_text(
                (data.public / "train/metadata.csv").read_text().replace("train0000,", "test0000,")
            ),
            "`test0000` is also an image that is judged",
        ),
        (
            lambda data: (data.inputs / "metadata.csv").write_text(
                (data.inputs / "metadata.csv").read_text().replace(",left,", ",below,")
            ),
            "the viewpoint is `below`",
        ),
    ],
)  # fmt: skip
def test_a_fault_is_found(harm: Callable[[DataSet], object], message: str, data: DataSet) -> None:
    harm(data)
    assert any(message in str(problem) for problem in WHALE_DO.check_data(data))


def test_a_subset_asks_fewer_queries_of_whole_databases(data: DataSet, tmp_path: Path) -> None:
    smaller = WHALE_DO.subset_data(data, tmp_path / "smaller", proportion=0.4, seed=1)
    assert WHALE_DO.check_data(smaller) == ()
    whole = {each.scenario_id: each for each in layout.read_scenarios(data.inputs)}
    labels = list(layout.read_labels(data.answers / "labels.csv").iter_rows())
    for scenario in layout.read_scenarios(smaller.inputs):
        before = whole.pop(scenario.scenario_id)
        assert len(scenario.query_ids) == -(-2 * len(before.query_ids) // 5)
        assert set(scenario.query_ids) <= set(before.query_ids)
        assert scenario.database_image_ids == before.database_image_ids
    assert not whole
    kept = {query for each in layout.read_scenarios(smaller.inputs) for query in each.query_ids}
    assert list(layout.read_labels(smaller.answers / "labels.csv").iter_rows()) == [
        row for row in labels if row[0] in kept
    ]


def test_a_subset_of_everything_is_the_same_data_set(data: DataSet, tmp_path: Path) -> None:
    whole = WHALE_DO.subset_data(data, tmp_path / "whole", proportion=1.0, seed=1)
    assert whole.manifest.read_bytes() == data.manifest.read_bytes()


@pytest.mark.parametrize("proportion", [0.0, 1.5])
def test_a_subset_of_nothing_or_of_more_is_refused(proportion: float, data: DataSet, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="above 0 and at most 1"):
        WHALE_DO.subset_data(data, tmp_path / "none", proportion=proportion, seed=1)
