"""The challenges that are installed: those built in, and those of packages with an entry point in `podium.challenges`.

A built-in challenge is a folder beside this file whose package holds ``CHALLENGES``, a tuple of `Challenge`.
An entry point names such a tuple, or one `Challenge`.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from podium.errors import ChallengeError, UsageError, nearest
from podium.types import Challenge

__all__ = ["challenge", "challenges"]


@cache
def challenges() -> dict[str, Challenge]:
    """Every challenge by its id, sorted.

    Raises:
        ChallengeError: Two challenges share an id, or an entry point holds something else.

    >>> "vsc-descriptor" in challenges()
    True
    """
    found: dict[str, Challenge] = {}
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.ispkg:
            package = importlib.import_module(f"{__name__}.{module.name}")
            _add(found, getattr(package, "CHALLENGES", ()), origin=package.__name__)
    for point in entry_points(group="podium.challenges"):
        _add(found, point.load(), origin=point.value)
    return dict(sorted(found.items()))


def challenge(name: str) -> Challenge:
    """The challenge of that id.

    Raises:
        UsageError: None has it; the message suggests the nearest.

    >>> challenge("vsc-descriptor").metric.name
    'micro-AP'
    """
    known = challenges()
    if name not in known:
        raise UsageError(f"no challenge is called `{name}`; {nearest(name, known)}")
    return known[name]


def _add(found: dict[str, Challenge], offered: Any, *, origin: str) -> None:
    for each in (offered,) if isinstance(offered, Challenge) else tuple(offered):
        if not isinstance(each, Challenge):
            raise ChallengeError(f"`{origin}` offers `{each!r}`, which is no Challenge")
        if each.id in found:
            raise ChallengeError(f"`{origin}` offers a second challenge `{each.id}`")
        found[each.id] = each
