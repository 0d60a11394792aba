"""Takes the wanted outputs out of a box that is dead, through a directory descriptor.

Nothing that a participant named is ever used as a path on the host's side of the descriptor: each part is opened alone,
without following links, and checked again after it was opened.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from podium.types import Failure, Limits, OutputFile

_NAME_BYTES = 200
_PIECE_BYTES = 1 << 20
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@dataclass(frozen=True, kw_only=True)
class Collection:
    """What was taken, or why the taking stopped."""

    files: tuple[OutputFile, ...] = ()
    failure: Failure | None = None
    message: str = ""


class _RefusedError(Exception):
    pass


@dataclass
class _Take:
    limits: Limits
    out: Path
    device: int
    bytes_left: int
    entries_left: int
    files: list[OutputFile] = field(default_factory=list[OutputFile])


def collect(workdir_fd: int, wanted: tuple[str, ...], out: Path, limits: Limits) -> Collection:
    """Copies the wanted files to the same relative names below `out`.

    Args:
        workdir_fd: Descriptor of the run's working directory; every process of the run must be dead.
        wanted: Relative names; a part may hold ``*``, ``?`` or ``[…]``.

    Returns:
        The files in the order of `wanted`, or `MISSING_OUTPUT` with every missing name, or `INVALID_OUTPUT` with the
        first thing that is no plain file or over a limit.
    """
    take = _Take(
        limits=limits,
        out=out,
        device=os.fstat(workdir_fd).st_dev,
        bytes_left=limits.output_bytes,
        entries_left=limits.output_files,
    )
    missing: list[str] = []
    try:
        for name in wanted:
            before = len(take.files)
            _descend(take, workdir_fd, name.split("/"), "")
            if len(take.files) == before:
                missing.append(name)
    except _RefusedError as error:
        return Collection(files=tuple(take.files), failure=Failure.INVALID_OUTPUT, message=str(error))
    if missing:
        names = ", ".join(f"`{name}`" for name in missing)
        return Collection(
            files=tuple(take.files),
            failure=Failure.MISSING_OUTPUT,
            message=f"`main.py` ended well but did not write {names}",
        )
    return Collection(files=tuple(take.files))


def matches(name: str, wanted: tuple[str, ...]) -> bool:
    """True when a relative name is one of the wanted ones.

    >>> matches("outputs/3.png", ("outputs/*.png",)), matches("outputs/a/3.png", ("outputs/*.png",))
    (True, False)
    """
    parts = name.split("/")
    return any(len(parts) == len(each.split("/")) and all(map(fnmatchcase, parts, each.split("/"))) for each in wanted)


def _descend(take: _Take, folder_fd: int, parts: list[str], above: str) -> None:
    for name in _entries(take, folder_fd, parts[0], above):
        shown = f"{above}{name}"
        if len(parts) == 1:
            _copy(take, folder_fd, name, shown)
            continue
        try:
            fd = os.open(name, _DIRECTORY, dir_fd=folder_fd)
        except OSError as error:
            if error.errno in (errno.ENOTDIR, errno.ELOOP):
                raise _RefusedError(
                    f"output folder `{_safe(shown)}` is {_kind(folder_fd, name)}; only plain folders are allowed"
                ) from error
            raise _RefusedError(f"output folder `{_safe(shown)}` cannot be opened: {error.strerror}") from error
        try:
            if os.fstat(fd).st_dev != take.device:
                raise _RefusedError(f"output folder `{_safe(shown)}` lies on another file system")
            _descend(take, fd, parts[1:], f"{shown}/")
        finally:
            os.close(fd)


def _entries(take: _Take, folder_fd: int, pattern: str, above: str) -> Iterator[str]:
    if not any(each in pattern for each in "*?["):
        try:
            os.stat(pattern, dir_fd=folder_fd, follow_symlinks=False)
        except OSError:
            return
        yield pattern
        return
    found: list[str] = []
    with os.scandir(folder_fd) as entries:
        for entry in entries:
            take.entries_left -= 1
            if take.entries_left < 0:
                raise _RefusedError(
                    f"more than `{take.limits.output_files}` entries in the output folders; that many are looked at"
                )
            if fnmatchcase(entry.name, pattern):
                found.append(entry.name)
    for name in sorted(found):
        if not _is_decent(name):
            raise _RefusedError(
                f"output name `{_safe(above + name)}` is not allowed: printable, at most `{_NAME_BYTES}` bytes"
            )
        yield name


def _copy(take: _Take, folder_fd: int, name: str, shown: str) -> None:
    kind = _kind(folder_fd, name)
    if kind != "a file":
        raise _RefusedError(f"output `{_safe(shown)}` is {kind}; only plain files are collected")
    try:
        source = os.open(name, _FILE, dir_fd=folder_fd)
    except OSError as error:
        raise _RefusedError(f"output `{_safe(shown)}` cannot be opened: {error.strerror}") from error
    try:
        status = os.fstat(source)
        if not stat.S_ISREG(status.st_mode):
            raise _RefusedError(f"output `{_safe(shown)}` is no plain file")
        if status.st_dev != take.device:
            raise _RefusedError(f"output `{_safe(shown)}` lies on another file system")
        if status.st_nlink > 1:
            raise _RefusedError(f"output `{_safe(shown)}` is a hard link; only files with one name are collected")
        if status.st_size > take.bytes_left:
            raise _RefusedError(
                f"output `{_safe(shown)}` has `{status.st_size}` bytes; "
                f"all outputs together may have `{take.limits.output_bytes}`"
            )
        take.bytes_left -= status.st_size
        take.files.append(_write(source, status.st_size, take.out, shown))
    finally:
        os.close(source)


def _write(source: int, size_bytes: int, out: Path, name: str) -> OutputFile:
    target = out / name
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    left = size_bytes
    with closing(os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644), "wb")) as file:
        while left and (piece := os.read(source, min(left, _PIECE_BYTES))):
            file.write(piece)
            digest.update(piece)
            left -= len(piece)
    return OutputFile(name=name, size_bytes=size_bytes - left, digest=f"sha256:{digest.hexdigest()}")


def _kind(folder_fd: int, name: str) -> str:
    mode = os.stat(name, dir_fd=folder_fd, follow_symlinks=False).st_mode
    for test, kind in (
        (stat.S_ISREG, "a file"),
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISLNK, "a symbolic link"),
        (stat.S_ISFIFO, "a FIFO"),
        (stat.S_ISSOCK, "a socket"),
    ):
        if test(mode):
            return kind
    return "a device"


def _is_decent(name: str) -> bool:
    try:
        size_bytes = len(name.encode())
    except UnicodeEncodeError:
        return False
    return name.isprintable() and not name.startswith("-") and size_bytes <= _NAME_BYTES


def _safe(name: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in name)[:_NAME_BYTES]
