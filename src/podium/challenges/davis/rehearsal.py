"""A twin of a test set to dry-run with: names, picture sizes and bytes of each file as they are, pixels at random.

The contest served such a twin under the name of its test set until the test phase began. A score on it means nothing.

Axes: H height, W width, C colours.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from podium.challenges.davis import layout, paths
from podium.formats import datasets, digests, masks
from podium.formats.files import replacing
from podium.types import DataSet, Progress, silent

Pixels = NDArray[np.uint8]

_COMMENT = b"\xff\xfe"
_JFIF = b"\xff\xe0"
_LONGEST_COMMENT_BYTES = 65_537
_FEWEST_PADDING_BYTES = 4
_BEST_QUALITY = 95
_SQUARE = 32
_FULL = 0.8


def rehearse_data(data: DataSet, into: Path, *, seed: int, progress: Progress = silent) -> DataSet:
    """A twin of a test set: the same table, clips and frames, none of the content.

    A frame is a JPEG file of random pixels with as many bytes as the original; a comment fills up what is missing.
    Where no JPEG picture of that size has so few bytes, and where frames are PNG, the file has another size. The
    annotations are random blobs, so that a score can be made. What there is to learn from is kept as it is.

    Args:
        data: The data set; its answers are not looked at.
        into: The folder to make.
        seed: Same seed, same twin, byte for byte.
        progress: Shows the frames.

    Raises:
        UsageError: `into` is not empty or lies in the data set.
        ChallengeError: The table of the test set or a first frame is broken, a frame is missing, or a file is a link
            that leads out of the data set.
    """
    layout.check_apart(data, into)
    sequences = layout.judged_sequences(data)
    total = sum(len(each.frames) for each in sequences)
    with datasets.starting(into) as twin:
        _link_rest(data, twin)
        annotation: list[str] = []
        quality = _BEST_QUALITY // 2
        for sequence, frame in progress(layout.frames_of(sequences), what="drawing frames", total=total):
            rng = np.random.default_rng([seed, frame.row])
            size = sequence.height, sequence.width
            wanted = layout.own(data, data.inputs / frame.path).stat().st_size
            suffix = Path(frame.path).suffix.lower()
            raw, quality = _picture(size, wanted, quality, rng) if suffix != ".png" else (_plain(size, rng), quality)
            _write(twin.inputs / frame.path, raw)
            annotation.append(f"{layout.ANNOTATIONS}/{frame.name}.png")
            _write(twin.answers / annotation[-1], masks.encode(_blob(size, rng)))
        _write(twin.inputs / paths.PATHS, (data.inputs / paths.PATHS).read_bytes())
        paths.write(twin.answers / paths.PATHS, {paths.ANNOTATION: annotation})
        digests.write_manifest(twin.root, progress=progress)
    return twin


def padded(raw: bytes, size_bytes: int) -> bytes | None:
    """A JPEG file with comments after its header, so that it has a number of bytes; None where it cannot.

    Args:
        raw: A JPEG file.
        size_bytes: At least as many as it has, and not 1 to 3 more.
    """
    missing = size_bytes - len(raw)
    if missing < 0 or 0 < missing < _FEWEST_PADDING_BYTES:
        return None
    parts: list[bytes] = []
    while missing:
        here = min(missing, _LONGEST_COMMENT_BYTES)
        # The rest must be long enough to be a comment of its own.
        here -= _FEWEST_PADDING_BYTES if 0 < missing - here < _FEWEST_PADDING_BYTES else 0
        parts.append(_COMMENT + (here - 2).to_bytes(2, "big") + bytes(here - _FEWEST_PADDING_BYTES))
        missing -= here
    at = 4 + int.from_bytes(raw[4:6], "big") if raw[2:4] == _JFIF else 2
    return raw[:at] + b"".join(parts) + raw[at:]


def _picture(size: tuple[int, int], wanted: int, quality: int, rng: np.random.Generator) -> tuple[bytes, int]:
    """Random pixels in a JPEG file of `wanted` bytes, and the quality that it took; the search begins at `quality`."""
    noise_HWC = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    low, high, best = 0, _BEST_QUALITY + 1, b""
    while high - low > 1 and len(best) < _FULL * wanted:
        raw = _jpeg(noise_HWC, quality)
        if len(raw) == wanted or len(raw) + _FEWEST_PADDING_BYTES <= wanted:
            low, best = quality, raw
        else:
            high = quality
        probed, quality = quality, (low + high) // 2
        if len(best) >= _FULL * wanted:
            quality = probed
    raw = best or _jpeg(_coarse(size, rng), 1, optimize=True)
    return padded(raw, wanted) or raw, max(quality, 1)


def _jpeg(pixels_HWC: Pixels, quality: int, *, optimize: bool = False) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels_HWC).save(buffer, "JPEG", quality=quality, optimize=optimize)
    return buffer.getvalue()


def _plain(size: tuple[int, int], rng: np.random.Generator) -> bytes:
    """Random pixels in a PNG file."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(_coarse(size, rng)).save(buffer, "PNG")
    return buffer.getvalue()


def _coarse(size: tuple[int, int], rng: np.random.Generator) -> Pixels:
    """Random squares, which take few bytes."""
    height, width = size
    few = rng.integers(0, 256, (-(-height // _SQUARE), -(-width // _SQUARE), 3), dtype=np.uint8)
    return np.ascontiguousarray(few.repeat(_SQUARE, 0).repeat(_SQUARE, 1)[:height, :width])


def _blob(size: tuple[int, int], rng: np.random.Generator) -> Pixels:
    """An ellipse somewhere in the frame, (H, W) of 0 and 255."""
    height, width = size
    y, x = rng.uniform(0.3, 0.7, 2) * (height, width)
    tall, wide = rng.uniform(0.1, 0.3, 2) * (height, width)
    rows_H1, columns_1W = np.ogrid[:height, :width]
    inside_HW = ((rows_H1 - y) / max(tall, 1)) ** 2 + ((columns_1W - x) / max(wide, 1)) ** 2 <= 1
    return inside_HW.astype(np.uint8) * 255


def _link_rest(data: DataSet, twin: DataSet) -> None:
    for path in layout.own_files(data, data.public):
        datasets.link(path, twin.root / path.relative_to(data.root))


def _write(path: Path, raw: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as stream:
        stream.write(raw)
