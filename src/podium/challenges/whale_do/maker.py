"""Makes a labelled photo-identification data set: of individuals made to measure, or of a folder of photographs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path

import msgspec
import numpy as np
import polars as pl

from podium.challenges.whale_do import layout, population
from podium.challenges.whale_do.animals import coat, portrait, water
from podium.challenges.whale_do.dataset import file_names, write_tables
from podium.challenges.whale_do.population import Census, Encounter
from podium.errors import MachineError, UsageError, nearest
from podium.formats import datasets, digests
from podium.types import DataRequest, DataSet, Problem, Progress, silent

SIZES = {
    "tiny": Census(individuals=36, images=140),
    "small": Census(individuals=320, images=2_250),
    "base": Census(individuals=1_120, images=9_300),
}
"""`base` has about as many whales and images as the real set, both splits together."""
STORY = "story.json"

_DAY, _ENCOUNTER, _PHOTO = 11, 12, 13


@dataclass(frozen=True, kw_only=True)
class Job:
    """All photographs of one individual.

    Attributes:
        individual: Its number.
        encounters: Each with the names of its images.
    """

    individual: int
    encounters: tuple[tuple[Encounter, tuple[str, ...]], ...]


def make(request: DataRequest, *, progress: Progress = silent) -> DataSet:
    """A labelled data set in the official layout, `public/train`, `inputs/`, `answers/`.

    The same request gives the same bytes for any number of workers, wherever the same versions of numpy and pillow run.

    Args:
        request: `media` None draws individuals that never lived. Otherwise it is a folder with one sub-folder of
            photographs per individual, and `size` and `difficulty` say nothing.
        progress: Shows the photographs being made.

    Raises:
        UsageError: The size is unknown, the difficulty is out of range, `into` is not empty, or `media` holds too few
            photographs.
        MachineError: A process was ended from outside.
    """
    census = SIZES.get(request.size)
    if census is None:
        raise UsageError(f"no size is called `{request.size}`; {nearest(request.size, SIZES)}")
    if not 0.0 <= request.difficulty <= 1.0:
        raise UsageError(f"the difficulty is `{request.difficulty}`; 0 to 1 is allowed")
    with datasets.starting(request.into) as made:
        if request.media is not None:
            from podium.challenges.whale_do.album import fill

            skipped = fill(made, request.media.absolute(), seed=request.seed, progress=progress)
            _write_story(made, request, skipped)
        else:
            _draw(made, census, request, progress)
            _write_story(made, request, ())
        digests.write_manifest(made.root, made.manifest)
    return made


def shoot(job: Job, folders: dict[str, Path], *, seed: int, difficulty: float) -> list[tuple[str, int, int]]:
    """Makes the photographs of one individual.

    Args:
        job: What to make.
        folders: Where the images of each split go.
        seed: Of the data set.
        difficulty: 0 to 1.

    Returns:
        Name, height and width of each photograph.
    """
    animal = coat.grow((seed, job.individual), difficulty=difficulty)
    made: list[tuple[str, int, int]] = []
    for encounter, names in job.encounters:
        key = [seed, job.individual, encounter.number]
        rng = np.random.default_rng([*key, _ENCOUNTER])
        conditions = water.draw(np.random.default_rng([seed, _DAY, encounter.day]), rng, difficulty=difficulty)
        habit = portrait.habit(encounter.viewpoint, rng, difficulty=difficulty)
        worn = coat.coat(animal, year=encounter.year)
        for row, name in enumerate(names):
            shot = portrait.photograph(
                worn,
                encounter.viewpoint,
                conditions,
                habit,
                np.random.default_rng([*key, _PHOTO, row]),
                girth=animal.girth,
                difficulty=difficulty,
            )
            (folders[encounter.split] / f"{name}.jpg").write_bytes(shot.data)
            made.append((name, shot.height, shot.width))
    return made


def _draw(made: DataSet, census: Census, request: DataRequest, progress: Progress) -> None:
    encounters = population.draw(census, seed=request.seed)
    jobs = _jobs(encounters, seed=request.seed)
    folders = {"train": made.public / layout.TRAIN / layout.IMAGES, "test": made.inputs / layout.IMAGES}
    for folder in folders.values():
        folder.mkdir(parents=True)
    sizes: dict[str, tuple[int, int]] = {}
    # The longest first, so that no processor waits for a long one at the end.
    jobs.sort(key=lambda job: (-sum(len(names) for _, names in job.encounters), job.individual))
    for shots in progress(_shot(jobs, folders, request), what="photographing animals", total=len(jobs)):
        sizes.update({name: (height, width) for name, height, width in shots})
    tables = {split: _metadata(jobs, split, sizes) for split in folders}
    write_tables(made, tables["train"], tables["test"])


def _jobs(encounters: Sequence[Encounter], *, seed: int) -> list[Job]:
    names = {
        split: iter(file_names(sum(len(each.taken) for each in encounters if each.split == split), split, seed=seed))
        for split in ("train", "test")
    }
    return [
        Job(
            individual=individual,
            encounters=tuple((each, tuple(next(names[each.split]) for _ in each.taken)) for each in own),
        )
        for individual, own in groupby(encounters, key=lambda each: each.individual)
    ]


def _shot(jobs: Sequence[Job], folders: dict[str, Path], request: DataRequest) -> Iterator[list[tuple[str, int, int]]]:
    work = partial(shoot, folders=folders, seed=request.seed, difficulty=request.difficulty)
    if request.workers <= 1:
        for job in jobs:
            yield work(job)
        return
    with ProcessPoolExecutor(max_workers=request.workers, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(work, job) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise MachineError("a process that makes images was ended from outside, most likely for memory") from error
        finally:
            pool.shutdown(cancel_futures=True)


def _metadata(jobs: Sequence[Job], split: str, sizes: dict[str, tuple[int, int]]) -> pl.DataFrame:
    rows = [
        (
            name,
            f"{layout.IMAGES}/{name}.jpg",
            *sizes[name],
            encounter.viewpoint,
            taken.strftime("%Y-%m-%d"),
            taken.strftime("%Y-%m-%d %H:%M:%S"),
            f"whale{job.individual:03}",
            f"whale{job.individual:03}-{encounter.number:03}",
        )
        for job in jobs
        for encounter, names in job.encounters
        if encounter.split == split
        for name, taken in zip(names, encounter.taken, strict=True)
    ]
    return pl.DataFrame(rows, schema=list(layout.TRAINING_COLUMNS), orient="row")


def _write_story(made: DataSet, request: DataRequest, skipped: Sequence[Problem]) -> None:
    story = {
        "size": None if request.media else request.size,
        "difficulty": None if request.media else request.difficulty,
        "seed": request.seed,
        "skipped": [str(problem) for problem in skipped],
    }
    (made.answers / STORY).write_bytes(msgspec.json.format(msgspec.json.encode(story), indent=1) + b"\n")
