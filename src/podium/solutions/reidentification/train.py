"""From a recipe and photographs of known individuals to a calibrated model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from podium.errors import MachineError, UsageError
from podium.formats import digests
from podium.solutions.reidentification import network as networks
from podium.solutions.reidentification.dataset import Classes, Photographs, Shown, choose, decode
from podium.solutions.reidentification.folds import Fold
from podium.solutions.reidentification.learner import Learner, database_of
from podium.solutions.reidentification.model import ASSETS, Member, Model
from podium.solutions.reidentification.network import Network
from podium.solutions.reidentification.pairs import calibrated
from podium.solutions.reidentification.photos import Photo, read_photos
from podium.solutions.reidentification.plan import STAGE, Recipe, Run, Stage, runs
from podium.solutions.reidentification.ranking import VIEWS
from podium.solutions.training import batches, export, ranks, recipe, trainer
from podium.solutions.training.trainer import Fitted
from podium.types import Progress, silent

try:
    import torch
except ImportError as error:
    raise MachineError("training needs torch: `pip install 'podium[train]'`") from error

NETWORK = "network"
RECIPE = "recipe.yaml"
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """A network after one training, and what the training came to."""

    network: Network
    fitted: Fitted
    classes: Classes
    photos: int


def train(
    recipe: Path,
    *,
    data: Path,
    out: Path,
    overrides: Mapping[str, str] = _NOTHING,
    resume: bool = False,
    progress: Progress = silent,
) -> Path:
    """Trains every network of a recipe and makes them a model, calibrated on what none of them learned from.

    Args:
        recipe: A YAML file; see `plan.Recipe`.
        data: Photographs, as `photos.read_photos` takes them.
        out: Gets logs, checkpoints and ``model_assets``; one folder a member and a stage where there are several.
        overrides: New values, as YAML text by place with dots.
        resume: Go on with what is in `out`; finished networks are not trained again.
        progress: Shows what is done.

    Returns:
        The folder of the model.

    Raises:
        UsageError: Recipe or photographs do not fit, or `out` holds a training and `resume` is not set.
        Stopped: A signal asked to.
    """
    planned = runs(recipe, overrides)
    if ranks.leads() and not resume and (out / RECIPE).exists():
        raise UsageError(f"`{out}` holds a training; go on with it (`--resume`) or name another folder")
    photos = read_photos(data)
    _keep_whole(recipe, overrides, planned, out, resume=resume)
    served = {view for run in planned for view in run.serves}
    members: list[Member] = []
    for run in planned:
        network = _train_run(run, photos, out=out, resume=resume, progress=progress)
        # Where only some members are trained, they stand in for the others.
        serves = run.serves if served == set(VIEWS) else VIEWS
        members.append(Member(network=network.eval(), serves=serves, weight=run.weight))
    assets = out / ASSETS
    if ranks.leads():
        _write_model(members, planned, photos, assets, progress=progress)
    return assets


def fit_stage(
    settings: Recipe, photos: Sequence[Photo], *, out: Path, start: Network | None, resume: bool, progress: Progress
) -> Trained:
    """One training of one network.

    Args:
        settings: Without parts.
        photos: All that there are; the recipe chooses.
        start: Gives its backbone; None takes what the recipe names.
        resume: Go on from the last checkpoint.
    """
    fold = choose(photos, settings.data)
    trainer.seed(settings.trainer.seed)
    network = _begin(settings, start)
    classes = Classes.of(fold.train, mirrored=settings.augmentation.flip == "other")
    held_out = _held_out(settings, fold)
    learner = Learner(
        network,
        classes=classes,
        head=settings.head,
        learning=settings.learning,
        held_out=held_out,
        queries=len(fold.validation),
    )
    seen = Photographs(
        _decoded(fold.train, settings, out, progress), fold.train, classes=classes, augmentation=settings.augmentation
    )
    fitted = trainer.fit(
        learner,
        batches.loader(seen, _batches(settings, fold.train), workers=settings.batch.workers),
        _validation(settings, held_out, out, progress),
        settings=settings.trainer,
        out=out,
        resume=resume,
        progress=progress,
    )
    return Trained(network=learner.network, fitted=fitted, classes=classes, photos=len(fold.train))


def _keep_whole(path: Path, overrides: Mapping[str, str], planned: Sequence[Run], out: Path, *, resume: bool) -> None:
    """Keeps the recipe of several trainings; one alone keeps its own. Members may be trained one by one."""
    first = planned[0]
    if ranks.leads() and (len(planned) > 1 or first.name or first.stages[0].name):
        recipe.keep(replace(recipe.load(path, Recipe, overrides=overrides), member=None), out, resume=resume)


def _train_run(run: Run, photos: Sequence[Photo], *, out: Path, resume: bool, progress: Progress) -> Network:
    done: dict[str, Network] = {}
    for stage in run.stages:
        folder = out.joinpath(*(each for each in (run.name, stage.name) if each))
        done[stage.name] = _train_stage(stage, photos, folder, done, resume=resume, progress=progress)
    return done[run.stages[-1].name]


def _train_stage(
    stage: Stage,
    photos: Sequence[Photo],
    folder: Path,
    done: Mapping[str, Network],
    *,
    resume: bool,
    progress: Progress,
) -> Network:
    """A finished network is read; it must have come from the same recipe."""
    if ranks.leads():
        recipe.keep(stage.recipe, folder, resume=resume)
    kept = folder / NETWORK
    if resume and (kept / networks.WEIGHTS_FILE).is_file():
        return networks.load(kept)
    wanted = stage.recipe.weights
    start = done[wanted.removeprefix(STAGE)] if wanted.startswith(STAGE) else None
    trained = fit_stage(stage.recipe, photos, out=folder, start=start, resume=resume, progress=progress)
    if ranks.leads():
        (folder / export.TRAINING).write_text(json.dumps(_facts(stage.recipe, photos, trained), indent=1) + "\n")
        networks.save(trained.network, kept)
    return trained.network


def _facts(settings: Recipe, photos: Sequence[Photo], trained: Trained) -> dict[str, Any]:
    size = settings.batch.size * settings.trainer.devices
    return export.facts(
        recipe_digest=recipe.digest(settings),
        data_digest=digest(photos),
        seed=settings.trainer.seed,
        fitted=trained.fitted,
        monitor=settings.trainer.monitor,
        more={
            "individuals": trained.classes.individuals,
            "photographs": trained.photos,
            "photographs_per_second": trained.fitted.steps_per_second * size,
        },
    )


def digest(photos: Sequence[Photo]) -> str:
    """``sha256:…`` of what is known of photographs and of their files."""
    total = hashlib.sha256()
    for each in photos:
        known = (each.image_id, each.individual, each.viewpoint, str(each.taken), each.encounter)
        total.update("\t".join((*known, digests.digest_file(each.path))).encode() + b"\n")
    return f"sha256:{total.hexdigest()}"


def _begin(settings: Recipe, start: Network | None) -> Network:
    if start is None:
        return networks.build(settings.network, weights=settings.weights)
    network = networks.build(settings.network, weights=networks.RANDOM)
    network.backbone.load_state_dict(start.backbone.state_dict())
    return network


def _held_out(settings: Recipe, fold: Fold) -> tuple[Photo, ...]:
    """What is held out; where its individuals are learned from, too, one photograph of each of those encounters."""
    if not fold.validation or settings.data.split is None or settings.data.split.kind == "individual":
        return fold.validation
    return fold.validation + tuple(fold.train[place] for place in database_of(fold.train))


def _batches(settings: Recipe, photos: Sequence[Photo]) -> batches.Batches:
    size, of_each = settings.batch.size, settings.batch.of_each
    if size > len(photos):
        raise UsageError(f"a batch of `{size}` was asked for; there are `{len(photos)}` photographs to learn from")
    order = batches.shuffled(len(photos))
    if of_each > 1:
        order = batches.balanced([each.individual for each in photos], images=of_each)
    return batches.Batches(order, units=size // of_each, seed=settings.trainer.seed)


def _validation(settings: Recipe, held_out: Sequence[Photo], out: Path, progress: Progress) -> Any:
    if not held_out:
        return None
    shown = Shown(_decoded(held_out, settings, out, progress), held_out)
    walk = batches.Batches(batches.in_order(len(shown)), units=settings.batch.size, shard=False, drop_last=False)
    return batches.loader(shown, walk)


def _decoded(photos: Sequence[Photo], settings: Recipe, out: Path, progress: Progress) -> NDArray[np.uint8]:
    return decode(photos, settings.network, memory_bytes=settings.data.memory_bytes, folder=out, progress=progress)


def _write_model(
    members: Sequence[Member], planned: Sequence[Run], photos: Sequence[Photo], assets: Path, *, progress: Progress
) -> None:
    settings = planned[0].final
    device = "cuda" if settings.trainer.device != "cpu" and torch.cuda.is_available() else "cpu"
    for member in members:
        member.network.to(device)
    model = Model(members=tuple(members), settings=settings.inference)
    unseen = _unseen(planned, photos)
    if unseen:
        model = calibrated(model, unseen, method=settings.calibration, progress=progress)
    model.save(assets)
    for number, run in enumerate(planned):
        for stage in run.stages:
            ending = f"-{stage.name}" if stage.name and stage is not run.stages[-1] else ""
            recipe.write(
                replace(stage.recipe, member=run.name or None), assets / f"member-{number}" / f"recipe{ending}.yaml"
            )
    (assets / RECIPE).write_text(recipe.dump(settings))


def _unseen(planned: Sequence[Run], photos: Sequence[Photo]) -> tuple[Photo, ...]:
    """Photographs that no network learned from."""
    learned: set[str] = set()
    for run in planned:
        for stage in run.stages:
            learned |= {each.image_id for each in choose(photos, stage.recipe.data).train}
    held_out = {each.image_id for run in planned for each in choose(photos, run.final.data).validation}
    return tuple(each for each in photos if each.image_id in held_out - learned)
