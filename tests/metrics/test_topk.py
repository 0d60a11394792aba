"""MAP@K and the AP routine of YouTube-8M against golden values, plain loops and laws."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podium.errors import UsageError
from podium.metrics import (
    Listing,
    list_average_precision,
    official_order,
    percentile_interval,
    resampled_segment_average_precisions,
    segment_average_precisions,
)

Pair = tuple[str, int]

RATINGS: dict[Pair, bool] = {
    ("a:30", 3): True,
    ("a:35", 3): False,
    ("b:40", 3): True,
    ("c:50", 3): True,
    ("a:30", 7): False,
    ("b:40", 7): True,
    ("d:60", 8): True,
}
LISTS = {3: "x:30 a:30 y:35 a:35 b:40 z:10", 7: "a:30 q:5 b:40", 8: "x:5 y:5"}


def listing(ratings: dict[Pair, bool], lists: dict[int, list[str]], *, classes: int) -> Listing:
    rows = {pair: row for row, pair in enumerate(ratings)}
    entries = [(rows.get((entry, cls), -1), place) for cls in lists for place, entry in enumerate(lists[cls])]
    return Listing(
        classes=classes,
        class_R=np.array([cls for _, cls in ratings], int),
        positive_R=np.array(list(ratings.values()), bool),
        rating_N=np.array([row for row, _ in entries], int),
        place_N=np.array([place for _, place in entries], int),
    )


def slow(ratings: dict[Pair, bool], lists: dict[int, list[str]], *, k: int | None) -> dict[int, float]:
    """The five steps of the official program, one after the other."""
    values: dict[int, float] = {}
    for cls in {cls for _, cls in ratings}:
        positives = sum(positive for (_, other), positive in ratings.items() if other == cls)
        if not positives:
            continue
        rated = [ratings[entry, cls] for entry in lists.get(cls, [])[:k] if (entry, cls) in ratings]
        found, value = 0, 0.0
        for rank, positive in enumerate(rated, start=1):
            found += positive
            value += positive * found / rank / positives
        values[cls] = value
    return values


segments = st.sampled_from([f"{video}:{start}" for video in "abc" for start in (30, 35, 40)])
rated = st.dictionaries(st.tuples(segments, st.integers(0, 2)), st.booleans(), min_size=1, max_size=20)
listed = st.dictionaries(st.integers(0, 2), st.lists(segments, unique=True, max_size=9), max_size=3)
caps = st.one_of(st.none(), st.integers(1, 10))


@pytest.mark.parametrize(
    ("k", "expected"),
    [
        (None, (0.555556, 0.5, 0.0)),
        (5, (0.555556, 0.5, 0.0)),
        (3, (0.333333, 0.5, 0.0)),
        (2, (0.333333, 0.0, 0.0)),
    ],
)
def test_the_golden_lists_have_their_golden_precisions(k: int | None, expected: tuple[float, ...]) -> None:
    values = segment_average_precisions(listing(RATINGS, {c: v.split() for c, v in LISTS.items()}, classes=9), k=k)
    assert values[[3, 7, 8]] == pytest.approx(expected, abs=1e-6)
    assert np.isnan(np.delete(values, [3, 7, 8])).all()


def test_the_golden_mean_at_three() -> None:
    values = segment_average_precisions(listing(RATINGS, {c: v.split() for c, v in LISTS.items()}, classes=9), k=3)
    assert float(np.nanmean(values)) == pytest.approx((1 / 3 + 1 / 2 + 0) / 3, abs=1e-12)


def test_a_class_with_only_a_negative_rating_has_no_precision() -> None:
    ratings = RATINGS | {("a:30", 5): False}
    values = segment_average_precisions(listing(ratings, {5: ["a:30"]}, classes=9), k=None)
    assert np.isnan(values[5])
    assert values[3] == 0.0


def test_the_divisor_is_all_positives_even_where_the_cut_is_lower() -> None:
    ratings = {(f"a:{5 * start}", 0): True for start in range(10)}
    values = segment_average_precisions(listing(ratings, {0: [entry for entry, _ in ratings]}, classes=1), k=2)
    assert values[0] == pytest.approx(2 / 10, abs=1e-15)


def test_an_entry_that_is_listed_twice_counts_twice() -> None:
    values = segment_average_precisions(listing({("a:30", 0): True}, {0: ["a:30", "a:30"]}, classes=1), k=None)
    assert values[0] == 2.0


@given(rated, listed, caps)
def test_every_class_has_the_precision_of_the_plain_loop(ratings, lists, k) -> None:
    values = segment_average_precisions(listing(ratings, lists, classes=3), k=k)
    expected = slow(ratings, lists, k=k)
    for cls in range(3):
        assert np.isnan(values[cls]) if cls not in expected else values[cls] == pytest.approx(expected[cls], abs=1e-12)


@given(rated, listed, caps, st.data())
def test_leaving_out_an_entry_that_is_right_never_helps(ratings, lists, k, data) -> None:
    right = [(c, entry) for c in lists for entry in lists[c] if ratings.get((entry, c))]
    if not right or k is not None:
        return
    cls, entry = data.draw(st.sampled_from(right))
    fewer = lists | {cls: [each for each in lists[cls] if each != entry]}
    before, after = (segment_average_precisions(listing(ratings, each, classes=3), k=k) for each in (lists, fewer))
    assert after[cls] < before[cls]


@given(rated, listed, st.data())
def test_unrated_entries_shift_no_rank_but_use_up_the_cut(ratings, lists, data) -> None:
    if not lists:
        return
    cls = data.draw(st.sampled_from(sorted(lists)))
    at = data.draw(st.integers(0, len(lists[cls])))
    more = lists | {cls: [*lists[cls][:at], "unrated:0", *lists[cls][at:]]}
    plain, padded = (listing(ratings, each, classes=3) for each in (lists, more))
    np.testing.assert_array_equal(segment_average_precisions(padded, k=None), segment_average_precisions(plain, k=None))
    if at < len(lists[cls]):
        k = data.draw(st.integers(at + 1, len(lists[cls])))
        one_less = {cls: lists[cls][: k - 1]}
        expected = segment_average_precisions(listing(ratings, one_less, classes=3), k=None)[cls]
        np.testing.assert_array_equal(segment_average_precisions(padded, k=k)[cls], expected)


@given(rated, listed, caps)
def test_entries_without_a_rating_may_be_handed_over_or_not(ratings, lists, k) -> None:
    full = listing(ratings, lists, classes=3)
    keep = full.rating_N >= 0
    lean = Listing(
        classes=3,
        class_R=full.class_R,
        positive_R=full.positive_R,
        rating_N=full.rating_N[keep][::-1],
        place_N=full.place_N[keep][::-1],
    )
    np.testing.assert_array_equal(segment_average_precisions(lean, k=k), segment_average_precisions(full, k=k))


@settings(max_examples=40)
@given(rated, listed, caps, st.integers(0, 5))
def test_a_draw_is_the_score_of_lists_with_whole_videos_repeated(ratings, lists, k, seed) -> None:
    videos = {entry.partition(":")[0] for entry, _ in ratings}
    names = sorted(videos)
    whole = listing(ratings, lists, classes=3)
    video_R = np.array([names.index(entry.partition(":")[0]) for entry, _ in ratings])
    drawn = resampled_segment_average_precisions(whole, video_R, k=k, resamples=3, seed=seed)
    rng = np.random.default_rng(seed)
    for row in drawn:
        times = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names))
        copies = {video: int(count) for video, count in zip(names, times, strict=True)}
        again: dict[Pair, bool] = {}
        repeated: dict[int, list[str]] = {cls: [] for cls in lists}
        for (entry, cls), positive in ratings.items():
            for copy in range(copies[entry.partition(":")[0]]):
                again[f"{entry}#{copy}", cls] = positive
        for cls, entries in lists.items():
            for entry in entries[:k]:
                if (entry, cls) in ratings:
                    repeated[cls] += [f"{entry}#{copy}" for copy in range(copies[entry.partition(":")[0]])]
        expected = slow(again, repeated, k=None)
        for cls in range(3):
            assert np.isnan(row[cls]) if cls not in expected else row[cls] == pytest.approx(expected[cls], abs=1e-12)


def test_the_interval_of_perfect_lists_is_a_point() -> None:
    whole = listing({("a:30", 0): True, ("b:30", 0): True}, {0: ["a:30", "b:30"]}, classes=1)
    drawn = resampled_segment_average_precisions(whole, np.array([4, 9]), k=10, resamples=50, seed=0)
    interval = percentile_interval(drawn[:, 0], unit="2 videos")
    assert interval is not None
    assert (interval.low, interval.high, interval.unit) == (1.0, 1.0, "2 videos")


def test_nothing_that_was_drawn_has_no_interval() -> None:
    assert percentile_interval(np.full(3, np.nan)) is None


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"class_R": np.array([0, 3])}, "`3`"),
        ({"rating_N": np.array([2, 0])}, "`2`"),
        ({"place_N": np.array([0, -1])}, "`-1`"),
        ({"place_N": np.array([0])}, "`(1,)`"),
        ({"positive_R": np.array([True])}, "`(1,)`"),
        ({"classes": 0}, "`0` classes"),
    ],
)
def test_a_listing_that_does_not_fit_is_refused(changed: dict, found: str) -> None:
    good = {
        "classes": 2,
        "class_R": np.array([0, 1]),
        "positive_R": np.array([True, False]),
        "rating_N": np.array([0, 1]),
        "place_N": np.array([0, 0]),
    }
    assert segment_average_precisions(Listing(**good), k=1)[0] == 1.0
    with pytest.raises(UsageError, match=found.replace("(", r"\(").replace(")", r"\)")):
        Listing(**(good | changed))


SCORES, LABELS = np.array([0.9, 0.8, 0.7, 0.6, 0.5]), np.array([1, 0, 1, 1, 0], bool)


@pytest.mark.parametrize(
    ("positives", "n", "expected"),
    [
        (None, None, 0.8055555555555556),
        (None, 2, 0.5),
        (10, 3, 0.5555555555555556),
        (6, None, 0.4027777777777778),
        (0, None, 0.0),
    ],
)
def test_the_routine_has_its_golden_values(positives: int | None, n: int | None, expected: float) -> None:
    assert list_average_precision(SCORES, LABELS, positives=positives, n=n) == pytest.approx(expected, abs=1e-12)


def test_no_positive_and_no_entry_give_zero() -> None:
    assert list_average_precision(SCORES, np.zeros(5, bool)) == 0.0
    assert list_average_precision(np.empty(0), np.empty(0, bool), positives=3) == 0.0


def test_official_ties_have_their_golden_values() -> None:
    ties = np.ones(4)
    first, second = (np.array(each, bool) for each in ([1, 0, 1, 0], [0, 0, 1, 1]))
    assert list_average_precision(ties, first, ties="official") == pytest.approx(0.4166666666666667, abs=1e-12)
    assert list_average_precision(ties, second, ties="official") == pytest.approx(0.75, abs=1e-12)
    assert list_average_precision(ties, first) == pytest.approx((1 + 2 / 3) / 2, abs=1e-12)


def test_the_official_shuffle_leaves_the_callers_random_numbers_alone() -> None:
    random.seed(7)
    expected = random.random()
    random.seed(7)
    order = official_order(1000)
    assert random.random() == expected
    assert sorted(order.tolist()) == list(range(1000))
    assert order[:5].tolist() == random.Random(0).sample(range(1000), 1000)[:5]


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=20), st.one_of(st.none(), st.integers(1, 9)))
def test_the_routine_is_that_of_a_plain_loop_with_either_tie_rule(entries, n) -> None:
    for ties in ("given", "official"):
        order = official_order(len(entries)).tolist() if ties == "official" else range(len(entries))
        ranked = sorted((entries[at] for at in order), key=lambda each: -each[0])
        positives = sum(label for _, label in entries)
        divisor = positives if n is None else min(positives, n)
        found, value = 0, 0.0
        for rank, (_, label) in enumerate(ranked[:n], start=1):
            found += label
            value += label * found / rank / divisor if divisor else 0.0
        scores, labels = np.array([s for s, _ in entries], float), np.array([b for _, b in entries], bool)
        assert list_average_precision(scores, labels, n=n, ties=ties) == pytest.approx(value, abs=1e-12)


@given(st.lists(st.tuples(st.integers(-50, 50), st.booleans()), max_size=20, unique_by=lambda each: each[0]))
def test_an_order_preserving_change_of_scores_changes_nothing_without_ties(entries) -> None:
    scores, labels = np.array([s for s, _ in entries], float), np.array([b for _, b in entries], bool)
    value = list_average_precision(scores, labels)
    for ties in ("given", "official"):
        assert list_average_precision(np.exp(scores / 9) * 3 - 1, labels, ties=ties) == value
    assert list_average_precision(scores[::-1], labels[::-1]) == value


def test_scores_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(UsageError, match="score `1` is NaN"):
        list_average_precision(np.array([0.5, np.nan]), np.array([True, False]))
    with pytest.raises(UsageError, match="n `0`"):
        list_average_precision(SCORES, LABELS, n=0)
