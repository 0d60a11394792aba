"""From descriptors to ranked video pairs, as the official runtime does it, and the files that it leaves.

The best 1200 row pairs per query video, over all queries and references together; the best similarity of each video
pair; the best 25 video pairs per query video. Source: `descriptor_eval` of the challenge's reference code.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from podium.challenges.vsc.predictions import DescriptorPredictions
from podium.formats import archives, tables
from podium.formats.descriptors import Descriptors
from podium.search.candidates import candidates
from podium.search.exact import top_pairs

HITS_PER_QUERY = 1_200
CANDIDATES_PER_QUERY = 25
FULL = "full_rankings.csv"
SUBSET = "subset_rankings.csv"
ARCHIVE = "submission.tar.gz"


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranking:
    """Video pairs, best first. Arrays of one length N.

    Attributes:
        query_ids: Unicode.
        reference_ids: Unicode.
        similarity: float32, not increasing.
        query_rows: The descriptor row that gave the similarity.
        reference_rows: Likewise.
    """

    query_ids: np.ndarray
    reference_ids: np.ndarray
    similarity: np.ndarray
    query_rows: np.ndarray
    reference_rows: np.ndarray


def rank(queries: Descriptors, references: Descriptors, *, query_count: int) -> Ranking:
    """The ranking of all video pairs.

    Args:
        query_count: Query videos that the budgets are counted from.
    """
    hits = top_pairs(queries.features_ND, references.features_ND, k=HITS_PER_QUERY * query_count)
    pairs = candidates(hits, queries.row_video, references.row_video, limit=CANDIDATES_PER_QUERY * query_count)
    return Ranking(
        query_ids=queries.videos[pairs.query_ids],
        reference_ids=references.videos[pairs.reference_ids],
        similarity=pairs.similarities,
        query_rows=pairs.query_rows,
        reference_rows=pairs.reference_rows,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Rankings:
    """The ranking of all queries, and that of the subset from the code's own descriptors."""

    full: Ranking
    subset: Ranking | None


def rank_all(predictions: DescriptorPredictions) -> Rankings:
    """Both rankings of a submission."""
    full = rank(predictions.queries, predictions.references, query_count=predictions.query_count)
    if predictions.subset is None:
        return Rankings(full=full, subset=None)
    subset = rank(predictions.subset, predictions.references, query_count=predictions.subset_count)
    return Rankings(full=full, subset=subset)


def write(rankings: Rankings, into: Path) -> tuple[Path, ...]:
    """Writes `full_rankings.csv`, `subset_rankings.csv` and both in `submission.tar.gz`.

    Without code the subset file is empty, as in the official runtime.
    """
    full, subset = into / FULL, into / SUBSET
    _write_csv(rankings.full, full)
    if rankings.subset is None:
        subset.write_bytes(b"")
    else:
        _write_csv(rankings.subset, subset)
    archives.pack_tar_gz({FULL: full, SUBSET: subset}, into / ARCHIVE)
    return full, subset, into / ARCHIVE


def _write_csv(ranking: Ranking, path: Path) -> None:
    columns = {"query_id": ranking.query_ids, "ref_id": ranking.reference_ids, "score": ranking.similarity}
    tables.write(path, columns)
