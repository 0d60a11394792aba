"""Makes clips of one moving object with exact masks and exact flow, out of any photos and videos.

The object and its distractors are cut from one picture and lie on another. The distractors move with the ground, the
object by itself: motion is the only cue. What is in a clip is drawn by `scenes`; here it is decided how many there are,
which pictures each may use, and where its files go.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import msgspec
import numpy as np

from podium.challenges.davis import layout, paths
from podium.challenges.davis.scenes import drawing, plates, rendering, resampling
from podium.challenges.davis.scenes.drawing import Cast
from podium.challenges.davis.scenes.plates import Plate, Stock
from podium.errors import MachineError, UsageError, nearest
from podium.formats import datasets, digests, flow, masks
from podium.media import images, library
from podium.types import DataRequest, DataSet, Progress, silent

FLOW = "Flow/480p"
IMAGE_SETS = "ImageSets/480p"
CLIPS = "clips.json"
STORY = "story.json"

_ORDER, _CAST, _NOISE = 21, 22, 23
_CONSONANTS, _VOWELS = "bdfgklmnprstvz", "aeiou"


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How large a data set is.

    Attributes:
        train: Clips to learn from.
        val: Clips held out of training.
        test: Clips that are judged.
        frames: Of each clip.
        size: Height and width of a frame.
        sources: Most sources that are looked at.
        quick: Those that are read fastest.
    """

    train: int
    val: int
    test: int
    frames: int
    size: tuple[int, int]
    sources: int
    quick: bool = False


SIZES = {
    "tiny": Scale(train=3, val=1, test=2, frames=6, size=(96, 160), sources=7, quick=True),
    "small": Scale(train=36, val=8, test=16, frames=20, size=(192, 336), sources=200),
    "base": Scale(train=30, val=10, test=20, frames=48, size=(480, 854), sources=400),
}
"""`base` has as many clips as DAVIS-2016, held-out clips aside, of its size, and about two thirds of the length."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One clip to be made.

    Attributes:
        name: Of its folder.
        part: ``train``, ``val`` or ``test``.
        number: Among all clips; its seed.
        cast: What it is made of.
    """

    name: str
    part: str
    number: int
    cast: Cast


def make(request: DataRequest, *, progress: Progress = silent) -> DataSet:
    """A labelled data set in the official layout, with exact flow of the training clips in `public/Flow`.

    The same request over the same sources gives the same bytes for any number of workers, wherever the same versions of
    numpy, pillow and OpenCV run. `public/clips.json` and `answers/clips.json` say what is in each clip;
    `answers/story.json` names the sources of each part and what could not be used.

    Args:
        request: `media` None takes what ships in Python packages.
        progress: Shows two steps: finding scenes, filming clips.

    Raises:
        UsageError: The size is unknown, the difficulty is out of range, `into` is not empty, or `media` holds nothing
            that can be used.
        MachineError: OpenCV, PyAV or the packages that bring footage are missing, or a process was ended from outside.
    """
    scale = SIZES.get(request.size)
    if scale is None:
        raise UsageError(f"no size is called `{request.size}`; {nearest(request.size, SIZES)}")
    if not 0.0 <= request.difficulty <= 1.0:
        raise UsageError(f"the difficulty is `{request.difficulty}`; 0 to 1 is allowed")
    resampling.opencv()
    with datasets.starting(request.into) as made:
        media = request.media
        found = (
            library.packaged(progress=progress) if media is None else library.find(media.absolute(), progress=progress)
        )
        stock = plates.stock(found, most=scale.sources, quick=scale.quick, seed=request.seed, progress=progress)
        jobs = plan(stock, scale, request)
        facts = dict(progress(_filmed(jobs, made, request), what="filming clips", total=len(jobs)))
        _write_lists(jobs, made, scale)
        _write_facts(jobs, facts, stock, made, request)
        digests.write_manifest(made.root, made.manifest)
    return made


def plan(stock: Stock, scale: Scale, request: DataRequest) -> tuple[Job, ...]:
    """All clips of a request, in the order of their names. Pure."""
    parts = ["train"] * scale.train + ["val"] * scale.val + ["test"] * scale.test
    names = clip_names(len(parts), seed=request.seed)
    jobs: list[Job] = []
    for part in ("train", "val", "test"):
        own_seed = [request.seed, _CAST, ("train", "val", "test").index(part)]
        turns = _casts(stock.of(part), parts.count(part), own_seed, camouflaged=0.3 * request.difficulty)
        for number in (row for row, each in enumerate(parts) if each == part):
            ground, cloth, occluder = next(turns)
            cast = Cast(
                ground=ground,
                cloth=cloth,
                occluder=occluder,
                size=scale.size,
                frames=scale.frames,
                difficulty=request.difficulty,
            )
            jobs.append(Job(name=names[number], part=part, number=number, cast=cast))
    return tuple(sorted(jobs, key=lambda job: job.name))


def clip_names(count: int, *, seed: int) -> list[str]:
    """Names that can be said, no two alike, which tell nothing.

    >>> clip_names(3, seed=0) == clip_names(3, seed=0), len(set(clip_names(500, seed=1)))
    (True, 500)
    """
    rng = np.random.default_rng([seed, _ORDER])
    names: list[str] = []
    while len(names) < count:
        syllables = (_CONSONANTS[int(rng.integers(14))] + _VOWELS[int(rng.integers(5))] for _ in range(3))
        name = "".join(syllables)
        if name not in names:
            names.append(name)
    return names


