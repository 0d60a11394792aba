"""`model.json`: the parameters of a submission are counted, and there is nowhere to hide any."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from podium.challenges.davis import layout, paths
from podium.challenges.davis.declaration import (
    LARGEST_OTHER_BYTES,
    MODEL,
    Declaration,
    inspect,
    write_declaration,
)
from podium.challenges.davis.metadata import Metadata
from podium.challenges.davis.predictions import DavisPredictions
from podium.errors import UsageError
from podium.types import DataSet, Inspection, Run, Severity, Usage

LIMIT = 50_000_000


def safetensors(path: Path, tensors: Mapping[str, tuple[str, int]]) -> Path:
    """A file of zeros, sparse on the disk: a type and a count for each tensor."""
    sizes = {"F64": 8, "F32": 4, "F16": 2, "U8": 1, "I64": 8}
    header, at = {}, 0
    for name, (dtype, count) in tensors.items():
        span = count * sizes[dtype]
        header[name] = {"dtype": dtype, "shape": [count], "data_offsets": [at, at + span]}
        at += span
    raw = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        stream.write(struct.pack("<Q", len(raw)) + raw)
        stream.truncate(8 + len(raw) + at)
    return path


@pytest.fixture
def submission(tmp_path: Path) -> Path:
    """One weight file of 1,000 parameters, declared."""
    folder = tmp_path / "submission"
    folder.mkdir()
    (folder / "main.py").write_text("print('hello')\n")
    safetensors(folder / "model_assets" / "a.safetensors", {"w": ("F32", 1_000)})
    write_declaration(folder, Declaration(weights=("model_assets/a.safetensors",)))
    return folder


def declare(folder: Path, *names: str, **more: object) -> None:
    (folder / MODEL).write_text(json.dumps({"weights": list(names), **more}))


def said(parameters: int, operations: float | None = None) -> DavisPredictions:
    metadata = Metadata(parameters=parameters, operations=operations)
    return DavisPredictions(sequences=(), places={}, held=np.empty(0, np.uint8), metadata=metadata)


def look(
    folder: Path, parameters: int | None = None, *, data: DataSet | None = None, run: Run | None = None
) -> Inspection:
    predictions = None if parameters is None else said(parameters)
    return inspect(folder, predictions, data or DataSet(folder), run=run)


def errors(made: Inspection) -> list[str]:
    return [str(each) for each in made.problems if each.severity is Severity.ERROR]


def value(made: Inspection, name: str) -> float | None:
    return next((each.value for each in made.measures if each.name == name), None)


def test_a_true_declaration_has_no_problem_and_its_count_is_a_measure(submission: Path) -> None:
    made = look(submission, 1_000)
    assert made.problems == ()
    assert value(made, "parameters") == 1_000.0
    assert "1 weight file;" in made.measures[0].note


def test_several_files_are_summed(submission: Path) -> None:
    safetensors(submission / "b.safetensors", {"w": ("F16", 500), "v": ("U8", 7)})
    declare(submission, "model_assets/a.safetensors", "./b.safetensors")
    assert look(submission, 1_507).problems == ()


def test_a_submission_without_a_declaration_is_told_how_to_write_one(submission: Path) -> None:
    (submission / MODEL).unlink()
    [line] = errors(look(submission))
    assert line.startswith("model.json: the file is missing")
    assert '{"weights": []}' in line


def test_a_method_without_parameters_declares_none(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("x = 1\n")
    declare(tmp_path)
    made = look(tmp_path, 0)
    assert made.problems == ()
    assert value(made, "parameters") == 0.0
    [line] = errors(look(tmp_path, 1_234))
    assert "says `1,234` parameters and declares no weight file" in line


def test_an_over_budget_model_is_refused_before_it_ran(submission: Path) -> None:
    safetensors(submission / "b.safetensors", {"w": ("U8", LIMIT - 1_000)})
    declare(submission, "model_assets/a.safetensors", "b.safetensors")
    [line] = errors(look(submission))
    assert line.startswith("model.json: the weight files hold `50,000,000` parameters; fewer than `50,000,000` are")
    safetensors(submission / "b.safetensors", {"w": ("U8", LIMIT - 1_001)})
    assert look(submission, LIMIT - 1).problems == ()


@pytest.mark.parametrize(("claim", "severity"), [(900, Severity.ERROR), (999, Severity.WARNING), (2_000, "warning")])
def test_a_model_that_lies_about_its_size_is_told_so(submission: Path, claim: int, severity: str) -> None:
    [problem] = look(submission, claim).problems
    assert problem.severity == severity
    assert str(problem).startswith(f"metadata.json `nparams`: the submission says `{claim:,}` parameters;")
    assert "`1,000`" in problem.message


def test_a_count_with_batch_statistics_as_keras_gives_it_is_right_too(submission: Path) -> None:
    safetensors(submission / "model_assets" / "a.safetensors", {"n.weight": ("F32", 9), "n.running_mean": ("F32", 9)})
    for claim in (9, 18):
        assert look(submission, claim).problems == ()
    assert len(look(submission, 17).problems) == 1
    assert "9 batch statistics do not count" in look(submission, 9).measures[0].note


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[]", "an object is needed"),
        ("{", "no JSON"),
        ('{"weight": []}', "the key `weights` is missing; did you mean `weight`?"),
        ('{"weights": "a.safetensors"}', "no list of file names"),
        ('{"weights": [3]}', "no list of file names"),
        ('{"weights": ["../a.safetensors"]}', "is no file of the submission"),
        ('{"weights": ["/etc/passwd"]}', "is no file of the submission"),
        ('{"weights": ["model_assets/a.safetensor"]}', "did you mean `model_assets/a.safetensors`"),
        ('{"weights": ["model_assets/a.safetensors", "model_assets/a.safetensors"]}', "declared twice"),
        ('{"weights": ["model_assets/a.safetensors"], "multiply_adds": -1}', "a number from 0 to 1e+18"),
        ('{"weights": ["model_assets/a.safetensors"], "multiply_adds": true}', "a number from 0 to 1e+18"),
        ('{"weights": ["model_assets/a.safetensors"], "multiply_adds": 1e19}', "a number from 0 to 1e+18"),
        (f'{{"weights": [], "multiply_adds": {10**400}}}', "a number from 0 to 1e+18"),
        ('{"weight\\ud800": []}', "the key `weights` is missing"),
        ('{"weights": ["main.py"]}', "no weight file that can be counted"),
    ],
)
def test_a_broken_declaration_is_refused_with_its_reason(submission: Path, text: str, match: str) -> None:
    (submission / MODEL).write_text(text)
    assert any(match in line for line in errors(look(submission, 1_000))), errors(look(submission, 1_000))


def test_weight_files_that_are_not_declared_are_named(submission: Path) -> None:
    safetensors(submission / "deep" / "er" / "hidden.safetensors", {"w": ("F32", 5)})
    (submission / "old.npz").write_bytes(b"PK\x03\x04")
    [one, two] = errors(look(submission, 1_000))
    assert one.startswith("deep/er/hidden.safetensors: this is a weight file that is not declared")
    assert two.startswith("old.npz:")


def test_a_weight_file_under_another_name_is_recognised(submission: Path) -> None:
    safetensors(submission / "notes.txt", {"w": ("F32", 5)})
    (submission / "table.csv").write_bytes(b"\x80\x04\x95" + b"\0" * 50)
    (submission / "array.png").write_bytes(b"\x93NUMPY" + b"\0" * 50)
    assert {line.partition(":")[0] for line in errors(look(submission, 1_000))} == {
        "notes.txt",
        "table.csv",
        "array.png",
    }


def test_large_files_of_any_kind_are_refused_and_so_are_many_small_ones(submission: Path) -> None:
    text = base64.b64encode(bytes(LARGEST_OTHER_BYTES)).decode()
    (submission / "weights.py").write_text(f"W = '{text}'\n")
    [line] = errors(look(submission, 1_000))
    assert line.startswith("weights.py: this file of over `4.00 MiB` is not declared")
    (submission / "weights.py").unlink()
    for at in range(6):
        (submission / f"part{at}.py").write_text(f"W = '{text[: LARGEST_OTHER_BYTES - 100]}'\n")
    [line] = errors(look(submission, 1_000))
    assert line.startswith("model.json: `24.00 MiB` of the submission belong to no weights; at most `16.00 MiB`")


def test_bytes_behind_the_tensors_of_a_declared_file_are_refused(submission: Path) -> None:
    torch = pytest.importorskip("torch")
    import zipfile

    torch.save({"w": torch.zeros(1_000)}, submission / "a.pt")
    declare(submission, "a.pt")
    (submission / "model_assets" / "a.safetensors").unlink()
    assert look(submission, 1_000).problems == ()
    with zipfile.ZipFile(submission / "a.pt", "a") as archive:
        archive.writestr("a/extra/more", b"\1" * (5 << 20))
    [line] = errors(look(submission, 1_000))
    assert "a.pt: `5.00 MiB` of this weight file belong to no tensor" in line


def test_links_are_refused_and_not_followed(submission: Path, tmp_path: Path) -> None:
    outside = safetensors(tmp_path / "outside.safetensors", {"w": ("F32", 5)})
    (submission / "link.safetensors").symlink_to(outside)
    declare(submission, "model_assets/a.safetensors", "link.safetensors")
    found = errors(look(submission, 1_000))
    assert any("link.safetensors: this is a link" in line for line in found)
    assert any("is no file of the submission" in line for line in found)


def test_a_broken_weight_file_is_named_with_its_folders(submission: Path) -> None:
    path = submission / "model_assets" / "a.safetensors"
    path.write_bytes(path.read_bytes() + b"\0" * 4)
    [line] = errors(look(submission, 1_000))
    assert line.startswith("model_assets/a.safetensors: the tensors do not fill")
    assert value(look(submission, 1_000), "parameters") is None


def test_data_of_an_onnx_model_in_another_file_must_be_declared(submission: Path) -> None:
    onnx = pytest.importorskip("onnx")
    tensor = onnx.TensorProto(name="w", data_type=1, dims=[50], data_location=onnx.TensorProto.EXTERNAL)
    for key, text in (("location", "a.weights"), ("offset", "0"), ("length", "200")):
        tensor.external_data.add(key=key, value=text)
    graph = onnx.helper.make_graph([], "g", [], [], [tensor])
    (submission / "nets").mkdir()
    (submission / "nets" / "a.onnx").write_bytes(onnx.helper.make_model(graph).SerializeToString())
    declare(submission, "model_assets/a.safetensors", "nets/a.onnx")
    assert any("no file of the submission" in line for line in errors(look(submission, 1_050)))
    (submission / "nets" / "a.weights").write_bytes(b"\0" * 200)
    assert any("nets/a.weights: this file holds data" in line for line in errors(look(submission, 1_050)))
    declare(submission, "model_assets/a.safetensors", "nets/a.onnx", "nets/a.weights")
    assert look(submission, 1_050).problems == ()
    (submission / "nets" / "a.weights").write_bytes(b"\0" * 100)
    assert any("too short" in line for line in errors(look(submission, 1_050)))
    (submission / "nets" / "a.weights").write_bytes(b"\1" * (200 + (5 << 20)))
    assert any("belong to no tensor" in line for line in errors(look(submission, 1_050)))


def test_multiply_adds_are_taken_from_the_declaration_or_from_half_the_operations(submission: Path) -> None:
    made = inspect(submission, said(1_000, operations=3e9), DataSet(submission), run=None)
    assert value(made, "multiply-adds") == 1.5e9
    declare(submission, "model_assets/a.safetensors", multiply_adds=2e9)
    made = inspect(submission, said(1_000, operations=3e9), DataSet(submission), run=None)
    assert value(made, "multiply-adds") == 2e9
    assert value(made, "seconds per frame") is None
    with pytest.raises(UsageError, match="multiply_adds"):
        write_declaration(submission, Declaration(weights=(), multiply_adds=float("nan")))


def test_seconds_are_those_of_the_run_over_all_frames(submission: Path, tmp_path: Path) -> None:
    from PIL import Image

    data = DataSet(tmp_path / "data")
    names = [f"{layout.IMAGES}/bear/{at:05}.jpg" for at in range(4)]
    for name in names:
        (data.inputs / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 24)).save(data.inputs / name)
    paths.write(data.inputs / paths.PATHS, {paths.RAW: names})
    run = Run(backend="stand-in", failure=None, message="", usage=Usage(wall_seconds=6.0))
    made = look(submission, 1_000, data=data, run=run)
    assert value(made, "seconds per frame") == 1.5
    assert made.problems == ()


def test_wide_numbers_cannot_hold_two_weights_each(submission: Path) -> None:
    safetensors(submission / "b.safetensors", {"w": ("F64", 24_999_500)})
    declare(submission, "model_assets/a.safetensors", "b.safetensors")
    [line] = errors(look(submission))
    assert "the parameters take `190.73 MiB`; at `4` bytes each, less than `190.73 MiB` is allowed" in line
    safetensors(submission / "b.safetensors", {"w": ("F64", 24_999_499)})
    assert look(submission, 25_000_499).problems == ()


def test_bytes_of_external_data_that_no_tensor_uses_are_summed(submission: Path) -> None:
    onnx = pytest.importorskip("onnx")
    spare = LARGEST_OTHER_BYTES - 1_000
    tensors = []
    for number in range(5):
        tensor = onnx.TensorProto(name=f"w{number}", data_type=1, dims=[1], data_location=1)
        tensor.external_data.add(key="location", value=f"{number}.data")
        tensors.append(tensor)
        with (submission / f"{number}.data").open("wb") as stream:
            stream.truncate(spare)
    (submission / "m.onnx").write_bytes(
        onnx.helper.make_model(onnx.helper.make_graph([], "g", [], [], tensors)).SerializeToString()
    )
    names = [f"{number}.data" for number in range(5)]
    declare(submission, "model_assets/a.safetensors", "m.onnx", *names[:4])
    declared = "\n".join(errors(look(submission)))
    assert "4.data: this file holds data of `m.onnx` and is not declared" in declared
    declare(submission, "model_assets/a.safetensors", "m.onnx", *names)
    [line] = errors(look(submission))
    assert "`20.00 MiB` of the submission belong to no weights; at most `16.00 MiB` are allowed" in line
