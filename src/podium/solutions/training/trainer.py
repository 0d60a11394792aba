"""One way to train for every solution: Lightning, with logs, checkpoints, exact resume and a clean stop.

```
OUT/metrics.csv             a row a step (see `logs.Table`)
OUT/tensorboard/            the same for TensorBoard
OUT/checkpoints/last.ckpt   from which `resume` goes on
OUT/checkpoints/best.ckpt   of the best epoch by the monitored number
```

A step depends on nothing but the weights, the recipe and its own number: examples, augmentation and what the network
draws are seeded by it. So a training that was killed and goes on from its last checkpoint ends, on the same machine,
with the same bits as one that was not.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from podium.errors import MachineError, UsageError
from podium.solutions.training import ranks
from podium.solutions.training.averaging import Average, WeightAverage
from podium.solutions.training.batches import Batches
from podium.solutions.training.callbacks import (
    Bar,
    CheckpointFiles,
    Checkpoints,
    Clock,
    Position,
    Seeds,
    StopNow,
    Waiting,
    read_checkpoint,
)
from podium.solutions.training.logs import Table, quiet
from podium.solutions.training.stopping import Requests, Stopped
from podium.types import Progress, silent

try:
    import lightning.pytorch as lightning
    import tensorboard as _needed_by_its_logger  # noqa: F401
    import torch
    from lightning.fabric.utilities.exceptions import MisconfigurationException
    from lightning.pytorch.callbacks import Callback, LearningRateMonitor
    from lightning.pytorch.loggers import Logger, TensorBoardLogger
    from lightning.pytorch.utilities.exceptions import SIGTERMException
    from torch.utils.data import DataLoader
except ImportError as error:
    raise MachineError("training needs lightning and tensorboard: `pip install 'podium[train]'`") from error


@dataclass(frozen=True, kw_only=True)
class TrainerSettings:
    """How to train, whatever is trained.

    Attributes:
        epochs: At least 1.
        precision: As Lightning names them.
        accumulate: Batches whose gradients are added up for one step.
        device: ``auto`` takes a GPU where there is one.
        devices: Processes, each with a device of its own.
        strategy: How several work together; ``auto`` is ``ddp`` for more than one.
        sync_batch_norm: Statistics over the batches of all processes.
        gradient_clip: Largest norm of all gradients together; None does not clip.
        average: Of the weights; None trains without.
        seed: Of everything that is drawn.
        deterministic: Refuse operations that give other bits on another run.
        monitor: The logged number whose best epoch is kept; None keeps the last.
        mode: Whether more of it is better.
        patience: Validations without a new best after which training ends; None goes to the end.
        validate_every_epochs: At least 1.
        checkpoint_every_steps: Save also within epochs; None does not.
        checkpoint_every_epochs: At least 1.
        log_every_steps: At least 1.
    """

    epochs: int = 10
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    accumulate: int = 1
    device: Literal["auto", "cpu", "cuda"] = "auto"
    devices: int = 1
    strategy: Literal["auto", "ddp", "ddp_find_unused_parameters_true"] = "auto"
    sync_batch_norm: bool = False
    gradient_clip: float | None = None
    average: Average | None = None
    seed: int = 0
    deterministic: bool = True
    monitor: str | None = None
    mode: Literal["max", "min"] = "max"
    patience: int | None = None
    validate_every_epochs: int = 1
    checkpoint_every_steps: int | None = None
    checkpoint_every_epochs: int = 1
    log_every_steps: int = 10

    def __post_init__(self) -> None:
        whole = (
            "epochs",
            "accumulate",
            "devices",
            "patience",
            "validate_every_epochs",
            "checkpoint_every_steps",
            "checkpoint_every_epochs",
            "log_every_steps",
        )
        small = [name for name in whole if getattr(self, name) is not None and getattr(self, name) < 1]
        if small:
            raise UsageError(f"{', '.join(f'`{name}`' for name in small)} must be at least 1")
        if self.gradient_clip is not None and self.gradient_clip <= 0:
            raise UsageError(f"`gradient_clip` is {self.gradient_clip}; more than 0 is allowed, or null")
        if not 0 <= self.seed < 2**32:
            raise UsageError(f"`seed` is {self.seed}; 0 to {2**32 - 1} is allowed")


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What a training came to.

    Attributes:
        last: The checkpoint of the end.
        best: Of the best epoch; None when nothing was monitored.
        best_value: Of the monitored number.
        best_epoch: From 0.
        epochs: That were trained.
        steps: Batches that were trained on, in each process.
        wall_seconds: Of all sittings together, validation included.
        steps_per_second: Steps over wall seconds.
        waiting_share: Of the wall seconds, spent waiting for batches, 0 to 1.
        leads: This is the process that writes files; the others return now.
    """

    last: Path
    best: Path | None
    best_value: float | None
    best_epoch: int | None
    epochs: int
    steps: int
    wall_seconds: float
    steps_per_second: float
    waiting_share: float
    leads: bool


def seed(value: int) -> None:
    """Seeds Python, numpy and torch; call it before the module is made, whose weights are drawn."""
    with quiet():
        lightning.seed_everything(value, workers=True, verbose=False)


