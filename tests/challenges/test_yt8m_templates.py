"""The templates of `yt8m-segments`: the starter as it stands, the baseline with a model of one's own."""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import podium
from podium.challenges import challenge
from podium.challenges.yt8m_segments import layout, templates
from podium.challenges.yt8m_segments.builder import eligible_segments
from podium.challenges.yt8m_segments.vocabulary import Vocabulary, write_vocabulary
from podium.errors import UsageError
from podium.formats import datasets, digests
from podium.formats.tfrecord import encode_frame_record, write_shard
from podium.types import DataSet, ScoreSettings, Severity, Verdict

YT8M = challenge("yt8m-segments")
CLASSES = (7, 3, 1831)
ASSETS = "model_assets"
LENGTHS = {"t0": 60, "t1": 41, "t2": 52}


def write_classes(path: Path, indices: tuple[int, ...]) -> None:
    zeros = np.zeros(len(indices), dtype=np.int64)
    names = tuple(f"class {each}" for each in indices)
    write_vocabulary(
        path,
        Vocabulary(
            indices=np.array(indices),
            knowledge_graph_ids=names,
            names=names,
            positive_segments=zeros,
            rated_segments=zeros,
        ),
    )


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    """Three test videos in two shards."""
    made = datasets.start(tmp_path / "data")
    rng = np.random.default_rng(0)
    for number, ids in enumerate((("t0", "t1"), ("t2",))):
        payloads = [
            encode_frame_record(
                video_id=each,
                labels=[],
                rgb_TC=rng.integers(0, 256, (LENGTHS[each], 1024), dtype=np.uint8),
                audio_TC=rng.integers(0, 256, (LENGTHS[each], 128), dtype=np.uint8),
            )
            for each in ids
        ]
        path = made.inputs / layout.SEGMENT_TEST / f"test{number}.tfrecord"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_shard(path, payloads)
    for folder in (made.public, made.inputs):
        write_classes(folder / layout.VOCABULARY, CLASSES)
    videos = layout.Videos(ids=np.array(list(LENGTHS)), frames=np.array(list(LENGTHS.values())))
    layout.write_videos(made.inputs / layout.VIDEOS, videos)
    (made.answers / layout.RATINGS).write_text("video,start,class,score\nt0,30,7,1\nt0,35,7,0\nt2,40,3,1\n")
    digests.write_manifest(made.root)
    return made


def workdir(tmp_path: Path, data: DataSet, template: str) -> Path:
    """What a run stands in: the script, and the inputs below it."""
    place = tmp_path / "box" / "home" / "docker" / "src"
    place.mkdir(parents=True)
    (place / "data").symlink_to(data.inputs)
    (place / "main.py").write_text((YT8M.template(template).folder / "main.py").read_text())
    return place


def lists(path: Path) -> dict[int, list[str]]:
    rows = (line.split(",") for line in path.read_text().splitlines()[1:])
    return {int(index): entries.split(" ") for index, entries in rows}


def eligible(data: DataSet) -> list[str]:
    found = eligible_segments(layout.judged_videos(data))
    ids = found.ids[found.video].tolist()
    return [f"{each}:{start}" for each, start in zip(ids, found.start_seconds.tolist(), strict=True)]


def test_the_starter_needs_no_package_and_lists_what_the_builder_would(data: DataSet, tmp_path: Path) -> None:
    place = workdir(tmp_path, data, "starter")
    command = [sys.executable, "-I", "-S", str(place / "main.py")]
    subprocess.run(command, check=True, env={"PODIUM_ROOT": str(tmp_path / "box")})
    found = lists(place / "sub.csv")
    assert list(found) == list(CLASSES)
    for entries in found.values():
        assert sorted(entries) == sorted(eligible(data))
    assert found[7] != found[3]
    reading = YT8M.read_predictions(place, data, phase=YT8M.phases[0])
    assert reading.problems == ()
    assert 0 < YT8M.score(reading.predictions, data, ScoreSettings(resamples=0)).value <= 1


