"""Masks as people keep them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("cv2")

from podium.errors import UsageError
from podium.formats import masks
from podium.solutions.object_segmentation.truth import read_picture, read_truth, shrink_truth


def grey(path: Path, levels: list[list[int]]) -> Path:
    Image.fromarray(np.array(levels, dtype=np.uint8)).save(path)
    return path


def test_any_object_of_a_palette_file_is_the_object_and_255_is_unknown(tmp_path: Path) -> None:
    masks.write(tmp_path / "a.png", np.array([[0, 1, 7, 255]], dtype=np.uint8), palette=True)
    assert read_truth(tmp_path / "a.png").tolist() == [[0, 1, 1, 2]]


@pytest.mark.parametrize(
    ("levels", "expected"),
    [([0, 127, 128, 255], [0, 0, 1, 1]), ([0, 1, 0, 1], [0, 1, 0, 1]), ([0, 2, 3, 0], [0, 1, 1, 0]), ([0], [0])],
)
def test_grey_files_of_255_and_of_numbers_are_understood(
    tmp_path: Path, levels: list[int], expected: list[int]
) -> None:
    assert read_truth(grey(tmp_path / "a.png", [levels])).tolist() == [expected]


def test_one_bit_and_jpeg_files_are_understood(tmp_path: Path) -> None:
    square_HW = np.zeros((16, 16), dtype=np.uint8)
    square_HW[:, 8:] = 255
    Image.fromarray(square_HW).convert("1").save(tmp_path / "a.png")
    Image.fromarray(square_HW).save(tmp_path / "a.jpg", quality=95)
    for name in ("a.png", "a.jpg"):
        assert (read_truth(tmp_path / name) == (square_HW > 0)).all()


def test_a_smaller_mask_is_what_most_of_each_pixel_was() -> None:
    truth_HW = np.array([[1, 1, 0, 0, 2, 2], [1, 0, 0, 1, 2, 1]], dtype=np.uint8)
    assert shrink_truth(truth_HW, (1, 3)).tolist() == [[1, 0, 2]]
    assert shrink_truth(truth_HW, (2, 6)) is truth_HW


def test_files_that_are_no_masks_or_pictures_are_named(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 4, 3), dtype=np.uint8)).save(tmp_path / "colour.png")
    with pytest.raises(UsageError, match=r"colour\.png"):
        read_truth(tmp_path / "colour.png")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(UsageError, match=r"broken\.jpg"):
        read_picture(tmp_path / "broken.jpg")
