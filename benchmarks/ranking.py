"""Ranking images by cosine: Podium against the plain way, one query after the other with scikit-learn.

    python benchmarks/ranking.py [--queries 4419] [--images 3402] [--dimensions 1000] [--sample 100] [--repeats 3]

Data: normal vectors, seeded; the queries are images of the database as far as it reaches, each ranked without itself.
The plain way takes the query's row out of the database, asks `sklearn.metrics.pairwise.cosine_similarity` and sorts; it
is timed on a sample and extrapolated. The limit is the bare float32 matrix product of the same shape.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from podium.solutions.reidentification.ranking import rank, unit_rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=4_419)
    parser.add_argument("--images", type=int, default=3_402)
    parser.add_argument("--dimensions", type=int, default=1_000)
    parser.add_argument("--sample", type=int, default=100, help="queries of the plain way")
    parser.add_argument("--repeats", type=int, default=3, help="runs; the quickest counts")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    database = rng.standard_normal((options.images, options.dimensions), np.float32)
    own = np.where(np.arange(options.queries) < options.images, np.arange(options.queries), -1)
    strangers = rng.standard_normal((options.queries, options.dimensions), np.float32)
    query = np.where(own[:, None] >= 0, database[own], strangers)

    ours, found = quickest(lambda: rank(unit_rows(query), unit_rows(database), own_Q=own), options.repeats)
    limit, _ = quickest(lambda: query @ database.T, options.repeats)
    chosen = rng.permutation(options.queries)[: options.sample]
    plain, expected = quickest(lambda: [plainly(query[row], database, int(own[row])) for row in chosen], 1)
    same = sum(found.indices_QK[row].tolist() == listed for row, listed in zip(chosen, expected, strict=True))
    extrapolated = plain / len(chosen) * options.queries
    print(f"{options.queries} queries x {options.images} images x {options.dimensions} dimensions")
    print(f"podium            {ours:8.2f} s, normalisation included")
    print(f"plain way         {extrapolated:8.1f} s, extrapolated from {len(chosen)} queries in {plain:.2f} s")
    print(f"ratio             {extrapolated / ours:8.0f} x")
    print(f"same top 20       {same} of {len(chosen)} sampled queries, in the same order")
    print(f"share of the limit {limit / ours:7.0%}: the bare float32 product takes {limit:.2f} s")


def plainly(query_D: np.ndarray, database_ND: np.ndarray, own: int) -> list[int]:
    """The twenty best by scikit-learn, the own row taken out first."""
    from sklearn.metrics.pairwise import cosine_similarity

    others = np.delete(np.arange(len(database_ND)), [own] if own >= 0 else [])
    cosine = cosine_similarity(query_D[None], database_ND[others])[0]
    return others[np.argsort(-cosine, kind="stable")[:20]].tolist()


def quickest(work: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Seconds of the quickest of several runs, and what the last returned."""
    best = float("inf")
    done: Any = None
    for _ in range(repeats):
        start = time.perf_counter()
        done = work()
        best = min(best, time.perf_counter() - start)
    return best, done


if __name__ == "__main__":
    main()
