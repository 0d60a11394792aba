"""Which examples make which batch: every epoch another order, the same for the same seed, shared out over processes.

An order is made of units that stay together: one example, or K examples of one group. A step takes `units` of them in
each process; process r of W takes every W-th unit of the step from the r-th on, so that two processes with half the
batch see in each step what one process sees with the whole.

A dataset is asked for a `Draw` and not for a bare index: all that it draws comes from the draw's seed, which makes
augmentation the same after a resume, in any worker, on any number of processes.
"""

from __future__ import annotations

import hashlib
import struct
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from podium.errors import MachineError, UsageError
from podium.solutions.training import ranks
from podium.solutions.training.stopping import leave_signals_alone

try:
    from torch.utils.data import DataLoader, Dataset, Sampler
except ImportError as error:
    raise MachineError("training needs torch: `pip install 'podium[train]'`") from error


class Draw(NamedTuple):
    """What a dataset is asked for.

    Attributes:
        example: Which one, from 0.
        seed: Of everything that is drawn for it, 0 to 2**63 - 1.
    """

    example: int
    seed: int


def sample_seed(seed: int, epoch: int, index: int, copy: int = 0) -> int:
    """A seed of its own for each example in each epoch, 0 to 2**63 - 1.

    Args:
        seed: Of the training.
        epoch: From 0.
        index: Of the example.
        copy: How often the example was drawn before in this epoch.

    >>> sample_seed(0, 1, 2) == sample_seed(0, 1, 2), sample_seed(0, 1, 2) == sample_seed(0, 2, 1)
    (True, False)
    """
    packed = struct.pack("<4q", seed, epoch, index, copy)
    return int.from_bytes(hashlib.blake2b(packed, digest_size=8).digest(), "little") >> 1


class Batches(Sampler[list[Draw]]):
    """The batches of an epoch, from any batch on.

    Args:
        order: The units of an epoch, best made by `shuffled`, `in_order` or `balanced`.
        units: Of a batch in one process.
        seed: Of the order and of the draws.
        shard: Each process takes its part of every step; otherwise each process takes everything.
        drop_last: Leave out a last batch that is not full; otherwise it is left out only as far as processes
            would get unequal parts of it.
    """

    def __init__(self, order: Order, *, units: int, seed: int = 0, shard: bool = True, drop_last: bool = True) -> None:
        if units < 1:
            raise UsageError(f"a batch of {units} units was asked for; at least 1 is allowed")
        self.order = order
        self.units = units
        self.seed = seed
        self.shard = shard
        self.drop_last = drop_last
        self.epoch = 0
        self._first = 0

    def seek(self, *, epoch: int, batch: int = 0) -> None:
        """The next walk begins at this batch of this epoch; `len` stays that of a whole epoch."""
        self.epoch = epoch
        self._first = batch

    def __len__(self) -> int:
        processes = self._processes()
        whole, rest = divmod(self.order.length(self.units * processes), self.units * processes)
        return whole + (not self.drop_last and rest >= processes)

    def __iter__(self) -> Iterator[list[Draw]]:
        processes = self._processes()
        mine = ranks.rank() if self.shard else 0
        step = self.units * processes
        units_UK = self.order.units(self.epoch, self.seed, step)
        drawn: Counter[int] = Counter()
        for number in range(len(self)):
            part_UK = units_UK[number * step : (number + 1) * step]
            part_UK = part_UK[: len(part_UK) - len(part_UK) % processes]
            draws: list[Draw] = []
            for at, unit_K in enumerate(part_UK.tolist()):
                for index in unit_K:
                    if at % processes == mine:
                        draws.append(Draw(index, sample_seed(self.seed, self.epoch, index, drawn[index])))
                    drawn[index] += 1
            if number >= self._first:
                yield draws

    def _processes(self) -> int:
        return ranks.count() if self.shard else 1


class Order:
    """The units of each epoch.

    Args:
        length: How many units an epoch has when a step takes so many; the same for every epoch.
        units: The examples of each unit, (U, K), of an epoch, for a seed and a number of units a step.
    """

    def __init__(self, *, length: Callable[[int], int], units: Callable[[int, int, int], NDArray[np.int64]]) -> None:
        self.length = length
        self.units = units


def in_order(count: int) -> Order:
    """Every example once, first to last."""
    return Order(length=lambda _: count, units=lambda *_: np.arange(count)[:, None])


def shuffled(count: int) -> Order:
    """Every example once, in another order each epoch."""

    def units(epoch: int, seed: int, step: int) -> NDArray[np.int64]:  # noqa: ARG001 - the order does not depend on it
        return np.random.default_rng([seed, epoch]).permutation(count)[:, None]

    return Order(length=lambda _: count, units=units)


