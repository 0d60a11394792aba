"""Temporal alignment: Podium's temporal network against one built with networkx, in one run.

    python benchmarks/alignment.py [--maps 300] [--repeats 3]

Data: seeded noise with up to two copies in it, raised by 0.5 as the challenge's baseline does; its settings. The
networkx version builds the graph of the description and asks `dag_longest_path` for every chain; networkx is no
dependency of Podium (PyTorch brings it). CPU milliseconds a map; the networkx version runs once, of Podium's runs the
quickest counts. The other aligners stand beside it.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import networkx as nx
import numpy as np

from podium.search.alignment import DynamicProgramming, HoughVoting, TemporalNetwork, TimeWarping

STEP, TOP, CHAINS, WEAKEST, SHORTEST, OVERLAP = 5, 5, 10, 0.2, 4, 0.3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--maps", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    ours = {each: TemporalNetwork(max_step=STEP, min_length=SHORTEST, reference=each) for each in (True, False)}

    mixed = made(options.maps, seed=1, rows=(5, 60), columns=(5, 60))
    found = ours[True].align(mixed)
    graphs = [with_networkx(each) for each in mixed]
    same = sum(inclusive(found.of(number)) == boxes for number, boxes in enumerate(graphs))
    print(f"same boxes as networkx, reference settings: {same} of {len(mixed)} maps, {sum(map(len, graphs))} boxes")

    sized = made(options.maps, seed=2, rows=(40, 41), columns=(31, 32))
    graph = [quickest(partial(with_networkx, each), 1)[0] for each in sized]
    median = statistics.median(graph)
    print(f"\n40 x 31 maps         ms a map    networkx, median {median:.2f} ms")
    for batch in (1, 4, 16, 64, 256, len(sized)):
        parts = [sized[at : at + batch] for at in range(0, len(sized), batch)]
        line = f"{batch:>4} at once"
        for reference, aligner in ours.items():
            each = [quickest(partial(aligner.align, part), options.repeats)[0] / len(part) for part in parts]
            name = "reference" if reference else "default"
            line += f"   {name} {statistics.median(each):6.3f} ms ({median / statistics.median(each):4.0f}x)"
        print(line)

    print("\nms a map, 64 at once     TN     DTW      DP   Hough")
    for rows, columns in ((40, 31), (40, 60), (120, 120), (180, 220)):
        maps = made(64, seed=3, rows=(rows, rows + 1), columns=(columns, columns + 1))
        line = f"{rows:>8} x {columns:<8}"
        for aligner in (
            ours[False],
            TimeWarping(min_similarity=0.7),
            DynamicProgramming(),
            HoughVoting(min_similarity=0.7),
        ):
            line += f" {quickest(partial(aligner.align, maps), options.repeats)[0] / 64:7.3f}"
        print(line)


def made(count: int, *, seed: int, rows: tuple[int, int], columns: tuple[int, int]) -> list[np.ndarray]:
    """Similarity maps with up to two copies at speeds from 0.6 to 1.6."""
    rng = np.random.default_rng(seed)
    maps = []
    for _ in range(count):
        similarity = rng.normal(0.15, 0.15, (int(rng.integers(*rows)), int(rng.integers(*columns)))) + 0.5
        for _ in range(int(rng.integers(0, 3))):
            top, left = (int(rng.integers(0, size)) for size in similarity.shape)
            speed = rng.uniform(0.6, 1.6)
            for at in range(int(rng.integers(5, 25))):
                row, column = top + at, int(left + speed * at)
                if row < similarity.shape[0] and column < similarity.shape[1]:
                    similarity[row, column] += rng.uniform(0.2, 0.6)
        maps.append(similarity)
    return maps


def with_networkx(similarity: np.ndarray) -> list[list[int]]:
    """The network of the description as a graph; [query first, query last, reference first, reference last]."""
    rows = len(similarity)
    nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :TOP]
    graph: nx.DiGraph = nx.DiGraph()
    graph.add_nodes_from((q, r) for q in range(rows) for r in nearest[q].tolist())
    sink = (rows - 1, int(nearest[-1, -1]))
    for q in range(rows):
        used: set[int] = set()
        for to in range(q + 1, min(rows, q + STEP)):
            reached: set[int] = set()
            for s in nearest[to].tolist():
                if similarity[to, s] < WEAKEST:
                    continue
                for r in nearest[q].tolist():
                    if 0 < s - r < STEP and not any(r < each < s for each in used):
                        graph.add_edge((q, r), (to, s), weight=0.0 if (to, s) == sink else float(similarity[to, s]))
                        reached.add(s)
            used |= reached
    boxes: list[list[int]] = []
    for _ in range(CHAINS + 1):
        chain = nx.dag_longest_path(graph)
        if len(chain) < 2:
            break
        nx.add_path(graph, chain, weight=0.0)
        total = sum(float(similarity[cell]) for cell in chain)
        (top, left), (bottom, right) = chain[0], chain[-1]
        sides = (bottom - top, right - left)
        box = [top, bottom, left, right]
        if (
            min(sides) > SHORTEST
            and 2 * total / sum(sides) > WEAKEST
            and all(iou(box, each) < OVERLAP for each in boxes)
        ):
            boxes.append(box)
    return boxes


def iou(a: list[int], b: list[int]) -> float:
    """In cells."""
    shared = 1
    for at in (0, 2):
        shared *= max(0, min(a[at + 1], b[at + 1]) - max(a[at], b[at]) + 1)
    return shared / (sum((each[1] - each[0] + 1) * (each[3] - each[2] + 1) for each in (a, b)) - shared)


def inclusive(bounds: np.ndarray) -> list[list[int]]:
    return (bounds - [0, 1, 0, 1]).tolist()


def quickest(work: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """CPU milliseconds of the quickest of several runs, and what the last returned."""
    best, done = float("inf"), None
    for _ in range(repeats):
        start = time.process_time()
        done = work()
        best = min(best, time.process_time() - start)
    return best * 1e3, done


if __name__ == "__main__":
    main()
