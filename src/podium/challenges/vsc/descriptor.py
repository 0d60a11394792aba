"""`vsc-descriptor`: its rules as values. Everything heavy is imported when it is called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from podium.types import (
    Answer,
    Auditing,
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
    Variant,
    silent,
)

_FOLDER = Path(__file__).parent


def _make(request: DataRequest, *, progress: Progress = silent) -> DataSet:
    from podium.challenges.vsc.maker import make

    return make(request, progress=progress)


def _import(download: Path, into: Path, *, progress: Progress = silent) -> DataSet:
    from podium.challenges.vsc.data import import_download

    return import_download(download, into, progress=progress)


def _check(data: DataSet) -> tuple[Problem, ...]:
    from podium.challenges.vsc.data import check_data

    return check_data(data)


def _subset(data: DataSet, into: Path, *, proportion: float, seed: int) -> DataSet:
    from podium.challenges.vsc.data import subset_data

    return subset_data(data, into, proportion=proportion, seed=seed)


def _count_queries(data: DataSet) -> int:
    from podium.challenges.vsc.data import count_queries

    return count_queries(data)


def _read(folder: Path, data: DataSet, *, phase: Phase, parity: bool = False) -> Reading:
    from podium.challenges.vsc.predictions import read_predictions

    return read_predictions(folder, data, phase=phase, parity=parity)


def _score(predictions: Any, data: DataSet, settings: ScoreSettings) -> Score:
    from podium.challenges.vsc.scoring import score

    return score(predictions, data, settings)


def _write_artifacts(predictions: Any, into: Path) -> tuple[Path, ...]:
    from podium.challenges.vsc import rankings
    from podium.challenges.vsc.scoring import rankings_of

    return rankings.write(rankings_of(predictions), into)


def _prepare_starter(data: DataSet, submission: Path, **how: Any) -> tuple[Problem, ...]:
    from podium.challenges.vsc.templates import prepare_starter

    return prepare_starter(data, submission, **how)


def _prepare_baseline(data: DataSet, submission: Path, **how: Any) -> tuple[Problem, ...]:
    from podium.challenges.vsc.templates import prepare_baseline

    return prepare_baseline(data, submission, **how)


def _variants(data: DataSet, into: Path, *, seed: int, progress: Progress = silent) -> Iterator[Variant]:
    from podium.challenges.vsc.variants import variants

    return variants(data, into, seed=seed, progress=progress)


def _answers(folder: Path, data: DataSet) -> Mapping[str, Answer]:
    from podium.challenges.vsc.variants import descriptor_answers

    return descriptor_answers(folder, data)


def _perfect(data: DataSet, folder: Path) -> None:
    from podium.challenges.vsc.samples import write_perfect

    write_perfect(data, folder)


def _broken() -> tuple[tuple[str, Any], ...]:
    from podium.challenges.vsc.samples import BROKEN

    return BROKEN


DESCRIPTOR = Challenge(
    id="vsc-descriptor",
    title="Meta Video Similarity Challenge, descriptor track",
    version="1",
    summary="Describe each second of a video by a vector, so that copies lie close: at most 512 dimensions, one "
    "vector per second, compared by inner product.",
    rules="https://www.drivendata.org/competitions/101/meta-video-similarity-descriptor/",
    metrics=(
        Metric(name="micro-AP", summary="average precision over the ranking of all (query, reference) pairs together"),
        Metric(name="R@P90", summary="share of the copies that are found before precision falls below 90 %"),
    ),
    limits=Limits(
        wall_seconds=60.0,
        memory_bytes=16 << 30,
        processes=512,
        scratch_bytes=8 << 30,
        output_bytes=1 << 30,
    ),
    phases=(
        Phase(name="1", summary="code is optional: uploaded descriptors alone are scored", code_required=False),
        Phase(name="2", summary="code is compulsory: it must describe the subset again", code_required=True),
    ),
    mounts=(("", "/data"),),
    workdir="/code_execution",
    uploads=("query_descriptors.npz", "reference_descriptors.npz"),
    outputs=("subset_query_descriptors.npz",),
    wall_seconds_per_query=10.0,
    templates=(
        Template(
            name="starter",
            summary="random descriptors from numpy alone",
            folder=_FOLDER / "descriptor_starter",
            prepare=_prepare_starter,
        ),
        Template(
            name="baseline",
            summary="a pretrained network, whitening fitted on the training split, compared by distance",
            folder=_FOLDER / "descriptor_baseline",
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
    write_artifacts=_write_artifacts,
    perfect=_perfect,
    broken=_broken,
    count_queries=_count_queries,
    # A network in float32 rounds at 1e-6 of a value, more after whitening; half precision at 1e-3.
    auditing=Auditing(variants=_variants, answers=_answers, tolerance=1e-3, ranked=False),
)