def film(job: Job, root: Path, *, seed: int) -> tuple[str, dict[str, object]]:
    """Makes the files of one clip.

    Args:
        job: The clip.
        root: The data set's folder.
        seed: Of the data set.

    Returns:
        Its name and what is in it.
    """
    with resampling.one_thread():
        scene = drawing.draw(job.cast, (seed, job.number))
        judged = job.part == "test"
        frames = root / ("inputs" if judged else "public") / layout.IMAGES / job.name
        truth = root / ("answers" if judged else "public") / layout.ANNOTATIONS / job.name
        flows = root / "public" / FLOW / job.name
        for folder in (frames, truth) if judged else (frames, truth, flows):
            folder.mkdir(parents=True)
        rng = np.random.default_rng([seed, job.number, _NOISE])
        shares: list[float] = []
        for number, shot in enumerate(rendering.render(scene, rng, flow=not judged)):
            jpeg = images.jpeg_bytes(shot.frame_HWC, quality=scene.lens.quality)
            (frames / f"{number:05}.jpg").write_bytes(jpeg)
            masks.write(truth / f"{number:05}.png", shot.mask_HW.astype(np.uint8) * 255)
            if shot.flow_HW2 is not None:
                flow.write_flow(flows / f"{number:05}.png", shot.flow_HW2, shot.valid_HW)
            shares.append(float(shot.mask_HW.mean()))
    sources = sorted({job.cast.ground.name, job.cast.cloth.name, job.cast.occluder.name})
    told = scene.facts | {"mean_share": round(float(np.mean(shares)), 4), "sources": sources}
    return job.name, told


def _casts(
    own: Sequence[Plate], count: int, seed: Sequence[int], *, camouflaged: float
) -> Iterator[tuple[Plate, Plate, Plate]]:
    """Pictures for each clip: each family in turn as ground, mostly another as cloth, any as occluder."""
    rng = np.random.default_rng(seed)
    families = sorted({plate.family for plate in own})
    order: list[int] = []
    for _ in range(count):
        if not order:
            order = rng.permutation(families).tolist()
        ground = _one(own, order.pop(), rng)
        others = [each for each in families if each != ground.family] or families
        cloth = _one(own, others[int(rng.integers(len(others)))], rng)
        occluder = _one(own, families[int(rng.integers(len(families)))], rng)
        yield ground, ground if rng.random() < camouflaged else cloth, occluder


def _one(own: Sequence[Plate], family: int, rng: np.random.Generator) -> Plate:
    mine = [plate for plate in own if plate.family == family]
    return mine[int(rng.integers(len(mine)))]


def _filmed(jobs: Sequence[Job], made: DataSet, request: DataRequest) -> Iterator[tuple[str, dict[str, object]]]:
    work = partial(film, root=made.root, seed=request.seed)
    if request.workers <= 1:
        for job in jobs:
            yield work(job)
        return
    pool = ProcessPoolExecutor(max_workers=request.workers, mp_context=get_context("spawn"))
    with pool:
        futures = [pool.submit(work, job) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise MachineError("a process that makes clips was ended from outside, most likely for memory") from error
        finally:
            pool.shutdown(cancel_futures=True)


def _write_lists(jobs: Sequence[Job], made: DataSet, scale: Scale) -> None:
    def files(folder: str, suffix: str, *parts: str) -> list[str]:
        names = [job.name for part in parts for job in jobs if job.part == part]
        return [f"{folder}/{name}/{number:05}{suffix}" for name in names for number in range(scale.frames)]

    learned = ("train", "val")
    public = {
        paths.RAW: files(layout.IMAGES, ".jpg", *learned),
        paths.ANNOTATION: files(layout.ANNOTATIONS, ".png", *learned),
    }
    paths.write(made.public / paths.PATHS, public)
    paths.write(made.inputs / paths.PATHS, {paths.RAW: files(layout.IMAGES, ".jpg", "test")})
    paths.write(made.answers / paths.PATHS, {paths.ANNOTATION: files(layout.ANNOTATIONS, ".png", "test")})
    sets = made.public / IMAGE_SETS
    sets.mkdir(parents=True)
    for part in learned:
        names = [job.name for job in jobs if job.part == part]
        (sets / f"{part}.txt").write_text("".join(f"{name}\n" for name in names), encoding="ascii")


def _write_facts(
    jobs: Sequence[Job], facts: dict[str, dict[str, object]], stock: Stock, made: DataSet, request: DataRequest
) -> None:
    judged = {job.name for job in jobs if job.part == "test"}
    for folder, mine in ((made.public, False), (made.answers, True)):
        told = {job.name: facts[job.name] for job in jobs if (job.name in judged) == mine}
        _write_json(folder / CLIPS, told)
    story = {
        "size": request.size,
        "difficulty": request.difficulty,
        "seed": request.seed,
        "sources": {part: sorted({plate.name for plate in stock.of(part)}) for part in ("train", "val", "test")},
        "problems": [str(problem) for problem in stock.problems],
    }
    _write_json(made.answers / STORY, story)


def _write_json(path: Path, value: object) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n")
