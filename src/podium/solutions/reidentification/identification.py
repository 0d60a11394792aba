"""Who is in a photograph: the ranked individuals of a folder, and whether it may be somebody new.

Axes: Q photographs that are asked about, N photographs of the database, P photographs with a known answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError
from podium.solutions.reidentification.calibration import logistic
from podium.solutions.reidentification.embedding import Embeddings, embed
from podium.solutions.reidentification.matching import confidences, similarities
from podium.solutions.reidentification.model import Model
from podium.solutions.reidentification.pairs import lateral_of, with_pairs
from podium.solutions.reidentification.photos import Photo, read_photos
from podium.types import Progress, silent

FEWEST_INDIVIDUALS = 5
"""Individuals with photographs from two encounters from which on probabilities are fitted on the database."""

PRIOR_NEW = 0.5
"""How likely somebody new is before the photograph was looked at."""

_PER_INDIVIDUAL = 20
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """One individual that a photograph may show.

    Attributes:
        rank: From 1.
        individual: The name.
        photo: Its most similar photograph.
        similarity: With that photograph, -1 to 1.
        probability: That this photograph shows the same individual, given their similarity alone; None without
            calibration.
        photos: How many photographs of the individual were compared.
    """

    rank: int
    individual: str
    photo: Path
    similarity: float
    probability: float | None
    photos: int


@dataclass(frozen=True, kw_only=True)
class Identification:
    """What is known of one photograph.

    Attributes:
        photo: The file that was asked about.
        suggestions: Most similar first, one an individual.
        new: Probability that the individual is in none of the database's photographs; None without calibration.
        notes: What a reader must know: why a number is missing, which files were skipped.
    """

    photo: Path
    suggestions: tuple[Suggestion, ...]
    new: float | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Novelty:
    """Probability that nobody in the database is shown, by the best similarity that was found.

    Attributes:
        slope: Of the log odds with the similarity, 0 or less.
        offset: Log odds of a similarity of 0.
    """

    slope: float
    offset: float

    def __call__(self, best_similarity: float) -> float:
        """The probability, 0 to 1."""
        return float(1 / (1 + np.exp(-np.clip(self.slope * best_similarity + self.offset, -30, 30))))


def identify(
    database: Path,
    photos: Sequence[Path],
    *,
    model: Model,
    limit: int = 10,
    progress: Progress = silent,
) -> tuple[Identification, ...]:
    """The individuals that photographs may show, by similarity with those of a folder.

    Probabilities are fitted on the database itself: of two of its photographs from different encounters showing one
    individual, and of a photograph's best similarity with its individual there and taken out. The latter has a prior of
    one half. A model's own calibration stands in for the former where the database is too small.

    Args:
        database: As for `read_photos`: one sub-folder an individual, or a table.
        photos: The files to ask about; one that is in the database is not compared with itself.
        model: Ranks.
        limit: Individuals of a photograph.
        progress: Shown a step for each photograph.

    Raises:
        UsageError: The database holds no photographs that can be read, or the limit is below 1.
    """
    if limit < 1:
        raise UsageError(f"the limit of individuals is `{limit}`; 1 or more is allowed")
    known = read_photos(database)
    stored = embed(model, [each.path for each in known], progress=progress, what="reading the database")
    kept = np.flatnonzero(stored.readable_N)
    if not len(kept):
        raise UsageError(
            f"none of {len(known)} photographs of `{database}` can be read; the first: {stored.skipped[0]}"
        )
    known = tuple(known[each] for each in kept.tolist())
    skipped = stored.skipped
    stored = stored.take(kept)
    model, novelty, notes = _fitted(model, stored, known)
    asked = embed(model, photos, progress=progress, what="looking at the photographs")
    similarity_QN, own_QN = _compared(model, asked, stored, photos, known)
    found: list[Identification] = []
    failed = iter(asked.skipped)
    about_database = (*notes, *(f"left out of the database: {line}" for line in skipped))
    for row, photo in enumerate(photos):
        if not asked.readable_N[row]:
            found.append(Identification(photo=photo, suggestions=(), new=None, notes=(next(failed),)))
            continue
        suggestions = _suggestions(model, similarity_QN[row], own_QN[row], known, limit)
        new = None if novelty is None or not suggestions else novelty(suggestions[0].similarity)
        alone = () if suggestions else (f"`{photo}` is the only photograph of the database, and has no other to match",)
        found.append(Identification(photo=photo, suggestions=suggestions, new=new, notes=(*alone, *about_database)))
    return tuple(found)


def novelty_of(similarity_NN: Floats, photos: Sequence[Photo]) -> Novelty | None:
    """Fits `Novelty` on a database, each photograph asked about as if it were from outside.

    Once with the other encounters of its individual, the answer being somebody known; once without its individual, the
    answer being somebody new. At most 20 photographs an individual take part, each answer weighs the same.

    Args:
        similarity_NN: Of all photographs.
        photos: Of the rows and columns.

    Returns:
        None where fewer than `FEWEST_INDIVIDUALS` individuals have two encounters.
    """
    individual_N = np.array([each.individual for each in photos], object)
    encounter_N = np.array([each.encounter or str(each.path) for each in photos], object)
    best: list[float] = []
    new: list[bool] = []
    with_two: set[str] = set()
    for individual in dict.fromkeys(individual_N.tolist()):
        same_N = individual_N == individual
        for row in np.flatnonzero(same_N)[:_PER_INDIVIDUAL].tolist():
            others_N = same_N & (encounter_N != encounter_N[row])
            if not same_N.all() and others_N.any():
                strangers = float(similarity_NN[row, ~same_N].max())
                best += [max(strangers, float(similarity_NN[row, others_N].max())), strangers]
                new += [False, True]
                with_two.add(individual)
    if len(with_two) < FEWEST_INDIVIDUALS:
        return None
    known_P = 1.0 - np.array(new, np.float64)
    slope, offset = logistic(np.array(best), known_P, np.ones(len(best)))
    prior = np.log(PRIOR_NEW / (1 - PRIOR_NEW))
    return Novelty(slope=-slope, offset=prior - offset)


def _fitted(model: Model, stored: Embeddings, known: Sequence[Photo]) -> tuple[Model, Novelty | None, tuple[str, ...]]:
    """The model calibrated on the database where that holds enough, the novelty, and what is missing."""
    images = stored.images(lateral_of(known))
    similarity_NN = similarities(
        images, images, parts=model.parts, settings=model.settings, own_Q=np.arange(len(known))
    )
    novelty = novelty_of(similarity_NN, known)
    if novelty is not None:
        return with_pairs(model, similarity_NN, known), novelty, ()
    need = f"{FEWEST_INDIVIDUALS} individuals with photographs from two encounters, besides others, are needed"
    if model.calibration is None:
        return model, None, (f"no probabilities: {need}",)
    note = f"no probability of somebody new: {need}; the other probabilities are those of the model's training"
    return model, None, (note,)


def _compared(
    model: Model, asked: Embeddings, stored: Embeddings, photos: Sequence[Path], known: Sequence[Photo]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Similarities, and which photographs of the database are the very file that is asked about."""
    places = [each.path.resolve() for each in known]
    asked_for = [photo.resolve() for photo in photos]
    own_QN = np.array([[place == photo for place in places] for photo in asked_for], np.bool_)
    own_QN = own_QN.reshape(len(photos), len(known))
    own_Q = np.where(own_QN.any(axis=1), own_QN.argmax(axis=1), -1) if len(photos) else np.empty(0, np.int64)
    lateral_N = lateral_of(known)
    queries = asked.images(_lateral_by_name(photos))
    similarity_QN = similarities(
        queries, stored.images(lateral_N), parts=model.parts, settings=model.settings, own_Q=own_Q
    )
    return similarity_QN, own_QN


