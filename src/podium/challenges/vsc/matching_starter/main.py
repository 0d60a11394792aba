"""The smallest valid submission: random matches for the queries of the subset.

Reads the three tables of /data, writes /code_execution/subset_matches.csv. Put your own `find` in place of this one:
the video is /data/query/<video_id>.mp4, and what you know of the references comes with the submission.
Needs numpy only.
"""

import csv
from pathlib import Path

import numpy as np

DATA = Path("/data")
OUTPUT = Path("/code_execution/subset_matches.csv")
COLUMNS = ("query_id", "ref_id", "query_start", "query_end", "ref_start", "ref_end", "score")
MATCHES = 2


def find(video_id: str, duration_seconds: float, references: "dict[str, float]") -> "list[tuple[object, ...]]":
    """Copied segments of one query, looked at alone: a row of COLUMNS each.

    `references` has the seconds of every reference.
    """
    rng = np.random.default_rng(int(video_id[1:]))
    names = sorted(references)
    rows: list[tuple[object, ...]] = []
    for reference in rng.choice(names, size=min(MATCHES, len(names)), replace=False).tolist():
        length = min(duration_seconds, references[reference]) * rng.uniform(0.3, 0.9)
        query_start = rng.uniform(0, duration_seconds - length)
        ref_start = rng.uniform(0, references[reference] - length)
        query_end = min(query_start + length, duration_seconds)
        ref_end = min(ref_start + length, references[reference])
        times = [query_start, query_end, ref_start, ref_end]
        rows.append((video_id, reference, *times, float(rng.random())))
    return rows


def read_durations(path: Path) -> "dict[str, float]":
    """Seconds of each video in a metadata file."""
    with path.open(newline="") as lines:
        return {row["video_id"]: float(row["duration_sec"]) for row in csv.DictReader(lines)}


def write(path: Path, durations: "dict[str, float]", references: "dict[str, float]") -> None:
    """The matches of all queries in `durations`, with the columns in the order that the validator wants."""
    with path.open("w", newline="") as lines:
        table = csv.writer(lines, lineterminator="\n")
        table.writerow(COLUMNS)
        for video_id in sorted(durations):
            table.writerows(find(video_id, durations[video_id], references))


def main() -> None:
    """Matches the queries that /data/query_subset.csv names."""
    durations = read_durations(DATA / "query_metadata.csv")
    with (DATA / "query_subset.csv").open(newline="") as lines:
        subset = [row["video_id"] for row in csv.DictReader(lines)]
    chosen = {video_id: durations[video_id] for video_id in subset}
    write(OUTPUT, chosen, read_durations(DATA / "reference_metadata.csv"))


if __name__ == "__main__":
    main()
