"""Fills the baseline for a data set."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from podium.challenges.whale_do import layout
from podium.errors import UsageError, nearest
from podium.types import DataSet, Problem, Progress, Severity, silent

if TYPE_CHECKING:
    from podium.solutions.reidentification.model import Model

NO_OPTIONS: Mapping[str, str] = MappingProxyType({})
BASELINE_OPTIONS = ("model", "weights", "architecture", "flip", "device")
_SWITCH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def prepare_baseline(
    data: DataSet,
    submission: Path,
    *,
    options: Mapping[str, str] = NO_OPTIONS,
    seed: int = 0,  # noqa: ARG001 - nothing in the baseline is drawn
    progress: Progress = silent,
) -> tuple[Problem, ...]:
    """Puts a model into the baseline's folder: a trained one, or a pretrained one calibrated on the training images.

    Args:
        data: Its training images calibrate a pretrained model, which never saw any of them.
        submission: A copy of the baseline's folder.
        options: `model` (the folder of a trained model) or `weights` (of the backbone of a pretrained one: a
            safetensors or checkpoint file, or `timm:NAME`), `architecture` (timm's name for a file), `flip` (`true` or
            `false`), `device` (`cpu` or `cuda`).
        progress: Shown a step for each image.

    Raises:
        UsageError: An option is not known or does not fit another.
        MachineError: An extra is not installed.
    """
    from podium.solutions.reidentification.model import ASSETS, Model

    _check(options)
    into = submission / ASSETS
    if "model" in options:
        folder = Path(options["model"])
        Model.load(folder)
        shutil.copytree(folder, into, dirs_exist_ok=True)
        if "flip" in options:
            Model.load(into).with_settings(flip=_switch(options["flip"])).save(into)
        return ()
    model, problems = _pretrained(data, options, progress)
    model.save(into)
    return problems


def _pretrained(data: DataSet, options: Mapping[str, str], progress: Progress) -> tuple[Model, tuple[Problem, ...]]:
    from podium.solutions.reidentification.model import pretrained
    from podium.solutions.reidentification.pairs import calibrated
    from podium.solutions.reidentification.photos import read_photos

    flip = _switch(options.get("flip", "true"))
    model = pretrained(
        options.get("weights"), architecture=options.get("architecture"), device=options.get("device", "cpu")
    ).with_settings(flip=flip)
    train = data.public / layout.TRAIN
    if not (train / layout.METADATA).is_file():
        note = f"`{train}` holds no training images; the scores are not calibrated"
        return model, (Problem(place="calibration", message=note, severity=Severity.WARNING),)
    model = calibrated(model, read_photos(train), progress=progress)
    if model.calibration is None:
        note = "no individual was photographed in two encounters; the scores are not calibrated"
        return model, (Problem(place="calibration", message=note, severity=Severity.WARNING),)
    return model, ()


def _check(options: Mapping[str, str]) -> None:
    for name in options:
        if name not in BASELINE_OPTIONS:
            raise UsageError(f"the template has no option `{name}`; {nearest(name, BASELINE_OPTIONS)}")
    for name in ("weights", "architecture"):
        if "model" in options and name in options:
            raise UsageError(f"a trained `model` has its own {name}; leave `{name}` out")


def _switch(text: str) -> bool:
    if text.lower() not in _SWITCH:
        raise UsageError(f"`flip` is `{text}`; `true` or `false` is needed")
    return _SWITCH[text.lower()]
