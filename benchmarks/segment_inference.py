"""YouTube-8M segments: how fast a context-aware NeXtVLAD predicts, and what keeping its numbers in 16 bits costs.

    python benchmarks/segment_inference.py [--videos 10] [--repeats 3] [--ties] [--folder DIR]

The network has the published size (65.3 M parameters) and random weights, the videos random bytes: the work is the same
as with trained weights and real features. Four measurements in one process, one thread, CPU seconds, the quickest of
some runs that take turns:

- `podium predict`'s work as a whole: reading, windows, contexts once a video, numbers written class by class;
- the same segments with the context encoded anew for each of them, 32 at a time, as the 7th place's code does (with
  Podium's network for both, so this is the price of the repetition alone);
- the matrix products alone that the first one needs, replayed on bare tensors of the same shapes: the limit;
- what changes in the numbers when a segment has other neighbours in its batch.

`--ties` instead: of 1,704,348 made scores of a class, how many share the value of the 100,000th place in each form of
numbers, and what the average precision loses.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from podium.formats.tfrecord import encode_frame_record, read_frame_records, write_shard
from podium.solutions.segment_classification import network as networks
from podium.solutions.segment_classification.classes import Classes
from podium.solutions.segment_classification.encoders import EncoderSettings
from podium.solutions.segment_classification.frames import choose
from podium.solutions.segment_classification.inference import InferenceSettings, Windows, predict
from podium.solutions.segment_classification.model import Member, Model
from podium.solutions.segment_classification.network import Network, NetworkSettings

FULL_VIDEOS, FULL_SEGMENTS, CLASSES, CAP = 44_740, 1_704_348, 1_000, 100_000
SECONDS, SLOTS, BATCH = 231, 38, 32
PRODUCTS = {"linear", "matmul", "mm", "addmm", "bmm", "baddbmm"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=10, help="of 231 s and 38 segments each, about the official mean")
    parser.add_argument("--repeats", type=int, default=3, help="runs; the quickest counts")
    parser.add_argument("--ties", action="store_true", help="the numbers instead of the speed")
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder otherwise")
    options = parser.parse_args()
    if options.ties:
        compare_numbers()
        return
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        compare_ways(Path(folder), options.videos, options.repeats)


def compare_ways(folder: Path, videos: int, repeats: int) -> None:
    torch.manual_seed(0)
    encoder = EncoderSettings()
    network = networks.build(NetworkSettings(classes=CLASSES, encoder=encoder, context=encoder)).eval()
    names = ("",) * CLASSES
    model = Model(
        members=(Member(name="aware", network=network),), classes=Classes(indices_C=np.arange(CLASSES), names=names)
    )
    shard, windows = make_videos(folder / "test.tfrecord", videos)
    segments, turn = len(windows.video_N), 0

    def once_a_video() -> np.ndarray:
        nonlocal turn
        turn += 1
        return np.load(predict(model, [shard], windows, folder / str(turn), settings=InferenceSettings())[0])

    some = min(segments, 4 * BATCH)
    ways: dict[str, Callable[[], Any]] = {
        "video": once_a_video,
        "segment": lambda: once_a_segment(network, shard, windows, some),
    }
    made, recorded = Products.of(once_a_video)
    ways["products"] = lambda: replay(recorded)
    seconds = {name: float("inf") for name in ways}
    results: dict[str, Any] = {}
    for _ in range(repeats):
        for name, way in ways.items():
            begun = time.process_time()
            results[name] = way()
            seconds[name] = min(seconds[name], time.process_time() - begun)
    per_video, per_segment = seconds["video"] / segments, seconds["segment"] / some
    difference = np.abs(made[:, :some].astype(np.float32) - results["segment"]).max()
    print(f"{networks.parameters(network):,} parameters, {videos} videos, {segments} segments, one thread")
    print(f"context once a video     {1 / per_video:8.1f} segments a CPU second   ({seconds['video']:.2f} s)")
    print(f"context once a segment   {1 / per_segment:8.1f} segments a CPU second   ({some} of them timed)")
    print(
        f"ratio                    {per_segment / per_video:8.1f} x, largest difference {difference:.1e} (float16 kept)"
    )
    share = seconds["products"] / seconds["video"]
    print(f"matrix products alone    {1 / (seconds['products'] / segments):8.1f} segments a CPU second")
    print(f"share of that limit      {share:8.0%}")
    print(
        f"largest memory           {peak_bytes() / 1e6:8.0f} MB, of which weights {weights_bytes(network) / 1e6:.0f} MB"
    )
    hours = per_video * FULL_SEGMENTS / 3600
    print(f"ESTIMATE, by proportion: {FULL_SEGMENTS:,} segments take {hours:.1f} h of one core, once a segment", end="")
    print(f" {per_segment * FULL_SEGMENTS / 3600:.1f} h; {FULL_SEGMENTS * CLASSES * 2 / 1e9:.1f} GB on disk")
    report_neighbours(network, shard, windows)


def make_videos(path: Path, count: int) -> tuple[Path, Windows]:
    rng = np.random.default_rng(0)
    ids = [f"v{number:03d}" for number in range(count)]
    payloads = [
        encode_frame_record(
            video_id=each,
            labels=[],
            rgb_TC=rng.integers(0, 256, (SECONDS, 1024), np.uint8),
            audio_TC=rng.integers(0, 256, (SECONDS, 128), np.uint8),
        )
        for each in ids
    ]
    write_shard(path, payloads)
    start = (6 + np.arange(SLOTS, dtype=np.int32)) * 5
    video_N = np.repeat(np.arange(count, dtype=np.int32), SLOTS)
    return path, Windows(ids=np.array(ids), video_N=video_N, start_seconds_N=np.tile(start, count))


def once_a_segment(network: Network, shard: Path, windows: Windows, count: int) -> np.ndarray:
    """(C, count) as the 7th place's code goes about it: each segment brings its whole video."""
    videos = [each.features_TC for each in read_frame_records(shard)]
    columns: list[np.ndarray] = []
    with torch.inference_mode():
        for first in range(0, count, BATCH):
            here = range(first, min(first + BATCH, count))
            seen = [videos[windows.video_N[each]] for each in here]
            chosen = choose([len(each) for each in seen], network.settings.frames, seeds_V=None)
            whole = np.stack([each[rows] for each, rows in zip(seen, chosen.indices_VT, strict=True)])
            context = network.encode_context(torch.from_numpy(whole), torch.from_numpy(chosen.mask_VT))
            features, mask = window_batch(seen, windows.start_seconds_N[here.start : here.stop])
            columns.append(torch.sigmoid(network(features, mask, context)).numpy())
    return np.concatenate(columns).T


