"""CSV files of a judged submission, as the official DAVIS program writes them, and one with every frame.

The official files hold three decimals; the file of frames holds all digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from podium.challenges.davis.judging import Judged
from podium.challenges.davis.predictions import DavisPredictions
from podium.errors import UsageError
from podium.formats import tables
from podium.formats.files import replacing
from podium.metrics.sequences import Frames, Statistics

GLOBAL_COLUMNS = ("J&F-Mean", "J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay")
SEQUENCE_COLUMNS = ("Sequence", "J-Mean", "F-Mean")


def write_artifacts(predictions: DavisPredictions, into: Path) -> tuple[Path, ...]:
    """The tables of predictions that were scored, in a folder.

    Raises:
        UsageError: The predictions were not scored yet.
    """
    judged = predictions.memory.get("judged")
    if not isinstance(judged, Judged):
        raise UsageError("tables can be written of predictions that were scored")
    into.mkdir(parents=True, exist_ok=True)
    return write_tables(judged, into)


def write_tables(
    judged: Judged, into: Path, *, name: str = "val", frames: Frames = Frames.ALL, object_ids: bool = True
) -> tuple[Path, ...]:
    """Writes ``global_results-val.csv``, ``per-sequence_results-val.csv`` and ``per-frame_results-val.csv``.

    Args:
        judged: The frames.
        into: An existing folder.
        name: Of the set, in the names of the files.
        frames: Which count in the first two; the last has all.
        object_ids: Sequences are called ``bear_1`` as the official program calls their objects, not ``bear``.
    """
    region_C = judged.statistics(judged.region_N, frames)
    boundary_C = judged.statistics(judged.boundary_N, frames)
    kept = [
        (f"{sequence.clip}_1" if object_ids else sequence.clip, region, boundary)
        for sequence, region, boundary in zip(judged.sequences, region_C, boundary_C, strict=True)
        if region is not None and boundary is not None
    ]
    every = into / f"per-frame_results-{name}.csv"
    tables.write(
        every,
        {
            "sequence": np.array([frame.clip for frame in judged.frames]),
            "frame": np.array([frame.name.rpartition("/")[2] for frame in judged.frames]),
            "J": judged.region_N,
            "F": judged.boundary_N,
            "contest_iou": np.where(np.isnan(judged.iou_N), -1.0, judged.iou_N),
            "missing": judged.missing_N.astype(np.int64),
        },
    )
    return *write_statistics(into, kept, name=name), every


def write_statistics(
    into: Path, rows: Sequence[tuple[str, Statistics, Statistics]], *, name: str = "val"
) -> tuple[Path, Path]:
    """Writes ``global_results-val.csv`` and ``per-sequence_results-val.csv``.

    Args:
        into: An existing folder.
        rows: A name, J and F of each sequence or object.
        name: Of the set, in the names of the files.
    """
    whole, each = (into / f"{kind}_results-{name}.csv" for kind in ("global", "per-sequence"))
    regions, boundaries = [region for _, region, _ in rows], [boundary for _, _, boundary in rows]
    _write_rounded(whole, GLOBAL_COLUMNS, [("", _totals(regions, boundaries))] if rows else [])
    _write_rounded(each, SEQUENCE_COLUMNS, [(row, [region.mean, boundary.mean]) for row, region, boundary in rows])
    return whole, each


def _totals(regions: list[Statistics], boundaries: list[Statistics]) -> list[float]:
    parts = [[(each.mean, each.recall, each.decay) for each in group] for group in (regions, boundaries)]
    region, boundary = (np.mean(part, axis=0).tolist() for part in parts)
    return [(region[0] + boundary[0]) / 2, *region, *boundary]


def _write_rounded(path: Path, columns: tuple[str, ...], rows: list[tuple[str, list[float]]]) -> None:
    lines = [",".join(columns)]
    for name, values in rows:
        cells = [f"{value:.3f}" for value in values]
        lines.append(",".join([_quoted(name), *cells] if name else cells))
    with replacing(path) as stream:
        stream.write(("\n".join(lines) + "\n").encode("utf-8"))


def _quoted(name: str) -> str:
    """A cell of a CSV file, in quotes where it needs them."""
    return '"' + name.replace('"', '""') + '"' if any(each in name for each in ',"\r\n') else name
