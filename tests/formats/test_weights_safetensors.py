"""Safetensors: every tensor is found, nothing can lie between them, and the safetensors package agrees."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.errors import SubmissionError
from podium.formats.weights import Role, WeightKind, read_weights, tally, weight_kind


def write(path: Path, header: object, body: bytes = b"", *, length: int | None = None) -> Path:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw) if length is None else length) + raw + body)
    return path


def entry(dtype: str, shape: list[int], begin: int, end: int) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_the_package_s_own_files_are_read(tmp_path: Path) -> None:
    save = pytest.importorskip("safetensors.numpy").save_file
    state = {
        "conv.weight": np.zeros((8, 3, 3, 3), np.float32),
        "bn.weight": np.ones(8, np.float32),
        "bn.running_mean": np.zeros(8, np.float32),
        "bn.num_batches_tracked": np.array(3, np.int64),
        "index": np.zeros((4, 4), np.int64),
    }
    save(state, tmp_path / "a.bin", metadata={"format": "pt"})
    file = read_weights(tmp_path / "a.bin")
    assert file.kind is weight_kind(tmp_path / "a.bin") is WeightKind.SAFETENSORS
    assert {each.name: (each.shape, each.dtype, each.elements) for each in file.tensors} == {
        name: (value.shape, value.dtype.name, value.size) for name, value in state.items()
    }
    roles = {each.name: each.role for each in file.tensors}
    assert roles["bn.running_mean"] is roles["bn.num_batches_tracked"] is Role.STATISTIC
    assert roles["index"] is Role.CONSTANT
    counts = tally([file])
    assert (counts.parameters, counts.statistics, counts.constants) == (216 + 8, 9, 16)
    assert file.other_bytes == file.size_bytes - sum(value.nbytes for value in state.values())
    assert file.digest.startswith("sha256:")


@pytest.mark.parametrize(
    ("header", "body", "match"),
    [
        ({"a": entry("F32", [2], 0, 8)}, b"\0" * 12, "do not fill"),
        ({"a": entry("F32", [2], 4, 12)}, b"\0" * 12, "do not fill"),
        ({"a": entry("F32", [2], 0, 8), "b": entry("F32", [2], 4, 12)}, b"\0" * 12, "do not fill"),
        ({"a": entry("F32", [1], 0, 12)}, b"\0" * 12, "need `4`"),
        ({"a": entry("F32", [2, 2], 0, 8)}, b"\0" * 8, "need `16`"),
        ({"a": entry("Q9", [2], 0, 8)}, b"\0" * 8, "not known"),
        ({"a": entry("F32", [-2], 0, 8)}, b"\0" * 8, "whole numbers"),
        ({"a": entry("F32", [True], 0, 4)}, b"\0" * 4, "whole numbers"),
        ({"a": {"dtype": "F32"}}, b"", "are needed"),
        ({}, b"\0" * 8, "do not fill"),
        (b"[" * 3000, b"", "no weight file"),
        (b'{"a":' + b"[" * 100_000, b"", "no JSON"),
        (b'{"a": {}, "a": {}}', b"", "no JSON"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(tmp_path: Path, header: object, body: bytes, match: str) -> None:
    with pytest.raises(SubmissionError, match=match):
        read_weights(write(tmp_path / "a.safetensors", header, body))


def test_a_header_longer_than_the_file_is_no_safetensors_file(tmp_path: Path) -> None:
    with pytest.raises(SubmissionError, match="no weight file"):
        read_weights(write(tmp_path / "a.safetensors", {}, length=1 << 40))


def test_a_tiny_shape_over_a_large_body_does_not_hide_it(tmp_path: Path) -> None:
    path = write(tmp_path / "a.safetensors", {"a": entry("F32", [1], 0, 4)}, b"\0" * 4_000)
    with pytest.raises(SubmissionError, match="do not fill the `4000` bytes"):
        read_weights(path)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "a.safetensors", {})
    (tmp_path / "b.safetensors").symlink_to(tmp_path / "a.safetensors")
    with pytest.raises(SubmissionError, match="link"):
        read_weights(tmp_path / "b.safetensors")


@given(st.lists(st.lists(st.integers(0, 5), max_size=4), max_size=8), st.sampled_from(["F32", "F16", "BF16", "I8"]))
def test_law_elements_and_bytes_are_those_of_the_shapes(shapes: list[list[int]], dtype: str) -> None:
    import tempfile

    size = {"F32": 4, "F16": 2, "BF16": 2, "I8": 1}[dtype]
    header: dict[str, object] = {}
    at = 0
    for number, shape in enumerate(shapes):
        span = int(np.prod(shape)) * size
        header[f"t{number}"] = entry(dtype, shape, at, at + span)
        at += span
    with tempfile.TemporaryDirectory() as folder:
        file = read_weights(write(Path(folder) / "a.safetensors", header, b"\1" * at))
    assert tally([file]).parameters == sum(int(np.prod(shape)) for shape in shapes)
    assert sum(each.stored_bytes for each in file.tensors) == at


@given(st.binary(max_size=200))
def test_law_any_bytes_give_a_file_or_a_refusal(raw: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.safetensors"
        path.write_bytes(struct.pack("<Q", max(0, len(raw) - 4)) + b"{" + raw)
        try:
            found = read_weights(path).tensors
        except SubmissionError:
            return
        assert sum(each.stored_bytes for each in found) <= len(raw)


def test_numbers_beyond_counting_are_refused_like_any_other_fault(tmp_path: Path) -> None:
    # Python refuses to write numbers of more than 4,300 digits, which must not become a fault of its own.
    sides = [10**4_000] * 30
    path = write(tmp_path / "a.safetensors", {"w": entry("F32", sides, 0, 4)}, b"\1" * 4)
    with pytest.raises(SubmissionError, match="the shape is none"):
        read_weights(path)


def test_names_are_safe_to_print(tmp_path: Path) -> None:
    path = write(tmp_path / "a.safetensors", {"\x1b[31m\ud800w": entry("U8", [4], 0, 4)}, b"\1" * 4)
    [tensor] = read_weights(path).tensors
    assert tensor.name == "\ufffd[31m\ufffdw"
