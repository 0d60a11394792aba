"""The baseline: a small network that sees each frame and how it moves, with masks that hold together over time.

Reads /code_execution/data, writes /code_execution/{outputs/,paths.json,metadata.json}. What it knows lies in
model_assets/ beside this file, where `podium new` or `podium train` put it. Frames stream through; a few are in memory
at a time, however long a clip is.
"""

import os
from pathlib import Path

# Threads that wait for each other burn their processor; beside other programs that makes each frame take ten times as
# long. Read when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from podium.challenges.davis.layout import image_size
from podium.challenges.davis.results import ResultWriter, clips_in
from podium.solutions.object_segmentation.inference import NetworkSegmenter
from podium.solutions.object_segmentation.model import ASSETS, Model
from podium.solutions.object_segmentation.submission import segment_clips

# Unset in the official runtime; `podium run --sandbox process` puts everything below it.
ROOT = Path(os.environ.get("PODIUM_ROOT", "") + "/code_execution")
DATA = ROOT / "data"
HERE = Path(__file__).resolve().parent


def main() -> None:
    """Segments each clip of the inputs."""
    segmenter = NetworkSegmenter(Model.load(HERE / ASSETS, device="auto"))
    clips = clips_in(DATA)
    operations = 2.0 * segmenter.multiply_adds(*image_size(clips[0][0]))
    with ResultWriter(ROOT, parameters=segmenter.parameters, operations=operations) as result:
        for probability_HW in segment_clips(segmenter, clips):
            result.add(probability_HW)


if __name__ == "__main__":
    main()
