"""Two processes that know each other, beside one with the batches of both."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.train

SCRIPT = """
import sys
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import distributed
from torch.nn.functional import one_hot
from torch.nn.parallel import DistributedDataParallel
from podium.solutions.copy_detection.training.contrastive import ContrastiveLoss, Margins
from podium.solutions.copy_detection.training.entropy import EntropySettings, spread_contrast
from podium.solutions.copy_detection.training.memory import Memory
from podium.solutions.training.batches import Batches, shuffled

folder = Path(sys.argv[1])
torch.set_num_threads(1)
things = torch.randn(40, 6, generator=torch.Generator().manual_seed(1))
views = 2


def train(kind, processes):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(6, 16), torch.nn.Tanh(), torch.nn.Linear(16, 8))
    # The entropy's weight of 30 makes so much of rounding that single precision hides the comparison.
    net = net if kind in ("memory", "batch") else net.double()
    wrapped = DistributedDataParallel(net) if processes > 1 else net
    memory = Memory(size=22, dimensions=8) if kind == "memory" else None
    loss = ContrastiveLoss(margins=Margins(positive=0.1, negative=1.1), memory=memory, rows_per_unit=views)
    rate = 0.5 if kind in ("memory", "batch") else 0.01
    optimizer = torch.optim.SGD(net.parameters(), lr=rate, momentum=0.9)
    losses = []
    for epoch in range(2):
        batches = Batches(shuffled(40), units=8 // processes)
        batches.seek(epoch=epoch)
        for draws in batches:
            rows, labels = [], []
            for draw in draws:
                noise = torch.Generator().manual_seed(draw.seed)
                rows += [things[draw.example] + torch.randn(6, generator=noise) for _ in range(views)]
                labels += [draw.example] * views
            embeddings, labels = wrapped(torch.stack(rows).to(net[0].weight.dtype)), torch.tensor(labels)
            if kind in ("memory", "batch"):
                total = loss(embeddings, labels).total
            else:
                shares = labels if kind == "spread" else one_hot(labels, 40).double()
                total = spread_contrast(embeddings, shares, settings=EntropySettings(temperature=0.2)).total
            optimizer.zero_grad()
            total.backward()
            optimizer.step()
            mean = total.detach().clone()
            if processes > 1:
                distributed.all_reduce(mean)
            losses.append(mean / processes)
    state = {} if memory is None else memory.state_dict()
    return {"losses": torch.stack(losses), "own": total.detach(), "weights": net.state_dict(), "memory": state}


def work(rank, processes):
    if processes > 1:
        meeting = f"file://{folder / 'meeting'}"
        distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=processes)
    found = {kind: train(kind, processes) for kind in ("memory", "batch", "spread", "mixed")}
    torch.save(found, folder / f"{processes}-{rank}.pt")
    if processes > 1:
        distributed.destroy_process_group()


# Forked before anything was computed, so that all three share one import of torch.
context = get_context("fork")
started = [context.Process(target=work, args=each, daemon=True) for each in [(0, 1), (0, 2), (1, 2)]]
for each in started:
    each.start()
for each in started:
    each.join(80)
sys.exit(max(1 if each.exitcode is None else abs(each.exitcode) for each in started))
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What one process came to, and what each of two did."""
    folder = tmp_path_factory.mktemp("processes")
    script = folder / "train.py"
    script.write_text(SCRIPT)
    environment = {name: value for name, value in os.environ.items() if name not in ("LOCAL_RANK", "RANK")}
    done = subprocess.run(
        [sys.executable, str(script), str(folder)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=environment | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    one, first, second = (torch.load(folder / f"{each}.pt", weights_only=True) for each in ("1-0", "2-0", "2-1"))
    return one, [first, second]


@pytest.mark.parametrize("kind", ["memory", "batch", "spread", "mixed"])
def test_two_processes_are_one_with_the_doubled_batch(
    trained: tuple[dict[str, Any], list[dict[str, Any]]], kind: str
) -> None:
    one, two = trained[0][kind], [each[kind] for each in trained[1]]
    assert len(one["losses"]) == 10
    assert one["losses"].std() > 1e-3  # the training moves
    for each in two:
        torch.testing.assert_close(each["losses"], one["losses"], atol=1e-5, rtol=0)
        for name, value in one["weights"].items():
            torch.testing.assert_close(each["weights"][name], value, atol=1e-5, rtol=1e-5, msg=name)
    for name, value in two[0]["weights"].items():
        assert torch.equal(value, two[1]["weights"][name])


def test_every_process_has_the_contrastive_loss_of_all_and_the_same_memory(
    trained: tuple[dict[str, Any], list[dict[str, Any]]],
) -> None:
    one, (first, second) = trained
    for kind in ("memory", "batch"):
        assert first[kind]["own"] == second[kind]["own"]
    assert first["spread"]["own"] != second["spread"]["own"]
    assert set(one["memory"]["memory"]) == {"rows_SD", "labels_S", "written"}
    for name, value in one["memory"]["memory"].items():
        assert torch.equal(first["memory"]["memory"][name], second["memory"]["memory"][name])
        torch.testing.assert_close(first["memory"]["memory"][name], value, atol=1e-5, rtol=0)
