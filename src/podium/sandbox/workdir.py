"""The submission's files in the writable working directory of a box.

Small files are copied into it before the clock starts and belong to the run's user. Big ones are bound in place,
read-only, so that a gigabyte of weights costs neither time nor memory. Old copies of wanted outputs stay outside: only
what the run makes counts.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from podium.errors import UsageError
from podium.sandbox.collector import matches

COPIED_BYTES = 1 << 20
BOUND_FILES = 256


class DoesNotFitError(Exception):
    """The submission's own files are more than the working directory takes."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What to make in the working directory; names are relative.

    Attributes:
        folders: Parents first.
        copied: Files to copy.
        bound: Files to bind read-only, all above 1 MiB.
        left_out: Old copies of wanted outputs, and what lies under a mount.
    """

    folders: tuple[str, ...]
    copied: tuple[str, ...]
    bound: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a participant should know."""
        return tuple(
            f"`{name}` of the submission was left out: the run makes it, or a mount takes its place"
            for name in self.left_out
        )


def survey(submission: Path, outputs: tuple[str, ...], mounted: tuple[str, ...] = ()) -> Layout:
    """The layout for a submission.

    Args:
        outputs: Wanted files, as in `Box`; their folders are made.
        mounted: Mount targets below the working directory, relative to it; they hide what the submission has there.

    Raises:
        UsageError: The folder holds something else than plain files and folders.
    """
    folders: list[str] = []
    files: list[tuple[str, int]] = []
    left_out: list[str] = []
    _walk(submission, "", folders, files, left_out, mounted)
    left_out += [name for name, _ in files if matches(name, outputs)]
    files = [(name, size) for name, size in files if not matches(name, outputs)]
    big = [name for name, size in files if size > COPIED_BYTES]
    bound = big if len(big) <= BOUND_FILES else []
    return Layout(
        folders=tuple(dict.fromkeys([*folders, *_parents(outputs)])),
        copied=tuple(sorted({name for name, _ in files} - set(bound))),
        bound=tuple(sorted(bound)),
        left_out=tuple(sorted(left_out)),
    )


def fill(layout: Layout, submission: Path, workdir_fd: int, owner: int | None) -> None:
    """Makes the layout's folders and copies in a working directory that nobody else writes to yet.

    Args:
        owner: User and group id to give everything to, or None to leave it as made.

    Raises:
        DoesNotFitError: The files are more than the folder takes.
    """
    try:
        _make(layout, submission, workdir_fd, owner)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise DoesNotFitError from error


def _make(layout: Layout, submission: Path, workdir_fd: int, owner: int | None) -> None:
    if owner is not None:
        os.fchown(workdir_fd, owner, owner)
    for name in layout.folders:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o755, dir_fd=workdir_fd)
        if owner is not None:
            os.chown(name, owner, owner, dir_fd=workdir_fd, follow_symlinks=False)
    for name in layout.copied:
        source = os.open(submission / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        mode = 0o755 if os.fstat(source).st_mode & stat.S_IXUSR else 0o644
        target = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode, dir_fd=workdir_fd)
        try:
            while os.sendfile(target, source, None, COPIED_BYTES):  # type: ignore[arg-type]
                pass
            if owner is not None:
                os.fchown(target, owner, owner)
        finally:
            os.close(source)
            os.close(target)


def _walk(
    submission: Path,
    folder: str,
    folders: list[str],
    files: list[tuple[str, int]],
    left_out: list[str],
    mounted: tuple[str, ...],
) -> None:
    with os.scandir(submission / folder) as entries:
        ordered = sorted(entries, key=lambda entry: entry.name)
    for entry in ordered:
        name = f"{folder}/{entry.name}".lstrip("/")
        if name in mounted:
            left_out.append(name)
        elif entry.is_dir(follow_symlinks=False):
            folders.append(name)
            _walk(submission, name, folders, files, left_out, mounted)
        elif entry.is_file(follow_symlinks=False):
            files.append((name, entry.stat(follow_symlinks=False).st_size))
        else:
            raise UsageError(
                f"`{submission / name}` is a link or a special file; a submission holds plain files and folders"
            )


def _parents(outputs: tuple[str, ...]) -> list[str]:
    found: list[str] = []
    for name in outputs:
        parts = name.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            if any(each in parts[depth - 1] for each in "*?["):
                break
            found.append("/".join(parts[:depth]))
    return found
