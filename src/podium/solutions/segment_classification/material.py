"""The files of YouTube-8M in a folder: where vocabulary and shards lie.

```
Podium's data set   public/  segment_vocabulary.csv   segment/train   video/train   video/valid
                    inputs/  segment_vocabulary.csv   segment/test
a `data/` folder    both in one, as the 7th place's code has it; `public/` or `inputs/` alone is one as well
```
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from podium.errors import UsageError

VOCABULARY = "segment_vocabulary.csv"
SEGMENT_TRAIN, SEGMENT_TEST = "segment/train", "segment/test"
VIDEO_TRAIN, VIDEO_VALID = "video/train", "video/valid"
PATTERN = "*.tfrecord"


@dataclass(frozen=True, kw_only=True)
class Material:
    """What a folder holds.

    Attributes:
        vocabulary: The csv of the classes.
        segment_train: Shards of rated videos, by name; empty where there are none, as the others.
        segment_test: Shards of the videos whose segments are ranked.
        video_train: Shards of labelled videos to pre-train on.
        video_valid: Shards of labelled videos to judge pre-training by.
    """

    vocabulary: Path
    segment_train: tuple[Path, ...] = ()
    segment_test: tuple[Path, ...] = ()
    video_train: tuple[Path, ...] = ()
    video_valid: tuple[Path, ...] = ()


def find(folder: Path) -> Material:
    """What lies in a folder; other files are left alone.

    Args:
        folder: A Podium data set (with `public/`, `inputs/` or both), or a folder that holds the vocabulary itself.

    Raises:
        UsageError: There is no such folder, or no vocabulary in it.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no folder `{folder}`")
    roots = [each for each in (folder, folder / "public", folder / "inputs") if (each / VOCABULARY).is_file()]
    if not roots:
        places = f"`{VOCABULARY}`, `public/{VOCABULARY}` or `inputs/{VOCABULARY}`"
        raise UsageError(f"`{folder}` is no data of YouTube-8M: it has none of {places}")
    return Material(
        vocabulary=roots[0] / VOCABULARY,
        segment_train=_shards(roots, SEGMENT_TRAIN),
        segment_test=_shards(roots, SEGMENT_TEST),
        video_train=_shards(roots, VIDEO_TRAIN),
        video_valid=_shards(roots, VIDEO_VALID),
    )


def shards_in(folder: Path) -> tuple[Path, ...]:
    """The shards of a folder by name; hidden files, which some systems leave beside copies, are none."""
    return tuple(sorted(each for each in folder.glob(PATTERN) if each.is_file() and not each.name.startswith(".")))


def _shards(roots: list[Path], part: str) -> tuple[Path, ...]:
    """By name, those of the first root that has any."""
    for root in roots:
        shards = shards_in(root / part)
        if shards:
            return shards
    return ()
