"""Mask files: what is read, what is refused by name, and that writing gives the same bytes."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from podium.errors import UsageError
from podium.formats import masks
from podium.formats.masks import MaskFlaw, MaskKind

ALL = tuple(MaskKind)
levels = hnp.arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20)))


def saved(array: np.ndarray, mode: str | None = None, **how: object) -> bytes:
    image = Image.fromarray(array)
    buffer = io.BytesIO()
    (image.convert(mode) if mode else image).save(buffer, "PNG", **how)  # type: ignore[arg-type]
    return buffer.getvalue()


GOOD = masks.encode(np.arange(48, dtype=np.uint8).reshape(6, 8))


def part(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int, depth: int, colour: int, raw: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return GOOD[:8] + part(b"IHDR", header) + part(b"IDAT", zlib.compress(raw)) + part(b"IEND", b"")


@given(levels, st.booleans())
def test_what_is_written_is_read(array: np.ndarray, palette: bool) -> None:
    data = masks.encode(array, palette=palette)
    reading = masks.decode(data, kinds=ALL)
    assert reading.kind is (MaskKind.PALETTE if palette else MaskKind.GREY)
    assert reading.levels_HW is not None
    np.testing.assert_array_equal(reading.levels_HW, array)
    assert masks.encode(array, palette=palette) == data
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == ("P" if palette else "L")
        np.testing.assert_array_equal(np.asarray(image), array)


def test_a_file_is_written_whole_and_over_an_old_one(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    path.write_bytes(b"old")
    masks.write(path, np.eye(5, dtype=np.uint8))
    assert masks.read(path).levels_HW is not None
    assert [each.name for each in tmp_path.iterdir()] == ["mask.png"]
    with pytest.raises(UsageError, match="uint8"):
        masks.write(path, np.eye(5))  # type: ignore[arg-type]


def test_the_colours_are_those_of_pascal_voc() -> None:
    colours = masks.colour_map()
    assert colours.shape == (256, 3)
    assert len({tuple(each) for each in colours.tolist()}) == 256
    expected = {1: (128, 0, 0), 4: (0, 0, 128), 8: (64, 0, 0), 15: (192, 128, 128), 20: (0, 64, 128), 64: (32, 0, 0)}
    assert {at: tuple(colours[at].tolist()) for at in expected} == expected


def test_the_colours_are_those_of_the_davis_files() -> None:
    folder = Path(__file__).parents[3] / "shared" / "values" / "davis" / "masks" / "osvos" / "judo"
    if not folder.is_dir():
        pytest.skip("the DAVIS masks are not here")
    path = sorted(folder.iterdir())[0]
    reading = masks.read(path, kinds=(MaskKind.PALETTE,), size=(480, 854))
    with Image.open(path) as image:
        assert reading.levels_HW is not None
        np.testing.assert_array_equal(reading.levels_HW, np.asarray(image))
        there = np.array(image.getpalette()).reshape(-1, 3)
    used = np.unique(reading.levels_HW)
    np.testing.assert_array_equal(there[used], masks.colour_map()[used])


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (saved(np.eye(6, dtype=bool)), MaskKind.ONE_BIT),
        (saved(np.zeros((6, 8, 3), np.uint8)), MaskKind.COLOUR),
        (saved(np.zeros((6, 8, 4), np.uint8)), MaskKind.ALPHA),
        (saved(np.zeros((6, 8), np.uint8), "LA"), MaskKind.ALPHA),
        (saved(np.zeros((6, 8), np.uint16)), MaskKind.DEEP),
        (masks.encode(np.eye(6, dtype=np.uint8), palette=True), MaskKind.PALETTE),
    ],
    ids=lambda value: f"{len(value)} bytes" if isinstance(value, bytes) else value.name,
)
def test_another_kind_of_file_is_refused_by_name_with_a_remedy(data: bytes, kind: MaskKind) -> None:
    reading = masks.decode(data)
    assert reading.kind is kind
    assert [each.flaw for each in reading.faults] == [MaskFlaw.KIND]
    assert reading.faults[0].hint
    assert reading.levels_HW is None


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_a_palette_of_few_colours_gives_its_indices(bits: int) -> None:
    array = (np.arange(48).reshape(6, 8) % 2**bits).astype(np.uint8)
    image = Image.fromarray(array)
    image.putpalette(masks.colour_map()[: 2**bits].tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG", bits=bits)
    found = masks.decode(buffer.getvalue(), kinds=ALL).levels_HW
    assert found is not None
    assert found.tolist() == array.tolist()


def test_wrong_kind_and_wrong_size_are_told_together() -> None:
    reading = masks.decode(saved(np.zeros((6, 8, 3), np.uint8)), size=(8, 6))
    assert [each.flaw for each in reading.faults] == [MaskFlaw.KIND, MaskFlaw.SIZE]
    assert reading.faults[1].message == "the mask is `8x6` (width x height); the frame is `6x8`"
    assert "swapped" in reading.faults[1].hint


@pytest.mark.parametrize(
    ("data", "flaw", "said"),
    [
        (b"", MaskFlaw.FORMAT, "an empty file"),
        (b"\xff\xd8\xff\xe0" + bytes(100), MaskFlaw.FORMAT, "a JPEG file"),
        (b"\x93NUMPY" + bytes(100), MaskFlaw.FORMAT, "a NumPy file"),
        (b"hello, world", MaskFlaw.FORMAT, "no picture"),
        (GOOD[:20], MaskFlaw.DAMAGED, "within its header"),
        (GOOD[:-20], MaskFlaw.DAMAGED, "cut off"),
        (GOOD[:-12], MaskFlaw.DAMAGED, "cut off"),
        (GOOD[:33] + GOOD[-12:], MaskFlaw.DAMAGED, "no picture"),
        (png(8, 6, 8, 3, bytes(54)), MaskFlaw.DAMAGED, "no palette"),
        (png(8, 6, 8, 0, bytes(20)), MaskFlaw.DAMAGED, "decoded"),
        (png(0, 6, 8, 0, bytes(54)), MaskFlaw.DAMAGED, "header is broken"),
        (png(8, 6, 7, 0, bytes(54)), MaskFlaw.DAMAGED, "`7` bits"),
        (png(8, 6, 8, 5, bytes(54)), MaskFlaw.DAMAGED, "colour type `5`"),
        (GOOD[:33] + part(b"acTL", bytes(8)) + GOOD[33:], MaskFlaw.ANIMATED, "animation"),
        (GOOD[:33] + GOOD[8:], MaskFlaw.DAMAGED, "two headers"),
        (GOOD[:33] + part(b"tEXt", b"") * 30_000 + GOOD[33:], MaskFlaw.DAMAGED, "parts"),
        (png(100_000, 100_000, 8, 0, bytes(100)), MaskFlaw.PIXELS, "at most"),
        (GOOD.replace(b"IDAT", b"IDAX"), MaskFlaw.DAMAGED, "no picture"),
    ],
    ids=lambda value: f"{len(value)} bytes" if isinstance(value, bytes) else str(value),
)
def test_a_broken_file_is_refused_by_name(data: bytes, flaw: MaskFlaw, said: str) -> None:
    reading = masks.decode(data)
    assert reading.levels_HW is None
    assert [each.flaw for each in reading.faults] == [flaw]
    assert said in reading.faults[0].message


def test_parts_that_are_no_picture_never_reach_the_decoder() -> None:
    bomb = part(b"zTXt", b"k\0\0" + zlib.compress(bytes(50_000_000))) + part(b"iCCP", b"k\0\0" + zlib.compress(b"x"))
    reading = masks.decode(GOOD[:33] + bomb + GOOD[33:])
    assert reading.levels_HW is not None
    assert reading.levels_HW.shape == (6, 8)


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_no_changed_byte_makes_reading_fail(at: int, byte: int) -> None:
    data = bytearray(GOOD)
    data[at] = byte
    reading = masks.decode(bytes(data), kinds=ALL)
    assert (reading.levels_HW is None) == bool(reading.faults)


def test_links_pipes_folders_and_large_files_are_refused(tmp_path: Path) -> None:
    masks.write(tmp_path / "real.png", np.eye(5, dtype=np.uint8))
    (tmp_path / "link.png").symlink_to("real.png")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    said = {"link": "a link", "pipe": "a pipe", "folder": "a folder", "nothing": "missing"}
    for name, words in said.items():
        reading = masks.read(tmp_path / f"{name}.png")
        assert reading.faults[0].flaw is MaskFlaw.FILE
        assert words in reading.faults[0].message
    assert "at most" in masks.read(tmp_path / "real.png", max_bytes=10).faults[0].message


def test_confidence_is_cut_off_not_rounded() -> None:
    found = masks.confidence_levels(np.array([0.5, 0.50196, 0.501961, 0.9999]))
    assert found.tolist() == [127, 127, 128, 254]
    with pytest.raises(UsageError, match="outside"):
        masks.confidence_levels(np.array([1.1]))
    with pytest.raises(UsageError, match="outside"):
        masks.confidence_levels(np.array([np.nan]))
