"""What a caller names, opened: a challenge, a data set, a folder for results."""

from __future__ import annotations

from pathlib import Path

from podium.challenges import challenge as find_challenge
from podium.errors import UsageError
from podium.types import Challenge, DataSet


def open_challenge(named: Challenge | str) -> Challenge:
    """The challenge of that id, or the one given.

    Raises:
        UsageError: None has that id.
    """
    return find_challenge(named) if isinstance(named, str) else named


def open_data(given: DataSet | Path | str) -> DataSet:
    """The data set at that place, or the one given.

    Raises:
        UsageError: The folder is no data set.
    """
    data = given if isinstance(given, DataSet) else DataSet(Path(given).resolve())
    if not data.inputs.is_dir():
        raise UsageError(f"`{data.root}` is no data set: it has no `inputs/`; `podium data make` or `import` makes one")
    return data


def out_folder(out: Path | str | None, *, below: Path, stem: str) -> Path:
    """An empty folder for results, which are never written over.

    Args:
        out: Made when absent; None takes the next free one below `below`.
        stem: Of its name, which a number follows.

    Raises:
        UsageError: The folder has something in it.
    """
    if out is None:
        number = next(n for n in range(1, 100_000) if not (below / f"{stem}-{n}").exists())
        folder = below / f"{stem}-{number}"
    else:
        folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"`{folder}` is not an empty folder; name one that is, or that does not exist yet")
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()
