"""Data sets of `davis`: check them, cut them down, bring in the official downloads."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from podium.challenges.davis import inspection, layout, paths
from podium.challenges.davis.download import import_download
from podium.errors import ChallengeError, UsageError
from podium.formats import datasets, digests
from podium.types import DataSet, Problem

__all__ = ["check_data", "import_download", "subset_data"]


def check_data(data: DataSet) -> tuple[Problem, ...]:
    """Every fault of a data set.

    Broken or disagreeing tables, missing frames and masks and those of another size, lists of clips that are not there,
    judged clips or frames among those to learn from, answers where a run could read them, files that have changed.
    Reads every mask once, and every file once more for the manifest.
    """
    return tuple(inspection.faults(data))


def subset_data(data: DataSet, into: Path, *, proportion: float, seed: int) -> DataSet:
    """The same data set with fewer test clips, each whole; what is there to learn from is kept.

    Rows are numbered anew, clips stay in their order. At least one clip with foreground is kept, so that there is
    something to score.

    Args:
        data: The data set.
        into: The folder to make; files are hard links where the disk allows.
        proportion: Of the test clips, above 0 and at most 1; at least one remains.
        seed: Of the draw.

    Raises:
        UsageError: The proportion is out of range, or `into` is not empty or lies in the data set.
        ChallengeError: A table or a mask of the data set is broken, a file is a link that leads out of it, or no mask
            has any foreground.
    """
    if not 0 < proportion <= 1:
        raise UsageError(f"the proportion is `{proportion}`; it must be above 0 and at most 1")
    layout.check_apart(data, into)
    sequences = layout.judged_sequences(data)
    truth = layout.annotation_paths(data, sequences) if inspection.labelled(data) else None
    order: list[int] = np.random.default_rng(seed).permutation(len(sequences)).tolist()
    kept = order[: math.ceil(len(order) * proportion)]
    if truth is not None and not any(_filled(sequences[at], truth) for at in kept):
        shown = next((at for at in order[len(kept) :] if _filled(sequences[at], truth)), None)
        if shown is None:
            raise ChallengeError(f"no mask in `{data.answers}` has any foreground, so there is nothing to score")
        kept[-1] = shown
    frames = [frame for at in sorted(kept) for frame in sequences[at].frames]
    with datasets.starting(into) as smaller:
        test = {data.inputs / frame.path for sequence in sequences for frame in sequence.frames}
        _link_rest(data, smaller, test | set((truth or {}).values()))
        for frame in frames:
            datasets.link(layout.own(data, data.inputs / frame.path), smaller.inputs / frame.path)
        paths.write(smaller.inputs / paths.PATHS, {paths.RAW: [frame.path for frame in frames]})
        if truth is not None:
            names = [truth[frame.row].relative_to(data.answers).as_posix() for frame in frames]
            for name in names:
                datasets.link(layout.own(data, data.answers / name), smaller.answers / name)
            paths.write(smaller.answers / paths.PATHS, {paths.ANNOTATION: names})
        digests.write_manifest(smaller.root)
    return smaller


def _filled(sequence: layout.Sequence, truth: dict[int, Path]) -> bool:
    size = sequence.height, sequence.width
    return any(layout.read_annotation(truth[frame.row], size).any() for frame in sequence.frames)


def _link_rest(data: DataSet, smaller: DataSet, test: set[Path]) -> None:
    """Everything that is neither a file of the test set nor says which there are."""
    anew = test | {data.inputs / paths.PATHS, data.answers / paths.PATHS, data.manifest}
    for path in layout.own_files(data, data.root):
        if path not in anew:
            datasets.link(path, smaller.root / path.relative_to(data.root))
