"""`vsc-descriptor`: its rules as values. Everything heavy is imported when it is called."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from podium.challenges.vsc import deferred
from podium.types import (
    Answer,
    Auditing,
    Challenge,
    DataSet,
    Metric,
    Phase,
    Problem,
    Reading,
    Score,
    ScoreSettings,
    Template,
)

_FOLDER = Path(__file__).parent


def _check(data: DataSet) -> tuple[Problem, ...]:
    from podium.challenges.vsc.data import check_data

    return check_data(data)


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
    limits=deferred.LIMITS,
    phases=deferred.phases(uploaded="descriptors", again="describe"),
    mounts=deferred.MOUNTS,
    workdir=deferred.WORKDIR,
    uploads=("query_descriptors.npz", "reference_descriptors.npz"),
    outputs=("subset_query_descriptors.npz",),
    wall_seconds_per_query=deferred.WALL_SECONDS_PER_QUERY,
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
    make_data=deferred.make_data,
    import_data=deferred.import_data,
    check_data=_check,
    subset_data=deferred.subset_data,
    read_predictions=_read,
    score=_score,
    write_artifacts=_write_artifacts,
    perfect=_perfect,
    broken=_broken,
    count_queries=deferred.count_queries,
    # A network in float32 rounds at 1e-6 of a value, more after whitening; half precision at 1e-3.
    auditing=Auditing(variants=deferred.variants, answers=_answers, tolerance=1e-3, ranked=False),
)
