"""Finding sources and scenes, telling twins, and playing them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from podium.errors import MachineError, UsageError
from podium.media import footage, library, likeness, reel, video
from podium.media.library import Source

MEDIA = Path(__file__).parents[2].parent / "shared" / "media" / "videos"


def texture(seed: int, *, high: int = 160, wide: int = 200) -> np.ndarray:
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, size=(high // 10, wide // 10, 3), dtype=np.uint8))
    return np.array(small.resize((wide, high), Image.Resampling.BICUBIC))


def drifting(seed: int, *, frames: int = 30) -> list[np.ndarray]:
    return [np.roll(texture(seed), shift, axis=1) for shift in range(frames)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("media")
    (root / "deep").mkdir()
    video.write(root / "a.mp4", drifting(1), frames_per_second=10)
    red = [frame // (1, 4, 4) for frame in drifting(2)]
    blue = [frame // (4, 4, 1) for frame in drifting(3)]
    video.write(root / "cut.mp4", [frame.astype(np.uint8) for frame in red + blue], frames_per_second=10)
    video.write(root / "short.mp4", drifting(4, frames=5), frames_per_second=10)
    mirrored = [np.ascontiguousarray(frame[:, ::-1] // 2 + 60) for frame in drifting(1)]
    video.write(root / "deep" / "mirrored.mp4", mirrored, frames_per_second=10)
    Image.fromarray(texture(5, high=400, wide=300)).save(root / "photo.jpg")
    Image.fromarray(np.zeros((200, 200), np.uint8)).convert("P").save(root / "mask.png")
    Image.fromarray(np.full((200, 200, 3), 90, np.uint8)).save(root / "wall.png")
    (root / "broken.mp4").write_bytes(b"no video at all")
    (root / "notes.txt").write_text("hello")
    return root


def test_a_folder_gives_its_usable_files_and_a_reason_for_each_other(folder: Path) -> None:
    found = library.find(folder)
    assert [source.name for source in found.sources] == [
        "a.mp4", "cut.mp4", "deep/mirrored.mp4", "photo.jpg", "wall.png",
    ]  # fmt: skip
    assert {problem.place for problem in found.skipped} == {"broken.mp4", "mask.png", "short.mp4"}
    (short,) = (problem for problem in found.skipped if problem.place == "short.mp4")
    assert "at least 1.5 s" in short.message


def test_a_folder_without_media_is_refused_with_the_reasons(tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_bytes(b"junk")
    with pytest.raises(UsageError, match=r"no usable video or photo: x\.mp4"):
        library.find(tmp_path)
    with pytest.raises(UsageError, match="is not a folder"):
        library.find(tmp_path / "x.mp4")


def test_packages_that_are_missing_are_asked_for_by_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "find_spec", lambda name: None)
    with pytest.raises(MachineError, match=r"podium\[demo\]"):
        library.packaged()


def test_packaged_footage_is_found_without_importing_the_packages() -> None:
    pytest.importorskip("skimage")
    sources = library.packaged().sources
    assert all(source.packaged and source.path.is_file() for source in sources)
    assert "skimage:astronaut.png" in {source.name for source in sources}


def test_a_hard_cut_ends_a_shot_and_both_sides_keep_clear_of_it(folder: Path) -> None:
    (source,) = (each for each in library.find(folder).sources if each.name == "cut.mp4")
    (_, before), (after, end) = footage.look(source).shots
    assert 2.5 <= before <= 3.0 <= after <= 3.5
    assert end == 6.0


def test_twins_are_one_family_and_only_one_of_them_is_used(folder: Path) -> None:
    looks = footage.look_at_all(library.find(folder).sources).looks
    names = [look.source.name for look in looks]
    family = dict(zip(names, footage.families(looks), strict=True))
    assert family["a.mp4"] == family["deep/mirrored.mp4"]
    assert len({family["a.mp4"], family["cut.mp4"], family["photo.jpg"]}) == 3
    scenes = footage.scenes(looks, footage.families(looks), parts=1)
    assert [scene.source.name for scene in scenes] == ["a.mp4", "cut.mp4", "cut.mp4", "photo.jpg"]


def test_parts_of_a_picture_share_no_pixel() -> None:
    for width, height in ((1920, 1080), (300, 900), (320, 240), (100, 100)):
        for parts in (1, 2, 4):
            made = footage.boxes(width, height, parts=parts)
            assert 1 <= len(made) <= parts
            for row, (left, top, right, bottom) in enumerate(made):
                assert 0 <= left < right <= 1
                assert 0 <= top < bottom <= 1
                for other in made[row + 1 :]:
                    assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top


def thumbs(*pictures: np.ndarray) -> np.ndarray:
    return np.stack([likeness.thumbnail(Image.fromarray(each)) for each in pictures])


def test_a_shifted_darker_or_partly_covered_picture_is_alike_and_another_is_not() -> None:
    scene = texture(7, high=320, wide=320)
    covered = scene.copy()
    covered[60:200, 60:200] = 128
    shifted, darker = np.roll(scene, 60, axis=1), scene // 2
    alike = likeness.alike(thumbs(scene, covered, shifted, darker, texture(8, high=320, wide=320)))
    assert alike[0].tolist() == [True, True, True, True, False]
    assert np.array_equal(alike, alike.T)


def test_a_mirror_image_is_alike_only_when_asked() -> None:
    pair = thumbs(texture(7), np.ascontiguousarray(texture(7)[:, ::-1]))
    assert not likeness.alike(pair)[0, 1]
    assert likeness.alike(pair, mirrored=True)[0, 1]


def test_unrelated_textures_are_never_alike() -> None:
    alike = likeness.alike(thumbs(*(texture(seed) for seed in range(12))), mirrored=True)
    assert np.array_equal(alike, np.eye(12, dtype=bool))


def test_a_plain_picture_has_no_texture() -> None:
    assert likeness.textured(thumbs(texture(1))[0])
    assert not likeness.textured(thumbs(np.full((90, 90, 3), 77, np.uint8))[0])


def window_of(path: Path, start: float, end: float, **more: object) -> reel.Window:
    values = {"name": "x", "path": path, "moving": True, "width": 200, "height": 160, **more}
    return reel.Window(**values, start_seconds=start, end_seconds=end)  # pyright: ignore[reportArgumentType] - mixed


@pytest.mark.parametrize("fit", ["cover", "contain", "stretch"])
@pytest.mark.parametrize("count", [7, 20, 41])
def test_a_window_plays_in_exactly_the_frames_asked_for(folder: Path, fit: reel.Fit, count: int) -> None:
    window = window_of(folder / "a.mp4", 0.5, 2.5)
    played = list(reel.frames(window, count=count, frames_per_second=10, size=(96, 120), fit=fit))
    assert len(played) == count
    assert {frame.shape for frame in played} == {(120, 96, 3)}


def test_contain_leaves_bars_and_cover_and_stretch_do_not(folder: Path) -> None:
    window = window_of(folder / "a.mp4", 0.0, 1.0)
    shown = {
        fit: next(reel.frames(window, count=1, frames_per_second=1, size=(100, 200), fit=fit))
        for fit in ("cover", "contain", "stretch")
    }
    assert shown["contain"][:55].max() == 0
    assert shown["cover"][:55].max() > 0
    assert shown["stretch"][:55].max() > 0


def test_a_window_past_the_end_repeats_the_last_frame(folder: Path) -> None:
    played = list(reel.frames(window_of(folder / "a.mp4", 2.0, 4.0), count=20, frames_per_second=10, size=(64, 48)))
    assert len(played) == 20
    assert np.array_equal(played[-1], played[-2])


def test_a_box_shows_that_part_alone(tmp_path: Path) -> None:
    half = np.zeros((160, 200, 3), np.uint8)
    half[:, 100:] = 220
    video.write(tmp_path / "half.mp4", [half] * 10, frames_per_second=10)
    window = window_of(tmp_path / "half.mp4", 0.0, 1.0, box=(0.51, 0.0, 1.0, 1.0))
    assert next(reel.frames(window, count=1, frames_per_second=1, size=(40, 40))).min() > 180


def test_a_photo_is_filmed_the_same_way_for_the_same_seed(folder: Path) -> None:
    window = window_of(folder / "photo.jpg", 0.0, 2.0, moving=False, width=300, height=400, seed=3)
    first, second = (list(reel.frames(window, count=20, frames_per_second=10, size=(64, 48))) for _ in range(2))
    assert len(first) == 20
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0], first[-1])


def test_the_shared_clips_have_their_known_twins_and_damage() -> None:
    if not MEDIA.is_dir():
        pytest.skip("the shared clips are not here")
    wanted = {"mmaction_demo.mp4", "mmaction_stdet.mp4", "tc_av1.mkv", "cutie_example.mp4", "decord_corrupted.mp4"}
    sources: list[Source] = [source for source in library.find(MEDIA).sources if source.name in wanted]
    found = footage.look_at_all(sources)
    assert [problem.place for problem in found.skipped] == ["decord_corrupted.mp4"]
    family = dict(zip([look.source.name for look in found.looks], footage.families(found.looks), strict=True))
    assert family["mmaction_demo.mp4"] == family["mmaction_stdet.mp4"]
    assert len(set(family.values())) == 3
