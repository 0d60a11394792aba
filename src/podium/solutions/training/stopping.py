"""A training that is asked to stop finishes its step, saves, and says how to go on."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
    """A training was stopped on request.

    Args:
        checkpoint: From which it goes on; None when it was stopped before the first was saved.
        step: Steps done.
        epoch: The epoch it was in, from 0.
    """

    def __init__(self, *, checkpoint: Path | None, epoch: int, step: int) -> None:
        where = f"stopped in epoch {epoch + 1} after {step} steps"
        kept = "saved, go on with `--resume`" if checkpoint else "nothing was saved yet"
        super().__init__(f"{where}; {kept}")
        self.checkpoint = checkpoint
        self.epoch = epoch
        self.step = step


class Requests:
    """Notes signals that ask to stop; the second one calls `insist` from within the signal's handler.

    Used as a context, it puts back the handlers that it found.
    """

    def __init__(self, insist: Callable[[], None]) -> None:
        self.stop = False
        self._insist = insist
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Requests:
        if threading.current_thread() is threading.main_thread():
            self._before = {each: signal.getsignal(each) for each in _SIGNALS}
            self.listen()
        return self

    def listen(self) -> None:
        """Takes the signals again where someone else took them meanwhile."""
        for each in self._before:
            signal.signal(each, self._note)

    def __exit__(self, *exception: object) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature of a handler
        if self.stop:
            self._insist()
        self.stop = True


def leave_signals_alone(worker: int) -> None:  # noqa: ARG001 - the loader gives its number
    """For a loader's worker: an interrupt on the terminal reaches it too, but the trainer decides when it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
