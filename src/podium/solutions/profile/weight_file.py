"""What a weight file holds, and, where it may be run, what it costs.

A TorchScript file is a program and an ONNX file is a graph that may loop: both run only when their owner asks for it.
The multiply-adds of a graph are worked out from its shapes.
"""

from __future__ import annotations

import importlib
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from podium.errors import MachineError, SubmissionError, UsageError
from podium.formats.weights import Role, Tensor, WeightFile, WeightKind, read_weights, tally
from podium.solutions.profile.result import Part, Profile

_MOST_PARTS = 40


def profile_file(
    path: Path, shapes: Sequence[tuple[int, ...]] = (), *, batch: int = 1, repeats: int = 5, run: bool = False
) -> Profile:
    """The parameters of a weight file by group of tensors; multiply-adds and time of a model that can be run.

    Args:
        path: A safetensors, torch, TorchScript, ONNX or Keras file.
        shapes: Of each input, without the batch; ONNX models may know their own.
        batch: Of the measured call, 1 or more.
        repeats: Timed calls; 0 measures no time.
        run: Run a TorchScript or ONNX file, which is somebody's program.

    Raises:
        UsageError: The file cannot be read, or the model does not take such inputs.
    """
    try:
        file = read_weights(path)
    except SubmissionError as error:
        raise UsageError(str(error)) from error
    counted = profile_tensors([(path.name, file)], name=path.name)
    if file.kind is WeightKind.ONNX:
        return _onnx(path, counted, shapes, batch=batch, repeats=repeats if run else 0)
    if file.kind is not WeightKind.TORCHSCRIPT:
        return counted
    if not run:
        return replace(counted, notes=(*counted.notes, "a TorchScript file is a program: `--run` measures it"))
    return _torchscript(path, counted, shapes, batch=batch, repeats=repeats)


def profile_tensors(files: Sequence[tuple[str, WeightFile]], *, name: str) -> Profile:
    """The parameters of some weight files by group of tensors.

    Args:
        files: Each with its name, which stands before those of its groups where there are several.
        name: Of the whole.
    """
    parts: list[Part] = []
    for file_name, file in files:
        front = f"{file_name}: " if len(files) > 1 else ""
        kind = file.kind.value
        parts += [Part(name=f"{front}{group}", kind=kind, parameters=count) for group, count in _groups(file.tensors)]
    counts = tally(file for _, file in files)
    notes: list[str] = []
    if counts.counted_statistics:
        notes.append(f"`{counts.counted_statistics:,}` batch statistics count: they are too many")
    if counts.counted_constants:
        notes.append(
            f"`{counts.counted_constants:,}` of the parameters are constants, which are too large not to count"
        )
    return Profile(
        name=name,
        parts=tuple(parts),
        parameters=counts.parameters,
        statistics=counts.statistics,
        constants=counts.constants,
        notes=tuple(notes),
    )


def _groups(tensors: Sequence[Tensor]) -> list[tuple[str, int]]:
    """Parameters by the first parts of the tensors' names, as many parts as give few groups."""
    learned = [each for each in tensors if each.role is Role.PARAMETER]
    for depth in (3, 2, 1):
        groups: dict[str, int] = {}
        for each in learned:
            parts = each.name.split(".")
            group = ".".join(parts[: min(depth, max(1, len(parts) - 1))])
            groups[group] = groups.get(group, 0) + each.weight
        if len(groups) <= _MOST_PARTS:
            return list(groups.items())
    listed = sorted(groups.items(), key=lambda each: -each[1])
    rest = sum(count for _, count in listed[_MOST_PARTS:])
    return [*listed[:_MOST_PARTS], (f"({len(listed) - _MOST_PARTS} more)", rest)]


def _torchscript(
    path: Path, counted: Profile, shapes: Sequence[tuple[int, ...]], *, batch: int, repeats: int
) -> Profile:
    from podium.solutions.profile.measuring import median_seconds, operations, torch
    from podium.solutions.profile.torch_module import zeros

    try:
        module = torch.jit.load(str(path), map_location="cpu").eval()
        inputs = zeros(shapes, batch=batch)
        done = operations(lambda: module(*inputs), []).total // batch
        seconds = median_seconds(lambda: module(*inputs), repeats=repeats) / batch if repeats else None
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise UsageError(f"`{path.name}` does not take inputs of `{list(shapes)}`: {error}") from error
    return replace(
        counted,
        multiply_adds=done,
        frame_seconds=seconds,
        inputs=tuple(tuple(each.shape) for each in inputs),
    )


def _onnx(path: Path, counted: Profile, shapes: Sequence[tuple[int, ...]], *, batch: int, repeats: int) -> Profile:
    from podium.solutions.profile.onnx_graph import multiply_adds

    notes = list(counted.notes)
    sizes: tuple[tuple[int, ...], ...] = ()
    done: int | None = None
    frames = 1
    try:
        found = multiply_adds(path, [(batch, *shape) for shape in shapes])
        sizes = found.inputs
        frames = sizes[0][0] if sizes and sizes[0] else 1
        done = None if found.multiply_adds is None else found.multiply_adds // frames
        notes += found.notes
    except MachineError as error:
        notes.append(str(error))
    seconds: float | None = None
    if repeats and sizes:
        try:
            seconds = _onnx_seconds(path, sizes, repeats) / frames
        except MachineError as error:
            notes.append(str(error))
    return replace(counted, multiply_adds=done, frame_seconds=seconds, inputs=sizes, notes=tuple(notes))


def _onnx_seconds(path: Path, sizes: Sequence[tuple[int, ...]], repeats: int) -> float:
    try:
        runtime: Any = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise MachineError("timing an ONNX model needs ONNX Runtime: `pip install 'podium[scale]'`") from error
    import numpy as np

    types = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
    try:
        session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        given = {
            each.name: np.zeros(size, types.get(each.type, np.float32))
            for each, size in zip(session.get_inputs(), sizes, strict=True)
        }
        return _median(lambda: session.run(None, given), repeats)
    except Exception as error:  # ONNX Runtime raises classes of its own, one for each fault
        raise MachineError(f"no time: `{path.name}` does not run on inputs of `{list(sizes)}`: {error}") from error


def _median(call: Callable[[], Any], repeats: int) -> float:
    took: list[float] = []
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        call()
        took.append(time.perf_counter() - begin)
    return statistics.median(took[1:])
