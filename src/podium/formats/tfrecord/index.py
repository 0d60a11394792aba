"""Where the records of a shard begin, so that any of them is read without those before it.

N records.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from podium.errors import ChallengeError, SubmissionError, UsageError
from podium.formats.files import open_regular, replacing
from podium.formats.tfrecord.framing import FOOTER_BYTES, HEADER_BYTES, OVERHEAD_BYTES

MAX_INDEX_BYTES = 1 << 30
SUFFIX = ".index.json"
_SCHEMA = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Index:
    """The records of a shard by number.

    Attributes:
        offsets_N: int64 bytes, ascending; where each record's length stands.
        lengths_N: int64 bytes of each payload.
        size_bytes: Of the shard.
        digest: ``sha256:…`` over the lengths and all checksums that stand in the shard: another payload has another
            checksum, so this tells shards apart without reading them whole.
    """

    offsets_N: NDArray[np.int64]
    lengths_N: NDArray[np.int64]
    size_bytes: int
    digest: str

    def __len__(self) -> int:
        return len(self.offsets_N)

    @property
    def complete(self) -> bool:
        """True when the records fill the shard; a damaged one has gaps, or an end that no record reaches."""
        return int(self.lengths_N.sum()) + OVERHEAD_BYTES * len(self) == self.size_bytes


class _IndexFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    schema: int
    shard: str
    size_bytes: int
    digest: str
    offsets: list[int]
    lengths: list[int]


def make_index(data: memoryview, offsets: list[int], lengths: list[int]) -> Index:
    """The index of a shard.

    Args:
        data: The whole shard.
        offsets: Where each record begins; the record lies within `data`.
        lengths: The bytes of each payload.
    """
    offsets_N, lengths_N = np.array(offsets, dtype=np.int64), np.array(lengths, dtype=np.int64)
    digest = _digest(data, offsets_N, lengths_N)
    return Index(offsets_N=offsets_N, lengths_N=lengths_N, size_bytes=len(data), digest=digest)


def write_index(index: Index, path: Path, *, shard: str) -> None:
    """Writes an index as JSON; equal indexes give equal bytes.

    Args:
        index: What to write.
        path: Replaced when it exists.
        shard: The shard's file name, for the people who read the file.
    """
    content = _IndexFile(
        schema=_SCHEMA,
        shard=shard,
        size_bytes=index.size_bytes,
        digest=index.digest,
        offsets=index.offsets_N.tolist(),
        lengths=index.lengths_N.tolist(),
    )
    with replacing(path) as stream:
        stream.write(msgspec.json.encode(content) + b"\n")


def read_index(path: Path, data: memoryview) -> Index:
    """The index in a file, when it is that of the shard as it is now.

    Args:
        path: What `write_index` wrote.
        data: The whole shard; the lengths and checksums in it are compared, not the payloads.

    Raises:
        UsageError: The file is missing or no plain file.
        ChallengeError: It is damaged, of a later schema, or stale: the shard has another size or other records.
    """
    try:
        with open_regular(path, max_bytes=MAX_INDEX_BYTES) as stream:
            found = msgspec.json.decode(stream.read(), type=_IndexFile)
        offsets_N, lengths_N = np.array(found.offsets, dtype=np.int64), np.array(found.lengths, dtype=np.int64)
    except SubmissionError as error:
        raise UsageError(f"the index `{path}` cannot be read: {error}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, OverflowError) as error:
        raise ChallengeError(f"the index `{path}` is damaged: {error}") from error
    if found.schema != _SCHEMA:
        raise ChallengeError(f"the index `{path}` has schema `{found.schema}`; this Podium reads `{_SCHEMA}`")
    if found.size_bytes != len(data):
        sizes = f"it is of `{found.size_bytes}` bytes, the shard has `{len(data)}`"
        raise ChallengeError(f"the index `{path}` is stale: {sizes}; delete it, and it is made anew")
    if not _fits(offsets_N, lengths_N, len(data)):
        raise ChallengeError(f"the index `{path}` is damaged: its records are not within the shard, one after another")
    if _digest(data, offsets_N, lengths_N) != found.digest:
        raise ChallengeError(
            f"the index `{path}` is stale: the shard has other records; delete it, and it is made anew"
        )
    return Index(offsets_N=offsets_N, lengths_N=lengths_N, size_bytes=len(data), digest=found.digest)


def _fits(offsets_N: NDArray[np.int64], lengths_N: NDArray[np.int64], size_bytes: int) -> bool:
    if len(offsets_N) != len(lengths_N):
        return False
    inside = (offsets_N >= 0) & (offsets_N <= size_bytes) & (lengths_N >= 0) & (lengths_N <= size_bytes)
    ends_N = offsets_N + lengths_N + OVERHEAD_BYTES
    limits_N = np.append(offsets_N[1:], size_bytes)[: len(offsets_N)]
    return bool((inside & (ends_N <= limits_N)).all())


def _digest(data: memoryview, offsets_N: NDArray[np.int64], lengths_N: NDArray[np.int64]) -> str:
    whole: NDArray[Any] = np.frombuffer(data, dtype=np.uint8)
    headers_NB = whole[offsets_N[:, None] + np.arange(HEADER_BYTES)]
    footers_NB = whole[(offsets_N + lengths_N + HEADER_BYTES)[:, None] + np.arange(FOOTER_BYTES)]
    framing = hashlib.sha256(np.concatenate([headers_NB, footers_NB], axis=1).tobytes())
    return f"sha256:{framing.hexdigest()}"
