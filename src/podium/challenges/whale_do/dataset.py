"""The tables of a data set, written from what was seen in its two splits."""

from __future__ import annotations

import numpy as np
import polars as pl

from podium.challenges.whale_do import layout, scenarios
from podium.errors import UsageError
from podium.types import DataSet

_ORDER = 14


def file_names(count: int, split: str, *, seed: int) -> list[str]:
    """Image ids in a shuffled order, so that neighbours in number are strangers.

    >>> file_names(3, "test", seed=0)
    ['test0000', 'test0002', 'test0001']
    """
    order = np.random.default_rng([seed, _ORDER, len(split)]).permutation(count)
    return [f"{split}{number:04}" for number in order.tolist()]


def write_tables(made: DataSet, train: pl.DataFrame, test: pl.DataFrame) -> None:
    """Metadata of both splits, scenarios and labels, from two tables in the training form.

    Raises:
        UsageError: No query has a match, so there is nothing to judge.
    """
    built = scenarios.build(test)
    if not built.scenarios:
        raise UsageError(
            "no test image has a match among the others, so there is nothing to ask; more images are needed"
        )
    if train.height:
        layout.write_metadata(made.public / layout.TRAIN / layout.METADATA, train.sort("image_id"))
    layout.write_metadata(made.answers / layout.METADATA, test.sort("image_id"))
    layout.write_metadata(made.inputs / layout.METADATA, test.sort("image_id").select(layout.TEST_COLUMNS))
    layout.write_scenarios(made.inputs, built.scenarios)
    layout.write_labels(made.answers / layout.LABELS, built.labels)
