"""The embeddings of past batches, with which a small batch has many negatives.

Source: Wang, Zhang, Huang and Scott, "Cross-batch memory for embedding learning", CVPR 2020.

Axes: S places, N rows of a batch, F filled places, D dimensions.
"""

from __future__ import annotations

from podium.errors import MachineError, UsageError

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MachineError("training needs torch: `pip install 'podium[train]'`") from error


class Memory(nn.Module):
    """A ring of embeddings and labels; a new batch takes the places of the oldest rows.

    All of it is in the ``state_dict``, so a training that resumes remembers the same. Given the rows of all processes
    in one order (`gathering.gather`), it is the same in each of them.

    Args:
        size: Rows that it holds, at least 1.
        dimensions: Of a row, at least 1.
    """

    rows_SD: Tensor
    labels_S: Tensor
    written: Tensor

    def __init__(self, *, size: int, dimensions: int) -> None:
        super().__init__()
        if size < 1 or dimensions < 1:
            raise UsageError(f"a memory of {size} rows of {dimensions} numbers was asked for; at least 1 is allowed")
        self.size = size
        self.register_buffer("rows_SD", torch.zeros(size, dimensions))
        self.register_buffer("labels_S", torch.zeros(size, dtype=torch.int64))
        self.register_buffer("written", torch.zeros((), dtype=torch.int64))

    @property
    def filled(self) -> int:
        """Rows that it holds now."""
        return min(int(self.written), self.size)

    @torch.no_grad()
    def add(self, rows_ND: Tensor, labels_N: Tensor) -> Tensor:
        """Writes a batch and gives (N,) the places where its rows are now.

        Args:
            rows_ND: At most as many as the memory holds.
            labels_N: Whole numbers.

        Raises:
            UsageError: There are more rows than places, or the shapes do not fit.
        """
        count = len(rows_ND)
        if count > self.size:
            raise UsageError(f"a memory of {self.size} rows cannot take a batch of {count}")
        if rows_ND.shape[1:] != self.rows_SD.shape[1:] or labels_N.shape != (count,):
            found = f"`{tuple(rows_ND.shape)}` with `{tuple(labels_N.shape)}` labels"
            raise UsageError(f"a memory of rows of {self.rows_SD.shape[1]} was given {found}")
        places_N = (self.written + torch.arange(count, device=self.written.device)) % self.size
        self.rows_SD[places_N] = rows_ND.detach().to(self.rows_SD)
        self.labels_S[places_N] = labels_N.to(self.labels_S)
        self.written += count
        return places_N

    def held(self) -> tuple[Tensor, Tensor]:
        """(F, D) rows and (F,) labels by their places, without gradient."""
        return self.rows_SD[: self.filled], self.labels_S[: self.filled]

    @torch.no_grad()
    def forget(self) -> None:
        """Empties it."""
        for each in (self.rows_SD, self.labels_S, self.written):
            each.zero_()
