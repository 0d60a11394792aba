"""Costs of models worked out by hand; frameworks that agree; weight files, folders and own code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from podium.errors import UsageError
from podium.solutions import profile
from podium.solutions.profile import Profile

torch = pytest.importorskip("torch")
nn = torch.nn

H, W = 10, 12
CONV = 8 * 27 * H * W
HEAD = 8 * H * W

NETS = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.head = nn.Conv2d(8, 1, 1)

    def forward(self, x_N3HW):
        return self.head(self.encoder(x_N3HW))

def two(): return Net()
def broken(): raise RuntimeError("no such luck")
ready = Net()
number = 3
"""


def cost(module: Any, *shape: int, **how: Any) -> Profile:
    return profile.profile_torch(module, [torch.zeros(*(shape or (1, 3, H, W)))], repeats=how.pop("repeats", 0), **how)


def parts(made: Profile) -> dict[str, tuple[int, int | None]]:
    return {each.name: (each.parameters, each.multiply_adds) for each in made.parts}


@pytest.fixture
def nets(tmp_path: Path) -> Path:
    (tmp_path / "nets.py").write_text(NETS)
    return tmp_path / "nets.py"


@pytest.mark.train
def test_a_convolution_costs_what_the_paper_says() -> None:
    made = cost(nn.Conv2d(3, 8, 3, padding=1))
    assert (made.parameters, made.multiply_adds) == (224, CONV)
    grouped = cost(nn.Conv2d(8, 8, 3, groups=8), 1, 8, H, W)
    assert (grouped.parameters, grouped.multiply_adds) == (80, 8 * 9 * (H - 2) * (W - 2))


@pytest.mark.train
def test_a_linear_layer_and_a_product_cost_their_sides() -> None:
    assert cost(nn.Linear(5, 7), 2, 5).multiply_adds == 35
    assert cost(nn.Linear(5, 7), 2, 5).parameters == 42


@pytest.mark.train
def test_a_batch_normalisation_has_statistics_beside_its_parameters() -> None:
    made = cost(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)))
    assert (made.parameters, made.statistics) == (224 + 16, 17)


@pytest.mark.train
def test_parts_add_up_and_lie_as_deep_as_asked(nets: Path) -> None:
    flat = profile.profile_own(f"{nets}:Net", [(3, H, W)], repeats=1)
    assert parts(flat) == {"encoder": (240, CONV), "head": (9, HEAD)}
    assert (flat.parameters, flat.multiply_adds) == (249, CONV + HEAD)
    assert flat.frame_seconds is not None
    assert flat.frame_seconds > 0
    deep = profile.profile_own(f"{nets}:Net", [(3, H, W)], repeats=0, depth=2)
    assert list(parts(deep)) == ["encoder.0", "encoder.1", "encoder.2", "head"]
    assert deep.frame_seconds is None
    assert sum(each.multiply_adds or 0 for each in deep.parts) == deep.multiply_adds


@pytest.mark.train
def test_shared_layers_count_once_and_work_as_often_as_they_are_called() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = nn.Conv2d(3, 3, 1, bias=False)
            self.same = self.one
            self.tied = nn.Conv2d(3, 3, 1, bias=False)
            self.tied.weight = self.one.weight

        def forward(self, x: Any) -> Any:
            return self.tied(self.same(self.one(x)))

    made = cost(Twice())
    assert made.parameters == 9
    assert made.multiply_adds == 3 * 9 * H * W
    assert parts(made) == {"one": (9, 2 * 9 * H * W), "tied": (0, 9 * H * W)}


@pytest.mark.train
def test_what_a_module_does_outside_its_children_is_its_own() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(W, 4))
            self.child = nn.Linear(4, 2)

        def forward(self, x: Any) -> Any:
            return self.child(x @ self.weight)

    assert parts(cost(Own(), 1, W)) == {"child": (10, 8), "(its own)": (4 * W, 4 * W)}


