"""What a network says of the ratings that it was judged by: for reports, and for calibration.

Axes: R ratings of a batch, C classes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from podium.errors import MachineError
from podium.formats import tables
from podium.solutions.segment_classification.learner import SegmentLearner
from podium.solutions.segment_classification.supply import Supply

try:
    import torch
except ImportError as error:
    raise MachineError("training needs torch: `pip install 'podium[train]'`") from error

HELD_OUT = "held_out.csv"


def write_held_out(learner: SegmentLearner, supplied: Supply, path: Path) -> None:
    """Writes the rated pairs of the fold that was held out; nothing where none was.

    The columns: `video`, `start` in seconds, `class` as in the vocabulary's `Index`, `score` of the rating, and the
    `probability` that the network gives.

    Args:
        learner: With the weights that are kept.
        supplied: What it was trained and judged by.
        path: Of the file.
    """
    if supplied.held_out is None or supplied.validation is None:
        return
    ids_V, indices_C = supplied.held_out.ids, supplied.held_out.classes.indices_C
    columns: dict[str, list[np.ndarray]] = {"video": [], "start": [], "class": [], "score": [], "probability": []}
    learner.eval()
    with torch.inference_mode():
        for batch in supplied.validation:
            logits_RC = learner.logits(batch, supplied.held_out_VF).float()
            probability_R = logits_RC.sigmoid().gather(1, batch.class_R[:, None])[:, 0]
            columns["video"].append(ids_V[batch.number_V[batch.video_R].numpy()])
            columns["start"].append(batch.start_R.numpy())
            columns["class"].append(indices_C[batch.class_R.numpy()])
            columns["score"].append(batch.score_R.numpy())
            columns["probability"].append(probability_R.numpy())
    tables.write(path, {name: np.concatenate(parts) for name, parts in columns.items()})
