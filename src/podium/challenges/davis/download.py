"""The official downloads in Podium's layout: DAVIS-2016 and DAVIS-2017 trees, and the contest's artifacts.

What is judged is the first of these that is there: an annotated test set; the validation set; a test set without
annotations, on which nothing can be scored; some whole clips of the training set.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from podium.challenges.davis import inspection, layout, paths, split
from podium.challenges.davis.examination import Examination, Mend, mended
from podium.challenges.davis.findings import Findings
from podium.challenges.davis.sources import Part, Role, SourceFrame, find
from podium.errors import ChallengeError
from podium.formats import datasets, digests, masks
from podium.formats.faults import Faults
from podium.formats.files import replacing
from podium.types import DataSet, Problem, Progress, Severity, silent

SEED = 0
"""Of the draw of clips that are held out."""

NOTES = "notes.txt"
"""What an import has to say, a line each."""

UNLABELLED = "README.txt"
"""In `answers/` where there are no annotations."""

_SHOWN = 50
_NOTHING = Part(role=Role.TRAIN, place="", frames=(), official=None)


@dataclass(frozen=True, kw_only=True)
class _Cast:
    """What becomes of a download.

    Attributes:
        judged: The test set.
        learned: What there is to learn from, in the order of its rows.
        train: The clips of it to train with.
        held_out: The clips of it to choose with.
        notes: What a person should know.
    """

    judged: Part
    learned: tuple[SourceFrame, ...]
    train: tuple[str, ...]
    held_out: tuple[str, ...]
    notes: tuple[str, ...]


def import_download(download: Path, into: Path, *, progress: Progress = silent) -> DataSet:
    """The official downloads in Podium's layout. Files are hard links where the disk allows, else copies.

    Every mask and the header of every frame is read before anything is written; all that is wrong is named at once, and
    refused. Masks become grey with 0 and 255: palette files (any object is foreground, void is not), 1-bit files,
    files of 0 and 1, and colour files that are grey. Clips of the training set are parted into `ImageSets` with a
    fixed seed, so that nobody has to choose on the judged clips. `notes.txt` says what is judged, chosen and changed.

    Args:
        download: A tree, its folder of lists (``DAVIS/ImageSets/2016``) where it has several, an artifact, or a folder
            that holds some of these.
        into: The folder to make.
        progress: Shows the clips as they are checked, and as they are linked.

    Raises:
        UsageError: `download` holds nothing of the kind, or one part twice, or `into` is not empty.
        ChallengeError: Something in the download is damaged, missing or does not fit; names all of it.
    """
    problems: list[Problem] = []
    parts = find(download, problems)
    with datasets.starting(into) as data:
        cast = _cast(parts, problems)
        mends = _examine(cast, problems, progress)
        _refuse(problems)
        _write(cast, mends, data, progress)
        _refuse(inspection.shared_frames(data))
        changes = (f"{mend}: `{count}` files" for mend, count in Counter(mends.values()).items())
        with replacing(data.root / NOTES) as stream:
            stream.write("".join(f"{each}\n" for each in (*cast.notes, *changes, *problems)).encode())
        digests.write_manifest(data.root, progress=progress)
    return data


def _cast(parts: Mapping[Role, Part], problems: list[Problem]) -> _Cast:
    train, val, test = (parts.get(role) for role in Role)
    notes = list(_incomplete(parts.values()))
    if test is not None and (test.labelled or val is None):
        judged, rest = test, [train, val]
        if not test.labelled:
            notes.append(f"`{test.place}` has no annotations: predictions can be made and checked, not scored")
    elif val is not None:
        judged, rest = val, [train]
        problems += _bare([val])
        if test is not None:
            notes.append(f"`{test.place}` is left out, as `{val.place}` can be scored; import it alone to run on it")
    elif train is not None and len(train.clips) > 1:
        train, judged = _parted(train)
        rest = [train]
        notes.append(
            f"`{len(judged.clips)}` clips of `{train.place}`, drawn with seed `{SEED}`, are held out and judged"
        )
    else:
        _refuse(problems)
        raise ChallengeError("the download has no two clips; one is needed to be judged and one to learn from")
    learned = [each for each in rest if each is not None]
    notes.insert(0, f"judged: `{len(judged.clips)}` clips, `{len(judged.frames)}` frames of `{judged.place}`")
    problems += [*_totals(parts.values()), *_bare(learned), *_overlaps(judged, learned)]
    frames = tuple(frame for each in learned for frame in each.frames)
    if len(learned) == 1 and len(learned[0].clips) > 1:
        learned = list(_parted(learned[0]))
        counts = [len(each.clips) for each in learned]
        notes.append(f"to learn from: `{counts[0]}` clips to train with, `{counts[1]}` to choose with, seed `{SEED}`")
    train_clips, held_out = (tuple(each.clips) for each in (*learned, _NOTHING, _NOTHING)[:2])
    return _Cast(judged=judged, learned=frames, train=train_clips, held_out=held_out, notes=tuple(notes))


def _parted(part: Part) -> tuple[Part, Part]:
    """Two parts of whole clips."""
    clips = part.clips
    sides = split.partition(list(clips), share=split.SHARE, seed=SEED)
    one, two = (tuple(frame for clip in names for frame in clips[clip]) for names in sides)
    return replace(part, frames=one), replace(part, frames=two)


def _incomplete(parts: Iterable[Part]) -> Iterator[str]:
    for part in parts:
        if part.official is not None and len(part.clips) != part.official.clips:
            yield f"`{part.place}` has `{len(part.clips)}` clips; the official set has `{part.official.clips}`"


def _totals(parts: Iterable[Part]) -> Iterator[Problem]:
    for part in parts:
        if part.official and len(part.clips) == part.official.clips and len(part.frames) != part.official.frames:
            message = f"there are `{len(part.frames)}` frames; the official set has `{part.official.frames}`"
            yield Problem(place=part.place, message=message)


def _bare(learned: Iterable[Part]) -> Iterator[Problem]:
    for part in learned:
        bare = [f"`{each.clip}/{each.name}`" for each in part.frames if each.annotation is None]
        if bare:
            yield Problem(place=part.place, message=f"the frame {bare[0]} has no annotation", count=len(bare))


def _overlaps(judged: Part, learned: list[Part]) -> Iterator[Problem]:
    seen = dict.fromkeys(judged.clips, judged.place)
    for part in learned:
        for clip in part.clips:
            if seen.setdefault(clip, part.place) != part.place:
                message = f"the clip `{clip}` is also in `{seen[clip]}`"
                yield Problem(place=part.place, message=message, hint="take it out of one of them")


def _examine(cast: _Cast, problems: list[Problem], progress: Progress) -> Mapping[Path, Mend]:
    """Looks at every frame; says how masks are to be mended."""
    findings = Findings()
    judged, learned = Examination(findings), Examination(findings)
    rest = replace(cast.judged, frames=cast.learned)
    clips = [*((judged, *each) for each in cast.judged.clips.items())]
    clips += ((learned, *each) for each in rest.clips.items())
    for examination, clip, frames in progress(clips, what="checking clips", total=len(clips)):
        examination.clip(clip, frames)
    faults = Faults("the download")
    findings.pour(faults)
    if cast.judged.labelled and not judged.foreground and not findings.refused:
        faults.add(f"`{cast.judged.place}`", "no mask has any foreground, so nothing can be scored")
    problems += faults.problems
    return {**judged.mends, **learned.mends}


def _refuse(problems: Iterable[Problem]) -> None:
    """Refuses everything that is wrong at once."""
    every = [each for each in problems if each.severity is Severity.ERROR]
    if every:
        lines = [f"\n  {each}" for each in every[:_SHOWN]]
        more = f"\n  … and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
        kinds = "1 problem" if len(every) == 1 else f"{len(every)} problems"
        raise ChallengeError(f"the download has {kinds}:{''.join(lines)}{more}")


def _write(cast: _Cast, mends: Mapping[Path, Mend], data: DataSet, progress: Progress) -> None:
    frames = [(data.inputs, data.answers, each) for each in cast.judged.frames]
    frames += [(data.public, data.public, each) for each in cast.learned]
    for raw, annotation, frame in progress(frames, what="linking frames", total=len(frames)):
        datasets.link(frame.raw, raw / _raw_name(frame))
        if frame.annotation is not None and (cast.judged.labelled or raw != data.inputs):
            _write_mask(frame.annotation, annotation / _mask_name(frame), mends)
    paths.write(data.inputs / paths.PATHS, {paths.RAW: map(_raw_name, cast.judged.frames)})
    if cast.judged.labelled:
        paths.write(data.answers / paths.PATHS, {paths.ANNOTATION: map(_mask_name, cast.judged.frames)})
    else:
        text = "These clips have no annotations: predictions can be made and checked, and not scored.\n"
        (data.answers / UNLABELLED).write_text(text, encoding="utf-8")
    if cast.learned:
        columns = {paths.RAW: map(_raw_name, cast.learned), paths.ANNOTATION: map(_mask_name, cast.learned)}
        paths.write(data.public / paths.PATHS, columns)
        split.write_lists(data.public, cast.train, cast.held_out)


def _write_mask(source: Path, target: Path, mends: Mapping[Path, Mend]) -> None:
    if source in mends:
        target.parent.mkdir(parents=True, exist_ok=True)
        masks.write(target, mended(source, mends[source]))
    else:
        datasets.link(source, target)


def _raw_name(frame: SourceFrame) -> str:
    suffix = ".png" if frame.raw.suffix.lower() == ".png" else ".jpg"
    return f"{layout.IMAGES}/{frame.clip}/{frame.name}{suffix}"


def _mask_name(frame: SourceFrame) -> str:
    return f"{layout.ANNOTATIONS}/{frame.clip}/{frame.name}.png"
