"""`podium predict` as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("yaml")

import torch

from podium.challenges.yt8m_segments import layout
from podium.challenges.yt8m_segments.layout import Videos
from podium.challenges.yt8m_segments.predictions import read_predictions
from podium.challenges.yt8m_segments.vocabulary import Vocabulary, write_vocabulary
from podium.cli import call
from podium.formats.tfrecord import encode_frame_record, write_shard
from podium.solutions.segment_classification import network as networks
from podium.solutions.segment_classification.classes import Classes
from podium.solutions.segment_classification.encoders import EncoderSettings
from podium.solutions.segment_classification.model import Member, Model
from podium.solutions.segment_classification.network import NetworkSettings
from podium.types import DataSet, Phase

INDICES = np.array([1831, 3, 7])
LENGTHS = {"abcd": 61, "b-_0": 38, "cccc": 90, "dddd": 44}
ELIGIBLE = {"abcd": 5, "cccc": 10, "dddd": 1}
"""Slots without the first six and the last two."""


def write_shards(folder: Path) -> None:
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    payloads = [
        encode_frame_record(
            video_id=video,
            labels=[],
            rgb_TC=rng.integers(0, 256, (length, 1024), np.uint8),
            audio_TC=rng.integers(0, 256, (length, 128), np.uint8),
        )
        for video, length in LENGTHS.items()
    ]
    write_shard(folder / "test0000.tfrecord", payloads[:1])
    write_shard(folder / "test0001.tfrecord", payloads[1:])


def write_classes(path: Path, indices: np.ndarray = INDICES) -> None:
    names = ("",) * len(indices)
    vocabulary = Vocabulary(
        indices=indices, knowledge_graph_ids=names, names=names, positive_segments=indices, rated_segments=indices
    )
    write_vocabulary(path, vocabulary)


def write_model(folder: Path, *, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    small = EncoderSettings(kind="mean-pool", features=8)
    network = networks.build(NetworkSettings(classes=3, encoder=small, context=small, fusion_features=8)).eval()
    classes = Classes(indices_C=INDICES, names=("", "", ""))
    Model(members=(Member(name="net", network=network),), classes=classes).save(folder)
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data set in Podium's layout."""
    found = DataSet(tmp_path / "data")
    write_shards(found.inputs / layout.SEGMENT_TEST)
    write_classes(found.inputs / layout.VOCABULARY)
    lengths = np.array(list(LENGTHS.values()))
    layout.write_videos(found.inputs / layout.VIDEOS, Videos(ids=np.array(list(LENGTHS)), frames=lengths))
    return found.root


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "runs" / "first" / "model_assets")


def entries(path: Path) -> dict[int, list[str]]:
    header, *lines = path.read_text().splitlines()
    assert header == "Class,Segments"
    return {int(line.split(",")[0]): line.split(",")[1].split(" ") for line in lines}


