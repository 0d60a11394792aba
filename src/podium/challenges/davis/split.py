"""Training material parted by whole clips, never by frames: neighbouring frames are almost the same picture.

```
public/ImageSets/480p/train.txt, val.txt                 one clip's name a line
public/split-train/, split-holdout/                      the contest's two artifacts, each whole
```
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from podium.challenges.davis import layout, paths
from podium.errors import ChallengeError, SubmissionError, UsageError
from podium.formats import datasets, digests
from podium.formats.files import open_regular, replacing
from podium.types import DataSet

LISTS = "ImageSets/480p"
TRAIN_LIST, HELD_OUT_LIST = f"{LISTS}/train.txt", f"{LISTS}/val.txt"
TRAIN_ARTIFACT, HELD_OUT_ARTIFACT = "split-train", "split-holdout"

_MOST_LIST_BYTES = 16 << 20

SHARE = 0.8
"""Of the clips that go to training; the contest's own."""


def split_data(data: DataSet, into: Path, *, share: float, seed: int) -> DataSet:
    """The same data set with other clips held out of what there is to learn from.

    The lists are written anew, and beside them the two artifacts that the contest's helper makes: each a folder with a
    `paths.json` numbered from 0 and its files. All files are hard links where the disk allows.

    Args:
        data: Its `public` part has `paths.json` with raw and annotation.
        into: The folder to make.
        share: Of the clips that go to training, above 0 and below 1; `int(share * clips)` of them, as in the contest.
        seed: Of the draw.

    Raises:
        UsageError: The share leaves one side without a clip, or `into` is not empty or lies in the data set.
        ChallengeError: There is nothing to learn from, frames and annotations do not belong together, or a file is
            missing or a link that leads out of the data set.
    """
    layout.check_apart(data, into)
    pairs = public_pairs(data)
    clips = list(dict.fromkeys(paths.clip_of(raw) for raw, _ in pairs))
    train, held_out = partition(clips, share=share, seed=seed)
    for path in (path for pair in pairs for path in pair):
        layout.own(data, data.public / path)
    old = tuple(data.public / name for name in (TRAIN_ARTIFACT, HELD_OUT_ARTIFACT))
    anew = {data.public / TRAIN_LIST, data.public / HELD_OUT_LIST, data.manifest}
    with datasets.starting(into) as parted:
        for path in layout.own_files(data, data.root):
            if path not in anew and not any(path.is_relative_to(each) for each in old):
                datasets.link(path, parted.root / path.relative_to(data.root))
        write_lists(parted.public, train, held_out)
        for name, names in ((TRAIN_ARTIFACT, train), (HELD_OUT_ARTIFACT, held_out)):
            _write_artifact(parted.public, name, [pair for pair in pairs if paths.clip_of(pair[0]) in names])
        digests.write_manifest(parted.root)
    return parted


def partition(clips: Sequence[str], *, share: float, seed: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Clips for training and clips that are held out, each in the order given.

    Raises:
        UsageError: One side would have no clip.

    >>> partition(["bear", "boat", "bus", "hike", "surf"], share=0.8, seed=0)
    (('bear', 'bus', 'hike', 'surf'), ('boat',))
    """
    count = int(share * len(clips)) if 0 < share < 1 else 0
    if not 0 < count < len(clips):
        found = f"a share of `{share}` of `{len(clips)}` clips"
        raise UsageError(f"{found} leaves one side empty; both need at least one clip")
    drawn = set[int](np.random.default_rng(seed).permutation(len(clips))[:count].tolist())
    train = tuple(clip for at, clip in enumerate(clips) if at in drawn)
    return train, tuple(clip for at, clip in enumerate(clips) if at not in drawn)


def write_lists(public: Path, train: Iterable[str], held_out: Iterable[str]) -> None:
    """Writes the two lists of clips."""
    for name, clips in ((TRAIN_LIST, train), (HELD_OUT_LIST, held_out)):
        (public / name).parent.mkdir(parents=True, exist_ok=True)
        with replacing(public / name) as stream:
            stream.write("".join(f"{clip}\n" for clip in clips).encode())


def read_list(path: Path) -> tuple[str, ...]:
    """The clips of a list; none where the file is not there.

    Raises:
        ChallengeError: The file is no text, or no plain file.
    """
    if not path.exists():
        return ()
    try:
        with open_regular(path, max_bytes=_MOST_LIST_BYTES) as stream:
            text = stream.read(_MOST_LIST_BYTES).decode("utf-8-sig")
        return tuple(line.strip() for line in text.splitlines() if line.strip())
    except (OSError, SubmissionError, UnicodeDecodeError) as error:
        raise ChallengeError(f"the list `{path}` cannot be read: {error}") from error


def public_pairs(data: DataSet, folder: str = "") -> list[tuple[str, str]]:
    """Frame and annotation of each row of what there is to learn from.

    Args:
        data: The data set.
        folder: An artifact below `public/`; empty is `public/` itself.

    Raises:
        ChallengeError: `paths.json` is missing or broken, or a row's frame and annotation are of two frames.
    """
    place = data.public / folder / paths.PATHS
    raw, annotation = paths.read_trusted(place, paths.RAW), paths.read_trusted(place, paths.ANNOTATION)
    if raw.keys() != annotation.keys():
        counts = f"`{len(raw)}` frames and `{len(annotation)}` annotations"
        raise ChallengeError(f"the data set's `{place}` is broken: it has {counts}; each row needs both")
    for row, path in raw.items():
        if _frame(path) != _frame(annotation[row]):
            found = f"row {row} pairs `{path}` with `{annotation[row]}`"
            raise ChallengeError(f"the data set's `{place}` is broken: {found}; both must be of the same frame")
    return list(zip(raw.values(), annotation.values(), strict=True))


def _frame(path: str) -> str:
    return f"{paths.clip_of(path)}/{PurePosixPath(path).stem}"


def _write_artifact(public: Path, name: str, pairs: Sequence[tuple[str, str]]) -> None:
    raw: list[str] = []
    annotation: list[str] = []
    for frame, mask in pairs:
        raw.append(f"{layout.IMAGES}/{_frame(frame)}{PurePosixPath(frame).suffix}")
        annotation.append(f"{layout.ANNOTATIONS}/{_frame(mask)}{PurePosixPath(mask).suffix}")
        datasets.link(public / frame, public / name / raw[-1])
        datasets.link(public / mask, public / name / annotation[-1])
    paths.write(public / name / paths.PATHS, {paths.RAW: raw, paths.ANNOTATION: annotation})
