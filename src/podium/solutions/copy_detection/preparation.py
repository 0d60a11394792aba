"""The half of the baseline that is made at home: fit on the independent split, describe the judged one.

Axes: N rows, C channels, D dimensions.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from podium.errors import ChallengeError
from podium.search.normalisation import check_independent
from podium.solutions.copy_detection import backbone as backbones
from podium.solutions.copy_detection.backbone import DEFAULT_WEIGHTS, Backbone
from podium.solutions.copy_detection.inference import describe, embed_videos, videos_in
from podium.solutions.copy_detection.model import Model, Settings, fit_comparison
from podium.solutions.copy_detection.whitening import fit as fit_whitening
from podium.types import Progress, silent

ASSETS = "model_assets"
_METADATA = "query_metadata.csv"


def prepare(
    data: Path,
    submission: Path,
    *,
    weights: str = DEFAULT_WEIGHTS,
    architecture: str | None = None,
    settings: Settings | None = None,
    device: str = "cpu",
    progress: Progress = silent,
) -> tuple[str, ...]:
    """Makes `submission` ready: `model_assets/`, `query_descriptors.npz` and `reference_descriptors.npz`.

    Args:
        data: A data set's folder, with `public/` and `inputs/`.
        submission: A folder with the baseline's `main.py`.
        weights: As for `backbone.load`.
        architecture: As for `backbone.load`.
        settings: None is the tuned choice.
        device: ``cpu`` or ``cuda``.
        progress: Shown a step for each video.

    Returns:
        One line for each video that could not be read.

    Raises:
        ChallengeError: The data set has no independent split to fit on.
        UsageError: The weights do not fit, or no video can be read.
    """
    judged, independent = splits(data)
    backbone = backbones.load(weights, architecture=architecture, device=device)
    model = fit(independent, backbone, settings=settings or Settings(), progress=progress)
    model.save(submission / ASSETS)
    skipped: list[str] = []
    for role in ("query", "reference"):
        described = describe(
            videos_in(judged / role), model, role=role, progress=progress, what=f"describing {role} videos"
        )
        described.write(submission / f"{role}_descriptors.npz")
        skipped += described.skipped
    return tuple(skipped)


def fit(independent: Path, backbone: Backbone, *, settings: Settings, progress: Progress = silent) -> Model:
    """A model whose whitening and normalisation come from videos that are not judged.

    Args:
        independent: A split's folder, with `query/` and `reference/`.
        backbone: Frozen.
        settings: What to fit.
        progress: Shown a step for each video.

    Raises:
        UsageError: No video can be read.
    """
    queries, references = (
        embed_videos(
            videos_in(independent / role),
            backbone,
            settings=settings,
            progress=progress,
            what=f"fitting on {role} videos",
        ).descriptors
        for role in ("query", "reference")
    )
    return fit_rows(queries.features_ND, references.features_ND, backbone, settings=settings)


def fit_rows(
    query_NC: NDArray[np.float32], reference_NC: NDArray[np.float32], backbone: Backbone, *, settings: Settings
) -> Model:
    """As `fit`, from embeddings: the whitening sees both kinds, the noise is the references."""
    whitening = fit_whitening(
        np.concatenate([reference_NC, query_NC]),
        dimensions=settings.whitened_dimensions,
        shrinkage=settings.shrinkage,
        power=settings.whitening_power,
    )
    comparison = fit_comparison(settings, whitening.project(reference_NC))
    return Model(backbone=backbone, settings=settings, whitening=whitening, comparison=comparison)


def splits(data: Path) -> tuple[Path, Path]:
    """The judged split, whose query metadata `inputs/` repeats, and one that is not judged and shares no reference.

    Raises:
        ChallengeError: The data set has no such two splits.
        UsageError: A reference is in both.
    """
    wanted = data / "inputs" / _METADATA
    if not wanted.is_file():
        raise ChallengeError(f"`{data}` is no data set: `inputs/{_METADATA}` is missing")
    found = sorted(path.parent for path in (data / "public").glob(f"*/{_METADATA}"))
    judged = [each for each in found if (each / _METADATA).read_bytes() == wanted.read_bytes()]
    others = [each for each in found if each not in judged and (each / "reference").is_dir()]
    if not judged or not others:
        raise ChallengeError(
            f"`{data}` needs a judged and an independent split under `public/`: whitening and normalisation may not "
            f"be fitted on judged videos; found {', '.join(f'`{each.name}`' for each in found) or 'none'}"
        )
    check_independent(
        [video_id for video_id, _ in videos_in(others[0] / "reference")],
        [video_id for video_id, _ in videos_in(judged[0] / "reference")],
    )
    return judged[0], others[0]
