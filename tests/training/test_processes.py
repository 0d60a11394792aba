"""Trainings in processes of their own: killed for good, and two at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning.pytorch")
pytest.importorskip("tensorboard")

from podium.solutions.training.callbacks import read_checkpoint  # noqa: E402 - after the check for torch

pytestmark = [pytest.mark.train, pytest.mark.slow]

SCRIPT = """
import os, signal, sys
from pathlib import Path
import torch
from lightning.pytorch import LightningModule
from podium.solutions.training import batches, schedule, trainer

devices, units, strategy, kill_at, out = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), sys.argv[5]
torch.set_num_threads(1)


class Points(torch.utils.data.Dataset):
    def __getitem__(self, draw):
        noise = torch.randn(3, generator=torch.Generator().manual_seed(draw.seed))
        return noise + draw.example % 3, torch.tensor(draw.example % 3)


class Linear(LightningModule):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Linear(3, 16), torch.nn.Tanh(), torch.nn.Linear(16, 3))

    def training_step(self, batch, batch_idx):
        if self.trainer.global_step == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        loss = torch.nn.functional.cross_entropy(self.net(batch[0]), batch[1])
        self.log("train_loss", loss, sync_dist=True)
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", torch.nn.functional.cross_entropy(self.net(batch[0]), batch[1]))

    def configure_optimizers(self):
        steps = int(self.trainer.estimated_stepping_batches)
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        return schedule.configured(optimizer, schedule.SECOND_PLACE, steps=steps, epochs=3)


settings = trainer.TrainerSettings(
    epochs=3, device="cpu", devices=devices, strategy=strategy, checkpoint_every_steps=2, log_every_steps=1,
    monitor="val_loss", mode="min", average=trainer.Average(decay=0.9),
)
trainer.seed(0)
module = Linear()
count = 50
training = batches.loader(Points(), batches.Batches(batches.shuffled(count), units=units))
validation = batches.loader(Points(), batches.Batches(batches.in_order(20), units=8, shard=False, drop_last=False))
fitted = trainer.fit(module, training, validation, settings=settings, out=Path(out), resume="resume" in sys.argv)
if fitted.leads:
    print(fitted.steps, fitted.best_value)
"""


def run(folder: Path, *arguments: Any) -> subprocess.CompletedProcess[str]:
    script = folder / "train.py"
    script.write_text(SCRIPT)
    environment = {name: value for name, value in os.environ.items() if name not in ("LOCAL_RANK", "RANK")}
    return subprocess.run(
        [sys.executable, str(script), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        env=environment | {"OMP_NUM_THREADS": "1"},
    )


def states(out: Path) -> dict[str, Any]:
    found = read_checkpoint(out / "checkpoints" / "last.ckpt")
    return found["state_dict"] | {f"raw {name}": value for name, value in found["state_dict_of_the_step"].items()}


def test_kill_9_and_resume_give_the_same_bits(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert run(tmp_path, 1, 8, "auto", -1, whole).returncode == 0
    assert run(tmp_path, 1, 8, "auto", 9, killed).returncode == -signal.SIGKILL
    done = run(tmp_path, 1, 8, "auto", -1, killed, "resume")
    assert done.returncode == 0, done.stderr
    one, two = states(whole), states(killed)
    assert all(torch.equal(value, two[name]) for name, value in one.items())
    assert (whole / "metrics.csv").read_text() == (killed / "metrics.csv").read_text()


def test_two_processes_equal_one_with_the_doubled_batch(tmp_path: Path) -> None:
    one = run(tmp_path, 1, 8, "auto", -1, tmp_path / "one")
    two = run(tmp_path, 2, 4, "ddp", -1, tmp_path / "two")
    assert one.returncode == 0, one.stderr
    assert two.returncode == 0, two.stderr
    single, double = states(tmp_path / "one"), states(tmp_path / "two")
    assert single.keys() == double.keys()
    for name, value in single.items():
        torch.testing.assert_close(double[name], value, atol=1e-6, rtol=1e-5, msg=name)
    assert one.stdout.split()[0] == two.stdout.split()[0] == "18"
    assert float(two.stdout.split()[1]) == pytest.approx(float(one.stdout.split()[1]), abs=1e-6)
    rows = [(tmp_path / each / "metrics.csv").read_text().splitlines() for each in ("one", "two")]
    assert len(rows[0]) == len(rows[1]) == 19
