"""Framing: every fault is found, told by file and byte, and refused or skipped."""

import os
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podium.errors import ChallengeError, UsageError
from podium.formats.faults import Faults
from podium.formats.tfrecord import MalformedError, Shard, write_shard
from podium.formats.tfrecord.checksum import masked_crc32c
from podium.formats.tfrecord.framing import MAX_RECORD_BYTES, walk
from podium.types import Severity

PAYLOADS = [b"first", b"", b"the third one"]
OFFSETS = [0, 21, 37]
SIZE = 66


@pytest.fixture
def shard(tmp_path):
    path = tmp_path / "a.tfrecord"
    write_shard(path, PAYLOADS)
    return path


def damage(path, at, *, cut=False, put=b""):
    data = bytearray(path.read_bytes())
    if cut:
        del data[at:]
    elif put:
        data[at : at + len(put)] = put
    else:
        data[at] ^= 0x40
    path.write_bytes(data)


def skipping(path, **settings):
    faults = Faults(str(path))
    return [bytes(each.payload) for each in Shard(path, **settings).records(on_fault="skip", faults=faults)], faults


def test_a_shard_has_exactly_the_bytes_of_the_format(tmp_path):
    write_shard(tmp_path / "a", [b"abc"])
    length = struct.pack("<Q", 3)
    expected = length + struct.pack("<I", masked_crc32c(length)) + b"abc" + struct.pack("<I", masked_crc32c(b"abc"))
    assert (tmp_path / "a").read_bytes() == expected


def test_records_come_back_with_their_places(shard):
    assert [(each.offset_bytes, bytes(each.payload)) for each in Shard(shard).records()] == [
        *zip(OFFSETS, PAYLOADS, strict=True)
    ]
    assert shard.stat().st_size == SIZE


def test_a_record_by_number_is_the_record_in_order(shard):
    opened = Shard(shard)
    assert len(opened) == 3
    assert [bytes(opened[number].payload) for number in range(3)] == PAYLOADS
    assert bytes(opened[-1].payload) == PAYLOADS[-1]
    with pytest.raises(IndexError):
        opened[3]


