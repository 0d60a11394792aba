"""Segment AP: Podium against the rule written out box by box, in one run.

    python benchmarks/segment_ap.py [--repeats 3]

Data: seeded boxes of some seconds, about three true ones a pair of videos. The plain way does 10,000 predictions, two
and 400 a pair, and nothing larger. CPU seconds of the best run; the plain way runs once.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from itertools import groupby
from math import sqrt
from typing import Any

import numpy as np

from podium.metrics.segments import Segments, SegmentTally

TRUE_BOXES = 2_707


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="runs; the quickest counts")
    options = parser.parse_args()
    print(f"{'predictions':>12} {'a pair':>7} {'podium s':>9} {'plain s':>8} {'ratio':>7} {'difference':>11}")
    for count, per_pair, plainly_too in (
        (10_000, 2, True),
        (10_000, 400, True),
        (500_000, 2, False),
        (500_000, 400, False),
    ):
        boxes, scores, truth = made(count, per_pair)
        ours, value = quickest(partial(podium, boxes, scores, truth), options.repeats)
        line = f"{count:>12,} {per_pair:>7} {ours:>9.3f}"
        if plainly_too:
            slow, expected = quickest(partial(plainly, boxes, scores, truth), 1)
            line += f" {slow:>8.2f} {slow / ours:>6.0f}x {abs(expected - value):>11.1e}"
        print(line)
    boxes, scores, truth = made(200_000, 2)
    tally = SegmentTally.of(boxes, scores, truth)
    drawn, _ = quickest(lambda: tally.resampled(resamples=100, seed=0), options.repeats)
    print(f"bootstrap over queries, 200,000 predictions: {drawn * 10:.1f} ms a draw")


def podium(boxes: Segments, scores: np.ndarray, truth: Segments) -> float:
    return SegmentTally.of(boxes, scores, truth).average_precision()


def made(count: int, per_pair: int) -> tuple[Segments, np.ndarray, Segments]:
    """Predictions, their scores, and a truth that shares its pairs with some of them."""
    rng = np.random.default_rng(0)
    pair = np.arange(count) // per_pair
    start, size = rng.uniform(0, 60, (count, 2)), rng.uniform(1, 20, (count, 2))
    times = np.stack([start[:, 0], start[:, 0] + size[:, 0], start[:, 1], start[:, 1] + size[:, 1]], axis=1)
    boxes = Segments(query_N=pair // 25, reference_N=pair % 25, times_N4=times.round(3))
    chosen = rng.choice(count, min(count // 4, 3 * count // per_pair, TRUE_BOXES), replace=False)
    moved = boxes.only(chosen)
    truth = Segments(query_N=moved.query_N, reference_N=moved.reference_N, times_N4=moved.times_N4 + 1.5)
    return boxes, rng.random(count).round(4), truth


def plainly(boxes: Segments, scores: np.ndarray, truth: Segments) -> float:
    """The rule as it reads: after every box, the unions of its pair again."""
    rows = list(zip(boxes.query_N.tolist(), boxes.reference_N.tolist(), boxes.times_N4.tolist(), strict=True))
    true_of: dict[Any, list[list[float]]] = defaultdict(list)
    for query, reference, times in zip(
        truth.query_N.tolist(), truth.reference_N.tolist(), truth.times_N4.tolist(), strict=True
    ):
        true_of[query, reference].append(times)
    total = [sum(length([each[at : at + 2] for each in mine]) for mine in true_of.values()) for at in (0, 2)]
    mine_of: dict[Any, list[list[float]]] = defaultdict(list)
    touched_of: dict[Any, list[list[float]]] = defaultdict(list)
    last: dict[Any, tuple[float, float]] = {}
    right, called = [0.0, 0.0], [0.0, 0.0]
    value = before = 0.0
    order = np.argsort(-scores, kind="stable").tolist()
    for _, group in groupby(order, key=lambda row: scores[row]):
        for row in group:
            query, reference, times = rows[row]
            mine, touched = mine_of[query, reference], touched_of[query, reference]
            mine.append(times)
            for true in true_of.get((query, reference), []):
                if true not in touched and overlap(true, times):
                    touched.append(true)
            for axis, at in enumerate((0, 2)):
                a, b = [each[at : at + 2] for each in mine], [each[at : at + 2] for each in touched]
                has = length(a)
                shares = has + length(b) - length(a + b)
                old = last.get((query, reference, axis), (0.0, 0.0))
                called[axis] += has - old[0]
                right[axis] += shares - old[1]
                last[query, reference, axis] = (has, shares)
        recall = sqrt(max(right[0], 0) / total[0] * max(right[1], 0) / total[1])
        value += sqrt(max(right[0], 0) / called[0] * max(right[1], 0) / called[1]) * (recall - before)
        before = recall
    return value


def overlap(a: list[float], b: list[float]) -> bool:
    return all(min(a[at + 1], b[at + 1]) > max(a[at], b[at]) for at in (0, 2))


def length(intervals: list[list[float]]) -> float:
    """Of the union."""
    total, reach = 0.0, float("-inf")
    for start, end in sorted(intervals):
        if end > reach:
            total += end - max(start, reach)
            reach = end
    return total


def quickest(work: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """CPU seconds of the quickest of several runs, and what the last returned."""
    best, done = float("inf"), None
    for _ in range(repeats):
        start = time.process_time()
        done = work()
        best = min(best, time.process_time() - start)
    return best, done


if __name__ == "__main__":
    main()
