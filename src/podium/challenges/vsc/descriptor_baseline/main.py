"""The baseline: a pretrained network, whitened and normalised, describes the queries of the subset.

Reads /data/query_subset.csv and /data/query/<video_id>.mp4, writes subset_query_descriptors.npz into the folder that it
runs in, /code_execution. What it knows lies in model_assets/ beside this file, where `podium new` put it; the uploaded
descriptors came from the same model.
"""

import csv
import sys
from pathlib import Path

from podium.solutions.copy_detection.inference import describe, videos_in
from podium.solutions.copy_detection.model import Model

DATA = Path("/data")
OUTPUT = Path("subset_query_descriptors.npz")
ASSETS = Path(__file__).resolve().parent / "model_assets"


def main() -> None:
    """Describes the queries that /data/query_subset.csv names."""
    with (DATA / "query_subset.csv").open(newline="") as lines:
        subset = [row["video_id"] for row in csv.DictReader(lines)]
    described = describe(videos_in(DATA / "query", subset), Model.load(ASSETS), role="query")
    described.write(OUTPUT)
    for line in described.skipped:
        sys.stderr.write(f"skipped {line}\n")


if __name__ == "__main__":
    main()
