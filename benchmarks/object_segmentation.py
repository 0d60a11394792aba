"""Methods of segmenting the primary object, side by side: starter, classical, and networks of one or two streams.

    podium data make davis DATA --size small
    python benchmarks/object_segmentation.py --data DATA --out OUT [--judo ../shared/media/judo]

Trains the recipe three times, with the picture alone, with motion alone and with both; each method then runs in the
sandbox as a submission and is scored as `podium run` does. Prints mean IoU, J and F (all frames, mean over clips) with
95 % intervals over clips, parameters and seconds a frame; then differences of J, whose intervals are those of paired
draws: each draw of clips judges both. They tell of the draw of clips, not of the chance in training. With `--judo`
the same methods on real frames, `00000.jpg` and so on: J and F of the first by `mask_00000.png`, the two who fight; how
much is taken of the spectators that stand still, whom the other `mask_*.png` mark; and, with `--judo-masks`, the mean J
and F against another method's masks of those frames, which is no truth. What OUT already holds is not done again, and
must come from the same data.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars
from numpy.typing import NDArray

from podium import evaluate
from podium.challenges import challenge
from podium.cli.submission import create
from podium.formats import masks
from podium.media import images
from podium.metrics.regions import Comparison
from podium.solutions.object_segmentation.classical import ClassicalSegmenter, ClassicalSettings
from podium.solutions.object_segmentation.inference import NetworkSegmenter, Segmenter
from podium.solutions.object_segmentation.model import ASSETS, Model
from podium.solutions.object_segmentation.train import train
from podium.solutions.training import find
from podium.types import DataSet, Report, Verdict

RECIPE = "object_segmentation/small"
STREAMS = {"picture alone": "image", "motion alone": "motion", "both": "both"}
RESAMPLES, SEED = 1_000, 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """A method in the table.

    Attributes:
        report: What `podium run` says of it.
        region_C: J of each clip.
    """

    report: Report
    region_C: NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--recipe", default=RECIPE)
    parser.add_argument("--judo", type=Path)
    parser.add_argument("--judo-masks", type=Path)
    parser.add_argument("--only", choices=[*STREAMS], help="train this one and stop; for two at a time")
    asked = parser.parse_args()
    models = {name: trained(name, asked) for name in STREAMS if asked.only in (None, name)}
    if asked.only:
        return
    plain = {"starter": "starter", "classical": "classical"}
    rows = {name: judged(name, template, None, asked) for name, template in plain.items()}
    rows |= {name: judged(name, "baseline", model, asked) for name, model in models.items()}
    print(f"\n{'method':14} {'mean IoU':24} {'J':24} {'F':24} {'parameters':>12} {'s / frame':>10}")
    for name, row in rows.items():
        score = row.report.score
        if score is None:
            raise SystemExit(f"{name}: {row.report.message}")
        cells = [shown(score.value, score.interval)]
        cells += [measure(row.report, f"{letter} mean, all frames") for letter in "JF"]
        counted, seconds = (value(row.report, each) for each in ("parameters", "seconds per frame"))
        print(f"{name:14} {cells[0]:24} {cells[1]:24} {cells[2]:24} {counted:12,.0f} {seconds:10.4f}")
    print(f"\n{'difference of J':40}   95 % interval of paired draws of clips")
    for one, other in (("both", "picture alone"), ("both", "motion alone"), ("both", "classical"), ("both", "starter")):
        difference(one, other, rows)
    if asked.judo is not None:
        real_frames(asked.judo, asked.judo_masks, models)


def trained(name: str, asked: argparse.Namespace) -> Path:
    """The folder of a model."""
    out = asked.out / "trainings" / STREAMS[name]
    if (out / ASSETS).is_dir():
        return out / ASSETS
    begun, used = time.perf_counter(), time.process_time()
    overrides = {"network.streams": STREAMS[name]}
    model = train(find(asked.recipe), data=asked.data, out=out, overrides=overrides, resume=out.exists())
    wall, cpu = time.perf_counter() - begun, time.process_time() - used
    print(f"{name}: trained in {wall / 60:.1f} min, {cpu / 60:.1f} min CPU", flush=True)
    return model


def judged(name: str, template: str, model: Path | None, asked: argparse.Namespace) -> Row:
    """A method as a submission, run and scored."""
    davis, data = challenge("davis"), DataSet(asked.data)
    folder, run = asked.out / "submissions" / name.replace(" ", "-"), asked.out / "runs" / name.replace(" ", "-")
    if not (run / "report.json").is_file():
        if not folder.exists():
            options = {} if model is None else {"model": str(model)}
            create(davis.template(template), folder, data=data, options=options)
        evaluate.run(davis, folder, data=data, out=run)
    report = Report.from_json((run / "report.json").read_bytes())
    if report.verdict is not Verdict.SCORED:
        raise SystemExit(f"{name}: {report.message}")
    table = polars.read_csv(run / "per-frame_results-val.csv")
    region_C = table.group_by("sequence", maintain_order=True).agg(polars.col("J").mean())["J"].to_numpy()
    return Row(report=report, region_C=region_C)


def value(report: Report, name: str) -> float:
    found = report.score.measure(name) if report.score else None
    return float("nan") if found is None or found.value is None else found.value


def measure(report: Report, name: str) -> str:
    found = report.score.measure(name) if report.score else None
    return shown(value(report, name), found.interval if found else None)


def shown(number: float, interval: Sequence[float] | object) -> str:
    low, high = tuple(interval) if interval is not None else (float("nan"),) * 2  # type: ignore[arg-type]
    return f"{number:.3f} [{low:.3f}, {high:.3f}]"


def difference(one: str, other: str, rows: dict[str, Row]) -> None:
    first_C, second_C = rows[one].region_C, rows[other].region_C
    drawn_DC = np.random.default_rng(SEED).integers(len(first_C), size=(RESAMPLES, len(first_C)))
    drawn_D = (first_C - second_C)[drawn_DC].mean(axis=1)
    low, high = np.quantile(drawn_D, [0.025, 0.975])
    print(f"{f'{one} over {other}':40} {np.mean(first_C - second_C):+.3f} [{low:+.3f}, {high:+.3f}]")


def real_frames(folder: Path, others: Path | None, models: dict[str, Path]) -> None:
    """The methods on frames of a real clip."""
    paths = sorted(folder.glob("[0-9]*.jpg"))
    frames = [images.read(path) for path in paths]
    size = frames[0].shape[0], frames[0].shape[1]
    truth, *standing = [(int(path.stem[-5:]), annotation(path, size)) for path in sorted(folder.glob("mask_*.png"))]
    other = [] if others is None else [annotation(others / f"{path.stem}.png", size) for path in paths]
    segmenters: dict[str, Segmenter] = {"classical": ClassicalSegmenter(ClassicalSettings())}
    segmenters |= {name: NetworkSegmenter(Model.load(model)) for name, model in models.items()}
    comparison = Comparison(*size)
    print(f"\n{folder.name}: {len(frames)} frames")
    print(f"{'method':14} {'J':>7} {'F':>7} {'spectators taken':>18} {'J other':>8} {'F other':>8} {'s / frame':>10}")
    for name, segmenter in segmenters.items():
        begun = time.perf_counter()
        found = [probability_HW >= 0.5 for probability_HW in segmenter.masks(frames)]
        seconds = (time.perf_counter() - begun) / len(frames)
        first = comparison.compare(truth[1], found[truth[0]])
        taken = np.mean([found[at][mask_HW].mean() for at, mask_HW in standing])
        alike = [comparison.compare(mask_HW, mine_HW) for mask_HW, mine_HW in zip(other, found, strict=False)]
        means = [np.mean([getattr(each, part) for each in alike] or [np.nan]) for part in ("region", "boundary")]
        print(
            f"{name:14} {first.region:7.3f} {first.boundary:7.3f} {taken:18.3f} {means[0]:8.3f} {means[1]:8.3f} "
            f"{seconds:10.4f}"
        )


def annotation(path: Path, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Any object of a mask, cut or filled up with background to the size of the frames."""
    levels_HW = masks.read(path, kinds=tuple(masks.MaskKind)).levels_HW
    if levels_HW is None:
        raise SystemExit(f"`{path}` is no mask")
    whole_HW = np.zeros(size, bool)
    height, width = min(size[0], levels_HW.shape[0]), min(size[1], levels_HW.shape[1])
    whole_HW[:height, :width] = levels_HW[:height, :width] > 0
    return whole_HW


if __name__ == "__main__":
    main()
