"""What a model costs: parameters, multiply-adds and time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Part:
    """A group of layers.

    Attributes:
        name: As the model calls it.
        kind: Of layer, or of tensors; empty where there is none.
        parameters: Learned numbers, those that an earlier part has too left out.
        multiply_adds: For one frame; None where it was not measured.
    """

    name: str
    kind: str = ""
    parameters: int
    multiply_adds: int | None = None


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What a model costs.

    Attributes:
        name: Of the model.
        parts: In the order of the model.
        parameters: Learned numbers; what parts share counts once.
        statistics: Numbers of batch statistics, which torch does not count and Keras does.
        constants: Other numbers that nothing trains.
        multiply_adds: Of convolutions and matrix products, for one frame; None where it was not measured. One
            multiply-add is two floating-point operations.
        frame_seconds: Median wall time for one frame; None where it was not measured.
        inputs: Shape of each input of the measured call, its batch in front.
        notes: What a reader should know.
    """

    name: str
    parts: tuple[Part, ...]
    parameters: int
    statistics: int = 0
    constants: int = 0
    multiply_adds: int | None = None
    frame_seconds: float | None = None
    inputs: tuple[tuple[int, ...], ...] = ()
    notes: tuple[str, ...] = ()
