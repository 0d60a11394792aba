"""mAP@20 with all that Podium reports, against the plain way: one call of scikit-learn a query.

    python benchmarks/whale_do_scoring.py [--queries 5000] [--images 5902] [--repeats 5]

Data: seeded and synthetic, in the official layout. Individuals have as many images as in the real set (median 3, a long
tail up to about 100); every image of an individual with two or more may be a query, the database is all images, and the
query's own is left out. Predictions: 20 rows a query, scores falling from 1 by 1/32; a row is a right image where the
CRC-32 of query and rank says so, with a chance of 0.6 x 0.9^rank, else a wrong one.

Both ways read the same two files and run in turn in this process, after everything is imported. Podium also checks
every row against the scenarios, and its last figure has the intervals too.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from podium.challenges import challenge
from podium.challenges.whale_do import layout
from podium.challenges.whale_do.predictions import COLUMNS, SUBMISSION
from podium.formats import tables
from podium.types import DataSet, ScoreSettings

ROWS = 20
BUDGET_SECONDS = 0.25
WHALE_DO = challenge("whale-do")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=5_000)
    parser.add_argument("--images", type=int, default=5_902)
    parser.add_argument("--repeats", type=int, default=5, help="runs of each")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data, predictions = make(Path(folder), options.queries, options.images)
        ways: dict[str, Callable[[], float]] = {
            "plain: pandas and scikit-learn": lambda: plain_map(predictions / SUBMISSION, data.answers / layout.LABELS),
            "podium, as the official scorer": lambda: podium_map(
                predictions, data, ScoreSettings(parity=True, resamples=0)
            ),
            "podium, no interval": lambda: podium_map(predictions, data, ScoreSettings(resamples=0)),
            "podium, 1,000 resamples": lambda: podium_map(predictions, data, ScoreSettings()),
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        values: dict[str, float] = {}
        for repeat in range(-1, options.repeats):
            for name, way in ways.items():
                began = time.perf_counter()
                values[name] = way()
                if repeat >= 0:
                    seconds[name].append(time.perf_counter() - began)
        report(seconds, values, options.queries)
        stages(predictions, data)


def make(root: Path, queries: int, images: int) -> tuple[DataSet, Path]:
    """A data set and predictions for it."""
    data = DataSet(root / "data")
    ids = [f"train{number:04d}" for number in range(images)]
    whales = individuals(images)
    members: dict[int, list[int]] = {}
    for image, whale in enumerate(whales):
        members.setdefault(whale, []).append(image)
    asked = [image for image, whale in enumerate(whales) if len(members[whale]) > 1][:queries]
    names = [f"loo-{ids[image]}" for image in asked]
    scenario = layout.Scenario(
        scenario_id="loo",
        query_ids=tuple(names),
        query_image_ids=tuple(ids[image] for image in asked),
        database_image_ids=tuple(ids),
    )
    data.inputs.mkdir(parents=True)
    layout.write_scenarios(data.inputs, [scenario])
    right = {image: [each for each in members[whales[image]] if each != image] for image in asked}
    layout.write_labels(
        data.answers / layout.LABELS,
        ((name, ids[each]) for name, image in zip(names, asked, strict=True) for each in right[image]),
    )
    write_metadata(data, ids, whales)
    rows = [
        (name, ids[found], (32 - rank) / 32)
        for name, image in zip(names, asked, strict=True)
        for rank, found in enumerate(ranked(name, image, right[image], whales))
    ]
    predictions = root / "predictions"
    (predictions / SUBMISSION).parent.mkdir(parents=True)
    tables.write(predictions / SUBMISSION, dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True)))
    return data, predictions


def individuals(images: int) -> list[int]:
    """The individual of each image: sizes with a long tail, images in random order."""
    rng = np.random.default_rng(0)
    sizes = np.clip(np.round(rng.lognormal(1.1, 1.25, images)), 1, 110).astype(int)
    return rng.permutation(np.repeat(np.arange(images), sizes)[:images]).tolist()


def write_metadata(data: DataSet, ids: list[str], whales: list[int]) -> None:
    count = len(ids)
    rng = np.random.default_rng(1)
    facts = {
        "image_id": ids,
        "path": [f"images/{each}.jpg" for each in ids],
        "height": [438] * count,
        "width": [152] * count,
        "viewpoint": rng.choice(layout.VIEWPOINTS, count, p=[0.92, 0.04, 0.04]).tolist(),
        "date": [f"{2017 + each}-08-03" for each in rng.integers(0, 3, count)],
    }
    answers = {
        "timestamp": [f"{date} 10:00:00" for date in facts["date"]],
        "whale_id": [f"whale{each:03d}" for each in whales],
        "encounter_id": [f"whale{each:03d}-000" for each in whales],
    }
    tables.write(data.inputs / layout.METADATA, facts)
    tables.write(data.answers / layout.METADATA, facts | answers)


def ranked(name: str, image: int, right: list[int], whales: list[int]) -> list[int]:
    """Twenty distinct images, the query's own not among them."""
    left, rows = list(right), []
    for rank in range(ROWS):
        if zlib.crc32(f"{name}|{rank}".encode()) % 1000 < int(600 * 0.9**rank) and left:
            rows.append(left.pop(0))
            continue
        wrong = zlib.crc32(f"{name}|n|{rank}".encode()) % len(whales)
        while whales[wrong] == whales[image] or wrong in rows:
            wrong = (wrong + 1) % len(whales)
        rows.append(wrong)
    return rows


