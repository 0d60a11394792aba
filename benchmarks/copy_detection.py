"""How well the descriptor baseline finds copies, what each of its parts adds, and what its peers reach.

    python benchmarks/copy_detection.py --data data/vsc-descriptor [--keep /tmp/rows] [--resamples 1000]

`--data` is a data set with `public/`, `inputs/` and `answers/`, as `podium data make vsc-descriptor` writes it. All
rows go through the same search (1,200 hits and 25 pairs a query) and the same micro-AP; intervals are bootstraps over
queries.
"""

from __future__ import annotations

import argparse
import runpy
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from podium.challenges.vsc import layout
from podium.formats.descriptors import Descriptors
from podium.media.video import Sample
from podium.metrics.ranking import average_precision
from podium.metrics.resampling import bootstrap_average_precision
from podium.search import top_pairs
from podium.search.candidates import candidates
from podium.solutions.copy_detection import backbone as backbones
from podium.solutions.copy_detection.inference import Video, describe_with, embed_videos, videos_in
from podium.solutions.copy_detection.model import Settings
from podium.solutions.copy_detection.perceptual_hash import hash_frames
from podium.solutions.copy_detection.preparation import fit_rows
from podium.types import DataSet, Interval

STARTER = Path(layout.__file__).parent / "descriptor_starter" / "main.py"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One row of the table."""

    name: str
    micro_ap: float
    interval: Interval
    dimensions: int


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The data set and how to judge on it."""

    data: DataSet
    judged: Path
    independent: Path
    keep: Path | None
    resamples: int

    def rows(self, kind: str, split: Path, role: str, make: object) -> Descriptors:
        """Rows of one role of one split, kept on disk under `kind` when a folder was given."""
        place = None if self.keep is None else self.keep / f"{kind}-{split.name}-{role}.npz"
        if place is not None and place.is_file():
            with np.load(place, allow_pickle=False) as kept:
                return Descriptors(video_ids=kept["ids"], features_ND=kept["rows"], timestamps_N2=kept["times"])
        found: Descriptors = make(videos_in(split / role))  # type: ignore[operator]
        if place is not None:
            place.parent.mkdir(parents=True, exist_ok=True)
            np.savez(place, ids=found.video_ids, rows=found.features_ND, times=found.timestamps_N2)
        return found

    def judge(self, name: str, queries: Descriptors, references: Descriptors) -> Line:
        """Search, candidates, micro-AP and its interval."""
        truth = layout.read_truth(self.data.answers / layout.GROUND_TRUTH).pairs
        everyone = layout.read_videos(self.judged / layout.QUERY_METADATA, letter="Q").ids
        count = len(everyone)
        hits = top_pairs(queries.features_ND, references.features_ND, k=1200 * count)
        found = candidates(hits, queries.row_video, references.row_video, limit=25 * count)
        pairs = zip(queries.videos[found.query_ids], references.videos[found.reference_ids], strict=True)
        relevant = np.array([(str(query), str(reference)) in truth for query, reference in pairs])
        similarity = found.similarities.astype(np.float64)
        positives = np.array([sum(query == str(each) for query, _ in truth) for each in everyone])
        rows = np.searchsorted(everyone, queries.videos)[found.query_ids]
        interval = bootstrap_average_precision(similarity, relevant, rows, positives, resamples=self.resamples)
        micro_ap = average_precision(similarity, relevant, positives=len(truth))
        return Line(name=name, micro_ap=micro_ap, interval=interval, dimensions=queries.features_ND.shape[1])


def starter(setting: Setting) -> Line:
    """Random descriptors, by the starter's own function."""
    describe = runpy.run_path(str(STARTER))["describe"]
    made = []
    for role, letter in (("query", "Q"), ("reference", "R")):
        videos = layout.read_videos(setting.judged / f"{role}_metadata.csv", letter=letter)
        rows = [describe(str(each), seconds) for each, seconds in zip(videos.ids, videos.duration_seconds, strict=True)]
        made.append(
            Descriptors(
                video_ids=np.repeat(videos.ids, [len(features) for features, _ in rows]),
                features_ND=np.concatenate([features for features, _ in rows]),
                timestamps_N2=np.concatenate([times for _, times in rows]).astype(np.float64),
            )
        )
    return setting.judge("starter (random)", *made)


