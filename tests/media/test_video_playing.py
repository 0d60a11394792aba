"""Spans, single pictures and many files."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from podium.errors import UsageError
from podium.media import batch, video

CLIPS = Path(__file__).parents[2].parent / "shared" / "media" / "videos"
needs_clips = pytest.mark.skipif(not CLIPS.is_dir(), reason="the real clips are not beside this checkout")


def ramp(number: int) -> np.ndarray:
    return np.full((32, 48, 3), number, np.uint8)


def numbered(number: int) -> np.ndarray:
    """A picture that carries a number as seven black and white bars."""
    bars = np.array([255 * (number >> bit & 1) for bit in range(7)], np.uint8)
    return np.tile(bars.repeat(16)[None, :, None], (32, 1, 3))


def numbers_of(frames) -> list[int]:
    """The numbers that pictures carry."""
    bars = [each.mean(axis=(0, 2)).reshape(7, -1).mean(axis=1) > 127 for each in frames]
    return [int((each << np.arange(7)).sum()) for each in bars]


@pytest.fixture(scope="module")
def twelve_seconds(tmp_path_factory) -> Path:
    """120 numbered pictures at 10 a second."""
    path = tmp_path_factory.mktemp("clip") / "twelve.mp4"
    video.write(path, (numbered(n) for n in range(120)), frames_per_second=10)
    return path


def test_a_span_as_it_is(twelve_seconds):
    span = video.stream(twelve_seconds, start_seconds=7.0, end_seconds=7.5, frames_per_second=None, size=None)
    assert numbers_of(span) == [70, 71, 72, 73, 74]


def test_a_whole_file_as_it_is(twelve_seconds):
    assert numbers_of(video.stream(twelve_seconds)) == list(range(120))


def test_a_span_at_a_lower_rate_takes_the_middles(twelve_seconds):
    span = video.stream(twelve_seconds, start_seconds=6.0, end_seconds=9.0, frames_per_second=2)
    assert numbers_of(span) == [62, 67, 72, 77, 82, 87]


def test_a_span_at_a_higher_rate_repeats(twelve_seconds):
    span = video.stream(twelve_seconds, start_seconds=1.0, end_seconds=1.4, frames_per_second=20)
    assert numbers_of(span) == [10, 10, 11, 11, 12, 12, 13, 13]


def test_a_span_that_reaches_past_the_end_stops_with_the_video(twelve_seconds):
    span = video.stream(twelve_seconds, start_seconds=11.0, end_seconds=99.0, frames_per_second=5)
    assert numbers_of(span) == [110, 112, 114, 116, 118]
    assert numbers_of(video.stream(twelve_seconds, start_seconds=11.0, frames_per_second=1)) == [114]


def test_a_span_of_a_sample_is_the_sample(twelve_seconds):
    streamed = np.stack(list(video.stream(twelve_seconds, frames_per_second=1)))
    assert np.array_equal(streamed, video.sample(twelve_seconds).frames_THWC)


def test_a_size_is_kept_in_a_stream(twelve_seconds):
    assert {each.shape for each in video.stream(twelve_seconds, end_seconds=1, size=(20, 30))} == {(30, 20, 3)}


def test_a_span_past_the_end_is_refused(twelve_seconds):
    for rate in (None, 1.0):
        with pytest.raises(video.UnreadableVideo, match="no picture from"):
            list(video.stream(twelve_seconds, start_seconds=20.0, end_seconds=21.0, frames_per_second=rate))


@pytest.mark.parametrize(("start", "end"), [(-1.0, 2.0), (3.0, 3.0), (3.0, 2.0)])
def test_spans_that_make_no_sense_are_refused(twelve_seconds, start, end):
    with pytest.raises(UsageError):
        list(video.stream(twelve_seconds, start_seconds=start, end_seconds=end))


def test_pictures_at_times_come_in_the_order_asked_for(twelve_seconds):
    frames = video.frames_at(twelve_seconds, [11.95, 0.0, 5.55, 5.55, 99.0, 6.0])
    assert numbers_of(frames) == [119, 0, 55, 55, 119, 60]


def test_one_picture_at_a_time(twelve_seconds):
    frame = video.frame_at(twelve_seconds, 8.25, short_edge=16)
    assert frame.shape == (16, 56, 3)
    assert numbers_of([frame]) == [82]


@needs_clips
@pytest.mark.parametrize("name", ["mmaction_test.mp4", "decord_pancake.mkv", "nasa_13013.mp4", "mmaction_test.avi"])
def test_pictures_found_by_seeking_are_those_of_a_whole_decode(name):
    path = CLIPS / name
    info = video.probe(path)
    times = np.linspace(0, info.duration_seconds * 0.97, 5)
    everything = list(video.stream(path, size=(64, 48)))
    step = info.duration_seconds / len(everything)
    for seconds in times:
        got = next(video.stream(path, start_seconds=float(seconds), size=(64, 48)))
        near = round(float(seconds) / step)
        nearby = range(max(0, near - 4), min(len(everything), near + 5))
        gaps = {n: np.abs(everything[n].astype(int) - got).mean() for n in nearby}
        best = min(gaps, key=gaps.get)
        assert gaps[best] < 0.01
        assert abs(best - seconds / step) <= 1.01


def make_clips(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"{n}.mp4" for n in range(count)]
    for n, path in enumerate(paths):
        video.write(path, (ramp(10 * n) for _ in range(20)), frames_per_second=10)
    return paths


@pytest.mark.parametrize("workers", [1, 2])
def test_many_videos_come_in_order_with_faults_by_name(tmp_path, workers):
    paths = make_clips(tmp_path, 5)
    paths.insert(2, tmp_path / "broken.mp4")
    paths[2].write_bytes(b"not a video" * 100)
    paths.insert(4, tmp_path / "missing.mp4")
    shown: list[int | None] = []

    def progress(steps, *, what, total=None):
        shown.append(total)
        yield from steps

    results = list(video.sample_many(paths, short_edge=16, workers=workers, progress=progress))
    assert [each.path for each in results] == paths
    assert shown == [7]
    assert [each.path.name for each in results if each.fault] == ["broken.mp4", "missing.mp4"]
    assert all((each.sample is None) == (each.fault is not None) for each in results)
    alone = video.sample(paths[0], short_edge=16)
    assert np.array_equal(results[0].sample.frames_THWC, alone.frames_THWC)
    assert np.array_equal(results[0].sample.times_T2, alone.times_T2)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_second_call_takes_what_was_kept(tmp_path, workers, monkeypatch):
    paths = make_clips(tmp_path, 3)
    first = list(video.sample_many(paths, into=tmp_path / "kept", workers=workers))
    assert not any(each.kept for each in first)
    files = sorted((tmp_path / "kept").iterdir())
    assert len(files) == 3

    monkeypatch.setattr(batch, "sample", lambda *_, **__: pytest.fail("sampled again"))
    again = list(video.sample_many(paths, into=tmp_path / "kept", workers=workers))
    assert all(each.kept for each in again)
    for old, new in zip(first, again, strict=True):
        assert np.array_equal(old.sample.frames_THWC, new.sample.frames_THWC)
    assert sorted((tmp_path / "kept").iterdir()) == files


def test_other_settings_changed_files_and_broken_results_are_sampled_again(tmp_path):
    workers = 1
    paths = make_clips(tmp_path, 2)
    kept = tmp_path / "kept"
    list(video.sample_many(paths, into=kept, workers=workers))
    assert not any(each.kept for each in video.sample_many(paths, into=kept, frames_per_second=2, workers=workers))
    os.utime(paths[0], ns=(1, 1))
    next(kept.glob("1-*.npz")).write_bytes(b"half a file")
    for each in kept.glob("1-*.npz"):
        each.write_bytes(b"half a file")
    again = list(video.sample_many(paths, into=kept, workers=workers))
    assert [each.kept for each in again] == [False, False]
    assert all(each.fault is None for each in again)
    assert all(each.kept for each in video.sample_many(paths, into=kept, workers=workers))


def test_a_crashed_worker_takes_only_its_own_video_with_it(tmp_path, monkeypatch):
    paths = make_clips(tmp_path, 4)
    ask = batch._ask

    def ask_and_kill(process, job):
        if job.path == paths[1]:
            process.kill()
            process.wait()
        return ask(process, job)

    monkeypatch.setattr(batch, "_ask", ask_and_kill)
    results = list(video.sample_many(paths, workers=2))
    assert [each.fault is None for each in results] == [True, False, True, True]
    assert "crashed" in results[1].fault


def test_a_video_that_takes_too_long_is_given_up(tmp_path, monkeypatch):
    paths = make_clips(tmp_path, 2)
    monkeypatch.setattr(batch, "_ask", lambda process, job: process.wait() and None)
    began = time.monotonic()
    results = list(video.sample_many(paths, workers=2, seconds_per_video=0.3))
    assert [each.fault for each in results] == ["took more than 0.3 s"] * 2
    assert time.monotonic() - began < 10


def test_stopping_half_way_leaves_no_worker_behind(tmp_path, monkeypatch):
    started = []
    start = batch._Worker._start
    monkeypatch.setattr(batch._Worker, "_start", lambda self: started.append(start(self)) or started[-1])
    results = video.sample_many(make_clips(tmp_path, 6), workers=2)
    next(results)
    results.close()
    assert started
    assert all(each.poll() is not None for each in started)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_video_named_twice_is_given_twice(tmp_path, workers):
    path = make_clips(tmp_path, 1)[0]
    results = list(video.sample_many([path, path, path], workers=workers))
    assert [each.fault for each in results] == [None] * 3


def test_videos_of_one_name_size_and_age_do_not_share_what_is_kept(tmp_path):
    paths = [tmp_path / "a" / "x.mp4", tmp_path / "b" / "x.mp4"]
    for n, path in enumerate(paths):
        path.parent.mkdir()
        video.write(path, [numbered(n)] * 10, frames_per_second=10, codec="mpeg4", bit_rate=200_000)
    size = max(each.stat().st_size for each in paths)
    for path in paths:
        path.write_bytes(path.read_bytes().ljust(size, b"\0"))
        os.utime(path, ns=(10**18, 10**18))
    results = list(video.sample_many(paths, into=tmp_path / "kept"))
    assert [numbers_of(each.sample.frames_THWC) for each in results] == [[0], [1]]


def test_settings_that_make_no_sense_are_refused_before_any_work(tmp_path):
    for wrong in ({"short_edge": 0}, {"frames_per_second": 0}, {"max_frames": 0}, {"short_edge": 5, "size": (5, 5)}):
        with pytest.raises(UsageError):
            list(video.sample_many([tmp_path / "none.mp4"], workers=2, **wrong))


def test_work_for_nobody_is_refused(tmp_path):
    with pytest.raises(UsageError, match="workers"):
        list(video.sample_many([], workers=0))
    assert list(video.sample_many([], workers=2)) == []
