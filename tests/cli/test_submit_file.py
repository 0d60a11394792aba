"""`podium submit-file` as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from podium.challenges.yt8m_segments import layout
from podium.challenges.yt8m_segments.builder import Eligibility, Segments, eligible_segments, write_submission
from podium.challenges.yt8m_segments.vocabulary import Vocabulary, write_vocabulary
from podium.cli import call
from podium.formats import datasets
from podium.formats.tfrecord import encode_frame_record, write_shard
from podium.solutions.segment_classification.score_files import Origin, ScoreWriter, windows_digest

CLASSES = np.array([7, 3, 1831])
VIDEOS = layout.Videos(ids=np.array(["abcd", "e", "wxyz"]), frames=np.array([60, 41, 52]))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    made = datasets.start(tmp_path / "data")
    names = ("", "", "")
    write_vocabulary(
        made.inputs / layout.VOCABULARY,
        Vocabulary(
            indices=CLASSES, knowledge_graph_ids=names, names=names, positive_segments=CLASSES, rated_segments=CLASSES
        ),
    )
    layout.write_videos(made.inputs / layout.VIDEOS, VIDEOS)
    return made.root


def scores(*, models: int = 2, rule: Eligibility | None = None) -> list[np.ndarray]:
    count = len(eligible_segments(VIDEOS, rule).video)
    rng = np.random.default_rng(0)
    return [rng.random((3, count)).astype(np.float16) for _ in range(models)]


@pytest.fixture
def predicted(tmp_path: Path) -> Path:
    """What `podium predict` leaves of two networks."""
    folder = tmp_path / "predicted"
    (folder / "predictions").mkdir(parents=True)
    for number, each in enumerate(scores()):
        np.save(folder / "predictions" / f"net{number}.npy", each)
        (folder / "predictions" / f"net{number}.json").write_text("{}")
    return folder


def expected(tmp_path: Path, *, cap: int = 100_000, classes: np.ndarray = CLASSES) -> bytes:
    write_submission(tmp_path / "expected.csv", scores(), eligible_segments(VIDEOS), classes, cap=cap)
    return (tmp_path / "expected.csv").read_bytes()


def test_a_folder_and_its_files_give_the_file_of_the_builder(data: Path, predicted: Path, tmp_path: Path) -> None:
    one, two, three = (tmp_path / "out" / f"{number}.csv" for number in range(3))
    files = sorted(str(path) for path in (predicted / "predictions").glob("*.npy"))
    assert call(["submit-file", str(predicted), "--data", str(data), "-o", str(one)]) == 0
    assert call(["submit-file", str(predicted / "predictions"), "--data", str(data), "-o", str(two)]) == 0
    assert call(["submit-file", *files, "--data", str(data), "-o", str(three)]) == 0
    assert one.read_bytes() == two.read_bytes() == three.read_bytes() == expected(tmp_path)


def test_the_validator_takes_the_file(data: Path, predicted: Path, tmp_path: Path) -> None:
    out = tmp_path / "sub.csv"
    assert call(["submit-file", str(predicted), "--data", str(data), "-o", str(out)]) == 0
    assert call(["validate", "yt8m-segments", str(out), "--data", str(data)]) == 0


def test_the_cap_and_what_was_made_are_told(
    data: Path, predicted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sub.csv"
    asked = ["submit-file", str(predicted), "--data", str(data), "-o", str(out), "--cap", "2", "--json"]
    assert call(asked) == 0
    assert out.read_bytes() == expected(tmp_path, cap=2)
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert (told["file"], len(told["models"]), told["classes"], told["segments"]) == (str(out), 2, 3, 8)
    assert "by the predictions of 2 models" in captured.err


def test_other_slots_are_those_that_were_predicted(data: Path, tmp_path: Path) -> None:
    rule = Eligibility(first=0, last=0)
    (every,) = scores(models=1, rule=rule)
    np.save(tmp_path / "all.npy", every)
    asked = ["submit-file", str(tmp_path / "all.npy"), "--data", str(data), "-o", str(tmp_path / "sub.csv")]
    assert call(asked) == 2
    assert call([*asked, "--first", "0", "--last", "0"]) == 0
    lines = (tmp_path / "sub.csv").read_text().splitlines()
    assert len(lines[1].split(" ")) == 12 + 9 + 11


def test_a_table_of_classes_beside_the_predictions_gives_their_order(
    data: Path, predicted: Path, tmp_path: Path
) -> None:
    asked = ["submit-file", str(predicted), "--data", str(data), "-o", str(tmp_path / "sub.csv"), "--force"]
    (predicted / "classes.csv").write_text("Index,Name\n1831,a\n7,b\n3,c\n")
    assert call(asked) == 0
    assert (tmp_path / "sub.csv").read_bytes() == expected(tmp_path, classes=np.array([1831, 7, 3]))
    files = sorted(str(path) for path in (predicted / "predictions").glob("*.npy"))
    assert call(["submit-file", *files, *asked[2:]]) == 0
    assert (tmp_path / "sub.csv").read_bytes() == expected(tmp_path, classes=np.array([1831, 7, 3]))
    (tmp_path / "other.csv").write_text("Index\n3\n7\n1831\n")
    assert call([*asked, "--classes", str(tmp_path / "other.csv")]) == 0
    assert (tmp_path / "sub.csv").read_bytes() == expected(tmp_path, classes=np.array([3, 7, 1831]))


def test_the_folder_of_the_7th_place_needs_no_table_of_videos(data: Path, predicted: Path, tmp_path: Path) -> None:
    """Step 4 of its instructions: the metadata comes from the shards where no `videos.csv` has them."""
    root = tmp_path / "repository" / "data"
    (root / "segment/test").mkdir(parents=True)
    (root / "segment_vocabulary.csv").write_bytes((data / "inputs/segment_vocabulary.csv").read_bytes())
    payloads = [
        encode_frame_record(
            video_id=each,
            labels=[],
            rgb_TC=np.zeros((frames, 1024), dtype=np.uint8),
            audio_TC=np.zeros((frames, 128), dtype=np.uint8),
        )
        for each, frames in zip(VIDEOS.ids.tolist(), VIDEOS.frames.tolist(), strict=True)
    ]
    write_shard(root / "segment/test/test00.tfrecord", payloads[:2])
    write_shard(root / "segment/test/test01.tfrecord", payloads[2:])
    out = tmp_path / "sub.csv"
    assert call(["submit-file", str(predicted), "--data", str(root), "-o", str(out)]) == 0
    assert out.read_bytes() == expected(tmp_path)
    shard = root / "segment/test/test01.tfrecord"
    shard.write_bytes(shard.read_bytes()[:-1])
    assert call(["submit-file", str(predicted), "--data", str(root), "-o", str(out), "--force"]) == 3


def test_a_file_that_is_there_is_overwritten_only_when_asked(
    data: Path, predicted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sub.csv"
    out.write_text("mine")
    asked = ["submit-file", str(predicted), "--data", str(data), "-o", str(out)]
    assert call(asked) == 2
    assert "`--force`" in capsys.readouterr().err
    assert out.read_text() == "mine"
    assert call([*asked, "--force"]) == 0
    assert out.read_bytes() == expected(tmp_path)


def _partial(folder: Path) -> None:
    (folder / "predictions" / "net1.npy").rename(folder / "predictions" / "net1.npy.partial")


def _narrow(folder: Path) -> None:
    np.save(folder / "predictions" / "net1.npy", np.zeros((3, 7), np.float16))


def _no_array(folder: Path) -> None:
    (folder / "predictions" / "net1.npy").write_bytes(b"nothing")


def _none(folder: Path) -> None:
    for path in (folder / "predictions").iterdir():
        path.unlink()


def _strange(folder: Path) -> None:
    (folder / "classes.csv").write_text("Index\n7\n3\n5\n")


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (_partial, "is not finished; `podium predict --resume`"),
        (_narrow, "has the shape `(3, 7)`; `3` classes by `8` segments"),
        (_no_array, "are no whole array of numbers"),
        (_none, "holds no predictions"),
        (_strange, "names class `5`, which is not in the vocabulary"),
    ],
)
def test_predictions_that_do_not_fit_are_refused(
    data: Path, predicted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil: object, text: str
) -> None:
    assert callable(spoil)
    spoil(predicted)
    assert call(["submit-file", str(predicted), "--data", str(data), "-o", str(tmp_path / "sub.csv")]) == 2
    assert text in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "sub.csv").exists()


def test_the_same_predictions_named_twice_are_refused(
    data: Path, predicted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = str(predicted / "predictions" / "net0.npy")
    assert call(["submit-file", str(predicted), one, "--data", str(data), "-o", str(tmp_path / "sub.csv")]) == 2
    assert "each would count double" in capsys.readouterr().err


def test_a_folder_that_is_no_data_is_refused(
    predicted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert call(["submit-file", str(predicted), "--data", str(tmp_path / "empty")]) == 2
    assert "is no data of yt8m-segments" in capsys.readouterr().err


def written(folder: Path, segments: Segments) -> Path:
    """Predictions as a writer leaves them, with the file that says what they are of."""
    (folder / "predictions").mkdir(parents=True)
    origin = Origin(
        model="m", data="d", settings="s", windows=windows_digest(segments.ids, segments.video, segments.start_seconds)
    )
    shape = (3, len(segments.video))
    writer = ScoreWriter(
        folder / "predictions", "net", shape=shape, dtype=np.dtype(np.float16), origin=origin, resume=False
    )
    writer.write(np.random.default_rng(1).random(shape).astype(np.float16))
    writer.finish()
    return folder


def test_as_many_but_other_segments_than_were_predicted_are_refused(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = written(tmp_path / "made", eligible_segments(VIDEOS))
    asked = ["submit-file", str(made), "--data", str(data), "-o", str(tmp_path / "sub.csv")]
    assert call([*asked, "--first", "5", "--last", "3"]) == 2
    assert "net.npy` is of other segments, though of as many" in capsys.readouterr().err
    assert not (tmp_path / "sub.csv").exists()
    assert call(asked) == 0


def test_the_videos_that_a_prediction_walked_over_are_those_that_are_ranked(data: Path, tmp_path: Path) -> None:
    fewer = layout.Videos(ids=VIDEOS.ids[[0, 2]], frames=VIDEOS.frames[[0, 2]])
    made = written(tmp_path / "made", eligible_segments(fewer))
    layout.write_videos(made / layout.VIDEOS, fewer)
    out = tmp_path / "sub.csv"
    assert call(["submit-file", str(made), "--data", str(data), "-o", str(out)]) == 0
    assert call(["validate", "yt8m-segments", str(out), "--data", str(data)]) == 0
    assert b"e:" not in out.read_bytes()


@pytest.mark.parametrize("content", [b"", b"Index,Name", b"\x93NUMPY\x01\x00"])
def test_a_file_that_is_no_array_is_told_of_and_does_not_look_like_an_interruption(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    (tmp_path / "net.npy").write_bytes(content)
    asked = ["submit-file", str(tmp_path / "net.npy"), "--data", str(data), "-o", str(tmp_path / "sub.csv")]
    assert call(asked) == 2
    assert "net.npy` are no whole array of numbers" in capsys.readouterr().err
