"""Sampling, against hand-worked choices, a slow plain twin and ffmpeg itself."""

from __future__ import annotations

import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podium.errors import UsageError
from podium.media import sampling, source, video

CLIPS = Path(__file__).parents[2].parent / "shared" / "media" / "videos"
BITS = 12
needs_clips = pytest.mark.skipif(not CLIPS.is_dir(), reason="the real clips are not beside this checkout")
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg to compare with")


def numbered(number: int, *, width: int = 16 * BITS, height: int = 48) -> np.ndarray:
    """A picture that carries a number as black and white bars."""
    bars = np.array([255 * (number >> bit & 1) for bit in range(BITS)], np.uint8)
    return np.repeat(np.repeat(bars, width // BITS)[None, :, None], height, axis=0).repeat(3, axis=2)


def number_of(frame_HWC: np.ndarray) -> int:
    """The number that a picture carries."""
    middle = frame_HWC[frame_HWC.shape[0] // 2].mean(axis=1)
    bars = middle.reshape(BITS, -1).mean(axis=1) > 127
    return int((bars << np.arange(BITS)).sum())


def numbers_of(sample: video.Sample) -> list[int]:
    return [number_of(each) for each in sample.frames_THWC]


def write_numbered(path: Path, count: int, rate: float | Fraction, **settings: object) -> Path:
    video.write(path, (numbered(each) for each in range(count)), frames_per_second=rate, **settings)
    return path


def write_stamped(path: Path, milliseconds: list[int], *, rotation: int = 0, options: dict[str, str] | None = None):
    """A video whose pictures carry their index and are shown at the given times."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 16 * BITS, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.codec_context.thread_count = 1
        stream.options = options or {}
        if rotation:
            stream.set_display_rotation(rotation)
        for index, stamp in enumerate(milliseconds):
            frame = av.VideoFrame.from_ndarray(numbered(index), format="rgb24")
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def plainly_chosen(stamps: list[float], seconds: float, rate: float) -> list[int]:
    """The rule, in its plainest words."""
    count = max(1, int(np.floor(seconds * rate + 0.5)))
    return [max(n for n, stamp in enumerate(stamps) if stamp < (i + 0.5) / rate) for i in range(count)]


@pytest.mark.parametrize(
    ("rate", "count", "expected"),
    [
        (25, 103, [12, 37, 62, 87]),  # shown at 0.48, 1.48 ... as ffmpeg's fps=1 picks
        (30, 75, [14, 44, 74]),  # 0.467, 1.467; 2.5 s round up to 3 pictures
        (24, 48, [11, 35]),
        (10, 34, [4, 14, 24]),
        (Fraction(30000, 1001), 90, [14, 44, 74]),
    ],
)
def test_each_second_shows_the_last_picture_before_its_middle(tmp_path, rate, count, expected):
    taken = video.sample(write_numbered(tmp_path / "a.mp4", count, rate))
    assert numbers_of(taken) == expected
    assert taken.damage is None
    assert taken.duration_seconds == pytest.approx(count / float(rate), abs=1e-3)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".ts", ".mpg"])
@pytest.mark.parametrize("b_pictures", ["0", "2"])
def test_every_container_shows_the_same_pictures(tmp_path, codec, suffix, b_pictures):
    path = tmp_path / f"a{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 16 * BITS, 48, "yuv420p"
        stream.options = {"bf": b_pictures, "g": "12"}
        for index in range(83):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(index), format="rgb24")))
        container.mux(stream.encode(None))
    taken = video.sample(path, frames_per_second=2)
    assert numbers_of(taken) == plainly_chosen([n / 25 for n in range(83)], 83 / 25, 2)
    assert taken.duration_seconds == pytest.approx(83 / 25, abs=0.002)
    assert [number_of(each) for each in video.stream(path, start_seconds=1.0, end_seconds=1.2)] == [25, 26, 27, 28, 29]
    assert [number_of(each) for each in video.frames_at(path, [3.3, 0.1])] == [82, 2]


def test_the_last_interval_ends_with_the_video(tmp_path):
    taken = video.sample(write_numbered(tmp_path / "a.mp4", 67, 25))
    assert taken.times_T2.tolist() == [[0, 1], [1, 2], [2, pytest.approx(2.68)]]


def test_other_rates_have_true_times(tmp_path):
    path = write_numbered(tmp_path / "a.mp4", 50, 25)
    half = video.sample(path, frames_per_second=0.5)
    assert half.times_T2.tolist() == [[0, 2]]
    assert numbers_of(half) == [24]
    four = video.sample(path, frames_per_second=4)
    assert four.times_T2[:, 0].tolist() == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75]
    assert numbers_of(four) == plainly_chosen([n / 25 for n in range(50)], 2.0, 4)


def test_a_rate_above_the_videos_repeats_pictures(tmp_path):
    taken = video.sample(write_numbered(tmp_path / "a.mp4", 10, 5), frames_per_second=10)
    assert numbers_of(taken) == plainly_chosen([n / 5 for n in range(10)], 2.0, 10)
    assert len(taken.frames_THWC) == 20


def test_a_video_of_less_than_half_a_second_gives_one_picture(tmp_path):
    taken = video.sample(write_numbered(tmp_path / "a.mp4", 3, 25))
    assert numbers_of(taken) == [2]
    assert taken.times_T2.tolist() == [[0, pytest.approx(0.12)]]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_uneven_stamps_are_obeyed(tmp_path, suffix):
    stamps = [0, 40, 80, 700, 1400, 1499, 1510, 2600, 2640, 4100]
    taken = video.sample(write_stamped(tmp_path / f"a{suffix}", stamps), frames_per_second=1)
    assert numbers_of(taken) == plainly_chosen([s / 1000 for s in stamps], taken.duration_seconds, 1)
    assert numbers_of(taken) == [2, 5, 6, 8]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_time_begins_with_the_first_picture_whatever_its_stamp(tmp_path, suffix):
    stamps = [5_000 + 40 * n for n in range(75)]
    taken = video.sample(write_stamped(tmp_path / f"a{suffix}", stamps))
    assert numbers_of(taken) == [12, 37, 62]
    assert taken.times_T2[0, 0] == 0


@settings(max_examples=200, deadline=None)
@given(
    steps=st.lists(st.integers(1, 3_000), min_size=1, max_size=40),
    rate=st.sampled_from([0.1, 0.5, 1.0, 2.0, 23.976, 29.97, 30.0, 60.0]),
    origin=st.integers(-10_000, 10_000),
)
def test_the_chosen_stamps_follow_the_rule(steps, rate, origin):
    ends = np.cumsum(steps).tolist()
    stamps = [0, *ends[:-1]]
    exact = sampling.exact_rate(rate)
    clock = source.Timeline(
        ticks=tuple(origin + each for each in stamps), end=origin + ends[-1], time_base=Fraction(1, 1000), exact=True
    )
    count = sampling.sample_count(clock.length, exact)
    chosen = sampling.chosen_ticks(clock, exact, count)
    assert count == max(1, int(Fraction(ends[-1], 1000) * exact + Fraction(1, 2)))
    for index, tick in enumerate(chosen):
        middle = Fraction(2 * index + 1, 2) / exact
        earlier = [s for s in stamps if Fraction(s, 1000) < middle]
        assert tick - origin == max(earlier)


SMALL_CLIPS = ["decord_corrupted.mp4", "decord_pancake.mkv", "mmaction_test.avi", "nasa_13013.mp4", "tc_av1.mkv"]


@needs_clips
@pytest.mark.parametrize("name", SMALL_CLIPS)
def test_skipping_unneeded_pictures_changes_no_pixel(name):
    sampled_as_if_everything_were_decoded(name)


@needs_clips
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(p.name for p in CLIPS.glob("*")) if CLIPS.is_dir() else [])
def test_skipping_unneeded_pictures_changes_no_pixel_of_any_clip(name):
    sampled_as_if_everything_were_decoded(name)


def sampled_as_if_everything_were_decoded(name: str) -> None:
    rate = Fraction(1)
    converter = source.Converter(short_edge=90)
    with source.opened(CLIPS / name) as opened:
        clock = source.timeline(opened)
    with source.opened(CLIPS / name) as opened:
        whole = sampling._decode_all(opened, clock, rate, None, converter)
    taken = video.sample(CLIPS / name, short_edge=90)
    assert np.array_equal(taken.frames_THWC, whole.frames_THWC)
    assert np.array_equal(taken.times_T2, whole.times_T2)
    assert taken.damage == whole.damage


def write_moving(path: Path, codec: str, options: dict[str, str], *, count: int = 90) -> Path:
    """Noise that drifts, in the given coding; long enough for several groups of pictures."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (64, 256, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 64, "yuv420p"
        stream.options = options
        for index in range(count):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(noise[:, index : index + 128]), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("codec", "suffix", "options"),
    [
        ("libx264", ".mp4", {"bf": "3", "b-pyramid": "normal", "g": "30"}),
        ("libx264", ".ts", {"bf": "3", "g": "30"}),
        ("libx264", ".avi", {"bf": "2", "g": "30"}),
        ("libx264", ".mkv", {"x264-params": "open-gop=1:keyint=20:bframes=4"}),
        ("libx264", ".mp4", {"x264-params": "intra-refresh=1:keyint=20:bframes=2"}),
        ("libx264", ".mp4", {"x264-params": "interlaced=1:bframes=2:keyint=25"}),
        ("libx265", ".mp4", {"x265-params": "bframes=4:keyint=25:log-level=none"}),
        ("libvpx", ".webm", {"auto-alt-ref": "1", "lag-in-frames": "16", "deadline": "realtime", "b": "200k"}),
        ("libvpx-vp9", ".webm", {"lag-in-frames": "16", "deadline": "realtime", "cpu-used": "8"}),
        ("libsvtav1", ".mp4", {"preset": "12"}),
        ("mpeg4", ".avi", {"bf": "2"}),
        ("mpeg4", ".mp4", {"bf": "2"}),
        ("mpeg2video", ".mpg", {"bf": "2"}),
        ("mjpeg", ".avi", {"strict": "unofficial"}),
    ],
)
def test_skipping_changes_no_pixel_in_any_coding(tmp_path, codec, suffix, options):
    if codec not in av.codecs_available:
        pytest.skip(f"this build of PyAV has no `{codec}`")
    path = write_moving(tmp_path / f"a{suffix}", codec, options)
    with source.opened(path) as opened:
        clock = source.timeline(opened)
    for rate in (1, 3):
        with source.opened(path) as opened:
            whole = sampling._decode_all(opened, clock, Fraction(rate), None, source.Converter())
        taken = video.sample(path, frames_per_second=rate)
        assert np.array_equal(taken.frames_THWC, whole.frames_THWC)
        assert np.array_equal(taken.times_T2, whole.times_T2)
        assert len(np.unique(taken.frames_THWC.reshape(len(taken.frames_THWC), -1), axis=0)) == len(taken.frames_THWC)
        assert taken.damage is None


@needs_clips
def test_the_short_way_is_taken_on_ordinary_files(monkeypatch):
    monkeypatch.setattr(sampling, "_decode_all", lambda *_: pytest.fail("decoded everything"))
    video.sample(CLIPS / "mmaction_demo.mp4", short_edge=64)
    video.sample(CLIPS / "decord_pancake.mkv", short_edge=64)


@needs_clips
def test_the_short_way_skips_pictures_in_the_decoder():
    with source.opened(CLIPS / "mmaction_structuralize.mp4") as opened:
        clock = source.timeline(opened)
    wanted = set(sampling.chosen_ticks(clock, Fraction(1), 10))
    with source.opened(CLIPS / "mmaction_structuralize.mp4") as opened:
        decoded = [frame.pts for frame in sampling._skipping(opened, wanted)]
    assert wanted <= set(decoded)
    assert len(decoded) < 0.7 * len(clock.ticks)


@needs_ffmpeg
@needs_clips
@pytest.mark.parametrize(
    "name", ["cutie_example.mp4", "mmaction_demo.mp4", "mmaction_structuralize.mp4", "nasa_13013.mp4", "tc_av1.mkv"]
)
def test_real_clips_give_the_pictures_of_ffmpegs_fps_filter(name):
    ours = video.sample(CLIPS / name, size=(96, 64))
    theirs = ffmpeg_pictures(CLIPS / name, 1, 96, 64)
    assert len(ours.frames_THWC) == len(theirs)
    gap = np.abs(ours.frames_THWC.astype(int) - theirs.astype(int))
    assert gap.mean(axis=(1, 2, 3)).max() < 1.0


@needs_ffmpeg
@pytest.mark.parametrize("rate", [24, 25, 30, Fraction(30000, 1001), 10])
@pytest.mark.parametrize("wanted", [1, 2, 5])
def test_numbered_videos_give_the_pictures_of_ffmpegs_fps_filter(tmp_path, rate, wanted):
    path = write_numbered(tmp_path / "a.mp4", 83, rate)
    theirs = ffmpeg_pictures(path, wanted, 16 * BITS, 48)
    assert numbers_of(video.sample(path, frames_per_second=wanted)) == [number_of(each) for each in theirs]


def ffmpeg_pictures(path: Path, rate: int, width: int, height: int) -> np.ndarray:
    filters = f"fps={rate},scale={width}:{height}:flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"
    command = ["ffmpeg", "-v", "error", "-threads", "1", "-i", str(path), "-vf", filters]
    raw = subprocess.run([*command, "-pix_fmt", "rgb24", "-f", "rawvideo", "-"], capture_output=True, check=True)
    return np.frombuffer(raw.stdout, np.uint8).reshape(-1, height, width, 3)


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_the_rotation_flag_is_obeyed(tmp_path, turn):
    path = write_stamped(tmp_path / "a.mp4", [40 * n for n in range(25)], rotation=turn)
    info = video.probe(path)
    upright = video.sample(path).frames_THWC[0]
    assert info.rotation_degrees == turn
    assert upright.shape[:2] == (info.height, info.width) == ((48, 192) if turn == 180 else (192, 48))
    assert number_of(np.rot90(upright, -turn // 90)) == 12


@needs_ffmpeg
@needs_clips
def test_a_real_rotated_clip_is_turned_as_ffmpeg_turns_it():
    ours = video.sample(CLIPS / "decord_rot90.mov", frames_per_second=30).frames_THWC
    theirs = ffmpeg_pictures(CLIPS / "decord_rot90.mov", 30, 320, 568)
    assert ours.shape == theirs.shape
    assert np.abs(ours.astype(int) - theirs.astype(int)).mean() < 1.0


def test_sizes_are_what_was_asked_for(tmp_path):
    path = write_numbered(tmp_path / "a.mp4", 25, 25)
    assert video.sample(path).frames_THWC.shape == (1, 48, 192, 3)
    assert video.sample(path, short_edge=24).frames_THWC.shape == (1, 24, 96, 3)
    assert video.sample(path, size=(60, 50)).frames_THWC.shape == (1, 50, 60, 3)


def test_max_frames_stops_early_and_keeps_true_times(tmp_path):
    path = write_numbered(tmp_path / "a.mp4", 110, 10)
    taken = video.sample(path, max_frames=3)
    assert numbers_of(taken) == [4, 14, 24]
    assert taken.duration_seconds == pytest.approx(11.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"frames_per_second": 0},
        {"frames_per_second": float("nan")},
        {"frames_per_second": -1},
        {"short_edge": 0},
        {"size": (0, 5)},
        {"size": (5, 5), "short_edge": 5},
        {"max_frames": 0},
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path, wrong):
    path = write_numbered(tmp_path / "a.mp4", 5, 25)
    with pytest.raises(UsageError):
        video.sample(path, **wrong)


def test_a_small_file_that_claims_to_last_for_years_is_refused(tmp_path):
    path = write_stamped(tmp_path / "a.mkv", [0, 40, 400_000_000])
    with pytest.raises(video.UnreadableVideo, match="400,000 pictures"):
        video.sample(path)
    assert len(video.sample(path, max_frames=2).frames_THWC) == 2


def test_more_memory_than_allowed_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(sampling, "MAX_SAMPLE_BYTES", 48 * 192 * 3 * 2)
    path = write_numbered(tmp_path / "a.mp4", 75, 25)
    with pytest.raises(video.UnreadableVideo, match="short_edge"):
        video.sample(path)
    assert len(video.sample(path, short_edge=24).frames_THWC) == 3
