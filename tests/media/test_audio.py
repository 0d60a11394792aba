"""Sound out of video files: in its place, mixed, bounded, and out of damaged files what there is."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

av = pytest.importorskip("av", reason="reading sound needs PyAV")

from podium.errors import UsageError  # noqa: E402
from podium.media.audio import sound  # noqa: E402
from podium.media.source import UnreadableVideo  # noqa: E402

RATE = 16_000
Make = Callable[..., Path]


def tone(seconds: float, *, hertz: float = 440.0, rate: int = RATE) -> NDArray[np.int16]:
    times = np.arange(round(seconds * rate)) / rate
    return np.round(12_000 * np.sin(2 * np.pi * hertz * times)).astype(np.int16)


def make(
    path: Path,
    pieces: list[tuple[float, NDArray[np.int16]]],
    *,
    seconds: int = 3,
    rate: int = RATE,
    codec: str = "pcm_s16le",
) -> Path:
    """A grey video of some seconds with pieces of sound, each (channels, samples), at their times."""
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("mpeg4", rate=5)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        layout = "stereo" if pieces and pieces[0][1].ndim == 2 else "mono"
        track = container.add_stream(codec, rate=rate, layout=layout) if pieces else None
        packets = []
        for number in range(5 * seconds):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 90 + number, np.uint8), format="rgb24")
            frame.pts = number
            packets += pictures.encode(frame)
        packets += pictures.encode(None)
        for start, samples in pieces:
            planar = samples if samples.ndim == 2 else samples[None]
            for at in range(0, planar.shape[1], 1_024):
                block = np.ascontiguousarray(planar[:, at : at + 1_024].T).reshape(1, -1)
                frame = av.AudioFrame.from_ndarray(block, format="s16", layout=layout)
                frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
                frame.pts = round(start * rate) + at
                packets += track.encode(frame)
        if track is not None:
            packets += track.encode(None)
        for packet in sorted(packets, key=lambda each: float(each.dts * each.time_base)):
            container.mux(packet)
    return path


def test_a_tone_comes_out_sample_by_sample(tmp_path: Path) -> None:
    wanted = tone(2.0)
    found = sound(make(tmp_path / "a.mkv", [(0.0, wanted)]))
    assert found is not None
    assert found.samples_per_second == RATE
    assert found.damage is None
    assert found.samples_S.dtype == np.float32
    np.testing.assert_allclose(found.samples_S, wanted / 32_768, atol=1e-6)
    assert found.duration_seconds == 2.0


def test_two_channels_are_averaged(tmp_path: Path) -> None:
    left, right = tone(1.0), tone(1.0, hertz=1_000.0)
    found = sound(make(tmp_path / "a.mkv", [(0.0, np.stack([left, right]))]))
    assert found is not None
    np.testing.assert_allclose(found.samples_S, (left.astype(float) + right) / 2 / 32_768, atol=1e-4)


def test_loud_equal_channels_are_not_cut_off(tmp_path: Path) -> None:
    loud = (tone(0.5).astype(np.int32) * 5 // 2).astype(np.int16)
    found = sound(make(tmp_path / "a.mkv", [(0.0, np.stack([loud, loud]))]))
    assert found is not None
    np.testing.assert_allclose(found.samples_S, loud / 32_768, atol=1e-6)


def test_another_rate_keeps_the_pitch(tmp_path: Path) -> None:
    found = sound(make(tmp_path / "a.mkv", [(0.0, tone(2.0, hertz=440.0, rate=44_100))], rate=44_100))
    assert found is not None
    assert abs(found.duration_seconds - 2.0) < 0.01
    spectrum = np.abs(np.fft.rfft(found.samples_S[:RATE]))
    assert spectrum.argmax() == 440


def test_sound_that_begins_late_stands_at_its_time(tmp_path: Path) -> None:
    found = sound(make(tmp_path / "a.mkv", [(1.5, tone(1.0))]))
    assert found is not None
    assert found.duration_seconds == pytest.approx(2.5, abs=0.01)
    assert not found.samples_S[: round(1.45 * RATE)].any()
    assert np.abs(found.samples_S[round(1.55 * RATE) : round(1.65 * RATE)]).max() > 0.3


def test_a_gap_is_silence_and_what_follows_is_in_its_place(tmp_path: Path) -> None:
    found = sound(make(tmp_path / "a.mkv", [(0.0, tone(0.5)), (2.0, tone(0.5, hertz=2_000.0))]))
    assert found is not None
    assert found.duration_seconds == pytest.approx(2.5, abs=0.01)
    assert not found.samples_S[round(0.6 * RATE) : round(1.9 * RATE)].any()
    after = found.samples_S[round(2.1 * RATE) : round(2.1 * RATE) + 1_600]
    assert np.abs(np.fft.rfft(after)).argmax() == 200


def test_a_video_without_sound_gives_none(tmp_path: Path) -> None:
    assert sound(make(tmp_path / "a.mkv", [])) is None


def test_no_more_than_the_seconds_asked_for_is_given(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mkv", [(0.0, tone(3.0))])
    found = sound(path, max_seconds=1.25)
    whole = sound(path)
    assert found is not None
    assert whole is not None
    assert found.damage is None
    np.testing.assert_array_equal(found.samples_S, whole.samples_S[:20_000])


def test_a_claimed_gap_of_hours_stays_within_the_bytes_allowed(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mkv", [(0.0, tone(0.5)), (7_200.0, tone(0.5))])
    found = sound(path, max_bytes=4 * RATE * 5)
    assert found is not None
    assert found.duration_seconds == 5.0
    assert found.damage is not None
    assert "5 s" in found.damage


def test_a_file_that_is_cut_off_gives_its_beginning(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mkv", [(0.0, tone(3.0))])
    whole = sound(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])
    found = sound(path)
    assert found is not None
    assert whole is not None
    assert 0.5 < found.duration_seconds < 2.5
    np.testing.assert_array_equal(found.samples_S, whole.samples_S[: len(found.samples_S)])


def test_scribbled_sound_gives_the_rest_and_a_note(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mkv", [(0.0, tone(3.0, rate=48_000))], rate=48_000, codec="aac")
    with av.open(str(path)) as container:
        sizes = [bytes(packet) for packet in container.demux(container.streams.audio[0]) if packet.size]
    content = path.read_bytes()
    for each in sizes[40:60]:
        content = content.replace(each, bytes(value ^ 0x5A for value in each), 1)
    path.write_bytes(content)
    found = sound(path)
    assert found is not None
    assert found.damage is not None
    assert found.duration_seconds == pytest.approx(3.0, abs=0.1)
    assert np.abs(found.samples_S).max() <= 1.0
    assert np.abs(found.samples_S[: RATE // 2]).max() > 0.3


@pytest.mark.parametrize("content", [b"", b"no video at all" * 50])
def test_what_is_no_video_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(UnreadableVideo, match=r"a\.mp4"):
        sound(path)


def test_settings_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    for wrong in ({"samples_per_second": 10}, {"max_seconds": 0.0}, {"max_bytes": 0}):
        with pytest.raises(UsageError, match="`"):
            sound(tmp_path / "a.mkv", **wrong)


def test_real_files_are_heard_or_silent(media: Path) -> None:
    for name, seconds in (("decord_pancake.mkv", 10.3), ("mmaction_test.avi", 6.5), ("nasa_13013.mp4", 13.0)):
        found = sound(media / "videos" / name)
        assert found is not None, name
        assert found.duration_seconds == pytest.approx(seconds, abs=0.2), name
        assert found.damage is None, name
        assert np.abs(found.samples_S).max() > 0.1, name
    assert sound(media / "videos" / "tc_av1.mkv") is None
