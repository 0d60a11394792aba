"""OpenCV, loaded when it is first needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from podium.errors import MachineError


@cache
def opencv() -> Any:
    """The module ``cv2``.

    Raises:
        MachineError: It is not installed.
    """
    try:
        import cv2
    except ImportError as error:
        raise MachineError("optical flow needs OpenCV: `pip install 'podium[motion]'`") from error
    return cv2


@contextmanager
def one_thread() -> Iterator[None]:
    """Within, OpenCV works in one thread: some of its results depend on how many there are."""
    cv2 = opencv()
    before = cv2.getNumThreads()
    if before == 1:
        yield
        return
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
