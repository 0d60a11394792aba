"""The classical baseline: motion that the background does not explain, cut out by colour; no parameters.

Reads /code_execution/data, writes /code_execution/{outputs/,paths.json,metadata.json}. Needs Podium and OpenCV.
"""

import os
from itertools import groupby
from pathlib import Path

import numpy as np
from PIL import Image

from podium.challenges.davis import paths
from podium.challenges.davis.results import ResultWriter
from podium.solutions.object_segmentation.classical import ClassicalSegmenter

# Unset in the official runtime; `podium run --sandbox process` puts everything below it.
ROOT = Path(os.environ.get("PODIUM_ROOT", "") + "/code_execution")
DATA = ROOT / "data"


def read(path: Path) -> "np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]":
    """A frame, (H, W, 3) RGB."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def main() -> None:
    """Segments clip after clip, a few frames in memory at a time."""
    frames = paths.read_trusted(DATA / paths.PATHS, paths.RAW)
    segmenter = ClassicalSegmenter()
    with ResultWriter(ROOT, parameters=segmenter.parameters) as result:
        for _, clip in groupby(frames.values(), key=lambda path: Path(path).parent):
            for probability_HW in segmenter.masks(read(DATA / path) for path in clip):
                result.add(probability_HW)


if __name__ == "__main__":
    main()
