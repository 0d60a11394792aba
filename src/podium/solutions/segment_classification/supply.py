"""What one training gets: its videos, in which order they come, and the contexts that are encoded beforehand.

Axes: V videos, F features of a context.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from podium.errors import MachineError, UsageError
from podium.formats.faults import Faults
from podium.solutions import devices
from podium.solutions.segment_classification import folds
from podium.solutions.segment_classification.classes import Classes
from podium.solutions.segment_classification.context import ContextCache
from podium.solutions.segment_classification.dataset import segment_collate, video_collate
from podium.solutions.segment_classification.material import Material
from podium.solutions.segment_classification.network import Network
from podium.solutions.segment_classification.plan import Recipe
from podium.solutions.segment_classification.videos import VideoSet
from podium.solutions.training import batches
from podium.types import Progress

try:
    from torch.utils.data import DataLoader
except ImportError as error:
    raise MachineError("training needs torch: `pip install 'podium[train]'`") from error

INDEX = "index"
CONTEXTS = "contexts"


@dataclass(frozen=True, kw_only=True, eq=False)
class Supply:
    """What a training gets.

    Attributes:
        videos: To learn from.
        held_out: To judge by; None where nothing is held out.
        training: Batches of the former, shuffled, without end.
        validation: Batches of the latter, in order, each once.
        contexts_VF: Of every video to learn from, where they never change.
        held_out_VF: Of every held-out video.
    """

    videos: VideoSet
    held_out: VideoSet | None
    training: DataLoader[Any]
    validation: DataLoader[Any] | None
    contexts_VF: NDArray[np.float32] | None = None
    held_out_VF: NDArray[np.float32] | None = None


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where things are kept.

    Attributes:
        out: Of all trainings of a recipe; gets the indexes of shards.
        folder: Of this training; gets its contexts.
    """

    out: Path
    folder: Path


def supply(
    settings: Recipe, network: Network, material: Material, classes: Classes, places: Places, *, progress: Progress
) -> Supply:
    """Opens the shards of a training.

    Args:
        settings: Without parts.
        network: Says which frames are seen; encodes contexts.
        material: The shards that there are.
        classes: Of the vocabulary.
        places: Where indexes and contexts are kept.
        progress: Shows shards and videos.

    Raises:
        UsageError: There are no shards of the kind that is needed, or too few videos for a batch.
        ChallengeError: A shard is damaged, and the recipe does not skip that.
    """
    if settings.stage == "video":
        learn, judge = material.video_train, material.video_valid
        kinds = ("video-train", "video-valid")
    else:
        learn, judge = _parted(settings, material.segment_train)
        kinds = ("segment-train", "segment-train")
    if not learn:
        raise UsageError(f"there are no shards to learn from: `{kinds[0].replace('-', '/')}` is empty or missing")
    videos = _open(learn, settings, classes, places.out / INDEX / kinds[0], progress)
    held_out = _open(judge, settings, classes, places.out / INDEX / kinds[1], progress) if judge else None
    if len(videos) < settings.batch.videos:
        raise UsageError(f"a batch of `{settings.batch.videos}` videos was asked for; there are `{len(videos)}`")
    # The reference draws the frames of a context anew each time, so there is nothing to keep.
    cached = network.aware and settings.learning.context_rate is None and not settings.reference
    return Supply(
        videos=videos,
        held_out=held_out,
        training=_training(settings, network, videos, cached=cached),
        validation=None if held_out is None else _validation(settings, network, held_out, cached=cached),
        contexts_VF=_contexts(settings, network, videos, places, progress) if cached else None,
        held_out_VF=_contexts(settings, network, held_out, places, progress) if cached else None,
    )


def _parted(settings: Recipe, shards: Sequence[Path]) -> tuple[Sequence[Path], Sequence[Path]]:
    data = settings.data
    if data.fold is None or not shards:
        return shards, ()
    return folds.split(shards, folds=data.folds, fold=data.fold, seed=data.fold_seed)


def _open(
    shards: Sequence[Path], settings: Recipe, classes: Classes, index_folder: Path, progress: Progress
) -> VideoSet:
    rated = settings.stage == "segment"
    skipped = Faults("shards") if settings.data.on_fault == "skip" else None
    return VideoSet.open(
        shards,
        classes,
        rated=rated,
        labelled_only=not rated,
        index_folder=index_folder,
        on_fault=settings.data.on_fault,
        faults=skipped,
        reference=settings.reference,
        progress=progress,
    )


def _training(settings: Recipe, network: Network, videos: VideoSet, *, cached: bool) -> DataLoader[Any]:
    order = batches.endless(
        batches.windowed(videos.lengths, shards=settings.data.mixed_shards),
        steps=settings.interval * settings.trainer.accumulate,
    )
    walk = batches.Batches(order, units=settings.batch.videos, seed=settings.trainer.seed)
    collate = _collate(settings, network, drawn=True, cached=cached)
    return batches.loader(videos, walk, workers=settings.batch.workers, collate_fn=collate)


def _validation(settings: Recipe, network: Network, held_out: VideoSet, *, cached: bool) -> DataLoader[Any]:
    wanted = settings.data.held_out_videos if settings.stage == "video" else None
    walk = batches.Batches(spread(len(held_out), wanted), units=settings.batch.videos, shard=False, drop_last=False)
    return batches.loader(held_out, walk, collate_fn=_collate(settings, network, drawn=False, cached=cached))


def spread(count: int, wanted: int | None) -> batches.Order:
    """So many of `count`, evenly spread and in order; all where more are wanted or None."""
    chosen = count if wanted is None else min(wanted, count)
    places_U1 = (np.arange(chosen) * count // chosen)[:, None]
    return batches.Order(length=lambda _: chosen, units=lambda *_: places_U1)


def _collate(settings: Recipe, network: Network, *, drawn: bool, cached: bool) -> Any:
    shape = network.settings
    if settings.stage == "video":
        return partial(
            video_collate, classes=shape.classes, frames=shape.frames, drawn=drawn, reference=shape.reference
        )
    return partial(
        segment_collate,
        classes=shape.classes,
        window=shape.window,
        frames=shape.frames if network.aware and not cached else None,
        drawn=drawn,
        excluded=settings.data.excluded,
        reference=shape.reference,
    )


def _contexts(
    settings: Recipe, network: Network, videos: VideoSet | None, places: Places, progress: Progress
) -> NDArray[np.float32] | None:
    if videos is None:
        return None
    network.to(devices.chosen(settings.trainer.device))
    cache = ContextCache.encode(
        network, videos, places.folder / CONTEXTS, workers=settings.batch.workers, progress=progress
    )
    network.cpu()
    return cache.contexts_VF
