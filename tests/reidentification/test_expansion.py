"""Neighbourhoods of the database: averaged, widened, and never a word of another query."""

from __future__ import annotations

import numpy as np
import pytest

from podium.errors import UsageError
from podium.solutions.reidentification.expansion import (
    FIRST_PLACE_WEIGHTS,
    Augmentation,
    Expansion,
    expand,
    similarity_rows,
)
from podium.solutions.reidentification.ranking import NOBODY, Images, Part, unit_rows

PARTS = (Part(),)
EVERYTHING = Expansion(neighbours=3, query_weights=FIRST_PLACE_WEIGHTS)


def images(seed: int, count: int, dimensions: int = 8) -> Images:
    rows = unit_rows(np.random.default_rng(seed).standard_normal((count, dimensions)))
    return Images(blocks=(rows,), lateral_N=np.zeros(count, np.bool_))


def test_an_augmented_row_is_the_weighted_mean_of_the_row_and_its_nearest() -> None:
    database = images(0, 12)
    rows = database.blocks[0].astype(np.float64)
    found = Augmentation(database, PARTS, 2).images.blocks[0]
    cosine = rows @ rows.T - 2 * np.eye(12)
    for image in range(12):
        first, second = np.argsort(-cosine[image])[:2]
        mean = rows[image] + 2 / 3 * rows[first] + 1 / 3 * rows[second]
        assert found[image] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)


def test_without_an_image_the_database_is_as_if_it_had_never_held_it() -> None:
    database = images(1, 15)
    whole = Augmentation(database, PARTS, 3)
    for own in (0, 7, 14):
        rest = np.delete(np.arange(15), own)
        smaller = Augmentation(database.take(rest), PARTS, 3).images.blocks[0]
        rows = whole.images.blocks[0].copy()
        changed, fresh = whole.without(own)
        rows[changed] = fresh.blocks[0]
        assert rows[rest].tobytes() == smaller.tobytes()


def test_a_query_of_the_database_is_answered_as_from_outside_a_database_without_it() -> None:
    database = images(2, 15)
    inside = similarity_rows(database, database, parts=PARTS, own_Q=np.arange(15), expansion=EVERYTHING)
    for own in range(15):
        rest = np.delete(np.arange(15), own)
        alone = similarity_rows(
            database.take(slice(own, own + 1)),
            database.take(rest),
            parts=PARTS,
            own_Q=np.array([NOBODY]),
            expansion=EVERYTHING,
        )
        assert inside[own, rest].tobytes() == alone[0].tobytes()


def test_no_query_changes_another() -> None:
    database, queries = images(3, 20), images(4, 6)
    own = np.array([NOBODY] * 6)
    together = similarity_rows(queries, database, parts=PARTS, own_Q=own, expansion=EVERYTHING)
    for chosen in ([2], [5, 2, 0]):
        some = similarity_rows(queries.take(chosen), database, parts=PARTS, own_Q=own[chosen], expansion=EVERYTHING)
        assert some.tobytes() == together[chosen].tobytes()


def test_the_widening_is_that_of_the_first_place() -> None:
    between = np.array([[1.0, 0.9, 0.1, 0.0], [0.9, 1.0, 0.5, 0.0], [0.1, 0.5, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    similarity = np.array([0.8, 0.7, 0.2, -0.3])
    found = expand(similarity, between.__getitem__, expansion=Expansion(query_weights=FIRST_PLACE_WEIGHTS))
    wanted = [
        0.4 * 0.8**7 + 0.4 * 1.0 + 0.2 * 0.9**7,
        0.4 * 0.7**7 + 0.4 * 0.9**7 + 0.2 * 1.0,
        0.4 * 0.2**7 + 0.4 * 0.1**7 + 0.2 * 0.5**7,
    ]
    assert found[:3] ** 7 == pytest.approx(np.array(wanted))
    assert found[3] == -0.3


def test_an_own_image_is_never_a_best_one() -> None:
    between = np.eye(3)
    asked: list[int] = []

    def row(image: int) -> np.ndarray:
        asked.append(image)
        return between[image]

    expand(np.array([1.0, 0.5, 0.4]), row, own=0, expansion=Expansion(query_weights=(0.5, 0.5)))
    assert asked == [1]


def test_averaging_helps_a_database_of_noisy_groups() -> None:
    rng = np.random.default_rng(5)
    centres = rng.standard_normal((20, 32))
    label = np.repeat(np.arange(20), 5)
    rows = unit_rows(centres[label] + 1.2 * rng.standard_normal((100, 32)))
    database = Images(blocks=(rows,), lateral_N=np.zeros(100, np.bool_))
    queries = Images(
        blocks=(unit_rows(centres + 1.2 * rng.standard_normal((20, 32))),), lateral_N=np.zeros(20, np.bool_)
    )

    def right(expansion: Expansion) -> float:
        found = similarity_rows(queries, database, parts=PARTS, own_Q=np.full(20, NOBODY), expansion=expansion)
        best = np.argsort(-found, axis=1)[:, :5]
        return float((label[best] == np.arange(20)[:, None]).mean())

    assert right(Expansion(neighbours=3)) > right(Expansion())


def test_a_row_of_zeros_stays_one_and_brings_nobody_closer() -> None:
    rows = np.concatenate([images(6, 5).blocks[0], np.zeros((1, 8), np.float32)])
    database = Images(blocks=(rows,), lateral_N=np.zeros(6, np.bool_))
    assert not Augmentation(database, PARTS, 2).images.blocks[0][5].any()


def test_a_database_smaller_than_the_neighbourhood_is_no_fault() -> None:
    two = images(7, 2)
    found = similarity_rows(two, two, parts=PARTS, own_Q=np.array([0, 1]), expansion=EVERYTHING)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("wrong", [{"neighbours": -1}, {"power": 0.0}, {"query_weights": (0.5, 0.0)}])
def test_impossible_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="expansion"):
        Expansion(**wrong)
