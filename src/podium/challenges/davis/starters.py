"""Fills the starter kits for a data set: runs the kit's own training for a few steps, as its owner would."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from podium.challenges.davis.paths import PATHS
from podium.errors import MachineError, UsageError, nearest
from podium.types import DataSet, Problem, Progress, silent

OPTIONS = ("steps", "epochs", "batch", "height", "width")
FIRST_STEPS = 30
"""Of the training when neither steps nor epochs are asked for: enough to run, too few to be good."""

_NO_OPTIONS: Mapping[str, str] = MappingProxyType({})
_STEP = re.compile(r"step (\d+)/(\d+)")
_NEEDS = {"starter_keras": ("keras", "h5py"), "starter_torch": ("torch", "lightning", "safetensors")}
_EXTRAS = {"starter_keras": "keras", "starter_torch": "train"}
_KEPT_LINES = 8


def prepare_starter(
    data: DataSet,
    submission: Path,
    *,
    options: Mapping[str, str] = _NO_OPTIONS,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[Problem, ...]:
    """Trains the network of a starter kit a little, by the kit's own ``train.py`` in a process of its own.

    Args:
        data: Its public part is trained on.
        submission: A copy of the kit's folder; gets ``model_assets/`` and ``model.json``.
        options: `steps` or `epochs` (30 steps otherwise), `batch`, `height`, `width`: whole numbers above 0.
        seed: Of the training.
        progress: Shows the steps.

    Raises:
        UsageError: An option is not known or no such number, or the data set has nothing to train on.
        MachineError: An extra is not installed, or the training failed.
    """
    asked = _checked(options)
    if not (data.public / PATHS).is_file():
        raise UsageError(f"`{data.public / PATHS}` is missing: the data set has nothing to train on")
    _require(submission)
    if not {"steps", "epochs"} & set(asked):
        asked["steps"] = FIRST_STEPS
    if "steps" in asked and "epochs" not in asked:
        # More epochs than any number of steps can need.
        asked["epochs"] = asked["steps"]
    words = [f"--{name}={value}" for name, value in (asked | {"seed": seed}).items()]
    training = _Training([sys.executable, "train.py", "--data", str(data.root.resolve()), *words], submission)
    for _ in progress(training.steps(), what="training the starter", total=asked.get("steps")):
        pass
    return ()


class _Training:
    def __init__(self, command: list[str], folder: Path) -> None:
        self._command, self._folder = command, folder

    def steps(self) -> Iterator[int]:
        """Runs the training; gives the number of each step when it is done."""
        last: deque[str] = deque(maxlen=_KEPT_LINES)
        with subprocess.Popen(
            self._command,
            cwd=self._folder,
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            try:
                for line in process.stdout or ():
                    last.append(line.strip())
                    found = _STEP.match(line)
                    if found:
                        yield int(found[1])
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            told = next((line for line in reversed(last) if line), "it said nothing")
            raise MachineError(f"`train.py` of the starter ended with status `{process.returncode}`: {told}")


def _checked(options: Mapping[str, str]) -> dict[str, int]:
    asked: dict[str, int] = {}
    for name, value in options.items():
        if name not in OPTIONS:
            raise UsageError(f"the template has no option `{name}`; {nearest(name, OPTIONS)}")
        if not (value.isascii() and value.isdigit() and 0 < int(value) < 10**9):
            raise UsageError(f"`{name}` is `{value}`; a whole number above 0 is needed")
        asked[name] = int(value)
    return asked


def _require(submission: Path) -> None:
    kit = "starter_keras" if (submission / "backend.py").is_file() else "starter_torch"
    missing = [name for name in _NEEDS[kit] if importlib.util.find_spec(name) is None]
    if kit == "starter_keras" and not any(importlib.util.find_spec(name) for name in ("tensorflow", "torch", "jax")):
        missing.append("tensorflow, torch or jax")
    if missing:
        extra = _EXTRAS[kit]
        raise MachineError(f"this starter needs {' and '.join(missing)}: `pip install 'podium[{extra}]'`")
