"""`whale-do`: its rules as values. Everything heavy is imported when it is called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from podium.types import (
    Answer,
    Auditing,
    Challenge,
    DataRequest,
    DataSet,
    Gallery,
    Limits,
    Metric,
    PairMap,
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
_WORKDIR = "/code_execution"


def _make(request: DataRequest, *, progress: Progress = silent) -> DataSet:
    from podium.challenges.whale_do.maker import make

    return make(request, progress=progress)


def _import(download: Path, into: Path, *, progress: Progress = silent) -> DataSet:
    from podium.challenges.whale_do.data import import_download

    return import_download(download, into, progress=progress)


def _check(data: DataSet) -> tuple[Problem, ...]:
    from podium.challenges.whale_do.data import check_data

    return check_data(data)


def _subset(data: DataSet, into: Path, *, proportion: float, seed: int) -> DataSet:
    from podium.challenges.whale_do.data import subset_data

    return subset_data(data, into, proportion=proportion, seed=seed)


def _read(folder: Path, data: DataSet, *, phase: Phase, parity: bool = False) -> Reading:
    from podium.challenges.whale_do.predictions import read_predictions

    return read_predictions(folder, data, phase=phase, parity=parity)


def _score(predictions: Any, data: DataSet, settings: ScoreSettings) -> Score:
    from podium.challenges.whale_do.scoring import score

    return score(predictions, data, settings)


def _galleries(predictions: Any, data: DataSet) -> Iterator[Gallery]:
    from podium.challenges.whale_do.gallery import galleries

    return galleries(predictions, data)


def _variants(data: DataSet, into: Path, *, seed: int, progress: Progress = silent) -> Iterator[Variant]:
    from podium.challenges.whale_do.variants import variants

    return variants(data, into, seed=seed, progress=progress)


def _answers(folder: Path, data: DataSet) -> Mapping[str, Answer]:
    from podium.challenges.whale_do.variants import answers

    return answers(folder, data)


def _explain(submission: Path, pairs: Sequence[tuple[Path, Path]], *, progress: Progress = silent) -> Sequence[PairMap]:
    from podium.solutions.reidentification.explanation import explain_pairs

    return explain_pairs(submission, pairs, progress=progress)


def _prepare_baseline(data: DataSet, submission: Path, **how: Any) -> tuple[Problem, ...]:
    from podium.challenges.whale_do.templates import prepare_baseline

    return prepare_baseline(data, submission, **how)


def _perfect(data: DataSet, folder: Path) -> None:
    from podium.challenges.whale_do.samples import write_perfect

    write_perfect(data, folder)


def _broken() -> tuple[tuple[str, Any], ...]:
    from podium.challenges.whale_do.samples import BROKEN

    return BROKEN


WHALE_DO = Challenge(
    id="whale-do",
    title="Where's Whale-do? beluga photo-identification",
    version="1",
    summary="Rank the images of the same animal: for each query image at most 20 images of its scenario's database, "
    "best first.",
    rules="https://www.drivendata.org/competitions/96/beluga-whales/",
    metrics=(Metric(name="mAP@20", summary="mean over queries of the average precision at 20"),),
    limits=Limits(
        wall_seconds=3 * 3_600.0,
        cpus=6.0,
        memory_bytes=56 << 30,
        scratch_bytes=16 << 30,
        output_bytes=256 << 20,
        gpus=1,
    ),
    phases=(Phase(name="1", summary="the code ranks the images of the test scenarios", code_required=True),),
    mounts=(("", f"{_WORKDIR}/data"),),
    workdir=_WORKDIR,
    outputs=("submission/submission.csv",),
    # The boilerplate on the challenge's own page reads these two beside main.py, where the runtime never put them.
    copies=(("query_scenarios.csv", "query_scenarios.csv"), ("metadata.csv", "metadata.csv")),
    templates=(
        Template(
            name="starter",
            summary="the first 20 images of the database, all with score 0.5",
            folder=_FOLDER / "starter",
        ),
        Template(
            name="baseline",
            summary="embeddings of a pretrained or trained network, compared by cosine, scores calibrated",
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
    auditing=Auditing(variants=_variants, answers=_answers, tolerance=1e-5, ranked=True),
    galleries=_galleries,
    explain=_explain,
)
