"""Re-scoring of the best candidates by details that match: how many keypoints of two photographs agree in one movement.

The count of each pair becomes a probability by a calibration of its own, and the mean with that of the global
similarity decides. Needs scikit-image.

Axes: N keypoints, D dimensions, P matched pairs, K candidates.
Sources: Cermak et al., "WildFusion: individual animal identification with calibrated similarity fusion", 2024; Lowe,
"Distinctive image features from scale-invariant keypoints", 2004; Fischler and Bolles, "Random sample consensus", 1981.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from podium.errors import MachineError, UsageError, nearest
from podium.solutions.reidentification.calibration import Calibration

MATCHERS = ("sift",)
_FEWEST = 4
_KEPT_IMAGES = 4_096
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class LocalFeatures:
    """How details are matched.

    Attributes:
        matcher: ``sift``.
        shortlist: Best images of a query that are re-scored; all others keep their place behind them.
        edge: Pixels of the longer edge at which details are looked for.
        keypoints: At most, of a photograph.
        ratio: How much nearer the best match must be than the second.
        residual: Pixels by which a match may miss the common movement.
        half_count: Agreeing matches that speak for one individual as much as against, before any calibration.
    """

    matcher: str = "sift"
    shortlist: int = 20
    edge: int = 320
    keypoints: int = 512
    ratio: float = 0.85
    residual: float = 6.0
    half_count: float = 12.0

    def __post_init__(self) -> None:
        if self.matcher not in MATCHERS:
            raise UsageError(f"no matcher is called `{self.matcher}`; {nearest(self.matcher, MATCHERS)}")
        if (
            min(self.shortlist, self.edge, self.keypoints, self.residual, self.half_count) <= 0
            or not 0 < self.ratio <= 1
        ):
            raise UsageError("the numbers of local features lie above 0, and their ratio is at most 1")


@dataclass(frozen=True, kw_only=True, eq=False)
class Keypoints:
    """What stands out in a photograph.

    Attributes:
        places_N2: Row and column, pixels.
        vectors_ND: What is there.
    """

    places_N2: Floats
    vectors_ND: NDArray[Any]

    def __len__(self) -> int:
        return len(self.places_N2)


class Matcher:
    """Counts the agreeing details of pairs of photographs; each photograph is looked at once.

    A count depends on its two photographs alone: what is drawn at random is drawn anew for each pair.

    Args:
        settings: How details are matched.

    Raises:
        MachineError: The package that the settings need is missing.
    """

    def __init__(self, settings: LocalFeatures) -> None:
        self.settings = settings
        if importlib.util.find_spec("skimage") is None:
            raise MachineError("local features need scikit-image: `pip install 'podium[demo]'`")
        self._find = lru_cache(_KEPT_IMAGES)(self._sift)

    def count(self, query: Path, candidate: Path) -> int:
        """Matches of two photographs that follow one movement; 0 where one of them cannot be read."""
        try:
            first, second = self._find(query), self._find(candidate)
        except UsageError:
            return 0
        if min(len(first), len(second)) < _FEWEST:
            return 0
        pairs_P2 = self._nearest_pairs(first, second)
        return agreeing(
            first.places_N2[pairs_P2[:, 0]], second.places_N2[pairs_P2[:, 1]], residual=self.settings.residual
        )

    def _sift(self, path: Path) -> Keypoints:
        from skimage.feature import SIFT

        detector = SIFT(upsampling=1)
        try:
            detector.detect_and_extract(_gray(path, self.settings.edge))
        except RuntimeError:
            # scikit-image's way of saying that nothing stands out.
            return Keypoints(places_N2=np.empty((0, 2)), vectors_ND=np.empty((0, 128)))
        places_N2, vectors_ND = np.asarray(detector.keypoints), np.asarray(detector.descriptors)
        strongest = np.argsort(-np.asarray(detector.scales), kind="stable")[: self.settings.keypoints]
        return Keypoints(places_N2=places_N2[strongest].astype(np.float64), vectors_ND=vectors_ND[strongest])

    def _nearest_pairs(self, first: Keypoints, second: Keypoints) -> NDArray[np.int64]:
        from skimage.feature import match_descriptors

        found = match_descriptors(first.vectors_ND, second.vectors_ND, cross_check=True, max_ratio=self.settings.ratio)
        return np.asarray(found, np.int64).reshape(-1, 2)


def agreeing(first_P2: Floats, second_P2: Floats, *, residual: float, seed: int = 0) -> int:
    """How many pairs of places follow one similarity movement (turn, scale, shift), by RANSAC.

    Args:
        first_P2: Places in one photograph.
        second_P2: The matched places in the other.
        residual: Pixels by which a pair may miss.
        seed: Of what is drawn.
    """
    if len(first_P2) < _FEWEST:
        return 0
    from skimage.measure import ransac
    from skimage.transform import SimilarityTransform

    _, inliers = ransac(
        (first_P2, second_P2),
        SimilarityTransform,
        min_samples=2,
        residual_threshold=residual,
        max_trials=200,
        rng=seed,
    )
    return 0 if inliers is None else int(np.count_nonzero(inliers))


def count_similarity(count: float, settings: LocalFeatures) -> float:
    """A count as a number from 0 to 1 that rises with it; a half at the settings' half count.

    >>> count_similarity(12, LocalFeatures()), count_similarity(0, LocalFeatures())
    (0.5, 0.0)
    """
    return count / (count + settings.half_count)


def rescore(
    similarity_K: Floats,
    counts: Sequence[int],
    settings: LocalFeatures,
    *,
    global_map: Calibration | None = None,
    local_map: Calibration | None = None,
) -> Floats:
    """(K,) means of two probabilities: of the global similarity and of the matched details, each by its calibration.

    Without calibrations, (1 + similarity) / 2 and `count_similarity` stand in for them.
    """
    first_K = (1 + similarity_K) / 2 if global_map is None else global_map.apply(similarity_K)
    plain_K = np.array([count_similarity(count, settings) for count in counts], np.float64)
    second_K = plain_K if local_map is None else local_map.apply(plain_K)
    return (first_K + second_K) / 2


def _gray(path: Path, edge: int) -> NDArray[np.float64]:
    """(H, W) brightness from 0 to 1, the longer edge at most `edge` pixels."""
    from PIL import Image

    from podium.media import images

    picture = Image.fromarray(images.read(path)).convert("L")
    scale = edge / max(picture.size)
    if scale < 1:
        picture = picture.resize(
            (max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), Image.Resampling.BICUBIC
        )
    return np.asarray(picture, np.float64) / 255
