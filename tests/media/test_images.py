"""Still images: read with bounds, resized, filmed, put side by side."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from podium.errors import UsageError
from podium.media import images


def gradient(height: int, width: int) -> np.ndarray:
    """Red grows to the right, green grows downwards, blue is 60."""
    red, green = np.meshgrid(np.linspace(40, 215, width), np.linspace(40, 215, height))
    return np.stack([red, green, np.full_like(red, 60)], axis=-1).astype(np.uint8)


def save(path: Path, frame: np.ndarray, **settings: object) -> Path:
    Image.fromarray(frame).save(path, **settings)
    return path


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".ppm", ".tif", ".webp", ".gif", ".jpg"])
def test_the_usual_formats_are_read(tmp_path, suffix):
    frame = gradient(40, 60)
    read = images.read(save(tmp_path / f"a{suffix}", frame, **({"lossless": True} if suffix == ".webp" else {})))
    assert read.dtype == np.uint8
    assert read.shape == (40, 60, 3)
    assert np.abs(read.astype(int) - frame).mean() < (6 if suffix in (".gif", ".jpg") else 0.01)


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (1, lambda a: a),
        (2, lambda a: a[:, ::-1]),
        (3, lambda a: np.rot90(a, 2)),
        (4, lambda a: a[::-1]),
        (5, lambda a: a.transpose(1, 0, 2)),
        (6, lambda a: np.rot90(a, -1)),
        (7, lambda a: np.rot90(a, 2).transpose(1, 0, 2)),
        (8, lambda a: np.rot90(a, 1)),
    ],
)
def test_the_exif_orientation_is_obeyed(tmp_path, orientation, turn):
    frame = gradient(20, 30)
    exif = Image.Exif()
    exif[0x0112] = orientation
    read = images.read(save(tmp_path / "a.png", frame, exif=exif))
    assert np.array_equal(read, turn(frame))


def test_what_is_transparent_is_laid_on_white(tmp_path):
    rgba = np.zeros((4, 4, 4), np.uint8)
    rgba[:2] = (200, 0, 0, 255)
    rgba[2:, :2] = (0, 0, 0, 128)
    read = images.read(save(tmp_path / "a.png", rgba))
    assert read[0, 0].tolist() == [200, 0, 0]
    assert read[3, 3].tolist() == [255, 255, 255]
    assert read[3, 0].tolist() == [127, 127, 127]


def test_sixteen_bit_grey_keeps_its_levels(tmp_path):
    levels = np.array([[0, 256, 32_768, 65_535]], np.uint16)
    read = images.read(save(tmp_path / "a.png", levels))
    assert read[0, :, 0].tolist() == [0, 1, 128, 255]


def test_grey_palette_and_cmyk_images_become_rgb(tmp_path):
    for mode in ("L", "P", "1", "CMYK"):
        path = tmp_path / f"{mode}.tif"
        Image.fromarray(gradient(10, 12)).convert(mode).save(path)
        assert images.read(path).shape == (10, 12, 3)


def png_that_claims(width: int, height: int) -> bytes:
    """A few bytes that state a size and hold next to nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("width", "height"), [(9_000, 8_000), (12_000, 9_000), (60_000, 60_000)])
def test_a_bomb_is_refused_before_it_is_decoded(tmp_path, recwarn, width, height):
    (tmp_path / "bomb.png").write_bytes(png_that_claims(width, height))
    with pytest.raises(images.UnreadableImage, match="at most 64,000,000 pixels"):
        images.read(tmp_path / "bomb.png")
    assert not recwarn.list


def test_the_limit_can_be_set(tmp_path):
    path = save(tmp_path / "a.png", gradient(10, 10))
    assert images.read(path, max_pixels=100).shape == (10, 10, 3)
    with pytest.raises(images.UnreadableImage, match="10 x 10"):
        images.read(path, max_pixels=99)