def test_the_starter_gives_the_same_file_each_time(
    data: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PODIUM_ROOT", str(tmp_path / "box"))
    place = workdir(tmp_path, data, "starter")
    written: list[bytes] = []
    for _ in range(2):
        runpy.run_path(str(place / "main.py"), run_name="__main__")
        written.append((place / "sub.csv").read_bytes())
    assert written[0] == written[1]


def trained(path: Path, indices: tuple[int, ...], *, seeds: tuple[int, ...] = (0, 1)) -> Path:
    """A model of small networks, as they begin."""
    torch = pytest.importorskip("torch")
    from podium.solutions.segment_classification import network as networks
    from podium.solutions.segment_classification.classes import Classes
    from podium.solutions.segment_classification.encoders import EncoderSettings
    from podium.solutions.segment_classification.model import Member, Model

    settings = networks.NetworkSettings(
        classes=len(indices), encoder=EncoderSettings(kind="mean-pool", features=8, reduction=0)
    )
    members: list[Member] = []
    for seed in seeds:
        torch.manual_seed(seed)
        members.append(Member(name=f"net{seed}", network=networks.build(settings)))
    names = tuple(f"class {each}" for each in indices)
    Model(members=tuple(members), classes=Classes(indices_C=np.array(indices), names=names)).save(path)
    return path


def test_a_trained_model_is_copied_as_it_is(data: DataSet, tmp_path: Path) -> None:
    model = trained(tmp_path / "trained", CLASSES)
    (model / "net0" / "training.json").write_text("{}")
    assert templates.prepare_baseline(data, tmp_path / "mine", options={"model": str(model)}) == ()
    copied = tmp_path / "mine" / ASSETS
    files = [path.relative_to(model) for path in model.rglob("*") if path.is_file()]
    assert len(files) >= 6
    for name in files:
        assert (copied / name).read_bytes() == (model / name).read_bytes()


def test_the_baseline_s_script_ranks_by_the_mean_of_its_networks(
    data: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PODIUM_ROOT", str(tmp_path / "box"))
    place = workdir(tmp_path, data, "baseline")
    trained(place / ASSETS, CLASSES)
    runpy.run_path(str(place / "main.py"), run_name="__main__")
    found = lists(place / "sub.csv")
    assert list(found) == list(CLASSES)
    for entries in found.values():
        assert sorted(entries) == sorted(eligible(data))
    assert YT8M.read_predictions(place, data, phase=YT8M.phases[0]).problems == ()
    assert sorted(path.name for path in place.iterdir()) == ["data", "main.py", ASSETS, "sub.csv"]


def test_the_lines_follow_the_classes_of_the_model_not_the_rows_of_the_vocabulary(
    data: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PODIUM_ROOT", str(tmp_path / "box"))
    place = workdir(tmp_path, data, "baseline")
    trained(place / ASSETS, (3, 7))
    runpy.run_path(str(place / "main.py"), run_name="__main__")
    assert list(lists(place / "sub.csv")) == [3, 7]


def test_a_model_that_lacks_a_class_is_told_and_one_that_knows_others_refused(data: DataSet, tmp_path: Path) -> None:
    few, other = trained(tmp_path / "few", (3, 7)), trained(tmp_path / "other", (3, 7, 1831, 5))
    (problem,) = templates.prepare_baseline(data, tmp_path / "one", options={"model": str(few)})
    assert problem.severity is Severity.WARNING
    assert "class `1831`" in problem.message
    with pytest.raises(UsageError, match="knows class `5`, which is not in"):
        templates.prepare_baseline(data, tmp_path / "two", options={"model": str(other)})


def test_a_folder_without_a_judged_part_is_not_compared(tmp_path: Path) -> None:
    model = trained(tmp_path / "trained", (3, 7))
    assert templates.prepare_baseline(DataSet(tmp_path), tmp_path / "mine", options={"model": str(model)}) == ()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"modle": "x"}, "did you mean `model`"),
        ({"model": "x", "recipe": "y"}, "without a `recipe`"),
        ({"model": "x", "recipe.steps": "3"}, "without a `recipe`"),
        ({"model": "/nowhere"}, "holds no model"),
    ],
)
def test_options_that_cannot_be_are_refused(data: DataSet, tmp_path: Path, options: dict[str, str], text: str) -> None:
    pytest.importorskip("torch")
    with pytest.raises(UsageError, match=text):
        templates.prepare_baseline(data, tmp_path / "mine", options=options)