@pytest.mark.train
def test_the_work_of_a_list_of_modules_is_that_of_its_members() -> None:
    class Listed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList([nn.Linear(4, 4), nn.ModuleList([nn.Linear(4, 2)])])

        def forward(self, x: Any) -> Any:
            return self.blocks[1][0](self.blocks[0](x))

    assert parts(cost(Listed(), 1, 4)) == {"blocks": (20 + 10, 16 + 8)}


@pytest.mark.train
def test_a_batch_is_shared_out_over_its_frames(nets: Path) -> None:
    one = profile.profile_own(f"{nets}:ready", [(3, H, W)], repeats=0)
    four = profile.profile_own(f"{nets}:two", [(3, H, W)], batch=4, repeats=0)
    assert one.multiply_adds == four.multiply_adds
    assert four.inputs == ((4, 3, H, W),)


@pytest.mark.train
def test_a_module_is_measured_in_evaluation_mode_and_left_as_it_was() -> None:
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)).train()
    before = module[1].running_mean.clone()
    cost(module, repeats=1)
    assert module.training
    assert torch.equal(module[1].running_mean, before)
    assert not module._forward_hooks
    assert not module[0]._forward_hooks


@pytest.mark.train
@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("Nett", "did you mean `Net`"),
        ("broken", "RuntimeError: no such luck"),
        ("number", "a torch module or a Keras model"),
    ],
)
def test_own_code_that_makes_no_model_is_told_so(nets: Path, name: str, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        profile.profile_own(f"{nets}:{name}", [(3, H, W)])


@pytest.mark.train
def test_inputs_that_do_not_fit_are_told(nets: Path) -> None:
    with pytest.raises(UsageError, match="does not take inputs"):
        profile.profile_own(f"{nets}:Net", [(4, H, W)])
    with pytest.raises(UsageError, match="does not exist"):
        profile.profile_own("nowhere.py:Net")
    with pytest.raises(UsageError, match="batch size"):
        profile.profile_torch(nn.Linear(1, 1), [])


def test_a_state_file_has_the_parameters_of_its_module(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
    torch.save(module.state_dict(), tmp_path / "a.pt")
    made = profile.profile_file(tmp_path / "a.pt")
    assert (made.parameters, made.statistics, made.multiply_adds) == (240, 17, None)
    assert parts(made) == {"0": (224, None), "1": (16, None)}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_script_is_run_only_when_asked(tmp_path: Path) -> None:
    torch.jit.script(nn.Sequential(nn.Conv2d(3, 8, 3, padding=1))).save(tmp_path / "a.pt")
    still = profile.profile_file(tmp_path / "a.pt", [(3, H, W)])
    assert still.multiply_adds is None
    assert "--run" in still.notes[0]
    made = profile.profile_file(tmp_path / "a.pt", [(3, H, W)], batch=2, repeats=1, run=True)
    assert (made.parameters, made.multiply_adds) == (224, CONV)
    with pytest.raises(UsageError, match="does not take"):
        profile.profile_file(tmp_path / "a.pt", [(5, H, W)], run=True)


def test_an_onnx_model_is_counted_from_its_shapes(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    h, kind = onnx.helper, onnx.TensorProto.FLOAT
    arrays = {"w": (8, 3, 3, 3), "up": (8, 2, 2, 2), "fc": (2, 5)}
    held = [onnx.numpy_helper.from_array(np.zeros(shape, "f4"), name) for name, shape in arrays.items()]
    nodes = [
        h.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1]),
        h.make_node("ConvTranspose", ["y", "up"], ["z"], strides=[2, 2]),
        h.make_node("GlobalAveragePool", ["z"], ["p"]),
        h.make_node("Flatten", ["p"], ["f"]),
        h.make_node("MatMul", ["f", "fc"], ["o"]),
    ]
    given = h.make_tensor_value_info("x", kind, ["n", 3, "h", "w"])
    graph = h.make_graph(nodes, "g", [given], [h.make_tensor_value_info("o", kind, ["n", 5])], held)
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, tmp_path / "a.onnx")
    made = profile.profile_file(tmp_path / "a.onnx", [(3, H, W)], batch=2, repeats=0)
    assert made.parameters == 216 + 64 + 10
    # Transposed: every number of its input meets the whole kernel.
    assert made.multiply_adds == CONV + H * W * 8 * 2 * 4 + 10
    assert made.inputs == ((2, 3, H, W),)
    unknown = profile.profile_file(tmp_path / "a.onnx")
    assert unknown.parameters == made.parameters
    assert any("--input" in each for each in unknown.notes)
    with pytest.raises(UsageError, match="has a side of `3`"):
        profile.profile_file(tmp_path / "a.onnx", [(4, H, W)])


