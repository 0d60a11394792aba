"""Data sets of the video-copy challenges: bring in the official download, cut it down, check it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import polars as pl

from podium.challenges.vsc import layout
from podium.challenges.vsc.subset import choose
from podium.errors import ChallengeError, UsageError
from podium.formats import digests, tables
from podium.formats.datasets import link, start
from podium.types import DataSet, Problem, Progress, silent

SUBSET_PROPORTION = 0.1
"""About a tenth of the queries was re-made by the code on the official server."""

_TRUTH_NAMES = (
    "ground_truth.csv",
    "matching_ground_truth.csv",
    "{split}_matching_ground_truth.csv",
    "descriptor_ground_truth.csv",
    "{split}_descriptor_ground_truth.csv",
)


def import_download(download: Path, into: Path, *, progress: Progress = silent) -> DataSet:
    """The official download in Podium's layout. Files are hard links where the disk allows, else copies.

    The test split is judged when its ground truth is there, else the training split.

    Args:
        download: The folder with `train/` and `test/` (or one of them); metadata may carry the split's name in front.
        into: The folder to make.

    Raises:
        UsageError: `download` holds no split, or `into` is not empty.
        ChallengeError: No split has a ground truth, or a file is broken.
    """
    splits = [name for name in layout.SPLITS if (download / name).is_dir()]
    if not splits:
        raise UsageError(f"`{download}` holds neither `train/` nor `test/`; give the folder that holds them")
    truths = {name: truth for name in splits if (truth := _find(download / name, _TRUTH_NAMES, name)) is not None}
    judged = next((name for name in reversed(layout.SPLITS) if name in truths), None)
    if judged is None:
        wanted = ", ".join(f"`{each.format(split='train')}`" for each in _TRUTH_NAMES)
        raise ChallengeError(f"no split of `{download}` has a ground truth; looked for {wanted}")
    data = start(into)
    for name in splits:
        _bring_split(download / name, data.public / name, name, progress)
    for name, truth in truths.items():
        target = data.answers if name == judged else data.public / name
        target.mkdir(exist_ok=True)
        link(truth, target / layout.GROUND_TRUTH)
    fill_inputs(data, data.public / judged, proportion=SUBSET_PROPORTION, seed=42)
    digests.write_manifest(data.root, progress=progress)
    return data


def subset_data(data: DataSet, into: Path, *, proportion: float, seed: int) -> DataSet:
    """The same data set with another draw of the queries that the code must describe.

    Args:
        proportion: Of the judged queries, above 0 and at most 1.
        seed: The official one is 42.

    Raises:
        UsageError: The proportion is out of range, or `into` is not empty.
    """
    if not 0 < proportion <= 1:
        raise UsageError(f"the proportion is `{proportion}`; it must be above 0 and at most 1")
    judged = layout.judged_split(data)
    smaller = start(into)
    for part in (data.public, data.answers):
        for path in sorted(part.rglob("*")):
            if path.is_file():
                link(path, smaller.root / path.relative_to(data.root))
    fill_inputs(smaller, smaller.public / judged.name, proportion=proportion, seed=seed)
    digests.write_manifest(smaller.root)
    return smaller


def fill_inputs(data: DataSet, judged: Path, *, proportion: float, seed: int) -> None:
    """Fills `inputs/` as the official runtime has it: full metadata, the subset's ids and the subset's videos."""
    (data.inputs / "query").mkdir(parents=True, exist_ok=True)
    for name in (layout.QUERY_METADATA, layout.REFERENCE_METADATA):
        link(judged / name, data.inputs / name)
    # The order of the file matters to the official draw, so it is read here as it stands.
    ids = pl.read_csv(judged / layout.QUERY_METADATA, columns=["video_id"])["video_id"].to_list()
    chosen = choose(ids, proportion=proportion, seed=seed)
    tables.write(data.inputs / layout.QUERY_SUBSET, {"video_id": chosen})
    for each in chosen:
        video = judged / "query" / f"{each}.mp4"
        if video.is_file():
            link(video, data.inputs / "query" / video.name)


def check_data(data: DataSet) -> tuple[Problem, ...]:
    """Every fault of a data set: broken tables, missing videos, labels where they must not be, changed files."""
    return tuple(_faults(data))


def count_queries(data: DataSet) -> int:
    """How many queries the code must describe."""
    return len(layout.read_subset(data.inputs / layout.QUERY_SUBSET))


def _find(folder: Path, names: Iterable[str], split: str) -> Path | None:
    return next((each for name in names if (each := folder / name.format(split=split)).is_file()), None)


def _bring_split(source: Path, target: Path, split: str, progress: Progress) -> None:
    for name in (layout.QUERY_METADATA, layout.REFERENCE_METADATA):
        found = _find(source, (name, f"{{split}}_{name}"), split)
        if found is None:
            raise ChallengeError(f"`{source}` has no `{name}`")
        link(found, target / name)
    for kind in ("query", "reference"):
        videos = sorted((source / kind).glob("*.mp4"))
        for video in progress(videos, what=f"{split} {kind}", total=len(videos)):
            link(video, target / kind / video.name)


def _faults(data: DataSet) -> Iterator[Problem]:
    try:
        judged = layout.judged_split(data)
        queries = layout.read_videos(data.inputs / layout.QUERY_METADATA, letter="Q")
        references = layout.read_videos(data.inputs / layout.REFERENCE_METADATA, letter="R")
        subset = layout.read_subset(data.inputs / layout.QUERY_SUBSET)
        truth = layout.read_truth(data.answers / layout.GROUND_TRUTH)
    except ChallengeError as error:
        yield Problem(place=str(data.root), message=str(error))
        return
    yield from _unknown("inputs/query_subset.csv", subset, queries)
    yield from _unknown("answers/ground_truth.csv", truth.segments["query_id"].to_numpy(), queries)
    yield from _unknown("answers/ground_truth.csv", truth.segments["ref_id"].to_numpy(), references)
    if not truth.pairs:
        yield Problem(place="answers/ground_truth.csv", message="no pair is labelled, so nothing can be scored")
    yield from _video_faults(data, judged, queries, references, subset)
    yield from _leaks(data)
    if data.manifest.is_file():
        yield from digests.check_manifest(data.root)
    else:
        yield Problem(place="manifest.json", message="the file is missing, so changes cannot be seen")


def _unknown(place: str, ids: np.ndarray, videos: layout.Videos) -> Iterator[Problem]:
    strange = np.unique(ids.astype(np.str_)[videos.positions(ids.astype(np.str_)) < 0])
    if len(strange):
        yield Problem(place=place, message=f"`{strange[0]}` is in no metadata", count=len(strange))


def _video_faults(
    data: DataSet, judged: Path, queries: layout.Videos, references: layout.Videos, subset: np.ndarray
) -> Iterator[Problem]:
    wanted = {
        judged / "query": {str(each) for each in queries.ids},
        judged / "reference": {str(each) for each in references.ids},
        data.inputs / "query": {str(each) for each in subset},
    }
    for folder, ids in wanted.items():
        there = {path.stem for path in folder.glob("*.mp4")}
        place = str(folder.relative_to(data.root))
        if missing := sorted(ids - there):
            yield Problem(place=place, message=f"`{missing[0]}.mp4` is missing", count=len(missing))
        if strange := sorted(there - ids):
            yield Problem(place=place, message=f"`{strange[0]}.mp4` should not be there", count=len(strange))
    other = layout.independent_split(data)
    if other is not None:
        shared = np.intersect1d(layout.read_videos(other / layout.REFERENCE_METADATA, letter="R").ids, references.ids)
        if len(shared):
            message = f"`{shared[0]}` is also a reference that is judged, so the split is not independent"
            yield Problem(place=f"public/{other.name}", message=message, count=len(shared))


def _leaks(data: DataSet) -> Iterator[Problem]:
    secrets = {path.stat().st_ino for path in data.answers.rglob("*") if path.is_file()}
    secrets_digests = {digests.digest_file(path) for path in data.answers.rglob("*") if path.is_file()}
    for path in sorted(data.inputs.rglob("*")):
        if not path.is_file():
            continue
        place = str(path.relative_to(data.root))
        if path.suffix in (".csv", ".json"):
            if path.stat().st_ino in secrets or digests.digest_file(path) in secrets_digests:
                yield Problem(place=place, message="this file is one of the answers; a run could read it")
            elif path.suffix == ".csv" and b"ref_id" in path.open("rb").readline():
                yield Problem(place=place, message="the table pairs queries with references; a run could read it")


def check_times(data: DataSet) -> Iterator[Problem]:
    """Faults of the ground truth that only the matching track minds: pairs without times, segments of no length."""
    place = f"answers/{layout.GROUND_TRUTH}"
    try:
        segments = layout.read_truth(data.answers / layout.GROUND_TRUTH).segments
    except ChallengeError:
        return
    if segments["query_start"].null_count():
        columns = ",".join(layout.MATCH_COLUMNS)
        yield Problem(place=place, message=f"the pairs have no times; the matching track needs `{columns}`")
        return
    for axis in ("query", "ref"):
        empty = segments.filter(pl.col(f"{axis}_end") <= pl.col(f"{axis}_start"))
        if empty.height:
            first = empty.row(0, named=True)
            found = f"`{axis}_end` is `{first[f'{axis}_end']:g}` and `{axis}_start` is `{first[f'{axis}_start']:g}`"
            message = f"a segment of `{first['query_id']}` and `{first['ref_id']}` has no length: {found}"
            yield Problem(place=place, message=message, count=empty.height)