def windowed(lengths: Sequence[int], *, shards: int = 8) -> Order:
    """Every example once, in another order each epoch, read from few shards at a time.

    The shards come in another order each epoch. So many neighbours in that order are a window; the examples of a window
    are mixed, and the next window begins where they end.

    Args:
        lengths: How many examples each shard has; they are numbered through all shards.
        shards: Of a window, at most; windows have equally many, give or take one.

    Raises:
        UsageError: `shards` is below 1, or a length is negative.
    """
    if shards < 1 or any(each < 0 for each in lengths):
        raise UsageError(f"windows of `{shards}` shards with `{min(lengths, default=0)}` examples; 1 and 0 or more")
    ends = [0, *accumulate(lengths)]
    windows = max(1, -(-len(lengths) // shards))

    def units(epoch: int, seed: int, step: int) -> NDArray[np.int64]:  # noqa: ARG001 - the order does not depend on it
        rng = np.random.default_rng([seed, epoch])
        walk = [np.zeros(0, dtype=np.int64)]
        for window_S in np.array_split(rng.permutation(len(lengths)), windows):
            examples = [np.arange(ends[each], ends[each + 1]) for each in window_S.tolist()]
            if examples:
                walk.append(rng.permutation(np.concatenate(examples)))
        return np.concatenate(walk)[:, None]

    return Order(length=lambda _: ends[-1], units=units)


def endless(order: Order, *, steps: int) -> Order:
    """Epochs of so many steps, cut one after the other out of an endless walk: the epochs of `order` without a break.

    Where an epoch ends within a pass over the examples the next goes on there, so all of them come equally often
    however long an epoch is.

    Args:
        order: What is walked, pass after pass; it is not empty.
        steps: Of an epoch, 1 or more.

    Raises:
        UsageError: `steps` is below 1.
    """
    if steps < 1:
        raise UsageError(f"an epoch of `{steps}` steps was asked for; at least 1 is allowed")

    def units(epoch: int, seed: int, step: int) -> NDArray[np.int64]:
        length, wanted = order.length(step), steps * step
        if length < 1:
            raise UsageError("there is nothing to walk over: the order has no units")
        first = epoch * wanted
        passes = range(first // length, -(-(first + wanted) // length))
        walk_UK = np.concatenate([order.units(number, seed, step) for number in passes])
        return walk_UK[first - passes[0] * length :][:wanted]

    return Order(length=lambda step: steps * step, units=units)


def balanced(groups: Sequence[Hashable], *, images: int) -> Order:
    """Steps of distinct groups with `images` examples of each, known as P x K sampling.

    No example comes twice in an epoch, except those of a group with fewer than `images`. No group comes twice in a
    step. A group with many examples comes often, but at most once a step; what does not fit is left for other epochs.

    Args:
        groups: The group of each example.
        images: K; P is the number of units of a step.
    """
    members: dict[Hashable, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    every = [np.array(each) for each in members.values()]
    available_G = np.array([max(1, len(each) // images) for each in every])

    def steps(step: int) -> int:
        if len(every) < step:
            raise UsageError(f"{len(every)} groups cannot fill a step of {step} distinct groups")
        number = int(available_G.sum()) // step
        while (fitting := int(np.minimum(available_G, number).sum())) < number * step:
            number = fitting // step
        return number

    def units(epoch: int, seed: int, step: int) -> NDArray[np.int64]:
        rng = np.random.default_rng([seed, epoch])
        number = steps(step)
        owner_U = np.repeat(np.arange(len(every)), np.minimum(available_G, number))
        # A group's units lie side by side, so that dealing them out to the steps in turn never gives a step two.
        kept_U = np.sort(rng.permutation(len(owner_U))[: number * step])
        rank_G = rng.permutation(len(every))
        owner_U = owner_U[kept_U][np.argsort(rank_G[owner_U[kept_U]], kind="stable")]
        turns_B = rng.permutation(number)
        place_U = np.argsort(turns_B[np.arange(len(owner_U)) % number], kind="stable")
        stacks = {group: _stack(every[group], images, rng) for group in np.unique(owner_U).tolist()}
        return np.array([stacks[group].pop() for group in owner_U[place_U].tolist()], dtype=np.int64)

    return Order(length=lambda step: steps(step) * step, units=units)


def loader(dataset: Dataset[Any], batches: Batches, *, workers: int = 0, **options: Any) -> DataLoader[Any]:
    """A loader whose dataset is asked for draws.

    Args:
        dataset: ``dataset[Draw(example, seed)]`` gives an example.
        workers: Processes that load; 0 loads in this one.
        options: Of ``torch.utils.data.DataLoader``: `collate_fn`, `pin_memory`.
    """
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        persistent_workers=workers > 0,
        worker_init_fn=leave_signals_alone,
        **options,
    )


def _stack(members_N: NDArray[np.int64], images: int, rng: np.random.Generator) -> list[list[int]]:
    mixed_N = rng.permutation(members_N)
    if len(mixed_N) < images:
        return [np.resize(mixed_N, images).tolist()]
    whole = len(mixed_N) // images * images
    return mixed_N[:whole].reshape(-1, images).tolist()