def test_a_folder_is_counted_by_its_weight_files(tmp_path: Path) -> None:
    save = pytest.importorskip("safetensors.numpy").save_file
    for name, count in (("one", 5), ("two", 7)):
        (tmp_path / "model" / name).mkdir(parents=True)
        save({"net.w": np.zeros(count, "f4")}, tmp_path / "model" / name / "weights.safetensors")
    (tmp_path / "model" / "model.yaml").write_text("members: [one, two]\n")
    made = profile.profile_folder(tmp_path / "model")
    assert made.parameters == 12
    assert list(parts(made)) == ["one/weights.safetensors: net", "two/weights.safetensors: net"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no weight file"):
        profile.profile_folder(tmp_path / "empty")


@pytest.mark.slow  # Keras takes long to import
def test_torch_and_keras_agree_on_the_same_network(nets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    if keras.backend.backend() != "torch":
        pytest.skip("Keras was started with another back end")
    layers = keras.layers
    given = keras.Input((H, W, 3))
    x = layers.Conv2D(8, 3, padding="same", name="conv")(given)
    x = layers.ReLU()(layers.BatchNormalization(name="norm")(x))
    model = keras.Model(given, layers.Conv2D(1, 1, name="head")(x))
    made = profile.profile_keras(model, batch=2, repeats=1)
    other = profile.profile_own(f"{nets}:Net", [(3, H, W)], repeats=0)
    assert (made.parameters, made.multiply_adds) == (other.parameters, other.multiply_adds) == (249, CONV + HEAD)
    assert made.parameters + made.statistics == model.count_params()
    assert parts(made) == {"conv": (224, CONV), "norm": (16, 0), "head": (9, HEAD)}
    shared = layers.Dense(3)
    tied = keras.Model(given, shared(shared(given)))
    assert profile.profile_keras(tied, repeats=0).parameters == 12
    assert profile.profile_keras(tied, repeats=0).multiply_adds == 2 * 9 * H * W
    free = keras.Model(*(lambda i: (i, layers.Conv2D(1, 1)(i)))(keras.Input((None, None, 3))))
    with pytest.raises(UsageError, match="--input"):
        profile.profile_keras(free)


def test_an_onnx_graph_that_is_not_sound_has_no_multiply_adds_and_ends_nothing(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    h, kind = onnx.helper, onnx.TensorProto.FLOAT
    flat, scalar = h.make_tensor_value_info("x", kind, [1, 3]), h.make_tensor_value_info("x", kind, [])
    for number, (given, inputs, outputs) in enumerate(
        ((flat, ["x"], ["y"]), (flat, ["x", "x"], []), (scalar, ["x", "x"], ["y"]))
    ):
        path = tmp_path / f"{number}.onnx"
        graph = h.make_graph([h.make_node("MatMul", inputs, outputs)], "g", [given], [])
        path.write_bytes(h.make_model(graph).SerializeToString())
        made = profile.profile_file(path, repeats=0)
        assert made.multiply_adds is None
        assert any("multiply-adds are not known" in each for each in made.notes)
    for sides in ([0, 3], [1 << 20, 1 << 20]):
        given = h.make_tensor_value_info("x", kind, sides)
        graph = h.make_graph([h.make_node("Relu", ["x"], ["y"])], "g", [given], [])
        (tmp_path / "a.onnx").write_bytes(h.make_model(graph).SerializeToString())
        with pytest.raises(UsageError, match="numbers are allowed"):
            profile.profile_file(tmp_path / "a.onnx")
