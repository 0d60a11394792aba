"""The smallest valid submission: the segments that may have been rated, in another random order for each class.

Reads /home/docker/src/data, writes /home/docker/src/sub.csv. Put your own `rank` in place of this one; the features of
each second lie in DATA / "segment" / "test" / "*.tfrecord". Needs no package.
"""

import csv
import os
import random
from pathlib import Path

# Unset in the seed's container; `podium run --sandbox process` puts everything below it.
ROOT = Path(os.environ.get("PODIUM_ROOT", "") + "/home/docker/src")
DATA = ROOT / "data"
OUTPUT = ROOT / "sub.csv"
LIMIT = 100_000
SEGMENT_SECONDS = 5
# The first 30 and the last 10 seconds of a video were never rated.
FIRST, LAST = 6, 2


def rank(class_index: int, segments: "list[str]") -> "list[str]":
    """At most 100,000 of the segments, each an `id:start`, best first."""
    return random.Random(class_index).sample(segments, min(LIMIT, len(segments)))  # noqa: S311 - an order, no secret


def read(path: Path) -> "list[dict[str, str]]":
    """The rows of a table."""
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def main() -> None:
    """Ranks the segments of the test videos for each class."""
    segments: list[str] = []
    for video in read(DATA / "videos.csv"):
        slots = -(-int(video["frames"]) // SEGMENT_SECONDS)
        segments += [f"{video['id']}:{slot * SEGMENT_SECONDS}" for slot in range(FIRST, slots - LAST)]
    with OUTPUT.open("w", encoding="ascii") as lines:
        lines.write("Class,Segments\n")
        for row in read(DATA / "segment_vocabulary.csv"):
            index = int(row["Index"])
            lines.write(f"{index},{' '.join(rank(index, segments))}\n")


if __name__ == "__main__":
    main()
