"""What an official download holds: DAVIS trees and artifacts of the contest, found by their folders.

```
JPEGImages/480p/<clip>/   Annotations/480p/<clip>/   ImageSets/{480p,2016,2017,2019}/{train,val,test-dev}.txt    a tree
davis2016-train:contest/paths.json, davis2016-val/…, davis-contest-test/…                                      artifacts
```

Nothing is opened here but lists; what the pictures hold is for others to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

from podium.challenges.davis import layout, paths, sets
from podium.challenges.davis.findings import Findings
from podium.challenges.davis.sets import Total
from podium.errors import SubmissionError, UsageError
from podium.formats.faults import Faults, shown
from podium.formats.files import open_regular
from podium.formats.names import name_fault
from podium.types import Problem, Severity

_DEPTH = 3
_LISTS = "ImageSets"
_ANNOTATIONS = (layout.ANNOTATIONS, "Annotations_unsupervised/480p")
_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
_DIGITS = 5
_CLIP_CHARACTERS = 200
_MOST_LIST_BYTES = 16 << 20


class Role(StrEnum):
    """What a part of a download is for."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


_TREE_LISTS = {Role.TRAIN: ("train",), Role.VAL: ("val",), Role.TEST: ("test-dev", "test-challenge", "test")}
_YEARS = {"480p": "2016"}
# An artifact that is a part of another counts only where the whole one is not there.
_ARTIFACTS = (
    (re.compile(r"davis2016-train(?![a-z0-9]|-?(submission|result))"), Role.TRAIN, 0),
    (re.compile(r"davis2016-val(?![a-z0-9]|-?(submission|result))"), Role.VAL, 0),
    (re.compile(r"davis-contest-test(?![a-z0-9])"), Role.TEST, 0),
    (re.compile(r"(davis2016-)?split-train(?![a-z0-9])"), Role.TRAIN, 1),
    (re.compile(r"(davis2016-)?split-holdout(?![a-z0-9])"), Role.VAL, 1),
)


