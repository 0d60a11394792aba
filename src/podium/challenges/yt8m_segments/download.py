"""The official downloads, in the folders of the 7th place's code or as the official download program leaves them.

```
segment/train    3/frame/validate    rated videos (the official set has no training part)
segment/test     3/frame/test        videos whose segments are ranked, without ratings
video/train      2/frame/train       labelled videos, one row a second; not the set `2/video`
video/valid      2/frame/validate    the same
segment_vocabulary.csv, or vocabulary.csv and segment_label_ids.csv
```

The ratings of the official test set are secret. So a part of the rated shards is held out and judged; the official test
set is kept in `public/official/`, from which predictions for Kaggle are made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from podium.challenges.yt8m_segments import census, excerpts, inspection, layout, lexicon
from podium.challenges.yt8m_segments.census import Census
from podium.challenges.yt8m_segments.inspection import OFFICIAL
from podium.challenges.yt8m_segments.layout import Ratings
from podium.challenges.yt8m_segments.vocabulary import write_vocabulary
from podium.errors import ChallengeError, UsageError
from podium.formats import datasets, digests
from podium.types import DataSet, Problem, Progress, Severity, silent

SEED = 0
"""Of the draw of shards that are judged where the test set has no ratings."""
HELD_OUT = 8
"""One of so many rated shards is judged then."""

_PARTS = {
    layout.SEGMENT_TRAIN: "3/frame/validate",
    layout.SEGMENT_TEST: "3/frame/test",
    layout.VIDEO_TRAIN: "2/frame/train",
    layout.VIDEO_VALID: "2/frame/validate",
}
_DEPTH = 3
_SHOWN = 50


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a download holds; a part that is not there has no shards.

    Attributes:
        shards: Of each part, by name.
        lexicon: The folder with the vocabulary's files.
        ratings: A `ratings.csv` of the test set, or None.
    """

    shards: dict[str, tuple[Path, ...]]
    lexicon: Path
    ratings: Path | None


@dataclass(frozen=True, kw_only=True, eq=False)
class _Parted:
    """Rated shards and test shards, told apart.

    Attributes:
        judged: What is judged.
        ratings: Of the judged videos, no pair twice.
        learned: The rated videos that are left to learn from.
        official: Shards of a test set that nobody here can judge.
    """

    judged: Census
    ratings: Ratings
    learned: Census
    official: Census


def import_download(download: Path, into: Path, *, progress: Progress = silent) -> DataSet:
    """The official downloads in Podium's layout. Shards are hard links where the disk allows, else copies.

    Every shard is read once before anything is written; damaged ones are all named, and refused. To go on without one,
    take it out of the download.

    The test set is judged where its ratings are known: a `ratings.csv` (`video,start,class,score`) in the download, or
    ratings in its shards. Else one of eight rated shards, drawn with a fixed seed, is held out and judged, without its
    labels and ratings; the official test set is kept in `public/official/`. Judged videos are left out of the shards to
    learn from; those shards are written anew.

    Args:
        download: A folder that holds the sets, perhaps in sub-folders.
        into: The folder to make.
        progress: Shows the shards as they are read, and as they are linked.

    Raises:
        UsageError: `download` holds no rated videos or no vocabulary, a part twice, or `into` is not empty.
        ChallengeError: A shard is damaged, or the ratings cannot be judged; names all that is wrong.
    """
    found = find(download)
    with datasets.starting(into) as data:
        problems: list[Problem] = []
        parted = _part(found, download, problems, progress)
        removed = frozenset(parted.judged.ids)
        tainted = _tainted(found, removed, download, problems, progress) | parted.learned.holding(removed)
        _check(problems)
        vocabulary = lexicon.read(found.lexicon, parted.learned.ratings)
        _check(inspection.rating_faults(parted.ratings, parted.judged.videos, vocabulary))
        for folder in (data.public, data.inputs):
            write_vocabulary(folder / layout.VOCABULARY, vocabulary)
        _write_judged(parted, data)
        _write_training(found, parted, tainted, data, progress)
        if parted.official.shards:
            write_vocabulary(data.public / OFFICIAL / layout.VOCABULARY, vocabulary)
            _write_official(parted.official, data.public / OFFICIAL)
        digests.write_manifest(data.root, progress=progress)
    return data


def find(download: Path) -> Found:
    """Where the sets lie in a download.

    Raises:
        UsageError: Rated videos or the vocabulary are not there, or a part is there twice.
    """
    if not download.is_dir():
        raise UsageError(f"`{download}` is not a folder; give the one that holds the download")
    folders = list(_folders(download, _DEPTH))
    places = {part: _places(folders, part) for part in _PARTS}
    twice = next((each for each in places.values() if len(each) > 1), None)
    if twice is not None:
        raise UsageError(
            f"`{twice[0]}` and `{twice[1]}` both hold the same part; leave one of them out of the download"
        )
    shards = {part: census.shards_in(each[0]) if each else () for part, each in places.items()}
    table = next((each / layout.RATINGS for each in folders if (each / layout.RATINGS).is_file()), None)
    if not shards[layout.SEGMENT_TRAIN] and not (shards[layout.SEGMENT_TEST] and table):
        raise UsageError(
            f"`{download}` holds no rated videos: neither `{layout.SEGMENT_TRAIN}` nor "
            f"`{_PARTS[layout.SEGMENT_TRAIN]}` has `{census.PATTERN}` files, up to {_DEPTH} folders deep"
        )
    holders = [each for name in lexicon.NAMES for each in folders if (each / name).is_file()]
    if not holders:
        names = ", ".join(f"`{name}`" for name in lexicon.NAMES)
        raise UsageError(f"`{download}` holds no vocabulary; one of {names} is needed")
    return Found(shards=shards, lexicon=holders[0], ratings=table)


