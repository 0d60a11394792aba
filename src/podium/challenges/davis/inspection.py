"""What is wrong with a data set of `davis`, all of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from podium.challenges.davis import layout, paths, split
from podium.challenges.davis.findings import Findings
from podium.errors import ChallengeError
from podium.formats import digests
from podium.formats.faults import Faults
from podium.types import DataSet, Problem, Severity

_SIZE_UNKNOWN = (0, 0)


def faults(data: DataSet) -> Iterator[Problem]:
    """Every fault of a data set, in the order of its folders."""
    yield from _test_faults(data)
    yield from _training_faults(data)
    yield from _leaks(data)
    yield from shared_frames(data)
    if data.manifest.is_file():
        yield from digests.check_manifest(data.root)
    else:
        yield Problem(place="manifest.json", message="the file is missing, so changes cannot be seen")


def labelled(data: DataSet) -> bool:
    """The test set has annotations, so that predictions can be scored."""
    return (data.answers / paths.PATHS).exists()


def shared_frames(data: DataSet) -> Iterator[Problem]:
    """Clips and frames of the test set that are also there to learn from, the frames under whatever name."""
    judged, learned = (sorted(_pictures(each)) for each in (data.inputs, data.public))
    both = {each.parent.name for each in judged} & {each.parent.name for each in learned}
    yield from listed("public", "the clip `{}` is also one that is judged", both)
    sizes = {path.stat().st_size for path in judged} & {path.stat().st_size for path in learned}
    known = {digests.digest_file(path): path for path in judged if path.stat().st_size in sizes}
    twins = {
        _frame(path): _frame(known[digest])
        for path in learned
        if path.stat().st_size in sizes
        if path.parent.name not in both
        if (digest := digests.digest_file(path)) in known
    }
    for name, twin in sorted(twins.items())[:1]:
        message = f"the frame `{name}` is the judged frame `{twin}`, byte for byte"
        yield Problem(place="public", message=message, count=len(twins))


def listed(place: str, message: str, names: Iterable[str], *, severity: Severity = Severity.ERROR) -> Iterator[Problem]:
    """One problem for all names, the first shown where the message has braces; none for none."""
    every = sorted(names)
    if every:
        yield Problem(place=place, message=message.replace("{}", every[0]), count=len(every), severity=severity)


def _test_faults(data: DataSet) -> Iterator[Problem]:
    try:
        sequences = layout.judged_sequences(data)
    except ChallengeError as error:
        yield Problem(place=f"inputs/{paths.PATHS}", message=str(error))
        return
    frames = {frame.row: frame for each in sequences for frame in each.frames}
    findings = Findings()
    for sequence in sequences:
        names = [frame.name for frame in sequence.frames]
        if names != sorted(set(names)):
            findings.note("order", f"`{sequence.clip}`", "the frames do not stand in order of time, each once")
    sizes = _picture_faults(data.inputs, [frame.path for _, frame in sorted(frames.items())], findings)
    yield from _poured(findings, "inputs")
    if not labelled(data):
        message = "the test set has no annotations; predictions can be made and checked, not scored"
        yield Problem(place=f"answers/{paths.PATHS}", message=message, severity=Severity.WARNING)
        return
    try:
        truth = layout.annotation_paths(data, sequences)
    except ChallengeError as error:
        yield Problem(place=f"answers/{paths.PATHS}", message=str(error))
        return
    findings = Findings()
    named = [(truth[row].relative_to(data.answers).as_posix(), size) for row, size in enumerate(sizes)]
    filled = _mask_faults(data.answers, named, findings)
    if not filled and not findings.refused:
        findings.note("empty", "", "no mask has any foreground, so nothing can be scored")
    yield from _poured(findings, "answers")


def _training_faults(data: DataSet) -> Iterator[Problem]:
    if not (data.public / paths.PATHS).exists():
        strays = {each.relative_to(data.public).as_posix() for each in _pictures(data.public)}
        yield from listed(f"public/{paths.PATHS}", "the file is missing; `{}` is in no table", strays)
        return
    try:
        pairs = split.public_pairs(data)
        lists = [split.read_list(data.public / each) for each in (split.TRAIN_LIST, split.HELD_OUT_LIST)]
    except ChallengeError as error:
        yield Problem(place="public", message=str(error))
        return
    findings = Findings()
    sizes = _picture_faults(data.public, [raw for raw, _ in pairs], findings)
    _mask_faults(data.public, [(mask, size) for (_, mask), size in zip(pairs, sizes, strict=True)], findings)
    yield from _poured(findings, "public")
    clips = {paths.clip_of(raw) for raw, _ in pairs}
    yield from _list_faults(clips, lists)
    for name in (split.TRAIN_ARTIFACT, split.HELD_OUT_ARTIFACT):
        if (data.public / name).exists():
            yield from _artifact_faults(data, name, lists[name == split.HELD_OUT_ARTIFACT])


def _list_faults(clips: set[str], lists: Sequence[tuple[str, ...]]) -> Iterator[Problem]:
    """Lists of clips beside the clips there are; no lists at all are no fault."""
    for name, found in zip((split.TRAIN_LIST, split.HELD_OUT_LIST), lists, strict=True):
        place = f"public/{name}"
        yield from listed(place, "there is no clip `{}`", set(found) - clips)
        twice = {each for each, count in Counter(found).items() if count > 1}
        yield from listed(place, "the clip `{}` is there twice", twice)
    both = set(lists[0]) & set(lists[1])
    yield from listed(f"public/{split.HELD_OUT_LIST}", "the clip `{}` is also one to train with", both)
    if any(lists):
        message = "the clip `{}` is in neither list"
        yield from listed(f"public/{split.LISTS}", message, clips - {each for found in lists for each in found})


def _artifact_faults(data: DataSet, name: str, clips: tuple[str, ...]) -> Iterator[Problem]:
    """An artifact of a split: whole, and of the clips of its list."""
    place = f"public/{name}/{paths.PATHS}"
    try:
        pairs = split.public_pairs(data, name)
    except ChallengeError as error:
        yield Problem(place=place, message=str(error))
        return
    gone = {path for pair in pairs for path in pair if not (data.public / name / path).is_file()}
    yield from listed(place, "`{}` is missing", gone)
    other = {paths.clip_of(raw) for raw, _ in pairs} ^ set(clips)
    yield from listed(place, "the clip `{}` is only here or only in the list", other)


def _picture_faults(folder: Path, names: Sequence[str], findings: Findings) -> list[tuple[int, int]]:
    """The size of each frame, and what is wrong with them: unreadable, of another size than its clip, in no table."""
    sizes: list[tuple[int, int]] = []
    first: dict[str, tuple[int, int]] = {}
    for name in names:
        try:
            size = layout.image_size(folder / name)
        except ChallengeError as error:
            findings.note("picture", f"`{name}`", f"the frame cannot be read: {error.__cause__}")
            sizes.append(first.get(paths.clip_of(name), _SIZE_UNKNOWN))
            continue
        begun = first.setdefault(paths.clip_of(name), size)
        if size != begun:
            message = f"the frame is `{_times(size)}` (width x height), the clip begins with `{_times(begun)}`"
            findings.note("frame size", f"`{name}`", message)
        sizes.append(size)
    more = {each.relative_to(folder).as_posix() for each in _pictures(folder)} - set(names)
    for each in sorted(more):
        findings.note("stray", f"`{each}`", f"the frame is not in `{paths.PATHS}`")
    for each, count in Counter(names).items():
        if count > 1:
            findings.note("twice", f"`{each}`", f"the frame is in `{paths.PATHS}` twice")
    return sizes


def _mask_faults(folder: Path, named: Sequence[tuple[str, tuple[int, int]]], findings: Findings) -> bool:
    """Whether any mask has foreground; broken masks and clips without foreground are noted."""
    filled: dict[str, bool] = {}
    for name, size in named:
        try:
            wanted = None if size == _SIZE_UNKNOWN else size
            found = bool(layout.read_annotation(folder / name, wanted).any())
        except ChallengeError as error:
            findings.note("mask", f"`{name}`", str(error))
            found = True
        clip = paths.clip_of(name)
        filled[clip] = filled.get(clip, False) or found
    empty = [clip for clip, found in filled.items() if not found]
    if any(filled.values()):
        for clip in empty:
            message = "no mask of the clip has any foreground"
            findings.note("empty clip", f"`{clip}`", message, severity=Severity.WARNING)
    return any(filled.values())


def _leaks(data: DataSet) -> Iterator[Problem]:
    """Answers in the inputs: files, folders and columns."""
    secrets = [path for path in data.answers.rglob("*") if path.is_file() and not path.is_symlink()]
    sizes = {path.stat().st_size for path in secrets}
    known = {digests.digest_file(path) for path in secrets}
    copies: set[str] = set()
    folders: set[str] = set()
    for path in sorted(data.inputs.rglob("*")):
        place = path.relative_to(data.root).as_posix()
        if path.is_dir() and path.name.lower().startswith("annotations"):
            folders.add(place)
        elif path.is_symlink():
            continue
        elif path.is_file() and path.stat().st_size in sizes and digests.digest_file(path) in known:
            copies.add(place)
    yield from listed("inputs", "`{}` is one of the answers; a run could read it", copies)
    yield from listed("inputs", "`{}` is a folder of annotations; a run could read it", folders)
    findings = Findings()
    table = paths.read_json(data.inputs / paths.PATHS, findings)
    if table is not None and paths.ANNOTATION in table:
        message = f"the table has a column `{paths.ANNOTATION}`; a run sees `{paths.RAW}` only"
        yield Problem(place=f"inputs/{paths.PATHS}", message=message)


def _pictures(folder: Path) -> Iterator[Path]:
    yield from (each for each in folder.glob(f"{layout.IMAGES}/*/*") if each.is_file() and not each.is_symlink())


def _frame(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def _poured(findings: Findings, place: str) -> tuple[Problem, ...]:
    found = Faults(place)
    findings.pour(found)
    return found.problems


def _times(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"