@dataclass(frozen=True, kw_only=True)
class SourceFrame:
    """A frame of a download.

    Attributes:
        clip: The folder it lies in.
        name: Its number, of at least five digits.
        raw: The picture, which may be missing.
        annotation: Its mask, which may be missing; None where there is none to expect.
    """

    clip: str
    name: str
    raw: Path
    annotation: Path | None

    @property
    def number(self) -> int:
        """Its number."""
        return int(self.name)


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a download.

    Attributes:
        role: What it is for.
        place: Of its list or its artifact, below the download.
        frames: The clips one after the other, each in order of time; at least one frame.
        official: The size of the official set of that name, where it is known.
    """

    role: Role
    place: str
    frames: tuple[SourceFrame, ...]
    official: Total | None

    @property
    def labelled(self) -> bool:
        """Every frame has an annotation."""
        return all(each.annotation is not None for each in self.frames)

    @property
    def clips(self) -> dict[str, tuple[SourceFrame, ...]]:
        """The frames of each clip."""
        found: dict[str, list[SourceFrame]] = {}
        for each in self.frames:
            found.setdefault(each.clip, []).append(each)
        return {clip: tuple(frames) for clip, frames in found.items()}


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    role: Role
    rank: int
    place: str
    part: Part | None


def find(download: Path, problems: list[Problem]) -> Mapping[Role, Part]:
    """The parts of a download.

    Args:
        download: A tree, an artifact, a folder that holds some of them up to three folders down, or the folder of
            lists that is to be taken of a tree that has several (``DAVIS/ImageSets/2016``).
        problems: Takes the faults of lists and of `paths.json`.

    Raises:
        UsageError: There is no tree and no artifact, or two that are the same part.
    """
    if not download.is_dir():
        raise UsageError(f"`{download}` is not a folder; give the one that holds the download")
    parts: dict[Role, _Candidate] = {}
    for each in sorted(_candidates(download, problems), key=lambda each: each.rank):
        before = parts.setdefault(each.role, each)
        if before is not each and before.rank == each.rank:
            where = f"`{before.place}` and `{each.place}`"
            raise UsageError(f"{where} both hold the `{each.role}` part; leave one of them out of the download")
    if not parts:
        raise UsageError(
            f"`{download}` holds neither a DAVIS tree with `{layout.IMAGES}` nor an artifact with `{paths.PATHS}`, "
            f"up to {_DEPTH} folders deep"
        )
    return {role: each.part for role, each in parts.items() if each.part is not None}


def _candidates(download: Path, problems: list[Problem]) -> Iterator[_Candidate]:
    if download.parent.name == _LISTS and (download.parent.parent / layout.IMAGES).is_dir():
        yield from _tree(download.parent.parent, (download,), download.parent.parent, problems)
        return
    for folder in _folders(download, _DEPTH):
        if (folder / paths.PATHS).is_file():
            yield from _artifact(folder, download, problems)
        else:
            years = sorted((each for each in (folder / _LISTS).glob("*") if each.is_dir()), key=_age, reverse=True)
            yield from _tree(folder, years, download, problems)


def _folders(folder: Path, depth: int) -> Iterator[Path]:
    """Artifacts and trees; nothing is looked for inside them."""
    if (folder / paths.PATHS).is_file() or (folder / layout.IMAGES).is_dir():
        yield folder
    elif depth:
        for child in sorted(folder.iterdir()):
            if child.is_dir() and not child.name.startswith("."):
                yield from _folders(child, depth - 1)


def _age(lists: Path) -> str:
    return _YEARS.get(lists.name, lists.name if re.fullmatch(r"20\d\d", lists.name) else "")


def _tree(root: Path, years: Sequence[Path], download: Path, problems: list[Problem]) -> Iterator[_Candidate]:
    """The parts that the lists name: training and validation of the latest year, and a test set."""
    known = [each for each in years if _age(each)]
    both = next((each for each in known if any((each / f"{role}.txt").is_file() for role in ("train", "val"))), None)
    found = False
    for role, names in _TREE_LISTS.items():
        folders = known if role is Role.TEST else [both] if both else []
        lists = [each / f"{name}.txt" for each in folders for name in names if (each / f"{name}.txt").is_file()]
        parts = (_listed(root, role, path, download, problems) for path in lists)
        part = next((each for each in parts if each is not None), None)
        if part is not None:
            found = True
            yield _Candidate(role=role, rank=0, place=part.place, part=part)
    if not found:
        yield from _unlisted(root, download, problems)


def _listed(root: Path, role: Role, path: Path, download: Path, problems: list[Problem]) -> Part | None:
    """The part that a list names; None where none of its clips is there."""
    findings = Findings()
    frames: list[SourceFrame] = []
    gone: list[str] = []
    for clip, pairs in _entries(root, path, findings).items():
        if not (root / layout.IMAGES / clip).is_dir():
            gone.append(clip)
        elif pairs:
            frames += pairs
        else:
            frames += _clip_frames(root, clip, role, findings)
    if frames:
        for clip in gone:
            findings.note("clip", f"`{clip}`", f"the clip has no folder in `{layout.IMAGES}`", hint="get it again")
    place = _below(path, download)
    _pour(findings, place, problems)
    official = sets.TOTALS.get((_age(path.parent), path.stem))
    return Part(role=role, place=place, frames=tuple(frames), official=official) if frames else None


def _entries(root: Path, path: Path, findings: Findings) -> dict[str, list[SourceFrame]]:
    """Each clip of a list, with its frames where the list names them: a clip, or frame and annotation, a line."""
    found: dict[str, list[SourceFrame]] = {}
    try:
        with open_regular(path.resolve(), max_bytes=_MOST_LIST_BYTES) as stream:
            lines = stream.read(_MOST_LIST_BYTES).decode("utf-8-sig").splitlines()
    except (OSError, SubmissionError, UnicodeDecodeError) as error:
        findings.note("list", "", f"the list cannot be read: {shown(error)}")
        return found
    for number, line in enumerate(lines, start=1):
        fields = [each.lstrip("/") for each in line.split()]
        if not fields:
            continue
        names = [PurePosixPath(each) for each in fields[:2]]
        fault = next((fault for each in fields if (fault := name_fault(each, max_characters=500, max_depth=16))), None)
        whole = names[0].suffix.lower() in _IMAGE_SUFFIXES
        if fault or len(fields) > 2 or (len(fields) == 2 and not whole) or (not whole and len(names[0].parts) > 1):
            message = f"{shown(line)} is neither a clip nor a frame with its annotation"
            findings.note("line", f"line {number}", f"{message}{': ' + fault if fault else ''}")
        elif whole:
            annotation = root / names[1] if len(names) == 2 else None
            _take(found.setdefault(names[0].parent.name, []), root / names[0], annotation, f"line {number}", findings)
        else:
            found.setdefault(fields[0], [])
    return found


def _clip_frames(root: Path, clip: str, role: Role, findings: Findings) -> list[SourceFrame]:
    """The frames of a clip as they lie in its folder, and those that only have a mask."""
    source = next((each for each in _ANNOTATIONS if (root / each / clip).is_dir()), _ANNOTATIONS[0])
    masks = {each.stem: each for each in _files(root / source / clip)}
    pictures = {each.stem: each for each in _files(root / layout.IMAGES / clip)}
    # A test set comes with the masks of its first frames, or with none.
    bare = role is Role.TEST and not pictures.keys() <= masks.keys()
    frames: list[SourceFrame] = []
    for stem in sorted(pictures if bare else pictures.keys() | masks.keys()):
        raw = pictures.get(stem, root / layout.IMAGES / clip / f"{stem}.jpg")
        annotation = None if bare else masks.get(stem, root / source / clip / f"{stem}.png")
        _take(frames, raw, annotation, f"`{clip}`", findings)
    return frames


def _unlisted(root: Path, download: Path, problems: list[Problem]) -> Iterator[_Candidate]:
    """The parts of a tree without lists, by the official names; a clip of none of them is to learn from."""
    findings = Findings()
    clips = sorted(each.name for each in (root / layout.IMAGES).iterdir() if each.is_dir())
    sides = {role: [each for each in clips if (each in sets.VAL_2017) == (role is Role.VAL)] for role in list(Role)[:2]}
    for role, names in sides.items():
        frames = [frame for clip in names for frame in _clip_frames(root, clip, role, findings)]
        if frames:
            place = f"{_below(root / layout.IMAGES, download)} ({role})"
            part = Part(role=role, place=place, frames=tuple(frames), official=None)
            yield _Candidate(role=role, rank=0, place=place, part=part)
    _pour(findings, _below(root / layout.IMAGES, download), problems)


def _artifact(folder: Path, download: Path, problems: list[Problem]) -> Iterator[_Candidate]:
    """An artifact of the contest; one that only holds results is passed over."""
    place = folder / paths.PATHS
    findings = Findings()
    table = paths.read_json(place, findings)
    if table is not None and paths.RAW not in table and paths.OUTPUT in table:
        return
    raw = paths.read_column(place, paths.RAW, findings) if table is not None else None
    annotated = table is not None and paths.ANNOTATION in table
    annotation = paths.read_column(place, paths.ANNOTATION, findings) if annotated else None
    name = folder.resolve().name
    known = next(((role, rank) for pattern, role, rank in _ARTIFACTS if pattern.match(name)), None)
    role, rank = known or (Role.TRAIN if annotated else Role.TEST, 2)
    frames = _rows(folder, raw or {}, annotation, role, findings)
    _pour(findings, _below(place, download), problems)
    official = sets.TOTALS.get(("2016", role.value)) if rank == 0 else None
    shown_place = _below(folder, download)
    part = Part(role=role, place=shown_place, frames=tuple(frames), official=official) if frames else None
    yield _Candidate(role=role, rank=rank, place=shown_place, part=part)


def _rows(
    folder: Path, raw: paths.Column, annotation: paths.Column | None, role: Role, findings: Findings
) -> list[SourceFrame]:
    """The frames of an artifact: clip by clip in the order of the first rows, each in order of time."""
    if annotation is not None and all(each is None for each in annotation.values()) and role is Role.TEST:
        annotation = None
    if annotation is not None:
        for row in sorted(raw.keys() ^ annotation.keys()):
            column = paths.ANNOTATION if row in raw else paths.RAW
            findings.note("rows", f"row {row}", f"the row has no `{column}`; each needs a frame and its annotation")
    rows: list[SourceFrame] = []
    homes: dict[str, str] = {}
    for row, path in raw.items():
        mask = None if annotation is None else annotation.get(row)
        if path is None or (annotation is not None and row in annotation and mask is None):
            findings.note("null", f"row {row}", f"`{paths.RAW if path is None else paths.ANNOTATION}` has no path")
            continue
        home, clip = str(PurePosixPath(path).parent), paths.clip_of(path)
        if homes.setdefault(clip, home) != home:
            message = f"the clip `{clip}` lies in `{homes[clip]}` and in `{home}`; names of clips are used once"
            findings.note("clip", f"row {row}", message)
        if mask is not None and _frame(mask) != _frame(path):
            findings.note("pair", f"row {row}", f"`{path}` is paired with `{mask}`; both must be of the same frame")
        _take(rows, _located(folder, path), None if mask is None else _located(folder, mask), f"row {row}", findings)
    order = {clip: at for at, clip in enumerate(dict.fromkeys(each.clip for each in rows))}
    frames = sorted(rows, key=lambda each: (order[each.clip], each.number))
    if frames != rows:
        message = "the rows do not go clip by clip in order of time; they are numbered anew"
        hint = "results that were made for this artifact do not fit"
        findings.note("order", "", message, hint=hint, severity=Severity.WARNING)
    return frames


def _take(frames: list[SourceFrame], raw: Path, annotation: Path | None, where: str, findings: Findings) -> None:
    """Adds a frame whose name is a number, of a clip whose name can be one."""
    if not (raw.stem.isascii() and raw.stem.isdigit()):
        findings.note("name", where, f"the frame is called {shown(raw.name)}; a number of five digits is needed")
        return
    clip = raw.parent.name
    fault = name_fault(clip, max_characters=_CLIP_CHARACTERS, max_depth=1)
    if fault or clip != clip.strip():
        message = f"the clip {shown(clip)} may not be called so: {fault or 'a name may not begin or end in a space'}"
        findings.note("clip name", "", message, hint="rename its folders")
        return
    name = f"{int(raw.stem):0{_DIGITS}}"
    frames.append(SourceFrame(clip=clip, name=name, raw=raw, annotation=annotation))


def _located(folder: Path, path: str) -> Path:
    """The file that a path means; folders in front of it that are not in the artifact are passed over."""
    parts = PurePosixPath(path).parts
    ends = (folder.joinpath(*parts[at:]) for at in range(max(1, len(parts) - 1)))
    return next((each for each in ends if each.is_file()), folder / path)


def _frame(path: str) -> str:
    return f"{paths.clip_of(path)}/{PurePosixPath(path).stem}"


def _files(folder: Path) -> Iterable[Path]:
    if not folder.is_dir():
        return ()
    return sorted(
        each for each in folder.iterdir() if each.suffix.lower() in _IMAGE_SUFFIXES and not each.name.startswith(".")
    )


def _below(path: Path, download: Path) -> str:
    return path.relative_to(download).as_posix() if path != download else download.resolve().name


def _pour(findings: Findings, place: str, problems: list[Problem]) -> None:
    faults = Faults(place)
    findings.pour(faults)
    problems += faults.problems
