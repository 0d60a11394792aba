"""People's own videos to labelled segments: features by a projection, probabilities by a model, the likeliest classes.

Axes: N segments, C classes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError
from podium.formats import digests, tables
from podium.solutions import devices
from podium.solutions.segment_classification.classes import Classes
from podium.solutions.segment_classification.footage.features import FeatureRequest, Footage, make
from podium.solutions.segment_classification.footage.projection import DESCRIPTION
from podium.solutions.segment_classification.footage.ratings import SEGMENT_SECONDS
from podium.solutions.segment_classification.footage.records import Row
from podium.solutions.segment_classification.inference import InferenceSettings, Windows, predict
from podium.solutions.segment_classification.material import SEGMENT_TEST, shards_in
from podium.solutions.segment_classification.model import ASSETS, MODEL_FILE, Model
from podium.types import Progress, silent

FEATURES, LABELS = "features", "labels.csv"


@dataclass(frozen=True, kw_only=True)
class LabelRequest:
    """Labels to be made.

    Attributes:
        videos: The folder with the files.
        model: What `podium train` made of features of the same projection.
        projection: The projection's folder.
        out: The folder to fill.
        top: Most labels of a segment.
        threshold: Least probability of a label, 0 to 1.
        max_seconds: Of each video.
        workers: Processes that decode.
        device: ``cpu``, ``cuda`` or ``auto``.
    """

    videos: Path
    model: Path
    projection: Path
    out: Path
    top: int
    threshold: float
    max_seconds: int
    workers: int = 1
    device: str = "cpu"


@dataclass(frozen=True, kw_only=True)
class Label:
    """What a segment shows.

    Attributes:
        video: The file, relative to the folder that was searched.
        class_index: As in the model's classes.
        name: Of the class; may be empty.
        probability: The mean of the model's networks.
    """

    video: str
    start_seconds: int
    end_seconds: float
    class_index: int
    name: str
    probability: float


@dataclass(frozen=True, kw_only=True)
class LabelledVideo:
    """A video and its labels.

    Attributes:
        labels: By start, then by probability, the highest first.
        likeliest: The most probable label of all, whether or not it reaches the threshold.
    """

    row: Row
    labels: tuple[Label, ...]
    likeliest: Label


@dataclass(frozen=True, kw_only=True, eq=False)
class Labelled:
    """What was made.

    Attributes:
        footage: The features.
        videos: By name.
        path: The csv of all labels.
    """

    footage: Footage
    videos: tuple[LabelledVideo, ...]
    path: Path


def label(request: LabelRequest, *, progress: Progress = silent) -> Labelled:
    """Labels every five seconds of a folder's videos.

    Raises:
        UsageError: Model or projection are none, no video can be read, or a setting makes no sense.
        MachineError: A package or the device is missing.
    """
    if request.top < 1 or not 0 <= request.threshold <= 1:
        raise UsageError(
            f"`top` is `{request.top}`, `threshold` `{request.threshold}`; 1 or more and 0 to 1 are allowed"
        )
    device = devices.chosen(request.device)
    assets = _assets(request.model)
    model = Model.load(assets, device=device)
    _check_projection(assets, request.projection)
    footage = make(
        FeatureRequest(
            videos=request.videos,
            out=request.out / FEATURES,
            projection=request.projection,
            max_seconds=request.max_seconds,
            workers=request.workers,
            device=device,
        ),
        progress=progress,
    )
    windows = segments_of(footage.rows)
    probabilities_NC = _probabilities(model, footage, windows, request.out, progress)
    found = [
        _labelled(row, probabilities_NC[windows.video_N == at], model.classes, request)
        for at, row in enumerate(footage.rows)
    ]
    videos = tuple(sorted(found, key=lambda each: each.row.video.name))
    path = request.out / LABELS
    write_labels(path, [one for each in videos for one in each.labels])
    return Labelled(footage=footage, videos=videos, path=path)


def segments_of(rows: Sequence[Row]) -> Windows:
    """Every five seconds of the videos, also where only a part of them is there at the end."""
    counts = [-(-row.frames // SEGMENT_SECONDS) for row in rows]
    starts = [np.arange(count, dtype=np.int32) * SEGMENT_SECONDS for count in counts]
    return Windows(
        ids=np.array([row.video.id for row in rows], dtype=np.str_),
        video_N=np.repeat(np.arange(len(rows), dtype=np.int32), counts),
        start_seconds_N=np.concatenate([np.empty(0, dtype=np.int32), *starts]),
    )


def write_labels(path: Path, labels: Sequence[Label]) -> None:
    """Writes ``labels.csv``: video, start, end, class, name, probability."""
    columns = {
        "video": [each.video for each in labels],
        "start": [each.start_seconds for each in labels],
        "end": [each.end_seconds for each in labels],
        "class": [each.class_index for each in labels],
        "name": [each.name for each in labels],
        "probability": [each.probability for each in labels],
    }
    tables.write(path, columns)


def _assets(folder: Path) -> Path:
    """The folder of the model, also where that of its training is named."""
    inside = folder / ASSETS
    return inside if not (folder / MODEL_FILE).is_file() and inside.is_dir() else folder


def _check_projection(assets: Path, projection: Path) -> None:
    """A model of own footage holds the description of its projection, digests included; others cannot be checked."""
    learned, named = assets / DESCRIPTION, projection / DESCRIPTION
    if learned.is_file() and named.is_file() and digests.digest_file(learned) != digests.digest_file(named):
        raise UsageError(
            f"the model `{assets}` learned from features of another projection than `{projection}`; name the one that "
            "lay beside its data"
        )


def _probabilities(
    model: Model, footage: Footage, windows: Windows, out: Path, progress: Progress
) -> NDArray[np.float32]:
    """(N, C) the mean over the model's networks."""
    shards = shards_in(footage.out / SEGMENT_TEST)
    with tempfile.TemporaryDirectory(prefix=".predictions-", dir=out) as folder:
        made = predict(
            model, shards, windows, Path(folder), settings=InferenceSettings(numbers="float32"), progress=progress
        )
        total_CN = np.zeros((len(model.classes), len(windows.video_N)), dtype=np.float32)
        for path in made:
            total_CN += np.load(path, mmap_mode="r", allow_pickle=False)
    return (total_CN / np.float32(len(made))).T


def _labelled(
    row: Row, probabilities_NC: NDArray[np.float32], classes: Classes, request: LabelRequest
) -> LabelledVideo:
    """Equal probabilities go by the class's place in the model."""
    labels: list[Label] = []
    highest: list[Label] = []
    for number, probabilities_C in enumerate(probabilities_NC):
        best = np.argsort(-probabilities_C, kind="stable")[: request.top]
        every = [_label(row, number, int(at), float(probabilities_C[at]), classes) for at in best]
        highest.append(every[0])
        labels += [each for each in every if each.probability >= request.threshold]
    likeliest = max(highest, key=lambda each: each.probability)
    return LabelledVideo(row=row, labels=tuple(labels), likeliest=likeliest)


def _label(row: Row, number: int, at: int, probability: float, classes: Classes) -> Label:
    start = number * SEGMENT_SECONDS
    return Label(
        video=row.video.name,
        start_seconds=start,
        end_seconds=round(float(max(start, min(start + SEGMENT_SECONDS, row.duration_seconds))), 3),
        class_index=int(classes.indices_C[at]),
        name=classes.names[at],
        probability=round(probability, 6),
    )
