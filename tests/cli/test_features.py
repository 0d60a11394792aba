"""`podium features` and `podium label` as a person types them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

pytest.importorskip("av", reason="own videos need PyAV")
torch = pytest.importorskip("torch", reason="own videos need torch")

from podium.cli import call  # noqa: E402
from podium.cli.label import timeline  # noqa: E402
from podium.media.writer import write  # noqa: E402
from podium.solutions.segment_classification import network as networks  # noqa: E402
from podium.solutions.segment_classification.classes import Classes  # noqa: E402
from podium.solutions.segment_classification.encoders import EncoderSettings  # noqa: E402
from podium.solutions.segment_classification.footage.extraction import Video  # noqa: E402
from podium.solutions.segment_classification.footage.labelling import Label, LabelledVideo  # noqa: E402
from podium.solutions.segment_classification.footage.records import Row  # noqa: E402
from podium.solutions.segment_classification.mixture import HeadSettings  # noqa: E402
from podium.solutions.segment_classification.model import Member, Model, together  # noqa: E402
from podium.solutions.segment_classification.network import NetworkSettings  # noqa: E402

CLASSES = Classes(indices_C=np.array([7, 3, 12]), names=("goal", "foul", ""))


class Squares(torch.nn.Module):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(pixels, (4, 4)).flatten(1)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two videos of 12 and 6 s, a broken one, weights, and a model of three classes."""
    root = tmp_path_factory.mktemp("own")
    (root / "videos").mkdir()
    rng = np.random.default_rng(0)
    for name, seconds in (("long", 12), ("short", 6)):
        greys = rng.integers(0, 255, (seconds, 1, 1, 3))
        frames = [np.broadcast_to(grey, (48, 64, 3)).astype(np.uint8) for grey in greys for _ in range(2)]
        write(root / "videos" / f"{name}.mp4", frames, frames_per_second=2)
    (root / "videos" / "broken.mp4").write_bytes(b"no video")
    torch.jit.script(Squares()).save(str(root / "squares.pt"))
    torch.manual_seed(0)
    for name in ("first", "second"):
        settings = NetworkSettings(
            classes=3, encoder=EncoderSettings(kind="mean-pool", features=8), head=HeadSettings(mixtures=2)
        )
        member = Member(name="only", network=networks.build(settings).eval())
        Model(members=(member,), classes=CLASSES).save(root / name / "model_assets")
    alone = {name: Model.load(root / name / "model_assets") for name in ("first", "second")}
    together(alone).save(root / "both")
    return root


def features(place: Path, out: Path, *more: str) -> int:
    return call(["features", str(place / "videos"), "--out", str(out), "--weights", str(place / "squares.pt"), *more])