def window_batch(videos: list[np.ndarray], starts: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    windows = np.stack([each[start - 3 : start + 8] for each, start in zip(videos, starts, strict=True)])
    return torch.from_numpy(windows), torch.ones(windows.shape[:2], dtype=torch.bool)


class Products(TorchDispatchMode):
    """Notes every matrix product with the shapes of its factors."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[Any, tuple[Any, ...]]] = []

    @staticmethod
    def of(work: Callable[[], Any]) -> tuple[Any, list[tuple[Any, tuple[Any, ...]]]]:
        """What some work returns, and its products."""
        with Products() as products:
            result = work()
        if not products.found:
            raise SystemExit("no matrix product was seen, so there is no limit to compare with")
        return result, products.found

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket.__name__ in PRODUCTS:
            shapes = tuple((tuple(each.shape), each.stride()) for each in args if isinstance(each, torch.Tensor))
            self.found.append((func, shapes))
        return func(*args, **(kwargs or {}))


def replay(products: list[tuple[Any, tuple[Any, ...]]]) -> None:
    """The same products on tensors of the same shapes and strides."""
    with torch.inference_mode():
        for function, shapes in products:
            function(*[factor(*each) for each in shapes])


@cache
def factor(shape: tuple[int, ...], strides: tuple[int, ...]) -> torch.Tensor:
    return torch.empty_strided(shape, strides).normal_(0, 0.1)


def report_neighbours(network: Network, shard: Path, windows: Windows) -> None:
    """The same segments in batches of the same shape, in another order; the same videos encoded alone."""
    videos = [each.features_TC for each in read_frame_records(shard)]
    count = min(128, len(windows.video_N))
    features, mask = window_batch([videos[each] for each in windows.video_N[:count]], windows.start_seconds_N[:count])
    chosen = choose([len(each) for each in videos], network.settings.frames, seeds_V=None)
    whole = np.stack([each[rows] for each, rows in zip(videos, chosen.indices_VT, strict=True)])
    seen, there = torch.from_numpy(whole), torch.from_numpy(chosen.mask_VT)
    other = torch.from_numpy(np.random.default_rng(1).permutation(count))
    with torch.inference_mode():
        together = network.encode_context(seen, there)
        alone = torch.cat(
            [network.encode_context(seen[each : each + 1], there[each : each + 1]) for each in range(len(seen))]
        )
        context = together[torch.from_numpy(windows.video_N[:count].astype(np.int64))]
        straight = torch.sigmoid(network(features, mask, context))
        mixed = torch.sigmoid(network(features[other], mask[other], context[other]))
        single = torch.sigmoid(network(features[:1], mask[:1], context[:1]))
    for name, first, second in (
        ("in another order", straight[other], mixed),
        ("in a batch of one", straight[:1], single),
        ("context encoded alone", together, alone),
    ):
        differing = float((first != second).float().mean())
        print(f"{name:<24} {differing:8.1%} of numbers differ in a bit, by at most {(first - second).abs().max():.1e}")


def compare_numbers() -> None:
    rng = np.random.default_rng(0)
    for mean, deviation, share, lift in ((-4, 2, 0.01, 4), (-8, 2.5, 0.01, 6), (-13, 2, 0.01, 10), (-18, 2, 0.01, 10)):
        shown_N = rng.random(FULL_SEGMENTS) < share
        logit_N = rng.normal(mean, deviation, FULL_SEGMENTS) + lift * shown_N
        chance_N = 1 / (1 + np.exp(-logit_N))
        draws = [rated(logit_N, shown_N, seed) for seed in range(20)]
        best = first_places(chance_N)
        exact = np.array([precision(best, *each) for each in draws])
        last = chance_N[best[-1]]
        print(f"logits N({mean}, {deviation}), +{lift} for {share:.0%}: place 100,000 has p = {last:.1e}")
        for name, kept_N in (
            ("float32", chance_N.astype(np.float32)),
            ("float16", chance_N.astype(np.float16)),
            ("int16 9999p", np.rint(9_999 * chance_N).astype(np.int16)),
        ):
            places = first_places(kept_N)
            tied = int(np.count_nonzero(kept_N == kept_N[places[-1]]))
            change = np.array([precision(places, *each) for each in draws]) - exact
            print(
                f"  {name:<12} {tied:>10,} share its value; AP {exact.mean():.4f}, mean change {change.mean():+.5f},",
                end="",
            )
            print(f" largest {np.abs(change).max():.5f}")


def rated(logit_N: np.ndarray, shown_N: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Ratings as the official set has them: 137 positive ones, 106 negative ones among the 3,000 likeliest or so."""
    rng = np.random.default_rng(seed)
    likely = np.argsort(-(np.where(shown_N, -np.inf, logit_N) + rng.gumbel(0, 2, len(logit_N))))[:3_000]
    positive_N = np.zeros(len(logit_N), np.bool_)
    positive_N[rng.choice(np.flatnonzero(shown_N), 137, replace=False)] = True
    rated_N = positive_N.copy()
    rated_N[rng.choice(likely, 106, replace=False)] = True
    return rated_N, positive_N


def first_places(score_N: np.ndarray) -> np.ndarray:
    return np.argsort(-score_N.astype(np.float64), kind="stable")[:CAP]


def precision(places: np.ndarray, rated_N: np.ndarray, positive_N: np.ndarray) -> float:
    hits = positive_N[places][rated_N[places]]
    return float((np.cumsum(hits) / (np.arange(len(hits)) + 1))[hits].sum() / positive_N.sum())


def weights_bytes(network: Network) -> int:
    return sum(each.numel() * each.element_size() for each in network.parameters())


def peak_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    main()
