"""Shards parted into those to learn from and those to judge by; the videos of a shard stay together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from podium.errors import MachineError, UsageError


class Fold(NamedTuple):
    """One way to part shards; both parts by name."""

    train: tuple[Path, ...]
    held_out: tuple[Path, ...]


def split(shards: Sequence[Path], *, folds: int = 8, fold: int, seed: int = 42) -> Fold:
    """The shards to learn from, and those of one fold, which are held out.

    They are sorted by name first, so that the folds are the same on any machine; the 7th place's code forgot to, and
    its folds depend on the file system.

    Args:
        shards: In any order, names distinct.
        folds: 2 to as many as there are shards.
        fold: 0 to `folds` - 1.
        seed: Of the dealing.

    Raises:
        UsageError: A number is not allowed, or two shards have one name.
        MachineError: scikit-learn is not installed.

    >>> train, held_out = split([Path(f"{number}.tfrecord") for number in range(4)], folds=4, fold=0)
    >>> [path.name for path in held_out], len(train)
    (['1.tfrecord'], 3)
    """
    ordered = sorted(shards, key=lambda each: each.name)
    if len({each.name for each in ordered}) < len(ordered):
        raise UsageError("two shards have the same name; folds go by name")
    if not 2 <= folds <= len(ordered):
        raise UsageError(
            f"`{len(ordered)}` shards cannot be parted into `{folds}` folds; 2 to `{len(ordered)}` are allowed"
        )
    if not 0 <= fold < folds:
        raise UsageError(f"the fold is `{fold}`; 0 to `{folds - 1}` is allowed")
    try:
        from sklearn.model_selection import KFold
    except ImportError as error:
        raise MachineError("folds need scikit-learn: `pip install 'podium[train]'`") from error
    every = KFold(n_splits=folds, shuffle=True, random_state=seed).split(np.arange(len(ordered)))
    train_N, held_out_N = list(every)[fold]
    return Fold(train=tuple(ordered[at] for at in train_N), held_out=tuple(ordered[at] for at in held_out_N))
