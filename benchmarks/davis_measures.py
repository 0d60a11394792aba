"""J, F and the contest's IoU of DAVIS masks: Podium against the official way, and a whole set with its PNG files.

    python benchmarks/davis_measures.py [--masks ../shared/values/davis/masks] [--frames 1999] [--repeats 5]

The folder holds `osvos/<sequence>/*.png` (taken for the truth) and `rvos/<sequence>/*.png`; without it ellipses are
drawn. First a data set of that many frames is read and scored as `podium score` does, alone in its process as far as
memory goes. Then single frames are measured in memory, CPU seconds, the quickest of several walks over one frame of
every five. The plain way does what the official program does: boolean masks, boundary by comparison of neighbours,
dilation by `cv2.dilate` with a disk, where OpenCV is installed, and else by `scipy.ndimage`; one thread.
"""

from __future__ import annotations

import argparse
import math
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from podium.challenges.davis import layout, paths
from podium.challenges.davis.metadata import METADATA, Metadata, write_metadata
from podium.challenges.davis.predictions import read_predictions
from podium.challenges.davis.scoring import score
from podium.formats import masks
from podium.formats.datasets import link
from podium.metrics.regions import Comparison, tolerance_pixels
from podium.types import DataSet, Phase, ScoreSettings

Pair = tuple[np.ndarray, np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--masks", type=Path, default=Path(__file__).parents[2] / "shared" / "values" / "davis" / "masks"
    )
    parser.add_argument("--frames", type=int, default=1_999, help="of the whole set; 0 leaves it out")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.masks if options.masks.is_dir() else draw(Path(scratch) / "drawn")
        files = sorted((folder / "osvos").glob("*/*.png"))
        couples = [(path, folder / "rvos" / path.parent.name / path.name) for path in files]
        print(f"{len(couples)} pairs of masks in {folder.name if folder is options.masks else 'drawn ellipses'}")
        if options.frames:
            whole_set(couples, options.frames, Path(scratch))
        single_frames(couples[::5], options.repeats)


def whole_set(couples: list[tuple[Path, Path]], frames: int, scratch: Path) -> None:
    data, result = build(couples, frames, scratch)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, wall = time.process_time(), time.perf_counter()
    reading = read_predictions(result, data, phase=Phase(name="1", summary="", code_required=True))
    middle = time.process_time()
    if reading.predictions is None:
        raise SystemExit("\n".join(str(each) for each in reading.problems))
    found = score(reading.predictions, data, ScoreSettings())
    end = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"a set of {frames} frames, PNG files included")
    print(f"read predictions  {middle - start:8.2f} s CPU")
    print(f"read truth, score {end - middle:8.2f} s CPU")
    print(f"together          {end - start:8.2f} s CPU, {time.perf_counter() - wall:.2f} s wall")
    print(f"peak memory       {peak / 1024:8.0f} MB, {before / 1024:.0f} MB before")
    print(f"mean IoU          {found.value:.6f}")


def build(couples: list[tuple[Path, Path]], frames: int, scratch: Path) -> tuple[DataSet, Path]:
    """The pairs again and again as clips of other names, until there are enough frames; results as a tree."""
    data, result = DataSet(scratch / "data"), scratch / "result"
    raw: list[str] = []
    annotation: list[str] = []
    for number in range(frames):
        truth, found = couples[number % len(couples)]
        name = f"{truth.parent.name}-{number // len(couples)}/{truth.stem}"
        raw.append(f"{layout.IMAGES}/{name}.jpg")
        annotation.append(f"{layout.ANNOTATIONS}/{name}.png")
        link(truth, data.answers / annotation[-1])
        link(found, result / f"{name}.png")
        (data.inputs / raw[-1]).parent.mkdir(parents=True, exist_ok=True)
        if not any((data.inputs / raw[-1]).parent.iterdir()):
            with Image.open(truth) as image:
                Image.new("L", image.size).save(data.inputs / raw[-1])
    paths.write(data.inputs / paths.PATHS, {paths.RAW: raw})
    paths.write(data.answers / paths.PATHS, {paths.ANNOTATION: annotation})
    write_metadata(result / METADATA, Metadata(parameters=0))
    return data, result


