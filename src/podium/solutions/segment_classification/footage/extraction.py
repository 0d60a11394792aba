"""Videos to the numbers of each second, before any projection; kept by content, so that no file is worked on twice.

Axes: T seconds, H height, W width, C numbers of a frame, M numbers of sound.
"""

from __future__ import annotations

import base64
import hashlib
import json
import unicodedata
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from podium.errors import SubmissionError, UsageError
from podium.formats import digests
from podium.formats.faults import shown
from podium.formats.files import replacing
from podium.media.audio import sound
from podium.media.video import Sample, UnreadableVideo, sample_many
from podium.solutions.segment_classification.footage import log_mel
from podium.solutions.segment_classification.footage.frame_features import Extractor
from podium.types import Progress, silent

RULES = 1
"""Raised when the same file gives other numbers; kept results of other rules are not used."""

SUFFIXES = frozenset(
    (".3gp", ".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".webm", ".wmv")
)
MAX_SECONDS = 3_600

_ID_CHARACTERS = 12
_UNWRITABLE = ("Cc", "Cs")


@dataclass(frozen=True, kw_only=True)
class Video:
    """A file.

    Attributes:
        path: Where it lies.
        name: Relative to the folder that was searched, with forward slashes.
        digest: Of its content.
    """

    path: Path
    name: str
    digest: str

    @property
    def id(self) -> str:
        """Twelve small letters and digits made from the content: 60 bits.

        >>> Video(path=Path("a.mp4"), name="a.mp4", digest="sha256:" + "00" * 32).id
        'aaaaaaaaaaaa'
        """
        raw = bytes.fromhex(self.digest.removeprefix("sha256:"))
        return base64.b32encode(raw).decode()[:_ID_CHARACTERS].lower()


@dataclass(frozen=True, kw_only=True, eq=False)
class Seconds:
    """What a video gives: row i is second i.

    Attributes:
        frames_TC: Float32, one vector a frame.
        sound_TM: Float32, by `log_mel.summarise`.
        heard_T: True where there was sound.
        duration_seconds: Of the whole video.
        notes: What a person should know: damage, silence, a cut.
    """

    frames_TC: NDArray[np.float32]
    sound_TM: NDArray[np.float32]
    heard_T: NDArray[np.bool_]
    duration_seconds: float
    notes: tuple[str, ...]

    def save(self, path: Path) -> None:
        """Writes an npz, which appears when it is whole."""
        facts = json.dumps({"duration_seconds": self.duration_seconds, "notes": self.notes})
        with replacing(path) as stream:
            np.savez(stream, frames=self.frames_TC, sound=self.sound_TM, heard=self.heard_T, facts=np.array(facts))


@dataclass(frozen=True, kw_only=True)
class Extracted:
    """What became of a video.

    Attributes:
        kept: Where its numbers lie; None when there are none.
        fault: Why there are none, or None.
    """

    video: Video
    kept: Path | None = None
    fault: str | None = None


def read_seconds(path: Path) -> Seconds:
    """The numbers that were kept at a path.

    Raises:
        UsageError: There are none, or the file is broken.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            facts = json.loads(str(file["facts"]))
            return Seconds(
                frames_TC=file["frames"],
                sound_TM=file["sound"],
                heard_T=file["heard"],
                duration_seconds=float(facts["duration_seconds"]),
                notes=tuple(facts["notes"]),
            )
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(f"`{path}` holds no features that were kept: {error}") from error


def find_videos(folder: Path, *, progress: Progress = silent) -> tuple[tuple[Video, ...], tuple[str, ...]]:
    """The video files of a folder and those below it, by name, and one line for each that is left out.

    Hidden files are passed over. A file whose content came before under another name is left out, because both would
    have one id, and so is one with line ends, other control characters or broken UTF-8 in its name.

    Args:
        folder: Searched for files whose ending is one of `SUFFIXES`.
        progress: Shown a step for each file, which is read for its digest.

    Raises:
        UsageError: There is no such folder, or no video in it.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no folder `{folder}`")
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES}
    names = sorted(name for name in found if not any(part.startswith(".") for part in name.split("/")))
    if not names:
        endings = ", ".join(f"`{each}`" for each in sorted(SUFFIXES))
        raise UsageError(f"`{folder}` holds no video; files that end in {endings} are taken")
    videos: dict[str, Video] = {}
    left_out: list[str] = []
    for name in progress(names, what="reading files", total=len(names)):
        if any(unicodedata.category(each) in _UNWRITABLE for each in name):
            left_out.append(f"{shown(name)}: its name holds what no table can keep; give it another")
            continue
        try:
            video = Video(path=found[name], name=name, digest=digests.digest_file(found[name].resolve()))
        except SubmissionError as error:
            left_out.append(f"`{name}`: {error}")
            continue
        except RuntimeError:
            left_out.append(f"`{name}`: this link leads to itself")
            continue
        first = videos.setdefault(video.id, video)
        if first is not video:
            left_out.append(f"`{name}`: has the same content as `{first.name}`")
    return tuple(videos.values()), tuple(left_out)