def _folders(folder: Path, depth: int) -> Iterator[Path]:
    yield folder
    if depth:
        for child in sorted(folder.iterdir()):
            if child.is_dir() and not child.is_symlink():
                yield from _folders(child, depth - 1)


def _places(folders: Sequence[Path], part: str) -> list[Path]:
    """The folders of a part that have shards; one that is reached by two ways counts once."""
    found: dict[Path, Path] = {}
    for each in folders:
        for name in (part, _PARTS[part]):
            if census.shards_in(each / name):
                found.setdefault((each / name).resolve(), each / name)
    return list(found.values())


def _part(found: Found, download: Path, problems: list[Problem], progress: Progress) -> _Parted:
    """Reads rated and test shards, and says what is judged."""
    rated, test = (
        census.take(found.shards[part], root=download, what=what, progress=progress)
        for part, what in ((layout.SEGMENT_TRAIN, "reading rated shards"), (layout.SEGMENT_TEST, "reading test shards"))
    )
    problems += [*rated.problems, *test.problems]
    nothing = test.only(())
    if test.shards and (found.ratings is not None or len(test.ratings.videos)):
        given = test.ratings if found.ratings is None else layout.read_ratings(found.ratings)
        parted = _Parted(judged=test, ratings=given, learned=rated, official=nothing)
    else:
        held_out = _held_out(rated.shards)
        judged = rated.only(held_out)
        learned = rated.only(frozenset(rated.shards) - held_out)
        parted = _Parted(judged=judged, ratings=judged.ratings, learned=learned, official=test)
    parted = replace(parted, ratings=census.distinct(parted.ratings))
    problems += _judging_faults(parted)
    return parted


def _held_out(shards: tuple[Path, ...]) -> frozenset[Path]:
    """The shards that are judged: by the order of their names, so the same ones each time."""
    if len(shards) < 2:
        found = f"`{len(shards)}` rated shards are there"
        raise ChallengeError(f"{found}; at least `2` are needed, one to be judged and one to learn from")
    count = max(1, len(shards) // HELD_OUT)
    drawn: list[int] = np.random.default_rng(SEED).permutation(len(shards))[:count].tolist()
    return frozenset(shards[number] for number in drawn)


def _judging_faults(parted: _Parted) -> Iterator[Problem]:
    """What keeps the judged videos from being a test set."""
    place = "the judged videos"
    yield from inspection.listed(place, "the video `{}` is there twice", inspection.repeated(parted.judged.ids))
    off = np.flatnonzero(census.off_grid(parted.ratings))
    if len(off):
        message = f"`{parted.ratings.videos[off[0]]}:{parted.ratings.start_seconds[off[0]]}` is rated"
        yield Problem(place=place, message=f"{message}; segments start at multiples of `5` s", count=len(off))


def _tainted(
    found: Found, removed: frozenset[str], download: Path, problems: list[Problem], progress: Progress
) -> frozenset[Path]:
    """The shards of labelled videos that hold judged ones; every other one is checked too."""
    paths = [*found.shards[layout.VIDEO_TRAIN], *found.shards[layout.VIDEO_VALID]]
    holders: set[Path] = set()
    for path in progress(paths, what="reading video shards", total=len(paths)):
        for record in census.records(path, problems, root=download):
            if record.video_id in removed:
                holders.add(path)
    return frozenset(holders)


def _check(problems: Iterable[Problem]) -> None:
    """Refuses everything that is wrong at once."""
    every = [each for each in problems if each.severity is Severity.ERROR]
    if every:
        lines = [f"\n  {each}" for each in every[:_SHOWN]]
        more = f"\n  … and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
        files = "1 problem" if len(every) == 1 else f"{len(every)} problems"
        raise ChallengeError(f"the download has {files}:{''.join(lines)}{more}")


def _write_judged(parted: _Parted, data: DataSet) -> None:
    for path in parted.judged.shards:
        excerpts.write_unlabelled(path, data.inputs / layout.SEGMENT_TEST / path.name)
    layout.write_videos(data.inputs / layout.VIDEOS, parted.judged.videos)
    layout.write_ratings(data.answers / layout.RATINGS, parted.ratings)


def _write_training(found: Found, parted: _Parted, tainted: frozenset[Path], data: DataSet, progress: Progress) -> None:
    removed = frozenset(parted.judged.ids)
    learned = {layout.SEGMENT_TRAIN: parted.learned.shards}
    learned |= {part: found.shards[part] for part in (layout.VIDEO_TRAIN, layout.VIDEO_VALID)}
    paths = [(part, path) for part, shards in learned.items() for path in shards]
    for part, path in progress(paths, what="linking shards", total=len(paths)):
        target = data.public / part / path.name
        if path in tainted:
            excerpts.write_some(path, target, lambda video_id: video_id not in removed)
        else:
            datasets.link(path, target)


def _write_official(test: Census, folder: Path) -> None:
    for path in test.shards:
        datasets.link(path, folder / layout.SEGMENT_TEST / path.name)
    layout.write_videos(folder / layout.VIDEOS, test.videos)
