"""The videos of a test set in pieces that fit into memory: which segments make a block, and the frames they need.

Legend: V videos, F frames of all videos of a block, N segments, T seconds of a window, D dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from podium.errors import ChallengeError
from podium.formats.faults import Faults
from podium.formats.tfrecord import DIMENSIONS, FrameRecord, ShardSet, parse_frame_record
from podium.types import Progress, Severity, silent


@dataclass(frozen=True, kw_only=True)
class Block:
    """Segments that are predicted together, all those of some videos.

    Attributes:
        first: Number of the first segment.
        behind: Number of the first segment that is of the next block.
    """

    first: int
    behind: int

    def __len__(self) -> int:
        return self.behind - self.first


def cut(video_N: NDArray[np.int32], *, size: int) -> tuple[Block, ...]:
    """Blocks of whole videos, in order; so the context of a video belongs to one block.

    Args:
        video_N: The video of each segment, ascending.
        size: Segments of a block at most, save where one video has more; 1 or more.

    >>> [len(each) for each in cut(np.array([0, 0, 1, 3, 3, 3], np.int32), size=3)]
    [3, 3]
    """
    ends = np.append(np.flatnonzero(np.diff(video_N)) + 1, len(video_N)).tolist() if len(video_N) else []
    blocks: list[Block] = []
    first = last = 0
    for end in ends:
        if end - first > size and last > first:
            blocks.append(Block(first=first, behind=last))
            first = last
        last = end
    return (*blocks, Block(first=first, behind=last)) if last > first else tuple(blocks)


@dataclass(frozen=True, kw_only=True, eq=False)
class Frames:
    """The frames of some videos, one video after the other, behind one row of zeros.

    Attributes:
        features_FD: (1 + F, D) uint8.
        first_V: The row of each video's first frame.
        length_V: Frames of each video.
    """

    features_FD: NDArray[np.uint8]
    first_V: NDArray[np.int64]
    length_V: NDArray[np.int64]

    def rows(self, video_N: NDArray[np.int64], second_NT: NDArray[np.int64]) -> NDArray[np.int64]:
        """(N, T) the rows of some seconds of videos; 0, the row of zeros, before a video begins and when it is over.

        Args:
            video_N: Places of the videos among those of the block.
            second_NT: Any.
        """
        inside_NT = (second_NT >= 0) & (second_NT < self.length_V[video_N][:, None])
        return np.where(inside_NT, self.first_V[video_N][:, None] + second_NT, 0)


class Records:
    """The videos of a test set by their place in a list of ids; damage in records of other videos does not matter.

    Args:
        shards: With all of the videos, each once.
        ids: Of the videos.
        progress: Shows the walk over the shards.

    Raises:
        UsageError: A shard is missing.
        ChallengeError: A video is in no shard, perhaps because of damage, or there twice.
    """

    def __init__(self, shards: Sequence[Path], ids: NDArray[np.str_], *, progress: Progress = silent) -> None:
        self._faults = Faults("shards")
        self._records = ShardSet.open(shards, on_fault="skip", faults=self._faults, progress=progress)
        self._ids: list[str] = ids.tolist()
        self._progress = progress
        self._is_guess = False
        self._number_V = self._numbers()

    @property
    def digest(self) -> str:
        """Of the shards."""
        return self._records.digest

    def frames(self, videos: NDArray[np.int64]) -> Frames:
        """The frames of some videos.

        Args:
            videos: Places in the list of ids.

        Raises:
            ChallengeError: A record is damaged, or of another video than the list says.
        """
        features = [np.zeros((1, DIMENSIONS), dtype=np.uint8)]
        features += [self._video(number).features_TC for number in videos.tolist()]
        length = np.array([len(each) for each in features], dtype=np.int64)
        return Frames(features_FD=np.concatenate(features), first_V=np.cumsum(length)[:-1], length_V=length[1:])

    def _video(self, number: int) -> FrameRecord:
        found = self._records.parse(int(self._number_V[number]), parse_frame_record)
        if found.video_id != self._ids[number] and self._is_guess:
            self._number_V = self._looked_up()
            found = self._records.parse(int(self._number_V[number]), parse_frame_record)
        if found.video_id != self._ids[number]:
            place = self._records.locate(int(self._number_V[number]))
            raise ChallengeError(
                f"`{self._records.paths[place.shard]}`: record `{place.record}` is the video `{found.video_id}`;"
                f" the list of videos says `{self._ids[number]}`"
            )
        return found

    def _numbers(self) -> NDArray[np.int64]:
        """(V,) the record of each video. A list that was made of these shards has their order, until one differs."""
        count = len(self._records)
        some = {0, count // 2, count - 1}
        if count == len(self._ids) and all(self._id(each) == self._ids[each] for each in some):
            self._is_guess = True
            return np.arange(count, dtype=np.int64)
        return self._looked_up()

    def _looked_up(self) -> NDArray[np.int64]:
        """(V,) the record of each video, wherever it is."""
        self._is_guess = False
        count = len(self._records)
        found: dict[str, int] = {}
        twice: set[str] = set()
        for number in self._progress(range(count), what="looking for videos", total=count):
            video = self._id(number)
            if video in found:
                twice.add(video)
            elif video is not None:
                found[video] = number
        missing = [each for each in self._ids if each not in found]
        if missing:
            why = f" ({self._faults.problems[0]})" if self._faults.problems else ""
            message = f"`{len(missing)}` of `{len(self._ids)}` videos are in no shard, such as `{missing[0]}`{why}"
            raise ChallengeError(message)
        repeated = sorted(twice.intersection(self._ids))
        if repeated:
            raise ChallengeError(f"the shards hold the video `{repeated[0]}` twice")
        return np.array([found[each] for each in self._ids], dtype=np.int64)

    def _id(self, number: int) -> str | None:
        """The id of a record; None where it cannot be read."""
        try:
            return self._records.parse(number, parse_frame_record).video_id
        except ChallengeError as error:
            self._faults.add(f"record {number}", str(error), severity=Severity.WARNING)
            return None
