"""The mean of the weights over the steps of a training, which is often better than the last of them."""

# ruff: noqa: ARG002 - the names and numbers of a hook's arguments are Lightning's

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from podium.errors import MachineError, UsageError

try:
    import torch
    from lightning.pytorch import LightningModule, Trainer
    from lightning.pytorch.callbacks import Callback
    from torch.optim.swa_utils import get_ema_multi_avg_fn
except ImportError as error:
    raise MachineError("training needs lightning: `pip install 'podium[train]'`") from error


@dataclass(frozen=True, kw_only=True)
class Average:
    """How weights are averaged.

    Attributes:
        decay: What a step leaves of the average before it, 0 to 1 (exponential moving average); None takes the plain
            mean of the weights at the ends of epochs (stochastic weight averaging, Izmailov 2018).
        from_epoch: The first that counts, from 0; until then the average is the weights themselves.
        warm_start: The n-th update leaves at most (1 + n) / (10 + n), so that the random beginning is soon forgotten.
    """

    decay: float | None = 0.999
    from_epoch: int = 0
    warm_start: bool = True

    def __post_init__(self) -> None:
        if self.decay is not None and not 0 <= self.decay < 1:
            raise UsageError(f"`decay` is {self.decay}; at least 0 and less than 1 is allowed, or null")
        if self.from_epoch < 0:
            raise UsageError(f"`from_epoch` is {self.from_epoch}; at least 0 is allowed")

    def keep(self, updates: int) -> float:
        """What the next update leaves of the average, after so many updates.

        >>> Average(decay=0.9).keep(0), Average(decay=0.9).keep(1000), Average(decay=None).keep(3)
        (0.1, 0.9, 0.75)
        """
        if self.decay is None:
            return updates / (updates + 1)
        return min(self.decay, (1 + updates) / (10 + updates)) if self.warm_start else self.decay


class WeightAverage(Callback):
    """Averages parameters and buffers; the module holds the average while it is validated.

    A checkpoint's ``state_dict`` is the average, so that whatever reads it gets what was validated. The weights that
    training goes on from lie beside it.
    """

    def __init__(self, settings: Average) -> None:
        self.settings = settings
        self._updates = 0
        self._seen_step = 0
        self._average: dict[str, torch.Tensor] | None = None
        self._aside: dict[str, torch.Tensor] | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begins the average, or brings the one that was loaded to the module's device."""
        now = pl_module.state_dict()
        if self._average is None:
            self._average = {name: value.detach().clone() for name, value in now.items()}
        else:
            self._average = {name: self._average[name].to(value.device) for name, value in now.items()}

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Updates after a step of the optimizer."""
        if trainer.global_step == self._seen_step:
            return
        self._seen_step = trainer.global_step
        if trainer.current_epoch < self.settings.from_epoch:
            self._update(pl_module, keep=0.0)
        elif self.settings.decay is not None or trainer.is_last_batch:
            self._update(pl_module, keep=self.settings.keep(self._updates))
            self._updates += 1

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Puts the average into the module."""
        if self._average is not None:
            self._aside = {name: value.detach().clone() for name, value in pl_module.state_dict().items()}
            pl_module.load_state_dict(self._average)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Puts the weights back that training goes on from."""
        if self._aside is not None:
            pl_module.load_state_dict(self._aside)
            self._aside = None

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """As at the end of a validation, which is not reached now."""
        self.on_validation_end(trainer, pl_module)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of the callback."""
        return {"updates": self._updates, "seen_step": self._seen_step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes up what a checkpoint kept."""
        self._updates, self._seen_step = state_dict["updates"], state_dict["seen_step"]

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Puts the average where a checkpoint has the weights."""
        if self._average is not None:
            checkpoint["state_dict_of_the_step"] = checkpoint["state_dict"]
            checkpoint["state_dict"] = dict(self._average)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Gives the module the weights of the step, and this callback the average."""
        if "state_dict_of_the_step" in checkpoint:
            self._average = {name: value.clone() for name, value in checkpoint["state_dict"].items()}
            pl_module.load_state_dict(checkpoint["state_dict_of_the_step"])

    def _update(self, module: LightningModule, *, keep: float) -> None:
        if self._average is None:
            raise MachineError("weights cannot be averaged before the training has begun")
        now = module.state_dict()
        real = [name for name, value in now.items() if value.is_floating_point() and keep > 0]
        with torch.no_grad():
            if real:
                lerp = get_ema_multi_avg_fn(keep)
                lerp([self._average[name] for name in real], [now[name] for name in real], self._updates)
            for name in now.keys() - set(real):
                self._average[name].copy_(now[name])
