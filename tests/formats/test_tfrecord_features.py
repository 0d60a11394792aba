"""Messages: what any legal writer may write is read, as protobuf reads it; anything else is MalformedError, in time."""

import contextlib
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podium.errors import UsageError
from podium.formats.tfrecord import (
    MalformedError,
    encode_example,
    encode_sequence_example,
    parse_example,
    parse_sequence_example,
)
from podium.formats.tfrecord.features import Feature, FeatureList, Kind
from podium.formats.tfrecord.wire import Message, encoded_varint, fields, signed_varints, varint

LENGTH, VARINT, FIXED32, FIXED64 = 2, 0, 5, 1


def field(number, content, wire_type=LENGTH):
    tag = encoded_varint(number << 3 | wire_type)
    return tag + (encoded_varint(len(content)) if wire_type == LENGTH else b"") + content


def feature(raw):
    return Feature(raw, 0, len(raw))


def entry(key, value, *, reverse=False):
    parts = [field(1, key.encode()), field(2, value)]
    return field(1, b"".join(reversed(parts) if reverse else parts))


def int64_feature(*numbers):
    return field(3, field(1, b"".join(map(encoded_varint, numbers))))


def frame(content):
    return field(1, field(1, field(1, content)))


def example(*entries):
    return field(1, b"".join(entries))


def test_a_number_takes_seven_bits_a_byte_and_the_last_byte_is_below_128():
    assert varint(bytes.fromhex("8601"), 0, 2) == (134, 2)
    assert varint(b"\xff" * 9 + b"\x01", 0, 10) == (2**64 - 1, 10)


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_every_int64_comes_back(numbers):
    raw = b"".join(map(encoded_varint, numbers))
    assert signed_varints(raw, 0, len(raw)) == numbers
    assert feature(int64_feature(*numbers)).int64s().tolist() == numbers


def test_a_negative_int64_takes_ten_bytes():
    assert len(encoded_varint(-1)) == 10
    assert feature(int64_feature(-1, 7)).int64s().tolist() == [-1, 7]


@pytest.mark.parametrize("raw", [b"\x80", b"\xff" * 9, b"\xff" * 11, b"\xff" * 10 + b"\x01"])
def test_a_number_that_does_not_end_is_malformed(raw):
    with pytest.raises(MalformedError, match="number"):
        varint(raw, 0, len(raw))
    with pytest.raises(MalformedError, match="number"):
        signed_varints(raw, 0, len(raw))


def test_entries_are_read_in_any_order_with_the_value_before_the_key():
    raw = example(entry("b", int64_feature(2), reverse=True), entry("a", int64_feature(1)))
    assert {key: value.int64s().tolist() for key, value in parse_example(raw).items()} == {"a": [1], "b": [2]}


def test_of_equal_keys_the_last_wins():
    raw = example(entry("a", int64_feature(1)), entry("a", int64_feature(2)))
    assert parse_example(raw)["a"].int64s().tolist() == [2]


def test_unpacked_numbers_and_several_packed_chunks_are_read_in_their_order():
    ints = field(3, field(1, b"\x01", VARINT) + field(1, b"\x02\x03") + field(1, b"\x04", VARINT) + field(1, b"\x05"))
    assert feature(ints).int64s().tolist() == [1, 2, 3, 4, 5]
    one, two, three = (struct.pack("<f", each) for each in (1, 2, 3))
    floats = field(2, field(1, one, FIXED32) + field(1, two + three))
    assert feature(floats).floats().tolist() == [1, 2, 3]


def test_unknown_fields_of_every_wire_type_are_skipped():
    unknown = (
        field(9, b"\x96\x01", VARINT) + field(8, bytes(8), FIXED64) + field(7, b"zzz") + field(6, bytes(4), FIXED32)
    )
    lists = unknown + field(3, unknown + field(1, b"\x05") + unknown) + unknown
    raw = unknown + field(1, unknown + field(1, unknown + field(1, b"a") + unknown + field(2, lists)))
    assert parse_example(raw)["a"].int64s().tolist() == [5]


