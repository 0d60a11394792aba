"""Many files of records as if they were one."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar

from podium.errors import UsageError
from podium.formats.faults import Faults
from podium.formats.tfrecord.framing import MAX_RECORD_BYTES, Record
from podium.formats.tfrecord.index import SUFFIX, Index, read_index, write_index
from podium.formats.tfrecord.shards import OnFault, Shard
from podium.types import Progress, silent

Parsed = TypeVar("Parsed")
_OPEN_SHARDS = 64


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a record of many shards lies: the number of its shard, and its own within that."""

    shard: int
    record: int


class ShardSet:
    """Many shards as one sequence of records; few are mapped at a time, and it can be handed to other processes.

    Args:
        paths: The shards, in order.
        indexes: Of each shard.
        check: Compare checksums.
        max_record_bytes: The longest payload.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        indexes: Sequence[Index],
        *,
        check: bool = True,
        max_record_bytes: int = MAX_RECORD_BYTES,
    ) -> None:
        if len(paths) != len(indexes):
            raise UsageError(f"`{len(paths)}` shards have `{len(indexes)}` indexes; one each is needed")
        self.paths = tuple(paths)
        self.indexes = tuple(indexes)
        self._check = check
        self._max_record_bytes = max_record_bytes
        self._ends = tuple(accumulate(len(index) for index in indexes))
        self._open: OrderedDict[int, Shard] = OrderedDict()

    @staticmethod
    def open(
        paths: Sequence[Path],
        *,
        index_folder: Path | None = None,
        on_fault: OnFault = "refuse",
        faults: Faults | None = None,
        check: bool = True,
        max_record_bytes: int = MAX_RECORD_BYTES,
        progress: Progress = silent,
    ) -> ShardSet:
        """The set of some files, with the index of each found or read.

        Args:
            paths: The shards, in order.
            index_folder: Where index files lie, by the shards' names; missing ones are written. None keeps none.
            on_fault: Refuse a damaged shard, or leave out the records that cannot be found.
            faults: Where what is left out is noted; needed for skipping.
            check: Compare checksums.
            max_record_bytes: The longest payload.
            progress: Shows the walk over the shards.

        Raises:
            UsageError: A file is missing or no plain file, two have one name, or skipping lacks `faults`.
            ChallengeError: A shard is damaged and `on_fault` is `refuse`, or an index is stale or damaged.
        """
        if index_folder is not None and len({path.name for path in paths}) < len(paths):
            raise UsageError("two shards have the same name; their indexes cannot lie in one folder")
        indexes: list[Index] = []
        for path in progress(paths, what="indexing shards", total=len(paths)):
            shard = Shard(path, check=check, max_record_bytes=max_record_bytes)
            kept = None if index_folder is None else index_folder / f"{path.name}{SUFFIX}"
            indexes.append(_index_of(shard, kept, on_fault, faults))
        return ShardSet(paths, indexes, check=check, max_record_bytes=max_record_bytes)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def locate(self, number: int) -> Place:
        """Where the record of a number from 0 lies.

        Raises:
            IndexError: There is no such record.
        """
        number = range(len(self))[number]
        shard = bisect_right(self._ends, number)
        return Place(shard=shard, record=number - (self._ends[shard - 1] if shard else 0))

    def __getitem__(self, number: int) -> Record:
        """The record of a number from 0.

        Raises:
            IndexError: There is no such record.
            ChallengeError: The record is damaged, or not where the index says.
        """
        place = self.locate(number)
        return self._shard(place.shard)[place.record]

    def parse(self, number: int, parse: Callable[[memoryview], Parsed]) -> Parsed:
        """What a parser makes of the record of a number from 0.

        Raises:
            IndexError: There is no such record.
            ChallengeError: The record is damaged or malformed.
        """
        place = self.locate(number)
        return self._shard(place.shard).parse(place.record, parse)

    @cached_property
    def digest(self) -> str:
        """``sha256:…`` over the names of the shards and the digest of each, in order."""
        whole = hashlib.sha256()
        for path, index in zip(self.paths, self.indexes, strict=True):
            whole.update(path.name.encode("utf-8", "surrogateescape") + b"\0" + index.digest.encode() + b"\0")
        return f"sha256:{whole.hexdigest()}"

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open": OrderedDict()}

    def _shard(self, number: int) -> Shard:
        shard = self._open.pop(number, None)
        if shard is None:
            shard = Shard(
                self.paths[number],
                index=self.indexes[number],
                check=self._check,
                max_record_bytes=self._max_record_bytes,
            )
        self._open[number] = shard
        if len(self._open) > _OPEN_SHARDS:
            self._open.popitem(last=False)
        return shard


def _index_of(shard: Shard, kept: Path | None, on_fault: OnFault, faults: Faults | None) -> Index:
    if kept is not None and kept.exists():
        index = read_index(kept, shard.data)
        if index.complete:
            return index
    index = shard.find_records(on_fault=on_fault, faults=faults)
    if kept is not None:
        write_index(index, kept, shard=shard.path.name)
    return index
