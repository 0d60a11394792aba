"""Which parameter learns how fast, and which is pulled towards zero."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from podium.errors import MachineError, UsageError, nearest

try:
    from torch import nn
except ImportError as error:
    raise MachineError("training needs torch: `pip install 'podium[train]'`") from error


def matrices(name: str, parameter: nn.Parameter) -> bool:  # noqa: ARG001 - others go by the name
    """True for what has two axes or more: neither biases nor the scales of norms."""
    return parameter.ndim > 1


def groups(
    module: nn.Module,
    *,
    learning_rates: Mapping[str, float],
    weight_decay: float = 0.0,
    decays: Callable[[str, nn.Parameter], bool] = matrices,
) -> list[dict[str, Any]]:
    """Parameter groups for a torch optimizer, in a fixed order, each with a `name` that logs show.

    Args:
        learning_rates: By the beginning of a parameter's name, in whole parts: ``backbone`` is that of
            ``backbone.conv.weight``. The longest that fits counts; the empty one is for all others. Where a parameter
            fits none, that is an error.
        weight_decay: At least 0.
        decays: Whether a parameter of this name is pulled towards zero.

    Raises:
        UsageError: A beginning belongs to no parameter, or a parameter to no beginning.

    >>> [(group["name"], group["lr"], group["weight_decay"], len(group["params"]))
    ...  for group in groups(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), learning_rates={"": 1.0, "1": 9.0},
    ...                      weight_decay=0.1)]
    [('all', 1.0, 0.1, 1), ('all without decay', 1.0, 0.0, 1), ('1', 9.0, 0.1, 1), ('1 without decay', 9.0, 0.0, 1)]
    """
    found: dict[tuple[str, bool], list[nn.Parameter]] = {
        (prefix, decayed): [] for prefix in learning_rates for decayed in (True, False)
    }
    for name, parameter in module.named_parameters():
        fitting = [each for each in learning_rates if each == "" or name == each or name.startswith(f"{each}.")]
        if not fitting:
            raise UsageError(f"the parameter `{name}` has no learning rate; give one for its beginning or for all")
        if parameter.requires_grad:
            found[max(fitting, key=len), decays(name, parameter)].append(parameter)
    names = {name.rsplit(".", 1)[0] for name, _ in module.named_parameters()} | {
        name.split(".")[0] for name, _ in module.named_parameters()
    }
    for prefix in learning_rates:
        if prefix and not any(name == prefix or name.startswith(f"{prefix}.") for name, _ in module.named_parameters()):
            raise UsageError(f"no parameter's name begins with `{prefix}`; {nearest(prefix, names)}")
    return [
        {
            "name": (prefix or "all") + ("" if decayed else " without decay"),
            "params": parameters,
            "lr": learning_rates[prefix],
            "weight_decay": weight_decay if decayed else 0.0,
        }
        for (prefix, decayed), parameters in found.items()
        if parameters
    ]
