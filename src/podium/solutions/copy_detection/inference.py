"""Videos to descriptors: frames are decoded ahead of the network, one video at a time, in the order of the ids.

Axes: T frames, N rows, C channels, D dimensions.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError
from podium.formats.descriptors import Descriptors, write_descriptors
from podium.media.video import Sample, UnreadableVideo, sample
from podium.types import Progress, silent

if TYPE_CHECKING:
    from podium.solutions.copy_detection.backbone import Backbone
    from podium.solutions.copy_detection.model import Model, Role, Settings

_DECODE_AHEAD = 3
Video = tuple[str, Path]


@dataclass(frozen=True, kw_only=True, eq=False)
class Described:
    """Descriptors, and the videos that gave none.

    Attributes:
        skipped: One line a video that could not be read: its id and why.
    """

    descriptors: Descriptors
    skipped: tuple[str, ...] = ()

    def write(self, path: Path) -> None:
        """Writes the npz that the challenge takes."""
        found = self.descriptors
        write_descriptors(path, found.video_ids, found.features_ND, found.timestamps_N2.astype(np.float32))


def describe(
    videos: Iterable[Video], model: Model, *, role: Role, progress: Progress = silent, what: str = "describing videos"
) -> Described:
    """Descriptors of videos, at most one for each second begun, sorted by id. Each video is looked at alone.

    Args:
        videos: Ids and files; a file that gives no picture is skipped and named.
        model: Fitted.
        role: What the videos are.
        progress: Shown a step for each video.
        what: Names the work.

    Raises:
        UsageError: There is no video, or none can be read.
    """

    def finish(frames: Sample) -> NDArray[np.float32]:
        return model.describe_frames(frames.frames_THWC, role=role)

    settings = model.settings
    return describe_with(
        finish,
        videos,
        frames_per_second=settings.frames_per_second,
        short_edge=settings.short_edge,
        progress=progress,
        what=what,
    )


def describe_with(
    rows_of: Callable[[Sample], NDArray[np.float32]],
    videos: Iterable[Video],
    *,
    frames_per_second: float = 1.0,
    short_edge: int,
    progress: Progress = silent,
    what: str = "describing videos",
) -> Described:
    """As `describe`, with any function that gives one row a frame, such as a perceptual hash.

    Raises:
        UsageError: There is no video, or none can be read.
    """
    ordered = sorted(videos)
    ids: list[str] = []
    features: list[NDArray[np.float32]] = []
    times: list[NDArray[np.float64]] = []
    skipped: list[str] = []
    decoded = _decode_ahead(ordered, frames_per_second=frames_per_second, short_edge=short_edge)
    for video_id, found in progress(decoded, what=what, total=len(ordered)):
        if isinstance(found, str):
            skipped.append(f"{video_id}: {found}")
            continue
        rows_TD = rows_of(found)[: math.ceil(found.duration_seconds)]
        ids += [video_id] * len(rows_TD)
        features.append(rows_TD)
        times.append(found.times_T2[: len(rows_TD)])
    if not ids:
        reasons = f"; the first: {skipped[0]}" if skipped else ""
        raise UsageError(f"none of {len(ordered)} videos gives a descriptor{reasons}")
    descriptors = Descriptors(
        video_ids=np.array(ids, dtype="<U7"),
        features_ND=np.concatenate(features),
        timestamps_N2=np.concatenate(times),
    )
    return Described(descriptors=descriptors, skipped=tuple(skipped))


def embed_videos(
    videos: Iterable[Video],
    backbone: Backbone,
    *,
    settings: Settings,
    progress: Progress = silent,
    what: str = "embedding videos",
) -> Described:
    """As `describe`, with the embeddings before whitening, to fit that on.

    Raises:
        UsageError: There is no video, or none can be read.
    """
    from podium.solutions.copy_detection.pooling import embed

    def rows_of(found: Sample) -> NDArray[np.float32]:
        return embed(backbone, found.frames_THWC, pooling=settings.pooling)

    return describe_with(
        rows_of,
        videos,
        frames_per_second=settings.frames_per_second,
        short_edge=settings.short_edge,
        progress=progress,
        what=what,
    )


def videos_in(folder: Path, ids: Sequence[str] | None = None) -> list[Video]:
    """Ids and files of a folder of `<id>.mp4`: all of them, or those of `ids`, there or not."""
    if ids is None:
        return [(path.stem, path) for path in sorted(folder.glob("*.mp4"))]
    return [(each, folder / f"{each}.mp4") for each in ids]


def _decode_ahead(
    videos: Sequence[Video], *, frames_per_second: float, short_edge: int
) -> Iterator[tuple[str, Sample | str]]:
    def decode(path: Path) -> Sample | str:
        try:
            return sample(path, frames_per_second=frames_per_second, short_edge=short_edge)
        except UnreadableVideo as error:
            return str(error)

    waiting: deque[tuple[str, Future[Sample | str]]] = deque()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="decode") as pool:
        for video_id, path in videos:
            waiting.append((video_id, pool.submit(decode, path)))
            if len(waiting) > _DECODE_AHEAD:
                first_id, first = waiting.popleft()
                yield first_id, first.result()
        for video_id, future in waiting:
            yield video_id, future.result()
