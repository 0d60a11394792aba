"""What a training reads of its clips: worked out once, kept through a kill, never taken for something else."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

cv2 = pytest.importorskip("cv2")

from podium.errors import UsageError  # noqa: E402 - after the check for OpenCV
from podium.solutions.object_segmentation import flow_cache, motion  # noqa: E402
from podium.solutions.object_segmentation.clips import Clip, find  # noqa: E402
from podium.solutions.object_segmentation.flow import FlowSettings, estimator  # noqa: E402
from podium.solutions.object_segmentation.flow_cache import CachedClip, build, partner  # noqa: E402
from podium.solutions.object_segmentation.inputs import InputSettings, shrink  # noqa: E402
from podium.solutions.object_segmentation.motion import MotionSettings  # noqa: E402
from podium.solutions.object_segmentation.truth import read_picture  # noqa: E402

INPUTS = InputSettings(short_side=32, flow=FlowSettings(preset="fast"))


@pytest.fixture
def clips(tmp_path: Path) -> tuple[Clip, ...]:
    """Two clips of four frames; a square moves over a texture, and frame 2 of the second has no mask."""
    rng = np.random.default_rng(0)
    root = tmp_path / "data"
    for name in ("a", "b"):
        ground_HWC = cv2.resize(rng.integers(0, 256, (16, 24, 3), dtype=np.uint8), (96, 64))
        for frame in range(4):
            image_HWC, mask_HW = ground_HWC.copy(), np.zeros((64, 96), dtype=np.uint8)
            image_HWC[20:44, 20 + 4 * frame : 50 + 4 * frame] = 255 - ground_HWC[20:44, 20:50]
            mask_HW[20:44, 20 + 4 * frame : 50 + 4 * frame] = 255
            for folder, values, suffix in (("JPEGImages", image_HWC, "jpg"), ("Annotations", mask_HW, "png")):
                path = root / folder / "480p" / name / f"{frame:05}.{suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(values).save(path)
    (root / "Annotations/480p/b/00002.png").unlink()
    return find(root).train


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*.npy"))
    }


def test_frames_masks_and_motion_are_those_that_the_network_will_see(clips: tuple[Clip, ...], tmp_path: Path) -> None:
    cached = build(clips, tmp_path / "cache", settings=INPUTS, gaps=(1, -2))
    assert [(each.name, each.length, each.annotated) for each in cached] == [
        ("a", 4, (0, 1, 2, 3)),
        ("b", 4, (0, 1, 3)),
    ]
    last = cached[1]
    frames = [shrink(read_picture(path), INPUTS) for path in clips[1].frames]
    assert (last.frame(2) == frames[3]).all()
    assert last.truth(2).sum() == 12 * 15
    for number, frame in enumerate(last.annotated):
        for gap in (1, -2):
            flow_HW2 = estimator(INPUTS.flow).estimate(frames[frame], frames[partner(frame, gap, 4)])
            left_HW2 = motion.residual(flow_HW2, INPUTS.motion)
            np.testing.assert_allclose(last.residual(number, gap), left_HW2, atol=0.02)
            assert last.spread(number, gap) == pytest.approx(motion.spread(left_HW2), abs=1e-6)


def test_nothing_is_worked_out_twice(clips: tuple[Clip, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = build(clips, tmp_path / "cache", settings=INPUTS)
    before = contents(tmp_path / "cache")

    def fail(*_: object) -> None:
        raise AssertionError

    flow_cache._lazy.cache_clear()
    monkeypatch.setattr(flow_cache, "estimator", fail)
    assert build(clips, tmp_path / "cache", settings=INPUTS) == first
    assert contents(tmp_path / "cache") == before


def test_after_a_kill_between_files_what_is_there_is_kept(clips: tuple[Clip, ...], tmp_path: Path) -> None:
    whole = build(clips, tmp_path / "whole", settings=INPUTS, gaps=(1, -1))

    class Killed(BaseException):
        pass

    saved: list[str] = []
    save = flow_cache._save
    for number in (1, 3, 6):
        with pytest.MonkeyPatch.context() as patch:

            def dying(path: Path, values: np.ndarray, last: int = number) -> None:
                if len(saved) >= last:
                    raise Killed
                saved.append(path.name)
                save(path, values)

            patch.setattr(flow_cache, "_save", dying)
            with pytest.raises(Killed):
                build(clips, tmp_path / "cache", settings=INPUTS, gaps=(1, -1))
    kept = contents(tmp_path / "cache")
    assert len(kept) == 6
    again = build(clips, tmp_path / "cache", settings=INPUTS, gaps=(1, -1))
    assert kept.items() <= contents(tmp_path / "cache").items()
    assert {name: each[0] for name, each in contents(tmp_path / "cache").items()} == {
        name: each[0] for name, each in contents(tmp_path / "whole").items()
    }
    assert [each.annotated for each in again] == [each.annotated for each in whole]
    assert not list((tmp_path / "cache").rglob("*.partial"))


def test_a_file_that_was_cut_off_is_made_anew(clips: tuple[Clip, ...], tmp_path: Path) -> None:
    (cached, _) = build(clips, tmp_path / "cache", settings=INPUTS)
    before = contents(tmp_path / "cache")
    for path in cached.folder.glob("*.npy"):
        path.write_bytes(path.read_bytes()[:-9])
    build(clips, tmp_path / "cache", settings=INPUTS)
    assert {name: each[0] for name, each in contents(tmp_path / "cache").items()} == {
        name: each[0] for name, each in before.items()
    }


def test_other_data_of_the_same_names_sizes_and_times_is_not_taken_for_these(
    clips: tuple[Clip, ...], tmp_path: Path
) -> None:
    import os

    (before, _) = build(clips, tmp_path / "cache", settings=INPUTS)
    mask = clips[0].masks[1]
    assert mask is not None
    found, kept = bytearray(mask.read_bytes()), mask.stat()
    Image.fromarray(np.zeros((64, 96), dtype=np.uint8)).save(mask)
    other = mask.read_bytes()
    size = max(len(found), len(other))
    mask.write_bytes(bytes(found).ljust(size, b"\0"))
    (first, _) = build(clips, tmp_path / "cache", settings=INPUTS)
    mask.write_bytes(other.ljust(size, b"\0"))
    os.utime(mask, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    (second, _) = build(clips, tmp_path / "cache", settings=INPUTS)
    assert second.folder not in (before.folder, first.folder)
    assert len(found) > len(other)
    assert first.truth(1).any()
    assert not second.truth(1).any()


def test_other_settings_have_files_of_their_own(clips: tuple[Clip, ...], tmp_path: Path) -> None:
    changed = (
        INPUTS,
        replace(INPUTS, short_side=48),
        replace(INPUTS, flow=FlowSettings(preset="ultrafast")),
        replace(INPUTS, flow=FlowSettings(method="farneback", preset="fast")),
        replace(INPUTS, motion=MotionSettings(compensate=False)),
    )
    folders = {build(clips[:1], tmp_path / "cache", settings=each)[0].folder for each in changed}
    assert len(folders) == len(changed)
    same = replace(INPUTS, multiple=8, motion=MotionSettings(noise=9.0, floor=0.01))
    assert build(clips[:1], tmp_path / "cache", settings=same)[0].folder in folders


@pytest.mark.slow
def test_processes_side_by_side_make_the_same_files(clips: tuple[Clip, ...], tmp_path: Path) -> None:
    alone = build(clips, tmp_path / "alone", settings=INPUTS)
    both = build(clips, tmp_path / "both", settings=INPUTS, processes=2)
    assert [each.folder.name for each in alone] == [each.folder.name for each in both]
    assert {name: each[0] for name, each in contents(tmp_path / "alone").items()} == {
        name: each[0] for name, each in contents(tmp_path / "both").items()
    }


def test_faults_of_the_data_are_named(clips: tuple[Clip, ...], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="none of 0"):
        build(clips, tmp_path / "cache", settings=INPUTS, gaps=(1, 0))
    Image.fromarray(np.zeros((64, 95, 3), dtype=np.uint8)).save(clips[0].frames[2])
    with pytest.raises(UsageError, match=r"00002\.jpg` is `95x64` but `96x64`"):
        build(clips, tmp_path / "cache", settings=INPUTS)
    clips[0].frames[0].write_bytes(b"no picture")
    with pytest.raises(UsageError, match=r"00000\.jpg"):
        build(clips, tmp_path / "cache", settings=INPUTS)


def test_a_cache_may_be_moved_with_its_clips(clips: tuple[Clip, ...], tmp_path: Path) -> None:
    (before, _) = build(clips, tmp_path / "cache", settings=INPUTS)
    shutil.move(tmp_path / "cache", tmp_path / "moved")
    shutil.move(tmp_path / "data", tmp_path / "elsewhere")
    (after, _) = build(find(tmp_path / "elsewhere").train, tmp_path / "moved", settings=INPUTS)
    assert after.folder.name == before.folder.name


@pytest.mark.parametrize("length", [2, 3, 7])
@pytest.mark.parametrize("gap", [1, 2, 5, -1, -4])
def test_every_frame_has_a_partner_that_is_not_itself(length: int, gap: int) -> None:
    for frame in range(length):
        other = partner(frame, gap, length)
        assert 0 <= other < length
        assert other != frame
        if 0 <= frame + gap < length:
            assert other == frame + gap


def test_values_are_read_and_cannot_be_changed(clips: tuple[Clip, ...], tmp_path: Path) -> None:
    (cached, _) = build(clips, tmp_path / "cache", settings=INPUTS)
    assert isinstance(cached, CachedClip)
    with pytest.raises(ValueError, match="read-only"):
        cached.frame(0)[0, 0] = 0
