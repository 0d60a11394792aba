"""The baseline: seconds of the subset's queries are described, searched for in the references, and aligned in time.

Reads /data/query_subset.csv and /data/query/<video_id>.mp4, writes subset_matches.csv into the folder that it runs in,
/code_execution. What it knows lies in model_assets/ beside this file, where `podium new` put it, the references'
descriptors with it; the uploaded matches came from the same model.
"""

import csv
import sys
from pathlib import Path

from podium.solutions.copy_detection.inference import videos_in
from podium.solutions.copy_detection.matching import Matcher

DATA = Path("/data")
OUTPUT = Path("subset_matches.csv")
ASSETS = Path(__file__).resolve().parent / "model_assets"


def main() -> None:
    """Matches the queries that /data/query_subset.csv names."""
    with (DATA / "query_subset.csv").open(newline="") as lines:
        subset = [row["video_id"] for row in csv.DictReader(lines)]
    found = Matcher.load(ASSETS).match(videos_in(DATA / "query", subset))
    found.write(OUTPUT)
    for line in found.skipped:
        sys.stderr.write(f"skipped {line}\n")


if __name__ == "__main__":
    main()
