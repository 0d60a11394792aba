"""The sum of the predictions of all networks of a model, where there is no room for those of each.

Legend: C classes, N segments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from podium.solutions.segment_classification.inference import InferenceSettings, Windows, predict
from podium.solutions.segment_classification.model import Model
from podium.types import Progress, silent

TOTAL = "total.npy"


def predict_total(
    model: Model,
    shards: Sequence[Path],
    segments: Windows,
    out: Path,
    *,
    settings: InferenceSettings | None = None,
    device: str | None = None,
    progress: Progress = silent,
) -> Path:
    """Writes one class-major file (C, N), float32: the sum over the networks, which rank as their mean does.

    One network after the other: on disk are never more than the sum and the predictions of one. Their order is that of
    adding what `inference.predict` writes, to the bit.

    Args:
        model: As for `inference.predict`, like all that follows.
        out: An empty folder.

    Raises:
        UsageError: As `inference.predict`; it cannot be gone on with.
        ChallengeError: A shard is damaged, or has other videos than the list says.
        MachineError: The disk is too full, or there is no such device.
    """
    total = out / TOTAL
    for number, member in enumerate(model.members):
        part = out / f"part-{number}"
        alone = replace(model, members=(member,))
        (path,) = predict(alone, shards, segments, part, settings=settings, device=device, progress=progress)
        _add(path, total, first=number == 0)
        for each in part.iterdir():
            each.unlink()
        part.rmdir()
    return total


def _add(part: Path, total: Path, *, first: bool) -> None:
    """Class by class, so that memory holds one class."""
    scores_CN = np.load(part, mmap_mode="r", allow_pickle=False)
    sum_CN: NDArray[np.float32] = np.lib.format.open_memmap(
        total, mode="w+" if first else "r+", dtype=np.float32, shape=scores_CN.shape
    )
    for scores_N, sum_N in zip(scores_CN, sum_CN, strict=True):
        sum_N += scores_N
    sum_CN.flush()
