"""A network as a folder: ``network.yaml``, its settings, and ``weights.safetensors``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from podium.errors import MachineError, UsageError
from podium.solutions import weights
from podium.solutions.training import recipe

try:
    import safetensors.torch
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MachineError("networks need torch and safetensors: `pip install 'podium[torch]'`") from error

SETTINGS_FILE = "network.yaml"
WEIGHTS_FILE = "weights.safetensors"

Net = TypeVar("Net", bound=nn.Module)


def save(network: nn.Module, settings: Any, folder: Path) -> None:
    """Writes ``network.yaml`` and ``weights.safetensors``; equal networks give equal bytes.

    The weights come last and have their name only when they are whole.

    Args:
        network: Its whole state is written.
        settings: A dataclass that `load` can make it of.
        folder: Made where it is missing.
    """
    recipe.write(settings, folder / SETTINGS_FILE)
    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    part = folder / f"{WEIGHTS_FILE}.part"
    safetensors.torch.save_file(state, part)
    part.replace(folder / WEIGHTS_FILE)


def load(folder: Path, kind: type[Any], make: Callable[[Any], Net], *, slack: float, device: str = "cpu") -> Net:
    """The network that `save` wrote, in evaluation mode.

    Args:
        folder: Of `save`.
        kind: Of its settings.
        make: A network of some settings.
        slack: How many times the numbers in its file it may hold; more is refused before it takes memory.
        device: By torch's name.

    Raises:
        UsageError: The folder holds none, or its files do not belong together.
    """
    if not (folder / SETTINGS_FILE).is_file() or not (folder / WEIGHTS_FILE).is_file():
        raise UsageError(f"`{folder}` holds no network; `{SETTINGS_FILE}` and `{WEIGHTS_FILE}` are needed")
    settings = recipe.load(folder / SETTINGS_FILE, kind)
    state = weights.read_state(folder / WEIGHTS_FILE)
    _check_size(lambda: make(settings), state, folder, slack)
    network = make(settings)
    weights.fill(network, state, str(folder / SETTINGS_FILE))
    return network.to(device).eval()


def _check_size(make: Callable[[], nn.Module], state: Mapping[str, Tensor], folder: Path, slack: float) -> None:
    try:
        with torch.device("meta"):
            numbers = sum(each.numel() for each in make().state_dict().values())
    except (RuntimeError, OverflowError) as error:
        raise UsageError(f"`{folder / SETTINGS_FILE}` describes a network that is too large: {error}") from error
    there = sum(each.numel() for each in state.values())
    if numbers > slack * there:
        raise UsageError(f"`{folder / SETTINGS_FILE}` needs `{numbers}` weights; `{WEIGHTS_FILE}` has `{there}`")