def fit(
    module: lightning.LightningModule,
    train_loader: DataLoader[Any],
    validation_loader: DataLoader[Any] | None = None,
    *,
    settings: TrainerSettings,
    out: Path,
    resume: bool = False,
    progress: Progress = silent,
) -> Fitted:
    """Trains a module; afterwards it holds the weights of the best epoch, averaged where they are averaged.

    Args:
        module: Logs its numbers with ``self.log``; must not rely on what a step before left beside its weights.
        train_loader: Made by `batches.loader`.
        validation_loader: Each process goes through all of it.
        settings: How to train.
        out: Gets logs and checkpoints.
        resume: Go on from ``last.ckpt`` where it is there.
        progress: Shows the batches.

    Raises:
        Stopped: A signal asked to; the last checkpoint is that of this moment.
        UsageError: `out` holds another training, or a setting does not fit the module.
        MachineError: The machine has not the device that was asked for.
    """
    batches = train_loader.batch_sampler
    if not isinstance(batches, Batches):
        raise UsageError("the training loader's batches are no `Batches`; make it with `batches.loader`")
    folder = out / "checkpoints"
    start = folder / "last.ckpt"
    if start.exists() and not resume and ranks.leads():
        raise UsageError(f"`{out}` holds a training; go on with it (`--resume`) or name another folder")
    before = read_checkpoint(start) if resume and start.exists() else None
    _seek(batches, before)
    seed(settings.seed)
    clock = Clock()
    bar = Bar(progress if ranks.leads() else silent)
    requests = Requests(_raise_stop)
    saving = _checkpoints(folder, settings, requests)
    callbacks: list[Callback] = [Seeds(settings.seed), Position(batches), clock, bar, saving]
    if settings.average is not None:
        callbacks.insert(0, WeightAverage(settings.average))
    with quiet(), _restored_determinism(), requests:
        trainer = _trainer(settings, out, callbacks, clock=clock, step=0 if before is None else before["global_step"])
        try:
            trainer.fit(module, train_loader, validation_loader, ckpt_path=str(start) if before else None)
        except (StopNow, SIGTERMException) as asked:
            saved = start if start.exists() else None
            raise Stopped(checkpoint=saved, epoch=trainer.current_epoch, step=trainer.global_step) from asked
        finally:
            bar.close()
    fitted = _fitted(saving, clock, epochs=trainer.current_epoch)
    module.load_state_dict(read_checkpoint(fitted.best or fitted.last)["state_dict"])
    return fitted


def _checkpoints(folder: Path, settings: TrainerSettings, requests: Requests) -> Checkpoints:
    return Checkpoints(
        folder,
        monitor=settings.monitor,
        higher_is_better=settings.mode == "max",
        patience=settings.patience,
        every_steps=settings.checkpoint_every_steps,
        every_epochs=settings.checkpoint_every_epochs,
        requests=requests,
    )


def _fitted(saving: Checkpoints, clock: Clock, *, epochs: int) -> Fitted:
    return Fitted(
        last=saving.last,
        best=saving.best if saving.best_epoch is not None else None,
        best_value=saving.best_value,
        best_epoch=saving.best_epoch,
        epochs=epochs,
        steps=clock.steps,
        wall_seconds=clock.wall_seconds,
        steps_per_second=clock.steps / clock.wall_seconds if clock.wall_seconds else 0.0,
        waiting_share=clock.waiting_seconds / clock.wall_seconds if clock.wall_seconds else 0.0,
        leads=ranks.leads(),
    )


def _trainer(
    settings: TrainerSettings, out: Path, callbacks: list[Callback], *, clock: Clock, step: int
) -> lightning.Trainer:
    loggers: list[Logger] = [
        Table(out / "metrics.csv", last_step=step - 1 if step else -1),
        TensorBoardLogger(out, name="tensorboard", version="", purge_step=step or None),
    ]
    try:
        return lightning.Trainer(
            default_root_dir=out,
            max_epochs=settings.epochs,
            precision=settings.precision,
            accumulate_grad_batches=settings.accumulate,
            accelerator={"auto": "auto", "cpu": "cpu", "cuda": "gpu"}[settings.device],
            devices=settings.devices,
            strategy=settings.strategy,
            sync_batchnorm=settings.sync_batch_norm,
            gradient_clip_val=settings.gradient_clip,
            deterministic=settings.deterministic,
            check_val_every_n_epoch=settings.validate_every_epochs,
            log_every_n_steps=settings.log_every_steps,
            logger=loggers,
            callbacks=[*callbacks, LearningRateMonitor(logging_interval="step")],
            plugins=[CheckpointFiles()],
            profiler=Waiting(clock),
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
        )
    except (MisconfigurationException, ValueError) as error:
        raise MachineError(f"this machine cannot train so: {error}") from error


def _seek(batches: Batches, checkpoint: dict[str, Any] | None) -> None:
    if checkpoint is None:
        batches.seek(epoch=0)
        return
    loops = checkpoint["loops"]["fit_loop"]
    epochs = loops["epoch_progress"]["current"]["processed"]
    batch = loops["epoch_loop.batch_progress"]["current"]["processed"]
    within = loops["epoch_progress"]["current"]["started"] > epochs
    batches.seek(epoch=epochs, batch=batch if within else 0)


def _raise_stop() -> None:
    raise StopNow


@contextlib.contextmanager
def _restored_determinism() -> Iterator[None]:
    before = torch.are_deterministic_algorithms_enabled()
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
