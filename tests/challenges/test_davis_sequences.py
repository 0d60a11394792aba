"""What a page is told of each clip: values as judged, masks as read, and nothing judged twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from podium.challenges.davis import judging, layout, paths
from podium.challenges.davis.metadata import METADATA, Metadata, write_metadata
from podium.challenges.davis.predictions import DavisPredictions, read_predictions
from podium.challenges.davis.samples import write_perfect
from podium.challenges.davis.scoring import score
from podium.challenges.davis.sequences import sequences
from podium.errors import ChallengeError
from podium.formats import masks
from podium.types import DataSet, Phase, ScoreSettings

PHASE = Phase(name="1", summary="", code_required=True)
CLIPS = {"bear": (4, 40, 60), "goat": (3, 48, 86)}


def square(height: int, width: int, *, left: int) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    mask[10:20, left : left + 10] = True
    return mask


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    """Two clips of a square that wanders; the last frame of the second shows nothing."""
    made = DataSet(tmp_path / "data")
    raw, annotation = [], []
    for clip, (count, height, width) in CLIPS.items():
        for at in range(count):
            raw.append(f"{layout.IMAGES}/{clip}/{at:05}.jpg")
            annotation.append(f"{layout.ANNOTATIONS}/{clip}/{at:05}.png")
            for place in (made.inputs / raw[-1], made.answers / annotation[-1]):
                place.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (width, height)).save(made.inputs / raw[-1])
            shown = square(height, width, left=5 + at) & (clip == "bear" or at < count - 1)
            masks.write(made.answers / annotation[-1], shown.astype(np.uint8) * 255)
    paths.write(made.inputs / paths.PATHS, {paths.RAW: raw})
    paths.write(made.answers / paths.PATHS, {paths.ANNOTATION: annotation})
    return made


@pytest.fixture
def result(data: DataSet, tmp_path: Path) -> Path:
    """As the answers, but frame 1 of `bear` is 5 columns off, frame 2 has no mask."""
    folder = tmp_path / "result"
    write_perfect(data, folder)
    shifted = square(40, 60, left=11)
    masks.write(folder / "outputs/00001.png", shifted.astype(np.uint8) * 255)
    names: list[str | None] = [f"outputs/{row:05}.png" for row in range(7)]
    names[2] = None
    paths.write(folder / paths.PATHS, {paths.OUTPUT: names})  # type: ignore[dict-item]
    write_metadata(folder / METADATA, Metadata(parameters=0))
    return folder


def predictions(folder: Path, data: DataSet, *, parity: bool = False) -> DavisPredictions:
    reading = read_predictions(folder, data, phase=PHASE, parity=parity)
    assert reading.predictions is not None, reading.problems
    return reading.predictions


def test_each_clip_has_its_frames_and_their_values(result: Path, data: DataSet) -> None:
    bear, goat = sequences(predictions(result, data), data)
    assert (bear.item, goat.item, bear.measures, bear.frames_per_second) == ("bear", "goat", ("IoU", "J", "F"), 24.0)
    assert [each.name for each in bear.frames] == ["00000", "00001", "00002", "00003"]
    assert bear.frames[1].path == "inputs/JPEGImages/480p/bear/00001.jpg"
    assert (data.root / bear.frames[1].path).is_file()
    # 10 x 10 squares, 5 columns apart: 50 of 150 pixels
    assert [each.values[0] for each in bear.frames] == [1.0, 1 / 3, 0.0, 1.0]
    assert [each.values[1] for each in bear.frames] == [1.0, 1 / 3, 0.0, 1.0]
    assert bear.frames[0].values[2] == 1.0
    assert 0.0 < bear.frames[1].values[2] < 1.0  # type: ignore[operator]
    assert bear.value == pytest.approx((1 + 1 / 3 + 0 + 1) / 4)


def test_a_frame_that_is_empty_in_both_has_no_iou(result: Path, data: DataSet) -> None:
    _, goat = sequences(predictions(result, data), data)
    assert goat.frames[2].values == (None, 1.0, 1.0)
    assert goat.value == 1.0


def test_the_values_of_clips_are_those_of_the_score(result: Path, data: DataSet) -> None:
    read = predictions(result, data)
    judged = score(read, data, ScoreSettings(resamples=0))
    assert {each.item: each.value for each in judged.per_item} == {
        each.item: each.value for each in sequences(read, data)
    }


def test_masks_come_when_asked_for(result: Path, data: DataSet) -> None:
    bear, goat = sequences(predictions(result, data), data)
    pair = bear.masks(1)
    np.testing.assert_array_equal(pair.truth_HW, square(40, 60, left=6))
    np.testing.assert_array_equal(pair.prediction_HW, square(40, 60, left=11))
    assert bear.masks(2).prediction_HW is None
    assert goat.masks(0).truth_HW.shape == (48, 86)
    assert goat.masks(2).truth_HW.sum() == 0


def test_what_was_scored_is_not_judged_again(result: Path, data: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    from podium.challenges.davis import sequences as module

    calls: list[bool] = []

    def counting(*given: object, parity: bool) -> judging.Judged:
        calls.append(parity)
        return judging.judge(*given, parity=parity)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "judge", counting)
    scored = predictions(result, data)
    score(scored, data, ScoreSettings(resamples=0))
    list(sequences(scored, data))
    assert calls == []
    fresh = predictions(result, data)
    first, second = list(sequences(fresh, data)), list(sequences(fresh, data))
    assert calls == [False]
    assert [each.frames for each in first] == [each.frames for each in second]


def test_with_parity_a_frame_without_a_mask_has_no_iou_but_is_worth_nothing(result: Path, data: DataSet) -> None:
    bear, _ = sequences(predictions(result, data, parity=True), data)
    assert bear.frames[2].values == (None, 0.0, 0.0)
    assert bear.value == pytest.approx((1 + 1 / 3 + 1) / 3)


def test_broken_answers_are_the_data_sets_fault(result: Path, data: DataSet) -> None:
    read = predictions(result, data)
    (data.answers / f"{layout.ANNOTATIONS}/bear/00001.png").write_bytes(b"")
    with pytest.raises(ChallengeError, match="00001"):
        list(sequences(read, data))


@pytest.mark.parametrize("videos", [True, False])
def test_the_report_of_a_run_leads_to_the_page_of_its_clips(
    result: Path, data: DataSet, tmp_path: Path, videos: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("av", reason="writing a video needs PyAV")
    import podium
    from podium.cli import call

    run = tmp_path / "run"
    run.mkdir()
    result.rename(run / "predictions")
    report = podium.score("davis", run / "predictions", data=data)
    (run / "report.json").write_text(report.to_json())
    switch = "--videos" if videos else "--no-videos"
    assert call(["report", str(run), "--data", str(data.root), "--no-open", switch]) == 0
    assert capsys.readouterr().out.strip().endswith("report.html")
    assert '<a href="sequences.html">Clips, frame by frame</a>' in (run / "report.html").read_text()
    page = (run / "sequences.html").read_text()
    assert page.index("<h2>bear</h2>") < page.index("<h2>goat</h2>")
    assert '<a href="report.html">Back to the report</a>' in page
    assert ("<video" in page) == videos
    assert (run / "overlays" / "bear.mp4").is_file() == videos


def test_a_report_without_the_data_or_the_masks_has_no_page_of_clips(
    result: Path, data: DataSet, tmp_path: Path
) -> None:
    import podium
    from podium.cli import call

    run = tmp_path / "run"
    run.mkdir()
    (run / "report.json").write_text(podium.score("davis", result, data=data).to_json())
    for more in ([], ["--data", str(data.root)]):
        assert call(["report", str(run), "--no-open", *more]) == 0
        assert "sequences.html" not in (run / "report.html").read_text()
    assert not (run / "sequences.html").exists()
