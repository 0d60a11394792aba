"""The rehearsal twin: the same names, sizes and bytes, none of the content."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from podium.challenges import challenge
from podium.challenges.davis import layout, paths
from podium.challenges.davis.rehearsal import padded
from podium.challenges.davis.samples import write_perfect
from podium.formats import digests, masks
from podium.types import DataSet, Phase, ScoreSettings

DAVIS = challenge("davis")
SIZE = (96, 160)
FRAMES = 3


def photo(number: int) -> Image.Image:
    """Smooth shades with some grain, as a camera gives them."""
    rng = np.random.default_rng(number)
    few = Image.fromarray(rng.integers(0, 256, (6, 10, 3), dtype=np.uint8))
    pixels_HWC = np.asarray(few.resize(SIZE[::-1], Image.Resampling.BICUBIC), np.int16)
    grain_HWC = rng.normal(0, 10, pixels_HWC.shape)
    return Image.fromarray(np.clip(pixels_HWC + grain_HWC, 0, 255).astype(np.uint8))


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    made = DataSet(tmp_path / "data")
    raw, annotation = [], []
    for number in range(2 * FRAMES):
        name = f"{('goose', 'heron')[number // FRAMES]}/{number % FRAMES:05}"
        raw.append(f"{layout.IMAGES}/{name}.jpg")
        annotation.append(f"{layout.ANNOTATIONS}/{name}.png")
        for path in (made.inputs / raw[-1], made.answers / annotation[-1]):
            path.parent.mkdir(parents=True, exist_ok=True)
        photo(number).save(made.inputs / raw[-1], quality=60 + 7 * number)
        mask_HW = np.zeros(SIZE, np.uint8)
        mask_HW[10:30, 20:50] = 255
        masks.write(made.answers / annotation[-1], mask_HW)
    paths.write(made.inputs / paths.PATHS, {paths.RAW: raw})
    paths.write(made.answers / paths.PATHS, {paths.ANNOTATION: annotation})
    made.public.mkdir()
    (made.public / "LICENCE").write_text("as it is\n")
    digests.write_manifest(made.root)
    return made


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        image.load()
        return np.asarray(image, np.float64)


def test_a_twin_has_the_same_names_sizes_and_bytes_and_other_pixels(data: DataSet, tmp_path: Path) -> None:
    twin = DAVIS.rehearse_data(data, tmp_path / "twin", seed=0)  # type: ignore[misc]
    assert DAVIS.check_data(twin) == ()
    here, there = (
        {path.relative_to(each.inputs).as_posix(): path for path in each.inputs.rglob("*") if path.is_file()}
        for each in (data, twin)
    )
    assert here.keys() == there.keys()
    for name, path in here.items():
        assert there[name].stat().st_size == path.stat().st_size
        if path.suffix == ".jpg":
            one, two = pixels(path), pixels(there[name])
            assert one.shape == two.shape
            assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 0.1
    assert there["paths.json"].read_bytes() == here["paths.json"].read_bytes()
    assert (twin.public / "LICENCE").read_text() == "as it is\n"


def test_real_frames_of_480p_get_twins_of_the_same_bytes(media: Path, tmp_path: Path) -> None:
    made = DataSet(tmp_path / "real")
    names = [f"{layout.IMAGES}/judo/{number:05}.jpg" for number in range(4)]
    for name in names:
        (made.inputs / name).parent.mkdir(parents=True, exist_ok=True)
        (made.inputs / name).write_bytes((media / "judo" / Path(name).name).read_bytes())
    paths.write(made.inputs / paths.PATHS, {paths.RAW: names})
    twin = DAVIS.rehearse_data(made, tmp_path / "twin", seed=0)  # type: ignore[misc]
    for name in names:
        assert (twin.inputs / name).stat().st_size == (made.inputs / name).stat().st_size
        assert pixels(twin.inputs / name).shape == pixels(made.inputs / name).shape


def test_no_file_of_the_test_set_is_in_its_twin(data: DataSet, tmp_path: Path) -> None:
    twin = DAVIS.rehearse_data(data, tmp_path / "twin", seed=0)  # type: ignore[misc]
    secrets = {path.read_bytes() for path in data.root.rglob("*") if path.suffix in (".jpg", ".png")}
    assert not secrets & {path.read_bytes() for path in twin.root.rglob("*") if path.is_file()}


def test_a_dry_run_can_be_scored(data: DataSet, tmp_path: Path) -> None:
    twin = DAVIS.rehearse_data(data, tmp_path / "twin", seed=0)  # type: ignore[misc]
    (tmp_path / "perfect").mkdir()
    write_perfect(twin, tmp_path / "perfect")
    reading = DAVIS.read_predictions(tmp_path / "perfect", twin, phase=Phase(name="1", summary="", code_required=True))
    assert DAVIS.score(reading.predictions, twin, ScoreSettings(resamples=0)).value == 1.0


def test_the_answers_are_not_needed_and_not_looked_at(data: DataSet, tmp_path: Path) -> None:
    one = DAVIS.rehearse_data(data, tmp_path / "one", seed=0)  # type: ignore[misc]
    for path in sorted(data.answers.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    two = DAVIS.rehearse_data(data, tmp_path / "two", seed=0)  # type: ignore[misc]
    assert one.manifest.read_bytes() == two.manifest.read_bytes()


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(data: DataSet, tmp_path: Path) -> None:
    one, two, other = (
        DAVIS.rehearse_data(data, tmp_path / str(number), seed=seed)  # type: ignore[misc]
        for number, seed in enumerate((5, 5, 6))
    )
    assert one.manifest.read_bytes() == two.manifest.read_bytes() != other.manifest.read_bytes()


def test_a_file_too_small_for_noise_is_still_a_picture(data: DataSet, tmp_path: Path) -> None:
    path = data.inputs / layout.IMAGES / "goose/00001.jpg"
    Image.new("RGB", SIZE[::-1]).save(path, quality=1)
    twin = DAVIS.rehearse_data(data, tmp_path / "twin", seed=0)  # type: ignore[misc]
    assert pixels(twin.inputs / layout.IMAGES / "goose/00001.jpg").shape == (*SIZE, 3)


@settings(max_examples=40)
@given(st.integers(0, 300_000))
def test_padding_gives_exactly_the_bytes_and_the_same_picture(more: int) -> None:
    buffer = io.BytesIO()
    photo(1).resize((32, 24)).save(buffer, "JPEG")
    raw = buffer.getvalue()
    longer = padded(raw, len(raw) + more)
    if more in (1, 2, 3):
        assert longer is None
        return
    assert longer is not None
    assert len(longer) == len(raw) + more
    with Image.open(io.BytesIO(raw)) as one, Image.open(io.BytesIO(longer)) as two:
        assert np.array_equal(np.asarray(one), np.asarray(two))


@pytest.mark.parametrize("more", [-1, 1, 2, 3, 65_537, 65_538, 65_540, 65_541, 131_074, 131_075])
def test_padding_at_the_edges_of_a_comment(more: int) -> None:
    buffer = io.BytesIO()
    photo(1).resize((32, 24)).save(buffer, "JPEG")
    longer = padded(buffer.getvalue(), buffer.tell() + more)
    assert (longer is None) == (more < 4)
    if longer is not None:
        assert len(longer) == buffer.tell() + more
        with Image.open(io.BytesIO(longer)) as image:
            image.load()