def test_what_is_no_image_is_refused_by_name(tmp_path):
    cut = save(tmp_path / "cut.png", np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    cut.write_bytes(cut.read_bytes()[:3000])
    (tmp_path / "text.jpg").write_text("no image")
    (tmp_path / "empty.png").write_bytes(b"")
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n"
    (tmp_path / "program.eps").write_bytes(postscript)
    for name in ("cut.png", "text.jpg", "empty.png", "program.eps", "nowhere.png", "."):
        with pytest.raises(images.UnreadableImage) as caught:
            images.read(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
        assert isinstance(caught.value, UsageError)


def test_resizing_keeps_the_shape_or_takes_the_size():
    frame = gradient(90, 160)
    assert images.resize(frame, short_edge=45).shape == (45, 80, 3)
    assert images.resize(frame, size=(20, 70)).shape == (70, 20, 3)
    small = images.resize(frame, size=(16, 9)).astype(float)
    assert np.abs(small - frame.reshape(9, 10, 16, 10, 3).mean(axis=(1, 3))).max() < 3
    same = images.resize(frame, size=(160, 90))
    assert np.array_equal(same, frame)
    assert same is not frame


@pytest.mark.parametrize(
    "wrong", [{}, {"short_edge": 5, "size": (5, 5)}, {"short_edge": 0}, {"size": (0, 4)}, {"short_edge": -3}]
)
def test_sizes_that_make_no_sense_are_refused(wrong):
    with pytest.raises(UsageError):
        images.resize(gradient(8, 8), **wrong)


def filmed(image: np.ndarray, seed: int, **settings: object) -> np.ndarray:
    options = {"seconds": 2.0, "frames_per_second": 12, "size": (64, 48)} | settings
    return np.stack(list(images.pan(image, rng=np.random.default_rng(seed), **options)))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.sampled_from([(300, 400), (200, 600), (700, 150), (20, 30)]),
    size=st.sampled_from([(64, 48), (40, 80), (90, 30)]),
)
def test_the_camera_never_leaves_the_image(seed, shape, size):
    white = np.full((*shape, 3), 255, np.uint8)
    assert filmed(white, seed, size=size, frames_per_second=4).min() == 255


def test_the_camera_moves_and_moves_smoothly():
    image = gradient(600, 800)
    for seed in range(8):
        centre_T2 = filmed(image, seed)[:, 24, 32, :2].astype(float)
        steps = np.abs(np.diff(centre_T2, axis=0))
        assert np.ptp(centre_T2, axis=0).max() >= 2
        assert steps.max() < 12


def test_filming_keeps_upright_what_is_upright():
    frames = filmed(gradient(600, 800), 3).astype(int)
    assert (frames[:, :, -4, 0] > frames[:, :, 4, 0]).all()
    assert (frames[:, -4, :, 1] > frames[:, 4, :, 1]).all()


def test_the_same_seed_films_the_same():
    image = gradient(200, 300)
    assert np.array_equal(filmed(image, 5), filmed(image, 5))
    assert not np.array_equal(filmed(image, 5), filmed(image, 6))


@pytest.mark.parametrize(("seconds", "rate", "count"), [(2.0, 12, 24), (0.01, 10, 1), (1.25, 10, 13)])
def test_filming_gives_as_many_pictures_as_the_time_holds(seconds, rate, count):
    assert len(filmed(gradient(60, 80), 0, seconds=seconds, frames_per_second=rate)) == count


@pytest.mark.parametrize("wrong", [{"seconds": 0}, {"frames_per_second": 0}, {"size": (0, 5)}])
def test_filming_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(UsageError):
        filmed(gradient(60, 80), 0, **wrong)


def test_a_strip_has_its_pictures_in_their_places():
    red, blue = np.zeros((20, 40, 3), np.uint8), np.zeros((40, 40, 3), np.uint8)
    red[..., 0], blue[..., 2] = 255, 255
    sheet = images.strip([red, blue, red], height=20, columns=2, gap=3, ground=9)
    assert sheet.shape == (43, 63, 3)
    assert sheet[10, 20].tolist() == [255, 0, 0]
    assert sheet[10, 41].tolist() == [9, 9, 9]
    assert sheet[10, 53].tolist() == [0, 0, 255]
    assert sheet[21, 5].tolist() == [9, 9, 9]
    assert sheet[33, 20].tolist() == [255, 0, 0]
    assert sheet[33, 50].tolist() == [9, 9, 9]


@pytest.mark.parametrize("wrong", [{"height": 0}, {"columns": 0}, {"gap": -1}])
def test_strips_that_make_no_sense_are_refused(wrong):
    with pytest.raises(UsageError):
        images.strip([gradient(8, 8)], **wrong)
    with pytest.raises(UsageError):
        images.strip([])


def test_a_jpeg_comes_back_and_quality_costs_bytes():
    frame = gradient(60, 80)
    fine, poor = images.jpeg_bytes(frame, quality=95), images.jpeg_bytes(frame, quality=10)
    assert np.abs(np.array(Image.open(io.BytesIO(fine))).astype(int) - frame).mean() < 2
    assert len(poor) < len(fine)
    with pytest.raises(UsageError):
        images.jpeg_bytes(frame, quality=0)
