"""Flow files: KITTI's PNG and Middlebury's ``.flo``, written, read, and refused."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from podium.errors import SubmissionError, UsageError
from podium.formats.flow import decode, encode_flo, encode_kitti, read_flow, write_flow

SHAPE = st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(2))
FLOWS = arrays(np.float64, SHAPE, elements=st.floats(-600, 600) | st.sampled_from([np.nan, np.inf]))


def part(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(levels: np.ndarray, kinds: list[int], *, split: int = 1) -> bytes:
    """A 16-bit RGB PNG whose rows are filtered as `kinds` say; slow and plain, by the PNG specification."""
    height, width = levels.shape[:2]
    rows = levels.astype(">u2").view(np.uint8).reshape(height, width * 6).astype(int)
    raw = b""
    for at, kind in enumerate(kinds):
        out = []
        for x in range(width * 6):
            left = rows[at, x - 6] if x >= 6 else 0
            up = rows[at - 1, x] if at else 0
            corner = rows[at - 1, x - 6] if at and x >= 6 else 0
            guesses = {0: 0, 1: left, 2: up, 3: (left + up) // 2}
            nearest = min((left, up, corner), key=lambda each, p=left + up - corner: abs(p - each))
            out.append((rows[at, x] - guesses.get(kind, nearest)) % 256)
        raw += bytes([kind, *out])
    packed = zlib.compress(raw)
    step = -(-len(packed) // split)
    pieces = b"".join(part(b"IDAT", packed[at : at + step]) for at in range(0, len(packed), step))
    header = part(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + pieces + part(b"IEND", b"")


@given(FLOWS)
@settings(max_examples=60, deadline=None)
def test_a_kitti_file_keeps_flow_to_a_128th_of_a_pixel_and_drops_what_it_cannot_hold(flow_HW2: np.ndarray) -> None:
    read = decode(encode_kitti(flow_HW2))
    known = (np.abs(np.nan_to_num(flow_HW2, nan=9e9)) <= 512 - 1 / 64).all(axis=-1)
    assert (read.valid_HW == known).all()
    assert (read.flow_HW2[~known] == 0).all()
    assert np.abs(read.flow_HW2[known] - flow_HW2[known]).max(initial=0) <= 1 / 128 + 1e-4


@given(FLOWS)
@settings(max_examples=60, deadline=None)
def test_a_middlebury_file_keeps_floats(flow_HW2: np.ndarray) -> None:
    read = decode(encode_flo(flow_HW2))
    known = (np.abs(np.nan_to_num(flow_HW2, nan=9e9)) <= 512 - 1 / 64).all(axis=-1)
    assert (read.valid_HW == known).all()
    assert (read.flow_HW2[known] == flow_HW2[known].astype(np.float32)).all()


def test_a_kitti_file_has_the_values_that_its_makers_define() -> None:
    flow_HW2 = np.array([[[0.0, 0.0], [1.5, -2.25], [7.0, 8.0]]])
    valid_HW = np.array([[True, True, False]])
    written = encode_kitti(flow_HW2, valid_HW)
    cv2 = pytest.importorskip("cv2")
    blue_green_red = cv2.imdecode(np.frombuffer(written, np.uint8), cv2.IMREAD_UNCHANGED)
    assert blue_green_red.dtype == np.uint16
    assert blue_green_red[0, :, ::-1].tolist() == [
        [32768, 32768, 1],
        [32768 + 96, 32768 - 144, 1],
        [32768 + 448, 32768 + 512, 0],
    ]


def test_the_motion_of_what_is_hidden_later_is_kept_and_not_valid() -> None:
    read = decode(encode_kitti(np.full((2, 3, 2), 4.5), np.zeros((2, 3), bool)))
    assert not read.valid_HW.any()
    assert (read.flow_HW2 == 4.5).all()


def test_pixels_that_kitti_left_empty_are_zero() -> None:
    read = decode(png(np.zeros((2, 2, 3), np.uint16), [0, 0]))
    assert not read.valid_HW.any()
    assert (read.flow_HW2 == 0).all()


@pytest.mark.parametrize("kinds", [[0, 1, 2, 3, 4], [4, 4, 4, 3, 3], [1, 1, 1, 1, 1], [2, 2, 2, 2, 2]])
def test_files_of_other_writers_are_read_whatever_filters_they_use(kinds: list[int]) -> None:
    levels = np.random.default_rng(0).integers(0, 65_536, (5, 4, 3))
    levels[..., 2] = 1
    read = decode(png(levels, kinds, split=3))
    assert (read.flow_HW2 == ((levels[..., :2] - 32_768) / 64).astype(np.float32)).all()


def test_a_middlebury_file_has_the_bytes_that_its_makers_define() -> None:
    written = encode_flo(np.array([[[1.0, -2.0], [3.0, 4.0]]]), np.array([[True, False]]))
    assert written[:4] == b"PIEH"
    assert struct.unpack("<ii4f", written[4:])[:4] == (2, 1, 1.0, -2.0)
    assert min(struct.unpack("<ii4f", written[4:])[4:]) > 1e9


def test_the_same_flow_gives_the_same_bytes_and_the_suffix_chooses_the_kind(tmp_path: Path) -> None:
    flow_HW2 = np.random.default_rng(0).normal(0, 3, (40, 50, 2))
    for name in ("a.png", "b.png", "a.flo"):
        write_flow(tmp_path / name, flow_HW2)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert np.abs(read_flow(tmp_path / "a.flo").flow_HW2 - read_flow(tmp_path / "a.png").flow_HW2).max() < 1 / 100
    with pytest.raises(UsageError, match=r"ends in `\.npy`"):
        write_flow(tmp_path / "a.npy", flow_HW2)


def test_arrays_that_are_no_flow_are_refused() -> None:
    with pytest.raises(UsageError, match="shape"):
        encode_kitti(np.zeros((4, 4)))
    with pytest.raises(UsageError, match="valid_HW"):
        encode_flo(np.zeros((4, 4, 2)), np.ones((4, 5), bool))


GOOD = encode_kitti(np.zeros((3, 4, 2)))
SHORT = png(np.zeros((2, 2, 3), np.uint16), [0, 0]).replace(
    part(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0)),
    part(b"IHDR", struct.pack(">IIBBBBB", 2, 9, 16, 2, 0, 0, 0)),
)
EIGHT = GOOD.replace(
    part(b"IHDR", struct.pack(">IIBBBBB", 4, 3, 16, 2, 0, 0, 0)),
    part(b"IHDR", struct.pack(">IIBBBBB", 4, 3, 8, 2, 0, 0, 0)),
)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no flow"),
        (GOOD[:40], "cut off"),
        (GOOD[:45] + b"?" + GOOD[46:], "checksum"),
        (SHORT, "not what the header says"),
        (EIGHT, "16 bits"),
        (png(np.zeros((1, 1, 3), np.uint16), [5]), "filter `5`"),
        (b"PIEH" + struct.pack("<ii", 2, 2), "12 bytes"),
        (b"PIEH" + struct.pack("<ii", -2, 2), "1 to"),
        (b"PIEH" + struct.pack("<ii", 1 << 20, 1 << 20), "1 to"),
        (b"PIEH", "cut off"),
    ],
)
def test_broken_files_are_refused_with_the_reason(tmp_path: Path, data: bytes, reason: str) -> None:
    (tmp_path / "flow").write_bytes(data)
    with pytest.raises(UsageError, match=reason):
        read_flow(tmp_path / "flow")


def test_a_large_picture_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(UsageError, match="1 to 11 pixels"):
        decode(GOOD, max_pixels=11)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SubmissionError, match="missing"):
        read_flow(tmp_path / "none.png")
