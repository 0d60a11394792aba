"""How much is made: the sizes of a data set, its splits and shards, and the room that they need."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from podium.challenges.yt8m_segments import layout
from podium.errors import MachineError, UsageError, nearest
from podium.formats.faults import sized

CLASSES_OF_YOUTUBE_8M = 3_862
RATINGS_A_VIDEO = 5
MEAN_SECONDS = 230
"""Of a video, where none is cut shorter."""

_BYTES_A_SECOND = 1_170
_SPARE = 1.02


@dataclass(frozen=True, kw_only=True)
class Split:
    """One folder of shards.

    Attributes:
        folder: As in the layout, ``segment/train``.
        code: Tells the splits apart where numbers are drawn.
        videos: In all shards.
        shards: At most as many as videos.
        rated: People judged some segments of each video.
        hidden: Labels and ratings are kept from participants.
    """

    folder: str
    code: int
    videos: int
    shards: int
    rated: bool = False
    hidden: bool = False

    def numbers(self, shard: int) -> range:
        """The videos of a shard, by number in the split."""
        return range(self.videos * shard // self.shards, self.videos * (shard + 1) // self.shards)

    def file_name(self, shard: int) -> str:
        """Of a shard, ``train0007.tfrecord``; of equal width, so that names sort as numbers do."""
        return f"{self.folder.rpartition('/')[2]}{shard:04}.tfrecord"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The size of a data set.

    Attributes:
        classes: Of the vocabulary.
        themes: Groups of classes that occur together; divides `classes`, at least 2.
        splits: In the order in which they are made.
        longest_seconds: Videos are cut there; the official 300 or less.
        lasting: What is done stays when the making is ended, and the next call goes on from there.
    """

    classes: int
    themes: int
    splits: tuple[Split, ...]
    longest_seconds: int = 300
    lasting: bool = False

    @property
    def size_bytes(self) -> int:
        """About what all shards take."""
        seconds = min(MEAN_SECONDS, 0.94 * self.longest_seconds)
        return round(sum(split.videos for split in self.splits) * seconds * _BYTES_A_SECOND * _SPARE)

    def jobs(self) -> Iterator[tuple[Split, int]]:
        """Every shard: its split and its number."""
        for split in self.splits:
            for shard in range(split.shards):
                yield split, shard

    def first_number(self, split: Split) -> int:
        """How many videos come before those of a split, over the whole data set."""
        return sum(each.videos for each in self.splits if each.code < split.code)

    def check_room(self, folder: Path, *, there_bytes: int = 0) -> None:
        """Makes sure that the disk has room.

        Args:
            folder: Where the data set goes; it need not exist.
            there_bytes: What of it is there already.

        Raises:
            MachineError: It has less than is needed.
        """
        place = folder.absolute()
        while not place.exists():
            place = place.parent
        needed, free = self.size_bytes - there_bytes, shutil.disk_usage(place).free
        if needed > free:
            raise MachineError(
                f"the disk of `{place}` has `{free}` bytes ({sized(free)}) left; the data set needs `{needed}` bytes "
                f"({sized(needed)})"
            )


def _splits(
    segment_train: tuple[int, int], segment_test: tuple[int, int], train: tuple[int, int], valid: tuple[int, int]
) -> tuple[Split, ...]:
    """The four splits; of each the number of videos and of shards."""
    return (
        Split(folder=layout.SEGMENT_TRAIN, code=0, videos=segment_train[0], shards=segment_train[1], rated=True),
        Split(
            folder=layout.SEGMENT_TEST,
            code=1,
            videos=segment_test[0],
            shards=segment_test[1],
            rated=True,
            hidden=True,
        ),
        Split(folder=layout.VIDEO_VALID, code=2, videos=valid[0], shards=valid[1]),
        Split(folder=layout.VIDEO_TRAIN, code=3, videos=train[0], shards=train[1]),
    )


SIZES = {
    "tiny": Plan(
        classes=8,
        themes=2,
        splits=_splits((16, 8), (12, 3), (16, 4), (6, 2)),
        longest_seconds=170,
    ),
    "small": Plan(classes=40, themes=8, splits=_splits((450, 24), (1_000, 16), (1_200, 24), (200, 4))),
    "base": Plan(classes=1_000, themes=200, splits=_splits((4_700, 96), (4_500, 48), (22_000, 240), (2_500, 24))),
    "full": Plan(
        classes=1_000,
        themes=200,
        splits=_splits((47_558, 3_844), (44_740, 3_844), (4_270_000, 3_844), (1_220_000, 3_844)),
        lasting=True,
    ),
}
"""`full` has the official numbers of videos, shards and ratings; `base` a tenth of the rated videos and about a
two-hundredth of the others."""


def plan_of(size: str) -> Plan:
    """The plan of a size.

    Raises:
        UsageError: No size is called so.

    >>> plan_of("tiny").classes
    8
    """
    if size not in SIZES:
        raise UsageError(f"no size is called `{size}`; {nearest(size, SIZES)}")
    return SIZES[size]
