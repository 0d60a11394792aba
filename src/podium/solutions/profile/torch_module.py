"""What a torch module costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from podium.errors import MachineError, UsageError
from podium.solutions.profile.measuring import median_seconds, operations
from podium.solutions.profile.result import Part, Profile

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MachineError("profiling a model needs torch: `pip install 'podium[torch]'`") from error

OWN = "(its own)"
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def profile_torch(
    module: nn.Module, inputs: Sequence[Tensor], *, repeats: int = 5, depth: int = 1, name: str = ""
) -> Profile:
    """Parameters, multiply-adds and time of a module, by its parts. It is measured in evaluation mode.

    Parameters are torch's: all of `parameters()`, frozen ones too, shared ones once; buffers are none.

    Args:
        module: Called as ``module(*inputs)``.
        inputs: Each (N, …), all of one batch size.
        repeats: Timed calls; 0 measures no time.
        depth: How deep parts lie: 1 takes the module's children, 2 theirs.
        name: Of the model; its class otherwise.

    Raises:
        UsageError: The inputs are of different batch sizes, or the module does not take them.

    >>> made = profile_torch(nn.Conv2d(3, 8, 3, padding=1), [torch.zeros(1, 3, 4, 5)], repeats=1)
    >>> made.parameters, made.multiply_adds
    (224, 4320)
    """
    batch = _batch(inputs)
    parts = list(_parts(module, depth))
    was_training = module.training
    module.eval()
    try:
        called = [(each, leaf) for each, part in parts if part is not module for leaf in _called(part)]
        counted = operations(lambda: module(*inputs), called)
        seconds = median_seconds(lambda: module(*inputs), repeats=repeats) / batch if repeats else None
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise UsageError(f"the model does not take inputs of {_shapes(inputs)}: {error}") from error
    finally:
        module.train(was_training)
    return Profile(
        name=name or type(module).__name__,
        parts=tuple(_rows(parts, module, counted.parts, counted.total, batch)),
        parameters=sum(each.numel() for each in module.parameters()),
        statistics=_buffers(module, statistics=True),
        constants=_buffers(module, statistics=False),
        multiply_adds=counted.total // batch,
        frame_seconds=seconds,
        inputs=tuple(tuple(each.shape) for each in inputs),
    )


def _batch(inputs: Sequence[Tensor]) -> int:
    sizes = {each.shape[0] for each in inputs if each.ndim}
    if len(sizes) != 1 or 0 in sizes:
        raise UsageError(f"inputs of {_shapes(inputs)} have no batch size in common; each is (N, …)")
    return sizes.pop()


def _shapes(inputs: Sequence[Tensor]) -> str:
    return " and ".join(f"`{list(each.shape)}`" for each in inputs) or "no shape"


def _parts(module: nn.Module, depth: int) -> Iterator[tuple[str, nn.Module]]:
    """Groups of layers, none inside another; what a module holds beside its children is a part of its own."""
    seen: set[int] = set()

    def below(at: nn.Module, prefix: str, left: int) -> Iterator[tuple[str, nn.Module]]:
        for name, child in at.named_children():
            if id(child) in seen:
                continue
            seen.add(id(child))
            if left > 1 and any(True for _ in child.children()):
                yield from below(child, f"{prefix}{name}.", left - 1)
            else:
                yield f"{prefix}{name}", child

    yield from below(module, "", depth)
    yield OWN, module


def _called(part: nn.Module) -> Iterator[nn.Module]:
    """The part, or what a list or table of modules holds, which is never called itself."""
    if isinstance(part, nn.ModuleList | nn.ModuleDict):
        for child in part.children():
            yield from _called(child)
    else:
        yield part


def _rows(
    parts: list[tuple[str, nn.Module]], module: nn.Module, counted: Mapping[str, int], total: int, batch: int
) -> Iterator[Part]:
    seen: set[int] = set()
    rest = total - sum(counted.values())
    for name, part in parts:
        mine = {id(each): each.numel() for each in part.parameters() if id(each) not in seen}
        seen |= set(mine)
        own = part is module
        multiply_adds = (rest if own else counted.get(name, 0)) // batch
        if own and not mine and not rest:
            continue
        yield Part(
            name=name,
            kind="" if own else type(part).__name__,
            parameters=sum(mine.values()),
            multiply_adds=multiply_adds,
        )


def _buffers(module: nn.Module, *, statistics: bool) -> int:
    return sum(
        each.numel() for name, each in module.named_buffers() if (name.rpartition(".")[2] in _STATISTICS) == statistics
    )


def zeros(shapes: Sequence[tuple[int, ...]], *, batch: int) -> list[Tensor]:
    """An input of zeros for each shape.

    Args:
        shapes: Without the batch.
        batch: Of each.
    """
    return [torch.zeros(batch, *shape) for shape in shapes]
