"""The trainer: exact resume, a clean stop, logs, averages, and what it says of itself."""

from __future__ import annotations

import csv
import os
import signal
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning.pytorch")

from podium.errors import MachineError, UsageError  # noqa: E402 - after the check for torch
from podium.solutions.training.averaging import Average  # noqa: E402
from podium.solutions.training.callbacks import CheckpointFiles, read_checkpoint  # noqa: E402
from podium.solutions.training.stopping import Stopped  # noqa: E402
from podium.solutions.training.trainer import TrainerSettings  # noqa: E402

BEST = {"monitor": "val_loss", "mode": "min"}


class Killed(Exception):  # noqa: N818 - it is what happens, not what goes wrong
    """Ends a training as the power cut does: nothing is saved any more."""


def kill_before(batch: int) -> Any:
    def before_step(now: int) -> None:
        if now == batch:
            raise Killed

    return before_step


def weights(out: Path, name: str = "last") -> dict[str, Any]:
    return read_checkpoint(out / "checkpoints" / f"{name}.ckpt")["state_dict"]


def assert_same(one: dict[str, Any], two: dict[str, Any]) -> None:
    assert one.keys() == two.keys()
    for name, value in one.items():
        assert torch.equal(value, two[name]), name


@pytest.mark.parametrize(
    ("batch", "how"),
    [
        pytest.param(2, {}, id="in the first epoch"),
        pytest.param(5, {}, id="between epochs"),
        pytest.param(8, {}, id="in a later epoch"),
        pytest.param(7, {"average": Average(decay=0.9)}, id="moving average"),
        pytest.param(12, {"average": Average(decay=None, from_epoch=1)}, id="mean of epochs"),
        pytest.param(8, {"accumulate": 2, "gradient_clip": 0.1}, id="accumulated"),
        pytest.param(7, {"workers": 1}, id="workers"),
    ],
)
def test_a_training_that_was_killed_ends_with_the_same_bits(
    how: dict[str, Any], batch: int, tmp_path: Path, toy: Any
) -> None:
    how = how | BEST | {"checkpoint_every_steps": 1}
    module, fitted = toy(tmp_path / "whole", **how)
    with pytest.raises(Killed):
        toy(tmp_path / "killed", before_step=kill_before(batch), **how)
    resumed, again = toy(tmp_path / "killed", resume=True, **how)
    assert_same(module.state_dict(), resumed.state_dict())
    assert_same(weights(tmp_path / "whole"), weights(tmp_path / "killed"))
    assert (again.best_value, again.best_epoch, again.steps) == (fitted.best_value, fitted.best_epoch, fitted.steps)
    assert (tmp_path / "killed" / "metrics.csv").read_text() == (tmp_path / "whole" / "metrics.csv").read_text()


@pytest.mark.parametrize("saves", range(2, 6))
def test_a_kill_between_any_two_saves_can_be_gone_on_from(
    saves: int, tmp_path: Path, toy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, fitted = toy(tmp_path / "whole", **BEST)
    plain, done = CheckpointFiles.save_checkpoint, []

    def dying(self: Any, checkpoint: Any, path: Any, **more: Any) -> None:
        if len(done) == saves:
            raise Killed
        done.append(path)
        plain(self, checkpoint, path, **more)

    with monkeypatch.context() as patched:
        patched.setattr(CheckpointFiles, "save_checkpoint", dying)
        with pytest.raises(Killed):
            toy(tmp_path / "killed", **BEST)
    resumed, again = toy(tmp_path / "killed", resume=True, **BEST)
    assert_same(module.state_dict(), resumed.state_dict())
    assert_same(weights(tmp_path / "whole", "best"), weights(tmp_path / "killed", "best"))
    assert (again.best_value, again.best_epoch) == (fitted.best_value, fitted.best_epoch)


def test_resuming_would_show_if_it_were_not_exact(tmp_path: Path, toy: Any) -> None:
    _, _ = toy(tmp_path / "one")
    _, _ = toy(tmp_path / "two", seed=6)
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert any(not torch.equal(value, two[name]) for name, value in one.items())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_at_the_end_of_the_step_and_says_how_to_go_on(
    number: signal.Signals, tmp_path: Path, toy: Any
) -> None:
    before = signal.getsignal(number)
    seen: list[int] = []

    def ask(batch: int) -> None:
        seen.append(batch)
        if batch == 6:
            os.kill(os.getpid(), number)

    with pytest.raises(Stopped, match="stopped in epoch 2 after 7 steps; saved, go on with `--resume`") as caught:
        toy(tmp_path / "out", before_step=ask)
    assert seen[-1] == 6
    assert caught.value.checkpoint == tmp_path / "out" / "checkpoints" / "last.ckpt"
    assert signal.getsignal(number) == before
    resumed, _ = toy(tmp_path / "out", resume=True)
    whole, _ = toy(tmp_path / "whole")
    assert_same(whole.state_dict(), resumed.state_dict())


def test_an_insisting_signal_ends_at_once(tmp_path: Path, toy: Any) -> None:
    def ask(batch: int) -> None:
        if batch == 6:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Stopped, match="saved"):
        toy(tmp_path, before_step=ask)
    assert read_checkpoint(tmp_path / "checkpoints" / "last.ckpt")["global_step"] == 5


