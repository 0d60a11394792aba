"""What each part of the segment solution brings: the small sequence, trained and judged on the test set.

    podium data make yt8m-segments DATA --size small
    python benchmarks/segment_classification.py --data DATA --out OUT

Trains the recipe, and its context-agnostic classifiers once more without pre-training (same folds and seeds, five
times the steps, for a network that begins at random has more to learn), predicts the test set with every network, and
prints MAP@100,000 of networks and ensembles with 95 % intervals over videos; then differences, whose intervals are
those of paired draws: each draw of videos judges both. They tell of the draw of test videos, not of the chance in
training. What OUT already holds is not done again, and must come from the same data.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from podium.challenges import challenge
from podium.challenges.yt8m_segments.builder import ScoreFile, Segments, eligible_segments, write_submission
from podium.challenges.yt8m_segments.judging import judge
from podium.challenges.yt8m_segments.layout import judged_videos
from podium.challenges.yt8m_segments.predictions import CAP, SUBMISSION, read_predictions
from podium.metrics import percentile_interval, resampled_segment_average_precisions, segment_average_precisions
from podium.solutions.segment_classification.inference import Windows, predict
from podium.solutions.segment_classification.material import find as find_material
from podium.solutions.segment_classification.model import ASSETS, Model
from podium.solutions.segment_classification.plan import Plan, plan
from podium.solutions.segment_classification.train import train
from podium.solutions.training import find
from podium.types import DataSet

RECIPE = "segment_classification/small"
RESAMPLES, SEED = 1000, 0
LONGER = 5
PLAIN = "no pre-training"


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """MAP of one row of the table, and of the same draws of videos as all others."""

    value: float
    drawn_D: NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--recipe", default=RECIPE)
    asked = parser.parse_args()
    planned = plan(find(asked.recipe), {})
    segment = [each.name for each in planned.trainings if each.recipe.stage == "segment"]
    agnostic = [name for name in segment if not planned.by_name[name].recipe.aware]
    aware = [name for name in segment if planned.by_name[name].recipe.aware]
    pairs = paired(planned, agnostic, aware)
    files = trained(asked, planned, agnostic)
    rows: dict[str, Sequence[str]] = {name: [name] for name in files}
    plain = [f"{PLAIN}: {name}" for name in agnostic]
    ensembles = {
        PLAIN: plain,
        "agnostic": agnostic,
        "aware": aware,
        "aware, same segment encoder": [with_context for _, with_context in pairs],
        "all": segment,
    }
    rows |= {f"ensemble: {name} ({len(members)})": members for name, members in ensembles.items()}
    ensemble = {name: f"ensemble: {name} ({len(members)})" for name, members in ensembles.items()}
    data = DataSet(asked.data)
    segments = eligible_segments(judged_videos(data))
    found = {
        name: judged(name, [files[each] for each in members], segments, data, asked) for name, members in rows.items()
    }
    print(f"\n{'method':48} {f'MAP@{CAP:,}':>12}   95 % interval")
    for name, each in found.items():
        print(f"{name:48} {each.value:12.4f}   {interval(each.drawn_D)}")
    print(f"\n{'difference':100} {'':>8}   95 % interval of paired draws")
    for name in agnostic:
        difference(name, f"{PLAIN}: {name}", found)
    difference(agnostic, plain, found, "mean of singles: ")
    difference(ensemble["agnostic"], ensemble[PLAIN], found)
    for without, with_context in pairs:
        difference(with_context, without, found)
    difference([each for _, each in pairs], [each for each, _ in pairs], found, "mean of singles: ")
    if len({each for each, _ in pairs}) == len(agnostic):
        difference(ensemble["aware, same segment encoder"], ensemble["agnostic"], found)
    for name in ("agnostic", "aware", "all"):
        best = max(ensembles[name], key=lambda member: found[member].value)
        difference(ensemble[name], best, found)


def paired(planned: Plan, agnostic: Sequence[str], aware: Sequence[str]) -> list[tuple[str, str]]:
    """Agnostic and aware classifiers that begin with one segment encoder and hold out one fold."""
    kinds = {name: planned.by_name[name].recipe for name in (*agnostic, *aware)}
    return [
        (one, other)
        for one in agnostic
        for other in aware
        if kinds[one].start.base == kinds[other].start.base and kinds[one].data.fold == kinds[other].data.fold
    ]


def trained(asked: argparse.Namespace, planned: Plan, agnostic: Sequence[str]) -> dict[str, Path]:
    """The predictions of every network, by its name in the table."""
    base = next(each for each in planned.trainings if each.name in planned.by_name[agnostic[0]].needs)
    encoder = json.dumps(asdict(base.recipe.network.encoder))
    names = f"[{', '.join(agnostic)}]"
    alone = {"only": names, "members": names, "start.base": "null", "network.encoder": encoder}
    alone["steps"] = str(LONGER * planned.by_name[agnostic[0]].recipe.steps)
    files: dict[str, Path] = {}
    every = [each.name for each in planned.trainings if each.recipe.stage == "segment"]
    together = {"members": f"[{', '.join(every)}]"}
    for folder, before, overrides in (("sequence", "", together), ("plain", f"{PLAIN}: ", alone)):
        out = asked.out / folder
        begun = time.perf_counter()
        train(find(asked.recipe), data=asked.data, out=out, overrides=overrides, resume=out.exists())
        print(f"{folder}: trained in {time.perf_counter() - begun:.0f} s", flush=True)
        files |= {f"{before}{name}": path for name, path in predicted(out, asked.data).items()}
    return files


def predicted(out: Path, folder: Path) -> dict[str, Path]:
    """The predictions of a model's members."""
    segments = eligible_segments(judged_videos(DataSet(folder)))
    windows = Windows(ids=segments.ids, video_N=segments.video, start_seconds_N=segments.start_seconds)
    model = Model.load(out / ASSETS)
    begun = time.perf_counter()
    paths = predict(model, find_material(folder).segment_test, windows, out / "predictions", resume=True)
    print(f"{out.name}: predicted {len(windows.video_N)} segments in {time.perf_counter() - begun:.0f} s", flush=True)
    return {member.name: path for member, path in zip(model.members, paths, strict=True)}


