"""How long work shows how far it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

Step = TypeVar("Step")


class Progress(Protocol):
    """Walks over the steps of long work and shows how far it is."""

    def __call__(self, steps: Iterable[Step], *, what: str, total: int | None = None) -> Iterator[Step]:
        """Yields each step; `what` names the work in two or three words."""
        ...


def silent(steps: Iterable[Step], *, what: str, total: int | None = None) -> Iterator[Step]:  # noqa: ARG001 - the protocol's names
    """The progress that shows nothing.

    >>> list(silent([1, 2], what="counting"))
    [1, 2]
    """
    yield from steps