def test_the_table_has_one_row_a_step(tmp_path: Path, toy: Any) -> None:
    toy(tmp_path, **BEST)
    with (tmp_path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["epoch"], row["step"]) for row in rows] == [(str(step // 5), str(step)) for step in range(15)]
    assert [bool(row["val_loss"]) for row in rows] == [step % 5 == 4 for step in range(15)]
    assert all(float(row["train_loss"]) > 0 for row in rows)
    assert float(rows[3]["lr-AdamW"]) == pytest.approx(0.02)
    assert list((tmp_path / "tensorboard").glob("events.*"))


def test_the_module_ends_as_the_best_epoch(tmp_path: Path, toy: Any) -> None:
    module, fitted = toy(tmp_path, **BEST, epochs=4)
    with (tmp_path / "metrics.csv").open() as file:
        losses = [float(row["val_loss"]) for row in csv.DictReader(file) if row["val_loss"]]
    assert fitted.best_value == pytest.approx(min(losses), rel=1e-6)
    assert fitted.best_epoch == losses.index(min(losses))
    assert_same(module.state_dict(), weights(tmp_path, "best"))
    assert fitted.epochs == 4
    assert fitted.steps == 20
    assert 0 <= fitted.waiting_share < 1
    assert fitted.steps_per_second == pytest.approx(20 / fitted.wall_seconds)


def test_without_progress_a_training_ends_early_also_after_a_resume(tmp_path: Path, toy: Any) -> None:
    how = {"monitor": "val_loss", "mode": "max", "patience": 2, "epochs": 30, "seed": 5}
    _, fitted = toy(tmp_path, **how)
    assert fitted.best_epoch is not None
    assert fitted.epochs == fitted.best_epoch + 3 < 30
    _, again = toy(tmp_path, resume=True, **how)
    assert (again.epochs, again.steps) == (fitted.epochs, fitted.steps)


def test_a_finished_training_is_not_trained_again(tmp_path: Path, toy: Any) -> None:
    module, fitted = toy(tmp_path)
    again, once_more = toy(tmp_path, resume=True)
    assert once_more.steps == fitted.steps
    assert_same(module.state_dict(), again.state_dict())


def test_a_folder_with_a_training_is_not_overwritten(tmp_path: Path, toy: Any) -> None:
    toy(tmp_path, epochs=1)
    with pytest.raises(UsageError, match="holds a training; go on with it"):
        toy(tmp_path, epochs=1)


def test_the_moving_average_is_that_of_its_definition(tmp_path: Path, toy: Any, untrained: Any) -> None:
    path = tmp_path / "checkpoints" / "last.ckpt"
    states: list[dict[str, Any]] = []

    def watch(_: int) -> None:
        if path.exists():
            states.append(read_checkpoint(path)["state_dict_of_the_step"])

    toy(tmp_path, epochs=1, checkpoint_every_steps=1, average=Average(decay=0.3), before_step=watch)
    final = read_checkpoint(path)
    states.append(final["state_dict_of_the_step"])
    assert len(states) == 5
    for name, value in untrained.state_dict().items():
        expected = value.double()
        for updates, state in enumerate(states):
            keep = min(0.3, (1 + updates) / (10 + updates))
            expected = keep * expected + (1 - keep) * state[name].double()
        if value.is_floating_point():
            torch.testing.assert_close(final["state_dict"][name].double(), expected, atol=1e-6, rtol=1e-5)
    assert int(final["state_dict"]["net.1.num_batches_tracked"]) == 5


def test_the_mean_of_epochs_is_the_plain_mean(tmp_path: Path, toy: Any) -> None:
    path = tmp_path / "checkpoints" / "last.ckpt"
    ends: dict[int, dict[str, Any]] = {}

    def watch(batch: int) -> None:
        if batch and batch % 5 == 0:
            ends[batch // 5] = read_checkpoint(path)["state_dict_of_the_step"]

    toy(tmp_path, average=Average(decay=None, from_epoch=1), before_step=watch)
    final = read_checkpoint(path)
    mean = (ends[2]["net.4.weight"] + final["state_dict_of_the_step"]["net.4.weight"]) / 2
    torch.testing.assert_close(final["state_dict"]["net.4.weight"], mean)


def test_the_average_is_what_is_validated_and_handed_over(tmp_path: Path, toy: Any) -> None:
    averaged, fitted = toy(tmp_path / "averaged", **BEST, average=Average(decay=0.95))
    plain, other = toy(tmp_path / "plain", **BEST)
    assert fitted.best_value != other.best_value
    assert any(not torch.equal(a, b) for a, b in zip(averaged.parameters(), plain.parameters(), strict=True))
    raw = read_checkpoint(tmp_path / "averaged" / "checkpoints" / "last.ckpt")["state_dict_of_the_step"]
    assert_same(raw, weights(tmp_path / "plain"))


def test_a_training_says_nothing(tmp_path: Path, toy: Any, capfd: pytest.CaptureFixture[str]) -> None:
    toy(tmp_path, epochs=1)
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == ""


def test_the_bar_moves_once_a_batch_and_starts_where_the_training_does(tmp_path: Path, toy: Any) -> None:
    walks: list[tuple[str, int | None, list[int]]] = []

    def progress(steps: Any, *, what: str, total: int | None = None) -> Any:
        shown: list[int] = []
        walks.append((what, total, shown))
        for number, each in enumerate(steps):
            shown.append(number)
            yield each

    with pytest.raises(Killed):
        toy(tmp_path, progress=progress, before_step=kill_before(7))
    toy(tmp_path, progress=progress, resume=True)
    assert [(what, total, len(shown)) for what, total, shown in walks] == [("training", 15, 8), ("training", 15, 16)]


def test_a_monitored_number_that_is_not_logged_is_named(tmp_path: Path, toy: Any) -> None:
    with pytest.raises(
        UsageError, match="`monitor` is `val_map`, but the training logs `lr-AdamW`, `train_loss`, `val_loss`"
    ):
        toy(tmp_path, monitor="val_map")


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(UsageError, match="`epochs`, `patience` must be at least 1"):
        TrainerSettings(epochs=0, patience=0)
    with pytest.raises(UsageError, match=r"`gradient_clip` is 0\.0"):
        TrainerSettings(gradient_clip=0.0)
    with pytest.raises(UsageError, match=r"`decay` is 1\.0"):
        Average(decay=1.0)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has what is to be missed")
def test_a_device_that_is_not_there_is_the_machine_s_fault(tmp_path: Path, toy: Any) -> None:
    with pytest.raises(MachineError, match="this machine cannot train so"):
        toy(tmp_path, device="cuda")


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path, toy: Any) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, tuple[Path]]:
            return (Path.touch, (tmp_path / "sprung",))

    (tmp_path / "checkpoints").mkdir()
    torch.save({"state_dict": Trap()}, tmp_path / "checkpoints" / "last.ckpt")
    with pytest.raises(UsageError, match=r"last.ckpt` is no checkpoint of a training"):
        toy(tmp_path, resume=True)
    assert not (tmp_path / "sprung").exists()