def test_missing_and_empty_lists_have_no_values():
    for raw in (b"", field(3, b""), field(3, field(1, b""))):
        assert feature(raw).int64s().tolist() == []
    assert feature(b"").kind is Kind.NOTHING
    assert feature(b"").byte_strings() == []
    for raw in (b"", field(2, b""), field(2, field(1, b"")), field(2, field(1, b"") * 2)):
        assert feature(raw).floats().tolist() == []
        assert feature(raw).floats().dtype == np.float32
    assert parse_example(b"") == {}
    assert parse_sequence_example(b"").lists == {}
    assert FeatureList(b"", 0, 0).rows(1024).shape == (0, 1024)


def test_of_two_kinds_in_one_feature_the_last_counts_and_two_of_a_kind_are_one():
    two = field(3, field(1, b"\x01")) + field(3, field(1, b"\x02"))
    assert feature(two).int64s().tolist() == [1, 2]
    assert feature(two + field(1, field(1, b"x"))).byte_strings() == [b"x"]


def test_a_context_in_two_pieces_is_one():
    raw = example(entry("a", int64_feature(1))) + example(entry("b", int64_feature(2)))
    assert sorted(parse_sequence_example(raw).context) == ["a", "b"]


def test_values_of_another_kind_are_malformed():
    with pytest.raises(MalformedError, match="of the kind `int64`; `float` is needed"):
        feature(int64_feature(1)).floats()
    with pytest.raises(MalformedError, match="of the kind `int64`; `bytes` is needed"):
        feature(int64_feature(1)).byte_strings()


def test_packed_numbers_of_a_wrong_size_are_malformed():
    with pytest.raises(MalformedError, match="no multiple of `4`"):
        feature(field(2, field(1, bytes(7)))).floats()
    with pytest.raises(MalformedError, match="no multiple of `4`"):
        feature(field(2, field(1, bytes(2)) + field(1, bytes(2)))).floats()


@pytest.mark.parametrize(
    ("raw", "message", "at"),
    [
        (b"\x0a\x05ab", "a field ends `3` bytes behind its message", 0),
        (b"\x08\x01\x0d\x00", "a field ends `3` bytes behind its message", 2),
        (b"\x0b", "a field is of wire type `3`", 0),
        (b"\x0f", "a field is of wire type `7`", 0),
        (b"\x02\x00", "the field number `0` is none", 0),
        (b"\x08\x01\x80", "a number is cut off", 2),
        (b"\xfa\xff\xff\xff\x7f\x00", "the field number `4294967295` is none", 0),
    ],
)
def test_a_malformed_field_is_told_by_its_place(raw, message, at):
    with pytest.raises(MalformedError) as error:
        list(fields(Message(raw, 0, len(raw))))
    assert str(error.value).startswith(message)
    assert error.value.at_bytes == at


def test_a_key_that_is_no_text_is_malformed():
    with pytest.raises(MalformedError, match="no UTF-8"):
        parse_example(field(1, field(1, field(1, b"\xff\xfe") + field(2, b""))))


@pytest.mark.parametrize("dimensions", [1, 100, 124, 125, 127, 128, 1024, 16_384])
def test_frames_of_one_layout_are_a_view_and_equal_the_walk(dimensions):
    frames = np.random.default_rng(0).integers(0, 256, (7, dimensions), dtype=np.uint8)
    raw = b"".join(frame(each.tobytes()) for each in frames)
    rows = FeatureList(raw, 0, len(raw)).rows(dimensions)
    assert np.array_equal(rows, frames)
    assert not rows.flags.owndata
    walked = [each.byte_strings() for each in FeatureList(raw, 0, len(raw)).features()]
    assert walked == [[each.tobytes()] for each in frames]


def test_the_sizes_of_frames_on_the_wire_are_those_of_the_data_set():
    assert len(frame(bytes(1024))) == 1033
    assert len(frame(bytes(128))) == 137


def test_frames_of_another_layout_are_walked():
    unusual = field(1, field(1, field(1, b"abcd") + field(9, b"", LENGTH)))
    raw = frame(b"0123") + unusual + frame(b"4567")
    assert FeatureList(raw, 0, len(raw)).rows(4).tobytes() == b"0123abcd4567"


