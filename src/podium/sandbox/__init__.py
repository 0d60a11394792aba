"""Runs other people's code within walls and limits, and tells what became of it.

```
podium.sandbox.sandbox("auto").run(Box(...), out)  ->  Run
```
"""

from __future__ import annotations

from pathlib import Path

from podium.errors import MachineError, UsageError, nearest
from podium.sandbox.base import Box, Diagnosis, Sandbox
from podium.sandbox.bubblewrap import Bubblewrap, find, works
from podium.sandbox.container import Container
from podium.sandbox.diagnosis import diagnose
from podium.sandbox.process import Process

__all__ = ["BACKENDS", "Box", "Diagnosis", "Sandbox", "diagnose", "sandbox"]

BACKENDS = ("auto", "bubblewrap", "container", "process")


def sandbox(name: str = "auto") -> Sandbox:
    """The back end of that name; ``auto`` is bubblewrap, else a container engine that answers.

    ``process`` has no walls and is given only when it is named.

    >>> sandbox("process").name
    'process'

    Raises:
        UsageError: No back end has that name.
        MachineError: Neither bubblewrap nor a container engine works here; says what to install.
    """
    if name not in BACKENDS:
        raise UsageError(f"no sandbox is called `{name}`; {nearest(name, BACKENDS)}")
    if name == "bubblewrap":
        return Bubblewrap(program=find())
    if name == "process":
        return Process()
    if name == "container":
        return Container.found()
    return _automatic()


def _automatic() -> Sandbox:
    program: Path | None = None
    missing = ""
    try:
        program = find()
    except MachineError as error:
        missing = str(error)
    if program and works(program):
        return Bubblewrap(program=program)
    try:
        return Container.found()
    except MachineError as error:
        if program:
            # its first run tells what this machine refuses and what to do
            return Bubblewrap(program=program)
        raise MachineError(f"nothing here can run a submission safely: {missing}; {error}") from None
