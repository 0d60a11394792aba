"""A file of records, mapped, and read in order or by number."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeVar

from podium.errors import ChallengeError, SubmissionError, UsageError
from podium.formats.faults import Faults
from podium.formats.files import open_regular
from podium.formats.tfrecord.framing import MAX_RECORD_BYTES, OVERHEAD_BYTES, Damage, Record, read_record, walk
from podium.formats.tfrecord.index import Index, make_index
from podium.formats.tfrecord.wire import MalformedError
from podium.types import Problem, Severity

OnFault = Literal["refuse", "skip"]
Parsed = TypeVar("Parsed")
_HINT = "get the file again"


class Shard:
    """One file of records, mapped into memory and never changed.

    Views of it stay good while they are used, also when the file is deleted; cutting the file short while it is mapped
    ends the process.

    Args:
        path: The file; a link is not followed.
        index: Where its records begin, when that is known; else it is found when a record is first asked for by number.
        check: Compare checksums.
        max_record_bytes: The longest payload.

    Raises:
        UsageError: The file is missing or no plain file.
    """

    def __init__(
        self, path: Path, *, index: Index | None = None, check: bool = True, max_record_bytes: int = MAX_RECORD_BYTES
    ) -> None:
        self.path = path
        self.data = _mapped(path)
        self._check = check
        self._max_record_bytes = max_record_bytes
        if index is not None:
            self.index = index

    @cached_property
    def index(self) -> Index:
        """Where the records begin.

        Raises:
            ChallengeError: The framing is damaged.
        """
        return self.find_records()

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, number: int) -> Record:
        """The record of a number from 0.

        Raises:
            IndexError: There is no such record.
            ChallengeError: The record is damaged, or not where the index says.
        """
        number = range(len(self.index))[number]
        at, length = int(self.index.offsets_N[number]), int(self.index.lengths_N[number])
        found = read_record(
            self.data, at, check=self._check, check_payload=self._check, max_record_bytes=self._max_record_bytes
        )
        if isinstance(found, Record) and len(found.payload) != length:
            message = f"the record has `{len(found.payload)}` bytes; the index says `{length}`"
            found = Damage(offset_bytes=at, message=message)
        if isinstance(found, Damage):
            raise ChallengeError(str(_problem(str(self.path), found.offset_bytes, found.message)))
        return found

    def records(self, *, on_fault: OnFault = "refuse", faults: Faults | None = None) -> Iterator[Record]:
        """Every record in order.

        Args:
            on_fault: Refuse the shard at its first fault, or skip what is damaged: one record where only its payload
                is, the rest of the shard where a length is, or where the file is cut off.
            faults: Where what is skipped is noted, as warnings; needed for skipping.

        Raises:
            UsageError: Skipping was asked for without `faults`.
            ChallengeError: A record is damaged, and `on_fault` is `refuse`.
        """
        report = self._report(on_fault, faults)
        return walk(self.data, report, check=self._check, max_record_bytes=self._max_record_bytes)

    def parsed(
        self, parse: Callable[[memoryview], Parsed], *, on_fault: OnFault = "refuse", faults: Faults | None = None
    ) -> Iterator[Parsed]:
        """What a parser makes of every record, in order; a payload that it refuses is a fault as well.

        Args:
            parse: Raises MalformedError for a payload that is at fault.
            on_fault: As for `records`.
            faults: As for `records`.

        Raises:
            UsageError: Skipping was asked for without `faults`.
            ChallengeError: A record is damaged or malformed, and `on_fault` is `refuse`.
        """
        report = self._report(on_fault, faults)
        for record in walk(self.data, report, check=self._check, max_record_bytes=self._max_record_bytes):
            try:
                made = parse(record.payload)
            except MalformedError as error:
                report(_malformed(record, error))
                continue
            yield made

    def parse(self, number: int, parse: Callable[[memoryview], Parsed]) -> Parsed:
        """What a parser makes of the record of a number from 0.

        Raises:
            IndexError: There is no such record.
            ChallengeError: The record is damaged or malformed.
        """
        record = self[number]
        try:
            return parse(record.payload)
        except MalformedError as error:
            found = _malformed(record, error)
            raise ChallengeError(str(_problem(str(self.path), found.offset_bytes, found.message))) from error

    def find_records(self, *, on_fault: OnFault = "refuse", faults: Faults | None = None) -> Index:
        """The index, made by hopping from length to length; payloads are not looked at.

        Args:
            on_fault: As for `records`.
            faults: As for `records`.

        Raises:
            UsageError: Skipping was asked for without `faults`.
            ChallengeError: The framing is damaged, and `on_fault` is `refuse`.
        """
        report = self._report(on_fault, faults)
        offsets: list[int] = []
        lengths: list[int] = []
        hops = walk(self.data, report, check=self._check, check_payloads=False, max_record_bytes=self._max_record_bytes)
        for offset, payload in hops:
            offsets.append(offset)
            lengths.append(len(payload))
        return make_index(self.data, offsets, lengths)

    def _report(self, on_fault: OnFault, faults: Faults | None) -> Callable[[Damage], None]:
        if on_fault == "skip" and faults is None:
            raise UsageError("skipping damaged records needs `faults`, where they are noted")

        def report(damage: Damage) -> None:
            message = damage.message
            if on_fault == "refuse" or faults is None:
                raise ChallengeError(str(_problem(str(self.path), damage.offset_bytes, message)))
            if damage.next_bytes is None:
                message = f"{message}; the `{len(self.data) - damage.offset_bytes}` bytes from here on are lost"
            where = f"byte {damage.offset_bytes}"
            if faults.file not in (str(self.path), self.path.name):
                where = f"{self.path.name} {where}"
            faults.add(where, message, hint=_HINT, severity=Severity.WARNING)

        return report


def _mapped(path: Path) -> memoryview:
    try:
        with open_regular(path) as stream:
            empty = not stream.read(1)
            return memoryview(b"" if empty else mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
    except SubmissionError as error:
        reason = error.problems[0].message if error.problems else str(error)
        raise UsageError(f"the shard `{path}` cannot be read: {reason}") from error


def _malformed(record: Record, error: MalformedError) -> Damage:
    message = f"{error} (at byte `{error.at_bytes}` of the payload)"
    after = record.offset_bytes + OVERHEAD_BYTES + len(record.payload)
    return Damage(offset_bytes=record.offset_bytes, message=message, next_bytes=after)


def _problem(path: str, offset_bytes: int, message: str) -> Problem:
    return Problem(place=f"{path} byte {offset_bytes}", message=message, hint=_HINT)
