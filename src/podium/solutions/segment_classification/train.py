"""From a recipe and shards of YouTube-8M to a model: networks of whole videos first, then classifiers of segments."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from podium.errors import UsageError
from podium.solutions.segment_classification import material as materials
from podium.solutions.segment_classification import network as networks
from podium.solutions.segment_classification.classes import Classes
from podium.solutions.segment_classification.encoders import EncoderSettings
from podium.solutions.segment_classification.held_out import HELD_OUT, write_held_out
from podium.solutions.segment_classification.learner import Learner, SegmentLearner, VideoLearner
from podium.solutions.segment_classification.material import Material
from podium.solutions.segment_classification.mixture import HeadSettings
from podium.solutions.segment_classification.model import ASSETS, Member, Model
from podium.solutions.segment_classification.network import Network, NetworkSettings
from podium.solutions.segment_classification.plan import TRAINING, Plan, Recipe, Training, plan
from podium.solutions.segment_classification.supply import Places, Supply, supply
from podium.solutions.training import export, ranks, recipe, trainer
from podium.solutions.training.trainer import Fitted
from podium.types import Progress, silent

NETWORK = "network"
RECIPE = "recipe.yaml"
SHARDS = "shards.json"
PROJECTION = Path("projection") / "projection.yaml"
ALONE = "network"
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Sitting:
    """What all trainings of a recipe share.

    Attributes:
        material: The shards.
        classes: Of the vocabulary.
        data: Where they lie.
        out: The folder of all.
        resume: Go on with what is there.
        progress: Shows what is done.
    """

    data: Path
    material: Material
    classes: Classes
    out: Path
    resume: bool
    progress: Progress


def train(
    recipe: Path,
    *,
    data: Path,
    out: Path,
    overrides: Mapping[str, str] = _NOTHING,
    resume: bool = False,
    progress: Progress = silent,
) -> Path:
    """Trains every network of a recipe, in order, and makes its members a model.

    Args:
        recipe: A YAML file; see `plan.Recipe`.
        data: A Podium data set or a ``data`` folder, as `material.find` takes them.
        out: Gets logs, checkpoints and ``model_assets``; one folder a training where there are several.
        overrides: New values, as YAML text by place with dots.
        resume: Go on with what is in `out`; finished trainings are not repeated.
        progress: Shows what is done.

    Returns:
        The folder of the model.

    Raises:
        UsageError: Recipe or data do not fit, or `out` holds a training and `resume` is not set.
        Stopped: A signal asked to.
    """
    planned = plan(recipe, overrides)
    if ranks.leads() and not resume and (out / RECIPE).exists():
        raise UsageError(f"`{out}` holds a training; go on with it (`--resume`) or name another folder")
    material = materials.find(data)
    sitting = Sitting(
        data=data,
        material=material,
        classes=Classes.read(material.vocabulary),
        out=out,
        resume=resume,
        progress=progress,
    )
    _keep_whole(planned, out, resume=resume)
    done: dict[str, Network] = {}
    for training in planned.trainings:
        done[training.name] = _train(training, done, sitting)
    if ranks.leads():
        _write_model(planned, done, sitting)
    return out / ASSETS


def _keep_whole(planned: Plan, out: Path, *, resume: bool) -> None:
    """Keeps the recipe of several trainings; one alone keeps its own. Some of them may be trained later."""
    if ranks.leads() and planned.whole.trainings:
        recipe.keep(replace(planned.whole, only=()), out, resume=resume)


def _train(training: Training, done: Mapping[str, Network], sitting: Sitting) -> Network:
    """A finished network is read; it must have come from the same recipe."""
    folder = sitting.out / training.name
    if ranks.leads():
        recipe.keep(training.recipe, folder, resume=sitting.resume)
        _keep_data(training, folder, sitting)
    kept = folder / NETWORK
    if sitting.resume and (kept / networks.WEIGHTS_FILE).is_file():
        return networks.load(kept)
    return _fit(training.recipe, done, folder, sitting)


def _keep_data(training: Training, folder: Path, sitting: Sitting) -> None:
    """Notes which shards a training reads, or, to go on, checks that they are those that it was begun with."""
    found = sitting.material
    rated = training.recipe.stage == "segment"
    shards = found.segment_train if rated else found.video_train + found.video_valid
    now = [[each.parent.name, each.name, each.stat().st_size] for each in shards]
    kept = folder / SHARDS
    if not (sitting.resume and kept.is_file()):
        kept.write_text(json.dumps(now, indent=0) + "\n")
    elif json.loads(kept.read_text()) != now:
        raise UsageError(
            f"`{folder}` was begun with other shards than those of `{sitting.data}`; begin in another folder"
        )


def _fit(settings: Recipe, done: Mapping[str, Network], folder: Path, sitting: Sitting) -> Network:
    trainer.seed(settings.trainer.seed)
    network = _begin(settings, done, len(sitting.classes))
    places = Places(out=sitting.out, folder=folder)
    supplied = supply(settings, network, sitting.material, sitting.classes, places, progress=sitting.progress)
    learner = _learner(settings, network, supplied)
    fitted = trainer.fit(
        learner,
        supplied.training,
        supplied.validation,
        settings=settings.fitting,
        out=folder,
        resume=sitting.resume,
        progress=sitting.progress,
    )
    if ranks.leads():
        if isinstance(learner, SegmentLearner):
            write_held_out(learner, supplied, folder / HELD_OUT)
        told = _facts(settings, done, supplied, fitted) | {
            "parameters": networks.parameters(learner.network),
            "parameters_trained": networks.parameters(learner.network, trainable=True),
        }
        (folder / export.TRAINING).write_text(json.dumps(told, indent=1) + "\n")
        networks.save(learner.network, folder / NETWORK)
    return learner.network.cpu().eval()


def shaped(settings: Recipe, classes: int, *, base: Network | None, context: Network | None) -> NetworkSettings:
    """The shape of the network of a training: what it begins with decides what the recipe leaves open.

    Args:
        settings: Without parts.
        classes: Of the vocabulary.
        base: What it begins with.
        context: What its context begins with.
    """
    wanted = settings.network
    shape = NetworkSettings(
        classes=classes,
        encoder=wanted.encoder or (EncoderSettings() if base is None else base.settings.encoder),
        head=wanted.head or (HeadSettings() if base is None else base.settings.head),
        context=wanted.context or (None if context is None else context.settings.encoder),
        frames=wanted.frames,
        window=wanted.window,
        reference=settings.reference,
    )
    if shape.context is None:
        return shape
    return replace(
        shape,
        fusion_features=wanted.fusion_features,
        fusion_reduction=wanted.fusion_reduction,
        fusion_dropout=wanted.fusion_dropout,
    )


def _begin(settings: Recipe, done: Mapping[str, Network], classes: int) -> Network:
    base, context = (_found(each, done) for each in (settings.start.base, settings.start.context))
    network = networks.build(shaped(settings, classes, base=base, context=context))
    networks.start(network, base=base, context=context)
    return network


def _found(name: str | None, done: Mapping[str, Network]) -> Network | None:
    """An earlier training's network, or that in a folder: of a network, of a training, or of a member of a model."""
    if name is None:
        return None
    if name.startswith(TRAINING):
        return done[name.removeprefix(TRAINING)]
    folder = Path(name)
    inside = folder / NETWORK
    return networks.load(inside if (inside / networks.SETTINGS_FILE).is_file() else folder)


