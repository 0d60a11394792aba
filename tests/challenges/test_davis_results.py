"""Writing a result for `davis`: what the contest takes for foreground is what the model does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from podium.challenges.davis import layout, paths
from podium.challenges.davis.metadata import METADATA, PARAMETER_LIMIT
from podium.challenges.davis.predictions import read_predictions
from podium.challenges.davis.results import ResultWriter, clips_in, levels
from podium.errors import ChallengeError, UsageError
from podium.formats import masks
from podium.types import DataSet, Phase

PHASE = Phase(name="1", summary="", code_required=True)
CLIPS = {"bear": (3, 20, 30), "goat": (2, 24, 18)}


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    """Two clips of black frames."""
    data, raw = DataSet(tmp_path / "data"), []
    for clip, (count, height, width) in CLIPS.items():
        for number in range(count):
            raw.append(f"{layout.IMAGES}/{clip}/{number:05}.jpg")
            (data.inputs / raw[-1]).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (width, height)).save(data.inputs / raw[-1])
    paths.write(data.inputs / paths.PATHS, {paths.RAW: raw})
    return data


def maps() -> list[np.ndarray]:
    """A probability map for each frame."""
    rng = np.random.default_rng(0)
    sizes = [(height, width) for count, height, width in CLIPS.values() for _ in range(count)]
    return [rng.random(size, np.float32) for size in sizes]


def write(folder: Path, found: list[np.ndarray]) -> Path:
    with ResultWriter(folder, parameters=1_234, operations=5e6) as result:
        for each in found:
            result.add(each)
    return folder


@given(st.floats(0, 1))
def test_from_one_half_on_is_foreground_for_the_contest_and_nothing_below(probability: float) -> None:
    for kind in (np.float64, np.float32, np.float16):
        value = kind(probability)
        level = int(levels(np.array([[value]], kind))[0, 0])
        contest = round(level / 255) == 1
        assert contest == (value >= kind(0.5))


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_the_border_is_kept_to_the_last_bit(kind: type) -> None:
    half = kind(0.5)
    around = np.array([[np.nextafter(half, kind(0)), half, np.nextafter(half, kind(1))]], kind)
    assert levels(around).tolist() == [[127, 128, 128]]
    assert masks.confidence_levels(around)[0, 1] == 127, "the contest's own writer loses one half"


def test_levels_grow_with_the_probability_over_the_whole_range() -> None:
    found = levels(np.linspace(0, 1, 100_001)[None])[0].astype(int)
    assert (np.diff(found) >= 0).all()
    assert np.unique(found).tolist() == list(range(256))
    np.testing.assert_allclose(found / 255, np.linspace(0, 1, 100_001), atol=1 / 255)


@pytest.mark.parametrize(
    "wrong",
    [
        np.array([[np.nan]]),
        np.array([[1.0001]]),
        np.array([[-0.1]]),
        np.array([[np.inf]]),
        np.array([[1]]),
        np.array([[200]], np.uint8),
        np.zeros((2, 3, 1)),
    ],
)
def test_what_is_no_probability_is_refused_with_its_row(wrong: np.ndarray, tmp_path: Path) -> None:
    result = ResultWriter(tmp_path, parameters=0)
    result.add(np.zeros((4, 4), bool))
    with pytest.raises(UsageError, match="row 1"):
        result.add(wrong)
    assert result.rows == 1


def test_a_result_is_read_back_as_the_same_masks(data: DataSet, tmp_path: Path) -> None:
    found = maps()
    reading = read_predictions(write(tmp_path / "out", found), data, phase=PHASE)
    assert not reading.problems
    predictions = reading.predictions
    assert predictions.metadata.parameters == 1_234
    assert predictions.metadata.operations == 5e6
    for sequence, frame in layout.frames_of(predictions.sequences):
        np.testing.assert_array_equal(predictions.mask(sequence, frame.row), found[frame.row] >= 0.5)


def test_boolean_masks_are_taken_as_they_are(data: DataSet, tmp_path: Path) -> None:
    found = [each >= 0.5 for each in maps()]
    predictions = read_predictions(write(tmp_path / "out", found), data, phase=PHASE).predictions
    for sequence, frame in layout.frames_of(predictions.sequences):
        np.testing.assert_array_equal(predictions.mask(sequence, frame.row), found[frame.row])


def test_the_same_maps_give_the_same_bytes(tmp_path: Path) -> None:
    one, two = write(tmp_path / "one", maps()), write(tmp_path / "two", maps())
    files = sorted(each.relative_to(one) for each in one.rglob("*") if each.is_file())
    assert len(files) == 5 + 2
    for each in files:
        assert (one / each).read_bytes() == (two / each).read_bytes()


def test_rows_are_numbered_in_the_order_in_which_they_come(tmp_path: Path) -> None:
    with ResultWriter(tmp_path, parameters=0) as result:
        for row in range(12):
            written = result.add(np.full((2, 2), row / 20))
            assert written == tmp_path / f"outputs/{row:05}.png"
            assert result.rows == row + 1
    table = json.loads((tmp_path / paths.PATHS).read_text())
    assert table == {"output": {str(row): f"outputs/{row:05}.png" for row in range(12)}}
    assert masks.read(tmp_path / "outputs/00011.png").levels_HW[0, 0] == int(256 * 11 / 20)
    assert json.loads((tmp_path / METADATA).read_text()) == {"nparams": 0}


def test_an_error_leaves_no_table_so_that_half_a_result_is_none(tmp_path: Path) -> None:
    write(tmp_path, maps())
    assert (tmp_path / paths.PATHS).exists()
    with pytest.raises(UsageError, match="row 5"):
        write(tmp_path, [*maps(), np.array([[2.0]])])
    assert not (tmp_path / paths.PATHS).exists()


def test_what_is_learned_on_the_way_can_be_told_at_the_end(tmp_path: Path) -> None:
    result = ResultWriter(tmp_path, parameters=3)
    result.add(np.zeros((2, 2)))
    result.close(operations=12.5)
    assert json.loads((tmp_path / METADATA).read_text()) == {"nparams": 3, "nflops": 12.5}
    with pytest.raises(UsageError, match="is closed"):
        result.add(np.zeros((2, 2)))


def test_a_result_without_masks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no mask"):
        ResultWriter(tmp_path, parameters=0).close()


@pytest.mark.parametrize("parameters", [-1, PARAMETER_LIMIT])
def test_a_count_that_the_contest_refuses_is_refused_before_any_work(parameters: int, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="parameters; 0 to fewer than"):
        ResultWriter(tmp_path / "out", parameters=parameters)
    assert not (tmp_path / "out").exists()


def test_the_clips_of_the_inputs_are_listed_in_the_order_of_rows(data: DataSet) -> None:
    clips = clips_in(data.inputs)
    assert [len(each) for each in clips] == [3, 2]
    assert [path for clip in clips for path in clip] == [
        data.inputs / frame.path for _, frame in layout.frames_of(layout.judged_sequences(data))
    ]
    (data.inputs / paths.PATHS).unlink()
    with pytest.raises(ChallengeError):
        clips_in(data.inputs)