def single_frames(couples: list[tuple[Path, Path]], repeats: int) -> None:
    pairs = [(foreground(truth), foreground(found)) for truth, found in couples]
    comparisons = {pair[0].shape: Comparison(*pair[0].shape) for pair in pairs}

    def podium(pair: Pair) -> tuple[float, float]:
        both = comparisons[pair[0].shape].compare(*pair)
        return both.region, both.boundary

    dilate, how = dilation()

    def plain(pair: Pair) -> tuple[float, float]:
        return plain_region(*pair), plain_boundary(*pair, dilate)

    def copy(pair: Pair) -> tuple[float, float]:
        return float(pair[0].copy()[0, 0]), float(pair[1].copy()[0, 0])

    ours, found = quickest(podium, pairs, repeats)
    theirs, expected = quickest(plain, pairs, repeats)
    limit, _ = quickest(copy, pairs, repeats)
    worst = max(abs(a - b) for one, other in zip(found, expected, strict=True) for a, b in zip(one, other, strict=True))
    print(f"J and F of a frame in memory, mean of {len(pairs)}")
    print(f"podium            {ours * 1e3:8.3f} ms CPU")
    print(f"plain way         {theirs * 1e3:8.3f} ms CPU, {how}")
    print(f"ratio             {theirs / ours:8.1f} x")
    print(f"largest difference {worst:.1e}")
    print(f"the limit         {limit * 1e3:8.3f} ms: both masks copied once")


def quickest(
    measure: Callable[[Pair], tuple[float, float]], pairs: list[Pair], repeats: int
) -> tuple[float, list[tuple[float, float]]]:
    """CPU seconds a frame in the quickest walk over all pairs, and what was measured."""
    best, found = math.inf, [measure(pair) for pair in pairs]
    for _ in range(repeats):
        start = time.process_time()
        for pair in pairs:
            measure(pair)
        best = min(best, time.process_time() - start)
    return best / len(pairs), found


def plain_region(annotation: np.ndarray, prediction: np.ndarray) -> float:
    union = np.sum(annotation | prediction)
    return float(np.sum(annotation & prediction) / union) if union else 1.0


def plain_boundary(
    annotation: np.ndarray, prediction: np.ndarray, dilate: Callable[[np.ndarray, int], np.ndarray]
) -> float:
    radius = tolerance_pixels(*annotation.shape)
    truth, found = plain_outline(annotation), plain_outline(prediction)
    near_truth, near_found = dilate(truth, radius), dilate(found, radius)
    of_truth, of_found = np.sum(truth), np.sum(found)
    if not of_truth or not of_found:
        return float(of_truth == of_found)
    precision = np.sum(found & near_truth) / of_found
    recall = np.sum(truth & near_found) / of_truth
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def plain_outline(mask: np.ndarray) -> np.ndarray:
    wider = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    here = wider[:-1, :-1]
    return (here ^ wider[:-1, 1:]) | (here ^ wider[1:, :-1]) | (here ^ wider[1:, 1:])


def dilation() -> tuple[Callable[[np.ndarray, int], np.ndarray], str]:
    def disk(radius: int) -> np.ndarray:
        side = np.arange(-radius, radius + 1)
        return (side[:, None] ** 2 + side**2 <= radius**2).astype(np.uint8)

    try:
        import cv2
    except ImportError:
        from scipy import ndimage

        return lambda mask, radius: ndimage.binary_dilation(mask, disk(radius)), "scipy.ndimage.binary_dilation"
    cv2.setNumThreads(1)
    return lambda mask, radius: cv2.dilate(mask.astype(np.uint8), disk(radius)).astype(bool), "cv2.dilate"


def foreground(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image) > 0


def draw(folder: Path) -> Path:
    """Two sequences of ellipses, the second method's a little aside."""
    down, across = np.mgrid[:480, :854]
    for method, aside in (("osvos", 0), ("rvos", 9)):
        for clip, (tall, wide) in {"small": (60, 90), "large": (150, 220)}.items():
            (folder / method / clip).mkdir(parents=True)
            for number in range(40):
                middle = 300 + 6 * number + aside
                inside = ((down - 240) / tall) ** 2 + ((across - middle) / (wide + aside)) ** 2 < 1
                masks.write(folder / method / clip / f"{number:05}.png", inside.astype(np.uint8), palette=True)
    return folder


if __name__ == "__main__":
    main()
