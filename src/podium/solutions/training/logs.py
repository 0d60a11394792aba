"""What a training writes down: one table, and nothing said by the library beneath."""

from __future__ import annotations

import contextlib
import csv
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from podium.errors import MachineError

try:
    from lightning.pytorch.loggers import Logger
    from lightning.pytorch.utilities import rank_zero_only
except ImportError as error:
    raise MachineError("training needs lightning: `pip install 'podium[train]'`") from error

_KEYS = ("epoch", "step")


class Table(Logger):
    """A CSV file with one row a step: epoch, step, then a column for each number, empty where it was not measured.

    Args:
        path: Rows after `last_step` that an interrupted training left there are dropped.
        last_step: The last step whose row stays; -1 begins anew.
    """

    def __init__(self, path: Path, *, last_step: int = -1) -> None:
        super().__init__()
        self.path = path
        self._columns: list[str] = list(_KEYS)
        self._rows: dict[int, dict[str, str]] = {}
        self._written = 0
        if path.is_file() and last_step >= 0:
            self._take_up(last_step)

    @property
    def name(self) -> str:
        """Of the logger, not of the file."""
        return "table"

    @property
    def version(self) -> str:
        """There is one table a training."""
        return ""

    @rank_zero_only
    def log_hyperparams(self, *settings: Any, **more: Any) -> None:
        """The recipe has them; they are not written twice."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Adds numbers to the row of a step."""
        row = self._rows.setdefault(step or 0, {"step": str(step or 0)})
        if int(row["step"]) != max(self._rows):
            self._written = 0
        if len(self._rows) == self._written:
            self._written = 0
        for name, value in metrics.items():
            row[name] = str(int(value)) if name == "epoch" else f"{float(value):.8g}"
            if name not in self._columns:
                self._columns.append(name)
                self._written = 0

    @rank_zero_only
    def save(self) -> None:
        """Writes the rows that are new; all of them when a column is."""
        if not self._rows:
            return
        rows = list(self._rows.values())
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a" if self._written else "w", newline="") as file:
            writer = csv.DictWriter(file, self._columns, lineterminator="\n")
            if not self._written:
                writer.writeheader()
            writer.writerows(rows[self._written :])
        self._written = len(rows)

    @rank_zero_only
    def finalize(self, status: str) -> None:  # noqa: ARG002 - the library's name
        """Writes what is left."""
        self.save()

    def _take_up(self, last_step: int) -> None:
        with self.path.open(newline="") as file:
            reader = csv.DictReader(file)
            self._columns = list(reader.fieldnames or _KEYS)
            for row in reader:
                if row["step"].isdigit() and int(row["step"]) <= last_step:
                    self._rows[int(row["step"])] = {key: value for key, value in row.items() if value}


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Lightning's advice and its list of devices stay unsaid; errors pass."""
    loggers = [logging.getLogger(each) for each in ("lightning.pytorch", "lightning.fabric")]
    levels = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for module in ("lightning", "torch"):
                warnings.filterwarnings("ignore", module=rf"{module}\b.*")
            yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)
