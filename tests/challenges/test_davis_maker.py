"""Made clips: exact maps, masks that are coverage, flow that carries a frame to the one before, nothing that tells."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from podium.challenges.davis import layout, maker, paths
from podium.challenges.davis.scenes import drawing, lens, motion, outline, plates, rendering, resampling
from podium.challenges.davis.scenes.drawing import Cast
from podium.challenges.davis.scenes.scene import Scene, Surface
from podium.errors import MachineError, UsageError
from podium.formats import digests
from podium.formats.flow import read_flow
from podium.media import library
from podium.types import DataRequest, DataSet, Severity

cv2 = pytest.importorskip("cv2")

SIZE, FRAMES = (96, 160), 10


@pytest.fixture(scope="module")
def stock() -> plates.Stock:
    return plates.stock(library.packaged(), most=9, quick=True, seed=0)


@pytest.fixture(scope="module")
def scenes(stock: plates.Stock) -> tuple[Scene, ...]:
    """Some at the usual difficulty."""
    own = stock.train + stock.test
    return tuple(drawing.draw(cast(own, number), (7, number)) for number in range(9))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    return maker.make(DataRequest(into=tmp_path_factory.mktemp("davis") / "tiny", size="tiny", seed=3))


def cast(own: tuple[plates.Plate, ...], number: int, *, difficulty: float = 0.5) -> Cast:
    ground, cloth, occluder = (own[(number * step) % len(own)] for step in (1, 3, 5))
    return Cast(ground=ground, cloth=cloth, occluder=occluder, size=SIZE, frames=FRAMES, difficulty=difficulty)


def plain(scene: Scene) -> Scene:
    """The scene in steady light before a perfect camera."""
    steady = replace(
        lens.draw(np.random.default_rng(0), FRAMES, height=SIZE[0], difficulty=0.0),
        shutter=0.0, shadow=None, light_TC=np.ones((FRAMES, 3)), beam=0.0, focus=0.0, noise=0.0,
    )  # fmt: skip
    return replace(scene, lens=steady)


def surfaces(scene: Scene) -> list[Surface]:
    return [scene.ground, *scene.things]


def pixels() -> np.ndarray:
    return resampling.grid((0, SIZE[0]), (0, SIZE[1])).astype(np.complex128)


def test_each_surface_takes_pixels_to_its_own_places_and_back_exactly(scenes: tuple[Scene, ...]) -> None:
    assert any(scene.ground.ripple for scene in scenes)
    for scene in scenes:
        for surface in surfaces(scene):
            for time in (0.0, 3.4, FRAMES - 1.0):
                again = surface.project(surface.locate(pixels(), time), time)
                assert np.abs(again - pixels()).max() < 2e-3


def test_a_distractor_moves_with_the_ground_and_the_object_by_itself(scenes: tuple[Scene, ...]) -> None:
    moved = []
    for scene in scenes:
        rigid = replace(scene.ground, ripple=None)
        for time in range(FRAMES - 1):
            with_ground = rigid.project(rigid.locate(pixels(), time), time + 1)
            for number, thing in enumerate(scene.things):
                own = thing.project(thing.locate(pixels(), time), time + 1)
                if thing.name == "distractor":
                    assert np.abs(own - with_ground).max() < 1e-6
                if number == scene.primary:
                    seen = rendering.seen(scene, time)[number + 1] >= 0.5
                    moved.append(float(np.median(np.abs(own - with_ground)[seen])) if seen.any() else 0.0)
    assert np.mean(np.array(moved) > 0.15) > 0.85
    assert 0.4 < np.median(moved) < 4


def test_a_frame_warped_back_by_the_flow_is_the_frame_before(scenes: tuple[Scene, ...]) -> None:
    across, down = np.meshgrid(np.arange(SIZE[1], dtype=np.float32), np.arange(SIZE[0], dtype=np.float32))
    warped: list[float] = []
    for scene in scenes:
        shots = list(rendering.render(plain(scene), np.random.default_rng(0)))
        assert len(shots) == FRAMES
        assert shots[-1].flow_HW2 is None
        warped_error, still_error = [], []
        for shot, later in pairwise(shots):
            assert shot.flow_HW2 is not None
            assert shot.valid_HW is not None
            dx, dy = shot.flow_HW2[..., 0], shot.flow_HW2[..., 1]
            back = cv2.remap(later.frame_HWC.astype(np.float32), across + dx, down + dy, cv2.INTER_LINEAR)
            here = shot.frame_HWC.astype(np.float32)
            warped_error.append(np.abs(back - here)[shot.valid_HW].mean())
            still_error.append(np.abs(later.frame_HWC - here)[shot.valid_HW].mean())
            assert shot.valid_HW.mean() > 0.7
        assert np.mean(warped_error) < 0.7 * np.mean(still_error) + 0.6
        warped.append(float(np.mean(warped_error)))
    assert np.mean(warped) < 3.5


def test_flow_turned_round_would_not_do(scenes: tuple[Scene, ...]) -> None:
    across, down = np.meshgrid(np.arange(SIZE[1], dtype=np.float32), np.arange(SIZE[0], dtype=np.float32))
    right, wrong = [], []
    for scene in scenes[:4]:
        first, second = list(rendering.render(plain(scene), np.random.default_rng(0)))[4:6]
        for sign, errors in ((1, right), (-1, wrong)):
            dx, dy = sign * first.flow_HW2[..., 0], sign * first.flow_HW2[..., 1]
            back = cv2.remap(second.frame_HWC.astype(np.float32), across + dx, down + dy, cv2.INTER_LINEAR)
            errors.append(np.abs(back - first.frame_HWC)[first.valid_HW].mean())
    assert np.mean(right) < 0.5 * np.mean(wrong)


def test_the_mask_is_where_half_of_a_pixel_or_more_shows_the_object(scenes: tuple[Scene, ...]) -> None:
    parts = 8
    for scene in scenes:
        front = scene.things[scene.primary :]
        points = resampling.grid((0, SIZE[0]), (0, SIZE[1]), parts=parts)
        covered = [each.coverage(each.locate(points, 4), 4, parts=400) > 0.5 for each in front]
        visible = covered[0] & ~np.logical_or.reduce([np.zeros_like(covered[0]), *covered[1:]])
        share_HW = resampling.shrunk(visible.astype(np.float32), parts)
        mask_HW = rendering.seen(scene, 4)[scene.primary + 1] >= 0.5
        differing = (share_HW >= 0.5) != mask_HW
        # Only pixels that are cut in half may fall to the other side.
        assert np.abs(share_HW[differing] - 0.5).max(initial=0) < 0.2
        assert differing.sum() <= 0.03 * max(mask_HW.sum(), 100)


def test_what_is_seen_adds_up_to_each_whole_pixel(scenes: tuple[Scene, ...]) -> None:
    for scene in scenes:
        assert np.abs(rendering.seen(scene, 2).sum(axis=0) - 1).max() < 1e-5


def test_the_object_is_in_sight_and_of_a_fair_size(scenes: tuple[Scene, ...]) -> None:
    shares = np.array([[rendering.seen(each, t)[each.primary + 1].mean() for t in range(FRAMES)] for each in scenes])
    assert (shares > 0.003).mean() >= 0.8
    assert 0.02 < np.median(shares) < 0.3


def test_the_object_and_its_distractors_look_alike(scenes: tuple[Scene, ...]) -> None:
    same, size, other = [], [], []
    for scene in scenes:
        seen = rendering.seen(scene, 0)
        colours = [each.texture_GGC[resampling.scaled(each.outline.depth_GG, each.texture_GGC.shape[:2]) > 0]
                   for each in scene.things]  # fmt: skip
        own = colours[scene.primary]
        ground = scene.ground.picture.reshape(-1, 3)
        other.append(np.abs(own.mean(axis=0) - ground.mean(axis=0)).max())
        for number, thing in enumerate(scene.things):
            if thing.name == "distractor":
                same.append(np.abs(own.mean(axis=0) - colours[number].mean(axis=0)).max())
                size.append(thing.scale(0) / scene.things[scene.primary].scale(0))
        assert seen.shape[0] == len(scene.things) + 1
    assert len(same) >= 6
    assert np.median(same) < 0.6 * np.median(other)
    assert 0.75 < np.median(size) < 1.33


def test_hard_clips_hold_more_and_easy_ones_are_clear_and_sharp(stock: plates.Stock) -> None:
    def of(difficulty: float) -> list[Scene]:
        return [drawing.draw(cast(stock.test, n, difficulty=difficulty), (1, n)) for n in range(4)]

    easy, hard = of(0.0), of(1.0)
    assert max(each.lens.noise for each in easy) <= 1.5
    assert not any(each.lens.shutter or each.ground.ripple or each.facts["pause_frames"] for each in easy)
    assert sum(len(each.things) for each in hard) > sum(len(each.things) for each in easy)


def test_the_same_seed_draws_the_same_pixels_and_another_others(stock: plates.Stock) -> None:
    def frame(seed: int) -> bytes:
        scene = drawing.draw(cast(stock.test, 2), (seed, 0))
        return next(iter(rendering.render(scene, np.random.default_rng(seed)))).frame_HWC.tobytes()

    assert frame(1) == frame(1)
    assert frame(1) != frame(2)


def test_shears_come_and_go_with_their_clock_and_stand_when_it_stands() -> None:
    shears = motion.draw_shears(np.random.default_rng(0), np.array([0.0, 1.0, 1.0, 2.0]), strength=0.8)
    own = np.array([[0.3 + 0.2j, -0.5 - 0.4j]])
    assert np.array_equal(shears.apply(own, 0), shears.apply(own, 1))
    assert np.abs(shears.apply(own, 2) - shears.apply(own, 1)).min() > 1e-3


def test_every_outline_has_the_stated_area_and_stays_on_its_raster() -> None:
    rng = np.random.default_rng(5)
    areas = []
    for _ in range(12):
        shape = outline.draw(outline.draw_kind(rng), rng)
        edge = np.concatenate([shape.depth_GG[[0, -1]].ravel(), shape.depth_GG[:, [0, -1]].ravel()])
        assert edge.max() < 0
        areas.append((shape.depth_GG > 0).mean() * (2 * outline.REACH) ** 2 / (np.pi * 0.36))
    assert 0.85 < np.median(areas) < 1.1
    assert max(areas) < 1.15


def test_a_distance_is_measured_from_the_edge_between_pixels() -> None:
    inside = np.zeros((9, 9), bool)
    inside[2:7, 2:7] = True
    depth = resampling.distance(inside)
    assert depth[4, 2:7].tolist() == [0.5, 1.5, 2.5, 1.5, 0.5]
    assert depth[4, [1, 0, 7, 8]].tolist() == [-0.5, -1.5, -0.5, -1.5]


def test_a_made_set_has_the_layout_that_is_read(tiny: DataSet) -> None:
    sequences = layout.judged_sequences(tiny)
    assert [(each.height, each.width, len(each.frames)) for each in sequences] == [(96, 160, 6)] * 2
    for path in layout.annotation_paths(tiny, sequences).values():
        assert set(np.unique(np.asarray(Image.open(path)))) <= {0, 255}
    raw = paths.read_trusted(tiny.public / paths.PATHS, paths.RAW)
    annotation = paths.read_trusted(tiny.public / paths.PATHS, paths.ANNOTATION)
    assert len(raw) == len(annotation) == 24
    assert all((tiny.public / path).is_file() for path in (*raw.values(), *annotation.values()))
    assert digests.check_manifest(tiny.root) == ()
    lists = {part: (tiny.public / maker.IMAGE_SETS / f"{part}.txt").read_text().split() for part in ("train", "val")}
    assert (len(lists["train"]), len(lists["val"])) == (3, 1)
    assert {paths.clip_of(path) for path in raw.values()} == {*lists["train"], *lists["val"]}


def test_flow_is_there_for_learning_and_never_for_judged_clips(tiny: DataSet) -> None:
    flows = sorted(tiny.root.rglob("Flow/480p/*/*.png"))
    assert len(flows) == 4 * 5
    assert all(tiny.public in path.parents for path in flows)
    assert {path.name for path in flows} == {f"{number:05}.png" for number in range(5)}
    assert read_flow(flows[0]).flow_HW2.shape == (96, 160, 2)


def test_what_a_run_sees_holds_nothing_but_frames_and_their_list(tiny: DataSet) -> None:
    assert {path.suffix for path in tiny.inputs.rglob("*") if path.is_file()} == {".jpg", ".json"}
    assert json.loads((tiny.inputs / paths.PATHS).read_text()).keys() == {"raw"}


def test_each_clip_is_told_and_judged_ones_only_with_the_answers(tiny: DataSet) -> None:
    told = {part: json.loads((folder / maker.CLIPS).read_text())
            for part, folder in (("public", tiny.public), ("answers", tiny.answers))}  # fmt: skip
    assert set(told["answers"]) == {each.clip for each in layout.judged_sequences(tiny)}
    assert len(told["public"]) == 4
    assert not set(told["public"]) & set(told["answers"])
    assert all({"distractors", "occluders", "sources"} <= each.keys() for each in told["public"].values())


def test_judged_clips_are_made_of_other_pictures(tiny: DataSet) -> None:
    story = json.loads((tiny.answers / maker.STORY).read_text())
    assert not set(story["sources"]["train"]) & set(story["sources"]["test"])
    assert not set(story["sources"]["val"]) & set(story["sources"]["test"])
    assert story["problems"] == []


def test_with_few_pictures_of_ones_own_parts_share_them_and_the_story_says_so(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    for source in library.packaged().sources[:2]:
        shutil.copyfile(source.path, own / source.path.name)
    (own / "broken.jpg").write_bytes(b"\xff\xd8no")
    made = maker.make(DataRequest(into=tmp_path / "made", media=own, size="tiny"))
    story = json.loads((made.answers / maker.STORY).read_text())
    assert story["sources"]["train"] == story["sources"]["test"] == sorted(path.name for path in own.glob("*.png"))
    assert any("share" in each for each in story["problems"])
    assert any("broken.jpg" in each for each in story["problems"])


def test_parts_get_families_of_their_own_from_six_on(stock: plates.Stock) -> None:
    families = {part: {each.family for each in stock.of(part)} for part in ("train", "val", "test")}
    assert not families["train"] & families["val"]
    assert not families["train"] & families["test"]
    assert not families["val"] & families["test"]
    assert min(map(len, families.values())) >= 2
    assert all(each.severity is Severity.WARNING for each in stock.problems)


def test_names_of_clips_do_not_tell_the_part(stock: plates.Stock) -> None:
    request = DataRequest(into=Path("made"), size="small")
    jobs = maker.plan(stock, maker.SIZES["small"], request)
    assert len({job.name for job in jobs}) == 60
    assert all(len(job.name) == 6 and job.name.isalpha() for job in jobs)
    parts = [job.part for job in jobs]
    assert [job.name for job in jobs] == sorted(job.name for job in jobs)
    assert parts != sorted(parts)
    assert "test" in parts[:20]
    assert "test" in parts[-20:]


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"size": "smal"}, "did you mean `small`"), ({"difficulty": 1.5}, "0 to 1"), ({"difficulty": -0.1}, "0 to 1")],
)
def test_settings_out_of_range_are_refused(tmp_path: Path, change: dict[str, object], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        maker.make(replace(DataRequest(into=tmp_path / "made"), **change))
    assert not (tmp_path / "made").exists()


def test_a_folder_without_pictures_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    with pytest.raises(UsageError, match="no usable"):
        maker.make(DataRequest(into=tmp_path / "made", media=tmp_path / "own", size="tiny"))
    assert not (tmp_path / "made").exists()


def test_without_opencv_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MachineError, match=r"podium\[motion\]"):
        maker.make(DataRequest(into=tmp_path / "made", size="tiny"))


@pytest.mark.slow
def test_any_number_of_workers_makes_the_same_bytes(tmp_path: Path, tiny: DataSet) -> None:
    again = maker.make(DataRequest(into=tmp_path / "again", size="tiny", seed=3, workers=2))
    assert again.manifest.read_bytes() == tiny.manifest.read_bytes()
    other = maker.make(DataRequest(into=tmp_path / "other", size="tiny", seed=4))
    assert digests.read_manifest(other.manifest).files != digests.read_manifest(tiny.manifest).files
