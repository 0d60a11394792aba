"""Class-major predictions on disk, (C, N), that arrive by blocks of segments and survive being killed.

```
NAME.npy.partial   while it grows: its full size from the start, so that each class lies in one piece
NAME.npy           when it is whole
NAME.json          what it is made of, and how many blocks are on disk; written after their bytes are
```

Legend: C classes, N segments of all, B segments of a block.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from podium.errors import MachineError, SubmissionError, UsageError
from podium.formats.files import open_regular, replacing

SUFFIX, PARTIAL, STATE = ".npy", ".npy.partial", ".json"
_SCHEMA = 1
_MAX_STATE_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What predictions are made of; of equal origins they are equal.

    Attributes:
        model: Digest of the network.
        data: Digest of the shards and of the segments.
        windows: Digest of the segments alone, by `windows_digest`.
        settings: Digest of everything else that has an influence.
    """

    model: str
    data: str
    windows: str
    settings: str


class _State(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    schema: int
    model: str
    data: str
    windows: str
    settings: str
    dtype: str
    shape: tuple[int, int]
    blocks: int
    segments: int


class ScoreWriter:
    """The predictions of one network while they are made.

    Args:
        folder: Where the files lie.
        name: Of the files.
        shape: (C, N).
        dtype: Of the numbers.
        origin: What they are made of.
        resume: Go on with what is there, when its origin is the same.

    Attributes:
        path: Of the finished predictions.
        blocks: How many are on disk.

    Raises:
        UsageError: Predictions of that name are there and are not to be gone on with, or are of something else.
    """

    def __init__(
        self, folder: Path, name: str, *, shape: tuple[int, int], dtype: np.dtype[Any], origin: Origin, resume: bool
    ) -> None:
        self.path = folder / f"{name}{SUFFIX}"
        self.shape, self.dtype = shape, dtype
        self.blocks = 0
        self._segments = 0
        self._origin = origin
        self._partial, self._state = folder / f"{name}{PARTIAL}", folder / f"{name}{STATE}"
        self._descriptor: int | None = None
        self._header = _npy_header(shape, dtype)
        there = [each for each in (self.path, self._partial, self._state) if each.exists()]
        if there and not resume:
            raise UsageError(f"`{there[0]}` is there already; go on with it (`--resume`), or name another folder")
        if self._state.exists():
            self._go_on()
        elif there:
            raise UsageError(
                f"`{there[0]}` has no `{self._state.name}` beside it that says what it is; delete it first"
            )

    @property
    def finished(self) -> bool:
        """True when the predictions are whole and in their place."""
        return self._segments == self.shape[1] and self.path.exists()

    @property
    def size_bytes(self) -> int:
        """Of the finished predictions."""
        return len(self._header) + self.shape[0] * self._row_bytes

    @property
    def missing_bytes(self) -> int:
        """What the disk has to have free."""
        return 0 if self.finished or self._partial.exists() else self.size_bytes

    def write(self, scores_CB: NDArray[Any]) -> None:
        """Puts the next block on disk; when this returns, a kill or a power cut does not lose it.

        Args:
            scores_CB: C contiguous.
        """
        file = self._file()
        runs_CB = np.ascontiguousarray(scores_CB, dtype=self.dtype)
        at = len(self._header) + self._segments * self.dtype.itemsize
        for row, run_B in enumerate(runs_CB):
            _write_all(file, memoryview(run_B).cast("B"), at + row * self._row_bytes)
        os.fdatasync(file)
        self.blocks += 1
        self._segments += runs_CB.shape[1]
        self._save_state()

    def finish(self) -> None:
        """Gives the predictions their name, when all segments are there.

        Raises:
            UsageError: Segments are missing.
        """
        if self._segments != self.shape[1]:
            raise UsageError(f"`{self._segments}` of `{self.shape[1]}` segments were predicted; all are needed")
        self._file()
        self.close()
        self._partial.replace(self.path)

    def close(self) -> None:
        """Closes the file; what is on disk stays."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    @property
    def _row_bytes(self) -> int:
        return self.shape[1] * self.dtype.itemsize

    def _file(self) -> int:
        """The partial file, open; made at its full size where it is new."""
        if self._descriptor is None:
            anew = not self.blocks
            if anew:
                self._save_state()
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_TRUNC if anew else 0)
            self._descriptor = os.open(self._partial, flags, 0o666)
            if anew:
                _reserve(self._descriptor, self.size_bytes)
                _write_all(self._descriptor, memoryview(self._header), 0)
        return self._descriptor

    def _go_on(self) -> None:
        found = _read_state(self._state)
        wanted = self._as_state()
        differing = [
            name
            for name in ("model", "data", "settings", "dtype", "shape")
            if getattr(found, name) != getattr(wanted, name)
        ]
        if differing:
            told = " and ".join(differing)
            raise UsageError(
                f"`{self._state}` tells of predictions from another {told}; delete them, or name another folder"
            )
        kept = next((each for each in (self.path, self._partial) if each.exists()), None)
        if kept is None or not found.blocks:
            # Deleted since, or killed before the first block: they are made anew.
            return
        if kept.stat().st_size != self.size_bytes or (kept == self.path and found.segments != self.shape[1]):
            raise UsageError(f"`{kept}` is not as `{self._state.name}` tells; delete both, and they are made anew")
        self.blocks, self._segments = found.blocks, found.segments

    def _as_state(self) -> _State:
        return _State(
            schema=_SCHEMA,
            model=self._origin.model,
            data=self._origin.data,
            windows=self._origin.windows,
            settings=self._origin.settings,
            dtype=self.dtype.str,
            shape=self.shape,
            blocks=self.blocks,
            segments=self._segments,
        )

    def _save_state(self) -> None:
        with replacing(self._state) as stream:
            stream.write(msgspec.json.format(msgspec.json.encode(self._as_state()), indent=1) + b"\n")
            stream.flush()
            os.fsync(stream.fileno())


def windows_digest(
    ids: NDArray[np.str_], video_N: NDArray[np.integer[Any]], start_seconds_N: NDArray[np.integer[Any]]
) -> str:
    """``sha256:…`` of the segments that predictions are of, in their order.

    Args:
        ids: Of the videos.
        video_N: Place of each segment's video in `ids`.
        start_seconds_N: Of each segment.
    """
    whole = hashlib.sha256("\0".join(ids.tolist()).encode())
    for each_N in (video_N, start_seconds_N):
        whole.update(each_N.astype("<i8").tobytes())
    return f"sha256:{whole.hexdigest()}"


def windows_of(path: Path) -> str | None:
    """The digest of the segments that finished predictions are of; None where no file of a writer beside them tells."""
    try:
        return _read_state(path.with_name(path.name.removesuffix(SUFFIX) + STATE)).windows
    except UsageError:
        return None


def check_space(folder: Path, writers: Sequence[ScoreWriter]) -> None:
    """Sees to it that all predictions will fit.

    Raises:
        MachineError: The disk is too full.
    """
    needed, free = sum(each.missing_bytes for each in writers), shutil.disk_usage(folder).free
    if needed > free:
        raise MachineError(
            f"`{folder}` has {free / 1e9:.1f} GB free; the predictions of `{len(writers)}` networks need"
            f" {needed / 1e9:.1f} GB more"
        )


def _npy_header(shape: tuple[int, int], dtype: np.dtype[Any]) -> bytes:
    stream = io.BytesIO()
    described = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, described)
    return stream.getvalue()


def _reserve(descriptor: int, size_bytes: int) -> None:
    """Takes the room on disk at once: a disk that fills up later stops nothing, and each class lies in one piece."""
    try:
        os.posix_fallocate(descriptor, 0, size_bytes)
    except OSError as error:
        raise MachineError(f"`{size_bytes}` bytes cannot be reserved on the disk: {error}") from error


def _write_all(descriptor: int, content: memoryview, at_bytes: int) -> None:
    while content:
        written = os.pwrite(descriptor, content, at_bytes)
        content, at_bytes = content[written:], at_bytes + written


def _read_state(path: Path) -> _State:
    try:
        with open_regular(path, max_bytes=_MAX_STATE_BYTES) as stream:
            found = msgspec.json.decode(stream.read(), type=_State)
    except (SubmissionError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UsageError(f"`{path}` cannot be read: {error}; delete it and the predictions beside it") from error
    if found.schema != _SCHEMA:
        raise UsageError(f"`{path}` has schema `{found.schema}`; this Podium goes on with `{_SCHEMA}`")
    return found
