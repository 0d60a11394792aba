"""What a Keras model costs."""

from __future__ import annotations

import importlib
import importlib.util
import math
import os
from collections.abc import Iterator, Sequence
from typing import Any

from podium.errors import MachineError, UsageError
from podium.solutions.profile.result import Part, Profile

OWN = "(its own)"
_STATISTICS = ("moving_mean", "moving_variance")
_LEARNED = ("float", "bfloat", "complex", "int8", "uint8")


def profile_keras(
    model: Any, shapes: Sequence[tuple[int, ...]] = (), *, batch: int = 1, repeats: int = 5, name: str = ""
) -> Profile:
    """Parameters, multiply-adds and time of a Keras model, by its layers.

    Parameters are as torch counts them: `count_params()` without moving means and variances of batch normalisations.
    Multiply-adds are measured where Keras runs on torch (``KERAS_BACKEND=torch``), and are None elsewhere.

    Args:
        model: Called with its inputs, not training.
        shapes: Of each input, without the batch; the model's own where it is built for a fixed one.
        batch: Of the measured call, 1 or more.
        repeats: Timed calls; 0 measures no time.
        name: Of the model; its own otherwise.

    Raises:
        UsageError: A size is not known, or the model does not take such inputs.
        MachineError: Keras is not installed.
    """
    keras = loaded_keras()
    taken = [(batch, *shape) for shape in shapes or _own_shapes(model)]
    pictures = [keras.ops.zeros(shape) for shape in taken]
    given = pictures[0] if len(pictures) == 1 else pictures

    def call() -> Any:
        return model(given, training=False)

    try:
        call()
        multiply_adds, parts, notes = _operations(call, model, keras)
        seconds = _seconds(call, repeats, keras) / batch if repeats else None
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise UsageError(f"the model does not take inputs of `{taken}`: {error}") from error
    weights = _unique(model.weights, set())
    return Profile(
        name=name or str(model.name),
        parts=tuple(_rows(model, multiply_adds, parts, batch)),
        parameters=sum(_numbers(each) for each in weights if _is_parameter(each)),
        statistics=sum(_numbers(each) for each in weights if _is_statistic(each)),
        constants=sum(_numbers(each) for each in weights if not _is_statistic(each) and not _is_parameter(each)),
        multiply_adds=None if multiply_adds is None else multiply_adds // batch,
        frame_seconds=seconds,
        inputs=tuple(taken),
        notes=notes,
    )


def choose_backend() -> None:
    """Lets Keras run on torch where nobody chose and its own first choice, TensorFlow, is not there."""
    if "KERAS_BACKEND" not in os.environ and importlib.util.find_spec("tensorflow") is None:
        os.environ["KERAS_BACKEND"] = "torch"


def loaded_keras() -> Any:
    """Keras itself.

    Raises:
        MachineError: It is not installed, or its back end is not.
    """
    choose_backend()
    try:
        return importlib.import_module("keras")
    except ImportError as error:
        raise MachineError(f"profiling a Keras model needs Keras: `pip install 'podium[keras]'` ({error})") from error


def _own_shapes(model: Any) -> list[tuple[int, ...]]:
    """The shapes of the inputs that a model was built for."""
    known = getattr(model, "inputs", None) or ()
    shapes = [tuple(each.shape[1:]) for each in known]
    if not shapes or any(side is None for shape in shapes for side in shape):
        raise UsageError(f"`{model.name}` is not built for one size of input; add `--input 480,854,3`")
    return shapes


def _operations(call: Any, model: Any, keras: Any) -> tuple[int | None, dict[str, int], tuple[str, ...]]:
    if keras.backend.backend() != "torch":
        return None, {}, (f"multiply-adds are not measured with the back end `{keras.backend.backend()}`",)
    from podium.solutions.profile.measuring import operations

    counted = operations(call, [(str(each.name), each) for each in _layers(model)])
    return counted.total, dict(counted.parts), ()


def _seconds(call: Any, repeats: int, keras: Any) -> float:
    if keras.backend.backend() == "torch":
        from podium.solutions.profile.measuring import median_seconds

        return median_seconds(call, repeats=repeats)
    import statistics
    import time

    took: list[float] = []
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        keras.ops.convert_to_numpy(call())
        took.append(time.perf_counter() - begin)
    return statistics.median(took[1:])


def _layers(model: Any) -> list[Any]:
    layers = [each for each in getattr(model, "layers", ()) if each is not model]
    return list({id(each): each for each in layers}.values())


def _rows(model: Any, total: int | None, parts: dict[str, int], batch: int) -> Iterator[Part]:
    seen: set[int] = set()
    for layer in _layers(model):
        mine = _unique(layer.weights, seen)
        done = None if total is None else parts.get(str(layer.name), 0) // batch
        if mine or done:
            yield Part(
                name=str(layer.name),
                kind=type(layer).__name__,
                parameters=sum(_numbers(each) for each in mine if _is_parameter(each)),
                multiply_adds=done,
            )
    own = sum(_numbers(each) for each in _unique(model.weights, seen) if _is_parameter(each))
    rest = None if total is None else (total - sum(parts.values())) // batch
    if own or rest:
        yield Part(name=OWN, parameters=own, multiply_adds=rest)


def _unique(weights: Sequence[Any], seen: set[int]) -> list[Any]:
    new = [each for each in weights if id(each) not in seen and not seen.add(id(each))]
    return list(new)


def _numbers(weight: Any) -> int:
    return math.prod(int(side) for side in weight.shape)


def _is_statistic(weight: Any) -> bool:
    return str(weight.path).rpartition("/")[2] in _STATISTICS


def _is_parameter(weight: Any) -> bool:
    return not _is_statistic(weight) and str(weight.dtype).startswith(_LEARNED)
