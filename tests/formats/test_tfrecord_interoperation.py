"""Podium, protobuf and the PyPI package `tfrecord` read the same out of the same bytes."""

import random
import sys

import numpy as np
import pytest

from podium.formats.tfrecord import (
    MalformedError,
    Shard,
    encode_example,
    encode_frame_record,
    encode_sequence_example,
    encode_video_record,
    parse_example,
    parse_sequence_example,
    read_frame_records,
    read_video_records,
    write_shard,
)
from podium.formats.tfrecord.features import Kind
from podium.formats.tfrecord.wire import encoded_varint

LENGTH, VARINT, FIXED32, FIXED64 = 2, 0, 5, 1
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def package():
    """The package, imported without its optional part for torch, which alone takes seconds."""
    pytest.importorskip("google.protobuf")
    with pytest.MonkeyPatch.context() as patch:
        if "torch" not in sys.modules:
            patch.setitem(sys.modules, "torch", None)
        return pytest.importorskip("tfrecord")


def frames(count):
    return RNG.integers(0, 256, (count, 1024), dtype=np.uint8), RNG.integers(0, 256, (count, 128), dtype=np.uint8)


def test_a_frame_level_shard_by_podium_is_read_by_the_package(package, tmp_path):
    videos = [(f"ab{count:02d}", *frames(count)) for count in (120, 7, 1)]
    write_shard(
        tmp_path / "a",
        [
            encode_frame_record(
                video_id=name,
                labels=[3, 3861],
                rgb_TC=rgb_TC,
                audio_TC=audio_TC,
                segment_start_times=[30, 35],
                segment_labels=[3, 1831],
                segment_scores=[1, 0],
            )
            for name, rgb_TC, audio_TC in videos
        ],
    )
    found = list(package.sequence_loader(str(tmp_path / "a"), None))
    assert len(found) == 3
    for (name, rgb_TC, audio_TC), (context, lists) in zip(videos, found, strict=True):
        assert context["id"] == name.encode()
        assert context["labels"].tolist() == [3, 3861]
        assert context["segment_start_times"].tolist() == [30, 35]
        assert context["segment_end_times"].tolist() == [35, 40]
        assert context["segment_labels"].tolist() == [3, 1831]
        assert context["segment_scores"].tolist() == [1, 0]
        assert b"".join(lists["rgb"]) == rgb_TC.tobytes()
        assert b"".join(lists["audio"]) == audio_TC.tobytes()


def test_a_video_level_shard_by_podium_is_read_by_the_package(package, tmp_path):
    rgb, audio = RNG.normal(size=1024).astype(np.float32), RNG.normal(size=128).astype(np.float32)
    write_shard(tmp_path / "a", [encode_video_record(video_id="wxyz", labels=[7], mean_rgb=rgb, mean_audio=audio)])
    (found,) = package.example_loader(str(tmp_path / "a"), None)
    assert found["id"] == b"wxyz"
    assert found["labels"].tolist() == [7]
    assert np.array_equal(found["mean_rgb"], rgb)
    assert np.array_equal(found["mean_audio"], audio)


def test_a_frame_level_shard_by_the_package_is_read_by_podium(package, tmp_path):
    rgb_TC, audio_TC = frames(150)
    writer = package.TFRecordWriter(str(tmp_path / "a"))
    for name in (b"ab01", b"ab02"):
        writer.write(
            {
                "id": (name, "byte"),
                "labels": ([5, 300, 3000], "int"),
                "segment_start_times": ([40], "int"),
                "segment_labels": ([300], "int"),
                "segment_scores": ([1.0], "float"),
            },
            {
                "rgb": ([each.tobytes() for each in rgb_TC], "byte"),
                "audio": ([each.tobytes() for each in audio_TC], "byte"),
            },
        )
    writer.close()
    first, second = read_frame_records(tmp_path / "a")
    assert (first.video_id, second.video_id) == ("ab01", "ab02")
    assert np.array_equal(second.rgb_TC, rgb_TC)
    assert np.array_equal(second.audio_TC, audio_TC)
    assert second.labels.tolist() == [5, 300, 3000]
    assert second.segment_start_times is not None
    assert second.segment_start_times.tolist() == [40]
    assert len(Shard(tmp_path / "a")) == 2


def test_a_video_level_shard_by_the_package_is_read_by_podium(package, tmp_path):
    rgb, audio = RNG.normal(size=1024).astype(np.float32), RNG.normal(size=128).astype(np.float32)
    writer = package.TFRecordWriter(str(tmp_path / "a"))
    writer.write(
        {"id": (b"ab", "byte"), "labels": ([1], "int"), "mean_rgb": (rgb, "float"), "mean_audio": (audio, "float")}
    )
    writer.close()
    (found,) = read_video_records(tmp_path / "a")
    assert found.video_id == "ab"
    assert np.array_equal(found.mean_rgb, rgb)
    assert np.array_equal(found.mean_audio, audio)


