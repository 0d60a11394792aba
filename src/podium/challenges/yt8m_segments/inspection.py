"""What is wrong with a data set of `yt8m-segments`, all of it.

Legend: V videos, R ratings.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from podium.challenges.yt8m_segments import census, layout
from podium.challenges.yt8m_segments.census import Census
from podium.challenges.yt8m_segments.grid import SegmentGrid
from podium.challenges.yt8m_segments.layout import Ratings, Videos
from podium.challenges.yt8m_segments.vocabulary import Vocabulary, read_vocabulary
from podium.errors import PodiumError
from podium.formats import digests
from podium.types import DataSet, Problem, Severity

OFFICIAL = "official"
"""The folder below `public/` that holds the official test set, where another one is judged."""

Read = TypeVar("Read")
_TRAINING = (layout.SEGMENT_TRAIN, layout.VIDEO_TRAIN, layout.VIDEO_VALID)
_LEAK = "a run could read them"


def faults(data: DataSet) -> Iterator[Problem]:
    """Every fault of a data set, in the order of its folders."""
    problems: list[Problem] = []
    vocabulary = _attempt(data.inputs / layout.VOCABULARY, read_vocabulary, problems)
    public = _attempt(data.public / layout.VOCABULARY, read_vocabulary, problems)
    videos = _attempt(data.inputs / layout.VIDEOS, layout.read_videos, problems)
    ratings = _attempt(data.answers / layout.RATINGS, layout.read_ratings, problems)
    yield from problems
    if vocabulary is not None and public is not None:
        yield from _vocabulary_faults(vocabulary, public)
    test = census.take(census.shards_in(data.inputs / layout.SEGMENT_TEST), root=data.root)
    yield from test.problems
    yield from _secrets(test, data.root)
    yield from _strays(data, test.shards)
    if videos is not None:
        yield from _disagreements(videos, test, "inputs")
    if ratings is not None:
        yield from rating_faults(ratings, videos, vocabulary)
    judged = frozenset(test.ids) if videos is None else frozenset[str](videos.ids.tolist())
    for part in _TRAINING:
        yield from _training_faults(data, part, judged, vocabulary)
    yield from _official_faults(data)
    yield from _copies(data)
    if data.manifest.is_file():
        yield from digests.check_manifest(data.root)
    else:
        yield Problem(place="manifest.json", message="the file is missing, so changes cannot be seen")


def rating_faults(ratings: Ratings, videos: Videos | None, vocabulary: Vocabulary | None) -> Iterator[Problem]:
    """What keeps ratings from being scored; what only wastes them is a warning.

    Args:
        ratings: Of the test set.
        videos: Of the test set; None leaves that check out.
        vocabulary: None leaves that check out.
    """
    place = f"answers/{layout.RATINGS}"
    if not ratings.positive.any():
        yield Problem(place=place, message="no rating is positive, so nothing can be scored")
    if vocabulary is not None:
        unknown_R = vocabulary.rows_of(ratings.class_indices) < 0
        classes = {str(each) for each in ratings.class_indices[unknown_R].tolist()}
        yield from listed(place, "class `{}` is rated and not in the vocabulary", classes)
    if videos is not None:
        strangers = set[str](ratings.videos.tolist()) - set[str](videos.ids.tolist())
        yield from listed(place, "the video `{}` is rated and not in the test set", strangers)
        late = np.flatnonzero(beyond(ratings, videos) & np.isin(ratings.videos, videos.ids))
        if len(late):
            first = f"`{ratings.videos[late[0]]}:{ratings.start_seconds[late[0]]}`"
            message = f"the segment {first} is rated and begins after the end of its video; it counts for nobody"
            yield Problem(place=place, message=message, severity=Severity.WARNING, count=len(late))


def beyond(ratings: Ratings, videos: Videos) -> NDArray[np.bool_]:
    """(R,) True where the segment is in no video of the test set, so that nobody may list it."""
    if not len(videos.ids):
        return np.ones(len(ratings.videos), dtype=np.bool_)
    grid = SegmentGrid(videos)
    return grid.slot(grid.find(ratings.videos), ratings.start_seconds) < 0


def listed(place: str, message: str, names: Iterable[str]) -> Iterator[Problem]:
    """One problem for all names, the first shown where the message has braces; none for none."""
    every = sorted(names)
    if every:
        yield Problem(place=place, message=message.replace("{}", every[0]), count=len(every))


def repeated(ids: Collection[str]) -> set[str]:
    """What is there more than once."""
    seen: set[str] = set()
    return {each for each in ids if each in seen or seen.add(each)}


def _attempt(path: Path, read: Callable[[Path], Read], problems: list[Problem]) -> Read | None:
    try:
        return read(path)
    except PodiumError as error:
        problems.append(Problem(place=f"{path.parent.name}/{path.name}", message=str(error)))
        return None


def _vocabulary_faults(vocabulary: Vocabulary, public: Vocabulary) -> Iterator[Problem]:
    place = f"public/{layout.VOCABULARY}"
    mine, theirs = public.indices.tolist(), vocabulary.indices.tolist()
    gone = {str(each) for each in set(theirs) - set(mine)}
    more = {str(each) for each in set(mine) - set(theirs)}
    yield from listed(place, "class `{}` of the inputs is missing", gone)
    yield from listed(place, "class `{}` is not in the inputs", more)
    if not gone and not more and mine != theirs:
        yield Problem(place=place, message="the classes stand in another order than in the inputs")
    if mine == theirs and (
        public.names != vocabulary.names or public.knowledge_graph_ids != vocabulary.knowledge_graph_ids
    ):
        yield Problem(place=place, message="classes have other names than in the inputs")


def _secrets(test: Census, root: Path) -> Iterator[Problem]:
    """Ratings and labels in the shards that a run sees."""
    for shard, path in enumerate(test.shards):
        here_V = test.shard_V == shard
        for told_V, what in ((test.rated_V, "ratings"), (test.labels_V > 0, "labels")):
            found = np.flatnonzero(here_V & told_V)
            if len(found):
                message = f"the video `{test.ids[found[0]]}` has its {what} in the shard; {_LEAK}"
                yield Problem(place=census.place(path, root), message=message, count=len(found))


def _strays(data: DataSet, known: tuple[Path, ...]) -> Iterator[Problem]:
    """Ratings and labels in shards that lie elsewhere in the inputs."""
    others = sorted(set(data.inputs.rglob(census.PATTERN)) - set(known))
    yield from _secrets(census.take(others, root=data.root), data.root)


def _official_faults(data: DataSet) -> Iterator[Problem]:
    """The official test set, which an import keeps to be predicted."""
    folder = data.public / OFFICIAL
    if not folder.is_dir():
        return
    problems: list[Problem] = []
    videos = _attempt(folder / layout.VIDEOS, layout.read_videos, problems)
    test = census.take(census.shards_in(folder / layout.SEGMENT_TEST), root=data.root)
    yield from problems
    yield from test.problems
    if videos is not None:
        yield from _disagreements(videos, test, f"public/{OFFICIAL}")


def _disagreements(videos: Videos, test: Census, root: str) -> Iterator[Problem]:
    """`videos.csv` beside the shards: the same videos, lengths and order."""
    place, folder = f"{root}/{layout.VIDEOS}", f"{root}/{layout.SEGMENT_TEST}"
    if not test.shards:
        yield Problem(place=folder, message="there are no shards", hint=f"`{census.PATTERN}` files are looked for")
        return
    frames = dict(zip(test.ids, test.frames_V.tolist(), strict=True))
    table: list[str] = videos.ids.tolist()
    yield from listed(folder, "the video `{}` is there twice", repeated(test.ids))
    yield from listed(place, "the video `{}` is in no shard", set(table) - frames.keys())
    yield from listed(place, "the video `{}` of the shards is missing", frames.keys() - set(table))
    pairs = zip(table, videos.frames.tolist(), strict=True)
    wrong = [(each, told) for each, told in pairs if frames.get(each, told) != told]
    if wrong:
        message = f"the video `{wrong[0][0]}` has `{wrong[0][1]}` frames here and `{frames[wrong[0][0]]}` in its shard"
        yield Problem(place=place, message=message, count=len(wrong))
    if set(table) == frames.keys() and len(frames) == len(test.ids) and tuple(table) != test.ids:
        yield Problem(place=place, message="the videos stand in another order than in the shards, by name")


def _training_faults(
    data: DataSet, part: str, judged: frozenset[str], vocabulary: Vocabulary | None
) -> Iterator[Problem]:
    """Broken shards to learn from, judged videos in them, and ratings that mean nothing."""
    place, problems = f"public/{part}", list[Problem]()
    seen, strange = set[str](), set[str]()
    known = None if vocabulary is None else frozenset(vocabulary.indices.tolist())
    for path in census.shards_in(data.public / part):
        for record in census.records(path, problems, root=data.root):
            problems += census.score_problems(record, census.place(path, data.root))
            seen.update(judged & {record.video_id})
            if record.segment_labels is not None and known is not None:
                strange.update(str(each) for each in set(record.segment_labels.tolist()) - known)
    yield from problems
    yield from listed(place, "`{}` is also a video that is judged", seen)
    yield from listed(place, "class `{}` is rated and not in the vocabulary", strange)


def _copies(data: DataSet) -> Iterator[Problem]:
    """Files of the answers that lie in the inputs, under whatever name."""
    secrets = [path for path in data.answers.rglob("*") if path.is_file()]
    sizes = {path.stat().st_size for path in secrets}
    known = {digests.digest_file(path) for path in secrets}
    for path in sorted(data.inputs.rglob("*")):
        if path.is_file() and path.stat().st_size in sizes and digests.digest_file(path) in known:
            place = path.relative_to(data.root).as_posix()
            yield Problem(place=place, message="this file is one of the answers; a run could read it")
        elif path.is_file() and path.suffix == ".csv" and layout.header(path) >= {"video", "start", "class", "score"}:
            place = path.relative_to(data.root).as_posix()
            yield Problem(place=place, message=f"the table holds ratings; {_LEAK}")
