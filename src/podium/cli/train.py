"""`podium train`."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import click

from podium.challenges import challenge as find_challenge
from podium.cli import talk
from podium.cli.options import json_option, print_json
from podium.cli.submission import create, parse
from podium.errors import UsageError
from podium.types import DataSet, Template

EXAMPLE = """\b
Example:
  podium train --list
  podium train reidentification/small --data data/whale-do --out runs/small
  podium train reidentification/small --data data/whale-do --out runs/small --resume
  podium train my_recipe.yaml --data my_photos --out runs/mine --set trainer.epochs=3
"""


@click.command("train", epilog=EXAMPLE)
@click.argument("recipe", metavar="[RECIPE]", required=False)
@click.option("--data", metavar="DIR", type=click.Path(path_type=Path), help="What to train on, as the recipe says.")
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), help="Gets logs, checkpoints and the model.")
@click.option("--set", "settings", metavar="KEY=VALUE", multiple=True, help="Another value for a setting: `a.b=3`.")
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint in --out, to the very same result.")
@click.option("--list", "listing", is_flag=True, help="The recipes that ship with Podium; also without RECIPE.")
@json_option
def train_command(
    recipe: str | None,
    data: Path | None,
    out: Path | None,
    settings: tuple[str, ...],
    resume: bool,
    listing: bool,
    as_json: bool,
) -> None:
    """Train a model from RECIPE: a YAML file, or the name of a recipe that ships with Podium.

    An interrupted training (Ctrl-C, SIGTERM) saves before it ends.
    """
    if listing or recipe is None:
        _list(as_json=as_json)
        return
    if data is None or out is None:
        missing = " and ".join(name for name, value in (("--data DIR", data), ("--out DIR", out)) if value is None)
        raise UsageError(f"training `{recipe}` needs {missing}")
    _train(recipe, data, out, parse(settings), resume=resume, as_json=as_json)


def _train(recipe: str, data: Path, out: Path, overrides: dict[str, str], *, resume: bool, as_json: bool) -> None:
    from podium.solutions.training import find, head

    path = find(recipe)
    told = head(path, overrides=overrides)
    if not data.is_dir():
        raise UsageError(f"`--data {data}` is no folder")
    # Of several processes that train together, the first has filled the folder before the others look.
    first = int(os.environ.get("LOCAL_RANK", "0")) == 0
    if first and not resume and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"`{out}` is not an empty folder; go on with `--resume` or name another")
    template = None if told.challenge is None else find_challenge(told.challenge).template("baseline")
    if first:
        talk.step(f"training `{recipe}`: {told.summary}")
    model = _fit(told.solution, path, data=data, out=out, overrides=overrides, resume=resume)
    if not first:
        return
    talk.say(f"model: `{model}`; `podium report {out}` shows how the training went")
    made = {"recipe": recipe, "out": str(out), "model": str(model), "submission": None}
    if template is not None:
        made["submission"] = str(_submit(template, told.challenge or "", data=data, out=out, model=model))
    if as_json:
        print_json(made)


def _fit(solution: str, path: Path, **how: Any) -> Path:
    try:
        return importlib.import_module(f"podium.solutions.{solution}.train").train(path, progress=talk.progress, **how)
    except KeyboardInterrupt as stopped:
        if str(stopped):
            talk.say(str(stopped))
        raise


def _submit(template: Template, challenge_id: str, *, data: Path, out: Path, model: Path) -> Path:
    submission = out / "submission"
    if submission.exists():
        talk.warning(f"`{submission}` was there before and stays as it is")
        return submission
    create(template, submission, data=DataSet(data), options={"model": str(model)})
    talk.say(f"submission: `{submission}`; judge it with `podium run {challenge_id} {submission} --data {data}`")
    return submission


def _list(*, as_json: bool) -> None:
    from podium.solutions.training import listed

    found = listed()
    if as_json:
        print_json([{"name": each.name, "summary": each.summary, "path": each.path} for each in found])
        return
    talk.table(("recipe", "what it makes"), ((each.name, each.summary) for each in found))
