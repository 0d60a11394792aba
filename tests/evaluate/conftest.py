"""A whale-do data set of a few grey pictures."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from podium.challenges.whale_do import layout
from podium.challenges.whale_do.layout import Scenario
from podium.formats import digests
from podium.types import DataSet

IDS = tuple(f"test{number:04d}" for number in range(12))


@pytest.fixture
def whales(tmp_path: Path) -> DataSet:
    """One scenario that leaves one out, one with a database of its own; each query has two right images."""
    data = DataSet(tmp_path / "whales")
    for folder in (data.public, data.answers, data.inputs / layout.IMAGES):
        folder.mkdir(parents=True)
    for number, each in enumerate(IDS):
        Image.new("L", (30, 20), 20 * number).save(data.inputs / layout.IMAGES / f"{each}.jpg")
    scenarios = (_scenario("scenario01", IDS[:3], IDS[:6]), _scenario("scenario02", IDS[6:8], IDS[8:]))
    layout.write_scenarios(data.inputs, scenarios)
    columns = {
        "image_id": IDS,
        "path": [f"images/{each}.jpg" for each in IDS],
        "height": [20] * 12,
        "width": [30] * 12,
        "viewpoint": ["top"] * 12,
        "date": ["2019-08-05"] * 12,
    }
    layout.write_metadata(data.inputs / layout.METADATA, pl.DataFrame(columns))
    more = {"timestamp": ["2019-08-05 10:00:00"] * 12, "whale_id": ["whale000"] * 12, "encounter_id": ["e"] * 12}
    layout.write_metadata(data.answers / layout.METADATA, pl.DataFrame(columns | more))
    right = [(query, image) for each in scenarios for query in each.query_ids for image in each.database_image_ids[-2:]]
    layout.write_labels(data.answers / layout.LABELS, right)
    digests.write_manifest(data.root)
    return data


def _scenario(name: str, queries: tuple[str, ...], database: tuple[str, ...]) -> Scenario:
    return Scenario(
        scenario_id=name,
        query_ids=tuple(f"{name}-{each}" for each in queries),
        query_image_ids=queries,
        database_image_ids=database,
    )