def _lateral_by_name(photos: Sequence[Path]) -> NDArray[np.bool_]:
    """A photograph is from the side when the folder that it lies in says so."""
    return np.array([each.parent.name.lower() in ("left", "right") for each in photos], np.bool_)


def _suggestions(
    model: Model, similarity_N: Floats, own_N: NDArray[np.bool_], known: Sequence[Photo], limit: int
) -> tuple[Suggestion, ...]:
    order = np.argsort(-similarity_N, kind="stable")
    order = order[~own_N[order]].tolist()
    best: dict[str, int] = {}
    count: dict[str, int] = {}
    for place in order:
        best.setdefault(known[place].individual, place)
        count[known[place].individual] = count.get(known[place].individual, 0) + 1
    listed = list(best.items())[:limit]
    probabilities: list[float | None] = [None] * len(listed)
    if model.calibration is not None and listed:
        probabilities = list(confidences(model, similarity_N[None, [place for _, place in listed]])[0].tolist())
    return tuple(
        Suggestion(
            rank=rank,
            individual=individual,
            photo=known[place].path,
            similarity=float(similarity_N[place]),
            probability=probability,
            photos=count[individual],
        )
        for rank, ((individual, place), probability) in enumerate(zip(listed, probabilities, strict=True), start=1)
    )
