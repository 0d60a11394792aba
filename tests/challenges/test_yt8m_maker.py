"""The maker of `yt8m-segments` data: its statistics beside the official ones, its laws, and what it refuses."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from podium.challenges.yt8m_segments import features, layout, maker, plan, population, quotas
from podium.challenges.yt8m_segments.definition import YT8M_SEGMENTS
from podium.challenges.yt8m_segments.maker import Story, build
from podium.challenges.yt8m_segments.plan import SIZES, Plan
from podium.challenges.yt8m_segments.predictions import read_predictions
from podium.challenges.yt8m_segments.samples import write_perfect
from podium.challenges.yt8m_segments.scoring import score
from podium.challenges.yt8m_segments.scripts import FIRST_SLOTS, LAST_SLOTS, NOTHING, Script
from podium.challenges.yt8m_segments.vocabulary import read_vocabulary
from podium.errors import MachineError, UsageError
from podium.formats import digests
from podium.formats.tfrecord import FrameRecord, dequantise, read_frame_records
from podium.types import DataRequest, DataSet, ScoreSettings

SMALL = Story(size="small", difficulty=0.5, seed=0)
TRAIN, TEST, VALID, VIDEOS = SIZES["small"].splits


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    return maker.make(DataRequest(into=tmp_path_factory.mktemp("yt8m") / "tiny", size="tiny"))


@pytest.fixture(scope="module")
def scripts() -> dict[str, list[Script]]:
    world = build(SMALL)
    return {
        split.folder: [world.script(split, number) for number in range(split.videos)] for split in world.plan.splits
    }


def records(folder: Path) -> list[FrameRecord]:
    return [record for path in sorted(folder.iterdir()) for record in read_frame_records(path)]


def rated_slots(script: Script) -> np.ndarray:
    return script.start_R // 5


def test_every_shard_is_read_and_every_split_has_its_videos(tiny: DataSet) -> None:
    for split in SIZES["tiny"].splits:
        folder = (tiny.inputs if split.hidden else tiny.public) / split.folder
        assert len(list(folder.iterdir())) == split.shards
        assert len(records(folder)) == split.videos


def test_a_tiny_set_is_small(tiny: DataSet) -> None:
    assert sum(path.stat().st_size for path in tiny.root.rglob("*")) < 10_000_000
    assert SIZES["tiny"].size_bytes < 10_000_000


def test_ids_are_distinct_over_all_splits(tiny: DataSet) -> None:
    ids = [record.video_id for path in tiny.root.rglob("*.tfrecord") for record in read_frame_records(path)]
    assert len(ids) == len(set(ids)) == sum(split.videos for split in SIZES["tiny"].splits)
    assert all(len(each) == 4 and layout.is_video_id(each) for each in ids)


def test_test_shards_tell_no_label_and_no_rating(tiny: DataSet) -> None:
    for record in records(tiny.inputs / layout.SEGMENT_TEST):
        assert len(record.labels) == 0
        assert record.segment_start_times is None
    names = {path.relative_to(tiny.inputs).parts[0] for path in tiny.inputs.rglob("*")}
    assert names == {layout.VOCABULARY, layout.VIDEOS, "segment"}
    assert not any(path.is_relative_to(tiny.answers) for path in tiny.inputs.rglob("*"))


def test_videos_are_listed_in_the_order_of_the_shards(tiny: DataSet) -> None:
    listed = layout.judged_videos(tiny)
    made = records(tiny.inputs / layout.SEGMENT_TEST)
    assert listed.ids.tolist() == [record.video_id for record in made]
    assert listed.frames.tolist() == [len(record.features_TC) for record in made]


def test_answers_rate_test_videos_only_and_inside_them(tiny: DataSet) -> None:
    videos, ratings = layout.judged_videos(tiny), layout.read_ratings(tiny.answers / layout.RATINGS)
    slots = dict(zip(videos.ids.tolist(), videos.slots.tolist(), strict=True))
    for video, start in zip(ratings.videos.tolist(), ratings.start_seconds.tolist(), strict=True):
        assert FIRST_SLOTS <= start // 5 < slots[video] - LAST_SLOTS
    assert len(
        set(zip(ratings.videos.tolist(), ratings.start_seconds.tolist(), ratings.class_indices.tolist(), strict=True))
    ) == len(ratings.videos)


def test_the_vocabulary_counts_the_ratings_of_the_training_shards(tiny: DataSet) -> None:
    found: Counter[int] = Counter()
    positive: Counter[int] = Counter()
    for record in records(tiny.public / layout.SEGMENT_TRAIN):
        assert record.segment_labels is not None
        assert record.segment_scores is not None
        found.update(record.segment_labels.tolist())
        positive.update(record.segment_labels[record.segment_scores > 0].tolist())
        assert set(record.segment_labels.tolist()) <= set(record.labels.tolist())
    vocabulary = read_vocabulary(tiny.inputs / layout.VOCABULARY)
    assert vocabulary.rated_segments.tolist() == [found[index] for index in vocabulary.indices.tolist()]
    assert vocabulary.positive_segments.tolist() == [positive[index] for index in vocabulary.indices.tolist()]


def test_perfect_predictions_score_one(tiny: DataSet, tmp_path: Path) -> None:
    write_perfect(tiny, tmp_path)
    reading = read_predictions(tmp_path, tiny, phase=YT8M_SEGMENTS.phases[-1])
    assert reading.problems == ()
    assert reading.predictions is not None
    assert score(reading.predictions, tiny, ScoreSettings()).value == pytest.approx(1.0)


def test_the_number_of_workers_changes_no_byte(tiny: DataSet, tmp_path: Path) -> None:
    again = maker.make(DataRequest(into=tmp_path / "again", size="tiny", workers=3))
    assert digests.make_manifest(again.root) == digests.make_manifest(tiny.root)


def test_another_seed_gives_other_videos(tiny: DataSet, tmp_path: Path) -> None:
    other = maker.make(DataRequest(into=tmp_path / "other", size="tiny", seed=1))
    assert layout.judged_videos(other).ids.tolist() != layout.judged_videos(tiny).ids.tolist()
    first = "segment/train/train0000.tfrecord"
    assert (other.public / first).read_bytes() != (tiny.public / first).read_bytes()


def test_the_manifest_lists_every_file(tiny: DataSet) -> None:
    assert digests.check_manifest(tiny.root) == ()


def test_videos_are_as_long_as_official_ones(scripts: dict[str, list[Script]]) -> None:
    frames = np.array([script.frames for each in scripts.values() for script in each])
    assert frames.min() >= 120
    assert frames.max() == 300
    assert frames.mean() == pytest.approx(230, abs=4)


def test_videos_have_three_labels_on_average(scripts: dict[str, list[Script]]) -> None:
    counts = [len(script.labels_L) for script in scripts[layout.VIDEO_TRAIN]]
    assert np.mean(counts) == pytest.approx(3.0, abs=0.15)
    assert min(counts) >= 1


def test_ratings_have_the_official_proportions(scripts: dict[str, list[Script]]) -> None:
    for folder in (layout.SEGMENT_TRAIN, layout.SEGMENT_TEST):
        own = scripts[folder]
        assert np.mean([len(script.start_R) for script in own]) == pytest.approx(5.0, abs=0.05)
        assert np.concatenate([script.positive_R for script in own]).mean() == pytest.approx(0.557, abs=0.006)
    found = build(SMALL).quotas[layout.SEGMENT_TRAIN]
    scale = 237_788 / 1_000 / found.rated_C.mean()
    assert found.rated_C.min() * scale >= 150
    assert np.median(found.rated_C) * scale == pytest.approx(243, abs=5)
    assert np.median(found.positive_C) * scale == pytest.approx(137, abs=8)


def test_full_size_counts_of_classes_follow_the_official_file() -> None:
    full = SIZES["full"]
    people = population.draw(full, seed=0)
    found = quotas.draw(people, full.splits[0], seed=0)
    assert found.rated_C.sum() == pytest.approx(237_788, rel=1e-4)
    assert (found.rated_C.min() >= 150, found.rated_C.max() <= 252) == (True, True)
    assert np.median(found.rated_C) == pytest.approx(243, abs=2)
    assert found.positive_C.sum() / found.rated_C.sum() == pytest.approx(0.557, abs=0.003)
    assert np.median(found.positive_C) == pytest.approx(137, abs=6)
    assert found.positive_C.min() < 60
    assert found.positive_C.max() > 190
    assert len(found.of_video) == full.splits[0].videos


def test_only_few_training_ratings_lie_beyond_the_end(scripts: dict[str, list[Script]]) -> None:
    beyond = [script for script in scripts[layout.SEGMENT_TRAIN] if (script.start_R >= script.frames).any()]
    assert len(beyond) == 3
    assert all((script.start_R >= script.frames).sum() == 1 for script in beyond)
    assert not any((script.start_R >= script.frames).any() for script in scripts[layout.SEGMENT_TEST])


def test_ratings_start_on_the_grid_and_never_in_the_first_or_last_slots(scripts: dict[str, list[Script]]) -> None:
    for script in scripts[layout.SEGMENT_TRAIN] + scripts[layout.SEGMENT_TEST]:
        assert not (script.start_R % 5).any()
        inside = rated_slots(script)[script.start_R < script.frames]
        assert (inside >= FIRST_SLOTS).all()
        assert (inside < -(-script.frames // 5) - LAST_SLOTS).all()


def test_some_negatives_show_a_sibling_and_some_show_nothing_of_the_kind(scripts: dict[str, list[Script]]) -> None:
    people = build(SMALL).studio.population
    rows = {index: row for row, index in enumerate(people.indices_C.tolist())}
    siblings = other = 0
    for script in scripts[layout.SEGMENT_TEST]:
        shown_T = np.repeat(script.scenes.shown_S, script.scenes.end_S - script.scenes.start_S)
        for start, index, positive in zip(
            script.start_R.tolist(), script.rated_R.tolist(), script.positive_R.tolist(), strict=True
        ):
            if not positive:
                window = shown_T[start : start + 5]
                look_alike = np.isin(window, people.siblings[rows[index]]).sum() >= 3
                siblings, other = siblings + look_alike, other + (not look_alike)
    assert 0.3 < siblings / (siblings + other) < 0.7


def test_siblings_never_share_a_theme_and_indices_are_distinct_and_unsorted() -> None:
    for size in ("tiny", "small", "base"):
        people = population.draw(SIZES[size], seed=3)
        assert len(set(people.indices_C.tolist()) | set(people.general_G.tolist())) == len(people.indices_C) + len(
            people.general_G
        )
        assert people.indices_C.max() < 3_862
        assert (np.diff(people.indices_C) < 0).any()
        assert len(set(people.names)) == len(people.names)
        for row, kin in enumerate(people.siblings):
            assert kin
            assert all(people.theme_C[row] != people.theme_C[each] for each in kin)


def test_scenes_follow_each_other_without_gap(scripts: dict[str, list[Script]]) -> None:
    for script in scripts[layout.VIDEO_VALID]:
        scenes = script.scenes
        assert scenes.start_S[0] == 0
        assert scenes.end_S[-1] == script.frames
        assert scenes.start_S[1:].tolist() == scenes.end_S[:-1].tolist()
        assert (scenes.end_S > scenes.start_S).all()
        assert not (scenes.setting_S & (scenes.shown_S != NOTHING)).any()


def test_features_are_whitened_clipped_and_alike_from_second_to_second() -> None:
    world = build(SMALL)
    films = [
        features.film(world.script(VIDEOS, number), world.looks, seed=0, split=VIDEOS.code, number=number)
        for number in range(40)
    ]
    numbers = dequantise(np.concatenate(films))
    assert numbers.var(axis=0).mean() == pytest.approx(0.95, abs=0.05)
    assert numbers.var(axis=0).max() < 1.4
    centred = [dequantise(film) for film in films]
    centred = [each - each.mean(axis=0) for each in centred]
    lag = np.mean([(each[1:] * each[:-1]).mean() / (each**2).mean() for each in centred])
    assert 0.55 < lag < 0.8
    assert 0.02 < np.mean([np.isin(film, (0, 255)).mean() for film in films]) < 0.08


def test_harder_sets_have_fainter_looks() -> None:
    people = build(SMALL).studio.population
    easy, hard = (features.draw(people, seed=0, difficulty=each) for each in (0.0, 1.0))
    assert np.allclose(easy.classes_CJD, 3 * hard.classes_CJD, atol=1e-5)


def test_an_ended_making_goes_on_where_it_stopped(
    tiny: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SIZES, "tiny", replace(SIZES["tiny"], lasting=True))
    build.cache_clear()
    into = tmp_path / "long"
    real, made = maker.write, 0

    def fail(*arguments: object) -> None:
        nonlocal made
        made += 1
        if made > 5:
            raise KeyboardInterrupt
        real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(maker, "write", fail)
    with pytest.raises(KeyboardInterrupt):
        maker.make(DataRequest(into=into, size="tiny"))
    monkeypatch.setattr(maker, "write", real)
    there = {path: path.stat().st_mtime_ns for path in into.rglob("*.tfrecord")}
    assert len(there) == 5
    (into / "public" / layout.SEGMENT_TRAIN / ".train0006.tfrecord.x.partial").write_bytes(b"half")
    with pytest.raises(UsageError, match="unfinished data set of seed `0`"):
        maker.make(DataRequest(into=into, size="tiny", seed=1))
    again = maker.make(DataRequest(into=into, size="tiny"))
    assert all(path.stat().st_mtime_ns == time for path, time in there.items())
    assert digests.make_manifest(again.root) == digests.make_manifest(tiny.root)


def test_a_failed_making_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(maker, "write", fail)
    with pytest.raises(KeyboardInterrupt):
        maker.make(DataRequest(into=tmp_path / "none", size="tiny"))
    assert not (tmp_path / "none").exists()


def test_full_size_is_refused_where_the_disk_lacks_the_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = SIZES["full"].size_bytes
    assert 1.4e12 < needed < 1.8e12
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(plan.shutil, "disk_usage", lambda _: usage._replace(free=needed - 1))
    with pytest.raises(MachineError, match=f"needs `{needed}` bytes"):
        maker.make(DataRequest(into=tmp_path / "full", size="full"))
    assert not (tmp_path / "full").exists()


def test_a_shard_of_the_full_set_is_made_alone(tmp_path: Path) -> None:
    story = Story(size="full", difficulty=0.5, seed=0)
    split = SIZES["full"].splits[1]
    maker.write(story, split, 2_000, tmp_path / "one.tfrecord")
    assert [record.video_id for record in read_frame_records(tmp_path / "one.tfrecord")] == [
        build(story).video_id(split, number) for number in split.numbers(2_000)
    ]
    build.cache_clear()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size": "smal"}, "did you mean `small`"),
        ({"difficulty": 1.5}, "0 to 1 is allowed"),
        ({"media": Path("footage")}, "podium features"),
    ],
)
def test_wrong_requests_are_refused(tmp_path: Path, change: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        maker.make(replace(DataRequest(into=tmp_path / "none"), **change))


def test_shards_cover_all_videos_once() -> None:
    for each in SIZES.values():
        assert isinstance(each, Plan)
        for split in each.splits:
            ends = [(split.numbers(shard).start, split.numbers(shard).stop) for shard in range(split.shards)]
            assert ends[0][0] == 0
            assert ends[-1][1] == split.videos
            assert all(one[1] == two[0] and one[0] < one[1] for one, two in pairwise(ends))


@pytest.mark.parametrize("challenge_id", ["vsc-descriptor", "whale-do"])
def test_other_challenges_refuse_the_full_size(tmp_path: Path, challenge_id: str) -> None:
    from podium.challenges import challenge

    with pytest.raises(UsageError, match="no size is called `full`"):
        challenge(challenge_id).make_data(DataRequest(into=tmp_path / "none", size="full"))
    assert not (tmp_path / "none").exists()
