"""Fills the baseline for a data set."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from podium.challenges.yt8m_segments import census, layout
from podium.challenges.yt8m_segments.vocabulary import read_vocabulary
from podium.errors import UsageError, nearest
from podium.formats.tfrecord import Shard
from podium.types import DataSet, Problem, Progress, Severity, silent

NO_OPTIONS: Mapping[str, str] = MappingProxyType({})
BASELINE_OPTIONS = ("model", "recipe")
RECIPE = "segment_classification/quick"
SETTING = "recipe."
"""Options that begin so are settings of the recipe."""

_FEW_VIDEOS = 100
_FEW_BATCH = "4"


def prepare_baseline(
    data: DataSet,
    submission: Path,
    *,
    options: Mapping[str, str] = NO_OPTIONS,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[Problem, ...]:
    """Puts a model into the baseline's folder: a trained one, or one that is trained now.

    Args:
        data: Its rated videos, and the labelled ones where there are any, are what is learned from.
        submission: A copy of the baseline's folder.
        options: `model` (the folder of a trained model); or `recipe` (the name or file of the recipe to train; the
            quick one otherwise) and `recipe.KEY` (another value for one of its settings: `recipe.steps`).
        seed: Of the training.
        progress: Shows the training.

    Raises:
        UsageError: An option is not known, two do not go together, the model or recipe cannot be read, or the model
            knows classes that the data set lacks.
        MachineError: An extra is not installed.
    """
    from podium.solutions.segment_classification.model import ASSETS, Model

    _check(options)
    into = submission / ASSETS
    if "model" in options:
        folder = Path(options["model"])
        Model.load(folder)
        shutil.copytree(folder, into, dirs_exist_ok=True)
    else:
        _train(data, into, options, seed, progress)
    return _compared(data, set[int](Model.load(into).classes.indices_C.tolist()))


def _train(data: DataSet, into: Path, options: Mapping[str, str], seed: int, progress: Progress) -> None:
    from podium.solutions.segment_classification.train import train
    from podium.solutions.training import find

    overrides = {"trainer.seed": str(seed)}
    if "recipe" not in options and _rated_videos(data) < _FEW_VIDEOS:
        overrides["batch.videos"] = _FEW_BATCH
    overrides |= {name.removeprefix(SETTING): value for name, value in options.items() if name.startswith(SETTING)}
    with tempfile.TemporaryDirectory(prefix="podium-baseline-") as scratch:
        model = train(
            find(options.get("recipe", RECIPE)),
            data=data.root,
            out=Path(scratch) / "training",
            overrides=overrides,
            resume=False,
            progress=progress,
        )
        shutil.copytree(model, into, dirs_exist_ok=True)


def _rated_videos(data: DataSet) -> int:
    return sum(len(Shard(path)) for path in census.shards_in(data.public / layout.SEGMENT_TRAIN))


def _compared(data: DataSet, known: set[int]) -> tuple[Problem, ...]:
    """A warning where the model does not know all classes that are judged; one that knows others is refused."""
    path = data.inputs / layout.VOCABULARY
    if not path.is_file():
        # The folder of the 7th place's code has no part that is judged here.
        return ()
    judged = set[int](read_vocabulary(path).indices.tolist())
    if known - judged:
        raise UsageError(
            f"the model knows class `{min(known - judged)}`, which is not in `{path}`; train it on this data"
        )
    if judged == known:
        return ()
    message = f"the model does not know class `{min(judged - known)}`, which is judged and will count as 0"
    missing = len(judged - known)
    return (Problem(place="model_assets", message=message, severity=Severity.WARNING, count=missing),)


def _check(options: Mapping[str, str]) -> None:
    for name in options:
        if name not in BASELINE_OPTIONS and not name.startswith(SETTING):
            raise UsageError(f"the template has no option `{name}`; {nearest(name, BASELINE_OPTIONS)}")
    if "model" in options and len(options) > 1:
        raise UsageError("a trained `model` is taken as it is, without a `recipe`; leave one of them out")
