"""The clips of a test set, through a segmenter, one frame in memory at a time.

Axes: H height, W width.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from podium.media import images
from podium.solutions.object_segmentation.inference import Pixels, Probability, Segmenter
from podium.types import Progress, silent

Clips = Sequence[Sequence[Path]]


def frames_of(paths: Iterable[Path]) -> Iterator[Pixels]:
    """The frames of a clip one after the other, (H, W, 3); none is held.

    Raises:
        UnreadableImage: A file is missing or damaged.
    """
    for path in paths:
        yield images.read(path)


def segment_clips(segmenter: Segmenter, clips: Clips, *, progress: Progress = silent) -> Iterator[Probability]:
    """The probability map of every frame, (H, W) of its own size, clip by clip in order of time.

    Each clip is segmented alone, so that no mask depends on another clip.

    Args:
        segmenter: Any.
        clips: The frames of each clip, in order of time.
        progress: Shown a step for each frame.

    Raises:
        UnreadableImage: A frame is missing or damaged.
    """
    masks = (probability_HW for clip in clips for probability_HW in segmenter.masks(frames_of(clip)))
    yield from progress(masks, what="segmenting frames", total=sum(len(each) for each in clips))
