"""A training small enough for a test: points in the plane, a few weights, noise as augmentation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
lightning = pytest.importorskip("lightning.pytorch")
pytest.importorskip("tensorboard")

from podium.solutions.training import batches, schedule, trainer  # noqa: E402 - after the check for torch
from podium.solutions.training.batches import Draw  # noqa: E402

COUNT = 22


class Points(torch.utils.data.Dataset):
    """Two clouds of points; each example is jittered by its draw's seed."""

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, draw: Draw) -> tuple[Any, Any]:
        label = draw.example % 2
        noise = torch.randn(2, generator=torch.Generator().manual_seed(draw.seed))
        return torch.tensor([draw.example / COUNT, float(label)]) + 0.1 * noise, torch.tensor(label)


class Toy(lightning.LightningModule):
    """Norm, dropout and two layers: all that resuming could get wrong."""

    def __init__(self, *, before_step: Callable[[int], None] | None = None) -> None:
        super().__init__()
        self.net = torch.nn.Sequential(
            torch.nn.Linear(2, 8),
            torch.nn.BatchNorm1d(8),
            torch.nn.ReLU(),
            torch.nn.Dropout(0.3),
            torch.nn.Linear(8, 2),
        )
        self.before_step = before_step

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        if self.before_step is not None:
            self.before_step(self.trainer.fit_loop.epoch_loop.total_batch_idx)
        points, labels = batch
        loss = torch.nn.functional.cross_entropy(self.net(points), labels)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        points, labels = batch
        self.log("val_loss", torch.nn.functional.cross_entropy(self.net(points), labels))

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.parameters(), lr=0.02)
        return schedule.configured(
            optimizer,
            schedule.SECOND_PLACE,
            steps=int(self.trainer.estimated_stepping_batches),
            epochs=self.trainer.max_epochs or 1,
        )


def train(out: Path, *, before_step: Callable[[int], None] | None = None, workers: int = 0, **how: Any) -> Any:
    """Trains a `Toy`; gives the module and what came of it."""
    resume, progress = how.pop("resume", False), how.pop("progress", None)
    settings = trainer.TrainerSettings(**({"epochs": 3, "device": "cpu", "log_every_steps": 1, "seed": 5} | how))
    trainer.seed(settings.seed)
    module = Toy(before_step=before_step)
    points = Points()
    training = batches.loader(
        points, batches.Batches(batches.shuffled(COUNT), units=4, seed=settings.seed), workers=workers
    )
    validation = batches.loader(
        points, batches.Batches(batches.in_order(COUNT), units=8, seed=1, shard=False, drop_last=False)
    )
    more = {} if progress is None else {"progress": progress}
    fitted = trainer.fit(module, training, validation, settings=settings, out=out, resume=resume, **more)
    return module, fitted


@pytest.fixture
def untrained() -> Any:
    """The module as `train` begins with it."""
    trainer.seed(5)
    return Toy()


@pytest.fixture
def toy() -> Any:
    return train
