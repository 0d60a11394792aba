"""From a recipe and clips with masks to a model: its stages one after the other."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from podium.errors import UsageError
from podium.formats.files import replacing
from podium.solutions.object_segmentation import clips as clip_files
from podium.solutions.object_segmentation import flow_cache
from podium.solutions.object_segmentation import network as networks
from podium.solutions.object_segmentation.clips import Clip, Material
from podium.solutions.object_segmentation.dataset import HeldOutFrames, TrainingFrames, collate
from podium.solutions.object_segmentation.flow_cache import CachedClip
from podium.solutions.object_segmentation.learner import Learner, clip_regions, judge
from podium.solutions.object_segmentation.model import ASSETS, NETWORK, Model
from podium.solutions.object_segmentation.network import Network
from podium.solutions.object_segmentation.plan import DataSettings, Recipe, plan
from podium.solutions.training import batches, export, ranks, recipe, stages, trainer
from podium.solutions.training.batches import Batches
from podium.solutions.training.stages import BEFORE, Stage
from podium.solutions.training.trainer import Fitted
from podium.types import Progress, silent

CACHE = "cache"
DATA = "data.json"
HELD_OUT = "held_out.csv"
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Sitting:
    """What all stages of a recipe share.

    Attributes:
        data: The folder that recipes name folders below.
        out: The folder of all.
        resume: Go on with what is there.
        progress: Shows what is done.
    """

    data: Path
    out: Path
    resume: bool
    progress: Progress


@dataclass(frozen=True, kw_only=True)
class Supply:
    """What one stage learns from and is judged by.

    Attributes:
        frames: To learn from.
        held_out: To be judged by; None judges by nothing.
        digest: Of the names and sizes of all files.
    """

    frames: TrainingFrames
    held_out: HeldOutFrames | None
    digest: str


def train(
    recipe: Path,
    *,
    data: Path,
    out: Path,
    overrides: Mapping[str, str] = _NOTHING,
    resume: bool = False,
    progress: Progress = silent,
) -> Path:
    """Trains the stages of a recipe and makes the last one's network a model.

    Args:
        recipe: A YAML file; see `plan.Recipe`.
        data: A Podium data set, a DAVIS or YouTube-VOS tree, stills with masks, or a folder of such folders.
        out: Gets logs, checkpoints, ``cache`` and ``model_assets``; one folder a stage where there are several.
        overrides: New values, as YAML text by place with dots.
        resume: Go on with what is in `out`; finished stages are not repeated.
        progress: Shows what is done.

    Returns:
        The folder of the model.

    Raises:
        UsageError: Recipe or data do not fit, or `out` holds a training and `resume` is not set.
        Stopped: A signal asked to.
    """
    chain = plan(recipe, overrides)
    for stage in chain.stages:
        material(stage, data)
    sitting = Sitting(data=data, out=out, resume=resume, progress=progress)
    network = stages.train(
        chain, out=out, resume=resume, fit=partial(_fit, sitting), finished=partial(_finished, sitting)
    )
    if ranks.leads():
        last = chain.stages[-1]
        _write_model(network, last, out)
    return out / ASSETS


def material(stage: Stage[Recipe], data: Path) -> Material:
    """The clips and stills that a stage learns from, and the clips that it is judged by.

    Args:
        stage: Of a recipe.
        data: ``--data``.

    Raises:
        UsageError: A folder is missing or has nothing, or nothing is held out although it is to be judged.
    """
    settings, monitor = stage.recipe.data, stage.recipe.trainer.monitor
    found = clip_files.find(data / settings.folder)
    judging = found if settings.judged_by is None else clip_files.find(data / settings.judged_by)
    held_out = _held_out(judging, settings)
    if not held_out and monitor is not None:
        raise UsageError(
            f"`{data / (settings.judged_by or settings.folder)}` has no clips to hold out, so `{monitor}` cannot be "
            f"monitored{f' in the stage `{stage.name}`' if stage.name else ''}; name others (`data.judged_by`), or set "
            "`data.held_out=none` and `trainer.monitor=null`"
        )
    apart = {each.frames for each in held_out}
    learned = tuple(each for each in found.train if each.frames not in apart)
    if not learned and not found.stills:
        raise UsageError(f"`{data / settings.folder}` has nothing to learn from beside the clips that are held out")
    return Material(train=learned, held_out=held_out, stills=found.stills)


def _held_out(judging: Material, settings: DataSettings) -> tuple[Clip, ...]:
    if settings.held_out == "none":
        return ()
    if settings.held_out == "list" and judging.held_out:
        return judging.held_out
    if not judging.train:
        return ()
    return clip_files.split(judging.train, share=settings.share, seed=settings.seed).held_out


def _finished(sitting: Sitting, folder: Path) -> Network | None:
    """A finished stage's network."""
    there = (folder / NETWORK / networks.WEIGHTS_FILE).is_file()
    return networks.load(folder / NETWORK) if sitting.resume and there else None


