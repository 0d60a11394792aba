"""One process at a time in a folder: two that were started by mistake would cut each other's files."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from podium.errors import UsageError


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keeps a folder for this process while the block runs; a process that dies lets go of it.

    A disk that knows no locks is used without one.

    Args:
        folder: Must exist; gets no file.

    Raises:
        UsageError: Another process has it, or this one a second time.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            _take(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UsageError(f"another process is at work in `{folder}`; let it end, or name another folder") from error
