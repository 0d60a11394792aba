"""Index files are refused when stale; many shards are one sequence."""

import json
import pickle
import resource
from pathlib import Path

import numpy as np
import pytest

from podium.errors import ChallengeError, UsageError
from podium.formats.faults import Faults
from podium.formats.tfrecord import Shard, ShardSet, write_shard
from podium.formats.tfrecord.index import read_index, write_index

PAYLOADS = [b"first", b"", b"the third one"]


@pytest.fixture
def shard(tmp_path):
    path = tmp_path / "a.tfrecord"
    write_shard(path, PAYLOADS)
    return path


def kept(shard):
    path = shard.with_name("a.index.json")
    write_index(Shard(shard).index, path, shard=shard.name)
    return path


def test_an_index_tells_where_each_record_begins_and_how_long_it_is(shard):
    index = Shard(shard).index
    assert index.offsets_N.tolist() == [0, 21, 37]
    assert index.lengths_N.tolist() == [5, 0, 13]
    assert index.size_bytes == shard.stat().st_size
    assert index.complete


def test_an_index_comes_back_from_its_file_and_finds_the_records(shard):
    path = kept(shard)
    before = path.read_bytes()
    index = read_index(path, Shard(shard).data)
    assert [bytes(Shard(shard, index=index)[number].payload) for number in range(3)] == PAYLOADS
    assert kept(shard).read_bytes() == before


@pytest.mark.parametrize(
    ("payloads", "fault"),
    [
        ([*PAYLOADS, b"more"], "it is of `66` bytes, the shard has `86`"),
        ([b"other", b"", b"the third one"], "the shard has other records"),
        ([b"", b"first", b"the third one"], "the shard has other records"),
    ],
)
def test_an_index_of_an_earlier_shard_is_refused(shard, payloads, fault):
    path = kept(shard)
    write_shard(shard, payloads)
    with pytest.raises(ChallengeError, match=f"stale: {fault}"):
        read_index(path, Shard(shard).data)


@pytest.mark.parametrize(
    "change",
    [
        {"offsets": [0, 21]},
        {"offsets": [0, 20, 37]},
        {"offsets": [-1, 21, 37]},
        {"offsets": [0, 21, 10**30]},
        {"lengths": [5, 0, 14]},
        {"lengths": [5, -1, 13]},
        {"lengths": "no"},
        {"more": 1},
    ],
)
def test_a_damaged_index_is_refused(shard, change):
    path = kept(shard)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ChallengeError, match="is damaged"):
        read_index(path, Shard(shard).data)


def test_an_index_of_a_later_schema_a_link_or_no_text_is_refused(shard):
    path = kept(shard)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": 2}))
    with pytest.raises(ChallengeError, match="schema `2`; this Podium reads `1`"):
        read_index(path, Shard(shard).data)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ChallengeError, match="is damaged"):
        read_index(path, Shard(shard).data)
    shard.with_name("link").symlink_to(path)
    with pytest.raises(UsageError, match="this is a link"):
        read_index(shard.with_name("link"), Shard(shard).data)


def test_an_index_of_another_shard_gives_a_fault_and_no_wrong_record(shard, tmp_path):
    other = tmp_path / "b"
    write_shard(other, [b"1", b"22", b"the third one is longer"])
    opened = Shard(shard, index=Shard(other).index)
    for number in range(3):
        with pytest.raises(ChallengeError, match=r"a\.tfrecord byte"):
            opened[number]


def test_a_damaged_shard_has_an_index_of_what_can_be_found(shard):
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(ChallengeError, match="the file ends within the checksum"):
        _ = Shard(shard).index
    faults = Faults("a.tfrecord")
    index = Shard(shard).find_records(on_fault="skip", faults=faults)
    assert index.offsets_N.tolist() == [0, 21]
    assert not index.complete
    assert len(faults.problems) == 1


@pytest.fixture
def many(tmp_path):
    paths = [tmp_path / f"train{number:04d}.tfrecord" for number in range(4)]
    counts = [3, 0, 1, 2]
    for shard, (path, count) in enumerate(zip(paths, counts, strict=True)):
        write_shard(path, [f"{shard}:{record}".encode() for record in range(count)])
    return paths


def test_many_shards_are_one_sequence(many):
    shards = ShardSet.open(many)
    assert len(shards) == 6
    assert [bytes(shards[number].payload).decode() for number in range(6)] == ["0:0", "0:1", "0:2", "2:0", "3:0", "3:1"]
    places = [shards.locate(number) for number in range(6)]
    assert [(each.shard, each.record) for each in places] == [(0, 0), (0, 1), (0, 2), (2, 0), (3, 0), (3, 1)]
    assert shards.parse(5, bytes) == b"3:1"
    with pytest.raises(IndexError):
        shards[6]
    assert len(ShardSet.open([])) == 0


def test_index_files_are_made_once_and_used_afterwards(many, tmp_path):
    folder = tmp_path / "indexes"
    folder.mkdir()
    first = ShardSet.open(many, index_folder=folder)
    assert sorted(each.name for each in folder.iterdir()) == [f"{path.name}.index.json" for path in many]
    made = {each: each.stat().st_mtime_ns for each in folder.iterdir()}
    second = ShardSet.open(many, index_folder=folder)
    assert made == {each: each.stat().st_mtime_ns for each in folder.iterdir()}
    assert first.digest == second.digest == ShardSet.open(many).digest
    write_shard(many[2], [b"2:9"])
    with pytest.raises(ChallengeError, match=r"train0002\.tfrecord\.index\.json` is stale"):
        ShardSet.open(many, index_folder=folder)


def test_the_digest_tells_contents_and_order_apart(many):
    before = ShardSet.open(many).digest
    assert ShardSet.open([*reversed(many)]).digest != before
    write_shard(many[3], [b"3:0", b"3:2"])
    assert ShardSet.open(many).digest != before


def test_a_damaged_shard_of_many_is_refused_or_gives_what_it_has(many):
    many[3].write_bytes(many[3].read_bytes()[:-1])
    with pytest.raises(ChallengeError, match=r"train0003\.tfrecord byte 19"):
        ShardSet.open(many)
    faults = Faults("train")
    assert len(ShardSet.open(many, on_fault="skip", faults=faults)) == 5
    assert faults.problems[0].place == "train train0003.tfrecord byte 19"


def test_shards_of_one_name_cannot_keep_their_indexes_in_one_folder(many, tmp_path):
    (tmp_path / "more").mkdir()
    twin = tmp_path / "more" / many[0].name
    write_shard(twin, [b"x"])
    with pytest.raises(UsageError, match="same name"):
        ShardSet.open([many[0], twin], index_folder=tmp_path)
    assert len(ShardSet.open([many[0], twin])) == 4


def test_a_set_goes_to_another_process_without_its_maps(many):
    shards = ShardSet.open(many)
    assert bytes(shards[3].payload) == b"2:0"
    # Trusted bytes of this very test: that is how a data loader hands a data set to its workers.
    again = pickle.loads(pickle.dumps(shards))
    assert bytes(again[3].payload) == b"2:0"
    assert again.digest == shards.digest


def test_more_shards_than_a_process_may_open_files_are_read(tmp_path):
    paths = [tmp_path / f"{number:04d}" for number in range(300)]
    for path in paths:
        write_shard(path, [path.name.encode()])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    in_use = sum(1 for _ in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(in_use + 100, hard), hard))
    try:
        shards = ShardSet.open(paths)
        order = np.random.default_rng(0).permutation(300)
        assert [int(bytes(shards[int(number)].payload)) for number in order] == order.tolist()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