def test_frames_that_share_the_stride_but_not_the_headers_are_not_taken_by_stride():
    raw = frame(b"01234") + field(1, field(1, field(1, b"abc") + field(9, b"")))
    assert len(raw) == 2 * len(frame(b"01234"))
    with pytest.raises(MalformedError, match="frame `1` has `3` bytes; one of `5` bytes is needed"):
        FeatureList(raw, 0, len(raw)).rows(5)


@pytest.mark.parametrize(
    ("second", "found"),
    [(field(1, b""), "`0` byte strings"), (field(1, field(1, field(1, b"abcd") * 2)), "`2` byte strings")],
)
def test_a_frame_that_is_not_one_byte_string_is_malformed(second, found):
    raw = frame(b"0123") + second
    with pytest.raises(MalformedError, match=f"frame `1` has {found}"):
        FeatureList(raw, 0, len(raw)).rows(4)


@pytest.mark.parametrize("contents", [[], [b"0123"], [b"0123", b"abcd"], [b"0123", b"ab"], [b"", b"0123456789"]])
@pytest.mark.parametrize("rest", [b"", b"\x18\x01"])
def test_frames_are_counted_however_they_are_laid_out(contents, rest):
    raw = b"".join(frame(each) for each in contents) + rest
    assert FeatureList(raw, 0, len(raw)).count(4) == len(contents)
    padded = b"xx" + raw + frame(b"0123")
    assert FeatureList(memoryview(padded), 2, 2 + len(raw)).count(4) == len(contents)


def test_encoding_refuses_what_no_feature_can_hold():
    for value in (np.zeros((2, 2)), np.array(["a"]), np.array([1j])):
        with pytest.raises(UsageError, match="the values of `a`"):
            encode_example({"a": value})


keys = st.text(max_size=6)
values = st.one_of(
    st.binary(max_size=200),
    st.lists(st.binary(max_size=5), max_size=4),
    st.lists(st.integers(-(2**63), 2**63 - 1), max_size=9).map(lambda each: np.array(each, dtype=np.int64)),
    st.lists(st.floats(width=32), max_size=9).map(lambda each: np.array(each, dtype=np.float32)),
)
examples = st.dictionaries(keys, values, max_size=4)


def as_read(value):
    """A feature as (kind, values), comparable."""
    if value.kind is Kind.INT64:
        return "int64", value.int64s().tolist()
    if value.kind is Kind.FLOAT:
        return "float", [repr(each) for each in value.floats().tolist()]
    if value.kind is Kind.BYTES:
        return "bytes", value.byte_strings()
    return "nothing", []


def as_given(value):
    if isinstance(value, bytes):
        return "bytes", [value]
    if isinstance(value, list):
        return "bytes", value
    if value.dtype.kind == "i":
        return "int64", value.tolist()
    return "float", [repr(each) for each in value.tolist()]


@given(context=examples, lists=st.dictionaries(keys, st.lists(values, max_size=3), max_size=3))
def test_whatever_is_encoded_is_parsed(context, lists):
    found = parse_sequence_example(encode_sequence_example(context, lists))
    assert {key: as_read(each) for key, each in found.context.items()} == {
        key: as_given(each) for key, each in context.items()
    }
    assert {key: [as_read(each) for each in frames.features()] for key, frames in found.lists.items()} == {
        key: [as_given(each) for each in frames] for key, frames in lists.items()
    }


@given(st.binary(max_size=300))
@settings(max_examples=300)
def test_any_bytes_are_parsed_or_malformed(payload):
    for parse in (parse_example, parse_sequence_example):
        with contextlib.suppress(MalformedError):
            parse(payload)
    for parse in (Feature.int64s, Feature.floats, Feature.byte_strings):
        with contextlib.suppress(MalformedError):
            parse(feature(payload))
    with contextlib.suppress(MalformedError):
        FeatureList(payload, 0, len(payload)).rows(3)