def _fit(sitting: Sitting, stage: Stage[Recipe], folder: Path, before: Network | None) -> Network:
    settings = stage.recipe
    trainer.seed(settings.trainer.seed)
    network = _begin(settings, before)
    supplied = _supply(stage, sitting)
    _keep_data(supplied, folder, sitting)
    learner = Learner(network, learning=settings.learning, loss=settings.loss)
    validation = None if supplied.held_out is None else _validation(supplied.held_out, settings)
    order = batches.endless(batches.shuffled(len(supplied.frames)), steps=settings.interval)
    drawn = Batches(order, units=settings.batch.frames, seed=settings.trainer.seed)
    training = batches.loader(supplied.frames, drawn, workers=settings.batch.workers, collate_fn=collate)
    fitted = trainer.fit(
        learner,
        training,
        validation,
        settings=settings.fitting,
        out=folder,
        resume=sitting.resume,
        progress=sitting.progress,
    )
    network = learner.network.eval()
    if ranks.leads():
        if supplied.held_out is not None:
            _write_held_out(network, supplied.held_out, validation, folder / HELD_OUT)
        told = _facts(settings, supplied, fitted) | {"parameters": networks.parameters(network)}
        (folder / export.TRAINING).write_text(json.dumps(told, indent=1) + "\n")
        networks.save(network, folder / NETWORK)
    return network.cpu()


def _begin(settings: Recipe, before: Network | None) -> Network:
    """The network as a stage begins with it: with an earlier one's weights, or with those of its encoder."""
    if before is None and settings.start is not None:
        before = _found(settings.start)
    if before is None:
        return networks.build(settings.network)
    if before.settings.shape != settings.network.shape:
        other, own = (recipe.dump(each.shape) for each in (before.settings, settings.network))
        changed = [line for line, mine in zip(other.splitlines(), own.splitlines(), strict=True) if line != mine]
        raise UsageError(f"the network to begin with has another shape: `{'`, `'.join(changed)}`")
    network = Network(settings.network)
    network.load_state_dict(before.state_dict())
    return network


def _found(name: str) -> Network:
    """The network in a folder: of a network, of a stage, of a model of one network, or of a training."""
    if name.startswith(BEFORE):
        raise UsageError(f"`start` is `{name}`, which only a stage after another may say; a folder is needed")
    folder = Path(name)
    places = [folder, folder / NETWORK, folder / ASSETS / NETWORK]
    return networks.load(next((each for each in places if (each / networks.SETTINGS_FILE).is_file()), folder))


def _supply(stage: Stage[Recipe], sitting: Sitting) -> Supply:
    settings = stage.recipe
    found = material(stage, sitting.data)
    cached = partial(
        flow_cache.build,
        folder=sitting.out / CACHE,
        settings=settings.inputs,
        processes=max(1, settings.batch.workers),
        progress=sitting.progress,
    )
    learned: tuple[CachedClip, ...] = ()
    if found.train:
        learned = cached(found.train, gaps=settings.samples.directed_gaps)
    held_out = None
    if found.held_out:
        held_out = HeldOutFrames(cached(found.held_out, gaps=(1,)), inputs=settings.inputs)
    frames = TrainingFrames(learned, found.stills, settings=settings.samples, inputs=settings.inputs)
    return Supply(frames=frames, held_out=held_out, digest=clip_files.digest(found))


def _keep_data(supplied: Supply, folder: Path, sitting: Sitting) -> None:
    """Notes what a stage learns from, or, to go on, checks that it is what it was begun with."""
    if not ranks.leads():
        return
    now = {
        "digest": supplied.digest,
        "clips": [each.name for each in supplied.frames.clips],
        "held_out": [] if supplied.held_out is None else [each.name for each in supplied.held_out.clips],
        "stills": len(supplied.frames.stills),
    }
    kept = folder / DATA
    if not (sitting.resume and kept.is_file()):
        folder.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(now, indent=1) + "\n")
    elif json.loads(kept.read_text()) != now:
        raise UsageError(f"`{folder}` was begun with other clips than those of `{sitting.data}`; begin in another one")


def _validation(held_out: HeldOutFrames, settings: Recipe) -> Any:
    walked = Batches(
        batches.in_order(len(held_out)),
        units=settings.batch.frames,
        seed=settings.trainer.seed,
        shard=False,
        drop_last=False,
    )
    return batches.loader(held_out, walked, workers=settings.batch.workers, collate_fn=collate)


def _write_held_out(network: Network, held_out: HeldOutFrames, validation: Any, path: Path) -> None:
    """J of each clip that was held out, by the network that is kept."""
    agreements = judge(network, validation)
    frames = {number: sum(each.clip == number for each in agreements) for number in range(len(held_out.clips))}
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("clip", "frames", "j"))
    for number, region in clip_regions(agreements).items():
        rows.writerow((held_out.clips[number].name, frames[number], f"{region:.6f}"))
    with replacing(path) as stream:
        stream.write(text.getvalue().encode())


def _facts(settings: Recipe, supplied: Supply, fitted: Fitted) -> dict[str, Any]:
    size = settings.batch.frames * settings.trainer.devices
    return export.facts(
        recipe_digest=recipe.digest(settings),
        data_digest=supplied.digest,
        seed=settings.trainer.seed,
        fitted=fitted,
        monitor=settings.trainer.monitor,
        more={
            "clips": len(supplied.frames.clips),
            "clips_held_out": 0 if supplied.held_out is None else len(supplied.held_out.clips),
            "stills": len(supplied.frames.stills),
            "frames_per_second": fitted.steps_per_second * size,
        },
    )


def _write_model(network: Network, last: Stage[Recipe], out: Path) -> None:
    """The model, and beside it its recipe, how the last stage went, and how well it segments what was held out."""
    assets = out / ASSETS
    model = Model(networks=(network.cpu().eval(),), inputs=last.recipe.inputs, postprocess=last.recipe.postprocess)
    model.save(assets)
    for file in (export.TRAINING, HELD_OUT):
        if (out / last.name / file).is_file():
            shutil.copyfile(out / last.name / file, assets / file)
    shutil.copyfile(out / "recipe.yaml", assets / export.RECIPE)
