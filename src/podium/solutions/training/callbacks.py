"""What happens beside the steps of a training: seeds, the clock, the bar, checkpoints and the stop."""

# ruff: noqa: ARG002 - the names and numbers of a hook's arguments are Lightning's

from __future__ import annotations

import itertools
import math
import os
import pickle
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from podium.errors import MachineError, UsageError
from podium.solutions.training import ranks
from podium.solutions.training.batches import Batches, sample_seed
from podium.solutions.training.stopping import Requests
from podium.types import Progress

try:
    import torch
    from lightning.pytorch import LightningModule, Trainer
    from lightning.pytorch.callbacks import Callback, Checkpoint
    from lightning.pytorch.plugins.io import TorchCheckpointIO
    from lightning.pytorch.profilers import Profiler
except ImportError as error:
    raise MachineError("training needs lightning: `pip install 'podium[train]'`") from error


class StopNow(Exception):  # noqa: N818 - a request, not an error
    """Unwinds the trainer; it takes a KeyboardInterrupt for its own business and ends the process."""


class Seeds(Callback):
    """Seeds every step by itself, so that a step is the same whatever came before it in this process.

    Args:
        seed: Of the training.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Seeds Python, numpy and torch from the step's own numbers."""
        drawn = sample_seed(self._seed, trainer.current_epoch, batch_idx, ranks.rank())
        random.seed(drawn)
        np.random.seed(drawn % 2**32)
        torch.manual_seed(drawn)


class Position(Callback):
    """Tells the batches where the training stands.

    Args:
        batches: Of the training loader.
    """

    def __init__(self, batches: Batches) -> None:
        self._batches = batches

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A new epoch begins at its first batch."""
        self._batches.seek(epoch=trainer.current_epoch)


class Clock(Callback):
    """Counts seconds and steps over all sittings of a training, and the seconds spent waiting for batches."""

    def __init__(self) -> None:
        self.wall_seconds = 0.0
        self.waiting_seconds = 0.0
        self.steps = 0
        self._begun = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the clock."""
        self._begun = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Counts a step and reads the clock."""
        self.steps += 1
        self._read()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reads the clock, so that validation counts."""
        self._read()

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of the callback."""
        return {"wall_seconds": self.wall_seconds, "waiting_seconds": self.waiting_seconds, "steps": self.steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from the seconds and steps of the sittings before."""
        for name, value in state_dict.items():
            setattr(self, name, value)

    def _read(self) -> None:
        now = time.perf_counter()
        self.wall_seconds += now - self._begun
        self._begun = now


