"""`yt8m-segments`: its rules as values. Everything heavy is imported when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from podium.types import (
    Challenge,
    DataRequest,
    DataSet,
    Limits,
    Metric,
    Phase,
    Problem,
    Progress,
    Reading,
    Score,
    ScoreSettings,
    Template,
    silent,
)

_FOLDER = Path(__file__).parent
_WORKDIR = "/home/docker/src"


def _make(request: DataRequest, *, progress: Progress = silent) -> DataSet:
    from podium.challenges.yt8m_segments.maker import make

    return make(request, progress=progress)


def _import(download: Path, into: Path, *, progress: Progress = silent) -> DataSet:
    from podium.challenges.yt8m_segments.data import import_download

    return import_download(download, into, progress=progress)


def _check(data: DataSet) -> tuple[Problem, ...]:
    from podium.challenges.yt8m_segments.data import check_data

    return check_data(data)


def _subset(data: DataSet, into: Path, *, proportion: float, seed: int) -> DataSet:
    from podium.challenges.yt8m_segments.data import subset_data

    return subset_data(data, into, proportion=proportion, seed=seed)


def _read(folder: Path, data: DataSet, *, phase: Phase, parity: bool = False) -> Reading:
    from podium.challenges.yt8m_segments.predictions import read_predictions

    return read_predictions(folder, data, phase=phase, parity=parity)


def _score(predictions: Any, data: DataSet, settings: ScoreSettings) -> Score:
    from podium.challenges.yt8m_segments.scoring import score

    return score(predictions, data, settings)


def _prepare_baseline(data: DataSet, submission: Path, **how: Any) -> tuple[Problem, ...]:
    from podium.challenges.yt8m_segments.templates import prepare_baseline

    return prepare_baseline(data, submission, **how)


def _perfect(data: DataSet, folder: Path) -> None:
    from podium.challenges.yt8m_segments.samples import write_perfect

    write_perfect(data, folder)


def _broken() -> tuple[tuple[str, Any], ...]:
    from podium.challenges.yt8m_segments.samples import BROKEN

    return BROKEN


YT8M_SEGMENTS = Challenge(
    id="yt8m-segments",
    title="YouTube-8M: which five seconds show which class",
    version="1",
    summary="For each of 1,000 classes, rank the five-second segments of the test videos: at most 100,000, best first.",
    rules="https://www.kaggle.com/c/youtube8m-2019",
    metrics=(
        Metric(
            name="MAP@100,000", summary="mean over classes of the average precision of the segments that were rated"
        ),
    ),
    limits=Limits(
        wall_seconds=9 * 3_600.0,
        cpus=8.0,
        memory_bytes=20 << 30,
        scratch_bytes=16 << 30,
        output_bytes=2 << 30,
        gpus=1,
    ),
    phases=(Phase(name="1", summary="the code ranks the segments of the test videos", code_required=True),),
    mounts=(("", f"{_WORKDIR}/data"),),
    workdir=_WORKDIR,
    outputs=("sub.csv",),
    templates=(
        Template(
            name="starter",
            summary="the segments that may have been rated, in another random order for each class",
            folder=_FOLDER / "starter",
        ),
        Template(
            name="baseline",
            summary="networks over the features of eleven seconds around each segment, their predictions averaged",
            folder=_FOLDER / "baseline",
            prepare=_prepare_baseline,
        ),
    ),
    readme=_FOLDER / "README.md",
    make_data=_make,
    import_data=_import,
    check_data=_check,
    subset_data=_subset,
    read_predictions=_read,
    score=_score,
    perfect=_perfect,
    broken=_broken,
)
