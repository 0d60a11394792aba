"""What every challenge must hold to, built in or not. Each check raises `ChallengeError` that says what is wrong.

>>> [check.__name__ for check in CHECKS][:2]
['the_definition_is_whole', 'the_data_set_is_good']
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from podium.errors import ChallengeError
from podium.types import Challenge, DataRequest, DataSet, ScoreSettings, Severity

Check = Callable[[Challenge, DataSet, Path], None]

_SETTINGS = ScoreSettings(resamples=50)


def the_definition_is_whole(challenge: Challenge, data: DataSet, scratch: Path) -> None:  # noqa: ARG001 - one form for all checks
    """Id, phases, templates and mounts say what they must."""
    _demand(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", challenge.id) is not None, "the id is not lower-case-with-dashes")
    _demand(bool(challenge.metrics), "there is no metric")
    _demand(bool(challenge.phases), "there is no phase")
    _demand(challenge.readme.is_file(), f"`{challenge.readme}` is missing")
    _demand({each.name for each in challenge.templates} >= {"starter", "baseline"}, "starter or baseline is missing")
    for each in challenge.templates:
        _demand((each.folder / "main.py").is_file(), f"the template `{each.name}` has no `main.py`")
    for part, target in challenge.mounts:
        _demand(target.startswith("/"), f"the mount `{part}` goes to `{target}`, which is not absolute")


def the_data_set_is_good(challenge: Challenge, data: DataSet, scratch: Path) -> None:  # noqa: ARG001 - one form for all checks
    """A made data set passes the challenge's own check."""
    problems = challenge.check_data(data)
    _demand(not problems, "; ".join(str(each) for each in problems[:5]))


def no_answer_lies_in_the_inputs(challenge: Challenge, data: DataSet, scratch: Path) -> None:  # noqa: ARG001 - one form for all checks
    """No line of an answer file stands in a text file that a run sees."""
    secrets: set[str] = set()
    for path in data.answers.rglob("*.csv"):
        secrets.update(path.read_text(encoding="utf-8").splitlines()[1:])
    for path in data.inputs.rglob("*"):
        if path.is_file() and path.suffix in (".csv", ".json", ".txt"):
            shared = secrets & set(path.read_text(encoding="utf-8").splitlines())
            _demand(not shared, f"`{path}` holds a line of the answers: `{next(iter(shared), '')}`")


def the_same_seed_gives_the_same_answers(challenge: Challenge, data: DataSet, scratch: Path) -> None:
    """Made again with its seed, the data set has the same answers, byte for byte."""
    again = challenge.make_data(DataRequest(into=scratch / "again", size="tiny", workers=1))
    for path in sorted(data.answers.rglob("*")):
        if path.is_file():
            twin = again.answers / path.relative_to(data.answers)
            _demand(twin.is_file() and twin.read_bytes() == path.read_bytes(), f"`{twin}` differs from `{path}`")


def perfect_predictions_get_the_highest_score(challenge: Challenge, data: DataSet, scratch: Path) -> None:
    """The best possible predictions are valid and earn the best value of the metric."""
    metric = challenge.metric
    best = metric.highest if metric.higher_is_better else metric.lowest
    score = challenge.score(_predictions(challenge, data, _perfect(challenge, data, scratch)), data, _SETTINGS)
    _demand(score.metric == metric.name, f"the score is called `{score.metric}`, the metric `{metric.name}`")
    _demand(abs(score.value - best) <= 1e-9, f"perfect predictions score `{score.value}`, not `{best}`")


def scoring_twice_gives_the_same(challenge: Challenge, data: DataSet, scratch: Path) -> None:
    """Nothing in a score depends on anything but predictions, answers and settings."""
    folder = _perfect(challenge, data, scratch)
    first, second = (challenge.score(_predictions(challenge, data, folder), data, _SETTINGS) for _ in range(2))
    _demand(first == second, "two scores of the same predictions differ")


def broken_predictions_are_refused_with_reasons(challenge: Challenge, data: DataSet, scratch: Path) -> None:
    """Every spoiled set of predictions gives problems with a place and a message, and raises nothing."""
    _demand(challenge.broken is not None, "the challenge names no way to spoil predictions")
    good = _perfect(challenge, data, scratch)
    for at, (name, spoil) in enumerate(challenge.broken() if challenge.broken else ()):
        folder = scratch / f"broken-{at}"
        shutil.copytree(good, folder)
        spoil(folder)
        reading = challenge.read_predictions(folder, data, phase=challenge.phases[-1])
        errors = [each for each in reading.problems if each.severity is Severity.ERROR]
        _demand(bool(errors) and reading.predictions is None, f"predictions with {name} are accepted")
        _demand(all(each.place and each.message for each in errors), f"a problem of predictions with {name} is empty")
        _demand(len(errors) <= 10, f"predictions with {name} give {len(errors)} messages; like ones belong together")


CHECKS: tuple[Check, ...] = (
    the_definition_is_whole,
    the_data_set_is_good,
    no_answer_lies_in_the_inputs,
    the_same_seed_gives_the_same_answers,
    perfect_predictions_get_the_highest_score,
    scoring_twice_gives_the_same,
    broken_predictions_are_refused_with_reasons,
)


def _perfect(challenge: Challenge, data: DataSet, scratch: Path) -> Path:
    if challenge.perfect is None:
        raise ChallengeError("the challenge cannot make perfect predictions")
    folder = scratch / "perfect"
    folder.mkdir(parents=True)
    challenge.perfect(data, folder)
    return folder


def _predictions(challenge: Challenge, data: DataSet, folder: Path) -> object:
    reading = challenge.read_predictions(folder, data, phase=challenge.phases[-1])
    errors = [str(each) for each in reading.problems if each.severity is Severity.ERROR]
    _demand(not errors, "perfect predictions are refused: " + "; ".join(errors[:3]))
    return reading.predictions


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ChallengeError(otherwise)
