"""What shards say of their videos, looked up once and kept beside their indexes: all but the features.

Legend: V videos, L labels of all videos, R ratings of all videos.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from podium.errors import ChallengeError
from podium.formats.faults import Faults
from podium.formats.files import replacing
from podium.formats.tfrecord import FrameContext, OnFault, Shard, ShardSet, parse_frame_context
from podium.types import Problem, Progress, Severity, silent

SUFFIX = ".contents.json"
_SCHEMA = 1
_Number = TypeVar("_Number", bound=np.generic)


@dataclass(frozen=True, kw_only=True, eq=False)
class Contents:
    """The videos of one shard.

    Attributes:
        record_V: int64, the number of each video's record in the shard; damaged ones are left out.
        ids: One a video.
        frames_V: int64.
        labels_V: int64, how many labels each video has.
        label_L: int64 class indices, video after video.
        ratings_V: int64, how many ratings each video has.
        start_R: int64 seconds, video after video.
        class_R: int64 class indices.
        score_R: float32.
        damaged: Records that were left out.
    """

    record_V: NDArray[np.int64]
    ids: tuple[str, ...]
    frames_V: NDArray[np.int64]
    labels_V: NDArray[np.int64]
    label_L: NDArray[np.int64]
    ratings_V: NDArray[np.int64]
    start_R: NDArray[np.int64]
    class_R: NDArray[np.int64]
    score_R: NDArray[np.float32]
    damaged: int = 0


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    schema: int
    shard: str
    digest: str
    checked: bool
    ids: list[str]
    frames: list[int]
    label_counts: list[int]
    labels: list[int]
    rating_counts: list[int]
    starts: list[int]
    classes: list[int]
    scores: list[float]


def read_contents(
    shards: ShardSet,
    *,
    folder: Path | None = None,
    on_fault: OnFault = "refuse",
    faults: Faults | None = None,
    progress: Progress = silent,
) -> Iterator[Contents]:
    """What each shard holds, in order.

    Args:
        shards: The shards, indexed.
        folder: Where contents are kept, by the shards' names, for the next time; they are made anew where a shard is
            another than it was. Those of damaged shards are not kept, so that the damage is told each time.
        on_fault: `refuse` reads no features, so that their damage shows when a video is read; `skip` reads all there
            is the first time, and leaves out what is damaged.
        faults: Where damage is noted; needed for `skip`.
        progress: Shows the shards.

    Raises:
        ChallengeError: A record is damaged or malformed, and `on_fault` is `refuse`.
    """
    checked = on_fault == "skip"
    for path, index in progress(
        list(zip(shards.paths, shards.indexes, strict=True)), what="looking up videos", total=len(shards.paths)
    ):
        kept = None if folder is None else folder / f"{path.name}{SUFFIX}"
        found = None if kept is None else _kept(kept, index.digest, checked=checked)
        if found is None:
            shard = Shard(path, index=index, check=checked)
            found = _looked_up(shard, faults if checked else None)
            if kept is not None and not found.damaged and index.complete:
                _keep(found, kept, shard=path.name, digest=index.digest, checked=checked)
        yield found


def _looked_up(shard: Shard, faults: Faults | None) -> Contents:
    records: list[int] = []
    videos: list[FrameContext] = []
    for number in range(len(shard)):
        try:
            videos.append(shard.parse(number, parse_frame_context))
        except ChallengeError as error:
            if faults is None:
                raise
            _note(error, shard, number, faults)
            continue
        records.append(number)
    return _flat(videos, records, damaged=len(shard) - len(records))


def _note(error: ChallengeError, shard: Shard, number: int, faults: Faults) -> None:
    at = int(shard.index.offsets_N[number])
    plain = str(Problem(place=f"{shard.path} byte {at}", message=""))
    faults.add(f"{shard.path.name} byte {at}", str(error).removeprefix(plain), severity=Severity.WARNING)


def _flat(videos: list[FrameContext], records: list[int], *, damaged: int) -> Contents:
    return Contents(
        record_V=np.array(records, dtype=np.int64),
        ids=tuple(each.video_id for each in videos),
        frames_V=np.array([each.frames for each in videos], dtype=np.int64),
        labels_V=np.array([len(each.labels) for each in videos], dtype=np.int64),
        label_L=_joined([each.labels for each in videos], np.int64),
        ratings_V=np.array(
            [0 if each.segment_labels is None else len(each.segment_labels) for each in videos], np.int64
        ),
        start_R=_joined([each.segment_start_times for each in videos], np.int64),
        class_R=_joined([each.segment_labels for each in videos], np.int64),
        score_R=_joined([each.segment_scores for each in videos], np.float32),
        damaged=damaged,
    )


def _joined(parts: Sequence[NDArray[_Number] | None], dtype: type[_Number]) -> NDArray[_Number]:
    return np.concatenate([np.zeros(0, dtype=dtype), *(each for each in parts if each is not None)])


def _kept(path: Path, digest: str, *, checked: bool) -> Contents | None:
    """The contents in a file; None where it is missing, damaged, of another shard, or less was checked."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_File)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    if found.schema != _SCHEMA or found.digest != digest or found.checked < checked:
        return None
    return Contents(
        record_V=np.arange(len(found.ids), dtype=np.int64),
        ids=tuple(found.ids),
        frames_V=np.array(found.frames, dtype=np.int64),
        labels_V=np.array(found.label_counts, dtype=np.int64),
        label_L=np.array(found.labels, dtype=np.int64),
        ratings_V=np.array(found.rating_counts, dtype=np.int64),
        start_R=np.array(found.starts, dtype=np.int64),
        class_R=np.array(found.classes, dtype=np.int64),
        score_R=np.array(found.scores, dtype=np.float32),
    )


def _keep(contents: Contents, path: Path, *, shard: str, digest: str, checked: bool) -> None:
    content = _File(
        schema=_SCHEMA,
        shard=shard,
        digest=digest,
        checked=checked,
        ids=list(contents.ids),
        frames=contents.frames_V.tolist(),
        label_counts=contents.labels_V.tolist(),
        labels=contents.label_L.tolist(),
        rating_counts=contents.ratings_V.tolist(),
        starts=contents.start_R.tolist(),
        classes=contents.class_R.tolist(),
        scores=contents.score_R.tolist(),
    )
    with replacing(path) as stream:
        stream.write(msgspec.json.encode(content) + b"\n")
