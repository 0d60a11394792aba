"""Reading segment-rated shards: Podium, the `tfrecord` package and a bare numpy loop, interleaved in one process.

    python benchmarks/tfrecord_reading.py [--videos 300] [--rounds 9]

The shards are seeded and written by Podium: videos of 150 to 300 frames, 3 labels, 5 ratings. Every reader makes
one (frames, 1152) array a video, and all arrays are compared first. What counts is processor time of this process, the
median over the rounds. The bare loop reads what Podium reads (checksums, id, labels, ratings, frames), but by hand for
this one layout: it checks no length and no key, and a damaged payload would send it astray. The floor is that loop
without id, labels and ratings. The package's loader checks no checksum.
"""

from __future__ import annotations

import argparse
import json
import mmap
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np

from podium.formats.tfrecord import dequantise, encode_frame_record, implementation, read_frame_records, write_shard
from podium.formats.tfrecord.checksum import crc32c

SHARDS = 3
RGB, AUDIO = 1024, 128
RGB_STRIDE, AUDIO_STRIDE = 1033, 137
Reader = Callable[[Path], Iterator[np.ndarray]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = make_shards(Path(folder), options.videos)
        size_bytes = sum(path.stat().st_size for path in paths)
        compare(paths)
        seconds = measure(paths, options.rounds)
    print(f"{options.videos} videos, {size_bytes / 1e6:.1f} MB, checksums by the {implementation()}")
    report(seconds, options.videos, size_bytes)


def make_shards(folder: Path, videos: int) -> list[Path]:
    rng = np.random.default_rng(0)
    paths = [folder / f"validate{number:04d}.tfrecord" for number in range(SHARDS)]
    for number, path in enumerate(paths):
        write_shard(path, (make_video(rng, f"{each:04x}") for each in range(number, videos, SHARDS)))
    return paths


def make_video(rng: np.random.Generator, video_id: str) -> bytes:
    frames = int(rng.integers(150, 301))
    features = rng.integers(0, 256, (frames, RGB + AUDIO), dtype=np.uint8)
    return encode_frame_record(
        video_id=video_id,
        labels=rng.choice(3862, 3, replace=False),
        rgb_TC=features[:, :RGB],
        audio_TC=features[:, RGB:],
        segment_start_times=5 * rng.integers(6, frames // 5 - 2, 5),
        segment_labels=rng.integers(0, 3862, 5),
        segment_scores=rng.integers(0, 2, 5),
    )


def podium_bytes(path: Path) -> Iterator[np.ndarray]:
    for record in read_frame_records(path):
        yield record.features_TC


def podium_float32(path: Path) -> Iterator[np.ndarray]:
    for record in read_frame_records(path):
        yield record.features_TC.astype(np.float32)


def podium_dequantised(path: Path) -> Iterator[np.ndarray]:
    for record in read_frame_records(path):
        yield dequantise(record.features_TC)


def package_float32(path: Path) -> Iterator[np.ndarray]:
    for features in package_bytes(path):
        yield features.astype(np.float32)


def package_bytes(path: Path) -> Iterator[np.ndarray]:
    for _, lists in package().sequence_loader(str(path), None):
        joined = [b"".join(lists[name]) for name in ("rgb", "audio")]
        frames = len(lists["rgb"])
        yield np.concatenate([np.frombuffer(each, dtype=np.uint8).reshape(frames, -1) for each in joined], axis=1)


def package() -> ModuleType:
    from tfrecord import reader

    return reader


def bare(path: Path) -> Iterator[np.ndarray]:
    for payload in bare_payloads(path):
        bare_context(payload)
        yield bare_frames(payload)


def floor(path: Path) -> Iterator[np.ndarray]:
    for payload in bare_payloads(path):
        yield bare_frames(payload)


def bare_payloads(path: Path) -> Iterator[memoryview]:
    with path.open("rb") as stream:
        data = memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
    at = 0
    while at < len(data):
        length, length_crc = struct.unpack_from("<QI", data, at)
        payload = data[at + 12 : at + 12 + length]
        (payload_crc,) = struct.unpack_from("<I", data, at + 12 + length)
        if masked(crc32c(data[at : at + 8])) != length_crc or masked(crc32c(payload)) != payload_crc:
            raise ValueError("damaged")
        yield payload
        at += 16 + length


def masked(crc: int) -> int:
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def bare_context(payload: memoryview) -> dict[bytes, object]:
    length, at = content(payload, 0)
    end = at + length
    found: dict[bytes, object] = {}
    while at < end:
        entry, first = content(payload, at)
        key, key_at = content(payload, first)
        feature_at = content(payload, key_at + key)[1]
        values_at = content(payload, feature_at)[1]
        packed = bytes(payload[content(payload, values_at)[1] : first + entry])
        kind = payload[feature_at]
        found[bytes(payload[key_at : key_at + key])] = (
            packed if kind == 0x0A else np.frombuffer(packed, "<f4") if kind == 0x12 else integers(packed)
        )
        at = first + entry
    return found


def integers(packed: bytes) -> np.ndarray:
    numbers = []
    value = shift = 0
    for byte in packed:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(value)
            value = shift = 0
    return np.array(numbers, np.int64)


def bare_frames(payload: memoryview) -> np.ndarray:
    context, at = content(payload, 0)
    lists, at = content(payload, at + context)
    end = at + lists
    found = {}
    while at < end:
        entry, first = content(payload, at)
        key, key_at = content(payload, first)
        value, value_at = content(payload, key_at + key)
        found[bytes(payload[key_at : key_at + key])] = np.frombuffer(payload, np.uint8, value, value_at)
        at = first + entry
    rgb = found[b"rgb"].reshape(-1, RGB_STRIDE)
    audio = found[b"audio"].reshape(-1, AUDIO_STRIDE)
    if any(each[:, :9].tobytes() != each[0, :9].tobytes() * len(each) for each in (rgb, audio)):
        raise ValueError("no constant stride")
    features = np.empty((len(rgb), RGB + AUDIO), np.uint8)
    features[:, :RGB] = rgb[:, 9:]
    features[:, RGB:] = audio[:, 9:]
    return features


def content(payload: memoryview, at: int) -> tuple[int, int]:
    """How long a field's content is and where it begins, when its tag takes one byte."""
    at += 1
    length = shift = 0
    while True:
        byte = payload[at]
        length |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return length, at
        shift += 7


READERS: dict[str, Reader] = {
    "floor: frames alone, bytes": floor,
    "bare numpy loop, bytes": bare,
    "podium, bytes": podium_bytes,
    "podium, float32": podium_float32,
    "podium, dequantised": podium_dequantised,
    "tfrecord package, bytes": package_bytes,
    "tfrecord package, float32": package_float32,
}


def compare(paths: list[Path]) -> None:
    """Ends the program when two readers disagree."""
    for path in paths:
        streams = [READERS[name](path) for name in READERS if name != "podium, dequantised"]
        for arrays in zip(*streams, strict=True):
            if any(not np.array_equal(arrays[0], each) for each in arrays):
                sys.exit("the readers disagree")


def measure(paths: list[Path], rounds: int) -> dict[str, list[float]]:
    """Processor seconds of each reader in each round; a round before the first warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in READERS}
    for turn in range(rounds + 1):
        for name, reader in READERS.items():
            began = time.process_time()
            for path in paths:
                for _ in reader(path):
                    pass
            if turn:
                seconds[name].append(time.process_time() - began)
    return seconds


def report(seconds: dict[str, list[float]], videos: int, size_bytes: int) -> None:
    typical = {name: statistics.median(each) for name, each in seconds.items()}
    print(f"{'reader':28}{'CPU ms':>9}{'range':>16}{'videos/s':>10}{'MB/s':>7}")
    for name, each in typical.items():
        spread = f"{1e3 * min(seconds[name]):.1f}-{1e3 * max(seconds[name]):.1f}"
        print(f"{name:28}{1e3 * each:9.1f}{spread:>16}{videos / each:10.0f}{size_bytes / each / 1e6:7.0f}")
    package_seconds = typical["tfrecord package, float32"]
    ratios = {
        "float32_speedup_over_package": package_seconds / typical["podium, float32"],
        "bytes_speedup_over_package": package_seconds / typical["podium, bytes"],
        "bytes_time_over_bare_loop": typical["podium, bytes"] / typical["bare numpy loop, bytes"],
        "bytes_time_over_floor": typical["podium, bytes"] / typical["floor: frames alone, bytes"],
    }
    print(json.dumps({name: round(value, 2) for name, value in ratios.items()}))


if __name__ == "__main__":
    main()
