"""A model that somebody wrote: ``nets.py:Segmenter``. Their file is imported, and what it names is called."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from podium.errors import UsageError, nearest
from podium.solutions.profile.keras_model import choose_backend
from podium.solutions.profile.result import Profile


def is_own_code(text: str) -> bool:
    """True for ``FILE.py:NAME``.

    >>> is_own_code("nets.py:Segmenter"), is_own_code("weights.safetensors")
    (True, False)
    """
    return text.rpartition(":")[0].endswith(".py")


def profile_own(
    text: str, shapes: Sequence[tuple[int, ...]] = (), *, batch: int = 1, repeats: int = 5, depth: int = 1
) -> Profile:
    """What a torch module or Keras model costs that is named as ``FILE.py:NAME``.

    Args:
        text: The name is a model, or a class or function that makes one without arguments.
        shapes: Of each input, without the batch; (3, 480, 854) for torch where none is given.
        batch: Of the measured call.
        repeats: Timed calls.
        depth: How deep the parts of a torch module lie.

    Raises:
        UsageError: The file or the name does not exist, or makes no model.
    """
    made = _made(text)
    kinds = {each.__module__.partition(".")[0] for each in type(made).__mro__}
    name = text.rpartition(":")[2]
    # With its torch back end every Keras model is a torch module too.
    if "keras" in kinds:
        from podium.solutions.profile.keras_model import profile_keras

        return profile_keras(made, shapes, batch=batch, repeats=repeats, name=name)
    if "torch" in kinds:
        from podium.solutions.profile.torch_module import profile_torch, zeros

        inputs = zeros(shapes or [(3, 480, 854)], batch=batch)
        return profile_torch(made, inputs, repeats=repeats, depth=depth, name=name)
    raise UsageError(f"`{text}` makes a `{type(made).__name__}`; a torch module or a Keras model is needed")


def _made(text: str) -> Any:
    file, _, name = text.rpartition(":")
    path = Path(file)
    if not path.is_file():
        raise UsageError(f"`{path}` does not exist; write `FILE.py:NAME`")
    spec = importlib.util.spec_from_file_location(f"podium_profile_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"`{path}` cannot be imported")
    choose_backend()
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    # What lies beside the file may be imported by it, as when Python is started there.
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        spec.loader.exec_module(module)
        found = getattr(module, name, None)
        if found is None:
            raise UsageError(
                f"`{path}` has no `{name}`; {nearest(name, [each for each in vars(module) if each[0] != '_'])}"
            )
        return found() if isinstance(found, type) or (not _is_model(found) and callable(found)) else found
    except UsageError:
        raise
    except Exception as error:  # somebody's code may fail in any way
        raise UsageError(f"`{text}` cannot be made: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(path.parent.resolve()))


def _is_model(found: Any) -> bool:
    return any(each.__module__.partition(".")[0] in ("torch", "keras") for each in type(found).__mro__)
