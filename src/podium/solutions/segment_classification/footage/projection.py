"""From vectors of frames and of sound to the bytes of YouTube-8M: PCA-whitening to 1,024 and 128 numbers, 8 bits each.

Fitted on footage by a covariance that is gathered video by video, or taken from the official files. Numbers beyond the
dimensions that the footage spans are 0, which is the byte 128; so is the sound of seconds without sound.

```
projection.yaml          what it was fitted on, digests of the files beside it
projection.safetensors   means and axes
backbone.json  backbone.safetensors (or backbone.torchscript)
```

Axes: N rows, T seconds, C input numbers, M input numbers of sound, D output numbers.
Source of the official form: the feature extractor of the YouTube-8M starter code (``(x - mean) v / sqrt(e + 1e-4)``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from podium.errors import MachineError, SubmissionError, UsageError
from podium.formats import digests
from podium.formats.files import open_regular
from podium.formats.tfrecord import AUDIO_DIMENSIONS, RGB_DIMENSIONS, quantise
from podium.solutions.segment_classification.footage import frame_features, log_mel
from podium.solutions.segment_classification.footage.frame_features import Extractor
from podium.solutions.training import strict_yaml

try:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file, save_file
except ImportError as error:
    raise MachineError("projections need safetensors: `pip install 'podium[torch]'`") from error

DESCRIPTION, TENSORS = "projection.yaml", "projection.safetensors"
SHRINKAGE = 0.1
OFFICIAL_FILES = ("mean.npy", "eigenvals.npy", "eigenvecs.npy")
OFFICIAL_DIMENSIONS = 2_048

_SCHEMA = 1
_OFFICIAL_RIDGE = 1e-4
_RANK_TOLERANCE = 1e-9
_ROWS_AN_AXIS = 4
"""With one row an axis, footage that the fit did not see comes out eight times as long as footage that it saw."""
_MAX_BYTES = 256 << 20


class Moments:
    """Mean and covariance of rows that come a block at a time; no row is kept.

    Args:
        dimensions: C, numbers of a row.
    """

    def __init__(self, dimensions: int) -> None:
        self.count = 0
        self.mean_C = np.zeros(dimensions)
        self._scatter_CC = np.zeros((dimensions, dimensions))

    def add(self, rows_NC: NDArray[np.floating]) -> None:
        """Adds a block of rows.

        Raises:
            UsageError: The rows have another length, or hold NaN or infinity.
        """
        if rows_NC.ndim != 2 or rows_NC.shape[1] != len(self.mean_C):
            raise UsageError(f"rows of `{len(self.mean_C)}` numbers are needed; found `{rows_NC.shape}`")
        if not np.isfinite(rows_NC).all():
            raise UsageError("a projection is fitted on finite numbers; NaN or infinity was found")
        if not len(rows_NC):
            return
        rows64_NC = rows_NC.astype(np.float64)
        block_mean_C = rows64_NC.mean(axis=0)
        rows64_NC -= block_mean_C
        step_C = block_mean_C - self.mean_C
        total = self.count + len(rows_NC)
        self._scatter_CC += rows64_NC.T @ rows64_NC
        self._scatter_CC += np.outer(step_C, step_C) * (self.count * len(rows_NC) / total)
        self.mean_C = self.mean_C + step_C * (len(rows_NC) / total)
        self.count = total

    @property
    def covariance_CC(self) -> NDArray[np.float64]:
        """Over all rows so far, divided by their number."""
        return self._scatter_CC / max(1, self.count)


@dataclass(frozen=True, kw_only=True, eq=False)
class Axes:
    """A fitted whitening.

    Attributes:
        mean_C: Float64.
        axes_CD: Applied to the centred rows, float64; columns from `filled` on are 0.
        filled: How many of the D numbers say something.
        fitted_on: Rows; 0 for one that came ready.
    """

    mean_C: NDArray[np.float64]
    axes_CD: NDArray[np.float64]
    filled: int
    fitted_on: int

    def project(self, rows_NC: NDArray[np.floating]) -> NDArray[np.float32]:
        """(N, D) the rows, centred and whitened; not clipped.

        Raises:
            UsageError: The rows have another length than those it was fitted on.
        """
        if rows_NC.ndim != 2 or rows_NC.shape[1] != len(self.mean_C):
            raise UsageError(f"the projection takes rows of `{len(self.mean_C)}` numbers; found `{rows_NC.shape}`")
        return ((rows_NC.astype(np.float64) - self.mean_C) @ self.axes_CD).astype(np.float32)


def fit(moments: Moments, *, dimensions: int, shrinkage: float = SHRINKAGE) -> Axes:
    """The whitening of the rows that were gathered. Same rows in the same blocks, same result; signs are fixed.

    Args:
        moments: Of any number of rows; with fewer than four, nothing is filled.
        dimensions: D. One is filled for every four rows, and no more than the rows span; the rest is 0.
        shrinkage: Part of the mean kept variance that is mixed into each, 0 to 1: with few rows the small variances
            are guesses, and dividing by them would blow up noise.
    """
    variances_C, axes_CC = np.linalg.eigh(moments.covariance_CC)
    variances_C, axes_CC = np.maximum(variances_C[::-1], 0.0), axes_CC[:, ::-1]
    spanned = int((variances_C > variances_C[0] * _RANK_TOLERANCE).sum())
    filled = min(dimensions, spanned, moments.count // _ROWS_AN_AXIS)
    axes_CD = np.zeros((len(moments.mean_C), dimensions))
    if filled:
        kept_D, chosen_CD = variances_C[:filled], axes_CC[:, :filled]
        signs_D = np.sign(chosen_CD[np.abs(chosen_CD).argmax(axis=0), np.arange(filled)])
        axes_CD[:, :filled] = chosen_CD * signs_D / np.sqrt((1 - shrinkage) * kept_D + shrinkage * kept_D.mean())
    return Axes(mean_C=moments.mean_C, axes_CD=axes_CD, filled=filled, fitted_on=moments.count)


def official(folder: Path) -> Axes:
    """The whitening of YouTube-8M's own extractor, for vectors of Inception-v3 before its classifier.

    Args:
        folder: Holds ``mean.npy`` (2,048), ``eigenvals.npy`` (1,024 or more) and ``eigenvecs.npy`` (1,024 or more rows
            of 2,048), each also with a last axis of 1.

    Raises:
        UsageError: A file is missing, is no plain array of numbers, or has another shape.
    """
    mean_C, values_R, vectors_RC = (_array(folder / name) for name in OFFICIAL_FILES)
    mean_C, values_R = mean_C.reshape(-1), values_R.reshape(-1)
    shapes = f"`{mean_C.shape}`, `{values_R.shape}` and `{vectors_RC.shape}`"
    fits = mean_C.shape == (OFFICIAL_DIMENSIONS,) and len(values_R) >= RGB_DIMENSIONS and vectors_RC.ndim == 2
    if not fits or len(vectors_RC) < RGB_DIMENSIONS or vectors_RC.shape[1] != OFFICIAL_DIMENSIONS:
        wanted = (
            f"(`{OFFICIAL_DIMENSIONS}`,), (`{RGB_DIMENSIONS}`+,) and (`{RGB_DIMENSIONS}`+, `{OFFICIAL_DIMENSIONS}`)"
        )
        raise UsageError(f"{', '.join(OFFICIAL_FILES)} in `{folder}` have the shapes {shapes}; {wanted} are needed")
    values_D = values_R[:RGB_DIMENSIONS]
    if not all(np.isfinite(each).all() for each in (mean_C, values_D, vectors_RC)) or values_D.min() < 0:
        raise UsageError(f"the arrays in `{folder}` hold NaN, infinities or negative eigenvalues")
    axes_CD = vectors_RC[:RGB_DIMENSIONS].T / np.sqrt(values_D + _OFFICIAL_RIDGE)
    return Axes(mean_C=mean_C, axes_CD=axes_CD, filled=RGB_DIMENSIONS, fitted_on=0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Projection:
    """Everything that decides which bytes a second of a video becomes.

    Attributes:
        extractor: Gives the vectors of frames.
        frames: To 1,024 numbers.
        sound: To 128 numbers.
    """

    extractor: Extractor
    frames: Axes
    sound: Axes

    def rgb(self, frames_TC: NDArray[np.float32]) -> NDArray[np.uint8]:
        """(T, 1024) the stored bytes of frames' vectors."""
        return quantise(self.frames.project(frames_TC))

    def audio(self, sound_TM: NDArray[np.float32], heard_T: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """(T, 128) the stored bytes of the sound; 128, the middle, where nothing was heard."""
        return quantise(np.where(heard_T[:, None], self.sound.project(sound_TM), np.float32(0)))

    def save(self, folder: Path) -> None:
        """Writes everything that `load` needs; the folder is made."""
        folder.mkdir(parents=True, exist_ok=True)
        self.extractor.backbone.save(folder)
        tensors = {f"{part}.{name}": value for part, name, value in self._tensors()}
        save_file(tensors, folder / TENSORS)
        names = sorted(path.name for path in folder.iterdir() if path.name == TENSORS or path.stem == "backbone")
        told = {
            "schema": _SCHEMA,
            "side_pixels": self.extractor.side_pixels,
            "frames": _told(self.frames),
            "sound": _told(self.sound),
            "digests": {name: digests.digest_file(folder / name) for name in names},
        }
        (folder / DESCRIPTION).write_text(strict_yaml.text_of(told), encoding="utf-8")

    def _tensors(self) -> list[tuple[str, str, NDArray[np.float64]]]:
        return [
            (part, name, np.ascontiguousarray(value))
            for part, axes in (("frames", self.frames), ("sound", self.sound))
            for name, value in (("mean", axes.mean_C), ("axes", axes.axes_CD))
        ]


def load(folder: Path, *, device: str = "cpu") -> Projection:
    """The projection that `Projection.save` wrote.

    Raises:
        UsageError: A file is missing, broken or not the one that was saved.
    """
    if not (folder / DESCRIPTION).is_file():
        raise UsageError(f"`{folder}` holds no `{DESCRIPTION}`; `podium features` writes a projection's folder")
    told: Any = strict_yaml.parse(_text(folder / DESCRIPTION), name=str(folder / DESCRIPTION)).value
    try:
        _check_digests(folder, told["digests"])
        tensors = load_file(folder / TENSORS)
        frames, sound = (_axes(tensors, part, told[part]) for part in ("frames", "sound"))
        side_pixels = int(told["side_pixels"])
        known = told["schema"] == _SCHEMA
    except (KeyError, TypeError, ValueError, AttributeError, OSError, SafetensorError) as error:
        raise UsageError(f"`{folder}` holds no projection: {error!r}") from error
    fits = frames.axes_CD.shape[1] == RGB_DIMENSIONS and sound.axes_CD.shape == (log_mel.DIMENSIONS, AUDIO_DIMENSIONS)
    if not known or not fits:
        raise UsageError(f"`{folder}` holds a projection of another kind; this Podium reads schema `{_SCHEMA}`")
    extractor = frame_features.load_saved(folder, side_pixels=side_pixels, device=device)
    return Projection(extractor=extractor, frames=frames, sound=sound)


def _text(path: Path) -> str:
    try:
        with open_regular(path.resolve(), max_bytes=strict_yaml.MAX_BYTES) as stream:
            return stream.read().decode("utf-8")
    except (SubmissionError, UnicodeDecodeError) as error:
        raise UsageError(f"`{path}` cannot be read: {error}") from error


def _told(axes: Axes) -> dict[str, int]:
    return {"input": len(axes.mean_C), "filled": axes.filled, "fitted_on": axes.fitted_on}


def _axes(tensors: dict[str, NDArray[np.float64]], part: str, told: dict[str, int]) -> Axes:
    mean_C, axes_CD = tensors[f"{part}.mean"], tensors[f"{part}.axes"]
    if mean_C.dtype != np.float64 or axes_CD.dtype != np.float64 or axes_CD.shape[:1] != mean_C.shape:
        raise ValueError(f"the arrays of `{part}` do not fit each other")
    return Axes(mean_C=mean_C, axes_CD=axes_CD, filled=int(told["filled"]), fitted_on=int(told["fitted_on"]))


def _check_digests(folder: Path, wanted: dict[str, str]) -> None:
    if TENSORS not in wanted or "backbone.json" not in wanted:
        raise ValueError("digests are missing")
    for name, digest in wanted.items():
        if Path(name).name != name:
            raise ValueError(f"`{name}` is no name of a file beside it")
        try:
            found = digests.digest_file(folder / name)
        except SubmissionError as error:
            raise UsageError(f"the projection's `{folder / name}` cannot be read: {error}") from error
        if found != digest:
            raise UsageError(f"`{folder / name}` is `{found}`; the projection was saved with `{digest}`")


def _array(path: Path) -> NDArray[np.float64]:
    try:
        with open_regular(path, max_bytes=_MAX_BYTES) as stream:
            found = np.load(stream, allow_pickle=False)
    except (SubmissionError, ValueError, EOFError, OSError) as error:
        raise UsageError(f"`{path}` is no array: {error}") from error
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "fiu":
        raise UsageError(f"`{path}` holds no plain array of numbers")
    return found.astype(np.float64)