def test_an_empty_file_is_a_shard_without_records(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    assert list(Shard(tmp_path / "empty").records()) == []
    assert len(Shard(tmp_path / "empty")) == 0


@pytest.mark.parametrize(
    ("at", "fault", "left"),
    [
        (SIZE - 2, "the file ends within the checksum of a record of `13` bytes", PAYLOADS[:2]),
        (SIZE - 4, "the file ends within the checksum of a record of `13` bytes", PAYLOADS[:2]),
        (SIZE - 5, "the file ends after `12` of the record's `13` bytes", PAYLOADS[:2]),
        (OFFSETS[2] + 12, "the file ends after `0` of the record's `13` bytes", PAYLOADS[:2]),
        (OFFSETS[2] + 11, "the file ends after `11` of a record's `12` first bytes", PAYLOADS[:2]),
        (OFFSETS[2] + 1, "the file ends after `1` of a record's `12` first bytes", PAYLOADS[:2]),
    ],
)
def test_a_file_that_is_cut_off_is_told_by_file_and_byte(shard, at, fault, left):
    damage(shard, at, cut=True)
    with pytest.raises(ChallengeError) as error:
        list(Shard(shard).records())
    assert str(error.value) == f"{shard} byte {OFFSETS[2]}: {fault}; get the file again"
    records, faults = skipping(shard)
    assert records == left
    assert [each.place for each in faults.problems] == [f"{shard} byte {OFFSETS[2]}"]
    assert faults.problems[0].message == f"{fault}; the `{at - OFFSETS[2]}` bytes from here on are lost"
    assert faults.problems[0].severity is Severity.WARNING


@pytest.mark.parametrize("at", [OFFSETS[0] + 13, OFFSETS[0] + 18])
def test_a_damaged_payload_or_checksum_costs_one_record(shard, at):
    damage(shard, at)
    with pytest.raises(ChallengeError, match="byte 0: the payload of `5` bytes is damaged: its checksum differs"):
        list(Shard(shard).records())
    records, faults = skipping(shard)
    assert records == PAYLOADS[1:]
    assert [str(each) for each in faults.problems] == [
        f"{shard} byte 0: the payload of `5` bytes is damaged: its checksum differs; get the file again"
    ]


@pytest.mark.parametrize("at", [OFFSETS[1] + 0, OFFSETS[1] + 7, OFFSETS[1] + 8])
def test_a_damaged_length_costs_the_rest_and_the_problem_says_so(shard, at):
    damage(shard, at)
    with pytest.raises(ChallengeError, match="byte 21: the length is damaged"):
        list(Shard(shard).records())
    records, faults = skipping(shard)
    assert records == PAYLOADS[:1]
    assert f"the `{SIZE - 21}` bytes from here on are lost" in str(faults.problems[0])


def test_a_tail_of_zeros_is_no_record(shard):
    shard.write_bytes(shard.read_bytes() + bytes(64))
    records, faults = skipping(shard)
    assert records == PAYLOADS
    assert f"byte {SIZE}" in str(faults.problems[0])


def test_a_sound_record_that_is_too_long_is_skipped_and_the_next_is_read(tmp_path):
    path = tmp_path / "long"
    write_shard(path, [b"x" * 100, b"short"])
    with pytest.raises(ChallengeError, match=r"claims `100 bytes`; at most `50 bytes` are allowed"):
        list(Shard(path, max_record_bytes=50).records())
    records, _ = skipping(path, max_record_bytes=50)
    assert records == [b"short"]


def test_an_absurd_length_with_a_good_checksum_allocates_nothing(shard):
    length = struct.pack("<Q", 2**63)
    damage(shard, OFFSETS[1], put=length + struct.pack("<I", masked_crc32c(length)))
    records, faults = skipping(shard)
    assert records == PAYLOADS[:1]
    assert "claims `8.00 EiB`" in str(faults.problems[0])


def test_without_checking_a_damaged_payload_passes_and_lengths_are_still_bounded(shard):
    damage(shard, 13)
    assert [bytes(each.payload) for each in Shard(shard, check=False).records()][1:] == PAYLOADS[1:]
    damage(shard, OFFSETS[1] + 6)
    records, faults = skipping(shard, check=False)
    assert len(records) == 1
    assert "are lost" in str(faults.problems[0])


def test_a_damaged_record_by_number_is_refused_and_the_others_are_read(shard):
    damage(shard, 13)
    opened = Shard(shard)
    assert bytes(opened[2].payload) == PAYLOADS[2]
    with pytest.raises(ChallengeError, match=r"a\.tfrecord byte 0: the payload"):
        opened[0]


def test_a_payload_that_the_parser_refuses_is_a_fault_of_its_record(shard):
    def parse(payload):
        if not payload:
            raise MalformedError("nothing in it", at_bytes=0)
        return bytes(payload)

    with pytest.raises(ChallengeError, match=r"byte 21: nothing in it \(at byte `0` of the payload\)"):
        list(Shard(shard).parsed(parse))
    with pytest.raises(ChallengeError, match="byte 21: nothing in it"):
        Shard(shard).parse(1, parse)
    faults = Faults("train")
    assert list(Shard(shard).parsed(parse, on_fault="skip", faults=faults)) == [PAYLOADS[0], PAYLOADS[2]]
    assert faults.problems[0].place == "train a.tfrecord byte 21"
    assert "are lost" not in str(faults.problems[0])


def test_skipping_without_a_place_for_the_faults_is_refused(shard):
    with pytest.raises(UsageError, match="faults"):
        Shard(shard).records(on_fault="skip")


@pytest.mark.parametrize("kind", ["link", "folder", "pipe", "missing"])
def test_only_plain_files_are_read(shard, tmp_path, kind):
    path = tmp_path / kind
    if kind == "link":
        path.symlink_to(shard)
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    with pytest.raises(UsageError, match=f"the shard `{path}` cannot be read"):
        Shard(path)


def test_a_view_of_a_deleted_shard_stays_good(shard):
    record = Shard(shard)[2]
    shard.unlink()
    assert bytes(record.payload) == PAYLOADS[2]


def test_writing_that_fails_leaves_the_old_shard(shard):
    before = shard.read_bytes()

    def payloads():
        yield b"new"
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_shard(shard, payloads())
    assert shard.read_bytes() == before
    assert [each.name for each in shard.parent.iterdir()] == [shard.name]


def test_a_payload_that_no_reader_would_take_is_not_written(tmp_path):
    class Long(bytes):
        def __len__(self):
            return MAX_RECORD_BYTES + 1

    with pytest.raises(UsageError, match="record `1` of"):
        write_shard(tmp_path / "a", [b"", Long()])
    assert list(tmp_path.iterdir()) == []


@given(payloads=st.lists(st.binary(max_size=300), max_size=8))
@settings(max_examples=50)
def test_whatever_is_written_is_read(tmp_path_factory, payloads):
    path = tmp_path_factory.mktemp("shard") / "a"
    assert write_shard(path, payloads) == len(payloads)
    opened = Shard(path)
    assert [bytes(each.payload) for each in opened.records()] == payloads
    assert [bytes(opened[number].payload) for number in range(len(opened))] == payloads


@given(data=st.binary(max_size=200), check=st.booleans())
def test_any_bytes_end_in_records_or_damage(data, check):
    found = []
    records = list(walk(memoryview(data), found.append, check=check, max_record_bytes=64))
    ends = [each.offset_bytes + 16 + len(each.payload) for each in records]
    assert all(end <= len(data) for end in ends)
    assert bool(found) or sum(16 + len(each.payload) for each in records) == len(data)


@given(
    payloads=st.lists(st.binary(max_size=40), min_size=1, max_size=5),
    place=st.integers(min_value=0),
    bit=st.integers(0, 7),
)
def test_no_flipped_bit_goes_unnoticed_and_no_altered_payload_comes_through(payloads, place, bit):
    whole = bytearray()
    for payload in payloads:
        length = struct.pack("<Q", len(payload))
        whole += length + struct.pack("<I", masked_crc32c(length)) + payload + struct.pack("<I", masked_crc32c(payload))
    whole[place % len(whole)] ^= 1 << bit
    found = []
    records = [bytes(each.payload) for each in walk(memoryview(bytes(whole)), found.append)]
    assert len(found) == 1
    rest = iter(payloads)
    assert all(any(record == payload for payload in rest) for record in records)
    assert len(records) < len(payloads)
