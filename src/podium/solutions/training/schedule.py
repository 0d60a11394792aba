"""How the learning rate moves: pure functions from a step to a factor of the peak rate, and the scheduler of one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from podium.errors import MachineError, UsageError

try:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LambdaLR
except ImportError as error:
    raise MachineError("training needs torch: `pip install 'podium[train]'`") from error

Kind = Literal["constant", "warm-up-cosine", "warm-up-linear", "one-cycle", "ramp-decay"]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The course of the learning rate; factors are of its peak.

    Attributes:
        kind: ``warm-up-cosine`` and ``warm-up-linear``: a straight rise, then down to the floor by the last step.
            ``one-cycle``: both as half cosines (Smith 2018, as in fastai). ``ramp-decay``: epoch by epoch a straight
            rise, then a shrinking remainder above the floor. ``constant``: after the warm-up nothing changes.
        warm_up: Share of all steps that rise, 0 to 1; ``ramp-decay`` has `ramp_epochs` instead.
        start: Factor of the first step; at a `warm_up` of 0 it is unused.
        floor: Factor at the end.
        ramp_epochs: Counts that rise, of ``ramp-decay``.
        decay: Of the remainder a count, of ``ramp-decay``.
        counts_per_epoch: Of ``ramp-decay``; the first place of Where's Whale-do? counts 2 by mistake, and so do its
            descendants.
        full_first_step: Of ``warm-up-linear``; the first step has nearly the full rate and the rise goes one step too
            far, a mistake of the seventh place of YouTube-8M 2019.
    """

    kind: Kind = "warm-up-cosine"
    warm_up: float = 0.2
    start: float = 0.01
    floor: float = 0.01
    ramp_epochs: int = 15
    decay: float = 0.8
    counts_per_epoch: int = 1
    full_first_step: bool = False

    def __post_init__(self) -> None:
        for name in ("warm_up", "start", "floor", "decay"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"`{name}` is {getattr(self, name)}; 0 to 1 is allowed")
        if self.ramp_epochs < 0 or self.counts_per_epoch < 1:
            raise UsageError("`ramp_epochs` is at least 0 and `counts_per_epoch` at least 1")
        if self.full_first_step and self.kind != "warm-up-linear":
            raise UsageError(f"`full_first_step` belongs to `warm-up-linear`; the kind is `{self.kind}`")


SECOND_PLACE = Schedule(kind="warm-up-cosine", warm_up=0.2, start=0.01, floor=0.01)
FOURTH_PLACE = Schedule(kind="one-cycle", warm_up=0.25, start=1 / 25, floor=1e-5)
SEVENTH_PLACE_VIDEO = Schedule(kind="warm-up-linear", warm_up=0.2, start=0.01, floor=0.01)
SEVENTH_PLACE_SEGMENT = Schedule(kind="warm-up-linear", warm_up=0.25, start=0.01, floor=0.001)
FIRST_PLACE = Schedule(kind="ramp-decay", start=0.01, floor=0.009, ramp_epochs=15, decay=0.8, counts_per_epoch=2)


def factor(schedule: Schedule, step: int, *, steps: int, steps_per_epoch: int = 1) -> float:
    """The factor of the peak learning rate at a step.

    Args:
        step: From 0.
        steps: Of the whole training; the last step has the floor.
        steps_per_epoch: For ``ramp-decay``.

    >>> [round(factor(SECOND_PLACE, step, steps=11), 3) for step in (0, 1, 2, 6, 10)]
    [0.01, 0.505, 1.0, 0.505, 0.01]
    >>> [round(factor(FIRST_PLACE, epoch, steps=20) * 1e-3, 6) for epoch in (0, 1, 7, 8, 19)]
    [1e-05, 0.000142, 0.000934, 0.000802, 1.5e-05]
    """
    if schedule.kind == "ramp-decay":
        return _ramp_decay(schedule, step // steps_per_epoch * schedule.counts_per_epoch)
    if schedule.full_first_step:
        return _full_first_step(schedule, step, steps)
    rising = round(schedule.warm_up * (steps - 1))
    if step < rising:
        done = step / rising
        return _between(schedule.start, 1.0, _smooth(done) if schedule.kind == "one-cycle" else done)
    if schedule.kind == "constant":
        return 1.0
    done = min(1.0, (step - rising) / max(1, steps - 1 - rising))
    return _between(1.0, schedule.floor, done if schedule.kind == "warm-up-linear" else _smooth(done))


def scheduler(optimizer: Optimizer, schedule: Schedule, *, steps: int, steps_per_epoch: int = 1) -> LambdaLR:
    """Multiplies the learning rate of every parameter group; to be stepped after every step of the optimizer."""
    return LambdaLR(optimizer, lambda step: factor(schedule, step, steps=steps, steps_per_epoch=steps_per_epoch))


def configured(optimizer: Optimizer, schedule: Schedule, *, steps: int, epochs: int) -> dict[str, Any]:
    """What ``configure_optimizers`` returns: the optimizer, and its schedule advanced with every step.

    Args:
        steps: ``trainer.estimated_stepping_batches``.
        epochs: ``trainer.max_epochs``.
    """
    moving = scheduler(optimizer, schedule, steps=int(steps), steps_per_epoch=max(1, int(steps) // epochs))
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": moving, "interval": "step"}}


def _ramp_decay(schedule: Schedule, count: int) -> float:
    if count < schedule.ramp_epochs:
        return _between(schedule.start, 1.0, count / schedule.ramp_epochs)
    return schedule.floor + (1 - schedule.floor) * schedule.decay ** (count - schedule.ramp_epochs)


def _full_first_step(schedule: Schedule, step: int, steps: int) -> float:
    rising = int(schedule.warm_up * steps)
    rise, fall = max(1, rising - 1), max(1, steps - rising - 1)
    if 0 < step <= rising:
        return _between(schedule.start, 1.0, step / rise)
    return _between(1.0, schedule.floor, min(1.0, max(1, step - rising) / fall))


def _between(first: float, second: float, share: float) -> float:
    return first + (second - first) * share


def _smooth(share: float) -> float:
    return (1 - math.cos(math.pi * share)) / 2
