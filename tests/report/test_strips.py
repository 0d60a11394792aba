"""Frames come from the right second, once, and a bad file harms nothing."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from podium.report import strips
from podium.types import Clip, DataSet


def video(item: str, start: float, end: float | None, path: str = "inputs/q.mp4") -> Clip:
    return Clip(item=item, path=path, start_seconds=start, end_seconds=end)


def picture(frame: strips.Frame) -> np.ndarray:
    packed = base64.b64decode(frame.uri.removeprefix("data:image/jpeg;base64,"))
    return np.asarray(Image.open(io.BytesIO(packed)).convert("L"))


def test_six_frames_come_from_the_middles_of_six_parts(data: DataSet) -> None:
    clip = video("Q1", 0.0, 6.0)
    strip = strips.make([clip], data=data, budget_bytes=1_000_000)[clip]
    assert [frame.label for frame in strip.frames] == ["0.5 s", "1.5 s", "2.5 s", "3.5 s", "4.5 s", "5.5 s"]
    greys = [picture(frame).mean() for frame in strip.frames]
    assert greys == pytest.approx([20, 60, 100, 140, 180, 220], abs=6)
    assert strip.frames[2].alt == "Q1 at 2.5 s"
    assert (strip.frames[0].width, strip.frames[0].height) == (160, 80)
    assert strip.title == "Q1, 0.0 s to 6.0 s"


def test_a_video_is_opened_once_for_all_its_clips(data: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    from podium.media import video as reader

    asked: list[list[float]] = []

    def counting(path: Path, seconds: Sequence[float], *, short_edge: int | None = None) -> list[np.ndarray]:
        asked.append(list(seconds))
        return [np.full((40, 80, 3), 7, dtype=np.uint8) for _ in seconds]

    monkeypatch.setattr(reader, "frames_at", counting)
    clips = [video("Q1", 0.0, 6.0), video("R7", 3.0, 6.0), video("Q1", 0.0, 6.0)]
    made = strips.make(clips, data=data, budget_bytes=1_000_000)
    assert len(asked) == 1
    assert asked[0] == sorted({*strips.seconds_of(clips[0]), *strips.seconds_of(clips[1])})
    assert set(made) == set(clips)


def test_an_image_is_shown_whole_and_larger(data: DataSet) -> None:
    clip = Clip(item="P1", path="inputs/photo.jpg")
    (frame,) = strips.make([clip], data=data, budget_bytes=1_000_000)[clip].frames
    assert (frame.width, frame.height, frame.label) == (320, 240, "")


def test_a_clip_without_an_end_gives_one_frame(data: DataSet) -> None:
    clip = video("Q1", 2.0, None)
    (frame,) = strips.make([clip], data=data, budget_bytes=1_000_000)[clip].frames
    assert picture(frame).mean() == pytest.approx(100, abs=6)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("inputs/gone.mp4", "the data set has no file `inputs/gone.mp4`"),
        ("../secret.mp4", "`../secret.mp4` lies outside the data set"),
        ("/etc/passwd", "`/etc/passwd` lies outside the data set"),
        ("", "the report does not say where this is"),
    ],
)
def test_a_clip_that_is_not_there_gives_the_reason(data: DataSet, path: str, reason: str) -> None:
    for clip in (video("Q1", 0.0, 1.0, path), Clip(item="P", path=path)):
        strip = strips.make([clip], data=data, budget_bytes=1_000_000)[clip]
        assert strip.frames == ()
        assert strip.reason == reason


@pytest.mark.parametrize("content", [b"", b"no video at all", b"\xff\xd8\xff\xe0" + b"\x00" * 500, b"\x00" * 4_096])
def test_a_damaged_file_gives_a_reason_and_spares_its_neighbours(data: DataSet, content: bytes) -> None:
    bad = data.root / "inputs" / "bad.bin"
    bad.write_bytes(content)
    good = video("Q1", 0.0, 6.0)
    broken = [video("B", 0.0, 1.0, "inputs/bad.bin"), Clip(item="B", path="inputs/bad.bin")]
    made = strips.make([good, *broken], data=data, budget_bytes=1_000_000)
    assert len(made[good].frames) == 6
    assert all(made[clip].frames == () and made[clip].reason for clip in broken)
    assert not [clip for clip in broken if str(data.root) in made[clip].reason]


def test_pictures_get_coarser_until_the_budget_holds(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (400, 400, 3), dtype=np.uint8)).save(tmp_path / "noise.png")
    clips = [Clip(item=f"P{k}", path="noise.png") for k in range(20)]
    data = DataSet(tmp_path)
    rich = strips.make(clips, data=data, budget_bytes=10_000_000)
    poor = strips.make(clips, data=data, budget_bytes=200_000)
    assert sum(len(frame.uri) for strip in rich.values() for frame in strip.frames) > 200_000
    assert sum(len(frame.uri) for strip in poor.values() for frame in strip.frames) <= 200_000 * 1.01
