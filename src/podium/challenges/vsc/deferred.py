"""What both tracks do with their data, as functions that import everything heavy when they are called."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from podium.types import DataRequest, DataSet, Limits, Phase, Progress, Variant, silent

MOUNTS = (("", "/data"),)
WORKDIR = "/code_execution"
WALL_SECONDS_PER_QUERY = 10.0
LIMITS = Limits(
    wall_seconds=60.0,
    memory_bytes=16 << 30,
    processes=512,
    scratch_bytes=8 << 30,
    output_bytes=1 << 30,
)


def phases(*, uploaded: str, again: str) -> tuple[Phase, ...]:
    """Phases 1 and 2.

    Args:
        uploaded: What is uploaded.
        again: What the code must do with the subset.
    """
    return (
        Phase(name="1", summary=f"code is optional: uploaded {uploaded} alone are scored", code_required=False),
        Phase(name="2", summary=f"code is compulsory: it must {again} the subset again", code_required=True),
    )


def make_data(request: DataRequest, *, progress: Progress = silent) -> DataSet:
    """As `maker.make`."""
    from podium.challenges.vsc.maker import make

    return make(request, progress=progress)


def import_data(download: Path, into: Path, *, progress: Progress = silent) -> DataSet:
    """As `data.import_download`."""
    from podium.challenges.vsc.data import import_download

    return import_download(download, into, progress=progress)


def subset_data(data: DataSet, into: Path, *, proportion: float, seed: int) -> DataSet:
    """As `data.subset_data`."""
    from podium.challenges.vsc.data import subset_data

    return subset_data(data, into, proportion=proportion, seed=seed)


def count_queries(data: DataSet) -> int:
    """As `data.count_queries`."""
    from podium.challenges.vsc.data import count_queries

    return count_queries(data)


def variants(data: DataSet, into: Path, *, seed: int, progress: Progress = silent) -> Iterator[Variant]:
    """As `variants.variants`."""
    from podium.challenges.vsc.variants import variants

    return variants(data, into, seed=seed, progress=progress)