def hashes(setting: Setting, bits: int) -> Line:
    """The perceptual hash of every frame."""

    def rows_of(found: Sample) -> np.ndarray:
        return hash_frames(found.frames_THWC, bits=bits)

    def make(videos: list[Video]) -> Descriptors:
        return describe_with(rows_of, videos, short_edge=Settings().short_edge).descriptors

    queries, references = (setting.rows(f"phash{bits}", setting.judged, role, make) for role in ("query", "reference"))
    return setting.judge(f"pHash, {bits} bits a frame", queries, references)


class Baseline:
    """The baseline and its variants on one data set; each pooling is embedded once."""

    def __init__(self, setting: Setting, weights: str) -> None:
        self.setting = setting
        self.weights = weights
        self.backbone = backbones.load(weights)

    def line(self, name: str, settings: Settings) -> Line:
        """Fits on the independent split and judges."""

        def make(videos: list[Video]) -> Descriptors:
            return embed_videos(videos, self.backbone, settings=settings).descriptors

        pooling = settings.pooling
        sizes = "-".join(map(str, pooling.sizes))
        kind = f"{Path(self.weights).stem}-p{pooling.power:g}-{sizes}-m{pooling.mirrored:d}"
        train, test = (
            {role: self.setting.rows(kind, split, role, make) for role in ("query", "reference")}
            for split in (self.setting.independent, self.setting.judged)
        )
        model = fit_rows(train["query"].features_ND, train["reference"].features_ND, self.backbone, settings=settings)
        described = [
            replace(test[role], features_ND=model.finish(test[role].features_ND, role=role))
            for role in ("query", "reference")
        ]
        return self.setting.judge(name, *described)


def variants(settings: Settings) -> list[tuple[str, Settings]]:
    """The baseline, then with one part taken away or changed."""
    pooling = settings.pooling
    cosine = replace(settings, comparison="cosine")
    return [
        ("baseline", settings),
        ("  + score normalisation (beta 0.3)", replace(settings, normalise=True, beta=0.3)),
        ("  - whitening (PCA only)", replace(settings, whitening_power=0.0)),
        ("  cosine, not distance", cosine),
        ("  cosine + normalisation (beta 1.2)", replace(cosine, normalise=True, beta=1.2)),
        ("  cosine - whitening (PCA only)", replace(cosine, whitening_power=0.0)),
        ("  pooling: mean, not GeM", replace(settings, pooling=replace(pooling, power=1.0))),
        ("  pooling: GeM, mirrored too", replace(settings, pooling=replace(pooling, mirrored=True))),
        ("  pooling: GeM, two sizes", replace(settings, pooling=replace(pooling, sizes=(*pooling.sizes, 160)))),
    ]


def show(line: Line, seconds: float) -> None:
    low, high = line.interval
    print(
        f"{line.name:<38} {line.micro_ap:.4f}  [{low:.4f}, {high:.4f}]  {line.dimensions:>4}  {seconds:7.1f} s",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--keep", type=Path, help="keep rows here, and take them from here")
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--weights", default=backbones.DEFAULT_WEIGHTS)
    wanted = parser.parse_args()
    data = DataSet(wanted.data)
    independent = layout.independent_split(data)
    if independent is None:
        parser.error(f"{wanted.data} has no independent split to fit on")
    setting = Setting(
        data=data,
        judged=layout.judged_split(data),
        independent=independent,
        keep=wanted.keep,
        resamples=wanted.resamples,
    )
    truth = layout.read_truth(data.answers / layout.GROUND_TRUTH).pairs
    print(f"{len(truth)} copies to find; 95 % intervals from {wanted.resamples} resamples of the queries")
    print(f"{'':<38} micro-AP  {'interval':<16}  dims")
    baseline = Baseline(setting, wanted.weights)
    jobs = [
        lambda: starter(setting),
        lambda: hashes(setting, 64),
        lambda: hashes(setting, 256),
        *(lambda name=name, each=each: baseline.line(name, each) for name, each in variants(Settings())),
    ]
    for job in jobs:
        began = time.perf_counter()
        line = job()
        show(line, time.perf_counter() - began)


if __name__ == "__main__":
    main()
