r"""A recipe as a chain of stages: trainings one after the other, each of which begins with what the one before it made.

```
steps: 1000                # what all stages have in common
stages:
  - {name: stills, set: {data.folder: stills}}
  - {name: clips, set: {data.folder: clips, learning.rate: 1e-4}}
```

A recipe without `stages` is one stage without a name, in the folder itself; others have a folder each. What is given
with ``--set`` counts before what a stage sets. A stage that is finished is not trained again when the chain goes on,
and the one that was interrupted goes on from its checkpoint. This module knows nothing of networks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from podium.errors import UsageError, nearest
from podium.solutions.training import ranks, recipe

BEFORE = "stage:"
"""Stands before a stage's name in `Staged.start`."""

_TAKEN = frozenset({"cache", "checkpoints", "index", "model_assets", "network", "submission", "tensorboard"})
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_OF_CHAIN = ("stages", "only", "start")


@dataclass(frozen=True, kw_only=True)
class StageRecipe:
    """One stage.

    Attributes:
        name: Of its folder.
        set: What differs from the recipe, by place with dots.
    """

    name: str
    set: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name in _TAKEN:
            raise UsageError(
                f"a stage cannot be called `{self.name}`; letters, digits, `.`, `_` and `-` are allowed, none of "
                f"{', '.join(f'`{each}`' for each in sorted(_TAKEN))}"
            )
        wrong = sorted(key for key in self.set if key.split(".")[0] in _OF_CHAIN)
        if wrong:
            raise UsageError(f"the stage `{self.name}` sets `{wrong[0]}`, which belongs to the whole recipe")


@dataclass(frozen=True, kw_only=True)
class Staged(recipe.Head):
    """What a recipe with stages says besides.

    Attributes:
        start: A folder to begin the first stage with, in the solution's words; None begins anew. Of a stage that comes
            after another it becomes ``stage:NAME``.
        stages: One after the other; none is one.
        only: The stages to train, in the chain's order; the others are left out as if they were not there. None named
            trains all.
    """

    start: str | None = None
    stages: tuple[StageRecipe, ...] = ()
    only: tuple[str, ...] = ()


Plan = TypeVar("Plan", bound=Staged)
Made = TypeVar("Made")


@dataclass(frozen=True, kw_only=True)
class Stage(Generic[Plan]):
    """One stage.

    Attributes:
        name: Empty where there is only one.
        recipe: With all that differs put in, and without stages.
    """

    name: str
    recipe: Plan


@dataclass(frozen=True, kw_only=True)
class Chain(Generic[Plan]):
    """What a recipe comes to.

    Attributes:
        whole: The recipe with its stages.
        stages: In order, at least one.
    """

    whole: Plan
    stages: tuple[Stage[Plan], ...]


def plan(path: Path, kind: type[Plan], overrides: Mapping[str, str]) -> Chain[Plan]:
    """Every stage of a recipe.

    Args:
        path: The recipe.
        kind: Its type.
        overrides: YAML text by place with dots; counts before all that the file says.

    Raises:
        UsageError: The recipe has faults, names a stage twice, or leaves out one that it has not.
    """
    whole = recipe.load(path, kind, overrides=overrides)
    if not whole.stages:
        if whole.only:
            raise UsageError(f"`{path}` has no `stages` of which `only` could name some")
        return Chain(whole=whole, stages=(Stage(name="", recipe=whole),))
    names = [each.name for each in whole.stages]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"`{path}` names the stage `{twice[0]}` twice")
    unknown = [name for name in whole.only if name not in names]
    if unknown:
        raise UsageError(f"`{path}` has no stage `{unknown[0]}`; {nearest(unknown[0], names)}")
    kept = [each for each in whole.stages if not whole.only or each.name in whole.only]
    before = [whole.start, *(BEFORE + each.name for each in kept)]
    return Chain(
        whole=whole,
        stages=tuple(_stage(path, kind, overrides, each, start) for each, start in zip(kept, before, strict=False)),
    )


def train(
    chain: Chain[Plan],
    *,
    out: Path,
    resume: bool,
    fit: Callable[[Stage[Plan], Path, Made | None], Made],
    finished: Callable[[Path], Made | None],
) -> Made:
    """Trains the stages of a chain in order and keeps the recipe of each beside what comes of it.

    Args:
        chain: By `plan`.
        out: Gets ``recipe.yaml`` of the whole, and a folder for each stage that has a name.
        resume: Go on with what is there.
        fit: Trains one stage in its folder, beginning with what the stage before it made (None for the first).
        finished: What a stage left in its folder; None where it is not finished. Asked only to go on.

    Returns:
        What the last stage made.

    Raises:
        UsageError: `out` holds a training and `resume` is not set, or was begun with another recipe.
    """
    if ranks.leads():
        if not resume and (out / "recipe.yaml").exists():
            raise UsageError(f"`{out}` holds a training; go on with it (`--resume`) or name another folder")
        recipe.keep(replace(chain.whole, only=()), out, resume=resume)
    made: Made | None = None
    for stage in chain.stages:
        folder = out / stage.name
        if ranks.leads() and stage.name:
            recipe.keep(stage.recipe, folder, resume=resume)
        there = finished(folder) if resume else None
        made = fit(stage, folder, made) if there is None else there
    if made is None:
        raise UsageError("a chain without stages trains nothing")
    return made


def _stage(
    path: Path, kind: type[Plan], overrides: Mapping[str, str], stage: StageRecipe, start: str | None
) -> Stage[Plan]:
    own = {place: json.dumps(value) for place, value in stage.set.items()}
    user = {place: value for place, value in overrides.items() if place.split(".")[0] not in _OF_CHAIN}
    chain = {"stages": "[]", "only": "[]", "start": json.dumps(start)}
    try:
        return Stage(name=stage.name, recipe=recipe.load(path, kind, overrides={**own, **user, **chain}))
    except UsageError as error:
        raise UsageError(f"the stage `{stage.name}` of {error}") from error
