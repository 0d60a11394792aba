"""`davis`: what is read, what is refused, what counts how much."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from podium.challenges.davis import layout, paths
from podium.challenges.davis.metadata import METADATA, Metadata, write_metadata
from podium.challenges.davis.predictions import DavisPredictions, read_predictions
from podium.challenges.davis.samples import BROKEN, write_perfect, write_tree
from podium.challenges.davis.scoring import score
from podium.challenges.davis.tables import write_artifacts
from podium.errors import ChallengeError, SubmissionError
from podium.formats import masks
from podium.types import DataSet, Phase, Reading, Score, ScoreSettings, Severity

PHASE = Phase(name="1", summary="", code_required=True)
SETTINGS = ScoreSettings(resamples=50)
PARITY = ScoreSettings(resamples=50, parity=True)
VALUES = Path(__file__).parents[3] / "shared" / "values" / "davis"
CLIPS = {"bear": (5, 48, 86), "goat": (4, 40, 60)}


def square(height: int, width: int, *, left: int, side: int = 12) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    mask[10 : 10 + side, left : left + side] = True
    return mask


def make(root: Path, *, empty: tuple[str, ...] = ()) -> DataSet:
    """Two clips of a square that wanders; frames named in `empty` show nothing."""
    data = DataSet(root)
    raw, annotation = [], []
    for clip, (count, height, width) in CLIPS.items():
        for number in range(count):
            frame, mask = (f"{part}/{clip}/{number:05}" for part in (layout.IMAGES, layout.ANNOTATIONS))
            raw.append(f"{frame}.jpg")
            annotation.append(f"{mask}.png")
            for base, name in ((data.inputs, frame), (data.answers, mask)):
                (base / name).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (width, height)).save(data.inputs / raw[-1])
            shown = square(height, width, left=5 + 2 * number)
            if f"{clip}/{number:05}" in empty:
                shown[:] = False
            masks.write(data.answers / annotation[-1], shown.astype(np.uint8) * 255)
    paths.write(data.inputs / paths.PATHS, {paths.RAW: raw})
    paths.write(data.answers / paths.PATHS, {paths.ANNOTATION: annotation})
    return data


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    return make(tmp_path / "data", empty=("goat/00003",))


@pytest.fixture
def good(data: DataSet, tmp_path: Path) -> Path:
    folder = tmp_path / "good"
    folder.mkdir()
    write_perfect(data, folder)
    return folder


def read(folder: Path, data: DataSet, *, parity: bool = False) -> Reading:
    return read_predictions(folder, data, phase=PHASE, parity=parity)


def scored(folder: Path, data: DataSet, settings: ScoreSettings = SETTINGS) -> Score:
    reading = read(folder, data, parity=settings.parity)
    assert reading.predictions is not None, reading.problems
    return score(reading.predictions, data, settings)


def value(result: Score, name: str) -> float:
    found = result.measure(name)
    assert found is not None
    assert found.value is not None
    return found.value


def rows(folder: Path, change: Callable[[dict[str, str | None]], None]) -> None:
    table = json.loads((folder / paths.PATHS).read_text())
    change(table[paths.OUTPUT])
    (folder / paths.PATHS).write_text(json.dumps(table))


def errors(reading: Reading) -> list[str]:
    return [str(each) for each in reading.problems if each.severity is Severity.ERROR]


def warnings(reading: Reading) -> list[str]:
    return [str(each) for each in reading.problems if each.severity is Severity.WARNING]


def test_the_annotations_themselves_score_one(good: Path, data: DataSet) -> None:
    result = scored(good, data)
    assert result.value == 1.0
    assert result.interval is not None
    assert (result.interval.low, result.interval.high, result.interval.unit) == (1.0, 1.0, "2 clips")
    assert value(result, "J&F, inner frames") == value(result, "J&F, all frames") == 1.0
    assert value(result, "frames counted") == 8.0
    assert [each.item for each in result.per_item] == ["bear", "goat"]


def test_the_same_result_read_by_the_contest_scores_one(good: Path, data: DataSet) -> None:
    assert scored(good, data, PARITY).value == 1.0


def test_the_mean_is_over_frames_and_its_twin_over_clips(good: Path, data: DataSet) -> None:
    for number in (0, 1):
        masks.write(good / f"outputs/{number:05}.png", np.zeros((48, 86), np.uint8))
    result = scored(good, data)
    assert result.value == pytest.approx(6 / 8, abs=1e-15)
    assert value(result, "mean IoU, over clips") == pytest.approx((3 / 5 + 1) / 2, abs=1e-15)
    assert value(result, "J mean, all frames") == pytest.approx((3 / 5 + 1) / 2, abs=1e-15)
    assert value(result, "J mean, inner frames") == pytest.approx((2 / 3 + 1) / 2, abs=1e-15)
    assert value(result, "J decay, all frames") == pytest.approx((-1 + 0) / 2, abs=1e-15)


@pytest.mark.parametrize("how", ["drop", "null"])
@pytest.mark.parametrize("frame", [0, 2, 8])
def test_leaving_out_a_frame_never_helps_but_does_with_parity(how: str, frame: int, good: Path, data: DataSet) -> None:
    worse = np.zeros((48, 86), np.uint8)
    masks.write(good / "outputs/00001.png", worse)
    before = scored(good, data)
    rows(good, lambda table: table.pop(str(frame)) if how == "drop" else table.update({str(frame): None}))
    after = scored(good, data)
    assert after.value < before.value or frame == 8
    assert after.value <= before.value
    for name in ("J&F, all frames", "J mean, all frames", "F mean, all frames", "mean IoU, over clips"):
        assert value(after, name) <= value(before, name)
    found = warnings(read(good, data))
    assert len(found) == 1
    assert f"row {frame}" in found[0]
    assert "scores 0" in found[0]


def test_the_contest_leaves_a_null_path_out_of_the_mean(good: Path, data: DataSet) -> None:
    masks.write(good / "outputs/00001.png", np.zeros((48, 86), np.uint8))
    low = scored(good, data, PARITY).value
    rows(good, lambda table: table.update({"1": None}))
    assert scored(good, data, PARITY).value == 1.0 > low
    assert scored(good, data).value == pytest.approx(7 / 8)


def test_the_contest_pairs_rows_by_order_and_ignores_surplus_ones(good: Path, data: DataSet) -> None:
    rows(good, lambda table: table.update({"50": "outputs/00000.png"}))
    assert scored(good, data, PARITY).value == 1.0
    assert "no such frame" in errors(read(good, data))[0]

    def shift(table: dict[str, str | None]) -> None:
        moved = {str(int(key) + 3): path for key, path in table.items()}
        table.clear()
        table.update(moved)

    rows(good, shift)
    assert scored(good, data, PARITY).value == 1.0
    rows(good, lambda table: [table.pop(key) for key in list(table)[:2]] and None)
    assert "rows for `9` frames" in errors(read(good, data, parity=True))[0]


def test_the_contest_takes_masks_of_0_and_1_for_empty_ones(good: Path, data: DataSet) -> None:
    for path in (good / "outputs").iterdir():
        levels = masks.read(path).levels_HW
        assert levels is not None
        masks.write(path, np.minimum(levels, 1))
    assert scored(good, data, PARITY).value == 0.0
    assert any("multiply masks of 0 and 1 by 255" in each for each in errors(read(good, data)))


def test_128_is_foreground_and_127_is_not(good: Path, data: DataSet) -> None:
    levels = masks.read(good / "outputs/00000.png").levels_HW
    assert levels is not None
    masks.write(good / "outputs/00000.png", np.where(levels > 0, np.uint8(128), np.uint8(127)))
    assert scored(good, data).value == 1.0


def test_a_frame_that_is_empty_in_both_leaves_the_mean_and_one_empty_gives_0(good: Path, data: DataSet) -> None:
    full = np.full((40, 60), 255, np.uint8)
    assert value(scored(good, data), "frames counted") == 8.0
    masks.write(good / "outputs/00008.png", full)
    result = scored(good, data)
    assert result.value == pytest.approx(8 / 9)
    assert value(result, "frames counted") == 9.0


def test_a_tree_of_palette_files_gives_the_same_score(data: DataSet, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    write_tree(data, tree)
    assert scored(tree, data).value == 1.0
    levels = masks.read(tree / "bear/00000.png", kinds=(masks.MaskKind.PALETTE,)).levels_HW
    assert levels is not None
    masks.write(tree / "bear/00000.png", levels * 255)
    masks.write(tree / "bear/00001.png", square(48, 86, left=7).astype(np.uint8) * 7, palette=True)
    assert scored(tree, data).value == 1.0
    (tree / "bear/00002.png").unlink()
    assert scored(tree, data).value == pytest.approx(7 / 8)
    assert "`bear/00002.png` is missing" in warnings(read(tree, data))[0]
    masks.write(tree / "bear/00003.png", levels * 90)
    (tree / "gaot").mkdir()
    found = errors(read(tree, data))
    assert any("grey levels between" in each for each in found)
    assert any("did you mean `goat`" in each for each in found)


def test_paths_may_have_escaped_slashes_or_backslashes_or_any_order(good: Path, data: DataSet) -> None:
    table = json.loads((good / paths.PATHS).read_text())[paths.OUTPUT]
    assert "outputs\\/00000.png" in (good / paths.PATHS).read_text()
    turned = {key: path.replace("/", "\\") for key, path in reversed(table.items())}
    (good / paths.PATHS).write_text(json.dumps({paths.OUTPUT: turned}))
    assert scored(good, data).value == 1.0


def test_every_fault_of_a_result_is_named_at_once(good: Path, data: DataSet) -> None:
    (good / METADATA).unlink()
    Image.new("RGB", (86, 48)).save(good / "outputs/00000.png")
    masks.write(good / "outputs/00001.png", np.zeros((86, 48), np.uint8))
    (good / "outputs/00002.png").unlink()
    rows(good, lambda table: table.update({"3": None, "4": "../x.png", "77": "outputs/00003.png"}))
    found = "\n".join(str(each) for each in read(good, data).problems)
    for said in (
        "metadata.json: the file is missing",
        "row 0 `outputs/00000.png`: the file is colour (mode `RGB`)",
        "row 1 `outputs/00001.png`: the mask is `48x86` (width x height); the frame is `86x48`; height and width",
        "row 2 `outputs/00002.png`: the file is missing",
        "row 3: the path is null",
        "row 4: the path `../x.png` may not be used",
        "row 77: there is no such frame; rows are `0` to `8`",
    ):
        assert said in found


@pytest.mark.parametrize(("name", "spoil"), BROKEN, ids=[name for name, _ in BROKEN])
def test_broken_predictions_are_refused_with_a_place_and_a_reason(
    name: str, spoil: Callable[[Path], None], good: Path, data: DataSet
) -> None:
    spoil(good)
    reading = read(good, data)
    found = [each for each in reading.problems if each.severity is Severity.ERROR]
    assert reading.predictions is None
    assert found
    assert len(found) <= 10
    assert all(each.place and each.message and not each.message.endswith(".") for each in found)


def test_a_missing_count_only_warns_with_parity(good: Path, data: DataSet) -> None:
    (good / METADATA).unlink()
    reading = read(good, data, parity=True)
    assert reading.valid
    assert len(warnings(reading)) == 1
    write_metadata(good / METADATA, Metadata(parameters=49_999_999, operations=1e9))
    result = scored(good, data)
    assert value(result, "parameters, as declared") == 49_999_999.0
    assert value(result, "operations") == 1e9


def test_predictions_read_under_one_rule_are_not_scored_by_the_other(good: Path, data: DataSet) -> None:
    predictions = read(good, data, parity=True).predictions
    with pytest.raises(SubmissionError):
        score(predictions, data, SETTINGS)


def test_the_contest_gives_no_number_when_every_path_is_null(good: Path, data: DataSet) -> None:
    rows(good, lambda table: table.update(dict.fromkeys(table)))
    with pytest.raises(SubmissionError):
        scored(good, data, PARITY)
    assert scored(good, data).value == 0.0


def test_answers_without_foreground_are_the_data_sets_fault(tmp_path: Path) -> None:
    every = tuple(f"{clip}/{number:05}" for clip, (count, _, _) in CLIPS.items() for number in range(count))
    data = make(tmp_path / "empty", empty=every)
    (tmp_path / "result").mkdir()
    write_perfect(data, tmp_path / "result")
    with pytest.raises(ChallengeError, match="nothing to score"):
        scored(tmp_path / "result", data)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: (data.answers / layout.ANNOTATIONS / "bear/00000.png").unlink(), "missing"),
        (
            lambda data: masks.write(
                data.answers / layout.ANNOTATIONS / "bear/00000.png", square(48, 86, left=4).astype(np.uint8)
            ),
            "must be 255",
        ),
        (
            lambda data: paths.write(data.answers / paths.PATHS, {paths.ANNOTATION: ["a/bear/00000.png"]}),
            "both must be alike",
        ),
        (
            lambda data: paths.write(
                data.answers / paths.PATHS, {paths.ANNOTATION: [f"bear/{row:05}.png" for row in range(9)]}
            ),
            "the frame there is `goat/00000`",
        ),
    ],
)
def test_broken_answers_are_the_data_sets_fault(
    change: Callable[[DataSet], None], said: str, good: Path, data: DataSet
) -> None:
    change(data)
    with pytest.raises(ChallengeError, match=said):
        scored(good, data)


def test_reading_never_touches_the_answers(good: Path, data: DataSet) -> None:
    data.answers.rename(data.root / "hidden")
    assert read(good, data).valid


def test_a_score_does_not_change_when_files_change_after_reading(good: Path, data: DataSet) -> None:
    predictions = read(good, data).predictions
    masks.write(good / "outputs/00000.png", np.zeros((48, 86), np.uint8))
    assert isinstance(predictions, DavisPredictions)
    assert score(predictions, data, SETTINGS).value == 1.0


def test_the_tables_are_those_of_the_official_program(good: Path, data: DataSet, tmp_path: Path) -> None:
    masks.write(good / "outputs/00002.png", np.zeros((48, 86), np.uint8))
    predictions = read(good, data).predictions
    score(predictions, data, replace(SETTINGS, resamples=0))
    assert isinstance(predictions, DavisPredictions)
    whole, each, every = write_artifacts(predictions, tmp_path / "tables")
    assert (whole.name, each.name) == ("global_results-val.csv", "per-sequence_results-val.csv")
    assert (
        whole.read_text()
        == "J&F-Mean,J-Mean,J-Recall,J-Decay,F-Mean,F-Recall,F-Decay\n"
        + ",".join(["0.900", "0.900", "0.900", "0.000", "0.900", "0.900", "0.000"])
        + "\n"
    )
    assert each.read_text() == "Sequence,J-Mean,F-Mean\nbear_1,0.800,0.800\ngoat_1,1.000,1.000\n"
    lines = list(csv.DictReader(every.read_text().splitlines()))
    assert [float(line["J"]) for line in lines] == [1, 1, 0, 1, 1, 1, 1, 1, 1]
    assert [float(line["contest_iou"]) for line in lines] == [1, 1, 0, 1, 1, 1, 1, 1, -1]
    assert lines[2]["sequence"] == "bear"
    assert lines[2]["frame"] == "00002"


def test_a_clip_of_two_frames_has_no_inner_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CLIPS, "goat", (2, 40, 60))
    data = make(tmp_path / "data")
    (tmp_path / "good").mkdir()
    write_perfect(data, tmp_path / "good")
    result = scored(tmp_path / "good", data)
    inner = result.measure("J mean, inner frames")
    assert inner is not None
    assert inner.interval is not None
    assert inner.interval.unit == "1 clip"
    assert not any(math.isnan(each.value) for each in result.measures if each.value is not None)


@pytest.mark.skipif(not VALUES.is_dir(), reason="the official reference values are not here")
@pytest.mark.parametrize("form", ["tree", "contest"])
def test_a_published_method_has_its_official_numbers(form: str, tmp_path: Path) -> None:
    data, result, names = DataSet(tmp_path / "data"), tmp_path / "result", []
    for path in sorted((VALUES / "masks/osvos/judo").iterdir()):
        names.append(f"judo/{path.stem}")
        found = masks.read(VALUES / "masks/rvos/judo" / path.name, kinds=tuple(masks.MaskKind)).levels_HW
        assert found is not None
        target = f"{names[-1]}.png" if form == "tree" else f"outputs/{len(names) - 1:05}.png"
        for folder in (data.answers / "judo", data.inputs / "judo", (result / target).parent):
            folder.mkdir(parents=True, exist_ok=True)
        (data.answers / "judo" / path.name).write_bytes(path.read_bytes())
        if form == "tree":
            masks.write(result / target, found, palette=True)
        else:
            masks.write(result / target, np.where(found > 0, np.uint8(200), np.uint8(100)))
    Image.new("L", (854, 480)).save(data.inputs / "judo/00000.jpg")
    paths.write(data.inputs / paths.PATHS, {paths.RAW: [f"{name}.jpg" for name in names]})
    paths.write(data.answers / paths.PATHS, {paths.ANNOTATION: [f"{name}.png" for name in names]})
    write_metadata(result / METADATA, Metadata(parameters=5))
    if form == "contest":
        outputs = [f"outputs/{row:05}.png" for row in range(len(names))]
        paths.write(result / paths.PATHS, {paths.OUTPUT: outputs})
    judged = scored(result, data)
    table = csv.DictReader((VALUES / "davis_reference_values.csv").read_text().splitlines())
    row = next(each for each in table if each["sequence"] == "judo")
    assert judged.value == pytest.approx(float(row["contest_iou_mean"]), abs=1e-12)
    for tail, column in ((", all frames", ""), (", inner frames", "_inner")):
        assert value(judged, f"J&F{tail}") == pytest.approx(float(row[f"JF_mean{column}"]), abs=1e-12)
        for letter in "JF":
            for part in ("mean", "recall", "decay"):
                expected = float(row[f"{letter}_{part}{column}"])
                assert value(judged, f"{letter} {part}{tail}") == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        (METADATA, f'{{"nparams": 1, "nflops": {10**400}}}', "a number from 0 to 1e+18 is needed"),
        (METADATA, '{"nparams": 1, "nflops": 1e309}', "`nflops` is `inf`"),
        (METADATA, '{"nparams\\ud800": 1}', "the key `nparams` is missing"),
        (METADATA, '{"nparam\\u001b": 1}', "the key `nparams` is missing"),
        (paths.PATHS, '{"output\\ud800": {}}', "the key `output` is missing"),
        (paths.PATHS, '{"x\\u001b[31m": {}}', "the key `output` is missing"),
    ],
)
def test_what_a_stranger_wrote_reaches_no_report_unread(
    good: Path, data: DataSet, name: str, text: str, match: str
) -> None:
    (good / name).write_text(text)
    found = [str(each) for each in read(good, data).problems]
    assert any(match in each for each in found)
    assert all(each.isprintable() and len(each) < 400 for each in found)


def test_a_table_of_many_strange_keys_is_not_repeated(good: Path, data: DataSet) -> None:
    (good / paths.PATHS).write_text(json.dumps({f"key{number}": {} for number in range(5_000)}))
    [problem] = [each for each in read(good, data).problems if each.severity is Severity.ERROR]
    assert len(str(problem)) < 400


def test_folders_of_a_tree_with_names_that_cannot_be_written_are_named_safely(data: DataSet, tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    folder.mkdir()
    write_tree(data, folder)
    (folder / "x\x1b[31m").mkdir()
    os.mkdir(os.fsencode(folder) + b"/y\xff")  # noqa: PTH102 - a name that is no text
    found = [str(each) for each in read(folder, data).problems]
    assert any("no clip is called `x\\x1b[31m`" in each for each in found)
    assert all(each.isprintable() for each in found)


def test_a_pipe_in_the_place_of_a_frame_is_refused_and_not_waited_for(data: DataSet) -> None:
    path = data.inputs / layout.IMAGES / "bear/00000.jpg"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ChallengeError, match="no plain file"):
        layout.judged_sequences(data)
