"""The baseline: networks over the features of the seconds around each segment, their predictions averaged.

Reads /home/docker/src/data, writes /home/docker/src/sub.csv. What it knows lies in model_assets/ beside this file,
where `podium new` or `podium train` put it.
"""

import os
import tempfile
from pathlib import Path

from podium.challenges.yt8m_segments.builder import ScoreFile, eligible_segments, write_submission
from podium.challenges.yt8m_segments.layout import SEGMENT_TEST, VIDEOS, read_videos
from podium.challenges.yt8m_segments.predictions import SUBMISSION
from podium.solutions.segment_classification.inference import Windows
from podium.solutions.segment_classification.model import Model
from podium.solutions.segment_classification.totals import predict_total

# Unset in the seed's container; `podium run --sandbox process` puts everything below it.
ROOT = Path(os.environ.get("PODIUM_ROOT", "") + "/home/docker/src")
DATA = ROOT / "data"
ASSETS = Path(__file__).resolve().parent / "model_assets"


def main() -> None:
    """Ranks the segments of the test videos for each class of the model."""
    model = Model.load(ASSETS, device="auto")
    segments = eligible_segments(read_videos(DATA / VIDEOS))
    windows = Windows(ids=segments.ids, video_N=segments.video, start_seconds_N=segments.start_seconds)
    shards = sorted((DATA / SEGMENT_TEST).glob("*.tfrecord"))
    with tempfile.TemporaryDirectory(dir=ROOT, prefix="predictions-") as scratch:
        total = predict_total(model, shards, windows, Path(scratch))
        write_submission(ROOT / SUBMISSION, [ScoreFile(total)], segments, model.classes.indices_C)


if __name__ == "__main__":
    main()
