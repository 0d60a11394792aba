"""Data sets of `yt8m-segments`: check them, cut them down, bring in the official downloads."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from podium.challenges.yt8m_segments import census, excerpts, inspection, layout
from podium.challenges.yt8m_segments.download import import_download
from podium.challenges.yt8m_segments.layout import Ratings, Videos
from podium.errors import ChallengeError, UsageError
from podium.formats import datasets, digests
from podium.types import DataSet, Problem

__all__ = ["check_data", "import_download", "subset_data"]


def check_data(data: DataSet) -> tuple[Problem, ...]:
    """Every fault of a data set.

    Broken tables and shards, tables that do not agree with the shards, ratings or labels where a run could read them,
    judged videos among those to learn from, files that have changed. Reads every shard once, and once more for the
    manifest.
    """
    return tuple(inspection.faults(data))


def subset_data(data: DataSet, into: Path, *, proportion: float, seed: int) -> DataSet:
    """The same data set with fewer test videos; what is there to learn from is kept whole.

    The shards of the test set are written anew with the videos that were drawn, in their order; a shard that loses all
    its videos is left out. At least one video with a positive rating is kept, so that there is something to score.

    Args:
        data: The data set.
        into: The folder to make; other files are hard links where the disk allows.
        proportion: Of the test videos, above 0 and at most 1; at least one remains.
        seed: Of the draw.

    Raises:
        UsageError: The proportion is out of range, or `into` is not empty.
        ChallengeError: A table or a test shard of the data set is broken, or nothing could be scored.
    """
    if not 0 < proportion <= 1:
        raise UsageError(f"the proportion is `{proportion}`; it must be above 0 and at most 1")
    videos = layout.judged_videos(data)
    ratings = layout.read_ratings(data.answers / layout.RATINGS)
    kept_V = _drawn(videos, ratings, proportion, seed)
    kept = frozenset[str](videos.ids[kept_V].tolist())
    test = data.inputs / layout.SEGMENT_TEST
    anew = {data.inputs / layout.VIDEOS, data.answers / layout.RATINGS, data.manifest}
    with datasets.starting(into) as smaller:
        for path in sorted(data.root.rglob("*")):
            if path.is_file() and path not in anew and path.parent != test:
                datasets.link(path, smaller.root / path.relative_to(data.root))
        for path in census.shards_in(test):
            excerpts.write_some(path, smaller.inputs / layout.SEGMENT_TEST / path.name, kept.__contains__)
        layout.write_videos(
            smaller.inputs / layout.VIDEOS, Videos(ids=videos.ids[kept_V], frames=videos.frames[kept_V])
        )
        layout.write_ratings(
            smaller.answers / layout.RATINGS, census.some(ratings, np.isin(ratings.videos, videos.ids[kept_V]))
        )
        digests.write_manifest(smaller.root)
    return smaller


def _drawn(videos: Videos, ratings: Ratings, proportion: float, seed: int) -> NDArray[np.int64]:
    """The places of the videos that are kept, ascending."""
    order_V = np.random.default_rng(seed).permutation(len(videos.ids))
    count = math.ceil(len(order_V) * proportion)
    counted_R = ratings.positive & ~inspection.beyond(ratings, videos)
    fruitful_V = np.isin(videos.ids[order_V], ratings.videos[counted_R])
    if not fruitful_V.any():
        raise ChallengeError("no test video has a positive rating, so there is nothing to score")
    first = int(np.argmax(fruitful_V))
    if first >= count:
        order_V[count - 1] = order_V[first]
    return np.sort(order_V[:count])
