"""What is no video, what is damaged, what a file is, and files written."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from podium.errors import MachineError, UsageError
from podium.media import source, video

CLIPS = Path(__file__).parents[2].parent / "shared" / "media" / "videos"
needs_clips = pytest.mark.skipif(not CLIPS.is_dir(), reason="the real clips are not beside this checkout")


def ramp(number: int, *, width: int = 64, height: int = 48) -> np.ndarray:
    """A grey picture whose level is the number."""
    return np.full((height, width, 3), number, np.uint8)


def level_of(frame_HWC: np.ndarray) -> int:
    return int(np.round(frame_HWC.mean()))


def noisy_video(path: Path, *, count: int = 100, **settings: object) -> Path:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (count, 64, 96, 3), dtype=np.uint8)
    video.write(path, frames, frames_per_second=25, **settings)
    return path


def an_empty_file(folder: Path) -> Path:
    (folder / "empty.mp4").write_bytes(b"")
    return folder / "empty.mp4"


def a_text_file(folder: Path) -> Path:
    (folder / "notes.txt").write_text("no video here\n" * 500)
    return folder / "notes.txt"


def a_text_file_named_as_a_video(folder: Path) -> Path:
    (folder / "notes.mp4").write_text("no video here\n" * 500)
    return folder / "notes.mp4"


def a_sound_file(folder: Path) -> Path:
    with wave.open(str(folder / "tone.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(b"\x00\x10" * 8000)
    return folder / "tone.wav"


def a_video_container_with_sound_alone(folder: Path) -> Path:
    with av.open(str(folder / "tone.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return folder / "tone.mp4"


def a_playlist(folder: Path) -> Path:
    noisy_video(folder / "part.ts", count=5)
    text = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.2,\npart.ts\n#EXT-X-ENDLIST\n"
    (folder / "list.m3u8").write_text(text)
    return folder / "list.m3u8"


def a_list_of_files(folder: Path) -> Path:
    noisy_video(folder / "part.mp4", count=5)
    (folder / "list.ffconcat").write_text("ffconcat version 1.0\nfile part.mp4\n")
    return folder / "list.ffconcat"


def a_file_without_its_index(folder: Path) -> Path:
    path = noisy_video(folder / "whole.mp4")
    (folder / "cut.mp4").write_bytes(path.read_bytes()[:2000])
    return folder / "cut.mp4"


def a_missing_file(folder: Path) -> Path:
    return folder / "nowhere.mp4"


def a_folder(folder: Path) -> Path:
    return folder


def a_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.mp4")
    return folder / "pipe.mp4"


NO_VIDEOS = [
    an_empty_file,
    a_text_file,
    a_text_file_named_as_a_video,
    a_sound_file,
    a_video_container_with_sound_alone,
    a_playlist,
    a_list_of_files,
    a_file_without_its_index,
    a_missing_file,
    a_folder,
    a_pipe,
]


@pytest.mark.parametrize("make", NO_VIDEOS, ids=lambda make: make.__name__)
@pytest.mark.parametrize(
    "read",
    [
        video.probe,
        video.sample,
        lambda path: list(video.stream(path)),
        lambda path: video.frame_at(path, 0.0),
    ],
    ids=["probe", "sample", "stream", "frame_at"],
)
def test_what_is_no_video_is_refused_by_name(tmp_path, make, read):
    path = make(tmp_path)
    with pytest.raises(video.UnreadableVideo) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert caught.value.reason
    assert not str(caught.value).endswith(".")


def test_larger_pictures_than_allowed_are_refused_before_decoding(tmp_path, monkeypatch):
    path = noisy_video(tmp_path / "a.mp4", count=3)
    monkeypatch.setattr(source, "MAX_PIXELS", 96 * 64 - 1)
    with pytest.raises(video.UnreadableVideo, match="96 x 64"):
        video.probe(path)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_file_cut_short_gives_what_is_there_and_says_so(tmp_path, share):
    whole = noisy_video(tmp_path / "whole.mkv", count=200)
    data = whole.read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(data[: int(len(data) * share)])
    taken = video.sample(cut)
    expected = video.sample(whole)
    assert taken.damage is not None
    assert 0 < len(taken.frames_THWC) <= round(8 * share) + 1
    assert np.array_equal(taken.frames_THWC[:-1], expected.frames_THWC[: len(taken.frames_THWC) - 1])


def test_an_indexed_file_cut_short_gives_what_is_there_and_says_so(tmp_path):
    whole, cut = tmp_path / "whole.mp4", tmp_path / "cut.mp4"
    noisy_video(tmp_path / "plain.mp4", count=200)
    with (
        av.open(str(tmp_path / "plain.mp4")) as given,
        av.open(str(whole), "w", options={"movflags": "faststart"}) as to,
    ):
        stream = to.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.size:
                packet.stream = stream
                to.mux(packet)
    data = whole.read_bytes()
    cut.write_bytes(data[: len(data) // 2])
    taken = video.sample(cut)
    assert taken.damage is not None
    assert 2 <= len(taken.frames_THWC) <= 5
    assert np.array_equal(taken.frames_THWC[0], video.sample(whole).frames_THWC[0])


def test_damage_in_the_middle_keeps_both_ends(tmp_path):
    path = noisy_video(tmp_path / "a.mp4", count=250)
    clean = video.sample(path)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 6000] = np.random.default_rng(1).bytes(6000)
    (tmp_path / "b.mp4").write_bytes(data)
    taken = video.sample(tmp_path / "b.mp4")
    assert taken.damage is not None
    assert "faults" in taken.damage
    assert len(taken.frames_THWC) == 10
    assert np.array_equal(taken.frames_THWC[:4], clean.frames_THWC[:4])
    assert taken.times_T2[-1].tolist() == [9, 10]


@needs_clips
def test_a_real_damaged_file_says_where(tmp_path):
    taken = video.sample(CLIPS / "decord_corrupted.mp4", short_edge=64)
    assert taken.damage is not None
    assert "near 3.0 s" in taken.damage
    assert taken.times_T2.tolist() == [[0, 1], [1, 2], [2, 3], [3, 4], [4, 5]]


@needs_clips
def test_random_damage_neither_hangs_nor_crashes(tmp_path):
    data = (CLIPS / "decord_pancake.mkv").read_bytes()
    rng = np.random.default_rng(0)
    for trial in range(12):
        broken = bytearray(data)
        for _ in range(20):
            at = int(rng.integers(0, len(broken) - 200))
            broken[at : at + 100] = rng.bytes(100)
        path = tmp_path / f"{trial}.mkv"
        path.write_bytes(broken)
        try:
            taken = video.sample(path, short_edge=32)
        except video.UnreadableVideo:
            continue
        assert len(taken.frames_THWC) == len(taken.times_T2) <= 400
        assert (np.diff(taken.times_T2[:, 0]) > 0).all()


@needs_clips
@pytest.mark.parametrize(
    ("name", "width", "height", "seconds", "codec", "frames"),
    [
        ("tc_av1.mkv", 640, 360, 5.0, "av1", 125),
        ("mmaction_test.avi", 320, 240, 6.56, "mpeg4", 164),
        ("decord_rot90.mov", 320, 568, 0.1, "h264", 3),
        ("nasa_13013.mp4", 480, 270, 13.013, "h264", 390),
        ("sam2_01_dog.mp4", 1280, 720, 9.643, "h264", 289),
    ],
)
def test_probing_real_clips(name, width, height, seconds, codec, frames):
    info = video.probe(CLIPS / name)
    assert (info.width, info.height, info.codec, info.frames) == (width, height, codec, frames)
    assert info.duration_seconds == pytest.approx(seconds, abs=1e-3)


@needs_clips
@pytest.mark.parametrize(("name", "count"), [("tc_av1.mkv", 5), ("mmaction_test.avi", 7)])
def test_av1_and_avi_files_are_sampled(name, count):
    taken = video.sample(CLIPS / name, short_edge=32)
    assert len(taken.frames_THWC) == count
    assert taken.damage is None
    assert len(np.unique(taken.frames_THWC.reshape(count, -1), axis=0)) == count


def test_a_written_video_comes_back(tmp_path):
    video.write(tmp_path / "a.mp4", (ramp(5 * n) for n in range(50)), frames_per_second=25, quality=10)
    info = video.probe(tmp_path / "a.mp4")
    assert (info.frames, info.width, info.height, info.codec) == (50, 64, 48, "h264")
    assert (info.duration_seconds, info.frames_per_second) == (2.0, 25.0)
    levels = [level_of(each) for each in video.stream(tmp_path / "a.mp4")]
    assert np.abs(np.array(levels) - 5 * np.arange(50)).max() <= 2


@pytest.mark.parametrize("size", [None, (32, 32)])
def test_grey_levels_survive_writing_and_reading(tmp_path, size):
    levels = [0, 10, 50, 100, 128, 200, 250, 255]
    video.write(tmp_path / "a.mp4", (ramp(each) for each in levels), frames_per_second=1, quality=1)
    back = video.sample(tmp_path / "a.mp4", size=size).frames_THWC.mean(axis=(1, 2, 3))
    assert np.abs(back - levels).max() <= 1


def test_colours_survive_writing_and_reading(tmp_path):
    colours = np.array([[250, 10, 10], [10, 250, 10], [10, 10, 250], [240, 240, 20], [128, 128, 128]], np.uint8)
    frame = np.repeat(np.repeat(colours, 32, axis=0)[None], 64, axis=0)
    video.write(tmp_path / "a.mp4", [frame] * 5, frames_per_second=5, quality=5)
    back = video.sample(tmp_path / "a.mp4").frames_THWC[0]
    assert np.abs(back[32, 16::32].astype(int) - colours).max() <= 4


def test_the_same_pictures_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        noisy_video(tmp_path / name / "x.mp4", count=30)
    assert (tmp_path / "a/x.mp4").read_bytes() == (tmp_path / "b/x.mp4").read_bytes()


def test_odd_sides_lose_their_last_row_and_column(tmp_path):
    video.write(tmp_path / "a.mp4", [ramp(9, width=65, height=49)] * 3, frames_per_second=3)
    assert video.sample(tmp_path / "a.mp4").frames_THWC.shape[1:3] == (48, 64)


def test_a_lower_quality_and_a_bit_rate_make_smaller_files(tmp_path):
    sizes = {
        name: noisy_video(tmp_path / f"{name}.mp4", count=50, **settings).stat().st_size
        for name, settings in {"fine": {"quality": 18}, "poor": {"quality": 45}, "slow": {"bit_rate": 100_000}}.items()
    }
    assert sizes["poor"] < sizes["fine"] / 3
    assert sizes["slow"] < 100_000 * 2 / 8 * 2


def test_rates_that_are_no_whole_numbers_are_kept(tmp_path):
    video.write(tmp_path / "a.mp4", [ramp(3)] * 60, frames_per_second=Fraction(30000, 1001))
    assert video.probe(tmp_path / "a.mp4").duration_seconds == pytest.approx(60 * 1001 / 30000)


def test_mpeg4_takes_the_place_of_a_missing_encoder(tmp_path, monkeypatch):
    monkeypatch.setattr(av, "codecs_available", {"mpeg4"})
    good = noisy_video(tmp_path / "good.mp4", count=25, quality=15)
    poor = noisy_video(tmp_path / "poor.mp4", count=25, quality=45)
    assert video.probe(good).codec == "mpeg4"
    assert video.probe(good).frames == 25
    assert poor.stat().st_size < good.stat().st_size / 2
    with pytest.raises(MachineError, match="libx265"):
        noisy_video(tmp_path / "b.mp4", codec="libx265")


def test_a_failed_write_leaves_neither_a_file_nor_a_part(tmp_path):
    (tmp_path / "old.mp4").write_bytes(b"old")

    def frames():
        yield ramp(1)
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError):
        video.write(tmp_path / "old.mp4", frames(), frames_per_second=5)
    assert [each.name for each in tmp_path.iterdir()] == ["old.mp4"]
    assert (tmp_path / "old.mp4").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([], "no picture"),
        ([ramp(1), ramp(1, width=66)], "the first was"),
        ([np.zeros((8, 8), np.uint8)], "uint8"),
        ([np.zeros((8, 8, 3), np.float32)], "float32"),
    ],
)
def test_pictures_that_cannot_be_written_are_refused(tmp_path, frames, message):
    with pytest.raises(UsageError, match=message):
        video.write(tmp_path / "a.mp4", frames, frames_per_second=5)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("wrong", [{"frames_per_second": 0}, {"frames_per_second": 5, "quality": 99}])
def test_writer_settings_that_make_no_sense_are_refused(tmp_path, wrong):
    with pytest.raises(UsageError):
        video.write(tmp_path / "a.mp4", [ramp(1)], **wrong)


def test_a_name_with_a_colon_is_a_file_and_no_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    noisy_video(Path("concat:a.mp4"), count=3)
    assert video.probe("concat:a.mp4").frames == 3


def test_a_mirrored_display_matrix_is_obeyed(tmp_path):
    left_white = np.zeros((32, 64, 3), np.uint8)
    left_white[:, :32] = 255
    for name, hflip in (("plain", False), ("mirrored", True)):
        with av.open(str(tmp_path / f"{name}.mp4"), "w") as container:
            stream = container.add_stream("libx264", rate=5)
            stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
            stream.set_display_rotation(0, hflip=hflip)
            for _ in range(3):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(left_white, format="rgb24")))
            container.mux(stream.encode(None))
    assert video.sample(tmp_path / "plain.mp4").frames_THWC[0, 16, 4].min() > 200
    assert video.sample(tmp_path / "mirrored.mp4").frames_THWC[0, 16, 4].max() < 50


class _Matrixed:
    """A stand-in for a decoded picture with a display matrix."""

    def __init__(self, numbers: list[int]) -> None:
        self.side_data = {"DISPLAYMATRIX": struct.pack("<9i", *numbers)}


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_every_display_matrix_maps_the_picture_to_where_its_axes_point(turns, mirrored):
    """A matrix of axes (a b / c d) sends stored (x, y) to shown (a x + c y, b x + d y), y down."""
    stored = np.array([[1, 2, 3], [4, 5, 6]])
    a, b, c, d = [(1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0)][turns]
    if mirrored:
        a, c = -a, -c
    shown = {(a * x + c * y, b * x + d * y): int(stored[y, x]) for y in range(2) for x in range(3)}
    left, top = min(x for x, _ in shown), min(y for _, y in shown)
    height, width = max(y for _, y in shown) - top + 1, max(x for x, _ in shown) - left + 1
    expected = [[shown[left + x, top + y] for x in range(width)] for y in range(height)]
    quarter, flip = source.orientation(_Matrixed([a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30]))
    turned = np.rot90(stored, quarter)
    assert (turned[:, ::-1] if flip else turned).tolist() == expected


def test_without_pyav_the_message_names_the_extra():
    code = (
        "import sys; sys.modules['av'] = None\n"
        "from podium.media import video\n"
        "from podium.errors import MachineError\n"
        "try: video.probe('a.mp4')\n"
        "except MachineError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'podium[video]'" in done.stdout


def test_importing_the_module_does_not_import_pyav():
    code = "import sys, podium.media.video; print('av' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
