"""`vsc-matching`: its rules as values. Everything heavy is imported when it is called."""

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
    from podium.challenges.vsc.data import check_data, check_times

    return (*check_data(data), *check_times(data))


def _read(folder: Path, data: DataSet, *, phase: Phase, parity: bool = False) -> Reading:
    from podium.challenges.vsc.matching_predictions import read_predictions

    return read_predictions(folder, data, phase=phase, parity=parity)


def _score(predictions: Any, data: DataSet, settings: ScoreSettings) -> Score:
    from podium.challenges.vsc.matching_scoring import score

    return score(predictions, data, settings)


def _write_artifacts(predictions: Any, into: Path) -> tuple[Path, ...]:
    from podium.challenges.vsc.matching_predictions import write_artifacts

    return write_artifacts(predictions, into)


def _prepare_starter(data: DataSet, submission: Path, **how: Any) -> tuple[Problem, ...]:
    from podium.challenges.vsc.matching_templates import prepare_starter

    return prepare_starter(data, submission, **how)


def _prepare_baseline(data: DataSet, submission: Path, **how: Any) -> tuple[Problem, ...]:
    from podium.challenges.vsc.matching_templates import prepare_baseline

    return prepare_baseline(data, submission, **how)


def _answers(folder: Path, data: DataSet) -> Mapping[str, Answer]:
    from podium.challenges.vsc.matching_predictions import match_answers

    return match_answers(folder, data)


def _perfect(data: DataSet, folder: Path) -> None:
    from podium.challenges.vsc.matching_samples import write_perfect

    write_perfect(data, folder)


def _broken() -> tuple[tuple[str, Any], ...]:
    from podium.challenges.vsc.matching_samples import BROKEN

    return BROKEN


VSC_MATCHING = Challenge(
    id="vsc-matching",
    title="Meta Video Similarity Challenge, matching track",
    version="1",
    summary="Say which seconds of which query are copied from which seconds of which reference: segments with scores, "
    "the surest first.",
    rules="https://www.drivendata.org/competitions/106/meta-video-similarity-matching/",
    metrics=(
        Metric(name="segment AP", summary="precision over recall of the copied seconds, on both videos' time axes"),
        Metric(name="pairwise micro-AP", summary="as if only the pair of videos counted, by its highest score"),
    ),
    limits=deferred.LIMITS,
    phases=deferred.phases(uploaded="matches", again="match"),
    mounts=deferred.MOUNTS,
    workdir=deferred.WORKDIR,
    uploads=("full_matches.csv",),
    outputs=("subset_matches.csv",),
    wall_seconds_per_query=deferred.WALL_SECONDS_PER_QUERY,
    templates=(
        Template(
            name="starter",
            summary="random valid matches from numpy alone",
            folder=_FOLDER / "matching_starter",
            prepare=_prepare_starter,
        ),
        Template(
            name="baseline",
            summary="the descriptor baseline's network, normalised similarities, aligned by a temporal network",
            folder=_FOLDER / "matching_baseline",
            prepare=_prepare_baseline,
        ),
    ),
    readme=_FOLDER / "MATCHING.md",
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
    # A score is a similarity: a network in float32 rounds at 1e-6 of a value, half precision at 1e-3.
    auditing=Auditing(variants=deferred.variants, answers=_answers, tolerance=1e-3, ranked=False),
)
