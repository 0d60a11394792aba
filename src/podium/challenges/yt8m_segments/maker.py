"""Makes a labelled data set of videos that were never filmed, with the statistics of the official one.

Every shard is a pure function of seed, split and number. So shards are made side by side, and where a long making was
ended, the next one goes on.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from podium.challenges.yt8m_segments import features, layout, population, quotas
from podium.challenges.yt8m_segments.layout import Ratings, Videos
from podium.challenges.yt8m_segments.plan import Plan, Split, plan_of
from podium.challenges.yt8m_segments.population import IDS, generator
from podium.challenges.yt8m_segments.quotas import Quota, Quotas
from podium.challenges.yt8m_segments.scripts import Script, Studio
from podium.challenges.yt8m_segments.vocabulary import Vocabulary, write_vocabulary
from podium.errors import MachineError, UsageError
from podium.formats import datasets, digests
from podium.formats.tfrecord import RGB_DIMENSIONS, encode_frame_record, write_shard
from podium.types import DataRequest, DataSet, Progress, silent

STORY = "story.json"
UNFINISHED = "unfinished.json"

_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_CHARACTERS = 4
_STEP = 7_368_787
"""Of a walk through all ids; has no factor in common with their number, 62 to the 4th."""


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for."""

    size: str
    difficulty: float
    seed: int


@dataclass(frozen=True, kw_only=True, eq=False)
class World:
    """Everything that the shards of a data set have in common."""

    plan: Plan
    studio: Studio
    quotas: dict[str, Quotas]
    looks: features.Looks
    first_id: int

    def script(self, split: Split, number: int) -> Script:
        """The script of a video."""
        own: Sequence[Quota] = self.quotas[split.folder].of_video[number] if split.rated else ()
        return self.studio.write(split, number, own)

    def video_id(self, split: Split, number: int) -> str:
        """Four letters and digits, distinct over all splits."""
        count = len(_LETTERS) ** _ID_CHARACTERS
        place = (self.first_id + (self.plan.first_number(split) + number) * _STEP) % count
        letters = [_LETTERS[place // len(_LETTERS) ** power % len(_LETTERS)] for power in range(_ID_CHARACTERS)]
        return "".join(letters)


def make(request: DataRequest, *, progress: Progress = silent) -> DataSet:
    """A labelled data set in the layout of the 7th place's code, frame features of every split.

    The same request gives the same bytes for any number of workers. The size `full` needs hours and about 1.5 TB; when
    it is ended before, what is done stays, and the same request goes on from there.

    Args:
        request: `media` must be None: features of own footage are another command's work.
        progress: Shows the shards being made.

    Raises:
        UsageError: The size is unknown, the difficulty is out of range, `into` is not empty or holds an unfinished
            data set of another request, or there is `media`.
        MachineError: The disk lacks room, or a process was ended from outside.
    """
    if request.media is not None:
        raise UsageError(
            "`yt8m-segments` makes no data set of `--media`; `podium features` reads features out of your own footage"
        )
    if not 0.0 <= request.difficulty <= 1.0:
        raise UsageError(f"the difficulty is `{request.difficulty}`; 0 to 1 is allowed")
    story = Story(size=request.size, difficulty=request.difficulty, seed=request.seed)
    plan = plan_of(request.size)
    with _begun(request.into, story, plan) as made:
        world = build(story)
        for split in plan.splits:
            _folder(made, split).mkdir(parents=True, exist_ok=True)
        jobs = [(split, shard) for split, shard in plan.jobs() if not _path(made, split, shard).exists()]
        for _ in progress(_shards(story, made, jobs, request.workers), what="making shards", total=len(jobs)):
            pass
        _write_tables(made, world, progress)
        (made.answers / STORY).write_bytes(msgspec.json.format(msgspec.json.encode(story), indent=1) + b"\n")
        (made.root / UNFINISHED).unlink(missing_ok=True)
        digests.write_manifest(made.root, made.manifest, progress=progress)
    return made


@lru_cache(maxsize=2)
def build(story: Story) -> World:
    """What the shards of a data set have in common; kept, because every shard asks for it."""
    plan = plan_of(story.size)
    people = population.draw(plan, seed=story.seed)
    return World(
        plan=plan,
        studio=Studio(plan=plan, population=people, seed=story.seed, difficulty=story.difficulty),
        quotas={split.folder: quotas.draw(people, split, seed=story.seed) for split in plan.splits if split.rated},
        looks=features.draw(people, seed=story.seed, difficulty=story.difficulty),
        first_id=int(generator(story.seed, IDS).integers(len(_LETTERS) ** _ID_CHARACTERS)),
    )


def write(story: Story, split: Split, shard: int, path: Path) -> None:
    """Makes one shard.

    Args:
        story: Of the data set.
        split: One of the plan.
        shard: Its number in the split.
        path: The file, which appears when it is whole.
    """
    world = build(story)
    write_shard(path, (_record(world, split, number) for number in split.numbers(shard)))


def _record(world: World, split: Split, number: int) -> bytes:
    script = world.script(split, number)
    frames_TD = features.film(script, world.looks, seed=world.studio.seed, split=split.code, number=number)
    told = split.rated and not split.hidden
    return encode_frame_record(
        video_id=world.video_id(split, number),
        labels=script.labels_L if not split.hidden else script.labels_L[:0],
        rgb_TC=frames_TD[:, :RGB_DIMENSIONS],
        audio_TC=frames_TD[:, RGB_DIMENSIONS:],
        segment_start_times=script.start_R if told else None,
        segment_labels=script.rated_R if told else None,
        segment_scores=script.positive_R.astype(np.float32) if told else None,
    )


def _shards(story: Story, made: DataSet, jobs: Sequence[tuple[Split, int]], workers: int) -> Iterator[None]:
    if workers <= 1:
        for split, shard in jobs:
            write(story, split, shard, _path(made, split, shard))
            yield
        return
    with ProcessPoolExecutor(max_workers=workers, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(write, story, split, shard, _path(made, split, shard)) for split, shard in jobs]
        try:
            for future in as_completed(futures):
                future.result()
                yield
        except BrokenProcessPool as error:
            raise MachineError("a process that makes shards was ended from outside, most likely for memory") from error
        finally:
            pool.shutdown(cancel_futures=True)


def _write_tables(made: DataSet, world: World, progress: Progress) -> None:
    """The vocabulary, the videos of the test set, and its ratings."""
    people = world.studio.population
    rated = world.quotas[layout.SEGMENT_TRAIN]
    vocabulary = Vocabulary(
        indices=people.indices_C,
        knowledge_graph_ids=tuple(f"/made/{row + 1:04}" for row in range(len(people.names))),
        names=people.names,
        positive_segments=rated.positive_C,
        rated_segments=rated.rated_C,
    )
    for folder in (made.public, made.inputs):
        write_vocabulary(folder / layout.VOCABULARY, vocabulary)
    split = next(each for each in world.plan.splits if each.folder == layout.SEGMENT_TEST)
    ids: list[str] = []
    frames: list[int] = []
    parts: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]] = []
    for number in progress(range(split.videos), what="rating test videos", total=split.videos):
        script = world.script(split, number)
        ids.append(world.video_id(split, number))
        frames.append(script.frames)
        parts.append((script.start_R, script.rated_R, script.positive_R))
    layout.write_videos(made.inputs / layout.VIDEOS, Videos(ids=np.array(ids), frames=np.array(frames)))
    ratings = Ratings(
        videos=np.repeat(np.array(ids), [len(starts) for starts, _, _ in parts]),
        start_seconds=np.concatenate([starts for starts, _, _ in parts]),
        class_indices=np.concatenate([rated_R for _, rated_R, _ in parts]),
        positive=np.concatenate([positive_R for _, _, positive_R in parts]),
    )
    layout.write_ratings(made.answers / layout.RATINGS, ratings)