def test_what_podium_encodes_protobuf_parses_to_the_same_message(package):
    context = {"a": b"x", "b": [b"y", b""], "c": np.array([-1, 2**62]), "d": np.array([0.5], dtype=np.float32)}
    message = package.example_pb2.SequenceExample.FromString(encode_sequence_example(context, {"e": [b"1", b"22"]}))
    feature = message.context.feature
    assert list(feature["a"].bytes_list.value) == [b"x"]
    assert list(feature["b"].bytes_list.value) == [b"y", b""]
    assert list(feature["c"].int64_list.value) == [-1, 2**62]
    assert list(feature["d"].float_list.value) == [0.5]
    assert [each.bytes_list.value[0] for each in message.feature_lists.feature_list["e"].feature] == [b"1", b"22"]
    example = package.example_pb2.Example.FromString(encode_example(context))
    assert example.features == message.context
    assert as_read(parse_example(example.SerializeToString())["c"]) == ("int64", [-1, 2**62])


def field(number, content, wire_type=LENGTH):
    tag = encoded_varint(number << 3 | wire_type)
    return tag + (encoded_varint(len(content)) if wire_type == LENGTH else b"") + content


def as_read(value):
    """A feature as (kind, values), comparable."""
    if value.kind is Kind.INT64:
        return "int64", value.int64s().tolist()
    if value.kind is Kind.FLOAT:
        return "float", [repr(each) for each in value.floats().tolist()]
    if value.kind is Kind.BYTES:
        return "bytes", value.byte_strings()
    return "nothing", []


class OddWriter:
    """Writes messages that are lawful and unlike any writer's, and now and then one that is broken."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def raw(self, most, least=0):
        return self.random.randbytes(self.random.randint(least, most))

    def message(self, *parts, strays=True):
        return b"".join(
            self.unknown() if strays and self.random.random() < 0.2 else self.random.choice(parts)()
            for _ in range(self.random.randint(0, 3))
        )

    def unknown(self):
        number = self.random.randint(4, 20)
        wire_type = self.random.choice([VARINT, FIXED32, FIXED64, LENGTH])
        content = {
            VARINT: encoded_varint(self.random.getrandbits(64)),
            FIXED32: self.raw(4, 4),
            FIXED64: self.raw(8, 8),
            LENGTH: self.raw(4),
        }
        return field(number, content[wire_type], wire_type)

    def values(self):
        return self.message(
            lambda: field(1, self.raw(12)),
            lambda: field(1, b"".join(encoded_varint(self.random.getrandbits(64)) for _ in range(3))),
            lambda: field(1, encoded_varint(self.random.getrandbits(64)), VARINT),
            lambda: field(1, self.raw(4, 4), FIXED32),
        )

    def feature(self):
        kinds = self.random.choice([(1,), (2,), (3,), (1, 2, 3)])
        return self.message(lambda: field(self.random.choice(kinds), self.values()))

    def feature_list(self):
        return self.message(lambda: field(1, self.feature()))

    def mapping(self, value):
        # Protobuf's Python keeps an entry with unknown fields out of the map; other languages and Podium do not.
        def strange_entry():
            key = self.random.choices([b"a", b"b", b"\xff"], [10, 10, 1])[0]
            return self.message(lambda: field(1, key), lambda: field(2, value()), strays=False)

        return self.message(lambda: field(1, strange_entry()))

    def sequence_example(self):
        return self.message(
            lambda: field(1, self.mapping(self.feature)), lambda: field(2, self.mapping(self.feature_list))
        )


def everything(payload):
    found = parse_sequence_example(payload)
    context = {key: as_read(each) for key, each in found.context.items()}
    return context, {key: [as_read(each) for each in frames.features()] for key, frames in found.lists.items()}


def by_protobuf(package, payload):
    """The same by protobuf, or None where it refuses the payload."""
    from google.protobuf.message import DecodeError

    def read(message):
        kind = message.WhichOneof("kind")
        if kind is None:
            return "nothing", []
        numbers = list(getattr(message, kind).value)
        return kind.removesuffix("_list"), [repr(each) for each in numbers] if kind == "float_list" else numbers

    try:
        message = package.example_pb2.SequenceExample.FromString(payload)
    except DecodeError:
        return None
    context = {key: read(each) for key, each in message.context.feature.items()}
    lists = message.feature_lists.feature_list
    return context, {key: [read(each) for each in frames.feature] for key, frames in lists.items()}


def by_podium(payload):
    try:
        return everything(payload)
    except MalformedError:
        return None


@pytest.mark.parametrize("block", range(4))
def test_strange_messages_are_read_as_protobuf_reads_them(package, block):
    payloads = [OddWriter(seed).sequence_example() for seed in range(1000 * block, 1000 * (block + 1))]
    pairs = [(by_protobuf(package, each), by_podium(each), each.hex()) for each in payloads]
    # What is overwritten later is not looked at by Podium, so it may take what protobuf refuses; never the reverse.
    assert [pair for pair in pairs if pair[0] is not None and pair[0] != pair[1]] == []
    assert sum(bool(expected and any(expected)) for expected, _, _ in pairs) > 200
    assert sum(found is None for _, found, _ in pairs) > 50
