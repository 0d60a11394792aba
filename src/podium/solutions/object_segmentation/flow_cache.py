"""What a training reads of its clips, worked out once: frames and masks at the network's scale, and their flows.

```
<folder>/<clip>-<key>/   frames.npy   (A, H, W, 3) uint8
                         truth.npy    (A, H, W) uint8, as `truth` says
                         motion+1.npy (A, H, W, 2) float16, what the background does not explain of the flow to the
                         spread+1.npy (A,) float32, its median length                               next frame; …
```

The key is made of the contents of all files of the clip and of all settings, so nothing is taken for something else.
Files appear whole or not at all; after a kill, those that are there are kept.

Axes: A annotated frames, T all frames, H height, W width, 2 (dx, dy) in pixels.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from podium.errors import MachineError, UsageError
from podium.formats.files import replacing
from podium.solutions.object_segmentation import motion
from podium.solutions.object_segmentation.clips import Clip
from podium.solutions.object_segmentation.flow import FlowEstimator, Pixels, estimator
from podium.solutions.object_segmentation.inputs import InputSettings, scaled_size, shrink
from podium.solutions.object_segmentation.truth import Truth, read_picture, read_truth, shrink_truth
from podium.types import Progress, silent

FORMAT = 1
_RESERVE_BYTES = 256 << 20


@dataclass(frozen=True, kw_only=True)
class CachedClip:
    """A clip whose files lie in a cache. Arrays are opened when asked for and read as far as they are used.

    Attributes:
        name: Of the clip.
        folder: Its place in the cache.
        length: T.
        annotated: The place in the clip of each of the A frames.
        height: Of the frames, at the network's scale.
        width: Of the same.
    """

    name: str
    folder: Path
    length: int
    annotated: tuple[int, ...]
    height: int
    width: int

    def frame(self, number: int) -> Pixels:
        """(H, W, 3) of an annotated frame, by its number among them."""
        return _opened(self.folder / "frames.npy")[number]

    def truth(self, number: int) -> Truth:
        """(H, W) of an annotated frame, as `truth` says."""
        return _opened(self.folder / "truth.npy")[number]

    def residual(self, number: int, gap: int) -> NDArray[np.float16]:
        """(H, W, 2): what the background does not explain of the flow to `partner`."""
        return _opened(self.folder / f"motion{gap:+d}.npy")[number]

    def spread(self, number: int, gap: int) -> float:
        """The median length of the residual, in pixels."""
        return float(_opened(self.folder / f"spread{gap:+d}.npy")[number])


def partner(frame: int, gap: int, length: int) -> int:
    """The frame to which motion is looked at: `gap` frames on, or back where the clip ends before.

    Args:
        frame: From 0.
        gap: Negative for earlier frames; not 0.
        length: Of the clip, at least 2.

    >>> partner(3, 1, 9), partner(8, 1, 9), partner(0, -1, 9), partner(1, 5, 3)
    (4, 7, 1, 2)
    """
    for wanted in (frame + gap, frame - gap):
        if 0 <= wanted < length:
            return wanted
    far = length - 1 if gap > 0 else 0
    return far if far != frame else length - 1 - far


def build(
    clips: Sequence[Clip],
    folder: Path,
    *,
    settings: InputSettings,
    gaps: Iterable[int] = (1,),
    processes: int = 1,
    device: str = "cpu",
    progress: Progress = silent,
) -> tuple[CachedClip, ...]:
    """The clips as files of a cache; what is missing there is worked out.

    Args:
        clips: Of any sizes.
        folder: Of the cache; made where missing. Several trainings may share it.
        settings: How frames are scaled and how motion is estimated; `multiple`, `noise` and `floor` change nothing.
        gaps: To frames so much later or, below 0, earlier.
        processes: That work side by side; with another device than ``cpu`` there is one.
        device: Where a network for flow runs.
        progress: Shows the clips.

    Raises:
        UsageError: A file cannot be read, the sizes of a clip's frames differ, or a gap is 0.
        MachineError: The disk is too small.
    """
    wanted = tuple(sorted(set(gaps)))
    if 0 in wanted or not wanted:
        raise UsageError(f"the gaps between frames are `{wanted}`; at least one, and none of 0 is allowed")
    folder.mkdir(parents=True, exist_ok=True)
    job = partial(_cached, folder=folder, settings=settings, gaps=wanted)
    if processes <= 1 or len(clips) < 2 or device != "cpu":
        flows = _Flows(settings, device)
        return tuple(job(clip, flows=flows) for clip in progress(clips, what="preparing clips", total=len(clips)))
    context = get_context("spawn")
    done: dict[int, CachedClip] = {}
    with ProcessPoolExecutor(min(processes, len(clips)), mp_context=context) as pool:
        futures = {pool.submit(job, clip): place for place, clip in enumerate(clips)}
        try:
            for future in progress(as_completed(futures), what="preparing clips", total=len(clips)):
                done[futures[future]] = future.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return tuple(done[place] for place in range(len(clips)))


@lru_cache(maxsize=1)
def _lazy(settings: InputSettings) -> _Flows:
    return _Flows(settings, "cpu")


class _Flows:
    """An estimator that is made when it is first needed: with everything cached no network is loaded."""

    def __init__(self, settings: InputSettings, device: str) -> None:
        self.settings = settings
        self.device = device
        self._estimator: FlowEstimator | None = None

    def residual(self, first_HWC: Pixels, second_HWC: Pixels) -> motion.Flow:
        if self._estimator is None:
            self._estimator = estimator(self.settings.flow, device=self.device)
        return motion.residual(self._estimator.estimate(first_HWC, second_HWC), self.settings.motion)


def _cached(
    clip: Clip, *, folder: Path, settings: InputSettings, gaps: tuple[int, ...], flows: _Flows | None = None
) -> CachedClip:
    place = folder / f"{re.sub(r'[^A-Za-z0-9_-]+', '-', clip.name)[:60]}-{_key(clip, settings)}"
    place.mkdir(exist_ok=True)
    annotated = clip.annotated
    small = _Frames(clip, settings)
    height, width = small.size
    cached = CachedClip(
        name=clip.name, folder=place, length=len(clip.frames), annotated=annotated, height=height, width=width
    )
    count = len(annotated)
    if not _whole(place / "frames.npy", (count, height, width, 3), np.uint8):
        _save(place / "frames.npy", np.stack([small[each] for each in annotated]))
    if not _whole(place / "truth.npy", (count, height, width), np.uint8):
        _save(place / "truth.npy", np.stack([_truth(clip, each, small) for each in annotated]))
    for gap in gaps:
        names = place / f"spread{gap:+d}.npy", place / f"motion{gap:+d}.npy"
        if all((_whole(names[0], (count,), np.float32), _whole(names[1], (count, height, width, 2), np.float16))):
            continue
        residual_AHW2 = np.empty((count, height, width, 2), dtype=np.float16)
        spread_A = np.empty(count, dtype=np.float32)
        using = flows or _lazy(settings)
        for number, frame in enumerate(annotated):
            left_HW2 = using.residual(small[frame], small[partner(frame, gap, len(clip.frames))])
            residual_AHW2[number] = left_HW2
            spread_A[number] = motion.spread(left_HW2)
        for name, values in zip(names, (spread_A, residual_AHW2), strict=True):
            if not _whole(name, values.shape, values.dtype.type):
                _save(name, values)
    return cached


class _Frames:
    """The frames of a clip at the network's scale, decoded when first asked for."""

    def __init__(self, clip: Clip, settings: InputSettings) -> None:
        from PIL import Image

        self.clip = clip
        self.settings = settings
        self._kept: dict[int, Pixels] = {}
        try:
            with Image.open(clip.frames[0], formats=["JPEG", "PNG"]) as image:
                self.full = image.height, image.width
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise UsageError(f"the picture `{clip.frames[0]}` cannot be read: {error}") from error
        self.size = scaled_size(*self.full, settings)

    def __getitem__(self, frame: int) -> Pixels:
        if frame not in self._kept:
            image_HWC = read_picture(self.clip.frames[frame])
            self.check(self.clip.frames[frame], image_HWC.shape)
            self._kept[frame] = shrink(image_HWC, self.settings)
        return self._kept[frame]

    def check(self, path: Path, shape: tuple[int, ...]) -> None:
        """Refuses a file of another size than the clip's first frame."""
        if shape[:2] != self.full:
            sizes = " but ".join(f"`{each[1]}x{each[0]}`" for each in (shape, self.full))
            raise UsageError(f"`{path}` is {sizes} (width x height) is the first frame of its clip; both must be alike")


