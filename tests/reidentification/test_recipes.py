"""Recipes that ship: every value of the winners' write-ups, parts put together, and one step of the big ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from podium.errors import UsageError

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from podium.solutions.reidentification.augmentation import POLICIES  # noqa: E402 - after the checks
from podium.solutions.reidentification.dataset import Classes, Example  # noqa: E402
from podium.solutions.reidentification.heads import margins  # noqa: E402
from podium.solutions.reidentification.learner import Learner  # noqa: E402
from podium.solutions.reidentification.network import Network, NetworkSettings, build  # noqa: E402
from podium.solutions.reidentification.plan import Recipe, Run, runs  # noqa: E402
from podium.solutions.training import recipe  # noqa: E402

NAMES = ("tiny", "small", "second_place", "fourth_place")
NONE: Mapping[str, str] = {}


def planned(name: str, overrides: Mapping[str, str] = NONE) -> tuple[Run, ...]:
    return runs(recipe.find(f"reidentification/{name}"), overrides)


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_that_ships_survives_being_written(name: str) -> None:
    path = recipe.find(f"reidentification/{name}")
    whole = recipe.load(path, Recipe)
    assert recipe.read(recipe.dump(whole), Recipe) == whole
    assert whole.solution == "reidentification"
    assert whole.summary
    for run in runs(path, NONE):
        for stage in run.stages:
            assert recipe.read(recipe.dump(stage.recipe), Recipe) == stage.recipe


def test_the_second_place_is_the_one_of_the_write_up() -> None:
    members = planned("second_place")
    found = [
        (
            each.final.network.architecture.split(".")[0],
            each.final.network.height,
            each.final.batch.size,
            each.final.trainer.epochs,
        )
        for each in members
    ]
    assert found == [
        ("tf_efficientnet_b2", 380, 64, 20),
        ("tf_efficientnet_b3", 380, 32, 30),
        ("tf_efficientnet_b4", 380, 32, 25),
        ("tf_efficientnet_b4", 456, 24, 20),
        ("tf_efficientnet_b5", 456, 16, 22),
        ("tf_efficientnet_b5", 528, 16, 20),
        ("tf_efficientnetv2_m", 380, 32, 20),
    ]
    for each in members:
        settings = each.final
        assert settings.weights == f"timm:{settings.network.architecture}"
        assert settings.network.width == settings.network.height
        assert (settings.network.levels, settings.network.power, settings.network.neck) == ((3, 4), 3.0, "batch-norm")
        assert (settings.head.centres, settings.head.scale, settings.head.guard) == (2, 21.0, True)
        expected = [0.55, 0.509, 0.459, 0.394, 0.329]
        assert margins([1, 2, 5, 20, 106], settings.head.margin) == pytest.approx(expected, abs=5e-4)
        assert (settings.learning.backbone_rate, settings.learning.head_rate) == (1.6e-3, 1.6e-2)
        moving = settings.learning.schedule
        assert (moving.kind, moving.warm_up, moving.start, moving.floor) == ("warm-up-cosine", 0.2, 0.01, 0.01)
        assert settings.data.split is None
        assert settings.augmentation.policy == "second-place"
    geometry = POLICIES["second-place"].geometry
    assert (geometry.degrees, geometry.shift, geometry.crop_area) == (15, 0.25, (0.9, 1.0))


def test_the_fourth_place_is_the_one_of_the_write_up() -> None:
    members = planned("fourth_place")
    assert len(members) == 15
    assert [each.name for each in members[:6]] == [*(f"b7-256-fold{fold}" for fold in range(5)), "b7-448-fold0"]
    assert {each.final.data.minimum_images for each in members} == {4}
    seeds = {each.name.split("-fold")[0]: each.final.trainer.seed for each in members}
    assert seeds == {"b7-256": 888, "b7-448": 41, "b5-416": 107}
    for each in members:
        classifier, dolg = (stage.recipe for stage in each.stages)
        fold = int(each.name[-1])
        assert classifier.data.split is not None
        assert (classifier.data.split.fold, dolg.data.split) == (fold, classifier.data.split)
        assert (classifier.head.kind, classifier.network.neck, dolg.network.neck) == ("softmax", "none", "dolg")
        assert (dolg.head.scale, dolg.head.centres) == (0.16, 1)
        assert margins([3, 4, 5, 85], dolg.head.margin) == pytest.approx([0.35, 0.313, 0.287, 0.05], abs=5e-4)
        assert dolg.network.dolg.dilations == (5, 7, 11, 17, 19, 23, 25)
        assert dolg.weights == "stage:classifier"
        assert dolg.trainer.epochs == 10
        assert classifier.network.mean == (123.675, 116.28, 103.53)
        assert dolg.network.mean == (127.5, 127.5, 127.5)
    by_name = {each.name: each for each in members}
    first = {name: by_name[f"{name}-fold0"].stages[0].recipe for name in seeds}
    assert {name: each.trainer.epochs for name, each in first.items()} == {"b7-256": 30, "b7-448": 30, "b5-416": 40}
    assert {name: each.learning.backbone_rate for name, each in first.items()} == {
        "b7-256": 1e-3,
        "b7-448": 5e-4,
        "b5-416": 5e-4,
    }
    assert {name: each.augmentation.mix for name, each in first.items()} == {
        "b7-256": 0.5,
        "b7-448": 0.0,
        "b5-416": 0.5,
    }
    assert first["b5-416"].augmentation.policy == "fourth-place-crop"


def test_each_part_of_the_small_recipe_is_one_setting_away() -> None:
    def changed(**overrides: str) -> Recipe:
        return planned("small", {place.replace("__", "."): value for place, value in overrides.items()})[0].final

    assert changed().head.centres == 2
    assert changed(head__margin="{kind: fixed, value: 0.3}").head.margin.kind == "fixed"
    assert changed(head__centres="1").head.centres == 1
    assert changed(network__pooling="mean").network.pooling == "mean"
    assert changed(augmentation__flip="other").augmentation.flip == "other"
    assert not changed(inference__flip="false").inference.flip
    assert changed(trainer__average="null").trainer.average is None


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text("solution: reidentification\n" + text)
    return path


def test_what_is_set_by_hand_counts_before_members_and_stages(tmp_path: Path) -> None:
    text = (
        "members: [{name: one, set: {batch.size: 8, trainer.epochs: 3}}]\nstages: [{name: s, set: {batch.size: 4}}]\n"
    )
    path = write(tmp_path, text)
    assert runs(path, NONE)[0].final.batch.size == 8
    both = runs(path, {"batch.size": "16"})[0].final
    assert (both.batch.size, both.trainer.epochs, both.members, both.stages) == (16, 3, (), ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("members: [{name: one}]\nmember: on", "has no member `on`; did you mean `one`"),
        ("members: [{name: one}, {name: one}]", "two members have one name"),
        ("members: [{name: one, stages: {b: {}}}]\nstages: [{name: a}]", "sets the stage `b`"),
        ("stages: [{name: a, set: {weights: 'stage:a'}}]", "begins with `stage:a`"),
        ("members: [{name: one, set: {bacth.size: 3}}]", "`bacth` .*is unknown; did you mean `batch`"),
        ("network: {nekc: dolg}", "`network.nekc` .*is unknown; did you mean `neck`"),
        ("data: {split: null}", "cannot be monitored"),
        ("batch: {size: 9, of_each: 2}", "a batch of `9` with `2` of each"),
        ("calibration: isotonik", "did you mean `isotonic`"),
    ],
)
def test_a_faulty_recipe_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        runs(write(tmp_path, text), NONE)


def test_a_member_can_be_named_with_its_fold(tmp_path: Path) -> None:
    path = write(tmp_path, "members: [{name: a, folds: [0, 2]}, {name: b}]")
    assert [each.name for each in runs(path, NONE)] == ["a-fold0", "a-fold2", "b"]
    assert [each.name for each in runs(path, {"member": "a"})] == ["a-fold0", "a-fold2"]
    assert [each.name for each in runs(path, {"member": "a-fold2"})] == ["a-fold2"]


def one_step(settings: Recipe, *, edge: int, start: Network | None = None) -> Network:
    torch.manual_seed(0)
    shape = NetworkSettings(
        **{name: getattr(settings.network, name) for name in NetworkSettings.__dataclass_fields__}
        | {"height": edge, "width": edge}
    )
    network = build(shape, weights="none")
    if start is not None:
        network.backbone.load_state_dict(start.backbone.state_dict())
    classes = Classes(names=("a", "b"), photos_C=(5, 4), mirrored=False)
    made = Learner(network, classes=classes, head=settings.head, learning=settings.learning)
    made.log = lambda *_, **__: None  # type: ignore[method-assign]
    optimizer = torch.optim.AdamW(made.parameters(), lr=1e-3)
    images = torch.randint(0, 256, (2, edge, edge, 3), dtype=torch.uint8)
    label = torch.tensor([0, 1])
    loss = made.training_step(Example(images, label, label, torch.ones(2), label), 0)  # type: ignore[arg-type]
    loss.backward()
    before = next(network.parameters()).clone()
    optimizer.step()
    assert torch.isfinite(loss)
    assert not torch.equal(next(network.parameters()), before)
    return network


@pytest.mark.train
@pytest.mark.slow
def test_the_smallest_of_the_second_place_takes_a_step() -> None:
    network = one_step(planned("second_place", {"member": "b2-380"})[0].final, edge=64)
    assert network.dimensions == 472


@pytest.mark.train
@pytest.mark.slow
def test_the_smallest_of_the_fourth_place_takes_a_step_in_each_stage() -> None:
    classifier, dolg = (each.recipe for each in planned("fourth_place", {"member": "b5-416-fold0"})[0].stages)
    first = one_step(classifier, edge=64)
    assert one_step(dolg, edge=64, start=first).dimensions == 1024
