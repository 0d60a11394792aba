"""A folder of videos to a folder of features that `podium train` and `podium label` read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from podium.errors import UsageError
from podium.formats.tfrecord import AUDIO_DIMENSIONS, RGB_DIMENSIONS
from podium.solutions import devices
from podium.solutions.copy_detection.backbone import DEFAULT_WEIGHTS
from podium.solutions.segment_classification.classes import Classes
from podium.solutions.segment_classification.footage import frame_features, log_mel, projection
from podium.solutions.segment_classification.footage.extraction import (
    MAX_SECONDS,
    Extracted,
    extract,
    find_videos,
    read_seconds,
)
from podium.solutions.segment_classification.footage.frame_features import Extractor
from podium.solutions.segment_classification.footage.projection import SHRINKAGE, Moments, Projection
from podium.solutions.segment_classification.footage.ratings import Ratings, read_ratings
from podium.solutions.segment_classification.footage.records import Row, write_records
from podium.solutions.segment_classification.solitude import alone
from podium.types import Progress, silent

CACHE, PROJECTION = "cache", "projection"


@dataclass(frozen=True, kw_only=True)
class FeatureRequest:
    """Features to be made.

    Attributes:
        videos: The folder with the files.
        out: The folder to fill; features that were kept in it before are used again.
        projection: A projection's folder, so that other footage gets comparable features; None fits one on these
            videos.
        weights: Of the network that looks at frames, when no projection is given.
        architecture: timm's name for the net that a file of weights fills.
        official_pca: A folder with YouTube-8M's own ``mean.npy``, ``eigenvals.npy`` and ``eigenvecs.npy``.
        labels: A csv of people's ratings.
        vocabulary: A csv of classes to keep to; None takes those of the ratings.
        shrinkage: Of a projection that is fitted.
        max_seconds: Of each video.
        workers: Processes that decode.
        device: ``cpu``, ``cuda`` or ``auto``.
    """

    videos: Path
    out: Path
    projection: Path | None = None
    weights: str = DEFAULT_WEIGHTS
    architecture: str | None = None
    official_pca: Path | None = None
    labels: Path | None = None
    vocabulary: Path | None = None
    shrinkage: float = SHRINKAGE
    max_seconds: int = MAX_SECONDS
    workers: int = 1
    device: str = "cpu"


@dataclass(frozen=True, kw_only=True, eq=False)
class Footage:
    """What was made.

    Attributes:
        out: The folder, in the layout of the official features.
        projection: As saved in `out`.
        rows: What each video became, by id.
        skipped: One line for each file that gave nothing.
        notes: What the projection could not fill.
    """

    out: Path
    projection: Projection
    rows: tuple[Row, ...]
    skipped: tuple[str, ...]
    notes: tuple[str, ...]


def make(request: FeatureRequest, *, progress: Progress = silent) -> Footage:
    """Makes the features of a folder's videos; the same videos give the same bytes.

    Raises:
        UsageError: There is no video, none can be read, the ratings are broken, or settings do not go together; another
            process is at work in the folder.
        MachineError: A package is missing.
    """
    _check(request)
    request.out.mkdir(parents=True, exist_ok=True)
    with alone(request.out):
        return _made(request, progress)


def _made(request: FeatureRequest, progress: Progress) -> Footage:
    videos, left_out = find_videos(request.videos, progress=progress)
    ratings = _ratings(request, [video.name for video in videos])
    device = devices.chosen(request.device)
    if request.projection is not None:
        fitted = projection.load(request.projection, device=device)
        extractor = fitted.extractor
    else:
        fitted = None
        extractor = frame_features.load(request.weights, architecture=request.architecture, device=device)
    extracted = tuple(
        extract(
            videos,
            extractor,
            cache=request.out / CACHE,
            max_seconds=request.max_seconds,
            workers=request.workers,
            progress=progress,
        )
    )
    skipped = (*left_out, *(f"`{each.video.name}`: {each.fault}" for each in extracted if each.fault))
    if not any(each.kept for each in extracted):
        raise UsageError(f"none of the `{len(videos)}` videos in `{request.videos}` can be read; {skipped[-1]}")
    if fitted is None:
        fitted = _fitted(extracted, extractor, request, progress)
    if request.projection is None or request.projection.resolve() != (request.out / PROJECTION).resolve():
        fitted.save(request.out / PROJECTION)
    rows = write_records(request.out, extracted, fitted, ratings=ratings, skipped=left_out, progress=progress)
    return Footage(out=request.out, projection=fitted, rows=rows, skipped=skipped, notes=_notes(fitted))


def _check(request: FeatureRequest) -> None:
    if request.projection is not None and (request.official_pca or request.weights != DEFAULT_WEIGHTS):
        raise UsageError("a projection brings its own network; leave out the weights and the official PCA")
    if request.vocabulary is not None and request.labels is None:
        raise UsageError("a vocabulary is for ratings; name those as well, or leave it out")
    if not 0 <= request.shrinkage <= 1:
        raise UsageError(f"`shrinkage` is `{request.shrinkage}`; 0 to 1 are allowed")
    if request.out.exists() and not request.out.is_dir():
        raise UsageError(f"`{request.out}` is no folder")
    if request.out.resolve() == request.videos.resolve():
        raise UsageError(f"`{request.out}` holds the videos; name another folder for what is made")


def _ratings(request: FeatureRequest, names: Sequence[str]) -> Ratings | None:
    if request.labels is None:
        return None
    known = None if request.vocabulary is None else Classes.read(request.vocabulary)
    return read_ratings(request.labels, names, classes=known)


def _fitted(
    extracted: Sequence[Extracted], extractor: Extractor, request: FeatureRequest, progress: Progress
) -> Projection:
    """The projection of these videos, gathered in the order of their ids."""
    there = sorted((each for each in extracted if each.kept), key=lambda each: each.video.id)
    pictures: Moments | None = None
    heard = Moments(log_mel.DIMENSIONS)
    for each in progress(there, what="fitting the projection", total=len(there)):
        if each.kept is None:
            continue
        seconds = read_seconds(each.kept)
        pictures = pictures or Moments(seconds.frames_TC.shape[1])
        if request.official_pca is None:
            pictures.add(seconds.frames_TC)
        heard.add(seconds.sound_TM[seconds.heard_T])
    if pictures is None:
        raise UsageError("a projection is fitted on videos; there is none")
    if request.official_pca is None:
        frames = projection.fit(pictures, dimensions=RGB_DIMENSIONS, shrinkage=request.shrinkage)
    else:
        frames = projection.official(request.official_pca)
        if len(frames.mean_C) != len(pictures.mean_C):
            found = f"`{request.weights}` gives `{len(pictures.mean_C)}` numbers a frame"
            raise UsageError(f"{found}; the official PCA takes the `{len(frames.mean_C)}` of `timm:inception_v3`")
    sound = projection.fit(heard, dimensions=AUDIO_DIMENSIONS, shrinkage=request.shrinkage)
    return Projection(extractor=extractor, frames=frames, sound=sound)


def _notes(fitted: Projection) -> tuple[str, ...]:
    notes: list[str] = []
    parts = (("picture", fitted.frames, RGB_DIMENSIONS), ("sound", fitted.sound, AUDIO_DIMENSIONS))
    for name, axes, dimensions in parts:
        if axes.filled < dimensions:
            notes.append(
                f"the projection fills `{axes.filled}` of `{dimensions}` {name} features, because it was fitted on "
                f"`{axes.fitted_on}` seconds of `{len(axes.mean_C)}` numbers; the rest is the middle (128)"
            )
    return tuple(notes)