@pytest.mark.sandbox
@pytest.mark.parametrize("template", ["starter", "baseline"])
def test_the_templates_run_in_the_sandbox_and_are_scored(data: DataSet, tmp_path: Path, template: str) -> None:
    submission = tmp_path / template
    shutil.copytree(YT8M.template(template).folder, submission, ignore=shutil.ignore_patterns("__pycache__"))
    if template == "baseline":
        trained(submission / ASSETS, CLASSES)
    report = podium.run(YT8M, submission, data=data, out=tmp_path / "out", sandbox_name="bubblewrap")
    assert (report.verdict, report.problems) == (Verdict.SCORED, ())
    assert report.score is not None
    assert report.score.metric == "MAP@100,000"
    again = podium.score(YT8M, tmp_path / "out/predictions/sub.csv", data=data, settings=ScoreSettings(parity=True))
    assert again.verdict is Verdict.SCORED


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A training that only makes a model; gives the calls that it got."""
    pytest.importorskip("torch")
    calls: list[dict[str, Any]] = []

    def train(recipe: Path, **how: Any) -> Path:
        calls.append({"recipe": recipe, **how})
        return trained(how["out"] / "model_assets", CLASSES, seeds=(4,))

    module = ModuleType("podium.solutions.segment_classification.train")
    module.train = train  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return calls


def rate(data: DataSet, videos: int) -> None:
    """So many videos to learn from, without a frame."""
    nothing = np.empty((0, 1024), np.uint8), np.empty((0, 128), np.uint8)
    payload = encode_frame_record(video_id="s", labels=[7], rgb_TC=nothing[0], audio_TC=nothing[1])
    path = data.public / layout.SEGMENT_TRAIN / "train0.tfrecord"
    path.parent.mkdir(parents=True)
    write_shard(path, [payload] * videos)


def test_without_a_model_the_quick_recipe_is_trained_with_the_seed(
    data: DataSet, tmp_path: Path, asked: list[dict[str, Any]]
) -> None:
    rate(data, 200)
    assert templates.prepare_baseline(data, tmp_path / "mine", seed=11) == ()
    (call,) = asked
    assert call["recipe"].name == "quick.yaml"
    assert call["data"] == data.root
    assert call["overrides"] == {"trainer.seed": "11"}
    assert not call["out"].exists()
    from podium.solutions.segment_classification.model import Model

    assert [each.name for each in Model.load(tmp_path / "mine" / ASSETS).members] == ["net4"]


def test_a_set_with_few_rated_videos_is_learned_in_smaller_batches(
    data: DataSet, tmp_path: Path, asked: list[dict[str, Any]]
) -> None:
    rate(data, 14)
    templates.prepare_baseline(data, tmp_path / "one")
    templates.prepare_baseline(data, tmp_path / "two", options={"recipe.batch.videos": "7", "recipe.steps": "3"})
    templates.prepare_baseline(data, tmp_path / "three", options={"recipe": "segment_classification/tiny"})
    assert [call["overrides"] for call in asked] == [
        {"trainer.seed": "0", "batch.videos": "4"},
        {"trainer.seed": "0", "batch.videos": "7", "steps": "3"},
        {"trainer.seed": "0"},
    ]
    assert asked[2]["recipe"].name == "tiny.yaml"
