"""A trained model as a folder of plain files: weights, the recipe that made them, and how it went.

```
weights.safetensors   tensors by name
recipe.yaml           the settings, all of them
training.json         digests of recipe, weights and data, seed, epochs, best value, versions, seconds
```

Nothing in it can run.
"""

from __future__ import annotations

import dataclasses
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from podium.errors import MachineError, UsageError
from podium.formats import digests

try:
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file, save_file
except ImportError as error:
    raise MachineError("training needs torch and safetensors: `pip install 'podium[train]'`") from error

if TYPE_CHECKING:
    from podium.solutions.training.trainer import Fitted

WEIGHTS = "weights.safetensors"
RECIPE = "recipe.yaml"
TRAINING = "training.json"

_PACKAGES = ("podium", "torch", "lightning", "timm", "numpy")
_MAX_JSON_BYTES = 16 << 20


@dataclass(frozen=True, kw_only=True, eq=False)
class Export:
    """What a folder of a trained model holds.

    Attributes:
        tensors: By name.
        recipe: YAML.
        facts: How the training went.
    """

    tensors: Mapping[str, torch.Tensor]
    recipe: str
    facts: Mapping[str, Any]


def facts(
    *,
    recipe_digest: str,
    data_digest: str,
    seed: int,
    fitted: Fitted,
    monitor: str | None = None,
    more: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """What is worth knowing of a training later.

    Args:
        recipe_digest: By `recipe.digest`.
        data_digest: Of what it was trained on, such as `podium.formats.digests.digest_folder` gives.
        seed: Of the training.
        fitted: What it came to.
        monitor: The name of its best value.
        more: Numbers and words of the solution's own.
    """
    outcome = dataclasses.asdict(fitted)
    kept = ("best_value", "best_epoch", "epochs", "steps", "wall_seconds", "steps_per_second", "waiting_share")
    return {
        "recipe_digest": recipe_digest,
        "data_digest": data_digest,
        "seed": seed,
        "monitor": monitor,
        **{name: outcome[name] for name in kept},
        "versions": {"python": platform.python_version(), **_versions()},
        **more,
    }


def write(folder: Path, *, tensors: Mapping[str, torch.Tensor], recipe: str, facts: Mapping[str, Any]) -> None:
    """Writes a trained model; the digest of its weights is added to the facts.

    Args:
        folder: Made where it is absent; files of these names in it are replaced.
        tensors: By name; copied, so that they may share memory.
        recipe: YAML, by `recipe.dump`.
        facts: JSON values, by `facts`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plain = {name: value.detach().cpu().contiguous().clone() for name, value in sorted(tensors.items())}
    save_file(plain, folder / WEIGHTS)
    (folder / RECIPE).write_text(recipe)
    told = {**facts, "weights_digest": digests.digest_file(folder / WEIGHTS)}
    (folder / TRAINING).write_text(json.dumps(told, indent=1, sort_keys=True) + "\n")


def read(folder: Path) -> Export:
    """What `write` wrote.

    Raises:
        UsageError: A file is missing or broken, or the weights are not those that the facts tell of.
    """
    for name in (WEIGHTS, RECIPE, TRAINING):
        if not (folder / name).is_file():
            raise UsageError(f"`{folder}` holds no `{name}`; a folder that `podium train` exported has one")
    if (folder / TRAINING).stat().st_size > _MAX_JSON_BYTES:
        raise UsageError(f"`{folder / TRAINING}` is larger than {_MAX_JSON_BYTES} bytes")
    try:
        told = json.loads((folder / TRAINING).read_text())
        tensors = load_file(folder / WEIGHTS)
    except (SafetensorError, ValueError) as error:
        raise UsageError(f"`{folder}` holds no trained model: {error}") from error
    found = digests.digest_file(folder / WEIGHTS)
    if not isinstance(told, dict) or told.get("weights_digest") != found:
        raise UsageError(f"`{folder / WEIGHTS}` is `{found}`, which is not what `{TRAINING}` tells of")
    return Export(tensors=tensors, recipe=(folder / RECIPE).read_text(), facts=told)


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
