"""ONNX models: read without the `onnx` package, checked against it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from podium.errors import SubmissionError
from podium.formats.tfrecord.wire import encoded_varint
from podium.formats.weights import Role, WeightKind, read_weights, tally, weight_kind

onnx = pytest.importorskip("onnx")
h, nh, T = onnx.helper, onnx.numpy_helper, onnx.TensorProto


def model(*, extra: tuple[Any, ...] = (), nodes: tuple[Any, ...] = ()) -> Any:
    held = [nh.from_array(np.zeros((8, 3, 3, 3), "f4"), "w"), nh.from_array(np.zeros(8, "f4"), "b")]
    held += [nh.from_array(np.ones(8, "f4"), name) for name in ("scale", "shift", "mean", "variance")]
    held += [nh.from_array(np.array([0, -1]), "shape"), *extra]
    graph = h.make_graph(
        [
            h.make_node("Conv", ["x", "w", "b"], ["y"], pads=[1, 1, 1, 1]),
            h.make_node("BatchNormalization", ["y", "scale", "shift", "mean", "variance"], ["z"]),
            *nodes,
        ],
        "g",
        [h.make_tensor_value_info("x", T.FLOAT, [1, 3, 8, 8])],
        [h.make_tensor_value_info("z", T.FLOAT, [1, 8, 8, 8])],
        held,
    )
    return h.make_model(graph, producer_name="hand")


def test_initializers_are_counted_and_statistics_are_known_by_their_use(tmp_path: Path) -> None:
    onnx.save(model(), tmp_path / "a.onnx")
    file = read_weights(tmp_path / "a.onnx")
    assert file.kind is WeightKind.ONNX
    roles = {each.name: each.role for each in file.tensors}
    assert roles["mean"] is roles["variance"] is Role.STATISTIC
    assert roles["shape"] is Role.CONSTANT
    assert (tally([file]).parameters, tally([file]).statistics) == (216 + 8 + 16, 16)
    assert file.other_bytes == file.size_bytes - 4 * (216 + 8 + 32) - 16


def test_a_renamed_model_is_recognised(tmp_path: Path) -> None:
    made = model()
    made.producer_name = "pytorch"
    onnx.save(made, tmp_path / "a.dat", format="protobuf")
    assert weight_kind(tmp_path / "a.dat") is WeightKind.ONNX


@pytest.mark.parametrize(
    ("data_type", "values", "shape"),
    [
        (T.FLOAT, [0.5] * 6, [2, 3]),
        (T.DOUBLE, [0.5] * 6, [6]),
        (T.FLOAT16, [0.5] * 6, [6]),
        (T.INT64, [1 << 40, -1, 3], [3]),
        (T.INT8, [-1, 2, 3], [3]),
        (T.COMPLEX64, [1 + 2j] * 3, [3]),
        (T.INT4, [1, 2, 3], [3]),
        (T.FLOAT, [0.5], []),
        (T.FLOAT, [], [0, 4]),
    ],
)
def test_typed_fields_of_every_kind_hold_what_the_shape_says(
    tmp_path: Path, data_type: int, values: list[Any], shape: list[int]
) -> None:
    onnx.save(model(extra=(h.make_tensor("t", data_type, shape, values),)), tmp_path / "a.onnx")
    found = next(each for each in read_weights(tmp_path / "a.onnx").tensors if each.name == "t")
    assert found.elements == int(np.prod(shape))
    assert found.shape == tuple(shape)


def test_weights_in_constant_nodes_subgraphs_functions_and_sparse_tensors_count(tmp_path: Path) -> None:
    constant = h.make_node("Constant", [], ["c"], value=nh.from_array(np.zeros((50,), "f4")))
    listed = h.make_node("Constant", [], ["l"], value_floats=[0.5] * 30)
    inner = h.make_graph([constant], "inner", [], [], [nh.from_array(np.zeros(70, "f4"), "deep")])
    branch = h.make_node("If", ["k"], ["i"], then_branch=inner, else_branch=inner)
    made = model(nodes=(listed, branch))
    function = made.functions.add()
    function.name, function.domain = "f", "d"
    function.node.append(constant)
    values = nh.from_array(np.zeros(11, "f4"), "sparse")
    made.graph.sparse_initializer.append(h.make_sparse_tensor(values, nh.from_array(np.arange(11)), [1000]))
    onnx.save(made, tmp_path / "a.onnx")
    assert tally([read_weights(tmp_path / "a.onnx")]).parameters == 240 + 30 + 2 * (50 + 70) + 50 + 11


def test_a_statistic_that_another_layer_reads_counts(tmp_path: Path) -> None:
    onnx.save(model(nodes=(h.make_node("Add", ["z", "mean"], ["q"]),)), tmp_path / "a.onnx")
    assert tally([read_weights(tmp_path / "a.onnx")]).parameters == 240 + 8


def test_data_in_another_file_is_counted_by_its_shape_and_told_of(tmp_path: Path) -> None:
    onnx.save(model(), tmp_path / "a.onnx", save_as_external_data=True, location="a.data", size_threshold=0)
    file = read_weights(tmp_path / "a.onnx")
    assert tally([file]).parameters == 240
    assert {each.location for each in file.externals} == {"a.data"}
    assert sum(each.length for each in file.externals) <= (tmp_path / "a.data").stat().st_size
    assert sum(each.stored_bytes for each in file.tensors) == 0


@pytest.mark.parametrize(("shape", "raw"), [([1], b"\0" * 4_000), ([1_000], b"\0" * 4), ([1 << 62], b"\0" * 4)])
def test_a_shape_that_is_not_that_of_its_data_is_refused(tmp_path: Path, shape: list[int], raw: bytes) -> None:
    lie = onnx.TensorProto(name="t", data_type=T.FLOAT, dims=shape, raw_data=raw)
    (tmp_path / "a.onnx").write_bytes(model(extra=(lie,)).SerializeToString())
    with pytest.raises(SubmissionError, match="its shape and type need"):
        read_weights(tmp_path / "a.onnx")


def test_numbers_beside_raw_data_and_outside_no_file_are_refused(tmp_path: Path) -> None:
    both = onnx.TensorProto(name="t", data_type=T.FLOAT, dims=[1], raw_data=b"\0" * 4, float_data=[0.5] * 9)
    nowhere = onnx.TensorProto(name="t", data_type=T.FLOAT, dims=[1], data_location=T.EXTERNAL)
    unknown = onnx.TensorProto(name="t", data_type=99, dims=[1], raw_data=b"\0")
    for lie in (both, nowhere, unknown):
        (tmp_path / "a.onnx").write_bytes(model(extra=(lie,)).SerializeToString())
        with pytest.raises(SubmissionError, match=r"a\.onnx `t`"):
            read_weights(tmp_path / "a.onnx")


def test_a_second_graph_in_one_file_counts_too(tmp_path: Path) -> None:
    # Protobuf merges a field that is there twice, so a reader of the first alone would miss the rest.
    once = model().SerializeToString()
    (tmp_path / "a.onnx").write_bytes(once + once)
    assert tally([read_weights(tmp_path / "a.onnx")]).parameters == 480


def test_strings_and_unknown_fields_are_bytes_of_no_tensor(tmp_path: Path) -> None:
    made = model()
    made.doc_string = "x" * 100_000
    onnx.save(made, tmp_path / "a.onnx")
    assert read_weights(tmp_path / "a.onnx").other_bytes > 100_000


@pytest.mark.parametrize("raw", [b"\x08", b"\x08\x07", b"hello", b"\x3a\xff\xff\xff\xff\x0f", b"\x3a\x02\x0a\x7f"])
def test_what_is_no_model_is_refused(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "a.onnx").write_bytes(raw)
    with pytest.raises(SubmissionError, match="no ONNX model"):
        read_weights(tmp_path / "a.onnx")


def test_graphs_nested_without_end_are_refused(tmp_path: Path) -> None:
    def field(number: int, raw: bytes) -> bytes:
        return encoded_varint(number << 3 | 2) + encoded_varint(len(raw)) + raw

    graph = b""
    for _ in range(60):
        graph = field(1, field(5, field(6, graph)))
    (tmp_path / "a.onnx").write_bytes(field(7, graph))
    with pytest.raises(SubmissionError, match="deep"):
        read_weights(tmp_path / "a.onnx")
