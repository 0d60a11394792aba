"""The smallest valid submission: random descriptors for the queries of the subset.

Reads /data/query_subset.csv and /data/query_metadata.csv, writes /code_execution/subset_query_descriptors.npz.
Put your own `describe` in place of this one: the video is /data/query/<video_id>.mp4. Needs numpy only.
"""

import csv
import math
from pathlib import Path

import numpy as np

DATA = Path("/data")
OUTPUT = Path("/code_execution/subset_query_descriptors.npz")
DIMENSIONS = 128


def describe(video_id: str, duration_seconds: float) -> "tuple[np.ndarray, np.ndarray]":
    """One descriptor a second: features (N, D) float32, and timestamps (N, 2) in seconds."""
    rng = np.random.default_rng(int(video_id[1:]))
    count = math.ceil(duration_seconds)
    features = rng.standard_normal((count, DIMENSIONS), dtype=np.float32)
    starts = np.arange(count, dtype=np.float32)
    ends = np.minimum(starts + 1, np.float32(duration_seconds))
    return features, np.stack([starts, ends], axis=1)


def read_durations(path: Path) -> "dict[str, float]":
    """Seconds of each video in a metadata file."""
    with path.open(newline="") as lines:
        return {row["video_id"]: float(row["duration_sec"]) for row in csv.DictReader(lines)}


def write(path: Path, durations: "dict[str, float]") -> None:
    """One npz of three arrays; ids are sorted, so the rows of a video stand together."""
    video_ids = sorted(durations)
    described = [describe(each, durations[each]) for each in video_ids]
    counts = [len(features) for features, _ in described]
    np.savez(
        path,
        video_ids=np.repeat(np.array(video_ids, dtype="<U7"), counts),
        features=np.concatenate([features for features, _ in described]),
        timestamps=np.concatenate([timestamps for _, timestamps in described]),
    )


def main() -> None:
    """Describes the queries that /data/query_subset.csv names."""
    durations = read_durations(DATA / "query_metadata.csv")
    with (DATA / "query_subset.csv").open(newline="") as lines:
        subset = [row["video_id"] for row in csv.DictReader(lines)]
    write(OUTPUT, {video_id: durations[video_id] for video_id in subset})


if __name__ == "__main__":
    main()
