"""Where vocabulary and shards are found, and the classes of a vocabulary."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from podium.errors import ChallengeError, UsageError
from podium.solutions.segment_classification.classes import Classes
from podium.solutions.segment_classification.material import find, shards_in

HEADER = "Index,KnowledgeGraphId,Name,PositiveSegmentCount,TotalSegmentCount\n"


def lay(root: Path, *parts: str) -> None:
    for part in parts:
        path = root / part
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def names(shards: tuple[Path, ...], root: Path) -> list[str]:
    return [str(each.relative_to(root)) for each in shards]


def test_a_podium_data_set_has_what_is_public_and_the_inputs(tmp_path: Path) -> None:
    lay(tmp_path, "public/segment_vocabulary.csv", "inputs/segment_vocabulary.csv")
    lay(tmp_path, "public/segment/train/b.tfrecord", "public/segment/train/a.tfrecord")
    lay(tmp_path, "public/video/train/c.tfrecord", "public/video/valid/d.tfrecord", "inputs/segment/test/e.tfrecord")
    found = find(tmp_path)
    assert found.vocabulary == tmp_path / "public/segment_vocabulary.csv"
    assert names(found.segment_train, tmp_path) == [
        "public/segment/train/a.tfrecord",
        "public/segment/train/b.tfrecord",
    ]
    assert names(found.video_train, tmp_path) == ["public/video/train/c.tfrecord"]
    assert names(found.video_valid, tmp_path) == ["public/video/valid/d.tfrecord"]
    assert names(found.segment_test, tmp_path) == ["inputs/segment/test/e.tfrecord"]


def test_the_seventh_places_folder_has_all_in_one(tmp_path: Path) -> None:
    lay(tmp_path, "segment_vocabulary.csv", "segment/test/a.tfrecord", "video/train/train_file_list.txt")
    lay(tmp_path, "segment/train/a.tfrecord.part", "segment/train/deeper/b.tfrecord")
    found = find(tmp_path)
    assert found.vocabulary == tmp_path / "segment_vocabulary.csv"
    assert names(found.segment_test, tmp_path) == ["segment/test/a.tfrecord"]
    assert found.segment_train == found.video_train == found.video_valid == ()


def test_the_inputs_of_a_run_are_enough(tmp_path: Path) -> None:
    lay(tmp_path, "inputs/segment_vocabulary.csv", "inputs/segment/test/a.tfrecord")
    assert find(tmp_path) == find(tmp_path / "inputs")


def test_hidden_files_beside_shards_are_none(tmp_path: Path) -> None:
    for name in ("a.tfrecord", "._a.tfrecord"):
        (tmp_path / name).touch()
    assert shards_in(tmp_path) == (tmp_path / "a.tfrecord",)


def test_a_folder_without_a_vocabulary_is_refused(tmp_path: Path) -> None:
    lay(tmp_path, "segment/test/a.tfrecord")
    with pytest.raises(UsageError, match=r"it has none of `segment_vocabulary.csv`"):
        find(tmp_path)
    with pytest.raises(UsageError, match="there is no folder"):
        find(tmp_path / "none")


def test_classes_keep_the_order_of_the_vocabulary(tmp_path: Path) -> None:
    path = tmp_path / "segment_vocabulary.csv"
    path.write_text(HEADER + '7,/m/1,"Dogs, all",3,9\n3,/m/2,,1,2\n')
    classes = Classes.read(path)
    assert classes.indices_C.tolist() == [7, 3]
    assert classes.names == ("Dogs, all", "")
    assert classes.rows == {7: 0, 3: 1}
    assert classes.rows_of(np.array([3, 8, 7, 0])).tolist() == [1, -1, 0, -1]


def test_classes_that_are_written_are_read_the_same(tmp_path: Path) -> None:
    classes = Classes(indices_C=np.array([9, 2, 5]), names=('a "b", c', "", "Zürich"))
    classes.write(tmp_path / "deep" / "classes.csv")
    again = Classes.read(tmp_path / "deep" / "classes.csv")
    assert again == classes
    assert hash(again) == hash(classes)
    assert pickle.loads(pickle.dumps(classes)) == classes
    assert again != Classes(indices_C=np.array([9, 2, 5]), names=("", "", ""))
    assert again != Classes(indices_C=np.array([9, 5, 2]), names=classes.names)


def test_classes_cannot_be_changed() -> None:
    given = np.array([9, 2])
    classes = Classes(indices_C=given, names=("", ""))
    with pytest.raises(ValueError, match="read-only"):
        classes.indices_C[0] = 1
    given[0] = 1
    assert classes.indices_C.tolist() == [9, 2]


@pytest.mark.parametrize(("indices", "count"), [([1, 1], 2), ([1, 2], 1), ([], 0), ([-1], 1), ([[1]], 1)])
def test_classes_that_cannot_be_are_refused(indices: list[int], count: int) -> None:
    with pytest.raises(UsageError):
        Classes(indices_C=np.array(indices, dtype=np.int64), names=("",) * count)


@pytest.mark.parametrize("text", ["", HEADER, HEADER + "x,,,1,1\n", HEADER + "3,,,1,1\n3,,,1,1\n", "Name\na\n"])
def test_a_broken_vocabulary_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "segment_vocabulary.csv"
    path.write_text(text)
    with pytest.raises(ChallengeError, match=r"segment_vocabulary\.csv"):
        Classes.read(path)


def test_a_missing_vocabulary_is_a_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no vocabulary"):
        Classes.read(tmp_path / "none.csv")
