"""What a model costs: parameters, multiply-adds, time. Heavy packages are imported when they are needed.

```
profile_torch(module, inputs)      a torch module, by its parts
profile_keras(model, shapes)       a Keras model, by its layers
profile_file(path)                 a weight file, by group of tensors; ONNX and TorchScript can be run
profile_folder(folder)             a trained model
profile_own("nets.py:Net")         somebody's own class
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podium.solutions.profile.result import Part, Profile

if TYPE_CHECKING:
    from podium.solutions.profile.folder import profile_folder
    from podium.solutions.profile.keras_model import profile_keras
    from podium.solutions.profile.own_code import is_own_code, profile_own
    from podium.solutions.profile.torch_module import profile_torch
    from podium.solutions.profile.weight_file import profile_file

_LAZY = {
    "profile_folder": "folder",
    "profile_keras": "keras_model",
    "is_own_code": "own_code",
    "profile_own": "own_code",
    "profile_torch": "torch_module",
    "profile_file": "weight_file",
}

__all__ = [
    "Part",
    "Profile",
    "is_own_code",
    "profile_file",
    "profile_folder",
    "profile_keras",
    "profile_own",
    "profile_torch",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module `{__name__}` has no attribute `{name}`")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
