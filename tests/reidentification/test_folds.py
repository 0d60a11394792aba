"""Splits: what must be apart is apart, for every collection."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.errors import UsageError
from podium.solutions.reidentification.folds import KINDS, split
from podium.solutions.reidentification.photos import Photo

START = datetime(2017, 8, 1)


def photo(number: int, *, who: str, met: str, day: int | None = 0) -> Photo:
    taken = None if day is None else START + timedelta(days=day)
    name = f"{number:04d}"
    return Photo(image_id=name, path=Path(name), individual=who, encounter=f"{who}-{met}", taken=taken)


@st.composite
def collections(draw: st.DrawFn) -> tuple[Photo, ...]:
    met = draw(
        st.lists(
            st.tuples(st.integers(0, 5), st.integers(0, 4), st.integers(0, 60), st.integers(1, 3)),
            min_size=6,
            max_size=20,
        )
    )
    rows = [(who, part, day) for who, part, day, count in met for _ in range(count)]
    return tuple(photo(at, who=str(who), met=str(part), day=day) for at, (who, part, day) in enumerate(rows))


def names(photos: tuple[Photo, ...], field: str = "image_id") -> set[str]:
    return {getattr(each, field) for each in photos}


@given(collections(), st.sampled_from(["individual", "encounter", "photo"]), st.integers(2, 4), st.integers(0, 99))
def test_folds_share_out_the_collection_and_keep_its_order(
    photos: tuple[Photo, ...], kind: str, folds: int, seed: int
) -> None:
    try:
        found = split(photos, kind=kind, folds=folds, seed=seed)
    except UsageError as error:
        units = {"individual": "individual", "encounter": "encounter", "photo": "image_id"}[kind]
        assert "folds need as many" in str(error)  # noqa: PT017 - a small collection is a case, too
        assert len(names(photos, units)) < folds
        return
    assert Counter(each.image_id for fold in found for each in fold.validation) == Counter(names(photos))
    for fold in found:
        assert fold.validation
        assert names(fold.train) | names(fold.validation) == names(photos)
        assert not names(fold.train) & names(fold.validation)
        assert list(fold.train) == sorted(fold.train, key=lambda each: each.image_id)
    assert found == split(photos, kind=kind, folds=folds, seed=seed)


@given(collections(), st.integers(0, 99))
def test_individuals_are_apart(photos: tuple[Photo, ...], seed: int) -> None:
    if len(names(photos, "individual")) < 2:
        return
    for fold in split(photos, kind="individual", folds=2, seed=seed):
        assert not names(fold.train, "individual") & names(fold.validation, "individual")


@given(collections(), st.integers(2, 3), st.integers(0, 99))
def test_encounters_are_never_split_and_those_of_one_individual_are_dealt_evenly(
    photos: tuple[Photo, ...], folds: int, seed: int
) -> None:
    if len(names(photos, "encounter")) < folds:
        return
    found = split(photos, kind="encounter", folds=folds, seed=seed)
    for fold in found:
        assert not names(fold.train, "encounter") & names(fold.validation, "encounter")
    for who in names(photos, "individual"):
        dealt = [len({each.encounter for each in fold.validation if each.individual == who}) for fold in found]
        assert max(dealt) - min(dealt) <= 1


@given(collections(), st.integers(2, 3), st.integers(0, 99))
def test_photographs_of_one_individual_are_dealt_evenly(photos: tuple[Photo, ...], folds: int, seed: int) -> None:
    found = split(photos, kind="photo", folds=folds, seed=seed)
    for who in names(photos, "individual"):
        dealt = [sum(each.individual == who for each in fold.validation) for fold in found]
        assert max(dealt) - min(dealt) <= 1


@given(collections(), st.integers(1, 3))
def test_what_is_learned_from_is_earlier_than_what_judges(photos: tuple[Photo, ...], folds: int) -> None:
    try:
        found = split(photos, kind="time", folds=folds)
    except UsageError:
        return
    seen: set[str] = set()
    for fold in found:
        latest = max(each.taken for each in fold.train if each.taken)
        border = min(each.taken for each in fold.validation if each.taken)
        assert latest < border
        assert not names(fold.train, "encounter") & names(fold.validation, "encounter")
        assert not seen & names(fold.validation)
        seen |= names(fold.validation)


def test_an_encounter_over_the_border_is_left_out() -> None:
    days = [("a", "0", 0), ("b", "0", 1), ("c", "0", 1), ("c", "0", 20), ("a", "1", 10), ("b", "1", 11), ("d", "0", 12)]
    photos = tuple(photo(at, who=who, met=met, day=day) for at, (who, met, day) in enumerate(days))
    (fold,) = split(photos, kind="time", folds=1)
    assert [each.encounter for each in fold.train] == ["a-0", "b-0"]
    assert [each.encounter for each in fold.validation] == ["a-1", "b-1", "d-0"]


def test_folds_by_individual_are_of_like_size() -> None:
    sizes = [50, 30, 20, 10, 10, 5, 5, 5, 5]
    photos = tuple(
        photo(who * 100 + each, who=str(who), met="0") for who, size in enumerate(sizes) for each in range(size)
    )
    found = split(photos, kind="individual", folds=3, seed=1)
    assert sorted(len(fold.validation) for fold in found) == [45, 45, 50]


def test_another_seed_deals_otherwise() -> None:
    photos = tuple(photo(at, who=str(at % 20), met=str(at // 20)) for at in range(100))
    for kind in ("individual", "encounter", "photo"):
        assert split(photos, kind=kind, folds=4, seed=0) != split(photos, kind=kind, folds=4, seed=1)


def test_what_cannot_be_split_is_refused() -> None:
    photos = tuple(photo(at, who=str(at), met="0", day=None) for at in range(4))
    with pytest.raises(UsageError, match=r"not split by `individuals`; did you mean `individual`"):
        split(photos, kind="individuals", folds=2)
    with pytest.raises(UsageError, match="at least 2 folds; found `1`"):
        split(photos, kind="individual", folds=1)
    with pytest.raises(UsageError, match="`5` folds need as many individuals; found `4`"):
        split(photos, kind="individual", folds=5)
    with pytest.raises(UsageError, match="needs the time of each photograph; `4` of 4 lack it"):
        split(photos, kind="time", folds=1)
    same_day = tuple(photo(at, who=str(at), met="0", day=3) for at in range(4))
    with pytest.raises(UsageError, match="too few moments"):
        split(same_day, kind="time", folds=1)
    assert set(KINDS) == {"individual", "encounter", "time", "photo"}