def extract(
    videos: Sequence[Video],
    extractor: Extractor,
    *,
    cache: Path,
    max_seconds: int = MAX_SECONDS,
    workers: int = 1,
    progress: Progress = silent,
) -> Iterator[Extracted]:
    """Works on videos one after the other and yields what became of each, in the order given.

    What a file gave is kept and taken from there the next time, under whatever name the file then has; so an
    interrupted run goes on where it stopped. The memory is that of the largest video's small frames, for each worker
    twice.

    Args:
        videos: The files.
        extractor: Gives the vectors of frames.
        cache: The folder that keeps the numbers, made when absent.
        max_seconds: Of each video; what comes later is left out, and the notes say so.
        workers: Processes that decode pictures; 1 decodes here. With more, a decoder that crashes takes only its video
            with it.
        progress: Shown a step for each video.

    Raises:
        UsageError: A setting makes no sense.
        MachineError: PyAV is missing.
    """
    if max_seconds < 1:
        raise UsageError(f"`max_seconds` is `{max_seconds}`; at least 1 is needed")
    cache.mkdir(parents=True, exist_ok=True)
    settings = json.dumps([RULES, extractor.digest, max_seconds])
    state = hashlib.sha256(settings.encode()).hexdigest()[:12]
    places = [cache / f"{video.digest.removeprefix('sha256:')[:32]}-{state}.npz" for video in videos]
    ready = [_is_whole(place) for place in places]
    side = extractor.side_pixels
    sampled = sample_many(
        [video.path for video, kept in zip(videos, ready, strict=True) if not kept],
        size=(side, side),
        max_frames=max_seconds,
        workers=workers,
    )
    steps = zip(videos, places, ready, strict=True)
    for video, place, kept in progress(steps, what="looking and listening", total=len(videos)):
        if kept:
            yield Extracted(video=video, kept=place)
            continue
        taken = next(sampled)
        if taken.sample is None:
            yield Extracted(video=video, fault=taken.fault or "gives no picture")
            continue
        _seconds(video.path, taken.sample, extractor, max_seconds=max_seconds).save(place)
        yield Extracted(video=video, kept=place)


def _seconds(path: Path, pictures: Sample, extractor: Extractor, *, max_seconds: int) -> Seconds:
    frames_TC = extractor.embed(pictures.frames_THWC)
    notes = [pictures.damage] if pictures.damage else []
    lost = round(float(pictures.times_T2[0, 0]))
    if lost:
        before_TC = np.repeat(frames_TC[:1], min(lost, max_seconds), axis=0)
        frames_TC = np.concatenate([before_TC, frames_TC])[:max_seconds]
        notes.append(f"the first {lost} s cannot be seen; the first picture stands for them")
    if pictures.duration_seconds >= max_seconds + 1:
        notes.append(f"only the first {max_seconds} of {pictures.duration_seconds:.0f} s are used")
    sound_TM, heard_T = _heard(path, len(frames_TC), notes)
    return Seconds(
        frames_TC=frames_TC,
        sound_TM=sound_TM,
        heard_T=heard_T,
        duration_seconds=pictures.duration_seconds,
        notes=tuple(notes),
    )


def _heard(path: Path, seconds: int, notes: list[str]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    try:
        found = sound(path, samples_per_second=log_mel.SAMPLES_PER_SECOND, max_seconds=seconds)
    except UnreadableVideo as error:
        notes.append(f"its sound cannot be read: {error.reason}")
        found = None
    else:
        if found is None:
            notes.append("there is no sound; its features are the middle (128)")
        elif found.damage:
            notes.append(found.damage)
    samples_S = np.empty(0, dtype=np.float32) if found is None else found.samples_S
    sound_TM, heard_T = log_mel.summarise(samples_S, seconds=seconds)
    if found is not None and not heard_T.all():
        notes.append(f"{int((~heard_T).sum())} of {seconds} s have no sound; their features are the middle (128)")
    return sound_TM, heard_T


def _is_whole(path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        read_seconds(path)
    except UsageError:
        return False
    return True