def judged(name: str, files: Sequence[Path], segments: Segments, data: DataSet, asked: argparse.Namespace) -> Judged:
    """The score of a submission of some networks, by the challenge's own reader and metric."""
    folder = asked.out / "submissions" / name.replace(" ", "-").replace(":", "").replace(",", "").replace("'", "")
    folder.mkdir(parents=True, exist_ok=True)
    classes = Model.load(asked.out / "sequence" / ASSETS).classes
    write_submission(folder / SUBMISSION, [ScoreFile(each) for each in files], segments, classes.indices_C)
    reading = read_predictions(folder, data, phase=challenge("yt8m-segments").phases[0])
    if reading.predictions is None:
        raise SystemExit("\n".join(map(str, reading.problems)))
    lists = judge(reading.predictions, data, parity=False)
    values_C = segment_average_precisions(lists.listing, k=CAP)
    drawn_DC = resampled_segment_average_precisions(lists.listing, lists.video_R, k=CAP, resamples=RESAMPLES, seed=SEED)
    return Judged(value=float(values_C[lists.scored].mean()), drawn_D=np.nanmean(drawn_DC[:, lists.scored], axis=1))


def difference(
    one: str | Sequence[str], other: str | Sequence[str], found: Mapping[str, Judged], word: str = ""
) -> None:
    """Prints how much better the first is than the second; of several, their means."""
    sides = [[side] if isinstance(side, str) else side for side in (one, other)]
    value = np.subtract(*(np.mean([found[each].value for each in side]) for side in sides))
    drawn_D = np.subtract(*(np.mean([found[each].drawn_D for each in side], axis=0) for side in sides))
    words = word + " minus ".join(side[0] if len(side) == 1 else f"{side[0]} … ({len(side)})" for side in sides)
    print(f"{words:100} {value:+8.4f}   {interval(drawn_D)}")


def interval(drawn_D: NDArray[np.float64]) -> str:
    between = percentile_interval(drawn_D)
    return "" if between is None else f"{between.low:+.4f} to {between.high:+.4f}"


if __name__ == "__main__":
    main()
