"""The folder of a data set: begun empty, filled with links instead of copies where the disk allows."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from podium.errors import UsageError
from podium.types import DataSet


def start(into: Path) -> DataSet:
    """An empty data set.

    Raises:
        UsageError: The folder has something in it.
    """
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise UsageError(f"`{into}` is not an empty folder; name one that is, or that does not exist yet")
    data = DataSet(into)
    for folder in (data.public, data.inputs, data.answers):
        folder.mkdir(parents=True, exist_ok=True)
    return data


@contextmanager
def starting(into: Path) -> Generator[DataSet]:
    """An empty data set that vanishes when the block fails, because half a one would refuse the next try.

    Raises:
        UsageError: The folder has something in it.
    """
    fresh = not into.exists()
    data = start(into)
    try:
        yield data
    except BaseException:
        for part in (data.root,) if fresh else (data.public, data.inputs, data.answers):
            shutil.rmtree(part, ignore_errors=True)
        if not fresh:
            data.manifest.unlink(missing_ok=True)
        raise


def link(source: Path, target: Path) -> None:
    """Makes `target` a hard link to `source`, or a copy where the disk does not allow that."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)
