"""The rows of all processes, in one order in all of them.

A loss over all rows needs them on every process, and its gradient must find the way back to the process that made a
row. Trainers give each process the mean of all processes' gradients, so what is minimised is the mean of the
processes' losses; the gradient of a gathered row is therefore the sum of what all processes have for it.

Axes: N rows of a process, W processes, D dimensions; M = W N.
"""

from __future__ import annotations

from typing import Any

from podium.errors import MachineError, UsageError
from podium.solutions.training import ranks

try:
    import torch
    from torch import Tensor, distributed
    from torch.autograd.function import once_differentiable
except ImportError as error:
    raise MachineError("training needs torch: `pip install 'podium[train]'`") from error


def gather(rows_ND: Tensor, *, rows_per_unit: int = 1) -> Tensor:
    """(M, D) the rows of all processes, through which gradients flow; the rows themselves where there is one process.

    Units are dealt out to the processes in turn (`podium.solutions.training.batches`), and here they are put back into
    the order in which one process would have had all of them.

    Args:
        rows_ND: Equally many in every process; integers have no gradient.
        rows_per_unit: How many neighbours come from one unit.

    Raises:
        UsageError: The rows are no whole number of units.
    """
    if rows_per_unit < 1 or len(rows_ND) % rows_per_unit:
        raise UsageError(f"{len(rows_ND)} rows are no whole number of units of {rows_per_unit}")
    processes = ranks.count()
    if processes == 1:
        return rows_ND
    gathered_MD = _Gathered.apply(rows_ND) if rows_ND.is_floating_point() else _all(rows_ND)
    return gathered_MD[order(len(rows_ND), processes=processes, rows_per_unit=rows_per_unit).to(rows_ND.device)]


def order(rows: int, *, processes: int, rows_per_unit: int = 1) -> Tensor:
    """(M,) which row, counted through one process after the other, stands at each place of what `gather` gives.

    Args:
        rows: Of a process; a whole number of units.
        processes: At least 1.
        rows_per_unit: At least 1.

    >>> order(4, processes=2, rows_per_unit=2).tolist()
    [0, 1, 4, 5, 2, 3, 6, 7]
    """
    places = torch.arange(processes * rows).view(processes, rows // rows_per_unit, rows_per_unit)
    return places.transpose(0, 1).flatten()


class _Gathered(torch.autograd.Function):
    """All rows, process after process."""

    @staticmethod
    def forward(ctx: Any, rows_ND: Tensor) -> Tensor:
        ctx.rows = len(rows_ND)
        return _all(rows_ND)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride] - untyped decorator
        summed_MD = grad_outputs[0].contiguous().clone()
        distributed.all_reduce(summed_MD)
        first = ranks.rank() * ctx.rows
        return summed_MD[first : first + ctx.rows]


def _all(rows_ND: Tensor) -> Tensor:
    parts = [torch.empty_like(rows_ND, memory_format=torch.contiguous_format) for _ in range(ranks.count())]
    distributed.all_gather(parts, rows_ND.contiguous())
    return torch.cat(parts)