def podium_map(predictions: Path, data: DataSet, settings: ScoreSettings) -> float:
    reading = WHALE_DO.read_predictions(predictions, data, phase=WHALE_DO.phases[0], parity=settings.parity)
    return WHALE_DO.score(reading.predictions, data, settings).value


def plain_map(predictions: Path, labels: Path) -> float:
    import pandas as pd
    from sklearn.metrics import average_precision_score

    listed, right = pd.read_csv(predictions), pd.read_csv(labels)
    joined = listed.merge(right.assign(hit=1.0), how="left", on=list(layout.LABEL_COLUMNS)).fillna({"hit": 0.0})
    precisions = {
        query: average_precision_score(rows["hit"], rows["score"]) * rows["hit"].sum() if rows["hit"].any() else 0.0
        for query, rows in joined.groupby("query_id")
    }
    wanted = right.groupby("query_id").size().clip(upper=ROWS)
    return float((pd.Series(precisions) / wanted).mean())


def report(seconds: dict[str, list[float]], values: dict[str, float], queries: int) -> None:
    print(f"{queries:,} queries x {ROWS} rows{'median s':>24}{'least s':>12}{'ratio':>8}{'mAP@20':>22}")
    plain, *_ = seconds.values()
    for name, taken in seconds.items():
        ratio = statistics.median(plain) / statistics.median(taken)
        print(f"{name:32}{statistics.median(taken):17.3f}{min(taken):12.3f}{ratio:8.1f}{values[name]:22.16f}")
    first, *rest = values.values()
    furthest = max(abs(value - first) for value in rest)
    print(f"the values differ by at most {furthest:.2g}; 1e-12 is allowed")
    if furthest > 1e-12:
        raise SystemExit("the values differ")


def stages(predictions: Path, data: DataSet) -> None:
    """Where the time goes."""
    from podium.challenges.whale_do.catalogue import read_catalogue
    from podium.challenges.whale_do.facts import read_facts
    from podium.challenges.whale_do.judging import judge

    clock = [time.perf_counter()]
    read_catalogue(data)
    clock.append(time.perf_counter())
    reading = WHALE_DO.read_predictions(predictions, data, phase=WHALE_DO.phases[0])
    clock.append(time.perf_counter())
    judge(reading.predictions, data, parity=False)
    clock.append(time.perf_counter())
    read_facts(data)
    clock.append(time.perf_counter())
    WHALE_DO.score(reading.predictions, data, ScoreSettings(resamples=0))
    clock.append(time.perf_counter())
    WHALE_DO.score(reading.predictions, data, ScoreSettings())
    clock.append(time.perf_counter())
    scenarios, read, judged, facts, scored, sure = np.diff(clock)
    parts = {
        "scenarios": scenarios,
        "predictions, with checks": read - scenarios,
        "labels, ranks and AP": judged,
        "metadata": facts,
        "measures, items, exhibits": scored - facts,
        "two bootstraps of 1,000": sure - scored,
    }
    print("; ".join(f"{name} {1e3 * part:.0f} ms" for name, part in parts.items()))


if __name__ == "__main__":
    main()
