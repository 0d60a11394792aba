"""The plan of a made data set: honest labels whatever the footage, and the shares of the real set."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podium.challenges.vsc import maker
from podium.challenges.vsc.casting import cast, divided
from podium.challenges.vsc.plan import SIZES
from podium.challenges.vsc.script import Split, told
from podium.challenges.vsc.subset import choose
from podium.errors import UsageError
from podium.media.footage import WHOLE, Scene
from podium.media.library import Source
from podium.types import DataRequest


def scene(
    family: int, *, start: float = 0.0, seconds: float = 9.0, packaged: bool = False, moving: bool = True
) -> Scene:
    source = Source(
        name=f"clip{family}",
        path=Path(f"/media/clip{family}.mp4"),
        moving=moving,
        width=640,
        height=360,
        duration_seconds=60.0,
        packaged=packaged,
    )
    return Scene(source=source, box=WHOLE, start_seconds=start, end_seconds=start + seconds, family=family)


def footage(families: int, *, each: int = 3, seconds: float = 9.0) -> list[Scene]:
    return [
        scene(family, start=number * seconds, seconds=seconds) for family in range(families) for number in range(each)
    ]


def planned(
    families: int = 24, *, each: int = 3, size: str = "base", difficulty: float = 0.5, seed: int = 0
) -> dict[str, Split]:
    request = DataRequest(into=Path("x"), size=size, difficulty=difficulty, seed=seed)
    return {split.name: split for split in maker.plan(footage(families, each=each), request)}


def clips(split: Split) -> tuple[set[str], set[str]]:
    """Names of the sources in the references, and in the queries beside the copies."""
    ids = {video.video_id for video in split.references}
    shown = {piece.window.name for video in split.references for piece in video.pieces}
    hosts = {
        window.name
        for video in split.queries
        for piece in video.pieces
        for window in (piece.window, piece.companion)
        if window is not None and window.name not in ids
    }
    return shown, hosts


@settings(max_examples=25, deadline=None)
@given(
    families=st.integers(4, 30), each=st.integers(1, 4), size=st.sampled_from(sorted(SIZES)), seed=st.integers(0, 99)
)
def test_no_footage_is_on_both_sides_or_in_both_splits(families: int, each: int, size: str, seed: int) -> None:
    splits = planned(families, each=each, size=size, seed=seed)
    parts = [part for split in splits.values() for part in clips(split)]
    for one, other in itertools.combinations(parts, 2):
        assert not one & other


@settings(max_examples=25, deadline=None)
@given(
    families=st.integers(4, 30), each=st.integers(1, 4), size=st.sampled_from(sorted(SIZES)), seed=st.integers(0, 99)
)
def test_copied_footage_is_in_no_other_reference(families: int, each: int, size: str, seed: int) -> None:
    for split in planned(families, each=each, size=size, seed=seed).values():
        copied = {copy.ref_id: [] for copy in split.copies}
        for copy in split.copies:
            copied[copy.ref_id].append((copy.ref_start, copy.ref_end))
        spans: list[tuple[str, str, float, float, bool]] = []
        for video in split.references:
            for span in told(video):
                hit = any(
                    a < span["end"] - 0.01 and b > span["start"] + 0.01 for a, b in copied.get(video.video_id, [])
                )
                spans.append((video.video_id, span["source"], span["source_start"], span["source_end"], hit))
        for one, other in itertools.combinations(spans, 2):
            if (one[4] or other[4]) and one[1] == other[1]:
                assert one[3] <= other[2] + 0.01 or other[3] <= one[2] + 0.01


@settings(max_examples=25, deadline=None)
@given(
    families=st.integers(4, 30),
    size=st.sampled_from(sorted(SIZES)),
    difficulty=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_segments_lie_inside_their_videos_and_play_at_an_allowed_speed(
    families: int, size: str, difficulty: float, seed: int
) -> None:
    for split in planned(families, size=size, difficulty=difficulty, seed=seed).values():
        seconds = {video.video_id: video.seconds for video in (*split.references, *split.queries)}
        assert split.copies
        for copy in split.copies:
            assert 0 <= copy.query_start < copy.query_end <= seconds[copy.query_id] + 1e-9
            assert 0 <= copy.ref_start < copy.ref_end <= seconds[copy.ref_id] + 2e-3
            speed = (copy.ref_end - copy.ref_start) / (copy.query_end - copy.query_start)
            assert 0.66 < speed < 1.68


def test_the_ids_are_official_sorted_and_as_many_as_asked_for() -> None:
    splits = planned()
    test = splits["test"]
    assert [video.video_id for video in test.queries] == [f"Q{200_001 + row}" for row in range(112)]
    assert [video.video_id for video in test.references] == [f"R{200_001 + row}" for row in range(64)]
    assert splits["train"].queries[0].video_id == "Q100001"
    assert len(splits["train"].references) == 48


def test_the_shares_follow_the_real_set() -> None:
    copies = [copy for seed in range(8) for copy in planned(60, seed=seed)["test"].copies]
    per_seed = Counter(seed for seed in range(8) for _ in {c.query_id for c in planned(60, seed=seed)["test"].copies})
    assert set(per_seed.values()) == {28}
    lengths = [copy.query_end - copy.query_start for copy in copies]
    assert 6.0 < float(np.median(lengths)) < 12.0
    assert min(lengths) > 1.2
    speeds = [(copy.ref_end - copy.ref_start) / (copy.query_end - copy.query_start) for copy in copies]
    assert float(np.median(speeds)) == pytest.approx(1.0, abs=0.01)
    assert max(speeds) > 1.3
    assert min(speeds) < 0.8


def test_some_queries_copy_several_references_and_some_one_reference_twice() -> None:
    pairs: Counter[tuple[int, str, str]] = Counter()
    for seed in range(8):
        pairs.update((seed, copy.query_id, copy.ref_id) for copy in planned(60, seed=seed)["test"].copies)
    references = Counter((seed, query) for seed, query, _ in pairs)
    assert {1, 2, 3} <= set(references.values())
    assert Counter(references.values())[1] > 0.7 * len(references)
    assert 2 in pairs.values()


def test_at_difficulty_zero_copies_are_untouched() -> None:
    for split in planned(difficulty=0.0).values():
        formats = {video.video_id: (video.size, video.frames_per_second) for video in split.references}
        for video in split.queries:
            for piece in video.pieces:
                assert piece.edits == ()
            shown = [piece.window.name for piece in video.pieces if piece.window.name in formats]
            if shown:
                assert (video.size, video.frames_per_second) == formats[shown[0]]
        for copy in split.copies:
            assert copy.ref_end - copy.ref_start == pytest.approx(copy.query_end - copy.query_start, abs=2e-3)


def test_edits_grow_with_the_difficulty_and_distractors_have_them_too() -> None:
    def edits_of_copies(difficulty: float) -> float:
        split = planned(difficulty=difficulty)["test"]
        ids = {video.video_id for video in split.references}
        return float(np.mean([len(p.edits) for v in split.queries for p in v.pieces if p.window.name in ids]))

    assert 0 == edits_of_copies(0.0) < edits_of_copies(0.3) < edits_of_copies(1.0)
    split = planned()["test"]
    copying = {copy.query_id for copy in split.copies}
    edited = [any(piece.edits for piece in video.pieces) for video in split.queries if video.video_id not in copying]
    assert 0.3 < float(np.mean(edited)) < 0.9


def test_the_same_seed_gives_the_same_plan_and_another_does_not() -> None:
    assert planned(seed=4) == planned(seed=4)
    assert planned(seed=4)["test"].copies != planned(seed=5)["test"].copies


def test_packaged_footage_beside_a_folder_is_never_copied_in_the_judged_split() -> None:
    own, packaged = footage(10), [scene(50 + number, packaged=True) for number in range(12)]
    for seed in range(20):
        roles = cast([*own, *packaged], np.random.default_rng(seed))
        assert not any(each.source.packaged for each in roles.test.copied)
        assert any(each.source.packaged for each in roles.train.copied)


def test_packaged_footage_alone_plays_every_part() -> None:
    roles = cast([scene(number, packaged=True) for number in range(12)], np.random.default_rng(0))
    assert all((roles.test.copied, roles.test.hosts, roles.test.filler, roles.train.copied, roles.train.hosts))


def test_too_few_different_things_are_refused() -> None:
    with pytest.raises(UsageError, match="shows 3 different things; at least 4"):
        cast(footage(3), np.random.default_rng(0))


def test_dividing_halves_the_longest_and_never_goes_below_the_shortest_shot() -> None:
    pieces = divided([scene(0, seconds=8.0), scene(1, seconds=3.0)], needed=4)
    assert [each.seconds for each in pieces] == [2.0, 2.0, 4.0, 3.0]
    assert len(divided([scene(0, seconds=4.0)], needed=99)) == 2
    assert len(divided([scene(0, moving=False)], needed=9)) == 1


def test_the_subset_is_the_official_draw() -> None:
    ids = [f"Q{200_001 + row}" for row in range(40)]
    # Worked by hand: the first ceil(0.1 x 40) entries of RandomState(42).permutation(40), which is how numpy draws
    # without replacement.
    rows = np.random.RandomState(42).permutation(40)[:4]
    assert choose(ids, proportion=0.1) == sorted(ids[row] for row in rows)
    assert choose(ids, proportion=1.0) == ids
    with pytest.raises(UsageError, match="at most 1"):
        choose(ids, proportion=0.0)