def _truth(clip: Clip, frame: int, small: _Frames) -> Truth:
    path = clip.masks[frame]
    if path is None:
        raise UsageError(f"frame `{frame}` of the clip `{clip.name}` has no mask")
    truth_HW = read_truth(path)
    small.check(path, truth_HW.shape)
    return shrink_truth(truth_HW, small.size)


def _key(clip: Clip, settings: InputSettings) -> str:
    """32 hexadecimal digits of everything that the cache of a clip depends on but the gaps."""
    about: dict[str, Any] = {
        "format": FORMAT,
        "clip": clip.name,
        "short_side": settings.short_side,
        "compensate": settings.motion.compensate,
        "method": settings.flow.method,
        "preset": settings.flow.preset,
        "weights": settings.flow.weights and _digest(Path(settings.flow.weights)),
        "files": [(each.name, _digest(each)) if each else None for each in clip.frames + clip.masks],
    }
    return hashlib.blake2b(json.dumps(about).encode(), digest_size=16).hexdigest()


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError as error:
        raise UsageError(f"`{path}` cannot be read: {error}") from error


def _whole(path: Path, shape: tuple[int, ...], kind: type[np.generic]) -> bool:
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return False
    return found.shape == shape and found.dtype == kind


def _save(path: Path, values: NDArray[np.generic]) -> None:
    free = shutil.disk_usage(path.parent).free
    if values.nbytes + _RESERVE_BYTES > free:
        raise MachineError(
            f"`{path}` needs {values.nbytes >> 20} MiB and {_RESERVE_BYTES >> 20} MiB more must stay free; "
            f"{free >> 20} MiB are"
        )
    with replacing(path) as stream:
        np.save(stream, values, allow_pickle=False)


@lru_cache(maxsize=8192)
def _opened(path: Path) -> NDArray[Any]:
    return np.load(path, mmap_mode="r", allow_pickle=False)