def _learner(settings: Recipe, network: Network, supplied: Supply) -> Learner:
    how = {"learning": settings.learning, "reference": settings.reference}
    if settings.stage == "video":
        return VideoLearner(network, **how)
    return SegmentLearner(network, **how, contexts_VF=supplied.contexts_VF, held_out_VF=supplied.held_out_VF)


def _facts(settings: Recipe, done: Mapping[str, Network], supplied: Supply, fitted: Fitted) -> dict[str, Any]:
    size = settings.batch.videos * settings.trainer.devices
    begun = {part: _found(name, done) for part, name in asdict(settings.start).items()}
    return export.facts(
        recipe_digest=recipe.digest(settings),
        data_digest=supplied.videos.digest,
        seed=settings.trainer.seed,
        fitted=fitted,
        monitor=settings.trainer.monitor,
        more={
            "start": {part: network and Member(name=part, network=network).digest for part, network in begun.items()},
            "videos": len(supplied.videos),
            "ratings": supplied.videos.ratings,
            "videos_held_out": 0 if supplied.held_out is None else len(supplied.held_out),
            "left_out": str(supplied.videos.counts),
            "videos_per_second": fitted.steps_per_second * size,
        },
    )


def _write_model(planned: Plan, done: Mapping[str, Network], sitting: Sitting) -> None:
    """The model, and beside each network its recipe, how its training went, and its predictions of its fold."""
    assets = sitting.out / ASSETS
    named = {name: name or ALONE for name in planned.members}
    members = tuple(Member(name=called, network=done[name]) for name, called in named.items())
    Model(members=members, classes=sitting.classes).save(assets)
    if (sitting.data / PROJECTION).is_file():
        # Of own footage: features of another projection would mean something else.
        shutil.copyfile(sitting.data / PROJECTION, assets / PROJECTION.name)
    for name, called in named.items():
        for file in (RECIPE, export.TRAINING, HELD_OUT):
            if (sitting.out / name / file).is_file():
                shutil.copyfile(sitting.out / name / file, assets / called / file)
