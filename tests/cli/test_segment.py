"""`podium segment` as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("av", reason="video needs PyAV")
pytest.importorskip("cv2", reason="optical flow needs OpenCV")

from podium.cli import call
from podium.formats import masks
from podium.media import video
from podium.solutions.object_segmentation.footage import Segmentation, SegmentRequest, segment

HEIGHT, WIDTH = 96, 128


class Brightest:
    """The object is what is bright; waits for one frame more, as methods with flow do."""

    parameters = 5

    def masks(self, frames):
        waiting = None
        for frame_HWC in frames:
            if waiting is not None:
                yield (waiting.mean(axis=2) / 255).astype(np.float32)
            waiting = frame_HWC
        if waiting is not None:
            yield (waiting.mean(axis=2) / 255).astype(np.float32)


def frames(count: int = 12) -> list[np.ndarray]:
    """A bright square walks over texture."""
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 90, (HEIGHT // 4, WIDTH // 4, 3)).astype(np.uint8).repeat(4, axis=0).repeat(4, axis=1)
    thing = rng.integers(215, 256, (8, 8, 3)).astype(np.uint8).repeat(4, axis=0).repeat(4, axis=1)
    made = []
    for number in range(count):
        frame_HWC = ground.copy()
        frame_HWC[30:62, 10 + 4 * number : 42 + 4 * number] = thing
        made.append(frame_HWC)
    return made


@pytest.fixture
def film(tmp_path: Path) -> Path:
    video.write(tmp_path / "film.mp4", frames(), frames_per_second=12, quality=10)
    return tmp_path / "film.mp4"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "frames").mkdir()
    for number, frame_HWC in enumerate(frames(), start=1):
        Image.fromarray(frame_HWC).save(tmp_path / "frames" / f"shot{number}.png")
    return tmp_path / "frames"


def request(footage: Path, out: Path, **how: object) -> SegmentRequest:
    return SegmentRequest(footage=footage, out=out, method="brightest", **how)  # pyright: ignore[reportArgumentType] - settings by name


def mask_of(out: Path, number: int) -> np.ndarray:
    levels_HW = masks.read(out / "masks" / f"{number:05}.png").levels_HW
    assert levels_HW is not None
    assert set(np.unique(levels_HW)) <= {0, 255}
    return levels_HW == 255


def clock() -> object:
    """Half a second a look."""
    ticks = iter(range(1_000_000))
    return lambda: next(ticks) / 2


def test_a_video_gets_a_mask_a_frame_an_overlay_and_a_description(film: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = segment(request(film, out), Brightest(), clock=clock())
    assert sorted(each.name for each in out.iterdir()) == ["masks", "overlay.mp4", "segmentation.json"]
    assert len(list((out / "masks").iterdir())) == done.frames == 12
    for number, frame_HWC in enumerate(frames()):
        truth_HW = frame_HWC.mean(axis=2) > 200
        found_HW = mask_of(out, number)
        assert (truth_HW & found_HW).sum() / (truth_HW | found_HW).sum() > 0.95
        assert done.shares[number] == pytest.approx(found_HW.mean(), abs=1e-6)
    info = video.probe(out / "overlay.mp4")
    assert (info.codec, info.frames, info.frames_per_second) == ("h264", 12, 12)
    assert (info.height, info.width) == (HEIGHT, WIDTH) == (done.height, done.width)
    told = json.loads((out / "segmentation.json").read_text())
    assert told["frames"] == 12
    assert told["parameters"] == 5
    assert told["method"] == "brightest"
    assert told["fault"] == ""
    assert told["unreadable_frames"] == 0
    # One look at the clock begins each turn of the segmenter and one ends it.
    assert done.seconds_per_frame == pytest.approx(0.5 * (2 * 12 + 2) / 12, abs=0.05)


def test_the_overlay_shows_the_frame_of_its_mask(film: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    segment(request(film, out), Brightest())
    shown = list(video.stream(out / "overlay.mp4"))
    for number in (0, 5, 11):
        changed = np.abs(shown[number].astype(int) - frames()[number].astype(int)).max(axis=2) > 60
        assert (changed & mask_of(out, number)).sum() > 0.8 * changed.sum() > 100


def test_a_folder_of_frames_is_read_in_the_order_in_which_people_count(folder: Path, tmp_path: Path) -> None:
    Image.new("L", (7, 7)).save(folder / "mask1.jpg")
    done = segment(request(folder, tmp_path / "out", overlay=False), Brightest())
    assert done.frames == 12
    assert not (tmp_path / "out" / "overlay.mp4").exists()
    lefts = [int(np.flatnonzero(mask_of(tmp_path / "out", number).any(axis=0))[0]) for number in range(12)]
    assert lefts == [10 + 4 * number for number in range(12)]


def test_frames_are_taken_at_the_rate_and_size_that_is_asked_for(film: Path, tmp_path: Path) -> None:
    done = segment(request(film, tmp_path / "out", frames_per_second=3.0, max_side=64), Brightest())
    assert (done.frames, done.frames_per_second) == (3, 3.0)
    assert (done.height, done.width) == (48, 64)
    assert mask_of(tmp_path / "out", 0).shape == (48, 64)
    assert done.unreadable_frames is None


def test_the_threshold_decides_what_belongs_to_the_object(film: Path, tmp_path: Path) -> None:
    low, high = (
        segment(request(film, tmp_path / f"out{value}", threshold=value, overlay=False), Brightest())
        for value in (0.01, 0.99)
    )
    assert min(low.shares) > 0.9
    assert max(high.shares) < 0.01


def test_a_damaged_frame_ends_the_work_and_what_was_done_is_kept(folder: Path, tmp_path: Path) -> None:
    (folder / "shot9.png").write_bytes(b"nothing")
    out = tmp_path / "out"
    assert call(["segment", str(folder), "-o", str(out), "--classical"]) == 2
    told = json.loads((out / "segmentation.json").read_text())
    assert told["frames"] == len(list((out / "masks").iterdir())) == 8
    assert "shot9.png" in told["fault"]
    assert video.probe(out / "overlay.mp4").frames == 8


def test_an_interrupted_work_keeps_what_was_done(folder: Path, tmp_path: Path) -> None:
    class Stopped(Brightest):
        def masks(self, frames):
            for number, each in enumerate(super().masks(frames)):
                if number == 4:
                    raise KeyboardInterrupt
                yield each

    done = segment(request(folder, tmp_path / "out"), Stopped())
    assert (done.frames, done.fault) == (4, "interrupted")
    assert video.probe(tmp_path / "out" / "overlay.mp4").frames == 4


def test_frames_in_waiting_are_few_however_long_the_video_is(tmp_path: Path) -> None:
    import weakref

    alive: list[weakref.ref[np.ndarray]] = []
    most = [0]

    class Counting(Brightest):
        def masks(self, frames):
            def noted():
                for each in frames:
                    alive.append(weakref.ref(each))
                    yield each

            for each in super().masks(noted()):
                most[0] = max(most[0], sum(ref() is not None for ref in alive))
                yield each

    video.write(tmp_path / "long.mp4", frames(3) * 20, frames_per_second=24)
    assert segment(request(tmp_path / "long.mp4", tmp_path / "out"), Counting()).frames == 60
    assert most[0] <= 4


def test_the_classical_method_is_taken_without_a_model_and_says_so(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["segment", str(folder), "-o", str(tmp_path / "out"), "--json"]) == 0
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert told["method"] == "classical"
    assert told["parameters"] == 0
    assert "no `--model` is given" in said.err
    assert "overlay.mp4" in said.err
    found = [mask_of(tmp_path / "out", number) for number in range(12)]
    truth = [frame_HWC.mean(axis=2) > 200 for frame_HWC in frames()]
    overlap = np.mean([(a & b).sum() / (a | b).sum() for a, b in zip(found, truth, strict=True)])
    assert overlap > 0.5


@pytest.mark.parametrize("given", [["--classical", "--model", "{out}"], ["--threshold", "0"], ["--max-side", "9000"]])
def test_settings_that_do_not_go_together_are_wrong_use(given: list[str], folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    arguments = [each.format(out=tmp_path / "empty") for each in given]
    assert call(["segment", str(folder), "-o", str(tmp_path / "out"), *arguments]) == 2
    assert not (tmp_path / "out").exists()


def test_results_are_never_written_over(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    assert call(["segment", str(folder), "-o", str(tmp_path / "out")]) == 2
    assert "is not an empty folder" in capsys.readouterr().err
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_what_is_no_video_is_one_message_and_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "film.mp4").write_bytes(b"no film" * 100)
    (tmp_path / "nothing").mkdir()
    for footage, text in (("film.mp4", "is no video"), ("nothing", "holds no frames")):
        assert call(["segment", str(tmp_path / footage), "-o", str(tmp_path / "out"), "--classical"]) == 2
        said = capsys.readouterr().err
        assert said.count("error:") == 1
        assert text in said
        assert not (tmp_path / "out").exists()


def test_a_real_damaged_video_gets_masks_for_what_can_be_decoded(media: Path, tmp_path: Path) -> None:
    path = media / "videos" / "decord_corrupted.mp4"
    if not path.is_file():
        pytest.skip("the video is not there")
    done = segment(request(path, tmp_path / "out", max_side=160), Brightest())
    assert done.frames == 49
    assert done.unreadable_frames == 1
    assert video.probe(tmp_path / "out" / "overlay.mp4").frames == 49


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sam2_01_dog.mp4", "decord_rot90.mov", "mmaction_test.avi", "tc_av1.mkv"])
def test_real_videos_of_several_kinds_get_masks_by_the_classical_method(name: str, media: Path, tmp_path: Path) -> None:
    path = media / "videos" / name
    if not path.is_file():
        pytest.skip("the video is not there")
    out = tmp_path / "out"
    arguments = ["--classical", "--max-side", "240", "--frames-per-second", "4"]
    assert call(["segment", str(path), "-o", str(out), *arguments]) == 0
    told = json.loads((out / "segmentation.json").read_text())
    info, played = video.probe(path), video.probe(out / "overlay.mp4")
    assert told["frames"] == played.frames == max(1, round(4 * info.duration_seconds))
    assert (told["height"] > told["width"]) == (info.height > info.width)
    assert max(told["shares"]) < 0.9


@pytest.mark.slow
def test_the_wrestlers_on_the_mat_are_found_without_a_model(media: Path, tmp_path: Path) -> None:
    from podium.solutions.object_segmentation.classical import ClassicalSegmenter

    footage = media / "judo"
    if not footage.is_dir():
        pytest.skip("the frames are not there")
    done: Segmentation = segment(request(footage, tmp_path / "out"), ClassicalSegmenter())
    assert done.frames == 16
    # They stand in the middle third of the picture.
    columns = np.mean([mask_of(tmp_path / "out", number).mean(axis=0) for number in range(16)], axis=0)
    assert columns[284:569].sum() > 0.8 * columns.sum() > 0
