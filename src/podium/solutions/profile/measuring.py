"""Multiply-adds and time of one call, and the parts of the model that they belong to.

Operations are torch's own count (`torch.utils.flop_counter`), which takes a multiply-add for two operations and sees
convolutions, matrix products and attention, not element-wise work.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from podium.errors import MachineError, UsageError

try:
    import torch
    from torch import nn
    from torch.utils.flop_counter import FlopCounterMode
except ImportError as error:
    raise MachineError("profiling a model needs torch: `pip install 'podium[torch]'`") from error


@dataclass(frozen=True, kw_only=True)
class Operations:
    """Multiply-adds of one call.

    Attributes:
        total: Of all of it.
        parts: Of the calls of each part.
    """

    total: int
    parts: Mapping[str, int]


def operations(call: Callable[[], Any], parts: Sequence[tuple[str, nn.Module]]) -> Operations:
    """The multiply-adds of a call.

    Args:
        call: Calls a model once.
        parts: Name and module of each part, none inside another; one name may stand for several.
    """
    counted = {name: 0 for name, _ in parts}
    started: dict[str, int] = {}
    hooks: list[Any] = []
    # Not in inference mode, where compound operations are no longer seen as their parts.
    with torch.no_grad(), FlopCounterMode(display=False) as counter:

        def before(name: str) -> Callable[..., None]:
            return lambda *_: started.__setitem__(name, counter.get_total_flops())

        def after(name: str) -> Callable[..., None]:
            return lambda *_: counted.__setitem__(name, counted[name] + counter.get_total_flops() - started[name])

        try:
            for name, module in parts:
                hooks += [module.register_forward_pre_hook(before(name)), module.register_forward_hook(after(name))]
            call()
        finally:
            for each in hooks:
                each.remove()
    return Operations(total=counter.get_total_flops() // 2, parts={name: flops // 2 for name, flops in counted.items()})


def median_seconds(call: Callable[[], Any], *, repeats: int) -> float:
    """Median wall seconds of a call, after one that does not count.

    Args:
        call: Calls a model once.
        repeats: 1 or more.

    Raises:
        UsageError: `repeats` is below 1.
    """
    if repeats < 1:
        raise UsageError(f"`{repeats}` repeats cannot be timed; 1 or more is needed")
    took: list[float] = []
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        with torch.no_grad():
            call()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
        took.append(time.perf_counter() - begin)
    return statistics.median(took[1:])
