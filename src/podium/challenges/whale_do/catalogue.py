"""What is asked, as numbers: every query, every image, and which image stands in which database.

Legend: Q queries of all scenarios in file order, I images, S scenarios, P places (an image in a database).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
import polars as pl
from numpy.typing import NDArray

from podium.challenges.whale_do import layout
from podium.types import DataSet

Codes = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Catalogue:
    """The scenarios of a data set.

    Attributes:
        scenario_ids: In file order.
        query_ids: (Q,) distinct, scenario after scenario.
        query_image_ids: (Q,) the image of each query.
        scenario_Q: The scenario of each query, 0 to S - 1.
        image_ids: (I,) every image that a query or a database names, once.
        places_P: Scenario x I + image, for every image of every database.
    """

    scenario_ids: tuple[str, ...]
    query_ids: tuple[str, ...]
    query_image_ids: tuple[str, ...]
    scenario_Q: Codes
    image_ids: tuple[str, ...]
    places_P: Codes

    def queries(self, ids: pl.Series) -> Codes:
        """The number of each query id; -1 for an unknown one."""
        return codes(ids, self._query_kind)

    def images(self, ids: pl.Series) -> Codes:
        """The number of each image id; -1 for an unknown one."""
        return codes(ids, self._image_kind)

    @cached_property
    def image_Q(self) -> Codes:
        """The number of each query's own image."""
        return self.images(pl.Series(self.query_image_ids, dtype=pl.String))

    @cached_property
    def _query_kind(self) -> pl.Enum:
        return pl.Enum(list(self.query_ids))

    @cached_property
    def _image_kind(self) -> pl.Enum:
        return pl.Enum(list(self.image_ids))


def read_catalogue(data: DataSet) -> Catalogue:
    """The scenarios in the inputs of a data set.

    Raises:
        ChallengeError: A file is missing or broken.
    """
    scenarios = layout.read_scenarios(data.inputs)
    databases = [each.database_image_ids for each in scenarios]
    named = [each.query_image_ids for each in scenarios]
    image_ids = tuple(dict.fromkeys(chain(*databases, *named)))
    kind = pl.Enum(list(image_ids))
    places = [
        codes(pl.Series(database, dtype=pl.String), kind) + at * len(image_ids) for at, database in enumerate(databases)
    ]
    return Catalogue(
        scenario_ids=tuple(each.scenario_id for each in scenarios),
        query_ids=tuple(chain(*(each.query_ids for each in scenarios))),
        query_image_ids=tuple(chain(*named)),
        scenario_Q=np.repeat(np.arange(len(scenarios)), [len(each.query_ids) for each in scenarios]),
        image_ids=image_ids,
        places_P=np.concatenate(places) if places else np.empty(0, np.int64),
    )


def codes(ids: pl.Series, kind: pl.Enum) -> Codes:
    """The place of each id in the categories of `kind`; -1 where it is none.

    >>> codes(pl.Series(["b", "x"]), pl.Enum(["a", "b"])).tolist()
    [1, -1]
    """
    return ids.cast(kind, strict=False).to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