def test_ratings_make_a_data_folder_that_training_reads(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ratings = tmp_path / "ratings.csv"
    ratings.write_text("video,start,class\nlong.mp4,5,goal\n")
    assert features(place, tmp_path / "out", "--labels", str(ratings), "--json") == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["parts"] == {"segment/test": 1, "segment/train": 1}
    assert json.loads(told.out)["seconds"] == 18
    assert "left out: `broken.mp4`" in told.err
    for each in ("segment/train", "segment/test", "video/train", "segment_vocabulary.csv", "projection", "videos.csv"):
        assert (tmp_path / "out" / each).exists(), each


def test_wrong_ratings_are_wrong_use(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ratings = tmp_path / "ratings.csv"
    ratings.write_text("video,start,class\nlogn.mp4,5,goal\n")
    assert features(place, tmp_path / "out", "--labels", str(ratings)) == 2
    assert "did you mean `long.mp4`" in capsys.readouterr().err


def test_a_folder_of_broken_files_alone_is_wrong_use(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a.mp4").write_bytes(b"x")
    arguments = ["features", str(tmp_path / "videos"), "--out", str(tmp_path / "out")]
    assert call([*arguments, "--weights", str(place / "squares.pt")]) == 2
    assert "none of the `1` videos" in capsys.readouterr().err


def labelled(place: Path, out: Path, model: str, *more: str) -> int:
    projection = out.parent / "features" / "projection"
    if not projection.is_dir():
        assert features(place, projection.parent) == 0
    arguments = ["label", str(place / "videos"), "--model", str(place / model), "--projection", str(projection)]
    return call([*arguments, "--out", str(out), *more])


def test_labels_are_the_probabilities_of_the_model(place: Path, tmp_path: Path) -> None:
    assert labelled(place, tmp_path / "out", "first", "--threshold", "0", "--top", "2") == 0
    found = pl.read_csv(tmp_path / "out" / "labels.csv")
    assert found.columns == ["video", "start", "end", "class", "name", "probability"]
    spans = sorted({(row["video"], row["start"], row["end"]) for row in found.iter_rows(named=True)})
    assert spans == [
        ("long.mp4", 0, 5.0),
        ("long.mp4", 5, 10.0),
        ("long.mp4", 10, 12.0),
        ("short.mp4", 0, 5.0),
        ("short.mp4", 5, 6.0),
    ]
    assert len(found) == 2 * len(spans)
    assert found["probability"].is_between(0, 1).all()
    for _, rows in found.group_by("video", "start", maintain_order=True):
        assert rows["probability"].is_sorted(descending=True)
    assert set(found["class"]) <= {7, 3, 12}
    assert all(
        dict(zip([7, 3, 12], CLASSES.names, strict=True))[k] == (n or "") for k, n in found[["class", "name"]].rows()
    )


def test_the_threshold_leaves_out_what_is_below_it(place: Path, tmp_path: Path) -> None:
    assert labelled(place, tmp_path / "all", "first", "--threshold", "0", "--top", "3") == 0
    every = pl.read_csv(tmp_path / "all" / "labels.csv")
    middle = float(every["probability"].median())  # type: ignore[arg-type]
    assert labelled(place, tmp_path / "some", "first", "--threshold", str(middle), "--top", "3", "--no-page") == 0
    some = pl.read_csv(tmp_path / "some" / "labels.csv")
    assert some.rows() == every.filter(pl.col("probability") >= middle).rows()
    assert 0 < len(some) < len(every)
    assert not (tmp_path / "some" / "index.html").exists()


def test_another_model_labels_the_same_folder_anew(place: Path, tmp_path: Path) -> None:
    assert labelled(place, tmp_path / "out", "first", "--threshold", "0") == 0
    first = (tmp_path / "out" / "labels.csv").read_bytes()
    assert labelled(place, tmp_path / "out", "second", "--threshold", "0") == 0
    assert (tmp_path / "out" / "labels.csv").read_bytes() != first
    assert labelled(place, tmp_path / "out", "first", "--threshold", "0") == 0
    assert (tmp_path / "out" / "labels.csv").read_bytes() == first


def test_several_networks_are_averaged(place: Path, tmp_path: Path) -> None:
    for model in ("first", "second", "both"):
        assert labelled(place, tmp_path / model, model, "--threshold", "0", "--top", "3", "--no-page") == 0
    first, second, both = (
        pl.read_csv(tmp_path / model / "labels.csv").sort("video", "start", "class")["probability"].to_numpy()
        for model in ("first", "second", "both")
    )
    assert np.abs(first - second).max() > 1e-3
    np.testing.assert_allclose(both, (first + second) / 2, atol=2e-6)


def test_the_page_shows_every_video_with_pictures(place: Path, tmp_path: Path) -> None:
    assert labelled(place, tmp_path / "out", "first", "--threshold", "0") == 0
    page = (tmp_path / "out" / "index.html").read_text()
    for words in ("long.mp4", "short.mp4", "goal", "foul", "class 12", "data:image"):
        assert words in page, words


def test_a_model_of_another_projection_is_refused(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "features"
    assert features(place, out) == 0
    model = tmp_path / "model"
    shutil.copytree(place / "first", model)
    told = (out / "projection" / "projection.yaml").read_text()
    arguments = ["label", str(place / "videos"), "--model", str(model), "--projection", str(out / "projection")]
    (model / "model_assets" / "projection.yaml").write_text(told)
    assert call([*arguments, "--out", str(tmp_path / "right")]) == 0
    (model / "model_assets" / "projection.yaml").write_text(told + "\n# another\n")
    assert call([*arguments, "--out", str(tmp_path / "wrong")]) == 2
    assert "another projection" in capsys.readouterr().err


def test_a_folder_without_a_model_is_wrong_use(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert labelled(place, tmp_path / "out", "videos") == 2
    assert "model.yaml" in capsys.readouterr().err


def test_what_was_not_rated_is_predicted_and_ranked_from_the_folder_of_features(place: Path, tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text('video,start,class\nlong.mp4,5,goal\nlong.mp4,0,foul\nlong.mp4,0,"a, b"\n')
    out = tmp_path / "features"
    assert features(place, out, "--labels", str(tmp_path / "ratings.csv")) == 0
    network = networks.build(NetworkSettings(classes=3, encoder=EncoderSettings(kind="mean-pool", features=8))).eval()
    classes = Classes.read(out / "segment_vocabulary.csv")
    Model(members=(Member(name="net", network=network),), classes=classes).save(tmp_path / "model")
    every = ("--data", str(out), "--first", "0", "--last", "0")
    assert call(["predict", str(tmp_path / "model"), *every, "--out", str(tmp_path / "out")]) == 0
    assert call(["submit-file", str(tmp_path / "out"), *every, "-o", str(tmp_path / "sub.csv")]) == 0
    assert (tmp_path / "sub.csv").read_bytes() == (tmp_path / "out" / "sub.csv").read_bytes()
    table = pl.read_csv(out / "videos.csv")
    unrated = table.filter(pl.col("part") == "segment/test")["id"].to_list()
    assert len(unrated) == 1
    ranked = pl.read_csv(tmp_path / "sub.csv")["Segments"].to_list()
    assert all({each.split(":")[0] for each in line.split()} == set(unrated) for line in ranked)


def label_of(start: int, index: int, probability: float) -> Label:
    return Label(
        video="a.mp4",
        start_seconds=start,
        end_seconds=start + 5.0,
        class_index=index,
        name=f"class {index}",
        probability=probability,
    )


def row() -> Row:
    video = Video(path=Path("a.mp4"), name="a.mp4", digest="sha256:" + "0" * 64)
    return Row(video=video, part="segment/test", frames=15, duration_seconds=15.0, notes=("quiet",))


def test_a_timeline_has_the_most_probable_class_first() -> None:
    labels = (label_of(0, 1, 0.6), label_of(0, 2, 0.5), label_of(5, 2, 0.9))
    made = timeline(LabelledVideo(row=row(), labels=labels, likeliest=labels[2]), threshold=0.5)
    assert [lane.label for lane in made.lanes] == ["class 2", "class 1"]
    assert [(span.start_seconds, span.end_seconds, span.strength) for span in made.lanes[0].spans] == [
        (0, 5.0, 0.5),
        (5, 10.0, 0.9),
    ]
    assert (made.item, made.path, made.duration_seconds, made.note) == ("a.mp4", "a.mp4", 15.0, "quiet")


def test_a_timeline_without_labels_names_the_likeliest_class() -> None:
    made = timeline(LabelledVideo(row=row(), labels=(), likeliest=label_of(5, 2, 0.31)), threshold=0.5)
    assert made.lanes == ()
    assert made.note == "no class reaches 0.5; the likeliest is class 2 with 0.31; quiet"


def test_a_timeline_says_when_it_leaves_classes_out() -> None:
    labels = tuple(label_of(0, index, 0.9) for index in range(20))
    made = timeline(LabelledVideo(row=row(), labels=labels, likeliest=labels[0]), threshold=0.5)
    assert len(made.lanes) == 12
    assert "12 most probable of 20 classes" in made.note
