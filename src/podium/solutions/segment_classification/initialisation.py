"""How weights begin."""

from __future__ import annotations

from podium.errors import MachineError

try:
    from torch import nn
except ImportError as error:
    raise MachineError("networks need torch: `pip install 'podium[torch]'`") from error


def initialise(module: nn.Module) -> None:
    """Fully connected layers get normal weights after He (fan-in, ReLU), batch norms scales of 0 to 1; biases are 0.

    Args:
        module: Changed, with all that is in it; other layers stay as they are.
    """
    for each in module.modules():
        if isinstance(each, nn.Linear):
            nn.init.kaiming_normal_(each.weight)
        elif isinstance(each, nn.BatchNorm1d):
            nn.init.uniform_(each.weight)
        else:
            continue
        if each.bias is not None:
            nn.init.zeros_(each.bias)
