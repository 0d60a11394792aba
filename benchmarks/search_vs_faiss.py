"""Search, candidates and micro-AP: Podium against a faiss pipeline, each in a process of its own.

    python benchmarks/search_vs_faiss.py [--queries 1000] [--references 5000] [--repeats 1]

Data: unit vectors, seeded. A video is a random direction plus a random offset for each row (cosine of two of its rows
about 0.67). A quarter of the queries copy 10 consecutive rows of a reference with noise; those are the positives.

The faiss pipeline is written as the field's scorer works: `range_search_max_results` over a flat index, tuples, a
stable sort, the maximum of each pair by dictionary, a sort and a cut, scikit-learn's average precision.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

ROWS, DIMENSIONS, COPIED_ROWS = 30, 512, 10
HITS_A_QUERY, PAIRS_A_QUERY = 1_200, 25
REAL_QUERY_ROWS, REAL_REFERENCE_ROWS, REAL_QUERIES = 350_238, 1_283_630, 8_295


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=1_000, help="query videos")
    parser.add_argument("--references", type=int, default=5_000, help="reference videos")
    parser.add_argument("--repeats", type=int, default=1, help="runs of each; the quickest counts")
    parser.add_argument("--child", choices=sorted(PIPELINES), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        run_child(options.child, options.folder)
        return
    with tempfile.TemporaryDirectory() as folder:
        make_data(Path(folder), options.queries, options.references)
        runs: dict[str, list[dict[str, Any]]] = {name: [] for name in PIPELINES}
        for _ in range(options.repeats):
            for name, done in runs.items():
                done.append(start_child(name, Path(folder)))
        report({name: min(done, key=lambda each: each["total"]) for name, done in runs.items()}, Path(folder))


def make_data(folder: Path, queries: int, references: int) -> None:
    """Writes the two matrices and the ground truth."""
    rng = np.random.default_rng(0)
    query_rows, reference_rows = videos(rng, queries), videos(rng, references)
    copies = np.arange(0, queries, 4)
    sources = rng.choice(references, len(copies), replace=len(copies) > references)
    for copy, source in zip(copies, sources, strict=True):
        to, start = rng.integers(0, ROWS - COPIED_ROWS, 2)
        copied = reference_rows[source, start : start + COPIED_ROWS]
        noise = rng.standard_normal(copied.shape, np.float32) / DIMENSIONS**0.5
        query_rows[copy, to : to + COPIED_ROWS] = unit(copied + rng.uniform(1, 10) * noise)
    np.save(folder / "queries.npy", query_rows.reshape(-1, DIMENSIONS))
    np.save(folder / "references.npy", reference_rows.reshape(-1, DIMENSIONS))
    np.save(folder / "truth.npy", np.stack([copies, sources], axis=1))


def videos(rng: np.random.Generator, count: int) -> np.ndarray:
    theme = rng.standard_normal((count, 1, DIMENSIONS), np.float32)
    return unit(theme + 0.7 * rng.standard_normal((count, ROWS, DIMENSIONS), np.float32))


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


class Stages:
    """Wall and processor seconds of named stages."""

    def __init__(self) -> None:
        self.wall: dict[str, float] = {}
        self.cpu: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.wall[name], self.cpu[name] = time.perf_counter() - wall, time.process_time() - cpu


def podium_pipeline(folder: Path, stage: Stages) -> tuple[np.ndarray, np.ndarray, float]:
    with stage("import"):
        from podium.metrics import average_precision
        from podium.search import top_pairs
        from podium.search.candidates import candidates
    with stage("load"):
        query_rows, reference_rows = np.load(folder / "queries.npy"), np.load(folder / "references.npy")
        truth = np.load(folder / "truth.npy")
    queries = len(query_rows) // ROWS
    with stage("search"):
        hits = top_pairs(query_rows, reference_rows, k=HITS_A_QUERY * queries)
    with stage("candidates"):
        of_query, of_reference = np.arange(len(query_rows)) // ROWS, np.arange(len(reference_rows)) // ROWS
        pairs = candidates(hits, of_query, of_reference, limit=PAIRS_A_QUERY * queries)
    with stage("micro-AP"):
        width = len(reference_rows) // ROWS
        relevant = np.isin(pairs.query_ids * width + pairs.reference_ids, truth[:, 0] * width + truth[:, 1])
        value = average_precision(pairs.similarities, relevant, positives=len(truth))
    return np.stack([pairs.query_ids, pairs.reference_ids], axis=1), pairs.similarities, value


def faiss_pipeline(folder: Path, stage: Stages) -> tuple[np.ndarray, np.ndarray, float]:
    with stage("import"):
        import faiss
        from faiss.contrib.exhaustive_search import range_search_max_results
        from sklearn.metrics import average_precision_score
    with stage("load"):
        query_rows, reference_rows = np.load(folder / "queries.npy"), np.load(folder / "references.npy")
        truth = {tuple(pair) for pair in np.load(folder / "truth.npy").tolist()}
    queries = len(query_rows) // ROWS
    wanted = HITS_A_QUERY * queries
    with stage("search"):
        index = faiss.IndexFlatIP(DIMENSIONS)
        index.add(reference_rows)
        _, limits, similarities, found = range_search_max_results(
            index, growing_batches(query_rows), -1e10, max_results=2 * wanted, min_results=wanted, ngpu=0
        )
        hits = [
            (row, int(found[place]), float(similarities[place]))
            for row in range(len(query_rows))
            for place in range(limits[row], limits[row + 1])
        ]
        hits.sort(key=lambda hit: hit[2], reverse=True)
        hits = hits[:wanted]
    with stage("candidates"):
        best: dict[tuple[int, int], float] = {}
        for row, reference, similarity in hits:
            pair = (row // ROWS, reference // ROWS)
            best[pair] = max(best.get(pair, -np.inf), similarity)
        ranked = sorted(best.items(), key=lambda item: item[1], reverse=True)[: PAIRS_A_QUERY * queries]
    with stage("micro-AP"):
        relevant = np.array([pair in truth for pair, _ in ranked])
        value = average_precision_score(relevant, [each for _, each in ranked]) * relevant.sum() / len(truth)
    return np.array([pair for pair, _ in ranked]), np.array([each for _, each in ranked], np.float32), float(value)


def growing_batches(rows: np.ndarray) -> Iterator[np.ndarray]:
    start, size = 0, 32
    while start < len(rows):
        yield rows[start : start + size]
        start, size = start + size, min(size * 2, 20_000)


PIPELINES: dict[str, Callable[[Path, Stages], tuple[np.ndarray, np.ndarray, float]]] = {
    "faiss": faiss_pipeline,
    "podium": podium_pipeline,
}


def run_child(name: str, folder: Path) -> None:
    stages = Stages()
    pairs, similarities, value = PIPELINES[name](folder, stages)
    np.savez(folder / f"{name}.npz", pairs=pairs, similarities=similarities)
    total = sum(wall for stage, wall in stages.wall.items() if stage not in ("import", "load"))
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"wall": stages.wall, "cpu": stages.cpu, "total": total, "peak_bytes": peak_bytes, "ap": value}))


def start_child(name: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, "--child", name, "--folder", str(folder)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def report(results: dict[str, dict[str, Any]], folder: Path) -> None:
    peer, ours = results["faiss"], results["podium"]
    print(f"{'seconds wall (cpu)':<24}{'faiss pipeline':>20}{'podium':>20}{'ratio':>8}")
    for stage in ours["wall"]:
        cells = [f"{each['wall'][stage]:.2f} ({each['cpu'][stage]:.2f})" for each in (peer, ours)]
        print(f"{stage:<24}{cells[0]:>20}{cells[1]:>20}{peer['wall'][stage] / max(ours['wall'][stage], 1e-9):>8.2f}")
    ratio = peer["total"] / ours["total"]
    print(f"{'search to micro-AP':<24}{peer['total']:>20.2f}{ours['total']:>20.2f}{ratio:>8.2f}")
    print(f"{'peak memory, MB':<24}{peer['peak_bytes'] / 1e6:>20.0f}{ours['peak_bytes'] / 1e6:>20.0f}")
    print(f"{'micro-AP':<24}{peer['ap']:>20.12f}{ours['ap']:>20.12f}")
    agreement(folder)
    projection(ours, folder)


def agreement(folder: Path) -> None:
    peer, ours = np.load(folder / "faiss.npz"), np.load(folder / "podium.npz")
    peer_of = dict(zip(map(tuple, peer["pairs"].tolist()), peer["similarities"].tolist(), strict=True))
    ours_of = dict(zip(map(tuple, ours["pairs"].tolist()), ours["similarities"].tolist(), strict=True))
    shared = peer_of.keys() & ours_of.keys()
    furthest = max((abs(peer_of[pair] - ours_of[pair]) for pair in shared), default=0.0)
    same_place = int((peer["pairs"][: len(ours_of)] == ours["pairs"][: len(peer_of)]).all(axis=1).sum())
    print(f"candidates: {len(shared)} of {len(peer_of)} shared, {same_place} in the same place, ", end="")
    print(f"similarities differ by at most {furthest:.2g}")


def projection(ours: dict[str, Any], folder: Path) -> None:
    query_rows = len(np.load(folder / "queries.npy", mmap_mode="r"))
    reference_rows = len(np.load(folder / "references.npy", mmap_mode="r"))
    growth = REAL_QUERY_ROWS * REAL_REFERENCE_ROWS / (query_rows * reference_rows)
    hits_growth = REAL_QUERIES / (query_rows // ROWS)
    search = ours["wall"]["search"] * growth
    rest = (ours["wall"]["candidates"] + ours["wall"]["micro-AP"]) * hits_growth
    print(
        f"projection to {REAL_QUERY_ROWS:,} x {REAL_REFERENCE_ROWS:,} rows, {HITS_A_QUERY * REAL_QUERIES:,} hits: ",
        end="",
    )
    print(f"search {search / 60:.1f} min, candidates and micro-AP {rest:.1f} s on this machine")


if __name__ == "__main__":
    main()
