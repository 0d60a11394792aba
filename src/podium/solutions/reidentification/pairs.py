"""Labelled pairs of photographs, and the calibration that they give a model.

Axes: N photographs, P pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from podium.solutions.reidentification import calibration as calibrations
from podium.solutions.reidentification.embedding import Embeddings, embed
from podium.solutions.reidentification.local_features import Matcher, count_similarity
from podium.solutions.reidentification.matching import similarities
from podium.solutions.reidentification.model import Model
from podium.solutions.reidentification.photos import Photo
from podium.solutions.reidentification.ranking import is_lateral, rank_rows
from podium.types import Progress, silent

FEWEST_FOR_STEPS = 200
"""Same pairs from which on the isotonic map is fitted; with fewer, the logistic curve."""

_LOCAL_QUERIES = 60


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairs:
    """Similarities of pairs of photographs, and the truth.

    Attributes:
        similarity_P: As the model ranks by.
        same_P: Whether a pair shows one individual.
    """

    similarity_P: NDArray[np.float64]
    same_P: NDArray[np.bool_]

    @property
    def usable(self) -> bool:
        """Both kinds of pairs are there."""
        return bool(self.same_P.any()) and not bool(self.same_P.all())


def lateral_of(photos: Sequence[Photo]) -> NDArray[np.bool_]:
    """(N,) which photographs are from the side."""
    return np.array([is_lateral(each.viewpoint) for each in photos], np.bool_)


def pairs(model: Model, embeddings: Embeddings, photos: Sequence[Photo], *, progress: Progress = silent) -> Pairs:
    """All pairs of photographs that can be read, each ranked against all others as a query is.

    Pairs of one encounter are left out: photographs taken within minutes agree for reasons that no later meeting has.

    Args:
        model: As it will be used.
        embeddings: Of the photographs, by the model.
        photos: Of known individuals.
        progress: Shown a step for each photograph where the settings ask for work on each.
    """
    images = embeddings.images(lateral_of(photos))
    similarity_NN = similarities(
        images, images, parts=model.parts, settings=model.settings, own_Q=np.arange(len(photos)), progress=progress
    )
    return _labelled(similarity_NN, embeddings.readable_N, photos)


def calibrated(
    model: Model, photos: Sequence[Photo], *, method: str | None = None, progress: Progress = silent
) -> Model:
    """The model with calibrations fitted on photographs that it was not trained on.

    Where there are no two photographs of one individual from two encounters, or of one only, nothing can be fitted and
    the model keeps none.

    Args:
        model: As it will be used.
        photos: Of known individuals.
        method: None takes the isotonic map where there are `FEWEST_FOR_STEPS` same pairs, else the logistic curve.
        progress: Shown a step for each photograph.
    """
    embeddings = embed(model, [each.path for each in photos], progress=progress, what="calibrating")
    found = pairs(model, embeddings, photos, progress=progress)
    model = replace(model, calibration=_fitted(found, method))
    if model.settings.local is not None and model.calibration is not None:
        local = local_pairs(model, embeddings, photos, progress=progress)
        model = replace(model, local_calibration=_fitted(local, "logistic"))
    return model


def local_pairs(model: Model, embeddings: Embeddings, photos: Sequence[Photo], *, progress: Progress = silent) -> Pairs:
    """Agreeing details, as a number from 0 to 1, of the pairs that a shortlist would hold, for some photographs."""
    settings = model.settings.local
    if settings is None:
        return Pairs(similarity_P=np.empty(0), same_P=np.empty(0, np.bool_))
    matcher = Matcher(settings)
    images = embeddings.images(lateral_of(photos))
    own_N = np.arange(len(photos))
    similarity_NN = similarities(images, images, parts=model.parts, settings=model.settings, own_Q=own_N)
    wanted_NN = _wanted(embeddings.readable_N, photos)
    ranking = rank_rows(np.where(wanted_NN, similarity_NN, -np.inf), own_Q=own_N, k=settings.shortlist)
    chosen = np.unique(np.linspace(0, len(photos) - 1, _LOCAL_QUERIES).astype(np.int64)).tolist()
    values: list[float] = []
    same: list[bool] = []
    for row in progress(chosen, what="matching details", total=len(chosen)):
        for image in ranking.indices_QK[row].tolist():
            if image >= 0 and wanted_NN[row, image]:
                values.append(count_similarity(matcher.count(photos[row].path, photos[image].path), settings))
                same.append(photos[row].individual == photos[image].individual)
    return Pairs(similarity_P=np.array(values), same_P=np.array(same, np.bool_))


def with_pairs(model: Model, similarity_NN: NDArray[np.float64], photos: Sequence[Photo]) -> Model:
    """The model with a calibration fitted on given similarities of photographs that all could be read."""
    found = _labelled(similarity_NN, np.ones(len(photos), np.bool_), photos)
    return replace(model, calibration=_fitted(found, None))


def _labelled(similarity_NN: NDArray[np.float64], readable_N: NDArray[np.bool_], photos: Sequence[Photo]) -> Pairs:
    wanted_NN = _wanted(readable_N, photos)
    same_NN = _equal([each.individual for each in photos])
    return Pairs(similarity_P=similarity_NN[wanted_NN], same_P=same_NN[wanted_NN])


def _fitted(found: Pairs, method: str | None) -> calibrations.Calibration | None:
    if not found.usable:
        return None
    chosen = method or ("isotonic" if int(found.same_P.sum()) >= FEWEST_FOR_STEPS else "logistic")
    return calibrations.fit(np.clip(found.similarity_P, -1, 1), found.same_P, method=chosen)


def _wanted(readable_N: NDArray[np.bool_], photos: Sequence[Photo]) -> NDArray[np.bool_]:
    encounter = [each.encounter or f"\0{place}" for place, each in enumerate(photos)]
    wanted_NN = readable_N[:, None] & readable_N[None, :] & ~_equal(encounter)
    np.fill_diagonal(wanted_NN, False)
    return wanted_NN


def _equal(names: Sequence[str]) -> NDArray[np.bool_]:
    """(N, N) which names are equal."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    codes_N = np.array([numbers[name] for name in names], np.int64)
    return codes_N[:, None] == codes_N[None, :]
