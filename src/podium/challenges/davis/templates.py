"""Fills the baseline for a data set."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from podium.challenges.davis.declaration import Declaration, write_declaration
from podium.challenges.davis.layout import judged_sequences
from podium.challenges.davis.metadata import PARAMETER_LIMIT
from podium.errors import UsageError, nearest
from podium.types import DataSet, Problem, Progress, silent

NO_OPTIONS: Mapping[str, str] = MappingProxyType({})
BASELINE_OPTIONS = ("model", "recipe")
RECIPE = "object_segmentation/quick"
SETTING = "recipe."
"""Options that begin so are settings of the recipe."""

_WEIGHT_FILES = (".safetensors", ".pt", ".pth")


def prepare_baseline(
    data: DataSet,
    submission: Path,
    *,
    options: Mapping[str, str] = NO_OPTIONS,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[Problem, ...]:
    """Puts a model into the baseline's folder: a trained one, or one that is trained now; and says which files it has.

    Args:
        data: Its training clips are what is learned from.
        submission: A copy of the baseline's folder.
        options: `model` (the folder of a trained model); or `recipe` (the name or file of the recipe to train; the
            quick one otherwise) and `recipe.KEY` (another value for one of its settings: `recipe.trainer.steps`).
        seed: Of the training.
        progress: Shows the training.

    Raises:
        UsageError: An option is not known, two do not go together, the model or recipe cannot be read, or the model
            has more parameters than the contest allows.
        ChallengeError: The data set's inputs are broken.
        MachineError: An extra is not installed.
    """
    _check(options)
    from podium.solutions.object_segmentation.model import ASSETS, Model

    into = submission / ASSETS
    if "model" in options:
        folder = Path(options["model"])
        model = Model.load(folder)
        shutil.copytree(folder, into, dirs_exist_ok=True)
    else:
        folder = _train(data, into, options, seed, progress)
        model = Model.load(folder)
    _check_size(model.parameters, folder)
    first = judged_sequences(data)[0]
    _declare(submission, into, multiply_adds=model.multiply_adds(first.height, first.width))
    return ()


def _train(data: DataSet, into: Path, options: Mapping[str, str], seed: int, progress: Progress) -> Path:
    from podium.solutions.object_segmentation.train import train
    from podium.solutions.training import find

    overrides = {"trainer.seed": str(seed)}
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
    return into


def _declare(submission: Path, assets: Path, *, multiply_adds: int) -> None:
    """Names every file of weights, so that their parameters can be counted without running anything."""
    found = sorted(path for path in assets.rglob("*") if path.suffix in _WEIGHT_FILES and path.is_file())
    names = tuple(path.relative_to(submission).as_posix() for path in found)
    write_declaration(submission, Declaration(weights=names, multiply_adds=float(multiply_adds)))


def _check_size(parameters: int, folder: Path) -> None:
    if parameters >= PARAMETER_LIMIT:
        found = f"the model in `{folder}` has `{parameters:,}` parameters"
        raise UsageError(f"{found}; fewer than `{PARAMETER_LIMIT:,}` are allowed")


def _check(options: Mapping[str, str]) -> None:
    for name in options:
        if name not in BASELINE_OPTIONS and not name.startswith(SETTING):
            raise UsageError(f"the template has no option `{name}`; {nearest(name, BASELINE_OPTIONS)}")
    if "model" in options and len(options) > 1:
        raise UsageError("a trained `model` is taken as it is, without a `recipe`; leave one of them out")
