"""Which photographs belong to one encounter, and which whales are judged, where a table does not say so."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from podium.errors import ChallengeError

_GAP = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Shares:
    """How many of the whales are judged.

    Attributes:
        new: Share that only the test split shows.
        seen: Share that both splits show, by different encounters.
    """

    new: float = 0.25
    seen: float = 0.10


def with_encounters(sightings: pl.DataFrame) -> pl.DataFrame:
    """The table with the column `encounter_id`: one whale from one viewpoint, without a gap of over an hour.

    Args:
        sightings: Columns `image_id`, `whale_id`, `viewpoint`, `timestamp` (ISO 8601), and any others.

    Raises:
        ChallengeError: A time cannot be read.
    """
    albums: dict[tuple[str, str], list[tuple[datetime, str]]] = defaultdict(list)
    for image, whale, viewpoint, timestamp in sightings.select(
        "image_id", "whale_id", "viewpoint", "timestamp"
    ).iter_rows():
        albums[whale, viewpoint].append((_time(image, timestamp), image))
    begun: dict[str, list[tuple[datetime, str, list[str]]]] = defaultdict(list)
    for (whale, viewpoint), album in albums.items():
        last: datetime | None = None
        for time, image in sorted(album):
            if last is None or time - last > _GAP:
                begun[whale].append((time, viewpoint, []))
            begun[whale][-1][2].append(image)
            last = time
    names = {
        image: f"{whale}-{number:03}"
        for whale, encounters in begun.items()
        for number, (_, _, images) in enumerate(sorted(encounters))
        for image in images
    }
    column = pl.Series("encounter_id", [names[image] for image in sightings["image_id"].to_list()], dtype=pl.String)
    return sightings.with_columns(column)


def judged_images(sightings: pl.DataFrame, shares: Shares, *, seed: int) -> frozenset[str]:
    """The images of the test split: all of some whales, and the later encounters of others.

    At least one whale with two encounters is judged, because nothing could be asked without.

    Args:
        sightings: Columns `image_id`, `whale_id`, `encounter_id`, `timestamp`.
        shares: Of the whales.
        seed: Of the draw.
    """
    encounters: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for image, whale, encounter in (
        sightings.sort("timestamp", "image_id").select("image_id", "whale_id", "encounter_id").iter_rows()
    ):
        encounters[whale].setdefault(encounter, []).append(image)
    rng = np.random.default_rng([seed, 5_902])
    names = sorted(encounters)
    whales = [names[int(row)] for row in rng.permutation(len(names))]
    often = [whale for whale in whales if len(encounters[whale]) > 1]
    order = sorted(whales, key=lambda whale: whale not in often[:1])
    new = order[: max(1, round(shares.new * len(whales)))]
    seen = [whale for whale in often if whale not in new][: round(shares.seen * len(whales))]
    judged = [image for whale in new for images in encounters[whale].values() for image in images]
    for whale in seen:
        own = list(encounters[whale].values())
        judged += [image for images in own[len(own) // 2 :] for image in images]
    return frozenset(judged)


def _time(image: str, timestamp: str) -> datetime:
    try:
        return datetime.fromisoformat(timestamp)
    except ValueError as error:
        raise ChallengeError(f"the time of `{image}` is `{timestamp}`; `YYYY-MM-DD HH:MM:SS` is needed") from error