def test_one_command_makes_a_valid_submission(
    data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert call(["predict", str(model), "--data", str(data), "--out", str(out), "--json"]) == 0
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert told["segments"] == 16
    assert told["submission"] == str(out / "sub.csv")
    assert call(["submit-file", str(out), "--data", str(data), "-o", str(tmp_path / "again.csv")]) == 0
    assert (tmp_path / "again.csv").read_bytes() == (out / "sub.csv").read_bytes()
    assert "predicting 16 segments of 4 videos with 1 network" in captured.err
    scores = np.load(out / "predictions" / "first.npy")
    assert scores.shape == (3, 16)
    reading = read_predictions(out, DataSet(data), phase=Phase(name="1", summary="", code_required=True))
    assert reading.valid, reading.problems
    names = [f"{video}:{30 + 5 * slot}" for video, slots in ELIGIBLE.items() for slot in range(slots)]
    found = entries(out / "sub.csv")
    assert list(found) == INDICES.tolist()
    for row, index in enumerate(INDICES.tolist()):
        assert sorted(found[index]) == sorted(names)
        ranked = [float(scores[row][names.index(each)]) for each in found[index]]
        assert ranked == sorted(ranked, reverse=True)


def test_a_folder_as_the_seed_has_it_gives_the_same_submission(data: Path, model: Path, tmp_path: Path) -> None:
    assert call(["predict", str(model), "--data", str(data), "--out", str(tmp_path / "known")]) == 0
    (data / "inputs" / layout.VIDEOS).unlink()
    out = tmp_path / "walked"
    # The folder of a training is as good as that of its model.
    assert call(["predict", str(model.parent), "--data", str(data / "inputs"), "--out", str(out)]) == 0
    assert (out / "sub.csv").read_bytes() == (tmp_path / "known" / "sub.csv").read_bytes()
    walked = layout.read_videos(out / layout.VIDEOS)
    assert dict(zip(walked.ids.tolist(), walked.frames.tolist(), strict=True)) == LENGTHS


def test_all_slots_of_any_shards_without_a_submission(data: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shards = str(data / "inputs" / layout.SEGMENT_TEST)
    options = ["--first", "0", "--last", "0", "--no-submission", "--numbers", "int16"]
    assert call(["predict", str(model), "--shards", shards, "--out", str(out), *options]) == 0
    scores = np.load(out / "predictions" / "first.npy")
    assert scores.shape == (3, 13 + 8 + 18 + 9)
    assert scores.dtype == np.int16
    assert not (out / "sub.csv").exists()


def test_several_models_are_averaged(data: Path, model: Path, tmp_path: Path) -> None:
    other = write_model(tmp_path / "runs" / "second" / "model_assets", seed=1)
    out = tmp_path / "both"
    assert call(["predict", str(model.parent), str(other), "--data", str(data), "--out", str(out)]) == 0
    first, second = (np.load(out / "predictions" / f"{name}.npy").astype(np.float32) for name in ("first", "second"))
    assert (first != second).any()
    assert call(["predict", str(model), "--data", str(data), "--out", str(tmp_path / "one")]) == 0
    assert np.array_equal(np.load(tmp_path / "one" / "predictions" / "first.npy"), first.astype(np.float16))
    names = [f"{video}:{30 + 5 * slot}" for video, slots in ELIGIBLE.items() for slot in range(slots)]
    for row, index in enumerate(INDICES.tolist()):
        ranked = [float((first + second)[row][names.index(each)]) for each in entries(out / "sub.csv")[index]]
        assert ranked == sorted(ranked, reverse=True)


def test_going_on_needs_to_be_asked_for(
    data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["predict", str(model), "--data", str(data), "--out", str(tmp_path / "out")]
    assert call(arguments) == 0
    before = (tmp_path / "out" / "sub.csv").read_bytes()
    assert call(arguments) == 2
    assert "go on with `--resume`" in capsys.readouterr().err
    assert call([*arguments, "--resume"]) == 0
    assert (tmp_path / "out" / "sub.csv").read_bytes() == before
    other = write_model(tmp_path / "runs" / "first" / "model_assets", seed=1)
    assert call(["predict", str(other), *arguments[2:], "--resume"]) == 2
    assert "predictions from another model" in capsys.readouterr().err


def test_damaged_shards_are_refused_or_left_out(
    data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = data / "inputs" / layout.SEGMENT_TEST / "test0001.tfrecord"
    whole = bytearray(path.read_bytes())
    whole[-100] ^= 1
    path.write_bytes(whole)
    arguments = ["predict", str(model), "--data", str(data), "--out"]
    assert call([*arguments, str(tmp_path / "listed")]) == 3
    assert "videos are in no shard, such as `dddd`" in capsys.readouterr().err.replace("\n", " ")
    assert call([*arguments, str(tmp_path / "skipped"), "--skip-damaged"]) == 0
    told = capsys.readouterr().err
    assert "test0001.tfrecord byte" in told
    assert np.load(tmp_path / "skipped" / "predictions" / "first.npy").shape == (3, 15)
    (data / "inputs" / layout.VIDEOS).unlink()
    assert call([*arguments, str(tmp_path / "walked")]) == 3
    told = capsys.readouterr().err
    assert "test0001.tfrecord byte" in told
    assert "`--skip-damaged` leaves out what cannot be read" in told


def test_wrong_use_is_told(data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fails(*arguments: object) -> str:
        assert call(["predict", *map(str, arguments), "--out", str(tmp_path / "out")]) == 2
        return capsys.readouterr().err.replace("\n", " ")

    assert "`--data DIR` or `--shards FOLDER` is needed" in fails(model)
    assert "holds no model" in fails(tmp_path, "--data", data)
    assert "two models would be called `first`" in fails(model, model.parent, "--data", data)
    assert "did you mean `cuda`" in fails(model, "--data", data, "--device", "cud")
    assert "did you mean `float16`" in fails(model, "--data", data, "--numbers", "float61")
    (tmp_path / "empty").mkdir()
    assert "holds no shards to predict" in fails(model, "--shards", tmp_path / "empty")
    write_classes(data / "inputs" / layout.VOCABULARY, np.array([1831, 3, 8]))
    assert "differ in `2`; only the model knows `7`" in fails(model, "--data", data)
    assert not list((tmp_path / "out").rglob("*.npy"))


def test_taking_all_slots_away_is_told_and_leaves_nothing(
    data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    asked = ["predict", str(model), "--data", str(data), "--out", str(out)]
    assert call([*asked, "--first", "100"]) == 2
    assert "no slot is left of `4` videos" in capsys.readouterr().err
    assert call(asked) == 0


def test_what_was_walked_over_before_anything_was_predicted_is_walked_over_again(
    data: Path, model: Path, tmp_path: Path
) -> None:
    (data / "inputs" / layout.VIDEOS).unlink()
    out = tmp_path / "out"
    out.mkdir()
    layout.write_videos(out / layout.VIDEOS, Videos(ids=np.array(["abcd"]), frames=np.array([61])))
    assert call(["predict", str(model), "--data", str(data), "--out", str(out), "--resume"]) == 0
    assert layout.read_videos(out / layout.VIDEOS).ids.tolist() == list(LENGTHS)


def test_a_video_that_is_in_two_shards_is_named_and_nothing_is_written(
    data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "inputs" / layout.VIDEOS).unlink()
    folder = data / "inputs" / layout.SEGMENT_TEST
    (folder / "test0002.tfrecord").write_bytes((folder / "test0000.tfrecord").read_bytes())
    out = tmp_path / "out"
    for more in ([], ["--skip-damaged"]):
        assert call(["predict", str(model), "--data", str(data), "--out", str(out), *more]) == 3
        assert "the shards hold the video `abcd` twice" in capsys.readouterr().err
    assert list(out.iterdir()) == []


def test_shards_without_a_video_are_told_of_and_nothing_is_written(
    data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "shards").mkdir()
    write_shard(tmp_path / "shards" / "a.tfrecord", [])
    out = tmp_path / "out"
    asked = ["predict", str(model), "--shards", str(tmp_path / "shards"), "--out", str(out), "--skip-damaged"]
    assert call(asked) == 3
    assert "no shard holds a video that can be predicted" in capsys.readouterr().err
    assert list(out.iterdir()) == []


def test_damage_is_named_by_the_file_alone_where_shards_lie_in_no_folder_of_a_set(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_shards(tmp_path / "shards")
    path = tmp_path / "shards" / "test0000.tfrecord"
    path.write_bytes(path.read_bytes()[:-9])
    asked = ["predict", str(model), "--shards", str(tmp_path / "shards"), "--out", str(tmp_path / "out")]
    assert call(asked) == 3
    assert "error test0000.tfrecord byte 0" in capsys.readouterr().err