@contextmanager
def _begun(into: Path, story: Story, plan: Plan) -> Generator[DataSet]:
    """The folder of a data set, new or begun by the same request. It vanishes on failure unless the plan is lasting."""
    note = into / UNFINISHED
    if plan.lasting and note.is_file():
        begun = _read(note)
        if begun != story:
            raise UsageError(
                f"`{into}` holds an unfinished data set of seed `{begun.seed}`, difficulty `{begun.difficulty}` and "
                f"size `{begun.size}`; go on with these, or name another folder"
            )
        for draft in into.rglob(".*.partial"):
            draft.unlink()
        there_bytes = sum(each.stat().st_size for each in into.rglob("*.tfrecord"))
        plan.check_room(into, there_bytes=there_bytes)
        yield DataSet(into)
        return
    plan.check_room(into)
    if plan.lasting:
        made = datasets.start(into)
        note.write_bytes(msgspec.json.encode(story) + b"\n")
        yield made
        return
    with datasets.starting(into) as made:
        yield made


def _read(note: Path) -> Story:
    try:
        return msgspec.json.decode(note.read_bytes(), type=Story)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UsageError(f"`{note}` cannot be read: {error}; name another folder") from error


def _folder(made: DataSet, split: Split) -> Path:
    return (made.inputs if split.hidden else made.public) / split.folder


def _path(made: DataSet, split: Split, shard: int) -> Path:
    return _folder(made, split) / split.file_name(shard)