class Waiting(Profiler):
    """Measures how long the trainer waits for its batches.

    Args:
        clock: Gets the seconds.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._since = 0.0

    def start(self, action_name: str) -> None:
        """An action begins."""
        if action_name.endswith(".train_dataloader_next"):
            self._since = time.perf_counter()

    def stop(self, action_name: str) -> None:
        """An action has ended."""
        if action_name.endswith(".train_dataloader_next"):
            self._clock.waiting_seconds += time.perf_counter() - self._since


class Bar(Callback):
    """Moves a progress bar with the batches.

    Args:
        progress: Shows the steps.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._steps: Iterator[None] | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Shows the bar, with the steps of the sittings before behind it."""
        total = int(trainer.num_training_batches) * (trainer.max_epochs or 1)
        done = trainer.fit_loop.epoch_loop.batch_progress.total.ready
        self._steps = self._progress(itertools.repeat(None), what="training", total=total)
        for _ in range(done + 1):
            next(self._steps, None)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """One further."""
        if self._steps is not None:
            next(self._steps, None)

    def close(self) -> None:
        """Takes the bar away."""
        stop: Callable[[], None] | None = getattr(self._steps, "close", None)
        if stop is not None:
            stop()
        self._steps = None


class Checkpoints(Checkpoint):
    """Saves the last state and the best, ends a training that gets no better, and one that is asked to stop.

    The only places where it saves are after a step of the optimizer within an epoch and at the end of an epoch, after
    validation: those from which a training goes on exactly.

    Args:
        folder: For ``last.ckpt`` and ``best.ckpt``.
        monitor: The logged number that says which epoch is best; None keeps no best.
        higher_is_better: Of that number.
        patience: Validations without a new best after which the training ends; None trains to the end.
        every_steps: Saves within an epoch after so many steps of the optimizer.
        every_epochs: Saves at the end of so many epochs, and of the last.
        requests: Says when to stop.
    """

    def __init__(
        self,
        folder: Path,
        *,
        monitor: str | None,
        higher_is_better: bool,
        patience: int | None,
        every_steps: int | None,
        every_epochs: int,
        requests: Requests,
    ) -> None:
        self.last, self.best = folder / "last.ckpt", folder / "best.ckpt"
        self.best_value: float | None = None
        self.best_epoch: int | None = None
        self._monitor, self._higher_is_better, self._patience = monitor, higher_is_better, patience
        self._every_steps, self._every_epochs = every_steps, every_epochs
        self._requests = requests
        self._without_best = 0
        self._saved_step = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Takes the signals that Lightning has taken; ends at once what had ended for lack of progress."""
        self._requests.listen()
        self._saved_step = trainer.global_step
        self._end_without_progress(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Saves when it is time to, or when asked to stop."""
        if trainer.is_last_batch or trainer.fit_loop.epoch_loop._should_accumulate():
            return
        stop = self._asked(trainer)
        due = self._every_steps is not None and trainer.global_step - self._saved_step >= self._every_steps
        if stop or due:
            self._save(trainer)
        if stop:
            raise StopNow

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compares, saves, and stops when asked to."""
        better = self._compare(trainer)
        epochs = trainer.current_epoch + 1
        self._end_without_progress(trainer)
        stop = self._asked(trainer)
        if better:
            # First, so that the last state never tells of a best one that a kill kept from the disk.
            trainer.save_checkpoint(self.best)
        if stop or trainer.should_stop or epochs % self._every_epochs == 0 or epochs == trainer.max_epochs:
            self._save(trainer)
        if stop:
            raise StopNow

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of the callback."""
        return {
            "best_value": self.best_value,
            "best_epoch": self.best_epoch,
            "without_best": self._without_best,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes up what a checkpoint kept."""
        self.best_value, self.best_epoch = state_dict["best_value"], state_dict["best_epoch"]
        self._without_best = state_dict["without_best"]

    def _compare(self, trainer: Trainer) -> bool:
        validated = (trainer.current_epoch + 1) % (trainer.check_val_every_n_epoch or 1) == 0
        if self._monitor is None or not validated:
            return False
        if self._monitor not in trainer.callback_metrics:
            known = ", ".join(f"`{each}`" for each in sorted(trainer.callback_metrics)) or "nothing"
            raise UsageError(f"`monitor` is `{self._monitor}`, but the training logs {known}")
        # One process decides for all, or they would wait for each other when they save.
        value = float(trainer.strategy.broadcast(float(trainer.callback_metrics[self._monitor])))
        sign = 1 if self._higher_is_better else -1
        better = not math.isnan(value) and (self.best_value is None or sign * value > sign * self.best_value)
        self._without_best = 0 if better else self._without_best + 1
        if better:
            self.best_value, self.best_epoch = value, trainer.current_epoch
        return better

    def _end_without_progress(self, trainer: Trainer) -> None:
        if self._patience is not None and self._without_best >= self._patience:
            trainer.should_stop = True

    def _asked(self, trainer: Trainer) -> bool:
        # Processes get the signal at different moments; they must all leave after the same step.
        if trainer.world_size == 1:
            return self._requests.stop
        return bool(trainer.strategy.reduce_boolean_decision(self._requests.stop, all=False))

    def _save(self, trainer: Trainer) -> None:
        trainer.save_checkpoint(self.last)
        self._saved_step = trainer.global_step


class CheckpointFiles(TorchCheckpointIO):
    """Checkpoints that are whole or absent, and that hold nothing but numbers and words."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Writes beside the old file, then takes its place."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)

    def load_checkpoint(self, path: Any, *how: Any, **more: Any) -> dict[str, Any]:
        """Reads plain values; code in the file is refused, not run."""
        return read_checkpoint(Path(path))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of a checkpoint of our own.

    Raises:
        UsageError: The file holds something else.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise UsageError(f"`{path}` is no checkpoint of a training: {str(error).splitlines()[0]}") from error
