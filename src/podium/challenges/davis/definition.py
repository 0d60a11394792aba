"""`davis`: its rules as values. Everything heavy is imported when it is called."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from podium.types import (
    Challenge,
    DataRequest,
    DataSet,
    Inspection,
    Limits,
    MaskedSequence,
    Metric,
    Phase,
    Problem,
    Progress,
    Reading,
    Run,
    Score,
    ScoreSettings,
    Template,
    silent,
)

_FOLDER = Path(__file__).parent
_WORKDIR = "/code_execution"


def _make(request: DataRequest, *, progress: Progress = silent) -> DataSet:
    from podium.challenges.davis.maker import make

    return make(request, progress=progress)


def _import(download: Path, into: Path, *, progress: Progress = silent) -> DataSet:
    from podium.challenges.davis.download import import_download

    return import_download(download, into, progress=progress)


def _check(data: DataSet) -> tuple[Problem, ...]:
    from podium.challenges.davis.data import check_data

    return check_data(data)


def _subset(data: DataSet, into: Path, *, proportion: float, seed: int) -> DataSet:
    from podium.challenges.davis.data import subset_data

    return subset_data(data, into, proportion=proportion, seed=seed)


def _split(data: DataSet, into: Path, *, share: float, seed: int) -> DataSet:
    from podium.challenges.davis.split import split_data

    return split_data(data, into, share=share, seed=seed)


def _rehearse(data: DataSet, into: Path, *, seed: int, progress: Progress = silent) -> DataSet:
    from podium.challenges.davis.rehearsal import rehearse_data

    return rehearse_data(data, into, seed=seed, progress=progress)


def _read(folder: Path, data: DataSet, *, phase: Phase, parity: bool = False) -> Reading:
    from podium.challenges.davis.predictions import read_predictions

    return read_predictions(folder, data, phase=phase, parity=parity)


def _score(predictions: Any, data: DataSet, settings: ScoreSettings) -> Score:
    from podium.challenges.davis.scoring import score

    return score(predictions, data, settings)


def _write_artifacts(predictions: Any, into: Path) -> tuple[Path, ...]:
    from podium.challenges.davis.tables import write_artifacts

    return write_artifacts(predictions, into)


def _inspect(submission: Path, predictions: Any, data: DataSet, *, run: Run | None) -> Inspection:
    from podium.challenges.davis.declaration import inspect

    return inspect(submission, predictions, data, run=run)


def _sequences(predictions: Any, data: DataSet) -> Iterator[MaskedSequence]:
    from podium.challenges.davis.sequences import sequences

    return sequences(predictions, data)


def _prepare_baseline(data: DataSet, submission: Path, **how: Any) -> tuple[Problem, ...]:
    from podium.challenges.davis.templates import prepare_baseline

    return prepare_baseline(data, submission, **how)


def _prepare_starter(data: DataSet, submission: Path, **how: Any) -> tuple[Problem, ...]:
    from podium.challenges.davis.starters import prepare_starter

    return prepare_starter(data, submission, **how)


def _perfect(data: DataSet, folder: Path) -> None:
    from podium.challenges.davis.samples import write_perfect

    write_perfect(data, folder)


def _broken() -> tuple[tuple[str, Any], ...]:
    from podium.challenges.davis.samples import BROKEN

    return BROKEN


DAVIS = Challenge(
    id="davis",
    title="DAVIS: segment the primary object of a video",
    version="1",
    summary="For each frame of each clip a mask of the object that the clip is about, by a network of fewer than 50 "
    "million parameters.",
    rules="https://github.com/wandb/davis-contest",
    metrics=(
        Metric(name="mean IoU", summary="mean over frames of the intersection over union of the masks"),
        Metric(name="J&F, inner frames", summary="mean of region and boundary agreement, as DAVIS-2016 takes it"),
    ),
    limits=Limits(
        wall_seconds=3 * 3_600.0,
        cpus=8.0,
        memory_bytes=16 << 30,
        scratch_bytes=8 << 30,
        output_bytes=4 << 30,
        output_files=50_000,
        gpus=1,
    ),
    phases=(Phase(name="1", summary="the code segments the frames of the test clips", code_required=True),),
    mounts=(("", f"{_WORKDIR}/data"),),
    workdir=_WORKDIR,
    outputs=("paths.json", "metadata.json", "outputs/*.png"),
    templates=(
        Template(
            name="starter",
            summary="the same ellipse in the middle of every frame; no model",
            folder=_FOLDER / "starter",
        ),
        Template(
            name="starter-torch",
            summary="a small network in PyTorch Lightning: data classes, training, export, results",
            folder=_FOLDER / "starter_torch",
            prepare=_prepare_starter,
            in_demo=False,
        ),
        Template(
            name="starter-keras",
            summary="a small network in Keras: data classes, training, export, results",
            folder=_FOLDER / "starter_keras",
            prepare=_prepare_starter,
            in_demo=False,
        ),
        Template(
            name="classical",
            summary="optical flow that the background's motion does not explain, cut out by colour; no parameters",
            folder=_FOLDER / "classical",
        ),
        Template(
            name="baseline",
            summary="a small network that sees each frame and its optical flow",
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
    write_artifacts=_write_artifacts,
    perfect=_perfect,
    broken=_broken,
    split_data=_split,
    rehearse_data=_rehearse,
    inspect=_inspect,
    columns=("parameters", "multiply-adds", "seconds per frame"),
    column_limits=(("parameters", 50_000_000.0),),
    sequences=_sequences,
)
