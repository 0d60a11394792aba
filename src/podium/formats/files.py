"""Opening what a participant left, and writing so that a reader never meets half a file."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from podium.errors import SubmissionError, UsageError
from podium.formats.faults import sized
from podium.types import Problem

READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

_REASONS = {
    errno.ENOENT: "the file is missing",
    errno.ENOTDIR: "the file is missing",
    errno.ELOOP: "this is a link; only plain files are read",
    errno.EACCES: "this file may not be read",
    errno.ENXIO: "this is no plain file",
    errno.ENAMETOOLONG: "the name is too long",
}


def open_regular(path: Path, *, max_bytes: int | None = None) -> BinaryIO:
    """A plain file, opened for reading without following a link in its last component.

    Args:
        path: The file.
        max_bytes: The largest size that is read; None is no limit.

    Raises:
        SubmissionError: It is missing, a link, a folder, a pipe or a device, or too large; carries one problem.
    """
    try:
        descriptor = os.open(path, READ_FLAGS)
    except (OSError, ValueError) as error:
        number = error.errno if isinstance(error, OSError) else None
        raise _refusal(path, _REASONS.get(number or 0, f"the file cannot be opened: {error}")) from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            what = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe, socket or device"
            raise _refusal(path, f"this is {what}; only plain files are read")
        if max_bytes is not None and found.st_size > max_bytes:
            raise _refusal(path, f"the file has {sized(found.st_size)}; at most {sized(max_bytes)} are allowed")
    except BaseException:
        os.close(descriptor)
        raise
    return open(descriptor, "rb")  # noqa: PTH123 - opened by descriptor, so that the checked file is the one read


@contextmanager
def replacing(path: Path, *, force: bool = True) -> Generator[BinaryIO]:
    """A stream to a new file that takes the place of `path` when the block ends well, and vanishes when it does not.

    Args:
        path: The file to make; its folder must exist.
        force: Replace a file that is there.

    Raises:
        UsageError: The folder does not exist, or the file does and `force` is off.
    """
    if not path.parent.is_dir():
        raise UsageError(f"the folder `{path.parent}` does not exist")
    if path.is_dir():
        raise UsageError(f"`{path}` is a folder; a file name is needed")
    if not force and os.path.lexists(path):
        raise UsageError(f"`{path}` exists already; choose another name, or ask for it to be replaced")
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".partial", dir=path.parent)
    try:
        with open(descriptor, "w+b") as stream:  # noqa: PTH123 - opened by descriptor
            yield stream
            stream.flush()
            os.fchmod(stream.fileno(), 0o666 & ~_umask())
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def _umask() -> int:
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    except OSError:
        pass
    return 0o022


def _refusal(path: Path, message: str) -> SubmissionError:
    problem = Problem(place=path.name or str(path), message=message)
    return SubmissionError(str(problem), [problem])
