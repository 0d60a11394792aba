"""YouTube-8M segments: building `sub.csv`, checking it, scoring it. Each part runs in a process of its own.

    python benchmarks/segment_submission.py [--repeats 3] [--full [--classes 100]] [--folder DIR]

Parts: the builder on 50,000 segments x 1,000 classes, cap 5,000, two models, with spread scores and with scores of
which 94 % are 0; the validator and the scorer on 100 classes of 100,000 entries and 237,000 ratings of 44,740 videos.

`--full` builds the real size instead: 1,704,348 segments x 1,000 classes, cap 100,000, two sparse models of 3.4 GB
each, then checks and scores the file. It needs 8 GB of disk in DIR and some minutes, most of them for the models.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from podium.challenges.yt8m_segments import layout
from podium.challenges.yt8m_segments.builder import ScoreFile, Segments, eligible_segments, write_submission
from podium.challenges.yt8m_segments.layout import Ratings, Videos
from podium.challenges.yt8m_segments.predictions import CAP, SUBMISSION, read_predictions
from podium.challenges.yt8m_segments.scoring import score
from podium.challenges.yt8m_segments.vocabulary import Vocabulary, read_vocabulary, write_vocabulary
from podium.types import DataSet, Phase, ScoreSettings

CLASSES, MODELS, VIDEOS, RATINGS = 1_000, 2, 44_740, 237_000
FULL_SEGMENTS = 1_704_348
ALPHABET = np.frombuffer(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="runs of each part; the quickest counts")
    parser.add_argument("--full", action="store_true", help="the real size; minutes")
    parser.add_argument("--classes", type=int, default=CLASSES, help="with --full: fewer classes, for a quick look")
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder otherwise")
    parser.add_argument("--child", choices=sorted(PARTS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(PARTS[options.child](options.folder) | {"peak_bytes": peak_bytes()}))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        if options.full:
            run_full(Path(folder), options.classes)
        else:
            run_small(Path(folder), options.repeats)


def run_small(folder: Path, repeats: int) -> None:
    rng = np.random.default_rng(0)
    for kind in ("spread", "peaked"):
        make_models(folder / kind, make_data(folder / kind, rng, 50_000), rng, kind)
        report(f"build 50,000 x 1,000, cap 5,000, {kind}", best_of(repeats, "build", folder / kind))
    data = DataSet(folder / "lists")
    segments = make_data(data.root, rng, FULL_SEGMENTS)
    make_lists(data, segments, rng, classes=100)
    report("check 100 x 100,000 entries", best_of(repeats, "check", data.root))
    report("check and score, 1,000 resamples", best_of(1, "score", data.root))


def run_full(folder: Path, classes: int) -> None:
    rng = np.random.default_rng(0)
    with timed("making the models"):
        make_models(folder, make_data(folder, rng, FULL_SEGMENTS, classes), rng, "sparse", classes)
    report(f"build {FULL_SEGMENTS:,} x {classes:,}, cap {CAP:,}", best_of(1, "build", folder))
    report("check", best_of(1, "check", folder))
    report("check and score, 1,000 resamples", best_of(1, "score", folder))


def make_data(root: Path, rng: np.random.Generator, count: int, classes: int = CLASSES) -> Segments:
    """Writes vocabulary, videos and ratings of a test set; the first `count` of its eligible segments come back."""
    data, size = DataSet(root), max(1, round(VIDEOS * count / FULL_SEGMENTS * 1.01))
    codes = rng.choice(len(ALPHABET) ** 4, size, replace=False)
    letters = ALPHABET[codes[:, None] // len(ALPHABET) ** np.arange(4) % len(ALPHABET)]
    ids = np.ascontiguousarray(letters).view("S4").ravel().astype(np.str_)
    videos = Videos(ids=ids, frames=np.clip(rng.normal(231, 30, size), 120, 300).astype(np.int64))
    numbers, names = np.sort(rng.choice(3_862, classes, replace=False)), ("",) * classes
    vocabulary = Vocabulary(
        indices=numbers, knowledge_graph_ids=names, names=names, positive_segments=numbers, rated_segments=numbers
    )
    write_vocabulary(data.inputs / layout.VOCABULARY, vocabulary)
    layout.write_videos(data.inputs / layout.VIDEOS, videos)
    segments = eligible_segments(videos)
    rated = rng.integers(0, len(segments.video), RATINGS)
    ratings = Ratings(
        videos=ids[segments.video[rated]],
        start_seconds=segments.start_seconds[rated].astype(np.int64),
        class_indices=rng.choice(numbers, RATINGS),
        positive=rng.random(RATINGS) < 0.557,
    )
    layout.write_ratings(data.answers / layout.RATINGS, ratings)
    if len(segments.video) < count:
        raise SystemExit(f"only {len(segments.video)} segments were made, {count} are needed")
    return Segments(ids=ids, video=segments.video[:count], start_seconds=segments.start_seconds[:count])


def make_models(root: Path, segments: Segments, rng: np.random.Generator, kind: str, classes: int = CLASSES) -> None:
    """Two class-major arrays of 16-bit scores, 0 to 9,999, and the segments that they are for."""
    count = len(segments.video)
    np.savez(root / "segments.npz", ids=segments.ids, video=segments.video, start=segments.start_seconds)
    for model in range(MODELS):
        scores = np.lib.format.open_memmap(root / f"{model}.npy", mode="w+", dtype=np.uint16, shape=(classes, count))
        for row in range(classes):
            if kind == "sparse":
                listed = np.flatnonzero(rng.random(len(segments.ids)) < 0.08)
                places = np.flatnonzero(np.isin(segments.video, listed, kind="table"))
                scores[row, places] = rng.integers(1, 10_000, len(places), dtype=np.uint16)
            else:
                logits = rng.normal(-4 if kind == "spread" else -13, 2, count).astype(np.float32)
                scores[row] = np.round(9_999 / (1 + np.exp(-logits)))
        scores.flush()


def make_lists(data: DataSet, segments: Segments, rng: np.random.Generator, *, classes: int) -> None:
    """A submission of random lists, as long as lists may be."""
    names = np.char.add(np.char.add(segments.ids[segments.video], ":"), segments.start_seconds.astype(np.str_))
    indices = read_vocabulary(data.inputs / layout.VOCABULARY).indices[:classes]
    with (data.root / SUBMISSION).open("w") as stream:
        stream.write("Class,Segments\n")
        for index in indices.tolist():
            stream.write(f"{index},{' '.join(names[rng.permutation(len(names))[:CAP]].tolist())}\n")


def build(folder: Path) -> dict[str, float]:
    with np.load(folder / "segments.npz") as stored:
        segments = Segments(ids=stored["ids"], video=stored["video"], start_seconds=stored["start"])
    indices = read_vocabulary(folder / "inputs" / layout.VOCABULARY).indices
    models = [ScoreFile(folder / f"{model}.npy") for model in range(MODELS)]
    cap = CAP if len(segments.video) > CAP else 5_000
    with timed() as seconds:
        write_submission(folder / SUBMISSION, models, segments, indices, cap=cap)
    return seconds | size_of(folder)


def check(folder: Path) -> dict[str, float]:
    with timed() as seconds:
        reading = read_predictions(folder, DataSet(folder), phase=Phase(name="1", summary="", code_required=True))
    if not reading.valid:
        raise SystemExit(f"the file is refused: {reading.problems}")
    return seconds | size_of(folder)


def judge(folder: Path) -> dict[str, float]:
    data = DataSet(folder)
    with timed() as seconds:
        reading = read_predictions(folder, data, phase=Phase(name="1", summary="", code_required=True))
        score(reading.predictions, data, ScoreSettings())
    return seconds | size_of(folder)


PARTS: dict[str, Callable[[Path], dict[str, float]]] = {"build": build, "check": check, "score": judge}


@contextmanager
def timed(what: str = "") -> Iterator[dict[str, float]]:
    seconds: dict[str, float] = {}
    wall, cpu = time.perf_counter(), time.process_time()
    yield seconds
    seconds |= {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    if what:
        print(f"{what}: {seconds['wall']:.1f} s", flush=True)


def size_of(folder: Path) -> dict[str, float]:
    return {"bytes": (folder / SUBMISSION).stat().st_size}


def best_of(repeats: int, part: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, "--child", part, "--folder", str(folder)]
    runs = [json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout) for _ in range(repeats)]
    return min(runs, key=lambda each: each["cpu"])


def peak_bytes() -> int:
    """Of this program alone: what `getrusage` says begins with the memory of the process that started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def report(what: str, found: dict[str, Any]) -> None:
    speed = found["bytes"] / 1e6 / found["cpu"]
    print(f"{what:<52}{found['wall']:>8.2f} s wall{found['cpu']:>8.2f} s cpu", end="")
    print(f"{speed:>8.0f} MB/s of csv{found['peak_bytes'] / 1e6:>8.0f} MB peak", flush=True)


if __name__ == "__main__":
    main()
