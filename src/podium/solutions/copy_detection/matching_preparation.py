"""The half of the matching baseline that is made at home: fit on the independent split, match the judged queries."""

from __future__ import annotations

from pathlib import Path

from podium.solutions.copy_detection import backbone as backbones
from podium.solutions.copy_detection.backbone import DEFAULT_WEIGHTS
from podium.solutions.copy_detection.inference import describe, videos_in
from podium.solutions.copy_detection.matching import Matcher, MatchingSettings
from podium.solutions.copy_detection.model import Model, Settings
from podium.solutions.copy_detection.preparation import ASSETS, fit, splits
from podium.types import Progress, silent

DESCRIBING = Settings(comparison="cosine", normalise=True, beta=1.2)
"""How the matching baseline describes: as the descriptor baseline, but compared by normalised cosine.

An aligner needs to know what a similarity is worth. A whitened distance means less the fewer videos the whitening was
fitted on; the cosine less the nearness to independent videos has its zero in the same place everywhere.
"""


def prepare(
    data: Path,
    submission: Path,
    *,
    upload: str,
    weights: str = DEFAULT_WEIGHTS,
    architecture: str | None = None,
    describing: Settings = DESCRIBING,
    matching: MatchingSettings | None = None,
    device: str = "cpu",
    progress: Progress = silent,
) -> tuple[str, ...]:
    """Makes `submission` ready: `model_assets/` with the references' descriptors, and the file of all matches.

    Args:
        data: A data set's folder, with `public/` and `inputs/`.
        submission: A folder with the baseline's `main.py`.
        upload: Name of the file of matches.
        weights: As for `backbone.load`.
        architecture: As for `backbone.load`.
        describing: How seconds are described.
        matching: None is the tuned choice.
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
    fit(independent, backbone, settings=describing, progress=progress).save(submission / ASSETS)
    # As the code will load it: a network that is read back may run in another precision.
    model = Model.load(submission / ASSETS, device=device)
    references = describe(
        videos_in(judged / "reference"), model, role="reference", progress=progress, what="describing reference videos"
    )
    matcher = Matcher(model=model, references=references.descriptors, settings=matching or MatchingSettings())
    matcher.save(submission / ASSETS)
    found = matcher.match(videos_in(judged / "query"), progress=progress)
    found.write(submission / upload)
    return references.skipped + found.skipped
